"""Reading a network's graph: every layer called once more, nested models unfolded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastprune.errors import NetworkError, check_printable
from fastprune.networks.graph import Call, Graph
from fastprune.networks.layer_checks import (
    changes_nothing,
    check_inference,
    check_nested,
    check_output,
    check_shape,
    trains_by_default,
)


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
    unfolding = _Unfolding()
    end = unfolding.run(model, start)
    return Graph(start, end, _between(unfolding.calls, start, end))


class _Unfolding:
    """Calls every layer of a network on a graph of its own, nested models layer by layer.

    Attributes
    ----------
    calls : list of Call
        What was called, in order.
    """

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self._names: dict[str, Any] = {}

    def run(self, model: Any, tensor: Any) -> Any:
        """Call the layers of `model` in turn; return what they make of `tensor`."""
        import keras

        def call(operation: Any, *args: Any, **kwargs: Any) -> Any:
            return self._call(str(model.name), operation, args, kwargs)

        if isinstance(model, keras.Sequential | keras.layers.Pipeline):
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

    def _call(self, where: str, operation: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        import keras

        tensors = tuple(
            item for item in keras.tree.flatten((args, kwargs))
            if isinstance(item, keras.KerasTensor)
        )  # fmt: skip
        as_trained = trains_by_default(operation)
        if as_trained:
            kwargs = {**kwargs, "training": False}
        check_inference(operation, kwargs, where)
        if isinstance(operation, keras.Model | keras.layers.Pipeline):
            check_nested(operation, tensors, where)
            return self.run(operation, tensors[0])
        if changes_nothing(operation, tensors):
            return tensors[0]
        self._check_name(operation)
        output = operation(*args, **kwargs)
        check_output(operation, output, where)
        if as_trained:
            check_shape(operation, tensors[0], output, where)
        self.calls.append(Call(operation, args, kwargs, tensors, output))
        return output

    def _check_name(self, operation: Any) -> None:
        """Refuse names that cannot be printed, and those of two layers."""
        check_printable(operation.name, "layer names", NetworkError)
        owner = self._names.setdefault(operation.name, operation)
        if owner is not operation:
            message = (
                f"expected layers with names of their own; got two named {operation.name!r}; "
                "rename one (layer.name = ...) and save the network again"
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
    if id(start) not in wanted or not kept:
        ignores = "ignores it" if kept else "gives the image itself"
        message = f"expected class scores that depend on the image; got a network that {ignores}"
        raise NetworkError(message)
    return tuple(reversed(kept))
