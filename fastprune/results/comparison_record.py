"""What several sweeps do, side by side: orders, prune layers, interventions, networks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from fastprune.results.compared_sets import SetNames, differing_sets, missing_sets
from fastprune.results.counts import crossing
from fastprune.results.crossings import BADNET, Crossing
from fastprune.results.detection import detection, roc
from fastprune.results.labels import differing, labels
from fastprune.results.record import SetResult, SweepRecord

COLUMNS = (
    "label", "network", "prune_layer", "intervention", "order", "oracle", "n_channels", "dead",
    "dead_first", "drop", "n_pruned", "clean_set", "clean_accuracy", "false_alarm_rate",
    "backdoored_set", "asr", "detection_rate", "roc_area",
)  # fmt: skip
"""Columns of ``compare.csv`` and of :meth:`ComparisonRecord.rows`."""


@dataclass(frozen=True, eq=False)
class ComparisonRecord:
    """What several sweeps do, each on one clean and one backdoored set.

    Attributes
    ----------
    results : tuple of SweepRecord
        The sweeps: of several orders, prune layers, interventions or networks.
    sets : tuple of (str or None, str or None)
        Of every result the clean and the backdoored set that it is compared on; None where it has
        not the one asked for, or none at all.
    """

    results: tuple[SweepRecord, ...]
    sets: tuple[SetNames, ...]

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """What tells every result from the others, no more: network, layer, intervention, order."""
        return labels(self.results)

    @cached_property
    def differing(self) -> tuple[str, ...]:
        """What differs among the results, of :data:`fastprune.results.labels.ASPECTS`."""
        return differing(self.results)

    @property
    def clean(self) -> str | None:
        """The clean set that all are compared on; None where it is not one."""
        return self._common(0)

    @property
    def backdoored(self) -> str | None:
        """The backdoored set that all are compared on; None where it is not one."""
        return self._common(1)

    @property
    def has_backdoored(self) -> bool:
        """Whether any result is compared on a backdoored set."""
        return any(backdoored is not None for _, backdoored in self.sets)

    @property
    def n_channels(self) -> int | None:
        """Channels of the prune layer; None where the results differ in it."""
        counts = {result.n_channels for result in self.results}
        return counts.pop() if len(counts) == 1 else None

    @property
    def drops(self) -> tuple[float, ...]:
        """Every drop that any of the sweeps asked for, ascending."""
        return tuple(sorted({drop for result in self.results for drop in result.drops}))

    @property
    def drop_kind(self) -> str:
        """What the drops are a percentage of, here for all results: that of the first."""
        return self.results[0].drop_kind

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know of results that are not alike, a sentence each."""
        notes = [*missing_sets(self.labels, self.results, self.sets),
                 *differing_sets(self.results, self.sets)]  # fmt: skip
        if any(result.drop_kind != self.drop_kind for result in self.results):
            unit = "percentage points" if self.drop_kind == "points" else "percent of B's accuracy"
            notes.append(f"the sweeps took drops in different units; here all are {unit}")
        return tuple(notes)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader should know before the figures, each once, with the result it is said of.

        Without one where it is said of all.
        """
        found: dict[str, list[str]] = {}
        for label, result in zip(self.labels, self.results, strict=True):
            for warning in result.warnings:
                found.setdefault(warning, []).append(label)
        return tuple(
            warning if len(of) == len(self.results) else f"{', '.join(of)}: {warning}"
            for warning, of in found.items()
        )

    def set_of(self, place: int, kind: str) -> SetResult | None:
        """Return the clean or the backdoored set that a result is compared on, if there is one."""
        name = self.sets[place][kind == "backdoored"]
        return None if name is None else self.results[place].sets[name]

    def crossing(self, place: int, drop: float) -> int | None:
        """Return where a result crosses a drop, whether its sweep asked for it or not."""
        result = self.results[place]
        counts = result.sets[result.valid].counts
        return crossing(counts.hits, counts.images, drop, kind=self.drop_kind)

    def dead(self, place: int) -> int:
        """Channels of a result whose mean activation on the clean validation set is 0."""
        return int(np.sum(self.results[place].activations == 0))

    def dead_first(self, place: int) -> int:
        """Return how many dead channels a result prunes before the first live one."""
        result = self.results[place]
        live = result.activations[result.order] != 0
        return int(live.argmax()) if live.any() else len(live)

    def roc_area(self, place: int) -> float | None:
        """Return the area under the ROC of G over a result's steps; None without the sets."""
        clean, backdoored = self.sets[place]
        if clean is None or backdoored is None:
            return None
        return roc(detection(self.results[place], clean, backdoored)).area

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield a dict per result and drop, B first as drop 0, with the keys of :data:`COLUMNS`.

        Rates are shares; what there is not, as the figures of a drop that is never crossed, is
        None.
        """
        for place, result in enumerate(self.results):
            about = (
                self.labels[place], result.network.name, result.network.prune_layer,
                result.network.intervention, result.order_name, result.oracle, result.n_channels,
                self.dead(place), self.dead_first(place),
            )  # fmt: skip
            area = self.roc_area(place)
            crossings = [Crossing.of(drop, self.crossing(place, drop)) for drop in self.drops]
            for at in (BADNET, *crossings):
                rates = [self._rates(place, kind, at.step) for kind in ("clean", "backdoored")]
                figures = (*about, at.drop, at.step, *rates[0], *rates[1], area)
                yield dict(zip(COLUMNS, figures, strict=True))

    def _rates(
        self, place: int, kind: str, step: int | None
    ) -> tuple[str | None, float | None, float | None]:
        """Return a set's name, the rate of B′ and the share that G flags at a step."""
        part = self.set_of(place, kind)
        if part is None or step is None:
            return None if part is None else part.name, None, None
        return part.name, float(part.counts.rate[step]), float(part.counts.flagged_rate[step])

    def _common(self, side: int) -> str | None:
        names = {pair[side] for pair in self.sets}
        return names.pop() if len(names) == 1 else None
