"""``fastprune plot``."""

from __future__ import annotations

import argparse
import json


def run(arguments: argparse.Namespace) -> int:
    """Draw the plots of a results directory again and print their paths."""
    from fastprune.files.atomic import check_writable
    from fastprune.result import SweepResult

    result = SweepResult.load(arguments.results)
    drawn = [str(path) for path in result.plot(check_writable(arguments.out or arguments.results))]
    print(json.dumps({"plots": drawn}) if arguments.format == "json" else "\n".join(drawn))
    return 0
