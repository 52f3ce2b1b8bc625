"""The result of a sweep as it is used: shown, drawn, saved, read back, made into B′ and G."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import Any

from fastprune.errors import OptionError, OutputError
from fastprune.export import folder as results_folder
from fastprune.export import frames, trackers
from fastprune.export import rows as export_rows
from fastprune.export.run_files import noted
from fastprune.networks.goodnet import make_goodnet, make_repaired
from fastprune.networks.network import Network, load_network
from fastprune.report.html.assets import write_html
from fastprune.report.html.notebook import sweep_html
from fastprune.report.html.sweep_page import page as sweep_page
from fastprune.report.plots import artist, drawing
from fastprune.report.text.paper import sweep_tables, written
from fastprune.report.text.tables import drops_table, steps_table
from fastprune.results.record import SweepRecord


@dataclass(frozen=True, eq=False, repr=False)
class SweepResult(SweepRecord):
    """Every figure of one sweep: one network, one channel order, any number of sets.

    Its fields are those of :class:`~fastprune.results.record.SweepRecord`, and one more.

    Attributes
    ----------
    runtime : Network, optional
        The loaded network, so that B′ and G can be made without loading it again.
    """

    runtime: Network | None = field(default=None, repr=False)

    def repaired(self, drop: float | None = None, *, n_pruned: int | None = None) -> Any:
        """Return B′ at a drop's crossing or at ``n_pruned``, as a Keras model."""
        return make_repaired(self.loaded_network(), self.order[: self.step(drop, n_pruned)])

    def goodnet(self, drop: float | None = None, *, n_pruned: int | None = None) -> Any:
        """Return G at a drop's crossing or at ``n_pruned``, as a Keras model of N+1 outputs."""
        return make_goodnet(self.loaded_network(), self.order[: self.step(drop, n_pruned)])

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield one dict per set and ``n_pruned``.

        Its keys are :data:`~fastprune.export.rows.COLUMNS`. What a set does not have, and the
        channel removed at step 0, is empty ("").
        """
        return export_rows.rows(self)

    def save(self, folder: str | Path, *, plots: bool = True, force: bool = False) -> Path:
        """Write the results directory: figures, plots, and B′ and G of every drop crossed.

        What an earlier run wrote there is replaced as a whole. A plot or a network that cannot be
        written is warned of and noted in ``sweep.json``, under ``failed``, or under ``left_out``
        where only its format cannot hold the network.

        Parameters
        ----------
        folder : path
            The results directory.
        plots : bool
            Whether to draw.
        force : bool
            Write although the folder holds files that no earlier run wrote; they stay.

        Raises
        ------
        OutputError
            When the folder or the figures cannot be written, or the folder holds other files.
        """
        drawn = partial(artist.begun, self) if plots else None
        return results_folder.save(
            self, folder, network=self.loaded_network, plots=drawn, force=force
        )

    @classmethod
    def load(cls, folder: str | Path) -> SweepResult:
        """Read a results directory back.

        Raises
        ------
        OutputError
            When `folder` holds no complete results directory.
        """
        record = results_folder.load(folder)
        return cls(**{item.name: getattr(record, item.name) for item in fields(record)})

    def loaded_network(self) -> Network:
        """Return the network that was swept; read again, and checked to be the same, if need be.

        Raises
        ------
        OutputError
            When its file is gone or another one.
        """
        if self.runtime is not None:
            return self.runtime
        path = self.network.path
        if not path or not Path(path).is_file():
            message = (
                f"expected the network of this sweep, {path or 'which was given as a model'}; got "
                "no such file; put it back, or load repaired_X.keras of the results directory"
            )
            raise OutputError(message)
        info = self.network
        named = "mask_layer" if info.intervention == "mask" else "prune_layer"
        zero_at = "bn" if info.intervention == "weights+bn" else "conv"
        choice = {named: info.prune_layer, "zero_at": zero_at, "cut_layer": info.cut_layer}
        network = load_network(path, **choice)
        if network.fingerprint != self.network.fingerprint:
            message = (
                f"expected the network that was swept; got another file ({path}); "
                "put the original back, or load repaired_X.keras of the results directory"
            )
            raise OutputError(message)
        return network

    def to_pandas(self) -> Any:
        """Return a tidy pandas frame: one row per set and ``n_pruned``.

        Returns
        -------
        pandas.DataFrame
            The columns of ``sweep.csv``: text, counts as int64, rates as float64 shares from 0 to
            1. Whole numbers that some rows lack, as ``channel`` at step 0, are Int64. Every row
            names its network, prune layer, intervention and order, so that frames of several
            sweeps go together with ``pandas.concat(…, ignore_index=True)``.

        Raises
        ------
        OptionError
            When pandas is not installed.
        """
        return frames.to_pandas(self)

    def names(self) -> dict[str, str]:
        """Return what the sweep is of, as a flat dict of texts for ``mlflow.log_params``.

        Returns
        -------
        dict of str to str
            ``network/name``, ``network/prune_layer``, ``network/intervention``, ``run/order``.
        """
        return trackers.names(self)

    def metrics(self, *, named: bool = False) -> dict[str, Any]:
        """Return one flat dict of finite numbers, for ``mlflow.log_metrics`` and the like.

        With :meth:`names` the same as ``metrics.json`` of a results directory. Rates are shares
        from 0 to 1.

        Parameters
        ----------
        named : bool
            Put :meth:`names` before them, so that a row of several sweeps says what it is of:
            ``pandas.DataFrame([result.metrics(named=True) for result in results])``.

        Returns
        -------
        dict of str to int or float, or to str for the names
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
        return trackers.named_metrics(self) if named else trackers.metrics(self)

    def steps(self) -> Iterator[tuple[int, dict[str, float]]]:
        """Yield ``n_pruned`` and a flat dict of every set's rates there, shares from 0 to 1.

        Keys are ``sweep/SET/…`` with the names of rates and sets of :meth:`metrics`.

        Examples
        --------
        ``for n, values in result.steps(): mlflow.log_metrics(values, step=n)``
        """
        return trackers.steps(self)

    def table(self, *, every_step: bool = False, form: str = "text") -> str:
        """Return the drops, or every step, as a table: percent of each set.

        Parameters
        ----------
        every_step : bool
            A row per step, as text.
        form : {"text", "markdown", "latex"}
            For a terminal, or the drops for a paper: LaTeX needs the package booktabs.

        Raises
        ------
        OptionError
            When there is no such form, or none of every step.
        """
        if every_step and form != "text":
            message = f"expected the table of every step as text; got form={form!r}"
            raise OptionError(message)
        if every_step:
            return steps_table(self)
        return drops_table(self) if form == "text" else written(sweep_tables(self), form)

    def plot(self, folder: str | Path | None = None, *, name: str = "accuracy_asr") -> Any:
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
        if folder is None:
            return drawing.figure(self, name)
        drawn = drawing.draw(self, folder)
        noted(*drawn)
        return drawn

    def report(self, path: str | Path, *, drop: float | None = None) -> Path:
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
        return noted(write_html(sweep_page(self, drop=drop), path))

    def _repr_html_(self) -> str:
        return sweep_html(self)

    def __repr__(self) -> str:
        return (
            f"<SweepResult {self.network.name!r}: {self.n_channels} channels of "
            f"{self.network.prune_layer!r}, order {self.order_name!r}, sets "
            f"{', '.join(map(repr, self.sets))}>"
        )
