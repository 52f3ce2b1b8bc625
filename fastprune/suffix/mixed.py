"""Suffixes that start with linear layers and go on with what only Keras knows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastprune.networks.graph import Call, replay
from fastprune.runtime import backend
from fastprune.suffix import kernels
from fastprune.suffix.engine import CLEAR, Block, Steps, fill_down
from fastprune.suffix.keras_engine import KerasEngine, decide
from fastprune.suffix.loops import CompiledLoops
from fastprune.suffix.program import Program


class MixedEngine(CompiledLoops):
    """Keeps the linear layers' values up to date in compiled loops; Keras runs the rest.

    Parameters
    ----------
    program : Program
        The linear layers alone, and where side tensors lie beside their values.
    calls : sequence of Call
        Calls from the cut to the class scores.
    output : KerasTensor
        The class scores.
    plain : KerasEngine
        The whole suffix in plain Keras, which has the last word on near-ties.
    """

    name = "incremental+keras"
    threaded = False

    def __init__(
        self, program: Program, calls: Sequence[Call], output: Any, plain: KerasEngine
    ) -> None:
        import keras

        super().__init__(program, plain)
        ops = keras.ops
        self.rows = plain.batch

        def evaluate(values: Any) -> Any:
            known = {}
            for call, start, size, _ in program.linear:
                assert call is not None  # nothing else reads the cut
                shape = (-1, *call.output.shape[1:])
                linear = ops.reshape(values[:, start : start + size], shape)
                activation = getattr(call.operation, "activation", None)
                known[id(call.output)] = linear if activation is None else activation(linear)
            for side, start, size in program.sides:
                shape = (-1, *side.shape[1:])
                known[id(side)] = ops.reshape(values[:, start : start + size], shape)
            return decide(replay(calls, known, output))

        signature = (((None, program.tables.base.size), "float32"),)
        self._evaluate = backend.compiled(evaluate, signature=signature)

    def classes(self, block: Block, order: NDArray[np.int64]) -> Steps:
        """Return the class of every image of `block` at every step of `order`."""
        program, channels, cut = self.program, len(order), self.cut(block, order)
        arenas = np.zeros((block.images, program.tables.base.size), np.float32)
        linear = int(program.tables.sizes.linear)
        arenas[:, :linear] = cut.base[:, :linear]
        differs = np.empty(block.images, np.bool_)
        shared = kernels.make_gathered(int(program.tables.sizes.inputs), 1)
        tail = _Tail(self._evaluate, self.rows, (channels + 1, block.images))
        tail.add(arenas, np.arange(block.images), channels)
        for step in range(channels - 1, -1, -1):
            if cut.places[order[step]] < 0:
                continue
            kernels.bring_back_all(arenas, cut, order[step], program.tables, shared, differs)
            tail.add(arenas, np.flatnonzero(differs), step)
        tail.flush()
        # The class of a step that changes nothing is that of the step after it: fill from the end.
        known = tail.known[::-1]
        classes = fill_down(tail.classes[::-1], known)[::-1]
        near_ties = fill_down(tail.near_ties[::-1], known)[::-1]
        classes = np.ascontiguousarray(classes)
        unusable = self.decide_again(block, order, classes.T, near_ties.T)
        return Steps(classes, near_ties, unusable)


class _Tail:
    """Gathers values of images at steps until a batch is full, and has Keras decide them."""

    def __init__(self, evaluate: Any, size: int, shape: tuple[int, int]) -> None:
        self.classes = np.zeros(shape, np.int32)
        self.near_ties = np.zeros(shape, bool)
        self.known = np.zeros(shape, bool)
        self._evaluate, self._size = evaluate, size
        self._values: list[NDArray[np.float32]] = []
        self._pairs: list[tuple[int, NDArray[np.int64]]] = []
        self._count = 0

    def add(self, arenas: NDArray[np.float32], images: NDArray[np.int64], step: int) -> None:
        """Take the values of `images` at `step`."""
        for start in range(0, len(images), self._size):
            some = images[start : start + self._size].copy()
            if self._count + len(some) > self._size:
                self.flush()
            self._values.append(arenas[some])
            self._pairs.append((step, some))
            self._count += len(some)

    def flush(self) -> None:
        """Decide what was gathered."""
        if not self._count:
            return
        values = np.concatenate(self._values)
        if backend.fixed_shapes():
            values = np.resize(values, (self._size, values.shape[1]))
        classes, states = map(backend.to_numpy, self._evaluate(values))
        start = 0
        for step, images in self._pairs:
            rows = slice(start, start + len(images))
            self.classes[step, images] = classes[rows]
            self.near_ties[step, images] = states[rows] != CLEAR
            self.known[step, images] = True
            start += len(images)
        self._values, self._pairs, self._count = [], [], 0
