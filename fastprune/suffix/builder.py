"""Programs in the making: operations, weights and the places of values, collected call by call."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastprune.networks.network import Network
from fastprune.suffix import columns, operations
from fastprune.suffix.program import Linear, Program
from fastprune.suffix.tables import Sizes, Tables
from fastprune.suffix.vectors import WIDTH, aligned

Tap = tuple[int, int, int]
"""A row of `taps`; see :mod:`fastprune.suffix.columns`."""

Row = dict[int, int]
"""A row of `shares` or `operations`: columns and what stands there."""


@dataclass(frozen=True, eq=False)
class Start:
    """What a suffix begins with.

    Attributes
    ----------
    cut : KerasTensor
        The cut tensor.
    sides : tuple of KerasTensor
        The side tensors.
    where : ndarray of int64, shape (copies, channels)
        Where each channel of the prune layer lies on the cut's last axis.
    is_plain : bool
        Whether the cut's channels are those of the prune layer as they are.
    pruned : ndarray of float32 or None
        What the cut layer gives when every channel is pruned, shape of one image's cut; None where
        it differs from image to image.
    """

    cut: Any
    sides: tuple[Any, ...]
    where: NDArray[np.int64]
    is_plain: bool
    pruned: NDArray[np.float32] | None

    @classmethod
    def of(cls, network: Network) -> Start:
        """Return that of a network's suffix."""
        cut = network.cut
        return cls(cut.layer.output, cut.sides, cut.places, cut.is_plain, network.pruned_value)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one image's cut tensor."""
        return tuple(self.cut.shape[1:])

    @property
    def size(self) -> int:
        """Values of one image's cut tensor."""
        return int(np.prod(self.shape))

    @property
    def channels(self) -> int:
        """Channels of the prune layer."""
        return int(self.where.shape[1])

    @property
    def copies(self) -> int:
        """How often each channel lies in the cut tensor."""
        return int(self.where.shape[0])

    @property
    def positions(self) -> int:
        """Positions of a channel in the cut tensor, those of its copies counted too."""
        return self.size // self.shape[-1] * self.copies


class NotUnderstood(Exception):
    """A call that has no compiled form; Keras runs it then."""


