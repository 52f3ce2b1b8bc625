"""Curves over the steps of a sweep: accuracy and attack success, activations, detection."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastprune.report.plots.canvas import new_figure
from fastprune.report.plots.palette import TINTS, colours
from fastprune.report.plots.style import (
    ABOVE,
    DOTS,
    FAINT,
    GRID,
    INK,
    ROW,
    headed,
    legends,
    line_styles,
    mark_crossings,
    percent_axis,
    step_axes,
)
from fastprune.report.text.words import (
    PRIME,
    crossed,
    drop_words,
    network_words,
    plain,
)
from fastprune.results.record import SweepRecord
from fastprune.results.set_pairs import companion, measuring, of_kind

SHARES = "above: share of the channels pruned"
"""What a plot over steps says of its axes."""
SHAPES = "sD^vP*hX"
"""Markers of the crossings, in order of their steps."""
OPEN: dict[str, Any] = {"color": INK, "markerfacecolor": "none", "markersize": 9}
KEY_STYLES = line_styles(0, 1, "clean", 1)
"""Lines of B′ and G in a legend."""
LABELLED = 64
"""Channels whose numbers fit under the axis."""


def accuracy_asr(result: SweepRecord) -> Any:
    """Draw clean accuracy and ASR of B′ and G on every set over ``n_pruned``.

    Where the first third and more of the steps change nothing, a second panel shows the rest.
    """
    from matplotlib.lines import Line2D

    last = result.n_channels
    first = first_change(result)
    zoomed = 3 * first >= last
    figure = new_figure(10, 8.8 if zoomed else 5.6)
    low = 0.51 if zoomed else 0.12
    axes = figure.add_axes((0.075, low, 0.69, 0.9 - low))
    _rates(axes, result, 0)
    title = f"Clean accuracy and attack success: {network_words(result)}"
    headed(axes, title, f"{drop_words(result)}; {SHARES}", _marks(result), above=ABOVE)
    if zoomed:
        below = figure.add_axes((0.075, 0.07, 0.69, 0.37))
        _rates(below, result, first)
        rows = mark_crossings(below, _marks(result), above=ABOVE)
        above = (ROW * rows + ABOVE) / figure.get_figheight()
        below.set_position((0.075, 0.07, 0.69, 0.37 - above))
    tints = colours(result)
    keys = {
        kind: [
            Line2D([], [], color=tints[part.name], linewidth=3, label=plain(part.name, 22))
            for part in of_kind(result, kind)
        ]
        for kind in ("clean", "backdoored")
    }
    styles = zip((f"{PRIME} (repaired)", "G (GoodNet)"), KEY_STYLES, strict=True)
    groups = {
        "Clean accuracy": keys["clean"],
        "Attack success rate": keys["backdoored"],
        "Network": [Line2D([], [], color=INK, label=label, **style) for label, style in styles],
    }
    legends(figure, 0.785, axes.get_position().y1, groups)
    return figure


def compact(result: SweepRecord, ink: str) -> Any:
    """Draw what :func:`accuracy_asr` draws in little room: one panel, faint lines at the crossings.

    `ink` is the colour of text and grid; the background may be of any.
    """
    from matplotlib.lines import Line2D

    figure = new_figure(7.6, 2.5)
    axes = figure.add_axes((0.085, 0.19, 0.64, 0.68))
    _rates(axes, result, 0)
    axes.grid(axis="y", color=ink, alpha=0.15, linewidth=0.8)
    for place in _marks(result):
        axes.axvline(place, color=ink, alpha=0.5, linewidth=0.9, linestyle=DOTS, zorder=1.5)
    axes.set_ylabel("in label's class")
    tints = colours(result)
    handles = [
        Line2D([], [], color=tints[part.name], linewidth=3, label=plain(part.name, 22))
        for kind in ("clean", "backdoored")
        for part in of_kind(result, kind)
    ]
    styles = zip((PRIME, "G"), KEY_STYLES, strict=True)
    handles += [Line2D([], [], color=ink, label=label, **style) for label, style in styles]
    for line in (*axes.get_lines(), *handles):
        line.set_markerfacecolor("none")
    legends(figure, 0.745, 0.94, {"Set, network": handles[:10]})
    return figure


def first_change(result: SweepRecord) -> int:
    """Return the last ``n_pruned`` up to which no rate of B′ moves by more than half a point."""
    moved = [
        np.abs(part.counts.rate - part.counts.rate[0]) > 0.005 for part in result.sets.values()
    ]
    steps = np.flatnonzero(np.any(moved, axis=0))
    return max(0, int(steps[0]) - 1) if len(steps) else 0


def _rates(axes: Any, result: SweepRecord, first: int) -> None:
    """Draw the curves of every set from step `first` on."""
    steps = np.arange(result.n_channels + 1)
    tints = colours(result)
    parts = [part for kind in ("clean", "backdoored") for part in of_kind(result, kind)]
    styles = [
        line_styles(index, len(parts), part.kind, result.n_channels - first)
        for index, part in enumerate(parts)
    ]
    # All of B′ first: no line may hide the marks of G.
    for part, (repaired, _) in zip(parts, styles, strict=True):
        label, tint = f"{part.name} {PRIME}", tints[part.name]
        axes.plot(steps, part.counts.rate, label=label, color=tint, **repaired)
    for part, (_, goodnet) in zip(parts, styles, strict=True):
        label, tint = f"{part.name} G", tints[part.name]
        axes.plot(steps, part.counts.goodnet_rate, label=label, color=tint, **goodnet)
    axes.set(ylim=(-0.03, 1.03))
    axes.set_ylabel("images in their label's class")
    start = f", from {first} on" if first else ""
    axes.set_xlabel(f"n_pruned of the {result.n_channels} channels of {_layer(result)}{start}")
    step_axes(axes, result.n_channels, first)
    percent_axis(axes.yaxis)
    axes.grid(axis="y", **GRID)


def _marks(result: SweepRecord) -> dict[float, str]:
    """Return the crossings' labels by step."""
    return {float(step): f"{x} ({step})" for step, x in crossed(result).items()}


