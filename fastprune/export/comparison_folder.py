"""Several orders side by side as files: ``compare.csv``, ``compare.json``, ``compare.png``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastprune.files.atomic import whole_folder
from fastprune.files.csv_files import write_rows
from fastprune.results.comparison_record import COLUMNS, ComparisonRecord

FILES = frozenset({"compare.csv", "compare.json", "compare.png", "report.html"})


def comparison_json(comparison: ComparisonRecord) -> dict[str, Any]:
    """Return the comparison as values that JSON knows."""
    first = comparison.results[0]
    return {
        "network": first.network.as_json(),
        "valid": first.valid,
        "clean_set": comparison.clean,
        "backdoored_set": comparison.backdoored,
        "drop_kind": first.drop_kind,
        "dead": comparison.dead,
        "n_channels": first.n_channels,
        "rows": list(comparison.rows()),
    }


def save_comparison(
    comparison: ComparisonRecord,
    folder: str | Path,
    *,
    draw: Callable[[ComparisonRecord, Path], object] | None,
) -> Path:
    """Write the files of a comparison; see :meth:`Comparison.save`.

    `draw` draws the plot into a file; there is none without it.
    """
    folder = Path(folder)
    with whole_folder(folder, last="compare.json", replaces=FILES) as staging:
        with open(staging / "compare.csv", "w", newline="", encoding="utf-8") as file:
            write_rows(file, COLUMNS, comparison.rows())
        if draw is not None:
            draw(comparison, staging / "compare.png")
        text = json.dumps(comparison_json(comparison), indent=1, allow_nan=False)
        (staging / "compare.json").write_text(text + "\n", encoding="utf-8")
    return folder
