"""Several results told in three sentences: what B does, what each leaves, how well G detects."""

from __future__ import annotations

from collections.abc import Callable

from fastprune.errors import OptionError
from fastprune.report.text.comparison import ONE, result_names, valid_words
from fastprune.report.text.story import badnet_sentence, drop_phrase
from fastprune.report.text.words import percent, plain
from fastprune.results.comparison_record import ComparisonRecord
from fastprune.results.crossings import drop_label


def comparison_story(comparison: ComparisonRecord, drop: float | None = None) -> list[str]:
    """Return what B does, what each result leaves of the attack, and how well each G detects.

    Raises
    ------
    OptionError
        When a result never crosses `drop`.
    """
    drop, steps = largest_drop(comparison) if drop is None else drop, steps_told(comparison, drop)
    every = list(range(len(comparison.results)))
    sentences = _badnets(comparison, every)
    # An order that looks at backdoored images is no defender's, so it is none of the contest.
    fair = [
        place
        for place in every
        if not comparison.results[place].oracle and comparison.set_of(place, "backdoored")
    ]
    if not fair:
        return sentences
    where = "With all channels pruned"
    if drop is not None:
        down = drop_phrase(comparison.drop_kind, drop)
        where = f"Pruned until clean accuracy on {valid_words(comparison)} is down by {down}"
    verb = "leaves" if len(fair) == 1 else "leave"
    left = [_rate(comparison, place, "backdoored", steps[place]) for place in fair]
    of = plain(comparison.backdoored or "backdoored images")
    ends = _ends(comparison, fair, left)
    sentences.append(f"{where}, {_count(comparison, fair)} {verb} an ASR on {of} {ends}.")
    areas = [comparison.roc_area(place) for place in fair]
    known = [(place, area) for place, area in zip(fair, areas, strict=True) if area is not None]
    if known:
        places, values = map(list, zip(*known, strict=True))
        ends = _ends(comparison, places, values, shown=lambda area: f"{area:.4f}")
        ends = ends.removeprefix("of ")
        sentences.append(f"The area under the ROC of G is {ends}; tossing a coin gets 0.5.")
    return sentences


def largest_drop(comparison: ComparisonRecord) -> float | None:
    """Return the largest drop that every result crosses; None where there is none."""
    places = range(len(comparison.results))
    return max(
        (
            drop
            for drop in comparison.drops
            if all(comparison.crossing(place, drop) is not None for place in places)
        ),
        default=None,
    )


def steps_told(comparison: ComparisonRecord, drop: float | None) -> list[int]:
    """Return each result's crossing of a drop; all channels when none is crossed by every one.

    Raises
    ------
    OptionError
        When a drop is given that a result never crosses.
    """
    told = largest_drop(comparison) if drop is None else drop
    if told is None:
        return [result.n_channels for result in comparison.results]
    steps = []
    for place, label in enumerate(comparison.labels):
        step = comparison.crossing(place, told)
        if step is None:
            message = (
                f"expected a drop that every result crosses; got {drop_label(told)}, which "
                f"{plain(label)} never reaches; choose a smaller one"
            )
            raise OptionError(message)
        steps.append(step)
    return steps


def _badnets(comparison: ComparisonRecord, every: list[int]) -> list[str]:
    """Return what B does, or what the lowest and the highest of several networks do."""
    if "network" not in comparison.differing:
        return [badnet_sentence(comparison.results[0])]
    told = []
    for kind, of, words in (
        ("clean", comparison.clean, "classify {} of {} right"),
        ("backdoored", comparison.backdoored, "put {} of {} in the attacker's class"),
    ):
        places = [place for place in every if comparison.set_of(place, kind)]
        if places:
            rates = [_rate(comparison, place, kind, 0) for place in places]
            ends = _ends(comparison, places, rates).removeprefix("of ")
            told.append(words.format(ends, plain(of or f"their {kind} sets")))
    return [f"The networks under test {' and '.join(told)}."]


def _count(comparison: ComparisonRecord, fair: list[int]) -> str:
    varying = comparison.differing or ("order",)
    word = ONE[varying[0]] if len(varying) == 1 else "result"
    return f"the only {word}" if len(fair) == 1 else f"the {len(fair)} {word}s"


def _rate(comparison: ComparisonRecord, place: int, kind: str, step: int) -> float:
    part = comparison.set_of(place, kind)
    return float("nan") if part is None else float(part.counts.rate[step])


def _ends(
    comparison: ComparisonRecord,
    places: list[int],
    values: list[float],
    shown: Callable[[float], str] = lambda share: f"{percent(share)}%",
) -> str:
    """Return the lowest and highest value with their names, or the one that all share."""
    low, high = min(values), max(values)
    if shown(low) == shown(high):
        return f"of {shown(low)}"
    names = result_names(comparison)
    named = [names[places[values.index(end)]] for end in (low, high)]
    return f"from {shown(low)} ({named[0]}) to {shown(high)} ({named[1]})"
