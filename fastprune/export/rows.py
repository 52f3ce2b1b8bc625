"""Every figure of a sweep as rows: one per set and step, for CSV files and data frames."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastprune.results.detection import companion, detection, robustness
from fastprune.results.intervals import Interval, wilson
from fastprune.results.labels import ASPECTS, identity
from fastprune.results.record import SetResult, SweepRecord

COLUMNS = (
    *ASPECTS, "set", "kind", "n_pruned", "fraction_pruned", "channel", "images", "hits", "rate",
    "goodnet_hits", "goodnet_rate", "flagged", "flagged_rate", "rate_low", "rate_high",
    "flagged_rate_low", "flagged_rate_high", "clean_set", "precision", "precision_low",
    "precision_high", "true_hits", "robust_accuracy", "robust_accuracy_low",
    "robust_accuracy_high", "goodnet_true_hits", "goodnet_robust_accuracy",
    "goodnet_robust_accuracy_low", "goodnet_robust_accuracy_high", "others", "other_hits",
    "asr_without_target", "asr_without_target_low", "asr_without_target_high",
)  # fmt: skip
"""Columns of ``sweep.csv`` and of :meth:`SweepResult.rows`.

The first are those of :data:`fastprune.results.labels.ASPECTS`: ``network``, ``prune_layer``,
``intervention`` and ``order``, the same in every row of a sweep, so that rows of several go
together. Counts are whole numbers of images; rates, accuracies and fractions are shares from 0 to
1. ``low`` and ``high`` are the ends of Wilson 95 % intervals. ``precision`` is that of G on a
backdoored set together with ``clean_set``. The columns from ``true_hits`` on are those of
:class:`~fastprune.results.robustness.Robustness`.
"""


def rows(result: SweepRecord) -> Iterator[dict[str, Any]]:
    """Yield one dict per set and ``n_pruned`` with the keys of :data:`COLUMNS`.

    What a set does not have, and the channel removed at step 0, is empty ("").
    """
    channels = ["", *map(int, result.order)]
    about = identity(result)
    for part in result.sets.values():
        counts = part.counts
        columns = {
            "hits": counts.hits, "rate": counts.rate,
            "goodnet_hits": counts.goodnet_hits, "goodnet_rate": counts.goodnet_rate,
            "flagged": counts.flagged, "flagged_rate": counts.flagged_rate,
            **_ends("rate", wilson(counts.hits, counts.images)),
            **_ends("flagged_rate", wilson(counts.flagged, counts.images)),
            **derived(result, part),
        }  # fmt: skip
        for n_pruned, channel in enumerate(channels):
            row = dict.fromkeys(COLUMNS, "") | about | {
                "set": part.name, "kind": part.kind, "n_pruned": n_pruned,
                "fraction_pruned": n_pruned / result.n_channels, "channel": channel,
                "images": counts.images,
            }  # fmt: skip
            for name, values in columns.items():
                value = values if isinstance(values, str | int) else values[n_pruned].item()
                row[name] = "" if value != value else value
            yield row


def derived(
    result: SweepRecord, part: SetResult
) -> dict[str, str | int | NDArray[np.generic]]:
    """Return the columns that only backdoored sets have: an array over the steps, or one value."""
    if part.kind != "backdoored":
        return {}
    detector = detection(result, companion(result, part.name), part.name)
    columns: dict[str, str | int | NDArray[np.generic]] = {
        "clean_set": detector.clean,
        "precision": detector.precision,
        **_ends("precision", detector.precision_interval),
    }
    robust = robustness(result, part.name)
    if robust is not None:
        columns["others"] = robust.others
        for name in ("true_hits", "goodnet_true_hits", "other_hits"):
            columns[name] = getattr(robust, name)
        for name in ("robust_accuracy", "goodnet_robust_accuracy", "asr_without_target"):
            columns[name] = getattr(robust, name)
            columns.update(_ends(name, getattr(robust, f"{name}_interval")))
    return columns


def _ends(name: str, interval: Interval) -> dict[str, NDArray[np.float64]]:
    return {f"{name}_low": interval[0], f"{name}_high": interval[1]}
