"""Where a network can be cut: the last tensor that keeps the channels of a prune layer apart.

Every path from the prune layer to the class scores crosses the cut. What else reaches the layers
behind it, past the cut, are *side tensors*; they do not depend on the prune layer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastprune.errors import NetworkError
from fastprune.networks.graph import Call, Graph
from fastprune.networks.interventions import (
    FEATURES,
    Intervention,
    check_choice,
    masked_layer,
    own_reason,
    pruned_layer,
)
from fastprune.networks.layer_kinds import CHANNEL_WISE, PRUNABLE, is_convolution
from fastprune.networks.tracks import INDEPENDENT, Track, dependent_calls, tracks
from fastprune.runtime.progress import warn

NAMED = 8
"""Convolutions that a message names for one reason."""

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
        """The options that make :func:`choose` find this cut again."""
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


def choose(
    graph: Graph,
    where: str,
    *,
    prune_layer: str | None = None,
    mask_layer: str | None = None,
    zero_at: str = "conv",
    cut_layer: str | None = None,
) -> Cut:
    """Return the cut of the layer that is named, or of the one that is to be taken.

    That is the last convolution whose cut every path from the images to the class scores crosses;
    never the classifier itself. A warning says which later convolutions cannot be pruned and why.

    Parameters
    ----------
    graph : Graph
        The network.
    where : str
        The network in the words of messages.
    prune_layer, mask_layer, zero_at
        As for :func:`fastprune.networks.network.load_network`.
    cut_layer : str, optional
        Name of the cut layer; the last possible by default.

    Raises
    ------
    OptionError
        When the options contradict each other.
    NetworkError
        When a layer that is named does not exist or cannot serve, or there is no convolution.
    """
    check_choice(prune_layer, mask_layer, zero_at)
    if mask_layer is not None:
        return _of(graph, masked_layer(graph, mask_layer, where), cut_layer, where)
    if prune_layer is not None:
        call = _prunable(graph, prune_layer, where)
        return _of(graph, pruned_layer(graph, call, zero_at), cut_layer, where)
    if cut_layer is not None:
        return _named(graph, cut_layer, where, zero_at)
    return _automatic(graph, where, zero_at)


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
        wanted = call.kind in PRUNABLE and (dense or _is_convolution(call))
        if not wanted or id(call.operation) in seen or own_reason(call) is not None:
            continue
        seen.add(id(call.operation))
        found += list(_cuts_of(graph, pruned_layer(graph, call)))[-1:]
    return found


def convolutions(graph: Graph) -> list[Cut]:
    """Return the cuts of every convolution that can be pruned, but for the classifier."""
    return [cut for cut in candidates(graph) if not gives_classes(graph, cut.prune)]


def behind(graph: Graph, cut: Cut) -> list[str]:
    """Return the names of the convolutions that the prune layer's channels reach."""
    reached = dependent_calls(graph, cut.intervention.starts)
    starts = cut.intervention.starts
    return list(dict.fromkeys(
        call.name for call in reached if call not in starts and _is_convolution(call)
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


def _automatic(graph: Graph, where: str, zero_at: str) -> Cut:
    possible = convolutions(graph)
    chosen = next((cut for cut in reversed(possible) if not cut.sides), None)
    chosen = chosen or next(reversed(possible), None)
    if chosen is None:
        message = (
            "expected a convolution whose channels can be pruned, the classifier itself left out; "
            f"got none ({where}; convolutions: {_reasons(graph, _convolutions(graph))}); name a "
            f"hidden Dense as prune_layer, or mask_layer={FEATURES!r}"
        )
        raise NetworkError(message)
    after = graph.calls[graph.calls.index(chosen.prune) + 1 :]
    later = [call for call in after if _is_convolution(call) and _reason(graph, call)]
    if later:
        name = chosen.prune.name
        warn(f"{name} is pruned; convolutions behind it are not: {_reasons(graph, later)}")
    if zero_at == "bn":
        return list(_cuts_of(graph, pruned_layer(graph, chosen.prune, zero_at)))[-1]
    return chosen


def _cuts_of(graph: Graph, intervention: Intervention) -> Iterator[Cut]:
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


def _of(graph: Graph, intervention: Intervention, cut_layer: str | None, where: str) -> Cut:
    """Return the last cut for an intervention, or the one at a layer of that name."""
    found = list(_cuts_of(graph, intervention))
    if not found:
        done = "masked" if intervention.how == "mask" else "pruned"
        call = intervention.prune
        message = (
            f"expected a layer whose channels can be {done} one by one; got {call.name!r}, "
            f"{_mixed(graph, call) or 'its channels are the class scores'} ({where}); name another"
        )
        raise NetworkError(message)
    return _at(found, cut_layer, where)


def _at(found: list[Cut], cut_layer: str | None, where: str) -> Cut:
    """Return the last cut, or the one at a layer of that name."""
    if cut_layer is None and found:
        return found[-1]
    serving = {cut.layer.name: cut for cut in found}
    if cut_layer not in serving:
        message = (
            f"expected cut_layer to be one of {', '.join(serving) or 'none'}; got {cut_layer!r} "
            f"({where}); name one of these or leave it out"
        )
        raise NetworkError(message)
    return serving[cut_layer]


def _named(graph: Graph, cut_layer: str, where: str, zero_at: str) -> Cut:
    """Return the cut at a layer of that name, of the last convolution that has one there."""
    found = [
        at
        for cut in candidates(graph)
        for at in _cuts_of(graph, pruned_layer(graph, cut.prune, zero_at))
        if not at.sides
    ]
    meant = [call for call in _convolutions(graph) if call.name == cut_layer]
    if meant and cut_layer not in {cut.layer.name for cut in found}:
        where = f"{where}; {_reasons(graph, meant)}"
    return _at(found, cut_layer, where)


def _prunable(graph: Graph, name: str, where: str) -> Call:
    """Return the first call of a layer of that name.

    Raises
    ------
    NetworkError
        When there is none whose channels can be pruned.
    """
    call = next((call for call in graph.calls if call.name == name), None)
    why = "no layer of that name" if call is None else own_reason(call)
    if call is None or why is not None:
        possible = [cut.prune.name for cut in candidates(graph, dense=True)]
        message = (
            f"expected prune_layer to be one of {_listed(possible[::-1]) or 'none'}; got {name!r}, "
            f"{why} ({where}); name one of these, or mask the output of any layer"
        )
        raise NetworkError(message)
    return call


def _is_convolution(call: Call) -> bool:
    """Return whether a call is a convolution's; a Dense on a spatial tensor is one of 1 x 1."""
    spatial = call.kind == "Dense" and len(call.output.shape) == 4
    return spatial or is_convolution(call.kind)


def _convolutions(graph: Graph) -> list[Call]:
    """Return the calls of convolutions, prunable or not."""
    return [call for call in graph.calls if _is_convolution(call)]


def _reason(graph: Graph, call: Call) -> str | None:
    """Say why a convolution serves no cut, wherever the others lie; None if it does."""
    why = own_reason(call)
    if why is not None or list(_cuts_of(graph, pruned_layer(graph, call))):
        return why
    return _mixed(graph, call)


def _reasons(graph: Graph, calls: Iterable[Call]) -> str:
    """Say why convolutions are not pruned: ``last (its channels are the classes); twice (…)``."""
    told: dict[str, list[str]] = {}
    for call in calls:
        classes = "its channels are the classes" if gives_classes(graph, call) else None
        names = told.setdefault(_reason(graph, call) or classes or "it can be pruned", [])
        if call.name not in names:  # one that is used twice is called twice
            names.append(call.name)
    return "; ".join(f"{_listed(names)} ({why})" for why, names in told.items()) or "none"


def _listed(names: list[str]) -> str:
    more = [f"{len(names) - NAMED} more"] if len(names) > NAMED else []
    return ", ".join(names[:NAMED] + more)


def _mixed(graph: Graph, call: Call) -> str | None:
    """Say that a layer's calls mix its channels; None where it is called once."""
    uses = sum(other.operation is call.operation for other in graph.calls)
    return f"used {uses} times, so that its channels mix" if uses > 1 else None
