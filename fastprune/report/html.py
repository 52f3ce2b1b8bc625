"""One HTML page of a sweep that needs no network: curves, a slider over the steps, tables, images.

Everything it needs stands in the page. Its content security policy lets a browser run the page's
own two scripts and nothing else, and fetch nothing, so that a name from a file under test could do
no harm even as markup.
"""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

from fastprune.errors import OptionError
from fastprune.files import whole_file
from fastprune.intervals import Share
from fastprune.operating import operating_points
from fastprune.report.figures import COLUMNS, figures_of, page_data
from fastprune.report.samples import as_pixels
from fastprune.report.story import story, story_step
from fastprune.report.words import (
    drop_words,
    network_words,
    of_kind,
    order_words,
    percent,
    plain,
)
from fastprune.result import SetResult, SweepResult

HEADINGS = {"clean": "Clean sets", "backdoored": "Backdoored sets"}


def write_page(result: SweepResult, path: str | Path, *, drop: float | None = None) -> Path:
    """Write the page of a sweep; see :meth:`SweepResult.report`."""
    path = Path(path)
    if path.is_dir():
        message = f"expected a file to write the page to; got a folder ({path}); name a file in it"
        raise OptionError(message)
    text = page(result, drop=drop)
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")
    return path


def page(result: SweepResult, *, drop: float | None = None) -> str:
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
    plotly = _plotly()
    from fastprune.report.charts import bars, curves, histogram, roc_curves

    data = page_data(result, step)
    charts = {"curves": curves(result), "bars": bars(result)}
    scatter = roc_curves(result)
    if scatter is not None:
        charts["roc"] = scatter
    if data["classes"]:
        charts["histogram"] = histogram()
    script = _file("page.js")
    rendered: str = _template().render(
        policy=_policy(plotly, script),
        plotly=_markup(plotly),
        script=_markup(script),
        style=_markup(_file("page.css")),
        data={**data, "charts": charts},
        story=sentences,
        **_words_of(result),
        sets=_sets(result),
        kinds=_kinds(result),
        drops=_drops(result),
        points=_points(result),
        provenance=provenance(result),
    )
    return rendered


def provenance(result: SweepResult) -> dict[str, list[tuple[str, str]]]:
    """Return tables of how the figures came to be: heading, then rows of a name and a value."""
    tables = {"Network": _rows(result.network)}
    for part in result.sets.values():
        tables[f"Set {plain(part.name)}"] = _rows(part.source)
    tables["Options"] = [("order", plain(result.order_name, 200)), *_rows(result.options)]
    tables["Versions"] = _rows(result.versions)
    spent = [(plain(name), f"{seconds:.3f} s") for name, seconds in result.seconds.items()]
    total = ("all phases", f"{sum(result.seconds.values()):.3f} s")
    memory = ("peak memory", f"{result.peak_memory / 1e6:,.0f} MB")
    tables["Time and memory"] = [*spent, total, memory]
    return {heading: rows for heading, rows in tables.items() if rows}


def _rows(found: Any) -> list[tuple[str, str]]:
    rows = []
    for name, value in found.items():
        if isinstance(value, dict):
            rows += [(f"{plain(name)} {key}", shown) for key, shown in _rows(value)]
        else:
            shown = f"{value:,}" if isinstance(value, int) and value >= 10_000 else value
            shown = "–" if value is None else shown
            rows.append((plain(name).replace("_", " "), plain(shown, 300)))
    return rows


def _words_of(result: SweepResult) -> dict[str, Any]:
    network = result.network
    layer, cut = (plain(network.get(key, "?")) for key in ("prune_layer", "cut_layer"))
    return {
        "title": f"The pruning defense on {plain(network.get('name', 'network'))}",
        "head": f"fastprune: {network_words(result)}",
        "n_channels": result.n_channels,
        "n_classes": result.n_classes,
        "layer": layer,
        "cut": cut,
        "order": order_words(result.order_name),
        "valid": plain(result.valid),
        "drop_words": drop_words(result),
        "near_ties": result.near_ties,
        "version": result.versions.get("fastprune", ""),
    }


def _sets(result: SweepResult) -> list[dict[str, Any]]:
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


def _kinds(result: SweepResult) -> list[dict[str, Any]]:
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


def _drops(result: SweepResult) -> list[dict[str, Any]]:
    """Return the tables of drops: per kind a row for B and one for every drop, in order."""
    steps: list[tuple[str, int | None]] = [("B", 0)]
    steps += [(f"{drop:g}", step) for drop, step in sorted(result.crossings.items())]
    tables = []
    for kind, heading in HEADINGS.items():
        parts = of_kind(result, kind)
        columns = list(COLUMNS[kind].values())[:3]
        rows = [
            {"drop": drop, "step": step, "cells": [_cells(part, step) for part in parts]}
            for drop, step in steps
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


def _points(result: SweepResult) -> list[dict[str, Any]]:
    """Return the operating points with a row for every pair of sets."""
    return [
        {
            "bound": f"{100 * point.max_fpr:g}",
            "step": point.n_pruned,
            "chosen_by": plain(point.chosen_by, 80),
            "rows": [
                {
                    "clean": plain(found.clean),
                    "backdoored": plain(found.backdoored) if found.backdoored else "",
                    "shares": [_share(share) for share in (found.fpr, found.tpr, found.precision)],
                    "chose": found.chose,
                }
                for found in point.figures
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


def _plotly() -> str:
    """Return plotly.js, safe inside a script element."""
    try:
        import jinja2  # noqa: F401
        from plotly.offline import get_plotlyjs
    except ImportError as error:
        message = (
            f"expected plotly and Jinja2 for the HTML page; got {error}; "
            "pip install 'fastprune[report]'"
        )
        raise OptionError(message) from error
    return str(get_plotlyjs()).replace("\r\n", "\n").replace("</script", "<\\/script")


def _policy(*scripts: str) -> str:
    """Return a content security policy that runs `scripts` and fetches nothing."""
    hashes = (hashlib.sha256(script.encode()).digest() for script in scripts)
    allowed = " ".join(f"'sha256-{base64.b64encode(found).decode()}'" for found in hashes)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )


def _template() -> Any:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(_file("page.html"))


def _markup(text: str) -> Any:
    """Mark our own text, which comes from no user, as not to be escaped."""
    from markupsafe import Markup

    return Markup(text)


def _file(name: str) -> str:
    return (resources.files("fastprune.report") / "page" / name).read_text(encoding="utf-8")
