"""Compiled loops of the incremental engine: arrays in, arrays out, no decisions.

A few images at a time go through all steps of an order while everything they need lies in the
cache. The suffix comes as a program (:mod:`fastprune.suffix.program`): rows of integers, one per
operation, that say where in an image's arena of float32 values it reads and writes, and where in
the flat array of weights its own lie. `arenas` is float32 (images, arena), `at` the image.
"""

from __future__ import annotations

import numpy as np

from fastprune.jit import compiled, inner, reordering

(
    DENSE, TAPS, RELU, SIGMOID, TANH, ELU, SILU, ADD, MULTIPLY, COPY, AFFINE, POOL_MAX, POOL_MEAN,
) = range(13)  # fmt: skip
"""Operations of a program."""

SHARE_TAPS, SHARE_COPY = 13, 14
"""Operations that bring one channel back into a value that is linear in the cut activations."""

TILE = 32
"""Images that go through a step together, so that its weights are fetched once for all of them.

The lab's weights (2.3 MB) do not fit the second-level cache beside one image's work: image by image
a sweep of it takes 98 us an image, in tiles of 24 to 64 images 78 to 85 us.
"""

U = np.uint64
"""Unsigned places: for signed ones numba checks every access for a negative index, and a loop with
such a check does not vectorise (10 times slower); slices cost 25 ns each in reference counts."""


@inner
def dense(arenas, at, weights, op, nonzero):
    """``out = bias + in @ kernel`` at each position, zero inputs left out: an exact saving.

    Behind a ReLU most inputs are zero (78 to 90 % in the lab's network).
    """
    n_in, n_out, bias = U(op[2]), U(op[4]), U(op[6])
    for position in range(U(op[7])):
        source, out = U(op[1]) + position * n_in, U(op[3]) + position * n_out
        for i in range(n_out):
            arenas[at, out + i] = weights[bias + i]
        count = U(0)
        for i in range(n_in):
            nonzero[count] = i
            count += U(arenas[at, source + i] != 0)
        whole = count - count % U(8)
        for j in range(U(0), whole, U(8)):
            add_eight(arenas, at, source, out, n_out, weights, U(op[5]), nonzero, j)
        for j in range(whole, count):
            i = nonzero[j]
            add_row(arenas, at, out, n_out, weights, U(op[5]) + i * n_out, arenas[at, source + i])


@inner
def add_eight(arenas, at, source, out, size, weights, kernel, nonzero, j):
    """Add eight rows of a kernel: the output is loaded and stored once for eight products."""
    a, b, c, d = nonzero[j], nonzero[j + U(1)], nonzero[j + U(2)], nonzero[j + U(3)]
    e, f, g, h = nonzero[j + U(4)], nonzero[j + U(5)], nonzero[j + U(6)], nonzero[j + U(7)]
    xa, xb = arenas[at, source + a], arenas[at, source + b]
    xc, xd = arenas[at, source + c], arenas[at, source + d]
    xe, xf = arenas[at, source + e], arenas[at, source + f]
    xg, xh = arenas[at, source + g], arenas[at, source + h]
    a, b, c, d = kernel + a * size, kernel + b * size, kernel + c * size, kernel + d * size
    e, f, g, h = kernel + e * size, kernel + f * size, kernel + g * size, kernel + h * size
    for i in range(size):
        first = (xa * weights[a + i] + xb * weights[b + i]) + (
            xc * weights[c + i] + xd * weights[d + i]
        )
        second = (xe * weights[e + i] + xf * weights[f + i]) + (
            xg * weights[g + i] + xh * weights[h + i]
        )
        arenas[at, out + i] += first + second


@inner
def add_row(arenas, at, out, size, weights, start, factor):
    """``arena[out:] += factor * weights[start:]``, `size` values."""
    for i in range(size):
        arenas[at, out + i] += factor * weights[start + i]


