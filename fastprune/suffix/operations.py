"""Operations of a program, as compiled loops over arenas: arrays in, arrays out.

`row` is a row of a program's table of operations, `arenas` float32 (rows, arena), `at` a row of it;
the NamedTuples of arrays are those of :mod:`fastprune.suffix.tables`, a row's columns those of
:mod:`fastprune.suffix.columns`.
"""

from __future__ import annotations

import numpy as np

from fastprune.runtime.numba_jit import inlined, inner
from fastprune.suffix import columns
from fastprune.suffix.vectors import LANES, add_rows

(
    LINEAR, RELU, SIGMOID, TANH, ELU, SILU, ADD, MULTIPLY, COPY, AFFINE, POOL_MAX, POOL_MEAN,
) = range(12)  # fmt: skip
"""Kinds of operations."""

PARAMETERS = {RELU: 3, SIGMOID: 1, TANH: 1, ELU: 1, SILU: 1}
"""Numbers among the weights that an activation has: slope, ceiling and threshold of a ReLU."""

SHARE_LINEAR, SHARE_COPY = 12, 13
"""Kinds of shares: what one channel of the cut adds to a Dense or Conv2D layer that reads the cut,
and where it lies in a copy of the cut."""

U = np.uint64
"""Unsigned places: for signed ones numba checks every access for a negative index, and a loop with
such a check does not vectorise (10 times slower)."""


@inner
def linear(arenas, first, row, tables, gathered):
    """``out = bias + in @ kernel`` for the rows of the arena from `first` on, one a lane.

    Dense and Conv2D. Inputs that are zero on all lanes are left out, an exact saving: behind a ReLU
    most are (78 to 90 % in the lab's network).
    """
    blocks, taps, weights = tables.blocks, tables.taps, tables.weights
    width, bias = U(row[columns.OUTPUTS]), U(row[columns.BIAS])
    for block in range(U(row[columns.FIRST_BLOCK]), U(row[columns.END_BLOCK])):
        out, count = blocks[block, columns.BLOCK_OUT], U(0)
        for tap in range(blocks[block, columns.FIRST_TAP], blocks[block, columns.END_TAP]):
            source, size = taps[tap, columns.TAP_SOURCE], taps[tap, columns.TAP_SIZE]
            kernel = taps[tap, columns.TAP_KERNEL]
            count = gather(arenas, first, source, size, kernel, width, count, gathered)
        for lane in range(first, first + U(LANES)):
            for i in range(width):
                arenas[lane, out + i] = weights[bias + i]
        add_rows(arenas, first, out, width, weights, gathered.rows, gathered.factors, count)


@inner
def gather(arenas, at, source, size, kernel, width, count, gathered):
    """Append the inputs of a tap that are not zero on every lane; return how many there are now.

    Two loops, of which the first vectorises and the second has no branch: which inputs are zero
    cannot be predicted.
    """
    rows, factors, wanted = gathered
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
def pool(arenas, at, row):
    """Max or mean over windows, padding left out."""
    source, out, channels = row[columns.SOURCE], row[columns.OUT], row[columns.CHANNELS]
    in_height, in_width = row[columns.IN_HEIGHT], row[columns.IN_WIDTH]
    height, width = row[columns.OUT_HEIGHT], row[columns.OUT_WIDTH]
    for y in range(height):
        for x in range(width):
            y0 = y * row[columns.STRIDE_Y] - row[columns.TOP]
            x0 = x * row[columns.STRIDE_X] - row[columns.LEFT]
            y1 = min(y0 + row[columns.WINDOW_HEIGHT], in_height)
            x1 = min(x0 + row[columns.WINDOW_WIDTH], in_width)
            for channel in range(channels):
                best, total, count = np.float32(-np.inf), np.float32(0), 0
                for in_y in range(max(y0, 0), y1):
                    for in_x in range(max(x0, 0), x1):
                        value = arenas[at, source + (in_y * in_width + in_x) * channels + channel]
                        best = value if value > best or value != value else best
                        total += value
                        count += 1
                place = out + (y * width + x) * channels + channel
                is_max = row[columns.KIND] == POOL_MAX
                arenas[at, place] = best if is_max else total / np.float32(count)


@inner
def pointwise(arenas, at, weights, row):
    """Activations, sums, products, copies and channel-wise affine maps."""
    # Long: a branch for every kind.
    kind, size = row[columns.KIND], U(row[columns.SIZE])
    source, out = U(row[columns.SOURCE]), U(row[columns.OUT])
    if kind == RELU:
        first = U(row[columns.PARAMETERS])
        slope, ceiling, threshold = weights[first], weights[first + U(1)], weights[first + U(2)]
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
        alpha = weights[U(row[columns.PARAMETERS])]
        for i in range(size):
            value = arenas[at, source + i]
            arenas[at, out + i] = value if value > 0 else alpha * np.expm1(value)
    elif kind == SILU:
        for i in range(size):
            value = arenas[at, source + i]
            arenas[at, out + i] = value / (np.float32(1) + np.exp(-value))
    elif kind == ADD:
        second = U(row[columns.SECOND])
        for i in range(size):
            arenas[at, out + i] = arenas[at, source + i] + arenas[at, second + i]
    elif kind == MULTIPLY:
        second = U(row[columns.SECOND])
        for i in range(size):
            arenas[at, out + i] = arenas[at, source + i] * arenas[at, second + i]
    elif kind == COPY:
        # One of the tensors of a concatenation, at each position.
        for position in range(U(row[columns.POSITIONS])):
            there, here = out + position * U(row[columns.SPACING]), source + position * size
            for i in range(size):
                arenas[at, there + i] = arenas[at, here + i]
    elif kind == AFFINE:
        period = U(row[columns.PERIOD])
        factors, offsets = U(row[columns.FACTORS]), U(row[columns.OFFSETS])
        for i in range(size):
            factor, offset = weights[factors + i % period], weights[offsets + i % period]
            arenas[at, out + i] = arenas[at, source + i] * factor + offset


@inlined
def run(count, tables, workspace):
    """Run the operations of a program one after another on the first `count` rows of the arenas."""
    arenas, operations = workspace.arenas, tables.operations
    for index in range(operations.shape[0]):
        row = operations[index]
        kind = row[columns.KIND]
        if kind == LINEAR:
            for first in range(U(0), count, U(LANES)):
                linear(arenas, first, row, tables, workspace.gathered)
            continue
        for at in range(count):
            if kind in (POOL_MAX, POOL_MEAN):
                pool(arenas, at, row)
            else:
                pointwise(arenas, at, tables.weights, row)
