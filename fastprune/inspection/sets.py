"""What an image set is: its datasets, layout, pixels and labels, told from a sample."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from fastprune.errors import DataError
from fastprune.files.hdf5 import own_dataset, own_objects
from fastprune.inspection.set_findings import (
    DatasetInspection,
    LabelInspection,
    SetInspection,
)
from fastprune.sets.sample import guess_layout, pixel_range, sample_images

MAX_OBJECTS = 200
"""Datasets of a file that are listed, and groups that are searched."""

LABELS_AT_ONCE = 1 << 20
"""Labels that are counted at a time."""


def inspect_set(
    path: Path, *, data_name: str = "data", label_name: str = "label"
) -> SetInspection:
    """Say what an image set is, from its header, its labels and a sample of at most 64 MiB.

    Raises
    ------
    DataError
        When the file cannot be read, or a dataset keeps its bytes elsewhere.
    """
    with opened(path) as file:
        found = tuple(_datasets(file))
        data = _meant([part for part in found if len(part.shape) == 4], found, data_name)
        label = _meant([part for part in found if len(part.shape) == 1], found, label_name)
        images = None if data is None else own_dataset(file, data, path, DataError)
        targets = None if label is None else own_dataset(file, label, path, DataError)
        problems = _problems(images, targets, data_name, label_name)
        sample = None
        if images is not None and images.dtype.kind in "biuf" and images.ndim > 1 and len(images):
            sample = sample_images(images)
        return SetInspection(
            path=path,
            bytes=path.stat().st_size,
            datasets=found,
            data=data,
            label=label,
            images=0 if images is None or not images.ndim else len(images),
            layout=None if images is None else guess_layout(images.shape),
            sampled=0 if sample is None else len(sample.indices),
            bytes_read=0 if sample is None else sample.read,
            pixels=None if sample is None else pixel_range(sample.images),
            labels=_labels(targets),
            problems=tuple(problems),
            check=None,
        )


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Open an HDF5 file; what HDF5 trips over in it becomes a DataError."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            yield file
    except DataError:
        raise
    except Exception as error:  # h5py raises whatever HDF5 trips over in a damaged file
        found = "no permission to read it" if isinstance(error, PermissionError) else (
            f"{type(error).__name__}: {str(error).splitlines()[0][:120] if str(error) else ''}"
        )  # fmt: skip
        message = f"expected an HDF5 file of images; got {found} ({path}); copy the file again"
        raise DataError(message) from error


def _datasets(file: Any) -> Iterator[DatasetInspection]:
    """Yield the datasets in a file itself."""
    import h5py

    for _, item in own_objects(file, limit=MAX_OBJECTS):
        if isinstance(item, h5py.Dataset):
            yield DatasetInspection(
                item.name.strip("/"), item.shape or (), str(item.dtype), item.chunks,
                item.compression, int(item.id.get_storage_size()),
            )  # fmt: skip


def _meant(
    fitting: list[DatasetInspection], found: tuple[DatasetInspection, ...], name: str
) -> str | None:
    """Return the dataset of a name; where it is missing, the only one with as many axes."""
    if any(part.name == name.strip("/") for part in found):
        return name
    return fitting[0].name if len(fitting) == 1 else None


def _problems(images: Any, labels: Any, data_name: str, label_name: str) -> Iterator[str]:
    """Yield what keeps a file from being a set."""
    for what, found, option, name in (
        ("images", images, "--data-name", data_name),
        ("labels", labels, "--label-name", label_name),
    ):
        if found is None:
            yield f"no dataset {name!r} of {what}; name one with {option}"
        elif found.name.strip("/") != name.strip("/"):
            yield f"the {what} are not in {name!r}; use {option} {found.name.strip('/')}"
    numeric = images is not None and images.dtype.kind in "biuf"
    if images is not None and not (numeric and guess_layout(images.shape)):
        yield (
            f"images of shape {images.shape} {images.dtype}; expected numbers, four axes, and 1, 3 "
            "or 4 channels first or last"
        )
    if images is not None and images.ndim and not len(images):
        yield "no images"
    if labels is not None and images is not None and images.ndim:
        if labels.shape not in ((len(images),), (len(images), 1)):
            one_hot = labels.ndim == 2 and labels.shape[0] == len(images)
            yield (
                f"labels of shape {labels.shape}; expected one for each of {len(images)} images"
                + (", not one-hot vectors" if one_hot else "")
            )
        elif labels.dtype.kind not in "biuf":
            yield f"labels of type {labels.dtype}; expected numbers"


def _labels(labels: Any) -> LabelInspection | None:
    """Count all labels, a part at a time."""
    fitting = labels is not None and labels.ndim in (1, 2) and labels.dtype.kind in "biuf"
    if not fitting or (labels.ndim == 2 and labels.shape[1] != 1) or not len(labels):
        return None
    values, counts = np.empty(0), np.empty(0, np.int64)
    for start in range(0, len(labels), LABELS_AT_ONCE):
        part = labels[start : start + LABELS_AT_ONCE].astype(np.float64).reshape(-1)
        new, extra = np.unique(part, return_counts=True)
        values, place = np.unique(np.concatenate([values, new]), return_inverse=True)
        counts = np.bincount(place, np.concatenate([counts, extra])).astype(np.int64)
    few, many = int(counts.argmin()), int(counts.argmax())
    return LabelInspection(
        low=float(values[0]),
        high=float(values[-1]),
        n_classes=len(values),
        fewest=(float(values[few]), int(counts[few])),
        most=(float(values[many]), int(counts[many])),
        whole=bool(((values >= 0) & (values == np.floor(values))).all()),
    )
