"""A sweep as other tools take it: a pandas frame, flat metrics for MLflow and Weights & Biases."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from fastprune.errors import OptionError
from fastprune.result import SetResult, SweepResult

RATES = {
    "clean": ("clean_accuracy", "goodnet_clean_accuracy", "false_alarm_rate"),
    "backdoored": ("attack_success_rate", "goodnet_attack_success_rate", "detection_rate"),
}
"""What the rate of B′, the rate of G and the flagged share are called on each kind of set."""
LONGEST = 60
"""Letters of a set's name in a key; MLflow takes keys of 250."""


def to_pandas(result: SweepResult) -> Any:
    """Return every set and step as a frame; see :meth:`SweepResult.to_pandas`."""
    try:
        import pandas as pd
    except ImportError as error:
        message = (
            f"expected pandas for to_pandas(); got {error}; install it: pip install "
            "'fastprune[pandas]'"
        )
        raise OptionError(message) from error
    frame = pd.DataFrame(result.rows())
    # The channel of step 0 does not exist; a column of floats would say 41.0 for channel 41.
    frame["channel"] = frame["channel"].replace("", None).astype("Int64")
    frame.insert(0, "order", result.order_name)
    return frame


def metrics(result: SweepResult) -> dict[str, int | float]:
    """Return the figures of a sweep by flat keys; see :meth:`SweepResult.metrics`."""
    found: dict[str, int | float] = {
        "network/n_classes": result.n_classes,
        "network/n_channels": result.n_channels,
        "run/images": sum(part.counts.images for part in result.sets.values()),
        "run/near_ties": result.near_ties,
        "run/seconds": round(float(sum(result.seconds.values())), 3),
        "run/peak_memory_bytes": int(result.peak_memory),
    }
    keys = set_keys(result.sets)
    for part in result.sets.values():
        found[f"B/{keys[part.name]}/{RATES[part.kind][0]}"] = float(part.counts.rate[0])
    for drop, step in sorted(result.crossings.items()):
        if step is None:
            continue
        group = f"drop_{drop:g}".replace(".", "_").replace("+", "")
        found[f"{group}/n_pruned"] = step
        for part in result.sets.values():
            rates = _rates(part, step).items()
            found.update({f"{group}/{keys[part.name]}/{key}": rate for key, rate in rates})
    return found


def steps(result: SweepResult) -> Iterator[tuple[int, dict[str, float]]]:
    """Yield ``n_pruned`` and its figures by flat keys; see :meth:`SweepResult.steps`."""
    keys = set_keys(result.sets)
    for n_pruned in range(result.n_channels + 1):
        yield n_pruned, {
            f"sweep/{keys[part.name]}/{key}": rate
            for part in result.sets.values()
            for key, rate in _rates(part, n_pruned).items()
        }


def set_keys(names: Iterable[str]) -> dict[str, str]:
    """Return what stands for each set's name in a key: letters, digits, underscores, dashes.

    Two names that come out alike, or like a key of another kind, are numbered.

    Examples
    --------
    >>> set_keys(["valid", "bd test", "bd/test", ".."])
    {'valid': 'valid', 'bd test': 'bd_test', 'bd/test': 'bd_test_2', '..': '__'}
    """
    found: dict[str, str] = {}
    taken = {"n_pruned"}
    for name in names:
        plain = re.sub(r"[^A-Za-z0-9_-]", "_", name)[:LONGEST] or "_"
        key, number = plain, 1
        # File systems that ignore case would take "A" and "a" for one metric.
        while key.lower() in taken:
            number += 1
            key = f"{plain}_{number}"
        taken.add(key.lower())
        found[name] = key
    return found


def _rates(part: SetResult, step: int) -> dict[str, float]:
    counts = part.counts
    rates = (counts.rate[step], counts.goodnet_rate[step], counts.flagged_rate[step])
    return dict(zip(RATES[part.kind], map(float, rates), strict=True))
