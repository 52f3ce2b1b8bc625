"""Several results side by side as files: ``compare.csv``, ``compare.json`` and the plots."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from fastprune.export.missing import Missing
from fastprune.export.run_files import RECORDS, owned_files
from fastprune.files.csv_files import write_rows
from fastprune.files.whole_folder import check_folder, no_files, whole_folder
from fastprune.results.comparison_record import COLUMNS, ComparisonRecord


def comparison_json(comparison: ComparisonRecord) -> dict[str, Any]:
    """Return the comparison as values that JSON knows."""
    return {
        "differing": list(comparison.differing),
        "clean_set": comparison.clean,
        "backdoored_set": comparison.backdoored,
        "drop_kind": comparison.drop_kind,
        "warnings": list(comparison.warnings),
        "notes": list(comparison.notes),
        "results": [_result_json(comparison, place) for place in range(len(comparison.results))],
        "rows": list(comparison.rows()),
    }


def _result_json(comparison: ComparisonRecord, place: int) -> dict[str, Any]:
    result, (clean, backdoored) = comparison.results[place], comparison.sets[place]
    return {
        "label": comparison.labels[place],
        "network": result.network.as_json(),
        "order_name": result.order_name,
        "valid": result.valid,
        "clean_set": clean,
        "backdoored_set": backdoored,
        "n_channels": result.n_channels,
        "dead": comparison.dead(place),
    }


def save_comparison(
    comparison: ComparisonRecord,
    folder: str | Path,
    *,
    plots: Mapping[tuple[str, ...], Callable[[Path], object]] | None,
    orders: Mapping[str, Callable[[Path, Path], object]] | None = None,
    force: bool = False,
) -> Path:
    """Write the files of a comparison; see :meth:`Comparison.save`.

    Parameters
    ----------
    comparison : ComparisonRecord
        The results side by side.
    folder : path
        Where the files go.
    plots : mapping of tuple of str to callable, optional
        The files of every plot, and what draws it into a folder.
    orders : mapping of str to callable, optional
        The folder of every order below, and what writes its results: called with the folder to
        write to and the one where the files end.
    force : bool
        Whether the folder may hold files that no earlier run wrote.
    """
    folder = Path(folder)
    owned, stays = (_own_files, _runs_below) if orders is None else (owned_files, no_files)
    with whole_folder(
        folder, records=RECORDS, owned=owned, stays=stays, force=force
    ) as staging:
        for name, write in (orders or {}).items():
            (staging / name).mkdir()
            write(staging / name, folder / name)
        missing = Missing(staging, folder)
        with open(staging / "compare.csv", "w", newline="", encoding="utf-8") as file:
            write_rows(file, COLUMNS, comparison.rows())
        for names, draw in (plots or {}).items():
            with missing.spared(*names):
                draw(staging)
        files = (path.relative_to(staging) for path in staging.rglob("*") if path.is_file())
        known = {"files": sorted(path.as_posix() for path in files), "failed": missing.failed}
        text = json.dumps({**comparison_json(comparison), **known}, indent=1, allow_nan=False)
        (staging / "compare.json").write_text(text + "\n", encoding="utf-8")
    return folder


def check_comparison(folder: Path, *, force: bool = False) -> Path:
    """Make sure that a folder can take a comparison alone, before any work is done for it.

    Raises
    ------
    OutputError
        When it cannot be written, or holds files that no earlier comparison wrote, a sweep's among
        them, and there is no `force`.
    """
    return check_folder(folder, owned=_own_files, stays=_runs_below, force=force)


def _own_files(folder: Path) -> set[str]:
    """Return the files of an earlier comparison: the sweeps that it compares are not its own."""
    return {name for name in owned_files(folder, RECORDS[1:]) if "/" not in name}


def _runs_below(folder: Path) -> set[str]:
    """Return the files of runs that have a folder of their own in this one."""
    return {
        f"{below.parent.name}/{name}"
        for below in folder.glob("*/sweep.json")
        for name in owned_files(below.parent)
    }
