"""Compiled loops of the incremental engine: arrays in, arrays out, no decisions.

Each image goes through all steps of an order. The steps that change something on it are evaluated a
few at a time, so that every weight fetched serves all of them. The suffix comes as a program
(:mod:`fastprune.suffix.program`): rows of integers, one per operation, that say where in an arena
of float32 values it reads and writes, and where in the flat array of weights its own lie. The
NamedTuples of arrays are those of :mod:`fastprune.suffix.tables`; `at` is a row of the arenas.
"""

from __future__ import annotations

import numpy as np

from fastprune.runtime.numba_jit import compiled, inlined, inner
from fastprune.suffix import columns
from fastprune.suffix.decision import decide
from fastprune.suffix.operations import SHARE_COPY, U, run
from fastprune.suffix.tables import Gathered, Workspace
from fastprune.suffix.vectors import LANES, add_rows_to_one, aligned

STEPS_PER_BATCH = 2 * LANES
"""Steps of an image that go through the suffix together, one operation after another.

Rows of weights that several of them need are then still in the cache: 8 take 42 us an image of the
lab where 4 take 43 and 16 to 32 take 41 to 42. A multiple of :data:`LANES`, as a layer writes all
lanes.
"""


def make_workspace(arena: int, inputs: int) -> Workspace:
    """Return what :func:`sweep_images` works in.

    Allocated here, as numba takes 0.1 s to compile each kind of allocation.

    Parameters
    ----------
    arena : int
        Values of an arena.
    inputs : int
        The most inputs that a block has.
    """
    arenas = aligned((STEPS_PER_BATCH + 1, arena))
    pairs = np.zeros((STEPS_PER_BATCH, 2), np.int64)
    gathered, shared = make_gathered(inputs, LANES), make_gathered(inputs, 1)
    return Workspace(arenas, arenas.view(np.int32), gathered, shared, pairs)


def make_gathered(inputs: int, lanes: int) -> Gathered:
    """Return where the inputs of a block are gathered, `inputs` of them at most."""
    size = inputs + 1  # gathering writes one place behind the last
    factors = np.empty((size, lanes), np.float32)
    return Gathered(np.empty(size, np.uint64), factors, np.empty(size, np.bool_))


@inlined
def bring_back(arenas, at, cut, image, channel, tables, shared):
    """Add one channel's share to every value that is linear in the cut activations of an image.

    Returns False, and does nothing, where the channel holds its pruned value. It must have a place
    in the cut's values.
    """
    values, pruned, place = cut.values, cut.pruned, U(cut.places[channel])
    row_of = image * U(pruned.shape[0] > 1)
    differs = False
    for position in range(U(values.shape[1])):
        differs |= values[image, position, place] != pruned[row_of, position, place]
    if not differs:
        return False
    shares, blocks, taps = tables.shares, tables.blocks, tables.taps
    rows, factors = shared.rows, shared.factors
    for index in range(shares.shape[0]):
        row = shares[index]
        if row[columns.KIND] == SHARE_COPY:
            start, spacing = U(row[columns.COPY_OUT]) + channel, U(row[columns.COPY_SPACING])
            for position in range(U(values.shape[1])):
                arenas[at, start + position * spacing] = values[image, position, place]
            continue
        width = U(row[columns.OUTPUTS])
        for block in range(U(row[columns.FIRST_BLOCK]), U(row[columns.END_BLOCK])):
            count = U(0)
            for tap in range(blocks[block, columns.FIRST_TAP], blocks[block, columns.END_TAP]):
                position = taps[tap, columns.TAP_SOURCE]
                rows[count] = taps[tap, columns.TAP_KERNEL] + channel * width
                share = values[image, position, place] - pruned[row_of, position, place]
                factors[count, U(0)] = share
                count += U(share != 0)
            out = blocks[block, columns.BLOCK_OUT]
            add_rows_to_one(arenas, at, out, width, tables.weights, rows, factors, count)
    return True


@compiled
def bring_back_all(arenas, cut, channel, tables, shared, differs):
    """Bring one channel back on every image of a block, each in an arena of its own.

    `arenas` is float32 (images, arena), `channel` one that has a place in the cut's values. Fills
    `differs`, bool (images,), with whether it differs from its pruned value there.
    """
    for image in range(U(cut.values.shape[0])):
        differs[image] = bring_back(arenas, image, cut, U(image), U(channel), tables, shared)


