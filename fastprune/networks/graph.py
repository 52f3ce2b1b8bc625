"""The graph of a network: its calls in order, and replaying parts of it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastprune.errors import NetworkError

MAX_VALUES = 1 << 26
"""Values of one image behind one layer: a batch of 16 takes 4 GiB. VGG-16 at 224 x 224 has 2^22."""


@dataclass(frozen=True, eq=False)
class Call:
    """One call of a layer or operation in the network.

    Attributes
    ----------
    operation : keras.Operation
        The layer or operation.
    args, kwargs
        What it was called with; tensors are KerasTensors of the graph.
    inputs : tuple of KerasTensor
        The tensors among them.
    output : KerasTensor
        What it gave.
    """

    operation: Any
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    inputs: tuple[Any, ...]
    output: Any

    @property
    def kind(self) -> str:
        """Class name of the layer or operation."""
        return type(self.operation).__name__

    @property
    def name(self) -> str:
        """Name of the layer or operation."""
        return str(self.operation.name)


@dataclass(frozen=True, eq=False)
class Graph:
    """A network as calls in topological order, nested models unfolded.

    Attributes
    ----------
    input, output : KerasTensor
        Images (batch, height, width, channels) and class scores (batch, n_classes).
    calls : tuple of Call
        Every call between them.
    """

    input: Any
    output: Any
    calls: tuple[Call, ...]


def trace(model: Any, *, finite: bool = True) -> Graph:
    """Read a network's graph.

    Parameters
    ----------
    model : keras.Model
        The network.
    finite : bool
        Refuse weights that are NaN or infinite.

    Raises
    ------
    NetworkError
        When it is no Functional or Sequential network of one input and one output, or a weight is
        not finite.
    """
    import keras

    known = isinstance(model, keras.Model) and model.built and getattr(model, "inputs", None)
    if not known:
        message = (
            f"expected a built Functional or Sequential network; got {type(model).__name__}; "
            "rebuild it with keras.Model(inputs, outputs)"
        )
        raise NetworkError(message)
    inputs, outputs = (keras.tree.flatten(part) for part in (model.inputs, model.outputs))
    if len(inputs) != 1 or len(outputs) != 1:
        message = (
            f"expected a network of one image input and one output; got {len(inputs)} inputs and "
            f"{len(outputs)} outputs ({model.name}); build one with keras.Model(input, scores)"
        )
        raise NetworkError(message)
    if finite:
        _check_weights(model)
    shape, dtype, name = inputs[0].shape[1:], inputs[0].dtype, inputs[0].name
    start = keras.Input(shape, dtype=dtype, name=name)
    calls: list[Call] = []
    end = _unfold(model, start, calls, {})
    return Graph(start, end, _between(calls, start, end))


def replay(calls: Iterable[Call], values: Mapping[int, Any], output: Any) -> Any:
    """Make calls again on other tensors.

    Parameters
    ----------
    calls : iterable of Call
        Calls in order; those whose inputs are not known are passed over.
    values : mapping of int to tensor
        The new tensor in place of the graph's, by ``id``.
    output : KerasTensor
        The graph's tensor that is wanted.

    Returns
    -------
    tensor
        What stands in the place of `output`.
    """
    import keras

    known = dict(values)
    for call in calls:
        if id(call.output) in known or any(id(tensor) not in known for tensor in call.inputs):
            continue
        args, kwargs = keras.tree.map_structure(
            lambda item: known.get(id(item), item), (call.args, dict(call.kwargs))
        )
        known[id(call.output)] = call.operation(*args, **kwargs)
    return known[id(output)]


def readers(graph: Graph, tensor: Any) -> list[Call]:
    """Return the calls that take `tensor`."""
    return [call for call in graph.calls if any(item is tensor for item in call.inputs)]


def _unfold(model: Any, tensor: Any, calls: list[Call], names: dict[str, Any]) -> Any:
    """Call every layer of `model` on `tensor` in turn, nested models layer by layer."""
    import keras

    def call(operation: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(operation, keras.Model):
            if len(keras.tree.flatten((args, operation.inputs, operation.outputs))) != 3:
                message = (
                    f"expected nested networks of one input and one output; got {operation.name!r} "
                    f"({model.name}); build the network without nesting it"
                )
                raise NetworkError(message)
            return _unfold(operation, keras.tree.flatten(args)[0], calls, names)
        owner = names.setdefault(operation.name, operation)
        _check_operation(operation, owner, training=kwargs.get("training"), of=model.name)
        output = operation(*args, **kwargs)
        _check_output(output, operation.name, of=model.name)
        tensors = tuple(
            item for item in keras.tree.flatten((args, kwargs))
            if isinstance(item, keras.KerasTensor)
        )  # fmt: skip
        calls.append(Call(operation, args, kwargs, tensors, output))
        return output

    if isinstance(model, keras.Sequential):
        for layer in model.layers:
            tensor = call(layer, tensor)
        return tensor
    if not hasattr(model, "_run_through_graph"):
        message = (
            f"expected a Functional or Sequential network; got {type(model).__name__} "
            f"({model.name}); rebuild it with keras.Model(inputs, outputs)"
        )
        raise NetworkError(message)
    # The walk behind keras.models.clone_model, which hands out a clone instead of the tensors.
    structure = keras.tree.pack_sequence_as(model.input, [tensor])
    result = model._run_through_graph(structure, operation_fn=lambda layer: layer, call_fn=call)
    return keras.tree.flatten(result)[0]


def _check_operation(operation: Any, owner: Any, *, training: object, of: str) -> None:
    """Refuse names that cannot be shown or that another layer owns, and layers in training."""
    if not operation.name.isprintable():
        message = f"expected layer names that can be printed; got {operation.name!r}"
        raise NetworkError(message)
    if owner is not operation:
        message = (
            f"expected layers with names of their own; got two named {operation.name!r}; "
            "rename one (layer.name = ...) and save the network again"
        )
        raise NetworkError(message)
    if training:
        message = (
            f"expected layers as they are at inference; got {operation.name!r} with "
            f"training=True ({of}); build the network without it"
        )
        raise NetworkError(message)


def _check_output(output: Any, name: str, *, of: str) -> None:
    """Refuse several outputs, and one that no memory holds."""
    import keras

    if not isinstance(output, keras.KerasTensor):
        message = (
            f"expected layers of one output; got several of {name!r} ({of}); use a network "
            "without it"
        )
        raise NetworkError(message)
    if math.prod(size or 1 for size in output.shape[1:]) > MAX_VALUES:
        message = (
            f"expected layers of at most {MAX_VALUES:,} values per image; got "
            f"{output.shape[1:]} of {name!r} ({of}); use a smaller network"
        )
        raise NetworkError(message)


def _check_weights(model: Any) -> None:
    """Refuse weights that are no numbers: argmax would call every image class 0."""
    import keras

    for weight in model.weights:
        if not keras.ops.all(keras.ops.isfinite(weight)):
            message = (
                f"expected finite weights; got NaN or infinity in {weight.path} ({model.name}); "
                "use a network that was trained to its end"
            )
            raise NetworkError(message)


def _between(calls: Sequence[Call], start: Any, end: Any) -> tuple[Call, ...]:
    """Return the calls that lie on a path from `start` to `end`."""
    wanted = {id(end)}
    kept = []
    for call in reversed(calls):
        if id(call.output) in wanted:
            kept.append(call)
            wanted.update(id(tensor) for tensor in call.inputs)
    if id(start) not in wanted:
        message = "expected class scores that depend on the image; got a network that ignores it"
        raise NetworkError(message)
    return tuple(reversed(kept))
