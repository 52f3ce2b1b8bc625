"""Integer counts of one image set at every step of a sweep, and the rates derived from them.

Counts add up over chunks, files and machines, so any split of a set gives the same result.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]


def goodnet_classes(badnet: IntArray, repaired: IntArray, n_classes: int) -> IntArray:
    """Return G's classes: B's where B and B′ agree, class N where they don't.

    Parameters
    ----------
    badnet, repaired : ndarray of int64
        Classes by B and by B′; shapes that broadcast.
    n_classes : int
        Number of classes N.

    Examples
    --------
    >>> goodnet_classes(np.array([3, 1]), np.array([[3, 1], [3, 0]]), 10).tolist()
    [[3, 1], [3, 10]]
    """
    return np.where(badnet == repaired, badnet, n_classes)


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
    class_hits : ndarray of int32, shape (n_channels + 1, n_classes), or None
        `hits` by label; None where it was not counted, as on backdoored sets.
    class_images : ndarray of int64, shape (n_classes,), or None
        `images` by label.
    true_hits, goodnet_true_hits : ndarray of int64, shape (n_channels + 1,), or None
        Images that B′, and G, put in their true class; None where true classes are not known.
    other_hits : ndarray of int64, shape (n_channels + 1,), or None
        `hits` among the images whose true class is not their label, the target.
    others : int or None
        Images whose true class is not their label.
    """

    images: int
    hits: IntArray
    goodnet_hits: IntArray
    flagged: IntArray
    near_ties: IntArray
    class_hits: NDArray[np.int32] | None = None
    class_images: IntArray | None = None
    true_hits: IntArray | None = None
    goodnet_true_hits: IntArray | None = None
    other_hits: IntArray | None = None
    others: int | None = None

    @classmethod
    def empty(cls, n_channels: int) -> Counts:
        """Return the counts of no image: the identity of :meth:`merge`."""
        return Counter(n_channels).counts

    @classmethod
    def of(
        cls,
        classes: NDArray[np.integer],
        labels: NDArray[np.integer],
        near_ties: NDArray[np.integer] | None = None,
        *,
        n_classes: int | None = None,
        true_labels: NDArray[np.integer] | None = None,
    ) -> Counts:
        """Count images.

        Parameters
        ----------
        classes : ndarray of int, shape (n_channels + 1, images)
            Class that B′ gives each image at each ``n_pruned``; row 0 is B's.
        labels : ndarray of int, shape (images,)
            Label of each image.
        near_ties : ndarray of int, shape (n_channels + 1,), optional
            Near-ties of the images at each ``n_pruned``; none by default.
        n_classes : int, optional
            Number of classes, to count by label as well.
        true_labels : ndarray of int, shape (images,), optional
            True class of each image of a backdoored set.

        Examples
        --------
        >>> counts = Counts.of(np.array([[3, 1], [3, 0]]), np.array([3, 1]))
        >>> counts.hits.tolist(), counts.goodnet_hits.tolist(), counts.flagged.tolist()
        ([2, 1], [2, 1], [0, 1])
        """
        counter = Counter(len(classes) - 1, n_classes=n_classes, truth=true_labels is not None)
        counter.add(classes, labels, near_ties, true_labels)
        return counter.counts

    def merge(self, other: Counts) -> Counts:
        """Return the counts of both sets of images together.

        What only one of them counted is None, unless the other has no image.
        """

        def both(name: str) -> Any:
            mine, others = getattr(self, name), getattr(other, name)
            if mine is None:
                return None if self.images else others
            if others is None:
                return None if other.images else mine
            return mine + others

        return Counts(**{field.name: both(field.name) for field in fields(self)})

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


class Counter:
    """Counts one set while its images go by, a chunk at a time.

    Parameters
    ----------
    n_channels : int
        Steps are 0 … n_channels.
    n_classes : int, optional
        Number of classes, to count by label as well.
    truth : bool
        Whether the true classes of the images are known.
    """

    def __init__(
        self, n_channels: int, *, n_classes: int | None = None, truth: bool = False
    ) -> None:
        self._sums = np.zeros((4, n_channels + 1), np.int64)
        self._true_sums = np.zeros((3, n_channels + 1), np.int64) if truth else None
        self._images = self._others = 0
        # One row per label: a chunk adds to few rows, whole.
        self._by_label = None if n_classes is None else np.zeros((n_classes, n_channels + 1), "i4")
        self._label_images = None if n_classes is None else np.zeros(n_classes, np.int64)

    def add(
        self,
        classes: NDArray[np.integer],
        labels: NDArray[np.integer],
        near_ties: NDArray[np.integer] | None = None,
        true_labels: NDArray[np.integer] | None = None,
    ) -> None:
        """Count a chunk; the arguments are those of :meth:`Counts.of`."""
        hit = classes == labels
        agree = classes == classes[0]
        self._images += len(labels)
        self._sums[0] += hit.sum(1)
        self._sums[1] += (hit & agree).sum(1)
        self._sums[2] += len(labels) - agree.sum(1)
        if near_ties is not None:
            self._sums[3] += near_ties
        if self._by_label is not None and self._label_images is not None and len(labels):
            # 24 us for 61 steps of 64 images and 1283 classes; np.add.at takes 125.
            order = np.argsort(labels, kind="stable")
            labelled, starts = np.unique(labels[order], return_index=True)
            self._by_label[labelled] += np.add.reduceat(hit.T[order], starts, dtype=np.int32)
            self._label_images[labelled] += np.diff(starts, append=len(labels))
        if self._true_sums is not None and true_labels is not None:
            right = classes == true_labels
            other = labels != true_labels
            self._others += int(other.sum())
            self._true_sums[0] += right.sum(1)
            self._true_sums[1] += (right & agree).sum(1)
            self._true_sums[2] += (hit & other).sum(1)

    @property
    def counts(self) -> Counts:
        """The counts of all chunks so far."""
        hits, goodnet_hits, flagged, near_ties = self._sums.copy()
        counts = Counts(self._images, hits, goodnet_hits, flagged, near_ties)
        if self._by_label is not None and self._label_images is not None:
            by_step = np.ascontiguousarray(self._by_label.T)
            counts = replace(counts, class_hits=by_step, class_images=self._label_images.copy())
        if self._true_sums is not None:
            right, goodnet_right, other_hits = self._true_sums.copy()
            counts = replace(
                counts, true_hits=right, goodnet_true_hits=goodnet_right,
                other_hits=other_hits, others=self._others,
            )  # fmt: skip
        return counts


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
