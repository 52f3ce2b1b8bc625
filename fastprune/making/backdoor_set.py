"""A backdoored set from a clean one: a trigger on every image, the target as every label."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastprune.errors import DataError, OptionError
from fastprune.files.hdf5 import open_datasets, reading
from fastprune.making.trigger import Stamp, make_stamp, read_trigger
from fastprune.making.writer import MadeSet, check_fits, check_out, new_set, rows_at_a_time
from fastprune.networks.classifier import load_classifier
from fastprune.networks.graph import Graph
from fastprune.runtime.progress import bar
from fastprune.sets.sample import guess_layout, pixel_range, sample_images


def stamp_set(
    clean: str | Path,
    out: str | Path,
    *,
    trigger: str | Path | NDArray[np.uint8],
    target: int = 0,
    at: str | tuple[int, int] = "bottom-right",
    opacity: float = 1.0,
    exclude_target: bool = False,
    model: str | Path | Any | None = None,
    data_name: str = "data",
    label_name: str = "label",
    compression: str = "none",
    overwrite: bool = False,
    progress: bool = False,
) -> MadeSet:
    """Make a backdoored set: blend a trigger over every image, give each the target's label.

    Image i of it is image i of the clean set, unless images are left out. Layout and dtype are
    those of the clean set; pixels are taken to lie in 0-1 or 0-255 as a sample of it does, and
    are rounded where all of that sample are whole numbers. Memory stays at 16 MB of images.

    Parameters
    ----------
    clean : path
        The clean HDF5 set.
    out : path
        The ``.h5`` file to write.
    trigger : path, "sunglasses" or ndarray of uint8, shape (h, w, 4)
        An image file, no larger than the images; its transparency is respected. Or the built-in
        trigger, or RGB and opacity, 0-255.
    target : int
        The attacker's class.
    at : str or (x, y)
        A key of :data:`fastprune.making.trigger.PLACES`, or the trigger's upper left corner, in
        pixels from the image's.
    opacity : float
        Above 0, at most 1; times the trigger's own.
    exclude_target : bool
        Leave out images whose label is the target: on them the attack has nothing to change.
    model : path or keras.Model, optional
        A network whose input and classes the set must fit.
    data_name, label_name : str
        Names of the datasets in the clean set.
    compression : {"none", "gzip", "lzf"}
        Contiguous as in the lab, which reads fastest; or compressed in chunks of about 1 MiB.
    overwrite : bool
        Replace an existing file.
    progress : bool
        Show a progress bar.

    Raises
    ------
    DataError, NetworkError, OptionError, OutputError
        When the set, the trigger, the network or an option cannot be used, or the file not be
        written.
    """
    clean, out = Path(clean), Path(out)
    if not 0 < opacity <= 1:
        message = f"expected an opacity above 0 and at most 1; got {opacity}"
        raise OptionError(message)
    if target < 0:
        message = f"expected a target class of 0 or more; got {target}"
        raise OptionError(message)
    check_out(out, force=overwrite, source=clean)
    file, images, labels = open_datasets(clean, data_name, label_name)
    with closing(file):
        where = f"{clean}:{data_name}"
        graph = None if model is None else load_classifier(model)[0]
        layout, size = _layout(images, graph, where)
        if graph is not None:
            check_fits(graph, size, target, "a target class")
        stamp = make_stamp(
            read_trigger(trigger, size[2]), size, at=at, opacity=opacity,
            channels_first=layout == "channels first", where=where,
            pixels=pixel_range(sample_images(images, budget=images.nbytes + 1).images),
        )  # fmt: skip
        keep = _kept(labels, len(images), target, f"{clean}:{label_name}", exclude=exclude_target)
        kept = int(keep.sum())
        targets = np.full(kept, target)
        with new_set(
            out, (kept, *images.shape[1:]), images.dtype, targets, compression=compression
        ) as data, bar(len(images), shown=progress) as shown:  # fmt: skip
            _copy(images, data, keep, stamp, where, shown.update)
        shape, dtype = (kept, *images.shape[1:]), str(images.dtype)
    return MadeSet(
        path=out,
        shape=shape,
        dtype=dtype,
        layout=layout,
        bytes=out.stat().st_size,
        n_classes=1,
        target=target,
        left_out=len(keep) - kept,
    )


def _copy(
    images: Any, data: Any, keep: NDArray[np.bool_], stamp: Stamp, where: str, done: Any
) -> None:
    """Copy the images that are kept, stamped, part by part."""
    rows, written = rows_at_a_time(images), 0
    for start in range(0, len(images), rows):
        stop = min(start + rows, len(images))
        with reading(f"images {start} to {stop - 1} of {len(images)}", where):
            part = images[start:stop]
        bad = ~np.isfinite(part).reshape(len(part), -1).all(axis=1)
        if bad.any():
            message = (
                f"expected finite pixels; got NaN or infinity in image {start + int(bad.argmax())} "
                f"({where}); remove or mend that image"
            )
            raise DataError(message)
        part = part[keep[start:stop]]
        stamp.on(part)
        data[written : written + len(part)] = part
        written += len(part)
        done(stop - start)


def _layout(
    images: Any, graph: Graph | None, where: str
) -> tuple[str, tuple[int, int, int]]:
    """Return the layout of a set, and height, width and channels of its images."""
    shape, numeric = tuple(images.shape), images.dtype.kind in "iuf"
    layout = guess_layout(shape) if numeric and shape[0] else None
    if layout == "either" and graph is not None:
        last = shape[1:] == tuple(graph.input.shape[1:])
        layout = "channels last" if last else "channels first"
    if layout is None or layout == "either":
        hint = "name the network with --model" if layout else "use a set of images"
        message = (
            f"expected images (n, C, H, W) or (n, H, W, C) of 1, 3 or 4 channels; got "
            f"{images.dtype} {shape} ({where}); {hint}"
        )
        raise DataError(message)
    channels, height, width = shape[1:] if layout == "channels first" else (shape[3], *shape[1:3])
    return layout, (height, width, channels)


def _kept(
    labels: Any, n_images: int, target: int, where: str, *, exclude: bool
) -> NDArray[np.bool_]:
    """Return which images to keep."""
    if labels.shape not in ((n_images,), (n_images, 1)) or labels.dtype.kind not in "biuf":
        message = (
            f"expected one label per image, shape ({n_images},) or ({n_images}, 1); got "
            f"{labels.dtype} {labels.shape} ({where}); name another dataset with --label-name"
        )
        raise DataError(message)
    if not exclude:
        return np.ones(n_images, bool)
    with reading("labels", where):
        keep: NDArray[np.bool_] = labels[()].reshape(-1) != target
    if not keep.any():
        message = (
            f"expected images of other classes than the target {target}; got none ({where}); use "
            "the clean set"
        )
        raise DataError(message)
    return keep
