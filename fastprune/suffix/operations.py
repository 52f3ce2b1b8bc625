"""Operations of a program, as compiled loops over rows of values: arrays in, arrays out.

A row of integers says of each operation where in an arena of float32 values it reads and writes,
and where in the flat array of weights its own lie; see :mod:`fastprune.suffix.kernels`.
"""

from __future__ import annotations

import numpy as np

from fastprune.runtime.numba_jit import inner
from fastprune.suffix.vectors import LANES, add_rows

(
    LINEAR, RELU, SIGMOID, TANH, ELU, SILU, ADD, MULTIPLY, COPY, AFFINE, POOL_MAX, POOL_MEAN,
) = range(12)  # fmt: skip
"""Operations of a program."""

PARAMETERS = {RELU: 3, SIGMOID: 1, TANH: 1, ELU: 1, SILU: 1}
"""Numbers among the weights that an activation has: slope, ceiling and threshold of a ReLU."""

SHARE_LINEAR, SHARE_COPY = 12, 13
"""Operations that bring one channel back into a value that is linear in the cut activations."""

U = np.uint64
"""Unsigned places: for signed ones numba checks every access for a negative index, and a loop with
such a check does not vectorise (10 times slower); slices cost 25 ns each in reference counts."""


@inner
def linear(arenas, first, weights, op, blocks, taps, scratch):
    """``out = bias + in @ kernel`` for the rows of the arena from `first` on, one a lane.

    Dense and Conv2D. Inputs that are zero on all lanes are left out, an exact saving: behind a ReLU
    most are (78 to 90 % in the lab's network). A block is the outputs of one position; its taps say
    which inputs feed it and where their weights start.
    """
    width, bias = U(op[3]), U(op[4])
    rows, factors, _ = scratch
    for block in range(U(op[1]), U(op[2])):
        out, count = blocks[block, U(0)], U(0)
        for tap in range(blocks[block, U(1)], blocks[block, U(2)]):
            source, size, kernel = taps[tap, U(0)], taps[tap, U(1)], taps[tap, U(2)]
            count = gather(arenas, first, source, size, kernel, width, count, scratch)
        for lane in range(first, first + U(LANES)):
            for i in range(width):
                arenas[lane, out + i] = weights[bias + i]
        add_rows(arenas, first, out, width, weights, rows, factors, count)


@inner
def gather(arenas, at, source, size, kernel, width, count, scratch):
    """List the inputs that are not zero on every lane: their rows of weights and their values.

    Two loops, of which the first vectorises and the second has no branch: which inputs are zero
    cannot be predicted.
    """
    rows, factors, wanted = scratch
    for i in range(size):
        zero = True
        for lane in range(U(LANES)):
            zero &= arenas[at + lane, source + i] == 0
        wanted[i] = not zero
    first = count
    for i in range(size):
        rows[count] = i
        count += U(wanted[i])
    for j in range(first, count):
        i = rows[j]
        rows[j] = kernel + i * width
        for lane in range(U(LANES)):
            factors[j, lane] = arenas[at + lane, source + i]
    return count


@inner
def pool(arenas, at, op):
    """Max or mean over windows, padding left out."""
    kind, source, in_height, in_width, channels, out, height, width = op[:8]
    rows, columns, stride_y, stride_x, top, left = op[8:14]
    for y in range(height):
        for x in range(width):
            y0, x0 = y * stride_y - top, x * stride_x - left
            for channel in range(channels):
                best, total, count = np.float32(-np.inf), np.float32(0), 0
                for row in range(max(y0, 0), min(y0 + rows, in_height)):
                    for column in range(max(x0, 0), min(x0 + columns, in_width)):
                        value = arenas[at, source + (row * in_width + column) * channels + channel]
                        best = value if value > best or value != value else best
                        total += value
                        count += 1
                place = out + (y * width + x) * channels + channel
                arenas[at, place] = best if kind == POOL_MAX else total / np.float32(count)


@inner
def pointwise(arenas, at, weights, op):
    """Activations, sums, products, copies and channel-wise affine maps."""
    kind, source, out, size = op[0], U(op[1]), U(op[2]), U(op[3])
    third = U(op[4])
    if kind == RELU:
        slope, ceiling, threshold = weights[third], weights[third + U(1)], weights[third + U(2)]
        for i in range(size):
            value = arenas[at, source + i]
            low = slope * (value - threshold) if slope != 0 else np.float32(0)
            value = value if value > threshold or value != value else low  # NaN stays NaN
            arenas[at, out + i] = ceiling if value > ceiling else value
    elif kind == SIGMOID:
        for i in range(size):
            arenas[at, out + i] = np.float32(1) / (np.float32(1) + np.exp(-arenas[at, source + i]))
    elif kind == TANH:
        for i in range(size):
            arenas[at, out + i] = np.tanh(arenas[at, source + i])
    elif kind == ELU:
        for i in range(size):
            value = arenas[at, source + i]
            arenas[at, out + i] = value if value > 0 else weights[third] * np.expm1(value)
    elif kind == SILU:
        for i in range(size):
            value = arenas[at, source + i]
            arenas[at, out + i] = value / (np.float32(1) + np.exp(-value))
    elif kind == ADD:
        for i in range(size):
            arenas[at, out + i] = arenas[at, source + i] + arenas[at, third + i]
    elif kind == MULTIPLY:
        for i in range(size):
            arenas[at, out + i] = arenas[at, source + i] * arenas[at, third + i]
    elif kind == COPY:
        # `size` values at each of op[4] positions, op[5] apart: concatenation.
        for position in range(third):
            for i in range(size):
                arenas[at, out + position * U(op[5]) + i] = arenas[at, source + position * size + i]
    elif kind == AFFINE:
        for i in range(size):
            scale, shift = weights[U(op[5]) + i % third], weights[U(op[6]) + i % third]
            arenas[at, out + i] = arenas[at, source + i] * scale + shift


@inner
def run(arenas, count, weights, operations, blocks, taps, scratch):
    """Run the operations of a program one after another on the first `count` rows of values."""
    for index in range(operations.shape[0]):
        op = operations[index]
        if op[0] == LINEAR:
            for first in range(U(0), U(count), U(LANES)):
                linear(arenas, first, weights, op, blocks, taps, scratch)
            continue
        for at in range(U(count)):
            if op[0] == POOL_MAX or op[0] == POOL_MEAN:
                pool(arenas, at, op)
            else:
                pointwise(arenas, at, weights, op)
