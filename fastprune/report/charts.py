"""The interactive figures of the HTML page, as plotly's JSON.

Names are escaped: plotly reads ``<b>`` and ``<a href>`` in text as markup. Colours are left to the
page, which has a set of its own for light and for dark.
"""

from __future__ import annotations

from html import escape
from typing import Any

import numpy as np

from fastprune.detector import detection, roc
from fastprune.pairing import pairs
from fastprune.report.words import PRIME, of_kind, percent, plain
from fastprune.result import SetResult, SweepResult

RATES = {"clean": "accuracy", "backdoored": "ASR"}
FLAGS = {"clean": "false alarms", "backdoored": "detected"}
DASHES = ("7px,5px", "2px,4px", "12px,4px,2px,4px", "4px,8px")
"""Dashes of G's curves, a pattern for each set of a kind."""
MARGIN = {"l": 54, "r": 14, "t": 30, "b": 44}


def curves(result: SweepResult) -> dict[str, Any]:
    """Return rates of B′ and G above, what G flags below, over ``n_pruned``; percent.

    ``legendgroup`` of a trace is ``"setI"``, I the set's place in ``result.sets``.
    """
    import plotly.graph_objects as go

    figure = go.Figure(layout=_layout(hovermode="x unified", hoversubplots="axis"))
    for kind in RATES:
        parts = of_kind(result, kind)
        for index, part in enumerate(parts):
            for look in _set_traces(result, part, index, len(parts)):
                figure.add_trace(go.Scatter(**look))
    title = {"text": "n_pruned %{x}"}
    figure.update_xaxes(
        title_text="n_pruned", anchor="y2", unifiedhovertitle=title, **_steps(result)
    )
    share = {"range": [-2, 103], "ticksuffix": "%", "fixedrange": True, "zeroline": False}
    figure.update_layout(
        yaxis={"domain": [0.46, 1], **share},
        yaxis2={"domain": [0, 0.36], **share},
    )
    headings = {f"Clean accuracy and ASR: {PRIME} pale, G dashed": 1.0, "Flagged by G": 0.36}
    for text, top in headings.items():
        figure.add_annotation(
            text=text, x=0, y=top, xref="paper", yref="paper", xanchor="left", yanchor="bottom",
            showarrow=False, name="heading",
        )  # fmt: skip
    return _as_json(figure)


def roc_curves(result: SweepResult) -> dict[str, Any] | None:
    """Return detection rate over false alarm rate, percent; None without a backdoored set.

    The traces are a line and a one-point marker for each pair of sets, then the diagonal.
    """
    import plotly.graph_objects as go

    figure = go.Figure(layout=_layout(hovermode="closest"))
    ring = {"size": 15, "symbol": "circle-open", "line": {"width": 3}}
    for clean, backdoored in pairs(result):
        if backdoored is not None:
            group = {"legendgroup": _group(result, backdoored)}
            figure.add_trace(go.Scatter(**_roc_trace(result, clean, backdoored), **group))
            here = {"x": [None], "y": [None], "name": "here", "hoverinfo": "skip"}
            figure.add_trace(go.Scatter(**here, mode="markers", marker=ring, **group))
    if not figure.data:
        return None
    ends = {"x": [0, 100], "y": [0, 100], "mode": "lines", "hoverinfo": "skip"}
    figure.add_trace(go.Scatter(**ends, line={"dash": "dot", "width": 1}))
    axis = {"range": [-2, 102], "ticksuffix": "%", "zeroline": False}
    figure.update_xaxes(title_text="false alarm rate", **axis)
    figure.update_yaxes(title_text="detection rate", **axis)
    return _as_json(figure)


def bars(result: SweepResult) -> dict[str, Any]:
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


def _set_traces(
    result: SweepResult, part: SetResult, index: int, of: int
) -> list[dict[str, Any]]:
    """Return the curves of B′ (pale and wide), G (dashed) and what G flags of one set."""
    counts, name, group = part.counts, _name(part.name), _group(result, part.name)
    rate, flag = RATES[part.kind], FLAGS[part.kind]
    # The wide line of the first shows beside that of the next where both run at 100 percent.
    wide = 4.0 + 2.5 * min(of - 1 - index, 3)
    looks: tuple[tuple[Any, str, str, dict[str, Any]], ...] = (
        (counts.rate, f"{rate} {PRIME}", "y", {"line": {"width": wide}, "opacity": 0.38}),
        (counts.goodnet_rate, f"{rate} G", "y",
         {"line": {"width": 2, "dash": DASHES[index % len(DASHES)]}}),
        (counts.flagged_rate, flag, "y2", {"line": {"width": 2.2}}),
    )  # fmt: skip
    return [
        {
            "x": list(range(result.n_channels + 1)),
            "y": (100 * shares).tolist(),
            "customdata": [percent(share) for share in shares],
            "mode": "lines",
            "meta": [f"{name} {what}"],
            "hovertemplate": "%{meta[0]} %{customdata}%<extra></extra>",
            "legendgroup": group,
            "yaxis": axis,
            **look,
        }
        for shares, what, axis, look in looks
    ]


def _roc_trace(result: SweepResult, clean: str, backdoored: str) -> dict[str, Any]:
    found = roc(detection(result, clean, backdoored))
    steps = [f"n_pruned {step}" if step >= 0 else "end" for step in found.n_pruned.tolist()]
    lines = ("%{meta[0]}", "%{customdata}", "false alarms %{x:.2f}%", "detected %{y:.2f}%")
    return {
        "x": (100 * found.fpr).tolist(),
        "y": (100 * found.tpr).tolist(),
        "customdata": steps,
        "meta": [_name(backdoored)],
        "mode": "lines+markers",
        "line": {"width": 2},
        "marker": {"size": 5},
        "hovertemplate": "<br>".join(lines) + "<extra></extra>",
    }


def _name(name: str) -> str:
    return escape(plain(name), quote=False)


def _group(result: SweepResult, name: str) -> str:
    return f"set{list(result.sets).index(name)}"


def _steps(result: SweepResult) -> dict[str, Any]:
    edge = 0.01 * result.n_channels
    ends = [-max(edge, 0.5), result.n_channels + max(edge, 0.5)]
    return {"range": ends, "zeroline": False, "tickformat": "d"}


def _layout(**more: Any) -> dict[str, Any]:
    font = {"family": "system-ui, sans-serif", "size": 12.5}
    return {"template": "none", "margin": MARGIN, "font": font, "showlegend": False, **more}


def _as_json(figure: Any) -> dict[str, Any]:
    found: dict[str, Any] = figure.to_plotly_json()
    return {"data": found["data"], "layout": found["layout"]}
