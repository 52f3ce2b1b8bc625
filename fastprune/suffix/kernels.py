"""Compiled loops of the incremental engine: arrays in, arrays out, no decisions.

One image at a time goes through all steps of an order while everything it needs lies in the cache.
The suffix comes as a program (:mod:`fastprune.suffix.program`): rows of integers, one per
operation, that say where in the image's arena of float32 values it reads and writes, and where in
the flat array of weights its own lie.
"""

from __future__ import annotations

import numpy as np

from fastprune.jit import compiled

DENSE, CONV, RELU, SIGMOID, TANH, ELU, SILU, ADD, MULTIPLY, COPY, AFFINE, POOL_MAX, POOL_MEAN = range(13)
"""Operations of a program."""

SHARE_DENSE, SHARE_CONV, SHARE_COPY = range(13, 16)
"""Operations that bring one channel back into a value that is linear in the cut activations."""

LANES = 16
"""Running maxima kept side by side: as many float32 as the widest vector register holds."""


@compiled
def dense(arena, weights, op, nonzero):
    """``out = bias + in @ kernel`` at each position, inputs that are zero left out: an exact saving.

    Behind a ReLU most inputs are zero (78 to 90 % in the lab's network).
    """
    _, source, n_in, out, n_out, kernel, bias, positions = op[:8]
    for position in range(positions):
        target = arena[out + position * n_out : out + (position + 1) * n_out]
        target[:] = weights[bias : bias + n_out]
        count = 0
        for i in range(n_in):
            nonzero[count] = i
            count += arena[source + position * n_in + i] != 0
        first = source + position * n_in
        four = count - count % 4
        # Four rows at a time: the output is loaded and stored once for four products.
        for j in range(0, four, 4):
            a, b, c, d = nonzero[j], nonzero[j + 1], nonzero[j + 2], nonzero[j + 3]
            xa, xb, xc, xd = arena[first + a], arena[first + b], arena[first + c], arena[first + d]
            row_a = weights[kernel + a * n_out : kernel + (a + 1) * n_out]
            row_b = weights[kernel + b * n_out : kernel + (b + 1) * n_out]
            row_c = weights[kernel + c * n_out : kernel + (c + 1) * n_out]
            row_d = weights[kernel + d * n_out : kernel + (d + 1) * n_out]
            for unit in range(n_out):
                target[unit] += (xa * row_a[unit] + xb * row_b[unit]) + (
                    xc * row_c[unit] + xd * row_d[unit]
                )
        for j in range(four, count):
            add_row(target, arena[first + nonzero[j]], weights, kernel + nonzero[j] * n_out)


@compiled
def add_row(target, factor, weights, start):
    """``target += factor * weights[start:]``."""
    row = weights[start : start + target.shape[0]]
    for unit in range(target.shape[0]):
        target[unit] += factor * row[unit]


