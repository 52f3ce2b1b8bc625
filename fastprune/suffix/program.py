"""A suffix as a program for the compiled loops: what a channel changes, what follows from it.

All values that the suffix computes of an image lie in one flat array of float32, its *arena*. With
every channel pruned, the layers that are linear in the cut tensor give values that are the same for
all images, the *base*. A channel that comes back adds its *share* to them; the *operations* are the
layers behind, run on the sum. Outputs of a Dense or Conv2D layer at one position are a *block*, a
run of inputs that feeds a block is a *tap*.

Compiled loops do not look where they write: a wrong place would be a wrong figure at best. So every
place that a program reads or writes is held against the sizes of its arrays, once, when it is made;
what each call brings along, at the call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastprune.networks.graph import Call
from fastprune.suffix import columns, operations
from fastprune.suffix.tables import Cut, Tables

Range = tuple[str, int, int, int]
"""What lies there, its first place, the one after its last, and how many places there are."""


class OutOfBounds(RuntimeError):
    """A program that would leave its arrays: a fault of fastprune, whatever the network is."""


class Linear(NamedTuple):
    """Values that are linear in the cut tensor.

    Attributes
    ----------
    call : Call or None
        The call that gives them, before its activation; None for the cut tensor itself.
    start, size : int
        Where they lie in the arena, and how many they are.
    of : callable
        Takes cut tensors (images, …), gives these values (images, …) of them.
    """

    call: Call | None
    start: int
    size: int
    of: Callable[[NDArray[np.float32]], NDArray[np.float32]]


@dataclass(frozen=True, eq=False)
class Program:
    """A suffix compiled.

    Attributes
    ----------
    tables : Tables
        What the compiled loops read.
    linear : tuple of Linear
        What is linear in the cut tensor.
    sides : tuple of (KerasTensor, int, int)
        Side tensors in the order in which they are read, with start and size of their values.
    positions, channels : int
        Size of the cut: positions of a channel in it, and channels of the prune layer.

    Raises
    ------
    OutOfBounds
        When it would read or write outside its arrays.
    """

    tables: Tables
    linear: tuple[Linear, ...]
    sides: tuple[tuple[Any, int, int], ...]
    positions: int
    channels: int

    def __post_init__(self) -> None:
        check_program(self)

    @property
    def linear_places(self) -> list[tuple[int, int]]:
        """Start and size of all that is linear in the cut, side tensors counted."""
        sides = [(start, size) for _, start, size in self.sides]
        return [(one.start, one.size) for one in self.linear] + sides

    def bases(
        self, images: int, pruned: NDArray[np.float32] | None, sides: Mapping[int, Any]
    ) -> NDArray[np.float32]:
        """Return the arena of each image with every channel pruned, float32 (images, linear).

        Parameters
        ----------
        images : int
            How many images there are.
        pruned : ndarray of float32 or None
            The cut tensor with every channel pruned, where it differs from image to image.
        sides : mapping of int to ndarray
            Side tensors, by the ``id`` of the graph's.
        """
        found = np.repeat(self.tables.base[None, : int(self.tables.sizes.linear)], images, axis=0)
        if pruned is not None:
            with np.errstate(invalid="ignore", over="ignore"):  # scores are looked at, not sums
                for _, start, size, of in self.linear:
                    found[:, start : start + size] = of(pruned).reshape(images, -1)
        for side, start, size in self.sides:
            found[:, start : start + size] = sides[id(side)].reshape(images, -1)
        return found


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


def check_call(program: Program, cut: Cut, order: NDArray[np.int64]) -> None:
    """Refuse cut activations or an order that a program was not made for.

    Parameters
    ----------
    program : Program
        The program.
    cut : Cut
        Cut activations of a block.
    order : ndarray of int64, shape (channels,)
        Channels in the order in which they are pruned.

    Raises
    ------
    OutOfBounds
        When a shape or an index does not fit.
    """
    values, places = cut.values, cut.places
    fitting = (
        values.ndim == 3
        and values.shape[1] == program.positions
        and cut.pruned.shape in ((1, *values.shape[1:]), values.shape)
        and len(cut.base) in (1, len(values))
        and cut.base.shape[1] >= int(program.tables.sizes.linear)
        and len(places) == len(order) == program.channels
        and places.max(initial=-1) < values.shape[2]
        and order.min(initial=0) >= 0
        and order.max(initial=0) < program.channels
    )
    if not fitting:
        message = (
            f"cut activations {values.shape} and {len(order)} channels for a program of "
            f"{program.positions} positions and {program.channels} channels"
        )
        raise OutOfBounds(message)


def _ranges(program: Program) -> Iterator[Range]:
    """Yield every range of places that the kernels touch."""
    tables = program.tables
    arena, sizes = tables.base.size, tables.sizes
    yield "the scores", int(sizes.scores), int(sizes.scores) + int(sizes.classes), arena
    yield "what is linear in the cut", 0, int(sizes.linear), arena
    for start, size in program.linear_places:
        yield "a part of it", start, start + size, int(sizes.linear)
    for share in tables.shares.tolist():
        if share[columns.KIND] == operations.SHARE_COPY:
            yield from _copied_share(program, share)
        else:
            yield from _linear_share(program, share)
    for row in tables.operations.tolist():
        if row[columns.KIND] == operations.LINEAR:
            yield from _linear(tables, row)
        elif row[columns.KIND] in (operations.POOL_MAX, operations.POOL_MEAN):
            yield from _pool(arena, row)
        else:
            yield from _pointwise(tables, row)


def _copied_share(program: Program, row: list[int]) -> Iterator[Range]:
    """Yield what one channel touches in a copy of the cut."""
    out, spacing = row[columns.COPY_OUT], row[columns.COPY_SPACING]
    end = out + program.positions * spacing
    yield "the cut", out, end, int(program.tables.sizes.linear)
    yield "a channel", 0, program.channels, spacing


def _linear_share(program: Program, row: list[int]) -> Iterator[Range]:
    """Yield what one channel's share touches; its taps hold positions of the cut."""
    tables, width = program.tables, row[columns.OUTPUTS]
    taps, counts = yield from _blocks(tables, row)
    if len(taps):
        source, size, kernel = taps.T
        yield "inputs of a share", int(size.min()), int(size.max()), 1
        yield "positions", 0, int(source.max()) + 1, program.positions
        end = int(kernel.max()) + program.channels * width
        yield "weights of a share", 0, end, tables.weights.size
        yield "taps of a block", 0, int(counts.max()), int(tables.sizes.inputs)


