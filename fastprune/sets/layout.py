"""The layout of images, told by their shape and the network's input: channels first or last."""

from __future__ import annotations

from typing import Any

from fastprune.errors import DataError


def channels_first(images: Any, input_shape: tuple[int, int, int], where: str) -> bool:
    """Return whether `images` are channels first; raise DataError when they do not fit.

    Parameters
    ----------
    images : array or h5py.Dataset, shape (n, H, W, C) or (n, C, H, W)
        Only its shape and dtype are looked at.
    input_shape : tuple of int
        Height, width and channels of the network's input.
    where : str
        File and dataset.

    Raises
    ------
    DataError
        When they are no images of that size.
    """
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
