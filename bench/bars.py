"""The bars: what fastprune set out to reach, each a figure per round and their median."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Round = dict[tuple[str, str, str], dict[str, Any]]
"""One round's runs by (group, point, case)."""


@dataclass(frozen=True)
class Bar:
    """A figure with a limit.

    Attributes
    ----------
    words : str
        What is divided by what.
    value : callable
        The figure of one round; KeyError where the round lacks a side.
    limit, stretch : float
        What is to be reached and what would be better still.
    below : bool
        Whether the figure is to stay below the limit.
    form : str
        Format of the figure.
    """

    words: str
    value: Callable[[Round], float]
    limit: float
    stretch: float | None
    below: bool = True
    form: str = "{:.2f}"


def _of(quantity: str, *where: str) -> Callable[[Round], float]:
    return lambda runs: float(runs[where[0], where[1], where[2]][quantity])


def _ratio(above: tuple[str, ...], below: tuple[str, ...], quantity: str = "seconds") -> Any:
    return lambda runs: _of(quantity, *above)(runs) / _of(quantity, *below)(runs)


SWEEP = ("lab", "lab", "sweep")


def _further(runs: Round) -> float:
    one, five = (_of("seconds", "lab", "lab", case)(runs) for case in ("sweep", "sweep_orders"))
    return (five - one) / 4 / one


def _growth(runs: Round) -> float:
    return 100 * (_ratio(("images", "16", "sweep"), ("images", "1", "sweep"), "memory")(runs) - 1)


BARS = (
    Bar("sweep of four sets (f) ÷ one `eval.py`-style pass over them (b), time, both without "
        "imports", _ratio(SWEEP, ("lab", "lab", "eval")), 0.60, 0.45),
    Bar("notebook loop (a, extrapolated) ÷ sweep of four sets (f), time",
        _ratio(("lab", "lab", "notebook"), SWEEP), 100, 130, below=False, form="{:.0f}"),
    Bar("sweep of four sets (f) ÷ prefix alone (d), time",
        _ratio(SWEEP, ("lab", "lab", "prefix")), 1.7, 1.35),
    Bar("peak memory of the sweep (f) above “TensorFlow imported, network loaded”, MB",
        lambda runs: _of("memory", *SWEEP)(runs) / 1e6, 200, 120, form="{:.0f}"),
    Bar("peak memory of the sweep (f) at 16 times the images, above that at 1 time, %", _growth,
        5, None, form="{:+.1f}"),
    Bar("each further order ÷ the first sweep, time: (five orders − one) ÷ 4 ÷ one", _further,
        0.5, 0.35),
    Bar("start-up, first run on a machine (numba's cache empty), s",
        _of("seconds", "startup", "first", "startup"), 6, 3),
    Bar("start-up, later runs, s", _of("seconds", "startup", "later", "startup"), 0.5, 0.2),
    Bar("VGG-like network, 512 channels, 1,283 classes: sweep (f) ÷ kept activations and plain "
        "Keras suffix (e, extrapolated), time",
        _ratio(("networks", "512x1283", "sweep"), ("networks", "512x1283", "cached")),
        0.5, 0.2, form="{:.3f}"),
)  # fmt: skip


def by_round(runs: list[dict[str, Any]]) -> list[Round]:
    """Return the runs of each round by (group, point, case)."""
    rounds: dict[int, Round] = {}
    for run in runs:
        where = (run["group"], run["point"], run["case"])
        rounds.setdefault(run["round"], {})[where] = run
    return [rounds[number] for number in sorted(rounds)]


def figures(bar: Bar, rounds: list[Round]) -> list[float]:
    """Return a bar's figure in every round that has both sides."""
    found = []
    for runs in rounds:
        try:
            found.append(bar.value(runs))
        except (KeyError, ZeroDivisionError):
            continue
    return found


def bar_rows(runs: list[dict[str, Any]]) -> list[list[str]]:
    """Return the table of the bars: figure, median, least and most, rounds, limit, reached."""
    rounds, rows = by_round(runs), []
    for bar in BARS:
        found = figures(bar, rounds)
        if not found:
            continue
        middle = statistics.median(found)
        sign = "≤" if bar.below else "≥"
        met = middle <= bar.limit if bar.below else middle >= bar.limit
        beyond = bar.stretch is not None and (
            middle <= bar.stretch if bar.below else middle >= bar.stretch
        )
        stretch = "" if bar.stretch is None else f" ({sign} {bar.stretch:g})"
        span = "–".join(bar.form.format(edge) for edge in (min(found), max(found)))
        verdict = "yes, and the stretch" if met and beyond else "yes" if met else "**no**"
        rows.append([
            bar.words, bar.form.format(middle), span, str(len(found)),
            f"{sign} {bar.limit:g}{stretch}", verdict,
        ])  # fmt: skip
    return rows
