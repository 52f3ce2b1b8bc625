"""How each kind of Keras layer becomes operations of a program: the one place that decides it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastprune.networks.graph import Call
from fastprune.networks.layer_kinds import activation_of
from fastprune.runtime import backend
from fastprune.runtime.backend import to_numpy
from fastprune.suffix import columns, operations
from fastprune.suffix.builder import Builder, NotUnderstood, whole
from fastprune.suffix.program import Linear

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


def dense(builder: Builder, call: Call, is_output: bool) -> None:
    """Dense: at each position of a tensor of any rank, over its last axis."""
    layer, (source,) = call.operation, call.inputs
    kernel = to_numpy(layer.kernel)
    n_in, n_out = kernel.shape
    bias = to_numpy(layer.bias) if layer.use_bias else np.zeros(n_out, np.float32)
    positions = int(np.prod(source.shape[1:-1], dtype=int))
    place = builder.add_values(positions * n_out)
    if id(source) in builder.views:
        _dense_share(builder, call, place, kernel, bias)
    else:
        weights = builder.add_weights(kernel)
        offset, at = builder.add_weights(bias), builder.place(source)
        blocks = builder.add_blocks(
            (place + i * n_out, [(at + i * n_in, n_in, weights)]) for i in range(positions)
        )
        builder.operate_blocks(blocks, whole(n_out), offset)
    _activate(builder, call, place, positions * n_out, is_output)


def _dense_share(builder: Builder, call: Call, place: int, kernel: Any, bias: Any) -> None:
    """Append what one channel changes in a Dense layer that takes the cut, flattened or not."""
    start, (source,), (n_in, n_out) = builder.start, call.inputs, kernel.shape
    positions = int(np.prod(source.shape[1:-1], dtype=int))
    if n_in != start.shape[-1] and (positions, n_in) != (1, start.size):
        raise NotUnderstood("dense layer over a reshaped cut")
    # Flattened, each pixel has rows of its own and feeds all units; else all share the kernel.
    rows = kernel.reshape(-1, start.shape[-1], n_out)[:, start.where]
    weights, step = builder.add_weights(rows), start.channels * whole(n_out)
    taps = [
        (pixel, 1, weights + pixel % (len(rows) * start.copies) * step)
        for pixel in range(start.positions)
    ]
    each = len(taps) // positions
    blocks = builder.add_blocks(
        (place + i * n_out, taps[i * each : (i + 1) * each]) for i in range(positions)
    )

    def values(cut: Any) -> Any:
        return cut.reshape(-1, n_in) @ kernel + bias

    builder.share(blocks, whole(n_out), Linear(call, place, positions * n_out, values))


def conv(builder: Builder, call: Call, is_output: bool) -> None:
    """Conv2D with any kernel size, stride, dilation and padding, one group."""
    layer, (source,) = call.operation, call.inputs
    if layer.groups != 1 or layer.data_format != "channels_last":
        raise NotUnderstood("grouped or channels-first convolution")
    kernel = to_numpy(layer.kernel)
    channels, filters = kernel.shape[2:]
    bias = to_numpy(layer.bias) if layer.use_bias else np.zeros(filters, np.float32)
    rows, line = call.output.shape[1:3]
    place, width = builder.add_values(rows * line * filters), whole(filters)
    pixels = _convolution_taps(layer, source.shape, call.output.shape)
    if id(source) in builder.views:
        _conv_share(builder, call, place, kernel, bias, pixels)
    else:
        weights, at = builder.add_weights(kernel), builder.place(source)
        blocks = builder.add_blocks(
            (
                place + target * filters,
                [(at + pixel * channels, channels, weights + tap * channels * width)
                 for pixel, tap in taps],
            )
            for target, taps in enumerate(pixels)
        )  # fmt: skip
        builder.operate_blocks(blocks, width, builder.add_weights(bias))
    _activate(builder, call, place, rows * line * filters, is_output)


def _conv_share(
    builder: Builder, call: Call, place: int, kernel: Any, bias: Any, pixels: Any
) -> None:
    """Append what one channel changes in a convolution that takes the cut."""
    layer, start, filters = call.operation, builder.start, kernel.shape[-1]
    if tuple(call.inputs[0].shape[1:]) != start.shape:
        raise NotUnderstood("convolution over a reshaped cut")
    copies, step = start.copies, start.channels * whole(filters)
    weights = builder.add_weights(kernel[:, :, start.where])
    blocks = builder.add_blocks(
        (
            place + target * filters,
            [(pixel * copies + copy, 1, weights + (tap * copies + copy) * step)
             for pixel, tap in taps for copy in range(copies)],
        )
        for target, taps in enumerate(pixels)
    )  # fmt: skip

    def values(cut: Any) -> Any:
        return to_numpy(layer.convolution_op(cut, layer.kernel)) + bias

    linear = Linear(call, place, len(pixels) * filters, values)
    builder.share(blocks, whole(filters), linear)


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
        top = _padding(layer.padding, in_height, height, window[0], stride[0])
        left = _padding(layer.padding, in_width, width, window[1], stride[1])
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


def _activate(builder: Builder, call: Call, place: int, size: int, is_output: bool) -> None:
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


def _convolution_taps(layer: Any, source: Any, output: Any) -> list[list[tuple[int, int]]]:
    """Return, for each output pixel, which input pixels feed it by which tap of the kernel."""
    (rows, columns), (height, width) = layer.kernel_size, output[1:3]
    (stride_y, stride_x), (dilation_y, dilation_x) = layer.strides, layer.dilation_rate
    top = _padding(layer.padding, source[1], height, (rows - 1) * dilation_y + 1, stride_y)
    left = _padding(layer.padding, source[2], width, (columns - 1) * dilation_x + 1, stride_x)
    feeding: list[list[tuple[int, int]]] = [[] for _ in range(height * width)]
    for y, x, i, j in np.ndindex(height, width, rows, columns):
        row, column = y * stride_y + i * dilation_y - top, x * stride_x + j * dilation_x - left
        if 0 <= row < source[1] and 0 <= column < source[2]:
            feeding[y * width + x].append((row * source[2] + column, i * columns + j))
    return feeding


def _padding(kind: str, in_size: int, out_size: int, window: int, stride: int) -> int:
    """Return how many rows or columns of padding lie before the image."""
    if kind == "valid":
        return 0
    return max((out_size - 1) * stride + window - in_size, 0) // 2
