"""The evidence: a few images of every set, and B's classes of them at one or several scales."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastprune.networks.goodnet import scores_inside
from fastprune.networks.graph import Graph
from fastprune.plausibility.scales import candidates
from fastprune.plausibility.trial import ScaleTrial, Trial
from fastprune.runtime import backend, machine
from fastprune.runtime.parallel import in_order
from fastprune.sets.digests import digest_into, digest_keys
from fastprune.sets.image_set import ImageSet
from fastprune.sets.sample import UNIT_RANGE

TRIED = 32
"""Images of every set that B is tried on: what is no chance on these is none, and they cost the
lab's sweep 1 %."""

DECIDING = 256
"""Images on which scales are compared where the first ones speak against the one asked for."""

RUNS = 8
"""Places of a set that its images are taken from: sets may lie in order of their labels, and a
compressed set unpacks a whole piece for any image of it."""

Scores = Callable[[NDArray[np.float32]], Any]


def badnet(graph: Graph) -> Scores:
    """Return what gives B's scores of images, those of the B inside where the network is a saved G.

    Not compiled: that takes longer than a few images do.
    """
    import keras

    inside = scores_inside(graph)
    model = keras.Model(graph.input, graph.output if inside is None else inside[0])
    return lambda images: model(images, training=False)


def try_sets(
    sets: Sequence[ImageSet], graph: Graph, batch: int
) -> tuple[list[Trial], ScaleTrial | None]:
    """Try B on every set; at several scales on the first clean one with more than one label.

    Parameters
    ----------
    sets : sequence of ImageSet
        The sets.
    graph : Graph
        B, or a saved G.
    batch : int
        Images that B takes at a time.
    """
    scores = badnet(graph)
    decides = next((each for each in sets if each.kind == "clean" and np.ptp(each.labels)), None)

    def work(images: ImageSet) -> tuple[Trial, ScaleTrial | None]:
        indices = spread(len(images), TRIED)
        if images is not decides:
            return _try(images, indices, [images.scale], scores, batch)[0], None
        white = 1.0 if images.file_pixels(indices[:1]).max() <= UNIT_RANGE else 255.0
        scales = candidates(images.scale, implied_scale(graph, white))
        trial, classes = _try(images, indices, scales, scores, batch)
        return trial, _decided(images, indices, classes, scores, batch)

    side_by_side = machine.cores() if backend.calls_at_once() > 1 else 1
    found = list(in_order(work, sets, side_by_side))
    return [trial for trial, _ in found], next((scales for _, scales in found if scales), None)


def spread(n_images: int, count: int) -> NDArray[np.int64]:
    """Return indices of `count` images of a set: runs of neighbours from :data:`RUNS` places.

    Examples
    --------
    >>> spread(3, 64), spread(1000, 16)[:4]
    (array([0, 1, 2]), array([  0,   1, 142, 143]))
    """
    if n_images <= count:
        return np.arange(n_images)
    starts = np.linspace(0, n_images - count // RUNS, RUNS).astype(np.int64)
    return np.unique(starts[:, None] + np.arange(count // RUNS))


def classes_of(scores: Scores, images: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return B's classes of images, -1 where its scores name none."""
    found = backend.to_numpy(scores(images))
    named = np.isfinite(found).all(axis=1) & (found.max(axis=1) > found.min(axis=1))
    return np.where(named, found.argmax(axis=1), -1)


def implied_scale(graph: Graph, white: float) -> float | None:
    """Return the scale that the network's own Rescaling of its input implies.

    Parameters
    ----------
    graph : Graph
        The network.
    white : float
        The largest value that pixels have, 1 or 255.

    Returns
    -------
    float or None
        That at which `white` becomes 1 behind it; None without one, or where it takes every
        channel by itself.
    """
    for call in graph.calls:
        if call.kind == "Rescaling" and call.inputs[0] is graph.input:
            factor, offset = np.asarray(call.operation.scale), np.asarray(call.operation.offset)
            if factor.size == offset.size == 1 and factor.item() > 0 and offset.item() < 1:
                return float(white * factor.item() / (1 - offset.item()))
    return None


def _try(
    images: ImageSet,
    indices: NDArray[np.int64],
    scales: Sequence[float],
    scores: Scores,
    batch: int,
) -> tuple[Trial, dict[float, NDArray[np.int64]]]:
    """Try B on some images of a set, a batch at a time; return its classes by scale as well."""
    classes = {scale: np.empty(len(indices), np.int64) for scale in scales}
    digests, ends = np.empty(len(indices), np.uint64), []
    keys = digest_keys(int(np.prod(images.input_shape)))
    size = max(1, batch // len(scales))
    for start in range(0, len(indices), size):
        part = slice(start, start + size)
        pixels = images.file_pixels(indices[part])
        digest_into(pixels, keys, digests[part])
        ends += [float(pixels.min()), float(pixels.max())]
        # One call for all scales: half of what a call costs is not its images.
        scaled = np.concatenate([pixels / np.float32(scale) for scale in scales])
        parts = np.split(classes_of(scores, scaled), len(scales))
        for found, classes_there in zip(classes.values(), parts, strict=True):
            found[part] = classes_there
    own, truth = classes[scales[0]], images.true_labels
    tried = indices if (own >= 0).all() else indices[:0]  # of others the run itself will tell
    trial = Trial(
        name=images.name, kind=images.kind, images=len(images),
        known=np.unique(images.labels).astype(np.int64),
        labels=images.labels[tried].astype(np.int64), classes=own[: len(tried)],
        darkest=min(ends), brightest=max(ends), digests=digests,
        path=None if images.path is None else str(images.path.resolve()),
        truth=None if truth is None else truth[tried].astype(np.int64),
    )  # fmt: skip
    return trial, classes


def _decided(
    images: ImageSet,
    indices: NDArray[np.int64],
    classes: dict[float, NDArray[np.int64]],
    scores: Scores,
    batch: int,
) -> ScaleTrial:
    """Return the scales tried; on more images where these speak against the one asked for.

    Looking again only where they do leaves the test its error rate: what decides is the test on
    all of the images alone.
    """
    labels = images.labels[indices].astype(np.int64)
    hits = {scale: int((found == labels).sum()) for scale, found in classes.items()}
    given = images.scale
    ahead = [scale for scale in classes if hits[scale] > hits[given]]
    if ahead and len(indices) < len(images):
        indices = spread(len(images), DECIDING)
        labels = images.labels[indices].astype(np.int64)
        _, classes = _try(images, indices, [given, *ahead], scores, batch)
    return ScaleTrial(images.name, labels, classes)
