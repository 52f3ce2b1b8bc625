"""Programs in the making: operations, weights and the places of values, collected call by call."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastprune.networks.graph import Call
from fastprune.suffix import columns, operations
from fastprune.suffix.program import Program
from fastprune.suffix.tables import Sizes, Tables
from fastprune.suffix.vectors import WIDTH, aligned

Tap = tuple[int, int, int]
"""A row of `taps`; see :mod:`fastprune.suffix.columns`."""

Row = dict[int, int]
"""A row of `shares` or `operations`: columns and what stands there."""


class NotUnderstood(Exception):
    """A call that has no compiled form; Keras runs it then."""


class Builder:
    """Collects operations, weights and the places of values while a suffix is walked."""

    def __init__(self, cut: Any, pruned: NDArray[np.float32]) -> None:
        self.cut = cut
        self.channels = pruned.shape[-1]
        self.pruned = pruned
        self.shares: list[Row] = []
        self.operations: list[Row] = []
        self.blocks: list[tuple[int, int, int]] = []
        self.taps: list[Tap] = []
        self.weights: list[NDArray[np.float32]] = []
        self.n_weights = 0
        self.size = self.widest = 0
        self.places: dict[int, int] = {}
        self.linear: list[tuple[Call, int, int]] = []
        self.bases: list[tuple[int, NDArray[np.float32]]] = []
        self.views = {id(cut)}

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
        """Return where a tensor's values lie; the cut's own are kept only when they are read."""
        if id(tensor) not in self.places and id(tensor) in self.views:
            place = self.add_values(self.pruned.size)
            self.bases.append((place, self.pruned.reshape(-1)))
            self.shares.append({
                columns.KIND: operations.SHARE_COPY, columns.COPY_OUT: place,
                columns.COPY_SPACING: self.channels,
            })  # fmt: skip
            for view in self.views:
                self.places[view] = place
        return self.places[id(tensor)]

    def operate(self, kind: int, source: int, out: int, more: Mapping[int, int]) -> None:
        """Append an operation that reads and writes there; `more` are its other columns."""
        place = {columns.SOURCE: source, columns.OUT: out}
        self.operations.append({columns.KIND: kind, **place, **more})

    def operate_blocks(self, blocks: tuple[int, int], width: int, bias: int) -> None:
        """Append a Dense or Conv2D layer that is not linear in the cut."""
        row = {columns.KIND: operations.LINEAR, **_of_blocks(blocks, width), columns.BIAS: bias}
        self.operations.append(row)

    def share(
        self, call: Call, blocks: tuple[int, int], width: int, place: int, base: NDArray[np.float32]
    ) -> None:
        """Append what one channel changes in a call that is linear in the cut."""
        self.shares.append({columns.KIND: operations.SHARE_LINEAR, **_of_blocks(blocks, width)})
        self.bases.append((place, base.reshape(-1)))
        self.linear.append((call, place, base.size))

    def finish(self, output: Any | None) -> Program:
        """Return the program, whose scores are the values of `output`."""
        # Before the arena is made: where only views lie behind the cut, the scores are the cut.
        scores, classes = (0, 0) if output is None else (self.place(output), output.shape[-1])
        base = aligned(self.size)
        for start, values in self.bases:
            base[start : start + values.size] = values
        weights = aligned(self.n_weights)
        np.concatenate([*self.weights, weights[:0]], out=weights)
        linear = max((start + values.size for start, values in self.bases), default=0)
        tables = Tables(
            shares=_table(self.shares),
            operations=_table(self.operations),
            blocks=np.array(self.blocks, np.uint64).reshape(-1, 3),
            taps=np.array(self.taps, np.uint64).reshape(-1, 3),
            weights=weights,
            base=base,
            sizes=Sizes(*map(np.uint64, (scores, classes, linear, self.widest))),
        )
        positions = self.pruned.size // self.channels
        return Program(tables, tuple(self.linear), positions, self.channels)


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
