"""Where a network can be cut: at the last tensor a convolution alone feeds that all paths cross."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from fastprune.errors import NetworkError
from fastprune.networks.graph import Call, Graph
from fastprune.networks.layer_kinds import (
    CHANNEL_WISE,
    MIXING,
    PRUNABLE,
    activation_name,
    is_convolution,
    is_elementwise,
)
from fastprune.runtime.progress import warn

NAMED = 8
"""Convolutions that a message names for one reason."""


@dataclass(frozen=True, eq=False)
class Cut:
    """A place where a network can be cut: the prune layer, and the last tensor it alone feeds.

    Attributes
    ----------
    prune, layer : Call
        Call of the prune layer and of the cut layer; the same where nothing lies between.
    chain : tuple of Call
        The channel-wise calls from after the prune layer to the cut layer.
    """

    prune: Call
    layer: Call
    chain: tuple[Call, ...]


def choose(graph: Graph, cut_layer: str | None, where: str) -> Cut:
    """Return the cut whose cut layer is named, or the last.

    A warning says which convolutions behind the last cut every path crosses all the same, and why
    they are passed over.

    Parameters
    ----------
    graph : Graph
        The network.
    cut_layer : str or None
        Name of the cut layer; None for the last cut.
    where : str
        The network in the words of messages.

    Raises
    ------
    NetworkError
        When there is no cut, none at the layer that is named, or a convolution is channels-first.
    """
    possible = cuts(graph)
    prunable = [call.operation for call in graph.calls if call.kind in PRUNABLE]
    if any(layer.data_format == "channels_first" for layer in prunable):
        message = f"expected channels-last convolutions; got channels-first ones ({where})"
        raise NetworkError(message)
    if cut_layer is not None:
        return _named(graph, possible, cut_layer, where)
    if not possible:
        message = (
            "expected a convolution whose channels alone feed a tensor that every path to the "
            f"class scores crosses; got none ({where}; convolutions: "
            f"{_reasons(graph, _convolutions(graph))}); give a network that has one"
        )
        raise NetworkError(message)
    after = graph.calls[graph.calls.index(possible[-1].layer) + 1 :]
    later = [call for call in after if is_convolution(call.kind) and crossed(graph, call.output)]
    if later:
        name = possible[-1].prune.name
        warn(f"{name} is pruned; convolutions behind it are not: {_reasons(graph, later)}")
    return possible[-1]


def cuts(graph: Graph) -> list[Cut]:
    """Find every cut, in the order of the network: the last is the one to take.

    A cut is the last tensor fed by a convolution through channel-wise layers only that every path
    from the images to the class scores crosses. The lab's is pool_3: conv_4 comes later, but a
    second path leads around it.
    """
    found = []
    uses = _uses(graph)
    for call in graph.calls:
        if call.kind not in PRUNABLE or _own_reason(call, uses) is not None:
            continue
        chain: list[Call] = []
        best: int | None = 0 if crossed(graph, call.output) else None
        while (following := _channel_wise_reader(graph, (chain or [call])[-1].output)) is not None:
            chain.append(following)
            if crossed(graph, following.output):
                best = len(chain)
        if best is not None:
            found.append(Cut(call, (call, *chain)[best], tuple(chain[:best])))
    return found


def crossed(graph: Graph, tensor: Any) -> bool:
    """Return whether every path from the images to the class scores crosses `tensor`."""
    return tensor is not graph.output and id(tensor) in graph.crossings


def _named(graph: Graph, possible: list[Cut], cut_layer: str, where: str) -> Cut:
    """Return the cut at a layer of that name: a whole one, or one that ends earlier."""
    serving = {
        call.name: _until(cut, call)
        for cut in possible
        for call in (cut.prune, *cut.chain)
        if crossed(graph, call.output)
    }
    if cut_layer not in serving:
        meant = [call for call in _convolutions(graph) if call.name == cut_layer]
        why = f"; {_reasons(graph, meant)}" if meant else ""
        message = (
            f"expected cut_layer to be one of {', '.join(serving) or 'none'}; got {cut_layer!r} "
            f"({where}{why}); name one of these or leave it out"
        )
        raise NetworkError(message)
    return serving[cut_layer]


def _until(cut: Cut, layer: Call) -> Cut:
    """Return `cut` moved up to an earlier layer of its chain."""
    chain = () if layer is cut.prune else cut.chain[: cut.chain.index(layer) + 1]
    return Cut(cut.prune, layer, chain)


def _convolutions(graph: Graph) -> list[Call]:
    """Return the calls of convolutions, prunable or not."""
    return [call for call in graph.calls if is_convolution(call.kind)]


def _reasons(graph: Graph, calls: Iterable[Call]) -> str:
    """Say why convolutions serve no cut: ``conv_4, conv_5 (a path leads around); twice (…)``."""
    uses = _uses(graph)
    told: dict[str, list[str]] = {}
    for call in calls:
        names = told.setdefault(_own_reason(call, uses) or "a path leads around", [])
        if call.name not in names:  # one that is used twice is called twice
            names.append(call.name)
    return "; ".join(f"{_listed(names)} ({why})" for why, names in told.items()) or "none"


def _listed(names: list[str]) -> str:
    more = [f"{len(names) - NAMED} more"] if len(names) > NAMED else []
    return ", ".join(names[:NAMED] + more)


def _uses(graph: Graph) -> Counter[int]:
    """Return how often each layer is called, by ``id``."""
    return Counter(id(call.operation) for call in graph.calls)


def _own_reason(call: Call, uses: Counter[int]) -> str | None:
    """Say why a convolution cannot be pruned, wherever it lies; None if it can."""
    if call.kind not in PRUNABLE:
        return f"the channels of a {call.kind} are not pruned"
    if uses[id(call.operation)] > 1:  # zeroing a channel here zeroes it elsewhere too
        return f"used {uses[id(call.operation)]} times, so that its weights are shared"
    if is_elementwise(call.operation):
        return None
    name = activation_name(call.operation)
    if name in MIXING:
        return f"its activation {name} mixes the channels"
    if name == "PReLU":
        return f"its activation {name} adds weights to it"
    return f"its activation {name} is not known to keep channels apart"


def _channel_wise_reader(graph: Graph, tensor: Any) -> Call | None:
    """Return the one call that takes `tensor`, if it is channel-wise."""
    readers = graph.readers.get(id(tensor), ())
    if len(readers) != 1 or readers[0].kind not in CHANNEL_WISE or len(readers[0].inputs) != 1:
        return None
    layer = readers[0].operation
    if getattr(layer, "data_format", None) == "channels_first":
        return None
    if readers[0].kind == "BatchNormalization" and layer.axis not in (-1, len(tensor.shape) - 1):
        return None
    if readers[0].kind == "DepthwiseConv2D" and layer.depth_multiplier != 1:
        return None
    return readers[0] if is_elementwise(layer) else None
