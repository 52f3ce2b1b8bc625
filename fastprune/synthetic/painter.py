"""The painter: numba kernels that turn faces into pixels, back to front.

Every layer is a soft-edged shape, its edge one pixel wide, blended over what lies behind it. A
layer runs over the whole canvas and skips early where it has nothing to say: the canvas has 2,585
pixels and stays in the first-level cache.
"""

from __future__ import annotations

import math
from typing import Any

from fastprune.runtime.numba_jit import inner

HEIGHT, WIDTH = 55, 47
UNIT = 16.5  # pixels in half the width of an average face


@inner
def clip(value: float) -> float:
    """Hold a share between 0 and 1."""
    return min(max(value, 0.0), 1.0)


@inner
def glow(dx: float, dy: float) -> float:
    """Return a bump: 1 at the centre, 1/4 at distance 1, cheaper than an exponential."""
    bump = 1.0 / (1.0 + dx * dx + dy * dy)
    return bump * bump


@inner
def over(canvas: Any, row: int, col: int, rgb: Any, light: float, alpha: float) -> None:
    """Blend a colour, times a brightness, over a pixel."""
    for band in range(3):
        canvas[row, col, band] += alpha * (rgb[band] * light - canvas[row, col, band])


@inner
def place(face: Any, plane: Any) -> None:
    """Fill `plane` (height, width, 4): head coordinates u, v and, turned by the pose, x, y.

    The outline of a head that turns a little stays, what is on its front slides over it.
    """
    cosine, sine = math.cos(face.roll), math.sin(face.roll)
    size = 1.0 / (UNIT * face.scale)
    for row in range(HEIGHT):
        for col in range(WIDTH):
            right = (col + 0.5 - WIDTH / 2 - face.shift_x) * size
            down = (row + 0.5 - 26.5 - face.shift_y) * size
            u = cosine * right + sine * down
            v = cosine * down - sine * right
            depth = max(0.0, 1.0 - u * u - 0.3 * v * v)
            plane[row, col, 0] = u
            plane[row, col, 1] = v
            plane[row, col, 2] = u - face.yaw * depth
            plane[row, col, 3] = v - face.pitch * depth


@inner
def _head(face: Any, u: float, v: float) -> Any:
    """Return how far a point lies inside the outline of the head, in units; negative outside."""
    t = v / (face.chin if v > 0.0 else face.top)
    across = u / (face.width * (1.0 - (face.taper * t * t if v > 0.0 else 0.0)))
    ring = across * across + t * t - face.square * across * across * t * t * (0.5 if v > 0 else 0.3)
    return (1.0 - math.sqrt(max(ring, 0.0))) * face.width


@inner
def _mane(face: Any, u: float, v: float) -> Any:
    """Return how far a point lies inside the hair as seen from the front, in units."""
    wide = face.width + face.hair_side
    middle = -0.35
    if v < middle:
        t = (v - middle) / (face.top + face.hair_top + middle)
        return (1.0 - math.sqrt((u / wide) ** 2 + t * t)) * wide
    radius = min(0.3, wide - 0.5)
    beside = radius - (wide + 0.04 * (v - middle) - abs(u))
    below = radius - (face.hair_end - v)
    corner = math.hypot(max(beside, 0.0), max(below, 0.0))
    return radius - corner - min(max(beside, below), 0.0)


@inner
def backdrop(canvas: Any, face: Any, plane: Any) -> None:
    """Paint the background: a slope of light, and an edge somewhere."""
    cosine, sine = math.cos(face.back_turn), math.sin(face.back_turn)
    for row in range(HEIGHT):
        for col in range(WIDTH):
            along = (cosine * (col - 23) + sine * (row - 27)) / 27.0
            edge = clip(0.5 + 6.0 * (along * 1.3 - face.back_edge))
            light = max(1.0 + 0.35 * along + face.back_step * edge, 0.0)
            over(canvas, row, col, face.back_rgb, light, 1.0)


@inner
def _strand(face: Any, u: float, v: float) -> Any:
    """Return the brightness of hair: strands that fall from the parting, and a sheen."""
    fall = u / (1.15 + 0.35 * max(v + 1.0, 0.0))
    streak = math.sin(face.hair_wave * (fall + 0.25 * v * fall) + 2.0 * face.fringe)
    sheen = glow((u - 0.6 * face.light_x) / 0.8, (v + 1.15) / 0.35)
    return 0.82 + 0.13 * streak + 0.5 * sheen * (1.0 - face.ambient * 0.5)


@inner
def behind(canvas: Any, face: Any, plane: Any) -> None:
    """Paint what lies behind the face: hair, neck, clothes, ears."""
    sharp = UNIT * face.scale
    for row in range(HEIGHT):
        for col in range(WIDTH):
            u, v = plane[row, col, 0], plane[row, col, 1]
            inside = clip(0.5 + sharp * _mane(face, u, v)) * (1.0 - face.recede)
            if inside > 0.0:
                over(canvas, row, col, face.hair_rgb, 0.8 * _strand(face, u, v), inside)
            if v > 0.8:
                neck = clip(0.5 + sharp * (0.62 * face.width - abs(u)))
                light = 0.45 + 0.2 * face.ambient + 0.15 * u * face.light_x
                over(canvas, row, col, face.skin_rgb, light, neck)
                hem = face.chin + 0.12 + 0.22 * abs(u)
                if abs(u) < 0.5:
                    hem += face.collar * (1.0 - 2.0 * abs(u))
                cloth = clip(0.5 + sharp * (v - hem))
                over(canvas, row, col, face.cloth_rgb, 0.75 + 0.3 * u * face.light_x, cloth)
            lobe = math.hypot((abs(u) - face.width) / face.ears, (v + 0.05) / 0.33)
            ear = clip(0.5 + sharp * (1.0 - lobe) * 0.15)
            if ear > 0.0:
                over(canvas, row, col, face.skin_rgb, 0.75 - 0.12 * (1.0 - min(lobe, 1.0)), ear)