class Builder:
    """Collects operations, weights and the places of values while a suffix is walked."""

    def __init__(self, start: Start) -> None:
        self.start = start
        self.shares: list[Row] = []
        self.operations: list[Row] = []
        self.blocks: list[tuple[int, int, int]] = []
        self.taps: list[Tap] = []
        self.weights: list[NDArray[np.float32]] = []
        self.n_weights = 0
        self.size = self.widest = 0
        self.places: dict[int, int] = {}
        self.linear: list[Linear] = []
        self.sides: list[tuple[Any, int, int]] = []
        self.bases: list[tuple[int, NDArray[np.float32]]] = []
        self.views = {id(start.cut)}

    def add_weights(self, values: Any, *, finite: bool = True) -> int:
        """Append weights; return where they start.

        Each row of a kernel (…, outputs) is filled up with zeros to whole vectors.
        """
        rows = np.atleast_1d(np.asarray(values, np.float32))
        if finite and not np.isfinite(rows).all():
            raise NotUnderstood("weights that are no numbers")
        flat = np.pad(rows, [(0, 0)] * (rows.ndim - 1) + [(0, -rows.shape[-1] % WIDTH)]).ravel()
        self.weights.append(flat)
        self.n_weights += flat.size
        return self.n_weights - flat.size

    def add_values(self, size: int) -> int:
        """Reserve values of the arena, and room for the whole vectors that they are written in."""
        self.size += whole(size + WIDTH - 1)
        return self.size - whole(size + WIDTH - 1)

    def add_blocks(self, blocks: Iterable[tuple[int, list[Tap]]]) -> tuple[int, int]:
        """Append blocks of outputs: where each lies and its taps; return the first and the end."""
        first = len(self.blocks)
        for out, taps in blocks:
            self.blocks.append((out, len(self.taps), len(self.taps) + len(taps)))
            self.taps.extend(taps)
            self.widest = max(self.widest, sum(size for _, size, _ in taps))
        return first, len(self.blocks)

    def place(self, tensor: Any) -> int:
        """Return where a tensor's values lie; those that are kept, only when they are read.

        Raises
        ------
        NotUnderstood
            When it is the cut tensor, and its channels are not those of the prune layer.
        """
        if id(tensor) not in self.places and id(tensor) in self.views:
            start = self.start
            if not start.is_plain:
                raise NotUnderstood("a cut whose channels are not those of the prune layer")
            place = self.add_values(start.size)
            self.shares.append({
                columns.KIND: operations.SHARE_COPY, columns.COPY_OUT: place,
                columns.COPY_SPACING: start.channels,
            })  # fmt: skip
            self._add_linear(Linear(None, place, start.size, lambda pruned: pruned))
            for view in self.views:
                self.places[view] = place
        elif id(tensor) not in self.places and any(tensor is side for side in self.start.sides):
            size = int(np.prod(tensor.shape[1:]))
            self.places[id(tensor)] = self.add_values(size)
            self.sides.append((tensor, self.places[id(tensor)], size))
        return self.places[id(tensor)]

    def operate(self, kind: int, source: int, out: int, more: Mapping[int, int]) -> None:
        """Append an operation that reads and writes there; `more` are its other columns."""
        place = {columns.SOURCE: source, columns.OUT: out}
        self.operations.append({columns.KIND: kind, **place, **more})

    def operate_blocks(self, blocks: tuple[int, int], width: int, bias: int) -> None:
        """Append a Dense or Conv2D layer that is not linear in the cut."""
        row = {columns.KIND: operations.LINEAR, **_of_blocks(blocks, width), columns.BIAS: bias}
        self.operations.append(row)

    def share(self, blocks: tuple[int, int], width: int, linear: Linear) -> None:
        """Append what one channel changes in a call that is linear in the cut."""
        self.shares.append({columns.KIND: operations.SHARE_LINEAR, **_of_blocks(blocks, width)})
        self._add_linear(linear)

    def _add_linear(self, linear: Linear) -> None:
        self.linear.append(linear)
        if self.start.pruned is not None:
            self.bases.append((linear.start, linear.of(self.start.pruned[None]).reshape(-1)))

    def finish(self, output: Any | None) -> Program:
        """Return the program, whose scores are the values of `output`."""
        # Before the arena is made: where only views lie behind the cut, the scores are the cut.
        scores, classes = (0, 0) if output is None else (self.place(output), output.shape[-1])
        base = aligned(self.size)
        for start, values in self.bases:
            base[start : start + values.size] = values
        weights = aligned(self.n_weights)
        np.concatenate([*self.weights, weights[:0]], out=weights)
        ends = [one.start + one.size for one in self.linear]
        ends += [start + size for _, start, size in self.sides]
        tables = Tables(
            shares=_table(self.shares),
            operations=_table(self.operations),
            blocks=np.array(self.blocks, np.uint64).reshape(-1, 3),
            taps=np.array(self.taps, np.uint64).reshape(-1, 3),
            weights=weights,
            base=base,
            sizes=Sizes(*map(np.uint64, (scores, classes, max(ends, default=0), self.widest))),
        )
        return Program(
            tables, tuple(self.linear), tuple(self.sides), self.start.positions,
            self.start.channels,
        )  # fmt: skip


def _of_blocks(blocks: tuple[int, int], width: int) -> Row:
    """Return which blocks a layer has, and how many outputs each."""
    first, end = blocks
    return {columns.FIRST_BLOCK: first, columns.END_BLOCK: end, columns.OUTPUTS: width}


def _table(rows: list[Row]) -> NDArray[np.int64]:
    table = np.zeros((len(rows), columns.COLUMNS), np.int64)
    for index, row in enumerate(rows):
        for column, value in row.items():
            table[index, column] = value
    return table


def whole(size: int) -> int:
    """Return a size rounded up to whole vectors."""
    return -(-size // WIDTH) * WIDTH
