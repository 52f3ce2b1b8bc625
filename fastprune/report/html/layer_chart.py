"""The map of several prune layers in the page, as plotly's JSON."""

from __future__ import annotations

from html import escape
from typing import Any

from fastprune.report.html.charts import figure_json, page_layout
from fastprune.report.plots.layers import heading, ticks_of
from fastprune.report.text.comparison import result_names
from fastprune.report.text.words import percent
from fastprune.results.comparison_record import ComparisonRecord
from fastprune.results.layer_map import LayerMap, MapRow, layer_maps

ROW, GAP, AROUND = 26, 54, 80
"""Pixels: height of a result's row, what stands between two maps, and around all."""
COLOURS = "Viridis"
"""Dark where the rate is 0, yellow where it is 1."""


def layer_chart(comparison: ComparisonRecord) -> tuple[dict[str, Any], int]:
    """Return clean accuracy and ASR as colours, a row per result, and the height in pixels.

    Over the share of the channels pruned, percent; marks show where drops are crossed.
    """
    import plotly.graph_objects as go

    maps = layer_maps(comparison)
    names = [escape(name, quote=False) for name in result_names(comparison)]
    figure = go.Figure(layout=page_layout(hovermode="closest"))
    tall = len(names) * ROW
    high = len(maps) * tall + (len(maps) - 1) * GAP
    for index, found in enumerate(maps):
        axis = f"y{index + 1 if index else ''}"
        low = (high - index * (tall + GAP) - tall) / high
        top = min(low + tall / high, 1)
        rows = [row + 0.5 for row in range(len(names))]
        look = {"tickvals": rows, "ticktext": names, "fixedrange": True, "zeroline": False}
        place = {"domain": [max(low, 0), top], "range": [len(names), 0], **look}
        figure.update_layout({axis.replace("y", "yaxis"): place})
        for row in found.rows:
            figure.add_trace(go.Heatmap(**_row(comparison, found, row), yaxis=axis))
        figure.add_trace(go.Scatter(**_ticks(comparison, found), yaxis=axis))
        figure.add_annotation(
            text=f"<b>{escape(heading(found), quote=False)}</b>", x=0, y=top,
            xref="paper", yref="paper", xanchor="left", yanchor="bottom", showarrow=False,
        )  # fmt: skip
    last = f"y{len(maps) if len(maps) > 1 else ''}"
    words = "share of the prune layer's channels pruned"
    figure.update_xaxes(range=[0, 100], ticksuffix="%", title_text=words, anchor=last)
    bar = {"ticksuffix": "%", "thickness": 12, "outlinewidth": 0}
    colours = {"colorscale": COLOURS, "cmin": 0, "cmax": 100, "colorbar": bar}
    left = min(12 + 7 * max(map(len, result_names(comparison))), 300)
    figure.update_layout(coloraxis=colours, margin={"l": left, "r": 14, "t": 30, "b": 44})
    return figure_json(figure), high + AROUND


def _row(comparison: ComparisonRecord, found: LayerMap, row: MapRow) -> dict[str, Any]:
    channels = len(row.rates) - 1
    name = escape(comparison.labels[row.place], quote=False)
    told = [
        f"{name}<br>n_pruned {step} of {channels} ({100 * step / max(channels, 1):.1f}%)<br>"
        + ("not measured" if rate != rate else f"{percent(rate)}%")
        for step, rate in enumerate(row.rates.tolist())
    ]
    return {
        "x": (100 * row.edges).tolist(), "y": [row.place + 0.05, row.place + 0.95],
        "z": [[None if rate != rate else 100 * rate for rate in row.rates.tolist()]],
        "customdata": [told], "hovertemplate": "%{customdata}<extra></extra>",
        "coloraxis": "coloraxis",
    }  # fmt: skip


def _ticks(comparison: ComparisonRecord, found: LayerMap) -> dict[str, Any]:
    """Return marks at the crossings of every result."""
    ticks = [
        (
            100 * share, row.place + 0.5,
            f"{escape(comparison.labels[row.place], quote=False)}: X={drop} crossed",
        )
        for row in found.rows
        for share, drop in ticks_of(comparison, row)
    ]  # fmt: skip
    mark = {"symbol": "line-ns", "size": 17, "line": {"width": 1.5, "color": "white"}}
    return {
        "x": [at for at, _, _ in ticks], "y": [row for _, row, _ in ticks],
        "customdata": [text for _, _, text in ticks], "mode": "markers", "marker": mark,
        "hovertemplate": "%{customdata}<extra></extra>",
    }  # fmt: skip
