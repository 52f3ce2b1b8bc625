"""What becomes of backdoored images whose true classes are known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastprune.results.intervals import Interval, wilson
from fastprune.results.record import SweepRecord
from fastprune.results.set_pairs import set_of

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Robustness:
    """What B′ and G do with backdoored images whose true classes are known, at every ``n_pruned``.

    Attributes
    ----------
    backdoored : str
        Name of the set.
    images, others : int
        Its images, and those whose true class is not the target.
    true_hits, goodnet_true_hits : ndarray of int64, shape (n_channels + 1,)
        Images that B′, and G, put in their true class.
    other_hits : ndarray of int64, shape (n_channels + 1,)
        Images of another true class than the target that B′ puts in the target class.
    confidence : float
        Of the intervals.
    """

    backdoored: str
    images: int
    others: int
    true_hits: IntArray
    goodnet_true_hits: IntArray
    other_hits: IntArray
    confidence: float = 0.95

    @property
    def robust_accuracy(self) -> FloatArray:
        """Share of the backdoored images that B′ puts in their true class."""
        return self.true_hits / self.images

    @property
    def goodnet_robust_accuracy(self) -> FloatArray:
        """Share of the backdoored images that G puts in their true class."""
        return self.goodnet_true_hits / self.images

    @property
    def asr_without_target(self) -> FloatArray:
        """ASR of B′ over images whose true class is not the target; nan where there is none."""
        return np.where(self.others > 0, self.other_hits / max(self.others, 1), np.nan)

    @property
    def robust_accuracy_interval(self) -> Interval:
        """Wilson interval of :attr:`robust_accuracy`."""
        return wilson(self.true_hits, self.images, self.confidence)

    @property
    def goodnet_robust_accuracy_interval(self) -> Interval:
        """Wilson interval of :attr:`goodnet_robust_accuracy`."""
        return wilson(self.goodnet_true_hits, self.images, self.confidence)

    @property
    def asr_without_target_interval(self) -> Interval:
        """Wilson interval of :attr:`asr_without_target`."""
        return wilson(self.other_hits, self.others, self.confidence)


def robustness(
    result: SweepRecord, backdoored: str, *, confidence: float = 0.95
) -> Robustness | None:
    """Return what becomes of backdoored images; None where their true classes are not known.

    Raises
    ------
    OptionError
        When there is no backdoored set of that name.
    """
    counts = set_of(result, backdoored, "backdoored").counts
    if counts.true_hits is None or counts.goodnet_true_hits is None or counts.other_hits is None:
        return None
    return Robustness(
        backdoored, counts.images, int(counts.others or 0), counts.true_hits,
        counts.goodnet_true_hits, counts.other_hits, confidence,
    )  # fmt: skip
