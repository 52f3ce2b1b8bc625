"""Which cut is taken: that of a layer that is named, or of the one that people mean."""

from __future__ import annotations

from collections.abc import Iterable

from fastprune.errors import NetworkError
from fastprune.networks.cuts import (
    Cut,
    candidates,
    convolutions,
    cuts_of,
    gives_classes,
    is_convolution_call,
)
from fastprune.networks.graph import Call, Graph
from fastprune.networks.interventions import (
    FEATURES,
    Intervention,
    check_choice,
    masked_layer,
    own_reason,
    pruned_layer,
)
from fastprune.runtime.progress import warn

NAMED = 8
"""Convolutions that a message names for one reason."""


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
    later = [call for call in after if is_convolution_call(call) and _reason(graph, call)]
    if later:
        name = chosen.prune.name
        warn(f"{name} is pruned; convolutions behind it are not: {_reasons(graph, later)}")
    if zero_at == "bn":
        return list(cuts_of(graph, pruned_layer(graph, chosen.prune, zero_at)))[-1]
    return chosen


def _of(graph: Graph, intervention: Intervention, cut_layer: str | None, where: str) -> Cut:
    """Return the last cut for an intervention, or the one at a layer of that name."""
    found = list(cuts_of(graph, intervention))
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
        if zero_at == "conv" or cut.intervention.zeroable(graph)
        for at in cuts_of(graph, pruned_layer(graph, cut.prune, zero_at))
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


def _convolutions(graph: Graph) -> list[Call]:
    """Return the calls of convolutions, prunable or not."""
    return [call for call in graph.calls if is_convolution_call(call)]


def _reason(graph: Graph, call: Call) -> str | None:
    """Say why a convolution serves no cut, wherever the others lie; None if it does."""
    why = own_reason(call)
    if why is not None or list(cuts_of(graph, pruned_layer(graph, call))):
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
