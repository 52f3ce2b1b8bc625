"""From looks to bytes: the layers in their order, then lens, light and sensor (numba kernels)."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastprune.runtime.numba_jit import compiled, inner
from fastprune.synthetic.features import brows, eyes, glasses, mouth, nose
from fastprune.synthetic.painter import (
    HEIGHT,
    WIDTH,
    backdrop,
    behind,
    face,
    fringe,
    place,
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
def _expose(canvas: Any, blurred: Any, look: Any, image: Any) -> None:
    """Blur, set exposure and white balance, add noise, round to bytes."""
    near, own = look.blur, 1.0 - 2.0 * look.blur
    for row in range(HEIGHT):
        for col in range(WIDTH):
            left, right = max(col - 1, 0), min(col + 1, WIDTH - 1)
            for band in range(3):
                beside = canvas[row, left, band] + canvas[row, right, band]
                blurred[row, col, band] = own * canvas[row, col, band] + near * beside
    count = np.uint64(look.key)
    for row in range(HEIGHT):
        above, below = max(row - 1, 0), min(row + 1, HEIGHT - 1)
        for col in range(WIDTH):
            for band in range(3):
                beside = blurred[above, col, band] + blurred[below, col, band]
                value = own * blurred[row, col, band] + near * beside
                count += np.uint64(0x9E3779B97F4A7C15)
                level = 255.0 * value * look.balance[band] + look.noise * _grain(count)
                image[row, col, band] = np.uint8(min(max(level, 0.0), 255.0) + 0.5)


@compiled
def paint(looks: Any, images: Any) -> None:
    """Draw looks, ndarray of LOOK (n,), into images, uint8 (n, 55, 47, 3): RGB, 0-255."""
    canvas = np.empty((HEIGHT, WIDTH, 3))
    blurred = np.empty((HEIGHT, WIDTH, 3))
    plane = np.empty((HEIGHT, WIDTH, 4))
    for which in range(len(looks)):
        look = looks[which]
        place(look, plane)
        canvas[:] = 0.0
        backdrop(canvas, look, plane)
        behind(canvas, look, plane)
        face(canvas, look, plane)
        mouth(canvas, look, plane)
        nose(canvas, look, plane)
        eyes(canvas, look, plane)
        brows(canvas, look, plane)
        glasses(canvas, look, plane)
        fringe(canvas, look, plane)
        _expose(canvas, blurred, look, images[which])
