"""Image sets: opened, checked and streamed in chunks of float32 channels-last pixels.

The only module that reads images. A set is never held whole, unless it came as an array.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastprune.errors import DataError, OptionError
from fastprune.files.hdf5 import open_datasets
from fastprune.runtime.buffers import Buffers
from fastprune.sets.pixels import to_channels_last
from fastprune.sets.prefetch import prefetched

SetSource: TypeAlias = str | Path | tuple[ArrayLike, ArrayLike]
"""Where a set comes from: an HDF5 file, or (images, labels) arrays."""


PIECE = 32
"""Images read from a file at a time: raw pixels that still lie in the cache when converted."""


@dataclass(frozen=True)
class Chunk:
    """Consecutive images of a set.

    Attributes
    ----------
    start : int
        Index of the first image in its set.
    images : ndarray of float32, shape (images, height, width, channels)
        Pixels divided by the scale.
    labels : ndarray of int64, shape (images,)
        Labels 0 … n_classes - 1.
    """

    start: int
    images: NDArray[np.float32]
    labels: NDArray[np.int64]


class ImageSet:
    """A checked set of labelled images, ready to be streamed.

    Parameters
    ----------
    name : str
        Name of the set in messages, tables and plots.
    source : path or (images, labels)
        An HDF5 file; or images (n, H, W, C) or (n, C, H, W) and labels (n,) as arrays.
    input_shape : tuple of int
        Height, width and channels of the network's input: decides the layout of the images.
    n_classes : int
        Number of the network's classes.
    scale : float
        Pixels are divided by it.
    data, label : str
        Names of the datasets in the file.

    Raises
    ------
    DataError, OptionError
        When the file, its datasets, shapes, dtypes or labels cannot be used; or the scale.
    """

    def __init__(
        self,
        name: str,
        source: SetSource,
        *,
        input_shape: tuple[int, int, int],
        n_classes: int,
        scale: float = 1.0,
        data: str = "data",
        label: str = "label",
    ) -> None:
        if not (np.isfinite(scale) and scale > 0):
            message = f"expected a scale above 0, such as 1 or 255; got {scale}"
            raise OptionError(message)
        self.name = name
        self.scale = scale
        self.input_shape = input_shape
        self.path = Path(source) if isinstance(source, str | Path) else None
        if self.path is not None:
            self._file, self._images, labels = open_datasets(self.path, data, label)
            self._where = f"{self.path}:{data}"
            label_where = f"{self.path}:{label}"
        else:
            images, labels = cast("tuple[ArrayLike, ArrayLike]", source)
            self._file, self._images, labels = None, np.asarray(images), np.asarray(labels)
            self._where, label_where = f"images of {name}", f"labels of {name}"
        self._buffer: NDArray[Any] | None = None
        self.channels_first = _layout(self._images, input_shape, self._where)
        self.labels = checked_labels(labels, len(self._images), n_classes, label_where)

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.labels)

    def describe(self) -> dict[str, Any]:
        """Return where the images come from: path, images, bytes, dtype, layout, fingerprint."""
        return {
            "path": None if self.path is None else str(self.path),
            "images": len(self),
            "bytes": int(np.prod(self._images.shape)) * self._images.dtype.itemsize,
            "dtype": str(self._images.dtype),
            "layout": "channels first" if self.channels_first else "channels last",
            "fingerprint": self.fingerprint(),
        }

    def fingerprint(self) -> str:
        """Return a digest of the labels, the shape and 64 evenly spaced images.

        Hashing all 3 GB of a lab would cost as much as reading it again; this costs milliseconds
        and still tells two sets apart.
        """
        digest = hashlib.blake2b(digest_size=16)
        digest.update(repr((self._images.shape, str(self._images.dtype))).encode())
        digest.update(self.labels.astype(np.int64).tobytes())
        for index in np.unique(np.linspace(0, len(self) - 1, 64).astype(int)):
            digest.update(np.ascontiguousarray(self._images[index]).tobytes())
        return f"blake2b-sampled:{digest.hexdigest()}"

    def take(self, indices: NDArray[np.integer]) -> Chunk:
        """Read the images at `indices`."""
        images = np.empty((len(indices), *self.input_shape), np.float32)
        for row, index in enumerate(indices):
            self._read(int(index), images[row : row + 1])
        return Chunk(0, images, self.labels[indices].astype(np.int64))

    def chunks(self, size: int) -> Iterator[Chunk]:
        """Stream the set in chunks of `size` images, in order, the last one ragged.

        Reading and converting run ahead of the caller by a chunk, so that the network never waits.

        Raises
        ------
        DataError
            When a pixel is not a finite number or the file cannot be read to its end.
        """
        starts = range(0, len(self), size)
        with Buffers() as buffers:

            def read(index: int) -> NDArray[np.float32]:
                start = starts[index]
                shape = (min(size, len(self) - start), *self.input_shape)
                return self._read(start, buffers.array(shape))

            arrays = prefetched(read, len(starts))
            for start, images in zip(starts, arrays, strict=True):
                labels = self.labels[start : start + size].astype(np.int64)
                yield Chunk(start, images, labels)

    def _read(self, start: int, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Fill `images` with those from `start` on, finite and divided by the scale."""
        stop = start + len(images)
        for first in range(start, stop, PIECE):
            last = min(first + PIECE, stop)
            part = images[first - start : last - start]
            bad = to_channels_last(self._raw(first, last), self.channels_first, self.scale, part)
            if bad >= 0:
                message = (
                    f"expected finite pixels; got NaN or infinity in image {first + bad} "
                    f"({self._where}); remove or mend that image"
                )
                raise DataError(message)
        return images

    def _raw(self, start: int, stop: int) -> NDArray[Any]:
        """Return images start … stop as they lie in the source, valid until the next call.

        Files are read into one small buffer that is reused: memory stays flat, and a lab file takes
        0.027 s instead of 0.039 s (716 MB, warm cache).
        """
        if self._file is None:
            raw: NDArray[Any] = self._images[start:stop]
            return raw
        if self._buffer is None:
            self._buffer = np.empty((PIECE, *self._images.shape[1:]), self._images.dtype)
        count = stop - start
        try:
            self._images.read_direct(self._buffer, np.s_[start:stop], np.s_[:count])
        except OSError as error:
            message = (
                f"expected images {start} to {stop - 1} of {len(self)}; got {error} "
                f"({self._where}); copy the file again, it may be truncated"
            )
            raise DataError(message) from error
        return self._buffer[:count]


