"""What every engine takes and gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

TOLERANCE = 2.0**-18
"""Two scores closer than this share of the largest absolute score are a near-tie.

32 units in the last place of float32. The incremental engine looks at logits, a final softmax left
out, the Keras engine at what the network gives: they may count different near-ties.
"""


@dataclass(frozen=True, eq=False)
class Block:
    """Cut activations of consecutive images, as an engine keeps them.

    Attributes
    ----------
    values : array of float32
        (images, positions, live channels) for compiled loops, see :func:`by_channel`; the cut
        tensor, all channels, for the Keras engine.
    channels : ndarray of int64 or None
        Which channels of the prune layer `values` holds; None for all.
    images : int
        Number of images.
    pruned : array of float32 or None
        The cut tensor with every channel pruned; None where it is the same for all images.
    sides : tuple of arrays
        The side tensors of these images.
    """

    values: Any
    channels: NDArray[np.int64] | None
    images: int
    pruned: Any = None
    sides: tuple[Any, ...] = ()

    def first(self, images: int) -> Block:
        """Return the block of its first images, at most `images` of them."""
        values, pruned = self.values[:images], self.pruned
        pruned = None if pruned is None else pruned[:images]
        sides = tuple(side[:images] for side in self.sides)
        return Block(values, self.channels, len(values), pruned, sides)

    def places(self, n_channels: int) -> NDArray[np.int64]:
        """Return where each channel lies in `values`, -1 for those that are left out."""
        places = np.full(n_channels, -1)
        places[self.channels] = np.arange(self.values.shape[2])
        return places


CLEAR, NEAR_TIE, ALL_EQUAL, NOT_FINITE = range(4)
"""States of an image's scores: clearly one class's, a near-tie, a near-tie of all classes (three or
more), or not all finite. The last two name no class."""


@dataclass(frozen=True)
class Unusable:
    """Scores that name no class: figures made of them would mean nothing.

    Attributes
    ----------
    image : int
        Index of the image in its block.
    n_pruned : int
        The step.
    state : int
        :data:`ALL_EQUAL` or :data:`NOT_FINITE`.
    """

    image: int
    n_pruned: int
    state: int


@dataclass(frozen=True, eq=False)
class Steps:
    """What an engine says of a block of images at every step of an order.

    Attributes
    ----------
    classes : ndarray of int32, shape (n_channels + 1, images)
        Class at each ``n_pruned``.
    near_ties : ndarray of bool, shape (n_channels + 1, images)
        Whether the two best scores are closer than float32 can tell.
    unusable : Unusable or None
        The first image whose scores name no class, if there is one.
    """

    classes: NDArray[np.int32]
    near_ties: NDArray[np.bool_]
    unusable: Unusable | None = None


class Engine(Protocol):
    """Finds the class of every image at every step of an order."""

    name: str
    threaded: bool
    """Whether blocks gain from being evaluated in several threads."""

    def block(self, cut: Any, *more: Any) -> Block:
        """Return what is kept of images.

        Parameters
        ----------
        cut : array of float32, shape (images, …, channels)
            Cut activations.
        *more : array
            The cut tensor with every channel pruned where that differs from image to image, then
            the side tensors: see :attr:`fastprune.networks.network.Network.kept`.
        """

    def classes(self, block: Block, order: NDArray[np.int64]) -> Steps:
        """Return the class of every image of `block` at every step of `order`."""


def by_channel(values: NDArray[Any], where: NDArray[np.int64]) -> NDArray[Any]:
    """Return cut activations with the channels of the prune layer on the last axis.

    Parameters
    ----------
    values : ndarray, shape (images, positions, channels of the cut)
        Cut activations; a single image may stand for all.
    where : ndarray of int64, shape (copies, channels)
        Where each channel lies on the cut's last axis. Copies are further positions.

    Returns
    -------
    ndarray, shape (images, positions * copies, channels)

    Examples
    --------
    >>> by_channel(np.array([[[1, 2, 3, 4]]]), np.array([[0, 2], [1, 3]])).tolist()
    [[[1, 3], [2, 4]]]
    """
    found = values[:, :, where]
    # No axis is left to be worked out: there may be no channel at all.
    return found.reshape(len(values), values.shape[1] * where.shape[0], where.shape[1])


def name_no_class(
    states: NDArray[np.integer], of_b: NDArray[np.bool_] | bool
) -> NDArray[np.bool_]:
    """Return which states are those of scores that name no class, bool (pairs,).

    Equal scores of all classes are a fault of B alone: a network without channels has nothing to
    say. `of_b` tells which scores are B's.
    """
    named_none: NDArray[np.bool_] = (states == NOT_FINITE) | ((states == ALL_EQUAL) & of_b)
    return named_none


def first_unusable(
    images: NDArray[np.int32], steps: NDArray[np.int32], states: NDArray[np.integer]
) -> Unusable | None:
    """Return the first of some pairs of image and step whose scores name no class.

    Examples
    --------
    >>> first_unusable(np.array([4, 5]), np.array([7, 0]), np.array([ALL_EQUAL, ALL_EQUAL])).image
    5
    """
    bad = np.flatnonzero(name_no_class(states, steps == 0))
    if not len(bad):
        return None
    return Unusable(int(images[bad[0]]), int(steps[bad[0]]), int(states[bad[0]]))


def fill_down(values: NDArray[Any], known: NDArray[np.bool_]) -> NDArray[Any]:
    """Give each step that is not known the value of the last known step before it.

    Parameters
    ----------
    values, known : ndarray, shape (steps, images)
        Step 0 is known for every image.

    Examples
    --------
    >>> fill_down(np.array([[1], [0], [3]]), np.array([[True], [False], [True]])).ravel().tolist()
    [1, 1, 3]
    """
    last = np.maximum.accumulate(np.where(known, np.arange(len(values))[:, None], 0), axis=0)
    return np.take_along_axis(values, last, axis=0)
