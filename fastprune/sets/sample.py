"""A few images of a set, evenly spaced, read without reading the whole file."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastprune.files.hdf5 import reading

BUDGET = 64 << 20
"""Bytes that are read, unpacked, for a sample."""

UNIT_RANGE = 1.5
"""Pixels up to this are taken to lie in 0-1, others in 0-255."""


@dataclass(frozen=True)
class Sample:
    """Some images of a set.

    Attributes
    ----------
    indices : ndarray of int64, shape (images,)
        Where they stand in the set.
    images : ndarray, shape (images, …)
        As they lie in the file.
    read : int
        Bytes that were read for them, unpacked.
    """

    indices: NDArray[np.int64]
    images: NDArray[Any]
    read: int


@dataclass(frozen=True)
class PixelRange:
    """What values pixels have.

    Attributes
    ----------
    low, high : float or None
        Smallest and largest finite value; None where there is none.
    whole : bool
        Whether all are whole numbers.
    integers : bool
        Whether they are stored as integers.
    not_finite : int
        Images with NaN or infinity.
    """

    low: float | None
    high: float | None
    whole: bool
    integers: bool
    not_finite: int

    @property
    def full(self) -> float | None:
        """The value of white: 1 or 255; None where the pixels lie in neither range."""
        if self.low is None or self.high is None or self.low < 0 or self.high > 255:
            return None
        return 1.0 if self.high <= UNIT_RANGE and not self.integers else 255.0


def sample_images(images: Any, count: int = 256, *, budget: int = BUDGET) -> Sample:
    """Read evenly spaced images of an HDF5 dataset.

    Where the dataset is stored in chunks, whole chunks are read, as HDF5 unpacks nothing less, and
    several images taken from each.

    Parameters
    ----------
    images : h5py.Dataset, shape (n, …)
        The dataset.
    count : int
        How many to read; where `budget` is too small, about as many of fewer chunks, or fewer.
    budget : int
        Bytes that may be read.

    Raises
    ------
    DataError
        When the file cannot be read.
    """
    n_images, shape = images.shape[0], images.shape[1:]
    rows, cost = 1, images.dtype.itemsize * prod(shape)
    if images.chunks is not None:
        rows = images.chunks[0]
        parts = zip(shape, images.chunks[1:], strict=True)
        cost = rows * images.dtype.itemsize * prod(ceil(size / part) * part for size, part in parts)
    wanted = np.linspace(0, n_images - 1, min(count, n_images)).astype(np.int64)
    units = np.unique(wanted // rows)
    affordable = budget // max(cost, 1)
    if affordable == 0:
        return Sample(np.empty(0, np.int64), np.empty((0, *shape), images.dtype), 0)
    if len(units) > affordable:
        units = units[np.unique(np.linspace(0, len(units) - 1, affordable).astype(int))]
        wanted = _within(units, rows, n_images, ceil(count / len(units)))
    found = [
        _read(images, unit * rows, min((unit + 1) * rows, n_images))[
            wanted[wanted // rows == unit] - unit * rows
        ]
        for unit in units.tolist()
    ]
    return Sample(wanted, np.concatenate(found), cost * len(found))


def pixel_range(images: NDArray[Any]) -> PixelRange:
    """Return what values the pixels of images (n, …) have."""
    integers = images.dtype.kind in "biu"
    finite = np.isfinite(images)
    bad = int((~finite.reshape(len(images), -1).all(axis=1)).sum()) if len(images) else 0
    values = images[finite]
    if not values.size:
        return PixelRange(None, None, False, integers, bad)
    whole = integers or bool((values == np.floor(values)).all())
    return PixelRange(float(values.min()), float(values.max()), whole, integers, bad)


def guess_layout(shape: tuple[int, ...]) -> str | None:
    """Return the layout of images (n, …): channels first, channels last, either, or None.

    Examples
    --------
    >>> guess_layout((9, 3, 55, 47)), guess_layout((9, 28, 28, 1)), guess_layout((9, 28, 28))
    ('channels first', 'channels last', None)
    """
    if len(shape) != 4:
        return None
    first, last = (shape[axis] in (1, 3, 4) for axis in (1, 3))
    if first and last:
        return "either"
    return "channels first" if first else "channels last" if last else None


def _within(
    units: NDArray[np.int64], rows: int, n_images: int, each: int
) -> NDArray[np.int64]:
    """Return `each` evenly spaced images of every unit, fewer where it has fewer."""
    stops = np.minimum((units + 1) * rows, n_images)
    places = [
        np.unique(np.linspace(unit * rows, stop - 1, each).astype(np.int64))
        for unit, stop in zip(units.tolist(), stops.tolist(), strict=True)
    ]
    return np.concatenate(places)


def _read(images: Any, start: int, stop: int) -> NDArray[Any]:
    with reading(f"images {start} to {stop - 1} of {len(images)}", str(images.file.filename)):
        raw: NDArray[Any] = images[start:stop]
    return raw
