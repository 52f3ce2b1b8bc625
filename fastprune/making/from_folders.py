"""A set in the lab's format from a folder of images, one subfolder for each class."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastprune.errors import DataError, OptionError, OutputError, check_printable
from fastprune.files.atomic import whole_file
from fastprune.making.writer import MadeSet, check_fits, check_out, new_set
from fastprune.networks.classifier import load_classifier
from fastprune.runtime.progress import bar, warn
from fastprune.sets.image_files import MODES, image_size, images_in, read_image

DTYPES = ("float64", "float32", "uint8")
MOST_NAMES = 60_000
"""Bytes of class names that fit into an attribute of an HDF5 file, which holds 64 KiB."""
AT_ONCE = 64
"""Images that are held at a time."""


@dataclass(frozen=True)
class ClassFolders:
    """The images of a folder by class.

    Attributes
    ----------
    paths : tuple of Path
        Every image, class by class, sorted by name.
    labels : ndarray of int64, shape (images,)
        Their classes.
    classes : tuple of str or None
        Names of classes 0 … N - 1; None where the folders are named by numbers.
    """

    paths: tuple[Path, ...]
    labels: NDArray[np.int64]
    classes: tuple[str, ...] | None


def make_set(
    folder: str | Path,
    out: str | Path,
    *,
    size: tuple[int, int] | None = None,
    layout: str = "first",
    dtype: str = "float64",
    model: str | Path | Any | None = None,
    compression: str = "none",
    overwrite: bool = False,
    progress: bool = False,
) -> MadeSet:
    """Build a set from a folder with a subfolder of images for each class.

    Pixels are 0-255 as in the lab. Images stand in order of class and name. Memory stays at 64
    images, whatever the size of the set.

    Parameters
    ----------
    folder : path
        Its subfolders are the classes: the numbers they are named by, or else 0 … N - 1 in order
        of their names, which are then written to ``OUT.classes.txt`` beside the set, a number, a
        tab and a name a line, and as JSON into the file's attribute ``classes`` where they fit.
    out : path
        The ``.h5`` file to write: ``data`` (n, C, H, W) or (n, H, W, C), ``label`` float64 (n,).
    size : (height, width), optional
        What images are resized to, bilinear; by default the network's, or else their own, which
        must then be the same.
    layout : {"first", "last"}
        Where the channels are.
    dtype : {"float64", "float32", "uint8"}
        Of ``data``.
    model : path or keras.Model, optional
        A network whose input and classes the set must fit. Its channels, 1, 3 or 4, are written;
        3 without a network.
    compression : {"none", "gzip", "lzf"}
        Contiguous as in the lab, which reads fastest; or compressed in chunks of about 1 MiB.
    overwrite : bool
        Replace an existing file.
    progress : bool
        Show a progress bar.

    Raises
    ------
    DataError, NetworkError, OptionError, OutputError
        When the folder, an image, the network or an option cannot be used, or the file not be
        written.
    """
    folder, out = Path(folder), Path(out)
    for name, value, known in (("layout", layout, ("first", "last")), ("dtype", dtype, DTYPES)):
        if value not in known:
            message = f"expected {name} {', '.join(known)}; got {value!r}"
            raise OptionError(message)
    check_out(out, force=overwrite, source=folder)
    folders = class_folders(folder)
    _check_names(out, folders, force=overwrite)
    height, width, channels = _size(folders, size, model)
    shape = (channels, height, width) if layout == "first" else (height, width, channels)
    names = None if folders.classes is None else json.dumps(folders.classes)
    attributes = {"classes": names} if names and len(names) <= MOST_NAMES else {}
    resized = 0
    with new_set(
        out, (len(folders.paths), *shape), dtype, folders.labels, compression=compression,
        attributes=attributes,
    ) as data, bar(len(folders.paths), shown=progress) as shown:  # fmt: skip
        buffer = np.empty((AT_ONCE, *shape), np.uint8)
        for start in range(0, len(folders.paths), AT_ONCE):
            paths = folders.paths[start : start + AT_ONCE]
            for index, path in enumerate(paths):
                pixels, own = read_image(path, channels=channels, size=(height, width))
                resized += own != (height, width)
                buffer[index] = pixels if layout == "last" else pixels.transpose(2, 0, 1)
            data[start : start + len(paths)] = buffer[: len(paths)]
            shown.update(len(paths))
    _write_names(out, folders, overwrite=overwrite)
    return MadeSet(
        path=out,
        shape=(len(folders.paths), *shape),
        dtype=dtype,
        layout=f"channels {layout}",
        bytes=out.stat().st_size,
        n_classes=len(np.unique(folders.labels)),
        classes=folders.classes,
        resized=resized,
    )


def class_folders(folder: Path) -> ClassFolders:
    """Find the images of every class.

    Raises
    ------
    DataError
        When the folder is missing, has no subfolders or no images in them, or two subfolders have
        the same number.
    """
    if not folder.is_dir():
        found = "a file" if folder.is_file() else "no such folder"
        message = f"expected a folder of class folders; got {found} ({folder}); check the path"
        raise DataError(message)
    loose = images_in(folder)
    below = sorted(item for item in folder.iterdir() if item.is_dir() and item.name[0] != ".")
    if not below:
        got = f"{len(loose)} images and no subfolder" if loose else "an empty one"
        message = (
            f"expected a folder with a subfolder of images for each class; got {got} ({folder}); "
            "put the images of each class into a folder of their own"
        )
        raise DataError(message)
    numbers = _numbers(below)
    inside = {item: images_in(item) for item in below}
    if not any(inside.values()):
        message = f"expected images in the class folders; got none ({folder}); check their names"
        raise DataError(message)
    empty = [item.name for item in below if not inside[item]]
    if empty:
        warn(f"{len(empty)} class folders hold no image: {', '.join(map(repr, empty[:8]))}")
    if loose:
        warn(f"{len(loose)} images beside the class folders are left out ({folder})")
    order = sorted(below, key=numbers.__getitem__)
    labels = [np.full(len(inside[item]), numbers[item], np.int64) for item in order]
    named = not all(_is_number(item.name) for item in below)
    return ClassFolders(
        tuple(path for item in order for path in inside[item]),
        np.concatenate(labels),
        tuple(item.name for item in order) if named else None,
    )


def _numbers(folders: list[Path]) -> dict[Path, int]:
    """Return the class of each folder."""
    if not all(_is_number(item.name) for item in folders):
        for item in folders:
            check_printable(item.name, "class names", DataError, str(item.parent))
        return {item: label for label, item in enumerate(folders)}
    numbers = {item: int(item.name) for item in folders}
    seen: dict[int, Path] = {}
    for item, number in numbers.items():
        if number in seen:
            message = (
                f"expected a number of its own for every class folder; got {seen[number].name!r} "
                f"and {item.name!r} ({item.parent}); rename one"
            )
            raise DataError(message)
        seen[number] = item
    return numbers


def _is_number(name: str) -> bool:
    return name.isascii() and name.isdecimal() and len(name) < 10


def _check_names(out: Path, folders: ClassFolders, *, force: bool) -> None:
    names = out.with_suffix(".classes.txt")
    if folders.classes is not None and names.exists() and not force:
        message = (
            f"expected a new file for the class names; got one that is there already ({names}); "
            "name another set or replace it with --force (overwrite=True)"
        )
        raise OutputError(message)


def _write_names(out: Path, folders: ClassFolders, *, overwrite: bool) -> None:
    """Write the class names beside the set; those of a set that it replaces go."""
    names = out.with_suffix(".classes.txt")
    if folders.classes is None:
        if overwrite:
            names.unlink(missing_ok=True)
        return
    with whole_file(names) as temporary:
        lines = (f"{label}\t{name}\n" for label, name in enumerate(folders.classes))
        temporary.write_text("".join(lines), encoding="utf-8")


def _size(
    folders: ClassFolders, size: tuple[int, int] | None, model: str | Path | Any | None
) -> tuple[int, int, int]:
    """Return height, width and channels of the set: what is asked for, the network's, their own."""
    if model is None:
        return (*(size or _common_size(folders.paths)), 3)
    graph, _ = load_classifier(model)
    height, width, channels = graph.input.shape[1:]
    if channels not in MODES:
        message = f"expected a network of 1, 3 or 4 channels; got {channels}; build the set by hand"
        raise OptionError(message)
    wanted = (*(size or (height, width)), channels)
    check_fits(graph, wanted, int(folders.labels.max()), "class folders")
    return wanted


def _common_size(paths: tuple[Path, ...]) -> tuple[int, int]:
    """Return the size that all images have."""
    first = image_size(paths[0])
    for path in paths[1:]:
        other = image_size(path)
        if other != first:
            message = (
                f"expected images of one size; got {first[0]} x {first[1]} ({paths[0]}) and "
                f"{other[0]} x {other[1]} ({path}), height x width; choose one with --size HxW"
            )
            raise DataError(message)
    return first
