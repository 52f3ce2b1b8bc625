"""The interactive figures of the HTML page, as plotly's JSON.

Names are escaped: plotly reads ``<b>`` and ``<a href>`` in text as markup. Colours are left to the
page, which has a set of its own for light and for dark.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastprune.report.plots.curves import log_limits
from fastprune.report.plots.palette import result_looks
from fastprune.report.plots.style import FEW, MARKS
from fastprune.report.text.words import PRIME, percent, plain
from fastprune.results.comparison_record import ComparisonRecord
from fastprune.results.detection import detection, roc
from fastprune.results.record import SetResult, SweepRecord
from fastprune.results.set_pairs import of_kind, pairs

RATES = {"clean": "accuracy", "backdoored": "ASR"}
FLAGS = {"clean": "false alarms", "backdoored": "detected"}
SHAPES = {"clean": "circle", "backdoored": "square"}
"""Marks on G's curves by the kind of the set."""
LINES = {"-": "solid", "--": "dash", "-.": "dashdot", ":": "dot"}
"""Plotly's names of matplotlib's lines."""
MARGIN = {"l": 54, "r": 14, "t": 30, "b": 44}


def curves(result: SweepRecord) -> dict[str, Any]:
    """Return rates of B′ and G above, what G flags below, over ``n_pruned``; percent.

    ``legendgroup`` of a trace is ``"setI"``, I the set's place in ``result.sets``.
    """
    parts = [part for kind in RATES for part in of_kind(result, kind)]
    by_set = [_set_traces(result, part, at, len(parts)) for at, part in enumerate(parts)]
    # All of B′ first: no line may hide the marks of G.
    traces = [trace for column in zip(*by_set, strict=True) for trace in column]
    headings = (f"Clean accuracy and ASR: {PRIME} solid, G dashed with marks", "Flagged by G")
    panels = dict(zip(headings, ((0.46, 1.0), (0.0, 0.36)), strict=True))
    return _panels(result.n_channels, traces, panels)


def result_curves(comparison: ComparisonRecord) -> dict[str, Any]:
    """Return clean accuracy, ASR and what G flags over ``n_pruned``, a line per result; percent.

    Over the share of the channels pruned where results have other numbers of channels.
    ``legendgroup`` of a trace is ``"setI"``, I the result's place.
    """
    panels = [("clean", "rate", f"Clean accuracy of {PRIME} on", "accuracy")]
    if comparison.has_backdoored:
        panels.append(("backdoored", "rate", f"ASR of {PRIME} on", "ASR"))
        panels.append(("backdoored", "flagged_rate", "Flagged by G of", "detected"))
    panels.append(("clean", "flagged_rate", "Flagged by G of", "false alarm"))
    gap = 0.08
    high = (1 + gap) / len(panels)
    looks = result_looks(comparison)
    headings, traces = {}, []
    for row, (kind, rate, text, what) in enumerate(panels):
        common = comparison.clean if kind == "clean" else comparison.backdoored
        name = _name(common) if common else f"its {kind} set"
        headings[f"{text} {name}"] = (max(1 - (row + 1) * high + gap, 0), 1 - row * high)
        for place, label in enumerate(comparison.labels):
            part = comparison.set_of(place, kind)
            shares = np.full(1, np.nan) if part is None else getattr(part.counts, rate)
            line = {"width": 2, "dash": LINES[looks[place][1]]}
            trace = _curve(shares, f"{_name(label)} {what}", place, row, {"line": line})
            if comparison.n_channels is None:
                trace["x"] = (100 * np.arange(len(shares)) / max(len(shares) - 1, 1)).tolist()
            traces.append(trace)
    return _panels(comparison.n_channels, traces, headings)


def _panels(
    n_channels: int | None, traces: list[dict[str, Any]], panels: dict[str, tuple[float, float]]
) -> dict[str, Any]:
    """Return curves in panels above each other: heading, then lower and upper edge of each.

    Over ``n_pruned`` with the share above, or over shares alone without a number of channels.
    """
    import plotly.graph_objects as go

    figure = go.Figure(layout=page_layout(hovermode="x unified", hoversubplots="axis"))
    for trace in traces:
        figure.add_trace(go.Scatter(**trace))
    last = "y" if len(panels) == 1 else f"y{len(panels)}"
    figure.update_xaxes(anchor=last, **_step_axis(n_channels))
    share = {"range": [-3, 104], "ticksuffix": "%", "fixedrange": True, "zeroline": False}
    for row, (text, (low, top)) in enumerate(panels.items()):
        figure.update_layout({f"yaxis{row + 1 if row else ''}": {"domain": [low, top], **share}})
        figure.add_annotation(
            text=text, x=0, y=top, xref="paper", yref="paper", xanchor="left", yanchor="bottom",
            showarrow=False, name="heading",
        )  # fmt: skip
    _add_shares(figure, n_channels)
    return figure_json(figure)


