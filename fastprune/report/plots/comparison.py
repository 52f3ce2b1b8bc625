"""Several orders side by side, as a table and as a plot."""

from __future__ import annotations

from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np

from fastprune.comparison import Comparison
from fastprune.report.plots.drawing import DPI, METADATA
from fastprune.report.plots.style import (
    COLOURS,
    GRID,
    INK,
    headline,
    legends,
    new_figure,
    percent_axis,
    settings,
)
from fastprune.report.text.tables import WIDTH, aligned
from fastprune.report.text.words import drop_words, percent, plain
from fastprune.result import SweepResult

TINTS = tuple(tint for pair in zip(*COLOURS.values(), strict=True) for tint in pair)
"""Colours of the orders: cold and warm in turn, so that neighbours differ most."""

MARK = "*"
"""What stands behind the name of an order that no defender could make."""


def compare_table(comparison: Comparison) -> str:
    """Return a row per order: dead channels first, area under the ROC, figures at every drop.

    More blocks where 100 columns are too few.
    """
    first = comparison.results[0]
    clean, backdoored = plain(comparison.clean), plain(comparison.backdoored or "-")
    lines = [
        f"{plain(first.network.get('name', 'network'))}: {len(comparison.results)} orders; "
        f"{comparison.dead} of {first.n_channels} channels are dead (mean activation 0 on "
        f"{plain(first.valid)})",
        f"acc: clean accuracy of B\N{PRIME} on {clean}, ASR of B\N{PRIME} and det: detection rate "
        f"of G on {backdoored}, percent",
        "dead: dead channels pruned before the first live one; area: under the ROC of G",
        drop_words(first),
    ]
    names = ["order", *map(order_name, comparison.results)]
    keys = [_key(comparison, result) for result in comparison.results]
    figures = aligned([("dead", "area"), *keys])
    widest = max(map(len, names))
    key = [f"{name:<{widest}}  {line}" for name, line in zip(names, figures, strict=True)]
    blocks: list[list[str]] = []
    for column in _columns(comparison):
        if blocks and len(blocks[-1][0]) + len(column[0]) <= WIDTH:
            blocks[-1] = [line + cell for line, cell in zip(blocks[-1], column, strict=True)]
        else:
            left = [" " * len(key[0]), *key]
            blocks.append([line + cell for line, cell in zip(left, column, strict=True)])
    for block in blocks:
        lines += ["", *(line.rstrip() for line in block)]
    if any(result.oracle for result in comparison.results):
        lines += ["", f"{MARK} looks at backdoored images, as no defender can"]
    return "\n".join(lines)


def _key(comparison: Comparison, result: SweepResult) -> tuple[str, str]:
    area = comparison.roc_area(result)
    told = "-" if area is None else f"{area:.4f}"
    return str(comparison.dead_first(result)), told


def _columns(comparison: Comparison) -> list[list[str]]:
    """Return the lines of every drop: its heading, column heads, a row per order."""
    rows = list(comparison.rows())
    columns = []
    for drop in sorted(comparison.results[0].drops):
        table = [("n_pruned", "acc", "ASR", "det")]
        for row in rows:
            if row["drop"] == drop:
                shares = (row["clean_accuracy"], row["asr"], row["detection_rate"])
                step = "never" if row["n_pruned"] is None else str(row["n_pruned"])
                table.append(
                    (step, *("-" if share is None else percent(share) for share in shares))  # type: ignore[arg-type]
                )
        lines = aligned(table)
        heading = f"{f'- X={drop:g} -':-^{len(lines[0])}}"
        columns.append([f"   {line}" for line in (heading, *lines)])
    return columns


def compare_figure(comparison: Comparison) -> Any:
    """Draw clean accuracy and ASR of B′ over ``n_pruned``, a line per order."""
    with settings():
        return _figure(comparison)


def draw_comparison(comparison: Comparison, path: Path) -> None:
    """Write the figure as a PNG file."""
    with settings():
        _figure(comparison).savefig(path, dpi=DPI, metadata=METADATA["png"])


def _figure(comparison: Comparison) -> Any:
    from matplotlib.lines import Line2D

    first = comparison.results[0]
    names = [comparison.clean, *([comparison.backdoored] if comparison.backdoored else [])]
    labels = ("clean accuracy of B\N{PRIME} on", "ASR of B\N{PRIME} on")
    high = 0.75 + 3.3 * len(names)
    figure = new_figure(10, high)
    looks = _looks(comparison)
    for row, (name, label) in enumerate(zip(names, labels, strict=False)):
        bottom = (0.5 + 3.3 * (len(names) - 1 - row)) / high
        axes = figure.add_axes((0.075, bottom, 0.7, 2.75 / high))
        steps = np.arange(first.n_channels + 1)
        for result, look in zip(comparison.results, looks, strict=True):
            axes.plot(steps, result.sets[name].counts.rate, **look)
        axes.set(xlim=(0, first.n_channels), ylim=(-0.03, 1.03))
        axes.set_ylabel(f"{label} {plain(name, 22)}")
        percent_axis(axes.yaxis)
        axes.grid(axis="y", **GRID)
    layer = plain(first.network.get("prune_layer", "the prune layer"), 30)
    axes.set_xlabel(f"n_pruned of the {first.n_channels} channels of {layer}")
    title = f"Orders compared: {plain(first.network.get('name', 'network'))}"
    headline(figure, 0.75, title, f"{comparison.dead} channels are dead on {plain(first.valid)}")
    handles = [
        Line2D([], [], label=order_name(result), **look)
        for result, look in zip(comparison.results, looks, strict=True)
    ]
    top = (0.5 + 3.3 * (len(names) - 1) + 2.75) / high
    legends(figure, 0.79, top, {"Order": handles})
    if any(result.oracle for result in comparison.results):
        note = f"{MARK} looks at backdoored images,\n   as no defender can"
        place = top - (0.21 * (len(handles) + 1) + 0.3) / high
        figure.text(0.79, place, note, va="top", fontsize=8.5)
    return figure


def _looks(comparison: Comparison) -> list[dict[str, Any]]:
    """Return how each order's line is drawn: random orders dotted, an oracle in black dashes.

    Later lines are thinner, so that those that coincide show beside each other.
    """
    styles = cycle([*((tint, "-") for tint in TINTS[:6]), *((tint, "-.") for tint in TINTS[6:])])
    looks = []
    for index, result in enumerate(comparison.results):
        tint, line = (INK, "--") if result.oracle else next(styles)
        if result.order_name.startswith("random:"):
            line = ":"
        width = 1.5 + min(0.2 * (len(comparison.results) - 1 - index), 1.4)
        looks.append({"color": tint, "linestyle": line, "linewidth": width})
    return looks


def order_name(result: SweepResult) -> str:
    """Return an order's name to show, marked where no defender could make it."""
    name = result.order_name
    short = Path(name).name if "/" in name else name
    return plain(short, 22) + (MARK if result.oracle else "")
