"""The scale: what pixels are divided by before a network sees them."""

from __future__ import annotations

import math

from fastprune.errors import OptionError


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
