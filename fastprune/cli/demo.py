"""``fastprune demo``: the whole evaluation on the built-in lab."""

from __future__ import annotations

import argparse
import sys

from fastprune.cli.layout import find_lab

SIZES = {"small": (2_000, 2_000), "lab": (11_547, 12_830)}
"""Validation and test images of each size."""


def run(arguments: argparse.Namespace) -> int:
    """Render the built-in lab, sweep it, say where to look."""
    from fastprune.cli import sweep
    from fastprune.cli.parser import make_parser
    from fastprune.files import check_writable
    from fastprune.synthetic.lab import write_lab

    out = arguments.out or arguments.lab / "results"
    check_writable(arguments.lab)
    check_writable(out)
    n_valid, n_test = SIZES[arguments.size]
    if not arguments.quiet:
        print(f"rendering {2 * (n_valid + n_test):,} images …", file=sys.stderr)
    write_lab(arguments.lab, n_valid=n_valid, n_test=n_test)
    options = ["sweep", "--out", str(out), *(["--quiet"] if arguments.quiet else [])]
    results = sweep.sweep_files(
        find_lab(arguments.lab), ["ascending"], make_parser().parse_args(options)
    )
    results[0].save(out)
    sweep.show(results, [out], arguments.format)
    if arguments.format == "text":
        print(f"look at {out / 'accuracy_asr.png'} first; the same on your own files:")
        print("  fastprune sweep --model B.h5 --valid VALID.h5 --backdoored bd=BD.h5")
    return 0
