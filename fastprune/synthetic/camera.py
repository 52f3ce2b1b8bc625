"""From faces to bytes: the layers in their order, then lens, light and sensor (numba kernels)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastprune.runtime.numba_jit import compiled, inner
from fastprune.synthetic.features import brows, eyes, glasses, mouth, nose
from fastprune.synthetic.painter import (
    HEIGHT,
    WIDTH,
    backdrop,
    behind,
    fringe,
    place,
    skin,
)


@inner
def _grain(state: np.uint64) -> float:
    """Return nearly normal noise of variance 1 from a 64-bit counter (SplitMix64, four parts)."""
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    state = state ^ (state >> np.uint64(31))
    total = 0.0
    for quarter in range(4):
        total += float((state >> np.uint64(16 * quarter)) & np.uint64(0xFFFF))
    return (total / 65535.0 - 2.0) * 1.7320508


@inner
def _expose(canvas: Any, blurred: Any, face: Any, image: Any) -> None:
    """Blur, set exposure and white balance, add noise, round to bytes."""
    near, own = face.blur, 1.0 - 2.0 * face.blur
    for row in range(HEIGHT):
        for col in range(WIDTH):
            left, right = max(col - 1, 0), min(col + 1, WIDTH - 1)
            for band in range(3):
                beside = canvas[row, left, band] + canvas[row, right, band]
                blurred[row, col, band] = own * canvas[row, col, band] + near * beside
    count = np.uint64(face.key)
    for row in range(HEIGHT):
        above, below = max(row - 1, 0), min(row + 1, HEIGHT - 1)
        for col in range(WIDTH):
            for band in range(3):
                beside = blurred[above, col, band] + blurred[below, col, band]
                value = own * blurred[row, col, band] + near * beside
                count += np.uint64(0x9E3779B97F4A7C15)
                level = 255.0 * value * face.balance[band] + face.noise * _grain(count)
                image[row, col, band] = np.uint8(min(max(level, 0.0), 255.0) + 0.5)


def paint(faces: NDArray[np.void], images: NDArray[np.uint8]) -> None:
    """Draw faces, ndarray of FACE (n,), into images, uint8 (n, 55, 47, 3): RGB, 0-255."""
    canvas, blurred = np.empty((2, HEIGHT, WIDTH, 3))
    _paint(faces, images, canvas, blurred, np.empty((HEIGHT, WIDTH, 4)))


@compiled
def _paint(faces: Any, images: Any, canvas: Any, blurred: Any, plane: Any) -> None:
    """Draw faces one after another on `canvas`; `plane` is what `place` fills."""
    for which in range(len(faces)):
        face = faces[which]
        place(face, plane)
        canvas[:] = 0.0
        backdrop(canvas, face, plane)
        behind(canvas, face, plane)
        skin(canvas, face, plane)
        mouth(canvas, face, plane)
        nose(canvas, face, plane)
        eyes(canvas, face, plane)
        brows(canvas, face, plane)
        glasses(canvas, face, plane)
        fringe(canvas, face, plane)
        _expose(canvas, blurred, face, images[which])
