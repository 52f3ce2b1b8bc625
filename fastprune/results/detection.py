"""G as a detector: what it flags of backdoored and of clean images, and at which step to use it.

Pure functions of the counts of a sweep. An image is positive when it is backdoored; G says so by
putting it in class N. The names of :mod:`~fastprune.results.intervals`,
:mod:`~fastprune.results.operating_points`, :mod:`~fastprune.results.set_pairs` and
:mod:`~fastprune.results.robustness` stand here as well, for ``from fastprune import detector``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastprune.results.intervals import Interval, Share, wilson
from fastprune.results.operating_points import (
    CLEAN_ONLY,
    MAX_FPRS,
    Figures,
    OperatingPoint,
    operating_points,
)
from fastprune.results.record import SweepRecord
from fastprune.results.robustness import Robustness, robustness
from fastprune.results.set_pairs import companion, named_like, pairs, set_of

__all__ = [
    "CLEAN_ONLY", "MAX_FPRS", "Detection", "Figures", "OperatingPoint", "Robustness", "Roc",
    "Share", "companion", "detection", "named_like", "operating_points", "pairs", "robustness",
    "roc", "wilson",
]  # fmt: skip

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Detection:
    """G as a detector on one clean and one backdoored set, at every ``n_pruned`` 0 … n_channels.

    Attributes
    ----------
    clean, backdoored : str
        Names of the sets.
    true_positives, false_negatives : ndarray of int64, shape (n_channels + 1,)
        Backdoored images that G flags, and that it misses.
    false_positives, true_negatives : ndarray of int64, shape (n_channels + 1,)
        Clean images that G flags, and that it lets pass.
    confidence : float
        Of the intervals.
    """

    clean: str
    backdoored: str
    true_positives: IntArray
    false_negatives: IntArray
    false_positives: IntArray
    true_negatives: IntArray
    confidence: float = 0.95

    @property
    def flagged(self) -> IntArray:
        """Images of both sets that G flags."""
        return self.true_positives + self.false_positives

    @property
    def tpr(self) -> FloatArray:
        """Detection rate: share of the backdoored images that G flags."""
        return self.true_positives / (self.true_positives + self.false_negatives)

    @property
    def fpr(self) -> FloatArray:
        """False alarm rate: share of the clean images that G flags."""
        return self.false_positives / (self.false_positives + self.true_negatives)

    @property
    def precision(self) -> FloatArray:
        """Share of the flagged images that are backdoored; nan where none is flagged.

        It depends on how many images each set has.
        """
        flagged = self.flagged
        return np.where(flagged > 0, self.true_positives / np.maximum(flagged, 1), np.nan)

    @property
    def tpr_interval(self) -> Interval:
        """Wilson interval of :attr:`tpr`."""
        total = self.true_positives + self.false_negatives
        return wilson(self.true_positives, total, self.confidence)

    @property
    def fpr_interval(self) -> Interval:
        """Wilson interval of :attr:`fpr`."""
        total = self.false_positives + self.true_negatives
        return wilson(self.false_positives, total, self.confidence)

    @property
    def precision_interval(self) -> Interval:
        """Wilson interval of :attr:`precision`; 0 and 1 where nothing is flagged."""
        return wilson(self.true_positives, self.flagged, self.confidence)


@dataclass(frozen=True, eq=False)
class Roc:
    """Detection rate over false alarm rate, a point per step and the ends (0, 0) and (1, 1).

    Attributes
    ----------
    fpr, tpr : ndarray of float64, shape (points,)
        Sorted by `fpr`; points of equal `fpr` by `tpr`, then by `n_pruned`. Every step is a point:
        the upper envelope is not taken, so `tpr` may fall.
    n_pruned : ndarray of int64, shape (points,)
        Step of each point; -1 for an end that no step reaches.
    area : float
        Area under the points by the trapezoidal rule.
    """

    fpr: FloatArray
    tpr: FloatArray
    n_pruned: IntArray
    area: float


def detection(
    result: SweepRecord, clean: str, backdoored: str, *, confidence: float = 0.95
) -> Detection:
    """Return G as a detector on a clean and a backdoored set of a sweep.

    Raises
    ------
    OptionError
        When there is no set of that name and kind.
    """
    alarms, attacks = set_of(result, clean, "clean"), set_of(result, backdoored, "backdoored")
    positives, negatives = attacks.counts.flagged, alarms.counts.flagged
    return Detection(
        clean, backdoored, positives, attacks.counts.images - positives,
        negatives, alarms.counts.images - negatives, confidence,
    )  # fmt: skip


def roc(found: Detection) -> Roc:
    """Return the ROC of G over the steps of a sweep."""
    fpr, tpr, steps = found.fpr, found.tpr, np.arange(len(found.fpr))
    for end in (0.0, 1.0):
        if not ((fpr == end) & (tpr == end)).any():
            fpr, tpr, steps = np.append(fpr, end), np.append(tpr, end), np.append(steps, -1)
    order = np.lexsort((steps, tpr, fpr))
    # numpy 1 calls it trapz.
    trapezoid = getattr(np, "trapezoid" if hasattr(np, "trapezoid") else "trapz")
    area = float(trapezoid(tpr[order], fpr[order]))
    return Roc(fpr[order], tpr[order], steps[order], area)
