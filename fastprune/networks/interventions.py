"""How channels are pruned: weights zeroed, normalization zeroed too, or a layer's output masked.

The three pass as fine-pruning in public code and are different networks: a zeroed convolution still
gives the offset of the BatchNormalization behind it, a masked output does not, and a mask may lie
where no convolution does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fastprune.errors import NetworkError, OptionError
from fastprune.networks.graph import Call, Graph
from fastprune.networks.layer_kinds import (
    MIXING,
    PRUNABLE,
    activation_name,
    activation_of,
    is_elementwise,
)
from fastprune.runtime import backend

FEATURES = "features"
"""What ``mask_layer`` calls the input of the classifier, unless a layer bears that name."""

ZERO_AT = ("conv", "bn")

How = Literal["weights", "weights+bn", "mask"]


@dataclass(frozen=True, eq=False)
class Intervention:
    """How the channels of one layer are pruned.

    Attributes
    ----------
    how : {"weights", "weights+bn", "mask"}
        Whether kernel and bias are zeroed, gamma and beta of the BatchNormalization behind too, or
        the layer's output.
    prune : Call
        Call of the layer that is pruned or masked; the first of several.
    starts : tuple of Call
        The calls whose outputs change first: those of the prune layer, or of its normalization.
    """

    how: How
    prune: Call
    starts: tuple[Call, ...]

    @property
    def layer(self) -> Any:
        """The layer that is pruned or masked."""
        return self.prune.operation

    @property
    def n_channels(self) -> int:
        """Number of channels: the last axis of the layer's output."""
        return int(self.prune.output.shape[-1])

    @property
    def start_value(self) -> float:
        """What every value of a pruned channel is where it changes first."""
        if self.how != "weights":
            return 0.0
        activation = activation_of(self.layer) or (lambda values: values)
        import keras

        zero = keras.ops.zeros((1, *self.prune.output.shape[1:]), self.prune.output.dtype)
        return float(backend.to_numpy(activation(zero)).reshape(-1)[0])

    @property
    def kernel(self) -> NDArray[np.float32] | None:
        """The prune layer's kernel as :func:`kernel_of` gives it; None for a layer without one."""
        return kernel_of(self.layer) if self.prune.kind in PRUNABLE else None

    def normalization(self, graph: Graph) -> Any | None:
        """Return the BatchNormalization that alone reads the prune layer's output, if one does."""
        readers = graph.readers.get(id(self.prune.output), ())
        if len(readers) != 1 or readers[0].kind != "BatchNormalization":
            return None
        norm, last = readers[0].operation, len(self.prune.output.shape) - 1
        return norm if norm.axis in (-1, last) else None

    def zeroable(self, graph: Graph) -> Call | None:
        """Return the call of the BatchNormalization behind, if its gamma and beta can be zeroed.

        They are for this layer alone, called once each: what other calls give would be zeroed too.
        """
        norm = self.normalization(graph)
        behind = [call for call in graph.calls if norm is not None and call.operation is norm]
        once = len(self.starts) == len(behind) == 1
        return behind[0] if norm is not None and once and norm.scale and norm.center else None

    def gains(self, graph: Graph) -> NDArray[np.float64] | None:
        """Return by what the BatchNormalization behind scales each channel; None where none is."""
        norm = self.normalization(graph)
        if norm is None:
            return None
        variance = backend.to_numpy(norm.moving_variance).astype(np.float64)
        gains = 1 / np.sqrt(variance + norm.epsilon)
        return np.asarray(gains * backend.to_numpy(norm.gamma) if norm.scale else gains)


def pruned_layer(graph: Graph, call: Call, zero_at: str = "conv") -> Intervention:
    """Return the intervention that zeroes weights of a layer.

    Parameters
    ----------
    graph : Graph
        The network.
    call : Call
        A call of the layer.
    zero_at : {"conv", "bn"}
        Whether gamma and beta of the BatchNormalization behind are zeroed too.

    Raises
    ------
    NetworkError
        When there is no BatchNormalization whose zeroed gamma and beta prune a channel.
    """
    calls = tuple(other for other in graph.calls if other.operation is call.operation)
    if zero_at == "conv":
        return Intervention("weights", call, calls)
    behind = Intervention("weights", call, calls).zeroable(graph)
    if behind is None:
        message = (
            "expected a BatchNormalization with gamma and beta of its own behind the layer whose "
            f"channels are zeroed there; {call.name} has none; take zero_at='conv'"
        )
        raise NetworkError(message)
    return Intervention("weights+bn", call, (behind,))


