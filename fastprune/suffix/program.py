"""A suffix as a program for the compiled loops: what a channel changes, what follows from it.

Compiled loops do not look where they write: a wrong place would be a wrong figure at best. So every
place that a program reads or writes is held against the sizes of its arrays, once, when it is made;
what each call brings along, at the call.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastprune.networks.graph import Call
from fastprune.suffix import operations

COLUMNS = 16
"""Integers per operation."""

Range = tuple[str, int, int, int]
"""What lies there, its first place, the one after its last, and how many places there are."""


class OutOfBounds(RuntimeError):
    """A program that would leave its arrays: a fault of fastprune, whatever the network is."""


@dataclass(frozen=True, eq=False)
class Program:
    """A suffix compiled.

    Attributes
    ----------
    shares, operations : ndarray of int64, shape (operations, COLUMNS)
        What one channel changes, and what follows from it.
    blocks, taps : ndarray of uint64, shape (blocks, 3) and (taps, 3)
        Outputs of convolutions and dense layers and what feeds them; see
        :func:`fastprune.suffix.kernels.sweep_images`.
    weights : ndarray of float32
        Weights of all operations, flat.
    base : ndarray of float32, shape (arena,)
        An image's values with every channel pruned.
    sizes : ndarray of uint64, shape (4,)
        Start and number of the scores, values that hold what is linear in the cut tensor, and most
        inputs of a block.
    linear : tuple of (Call, int, int)
        The calls that are linear in the cut tensor, with start and size of their values before
        the activation.
    positions, channels : int
        Size of the cut: positions of an image, and channels.

    Raises
    ------
    OutOfBounds
        When it would read or write outside its arrays.
    """

    shares: NDArray[np.int64]
    operations: NDArray[np.int64]
    blocks: NDArray[np.uint64]
    taps: NDArray[np.uint64]
    weights: NDArray[np.float32]
    base: NDArray[np.float32]
    sizes: NDArray[np.uint64]
    linear: tuple[tuple[Call, int, int], ...]
    positions: int
    channels: int

    def __post_init__(self) -> None:
        check_program(self)


def check_program(program: Program) -> None:
    """Refuse a program that reads or writes outside its arrays.

    Raises
    ------
    OutOfBounds
        When it does.
    """
    for what, first, stop, size in _ranges(program):
        if not 0 <= first <= stop <= size:
            message = f"{what} lies at {first} … {stop} of {size}"
            raise OutOfBounds(message)


def check_call(
    program: Program,
    cut: NDArray[np.float32],
    places: NDArray[np.int64],
    order: NDArray[np.int64],
) -> None:
    """Refuse cut activations or an order that a program was not made for.

    Parameters
    ----------
    program : Program
        The program.
    cut : ndarray of float32, shape (images, positions, live channels)
        Cut activations of a block.
    places : ndarray of int64, shape (channels,)
        Where each channel lies in `cut`; -1 for none.
    order : ndarray of int64, shape (channels,)
        Channels in the order in which they are pruned.

    Raises
    ------
    OutOfBounds
        When a shape or an index does not fit.
    """
    fitting = (
        cut.ndim == 3
        and cut.shape[1] == program.positions
        and len(places) == len(order) == program.channels
        and places.max(initial=-1) < cut.shape[2]
        and order.min(initial=0) >= 0
        and order.max(initial=0) < program.channels
    )
    if not fitting:
        message = (
            f"cut activations {cut.shape} and {len(order)} channels for a program of "
            f"{program.positions} positions and {program.channels} channels"
        )
        raise OutOfBounds(message)


def _ranges(program: Program) -> Iterator[Range]:
    """Yield every range of places that the kernels touch."""
    arena, start, size = program.base.size, int(program.sizes[0]), int(program.sizes[1])
    yield "the scores", start, start + size, arena
    yield "what is linear in the cut", 0, int(program.sizes[2]), arena
    for share in program.shares.tolist():
        yield from _share(program, share)
    for operation in program.operations.tolist():
        kind = operation[0]
        if kind == operations.LINEAR:
            yield from _linear(program, operation)
        elif kind in (operations.POOL_MAX, operations.POOL_MEAN):
            yield from _pool(arena, operation)
        else:
            yield from _pointwise(arena, program.weights.size, operation)


def _share(program: Program, row: list[int]) -> Iterator[Range]:
    """Yield what one channel's share touches; its taps hold positions of the cut."""
    channels, positions = program.channels, program.positions
    if row[0] == operations.SHARE_COPY:
        yield "the cut", row[2], row[2] + positions * row[1], int(program.sizes[2])
        yield "a channel", 0, channels, row[1]
        return
    _, first, stop, width = row[:4]
    taps, counts = yield from _blocks(program, first, stop, width)
    if len(taps):
        yield "inputs of a share", int(taps[:, 1].min()), int(taps[:, 1].max()), 1
        yield "positions", 0, int(taps[:, 0].max()) + 1, positions
        kernel = int(taps[:, 2].max()) + channels * width
        yield "weights of a share", 0, kernel, program.weights.size
        yield "taps of a block", 0, int(counts.max()), int(program.sizes[3])


