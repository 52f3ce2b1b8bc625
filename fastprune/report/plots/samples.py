"""A few images of every set with what B, B′ and G say of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastprune.report.plots.canvas import new_figure
from fastprune.report.plots.style import FLAGGED, INK, headline
from fastprune.report.text.words import PRIME, crossed, network_words, plain
from fastprune.results.record import Samples, SweepRecord

SHOWN = 8
"""Images of a row."""
LARGEST = 128
"""Pixels of an image's longer side above which it is thinned."""
CELL, UNDER, ASIDE, ABOVE = 1.15, 0.66, 1.35, 0.72
"""Inches: width of an image, height of the text under it, the set's name, the title."""
FRAME: dict[str, Any] = {"fill": False, "edgecolor": FLAGGED, "linewidth": 2.5}


def samples(result: SweepRecord) -> Any:
    """Draw up to 8 images of every set with their label and class by B, B′ and G.

    B′ and G are those of the last drop that is crossed, or of all channels pruned when none is.
    """
    marks = crossed(result)
    step = max(marks) if marks else result.n_channels
    parts = list(result.sets.values())
    columns = max([1, *(min(SHOWN, len(part.samples.labels)) for part in parts)])
    shape = next((part.samples.images.shape[1:3] for part in parts), (1, 1))
    tall = CELL * min(2.0, max(0.5, shape[0] / shape[1]))
    # Six columns are the least that the title needs.
    width = ASIDE + 1.28 * max(6, columns)
    height = ABOVE + len(parts) * (tall + UNDER + 0.12)
    figure = new_figure(width, height)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.set_axis_off()
    said = f"{PRIME} and G with all {step} channels pruned, no drop is crossed"
    if marks:
        said = f"{PRIME} and G at {marks[step]}, {step} channels pruned"
    note = f"{said}; framed: flagged by G (class {result.n_classes})"
    headline(figure, 0.12, f"Samples: {network_words(result)}", note)
    for row, part in enumerate(parts):
        top = ABOVE + row * (tall + UNDER + 0.12)
        axes.text(0.12, top, plain(part.name, 16), va="top", weight="bold")
        axes.text(0.12, top + 0.18, part.kind, va="top", fontsize=8.5)
        if not len(part.samples.labels):
            axes.text(ASIDE, top, "no samples", va="top", fontsize=8.5)
        _row(axes, part.samples, step, result.n_classes, (ASIDE, top, tall))
    return figure


def _row(
    axes: Any, shown: Samples, step: int, n_classes: int, place: tuple[float, float, float]
) -> None:
    """Draw one set's images at (left, top, height), inches, with three lines under each."""
    from matplotlib.patches import Rectangle

    left, top, tall = place
    images = as_pixels(shown.images[:SHOWN])
    goodnet = shown.goodnet_classes(step, n_classes)
    for index, image in enumerate(images):
        x = left + 1.28 * index
        axes.imshow(
            image,
            extent=(x, x + CELL, top + tall, top),
            cmap="gray",
            vmin=0,
            vmax=1,
            interpolation="nearest",
            aspect="auto",
        )
        flagged = goodnet[index] == n_classes
        tint = FLAGGED if flagged else INK
        if flagged:
            axes.add_patch(Rectangle((x, top), CELL, tall, **FRAME))
        lines = (
            f"label {shown.labels[index]}",
            f"B {shown.classes[0, index]}   {PRIME} {shown.classes[step, index]}",
            f"G {goodnet[index]}" + (" flagged" if flagged else ""),
        )
        for line, text in enumerate(lines):
            weight = "bold" if flagged and line == 2 else "normal"
            axes.text(
                x,
                top + tall + 0.05 + 0.155 * line,
                text,
                va="top",
                fontsize=8,
                color=tint if line == 2 else INK,
                weight=weight,
            )


def as_pixels(images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return images as values in [0, 1], grey or RGB, no side above 128 pixels.

    Images whose largest value is at most 1.5 are taken to be in [0, 1] already, others in
    [0, 255]; images of neither 1 nor 3 channels are shown as their channels' mean.

    Examples
    --------
    >>> as_pixels(np.full((1, 2, 2, 1), 255, np.float32)).shape
    (1, 2, 2)
    """
    if not images.size:
        return images
    step = -(-max(images.shape[1:3]) // LARGEST)
    pixels = images[:, ::step, ::step]
    if pixels.shape[3] != 3:
        pixels = pixels.mean(axis=3)
    top = float(images.max())
    return np.clip(np.nan_to_num(pixels / (1 if top <= 1.5 else 255)), 0, 1)
