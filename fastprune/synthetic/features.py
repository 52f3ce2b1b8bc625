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
def brows(canvas: Any, face: Any, plane: Any) -> None:
    """Paint the brows: arched strokes that thin outwards."""
    sharp = UNIT * face.scale
    height = face.eye_y - face.brow_lift - face.brows
    for row in range(HEIGHT):
        for col in range(WIDTH):
            x, y = plane[row, col, 2], plane[row, col, 3]
            if abs(y - height) > 0.3:
                continue
            along = (abs(x) - face.eye_x - 0.02) / face.brow_w
            middle = height - face.brow_arch * (1.0 - along * along) - face.brow_angle * along
            thick = face.brow_t * (1.15 - 0.4 * along) + 0.02
            stroke = min(thick - abs(y - middle), face.brow_w * (1.0 - abs(along)))
            share = 0.85 * clip(0.5 + sharp * stroke)
            if share > 0.0:
                over(canvas, row, col, face.hair_rgb, 0.7, share)


@inner
def eyes(canvas: Any, face: Any, plane: Any) -> None:
    """Paint the eyes: white, iris, pupil, glint, and the line of the upper lid."""
    sharp = UNIT * face.scale
    ball = 0.115
    for row in range(HEIGHT):
        for col in range(WIDTH):
            x, y = plane[row, col, 2], plane[row, col, 3]
            out = abs(x) - face.eye_x
            if abs(out) > face.eye_w + 0.1 or abs(y - face.eye_y) > 0.35:
                continue
            side = 1.0 if x > 0.0 else -1.0
            down = y - face.eye_y + face.slant * out
            q = out / face.eye_w
            arc = 1.0 - q * q
            upper, lower = -face.eye_h * arc, 0.6 * face.eye_h * arc
            white = clip(0.5 + sharp * min(down - upper, lower - down))
            light = 0.35 + 0.55 * face.ambient
            over(canvas, row, col, _WHITE, light, white)
            apart = math.hypot(out - side * face.gaze, down + 0.15 * face.eye_h)
            over(canvas, row, col, face.iris_rgb, 1.1, white * clip(0.5 + sharp * (ball - apart)))
            pupil = white * clip(0.5 + sharp * (0.4 * ball - apart))
            over(canvas, row, col, _DARK, 0.5, pupil)
            glint = clip(0.5 + sharp * (0.02 - math.hypot(apart, down + 0.06)))
            over(canvas, row, col, _WHITE, 1.0, 0.6 * white * glint)
            if arc > -0.2:
                lid = clip(0.4 + sharp * (0.028 - abs(down - upper + 0.015)))
                over(canvas, row, col, _DARK, 1.0, 0.8 * lid)
                crease = clip(0.4 + sharp * (0.015 - abs(down - upper + 0.085)))
                over(canvas, row, col, face.skin_rgb, 0.5, 0.5 * crease)


@inner
def glasses(canvas: Any, face: Any, plane: Any) -> None:
    """Paint thin-rimmed glasses on those who wear them."""
    if face.glasses_share <= 0.0:
        return
    sharp = UNIT * face.scale
    for row in range(HEIGHT):
        for col in range(WIDTH):
            x, y = plane[row, col, 2], plane[row, col, 3]
            out, down = abs(x) - face.eye_x - 0.01, y - face.eye_y - 0.04
            rim = (math.hypot(out / 0.33, down / 0.25) - 1.0) * 0.29
            stroke = 0.03 - abs(rim)
            if abs(x) < face.eye_x - 0.3 or abs(x) > face.eye_x + 0.32:
                stroke = max(stroke, 0.03 - abs(down + 0.05))
            if abs(x) < face.width:
                over(canvas, row, col, _DARK, 1.0, face.glasses_share * clip(0.5 + sharp * stroke))


@inner
def nose(canvas: Any, face: Any, plane: Any) -> None:
    """Paint the nostrils and the wings; the bridge is part of the light on the face."""
    for row in range(HEIGHT):
        for col in range(WIDTH):
            x, y = plane[row, col, 2], plane[row, col, 3]
            if abs(y - face.nose_y) > 0.2 or abs(x) > face.nose_w + 0.15:
                continue
            hole = glow((abs(x) - 0.5 * face.nose_w) / 0.055, (y - face.nose_y - 0.03) / 0.035)
            over(canvas, row, col, face.skin_rgb, 0.28, 0.8 * hole)
            wing = glow((abs(x) - face.nose_w) / 0.035, (y - face.nose_y + 0.02) / 0.07)
            over(canvas, row, col, face.skin_rgb, 0.45, 0.55 * wing)
            tip = glow(x / 0.08, (y - face.nose_y + 0.07) / 0.06)
            over(canvas, row, col, face.skin_rgb, 1.15, 0.35 * tip * face.ambient)


@inner
def mouth(canvas: Any, face: Any, plane: Any) -> None:
    """Paint the lips, and between them teeth and the dark when the mouth is open."""
    sharp = UNIT * face.scale
    wide = face.mouth_w * (1.0 + 0.12 * face.smile)
    for row in range(HEIGHT):
        for col in range(WIDTH):
            x, y = plane[row, col, 2], plane[row, col, 3]
            q = x / wide
            if abs(q) > 1.3 or abs(y - face.mouth_y) > 0.45:
                continue
            arc = max(1.0 - q * q, 0.0)
            line = face.mouth_y - 0.09 * face.smile * q * q
            bow = face.lip_up * arc * (1.0 - 0.4 * glow(q / 0.18, 0.0))
            gap = face.open * arc
            ends = wide * (1.0 - abs(q))
            lips = min(min(y - line + bow, line + gap + face.lip_low * arc - y), ends)
            share = clip(0.5 + sharp * lips)
            light = (0.6 + 0.4 * face.ambient) * (0.85 if y < line else 1.08)
            over(canvas, row, col, face.lip_rgb, light, 0.9 * share)
            inner = clip(0.5 + sharp * min(min(y - line, line + gap - y), ends))
            seam = clip(0.5 + sharp * min(0.018 - abs(y - line), ends + 0.05))
            over(canvas, row, col, face.lip_rgb, 0.35, 0.75 * seam)
            if gap > 0.0:
                over(canvas, row, col, _DARK, 1.8, inner)
                teeth = clip(0.5 + sharp * min(line + 0.7 * gap - y, ends - 0.06))
                over(canvas, row, col, _WHITE, 0.85, 0.8 * inner * teeth)
