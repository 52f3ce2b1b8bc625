"""Exact tests on counts of images, and how much better than chance a classifier is."""

from __future__ import annotations

from math import comb

import numpy as np
from numpy.typing import NDArray

ALPHA = 1e-4
"""Largest probability with which chance alone may lead to a verdict: one false warning in 10,000
right labs at the very most, as most verdicts ask for more than this."""


def at_least(hits: int, images: int, rate: float) -> float:
    """Return the probability of `hits` or more of `images` where each is one with that rate.

    Examples
    --------
    >>> at_least(2, 2, 0.5), at_least(0, 9, 0.1), at_least(3, 3, 1.0)
    (0.25, 1.0, 1.0)
    """
    terms = (
        comb(images, k) * rate**k * (1 - rate) ** (images - k) for k in range(hits, images + 1)
    )
    return min(1.0, sum(terms))


def at_most(hits: int, images: int, rate: float) -> float:
    """Return the probability of `hits` or fewer of `images` where each is one with that rate.

    Examples
    --------
    >>> at_most(0, 2, 0.5), at_most(9, 9, 0.1)
    (0.25, 1.0)
    """
    return at_least(images - hits, images, 1 - rate)


def better(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    """Return how probable it is that `first` is ahead of `second` by chance alone.

    Parameters
    ----------
    first, second : ndarray of bool, shape (images,)
        Whether each of the same images is right, one way and the other.

    Returns
    -------
    float
        One-sided p of McNemar's exact test: of the images that only one way gets right, each would
        be the first's with probability 1/2.

    References
    ----------
    Q. McNemar: Note on the sampling error of the difference between correlated proportions or
    percentages, Psychometrika 12, 1947.

    Examples
    --------
    >>> better(np.array([True] * 4), np.array([True, False, False, False]))
    0.125
    """
    won, lost = int((first & ~second).sum()), int((second & ~first).sum())
    return at_least(won, won + lost, 0.5)


def chance(classes: NDArray[np.integer], labels: NDArray[np.integer]) -> float:
    """Return the accuracy that classes would have if they had nothing to do with the labels.

    It is 1/N for evenly spread ones, and the share of one label where all classes are that one.

    Examples
    --------
    >>> chance(np.array([0, 1]), np.array([0, 1])), chance(np.array([0, 0]), np.array([0, 1]))
    (0.5, 0.5)
    """
    size = 1 + max(int(classes.max()), int(labels.max()))
    known = classes[classes >= 0]  # -1 is no class
    shares = np.bincount(known, minlength=size) / len(classes)
    return float(shares @ (np.bincount(labels, minlength=size) / len(labels)))


def above_chance(classes: NDArray[np.integer], labels: NDArray[np.integer]) -> bool:
    """Return whether so many images in their label's class cannot be chance."""
    hits = int((classes == labels).sum())
    return at_least(hits, len(labels), chance(classes, labels)) <= ALPHA


def can_be_told(labels: NDArray[np.integer]) -> bool:
    """Return whether there are enough images, of enough labels, for any accuracy to tell."""
    return len(labels) > 0 and above_chance(labels, labels)


def skill(classes: NDArray[np.integer], labels: NDArray[np.integer]) -> float:
    """Return Cohen's kappa: 0 at chance, 1 where every image is right.

    Examples
    --------
    >>> skill(np.array([0, 1, 1, 0]), np.array([0, 1, 0, 1]))
    0.0
    """
    by_chance = chance(classes, labels)
    if by_chance >= 1:
        return 0.0
    return (float((classes == labels).mean()) - by_chance) / (1 - by_chance)

