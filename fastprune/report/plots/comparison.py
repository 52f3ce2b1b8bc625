"""Several orders side by side, as a plot."""

from __future__ import annotations

from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np

from fastprune.report.plots.canvas import new_figure
from fastprune.report.plots.drawing import DPI, METADATA
from fastprune.report.plots.style import (
    COLOURS,
    GRID,
    INK,
    headline,
    legends,
    percent_axis,
    settings,
)
from fastprune.report.text.comparison import MARK, order_name
from fastprune.report.text.words import plain
from fastprune.results.comparison_record import ComparisonRecord

TINTS = tuple(tint for pair in zip(*COLOURS.values(), strict=True) for tint in pair)
"""Colours of the orders: cold and warm in turn, so that neighbours differ most."""


def compare_figure(comparison: ComparisonRecord) -> Any:
    """Draw clean accuracy and ASR of B′ over ``n_pruned``, a line per order."""
    with settings():
        return _figure(comparison)


def draw_comparison(comparison: ComparisonRecord, path: Path) -> None:
    """Write the figure as a PNG file."""
    with settings():
        _figure(comparison).savefig(path, dpi=DPI, metadata=METADATA["png"])


def _figure(comparison: ComparisonRecord) -> Any:
    from matplotlib.lines import Line2D

    first = comparison.results[0]
    names = [comparison.clean, *([comparison.backdoored] if comparison.backdoored else [])]
    labels = ("clean accuracy of B\N{PRIME} on", "ASR of B\N{PRIME} on")
    high = 0.75 + 3.3 * len(names)
    figure = new_figure(10, high)
    styles = _line_styles(comparison)
    for row, (name, label) in enumerate(zip(names, labels, strict=False)):
        bottom = (0.5 + 3.3 * (len(names) - 1 - row)) / high
        axes = figure.add_axes((0.075, bottom, 0.7, 2.75 / high))
        steps = np.arange(first.n_channels + 1)
        for result, style in zip(comparison.results, styles, strict=True):
            axes.plot(steps, result.sets[name].counts.rate, **style)
        axes.set(xlim=(0, first.n_channels), ylim=(-0.03, 1.03))
        axes.set_ylabel(f"{label} {plain(name, 22)}")
        percent_axis(axes.yaxis)
        axes.grid(axis="y", **GRID)
    layer = plain(first.network.prune_layer, 30)
    axes.set_xlabel(f"n_pruned of the {first.n_channels} channels of {layer}")
    title = f"Orders compared: {plain(first.network.name)}"
    headline(figure, 0.75, title, f"{comparison.dead} channels are dead on {plain(first.valid)}")
    handles = [
        Line2D([], [], label=order_name(result), **style)
        for result, style in zip(comparison.results, styles, strict=True)
    ]
    top = (0.5 + 3.3 * (len(names) - 1) + 2.75) / high
    legends(figure, 0.79, top, {"Order": handles})
    if any(result.oracle for result in comparison.results):
        note = f"{MARK} looks at backdoored images,\n   as no defender can"
        place = top - (0.21 * (len(handles) + 1) + 0.3) / high
        figure.text(0.79, place, note, va="top", fontsize=8.5)
    return figure


def _line_styles(comparison: ComparisonRecord) -> list[dict[str, Any]]:
    """Return how each order's line is drawn: random orders dotted, an oracle in black dashes.

    Later lines are thinner, so that those that coincide show beside each other.
    """
    tints = cycle([*((tint, "-") for tint in TINTS[:6]), *((tint, "-.") for tint in TINTS[6:])])
    styles = []
    for index, result in enumerate(comparison.results):
        tint, line = (INK, "--") if result.oracle else next(tints)
        if result.order_name.startswith("random:"):
            line = ":"
        width = 1.5 + min(0.2 * (len(comparison.results) - 1 - index), 1.4)
        styles.append({"color": tint, "linestyle": line, "linewidth": width})
    return styles
