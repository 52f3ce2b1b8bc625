"""What several orders of one sweep do, on one clean and one backdoored set."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastprune.results.detection import detection, roc
from fastprune.results.record import SweepRecord

COLUMNS = (
    "order", "oracle", "dead_first", "drop", "n_pruned", "clean_set", "clean_accuracy",
    "false_alarm_rate", "backdoored_set", "asr", "detection_rate", "roc_area",
)  # fmt: skip
"""Columns of ``compare.csv`` and of :meth:`ComparisonRecord.rows`."""


@dataclass(frozen=True, eq=False)
class ComparisonRecord:
    """What several orders do to one network, on one clean and one backdoored set.

    Attributes
    ----------
    results : tuple of SweepRecord
        One per order.
    clean : str
        The clean set compared on.
    backdoored : str or None
        The backdoored set; None where the sweeps have none.
    """

    results: tuple[SweepRecord, ...]
    clean: str
    backdoored: str | None

    @property
    def dead(self) -> int:
        """Channels whose mean activation on the clean validation set is 0."""
        return int(np.sum(self.results[0].activations == 0))

    def dead_first(self, result: SweepRecord) -> int:
        """Return how many dead channels an order prunes before the first live one."""
        live = result.activations[result.order] != 0
        return int(live.argmax()) if live.any() else len(live)

    def roc_area(self, result: SweepRecord) -> float | None:
        """Return the area under the ROC of G over an order's steps; None without backdoored set."""
        if self.backdoored is None:
            return None
        return roc(detection(result, self.clean, self.backdoored)).area

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield a dict per order and drop, B first as drop 0, with the keys of :data:`COLUMNS`.

        Rates are shares; what there is not, as the figures of a drop that is never crossed, is
        None.
        """
        for result in self.results:
            clean = result.sets[self.clean].counts
            backdoored = None if self.backdoored is None else result.sets[self.backdoored].counts
            area, dead_first = self.roc_area(result), self.dead_first(result)
            for at in result.drop_rows:
                step, attacked = at.step, None if at.step is None else backdoored
                figures = (
                    result.order_name, result.oracle, dead_first, at.drop, step, self.clean,
                    None if step is None else float(clean.rate[step]),
                    None if step is None else float(clean.flagged_rate[step]),
                    self.backdoored,
                    None if attacked is None else float(attacked.rate[step]),
                    None if attacked is None else float(attacked.flagged_rate[step]),
                    area,
                )  # fmt: skip
                yield dict(zip(COLUMNS, figures, strict=True))
