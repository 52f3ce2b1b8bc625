"""``python -m bench``: measure, then write tables and plots. ``--report``: only the latter."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from bench import plan

HERE = Path(__file__).resolve().parent
PART = "results-bench"


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    made = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    made.add_argument("--lab", type=Path, help="a folder in the lab's layout; built-in by default")
    made.add_argument(
        "--only", default="", metavar="NAME,…",
        help=f"groups ({', '.join(plan.GROUPS)}) or cases to run; all by default",
    )  # fmt: skip
    made.add_argument("--pairs", type=int, help="rounds of alternating runs (5)")
    made.add_argument("--quick", action="store_true", help="tiny, to see that it runs")
    made.add_argument(
        "--out", type=Path,
        help="folder of results.json, README.md (its tables are replaced) and plots/; bench for a "
        "whole run, results-bench for a part of one",
    )  # fmt: skip
    made.add_argument("--report", action="store_true", help="only tables and plots, no measuring")
    return made


def main() -> None:
    """Run the command line."""
    options = parser().parse_args()
    # A part of a run must not take the place of the whole one that the README shows.
    out = options.out or (Path(PART) if options.quick or options.only else HERE)
    results = out / "results.json"
    if not options.report:
        from bench.run import Bench

        sizes = plan.QUICK if options.quick else plan.Sizes()
        if options.pairs:
            sizes = replace(sizes, pairs=options.pairs)
        out.mkdir(parents=True, exist_ok=True)
        only = set(filter(None, options.only.split(",")))
        Bench(sizes, results, only).run(options.lab)
    from bench.report import write_report

    print(write_report(results, out))


if __name__ == "__main__":
    main()
