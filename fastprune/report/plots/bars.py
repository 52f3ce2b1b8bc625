"""Bars of what G does at every drop X."""

from __future__ import annotations

from typing import Any

from fastprune.report.plots.canvas import new_figure
from fastprune.report.plots.palette import colours
from fastprune.report.plots.style import FAINT, GRID, headline, percent_axis
from fastprune.report.text.words import drop_words, network_words, percent, plain
from fastprune.results.crossings import BADNET
from fastprune.results.record import SetResult, SweepRecord
from fastprune.results.set_pairs import measuring

NAMES = {
    "clean": ("clean accuracy of G", "false alarm rate"),
    "backdoored": ("ASR of G", "detection rate"),
}
PANEL = 3.1
"""Height of a panel with its labels, inches."""


def goodnet(result: SweepRecord) -> Any:
    """Draw G per drop X: clean accuracy and false alarms, ASR and detection; a panel per set.

    Clean sets stand at the left, backdoored sets at the right. Sets that chose are drawn only where
    no other set is of their kind.
    """
    stacks = [parts for kind in NAMES if (parts := measuring(result, kind))]
    rows = max(map(len, stacks))
    high = PANEL * rows + 0.5
    wide = max(5.2, 0.75 + 0.92 * (1 + len(result.drops)))
    figure = new_figure(wide * len(stacks), high)
    tints = colours(result)
    for column, parts in enumerate(stacks):
        for row, part in enumerate(parts):
            left, bottom = wide * column + 0.6, PANEL * (rows - 1 - row) + 0.5
            place = (left / (wide * len(stacks)), bottom / high)
            size = ((wide - 0.75) / (wide * len(stacks)), (PANEL - 1.05) / high)
            _panel(figure.add_axes((*place, *size)), result, part, tints[part.name])
    headline(figure, 0.6, f"G at each drop: {network_words(result)}", drop_words(result))
    return figure


def _panel(axes: Any, result: SweepRecord, part: SetResult, tint: str) -> None:
    """Draw one set's bars; B is the first group, a drop that is never crossed has no bars."""
    rows = result.drop_rows
    known = [(place, at.step) for place, at in enumerate(rows) if at.step is not None]
    styles = ({"color": tint}, {"color": "white", "edgecolor": tint, "hatch": "////"})
    for side, rates, style, label in zip(
        (-0.2, 0.2),
        (part.counts.goodnet_rate, part.counts.flagged_rate),
        styles,
        NAMES[part.kind],
        strict=True,
    ):
        bars = axes.bar(
            [place + side for place, _ in known],
            [rates[step] for _, step in known],
            0.38,
            label=label,
            linewidth=1,
            **style,
        )
        axes.bar_label(bars, [percent(rates[step]) for _, step in known], fontsize=8, padding=2)
    names = []
    for place, at in enumerate(rows):
        if at.step is None:
            axes.text(place, 0.03, "never crossed", rotation=90, ha="center", color=FAINT)
        name = at.label if at is BADNET else f"X={at.label}"
        names.append(f"{name}\n" + ("-" if at.step is None else f"{at.step} pruned"))
    axes.set_xticks(range(len(rows)), names)
    axes.tick_params(axis="x", length=0)
    axes.set(xlim=(-0.5, len(rows) - 0.5), ylim=(0, 1.08))
    percent_axis(axes.yaxis)
    axes.grid(axis="y", **GRID)
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(-0.01, 1.0),
        ncols=2,
        title=f"{plain(part.name)}, {part.counts.images} {part.kind} images",
        alignment="left",
        borderpad=0,
    )
