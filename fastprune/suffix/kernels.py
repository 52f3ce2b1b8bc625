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

from fastprune.runtime.numba_jit import compiled, inner
from fastprune.suffix.decision import decide
from fastprune.suffix.operations import SHARE_COPY, U, run
from fastprune.suffix.vectors import LANES, add_rows_to_one, aligned

TOGETHER = 2 * LANES
"""Steps of an image that go through the suffix together, one operation after another.

Rows of weights that several of them need are then still in the cache: 8 take 42 us an image of the
lab where 4 take 43 and 16 to 32 take 41 to 42. A multiple of :data:`LANES`, as a layer writes all
lanes.
"""


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
