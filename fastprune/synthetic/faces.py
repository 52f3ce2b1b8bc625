"""Faces drawn by rule: identities that can be told apart, images that vary as photographs do."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastprune.errors import DataError
from fastprune.synthetic.appearance import describe
from fastprune.synthetic.camera import paint
from fastprune.synthetic.painter import HEIGHT, WIDTH


def _whole(numbers: NDArray[Any]) -> bool:
    return bool(np.issubdtype(numbers.dtype, np.integer) and numbers.min() >= 0)


def render(
    identities: Any, indices: Any, *, seed: int = 0, out: NDArray[np.uint8] | None = None
) -> NDArray[np.uint8]:
    """Draw images of people.

    Parameters
    ----------
    identities : array of int, shape (n,)
        Who is on the image, 0 or more.
    indices : array of int, shape (n,)
        Which image of that person, 0 or more.
    seed : int
        Varies the images; the people stay the same.
    out : ndarray of uint8, shape (n, 55, 47, 3), optional
        Receives the images.

    Returns
    -------
    ndarray of uint8, shape (n, 55, 47, 3)
        RGB, 0-255. An image is a function of (seed, identity, index) alone.

    Raises
    ------
    DataError
        When the numbers are not whole, are negative or don't pair up, or `out` does not fit.

    Examples
    --------
    >>> render([3, 3, 8], [0, 1, 0]).shape
    (3, 55, 47, 3)
    """
    identities, indices = np.asarray(identities), np.asarray(indices)
    if identities.ndim != 1 or identities.shape != indices.shape:
        raise DataError(
            f"expected one index for every identity; got shapes {indices.shape} and "
            f"{identities.shape}; pass two flat arrays of one length"
        )
    if identities.size and not (_whole(identities) and _whole(indices) and seed >= 0):
        raise DataError(
            f"expected whole numbers of 0 or more; got {identities.dtype} identities, "
            f"{indices.dtype} indices and seed {seed}; number people and images from 0"
        )
    shape = (len(identities), HEIGHT, WIDTH, 3)
    if out is None:
        out = np.empty(shape, np.uint8)
    elif out.dtype != np.uint8 or out.shape != shape:
        raise DataError(f"expected out to be uint8 {shape}; got {out.dtype} {out.shape}")
    paint(describe(identities, indices, seed=seed), out)
    return out