def _linear(tables: Tables, row: list[int]) -> Iterator[Range]:
    """Yield what a Dense or Conv2D layer touches."""
    bias, width = row[columns.BIAS], row[columns.OUTPUTS]
    yield "a bias", bias, bias + width, tables.weights.size
    taps, _ = yield from _blocks(tables, row)
    if len(taps):
        source, size, kernel = taps.T
        yield "inputs", 0, int((source + size).max()), tables.base.size
        yield "a kernel", 0, int((kernel + size * width).max()), tables.weights.size
        blocks = tables.blocks[row[columns.FIRST_BLOCK] : row[columns.END_BLOCK]].tolist()
        inputs = [int(tables.taps[begin:end, 1].sum()) for _, begin, end in blocks]
        yield "inputs of a block", 0, max(inputs), int(tables.sizes.inputs)


def _blocks(tables: Tables, row: list[int]) -> Any:
    """Yield what blocks of outputs touch; return their taps and how many each block has."""
    first, stop = row[columns.FIRST_BLOCK], row[columns.END_BLOCK]
    yield "blocks", first, stop, len(tables.blocks)
    out, begin, end = tables.blocks[first:stop].astype(np.int64).T
    if not len(out):
        return np.empty((0, 3), np.int64), np.empty(0, np.int64)
    yield "taps", int(begin.min()), int(end.max()), len(tables.taps)
    yield "outputs", int(out.min()), int(out.max()) + row[columns.OUTPUTS], tables.base.size
    yield "blocks that end before they begin", 0, int((begin > end).sum()), 0
    return tables.taps[int(begin.min()) : int(end.max())].astype(np.int64), end - begin


def _pool(arena: int, row: list[int]) -> Iterator[Range]:
    source, out, channels = row[columns.SOURCE], row[columns.OUT], row[columns.CHANNELS]
    inputs = row[columns.IN_HEIGHT] * row[columns.IN_WIDTH] * channels
    outputs = row[columns.OUT_HEIGHT] * row[columns.OUT_WIDTH] * channels
    yield "a pool's inputs", source, source + inputs, arena
    yield "a pool's outputs", out, out + outputs, arena


def _pointwise(tables: Tables, row: list[int]) -> Iterator[Range]:
    arena, weights = tables.base.size, tables.weights.size
    kind, size = row[columns.KIND], row[columns.SIZE]
    source, out = row[columns.SOURCE], row[columns.OUT]
    if kind == operations.COPY:
        positions, spacing = row[columns.POSITIONS], row[columns.SPACING]
        yield "copied values", source, source + positions * size, arena
        yield "copies", out, out + (positions - 1) * spacing + size, arena
        return
    yield "inputs", source, source + size, arena
    yield "outputs", out, out + size, arena
    if kind in (operations.ADD, operations.MULTIPLY):
        second = row[columns.SECOND]
        yield "second inputs", second, second + size, arena
    elif kind == operations.AFFINE:
        for what, start in ("factors", row[columns.FACTORS]), ("offsets", row[columns.OFFSETS]):
            yield what, start, start + row[columns.PERIOD], weights
    else:
        first = row[columns.PARAMETERS]
        yield "parameters", first, first + operations.PARAMETERS.get(kind, 0), weights
