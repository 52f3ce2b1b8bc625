"""How every plot looks: line styles, axes of shares and steps, and the marks of the crossings."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

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
    # Put together to one picture, those of the samples take 0.3 s in an SVG instead of 0.1.
    "image.composite_image": False,
    # Text stays text, and the ids that matplotlib draws at random are the same in every run.
    "svg.fonttype": "none",
    "svg.hashsalt": "fastprune",
}
"""Settings of a plot, so that a user's own matplotlibrc changes none."""

INK, FAINT = "#222222", "#777777"
FLAGGED = "#C2185B"
"""Colour of what G flags."""

SHAPES = {"clean": "o", "backdoored": "s"}
"""Marks of G's curves by the kind of the set."""
MARKS, FEW = 48, 12
"""Marks of all curves of G together, and steps up to which every one has a mark."""
ABOVE = 0.26
"""Height of the axis of shares above a plot and of its label, inches."""

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


def line_styles(
    index: int, of: int, kind: str, steps: int
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return how B′ and G are drawn for one set of several that may coincide.

    B′ is a solid line, thinner for each further set, so that the first shows beside the second. G
    is thin dashes with open marks, circles on clean sets and squares on backdoored ones: they show
    on the line of B′ where both coincide, and those of one set stand between those of the others.

    Parameters
    ----------
    index, of : int
        Place of the set among all, and how many there are.
    kind : {"clean", "backdoored"}
        Its kind.
    steps : int
        Steps drawn.
    """
    width = 1.5 + min(0.9 * (of - 1 - index), 3.6)
    repaired = {"linestyle": "-", "linewidth": width, "solid_capstyle": "butt"}
    period = of * max(1, round(steps / MARKS)) if steps > FEW else 1
    goodnet = {
        "linestyle": "--", "linewidth": 0.9, "marker": SHAPES[kind], "markersize": 4.6,
        "markerfacecolor": "white", "markeredgewidth": 1.1,
        "markevery": (index * period // of, period),
    }  # fmt: skip
    return repaired, goodnet


def percent_axis(axis: Any) -> None:
    """Label an axis of shares in percent, at round numbers."""
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    axis.set_major_formatter(lambda share, _: f"{100 * share:.4g}%")


def step_axes(axes: Any, n_channels: int, first: int = 0) -> None:
    """Give axes ``n_pruned`` from `first` on for x, and the share of the channels pruned above."""
    from matplotlib.ticker import MaxNLocator

    axes.set_xlim(first, n_channels)
    axes.xaxis.set_major_locator(MaxNLocator(12, integer=True, steps=[1, 2, 5, 10]))
    above = axes.secondary_xaxis(
        "top", functions=(lambda step: step / n_channels, lambda share: share * n_channels)
    )
    percent_axis(above.xaxis)
    above.tick_params(labelsize=8.5, length=2.5, pad=1.5, color=FAINT, labelcolor=FAINT)
    above.spines["top"].set(visible=True, color="#cccccc")


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


def headed(
    axes: Any, title: str, below: str, marks: Mapping[float, str], *, above: float = 0.0
) -> None:
    """Give axes their title, a line of explanation, and the marks of the crossings under both.

    Parameters
    ----------
    axes : matplotlib Axes
        Its x limits are set; its top moves down to make room.
    title, below : str
        The bold line and the plain line under it.
    marks : dict of float to str
        Label of each position that a vertical line marks.
    above : float
        Inches of an axis between the plot and the labels of the crossings.
    """
    figure = axes.figure
    rows = mark_crossings(axes, marks, above=above)
    box = axes.get_position()
    top = 1 - (0.62 + above + ROW * rows) / figure.get_figheight()
    axes.set_position((box.x0, box.y0, box.width, top - box.y0))
    headline(figure, box.x0 * figure.get_figwidth(), title, below)


def mark_crossings(axes: Any, marks: Mapping[float, str], *, above: float = 0.0) -> int:
    """Draw a vertical line at each crossing with its label above the axes; return rows of labels.

    Labels beside each other that would touch stand in rows above each other, `above` inches up.
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
            xytext=(0, 4 + 72 * (above + ROW * row)),
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
