"""Dense and Conv2D layers: linear in the cut, or in what lies behind it."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastprune.networks.graph import Call
from fastprune.runtime.backend import to_numpy
from fastprune.suffix.builder import Builder, NotUnderstood, whole
from fastprune.suffix.elementwise import activate
from fastprune.suffix.program import Linear


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
    activate(builder, call, place, positions * n_out, is_output)


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
    activate(builder, call, place, rows * line * filters, is_output)


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


def _convolution_taps(layer: Any, source: Any, output: Any) -> list[list[tuple[int, int]]]:
    """Return, for each output pixel, which input pixels feed it by which tap of the kernel."""
    (rows, columns), (height, width) = layer.kernel_size, output[1:3]
    (stride_y, stride_x), (dilation_y, dilation_x) = layer.strides, layer.dilation_rate
    top = padding(layer.padding, source[1], height, (rows - 1) * dilation_y + 1, stride_y)
    left = padding(layer.padding, source[2], width, (columns - 1) * dilation_x + 1, stride_x)
    feeding: list[list[tuple[int, int]]] = [[] for _ in range(height * width)]
    for y, x, i, j in np.ndindex(height, width, rows, columns):
        row, column = y * stride_y + i * dilation_y - top, x * stride_x + j * dilation_x - left
        if 0 <= row < source[1] and 0 <= column < source[2]:
            feeding[y * width + x].append((row * source[2] + column, i * columns + j))
    return feeding


def padding(kind: str, in_size: int, out_size: int, window: int, stride: int) -> int:
    """Return how many rows or columns of padding lie before the image."""
    if kind == "valid":
        return 0
    return max((out_size - 1) * stride + window - in_size, 0) // 2
