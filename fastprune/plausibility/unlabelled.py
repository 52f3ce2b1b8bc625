"""What can be said of the pixel scale of images without labels: little, and only of two cases."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fastprune.plausibility.labels import FEWEST
from fastprune.plausibility.pairs import USUAL
from fastprune.plausibility.scales import unlike
from fastprune.plausibility.significance import ALPHA, better
from fastprune.sets.scale import scale_words

UNSURE = 0.9
"""Median confidence below which B hardly tells images apart that it puts in one class."""


def rescaled_twice(given: float, implied: float | None) -> str | None:
    """Return what to say where the network divides pixels itself, and the scale does so again.

    Parameters
    ----------
    given : float
        The scale that was asked for.
    implied : float or None
        The one that the network's own Rescaling implies; None without one.
    """
    if implied is None or not unlike(implied, given):
        return None
    return (
        f"expected --scale {scale_words(implied)}, as the network rescales its input itself; got "
        f"--scale {scale_words(given)}, which does so once more: run it with --scale "
        f"{scale_words(implied)}"
    )


def too_dark(
    scales: tuple[float, float],
    classes: tuple[NDArray[np.int64], NDArray[np.int64]],
    confidences: tuple[NDArray[np.floating], NDArray[np.floating]],
) -> str | None:
    """Return what to say where divided pixels are all alike to B, and undivided ones are not.

    Parameters
    ----------
    scales : (float, float)
        The scale that was asked for, and a smaller one.
    classes, confidences : pair of ndarray, shape (images,)
        B's classes of the images at each, and how sure it is of them. The other way round nothing
        can be told: of pixels that are too bright B is as sure as of right ones.
    """
    count = len(classes[0])
    if count < FEWEST or min(map(np.min, classes)) < 0:
        return None
    most = [int(np.bincount(own).max()) / count for own in classes]
    surer = better(confidences[1] > confidences[0], confidences[0] > confidences[1])
    unsure = float(np.median(confidences[0])) < UNSURE <= float(np.median(confidences[1]))
    if most[0] < USUAL or most[1] >= most[0] / 2 or not unsure or surer > ALPHA:
        return None
    given, other = map(scale_words, scales)
    return (
        f"expected a pixel scale that suits B; got --scale {given}, at which it puts "
        f"{most[0]:.0%} of the first {count} images in one class without being sure, and surely in "
        f"several at --scale {other}: run it with --scale {other}"
    )
