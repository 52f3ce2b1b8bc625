"""Activations, and layers that give what they take under another shape."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastprune.networks.graph import Call
from fastprune.networks.layer_kinds import activation_of
from fastprune.suffix import columns, operations
from fastprune.suffix.builder import Builder, NotUnderstood

INFINITY = float("inf")

HOMES = frozenset({"keras", "tensorflow", "jax", "torch"})
"""Packages whose activations are what they are called."""


def view(builder: Builder, call: Call, is_output: bool) -> None:
    """Flatten, Dropout and the like: the same values under another shape."""
    if len(call.inputs) != 1:
        raise NotUnderstood(call.kind)
    source = call.inputs[0]
    if id(source) in builder.views:
        builder.views.add(id(call.output))
        if id(source) in builder.places:
            builder.places[id(call.output)] = builder.places[id(source)]
    else:
        builder.places[id(call.output)] = builder.place(source)


def activation(builder: Builder, call: Call, is_output: bool) -> None:
    """Activation, ReLU, LeakyReLU, ELU and Softmax layers."""
    layer, (source,) = call.operation, call.inputs
    size = int(np.prod(source.shape[1:]))
    kind, parameters = _activation(layer, is_output)
    if kind is None:
        return view(builder, call, is_output)
    place = builder.add_values(size)
    _operate(builder, kind, builder.place(source), place, size, parameters)
    builder.places[id(call.output)] = place
    return None


def activate(builder: Builder, call: Call, place: int, size: int, is_output: bool) -> None:
    """Append the activation that a Dense or Conv2D layer has of its own."""
    kind, parameters = _activation(call.operation, is_output)
    if kind is not None:
        source, place = place, builder.add_values(size)
        _operate(builder, kind, source, place, size, parameters)
    builder.places[id(call.output)] = place


def _operate(
    builder: Builder, kind: int, source: int, out: int, size: int, parameters: tuple[float, ...]
) -> None:
    """Append an activation."""
    first = builder.add_weights(np.array(parameters, np.float32), finite=False)
    builder.operate(kind, source, out, {columns.SIZE: size, columns.PARAMETERS: first})


def _activation(layer: Any, is_output: bool) -> tuple[int | None, tuple[float, ...]]:
    """Return the operation of a layer's activation and its parameters; None for none."""
    activation = activation_of(layer) if hasattr(layer, "activation") else layer
    kind = type(activation).__name__
    if kind == "ReLU":
        ceiling = INFINITY if activation.max_value is None else activation.max_value
        return operations.RELU, (activation.negative_slope, ceiling, activation.threshold)
    if kind == "LeakyReLU":
        return operations.RELU, (activation.negative_slope, INFINITY, 0)
    if kind == "ELU":
        return operations.ELU, (activation.alpha,)
    name = "linear" if activation is None else getattr(activation, "__name__", kind)
    if str(getattr(activation, "__module__", "keras")).split(".")[0] not in HOMES:
        raise NotUnderstood(f"activation {name} that is not Keras's own")
    if name in ("softmax", "Softmax") and is_output and getattr(activation, "axis", -1) == -1:
        return None, ()
    known: dict[str, tuple[int | None, tuple[float, ...]]] = {
        "linear": (None, ()),
        "relu": (operations.RELU, (0, INFINITY, 0)),
        "relu6": (operations.RELU, (0, 6, 0)),
        "leaky_relu": (operations.RELU, (0.2, INFINITY, 0)),
        "sigmoid": (operations.SIGMOID, (0,)),
        "tanh": (operations.TANH, (0,)),
        "elu": (operations.ELU, (1,)),
        "silu": (operations.SILU, (0,)),
    }
    if name not in known:
        raise NotUnderstood(f"activation {name}")
    return known[name]
