"""Which pixel scale a network wants: tried on images with labels, decided by a test."""

from __future__ import annotations

import numpy as np

from fastprune.plausibility.significance import ALPHA, above_chance, better
from fastprune.plausibility.trial import Doubt, ScaleTrial
from fastprune.sets.scale import scale_words

RANGE = 32.0
"""Times by which the brightest pixels of two sets differ where they are on scales of their own:
0-1 and 0-255 differ by 255, and a dark set of one scale by a few."""


def best_scale(trial: ScaleTrial) -> float:
    """Return the scale that a network wants: the one asked for unless another is clearly better.

    Another one is where it gets images right that the one asked for gets wrong, and so few the
    other way round that chance alone would do so with a probability of at most
    :data:`~fastprune.plausibility.significance.ALPHA` (McNemar's exact test), and where its classes
    have to do with the labels.
    """
    given, *others = trial.classes
    right = {scale: classes == trial.labels for scale, classes in trial.classes.items()}
    clearly = [
        scale
        for scale in others
        if better(right[scale], right[given]) <= ALPHA
        and above_chance(trial.classes[scale], trial.labels)
    ]
    return max(clearly, key=lambda scale: int(right[scale].sum()), default=given)


def scale_doubt(trial: ScaleTrial) -> Doubt | None:
    """Return what to say where another scale than the one asked for is clearly better."""
    given, best = next(iter(trial.classes)), best_scale(trial)
    if best == given:
        return None
    shares = [(trial.classes[scale] == trial.labels).mean() for scale in (given, best)]
    message = (
        f"expected a pixel scale that suits B; got --scale {scale_words(given)}, at which B is "
        f"right on {shares[0]:.0%} of {len(trial.labels)} images of {trial.name}, and on "
        f"{shares[1]:.0%} at --scale {scale_words(best)}: run it with --scale {scale_words(best)}"
    )
    return Doubt((trial.name,), message)


def candidates(given: float, implied: float | None) -> list[float]:
    """Return the scales to try, each once: the one asked for, 1, 255, 1/255, and the implied one.

    Examples
    --------
    >>> candidates(0.00392157, None), candidates(1.0, 255.0)
    ([0.00392157, 1.0, 255.0], [1.0, 255.0, 0.00392156862745098])
    """
    found = [given]
    for scale in (1.0, 255.0, 1 / 255, implied):
        if scale is not None and not np.isclose(scale, found, rtol=1e-3, atol=0).any():
            found.append(scale)
    return found


def unlike(white: float, brightest: float) -> bool:
    """Return whether pixels are on another scale than those whose brightest is `white`."""
    times = brightest / white
    return times >= RANGE or times <= 1 / RANGE  # false for NaN
