"""Labels as they come from files and arrays: checked to be classes of the network."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastprune.errors import DataError
from fastprune.files.hdf5 import reading


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
    with reading("labels", where):
        values = labels[()].reshape(-1)
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
