"""One HTML page of several orders side by side: curves, a slider over the steps, tables."""

from __future__ import annotations

from typing import Any

from fastprune.report.html.assets import check_installed, render
from fastprune.report.html.charts import order_curves, roc_chart
from fastprune.report.html.page_data import COLUMNS, DARK, figures_of
from fastprune.report.plots.comparison import TINTS
from fastprune.report.plots.style import INK
from fastprune.report.text.comparison import MARK, order_name
from fastprune.report.text.story import badnet_sentence, drop_phrase
from fastprune.report.text.words import drop_words, percent, plain
from fastprune.results.comparison_record import ComparisonRecord
from fastprune.results.crossings import drop_label
from fastprune.results.detection import detection
from fastprune.results.record import SweepRecord

DARK_TINTS = tuple(tint for pair in zip(*DARK.values(), strict=True) for tint in pair)
DARK_INK = "#E6E8EB"


def comparison_page(comparison: ComparisonRecord, *, drop: float | None = None) -> str:
    """Return the page of several orders as HTML.

    Parameters
    ----------
    comparison : Comparison
        The orders, and the sets that they are compared on.
    drop : float, optional
        The drop X that the story tells of; by default the largest that every order crosses.

    Raises
    ------
    OptionError
        When an order never crosses `drop`, or plotly or Jinja2 is not installed.
    """
    check_installed()
    first, results = comparison.results[0], comparison.results
    rocs = _rocs(comparison)
    charts = {"curves": order_curves(comparison)}
    if rocs:
        pair = (comparison.clean, comparison.backdoored or "")
        charts["roc"] = roc_chart([(order_name(result), result, *pair) for result in results])
    return render(
        "compare.html",
        data={
            "start": _steps(comparison, drop)[0],
            "n_channels": first.n_channels,
            "n_classes": first.n_classes,
            "crossings": [],
            "sets": [_order_data(comparison, place) for place in range(len(results))],
            "roc": rocs,
            "classes": [],
            "charts": charts,
        },
        story=comparison_story(comparison, drop),
        **_words_of(comparison),
        orders=[_order_words(comparison, result) for result in results],
        columns=_columns(comparison),
        rows=_rows(comparison),
    )


def comparison_story(comparison: ComparisonRecord, drop: float | None = None) -> list[str]:
    """Return what B does, what each order leaves of the attack, and how well each G detects.

    Raises
    ------
    OptionError
        When an order never crosses `drop`.
    """
    drop, steps = _drop(comparison) if drop is None else drop, _steps(comparison, drop)
    sentences = [badnet_sentence(comparison.results[0])]
    name = comparison.backdoored
    # An order that looks at backdoored images is no defender's, so it is none of the contest.
    fair = [place for place, result in enumerate(comparison.results) if not result.oracle]
    if name is None or not fair:
        return sentences
    count = "the only order" if len(fair) == 1 else f"the {len(fair)} orders"
    left = [float(comparison.results[at].sets[name].counts.rate[steps[at]]) for at in fair]
    where, valid = "With all channels pruned", comparison.results[0].valid
    if drop is not None:
        down = drop_phrase(comparison.results[0], drop)
        where = f"Pruned until clean accuracy on {plain(valid)} is down by {down}"
    verb = "leaves" if len(fair) == 1 else "leave"
    ends = _ends(comparison, fair, left)
    sentences.append(f"{where}, {count} {verb} an ASR on {plain(name)} {ends}.")
    areas = [comparison.roc_area(comparison.results[at]) or 0.0 for at in fair]
    ends = _ends(comparison, fair, areas, shown=lambda area: f"{area:.4f}")
    sentences.append(f"The area under the ROC of G is {ends}; tossing a coin gets 0.5.")
    return sentences


def _drop(comparison: ComparisonRecord) -> float | None:
    """Return the largest drop that every order crosses."""
    crossings = [result.crossings for result in comparison.results]
    drops = comparison.results[0].drops
    crossed = (drop for drop in drops if all(steps[drop] is not None for steps in crossings))
    return max(crossed, default=None)


def _steps(comparison: ComparisonRecord, drop: float | None) -> list[int]:
    """Return each order's crossing of a drop; all channels when none is crossed by every order."""
    told = _drop(comparison) if drop is None else drop
    if told is None:
        return [result.n_channels for result in comparison.results]
    return [result.step(told) for result in comparison.results]


