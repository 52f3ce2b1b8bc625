"""The painter: numba kernels that turn looks into pixels, back to front.

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
def place(look: Any, plane: Any) -> None:
    """Fill `plane` (height, width, 4): head coordinates u, v and, turned by the pose, x, y.

    The outline of a head that turns a little stays, what is on its front slides over it.
    """
    cosine, sine = math.cos(look.roll), math.sin(look.roll)
    size = 1.0 / (UNIT * look.scale)
    for row in range(HEIGHT):
        for col in range(WIDTH):
            right = (col + 0.5 - WIDTH / 2 - look.shift_x) * size
            down = (row + 0.5 - 26.5 - look.shift_y) * size
            u = cosine * right + sine * down
            v = cosine * down - sine * right
            depth = max(0.0, 1.0 - u * u - 0.3 * v * v)
            plane[row, col, 0] = u
            plane[row, col, 1] = v
            plane[row, col, 2] = u - look.yaw * depth
            plane[row, col, 3] = v - look.pitch * depth


@inner
def _head(look: Any, u: float, v: float) -> Any:
    """Return how far a point lies inside the outline of the head, in units; negative outside."""
    t = v / (look.chin if v > 0.0 else look.top)
    across = u / (look.width * (1.0 - (look.taper * t * t if v > 0.0 else 0.0)))
    ring = across * across + t * t - look.square * across * across * t * t * (0.5 if v > 0 else 0.3)
    return (1.0 - math.sqrt(max(ring, 0.0))) * look.width


@inner
def _mane(look: Any, u: float, v: float) -> Any:
    """Return how far a point lies inside the hair as seen from the front, in units."""
    wide = look.width + look.hair_side
    middle = -0.35
    if v < middle:
        t = (v - middle) / (look.top + look.hair_top + middle)
        return (1.0 - math.sqrt((u / wide) ** 2 + t * t)) * wide
    radius = min(0.3, wide - 0.5)
    beside = radius - (wide + 0.04 * (v - middle) - abs(u))
    below = radius - (look.hair_end - v)
    corner = math.hypot(max(beside, 0.0), max(below, 0.0))
    return radius - corner - min(max(beside, below), 0.0)


@inner
def backdrop(canvas: Any, look: Any, plane: Any) -> None:
    """Paint the background: a slope of light, and an edge somewhere."""
    cosine, sine = math.cos(look.back_turn), math.sin(look.back_turn)
    for row in range(HEIGHT):
        for col in range(WIDTH):
            along = (cosine * (col - 23) + sine * (row - 27)) / 27.0
            edge = clip(0.5 + 6.0 * (along * 1.3 - look.back_edge))
            light = max(1.0 + 0.35 * along + look.back_step * edge, 0.0)
            over(canvas, row, col, look.back_rgb, light, 1.0)


@inner
def _strand(look: Any, u: float, v: float) -> Any:
    """Return the brightness of hair: strands that fall from the parting, and a sheen."""
    fall = u / (1.15 + 0.35 * max(v + 1.0, 0.0))
    streak = math.sin(look.hair_wave * (fall + 0.25 * v * fall) + 2.0 * look.fringe)
    sheen = glow((u - 0.6 * look.light_x) / 0.8, (v + 1.15) / 0.35)
    return 0.82 + 0.13 * streak + 0.5 * sheen * (1.0 - look.ambient * 0.5)


@inner
def behind(canvas: Any, look: Any, plane: Any) -> None:
    """Paint what lies behind the face: hair, neck, clothes, ears."""
    sharp = UNIT * look.scale
    for row in range(HEIGHT):
        for col in range(WIDTH):
            u, v = plane[row, col, 0], plane[row, col, 1]
            inside = clip(0.5 + sharp * _mane(look, u, v)) * (1.0 - look.recede)
            if inside > 0.0:
                over(canvas, row, col, look.hair_rgb, 0.8 * _strand(look, u, v), inside)
            if v > 0.8:
                neck = clip(0.5 + sharp * (0.62 * look.width - abs(u)))
                light = 0.45 + 0.2 * look.ambient + 0.15 * u * look.light_x
                over(canvas, row, col, look.skin_rgb, light, neck)
                hem = look.chin + 0.12 + 0.22 * abs(u)
                if abs(u) < 0.5:
                    hem += look.collar * (1.0 - 2.0 * abs(u))
                cloth = clip(0.5 + sharp * (v - hem))
                over(canvas, row, col, look.cloth_rgb, 0.75 + 0.3 * u * look.light_x, cloth)
            lobe = math.hypot((abs(u) - look.width) / look.ears, (v + 0.05) / 0.33)
            ear = clip(0.5 + sharp * (1.0 - lobe) * 0.15)
            if ear > 0.0:
                over(canvas, row, col, look.skin_rgb, 0.75 - 0.12 * (1.0 - min(lobe, 1.0)), ear)


@inner
def _relief(look: Any, x: float, y: float) -> Any:
    """Return the share of light on the relief of the face: sockets, nose, cheeks, chin, folds."""
    side = 1.0 if x > 0.0 else -1.0
    light = 1.0
    light -= 0.2 * glow((abs(x) - look.eye_x) / 0.26, (y - look.eye_y + 0.04) / 0.16)
    light += 0.08 * glow((abs(x) - 0.5) / 0.25, (y - 0.2) / 0.2)
    if y > look.eye_y - 0.1 and y < look.nose_y + 0.1:
        down = clip((y - look.eye_y) / (look.nose_y - look.eye_y))
        wide = 0.07 + 0.1 * down
        light += 0.16 * look.bridge * glow(x / wide, 0.0)
        shaded = 0.5 + 0.5 * (1.0 if x * look.light_x < 0.0 else -0.6) * min(
            1.0, 3.0 * abs(look.light_x)
        )
        light -= 0.26 * shaded * look.bridge * glow((abs(x) - wide - 0.07) / 0.07, 0.0)
    light -= 0.22 * glow(x / (0.9 * look.nose_w), (y - look.nose_y - 0.09) / 0.05)
    light -= 0.16 * glow(x / (0.7 * look.mouth_w), (y - look.mouth_y - look.lip_low - 0.09) / 0.05)
    light += 0.06 * glow(x / 0.2, (y - look.chin + 0.22) / 0.12)
    down = (y - look.nose_y) / (look.mouth_y - look.nose_y)
    if look.folds > 0.0 and down > -0.2 and down < 1.2:
        fold = abs(x) - look.nose_w - 0.04 - (look.mouth_w - look.nose_w + 0.05) * down
        light -= 0.5 * look.folds * glow(fold / 0.04, 0.0)
    return light * (1.0 + 0.05 * side * look.light_x)


@inner
def face(canvas: Any, look: Any, plane: Any) -> None:
    """Paint the skin of the face with its light, and the beard."""
    sharp = UNIT * look.scale
    norm = 1.0 / math.sqrt(look.light_x**2 + look.light_y**2 + 0.7)
    for row in range(HEIGHT):
        for col in range(WIDTH):
            u, v, x, y = plane[row, col]
            inside = clip(0.5 + sharp * _head(look, u, v))
            if inside <= 0.0:
                continue
            nx, ny = u / look.width, 0.75 * v / look.chin
            nz = math.sqrt(max(0.05, 1.0 - nx * nx - ny * ny))
            facing = max(0.0, (nx * look.light_x + ny * look.light_y + nz * 0.84) * norm)
            light = (look.ambient + (1.0 - look.ambient) * 1.15 * facing) * _relief(look, x, y)
            over(canvas, row, col, look.skin_rgb, light, inside)
            cheek = 0.5 * look.blush * glow((abs(x) - 0.52) / 0.2, (y - 0.22) / 0.16)
            canvas[row, col, 1] *= 1.0 - 0.5 * cheek * inside
            canvas[row, col, 2] *= 1.0 - 0.4 * cheek * inside
            if look.beard_share > 0.0:
                edge = 0.82 - 0.75 * min(1.0, (x / look.width) ** 2)
                beard = look.beard_share * inside * clip(0.5 + 5.0 * (y - edge))
                over(canvas, row, col, look.hair_rgb, 0.45 + 0.5 * light, beard)
            if look.moustache_share > 0.0:
                low = 0.5 * (look.nose_y + look.mouth_y) + 0.07 + 0.12 * (x / look.mouth_w) ** 2
                thick = 0.11 - abs(y - low) - 0.05 * (x / look.mouth_w) ** 2
                lip = min(thick, 1.15 * look.mouth_w - abs(x))
                share = look.moustache_share * clip(0.5 + sharp * lip)
                over(canvas, row, col, look.hair_rgb, 0.45 + 0.5 * light, share)


@inner
def fringe(canvas: Any, look: Any, plane: Any) -> None:
    """Paint the hair that lies over the forehead and the temples."""
    sharp = UNIT * look.scale
    for row in range(HEIGHT):
        for col in range(WIDTH):
            u, v = plane[row, col, 0], plane[row, col, 1]
            if v > 0.3:
                break
            inside = _mane(look, u, v)
            if inside < -0.1:
                continue
            across = u / look.width
            line = look.hairline + look.hair_drop * across**4 + look.fringe * across * 0.6
            if look.recede > 0.0:
                line = -1.75 + 1.7 * across * across
            line += 0.045 * math.sin(look.hair_wave * 1.3 * across + 9.0 * look.fringe)
            part = clip(0.5 + 0.5 * sharp * (line - v)) * clip(0.5 + sharp * inside)
            if part > 0.0:
                facing = 1.0 + 0.3 * across * look.light_x
                over(canvas, row, col, look.hair_rgb, _strand(look, u, v) * facing, part)
