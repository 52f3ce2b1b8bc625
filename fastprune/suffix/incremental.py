"""Suffixes whose first layers are linear in the cut tensor: compiled loops on the CPU."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fastprune.suffix import kernels
from fastprune.suffix.engine import TOLERANCE, Block, Steps
from fastprune.suffix.loops import CompiledLoops
from fastprune.suffix.tables import Answers


class IncrementalEngine(CompiledLoops):
    """Evaluates a compiled suffix image by image; near-ties are decided again by Keras."""

    name = "incremental"
    threaded = True

    def classes(self, block: Block, order: NDArray[np.int64]) -> Steps:
        """Return the class of every image of `block` at every step of `order`."""
        classes = np.empty((block.images, len(order) + 1), np.int32)
        near_ties = np.empty(classes.shape, bool)
        tables, cut = self.program.tables, self.cut(block, order)
        workspace = kernels.make_workspace(tables.base.size, int(tables.sizes.inputs))
        answers = Answers(classes, near_ties)
        kernels.sweep_images(cut, order, tables, workspace, np.float32(TOLERANCE), answers)
        unusable = self.decide_again(block, order, classes, near_ties)
        return Steps(classes.T, near_ties.T, unusable)
