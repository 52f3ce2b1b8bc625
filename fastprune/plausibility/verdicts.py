"""All verdicts together: one warning for each cause, and for each set."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fastprune.plausibility.labels import TARGETS, backdoored_doubts, clean_doubts
from fastprune.plausibility.pairs import same_images, swapped, unlike_pixels
from fastprune.plausibility.scales import scale_doubt
from fastprune.plausibility.trial import Doubt, ScaleTrial, Trial


def doubts(trials: Sequence[Trial], scales: ScaleTrial | None) -> list[str]:
    """Return what cannot be as it is called, a sentence each.

    Parameters
    ----------
    trials : sequence of Trial
        One per set, the one that chooses first.
    scales : ScaleTrial or None
        The first clean set with several labels, at several scales.

    Returns
    -------
    list of str
        At the wrong scale nothing more is said of B's classes: they mean nothing there.
    """
    found = list(_first_of_each([*same_images(trials), *unlike_pixels(trials)]))
    wrong = None if scales is None else scale_doubt(scales)
    if wrong is not None:
        return [doubt.message for doubt in (*found, wrong)]
    more = [*swapped(trials, TARGETS), *clean_doubts(trials), *backdoored_doubts(trials)]
    return [doubt.message for doubt in _first_of_each([*found, *more])]


def _first_of_each(doubts: Iterable[Doubt]) -> list[Doubt]:
    """Return the doubts whose sets have none before."""
    seen: set[str] = set()
    kept = []
    for doubt in doubts:
        if not seen & set(doubt.sets):
            kept.append(doubt)
        seen |= set(doubt.sets)
    return kept