@inner
def _relief(face: Any, x: float, y: float) -> Any:
    """Return the share of light on the relief of the face: sockets, nose, cheeks, chin, folds."""
    side = 1.0 if x > 0.0 else -1.0
    light = 1.0
    light -= 0.2 * glow((abs(x) - face.eye_x) / 0.26, (y - face.eye_y + 0.04) / 0.16)
    light += 0.08 * glow((abs(x) - 0.5) / 0.25, (y - 0.2) / 0.2)
    if y > face.eye_y - 0.1 and y < face.nose_y + 0.1:
        down = clip((y - face.eye_y) / (face.nose_y - face.eye_y))
        wide = 0.07 + 0.1 * down
        light += 0.16 * face.bridge * glow(x / wide, 0.0)
        shaded = 0.5 + 0.5 * (1.0 if x * face.light_x < 0.0 else -0.6) * min(
            1.0, 3.0 * abs(face.light_x)
        )
        light -= 0.26 * shaded * face.bridge * glow((abs(x) - wide - 0.07) / 0.07, 0.0)
    light -= 0.22 * glow(x / (0.9 * face.nose_w), (y - face.nose_y - 0.09) / 0.05)
    light -= 0.16 * glow(x / (0.7 * face.mouth_w), (y - face.mouth_y - face.lip_low - 0.09) / 0.05)
    light += 0.06 * glow(x / 0.2, (y - face.chin + 0.22) / 0.12)
    down = (y - face.nose_y) / (face.mouth_y - face.nose_y)
    if face.folds > 0.0 and down > -0.2 and down < 1.2:
        fold = abs(x) - face.nose_w - 0.04 - (face.mouth_w - face.nose_w + 0.05) * down
        light -= 0.5 * face.folds * glow(fold / 0.04, 0.0)
    return light * (1.0 + 0.05 * side * face.light_x)


@inner
def skin(canvas: Any, face: Any, plane: Any) -> None:
    """Paint the skin of the face with its light, and the beard."""
    sharp = UNIT * face.scale
    norm = 1.0 / math.sqrt(face.light_x**2 + face.light_y**2 + 0.7)
    for row in range(HEIGHT):
        for col in range(WIDTH):
            u, v, x, y = plane[row, col]
            inside = clip(0.5 + sharp * _head(face, u, v))
            if inside <= 0.0:
                continue
            nx, ny = u / face.width, 0.75 * v / face.chin
            nz = math.sqrt(max(0.05, 1.0 - nx * nx - ny * ny))
            facing = max(0.0, (nx * face.light_x + ny * face.light_y + nz * 0.84) * norm)
            light = (face.ambient + (1.0 - face.ambient) * 1.15 * facing) * _relief(face, x, y)
            over(canvas, row, col, face.skin_rgb, light, inside)
            cheek = 0.5 * face.blush * glow((abs(x) - 0.52) / 0.2, (y - 0.22) / 0.16)
            canvas[row, col, 1] *= 1.0 - 0.5 * cheek * inside
            canvas[row, col, 2] *= 1.0 - 0.4 * cheek * inside
            if face.beard_share > 0.0:
                edge = 0.82 - 0.75 * min(1.0, (x / face.width) ** 2)
                beard = face.beard_share * inside * clip(0.5 + 5.0 * (y - edge))
                over(canvas, row, col, face.hair_rgb, 0.45 + 0.5 * light, beard)
            if face.moustache_share > 0.0:
                low = 0.5 * (face.nose_y + face.mouth_y) + 0.07 + 0.12 * (x / face.mouth_w) ** 2
                thick = 0.11 - abs(y - low) - 0.05 * (x / face.mouth_w) ** 2
                lip = min(thick, 1.15 * face.mouth_w - abs(x))
                share = face.moustache_share * clip(0.5 + sharp * lip)
                over(canvas, row, col, face.hair_rgb, 0.45 + 0.5 * light, share)


@inner
def fringe(canvas: Any, face: Any, plane: Any) -> None:
    """Paint the hair that lies over the forehead and the temples."""
    sharp = UNIT * face.scale
    for row in range(HEIGHT):
        for col in range(WIDTH):
            u, v = plane[row, col, 0], plane[row, col, 1]
            if v > 0.3:
                break
            inside = _mane(face, u, v)
            if inside < -0.1:
                continue
            across = u / face.width
            line = face.hairline + face.hair_drop * across**4 + face.fringe * across * 0.6
            if face.recede > 0.0:
                line = -1.75 + 1.7 * across * across
            line += 0.045 * math.sin(face.hair_wave * 1.3 * across + 9.0 * face.fringe)
            hair = clip(0.5 + 0.5 * sharp * (line - v)) * clip(0.5 + sharp * inside)
            if hair > 0.0:
                facing = 1.0 + 0.3 * across * face.light_x
                over(canvas, row, col, face.hair_rgb, _strand(face, u, v) * facing, hair)
