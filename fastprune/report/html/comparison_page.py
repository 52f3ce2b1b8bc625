"""One HTML page of several results side by side: curves, a slider over the steps, tables."""

from __future__ import annotations

from typing import Any

from fastprune.report.html.assets import check_installed, render
from fastprune.report.html.charts import result_curves, roc_chart
from fastprune.report.html.layer_chart import layer_chart
from fastprune.report.html.page_data import COLUMNS, figures_of
from fastprune.report.plots.layers import READING
from fastprune.report.plots.palette import THEMES, result_looks, tint
from fastprune.report.text.comparison import (
    MARK,
    compared_words,
    dead_words,
    differing_words,
    result_names,
    valid_words,
)
from fastprune.report.text.comparison_story import comparison_story, steps_told
from fastprune.report.text.words import drop_words_of, percent, plain
from fastprune.results.comparison_record import ComparisonRecord
from fastprune.results.crossings import drop_label
from fastprune.results.detection import detection
from fastprune.results.layer_map import shows_layers

DASHES = {"-": "none", "--": "8 4", "-.": "8 3 2 3", ":": "2 3"}
"""Lines as SVG has them."""


def comparison_page(comparison: ComparisonRecord, *, drop: float | None = None) -> str:
    """Return the page of several results as HTML.

    Parameters
    ----------
    comparison : Comparison
        The results, and the sets that they are compared on.
    drop : float, optional
        The drop X that the story tells of; by default the largest that every result crosses.

    Raises
    ------
    OptionError
        When a result never crosses `drop`, or plotly or Jinja2 is not installed.
    """
    check_installed()
    results = comparison.results
    charts, map_height = {"curves": result_curves(comparison)}, 0
    rocs, chart = _rocs(comparison)
    if chart is not None:
        charts["roc"] = chart
    if shows_layers(comparison):
        charts["layers"], map_height = layer_chart(comparison)
    largest = max(result.n_channels for result in results)
    first = steps_told(comparison, drop)[0]
    return render(
        "compare.html",
        data={
            # Of all results the slider counts in steps of the largest layer.
            "start": -(-first * largest // max(results[0].n_channels, 1)),
            "n_channels": largest,
            "shares": comparison.n_channels is None,
            "crossings": [],
            "sets": [_result_data(comparison, place) for place in range(len(results))],
            "roc": rocs,
            "classes": [],
            "charts": charts,
        },
        story=comparison_story(comparison, drop),
        warnings=[plain(warning, 2000) for warning in comparison.warnings],
        map_height=map_height,
        n_channels=largest,
        **_words_of(comparison),
        results=[_result_words(comparison, place) for place in range(len(results))],
        columns=_columns(comparison),
        rows=_rows(comparison, largest),
    )


def _words_of(comparison: ComparisonRecord) -> dict[str, Any]:
    first = comparison.results[0]
    return {
        "title": compared_words(comparison),
        "head": f"fastprune: {compared_words(comparison)}",
        "differing": differing_words(comparison),
        "shares": comparison.n_channels is None,
        "dead": dead_words(comparison),
        "valid": valid_words(comparison),
        "clean": plain(comparison.clean or "its clean set"),
        "backdoored": plain(comparison.backdoored or "its backdoored set")
        if comparison.has_backdoored
        else "",
        "sets": _sets(comparison),
        "notes": [plain(note, 400) for note in comparison.notes],
        "reading": READING,
        "drop_words": drop_words_of(valid_words(comparison), comparison.drop_kind),
        "mark": MARK,
        "oracle": any(result.oracle for result in comparison.results),
        "version": first.versions.get("fastprune", ""),
    }


def _sets(comparison: ComparisonRecord) -> list[tuple[str, str, str]]:
    """Return name, images and kind of the sets that are the same for all results."""
    found = []
    for kind, name in (("clean", comparison.clean), ("backdoored", comparison.backdoored)):
        part = comparison.set_of(0, kind)
        if name is not None and part is not None:
            found.append((plain(name), f"{part.counts.images:,}", kind))
    return found


def _result_words(comparison: ComparisonRecord, place: int) -> dict[str, Any]:
    area, result = comparison.roc_area(place), comparison.results[place]
    clean, backdoored = comparison.sets[place]
    return {
        "name": result_names(comparison)[place],
        "network": plain(result.network.name),
        "layer": plain(result.network.prune_layer),
        "intervention": plain(result.network.intervention),
        "order": plain(result.order_name),
        "n_channels": result.n_channels,
        "clean": plain(clean or "–"),
        "backdoored": plain(backdoored or "–"),
        "dead": comparison.dead(place),
        "dead_first": comparison.dead_first(place),
        "area": "" if area is None else f"{area:.4f}",
        "dashes": DASHES[result_looks(comparison)[place][1]],
        "keys": set(_figures(comparison, place)),
    }


def _columns(comparison: ComparisonRecord) -> dict[str, str]:
    """Return the figures of a result at a step, with their headings."""
    columns = {f"clean_{key}": words for key, words in COLUMNS["clean"].items()}
    if comparison.has_backdoored:
        keys = list(COLUMNS["backdoored"])[:3]
        columns |= {f"bd_{key}": COLUMNS["backdoored"][key] for key in keys}
    return columns


def _figures(comparison: ComparisonRecord, place: int) -> dict[str, dict[str, list[str]]]:
    result = comparison.results[place]
    figures: dict[str, dict[str, list[str]]] = {}
    for kind, short in (("clean", "clean"), ("backdoored", "bd")):
        part = comparison.set_of(place, kind)
        if part is not None:
            found = figures_of(result, part).items()
            figures |= {f"{short}_{key}": shown for key, shown in found}
    for key, values in (
        ("channel", ["–", *map(str, result.order)]),
        ("n_pruned", list(map(str, range(result.n_channels + 1)))),
    ):
        figures[key] = {"share": values, "bounds": [""] * len(values)}
    return figures


def _result_data(comparison: ComparisonRecord, place: int) -> dict[str, Any]:
    colour, _ = result_looks(comparison)[place]
    return {
        "colour": {theme: tint(colour, theme) for theme in THEMES},
        "n_channels": comparison.results[place].n_channels,
        "figures": _figures(comparison, place),
    }


def _rocs(comparison: ComparisonRecord) -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
    """Return rates of G of every result that has both sets, and the chart of them."""
    curves, found, names = [], [], result_names(comparison)
    for place, (result, pair) in enumerate(zip(comparison.results, comparison.sets, strict=True)):
        clean, backdoored = pair
        if clean is not None and backdoored is not None:
            both = detection(result, clean, backdoored)
            rates = {"fpr": (100 * both.fpr).tolist(), "tpr": (100 * both.tpr).tolist()}
            found.append({"set": place, **rates})
            curves.append((names[place], result, clean, backdoored))
    if not found:
        return [], None
    return found, roc_chart(curves, [one["set"] for one in found])


def _rows(comparison: ComparisonRecord, largest: int) -> list[dict[str, Any]]:
    """Return a row per drop and result, drops in order, as percent to show."""
    names = dict(zip(comparison.labels, result_names(comparison), strict=True))
    keys = ["clean_accuracy", "false_alarm_rate"]
    if comparison.has_backdoored:
        keys += ["asr", "detection_rate"]
    return [
        {
            "name": names[row["label"]],
            "drop": drop_label(row["drop"]),
            "first": row["label"] == comparison.labels[0],
            "step": row["n_pruned"],
            "at": None
            if row["n_pruned"] is None
            else -(-row["n_pruned"] * largest // max(row["n_channels"], 1)),
            "cells": ["–" if row[key] is None else percent(row[key]) for key in keys],
        }
        for row in sorted(comparison.rows(), key=lambda row: row["drop"])
        if row["drop"]
    ]