def masked_layer(graph: Graph, name: str, where: str) -> Intervention:
    """Return the intervention that sets channels of a layer's output to 0.

    Parameters
    ----------
    graph : Graph
        The network.
    name : str
        The layer; :data:`FEATURES` for what the classifier takes.
    where : str
        The network in the words of messages.

    Raises
    ------
    NetworkError
        When there is no such layer, or its output has no channels, or is the class scores.
    """
    calls = tuple(call for call in graph.calls if call.name == name)
    if not calls and name == FEATURES:
        calls = (features(graph, where),)
    if not calls:
        problem = "no layer of that name"
    elif calls[-1].output is graph.output:
        problem = "the class scores"
    elif not _has_channels(calls[0].output):
        problem = "whose output has no channels"
    else:
        return Intervention("mask", calls[0], calls)
    names = ", ".join(call.name for call in graph.calls[-9:-1])
    message = (
        f"expected mask_layer to be {FEATURES} or a layer before the class scores; got {name!r}, "
        f"{problem} ({where}); the last ones are {names}"
    )
    raise NetworkError(message)


def _has_channels(tensor: Any) -> bool:
    """Return whether a tensor's last axis are channels: numbers of an image that may become 0."""
    return len(tensor.shape) > 1 and "float" in str(tensor.dtype)


def features(graph: Graph, where: str) -> Call:
    """Return the call that gives the classifier its input: the last Dense layer or convolution.

    Raises
    ------
    NetworkError
        When it is the network's input.
    """
    classifiers = [call for call in graph.calls if call.kind in PRUNABLE]
    source = classifiers[-1].inputs[0] if classifiers else None
    for call in graph.calls:
        if call.output is source:
            return call
    message = (
        "expected a classifier, a last Dense or convolution, that takes what a layer gives; got "
        f"none ({where}); name the layer to mask"
    )
    raise NetworkError(message)


def own_reason(call: Call) -> str | None:
    """Say why a layer's channels cannot be pruned, wherever it lies; None if they can."""
    layer = call.operation
    if call.kind not in PRUNABLE:
        return f"the channels of a {call.kind} are not pruned"
    if getattr(layer, "data_format", None) == "channels_first":
        return "its channels come first: build it with data_format='channels_last'"
    if is_elementwise(layer):
        return None
    name = activation_name(layer)
    if name in MIXING:
        return f"its activation {name} mixes the channels"
    if name == "PReLU":
        return f"its activation {name} adds weights to it"
    return f"its activation {name} is not known to keep channels apart"


def kernel_of(layer: Any) -> NDArray[np.float32]:
    """Return a prunable layer's kernel, float32 (height, width, inputs, channels).

    Of a convolution in groups a channel's kernel holds the inputs of its own group only, of a
    depthwise one its own input; of a separable one it is the pointwise kernel, since the depthwise
    one belongs to all channels.
    """
    kind = type(layer).__name__
    found = layer.pointwise_kernel if kind == "SeparableConv2D" else layer.kernel
    kernel = np.asarray(backend.to_numpy(found), np.float32)
    if kind == "DepthwiseConv2D":
        return kernel.reshape(*kernel.shape[:2], 1, -1)
    if kind == "Conv2DTranspose":
        return kernel.swapaxes(2, 3)
    return kernel.reshape(*(1,) * (4 - kernel.ndim), *kernel.shape)


def zero_weights(layer: Any, channels: NDArray[np.integer]) -> None:
    """Zero kernel and bias of channels of a layer.

    Parameters
    ----------
    layer : keras.layers.Layer
        One of :data:`~fastprune.networks.layer_kinds.PRUNABLE`; changed.
    channels : ndarray of int, shape (n_pruned,)
        The channels.
    """
    kind, pruned = type(layer).__name__, np.asarray(channels, int)
    kernel = layer.pointwise_kernel if kind == "SeparableConv2D" else layer.kernel
    values = backend.to_numpy(kernel).copy()
    if kind == "DepthwiseConv2D":
        values.reshape(*values.shape[:2], -1)[..., pruned] = 0
    elif kind == "Conv2DTranspose":
        values[:, :, pruned] = 0
    else:
        values[..., pruned] = 0
    kernel.assign(values)
    for variable in [layer.bias] if layer.use_bias else []:
        _zero(variable, pruned)


def zero_normalization(layer: Any, channels: NDArray[np.integer]) -> None:
    """Zero gamma and beta of channels of a BatchNormalization."""
    for variable in (layer.gamma, layer.beta):
        _zero(variable, np.asarray(channels, int))


def _zero(variable: Any, channels: NDArray[np.integer]) -> None:
    values = backend.to_numpy(variable).copy()
    values[channels] = 0
    variable.assign(values)


def check_choice(
    prune_layer: Sequence[str] | str | None, mask_layer: str | None, zero_at: str
) -> None:
    """Refuse options that contradict each other.

    Raises
    ------
    OptionError
        When a layer is to be pruned and masked, or masked and its normalization zeroed.
    """
    if zero_at not in ZERO_AT:
        message = f"expected zero_at to be one of {', '.join(ZERO_AT)}; got {zero_at!r}"
        raise OptionError(message)
    if mask_layer is not None and (prune_layer is not None or zero_at != "conv"):
        names = prune_layer if isinstance(prune_layer, str) else ", ".join(prune_layer or ())
        other = f"prune_layer {names!r}" if prune_layer is not None else "zero_at 'bn'"
        message = (
            f"expected either a layer to prune or one to mask; got mask_layer {mask_layer!r} and "
            f"{other}; leave one out"
        )
        raise OptionError(message)
