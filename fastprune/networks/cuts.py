"""Where a network can be cut: the last tensor that keeps the channels of a prune layer apart.

Every path from the prune layer to the class scores crosses the cut. What else reaches the layers
behind it, past the cut, are *side tensors*; they do not depend on the prune layer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastprune.networks.graph import Call, Graph
from fastprune.networks.interventions import Intervention, own_reason, pruned_layer
from fastprune.networks.layer_kinds import CHANNEL_WISE, PRUNABLE, is_convolution
from fastprune.networks.tracks import INDEPENDENT, Track, dependent_calls, tracks

BETWEEN = CHANNEL_WISE | {"Softmax", "Flatten", "Reshape"}
"""What may lie between a convolution and the class scores whose channels are the classes."""


@dataclass(frozen=True, eq=False)
class Cut:
    """A place where a network can be cut.

    Attributes
    ----------
    intervention : Intervention
        Which layer's channels are pruned, and how.
    layer : Call
        Call of the cut layer; the prune layer's own where nothing lies between.
    track : Track
        How the channels lie in the cut tensor.
    chain : tuple of Call
        The calls from after the prune layer to the cut layer.
    sides : tuple of KerasTensor
        The tensors that lead around the cut.
    """

    intervention: Intervention
    layer: Call
    track: Track
    chain: tuple[Call, ...]
    sides: tuple[Any, ...]

    @property
    def prune(self) -> Call:
        """Call of the prune layer, or of the layer that is masked."""
        return self.intervention.prune

    @property
    def choice(self) -> dict[str, str]:
        """The options that make :func:`~fastprune.networks.choosing.choose` find this cut again."""
        how, named = self.intervention.how, {"cut_layer": self.layer.name}
        if how == "mask":
            return {"mask_layer": self.prune.name, **named}
        zero_at = "bn" if how == "weights+bn" else "conv"
        return {"prune_layer": self.prune.name, "zero_at": zero_at, **named}

    @cached_property
    def places(self) -> NDArray[np.int64]:
        """Where each channel of the prune layer lies on the cut's last axis, (copies, channels)."""
        sources = self.track.sources
        order = np.argsort(sources, kind="stable")[np.sum(sources == INDEPENDENT) :]
        return np.ascontiguousarray(order.reshape(self.intervention.n_channels, -1).T)

    @property
    def is_plain(self) -> bool:
        """Whether the cut's channels are the prune layer's, as they are, and nothing else."""
        return len(self.track.sources) == self.intervention.n_channels and len(self.places) == 1


def candidates(graph: Graph, *, dense: bool = False) -> list[Cut]:
    """Return the last cut of every layer that can be pruned, in the order of the network.

    Parameters
    ----------
    graph : Graph
        The network.
    dense : bool
        Whether hidden Dense layers are wanted too; those on a spatial tensor are convolutions of
        1 x 1 and always are.
    """
    seen, found = set(), []
    for call in graph.calls:
        wanted = call.kind in PRUNABLE and (dense or is_convolution_call(call))
        if not wanted or id(call.operation) in seen or own_reason(call) is not None:
            continue
        seen.add(id(call.operation))
        found += list(cuts_of(graph, pruned_layer(graph, call)))[-1:]
    return found


def convolutions(graph: Graph) -> list[Cut]:
    """Return the cuts of every convolution that can be pruned, but for the classifier."""
    return [cut for cut in candidates(graph) if not gives_classes(graph, cut.prune)]


def behind(graph: Graph, cut: Cut) -> list[str]:
    """Return the names of the convolutions that the prune layer's channels reach."""
    reached = dependent_calls(graph, cut.intervention.starts)
    starts = cut.intervention.starts
    return list(dict.fromkeys(
        call.name for call in reached if call not in starts and is_convolution_call(call)
    ))  # fmt: skip


def branches(graph: Graph, cut: Cut) -> list[str]:
    """Return the other convolutions that feed the same cut in branches of their own.

    Empty where the layer is no convolution of several that are last.
    """
    if not cut.track.per_image or cut.sides:
        return []
    return [
        other.prune.name for other in convolutions(graph)
        if other.layer is cut.layer and other.prune.operation is not cut.prune.operation
        and not other.sides
    ]  # fmt: skip


def gives_classes(graph: Graph, call: Call) -> bool:
    """Return whether a layer's channels are the classes: only pooling and such lies behind."""
    while call.output is not graph.output:
        readers = graph.readers.get(id(call.output), ())
        if len(readers) != 1 or readers[0].kind not in BETWEEN or len(readers[0].inputs) != 1:
            return False
        (call,) = readers
    return True


def cuts_of(graph: Graph, intervention: Intervention) -> Iterator[Cut]:
    """Yield the places where a network can be cut for an intervention, the last at the end."""
    starts = intervention.starts
    calls = dependent_calls(graph, starts)
    found = tracks(calls, starts)
    for index in _crossed(calls, starts):
        track = found.get(id(calls[index].output))
        if track is None or calls[index].output is graph.output or not _is_even(track):
            continue
        chain = tuple(call for call in calls[: index + 1] if call not in starts)
        inside = {id(call.output) for call in calls[index:]}
        sides = {
            id(tensor): tensor
            for call in calls[index + 1 :]
            for tensor in call.inputs
            if id(tensor) not in inside
        }
        yield Cut(intervention, calls[index], track, chain, tuple(sides.values()))


def _crossed(calls: Sequence[Call], starts: Sequence[Call]) -> list[int]:
    """Return which calls give a tensor that every path from `starts` to the last call crosses."""
    last = {id(tensor): index for index, call in enumerate(calls) for tensor in call.inputs}
    reach, found = max(calls.index(call) for call in starts), []
    for index, call in enumerate(calls):
        if reach <= index:
            found.append(index)
        reach = max(reach, last.get(id(call.output), index))
    return found


def _is_even(track: Track) -> bool:
    """Return whether every channel lies in a tensor, each as often as the others."""
    _, counts = np.unique(track.sources[track.sources != INDEPENDENT], return_counts=True)
    return len(set(counts.tolist())) == 1


def is_convolution_call(call: Call) -> bool:
    """Return whether a call is a convolution's; a Dense on a spatial tensor is one of 1 x 1."""
    spatial = call.kind == "Dense" and len(call.output.shape) == 4
    return spatial or is_convolution(call.kind)
