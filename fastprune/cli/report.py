"""``fastprune report``."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path


def run(arguments: argparse.Namespace) -> int:
    """Make the HTML page of a results directory, or of a folder of several, and print its path."""
    from fastprune.export.run_files import PAGE
    from fastprune.files.atomic import check_writable

    out = arguments.out or arguments.results / PAGE
    check_writable(out.parent)
    page, story, warnings = _report(arguments.results, out, arguments.drop)
    size = page.stat().st_size
    if arguments.format == "json":
        told = {"report": str(page), "bytes": size, "warnings": warnings, "story": story}
        print(json.dumps(told))
    else:
        from fastprune.report.text.warned import warning_lines

        where = f"report in {page} ({size / 1e6:.1f} MB)"
        print("\n".join([*warning_lines(warnings), *story, where]))
    return 0


def _report(
    folder: Path, out: Path, drop: float | None
) -> tuple[Path, Sequence[str], Sequence[str]]:
    """Write the page of a sweep, or of the results below; return it, its story and warnings."""
    from fastprune.cli.compare import directories
    from fastprune.comparison import compare
    from fastprune.report.text.comparison_story import comparison_story
    from fastprune.report.text.story import story
    from fastprune.result import SweepResult

    found = directories([folder])
    if found == [folder]:
        result = SweepResult.load(folder)
        return result.report(out, drop=drop), story(result, drop), result.warnings
    comparison = compare(found)
    told = comparison_story(comparison, drop)
    return comparison.report(out, drop=drop), told, comparison.warnings
