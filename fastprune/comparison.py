"""Several results side by side: orders, prune layers, interventions, networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from fastprune.errors import OptionError
from fastprune.export import folder as results_folder
from fastprune.export.comparison_folder import comparison_json, save_comparison
from fastprune.export.run_files import noted
from fastprune.report.html.assets import write_html
from fastprune.report.html.comparison_page import comparison_page
from fastprune.report.plots import artist
from fastprune.report.plots.comparison import comparison_drawers, comparison_figure
from fastprune.report.text.comparison import compare_table
from fastprune.report.text.paper import comparison_tables, written
from fastprune.result import SweepResult
from fastprune.results.compared_sets import choose_sets
from fastprune.results.comparison_record import ComparisonRecord


@dataclass(frozen=True, eq=False)
class Comparison(ComparisonRecord):
    """What several sweeps do, each on one clean and one backdoored set.

    Its fields and figures are those of
    :class:`~fastprune.results.comparison_record.ComparisonRecord`.

    Attributes
    ----------
    results : tuple of SweepResult
        The sweeps: of several orders, prune layers, interventions or networks.
    sets : tuple of (str or None, str or None)
        Of every result the clean and the backdoored set that it is compared on.
    """

    results: tuple[SweepResult, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the comparison as values that JSON knows."""
        return comparison_json(self)

    def table(self, *, form: str = "text") -> str:
        """Return the results side by side.

        Parameters
        ----------
        form : {"text", "markdown", "latex"}
            For a terminal, or for a paper: LaTeX needs the package booktabs.

        Raises
        ------
        OptionError
            When there is no such form.
        """
        return compare_table(self) if form == "text" else written(comparison_tables(self), form)

    def plot(self, *, name: str = "compare") -> Any:
        """Return a figure.

        Parameters
        ----------
        name : {"compare", "layers"}
            Clean accuracy and ASR as curves, a line per result; or both as colours, a row per
            result, which shows in which prune layer the backdoor lies.

        Raises
        ------
        OptionError
            When there is no such figure.
        """
        return comparison_figure(self, name)

    def report(self, path: str | Path, *, drop: float | None = None) -> Path:
        """Write one HTML page that needs no network: curves of all results, a slider, tables.

        Parameters
        ----------
        path : path
            The file to write.
        drop : float, optional
            The drop X that its story tells of; by default the largest that every result crosses.

        Raises
        ------
        OptionError
            When a result never crosses `drop`, or plotly or Jinja2 is not installed.
        OutputError
            When the file cannot be written.
        """
        return noted(write_html(comparison_page(self, drop=drop), path))

    def save(
        self,
        folder: str | Path,
        *,
        plots: bool = True,
        orders: Mapping[str, SweepResult] | None = None,
        force: bool = False,
    ) -> Path:
        """Write ``compare.csv``, ``compare.json`` and the plots into `folder`.

        The plots are ``compare`` and, of several prune layers, ``compare_layers``, each as PNG and
        SVG.

        What an earlier run wrote there is replaced as a whole. A plot that cannot be drawn is
        warned of and noted in ``compare.json``, under ``failed``.

        Parameters
        ----------
        folder : path
            Where the files go.
        plots : bool
            Whether to draw.
        orders : mapping of str to SweepResult, optional
            Results that go with them, each into a folder of that name below.
        force : bool
            Write although the folder holds files that no earlier run wrote; they stay.

        Raises
        ------
        OutputError
            When the folder cannot be written or holds other files.
        """
        drawn = comparison_drawers(self) if plots else None
        below = None if orders is None else {
            name: partial(
                results_folder.write, result, network=result.loaded_network,
                plots=partial(artist.begun, result) if plots else None,
            )
            for name, result in orders.items()
        }  # fmt: skip
        return save_comparison(self, folder, plots=drawn, orders=below, force=force)


def compare(
    results: Sequence[SweepResult | str | Path],
    *,
    clean: str | None = None,
    backdoored: str | None = None,
) -> Comparison:
    """Put results side by side: of several orders, prune layers, interventions or networks.

    What they have in common is said once, what a result lacks is said of it; drops are those of all
    results together.

    Parameters
    ----------
    results : sequence of SweepResult or path
        The results, or their directories.
    clean, backdoored : str, optional
        The sets to compare on; by default the first that only measure, go together and are in every
        result; where there are none, the first of each result.

    Returns
    -------
    Comparison

    Raises
    ------
    OptionError
        When there is no result, no result has a set named, or the results share no clean set.
    OutputError
        When a path is no results directory.
    """
    if not results:
        message = "expected at least one result to compare; got none"
        raise OptionError(message)
    loaded = tuple(
        result if isinstance(result, SweepResult) else SweepResult.load(result)
        for result in results
    )
    return Comparison(loaded, choose_sets(loaded, clean, backdoored))
