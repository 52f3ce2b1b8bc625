"""What tallies come to: the results of every set, and a word where B is no better than chance."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from fastprune.networks.goodnet import scores_of
from fastprune.networks.network import Network
from fastprune.results.record import Samples, SetResult
from fastprune.runtime.progress import warn
from fastprune.sweeping.tally import Tally


def set_results(tallies: Iterable[Tally]) -> dict[str, SetResult]:
    """Return the results of every set by name, with a few of its images."""
    return {tally.images.name: _set_result(tally) for tally in tallies}


def warn_near_chance(network: Network, tally: Tally, size: int) -> None:
    """Say so when B is no better than chance: the pixel scale is the first suspect.

    Another scale is tried on the first `size` images of the set.
    """
    images = tally.images
    accuracy, chance = float(tally.counts.rate[0]), 1 / network.n_classes
    if accuracy > 2 * chance + 0.02:
        return
    other = 1.0 if images.scale != 1 else 255.0
    first = np.arange(min(size, len(images)))
    classes = scores_of(network.model, images.file_pixels(first) / np.float32(other)).argmax(axis=1)
    warn(
        f"B is right on {accuracy:.2%} of {images.name}, near chance ({chance:.2%}): the pixel "
        f"scale is the first suspect; with --scale {other:g} it would be right on "
        f"{np.mean(classes == images.labels[first]):.2%} of the first {len(first)} images"
    )


def _set_result(tally: Tally) -> SetResult:
    images, shown = tally.images, tally.samples
    labels, truth = images.labels[shown].astype(np.int64), images.true_labels
    samples = Samples(
        images.file_pixels(shown), labels, tally.sample_classes,
        None if truth is None else truth[shown].astype(np.int64),
    )  # fmt: skip
    about = images.describe()
    return SetResult(images.name, images.kind, tally.counts, samples, about, images.paired)
