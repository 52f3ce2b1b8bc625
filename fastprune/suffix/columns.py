"""The columns of a program's tables, by name: for those who write rows, check them and run them.

A row of `shares` or `operations` is one operation, and what its columns mean depends on its kind
(:mod:`fastprune.suffix.operations`). A row of `blocks` or `taps` is part of a Dense or Conv2D
layer. The arena is the flat array that holds all values of an image; see
:mod:`fastprune.suffix.program`.
"""

from __future__ import annotations

import numpy as np

COLUMNS = 14
"""Integers of a row; those that its kind has no use for are 0."""

KIND = 0
"""All rows: which operation or share it is."""

FIRST_BLOCK, END_BLOCK, OUTPUTS, BIAS = 1, 2, 3, 4
"""LINEAR and SHARE_LINEAR: which blocks it has, and how many outputs each, filled up to whole
vectors. LINEAR: where among the weights the bias starts."""

SOURCE, OUT = 1, 2
"""All other operations: where in the arena inputs and outputs start."""

SIZE = 3
"""Activations, ADD, MULTIPLY, AFFINE: number of values; COPY: values at a position."""

PARAMETERS = 4
"""Activations: where among the weights their parameters start."""

SECOND = 4
"""ADD, MULTIPLY: where the second inputs start."""

POSITIONS, SPACING = 4, 5
"""COPY: at how many positions, and from one position's copy to the next."""

PERIOD, FACTORS, OFFSETS = 4, 5, 6
"""AFFINE: number of channels, and where among the weights their factors and offsets start."""

CHANNELS, IN_HEIGHT, IN_WIDTH, OUT_HEIGHT, OUT_WIDTH = 3, 4, 5, 6, 7
"""POOL_MAX, POOL_MEAN: shapes of input and output."""

WINDOW_HEIGHT, WINDOW_WIDTH, STRIDE_Y, STRIDE_X, TOP, LEFT = 8, 9, 10, 11, 12, 13
"""POOL_MAX, POOL_MEAN: the window, and how much padding lies before the image."""

COPY_OUT, COPY_SPACING = 1, 2
"""SHARE_COPY: where the copy starts, and from one position to the next."""

BLOCK_OUT, FIRST_TAP, END_TAP = np.uint64(0), np.uint64(1), np.uint64(2)
"""Columns of `blocks`. A block is the outputs of a Dense or Conv2D layer at one position: where
they start, and which taps feed them."""

TAP_SOURCE, TAP_SIZE, TAP_KERNEL = np.uint64(0), np.uint64(1), np.uint64(2)
"""Columns of `taps`. A tap is a run of inputs: where they start, how many they are, and where the
first one's row of weights starts. Of a share, one position of the cut: its number, 1, and where the
row of channel 0 starts."""
