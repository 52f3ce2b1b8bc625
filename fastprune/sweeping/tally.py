"""What is counted of a set while its chunks go by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastprune.results.counts import Counter, Counts
from fastprune.sets.image_set import ImageSet
from fastprune.suffix.engine import Steps

SAMPLES = 8
"""Images of each set that are kept for the plots."""


@dataclass(eq=False)
class Tally:
    """What is counted of one set under one order while its chunks go by.

    Attributes
    ----------
    images : ImageSet
        The set.
    counter : Counter
        Counts the chunks.
    samples : ndarray of int64, shape (samples,)
        Indices of the sample images.
    sample_classes : ndarray of int64, shape (n_channels + 1, samples)
        Their classes at every step.
    steps : list of int
        Steps whose classes are kept, to be verified.
    classes, near_ties : ndarray of int32 and bool, shape (len(steps), images)
        Class of every image at those steps, and whether it is a near-tie.
    """

    images: ImageSet
    counter: Counter
    samples: NDArray[np.int64]
    sample_classes: NDArray[np.int64]
    steps: list[int]
    classes: NDArray[np.int32]
    near_ties: NDArray[np.bool_]

    @classmethod
    def of(cls, images: ImageSet, n_channels: int, n_classes: int, steps: list[int]) -> Tally:
        """Return an empty tally of a set; hits on clean sets are counted by label as well."""
        samples = np.unique(np.linspace(0, len(images) - 1, SAMPLES).round().astype(np.int64))
        by_label = n_classes if images.kind == "clean" else None
        return cls(
            images=images,
            counter=Counter(
                n_channels, n_classes=by_label, truth=images.true_labels is not None
            ),
            samples=samples,
            sample_classes=np.zeros((n_channels + 1, len(samples)), np.int64),
            steps=steps,
            classes=np.zeros((len(steps), len(images)), np.int32),
            near_ties=np.zeros((len(steps), len(images)), bool),
        )

    def add(self, found: Steps, start: int) -> None:
        """Count the chunk of images that begins at `start`."""
        stop = start + found.classes.shape[1]
        true_labels = self.images.true_labels
        truth = None if true_labels is None else true_labels[start:stop]
        labels = self.images.labels[start:stop]
        self.counter.add(found.classes, labels, found.near_ties.sum(axis=1), truth)
        inside = (self.samples >= start) & (self.samples < stop)
        self.sample_classes[:, inside] = found.classes[:, self.samples[inside] - start]
        self.classes[:, start:stop] = found.classes[self.steps]
        self.near_ties[:, start:stop] = found.near_ties[self.steps]

    @property
    def counts(self) -> Counts:
        """Counts of the chunks seen."""
        return self.counter.counts
