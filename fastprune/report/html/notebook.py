"""How results look in a notebook: HTML that loads nothing and takes the page's own colours."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from html import escape

from fastprune.report.plots.curves import compact
from fastprune.report.plots.style import settings
from fastprune.report.text.tables import HEADINGS
from fastprune.report.text.words import (
    PRIME,
    drop_words,
    layer_words,
    network_words,
    percent,
    plain,
)
from fastprune.results.evaluation_record import EvaluationRecord
from fastprune.results.record import SweepRecord

INK = "#010203"
"""Drawn in this colour is what takes the colour of the page's text."""
LINE = "1px solid rgba(128,128,128,.45)"
CELL = "text-align:right;padding:.15em .6em;background:none"


def sweep_html(result: SweepRecord) -> str:
    """Return a sweep as HTML: the network, the table of drops, the curves."""
    images = sum(part.counts.images for part in result.sets.values())
    said = (
        f"{layer_words(result)}, cut at "
        f"{plain(result.network.cut_layer)}, {result.n_classes} classes; "
        f"{images:,} images x {result.n_channels + 1} steps, {result.near_ties} near-ties"
    )
    unit = f"Percent of each set. {drop_words(result)}; FA: false alarm rate, det.: detection rate"
    return "".join(
        (
            '<div class="fastprune" style="max-width:100%;overflow-x:auto">',
            warned(result.warnings),
            f"<div><b>{escape(network_words(result))}</b>: {escape(said)}</div>",
            _drops(result),
            f'<div style="opacity:.75;font-size:.85em">{escape(unit)}</div>',
            curves_svg(result),
            "</div>",
        )
    )


def evaluation_html(evaluation: EvaluationRecord) -> str:
    """Return an evaluation as HTML: a row per set."""
    counted = (
        (
            "clean accuracy", evaluation.clean_images, evaluation.clean_hits,
            evaluation.clean_flagged, "false alarms",
        ),
        (
            "attack success rate", evaluation.backdoored_images, evaluation.backdoored_hits,
            evaluation.backdoored_flagged, "detected",
        ),
    )  # fmt: skip
    table = [
        [name, percent(hits / images), f"{hits:,}", f"{images:,}"]
        + ([] if flagged is None else [f"{flagged:,}", f"{flags} {percent(flagged / images)} %"])
        for name, images, hits, flagged, flags in counted
    ]
    head = ["", "%", "images in their label's class", "images", "flagged by G", "which is"]
    rows = [("th", head[: len(table[0])]), *(("td", row) for row in table)]
    lines = [_row(cells, tag, ruled=False) for tag, cells in rows]
    return f'{warned(evaluation.warnings)}<table class="fastprune">{"".join(lines)}</table>'


def warned(warnings: Sequence[str]) -> str:
    """Return a box of warnings; nothing where there is none."""
    if not warnings:
        return ""
    lines = "".join(f"<div>{escape(plain(warning, 2000))}</div>" for warning in warnings)
    return (
        '<div class="fastprune-warnings" role="note" style="border:2px solid #c4551d;'
        f'border-radius:4px;padding:.3em .8em;margin:.3em 0"><b>Look at this first</b>{lines}</div>'
    )


def _drops(result: SweepRecord) -> str:
    """Return the table of drops: a row for B and for each drop, three columns for each set."""
    parts = list(result.sets.values())
    names = [f"{plain(part.name)} ({part.counts.images:,})" for part in parts]
    top = f'<th colspan="2" style="{CELL}"></th>' + "".join(
        f'<th colspan="3" style="{CELL};text-align:center;border-left:{LINE}">{escape(name)}</th>'
        for name in names
    )
    head = ["X", "n_pruned"]
    for part in parts:
        hit = HEADINGS[part.kind][1]
        head += [f"{hit} {PRIME}", f"{hit} G", "FA" if part.kind == "clean" else "det."]
    lines = [f"<tr>{top}</tr>", _row(head, "th")]
    for at in result.drop_rows:
        cells = [at.label, "never crossed" if at.step is None else str(at.step)]
        for part in parts:
            counts = part.counts
            rates = (counts.rate, counts.goodnet_rate, counts.flagged_rate)
            cells += ["-" if at.step is None else percent(rate[at.step]) for rate in rates]
        lines.append(_row(cells, "td"))
    style = "border-collapse:collapse;margin:.5em 0;font-variant-numeric:tabular-nums"
    return f'<table style="{style}">{"".join(lines)}</table>'


def _row(cells: Sequence[str], tag: str, *, ruled: bool = True) -> str:
    """Return a row; `ruled`: the three cells of every set, from the third on, begin at a line."""
    shown = []
    for index, cell in enumerate(cells):
        line = f";border-left:{LINE}" if ruled and index >= 2 and index % 3 == 2 else ""
        shown.append(f'<{tag} style="{CELL}{line}">{escape(cell)}</{tag}>')
    return f"<tr>{''.join(shown)}</tr>"


def curves_svg(result: SweepRecord) -> str:
    """Return the curves of every set as inline SVG whose text and axes have the page's colour."""
    from matplotlib import rcParams

    file = io.StringIO()
    with settings():
        rcParams.update(
            {
                **dict.fromkeys(("text.color", "axes.edgecolor", "axes.labelcolor"), INK),
                **dict.fromkeys(("xtick.color", "ytick.color"), INK),
                "svg.fonttype": "none",
                # Identifiers hold for the whole page, which may show other sweeps.
                "svg.hashsalt": f"{result.network.fingerprint} {result.order.tolist()}",
            }
        )
        compact(result, INK).savefig(
            file, format="svg", transparent=True, metadata={"Date": None, "Creator": None}
        )
    label = escape(f"Clean accuracy and ASR of {network_words(result)} over n_pruned")
    return _inline(file.getvalue(), f'role="img" aria-label="{label}"')


def _inline(svg: str, attributes: str) -> str:
    """Return matplotlib's SVG without what would reach the page around it: styles and names."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, flags=re.DOTALL)
    style = re.search(r"\s*<style[^>]*>\*{(.*?)}</style>", svg)
    if style is not None:
        svg = svg.replace(style[0], "")
        attributes += f' style="{style[1]}"'
    used = set(re.findall(r"#([\w-]+)", svg))
    svg = re.sub(r' id="([^"]*)"', lambda name: name[0] if name[1] in used else "", svg)
    svg = svg.replace(INK, "currentColor").replace("'DejaVu Sans', ", "")
    return svg.replace("<svg", f"<svg {attributes}", 1)
