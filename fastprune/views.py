"""How a sweep shows itself and goes to other tools: text, plots, frames, metrics, notebooks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any


class Views:
    """The methods of :class:`~fastprune.SweepResult` that show it; they compute nothing.

    `self` is a SweepResult, which is derived from this class.
    """

    def to_pandas(self: Any) -> Any:
        """Return a tidy pandas frame: one row per set and ``n_pruned``.

        Returns
        -------
        pandas.DataFrame
            Column ``order``, then the columns of ``sweep.csv``: text, counts as int64, rates as
            float64 shares from 0 to 1. Whole numbers that some rows lack, as ``channel`` at step 0,
            are Int64. Frames of several orders go together with
            ``pandas.concat(…, ignore_index=True)``.

        Raises
        ------
        OptionError
            When pandas is not installed.
        """
        from fastprune.export.trackers import to_pandas

        return to_pandas(self)

    def metrics(self: Any) -> dict[str, int | float]:
        """Return one flat dict of finite numbers, for ``mlflow.log_metrics`` and the like.

        The same as ``metrics.json`` of a results directory. Rates are shares from 0 to 1.

        Returns
        -------
        dict of str to int or float
            ``network/n_classes``, ``network/n_channels``; ``run/images``, ``run/near_ties``,
            ``run/seconds``, ``run/peak_memory_bytes``;
            ``B/SET/clean_accuracy`` or ``B/SET/attack_success_rate`` of every set;
            for every drop X that is crossed ``drop_X/n_pruned`` and, for a clean set,
            ``drop_X/SET/clean_accuracy`` (B′), ``goodnet_clean_accuracy`` (G) and
            ``false_alarm_rate``, for a backdoored one ``drop_X/SET/attack_success_rate`` (B′),
            ``goodnet_attack_success_rate`` (G) and ``detection_rate``, and, where the true labels
            are known, ``robust_accuracy`` (B′), ``goodnet_robust_accuracy`` (G) and
            ``asr_without_target`` (B′);
            ``detector/SET/roc_area`` of every backdoored set; ``max_fpr_1/n_pruned``,
            ``max_fpr_1/SET/false_alarm_rate``, ``detection_rate`` and ``precision`` of G where its
            false alarm rate on the validation set is at most 1 (2, 5) percent, see
            :func:`fastprune.results.operating_points.operating_points`.
            A drop of 2.5 is ``drop_2_5``; letters of a set's name other than ASCII letters, digits,
            ``_`` and ``-`` become ``_``. A drop that is never crossed has no keys.

        Examples
        --------
        ``mlflow.log_metrics(result.metrics())``, ``wandb.summary.update(result.metrics())``
        """
        from fastprune.export.trackers import metrics

        return metrics(self)

    def steps(self: Any) -> Iterator[tuple[int, dict[str, float]]]:
        """Yield ``n_pruned`` and a flat dict of every set's rates there, shares from 0 to 1.

        Keys are ``sweep/SET/…`` with the names of rates and sets of :meth:`metrics`.

        Examples
        --------
        ``for n, values in result.steps(): mlflow.log_metrics(values, step=n)``
        """
        from fastprune.export.trackers import steps

        return steps(self)

    def table(self: Any, *, every_step: bool = False) -> str:
        """Return the drops, or every step, as a text table: percent of each set."""
        from fastprune.report.text.tables import drops_table, steps_table

        return steps_table(self) if every_step else drops_table(self)

    def plot(self: Any, folder: str | Path | None = None, *, name: str = "accuracy_asr") -> Any:
        """Return a plot, which a notebook shows; or write all of them into `folder`.

        Parameters
        ----------
        folder : path, optional
            Where the plots go, each as PNG and SVG.
        name : {"accuracy_asr", "activations", "goodnet", "detector", "samples"}
            The plot to return.

        Returns
        -------
        matplotlib.figure.Figure or list of Path
            The figure, of no window and no pyplot state; the files where a folder is given.

        Raises
        ------
        OptionError
            When there is no plot of that name.
        OutputError
            When a file cannot be written.
        """
        from fastprune.report.plots.drawing import draw, figure

        return figure(self, name) if folder is None else draw(self, folder)

    def report(self: Any, path: str | Path, *, drop: float | None = None) -> Path:
        """Write one HTML page that needs no network: curves, a slider over the steps, tables.

        Parameters
        ----------
        path : path
            The file to write.
        drop : float, optional
            The drop X that its story tells of and its slider starts at; by default the largest
            that is crossed.

        Raises
        ------
        OptionError
            When `drop` is never crossed, or plotly or Jinja2 is not installed.
        OutputError
            When the file cannot be written.
        """
        from fastprune.report.html.assets import write_html
        from fastprune.report.html.sweep_page import page

        return write_html(page(self, drop=drop), path)

    def _repr_html_(self: Any) -> str:
        from fastprune.report.html.notebook import sweep_html

        return sweep_html(self)

    def __repr__(self: Any) -> str:
        return (
            f"<SweepResult {self.network.get('name')!r}: {self.n_channels} channels of "
            f"{self.network.get('prune_layer')!r}, order {self.order_name!r}, sets "
            f"{', '.join(map(repr, self.sets))}>"
        )
