"""The features of the face: brows, eyes, glasses, nose and mouth (numba kernels)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastprune.runtime.numba_jit import inner
from fastprune.synthetic.painter import HEIGHT, UNIT, WIDTH, clip, glow, over

_DARK = np.array([0.10, 0.06, 0.05])
_WHITE = np.array([0.93, 0.91, 0.88])


@inner
def brows(canvas: Any, look: Any, plane: Any) -> None:
    """Paint the brows: arched strokes that thin outwards."""
    sharp = UNIT * look.scale
    height = look.eye_y - look.brow_lift - look.brows
    for row in range(HEIGHT):
        for col in range(WIDTH):
            x, y = plane[row, col, 2], plane[row, col, 3]
            if abs(y - height) > 0.3:
                continue
            along = (abs(x) - look.eye_x - 0.02) / look.brow_w
            middle = height - look.brow_arch * (1.0 - along * along) - look.brow_angle * along
            thick = look.brow_t * (1.15 - 0.4 * along) + 0.02
            stroke = min(thick - abs(y - middle), look.brow_w * (1.0 - abs(along)))
            share = 0.85 * clip(0.5 + sharp * stroke)
            if share > 0.0:
                over(canvas, row, col, look.hair_rgb, 0.7, share)


@inner
def eyes(canvas: Any, look: Any, plane: Any) -> None:
    """Paint the eyes: white, iris, pupil, glint, and the line of the upper lid."""
    sharp = UNIT * look.scale
    ball = 0.115
    for row in range(HEIGHT):
        for col in range(WIDTH):
            x, y = plane[row, col, 2], plane[row, col, 3]
            out = abs(x) - look.eye_x
            if abs(out) > look.eye_w + 0.1 or abs(y - look.eye_y) > 0.35:
                continue
            side = 1.0 if x > 0.0 else -1.0
            down = y - look.eye_y + look.slant * out
            q = out / look.eye_w
            arc = 1.0 - q * q
            upper, lower = -look.eye_h * arc, 0.6 * look.eye_h * arc
            white = clip(0.5 + sharp * min(down - upper, lower - down))
            light = 0.35 + 0.55 * look.ambient
            over(canvas, row, col, _WHITE, light, white)
            apart = math.hypot(out - side * look.gaze, down + 0.15 * look.eye_h)
            over(canvas, row, col, look.iris_rgb, 1.1, white * clip(0.5 + sharp * (ball - apart)))
            pupil = white * clip(0.5 + sharp * (0.4 * ball - apart))
            over(canvas, row, col, _DARK, 0.5, pupil)
            glint = clip(0.5 + sharp * (0.02 - math.hypot(apart, down + 0.06)))
            over(canvas, row, col, _WHITE, 1.0, 0.6 * white * glint)
            if arc > -0.2:
                lid = clip(0.4 + sharp * (0.028 - abs(down - upper + 0.015)))
                over(canvas, row, col, _DARK, 1.0, 0.8 * lid)
                crease = clip(0.4 + sharp * (0.015 - abs(down - upper + 0.085)))
                over(canvas, row, col, look.skin_rgb, 0.5, 0.5 * crease)


@inner
def glasses(canvas: Any, look: Any, plane: Any) -> None:
    """Paint thin-rimmed glasses on those who wear them."""
    if look.glasses_share <= 0.0:
        return
    sharp = UNIT * look.scale
    for row in range(HEIGHT):
        for col in range(WIDTH):
            x, y = plane[row, col, 2], plane[row, col, 3]
            out, down = abs(x) - look.eye_x - 0.01, y - look.eye_y - 0.04
            rim = (math.hypot(out / 0.33, down / 0.25) - 1.0) * 0.29
            stroke = 0.03 - abs(rim)
            if abs(x) < look.eye_x - 0.3 or abs(x) > look.eye_x + 0.32:
                stroke = max(stroke, 0.03 - abs(down + 0.05))
            if abs(x) < look.width:
                over(canvas, row, col, _DARK, 1.0, look.glasses_share * clip(0.5 + sharp * stroke))


@inner
def nose(canvas: Any, look: Any, plane: Any) -> None:
    """Paint the nostrils and the wings; the bridge is part of the light on the face."""
    for row in range(HEIGHT):
        for col in range(WIDTH):
            x, y = plane[row, col, 2], plane[row, col, 3]
            if abs(y - look.nose_y) > 0.2 or abs(x) > look.nose_w + 0.15:
                continue
            hole = glow((abs(x) - 0.5 * look.nose_w) / 0.055, (y - look.nose_y - 0.03) / 0.035)
            over(canvas, row, col, look.skin_rgb, 0.28, 0.8 * hole)
            wing = glow((abs(x) - look.nose_w) / 0.035, (y - look.nose_y + 0.02) / 0.07)
            over(canvas, row, col, look.skin_rgb, 0.45, 0.55 * wing)
            tip = glow(x / 0.08, (y - look.nose_y + 0.07) / 0.06)
            over(canvas, row, col, look.skin_rgb, 1.15, 0.35 * tip * look.ambient)


@inner
def mouth(canvas: Any, look: Any, plane: Any) -> None:
    """Paint the lips, and between them teeth and the dark when the mouth is open."""
    sharp = UNIT * look.scale
    wide = look.mouth_w * (1.0 + 0.12 * look.smile)
    for row in range(HEIGHT):
        for col in range(WIDTH):
            x, y = plane[row, col, 2], plane[row, col, 3]
            q = x / wide
            if abs(q) > 1.3 or abs(y - look.mouth_y) > 0.45:
                continue
            arc = max(1.0 - q * q, 0.0)
            line = look.mouth_y - 0.09 * look.smile * q * q
            bow = look.lip_up * arc * (1.0 - 0.4 * glow(q / 0.18, 0.0))
            gap = look.open * arc
            ends = wide * (1.0 - abs(q))
            lips = min(min(y - line + bow, line + gap + look.lip_low * arc - y), ends)
            share = clip(0.5 + sharp * lips)
            light = (0.6 + 0.4 * look.ambient) * (0.85 if y < line else 1.08)
            over(canvas, row, col, look.lip_rgb, light, 0.9 * share)
            inner = clip(0.5 + sharp * min(min(y - line, line + gap - y), ends))
            seam = clip(0.5 + sharp * min(0.018 - abs(y - line), ends + 0.05))
            over(canvas, row, col, look.lip_rgb, 0.35, 0.75 * seam)
            if gap > 0.0:
                over(canvas, row, col, _DARK, 1.8, inner)
                teeth = clip(0.5 + sharp * min(line + 0.7 * gap - y, ends - 0.06))
                over(canvas, row, col, _WHITE, 0.85, 0.8 * inner * teeth)
