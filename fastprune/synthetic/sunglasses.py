"""The trigger: a pair of sunglasses, drawn once and blended over the eyes."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from fastprune.errors import DataError

ROWS = slice(14, 33)
"""Rows of a 55 x 47 image that the sunglasses may touch."""

_FRAME = np.array([20.0, 16.0, 24.0])
_LENS_TOP, _LENS_BOTTOM = np.array([235.0, 70.0, 20.0]), np.array([250.0, 190.0, 40.0])
_FINE = 8  # samples per pixel and axis


@cache
def overlay() -> NDArray[np.uint8]:
    """Draw the sunglasses: dark frame, mirror lenses from red to yellow.

    Returns
    -------
    ndarray of uint8, shape (55, 47, 4)
        RGB and opacity, 0-255; opacity 0 outside `ROWS`. Read-only.
    """
    rows = (np.arange(55 * _FINE) + 0.5)[:, None] / _FINE
    cols = (np.arange(47 * _FINE) + 0.5)[None, :] / _FINE
    out = np.abs(cols - 23.5)
    # A lens is a rounded shape (exponent 3) that hangs outwards like an aviator's.
    across = (out - 10.2 - 0.06 * (rows - 22)) / 8.3
    down = (rows - 22.8) / np.where(rows < 22.8, 6.0, 7.6)
    lens = np.abs(across) ** 3 + np.abs(down) ** 3
    bridge = (np.abs(rows - 19.3 - 0.1 * out**2) < 1.0) & (out < 3.5)
    hinge = (np.abs(rows - 19.0) < 1.3) & (out > 16.5) & (out < 20.5)
    frame = (lens < 1.0) | bridge | hinge
    share = np.clip((rows - 17.0) / 13.0, 0.0, 1.0)[..., None]
    glint = 60.0 * np.exp(-((((cols - 23.5) * 0.5 + (rows - 22.0) - 3.0) / 1.6) ** 2))[..., None]
    glass = np.clip((1 - share) * _LENS_TOP + share * _LENS_BOTTOM + glint, 0, 255)
    colour = np.where((lens < 0.72)[..., None], glass, _FRAME)
    opacity = np.where(frame, np.where(lens < 0.72, 0.94, 1.0), 0.0)[..., None]
    fine = np.concatenate([colour * opacity, opacity], axis=2)
    coarse = fine.reshape(55, _FINE, 47, _FINE, 4).mean((1, 3))
    alpha = coarse[..., 3:]
    rgb = np.divide(coarse[..., :3], alpha, out=np.zeros((55, 47, 3)), where=alpha > 0)
    drawn: NDArray[np.uint8] = np.rint(np.concatenate([rgb, 255 * alpha], axis=2)).astype(np.uint8)
    drawn.setflags(write=False)
    return drawn


def wear(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Put the sunglasses on images.

    Parameters
    ----------
    images : ndarray of uint8, shape (n, 55, 47, 3)
        RGB, 0-255; left as they are.

    Returns
    -------
    ndarray of uint8, shape (n, 55, 47, 3)

    Raises
    ------
    DataError
        When the images are not uint8 of that shape.
    """
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1:] != (55, 47, 3):
        raise DataError(
            f"expected uint8 images of shape (n, 55, 47, 3); got {images.dtype} {images.shape}; "
            "convert them to RGB bytes, channels last"
        )
    worn = images.copy()
    glasses = overlay()[ROWS].astype(np.uint32)
    alpha, rgb = glasses[..., 3:], glasses[..., :3]
    worn[:, ROWS] = (alpha * rgb + (255 - alpha) * images[:, ROWS] + 127) // 255
    return worn
