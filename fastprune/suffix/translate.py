"""How each kind of Keras layer becomes operations of a program: the one place that decides it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fastprune.networks.graph import Call
from fastprune.runtime import backend
from fastprune.runtime.backend import to_numpy
from fastprune.suffix import columns, operations
from fastprune.suffix.builder import Builder, NotUnderstood
from fastprune.suffix.elementwise import activation, view
from fastprune.suffix.weighted import conv, dense, padding


def merge(builder: Builder, call: Call, is_output: bool) -> None:
    """Add and Multiply of tensors of one shape."""
    if len({tuple(tensor.shape) for tensor in call.inputs}) != 1:
        raise NotUnderstood("merge that broadcasts")
    kind = operations.ADD if call.kind == "Add" else operations.MULTIPLY
    size = int(np.prod(call.output.shape[1:]))
    at = builder.place(call.inputs[0])
    for other in call.inputs[1:]:
        second = builder.place(other)
        place = builder.add_values(size)
        builder.operate(kind, at, place, {columns.SIZE: size, columns.SECOND: second})
        at = place
    builder.places[id(call.output)] = at


def concatenate(builder: Builder, call: Call, is_output: bool) -> None:
    """Concatenate over the last axis."""
    if call.operation.axis not in (-1, len(call.output.shape) - 1):
        raise NotUnderstood("concatenation over another axis than the last")
    positions = int(np.prod(call.output.shape[1:-1], dtype=int))
    width, before = int(call.output.shape[-1]), 0
    sources = [(builder.place(tensor), int(tensor.shape[-1])) for tensor in call.inputs]
    place = builder.add_values(positions * width)
    for source, size in sources:
        spread = {columns.POSITIONS: positions, columns.SPACING: width}
        builder.operate(operations.COPY, source, place + before, {columns.SIZE: size, **spread})
        before += size
    builder.places[id(call.output)] = place


def batch_normalization(builder: Builder, call: Call, is_output: bool) -> None:
    """BatchNormalization over the last axis, as it is at inference."""
    layer, (source,) = call.operation, call.inputs
    if layer.axis not in (-1, len(source.shape) - 1):
        raise NotUnderstood("normalization over another axis than the last")
    scale = 1 / np.sqrt(to_numpy(layer.moving_variance).astype(np.float64) + layer.epsilon)
    if layer.scale:
        scale *= to_numpy(layer.gamma)
    shift = -to_numpy(layer.moving_mean) * scale
    if layer.center:
        shift += to_numpy(layer.beta)
    size, place = int(np.prod(source.shape[1:])), builder.place(source)
    out = builder.add_values(size)
    builder.operate(operations.AFFINE, place, out, {
        columns.SIZE: size, columns.PERIOD: scale.size,
        columns.FACTORS: builder.add_weights(scale), columns.OFFSETS: builder.add_weights(shift),
    })  # fmt: skip
    builder.places[id(call.output)] = out


def pool(builder: Builder, call: Call, is_output: bool) -> None:
    """Max and mean pooling, over windows or over the whole image."""
    layer, (source,) = call.operation, call.inputs
    in_height, in_width, channels = source.shape[1:]
    if layer.data_format != "channels_last":
        raise NotUnderstood("channels-first pooling")
    kind = operations.POOL_MAX if "Max" in call.kind else operations.POOL_MEAN
    if call.kind.startswith("Global"):
        height, width, window, stride, top, left = 1, 1, (in_height, in_width), (1, 1), 0, 0
    else:
        height, width = call.output.shape[1:3]
        if kind == operations.POOL_MEAN and layer.padding == "same" and backend.name() == "torch":
            # There the mean counts the padding, which repeats the border, where it is uneven.
            raise NotUnderstood("mean pooling with padding on torch")
        window, stride = layer.pool_size, layer.strides
        top = padding(layer.padding, in_height, height, window[0], stride[0])
        left = padding(layer.padding, in_width, width, window[1], stride[1])
    at = builder.place(source)
    place = builder.add_values(height * width * channels)
    builder.operate(kind, at, place, {
        columns.CHANNELS: channels, columns.IN_HEIGHT: in_height, columns.IN_WIDTH: in_width,
        columns.OUT_HEIGHT: height, columns.OUT_WIDTH: width,
        columns.WINDOW_HEIGHT: window[0], columns.WINDOW_WIDTH: window[1],
        columns.STRIDE_Y: stride[0], columns.STRIDE_X: stride[1],
        columns.TOP: top, columns.LEFT: left,
    })  # fmt: skip
    builder.places[id(call.output)] = place


TRANSLATORS: dict[str, Callable[[Builder, Call, bool], None]] = {
    "Activation": activation,
    "Add": merge,
    "AlphaDropout": view,
    "AveragePooling2D": pool,
    "BatchNormalization": batch_normalization,
    "Concatenate": concatenate,
    "Conv2D": conv,
    "Dense": dense,
    "Dropout": view,
    "ELU": activation,
    "Flatten": view,
    "GaussianDropout": view,
    "GaussianNoise": view,
    "GlobalAveragePooling2D": pool,
    "GlobalMaxPooling2D": pool,
    "Identity": view,
    "LeakyReLU": activation,
    "MaxPooling2D": pool,
    "Multiply": merge,
    "ReLU": activation,
    "Reshape": view,
    "Softmax": activation,
    "SpatialDropout2D": view,
}
"""Kind of layer to the function that translates it."""
