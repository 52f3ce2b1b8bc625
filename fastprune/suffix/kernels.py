"""Compiled loops of the incremental engine: arrays in, arrays out, no decisions.

Each image goes through all steps of an order. The steps that change something on it are evaluated a
few at a time, so that every weight fetched serves all of them. The suffix comes as a program
(:mod:`fastprune.suffix.program`): rows of integers, one per operation, that say where in an arena
of float32 values it reads and writes, and where in the flat array of weights its own lie. `arenas`
is float32 (steps, arena), `at` a row of it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastprune.jit import compiled, inner, reordering
from fastprune.suffix.vectors import LANES, aligned, row_adder

(
    LINEAR, RELU, SIGMOID, TANH, ELU, SILU, ADD, MULTIPLY, COPY, AFFINE, POOL_MAX, POOL_MEAN,
) = range(12)  # fmt: skip
"""Operations of a program."""

PARAMETERS = {RELU: 3, SIGMOID: 1, TANH: 1, ELU: 1, SILU: 1}
"""Numbers among the weights that an activation has: slope, ceiling and threshold of a ReLU."""

SHARE_LINEAR, SHARE_COPY = 12, 13
"""Operations that bring one channel back into a value that is linear in the cut activations."""

TOGETHER = 2 * LANES
"""Steps of an image that go through the suffix together, one operation after another.

