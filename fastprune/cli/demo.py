"""``fastprune demo``: the whole evaluation on the built-in lab."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from fastprune.cli.layout import find_lab
from fastprune.cli.parser import make_parser
from fastprune.errors import OptionError

SIZES = {"small": (2_000, 2_000), "lab": (11_547, 12_830)}
"""Validation and test images of each size."""


def run(arguments: argparse.Namespace) -> int:
    """Render the built-in lab, sweep it, say where to look."""
    from fastprune.cli import sweep
    from fastprune.export.run_files import failed
    from fastprune.synthetic.lab import write_lab

    folder = arguments.into
    out = arguments.out or folder / "results"
    n_valid, n_test = SIZES[arguments.size]
    if arguments.progress:
        print(f"rendering {2 * (n_valid + n_test):,} images …", file=sys.stderr)
    write_lab(folder, n_valid=n_valid, n_test=n_test)
    # The lab's backdoored images are the clean ones with the trigger on.
    paired = ["--paired", "bd_valid=valid", "--paired", "bd_test=test"]
    options = ["sweep", *paired, *(["--progress"] if arguments.progress else [])]
    results = sweep.sweep_files(
        find_lab(folder), ["ascending"], make_parser().parse_args(options)
    )
    results[0].save(out, force=arguments.force)
    sweep.show(results, [out], arguments.format, verbose=arguments.verbose)
    if arguments.format == "text":
        print(f"look at {out / 'accuracy_asr.png'} first; the same on your own files:")
        print("  fastprune sweep --model B.h5 --valid VALID.h5 --backdoored bd=BD.h5")
    return int(bool(failed(out)))


def check_ours(folder: Path) -> None:
    """Refuse to write over sets and networks that are not the demo's own.

    Raises
    ------
    OptionError
        When one of its files is there and the network beside it is not the shipped one.
    """
    from fastprune.synthetic.shipped import PATHS, network_path

    there = [path for path in PATHS.values() if (folder / path).exists()]
    network = folder / PATHS["network"]
    ours = network.is_file() and network.read_bytes() == network_path().read_bytes()
    if there and not ours:
        message = (
            f"expected a folder without other people's files; got {there[0]} ({folder}); name "
            "another folder with --into"
        )
        raise OptionError(message)
