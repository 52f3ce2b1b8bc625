"""A suffix as a program for the compiled loops: what a channel changes, what follows from it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastprune.graph import Call
from fastprune.suffix import kernels
from fastprune.suffix.bounds import check_program
from fastprune.suffix.vectors import WIDTH, aligned

COLUMNS = 16
"""Integers per operation."""

Tap = tuple[int, int, int]
"""Where inputs lie, how many they are, and where their weights start; of a share, whose input is
one channel: its position, 1, and where the weights of channel 0 start."""


class NotUnderstood(Exception):
    """A call that has no compiled form; Keras runs it then."""


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


class Builder:
    """Collects operations, weights and the places of values while a suffix is walked."""

    def __init__(self, cut: Any, pruned: NDArray[np.float32]) -> None:
        self.cut = cut
        self.channels = pruned.shape[-1]
        self.pruned = pruned
        self.shares: list[list[int]] = []
        self.operations: list[list[int]] = []
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
            self.shares.append([kernels.SHARE_COPY, self.channels, place])
            for view in self.views:
                self.places[view] = place
        return self.places[id(tensor)]

    def operate(self, *row: int) -> None:
        """Append an operation."""
        self.operations.append([int(item) for item in row])

    def share(
        self, call: Call, blocks: tuple[int, int], width: int, place: int, base: NDArray[np.float32]
    ) -> None:
        """Append what one channel changes in a call that is linear in the cut."""
        self.shares.append([kernels.SHARE_LINEAR, *blocks, width])
        self.bases.append((place, base.reshape(-1)))
        self.linear.append((call, place, base.size))

    def finish(self, output: Any | None) -> Program:
        """Return the program, whose scores are the values of `output`."""
        # Before the arena is made: where only views lie behind the cut, the scores are the cut.
        scores = (0, 0) if output is None else (self.place(output), output.shape[-1])
        base = aligned(self.size)
        for start, values in self.bases:
            base[start : start + values.size] = values
        weights = aligned(self.n_weights)
        np.concatenate([*self.weights, weights[:0]], out=weights)
        linear = max((start + values.size for start, values in self.bases), default=0)
        return Program(
            shares=_table(self.shares),
            operations=_table(self.operations),
            blocks=np.array(self.blocks, np.uint64).reshape(-1, 3),
            taps=np.array(self.taps, np.uint64).reshape(-1, 3),
            weights=weights,
            base=base,
            sizes=np.array([*scores, linear, self.widest], np.uint64),
            linear=tuple(self.linear),
            positions=self.pruned.size // self.channels,
            channels=self.channels,
        )


def build(
    calls: Sequence[Call], cut: Any, pruned: NDArray[np.float32], output: Any
) -> Program:
    """Compile a suffix.

    Parameters
    ----------
    calls : sequence of Call
        Calls from the cut to the class scores, in order.
    cut, output : KerasTensor
        The cut tensor and the class scores; a final softmax, which changes no order, is left out.
    pruned : ndarray of float32
        What the cut layer gives when every channel is pruned, shape of one image's cut.

    Raises
    ------
    NotUnderstood
        When a call has no compiled form.
    """
    builder = Builder(cut, pruned)
    for call in calls:
        compile_call(builder, call, is_output=call.output is output)
    return builder.finish(output)


def linear_part(calls: Sequence[Call], cut: Any, pruned: NDArray[np.float32]) -> Program | None:
    """Compile only the calls that are linear in the cut; None when there is none."""
    builder = Builder(cut, pruned)
    for call in calls:
        if all(id(tensor) in builder.views for tensor in call.inputs):
            try:
                compile_call(builder, call, is_output=False)
            except NotUnderstood:
                continue
    if not builder.linear:
        return None
    return builder.finish(None)


def compile_call(builder: Builder, call: Call, *, is_output: bool) -> None:
    """Append one call to a program."""
    from fastprune.suffix.translate import TRANSLATORS

    translate: Callable[[Builder, Call, bool], None] | None = TRANSLATORS.get(call.kind)
    if translate is None or not is_plain(call):
        raise NotUnderstood(f"{call.kind} of {call.output.dtype}")
    translate(builder, call, is_output)


def is_plain(call: Call) -> bool:
    """Return whether a call is of a layer as it stands, in float32, on tensors of the graph alone.

    ``x + 1`` is an operation named Add too, but one of its operands is no tensor of the graph.
    """
    import keras

    operation = call.operation
    arguments = keras.tree.flatten((call.args, dict(call.kwargs)))
    constants = [item for item in arguments if item is not None and not isinstance(item, bool)]
    return (
        isinstance(operation, keras.layers.Layer)
        and call.output.dtype == "float32"
        and len(constants) == len(call.inputs)
        and getattr(operation, "quantization_mode", None) is None
        and getattr(operation, "data_format", None) in (None, "channels_last")
    )


def _table(rows: list[list[int]]) -> NDArray[np.int64]:
    table = np.zeros((len(rows), COLUMNS), np.int64)
    for index, row in enumerate(rows):
        table[index, : len(row)] = row
    return table


def whole(size: int) -> int:
    """Return a size rounded up to whole vectors."""
    return -(-size // WIDTH) * WIDTH