def roc_curves(result: SweepRecord) -> dict[str, Any] | None:
    """Return the ROC of every pair of sets; None without a backdoored set."""
    found = [
        (plain(backdoored), result, clean, backdoored)
        for clean, backdoored in pairs(result)
        if backdoored is not None
    ]
    groups = [list(result.sets).index(backdoored) for *_, backdoored in found]
    return roc_chart(found, groups) if found else None


def roc_chart(
    curves: Sequence[tuple[str, SweepRecord, str, str]], groups: Sequence[int] | None = None
) -> dict[str, Any]:
    """Return detection rate over false alarm rate, percent.

    The traces are a line and a one-point marker for each curve, then the diagonal.

    Parameters
    ----------
    curves : sequence of (str, SweepRecord, str, str)
        Name to show, sweep, clean set and backdoored set of each curve.
    groups : sequence of int, optional
        I of each curve's ``legendgroup`` ``"setI"``; its place by default.
    """
    import plotly.graph_objects as go

    figure = go.Figure(layout=page_layout(hovermode="closest"))
    ring = {"size": 15, "symbol": "circle-open", "line": {"width": 3}}
    places = range(len(curves)) if groups is None else groups
    for place, (name, result, clean, backdoored) in zip(places, curves, strict=True):
        group = {"legendgroup": f"set{place}"}
        figure.add_trace(go.Scatter(**_roc_trace(name, result, clean, backdoored), **group))
        here = {"x": [None], "y": [None], "name": "here", "hoverinfo": "skip"}
        figure.add_trace(go.Scatter(**here, mode="markers", marker=ring, **group))
    ends = {"x": [0, 100], "y": [0, 100], "mode": "lines", "hoverinfo": "skip"}
    figure.add_trace(go.Scatter(**ends, line={"dash": "dot", "width": 1}))
    axis = {"range": [-2, 102], "ticksuffix": "%", "zeroline": False}
    figure.update_xaxes(title_text="false alarm rate", **axis)
    figure.update_yaxes(title_text="detection rate", **axis)
    return figure_json(figure)


def bars(result: SweepRecord) -> dict[str, Any]:
    """Return the mean activation of each channel, in pruning order."""
    import plotly.graph_objects as go

    channels = result.order.tolist()
    heights = [float(result.activations[channel]) for channel in channels]
    texts = [
        f"channel {channel}<br>mean activation {height:.4g}<br>n_pruned {step}"
        for step, (channel, height) in enumerate(zip(channels, heights, strict=True), start=1)
    ]
    if result.scores is not None and not np.array_equal(result.scores, result.activations):
        scores = [f"{result.scores[channel]:.4g}" for channel in channels]
        texts = [f"{text}<br>score {score}" for text, score in zip(texts, scores, strict=True)]
    figure = go.Figure(layout=page_layout(hovermode="closest", bargap=0.15))
    x = list(range(1, len(channels) + 1))
    hover = "%{customdata}<extra></extra>"
    figure.add_trace(go.Bar(x=x, y=heights, customdata=texts, hovertemplate=hover))
    figure.update_xaxes(**_step_axis(result.n_channels))
    known = np.array(heights)
    limits = log_limits(known[np.isfinite(known) & (known != 0)])
    if limits is None:
        figure.update_yaxes(title_text="mean activation", fixedrange=True, rangemode="tozero")
    else:
        ends = [math.log10(end) for end in limits]
        figure.update_yaxes(
            title_text="mean activation, log scale", type="log", range=ends, fixedrange=True,
            dtick=1, exponentformat="power",
        )  # fmt: skip
        dead = [at for at, height in enumerate(heights) if not height]
        figure.add_trace(
            go.Scatter(
                x=[at + 1 for at in dead], y=[1.25 * limits[0]] * len(dead), mode="markers",
                marker={"symbol": "x", "size": 6}, customdata=[texts[at] for at in dead],
                hovertemplate=hover,
            )
        )  # fmt: skip
    _add_shares(figure, result.n_channels)
    return figure_json(figure)


def histogram() -> dict[str, Any]:
    """Return an empty histogram of classes by accuracy; the page fills it at every step."""
    import plotly.graph_objects as go

    figure = go.Figure(layout=page_layout(hovermode="closest", bargap=0.08))
    hover = "accuracy %{customdata}<br>classes: %{y}<extra></extra>"
    figure.add_trace(go.Bar(x=[], y=[], customdata=[], hovertemplate=hover))
    figure.update_xaxes(title_text="accuracy of the class", ticksuffix="%", range=[-1, 101])
    figure.update_yaxes(title_text="classes", fixedrange=True, rangemode="tozero")
    return figure_json(figure)


