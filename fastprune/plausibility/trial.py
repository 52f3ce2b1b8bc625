"""What B says of a few images of a set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Trial:
    """A few images of a set, and B's classes of them.

    Attributes
    ----------
    name : str
        Name of the set.
    kind : {"clean", "backdoored"}
        What it is called.
    images : int
        Images of the whole set.
    known : ndarray of int64, shape (labels,)
        The labels that occur in the whole set, each once.
    labels : ndarray of int64, shape (tried,)
        Labels of the images tried.
    classes : ndarray of int64, shape (tried,)
        B's classes of them.
    darkest, brightest : float
        Smallest and largest pixel of them, as in the file.
    digests : ndarray of uint64, shape (tried,)
        One per image; see :mod:`fastprune.sets.digests`.
    path : str or None
        The set's file, without links.
    truth : ndarray of int64, shape (tried,), or None
        True classes, of a backdoored set where they are known.
    """

    name: str
    kind: str
    images: int
    known: NDArray[np.int64]
    labels: NDArray[np.int64]
    classes: NDArray[np.int64]
    darkest: float = 0.0
    brightest: float = 255.0
    digests: NDArray[np.uint64] | None = None
    path: str | None = None
    truth: NDArray[np.int64] | None = None

    @property
    def one_label(self) -> bool:
        """Whether all images of the set have the same label."""
        return len(self.known) == 1

    @property
    def right(self) -> float:
        """Share of the images tried that B puts in their label's class."""
        return float((self.classes == self.labels).mean())

    @property
    def favourite(self) -> int:
        """The class in which B puts most of the images tried; the lowest of several."""
        return int(np.bincount(self.classes).argmax())

    def put_in(self, label: int) -> float:
        """Return the share of the images tried that B puts in a class."""
        return float((self.classes == label).mean())

    def labelled(self, label: int) -> float:
        """Return the share of the images tried that have a label."""
        return float((self.labels == label).mean())


@dataclass(frozen=True, eq=False)
class ScaleTrial:
    """The same images at several pixel scales.

    Attributes
    ----------
    name : str
        Name of the set.
    labels : ndarray of int64, shape (tried,)
        Their labels.
    classes : mapping of float to ndarray of int64, shape (tried,)
        B's classes of them by scale, the scale that was asked for first; -1 where its scores name
        none.
    """

    name: str
    labels: NDArray[np.int64]
    classes: Mapping[float, NDArray[np.int64]]


@dataclass(frozen=True)
class Doubt:
    """A warning, and the sets that it is about."""

    sets: tuple[str, ...]
    message: str
