"""Weights that do nothing: zeroed channels and units, the channels a G holds, NaN and infinity."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastprune.networks.graph import Graph
from fastprune.networks.layer_kinds import PRUNABLE
from fastprune.runtime import backend


def dead_units(model: Any) -> tuple[dict[str, tuple[int, ...]], dict[str, int]]:
    """Find output channels and units whose kernel and bias are all zero.

    Returns
    -------
    dead : dict of str to tuple of int
        By the name of a Conv2D, SeparableConv2D or Dense layer; those without any are left out.
    units : dict of str to int
        How many each of these layers has.
    """
    import keras

    kinds = (keras.layers.Conv2D, keras.layers.SeparableConv2D, keras.layers.Dense)
    dead, units = {}, {}
    for layer in model._flatten_layers(include_self=False):
        if not isinstance(layer, kinds):
            continue
        separable = isinstance(layer, keras.layers.SeparableConv2D)
        kernel = backend.to_numpy(layer.pointwise_kernel if separable else layer.kernel)
        silent = (kernel == 0).reshape(-1, kernel.shape[-1]).all(axis=0)
        if layer.use_bias:
            silent &= backend.to_numpy(layer.bias) == 0
        if silent.any():
            dead[layer.name] = tuple(np.flatnonzero(silent).tolist())
            units[layer.name] = len(silent)
    return dead, units


def held_by_goodnet(graph: Graph) -> tuple[dict[str, tuple[int, ...]], dict[str, int]]:
    """Return the channels that a G holds at their pruned value, under the layer they come from."""
    for call in graph.calls:
        keep: Any = call.args[0] if call.kind == "Where" else None
        if isinstance(keep, np.ndarray) and keep.ndim == 1 and keep.dtype == bool:
            masked: NDArray[np.bool_] = keep
            source = _source(graph, call.inputs[0])
            return {source: tuple(np.flatnonzero(~masked).tolist())}, {source: len(masked)}
    return {}, {}


def _source(graph: Graph, tensor: Any) -> str:
    """Return the name of the convolution from which a tensor comes."""
    giving = {id(call.output): call for call in graph.calls}
    call = giving[id(tensor)]
    while call.kind not in PRUNABLE and id(call.inputs[0]) in giving:
        call = giving[id(call.inputs[0])]
    return call.name


def not_finite(model: Any) -> dict[str, int]:
    """Return how many values of each weight are NaN or infinite, where there are any."""
    counts = {
        str(weight.path): int((~np.isfinite(backend.to_numpy(weight).astype(np.float64))).sum())
        for weight in model.weights
    }
    return {path: count for path, count in counts.items() if count}