def _set_traces(result: SweepRecord, part: SetResult, index: int, of: int) -> list[dict[str, Any]]:
    """Return the curves of B′ (pale and wide), G (dashed) and what G flags of one set."""
    counts, name, place = part.counts, _name(part.name), list(result.sets).index(part.name)
    rate, flag = RATES[part.kind], FLAGS[part.kind]
    # The wide line of the first shows beside that of the next where both run at 100 percent.
    solid = {"line": {"width": 2.0 + 1.6 * min(of - 1 - index, 4)}}
    # Marks of one set stand between those of the others.
    steps = result.n_channels
    period = of * max(1, round(steps / MARKS)) if steps > FEW else 1
    first = index * period // of
    sizes = [8 * ((step - first) % period == 0) for step in range(steps + 1)]
    marks = {"symbol": SHAPES[part.kind], "size": sizes, "opacity": 1, "line": {"width": 1.6}}
    dashed = {"line": {"width": 1.2, "dash": "dash"}, "mode": "lines+markers", "marker": marks}
    return [
        _curve(counts.rate, f"{name} {rate} {PRIME}", place, 0, solid),
        _curve(counts.goodnet_rate, f"{name} {rate} G", place, 0, dashed),
        _curve(counts.flagged_rate, f"{name} {flag}", place, 1, {"line": {"width": 2.2}}),
    ]


def _curve(
    shares: NDArray[np.float64], words: str, place: int, row: int, style: dict[str, Any]
) -> dict[str, Any]:
    """Return one curve over ``n_pruned``, with `words` before its value under the pointer."""
    return {
        "x": list(range(len(shares))),
        "y": [None if share != share else share for share in (100 * shares).tolist()],
        "customdata": [percent(share) for share in shares],
        "mode": "lines",
        "meta": [words],
        "hovertemplate": "%{meta[0]} %{customdata}%<extra></extra>",
        "legendgroup": f"set{place}",
        "yaxis": f"y{row + 1}" if row else "y",
        **style,
    }


def _roc_trace(name: str, result: SweepRecord, clean: str, backdoored: str) -> dict[str, Any]:
    curve = roc(detection(result, clean, backdoored))
    steps = [f"n_pruned {step}" if step >= 0 else "end" for step in curve.n_pruned.tolist()]
    lines = ("%{meta[0]}", "%{customdata}", "false alarms %{x:.2f}%", "detected %{y:.2f}%")
    return {
        "x": (100 * curve.fpr).tolist(),
        "y": (100 * curve.tpr).tolist(),
        "customdata": steps,
        "meta": [_name(name)],
        "mode": "lines+markers",
        "line": {"width": 2},
        "marker": {"size": 5},
        "hovertemplate": "<br>".join(lines) + "<extra></extra>",
    }


def _name(name: str) -> str:
    return escape(plain(name), quote=False)


def _step_axis(n_channels: int | None) -> dict[str, Any]:
    """Return an axis of ``n_pruned``, or of shares without a number of channels."""
    if n_channels is None:
        title = {"text": "%{x:.1f}% pruned"}
        words = "share of the prune layer's channels pruned"
        more = {"ticksuffix": "%", "title_text": words, "unifiedhovertitle": title}
        return {"range": [-1, 101], "zeroline": False, **more}
    edge = max(0.01 * n_channels, 0.5)
    title = {"text": "n_pruned %{x}"}
    more = {"tickformat": "d", "title_text": "n_pruned", "unifiedhovertitle": title}
    return {"range": [-edge, n_channels + edge], "zeroline": False, **more}


def _add_shares(figure: Any, n_channels: int | None) -> None:
    """Write the share of the channels pruned above a figure over ``n_pruned``."""
    for share in range(0, 101, 10) if n_channels is not None else ():
        figure.add_annotation(
            text=f"{share}%", x=share / 100 * (n_channels or 0), y=1, xref="x", yref="paper",
            yanchor="bottom", showarrow=False, name="share", font={"size": 10.5}, opacity=0.75,
        )  # fmt: skip


def page_layout(**more: Any) -> dict[str, Any]:
    """Return what the layouts of all figures share; the page's script sets the colours."""
    font = {"family": "system-ui, sans-serif", "size": 12.5}
    return {"template": "none", "margin": MARGIN, "font": font, "showlegend": False, **more}


def figure_json(figure: Any) -> dict[str, Any]:
    """Return data and layout of a figure as values that JSON knows."""
    found: dict[str, Any] = figure.to_plotly_json()
    return {"data": found["data"], "layout": found["layout"]}