def open_sets(
    valid: SetSource,
    clean: Mapping[str, SetSource],
    backdoored: Mapping[str, SetSource],
    *,
    valid_name: str = "valid",
    **options: Any,
) -> dict[str, tuple[str, ImageSet]]:
    """Open every set of a sweep: name to (kind, set), the validation set first.

    Parameters
    ----------
    valid, clean, backdoored
        The validation set and further sets by name.
    valid_name : str
        Name of the validation set.
    **options
        As for :class:`ImageSet`.

    Raises
    ------
    DataError
        When a set cannot be used or two have the same name.
    """
    wanted = [(valid_name, "clean", valid)]
    wanted += [(name, "clean", source) for name, source in clean.items()]
    wanted += [(name, "backdoored", source) for name, source in backdoored.items()]
    sets: dict[str, tuple[str, ImageSet]] = {}
    for name, kind, source in wanted:
        if name in sets:
            message = (
                f"expected every set to have a name of its own; got {name!r} twice; rename one"
            )
            raise DataError(message)
        sets[name] = (kind, ImageSet(name, source, **options))
    return sets


def _layout(images: Any, input_shape: tuple[int, int, int], where: str) -> bool:
    """Return whether `images` are channels first; raise DataError when they do not fit."""
    height, width, channels = input_shape
    first, last = (channels, height, width), (height, width, channels)
    shape = tuple(images.shape)
    if images.dtype.kind not in "biuf":
        message = f"expected numeric pixels; got dtype {images.dtype} ({where})"
        raise DataError(message)
    if len(shape) != 4 or shape[1:] not in (first, last):
        message = (
            f"expected images of shape (n, {', '.join(map(str, last))}) or "
            f"(n, {', '.join(map(str, first))}), the network's input; got {shape} ({where}); "
            "use images of the network's size or name another dataset with --data-name"
        )
        raise DataError(message)
    if shape[0] == 0:
        message = f"expected at least one image; got none ({where})"
        raise DataError(message)
    return shape[1:] == first


def checked_labels(
    labels: Any, n_images: int, n_classes: int, where: str
) -> NDArray[np.signedinteger]:
    """Return labels as small integers (n_images,); raise DataError when they are not classes.

    As int64 those of 16 labs would be 6 MB, a thirtieth of all that a sweep holds.
    """
    if labels.dtype.kind not in "biuf" or labels.shape not in ((n_images,), (n_images, 1)):
        message = (
            f"expected one label per image, shape ({n_images},) or ({n_images}, 1); got "
            f"{labels.dtype} {labels.shape} ({where}); use a file whose images and labels belong "
            "together or name another dataset with --label-name"
        )
        raise DataError(message)
    try:
        values = labels[()].reshape(-1)
    except OSError as error:
        message = (
            f"expected labels; got {error} ({where}); copy the file again, it may be truncated"
        )
        raise DataError(message) from error
    _refuse(~np.isfinite(values) | (values != np.floor(values)), values, where, "whole numbers")
    _refuse(
        (values < 0) | (values >= n_classes),
        values,
        where,
        f"labels 0 … {n_classes - 1}, the classes of the network",
    )
    whole: NDArray[np.signedinteger] = values.astype(np.min_scalar_type(-n_classes))
    return whole


def _refuse(bad: NDArray[np.bool_], values: Any, where: str, expected: str) -> None:
    if bad.any():
        index = int(bad.argmax())
        message = f"expected {expected}; got {values[index]} for image {index} ({where})"
        raise DataError(message)