@inlined
def decide_steps(count, tables, workspace, tolerance, answers):
    """Run the program on the first `count` rows and write down the class of each."""
    run(count, tables, workspace)
    pairs, sizes = workspace.pairs, tables.sizes
    for row in range(count):
        winner, near_tie = decide(
            workspace.arenas, workspace.bits, row, sizes.scores, sizes.classes, tolerance
        )
        answers.classes[pairs[row, 0], pairs[row, 1]] = winner
        answers.near_ties[pairs[row, 0], pairs[row, 1]] = near_tie


@inner
def copy(rows, row, arenas, at, size):
    """Write the first `size` values of a row of `rows` to one of the arenas.

    ``arenas[at] = rows[row]`` would bring numba's code for texts of errors along, 1.5 s to compile.
    """
    for i in range(size):
        arenas[at, i] = rows[row, i]


@compiled
def sweep_images(cut, order, tables, workspace, tolerance, answers):
    """Find the class of every image at every step of an order, last step first.

    From all channels pruned, channels come back one by one, so a value that is linear in the cut
    activations is a plain float32 sum, only in another order: nothing is ever taken off again, and
    no error builds up. An image on which a channel holds its pruned value keeps its class.

    Parameters
    ----------
    cut : Cut
        The images.
    order : int64 (channels,)
        Channels in the order in which they are pruned.
    tables : Tables
        The program.
    workspace : Workspace
        What :func:`make_workspace` gives for it.
    tolerance : float32
        See :func:`~fastprune.suffix.decision.decide`.
    answers : Answers
        Filled.
    """
    images, channels = cut.values.shape[0], order.shape[0]
    arenas, classes, near_ties = workspace.arenas, answers.classes, answers.near_ties
    linear, current = tables.sizes.linear, U(STEPS_PER_BATCH)
    alike = cut.base.shape[0] == 1
    count = U(0)
    for image in range(images):
        copy(cut.base, U(image) * U(not alike), arenas, current, linear)
        for step in range(channels, -1, -1):
            classes[image, step] = -1
            if step == channels:  # with every channel pruned all images may look the same
                changes = not alike or image == 0
            else:
                channel = order[step]
                changes = cut.places[channel] >= 0 and bring_back(
                    arenas, current, cut, U(image), U(channel), tables, workspace.shared
                )
            if changes:
                copy(arenas, current, arenas, count, linear)
                workspace.pairs[count, 0], workspace.pairs[count, 1] = image, step
                count += U(1)
            # The one place where the program runs: it is compiled once for each, 0.4 s a place.
            if count == current or (step == 0 and image == images - 1):
                decide_steps(count, tables, workspace, tolerance, answers)
                count = U(0)
    for image in range(images):
        for step in range(channels, -1, -1):
            if classes[image, step] < 0:
                source, at = (0, channels) if step == channels else (image, step + 1)
                classes[image, step] = classes[source, at]
                near_ties[image, step] = near_ties[source, at]


@compiled
def channels_that_differ(values, pruned, differs_from_pruned):
    """Mark the channels that differ from their pruned value on some image of a block.

    `values` is float32 (images, positions, channels), `pruned` float32 (images or 1, positions,
    channels), `differs_from_pruned` bool (channels,), set to True where one does and left alone
    elsewhere.
    """
    for image in range(U(values.shape[0])):
        row = image * U(pruned.shape[0] > 1)
        for position in range(U(values.shape[1])):
            for channel in range(U(values.shape[2])):
                differs = values[image, position, channel] != pruned[row, position, channel]
                differs_from_pruned[channel] |= differs


@compiled
def pairs_that_differ(values, pruned, differs_from_pruned):
    """Fill bool (images, channels) with whether the channel differs from its pruned value there.

    Otherwise as :func:`channels_that_differ`.
    """
    for image in range(U(values.shape[0])):
        row = image * U(pruned.shape[0] > 1)
        differs_from_pruned[image] = False
        for position in range(U(values.shape[1])):
            for channel in range(U(values.shape[2])):
                differs = values[image, position, channel] != pruned[row, position, channel]
                differs_from_pruned[image, channel] |= differs
