"""What the compiled loops read and write, as NamedTuples of arrays, which numba takes as they are.

An image's values in the suffix lie in one flat array of float32, its *arena*: every layer reads
some of them and writes others.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Sizes(NamedTuple):
    """Sizes of a program, each an uint64.

    Attributes
    ----------
    scores, classes
        Where in the arena the scores start, and how many they are.
    linear
        How many of the arena's first values hold all that is linear in the cut activations.
    inputs
        The most inputs that a block has.
    """

    scores: np.uint64
    classes: np.uint64
    linear: np.uint64
    inputs: np.uint64


class Tables(NamedTuple):
    """A program as the compiled loops read it.

    Attributes
    ----------
    shares, operations : ndarray of int64, shape (rows, columns)
        What one channel of the cut changes, and what follows from it, one after another; see
        :mod:`fastprune.suffix.columns`.
    blocks, taps : ndarray of uint64, shape (blocks, 3) and (taps, 3)
        What feeds the outputs of Dense and Conv2D layers.
    weights : ndarray of float32
        Weights of all operations, flat.
    base : ndarray of float32, shape (arena,)
        The arena with every channel pruned, as far as it is linear in the cut activations and the
        same for all images.
    sizes : Sizes
        Where the scores lie, and how much there is of what.
    """

    shares: NDArray[np.int64]
    operations: NDArray[np.int64]
    blocks: NDArray[np.uint64]
    taps: NDArray[np.uint64]
    weights: NDArray[np.float32]
    base: NDArray[np.float32]
    sizes: Sizes


class Cut(NamedTuple):
    """Cut activations of consecutive images, a block of them.

    What is the same for all images stands there once.

    Attributes
    ----------
    values : ndarray of float32, shape (images, positions, live channels)
        Activations of the channels that differ from their pruned value on some image.
    places : ndarray of int64, shape (channels,)
        Where each channel lies in `values`, -1 for one that does not.
    pruned : ndarray of float32, shape (images or 1, positions, live channels)
        What the cut layer gives where these channels are pruned.
    base : ndarray of float32, shape (images or 1, arena)
        The arena with every channel pruned, as far as it is linear in the cut activations.
    """

    values: NDArray[np.float32]
    places: NDArray[np.int64]
    pruned: NDArray[np.float32]
    base: NDArray[np.float32]


class Gathered(NamedTuple):
    """The inputs of a block that count, as :func:`fastprune.suffix.vectors.row_adder` takes them.

    Attributes
    ----------
    rows : ndarray of uint64, shape (inputs + 1,)
        Where the row of weights of each starts. One more, as gathering writes behind the last.
    factors : ndarray of float32, shape (inputs + 1, lanes)
        Their values.
    wanted : ndarray of bool, shape (inputs + 1,)
        Which inputs of a tap are not zero on every lane.
    """

    rows: NDArray[np.uint64]
    factors: NDArray[np.float32]
    wanted: NDArray[np.bool_]


class Workspace(NamedTuple):
    """What the compiled loops work in, overwritten from image to image.

    Attributes
    ----------
    arenas : ndarray of float32, shape (rows, arena)
        A row for each step of a batch, and behind them one for what is linear in the cut
        activations of the image at its current step.
    bits : ndarray of int32, shape (rows, arena)
        The same memory.
    gathered, shared : Gathered
        For the operations, as many rows at a time as there are lanes, and for shares, one row.
    pairs : ndarray of int64, shape (rows, 2)
        Image and step of each row.
    """

    arenas: NDArray[np.float32]
    bits: NDArray[np.int32]
    gathered: Gathered
    shared: Gathered
    pairs: NDArray[np.int64]


class Answers(NamedTuple):
    """What is found out of a block of images.

    Attributes
    ----------
    classes : ndarray of int32, shape (images, channels + 1)
        Class at each ``n_pruned``.
    near_ties : ndarray of bool, shape (images, channels + 1)
        Whether the two best scores are closer than float32 can tell.
    """

    classes: NDArray[np.int32]
    near_ties: NDArray[np.bool_]
