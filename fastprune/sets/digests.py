"""A digest of every image, 8 bytes each, by which images are told to be the same.

A weighted sum of the bits of its pixels, modulo 2**64. Images of a byte a channel that differ have
the same digest with a probability of some 2**-47, whatever they show. It is no defense against
somebody who looks for two such images.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastprune.runtime.numba_jit import compiled


def digest_keys(n_values: int) -> NDArray[np.uint64]:
    """Return the weights of the values of an image, always the same: uint64 (n_values,), odd."""
    keys = np.random.default_rng(0).integers(0, 1 << 64, n_values, np.uint64)
    return keys | np.uint64(1)


def digest_into(
    images: NDArray[np.float32], keys: NDArray[np.uint64], out: NDArray[np.uint64]
) -> None:
    """Fill `out` (n,) with the digests of images, float32 (n, …), contiguous.

    On one core the lab's images take 2.6 us each.
    """
    bits = images.reshape(len(images), len(keys)).view(np.uint32)
    _sums(bits, keys, out)


@compiled
def _sums(bits: Any, keys: Any, out: Any) -> None:
    for image in range(bits.shape[0]):
        total = np.uint64(0)
        for value in range(bits.shape[1]):
            total += np.uint64(bits[image, value]) * keys[value]
        out[image] = total
