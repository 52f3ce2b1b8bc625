"""The loops that nearly every sweep needs, compiled before it is known which they are."""

from __future__ import annotations

import numpy as np

from fastprune.runtime import machine
from fastprune.runtime.compiling import compile_apart
from fastprune.runtime.numba_jit import uncompiled
from fastprune.suffix import kernels
from fastprune.suffix.tables import Answers, Cut, Sizes, Tables


def compile_ahead() -> None:
    """Have another process compile what numba's cache lacks, where there is a core for it.

    The shorter loops are left to this process: it compiles them while it would wait for the long
    one.
    """
    if machine.cores() > 1:
        compile_apart(uncompiled(CALLS))


def _tables() -> Tables:
    rows, places = np.zeros((0, 0), np.int64), np.zeros((0, 3), np.uint64)
    values, none = np.zeros(0, np.float32), np.uint64(0)
    return Tables(rows, rows, places, places, values, values, Sizes(none, none, none, none))


def _cut() -> Cut:
    values = np.zeros((0, 0, 0), np.float32)
    return Cut(values, np.zeros(0, np.int64), values, np.zeros((0, 0), np.float32))


_VALUES, _FLAGS = np.zeros((0, 0, 0), np.float32), np.zeros((0, 0), bool)

CALLS = (
    (
        kernels.sweep_images,
        (
            _cut(), np.zeros(0, np.int64), _tables(), kernels.make_workspace(0, 0), np.float32(0),
            Answers(np.zeros((0, 0), np.int32), _FLAGS),
        ),
    ),
    (kernels.pairs_that_differ, (_VALUES, _VALUES, _FLAGS)),
)  # fmt: skip
"""Loops and arguments of the types that a sweep calls them with, of no size."""