@inner
def spread(arenas, at, weights, taps, first, last, channel, value):
    """Add one input value's share to everything it feeds.

    Each tap is a row of `taps`: where the output starts, how many values it has, where the weights
    of channel 0 start, and how far apart those of two channels lie.
    """
    for tap in range(first, last):
        start = taps[tap, U(2)] + channel * taps[tap, U(3)]
        add_row(arenas, at, taps[tap, U(0)], taps[tap, U(1)], weights, start, value)


@inner
def spread_all(arenas, at, weights, op, taps, starts):
    """``out = bias + what every input feeds``, inputs that are zero left out: a convolution."""
    source, channels, out, bias, place = U(op[1]), U(op[3]), U(op[4]), U(op[7]), U(op[8])
    for i in range(U(op[5])):
        arenas[at, out + i] = weights[bias + i % U(op[6])]
    for position in range(U(op[2])):
        first, last = starts[place + position], starts[place + position + U(1)]
        for channel in range(channels):
            value = arenas[at, source + position * channels + channel]
            if value != 0:
                spread(arenas, at, weights, taps, first, last, channel, value)


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
def run(arenas, rows, count, weights, program, taps, starts, nonzero):
    """Run the operations of a program one after another, each for the first `count` of `rows`."""
    for index in range(program.shape[0]):
        op = program[index]
        for row in range(count):
            at = rows[row]
            if op[0] == DENSE:
                dense(arenas, at, weights, op, nonzero)
            elif op[0] == TAPS:
                spread_all(arenas, at, weights, op, taps, starts)
            elif op[0] == POOL_MAX or op[0] == POOL_MEAN:
                pool(arenas, at, op)
            else:
                pointwise(arenas, at, weights, op)


@compiled
def changed_rows(cut, first, last, place, channel, pruned, values, delta, rows):
    """Find the images of a tile on which a channel differs from its pruned value.

    Fills `values` and `delta`, float32 (tile, positions), with the channel and its difference from
    the pruned value, and `rows` with the images' places in the tile; returns how many they are.
    """
    count = U(0)
    for image in range(first, last):
        at = U(image - first)
        changed = False
        for position in range(cut.shape[1]):
            value = cut[image, position, place]
            values[at, position] = value
            delta[at, position] = value - pruned[position, channel]
            changed |= value != pruned[position, channel]
        if changed:
            rows[count] = at
            count += U(1)
    return count


@compiled
def bring_back(arenas, rows, count, weights, shares, taps, starts, channel, values, delta):
    """Add one channel's share to every value that is linear in the cut activations.

    For the first `count` of `rows`; see :func:`changed_rows` for the others.
    """
    for index in range(shares.shape[0]):
        op = shares[index]
        for row in range(count):
            at = rows[row]
            for position in range(U(delta.shape[1])):
                if op[0] == SHARE_COPY:
                    place = U(op[2]) + position * U(op[1]) + U(channel)
                    arenas[at, place] = values[at, position]
                elif delta[at, position] != 0:
                    first, last = starts[U(op[1]) + position], starts[U(op[1]) + position + U(1)]
                    share = delta[at, position]
                    spread(arenas, at, weights, taps, first, last, U(channel), share)


@inner
def extremes(arenas, at, start, size, scratch):
    """Return the largest score and the largest absolute score, ignoring what is no number.

    Halves are folded onto each other in `scratch`, float32 (2, size): unlike a running maximum that
    vectorises (0.2 us for 1,283 scores instead of 0.6).
    """
    for i in range(size):
        scratch[U(0), i] = arenas[at, start + i]
        scratch[U(1), i] = abs(arenas[at, start + i])
    while size > U(1):
        half = (size + U(1)) // U(2)
        for i in range(size - half):
            a, b = scratch[U(0), i], scratch[U(0), half + i]
            scratch[U(0), i] = a if a > b else b
            a, b = scratch[U(1), i], scratch[U(1), half + i]
            scratch[U(1), i] = a if a > b else b
        size = half
    return scratch[U(0), U(0)], scratch[U(1), U(0)]


