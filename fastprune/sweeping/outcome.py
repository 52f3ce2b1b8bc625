"""What tallies come to: the results of every set."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from fastprune.results.record import Samples, SetResult
from fastprune.sweeping.tally import Tally


def set_results(tallies: Iterable[Tally]) -> dict[str, SetResult]:
    """Return the results of every set by name, with a few of its images."""
    return {tally.images.name: _set_result(tally) for tally in tallies}


def _set_result(tally: Tally) -> SetResult:
    images, shown = tally.images, tally.samples
    labels, truth = images.labels[shown].astype(np.int64), images.true_labels
    samples = Samples(
        images.file_pixels(shown), labels, tally.sample_classes,
        None if truth is None else truth[shown].astype(np.int64),
    )  # fmt: skip
    about = images.describe()
    return SetResult(images.name, images.kind, tally.counts, samples, about, images.paired)
