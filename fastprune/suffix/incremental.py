"""Suffixes whose first layers are linear in the cut tensor: compiled loops on the CPU."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastprune.suffix import kernels
from fastprune.suffix.engine import TOLERANCE, Block, Steps, decide_again, live_block
from fastprune.suffix.keras_engine import KerasEngine
from fastprune.suffix.program import Program, check_call
from fastprune.suffix.tables import Answers, Cut


class IncrementalEngine:
    """Evaluates a compiled suffix image by image; near-ties are decided again by Keras.

    Parameters
    ----------
    program : Program
        The suffix.
    plain : KerasEngine
        The same suffix in plain Keras, which has the last word on near-ties.
    """

    name = "incremental"
    threaded = True

    def __init__(self, program: Program, plain: KerasEngine) -> None:
        self.program = program
        self.plain = plain
        self._pruned = np.ascontiguousarray(plain.pruned.reshape(-1, plain.pruned.shape[-1]))

    def block(self, cut: Any) -> Block:
        """Return the channels of cut activations that are live in this block."""
        return live_block(cut, self._pruned)

    def classes(self, block: Block, order: NDArray[np.int64]) -> Steps:
        """Return the class of every image of `block` at every step of `order`."""
        classes = np.empty((block.images, len(order) + 1), np.int32)
        near_ties = np.empty(classes.shape, bool)
        tables = self.program.tables
        cut = Cut(block.values, block.places(len(order)), self._pruned)
        check_call(self.program, cut, order)
        workspace = kernels.make_workspace(tables.base.size, int(tables.sizes.inputs))
        answers = Answers(classes, near_ties)
        kernels.sweep_images(cut, order, tables, workspace, np.float32(TOLERANCE), answers)
        unusable = decide_again(self.plain, block, order, classes, near_ties)
        return Steps(classes.T, near_ties.T, unusable)
