"""G as a detector: what it flags of backdoored and of clean images, and at which step to use it.

Pure functions of the counts of a sweep. An image is positive when it is backdoored; G says so by
putting it in class N.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastprune.errors import OptionError

if TYPE_CHECKING:
    from fastprune.result import SetResult, SweepResult

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Interval = tuple[FloatArray, FloatArray]
"""Lower and upper end at every step."""

MAX_FPRS = (0.01, 0.02, 0.05)
"""Bounds of the false alarm rate that :func:`operating_points` takes by default."""

CLEAN_ONLY = "clean validation images alone"
"""``chosen_by`` where no backdoored validation images helped to choose."""


def wilson(hits: ArrayLike, total: ArrayLike, confidence: float = 0.95) -> Interval:
    """Return the Wilson score interval of a share.

    Parameters
    ----------
    hits, total : array of int
        Successes and trials; shapes that broadcast.
    confidence : float
        Probability that the interval covers the true share, between 0 and 1.

    Returns
    -------
    low, high : ndarray of float64
        In [0, 1]; 0 and 1 where `total` is 0.

    References
    ----------
    E. B. Wilson: Probable inference, the law of succession, and statistical inference, Journal of
    the American Statistical Association 22, 1927.

    Examples
    --------
    >>> low, high = wilson([0, 8], [10, 10])
    >>> low.round(4).tolist(), high.round(4).tolist()
    ([0.0, 0.4902], [0.2775, 0.9433])
    """
    from statistics import NormalDist

    if not 0 < confidence < 1:
        message = f"expected a confidence between 0 and 1; got {confidence}"
        raise OptionError(message)
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    counted, trials = np.broadcast_arrays(np.asarray(hits, float), np.asarray(total, float))
    n = np.where(trials > 0, trials, 1.0)
    share = counted / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    # The ends are exact at no and at all hits, where rounding would leave 1e-17.
    low = np.where(counted == 0, 0.0, np.clip(centre - half, 0, 1))
    high = np.where(counted == trials, 1.0, np.clip(centre + half, 0, 1))
    return np.where(trials > 0, low, 0.0), np.where(trials > 0, high, 1.0)


@dataclass(frozen=True)
class Share:
    """A count out of a total, with its Wilson interval.

    Attributes
    ----------
    hits, total : int
        Counted images, and out of how many.
    confidence : float
        Of the interval.
    """

    hits: int
    total: int
    confidence: float = 0.95

    @property
    def rate(self) -> float:
        """The share, in [0, 1]; nan out of none."""
        return self.hits / self.total if self.total else float("nan")

    @property
    def interval(self) -> tuple[float, float]:
        """Ends of the Wilson interval."""
        low, high = wilson(self.hits, self.total, self.confidence)
        return float(low), float(high)

    def as_json(self) -> dict[str, Any]:
        """Return hits, total, rate (None out of none), low and high."""
        low, high = self.interval
        rate = self.rate if self.total else None
        return {"hits": self.hits, "total": self.total, "rate": rate, "low": low, "high": high}


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


@dataclass(frozen=True, eq=False)
class Figures:
    """G as a detector at one step, on one clean set and the backdoored set that goes with it.

    Attributes
    ----------
    clean : str
        Name of the clean set.
    backdoored : str or None
        Name of the backdoored set; None where no set goes with the clean one.
    fpr : Share
        False alarm rate on the clean set.
    tpr, precision : Share or None
        Detection rate on the backdoored set; backdoored share of what is flagged of both.
    chose : bool
        Whether one of the two sets helped to choose the step, so that it measures nothing.
    """

    clean: str
    backdoored: str | None
    fpr: Share
    tpr: Share | None
    precision: Share | None
    chose: bool


@dataclass(frozen=True, eq=False)
class OperatingPoint:
    """The step at which to use G, chosen on validation data, and what it does on every set.

    Attributes
    ----------
    max_fpr : float
        Bound of the false alarm rate on the clean validation set.
    n_pruned : int
        The step chosen.
    chosen_by : str
        ``"detection rate on bd_valid"``, or :data:`CLEAN_ONLY`.
    figures : tuple of Figures
        The validation data first, then every other pair of sets.
    """

    max_fpr: float
    n_pruned: int
    chosen_by: str
    figures: tuple[Figures, ...] = field(default=())

    @property
    def measured(self) -> tuple[Figures, ...]:
        """The figures of the sets that did not choose."""
        return tuple(part for part in self.figures if not part.chose)


def detection(
    result: SweepResult, clean: str, backdoored: str, *, confidence: float = 0.95
) -> Detection:
    """Return G as a detector on a clean and a backdoored set of a sweep.

    Raises
    ------
    OptionError
        When there is no set of that name and kind.
    """
    alarms, found = _part(result, clean, "clean"), _part(result, backdoored, "backdoored")
    positives, negatives = found.counts.flagged, alarms.counts.flagged
    return Detection(
        clean, backdoored, positives, found.counts.images - positives,
        negatives, alarms.counts.images - negatives, confidence,
    )  # fmt: skip


def robustness(
    result: SweepResult, backdoored: str, *, confidence: float = 0.95
) -> Robustness | None:
    """Return what becomes of backdoored images; None where their true classes are not known.

    Raises
    ------
    OptionError
        When there is no backdoored set of that name.
    """
    counts = _part(result, backdoored, "backdoored").counts
    if counts.true_hits is None or counts.goodnet_true_hits is None or counts.other_hits is None:
        return None
    return Robustness(
        backdoored, counts.images, int(counts.others or 0), counts.true_hits,
        counts.goodnet_true_hits, counts.other_hits, confidence,
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


def operating_points(
    result: SweepResult,
    max_fprs: Sequence[float] = MAX_FPRS,
    *,
    detect_on: str | Sequence[str] | None = None,
    confidence: float = 0.95,
) -> list[OperatingPoint]:
    """Choose a step for each bound of the false alarm rate on validation data; measure it on all.

    With backdoored validation images: of the steps whose false alarm rate on the clean validation
    set is at most the bound, the one with the greatest detection rate; of equal ones that with the
    fewest false alarms, then the smallest ``n_pruned``. Without any, as a defender is: the largest
    ``n_pruned`` before the false alarm rate first exceeds the bound.

    Parameters
    ----------
    result : SweepResult
        The sweep.
    max_fprs : sequence of float
        The bounds, in [0, 1].
    detect_on : str or sequence of str, optional
        Backdoored sets that may choose, all their images taken together; by default the companions
        of the validation set (see :func:`companion`); an empty sequence for none.
    confidence : float
        Of the intervals.

    Returns
    -------
    list of OperatingPoint
        One per bound, in the order given.

    Raises
    ------
    OptionError
        When a bound is outside [0, 1] or `detect_on` names no backdoored set.
    """
    if not all(0 <= bound <= 1 for bound in max_fprs):
        message = f"expected false alarm rates in [0, 1]; got {list(max_fprs)}"
        raise OptionError(message)
    choosers = _choosers(result, detect_on)
    clean = result.sets[result.valid].counts
    found = sum((part.counts.flagged for part in choosers), np.zeros_like(clean.flagged))
    by = " + ".join(part.name for part in choosers)
    chosen_by = f"detection rate on {by}" if choosers else CLEAN_ONLY
    chose = {result.valid, *(part.name for part in choosers)}
    points = []
    for bound in max_fprs:
        # In whole images, so that 29 of 100 are within a bound of 0.29.
        allowed = clean.flagged <= math.floor(Fraction(str(bound)) * clean.images)
        if choosers:
            steps = np.flatnonzero(allowed)
            step = int(steps[np.lexsort((steps, clean.flagged[steps], -found[steps]))[0]])
        else:
            step = len(allowed) - 1 if allowed.all() else int(allowed.argmin()) - 1
        figures = _figures(result, step, chose, confidence)
        points.append(OperatingPoint(float(bound), step, chosen_by, figures))
    return points


def pairs(result: SweepResult) -> list[tuple[str, str | None]]:
    """Return the clean and backdoored sets that are measured together, as names.

    Every backdoored set stands beside its :func:`companion`; a clean set that is nobody's companion
    stands alone, with None.
    """
    with_backdoor: list[tuple[str, str | None]] = [
        (companion(result, part.name), part.name)
        for part in result.sets.values()
        if part.kind == "backdoored"
    ]
    taken = {clean for clean, _ in with_backdoor}
    alone: list[tuple[str, str | None]] = [
        (part.name, None)
        for part in result.sets.values()
        if part.kind == "clean" and part.name not in taken
    ]
    both = [*with_backdoor, *alone]
    return sorted(both, key=lambda pair: pair[0] != result.valid)


def companion(result: SweepResult, backdoored: str) -> str:
    """Return the clean set that goes with a backdoored one.

    The one it is paired with, image by image; else one whose name it holds, as ``bd_test`` holds
    ``test``; else the first clean set that only measures; else the validation set.

    Raises
    ------
    OptionError
        When there is no backdoored set of that name.
    """
    part = _part(result, backdoored, "backdoored")
    if part.paired is not None:
        return part.paired
    clean = [other.name for other in result.sets.values() if other.kind == "clean"]
    alike = [name for name in clean if named_like(backdoored, name)]
    tests = [name for name in clean if name != result.valid]
    return max(alike, key=len) if alike else [*tests, result.valid][0]


def named_like(name: str, other: str) -> bool:
    """Return whether a name holds every word of another.

    Examples
    --------
    >>> named_like("bd_valid", "valid"), named_like("bd_test-2", "valid")
    (True, False)
    """
    return set(_words(other)) <= set(_words(name))


def _words(name: str) -> list[str]:
    return re.findall(r"[^\W_]+", name)


def _choosers(result: SweepResult, detect_on: str | Sequence[str] | None) -> list[SetResult]:
    if detect_on is None:
        return [
            part
            for part in result.sets.values()
            if part.kind == "backdoored"
            and (
                part.paired == result.valid
                if part.paired is not None
                else named_like(part.name, result.valid)
            )
        ]
    names = [detect_on] if isinstance(detect_on, str) else list(detect_on)
    return [_part(result, name, "backdoored") for name in names]


def _part(result: SweepResult, name: str, kind: str) -> SetResult:
    known = [part.name for part in result.sets.values() if part.kind == kind]
    if name not in known:
        message = (
            f"expected a {kind} set of this sweep; got {name!r}; it has "
            f"{', '.join(known) or 'none'}"
        )
        raise OptionError(message)
    return result.sets[name]


def _figures(
    result: SweepResult, step: int, chose: set[str], confidence: float
) -> tuple[Figures, ...]:
    """Return what G does at a step on every pair of sets."""
    figures = []
    for clean, backdoored in pairs(result):
        alarms = result.sets[clean].counts
        false = int(alarms.flagged[step])
        fpr = Share(false, alarms.images, confidence)
        tpr = precision = None
        if backdoored is not None:
            found = result.sets[backdoored].counts
            true = int(found.flagged[step])
            tpr = Share(true, found.images, confidence)
            precision = Share(true, true + false, confidence)
        used = bool(chose & {clean, backdoored})
        figures.append(Figures(clean, backdoored, fpr, tpr, precision, used))
    return tuple(figures)
