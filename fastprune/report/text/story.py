"""A sweep told in three sentences: what B does, what pruning does to it, what G detects."""

from __future__ import annotations

from collections.abc import Sequence

from fastprune.report.text.words import PRIME, percent, plain
from fastprune.results.crossings import drop_label
from fastprune.results.record import SetResult, SweepRecord
from fastprune.results.set_pairs import measuring

NAMED = 3
"""Sets that a sentence names one by one; of more it tells the lowest and the highest share."""
STRONG, WEAK = 0.5, 0.1
"""ASR from which an attack still works, and up to which it hardly does."""


def story_step(result: SweepRecord, drop: float | None = None) -> int:
    """Return the step that the story tells of.

    Parameters
    ----------
    result : SweepResult
        The sweep.
    drop : float, optional
        A drop X; by default the largest of the sweep's that is crossed.

    Returns
    -------
    int
        Its crossing; ``n_channels`` when no drop is given and none is crossed.

    Raises
    ------
    OptionError
        When `drop` is never crossed.
    """
    if drop is not None:
        return result.step(drop)
    largest = _largest_crossed(result)
    return result.n_channels if largest is None else result.step(largest)


def story(result: SweepRecord, drop: float | None = None) -> tuple[str, str, str]:
    """Return the three sentences: plain text, not yet escaped for a page.

    The shares are those of the sets that only measure
    (:func:`~fastprune.results.set_pairs.measuring`).

    Parameters
    ----------
    result : SweepResult
        The sweep.
    drop : float, optional
        The drop X that the second and third sentence tell of; by default the largest crossed.

    Raises
    ------
    OptionError
        When `drop` is never crossed.
    """
    step = story_step(result, drop)
    chosen = _largest_crossed(result) if drop is None else drop
    return badnet_sentence(result), _repaired(result, step, chosen), _goodnet(result, step)


def badnet_sentence(result: SweepRecord) -> str:
    """Return what B does with clean and with backdoored images."""
    clean, backdoored = measuring(result, "clean"), measuring(result, "backdoored")
    name = plain(result.network.name)
    start = f"The network under test, B ({name}), classifies {_hits(clean, 0)} right"
    if not backdoored:
        return f"{start}; without a backdoored set, what a trigger does to it is not known."
    if _highest(backdoored, 0) < STRONG:
        return f"{start} and puts only {_hits(backdoored, 0)} in the attacker's class."
    return f"{start} and puts {_hits(backdoored, 0)} in the attacker's class."


def _repaired(result: SweepRecord, step: int, drop: float | None) -> str:
    if drop is not None and step == 0:
        down = drop_phrase(result.drop_kind, drop)
        start = f"Clean accuracy on {plain(result.valid)} is down by {down}"
        return f"{start} before any channel is pruned, so the repaired network {PRIME} is B."
    clean, backdoored = measuring(result, "clean"), measuring(result, "backdoored")
    start = f"{_pruned(result, step, drop)} the repaired network {PRIME}"
    text = f"{start} classifies {_hits(clean, step)} right"
    if not backdoored:
        return f"{text}."
    before, after = _highest(backdoored, 0), _highest(backdoored, step)
    puts = "puts"
    if after >= STRONG <= before:
        puts = "still puts"
    if after <= WEAK < before:
        puts = "puts only"
    return f"{text} and {puts} {_hits(backdoored, step)} in the attacker's class."


def _pruned(result: SweepRecord, step: int, drop: float | None) -> str:
    """Return how far is pruned, and why; a clause that the sentence goes on from."""
    valid, layer = plain(result.valid), plain(result.network.prune_layer)
    channels = f"{result.n_channels} channels of {layer}"
    if drop is not None:
        down = f"clean accuracy on {valid} is down by {drop_phrase(result.drop_kind, drop)}"
        return f"Pruning until {down} takes {step} of {channels}:"
    if result.drops:
        smallest = drop_phrase(result.drop_kind, min(result.drops))
        return f"Clean accuracy on {valid} is never down by {smallest}; with all {channels} pruned,"
    return f"With all {channels} pruned,"


def _goodnet(result: SweepRecord, step: int) -> str:
    clean, backdoored = measuring(result, "clean"), measuring(result, "backdoored")
    start = f"The detector G, which flags what B and {PRIME} disagree on,"
    alarms = [float(part.counts.flagged_rate[step]) for part in clean]
    caught = [float(part.counts.flagged_rate[step]) for part in backdoored]
    if not any((*alarms, *caught)):
        return f"{start} flags none of these images there."
    raised = f"raises false alarms on {_shares(clean, alarms)}"
    if not backdoored:
        return f"{start} {raised} there; what it detects is not known."
    text = f"{start} detects {_shares(backdoored, caught)} there and {raised}"
    if max(caught) < min(alarms):
        text += ": it flags clean images more often than backdoored ones"
    return f"{text}."


def _largest_crossed(result: SweepRecord) -> float | None:
    return max((at.drop for at in result.at_drops if at.step is not None), default=None)


def drop_phrase(drop_kind: str, drop: float) -> str:
    """Return a drop with its unit, as in "is down by 10 points"."""
    label = drop_label(drop)
    if drop_kind == "relative":
        return f"{label}% of B's"
    return f"{label} point" if drop == 1 else f"{label} points"


def _highest(parts: Sequence[SetResult], step: int) -> float:
    return max(float(part.counts.rate[step]) for part in parts)


def _hits(parts: Sequence[SetResult], step: int) -> str:
    return _shares(parts, [float(part.counts.rate[step]) for part in parts])


def _shares(parts: Sequence[SetResult], shares: Sequence[float]) -> str:
    """Return shares with their sets' names: each, or the lowest and highest of many."""
    told = [
        f"{percent(share)}% of {plain(part.name)}"
        for part, share in zip(parts, shares, strict=True)
    ]
    if len(told) == 1:
        return told[0]
    if len(told) <= NAMED:
        return f"{', '.join(told[:-1])} and {told[-1]}"
    low, high = (shares.index(end(shares)) for end in (min, max))
    return (
        f"from {percent(shares[low])}% ({plain(parts[low].name)}) to {percent(shares[high])}% "
        f"({plain(parts[high].name)}) of {len(parts)} sets"
    )
