"""``fastprune sweep``."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fastprune.cli.layout import LabFiles
from fastprune.cli.sweep_call import by_set, files_of, folders_of, orders_of, several
from fastprune.comparison import compare
from fastprune.export.rows import COLUMNS
from fastprune.export.run_files import check_results, failed
from fastprune.files.csv_files import write_rows
from fastprune.orders.order import OrderSource
from fastprune.result import SweepResult


def run(arguments: argparse.Namespace) -> int:
    """Sweep what the arguments name; write the results directory and print the drops."""
    files, orders = files_of(arguments), orders_of(arguments)
    check_results(arguments.out, force=arguments.force)
    results = sweep_files(files, orders, arguments)
    layers = [result.network.prune_layer for result in results[:: len(orders)]]
    folders = folders_of(arguments.out, layers, orders)
    how = {"plots": not arguments.no_plots, "force": arguments.force}
    if len(results) == 1:
        results[0].save(arguments.out, **how)
    else:
        names = (folder.name for folder in folders)
        compare(results).save(
            arguments.out, orders=dict(zip(names, results, strict=True)), **how
        )
    show(results, folders, arguments.format, verbose=arguments.verbose)
    return int(any(map(failed, {arguments.out, *folders})))


def sweep_files(
    files: LabFiles, orders: Sequence[OrderSource], arguments: argparse.Namespace
) -> list[SweepResult]:
    """Run the sweep of a set of files."""
    from fastprune.sweeping.run import sweep_layers, sweep_orders

    options = {
        "valid": files.valid, "clean": files.clean, "backdoored": files.backdoored,
        "orders": orders, "drops": arguments.drops, "drop_kind": arguments.drop_kind,
        "rank_on": arguments.rank_on, "scale": arguments.scale, "zero_at": arguments.zero_at,
        "engine": arguments.engine, "memory": arguments.memory, "verify": arguments.verify,
        "data_name": arguments.data_name, "label_name": arguments.label_name,
        "true_labels": by_set("--true-label", arguments.true_label),
        "paired": by_set("--paired", arguments.paired), "progress": arguments.progress,
    }  # fmt: skip
    layers = arguments.prune_layer
    if several(layers):
        return sweep_layers(files.model, prune_layers=layers, **options)
    return sweep_orders(
        files.model, prune_layer=layers and layers[0], mask_layer=arguments.mask_layer,
        cut_layer=arguments.cut_layer, **options,
    )  # fmt: skip


def show(
    results: list[SweepResult], folders: list[Path], form: str, *, verbose: bool = False
) -> None:
    """Print results: text, one JSON object, every row as CSV, or the tables for a paper."""
    from fastprune.export.json_values import as_json

    if form == "json":
        found: list[Any] = [
            {**as_json(result), "results": str(folder)}
            for result, folder in zip(results, folders, strict=True)
        ]
        print(json.dumps(found[0] if len(found) == 1 else found))
    elif form == "csv":
        write_rows(sys.stdout, COLUMNS, (row for result in results for row in result.rows()))
    elif form != "text":
        shown = results[0] if len(results) == 1 else compare(results)
        print(shown.table(form=form))
    else:
        print(text(results, folders, verbose=verbose))


def text(results: list[SweepResult], folders: list[Path], *, verbose: bool = False) -> str:
    """Return what a person reads at the end of a sweep."""
    from fastprune.report.text.tables import detector_table, order_lines
    from fastprune.report.text.warned import warning_lines

    lines = warning_lines(warning for result in results for warning in result.warnings)
    for result in results if verbose else ():
        lines += [order_lines(result), ""]
    if len(results) == 1:
        lines += [results[0].table(), "", detector_table(results[0])]
        where = f"results in {folders[0]}"
    else:
        lines.append(compare(results).table())
        where = f"comparison in {folders[0].parent}, results in {', '.join(map(str, folders))}"
    return "\n".join([*lines, "", footer(results), where])


def footer(results: list[SweepResult]) -> str:
    """Return what the sweep of all orders took, and what was verified."""
    first = results[0]
    spent, ties = sum(first.seconds.values()), sum(result.near_ties for result in results)
    images = sum(part.counts.images for part in first.sets.values())
    lines = [
        f"{images:,} images x {_steps(results)} in {spent:.1f} s, peak memory "
        f"{first.peak_memory / 1e6:.0f} MB; {ties} near-ties (two best scores closer than float32 "
        "can tell) were decided by a plain forward",
        _cuts(results),
    ]
    checks = [result.options["verified"] for result in results if "verified" in result.options]
    if checks:
        lines.append(
            f"verified with plain Keras: {sum(check['compared'] for check in checks):,} classes at "
            f"steps {', '.join(map(str, checks[0]['steps']))}; "
            f"{sum(check['different_near_ties'] for check in checks)} near-ties differ"
        )
    return "\n".join(lines)


def _steps(results: list[SweepResult]) -> str:
    """Return how many steps were swept: of an order, of several, or of several layers."""
    layers = len({result.network.prune_layer for result in results})
    if layers > 1:
        return f"{sum(result.n_channels + 1 for result in results)} steps of {layers} layers"
    orders = f" x {len(results)} orders" if len(results) > 1 else ""
    return f"{results[0].n_channels + 1} steps{orders}"


def _cuts(results: list[SweepResult]) -> str:
    """Return where the network was cut and the engine; of several layers, in how many passes."""
    first = results[0]
    if len({result.network.prune_layer for result in results}) > 1:
        passes = first.options["prefix_passes"]
        often = "once" if passes == 1 else f"{passes} times"
        return f"{first.n_classes} classes; every image went through the prefix {often}"
    return (
        f"cut at {first.network.cut_layer}, {first.n_classes} classes, engine "
        f"{first.options['engine_used']}"
    )
