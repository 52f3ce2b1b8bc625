"""Contact sheets: images of a set with their labels, evenly spaced."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastprune.errors import DataError, OptionError
from fastprune.files.atomic import whole_file
from fastprune.files.hdf5 import open_datasets
from fastprune.report.plots.canvas import new_figure
from fastprune.report.plots.drawing import DPI, METADATA
from fastprune.report.plots.samples import as_pixels
from fastprune.report.plots.style import headline, settings
from fastprune.report.text.words import plain
from fastprune.sets.sample import guess_layout, sample_images

MOST = 400
"""Images of the largest sheet."""
CELL, UNDER, GAP, ABOVE, ASIDE = 1.0, 0.4, 0.12, 0.72, 0.2
"""Inches: longer side of an image, the text under it, between two, above all, beside all."""


def contact_sheet(
    path: str | Path,
    out: str | Path,
    *,
    images: int = 32,
    data_name: str = "data",
    label_name: str = "label",
) -> Path:
    """Draw evenly spaced images of a set with their index and label.

    Parameters
    ----------
    path : path
        The HDF5 set; at most 64 MiB of it are read.
    out : path
        The PNG file to write.
    images : int
        How many, 1 to 400.
    data_name, label_name : str
        Names of the datasets.

    Returns
    -------
    Path
        `out`.

    Raises
    ------
    DataError, OptionError, OutputError
        When the set or an option cannot be used, or the file not be written.
    """
    path, out = Path(path), Path(out)
    if not 1 <= images <= MOST:
        message = f"expected 1 to {MOST} images on a contact sheet; got {images}"
        raise OptionError(message)
    if out.suffix.lower() != ".png":
        message = f"expected a contact sheet named .png; got {out.name!r}; rename it"
        raise OptionError(message)
    indices, pixels, labels, total = _chosen(path, images, data_name, label_name)
    with settings(), whole_file(out) as temporary:
        figure = _draw(path, pixels, indices, labels, total)
        figure.savefig(temporary, dpi=DPI, metadata=METADATA["png"])
    return out


def _chosen(
    path: Path, count: int, data_name: str, label_name: str
) -> tuple[NDArray[np.int64], NDArray[Any], list[str], int]:
    """Return indices, images (n, H, W, C), labels in words, and the number of all images."""
    file, data, label = open_datasets(path, data_name, label_name)
    with file:
        layout = guess_layout(data.shape)
        if layout is None or data.dtype.kind not in "biuf" or not len(data):
            message = (
                f"expected images (n, C, H, W) or (n, H, W, C) of 1, 3 or 4 channels; got "
                f"{data.dtype} {data.shape} ({path}:{data_name}); name another with --data-name"
            )
            raise DataError(message)
        sample = sample_images(data, count)
        if not len(sample.indices):
            message = (
                f"expected a chunk of at most 64 MiB; got {data.chunks} ({path}:{data_name}); "
                "store the set in smaller chunks"
            )
            raise DataError(message)
        chosen = np.unique(np.linspace(0, len(sample.indices) - 1, count).astype(int))
        indices, images = sample.indices[chosen], sample.images[chosen]
        fitting = label.ndim in (1, 2) and len(label) == len(data) and label.dtype.kind in "biuf"
        one_each = fitting and (label.ndim == 1 or label.shape[1] == 1)
        labels = [f"{label[index].item():g}" if one_each else "?" for index in indices.tolist()]
        images = images if layout == "channels last" else np.moveaxis(images, 1, -1)
        return indices, images.astype(np.float32), labels, len(data)


def _draw(
    path: Path, images: NDArray[np.float32], indices: NDArray[np.int64], labels: list[str],
    total: int,
) -> Any:  # fmt: skip
    """Return the figure: rows of images, wider than tall, the last row as full as can be."""
    n_images, height, width = images.shape[:3]
    tall, wide = (CELL * side / max(height, width) for side in (height, width))
    step = (wide + GAP, tall + UNDER)
    ideal = round((1.6 * n_images * step[1] / step[0]) ** 0.5)
    nearby = {min(n_images, max(1, ideal + more)) for more in (-1, 0, 1)}
    across = min(nearby, key=lambda columns: (-n_images % columns, abs(columns - ideal)))
    rows = -(-n_images // across)
    size = (max(6.0, 2 * ASIDE + across * step[0]), ABOVE + rows * step[1])
    figure = new_figure(*size)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, size[0]), ylim=(size[1], 0))
    axes.set_axis_off()
    of = "all" if n_images == total else f"{n_images} evenly spaced of"
    headline(figure, ASIDE, plain(path.name, 60), f"{of} {total:,} images; index above the label")
    for number, pixels in enumerate(as_pixels(images)):
        x, y = ASIDE + number % across * step[0], ABOVE + number // across * step[1]
        axes.imshow(pixels, extent=(x, x + wide, y + tall, y), cmap="gray", vmin=0, vmax=1,
                    interpolation="nearest", aspect="auto")  # fmt: skip
        for line, text, tint in ((0, f"{indices[number]}", "#777777"), (1, labels[number], None)):
            axes.text(x + wide / 2, y + tall + 0.04 + 0.14 * line, text, va="top", ha="center",
                      fontsize=7.5, weight="bold" if line else "normal", color=tint)  # fmt: skip
    return figure
