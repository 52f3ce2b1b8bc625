"""``fastprune report``."""

from __future__ import annotations

import argparse
import json


def run(arguments: argparse.Namespace) -> int:
    """Make the HTML page of a results directory and print its path."""
    from fastprune.files import check_writable
    from fastprune.report.story import story
    from fastprune.result import SweepResult
    from fastprune.results_folder import PAGE

    out = arguments.out or arguments.results / PAGE
    result = SweepResult.load(arguments.results)
    check_writable(out.parent)
    made = result.report(out, drop=arguments.drop)
    sentences = story(result, arguments.drop)
    if arguments.format == "json":
        print(json.dumps({"report": str(made), "bytes": made.stat().st_size, "story": sentences}))
    else:
        print("\n".join([*sentences, f"report in {made} ({made.stat().st_size / 1e6:.1f} MB)"]))
    return 0
