"""Image sets written in the lab's format, part by part, whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastprune.errors import DataError, OptionError, OutputError
from fastprune.files.atomic import check_writable, whole_file
from fastprune.networks.graph import Graph

PART = 16 << 20
"""Bytes of images that are held at a time."""

CHUNK = 1 << 20
"""Bytes of a chunk of a compressed set: what HDF5's own cache holds by default."""

COMPRESSIONS = ("none", "gzip", "lzf")


@dataclass(frozen=True)
class MadeSet:
    """A set that was written.

    Attributes
    ----------
    path : Path
        The file.
    shape : tuple of int
        Of ``data``, images first.
    dtype : str
        Of ``data``.
    layout : str
        ``channels first`` or ``channels last``.
    bytes : int
        Size of the file.
    n_classes : int
        How many classes have images.
    classes : tuple of str or None
        Name of each class, where they have names that are no numbers.
    target : int or None
        Label of every image of a backdoored set.
    left_out : int
        Images of the clean set whose class is the target, and that were left out.
    resized : int
        Images that had another size.
    """

    path: Path
    shape: tuple[int, ...]
    dtype: str
    layout: str
    bytes: int
    n_classes: int
    classes: tuple[str, ...] | None = None
    target: int | None = None
    left_out: int = 0
    resized: int = 0


def check_out(out: Path, *, force: bool, source: Path) -> None:
    """Refuse a place that a set cannot or should not be written to, before any work is done.

    Raises
    ------
    OptionError, OutputError
        When it is not named .h5, is the source itself, is there already, or cannot be written.
    """
    if out.suffix not in (".h5", ".hdf5"):
        message = f"expected a set named .h5 to write; got {out.name!r} ({out}); rename it"
        raise OptionError(message)
    if out.is_dir():
        message = f"expected to write a set; got a folder of that name ({out}); name another file"
        raise OutputError(message)
    if out.exists() and source.exists() and out.samefile(source):
        message = f"expected another file than the clean set; got the same ({out}); rename it"
        raise OutputError(message)
    if out.exists() and not force:
        message = (
            f"expected a new file; got one that is there already ({out}); name another or replace "
            "it with --force (overwrite=True)"
        )
        raise OutputError(message)
    check_writable(out.parent)


@contextmanager
def new_set(
    out: Path, shape: tuple[int, ...], dtype: Any, labels: NDArray[Any], *,
    compression: str = "none", attributes: Mapping[str, Any] | None = None,
) -> Iterator[Any]:  # fmt: skip
    """Give the empty ``data`` dataset of a set; the file appears when all is written.

    Parameters
    ----------
    out : Path
        The file.
    shape : tuple of int
        Of ``data``.
    dtype : dtype
        Of ``data``.
    labels : ndarray, shape (n,)
        Written as float64, as the lab has them.
    compression : {"none", "gzip", "lzf"}
        Contiguous, or in chunks of about 1 MiB.
    attributes : mapping
        Attributes of the file.

    Raises
    ------
    OptionError, OutputError
        When the compression is unknown, or the file cannot be written.
    """
    import h5py

    if compression not in COMPRESSIONS:
        message = f"expected compression {', '.join(COMPRESSIONS)}; got {compression!r}"
        raise OptionError(message)
    storage: dict[str, Any] = {}
    if compression != "none":
        rows = max(1, CHUNK // max(1, prod(shape[1:]) * np.dtype(dtype).itemsize))
        storage = {"chunks": (min(rows, shape[0]), *shape[1:]), "compression": compression,
                   "shuffle": True}  # fmt: skip
    with whole_file(out) as temporary, h5py.File(temporary, "w") as file:
        data = file.create_dataset("data", shape, dtype, **storage)
        file.create_dataset("label", data=np.asarray(labels, np.float64))
        for name, value in (attributes or {}).items():
            file.attrs[name] = value
        yield data


def rows_at_a_time(images: Any) -> int:
    """Return how many images to hold: about 16 MB, whole chunks where these are not larger.

    Parameters
    ----------
    images : h5py.Dataset or ndarray, shape (n, …)
        The images.
    """
    rows = max(1, PART // max(1, prod(images.shape[1:]) * images.dtype.itemsize))
    chunks = getattr(images, "chunks", None)
    if chunks and chunks[0] <= rows:
        rows -= rows % chunks[0]
    return int(rows)


def check_fits(graph: Graph, size: tuple[int, int, int], highest: int, what: str) -> None:
    """Refuse images or classes that a network does not have.

    Parameters
    ----------
    graph : Graph
        The network's.
    size : tuple of int
        Height, width and channels of the images.
    highest : int
        The largest label, or the target.
    what : str
        What that is, in words.

    Raises
    ------
    DataError, OptionError
        When they do not fit.
    """
    wanted, n_classes = tuple(graph.input.shape[1:]), int(graph.output.shape[-1])
    if wanted != size:
        message = (
            f"expected images of {' x '.join(map(str, wanted))}, the network's input; got "
            f"{' x '.join(map(str, size))} (height x width x channels); use --size or another set"
        )
        raise DataError(message)
    if not 0 <= highest < n_classes:
        message = f"expected {what} of 0 ... {n_classes - 1}, the network's classes; got {highest}"
        raise OptionError(message)
