"""Where a network can be cut: behind one convolution, where every path passes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastprune.networks.graph import Call, Graph, readers

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
