"""What the HTML page shows at each step, worked out beforehand: the page only looks it up."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastprune.report.plots.palette import THEMES, colours
from fastprune.report.text.words import crossed, percent
from fastprune.results.detection import detection, roc
from fastprune.results.intervals import wilson
from fastprune.results.record import SetResult, SweepRecord
from fastprune.results.robustness import robustness
from fastprune.results.set_pairs import companion, of_kind, pairs

VERDICTS = {
    "r": "right", "w": "wrong", "f": "false alarm", "d": "detected", "m": "missed",
    "o": "other class", "t": "true class",
}  # fmt: skip
"""What becomes of a sample under G: a clean one is right, wrong or a false alarm; a backdoored one
is detected, missed (in the attacker's class), or by B and B′ alike in its true class, where that is
known, or in another class."""
COLUMNS = {
    "clean": {"rate": "accuracy B′", "goodnet": "accuracy G", "flagged": "false alarm"},
    "backdoored": {
        "rate": "ASR B′",
        "goodnet": "ASR G",
        "flagged": "detected",
        "precision": "precision",
        "others": "ASR B′, other true class",
        "robust": "robust accuracy B′",
        "goodnet_robust": "robust accuracy G",
    },
}
"""Figures of a set by kind, with their headings; a set has some or all of them."""
WORST = 20
"""Classes listed at each step."""
BINS = 20
"""Bars of the histogram of classes by accuracy."""


def page_data(result: SweepRecord, step: int) -> dict[str, Any]:
    """Return everything that the page's script reads, as values that JSON knows.

    Parameters
    ----------
    result : SweepResult
        The sweep.
    step : int
        Where the slider starts.
    """
    return {
        "start": step,
        "n_channels": result.n_channels,
        "n_classes": result.n_classes,
        "channels": result.order.tolist(),
        "activations": [f"{result.activations[channel]:.4g}" for channel in result.order],
        "crossings": [{"step": at, "label": label} for at, label in crossed(result).items()],
        "verdicts": VERDICTS,
        "sets": [_set_data(result, part) for part in result.sets.values()],
        "roc": _roc_data(result),
        "classes": class_data(result),
    }


def shares(hits: ArrayLike, total: ArrayLike) -> dict[str, list[str]]:
    """Return shares at every step and their Wilson 95 % intervals, both as percent to show.

    Examples
    --------
    >>> shares([5, 10], 10)
    {'share': ['50.00', '100.00'], 'bounds': ['23.66–76.34', '72.25–100.00']}
    >>> shares([0], 0)
    {'share': ['–'], 'bounds': ['']}
    """
    counted, of = np.broadcast_arrays(np.asarray(hits), np.asarray(total))
    ends = zip(*wilson(counted, of), strict=True)
    rows = list(zip(counted.tolist(), of.tolist(), ends, strict=True))
    return {
        "share": [percent(hit / n) if n else "–" for hit, n, _ in rows],
        "bounds": [f"{percent(low)}–{percent(high)}" if n else "" for _, n, (low, high) in rows],
    }


def figures_of(result: SweepRecord, part: SetResult) -> dict[str, dict[str, list[str]]]:
    """Return one set's figures at every step, with keys of :data:`COLUMNS`."""
    counts = part.counts
    figures = {
        "rate": shares(counts.hits, counts.images),
        "goodnet": shares(counts.goodnet_hits, counts.images),
        "flagged": shares(counts.flagged, counts.images),
    }
    if part.kind != "backdoored":
        return figures
    both = detection(result, companion(result, part.name), part.name)
    figures["precision"] = shares(both.true_positives, both.flagged)
    known = robustness(result, part.name)
    if known is not None:
        figures["others"] = shares(known.other_hits, known.others)
        figures["robust"] = shares(known.true_hits, known.images)
        figures["goodnet_robust"] = shares(known.goodnet_true_hits, known.images)
    return figures


def verdicts(part: SetResult, n_classes: int) -> list[str]:
    """Return the verdict on each sample, a letter of :data:`VERDICTS`; a string per step."""
    shown, rows = part.samples, []
    right, wrong, flagged = "rwf" if part.kind == "clean" else "mod"
    for step in range(len(shown.classes)):
        goodnet = shown.goodnet_classes(step, n_classes)
        letters = np.where(goodnet == shown.labels, right, wrong)
        if shown.truth is not None:
            restored = (goodnet == shown.truth) & (goodnet != shown.labels)
            letters = np.where(restored, "t", letters)
        rows.append("".join(np.where(goodnet == n_classes, flagged, letters)))
    return rows


def class_data(result: SweepRecord) -> list[dict[str, Any]]:
    """Return the worst classes and a histogram of all at every step, for each clean set counted.

    The sets that only measure come first. Classes without images are left out.
    """
    found = []
    for part in sorted(of_kind(result, "clean"), key=lambda part: part.name == result.valid):
        hits, images = part.counts.class_hits, part.counts.class_images
        if hits is not None and images is not None:
            place = list(result.sets).index(part.name)
            found.append({"set": place, **_classes(hits, images)})
    return found


def _classes(hits: NDArray[np.int32], images: NDArray[np.int64]) -> dict[str, Any]:
    known = np.flatnonzero(images)
    rates = hits[:, known] / images[known]
    worst, bins = [], []
    for step, row in enumerate(rates):
        # Of classes equally bad the one with more images first: it is the surer finding.
        order = np.lexsort((known, -images[known], row))[:WORST]
        worst.append([_class_row(hits, images, step, int(label)) for label in known[order]])
        bins.append(np.histogram(row, BINS, (0, 1))[0].tolist())
    return {"known": len(known), "worst": worst, "bins": bins}


def _class_row(
    hits: NDArray[np.int32], images: NDArray[np.int64], step: int, label: int
) -> list[Any]:
    """Return a class, its images, its accuracy at a step and by B, in percent to show."""
    of = int(images[label])
    return [label, of, percent(hits[step, label] / of), percent(hits[0, label] / of)]


def _set_data(result: SweepRecord, part: SetResult) -> dict[str, Any]:
    return {
        "colour": {theme: colours(result, theme)[part.name] for theme in THEMES},
        "figures": figures_of(result, part),
        "near_ties": part.counts.near_ties.tolist(),
        "labels": part.samples.labels.tolist(),
        "truth": None if part.samples.truth is None else part.samples.truth.tolist(),
        "classes": part.samples.classes.tolist(),
        "verdicts": verdicts(part, result.n_classes),
    }


def _roc_data(result: SweepRecord) -> list[dict[str, Any]]:
    """Return detection and false alarm rates at every step, percent, and the area, per pair."""
    places = {name: place for place, name in enumerate(result.sets)}
    curves = []
    for clean, backdoored in pairs(result):
        if backdoored is not None:
            both = detection(result, clean, backdoored)
            curves.append(
                {
                    "clean": places[clean],
                    "backdoored": places[backdoored],
                    "fpr": (100 * both.fpr).tolist(),
                    "tpr": (100 * both.tpr).tolist(),
                    "area": roc(both).area,
                }
            )
    return curves
