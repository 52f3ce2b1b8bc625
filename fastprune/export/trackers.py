"""A sweep as MLflow, Weights & Biases and their like take it: figures by flat keys."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from fastprune.results.crossings import number_key
from fastprune.results.detection import detection, roc
from fastprune.results.labels import identity
from fastprune.results.operating_points import operating_points
from fastprune.results.record import SetResult, SweepRecord
from fastprune.results.robustness import robustness
from fastprune.results.set_pairs import pairs

RATES = {
    "clean": ("clean_accuracy", "goodnet_clean_accuracy", "false_alarm_rate"),
    "backdoored": ("attack_success_rate", "goodnet_attack_success_rate", "detection_rate"),
}
"""What the rate of B′, the rate of G and the flagged share are called on each kind of set."""
LONGEST = 60
"""Letters of a set's name in a key; MLflow takes keys of 250."""


def names(result: SweepRecord) -> dict[str, str]:
    """Return what a sweep is of by flat keys; see :meth:`SweepResult.metrics`."""
    keys = ("network/name", "network/prune_layer", "network/intervention", "run/order")
    return dict(zip(keys, identity(result).values(), strict=True))


def named_metrics(result: SweepRecord) -> dict[str, int | float | str]:
    """Return :func:`names` and :func:`metrics` in one flat dict, as ``metrics.json`` has them."""
    return {**names(result), **metrics(result)}


def metrics(result: SweepRecord) -> dict[str, int | float]:
    """Return the figures of a sweep by flat keys; see :meth:`SweepResult.metrics`."""
    figures: dict[str, int | float] = {
        "network/n_classes": result.n_classes,
        "network/n_channels": result.n_channels,
        "run/images": sum(part.counts.images for part in result.sets.values()),
        "run/near_ties": result.near_ties,
        "run/seconds": round(float(sum(result.seconds.values())), 3),
        "run/peak_memory_bytes": int(result.peak_memory),
    }
    keys = set_keys(result.sets)
    for part in result.sets.values():
        figures[f"B/{keys[part.name]}/{RATES[part.kind][0]}"] = float(part.counts.rate[0])
    for at in sorted(result.at_drops, key=lambda at: at.drop):
        if at.step is None:
            continue
        figures[f"{at.key}/n_pruned"] = at.step
        for part in result.sets.values():
            rates = _rates(result, part, at.step).items()
            figures.update({f"{at.key}/{keys[part.name]}/{key}": rate for key, rate in rates})
    return {**figures, **_detector(result, keys)}


def _detector(result: SweepRecord, keys: Mapping[str, str]) -> dict[str, int | float]:
    """Return the area under the ROC and the operating points of G."""
    figures: dict[str, int | float] = {}
    for clean, backdoored in pairs(result):
        if backdoored is not None:
            area = roc(detection(result, clean, backdoored)).area
            figures[f"detector/{keys[backdoored]}/roc_area"] = area
    for point in operating_points(result):
        group = f"max_fpr_{number_key(100 * point.max_fpr)}"
        figures[f"{group}/n_pruned"] = point.n_pruned
        for part in point.figures:
            figures[f"{group}/{keys[part.clean]}/false_alarm_rate"] = part.fpr.rate
            for key, share in (("detection_rate", part.tpr), ("precision", part.precision)):
                if part.backdoored is not None and share is not None and share.total:
                    figures[f"{group}/{keys[part.backdoored]}/{key}"] = share.rate
    return figures


def steps(result: SweepRecord) -> Iterator[tuple[int, dict[str, float]]]:
    """Yield ``n_pruned`` and its figures by flat keys; see :meth:`SweepResult.steps`."""
    keys = set_keys(result.sets)
    for n_pruned in range(result.n_channels + 1):
        yield n_pruned, {
            f"sweep/{keys[part.name]}/{key}": rate
            for part in result.sets.values()
            for key, rate in _rates(result, part, n_pruned).items()
        }


def set_keys(names: Iterable[str]) -> dict[str, str]:
    """Return what stands for each set's name in a key: letters, digits, underscores, dashes.

    Two names that come out alike, or like a key of another kind, are numbered.

    Examples
    --------
    >>> set_keys(["valid", "bd test", "bd/test", ".."])
    {'valid': 'valid', 'bd test': 'bd_test', 'bd/test': 'bd_test_2', '..': '__'}
    """
    keys: dict[str, str] = {}
    taken = {"n_pruned"}
    for name in names:
        plain = re.sub(r"[^A-Za-z0-9_-]", "_", name)[:LONGEST] or "_"
        key, number = plain, 1
        # File systems that ignore case would take "A" and "a" for one metric.
        while key.lower() in taken:
            number += 1
            key = f"{plain}_{number}"
        taken.add(key.lower())
        keys[name] = key
    return keys


def _rates(result: SweepRecord, part: SetResult, step: int) -> dict[str, float]:
    counts = part.counts
    rates = (counts.rate[step], counts.goodnet_rate[step], counts.flagged_rate[step])
    figures = dict(zip(RATES[part.kind], map(float, rates), strict=True))
    robust = robustness(result, part.name) if part.kind == "backdoored" else None
    if robust is not None:
        figures["robust_accuracy"] = float(robust.robust_accuracy[step])
        figures["goodnet_robust_accuracy"] = float(robust.goodnet_robust_accuracy[step])
        if robust.others:
            figures["asr_without_target"] = float(robust.asr_without_target[step])
    return figures
