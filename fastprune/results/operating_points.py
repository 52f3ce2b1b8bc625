"""At which step to use G: chosen on validation data for a bound of the false alarm rate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from fastprune.errors import OptionError
from fastprune.results.intervals import Share
from fastprune.results.record import SetResult, SweepRecord
from fastprune.results.set_pairs import backdoored_validation_sets, pairs, set_of

MAX_FPRS = (0.01, 0.02, 0.05)
"""Bounds of the false alarm rate that :func:`operating_points` takes by default."""

DETECTION_ON = "detection rate on "
"""What ``chosen_by`` begins with where backdoored validation images helped; their sets follow."""

CLEAN_ONLY = "clean validation images alone"
"""``chosen_by`` where no backdoored validation images helped to choose."""


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
    figures: tuple[Figures, ...]

    @property
    def measured(self) -> tuple[Figures, ...]:
        """The figures of the sets that did not choose."""
        return tuple(part for part in self.figures if not part.chose)


def operating_points(
    result: SweepRecord,
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
        Backdoored sets that may choose, all their images taken together; by default those of
        :func:`~fastprune.results.set_pairs.backdoored_validation_sets`; an empty sequence for none.
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
    detected = sum((part.counts.flagged for part in choosers), np.zeros_like(clean.flagged))
    by = " + ".join(part.name for part in choosers)
    chosen_by = f"{DETECTION_ON}{by}" if choosers else CLEAN_ONLY
    chose = {result.valid, *(part.name for part in choosers)}
    points = []
    for bound in max_fprs:
        # In whole images, so that 29 of 100 are within a bound of 0.29.
        allowed = clean.flagged <= math.floor(Fraction(str(bound)) * clean.images)
        if choosers:
            steps = np.flatnonzero(allowed)
            step = int(steps[np.lexsort((steps, clean.flagged[steps], -detected[steps]))[0]])
        else:
            step = len(allowed) - 1 if allowed.all() else int(allowed.argmin()) - 1
        figures = _figures(result, step, chose, confidence)
        points.append(OperatingPoint(float(bound), step, chosen_by, figures))
    return points


def _choosers(result: SweepRecord, detect_on: str | Sequence[str] | None) -> list[SetResult]:
    if detect_on is None:
        return backdoored_validation_sets(result)
    names = [detect_on] if isinstance(detect_on, str) else list(detect_on)
    return [set_of(result, name, "backdoored") for name in names]


def _figures(
    result: SweepRecord, step: int, chose: set[str], confidence: float
) -> tuple[Figures, ...]:
    """Return what G does at a step on every pair of sets."""
    figures = []
    for clean, backdoored in pairs(result):
        alarms = result.sets[clean].counts
        false = int(alarms.flagged[step])
        fpr = Share(false, alarms.images, confidence)
        tpr = precision = None
        if backdoored is not None:
            attacks = result.sets[backdoored].counts
            true = int(attacks.flagged[step])
            tpr = Share(true, attacks.images, confidence)
            precision = Share(true, true + false, confidence)
        used = bool(chose & {clean, backdoored})
        figures.append(Figures(clean, backdoored, fpr, tpr, precision, used))
    return tuple(figures)