@compiled
def spread(arena, weights, op, row, column, channel, value):
    """Add the share of one input value to the output of a convolution."""
    out, height, width, filters, kernel = op[5], op[6], op[7], op[8], op[9]
    rows, columns, stride_y, stride_x = op[11], op[12], op[13], op[14]
    dilation_y, dilation_x, top, left = op[15], op[16], op[17], op[18]
    channels = op[4]
    for i in range(rows):
        y = row + top - i * dilation_y
        if y < 0 or y % stride_y or y // stride_y >= height:
            continue
        for j in range(columns):
            x = column + left - j * dilation_x
            if x < 0 or x % stride_x or x // stride_x >= width:
                continue
            start = out + ((y // stride_y) * width + x // stride_x) * filters
            add_row(
                arena[start : start + filters],
                value,
                weights,
                kernel + ((i * columns + j) * channels + channel) * filters,
            )


@compiled
def conv(arena, weights, op):
    """``out = bias + convolution(in)``, input by input, those that are zero left out."""
    source, in_height, in_width, channels, out = op[1], op[2], op[3], op[4], op[5]
    positions, filters, bias = op[6] * op[7], op[8], op[10]
    for position in range(positions):
        arena[out + position * filters : out + (position + 1) * filters] = weights[
            bias : bias + filters
        ]
    for row in range(in_height):
        for column in range(in_width):
            for channel in range(channels):
                value = arena[source + (row * in_width + column) * channels + channel]
                if value != 0:
                    spread(arena, weights, op, row, column, channel, value)


@compiled
def pool(arena, op):
    """Max or mean over windows, padding left out."""
    kind, source, in_height, in_width, channels, out, height, width = op[:8]
    rows, columns, stride_y, stride_x, top, left = op[8:14]
    for y in range(height):
        for x in range(width):
            first_row, first_column = y * stride_y - top, x * stride_x - left
            for channel in range(channels):
                best, total, count = np.float32(-np.inf), np.float32(0), 0
                for row in range(max(first_row, 0), min(first_row + rows, in_height)):
                    for column in range(max(first_column, 0), min(first_column + columns, in_width)):
                        value = arena[source + (row * in_width + column) * channels + channel]
                        best = max(best, value)
                        total += value
                        count += 1
                place = out + (y * width + x) * channels + channel
                arena[place] = best if kind == POOL_MAX else total / np.float32(count)


@compiled
def pointwise(arena, weights, op):
    """Activations, sums, products, copies and channel-wise affine maps."""
    kind, source, out, size = op[0], op[1], op[2], op[3]
    a, b = arena[source : source + size], arena[out : out + size]
    if kind == RELU:
        slope, ceiling, threshold = weights[op[4]], weights[op[4] + 1], weights[op[4] + 2]
        for i in range(size):
            low = slope * (a[i] - threshold) if slope != 0 else np.float32(0)
            b[i] = min(a[i], ceiling) if a[i] > threshold else low
    elif kind == SIGMOID:
        for i in range(size):
            b[i] = np.float32(1) / (np.float32(1) + np.exp(-a[i]))
    elif kind == TANH:
        for i in range(size):
            b[i] = np.tanh(a[i])
    elif kind == ELU:
        for i in range(size):
            b[i] = a[i] if a[i] > 0 else weights[op[4]] * np.expm1(a[i])
    elif kind == SILU:
        for i in range(size):
            b[i] = a[i] / (np.float32(1) + np.exp(-a[i]))
    elif kind == ADD:
        c = arena[op[4] : op[4] + size]
        for i in range(size):
            b[i] = a[i] + c[i]
    elif kind == MULTIPLY:
        c = arena[op[4] : op[4] + size]
        for i in range(size):
            b[i] = a[i] * c[i]
    elif kind == COPY:
        # `size` values at each of op[4] positions, op[5] apart: concatenation.
        for position in range(op[4]):
            for i in range(size):
                arena[out + position * op[5] + i] = arena[source + position * size + i]
    elif kind == AFFINE:
        channels = op[4]
        for i in range(size):
            b[i] = a[i] * weights[op[5] + i % channels] + weights[op[6] + i % channels]


@compiled
def run(arena, weights, program, nonzero):
    """Run the operations of a program one after another."""
    for index in range(program.shape[0]):
        op = program[index]
        if op[0] == DENSE:
            dense(arena, weights, op, nonzero)
        elif op[0] == CONV:
            conv(arena, weights, op)
        elif op[0] == POOL_MAX or op[0] == POOL_MEAN:
            pool(arena, op)
        else:
            pointwise(arena, weights, op)


@compiled
def bring_back(arena, weights, shares, channel, values, delta):
    """Add one channel's share to every value that is linear in the cut activations.

    `values` and `delta`, float32 (positions,), are the channel on one image and its difference
    from the pruned value.
    """
    for index in range(shares.shape[0]):
        op = shares[index]
        if op[0] == SHARE_DENSE:
            channels, out, n_out, kernel, out_stride, kernel_stride = op[1:7]
            for position in range(delta.shape[0]):
                if delta[position] != 0:
                    start = out + position * out_stride
                    row = kernel + (position * kernel_stride + channel) * n_out
                    add_row(arena[start : start + n_out], delta[position], weights, row)
        elif op[0] == SHARE_CONV:
            for position in range(delta.shape[0]):
                if delta[position] != 0:
                    row, column = position // op[3], position % op[3]
                    spread(arena, weights, op, row, column, channel, delta[position])
        else:
            for position in range(values.shape[0]):
                arena[op[2] + position * op[1] + channel] = values[position]


@compiled
def decide(scores, tolerance, lanes):
    """Return the class (the first of the best scores) and whether it is a near-tie.

    A near-tie: another score within `tolerance` times the largest absolute score of the best, or a
    score that is no number.
    """
    n = scores.shape[0]
    whole = n - n % LANES
    best, largest, odd = lanes[0], lanes[1], lanes[2]
    best[:] = -np.inf
    largest[:] = 0
    odd[:] = 0
    for start in range(0, whole, LANES):
        for lane in range(LANES):
            value = scores[start + lane]
            size = abs(value)
            best[lane] = value if value > best[lane] else best[lane]
            largest[lane] = size if size > largest[lane] else largest[lane]
            odd[lane] += value * np.float32(0)
    top, size, strange = best.max(), largest.max(), odd.sum()
    for index in range(whole, n):
        top = max(top, scores[index])
        size = max(size, abs(scores[index]))
        strange += scores[index] * np.float32(0)
    bound = top - tolerance * size
    close = 0
    first = n
    for index in range(n):
        close += scores[index] >= bound
        first = min(first, index if scores[index] == top else n)
    return min(first, n - 1), close != 1 or strange != 0


@compiled
def sweep_images(
    cut, place, order, pruned, base, weights, shares, program, n_scores, tolerance, base_class,
    base_near, classes, near_ties,
):  # fmt: skip
    """Find the class of every image at every step of an order, last step first.

    From all channels pruned, channels come back one by one, so a value that is linear in the cut
    activations is a plain float32 sum, only in another order: nothing is ever taken off again, and
    no error builds up. An image on which a channel holds its pruned value keeps its class.

    Parameters
    ----------
    cut : float32 (images, positions, live)
        Cut activations of the channels that are live in this block.
    place : int64 (channels,)
        Where each channel lies in `cut`, -1 for one that holds its pruned value on every image.
    order : int64 (channels,)
        Channels in the order in which they are pruned.
    pruned : float32 (positions, channels)
        What the cut layer gives for a pruned channel.
    base : float32 (arena,)
        The arena with every channel pruned.
    weights : float32 (weights,)
        Weights of all operations.
    shares, program : int64 (operations, columns)
        What one channel changes, and what follows from it; the scores end at the arena's end.
    n_scores : int
        Number of classes.
    tolerance : float32
        See :func:`decide`.
    base_class, base_near : int, bool
        The class with every channel pruned, the same for all images.
    classes : int32 (images, channels + 1)
        Filled with the class at each ``n_pruned``.
    near_ties : bool (images, channels + 1)
        Filled with whether it is a near-tie.
    """
    positions = cut.shape[1]
    arena = np.empty_like(base)
    scores = arena[arena.shape[0] - n_scores :]
    nonzero = np.empty(arena.shape[0] + 1, np.int64)
    values, delta = np.empty(positions, np.float32), np.empty(positions, np.float32)
    lanes = np.empty((3, LANES), np.float32)
    for image in range(cut.shape[0]):
        arena[:] = base
        found, near = base_class, base_near
        classes[image, order.shape[0]] = found
        near_ties[image, order.shape[0]] = near
        for step in range(order.shape[0] - 1, -1, -1):
            channel = order[step]
            changed = False
            if place[channel] >= 0:
                for position in range(positions):
                    values[position] = cut[image, position, place[channel]]
                    delta[position] = values[position] - pruned[position, channel]
                    changed |= delta[position] != 0
            if changed:
                bring_back(arena, weights, shares, channel, values, delta)
                run(arena, weights, program, nonzero)
                found, near = decide(scores, tolerance, lanes)
            classes[image, step] = found
            near_ties[image, step] = near


@compiled
def bring_back_rows(cut, place, channel, pruned, weights, shares, arenas, rows):
    """Bring one channel back on every image of a block where it is awake.

    Parameters
    ----------
    cut : float32 (images, positions, live)
        Cut activations of the channels that are live in this block.
    place, channel : int
        Where the channel lies in `cut`, and which it is.
    pruned, weights, shares
        As for :func:`sweep_images`.
    arenas : float32 (images, arena)
        Each image's values, changed where the channel is awake.
    rows : int64 (images,)
        Filled with the images that changed.

    Returns
    -------
    int
        How many changed.
    """
    positions = cut.shape[1]
    values, delta = np.empty(positions, np.float32), np.empty(positions, np.float32)
    count = 0
    for image in range(cut.shape[0]):
        changed = False
        for position in range(positions):
            values[position] = cut[image, position, place]
            delta[position] = values[position] - pruned[position, channel]
            changed |= delta[position] != 0
        if changed:
            bring_back(arenas[image], weights, shares, channel, values, delta)
            rows[count] = image
            count += 1
    return count


@compiled
def awake_channels(cut, pruned, awake):
    """Mark the channels that differ from their pruned value on some image of a block.

    `cut` is float32 (images, positions, channels), `pruned` float32 (positions, channels), `awake`
    bool (channels,), set to True where one does and left alone elsewhere.
    """
    for image in range(cut.shape[0]):
        for position in range(cut.shape[1]):
            for channel in range(cut.shape[2]):
                awake[channel] |= cut[image, position, channel] != pruned[position, channel]


@compiled
def awake_pairs(cut, pruned, awake):
    """Mark the (image, channel) pairs that differ from the pruned value: bool (images, channels)."""
    for image in range(cut.shape[0]):
        awake[image] = False
        for position in range(cut.shape[1]):
            for channel in range(cut.shape[2]):
                awake[image, channel] |= cut[image, position, channel] != pruned[position, channel]
