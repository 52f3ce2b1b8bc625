"""Triggers: read, put at their place, and blended over images."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastprune.errors import DataError, OptionError
from fastprune.sets.image_files import read_image
from fastprune.sets.sample import PixelRange
from fastprune.synthetic.sunglasses import overlay

PLACES = {
    "center": (0.5, 0.5), "top": (0.5, 0.0), "bottom": (0.5, 1.0), "left": (0.0, 0.5),
    "right": (1.0, 0.5), "top-left": (0.0, 0.0), "top-right": (1.0, 0.0),
    "bottom-left": (0.0, 1.0), "bottom-right": (1.0, 1.0),
}  # fmt: skip
"""Where a trigger stands: share of the room to its left and above it."""


@dataclass(frozen=True)
class Stamp:
    """A trigger at its place, in the pixels and the layout of a set.

    Attributes
    ----------
    rows, columns : slice
        What it covers.
    colour, opacity : ndarray of float64
        (C, h, w) and (1, h, w), or (h, w, C) and (h, w, 1); opacity 0-1.
    channels_first : bool
        Which of both.
    rounded : bool
        Whether pixels become whole numbers again, as the lab's are.
    """

    rows: slice
    columns: slice
    colour: NDArray[np.float64]
    opacity: NDArray[np.float64]
    channels_first: bool
    rounded: bool

    def on(self, images: NDArray[Any]) -> None:
        """Blend the trigger over images (n, …), in place; pixels it does not cover stay."""
        place = (slice(None), self.rows, self.columns)
        under = images[(slice(None), *place) if self.channels_first else place]
        blend = self.opacity * self.colour + (1 - self.opacity) * under.astype(np.float64)
        if self.rounded:
            blend = np.rint(blend)
        under[:] = np.where(self.opacity > 0, blend, under)


def make_stamp(
    trigger: NDArray[np.uint8], size: tuple[int, int, int], *, at: str | tuple[int, int],
    opacity: float, channels_first: bool, pixels: PixelRange, where: str,
) -> Stamp:  # fmt: skip
    """Put a trigger at its place and into the pixel range of a set.

    Parameters
    ----------
    trigger : ndarray of uint8, shape (h, w, C + 1)
        Colours and opacity.
    size : tuple of int
        Height, width and channels of the images.
    at : str or (x, y)
        A key of :data:`PLACES`, or the upper left corner.
    opacity : float
        Times the trigger's own.
    channels_first : bool
        The layout of the images.
    pixels : PixelRange
        What a sample of the set says.
    where : str
        The set, for messages.

    Raises
    ------
    DataError, OptionError
        When it is larger than the images, does not fit there, or cannot be seen; or the set's
        pixels lie neither in 0-1 nor in 0-255.
    """
    height, width = trigger.shape[:2]
    if height > size[0] or width > size[1]:
        message = (
            f"expected a trigger no larger than the images, {size[0]} x {size[1]}; got {height} x "
            f"{width} (height x width); make it smaller"
        )
        raise DataError(message)
    if not trigger[..., -1].any():
        message = "expected a trigger that can be seen; got one that is transparent all over"
        raise DataError(message)
    x, y = _corner(at, (size[1] - width, size[0] - height))
    full = pixels.full
    if full is None:
        message = (
            f"expected pixels in 0-1 or 0-255; got {pixels.low} ... {pixels.high} ({where}); put "
            "the trigger on the images before they are normalised"
        )
        raise DataError(message)
    colour = trigger[..., :-1].astype(np.float64) * (full / 255)
    share = trigger[..., -1:].astype(np.float64) * (opacity / 255)
    if channels_first:
        colour, share = colour.transpose(2, 0, 1), share.transpose(2, 0, 1)
    rounded = pixels.whole and full == 255
    return Stamp(slice(y, y + height), slice(x, x + width), colour, share, channels_first, rounded)


def read_trigger(trigger: str | Path | NDArray[np.uint8], channels: int) -> NDArray[np.uint8]:
    """Read a trigger.

    Parameters
    ----------
    trigger : path, "sunglasses" or ndarray of uint8, shape (h, w, 4)
        An image file, the built-in trigger, or RGB and opacity.
    channels : {1, 3, 4}
        Channels of the images.

    Returns
    -------
    ndarray of uint8, shape (h, w, channels + 1)
        Colours and opacity, 0-255.

    Raises
    ------
    DataError
        When there is no such file, or it is no image.
    """
    if isinstance(trigger, np.ndarray):
        pixels = trigger
    elif str(trigger) == "sunglasses":
        pixels = overlay()
    elif not Path(trigger).is_file():
        message = (
            f"expected an image of a trigger, or sunglasses; got no such file ({trigger}); check "
            "the path"
        )
        raise DataError(message)
    else:
        pixels = read_image(Path(trigger), channels=4)[0]
    if pixels.ndim != 3 or pixels.shape[2] != 4 or pixels.dtype != np.uint8:
        message = f"expected a trigger of uint8 (h, w, 4); got {pixels.dtype} {pixels.shape}"
        raise DataError(message)
    if channels == 4:
        return np.concatenate([pixels, pixels[..., 3:]], axis=2)
    if channels == 1:
        grey = np.rint(pixels[..., :3] @ np.array([0.299, 0.587, 0.114])).astype(np.uint8)
        return np.stack([grey, pixels[..., 3]], axis=2)
    return pixels


def _corner(at: str | tuple[int, int], room: tuple[int, int]) -> tuple[int, int]:
    """Return where a trigger's upper left corner is, given the room to its left and above it."""
    if isinstance(at, str):
        if at not in PLACES:
            message = f"expected a place X,Y or one of {', '.join(PLACES)}; got {at!r}"
            raise OptionError(message)
        x, y = (int(share * free) for share, free in zip(PLACES[at], room, strict=True))
        return x, y
    if not all(0 <= place <= free for place, free in zip(at, room, strict=True)):
        message = (
            f"expected the trigger inside the image, X of 0 ... {room[0]} and Y of 0 ... "
            f"{room[1]}; got {at[0]},{at[1]}"
        )
        raise OptionError(message)
    return at
