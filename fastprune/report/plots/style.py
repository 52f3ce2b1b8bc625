"""How every plot looks: colours, line styles, percent axes, and the marks of the crossings."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from fastprune.results.record import SweepRecord
from fastprune.results.set_pairs import of_kind

RC = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9.5,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#555555",
    "axes.axisbelow": True,
    "axes.facecolor": "white",
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "savefig.bbox": None,
    "legend.frameon": False,
    "text.color": "#222222",
    "text.usetex": False,
    # A name may hold "$": it is text, not mathematics.
    "text.parse_math": False,
    "hatch.linewidth": 0.7,
    # Text stays text, and the ids that matplotlib draws at random are the same in every run.
    "svg.fonttype": "none",
    "svg.hashsalt": "fastprune",
}
"""Settings of a plot, so that a user's own matplotlibrc changes none."""

# From Okabe and Ito's and P. Tol's palettes, which colour-blind readers tell apart: cold colours
# for clean sets, warm ones for backdoored sets.
COLOURS = {
    "clean": ("#0072B2", "#009E73", "#56B4E9", "#332288"),
    "backdoored": ("#D55E00", "#CC79A7", "#E69F00", "#882255"),
}
INK, FAINT = "#222222", "#777777"
FLAGGED = "#C2185B"
"""Colour of what G flags."""

ROW = 0.17
"""Height of a row of crossing labels, inches."""
DOTS = (0, (1, 1.5))
GRID = {"color": "#e4e4e4", "linewidth": 0.8}


@contextmanager
def settings() -> Iterator[None]:
    """Apply :data:`RC` over matplotlib's own defaults for a while."""
    from matplotlib import rc_context, rcdefaults, rcParams

    with rc_context(), warnings.catch_warnings():
        rcdefaults()
        rcParams.update(RC)
        # Names may hold letters that the font lacks; the SVG shows them all the same.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        yield


def colours(result: SweepRecord) -> dict[str, str]:
    """Return the colour of every set: cold where it is clean, warm where it is backdoored."""
    return {
        part.name: COLOURS[kind][index % len(COLOURS[kind])]
        for kind in COLOURS
        for index, part in enumerate(of_kind(result, kind))
    }


def line_styles(index: int, of: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the line styles of B′ and G for one set of several that may coincide.

    B′ is a pale solid line, thinner for each further set, so that the first shows beside the
    second. G is dashes, those of one set in the gaps of the others.
    """
    width = 2.6 + min(1.3 * (of - 1 - index), 4.0)
    repaired = {"linestyle": "-", "linewidth": width, "alpha": 0.38}
    dash = 4.0
    goodnet = {"linestyle": (-2 * dash * index, (dash, dash * (2 * of - 1))), "linewidth": 1.5}
    return repaired, {**goodnet, "dash_capstyle": "butt"}


def percent_axis(axis: Any) -> None:
    """Label an axis of shares in percent, at round numbers."""
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    axis.set_major_formatter(lambda share, _: f"{100 * share:.4g}%")


def legends(figure: Any, left: float, top: float, groups: Mapping[str, list[Any]]) -> None:
    """Stack a legend per group with handles, from a point in shares of the figure downwards."""
    for heading, handles in groups.items():
        if not handles:
            continue
        legend = figure.legend(
            handles=handles,
            title=heading,
            loc="upper left",
            bbox_to_anchor=(left, top),
            alignment="left",
            handlelength=3.4,
            borderaxespad=0,
        )
        legend.get_title().set_fontweight("bold")
        top -= (0.21 * (len(handles) + 1) + 0.22) / figure.get_figheight()


def headline(figure: Any, left: float, title: str, below: str) -> None:
    """Write a bold title and a plain line under it, `left` inches from the left edge.

    Lines too long for the figure are set smaller.
    """
    high, room = figure.get_figheight(), figure.get_figwidth() - left - 0.1
    # Inches that a letter takes for every point of its size, bold and plain.
    for text, top, size, inches, weight in (
        (title, 0.14, 11.0, 0.0091, "bold"),
        (below, 0.38, 9.5, 0.0079, "normal"),
    ):
        size = min(size, room / (inches * len(text)))
        place = (left / figure.get_figwidth(), 1 - top / high)
        figure.text(*place, text, va="top", fontsize=size, weight=weight)


def headed(axes: Any, title: str, below: str, marks: Mapping[float, str]) -> None:
    """Give axes their title, a line of explanation, and the marks of the crossings under both.

    Parameters
    ----------
    axes : matplotlib Axes
        Its x limits are set; its top moves down to make room.
    title, below : str
        The bold line and the plain line under it.
    marks : dict of float to str
        Label of each position that a vertical line marks.
    """
    figure = axes.figure
    rows = mark_crossings(axes, marks)
    box = axes.get_position()
    top = 1 - (0.62 + ROW * rows) / figure.get_figheight()
    axes.set_position((box.x0, box.y0, box.width, top - box.y0))
    headline(figure, box.x0 * figure.get_figwidth(), title, below)


def mark_crossings(axes: Any, marks: Mapping[float, str]) -> int:
    """Draw a vertical line at each crossing with its label above the axes; return rows of labels.

    Labels beside each other that would touch stand in rows above each other.
    """
    low, high = axes.get_xlim()
    inches = axes.figure.get_figwidth() * axes.get_position().width
    ends: list[float] = []
    for place, label in marks.items():
        # 0.075 inches a letter at 8.5 points, and a gap.
        half = (0.075 * len(label) + 0.12) / 2
        middle = (place - low) / (high - low) * inches
        row = next((row for row, end in enumerate(ends) if end <= middle - half), len(ends))
        ends[row : row + 1] = [middle + half]
        axes.axvline(place, color=FAINT, linewidth=0.9, linestyle=DOTS, zorder=1.5)
        line = {"arrowstyle": "-", "color": FAINT, "linewidth": 0.9, "linestyle": DOTS}
        axes.annotate(
            label,
            (place, 1),
            xycoords=("data", "axes fraction"),
            xytext=(0, 4 + 72 * ROW * row),
            textcoords="offset points",
            ha="center",
            va="bottom",
            fontsize=8.5,
            # A label hides the line of the one above it.
            zorder=9 - row,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5},
            arrowprops={**line, "shrinkA": 0, "shrinkB": 0},
        )
    return len(ends)
