"""Calls of TensorFlow's functions in a network of Keras 2, as layers of Keras 3.

Keras 2.4 and later wrote ``x + 1`` or ``tf.nn.relu6(x)`` between layers as a ``TFOpLambda``: the
function's name and its arguments. Keras 3 reads none of them. Those that a layer does as well
become that layer, which can be saved as ``.h5`` again; for a slice there is an operation.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

CALLS = ("TFOpLambda", "SlicingOpLambda")
"""What Keras 2 named such calls."""


@dataclass(frozen=True)
class _Function:
    """A layer that does what a function does to one tensor, or to a list of them."""

    layer: str
    settings: dict[str, Any] = field(default_factory=dict)
    renamed: dict[str, str] = field(default_factory=dict)  # the function's keywords, the layer's
    only: dict[str, Any] = field(default_factory=dict)  # keywords, and the one value that will do
    needed: tuple[str, ...] = ()  # keywords without which the function does something else


def _activation(name: str, **only: Any) -> _Function:
    return _Function("Activation", {"activation": name}, only=only)


def _pooling(name: str) -> _Function:
    return _Function(name, {}, {"keepdims": "keepdims"}, {"axis": [1, 2]}, ("axis",))


FUNCTIONS = {
    "nn.relu": _Function("ReLU"),
    "nn.relu6": _Function("ReLU", {"max_value": 6.0}),
    "nn.leaky_relu": _Function("LeakyReLU", {"negative_slope": 0.2}, {"alpha": "negative_slope"}),
    "nn.softmax": _Function("Softmax", {}, {"axis": "axis"}),
    "nn.silu": _activation("silu", beta=1.0),
    "nn.gelu": _activation("gelu", approximate=False),
    **{f"nn.{name}": _activation(name) for name in ("elu", "selu", "softsign")},
    **{f"math.{name}": _activation(name) for name in ("sigmoid", "tanh", "softplus")},
    "clip_by_value": _Function("ReLU", {}, {"clip_value_max": "max_value"}, {"clip_value_min": 0}),
    "concat": _Function("Concatenate", {}, {"axis": "axis"}, needed=("axis",)),
    "math.add_n": _Function("Add"),
    "math.reduce_mean": _pooling("GlobalAveragePooling2D"),
    "math.reduce_max": _pooling("GlobalMaxPooling2D"),
    "cast": _Function("Rescaling", {"scale": 1.0, "offset": 0.0}, only={"dtype": "float32"}),
}
"""Functions of one tensor, or of a list of tensors."""

ARITHMETIC = {
    "__operators__.add": "Add", "math.add": "Add", "nn.bias_add": "Add",
    "math.subtract": "Subtract", "math.multiply": "Multiply", "math.maximum": "Maximum",
    "math.minimum": "Minimum", "math.truediv": "Divide", "math.divide": "Divide",
}  # fmt: skip
"""Functions of two tensors, or of a tensor and a constant."""

Made = tuple[str, dict[str, Any], list[Any]]
"""A layer's class, its settings and the tensors that it takes."""


def as_layer(call: dict[str, Any]) -> dict[str, Any] | None:
    """Return the layer that does what a call does, under its name; None where there is none."""
    function, nodes = call["config"]["function"], call["inbound_nodes"]
    if len(nodes) != 1:
        return None
    keywords = {
        key: value
        for key, value in _keywords(nodes[0]).items()
        if value is not None and key != "name"
    }
    if function == "__operators__.getitem":
        return _slice(call, keywords.get("slice_spec"))
    made = None
    if function in ARITHMETIC:
        made = _arithmetic(ARITHMETIC[function], nodes[0], keywords)
    elif function in FUNCTIONS:
        made = _function(FUNCTIONS[function], _tensors(nodes[0]), keywords)
    if made is None:
        return None
    layer, settings, tensors = made
    own = {key: call["config"].get(key) for key in ("name", "trainable", "dtype")}
    node = [[*tensor[:3], {}] for tensor in tensors]
    parts = {"class_name": layer, "config": {**own, **settings}, "name": call["name"]}
    return {**parts, "inbound_nodes": [node]}


def with_tensors(layer: dict[str, Any]) -> dict[str, Any]:
    """Return a layer whose calls name tensors by keyword as Keras 3 writes them.

    ``MultiHeadAttention(…)(x, value=x)`` is read in this form alone.
    """
    nodes = layer.get("inbound_nodes") or []
    if not any(_is_tensor(value) for node in nodes for value in _keywords(node).values()):
        return layer
    return {**layer, "inbound_nodes": [_new_node(node) for node in nodes]}


def _function(function: _Function, tensors: list[Any], keywords: dict[str, Any]) -> Made | None:
    settings = dict(function.settings)
    for key, value in keywords.items():
        if key in function.renamed:
            settings[function.renamed[key]] = value
        elif key not in function.only or value != function.only[key]:
            return None
    return None if set(function.needed) - set(keywords) else (function.layer, settings, tensors)


