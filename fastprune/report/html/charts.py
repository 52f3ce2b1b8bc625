"""The interactive figures of the HTML page, as plotly's JSON.

Names are escaped: plotly reads ``<b>`` and ``<a href>`` in text as markup. Colours are left to the
page, which has a set of its own for light and for dark.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastprune.report.text.words import PRIME, percent, plain
from fastprune.results.comparison_record import ComparisonRecord
from fastprune.results.detection import detection, roc
from fastprune.results.record import SetResult, SweepRecord
from fastprune.results.set_pairs import of_kind, pairs

RATES = {"clean": "accuracy", "backdoored": "ASR"}
FLAGS = {"clean": "false alarms", "backdoored": "detected"}
DASHES = ("7px,5px", "2px,4px", "12px,4px,2px,4px", "4px,8px")
"""Dashes of G's curves, a pattern for each set of a kind."""
MARGIN = {"l": 54, "r": 14, "t": 30, "b": 44}


def curves(result: SweepRecord) -> dict[str, Any]:
    """Return rates of B′ and G above, what G flags below, over ``n_pruned``; percent.

    ``legendgroup`` of a trace is ``"setI"``, I the set's place in ``result.sets``.
    """
    traces = []
    for kind in RATES:
        parts = of_kind(result, kind)
        for index, part in enumerate(parts):
            traces += _set_traces(result, part, index, len(parts))
    headings = (f"Clean accuracy and ASR: {PRIME} pale, G dashed", "Flagged by G")
    return _panels(result, traces, dict(zip(headings, ((0.46, 1.0), (0.0, 0.36)), strict=True)))


def order_curves(comparison: ComparisonRecord) -> dict[str, Any]:
    """Return clean accuracy, ASR and what G flags over ``n_pruned``, a line per order; percent.

    ``legendgroup`` of a trace is ``"setI"``, I the order's place.
    """
    panels = [("accuracy", comparison.clean, "rate", f"Clean accuracy of {PRIME} on")]
    if comparison.backdoored:
        panels.append(("ASR", comparison.backdoored, "rate", f"ASR of {PRIME} on"))
        panels.append(("detected", comparison.backdoored, "flagged_rate", "Flagged by G of"))
    panels.append(("false alarm", comparison.clean, "flagged_rate", "Flagged by G of"))
    gap = 0.08
    high = (1 + gap) / len(panels)
    headings, traces = {}, []
    for row, (what, name, rate, heading) in enumerate(panels):
        headings[f"{heading} {_name(name)}"] = (max(1 - (row + 1) * high + gap, 0), 1 - row * high)
        for place, result in enumerate(comparison.results):
            shares = getattr(result.sets[name].counts, rate)
            meta = f"{_name(result.order_name)} {what}"
            line = {"width": 2, "dash": "dash" if result.oracle else "solid"}
            traces.append(_curve(shares, meta, place, row, {"line": line}))
    return _panels(comparison.results[0], traces, headings)


def _panels(
    result: SweepRecord, traces: list[dict[str, Any]], panels: dict[str, tuple[float, float]]
) -> dict[str, Any]:
    """Return curves in panels above each other: heading, then lower and upper edge of each."""
    import plotly.graph_objects as go

    figure = go.Figure(layout=_layout(hovermode="x unified", hoversubplots="axis"))
    for trace in traces:
        figure.add_trace(go.Scatter(**trace))
    last = "y" if len(panels) == 1 else f"y{len(panels)}"
    title = {"text": "n_pruned %{x}"}
    figure.update_xaxes(
        title_text="n_pruned", anchor=last, unifiedhovertitle=title, **_steps(result)
    )
    share = {"range": [-3, 104], "ticksuffix": "%", "fixedrange": True, "zeroline": False}
    for row, (text, (low, top)) in enumerate(panels.items()):
        figure.update_layout({f"yaxis{row + 1 if row else ''}": {"domain": [low, top], **share}})
        figure.add_annotation(
            text=text, x=0, y=top, xref="paper", yref="paper", xanchor="left", yanchor="bottom",
            showarrow=False, name="heading",
        )  # fmt: skip
    return _as_json(figure)


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

    figure = go.Figure(layout=_layout(hovermode="closest"))
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
    return _as_json(figure)


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
    figure = go.Figure(layout=_layout(hovermode="closest", bargap=0.15))
    x = list(range(1, len(channels) + 1))
    hover = "%{customdata}<extra></extra>"
    figure.add_trace(go.Bar(x=x, y=heights, customdata=texts, hovertemplate=hover))
    figure.update_xaxes(title_text="n_pruned", **_steps(result))
    figure.update_yaxes(title_text="mean activation", fixedrange=True, rangemode="tozero")
    return _as_json(figure)


def histogram() -> dict[str, Any]:
    """Return an empty histogram of classes by accuracy; the page fills it at every step."""
    import plotly.graph_objects as go

    figure = go.Figure(layout=_layout(hovermode="closest", bargap=0.08))
    hover = "accuracy %{customdata}<br>classes: %{y}<extra></extra>"
    figure.add_trace(go.Bar(x=[], y=[], customdata=[], hovertemplate=hover))
    figure.update_xaxes(title_text="accuracy of the class", ticksuffix="%", range=[-1, 101])
    figure.update_yaxes(title_text="classes", fixedrange=True, rangemode="tozero")
    return _as_json(figure)


def _set_traces(result: SweepRecord, part: SetResult, index: int, of: int) -> list[dict[str, Any]]:
    """Return the curves of B′ (pale and wide), G (dashed) and what G flags of one set."""
    counts, name, place = part.counts, _name(part.name), list(result.sets).index(part.name)
    rate, flag = RATES[part.kind], FLAGS[part.kind]
    # The wide line of the first shows beside that of the next where both run at 100 percent.
    pale = {"line": {"width": 4.0 + 2.5 * min(of - 1 - index, 3)}, "opacity": 0.38}
    dashed = {"line": {"width": 2, "dash": DASHES[index % len(DASHES)]}}
    return [
        _curve(counts.rate, f"{name} {rate} {PRIME}", place, 0, pale),
        _curve(counts.goodnet_rate, f"{name} {rate} G", place, 0, dashed),
        _curve(counts.flagged_rate, f"{name} {flag}", place, 1, {"line": {"width": 2.2}}),
    ]


def _curve(
    shares: NDArray[np.float64], words: str, place: int, row: int, style: dict[str, Any]
) -> dict[str, Any]:
    """Return one curve over ``n_pruned``, with `words` before its value under the pointer."""
    return {
        "x": list(range(len(shares))),
        "y": (100 * shares).tolist(),
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


def _steps(result: SweepRecord) -> dict[str, Any]:
    edge = 0.01 * result.n_channels
    ends = [-max(edge, 0.5), result.n_channels + max(edge, 0.5)]
    return {"range": ends, "zeroline": False, "tickformat": "d"}


def _layout(**more: Any) -> dict[str, Any]:
    font = {"family": "system-ui, sans-serif", "size": 12.5}
    return {"template": "none", "margin": MARGIN, "font": font, "showlegend": False, **more}


def _as_json(figure: Any) -> dict[str, Any]:
    found: dict[str, Any] = figure.to_plotly_json()
    return {"data": found["data"], "layout": found["layout"]}
