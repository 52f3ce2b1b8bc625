"""Whether a network takes a set, and at which scale its classes have to do with the labels."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastprune.errors import DataError
from fastprune.inspection.set_findings import ModelCheck, SetInspection
from fastprune.inspection.sets import opened
from fastprune.networks.classifier import load_classifier
from fastprune.plausibility.labels import OTHERWISE
from fastprune.plausibility.scales import best_scale, candidates
from fastprune.plausibility.significance import ALPHA, above_chance, better, can_be_told
from fastprune.plausibility.trial import ScaleTrial
from fastprune.plausibility.trying import badnet, classes_of, implied_scale
from fastprune.sets.image_set import ImageSet
from fastprune.sets.sample import sample_images
from fastprune.sets.scale import scale_words

BATCH = 32
"""Images that the network takes at a time."""

Classes = Mapping[float, NDArray[np.int64]]


def check_set(found: SetInspection, model: Path) -> ModelCheck:
    """Check whether a network takes a set, and at which scale it gives the sampled labels.

    Raises
    ------
    NetworkError
        When the network cannot be used.
    """
    graph, _ = load_classifier(model)
    try:
        pixels, labels = _sample(found, graph)
    except DataError as error:
        return ModelCheck(model, str(error), 0, {})
    if not len(pixels):
        return ModelCheck(model, None, 0, {})
    white = 255.0 if found.pixels is None else found.pixels.full or 255.0
    scales = candidates(1.0, implied_scale(graph, white))
    scores = badnet(graph)
    classes = _classes(scores, pixels, scales)
    if np.ptp(labels):
        return _judged(model, labels, classes, above={
            scale: above_chance(own, labels) for scale, own in classes.items()
        }, told=can_be_told(labels))  # fmt: skip
    # Of one label alone the network's favourite class could be the cause: it must give that class
    # to these images and not to the same pixels in disorder.
    shuffled = np.random.default_rng(0).permuted(
        pixels.reshape(len(pixels), -1, pixels.shape[-1]), axis=1
    )
    control = _classes(scores, shuffled.reshape(pixels.shape), scales)
    above = {
        scale: better(own == labels, control[scale] == labels) <= ALPHA
        for scale, own in classes.items()
    }
    return _judged(model, labels, classes, above=above, told=0.5 ** len(labels) <= ALPHA)


def _sample(
    found: SetInspection, graph: Any
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return finite sampled images, channels last, and their labels."""
    shape, n_classes = tuple(graph.input.shape[1:]), int(graph.output.shape[-1])
    data, label = found.data or "data", found.label or "label"
    with (
        ImageSet(
            "set", found.path, input_shape=shape, n_classes=n_classes, data=data, label=label
        ) as images,
        opened(found.path) as file,
    ):
        sample = sample_images(file[data])
        pixels = np.moveaxis(sample.images, 1, -1) if images.channels_first else sample.images
        finite = np.isfinite(pixels).reshape(len(pixels), -1).all(axis=1)
        labels = images.labels[sample.indices[finite]].astype(np.int64)
        return pixels[finite].astype(np.float32), labels


def _classes(scores: Any, pixels: NDArray[np.float32], scales: list[float]) -> Classes:
    parts = [pixels[start : start + BATCH] for start in range(0, len(pixels), BATCH)]
    return {
        scale: np.concatenate([classes_of(scores, part / np.float32(scale)) for part in parts])
        for scale in scales
    }


def _judged(
    model: Path,
    labels: NDArray[np.int64],
    classes: Classes,
    *,
    above: Mapping[float, bool],
    told: bool,
) -> ModelCheck:
    """Return what hits at several scales say: a fit, none, or too few images to tell."""
    right = {scale: own == labels for scale, own in classes.items()}
    hits = {scale: int(own.sum()) for scale, own in right.items()}
    fitting = [scale for scale, fits in above.items() if fits]
    if not fitting:
        said = ", ".join(f"{hits[scale]} at --scale {scale_words(scale)}" for scale in hits)
        problem = (
            f"B gives their label to no more of {len(labels)} sampled images than chance would: "
            f"{said}; {OTHERWISE}"
        )
        return ModelCheck(model, problem if told else None, len(labels), hits)
    best = best_scale(ScaleTrial("set", labels, classes))
    if best not in fitting:
        best = max(fitting, key=hits.__getitem__)
    others = (own for scale, own in right.items() if scale != best)
    clearly = all(better(right[best], own) <= ALPHA for own in others)
    return ModelCheck(model, None, len(labels), hits, best, clearly)
