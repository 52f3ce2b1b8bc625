"""The graph of a network: its calls in order, where it can be cut, and replaying parts of it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastprune.errors import NetworkError

ELEMENTWISE = frozenset({
    "linear", "relu", "relu6", "leaky_relu", "elu", "selu", "celu", "gelu", "sigmoid", "tanh",
    "silu", "swish", "softplus", "softsign", "hard_sigmoid", "hard_silu", "mish", "exponential",
    "log_sigmoid", "hard_tanh", "soft_shrink", "hard_shrink", "threshold", "squareplus",
})  # fmt: skip
"""Activations that look at one value at a time; softmax, for one, mixes the channels."""

CHANNEL_WISE = frozenset({
    "Activation", "ReLU", "LeakyReLU", "ELU", "PReLU", "BatchNormalization", "MaxPooling2D",
    "AveragePooling2D", "GlobalMaxPooling2D", "GlobalAveragePooling2D", "Dropout",
    "SpatialDropout2D", "AlphaDropout", "GaussianDropout", "GaussianNoise",
    "ActivityRegularization", "ZeroPadding2D", "Cropping2D", "UpSampling2D", "DepthwiseConv2D",
    "Rescaling", "Identity",
})  # fmt: skip
"""Layers whose output channel c depends on input channel c alone."""

PRUNABLE = frozenset({"Conv2D", "SeparableConv2D"})
"""Layers whose output channels can be pruned: zero the kernel and the bias of a channel."""


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


def cuts(graph: Graph) -> list[Cut]:
    """Find every cut, in the order of the network: the last is the one to take.

    A cut is the last tensor fed by a convolution through channel-wise layers only that every path
    from the images to the class scores crosses. The lab's is pool_3: conv_4 comes later, but a
    second path leads around it.
    """
    found = []
    for call in graph.calls:
        if call.kind not in PRUNABLE or not _elementwise(call.operation):
            continue
        if sum(other.operation is call.operation for other in graph.calls) > 1:
            continue  # its weights are shared: zeroing a channel here zeroes it elsewhere too
        chain: list[Call] = []
        best: int | None = 0 if crossed(graph, call.output) else None
        while (following := _channel_wise_reader(graph, (chain or [call])[-1].output)) is not None:
            chain.append(following)
            if crossed(graph, following.output):
                best = len(chain)
        if best is not None:
            found.append(Cut(call, (call, *chain)[best], tuple(chain[:best])))
    return found


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
        if not operation.name.isprintable():
            message = f"expected layer names that can be printed; got {operation.name!r}"
            raise NetworkError(message)
        owner = names.setdefault(operation.name, operation)
        if owner is not operation:
            message = (
                f"expected layers with names of their own; got two named {operation.name!r}; "
                "rename one (layer.name = ...) and save the network again"
            )
            raise NetworkError(message)
        if kwargs.get("training"):
            message = (
                f"expected layers as they are at inference; got {operation.name!r} with "
                f"training=True ({model.name}); build the network without it"
            )
            raise NetworkError(message)
        output = operation(*args, **kwargs)
        if not isinstance(output, keras.KerasTensor):
            message = (
                f"expected layers of one output; got several of {operation.name!r} ({model.name}); "
                "use a network without it"
            )
            raise NetworkError(message)
        if math.prod(size or 1 for size in output.shape[1:]) > MAX_VALUES:
            message = (
                f"expected layers of at most {MAX_VALUES:,} values per image; got "
                f"{output.shape[1:]} of {operation.name!r} ({model.name}); use a smaller network"
            )
            raise NetworkError(message)
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


def crossed(graph: Graph, tensor: Any) -> bool:
    """Return whether every path from the images to the class scores crosses `tensor`."""
    reached = {id(graph.input)}
    for call in graph.calls:
        if call.output is not tensor and any(id(item) in reached for item in call.inputs):
            reached.add(id(call.output))
    return tensor is not graph.output and id(graph.output) not in reached


def _channel_wise_reader(graph: Graph, tensor: Any) -> Call | None:
    """Return the one call that takes `tensor`, if it is channel-wise."""
    found = readers(graph, tensor)
    if len(found) != 1 or found[0].kind not in CHANNEL_WISE or len(found[0].inputs) != 1:
        return None
    layer = found[0].operation
    if getattr(layer, "data_format", None) == "channels_first":
        return None
    if found[0].kind == "BatchNormalization" and layer.axis not in (-1, len(tensor.shape) - 1):
        return None
    if found[0].kind == "DepthwiseConv2D" and layer.depth_multiplier != 1:
        return None
    return found[0] if _elementwise(layer) else None


def _elementwise(layer: Any) -> bool:
    """Return whether a layer's activation, if it has one, looks at one value at a time."""
    activation = getattr(layer, "activation", None)
    return activation is None or getattr(activation, "__name__", None) in ELEMENTWISE
