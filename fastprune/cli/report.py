"""``fastprune report``."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path


def run(arguments: argparse.Namespace) -> int:
    """Make the HTML page of a results directory, or of a folder of several, and print its path."""
    from fastprune.export.folder import PAGE
    from fastprune.files.atomic import check_writable

    out = arguments.out or arguments.results / PAGE
    check_writable(out.parent)
    page, story = _report(arguments.results, out, arguments.drop)
    size = page.stat().st_size
    if arguments.format == "json":
        print(json.dumps({"report": str(page), "bytes": size, "story": story}))
    else:
        print("\n".join([*story, f"report in {page} ({size / 1e6:.1f} MB)"]))
    return 0


def _report(folder: Path, out: Path, drop: float | None) -> tuple[Path, Sequence[str]]:
    """Write the page of a sweep, or of the orders in the folders below; return it and its story."""
    from fastprune.comparison import compare
    from fastprune.report.html.comparison_page import comparison_story
    from fastprune.report.text.story import story
    from fastprune.result import SweepResult

    orders = sorted(path.parent for path in folder.glob("*/sweep.json"))
    if (folder / "sweep.json").exists() or not orders:
        result = SweepResult.load(folder)
        return result.report(out, drop=drop), story(result, drop)
    comparison = compare([SweepResult.load(order) for order in orders])
    return comparison.report(out, drop=drop), comparison_story(comparison, drop)
