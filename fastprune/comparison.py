"""Several orders of one sweep side by side."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fastprune.errors import OptionError
from fastprune.files.atomic import whole_folder
from fastprune.files.csv_files import write_rows
from fastprune.result import SweepResult
from fastprune.results.detection import detection, roc
from fastprune.results.set_pairs import pairs, set_of, validation_twins

COLUMNS = (
    "order", "oracle", "dead_first", "drop", "n_pruned", "clean_set", "clean_accuracy",
    "false_alarm_rate", "backdoored_set", "asr", "detection_rate", "roc_area",
)  # fmt: skip
"""Columns of ``compare.csv`` and of :meth:`Comparison.rows`."""

FILES = frozenset({"compare.csv", "compare.json", "compare.png", "report.html"})


@dataclass(frozen=True, eq=False)
class Comparison:
    """What several orders do to one network, on one clean and one backdoored set.

    Attributes
    ----------
    results : tuple of SweepResult
        One per order.
    clean : str
        The clean set compared on.
    backdoored : str or None
        The backdoored set; None where the sweeps have none.
    """

    results: tuple[SweepResult, ...]
    clean: str
    backdoored: str | None

    @property
    def dead(self) -> int:
        """Channels whose mean activation on the clean validation set is 0."""
        return int(np.sum(self.results[0].activations == 0))

    def dead_first(self, result: SweepResult) -> int:
        """Return how many dead channels an order prunes before the first live one."""
        live = result.activations[result.order] != 0
        return int(live.argmax()) if live.any() else len(live)

    def roc_area(self, result: SweepResult) -> float | None:
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
            for drop, step in [(0.0, 0), *sorted(result.crossings.items())]:
                found = None if step is None else backdoored
                figures = (
                    result.order_name, result.oracle, dead_first, drop, step, self.clean,
                    None if step is None else float(clean.rate[step]),
                    None if step is None else float(clean.flagged_rate[step]),
                    self.backdoored,
                    None if found is None else float(found.rate[step]),
                    None if found is None else float(found.flagged_rate[step]),
                    area,
                )  # fmt: skip
                yield dict(zip(COLUMNS, figures, strict=True))

    def as_json(self) -> dict[str, Any]:
        """Return the comparison as values that JSON knows."""
        first = self.results[0]
        return {
            "network": dict(first.network),
            "valid": first.valid,
            "clean_set": self.clean,
            "backdoored_set": self.backdoored,
            "drop_kind": first.drop_kind,
            "dead": self.dead,
            "n_channels": first.n_channels,
            "rows": list(self.rows()),
        }

    def table(self) -> str:
        """Return the orders side by side as text."""
        from fastprune.report.plots.comparison import compare_table

        return compare_table(self)

    def plot(self) -> Any:
        """Return clean accuracy and ASR over ``n_pruned``, a line per order, as a figure."""
        from fastprune.report.plots.comparison import compare_figure

        return compare_figure(self)

    def report(self, path: str | Path, *, drop: float | None = None) -> Path:
        """Write one HTML page that needs no network: curves of all orders, a slider, tables.

        Parameters
        ----------
        path : path
            The file to write.
        drop : float, optional
            The drop X that its story tells of; by default the largest that every order crosses.

        Raises
        ------
        OptionError
            When an order never crosses `drop`, or plotly or Jinja2 is not installed.
        OutputError
            When the file cannot be written.
        """
        from fastprune.report.html.assets import write_html
        from fastprune.report.html.comparison_page import comparison_page

        return write_html(comparison_page(self, drop=drop), path)

    def save(self, folder: str | Path, *, plots: bool = True) -> Path:
        """Write ``compare.csv``, ``compare.json`` and ``compare.png`` into `folder`.

        Raises
        ------
        OutputError
            When the folder cannot be written.
        """
        from fastprune.report.plots.comparison import draw_comparison

        folder = Path(folder)
        with whole_folder(folder, last="compare.json", replaces=FILES) as staging:
            with open(staging / "compare.csv", "w", newline="", encoding="utf-8") as file:
                write_rows(file, COLUMNS, self.rows())
            if plots:
                draw_comparison(self, staging / "compare.png")
            text = json.dumps(self.as_json(), indent=1, allow_nan=False)
            (staging / "compare.json").write_text(text + "\n", encoding="utf-8")
        return folder


def compare(
    results: Sequence[SweepResult], *, clean: str | None = None, backdoored: str | None = None
) -> Comparison:
    """Compare orders of one network on the same sets, as :func:`fastprune.sweep_orders` gives them.

    Parameters
    ----------
    results : sequence of SweepResult
        One per order.
    clean, backdoored : str, optional
        The sets to compare on; by default the first that only measure and go together.

    Returns
    -------
    Comparison

    Raises
    ------
    OptionError
        When there is no result, they are of several networks, sets or drops, or a set named does
        not exist.
    """
    if not results:
        message = "expected at least one result to compare; got none"
        raise OptionError(message)
    first = results[0]
    for other in results[1:]:
        for what, one, two in (
            ("network", first.network.get("fingerprint"), other.network.get("fingerprint")),
            ("sets", _sizes(first), _sizes(other)),
            ("drops", (first.drops, first.drop_kind), (other.drops, other.drop_kind)),
        ):
            if one != two:
                message = (
                    f"expected orders of one sweep; got results whose {what} differ "
                    f"({first.order_name} and {other.order_name})"
                )
                raise OptionError(message)
    for name, kind in ((clean, "clean"), (backdoored, "backdoored")):
        if name is not None:
            set_of(first, name, kind)
    return Comparison(tuple(results), *_chosen(first, clean, backdoored))


def _sizes(result: SweepResult) -> dict[str, tuple[str, int]]:
    return {name: (part.kind, part.counts.images) for name, part in result.sets.items()}


def _chosen(
    result: SweepResult, clean: str | None, backdoored: str | None
) -> tuple[str, str | None]:
    """Return the sets to compare on: the best pair that agrees with those named."""
    known = pairs(result)
    twins = {part.name for part in validation_twins(result)}
    fitting = [
        pair
        for pair in known
        if clean in (None, pair[0]) and backdoored in (None, pair[1])
    ]
    # Sets that chose come last, clean sets without a backdoored one before them.
    fitting.sort(key=lambda pair: (pair[0] == result.valid or pair[1] in twins, pair[1] is None))
    if fitting:
        return fitting[0]
    first = sorted(known, key=lambda pair: pair[0] == result.valid)[0]
    return clean or first[0], backdoored