Rows of weights that several of them need are then still in the cache: 8 take 42 us an image of the
lab where 4 take 43 and 16 to 32 take 41 to 42. A multiple of :data:`LANES`, as a layer writes all
lanes.
"""

U = np.uint64
"""Unsigned places: for signed ones numba checks every access for a negative index, and a loop with
such a check does not vectorise (10 times slower); slices cost 25 ns each in reference counts."""

add_rows = row_adder(LANES)
add_rows_to_one = row_adder(1)


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


@inner
def bring_back(
    arenas, at, cut, image, place, pruned, channel, weights, shares, blocks, taps, scratch
):
    """Add one channel's share to every value that is linear in the cut activations of an image.

    Returns False, and does nothing, where the channel holds its pruned value.
    """
    changed = False
    for position in range(U(cut.shape[1])):
        changed |= cut[image, position, place] != pruned[position, channel]
    if not changed:
        return False
    rows, factors = scratch
    for index in range(shares.shape[0]):
        op = shares[index]
        if op[0] == SHARE_COPY:
            for position in range(U(cut.shape[1])):
                value = cut[image, position, place]
                arenas[at, U(op[2]) + position * U(op[1]) + channel] = value
            continue
        width = U(op[3])
        for block in range(U(op[1]), U(op[2])):
            count = U(0)
            for tap in range(blocks[block, U(1)], blocks[block, U(2)]):
                position = taps[tap, U(0)]
                rows[count] = taps[tap, U(2)] + channel * width
                share = cut[image, position, place] - pruned[position, channel]
                factors[count, U(0)] = share
                count += U(share != 0)
            add_rows_to_one(arenas, at, blocks[block, U(0)], width, weights, rows, factors, count)
    return True


@compiled
def bring_back_all(
    arenas, cut, place, channel, pruned, weights, shares, blocks, taps, scratch, changed
):
    """Bring one channel back on every image of a block, each in an arena of its own.

    Fills `changed`, bool (images,), with whether the channel differs from its pruned value there;
    for the others see :func:`sweep_images`.
    """
    for image in range(U(cut.shape[0])):
        changed[image] = bring_back(
            arenas, image, cut, image, U(place), pruned, U(channel), weights, shares, blocks, taps,
            scratch,
        )  # fmt: skip


@inner
def key_of(bits):
    """Return the int32 that sorts as a float32 of these bits does; its own inverse."""
    return np.int32(bits ^ np.int32(np.int32(bits >> np.int32(31)) & np.int32(0x7FFFFFFF)))


@inner
def float_of(key):
    """Return the float32 that sorts as an int32 does."""
    return np.int32(key_of(key)).view(np.float32)


@inner
def extremes(bits, at, start, size):
    """Return the largest and the least score, and whether any is no number.

    `bits` are the values' bits, int32. By their keys, what is no number lies beyond the infinities.
    A running maximum of whole numbers vectorises (0.06 us for 1,283 scores), one of floats does not
    (0.6 us).
    """
    top, least = np.int32(-0x80000000), np.int32(0x7FFFFFFF)
    for i in range(size):
        key = key_of(bits[at, start + i])
        top = key if key > top else top
        least = key if key < least else least
    infinity = np.int32(0x7F800000)
    odd = top > infinity or least < np.int32(~infinity)
    return float_of(top), float_of(least), odd


@reordering
def near_best(arenas, at, start, size, top, bound):
    """Count scores at or above `bound` and add up the places of `top`.

    Float32 counts, exact up to 2**24 classes.
    """
    close, place = np.float32(0), np.float32(0)
    for i in range(size):
        score = arenas[at, start + i]
        close += np.float32(1) if score >= bound else np.float32(0)
        place += np.float32(i) if score == top else np.float32(0)
    return close, place


@compiled
def decide(arenas, bits, at, start, size, tolerance):
    """Return the class of an image (the first of the best scores) and whether it is a near-tie.

    The scores are the `size` values from `start`, a final softmax left out; `bits` are the arenas
    as int32. A near-tie: another score within `tolerance` times the largest absolute score (at
    least 1, as softmax rounds at that size) of the best, or a score that is no number.
    """
    top, least, odd = extremes(bits, at, start, size)
    if odd:
        return np.int32(0), True
    largest = top if top > -least else -least
    bound = top - tolerance * (largest if largest > 1 else np.float32(1))
    close, place = near_best(arenas, at, start, size, top, bound)
    if close == 1:
        return np.int32(place), False
    for i in range(size):
        if arenas[at, start + i] == top:
            return np.int32(i), True
    return np.int32(0), True


@inner
def decide_steps(count, room, weights, operations, blocks, taps, sizes, tolerance, classes,
                 near_ties):  # fmt: skip
    """Run the program on the first `count` rows and write down the class of each."""
    arenas, bits, scratch, _, pairs = room
    run(arenas, count, weights, operations, blocks, taps, scratch)
    for row in range(count):
        found, near = decide(arenas, bits, U(row), sizes[0], sizes[1], tolerance)
        classes[pairs[row, 0], pairs[row, 1]] = found
        near_ties[pairs[row, 0], pairs[row, 1]] = near


@inner
def copy(values, arenas, at, size):
    """Write the first `size` values to a row.

    ``arenas[at] = values`` would bring numba's code for texts of errors along, 1.5 s to compile.
    """
    for i in range(size):
        arenas[at, i] = values[i]


def make_room(arena: int, widest: int) -> tuple[Any, ...]:
    """Return what :func:`sweep_images` works in.

    Allocated here, as numba takes 0.1 s to compile each kind of allocation.

    Parameters
    ----------
    arena : int
        Values of an arena.
    widest : int
        The most inputs that a block has.

    Returns
    -------
    tuple
        Arenas: a row for each step, and behind them one that holds what is linear in the cut
        activations of the image at its step; the same as int32; rows of weights, factors and marks
        for all lanes, and for one; image and step of each row.
    """
    arenas = aligned((TOGETHER + 1, arena))
    widest += 1  # gathering writes one place behind the last
    rows, factors = np.empty(widest, np.uint64), np.empty((widest, LANES), np.float32)
    share_scratch = np.empty(widest, np.uint64), np.empty((widest, 1), np.float32)
    pairs = np.zeros((TOGETHER, 2), np.int64)
    scratch = rows, factors, np.empty(widest, np.bool_)
    return arenas, arenas.view(np.int32), scratch, share_scratch, pairs


@compiled
def sweep_images(
    cut, place, order, pruned, room, base, weights, shares, operations, blocks, taps, sizes,
    tolerance, classes, near_ties,
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
    room : tuple
        What :func:`make_room` gives.
    base : float32 (arena,)
        The values that are linear in the cut activations, with every channel pruned.
    weights : float32 (weights,)
        Weights of all operations.
    shares, operations : int64 (operations, columns)
        What one channel changes, and what follows from it.
    blocks, taps : uint64 (blocks, 3) and (taps, 3)
        Where each block of outputs lies, its first tap and the one after its last; where each tap's
        inputs lie, how many they are, and where their weights start.
    sizes : uint64 (4,)
        Where the scores lie, how many they are, how many of the arena's first values hold all that
        is linear in the cut activations, and the most inputs that a block has.
    tolerance : float32
        See :func:`decide`.
    classes : int32 (images, channels + 1)
        Filled with the class at each ``n_pruned``.
    near_ties : bool (images, channels + 1)
        Filled with whether it is a near-tie.
    """
    images, channels = cut.shape[0], order.shape[0]
    arenas, _, _, share_scratch, pairs = room
    program = (room, weights, operations, blocks, taps, sizes, tolerance, classes, near_ties)
    # With every channel pruned all images look the same.
    copy(base, arenas, U(0), sizes[2])
    pairs[0, 0], pairs[0, 1] = 0, channels
    decide_steps(1, *program)
    for image in range(images):
        classes[image, channels] = classes[0, channels]
        near_ties[image, channels] = near_ties[0, channels]
        for step in range(channels):
            classes[image, step] = -1
    count = 0
    for image in range(images):
        copy(base, arenas, U(TOGETHER), sizes[2])
        for step in range(channels - 1, -1, -1):
            channel = order[step]
            if place[channel] < 0 or not bring_back(
                arenas, U(TOGETHER), cut, U(image), U(place[channel]), pruned, U(channel), weights,
                shares, blocks, taps, share_scratch,
            ):  # fmt: skip
                continue
            for i in range(sizes[2]):
                arenas[U(count), i] = arenas[U(TOGETHER), i]
            pairs[count, 0], pairs[count, 1] = image, step
            count += 1
            if count == TOGETHER:
                decide_steps(count, *program)
                count = 0
    decide_steps(count, *program)
    for image in range(images):
        for step in range(channels - 1, -1, -1):
            if classes[image, step] < 0:
                classes[image, step] = classes[image, step + 1]
                near_ties[image, step] = near_ties[image, step + 1]


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
