"""Several results side by side, as plots."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from fastprune.errors import OptionError
from fastprune.report.plots.canvas import new_figure
from fastprune.report.plots.drawing import DPI, METADATA
from fastprune.report.plots.layers import layers_figure, shows_layers
from fastprune.report.plots.palette import result_looks, tint
from fastprune.report.plots.style import (
    ABOVE,
    GRID,
    headline,
    legends,
    percent_axis,
    settings,
    step_axes,
)
from fastprune.report.text.comparison import (
    MARK,
    compared_words,
    dead_words,
    differing_words,
    result_names,
)
from fastprune.report.text.words import plain
from fastprune.results.comparison_record import ComparisonRecord

PANELS = (("clean", "clean accuracy of B\N{PRIME} on"), ("backdoored", "ASR of B\N{PRIME} on"))
"""Kind of the sets of each panel, and what is drawn of them."""


def comparison_figure(comparison: ComparisonRecord, name: str = "compare") -> Any:
    """Make a figure of results side by side.

    Raises
    ------
    OptionError
        When there is no figure of that name, or these results do not differ in prune layer.
    """
    makers = _makers(comparison)
    if name not in makers:
        message = f"expected a plot of these results: {', '.join(makers)}; got {name!r}"
        raise OptionError(message)
    with settings():
        return makers[name](comparison)


def comparison_drawers(
    comparison: ComparisonRecord,
) -> dict[tuple[str, ...], Callable[[Path], None]]:
    """Return the files of every plot and what draws them into a folder, each for itself."""
    return {
        tuple(_file(name, suffix) for suffix in METADATA): partial(_draw, comparison, name)
        for name in _makers(comparison)
    }


def _makers(comparison: ComparisonRecord) -> dict[str, Callable[[ComparisonRecord], Any]]:
    makers: dict[str, Callable[[ComparisonRecord], Any]] = {"compare": curves_figure}
    return {**makers, "layers": layers_figure} if shows_layers(comparison) else makers


def _file(name: str, suffix: str) -> str:
    return f"compare.{suffix}" if name == "compare" else f"compare_{name}.{suffix}"


def _draw(comparison: ComparisonRecord, name: str, folder: Path) -> None:
    with settings():
        figure = _makers(comparison)[name](comparison)
        for suffix, metadata in METADATA.items():
            figure.savefig(folder / _file(name, suffix), dpi=DPI, metadata=metadata)


def curves_figure(comparison: ComparisonRecord) -> Any:
    """Draw clean accuracy and ASR of B′ over ``n_pruned``, a line per result.

    Results of other numbers of channels are drawn over the share of their channels pruned.
    """
    from matplotlib.lines import Line2D

    panels = PANELS if comparison.has_backdoored else PANELS[:1]
    panel, gap, bottom = 2.6, 0.5 + ABOVE, 0.5
    high = 0.62 + bottom + len(panels) * (panel + ABOVE) + (len(panels) - 1) * (gap - ABOVE)
    figure = new_figure(10, high)
    styles = _line_styles(comparison)
    for row, (kind, label) in enumerate(panels):
        low = bottom + (len(panels) - 1 - row) * (panel + gap)
        axes = figure.add_axes((0.075, low / high, 0.66, panel / high))
        _panel(axes, comparison, kind, styles)
        common = comparison.clean if kind == "clean" else comparison.backdoored
        axes.set_ylabel(f"{label} {plain(common, 22) if common else f'its {kind} set'}")
    axes.set_xlabel(_steps_label(comparison))
    headline(figure, 0.75, compared_words(comparison), dead_words(comparison))
    handles = [
        Line2D([], [], label=name, **style)
        for name, style in zip(result_names(comparison), styles, strict=True)
    ]
    top = (bottom + (len(panels) - 1) * (panel + gap) + panel) / high
    legends(figure, 0.755, top, {differing_words(comparison).capitalize(): handles})
    if any(result.oracle for result in comparison.results):
        note = f"{MARK} looks at backdoored images,\n   as no defender can"
        place = top - (0.21 * (len(handles) + 1) + 0.3) / high
        figure.text(0.755, place, note, va="top", fontsize=8.5)
    return figure


def _panel(
    axes: Any, comparison: ComparisonRecord, kind: str, styles: list[dict[str, Any]]
) -> None:
    """Draw the rates of every result that has a set of a kind."""
    for place, (result, style) in enumerate(zip(comparison.results, styles, strict=True)):
        part = comparison.set_of(place, kind)
        if part is not None:
            steps = np.arange(result.n_channels + 1)
            x = steps if comparison.n_channels is not None else steps / result.n_channels
            axes.plot(x, part.counts.rate, label=comparison.labels[place], **style)
    if comparison.n_channels is None:
        axes.set_xlim(0, 1)
        percent_axis(axes.xaxis)
    else:
        step_axes(axes, comparison.n_channels)
    axes.set_ylim(-0.03, 1.03)
    percent_axis(axes.yaxis)
    axes.grid(axis="y", **GRID)


def _steps_label(comparison: ComparisonRecord) -> str:
    if comparison.n_channels is None:
        return "share of the prune layer's channels pruned"
    layer = "the prune layer"
    if not {"prune_layer", "network"} & set(comparison.differing):
        layer = plain(comparison.results[0].network.prune_layer, 30)
    return f"n_pruned of the {comparison.n_channels} channels of {layer}"


def _line_styles(comparison: ComparisonRecord) -> list[dict[str, Any]]:
    """Return how each result's line is drawn.

    Later lines are thinner, so that those that coincide show beside each other.
    """
    last = len(comparison.results) - 1
    return [
        {
            "color": tint(place), "linestyle": line,
            "linewidth": 1.5 + min(0.2 * (last - index), 1.4),
        }
        for index, (place, line) in enumerate(result_looks(comparison))
    ]  # fmt: skip
