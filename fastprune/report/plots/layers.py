"""Several prune layers as a map of colours, which shows where the backdoor lives."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastprune.report.plots.canvas import new_figure
from fastprune.report.plots.style import headline, percent_axis
from fastprune.report.text.comparison import compared_words, result_names
from fastprune.report.text.words import plain
from fastprune.results.comparison_record import ComparisonRecord
from fastprune.results.crossings import drop_label
from fastprune.results.layer_map import LayerMap, MapRow, layer_maps, shows_layers

__all__ = ["COLOURS", "HEADINGS", "READING", "heading", "layers_figure", "shows_layers", "ticks_of"]

COLOURS = "viridis"
"""Dark where the rate is 0, yellow where it is 1; even steps for every reader, in grey too."""
HEADINGS = {"clean": "Clean accuracy of B\N{PRIME} on", "backdoored": "ASR of B\N{PRIME} on"}
READING = (
    "the backdoor lives where ASR goes dark before clean accuracy does; ticks: where a drop X is "
    "crossed"
)
"""How the map is read."""
ROW, GAP = 0.27, 0.5
"""Height of a result's row, and of what stands between two maps, inches."""


def layers_figure(comparison: ComparisonRecord) -> Any:
    """Draw clean accuracy and ASR of B′ as colours over the share pruned, a row per result.

    A map stands for a set; white ticks mark the crossings of the drops.
    """
    maps, names = layer_maps(comparison), result_names(comparison)
    tall = ROW * len(names)
    left = 0.35 + 0.082 * max(map(len, names))
    width, high = left + 7.6, 0.85 + len(maps) * (tall + GAP)
    figure = new_figure(width, high)
    for index, found in enumerate(maps):
        top = 0.95 + index * (tall + GAP)
        place = (left / width, 1 - (top + tall) / high, 6.6 / width, tall / high)
        axes = figure.add_axes(place)
        drawn = _map(axes, comparison, found, names)
        axes.tick_params(labelbottom=index == len(maps) - 1)
    axes.set_xlabel("share of the prune layer's channels pruned")
    side = (left + 6.72) / width
    bar = figure.add_axes((side, place[1], 0.13 / width, 1 - (0.95 / high) - place[1]))
    figure.colorbar(drawn, cax=bar)
    percent_axis(bar.yaxis)
    bar.tick_params(labelsize=8.5, length=2)
    headline(figure, 0.12, f"Where does the backdoor live? {compared_words(comparison)}", READING)
    return figure


def heading(found: LayerMap) -> str:
    """Return what a map shows."""
    return f"{HEADINGS[found.kind]} {plain(found.name or f'its {found.kind} set')}"


def ticks_of(comparison: ComparisonRecord, row: MapRow) -> list[tuple[float, str]]:
    """Return where a row crosses drops, share of the channels pruned and drop; none unmeasured."""
    if np.isnan(row.rates).all():
        return []
    found = [(drop, comparison.crossing(row.place, drop)) for drop in comparison.drops]
    channels = comparison.results[row.place].n_channels
    return [(step / channels, drop_label(drop)) for drop, step in found if step is not None]


def _map(
    axes: Any, comparison: ComparisonRecord, found: LayerMap, names: list[str]
) -> Any:
    """Draw one map; return what a bar of its colours is made of."""
    axes.set(xlim=(0, 1), ylim=(len(names), 0), facecolor="#e4e4e4")
    for row in found.rows:
        values = np.ma.masked_invalid(row.rates)[None]
        edges = [row.place + 0.06, row.place + 0.94]
        drawn = axes.pcolormesh(
            row.edges, edges, values, cmap=COLOURS, vmin=0, vmax=1, rasterized=True
        )
        for share, _ in ticks_of(comparison, row):
            axes.plot([share, share], edges, color="white", linewidth=1.6)
            axes.plot([share, share], edges, color="#222222", linewidth=0.6)
    axes.set_yticks(np.arange(len(names)) + 0.5, names, fontsize=8.5)
    axes.tick_params(axis="y", length=0)
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
    percent_axis(axes.xaxis)
    axes.text(0, -0.12, heading(found), va="bottom", fontsize=9.5, weight="bold")
    return drawn
