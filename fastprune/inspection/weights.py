"""Weights that do nothing: zeroed channels and units, the channels a G holds, NaN and infinity."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastprune.networks.graph import Graph
from fastprune.networks.interventions import kernel_of
from fastprune.networks.layer_kinds import PRUNABLE
from fastprune.runtime import backend


def dead_units(model: Any) -> tuple[dict[str, tuple[int, ...]], dict[str, int]]:
    """Find output channels and units whose kernel and bias are all zero.

    Returns
    -------
    dead : dict of str to tuple of int
        By the name of a convolution or Dense layer; those without any are left out.
    units : dict of str to int
        How many each of these layers has.
    """
    dead, units = {}, {}
    for layer in model._flatten_layers(include_self=False):
        if type(layer).__name__ not in PRUNABLE:
            continue
        kernel = kernel_of(layer)
        silent = (kernel == 0).reshape(-1, kernel.shape[-1]).all(axis=0)
        if layer.use_bias:
            silent &= backend.to_numpy(layer.bias) == 0
        if silent.any():
            dead[layer.name] = tuple(np.flatnonzero(silent).tolist())
            units[layer.name] = len(silent)
    return dead, units


def held_by_goodnet(graph: Graph) -> tuple[dict[str, tuple[int, ...]], dict[str, int]]:
    """Return the channels that a G holds at their pruned value, under the layer they come from.

    That is the convolution from which the cut comes through channel-wise layers alone; else the
    cut layer, whose channels they then are.
    """
    for call in graph.calls:
        keep: Any = call.args[0] if call.kind == "Where" else None
        if isinstance(keep, np.ndarray) and keep.ndim == 1 and keep.dtype == bool:
            masked: NDArray[np.bool_] = keep
            source = _source(graph, call.inputs[0])
            return {source: tuple(np.flatnonzero(~masked).tolist())}, {source: len(masked)}
    return {}, {}


def _source(graph: Graph, tensor: Any) -> str:
    """Return the name of the layer whose channels a tensor has."""
    giving = {id(call.output): call for call in graph.calls}
    cut = call = giving[id(tensor)]
    while call.kind not in PRUNABLE:
        if len(call.inputs) != 1 or id(call.inputs[0]) not in giving:
            return cut.name
        call = giving[id(call.inputs[0])]
    return call.name if call.output.shape[-1] == tensor.shape[-1] else cut.name


def not_finite(model: Any) -> dict[str, int]:
    """Return how many values of each weight are NaN or infinite, where there are any."""
    counts = {
        str(weight.path): int((~np.isfinite(backend.to_numpy(weight).astype(np.float64))).sum())
        for weight in model.weights
    }
    return {path: count for path, count in counts.items() if count}
