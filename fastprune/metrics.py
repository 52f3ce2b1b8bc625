"""Integer counts of one image set at every step of a sweep, and the rates derived from them.

Counts add up over chunks, files and machines, so any split of a set gives the same result.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Counts:
    """What B′ and G say of one set, counted at every ``n_pruned`` from 0 to ``n_channels``.

    Attributes
    ----------
    images : int
        Number of images counted.
    hits : ndarray of int64, shape (n_channels + 1,)
        Images that B′ puts in the class of their label.
    goodnet_hits : ndarray of int64, shape (n_channels + 1,)
        Images that G puts in the class of their label: B and B′ both say the label.
    flagged : ndarray of int64, shape (n_channels + 1,)
        Images that G puts in class N, because B and B′ disagree.
    near_ties : ndarray of int64, shape (n_channels + 1,)
        Images whose two best scores under B′ are closer than float32 can tell.
    """

    images: int
    hits: IntArray
    goodnet_hits: IntArray
    flagged: IntArray
    near_ties: IntArray

    @classmethod
    def empty(cls, n_channels: int) -> Counts:
        """Return the counts of no image: the identity of :meth:`merge`."""
        return cls(0, *(np.zeros(n_channels + 1, np.int64) for _ in range(4)))

    @classmethod
    def of(
        cls,
        classes: NDArray[np.integer],
        labels: NDArray[np.integer],
        near_ties: NDArray[np.integer] | None = None,
    ) -> Counts:
        """Count one chunk of images.

        Parameters
        ----------
        classes : ndarray of int, shape (n_channels + 1, images)
            Class that B′ gives each image at each ``n_pruned``; row 0 is B's.
        labels : ndarray of int, shape (images,)
            Label of each image.
        near_ties : ndarray of int, shape (n_channels + 1,), optional
            Near-ties of the chunk at each ``n_pruned``; none by default.

        Examples
        --------
        >>> counts = Counts.of(np.array([[3, 1], [3, 0]]), np.array([3, 1]))
        >>> counts.hits.tolist(), counts.goodnet_hits.tolist(), counts.flagged.tolist()
        ([2, 1], [2, 1], [0, 1])
        """
        hit = classes == labels
        agree = classes == classes[0]
        steps = len(classes)
        return cls(
            images=classes.shape[1],
            hits=hit.sum(1, dtype=np.int64),
            goodnet_hits=(hit & agree).sum(1, dtype=np.int64),
            flagged=(~agree).sum(1, dtype=np.int64),
            near_ties=np.zeros(steps, np.int64)
            if near_ties is None
            else np.asarray(near_ties, np.int64),
        )

    def merge(self, other: Counts) -> Counts:
        """Return the counts of both sets of images together."""
        return Counts(
            self.images + other.images,
            self.hits + other.hits,
            self.goodnet_hits + other.goodnet_hits,
            self.flagged + other.flagged,
            self.near_ties + other.near_ties,
        )

    @property
    def rate(self) -> FloatArray:
        """Share of images B′ puts in their label's class: clean accuracy or ASR, in [0, 1]."""
        return self.hits / self.images

    @property
    def goodnet_rate(self) -> FloatArray:
        """Share of images G puts in their label's class: clean accuracy or ASR, in [0, 1]."""
        return self.goodnet_hits / self.images

    @property
    def flagged_rate(self) -> FloatArray:
        """Share of images that G flags: detection rate or false alarm rate, in [0, 1]."""
        return self.flagged / self.images


def crossing(
    hits: Sequence[int] | IntArray, images: int, drop: float, *, kind: str = "points"
) -> int | None:
    """Find the smallest ``n_pruned`` at which clean accuracy has fallen by at least `drop`.

    Decided in integers, so a drop of exactly 2 points at 2 % of the images lost is crossed.

    Parameters
    ----------
    hits : sequence of int, shape (n_channels + 1,)
        Clean validation images that B′ has right at each ``n_pruned``.
    images : int
        Number of clean validation images.
    drop : float
        Percentage points of clean accuracy below B's (``kind="points"``) or percent of B's clean
        accuracy (``kind="relative"``); taken exactly as its shortest decimal form.
    kind : {"points", "relative"}
        What `drop` is a percentage of.

    Returns
    -------
    int or None
        ``n_pruned`` of the crossing, or None when accuracy never falls that far.

    Examples
    --------
    >>> crossing([98, 97, 96, 90], 100, 2), crossing([98, 97, 96, 90], 100, 30)
    (2, None)
    """
    whole = images if kind == "points" else int(hits[0])
    needed = Fraction(str(drop)) * whole
    for n_pruned, right in enumerate(hits):
        if 100 * (int(hits[0]) - int(right)) >= needed:
            return n_pruned
    return None