def _ends(
    comparison: ComparisonRecord,
    places: list[int],
    values: list[float],
    shown: Any = lambda share: f"{percent(share)}%",
) -> str:
    """Return the lowest and highest value with their orders' names, or the one that all share."""
    low, high = min(values), max(values)
    if shown(low) == shown(high):
        return f"of {shown(low)}"
    named = [order_name(comparison.results[places[values.index(end)]]) for end in (low, high)]
    return f"from {shown(low)} ({named[0]}) to {shown(high)} ({named[1]})"


def _words_of(comparison: ComparisonRecord) -> dict[str, Any]:
    first = comparison.results[0]
    name = plain(first.network.name)
    sets = [first.sets[key] for key in (comparison.clean, comparison.backdoored) if key]
    return {
        "title": f"{len(comparison.results)} orders of pruning {name}",
        "head": f"fastprune: {name}, orders compared",
        "n_channels": first.n_channels,
        "layer": plain(first.network.prune_layer),
        "dead": comparison.dead,
        "valid": plain(first.valid),
        "clean": plain(comparison.clean),
        "backdoored": plain(comparison.backdoored) if comparison.backdoored else "",
        "sets": [(plain(part.name), f"{part.counts.images:,}", part.kind) for part in sets],
        "drop_words": drop_words(first),
        "mark": MARK,
        "oracle": any(result.oracle for result in comparison.results),
        "version": first.versions.get("fastprune", ""),
    }


def _order_words(comparison: ComparisonRecord, result: SweepRecord) -> dict[str, Any]:
    area = comparison.roc_area(result)
    return {
        "name": order_name(result),
        "dead_first": comparison.dead_first(result),
        "area": "" if area is None else f"{area:.4f}",
    }


def _columns(comparison: ComparisonRecord) -> dict[str, str]:
    """Return the figures of an order at a step, with their headings."""
    columns = {f"clean_{key}": words for key, words in COLUMNS["clean"].items()}
    if comparison.backdoored:
        keys = list(COLUMNS["backdoored"])[:3]
        columns |= {f"bd_{key}": COLUMNS["backdoored"][key] for key in keys}
    return columns


def _order_data(comparison: ComparisonRecord, place: int) -> dict[str, Any]:
    result = comparison.results[place]
    found = figures_of(result, result.sets[comparison.clean])
    figures = {f"clean_{key}": shown for key, shown in found.items()}
    if comparison.backdoored:
        found = figures_of(result, result.sets[comparison.backdoored])
        figures |= {f"bd_{key}": shown for key, shown in found.items()}
    channels = ["–", *map(str, result.order)]
    figures["channel"] = {"share": channels, "bounds": [""] * len(channels)}
    tint = place - sum(1 for before in comparison.results[:place] if before.oracle)
    light, dark = (tints[tint % len(tints)] for tints in (TINTS, DARK_TINTS))
    if result.oracle:
        light, dark = INK, DARK_INK
    return {"colour": {"light": light, "dark": dark}, "figures": figures}


def _rocs(comparison: ComparisonRecord) -> list[dict[str, Any]]:
    if comparison.backdoored is None:
        return []
    detectors = [detection(r, comparison.clean, comparison.backdoored) for r in comparison.results]
    return [{"fpr": (100 * d.fpr).tolist(), "tpr": (100 * d.tpr).tolist()} for d in detectors]


def _rows(comparison: ComparisonRecord) -> list[dict[str, Any]]:
    """Return a row per drop and order, drops in order, as percent to show."""
    names = {result.order_name: order_name(result) for result in comparison.results}
    keys = ["clean_accuracy", "false_alarm_rate"]
    if comparison.backdoored:
        keys += ["asr", "detection_rate"]
    return [
        {
            "order": names[row["order"]],
            "drop": drop_label(row["drop"]),
            "first": row["order"] == comparison.results[0].order_name,
            "step": row["n_pruned"],
            "cells": ["–" if row[key] is None else percent(row[key]) for key in keys],
        }
        for row in sorted(comparison.rows(), key=lambda row: row["drop"])
        if row["drop"]
    ]
