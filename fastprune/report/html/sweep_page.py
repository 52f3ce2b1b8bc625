"""One HTML page of a sweep: curves, a slider over the steps, tables, images, provenance."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from typing import Any

from fastprune.report.html.assets import check_installed, render
from fastprune.report.html.charts import bars, curves, histogram, roc_curves
from fastprune.report.html.page_data import COLUMNS, figures_of, page_data
from fastprune.report.plots.samples import as_pixels
from fastprune.report.text.story import story, story_step
from fastprune.report.text.tables import is_robust
from fastprune.report.text.words import (
    drop_words,
    layer_words,
    network_words,
    order_words,
    percent,
    plain,
)
from fastprune.results.intervals import Share
from fastprune.results.operating_points import operating_points
from fastprune.results.record import SetResult, SweepRecord
from fastprune.results.set_pairs import of_kind

HEADINGS = {"clean": "Clean sets", "backdoored": "Backdoored sets"}


def page(result: SweepRecord, *, drop: float | None = None) -> str:
    """Return the page of a sweep as HTML.

    Parameters
    ----------
    result : SweepResult
        The sweep.
    drop : float, optional
        The drop X that the story tells of and the slider starts at; by default the largest crossed.

    Raises
    ------
    OptionError
        When `drop` is never crossed, or plotly or Jinja2 is not installed.
    """
    sentences, step = story(result, drop), story_step(result, drop)
    check_installed()
    data = page_data(result, step)
    return render(
        "sweep.html",
        data={**data, "charts": _charts(result, by_label=bool(data["classes"]))},
        story=sentences,
        warnings=[plain(warning, 2000) for warning in result.warnings],
        **_words_of(result),
        sets=_sets(result),
        kinds=_kinds(result),
        drops=_drops(result),
        points=_points(result),
        provenance=provenance(result),
    )


def _charts(result: SweepRecord, *, by_label: bool) -> dict[str, Any]:
    charts = {"curves": curves(result), "bars": bars(result), "roc": roc_curves(result)}
    if by_label:
        charts["histogram"] = histogram()
    return {name: chart for name, chart in charts.items() if chart is not None}


def provenance(result: SweepRecord) -> dict[str, list[tuple[str, str]]]:
    """Return tables of how the figures came to be: heading, then rows of a name and a value."""
    tables = {"Network": _rows(result.network.as_json())}
    for part in result.sets.values():
        tables[f"Set {plain(part.name)}"] = _rows(part.source)
    tables["Options"] = [("order", plain(result.order_name, 200)), *_rows(result.options)]
    tables["Versions"] = _rows(result.versions)
    spent = [(plain(name), f"{seconds:.3f} s") for name, seconds in result.seconds.items()]
    total = ("all phases", f"{sum(result.seconds.values()):.3f} s")
    memory = ("peak memory", f"{result.peak_memory / 1e6:,.0f} MB")
    tables["Time and memory"] = [*spent, total, memory]
    return {heading: rows for heading, rows in tables.items() if rows}


def _rows(facts: Any) -> list[tuple[str, str]]:
    rows = []
    for name, value in facts.items():
        if isinstance(value, dict):
            rows += [(f"{plain(name)} {key}", shown) for key, shown in _rows(value)]
        else:
            shown = f"{value:,}" if isinstance(value, int) and value >= 10_000 else value
            shown = "–" if value is None else shown
            rows.append((plain(name).replace("_", " "), plain(shown, 300)))
    return rows


def _words_of(result: SweepRecord) -> dict[str, Any]:
    return {
        "title": f"The pruning defense on {plain(result.network.name)}",
        "head": f"fastprune: {network_words(result)}",
        "n_channels": result.n_channels,
        "n_classes": result.n_classes,
        "cut": plain(result.network.cut_layer),
        "order": order_words(result.order_name),
        "valid": plain(result.valid),
        "drop_words": drop_words(result),
        "near_ties": result.near_ties,
        "robust": any(is_robust(part) for part in result.sets.values()),
        "how": layer_words(result),
        "version": result.versions.get("fastprune", ""),
    }


def _sets(result: SweepRecord) -> list[dict[str, Any]]:
    """Return name, kind, number of images and the samples as data URIs of every set."""
    return [
        {
            "name": plain(part.name),
            "kind": part.kind,
            "images": f"{part.counts.images:,}",
            "samples": list(_pictures(part)),
        }
        for part in result.sets.values()
    ]


def _pictures(part: SetResult) -> Iterator[str]:
    """Yield the samples of a set as PNG, each in a data URI."""
    from PIL import Image  # matplotlib brings it

    for pixels in as_pixels(part.samples.images):
        file = io.BytesIO()
        Image.fromarray((255 * pixels + 0.5).astype("uint8")).save(file, "PNG", optimize=True)
        yield f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def _kinds(result: SweepRecord) -> list[dict[str, Any]]:
    """Return the tables of figures: per kind its sets and the columns that any of them has."""
    places = {name: place for place, name in enumerate(result.sets)}
    kinds = []
    for kind, heading in HEADINGS.items():
        parts = of_kind(result, kind)
        if parts:
            known = {places[part.name]: set(figures_of(result, part)) for part in parts}
            columns = {
                key: words
                for key, words in COLUMNS[kind].items()
                if any(key in keys for keys in known.values())
            }
            kinds.append({"heading": heading, "columns": columns, "sets": known})
    return kinds


def _drops(result: SweepRecord) -> list[dict[str, Any]]:
    """Return the tables of drops: per kind a row for B and one for every drop, in order."""
    tables = []
    for kind, heading in HEADINGS.items():
        parts = of_kind(result, kind)
        columns = list(COLUMNS[kind].values())[:3]
        rows = [
            {"drop": at.label, "step": at.step, "cells": [_cells(part, at.step) for part in parts]}
            for at in result.drop_rows
        ]
        if parts:
            names = [(plain(part.name), f"{part.counts.images:,}") for part in parts]
            tables.append({"heading": heading, "names": names, "columns": columns, "rows": rows})
    return tables


def _cells(part: SetResult, step: int | None) -> list[str]:
    if step is None:
        return ["–"] * 3
    counts = part.counts
    rates = (counts.rate, counts.goodnet_rate, counts.flagged_rate)
    return [percent(rate[step]) for rate in rates]


def _points(result: SweepRecord) -> list[dict[str, Any]]:
    """Return the operating points with a row for every pair of sets."""
    return [
        {
            "bound": f"{100 * point.max_fpr:g}",
            "step": point.n_pruned,
            "chosen_by": plain(point.chosen_by, 80),
            "rows": [
                {
                    "clean": plain(figures.clean),
                    "backdoored": plain(figures.backdoored) if figures.backdoored else "",
                    "shares": list(map(_share, (figures.fpr, figures.tpr, figures.precision))),
                    "chose": figures.chose,
                }
                for figures in point.figures
            ],
        }
        for point in operating_points(result)
    ]


def _share(share: Share | None) -> tuple[str, str]:
    """Return a share and its interval in percent to show; a dash where there is none."""
    if share is None or not share.total:
        return "–", ""
    low, high = share.interval
    return percent(share.rate), f"{percent(low)}–{percent(high)}"