@reordering
def near_best(arenas, at, start, size, top, bound):
    """Count scores at or above `bound` and those that are no number; add up the places of `top`.

    Float32 counts, exact up to 2**24 classes: whole numbers of another width would be slower.
    """
    close, odd, place = np.float32(0), np.float32(0), np.float32(0)
    for i in range(size):
        score = arenas[at, start + i]
        close += np.float32(1) if score >= bound else np.float32(0)
        odd += np.float32(0) if score == score else np.float32(1)
        place += np.float32(i) if score == top else np.float32(0)
    return close, odd, place


@compiled
def decide(arenas, at, size, tolerance, scratch):
    """Return the class of an image (the first of the best scores) and whether it is a near-tie.

    The scores are the arena's last `size` values, a final softmax left out. A near-tie: another
    score within `tolerance` times the largest absolute score (at least 1, as softmax rounds at that
    size) of the best, or a score that is no number.
    """
    start = U(arenas.shape[1]) - size
    top, largest = extremes(arenas, at, start, size, scratch)
    bound = top - tolerance * max(largest, np.float32(1))
    close, odd, place = near_best(arenas, at, start, size, top, bound)
    if close == 1 and odd == 0:
        return np.int32(place), False
    for i in range(size):
        if arenas[at, start + i] == top:
            return np.int32(i), True
    return np.int32(0), True


@compiled
def sweep_images(
    cut, place, order, pruned, base, weights, shares, program, taps, starts, n_scores, tolerance,
    classes, near_ties,
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
        The values that are linear in the cut activations, with every channel pruned.
    weights : float32 (weights,)
        Weights of all operations.
    shares, program : int64 (operations, columns)
        What one channel changes, and what follows from it; the scores end at the arena's end.
    taps, starts : uint64 (taps, 4) and uint64 (places,)
        What each input position feeds, see :func:`spread`, and where its taps start.
    n_scores : uint64
        Number of classes.
    tolerance : float32
        See :func:`decide`.
    classes : int32 (images, channels + 1)
        Filled with the class at each ``n_pruned``.
    near_ties : bool (images, channels + 1)
        Filled with whether it is a near-tie.
    """
    images, positions, channels = cut.shape[0], cut.shape[1], order.shape[0]
    arenas = np.empty((TILE, base.shape[0]), np.float32)
    values, delta = np.empty((TILE, positions), np.float32), np.empty((TILE, positions), np.float32)
    scratch = np.empty((2, n_scores), np.float32)
    nonzero, rows = np.empty(base.shape[0] + 1, np.uint64), np.empty(TILE, np.uint64)
    # With every channel pruned all images look the same.
    arenas[0], rows[0] = base, U(0)
    run(arenas, rows, U(1), weights, program, taps, starts, nonzero)
    base_class, base_near = decide(arenas, U(0), n_scores, tolerance, scratch)
    for first in range(0, images, TILE):
        last = min(first + TILE, images)
        arenas[:] = base
        classes[first:last, channels] = base_class
        near_ties[first:last, channels] = base_near
        for step in range(channels - 1, -1, -1):
            classes[first:last, step] = classes[first:last, step + 1]
            near_ties[first:last, step] = near_ties[first:last, step + 1]
            channel = order[step]
            if place[channel] < 0:
                continue
            count = changed_rows(
                cut, first, last, place[channel], channel, pruned, values, delta, rows
            )
            bring_back(arenas, rows, count, weights, shares, taps, starts, channel, values, delta)
            run(arenas, rows, count, weights, program, taps, starts, nonzero)
            for row in range(count):
                found, near = decide(arenas, rows[row], n_scores, tolerance, scratch)
                classes[first + rows[row], step] = found
                near_ties[first + rows[row], step] = near


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
    """Mark the (image, channel) pairs that differ from the pruned value in `awake`."""
    for image in range(cut.shape[0]):
        awake[image] = False
        for position in range(cut.shape[1]):
            for channel in range(cut.shape[2]):
                awake[image, channel] |= cut[image, position, channel] != pruned[position, channel]