def _arithmetic(kind: str, node: list[Any], keywords: dict[str, Any]) -> Made | None:
    """Return the layer for two tensors, or the Rescaling for a tensor and a constant."""
    if keywords.pop("data_format", "NHWC") != "NHWC" or len(keywords) != 1:
        return None
    first, second = node, next(iter(keywords.values()))
    constant_first = first[0] == "_CONSTANT_VALUE"
    if _is_tensor(second) and not constant_first:
        return None if kind == "Divide" else (kind, {}, [first, second])
    tensor, constant = (second, first[2]) if constant_first else (first, second)
    if not _is_tensor(tensor):
        return None
    if kind in ("Maximum", "Minimum"):
        return ("ReLU", {}, [tensor]) if (kind, constant) == ("Maximum", 0) else None
    settings = _rescaling(kind, constant, constant_first)
    return None if settings is None else ("Rescaling", settings, [tensor])


def _rescaling(kind: str, constant: Any, constant_first: bool) -> dict[str, Any] | None:
    """Return scale and offset of sum, difference, product or quotient with a constant."""
    values = constant if isinstance(constant, list) else [constant]
    if not all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return None
    one_or_all = values if isinstance(constant, list) else values[0]
    if kind == "Multiply":
        return {"scale": one_or_all, "offset": 0.0}
    if kind == "Divide":
        if constant_first or 0 in values:
            return None
        inverse = [1 / value for value in values]
        return {"scale": inverse if isinstance(constant, list) else inverse[0], "offset": 0.0}
    if kind == "Subtract" and constant_first:
        return {"scale": -1.0, "offset": one_or_all}
    if kind == "Subtract":
        negative = [-value for value in values]
        return {"scale": 1.0, "offset": negative if isinstance(constant, list) else negative[0]}
    return {"scale": 1.0, "offset": one_or_all}


def _slice(call: dict[str, Any], spec: Any) -> dict[str, Any] | None:
    """Return the operation for ``x[:, 1:-1]``, of slices and numbers, or for ``x[..., ::-1]``."""
    spec = spec if isinstance(spec, list) else [spec]
    own: dict[str, Any] = {"name": call["name"]}
    arguments: list[Any] = [_new_tensor(call["inbound_nodes"][0])]
    if spec == [{"class_name": "__ellipsis__"}, {"start": None, "stop": None, "step": -1}]:
        # In an .h5 Keras 3 reads an ellipsis too early and trips over it.
        kind, own = "Flip", {**own, "axis": -1}
    elif all(_is_index(item) for item in spec):
        kind = "GetItem"
        arguments.append([
            {"class_name": "__slice__", "config": item} if isinstance(item, dict) else item
            for item in spec
        ])  # fmt: skip
    else:
        return None
    parts = {"module": "keras.src.ops.numpy", "class_name": kind, "registered_name": kind}
    node = {"args": arguments, "kwargs": {}}
    return {**parts, "config": own, "name": call["name"], "inbound_nodes": [node]}


def _is_index(item: Any) -> bool:
    """Return whether an index is a slice, a number or a new axis."""
    return (
        item is None
        or (isinstance(item, int) and not isinstance(item, bool))
        or (isinstance(item, dict) and set(item) == {"start", "stop", "step"})
    )


def tensors_in(value: Any) -> Iterator[tuple[str, int]]:
    """Yield the layer and the number of the call of every tensor in nodes or ends of a network."""
    if _is_tensor(value):
        yield value[0], value[1]
    for item in value.values() if isinstance(value, dict) else value:
        if isinstance(item, list | dict):
            yield from tensors_in(item)


def renumbered(value: Any, first: dict[str, int]) -> Any:
    """Return nodes or ends with the calls of some layers counted from their first."""
    if isinstance(value, dict):
        return {key: renumbered(item, first) for key, item in value.items()}
    if not isinstance(value, list):
        return value
    items = [renumbered(item, first) for item in value]
    if _is_tensor(value):
        items[1] -= first.get(items[0], 0)
    return items


def _tensors(node: list[Any]) -> list[Any]:
    """Return the tensors of a call, written one alone or as a list."""
    return node if isinstance(node[0], list) else [node]


def _keywords(node: Any) -> dict[str, Any]:
    """Return a call's keywords, which Keras 2 wrote behind each of its tensors."""
    tensors = _tensors(node) if isinstance(node, list) and node else []
    return tensors[0][3] if tensors and len(tensors[0]) > 3 else {}


def _is_tensor(value: Any) -> bool:
    """Return whether a value is a layer's name, the number of its call and of its output."""
    return (
        isinstance(value, list)
        and len(value) >= 3
        and isinstance(value[0], str)
        and all(isinstance(number, int) for number in value[1:3])
    )


def _new_node(node: list[Any]) -> dict[str, Any]:
    tensors = [_new_tensor(tensor) for tensor in _tensors(node)]
    keywords = {
        key: _new_tensor(value) if _is_tensor(value) else value
        for key, value in _keywords(node).items()
    }
    return {"args": [tensors[0] if len(tensors) == 1 else tensors], "kwargs": keywords}


def _new_tensor(tensor: list[Any]) -> dict[str, Any]:
    """Return a tensor as Keras 3 writes it; shape and dtype are those of the layer that made it."""
    history = {"shape": [None], "dtype": "float32", "keras_history": tensor[:3]}
    return {"class_name": "__keras_tensor__", "config": history}
