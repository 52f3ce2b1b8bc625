"""``fastprune sweep``."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from fastprune.cli.layout import LabFiles, find_lab
from fastprune.comparison import compare
from fastprune.errors import OptionError
from fastprune.export.rows import COLUMNS
from fastprune.files.atomic import check_writable
from fastprune.files.csv_files import write_rows
from fastprune.orders.order import Order, OrderSource, parse_order
from fastprune.result import SweepResult

Value = TypeVar("Value")


def run(arguments: argparse.Namespace) -> int:
    """Sweep what the arguments name; write the results directory and print the drops."""
    files = _files(arguments)
    words = arguments.order.split(",")
    if len(set(words)) != len(words):
        message = f"expected each order once; got {arguments.order}"
        raise OptionError(message)
    orders = [parse_order(word) for word in words]
    folders = _folders(arguments.out, orders)
    for folder in folders:
        check_writable(folder)
    results = sweep_files(files, orders, arguments)
    for result, folder in zip(results, folders, strict=True):
        result.save(folder, plots=not arguments.no_plots)
    if len(results) > 1:
        compare(results).save(arguments.out, plots=not arguments.no_plots)
    show(results, folders, arguments.format)
    return status(folders)


def status(folders: list[Path]) -> int:
    """Return the exit status of a sweep whose results lie in `folders`: 1 if a file is missing."""
    from fastprune.export.folder import failed

    return int(any(map(failed, folders)))


def sweep_files(
    files: LabFiles, orders: Sequence[OrderSource], arguments: argparse.Namespace
) -> list[SweepResult]:
    """Run the sweep of a set of files."""
    from fastprune.sweeping.run import sweep_orders

    return sweep_orders(
        files.model, valid=files.valid, clean=files.clean, backdoored=files.backdoored,
        orders=orders, drops=arguments.drops, drop_kind=arguments.drop_kind,
        rank_on=arguments.rank_on, scale=arguments.scale, cut_layer=arguments.cut_layer,
        engine=arguments.engine, memory=arguments.memory, verify=arguments.verify,
        data_name=arguments.data_name, label_name=arguments.label_name,
        true_labels=_by_set("--true-label", arguments.true_label),
        paired=_by_set("--paired", arguments.paired), progress=not arguments.quiet,
    )  # fmt: skip


def show(results: list[SweepResult], folders: list[Path], form: str) -> None:
    """Print results: text, one JSON object, or every row as CSV."""
    from fastprune.export.json_values import as_json

    if form == "json":
        found: list[Any] = [
            {**as_json(result), "results": str(folder)}
            for result, folder in zip(results, folders, strict=True)
        ]
        print(json.dumps(found[0] if len(found) == 1 else found))
    elif form == "csv":
        columns = COLUMNS if len(results) == 1 else ("order", *COLUMNS)
        rows = ({"order": result.order_name, **row} for result in results for row in result.rows())
        write_rows(sys.stdout, columns, ({key: row[key] for key in columns} for row in rows))
    elif len(results) == 1:
        print(text(results[0], folders[0]))
    else:
        print(f"{compare(results).table()}\n\n{footer(results)}")
        print(f"comparison in {folders[0].parent}, results in {', '.join(map(str, folders))}")


def text(result: SweepResult, folder: Path) -> str:
    """Return what a person reads at the end of a sweep."""
    from fastprune.report.text.tables import detector_table, order_lines

    lines = [
        f"{result.network.name}: {result.n_channels} channels of "
        f"{result.network.prune_layer}, cut at {result.network.cut_layer}, "
        f"{result.n_classes} classes, "
        f"engine {result.options['engine_used']}",
        order_lines(result),
        "",
        result.table(),
        "",
        detector_table(result),
        "",
        footer([result]),
        f"results in {folder}",
    ]
    return "\n".join(lines)


def footer(results: list[SweepResult]) -> str:
    """Return what the sweep of all orders took, and what was verified."""
    first = results[0]
    spent, ties = sum(first.seconds.values()), sum(result.near_ties for result in results)
    images = sum(part.counts.images for part in first.sets.values())
    orders = f" x {len(results)} orders" if len(results) > 1 else ""
    lines = [
        f"{images:,} images x {first.n_channels + 1} steps{orders} in {spent:.1f} s, peak memory "
        f"{first.peak_memory / 1e6:.0f} MB; {ties} near-ties (two best scores closer than float32 "
        "can tell) were decided by a plain forward"
    ]
    checks = [result.options["verified"] for result in results if "verified" in result.options]
    if checks:
        lines.append(
            f"verified with plain Keras: {sum(check['compared'] for check in checks):,} classes at "
            f"steps {', '.join(map(str, checks[0]['steps']))}; "
            f"{sum(check['different_near_ties'] for check in checks)} near-ties differ"
        )
    return "\n".join(lines)


def _files(arguments: argparse.Namespace) -> LabFiles:
    """Return the files that the arguments name, or those of the lab's layout."""
    named = arguments.valid or arguments.clean or arguments.backdoored
    if not named:
        return find_lab(arguments.lab or Path(), model=arguments.model)
    if not (arguments.valid and arguments.model) or arguments.lab:
        message = (
            "expected --model and --valid where sets are named one by one, and no --lab; got "
            f"--model {arguments.model}, --valid {arguments.valid}, --lab {arguments.lab}"
        )
        raise OptionError(message)
    clean = _by_set("--clean", arguments.clean)
    backdoored = _by_set("--backdoored", arguments.backdoored)
    return LabFiles(arguments.model, arguments.valid, clean, backdoored)


def _by_set(option: str, pairs: list[tuple[str, Value]]) -> dict[str, Value]:
    """Return what a repeatable option says of each set, which it names once."""
    names = [name for name, _ in pairs]
    if len(set(names)) != len(names):
        message = f"expected a name of its own for every {option} set; got {', '.join(names)}"
        raise OptionError(message)
    return dict(pairs)


def _folders(out: Path, orders: list[Order]) -> list[Path]:
    """Return a results directory per order."""
    if len(orders) == 1:
        return [out]
    names = [order.folder for order in orders]
    if len(set(names)) != len(names):
        names = [f"{index}-{name}" for index, name in enumerate(names)]
    return [out / name for name in names]
