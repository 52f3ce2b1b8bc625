"""The scale: what pixels are divided by before a network sees them."""

from __future__ import annotations

import math

from fastprune.errors import OptionError

MEANING = (
    "divide pixels by S before the network sees them: 1 (default) where it was trained on pixels "
    "as the images hold them, 255 where on 0-1 and they hold 0-255, 1/255 the other way round"
)
"""What ``--scale S`` is, wherever it is told."""


def check_scale(scale: float) -> None:
    """Refuse a scale that is not a number above 0.

    Raises
    ------
    OptionError
        When pixels cannot be divided by it.
    """
    if not (math.isfinite(scale) and scale > 0):
        message = f"expected a scale above 0, such as 1 or 255; got {scale}"
        raise OptionError(message)


def parse_scale(text: str) -> float:
    """Return the scale that a number or a fraction of two names.

    Raises
    ------
    ValueError
        When it is neither.

    Examples
    --------
    >>> parse_scale("255"), parse_scale("1/255") == 1 / 255
    (255.0, True)
    """
    above, slash, below = text.partition("/")
    if not slash:
        return float(above)
    if float(below) == 0:
        raise ValueError(text)
    return float(above) / float(below)


def scale_words(scale: float) -> str:
    """Return a scale as ``--scale`` takes it.

    Examples
    --------
    >>> scale_words(255.0), scale_words(1 / 255), scale_words(0.00392157)
    ('255', '1/255', '1/255')
    """
    return "1/255" if math.isclose(scale * 255, 1, rel_tol=1e-5) else f"{scale:g}"