def _linear(program: Program, row: list[int]) -> Iterator[Range]:
    """Yield what a Dense or Conv2D layer touches."""
    _, first, stop, width, bias = row[:5]
    yield "a bias", bias, bias + width, program.weights.size
    taps, _ = yield from _blocks(program, first, stop, width)
    if len(taps):
        source, size, kernel = taps.T
        yield "inputs", 0, int((source + size).max()), program.base.size
        yield "a kernel", 0, int((kernel + size * width).max()), program.weights.size
        inputs = [
            int(program.taps[begin:end, 1].sum())
            for _, begin, end in program.blocks[first:stop].tolist()
        ]
        yield "inputs of a block", 0, max(inputs), int(program.sizes[3])


def _blocks(program: Program, first: int, stop: int, width: int) -> Any:
    """Yield what blocks of outputs touch; return their taps and how many each block has."""
    yield "blocks", first, stop, len(program.blocks)
    blocks = program.blocks[first:stop].astype(np.int64)
    if not len(blocks):
        return np.empty((0, 3), np.int64), np.empty(0, np.int64)
    yield "taps", int(blocks[:, 1].min()), int(blocks[:, 2].max()), len(program.taps)
    yield "outputs", int(blocks[:, 0].min()), int(blocks[:, 0].max()) + width, program.base.size
    yield "blocks that end before they begin", 0, int((blocks[:, 1] > blocks[:, 2]).sum()), 0
    taps = program.taps[int(blocks[:, 1].min()) : int(blocks[:, 2].max())].astype(np.int64)
    return taps, blocks[:, 2] - blocks[:, 1]


def _pool(arena: int, row: list[int]) -> Iterator[Range]:
    _, source, in_height, in_width, channels, out, height, width = row[:8]
    yield "a pool's inputs", source, source + in_height * in_width * channels, arena
    yield "a pool's outputs", out, out + height * width * channels, arena


def _pointwise(arena: int, weights: int, row: list[int]) -> Iterator[Range]:
    kind, source, out, size, third, fourth, fifth = row[:7]
    if kind == operations.COPY:
        yield "copied values", source, source + third * size, arena
        yield "copies", out, out + (third - 1) * fourth + size, arena
        return
    yield "inputs", source, source + size, arena
    yield "outputs", out, out + size, arena
    if kind in (operations.ADD, operations.MULTIPLY):
        yield "second inputs", third, third + size, arena
    elif kind == operations.AFFINE:
        yield "factors", fourth, fourth + third, weights
        yield "offsets", fifth, fifth + third, weights
    else:
        yield "parameters", third, third + operations.PARAMETERS.get(kind, 0), weights
