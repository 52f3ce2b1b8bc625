"""``fastprune compare``."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastprune.comparison import Comparison


def run(arguments: argparse.Namespace) -> int:
    """Put results side by side: print the table; with --out write figures, plots and the page."""
    from fastprune.comparison import compare
    from fastprune.export.comparison_folder import check_comparison
    from fastprune.export.run_files import PAGE, failed

    if arguments.out is not None:
        check_comparison(arguments.out, force=arguments.force)
    found = directories(arguments.results)
    comparison = compare(found, clean=arguments.clean, backdoored=arguments.backdoored)
    if arguments.out is not None:
        comparison.save(arguments.out, plots=not arguments.no_plots, force=arguments.force)
        if not arguments.no_plots:
            comparison.report(arguments.out / PAGE)
    _show(comparison, arguments)
    return 0 if arguments.out is None else int(bool(failed(arguments.out)))


def directories(folders: Iterable[Path]) -> list[Path]:
    """Return the results directories: each folder itself, or all of them below it.

    A folder with none is returned as well: what reads it says what it lacks.
    """
    found: list[Path] = []
    for folder in folders:
        below = sorted(path.parent for path in folder.rglob("sweep.json"))
        found += [folder] if folder in below or not below else below
    return list(dict.fromkeys(found))


def _show(comparison: Comparison, arguments: argparse.Namespace) -> None:
    """Print a comparison in the form asked for."""
    from fastprune.files.csv_files import write_rows
    from fastprune.report.text.warned import warning_lines
    from fastprune.results.comparison_record import COLUMNS

    if arguments.format == "json":
        print(json.dumps(comparison.as_json()))
    elif arguments.format == "csv":
        write_rows(sys.stdout, COLUMNS, comparison.rows())
    elif arguments.format != "text":
        print(comparison.table(form=arguments.format))
    else:
        print("\n".join([*warning_lines(comparison.warnings), comparison.table()]))
        if arguments.out is not None:
            print(f"\ncomparison in {arguments.out}")
