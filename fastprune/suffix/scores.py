"""What scores must be for figures to mean anything: finite, apart, and each image's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastprune.errors import NetworkError
from fastprune.runtime import backend
from fastprune.suffix.engine import NOT_FINITE, Unusable, name_no_class

TRIED = 8
"""Images whose scores in one batch are to be compared with those in a smaller one."""

ROUNDING = 1e-3
"""Share of the largest score by which the scores of an image may differ from batch to batch: sums
are added up in other orders."""


def refuse_unusable(unusable: Unusable | None, start: int, name: str, network: str) -> None:
    """Refuse a network that says nothing of an image.

    Parameters
    ----------
    unusable : Unusable or None
        What an engine found in a block.
    start : int
        Index of the block's first image in its set.
    name, network : str
        What the set and the network are called.

    Raises
    ------
    NetworkError
        When there is such an image. As a class it would be one that no score names.
    """
    if unusable is None:
        return
    if unusable.state == NOT_FINITE:
        expected, got = "scores that are finite numbers", "NaN or infinity"
    else:
        expected, got = "scores that tell the classes apart", "the same score for every class"
    step = f" at n_pruned {unusable.n_pruned}" if unusable.n_pruned else ""
    message = (
        f"expected {expected}; got {got} for image {start + unusable.image} of {name}{step} "
        f"({network}); use a network that was trained to its end, and look at --scale"
    )
    raise NetworkError(message)


def refuse_states(
    states: NDArray[np.integer], start: int, name: str, network: str, *, is_b: bool = True
) -> None:
    """Refuse what :func:`~fastprune.suffix.keras_engine.decide` says of scores that name no class.

    Parameters
    ----------
    states : ndarray of int, shape (images,)
        What the scores of consecutive images are.
    start, name, network
        As for :func:`refuse_unusable`.
    is_b : bool
        Whether the network must tell the classes apart: a B′ without channels need not.
    """
    bad = np.flatnonzero(name_no_class(states, is_b))
    if len(bad):
        refuse_unusable(Unusable(int(bad[0]), 0, int(states[bad[0]])), start, name, network)


def check_alone(
    whole: NDArray[np.float32],
    scores: Callable[[NDArray[np.float32]], Any],
    images: NDArray[np.float32],
    network: str,
) -> None:
    """Refuse a network whose scores of an image depend on the other images, or on chance.

    Parameters
    ----------
    whole : ndarray of float32, shape (images, classes)
        Scores of the images as one batch.
    scores : callable
        Takes images, gives their scores.
    images : ndarray of float32, shape (images, height, width, channels)
        The images. Of a single one nothing can be told.
    network : str
        What the network is called.

    Raises
    ------
    NetworkError
        When a batch of a third of them gives one of them other scores.
    """
    fewer = -(-len(images) // 3)
    with np.errstate(invalid="ignore"):  # what is no finite number has a message of its own
        apart = np.abs(whole[:fewer] - backend.to_numpy(scores(images[:fewer])))
    if np.isfinite(apart).all() and apart.max() > ROUNDING * np.abs(whole).max():
        message = (
            f"expected scores of each image by itself; got others for the first {fewer} images in "
            f"a batch of {len(images)} than in one of {fewer}, by up to {apart.max():.2g} "
            f"({network}); no figure of it would mean anything: build the network without layers "
            "that look at the whole batch or at chance"
        )
        raise NetworkError(message)
