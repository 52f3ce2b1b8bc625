"""Several orders of one sweep side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastprune.errors import OptionError
from fastprune.export.comparison_folder import comparison_json, save_comparison
from fastprune.report.html.assets import write_html
from fastprune.report.html.comparison_page import comparison_page
from fastprune.report.plots.comparison import compare_figure, draw_comparison
from fastprune.report.text.comparison import compare_table
from fastprune.result import SweepResult
from fastprune.results.comparison_record import ComparisonRecord
from fastprune.results.set_pairs import backdoored_validation_sets, pairs, set_of


@dataclass(frozen=True, eq=False)
class Comparison(ComparisonRecord):
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

    def as_json(self) -> dict[str, Any]:
        """Return the comparison as values that JSON knows."""
        return comparison_json(self)

    def table(self) -> str:
        """Return the orders side by side as text."""
        return compare_table(self)

    def plot(self) -> Any:
        """Return clean accuracy and ASR over ``n_pruned``, a line per order, as a figure."""
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
        return write_html(comparison_page(self, drop=drop), path)

    def save(self, folder: str | Path, *, plots: bool = True) -> Path:
        """Write ``compare.csv``, ``compare.json`` and ``compare.png`` into `folder`.

        Raises
        ------
        OutputError
            When the folder cannot be written.
        """
        draw = draw_comparison if plots else None
        return save_comparison(self, folder, draw=draw)


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
        for what, wanted, got in (
            ("network", first.network.fingerprint, other.network.fingerprint),
            ("sets", _sizes(first), _sizes(other)),
            ("drops", (first.drops, first.drop_kind), (other.drops, other.drop_kind)),
        ):
            if wanted != got:
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
    chose = {result.valid, *(part.name for part in backdoored_validation_sets(result))}
    fitting = [
        pair
        for pair in known
        if clean in (None, pair[0]) and backdoored in (None, pair[1])
    ]
    # Sets that chose come last, clean sets without a backdoored one before them.
    fitting.sort(key=lambda pair: (bool(chose & set(pair)), pair[1] is None))
    if fitting:
        return fitting[0]
    first = sorted(known, key=lambda pair: pair[0] == result.valid)[0]
    return clean or first[0], backdoored