def activations(result: SweepRecord) -> Any:
    """Draw the mean activation of every channel in pruning order; dead channels are crosses."""
    figure = new_figure(10, 5.2)
    axes = figure.add_axes((0.09, 0.16, 0.89, 0.6))
    places = np.arange(1, result.n_channels + 1)
    values = result.activations[result.order]
    dead = values == 0
    live = np.isfinite(values) & ~dead
    log = _log_axis(axes, values[live])
    crosses = {"transform": axes.get_xaxis_transform()} if log else {}
    size = 5.0 if result.n_channels <= 128 else 2.5
    base = axes.get_ylim()[0] if log else 0
    axes.vlines(places[live], base, values[live], color="#9ecae1", linewidth=size / 3, zorder=1)
    for chosen, marker, label in (
        (live, "o", "live"),
        (dead, "x", "dead: mean 0"),
        (~live & ~dead, "D", "not a number"),
    ):
        heights = values[chosen] if marker == "o" else np.full(chosen.sum(), 0.03 if log else 0)
        where = {} if marker == "o" else crosses
        tint = TINTS["light"][0] if marker == "o" else "#555555"
        text = f"{label} ({int(chosen.sum())})" if chosen.any() else "_none"
        style = {"linestyle": "none", "marker": marker, "markersize": size, "color": tint}
        axes.plot(places[chosen], heights, label=text, **style, **where)
    axes.set_xlim(0, result.n_channels + 1)
    every = -(-result.n_channels // LABELLED)
    _name_channels(axes, result, every)
    note = "" if every == 1 else f", 1 in {every}"
    words = f"n_pruned; upright: the channel of {_layer(result)} removed there{note}"
    axes.set_xlabel(words, loc="left")
    axes.set_ylabel(f"mean activation on {plain(result.valid)}" + (", log scale" if log else ""))
    axes.grid(axis="y", **GRID)
    marks = {step + 0.5: f"{x} ({step})" for step, x in crossed(result).items()}
    title = f"Channel activations: {network_words(result)}"
    headed(axes, title, f"{drop_words(result)}; {SHARES}", marks, above=ABOVE)
    place = {"loc": "lower right", "bbox_to_anchor": (0.985, 0.012), "borderaxespad": 0}
    figure.legend(ncols=3, handletextpad=0.2, **place)
    return figure


def _name_channels(axes: Any, result: SweepRecord, every: int) -> None:
    """Write a number at the steps, and above them the channel that each step removes."""
    step_axes(axes, result.n_channels)
    axes.set_xlim(0, result.n_channels + 1)
    axes.tick_params(axis="x", length=0, pad=24)
    places = np.arange(1, result.n_channels + 1)[::every]
    axes.xaxis.remove_overlapping_locs = False  # a step that is numbered has a channel too
    names = [str(channel) for channel in result.order[::every]]
    axes.set_xticks(places, names, minor=True)
    axes.tick_params(axis="x", which="minor", labelrotation=90, labelsize=7, length=2, pad=2)


def _log_axis(axes: Any, live: NDArray[np.float64]) -> bool:
    """Give the activations a logarithmic axis where they need one; return whether they do."""
    limits = log_limits(live)
    if limits is None:
        return False
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set_ylim(*limits)
    return True


def log_limits(live: NDArray[np.float64]) -> tuple[float, float] | None:
    """Return the ends of a logarithmic axis of activations; None where a linear one shows all."""
    # Channels of the lab span four decades: on a linear axis most live ones would look dead.
    if not live.size or not 0 < 100 * float(live.min()) < float(live.max()):
        return None
    return float(live.min()) / 4, float(live.max()) * 2


def detector(result: SweepRecord) -> Any | None:
    """Draw G's detection rate over its false alarm rate; None without a backdoored set.

    Every backdoored set stands over the false alarms of its companion, a clean set.
    """
    backdoored = measuring(result, "backdoored")
    if not backdoored:
        return None
    figure = new_figure(8.4, 5.8)
    axes = figure.add_axes((0.09, 0.1, 0.62, 0.7))
    clean = {part.name: companion(result, part.name) for part in backdoored}
    alike = len(set(clean.values())) == 1
    axes.plot([0, 1], [0, 1], color=FAINT, linewidth=0.9, linestyle=DOTS)
    marks = list(crossed(result).items())
    tints = colours(result)
    for part in backdoored:
        alarms = result.sets[clean[part.name]].counts.flagged_rate
        caught = part.counts.flagged_rate
        style = {"color": tints[part.name], "linewidth": 1.6, "markersize": 3}
        axes.plot(alarms, caught, "-o", label=part.name, **style)
        for (step, _), shape in zip(marks, cycle(SHAPES), strict=False):
            axes.plot(alarms[step], caught[step], shape, **OPEN)
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    where = plain(clean[backdoored[0].name]) if alike else "the clean set in brackets"
    axes.set(xlabel=f"false alarm rate on {where}", ylabel="detection rate")
    percent_axis(axes.xaxis)
    percent_axis(axes.yaxis)
    axes.grid(**GRID)
    headed(axes, f"G as a detector: {network_words(result)}", drop_words(result), {})
    names = [
        (name if alike else f"{name} ({other})", tints[name]) for name, other in clean.items()
    ]
    legends(figure, 0.735, axes.get_position().y1, _detector_keys(names, marks))
    return figure


def _detector_keys(
    names: Sequence[tuple[str, str]], marks: Sequence[tuple[int, str]]
) -> dict[str, list[Any]]:
    """Return the handles of the legends: names and colours of the sets, shapes of the crossings."""
    from matplotlib.lines import Line2D

    dots: dict[str, Any] = {"marker": "o", "markersize": 3}
    return {
        "Backdoored set": [
            Line2D([], [], color=tint, label=plain(name, 22), **dots) for name, tint in names
        ],
        "Drop (n_pruned)": [
            Line2D([], [], linestyle="none", marker=shape, label=f"{x} ({step})", **OPEN)
            for (step, x), shape in zip(marks, cycle(SHAPES), strict=False)
        ],
        "To compare": [Line2D([], [], color=FAINT, linestyle=DOTS, label="flagging by chance")],
    }


def _layer(result: SweepRecord) -> str:
    return plain(result.network.prune_layer, 30)
