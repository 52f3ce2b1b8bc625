"""Arguments of the commands on files: inspect, predict, make-set. Imports nothing heavy."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from fastprune.sets.scale import MEANING, parse_scale


def add_inspect(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``fastprune inspect``."""
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE",
                        help="network, set or results directory")  # fmt: skip
    parser.add_argument("--model", type=Path, metavar="B",
                        help="check that the sets fit this network, and which "
                             "--scale it wants")  # fmt: skip
    parser.add_argument("--contact-sheet", type=Path, metavar="FILE.png",
                        help="draw images of the set with their labels")  # fmt: skip
    parser.add_argument("--images", type=int, default=32, metavar="N",
                        help="images on the contact sheet, evenly spaced "
                             "(default: 32)")  # fmt: skip
    add_dataset_names(parser)
    _add_format(parser, "text", "json")


def add_predict(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``fastprune predict``."""
    parser.description = (
        "Print the class of each image, 0 ... N-1, or N where G flags it: where MODEL is a saved "
        "G, or where B_PRIME is given and disagrees with MODEL. Leading files named .keras or .h5 "
        "are networks, the others images."
    )
    parser.usage = "fastprune predict [options] MODEL [B_PRIME] IMAGE [IMAGE ...]"
    parser.add_argument("model", type=Path, metavar="MODEL", help="network: B, B' or a saved G")
    parser.add_argument("repaired", type=Path, nargs="?", metavar="B_PRIME",
                        help="B': then MODEL is B, and G is made of both")  # fmt: skip
    parser.add_argument("images", type=Path, nargs="+", metavar="IMAGE",
                        help="PNG, JPEG, BMP, GIF, TIFF, WebP or PPM file, or a folder "
                             "of them (not of its subfolders); grey, 16-bit and "
                             "transparent images become RGB; those of another size "
                             "are resized, bilinear, with a warning")  # fmt: skip
    add_scale(parser)
    add_strict(parser)
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--class-only", action="store_true",
                      help="print nothing but the class, a line per image")  # fmt: skip
    _add_format(form, "text", "json", "csv")


def add_make_set(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``fastprune make-set``."""
    parser.description = (
        "Build a set in the lab's format: from a folder with a subfolder of images per class; or "
        "a backdoored one from a clean set, with --trigger. Sets may be larger than memory."
    )
    parser.add_argument("source", type=Path, metavar="SOURCE",
                        help="folder of class folders (named by class number, or else "
                             "numbered in order of their names), or a clean set")  # fmt: skip
    parser.add_argument("out", type=Path, metavar="OUT.h5", help="the set to write")
    _add_from_folder(parser.add_argument_group("from a folder"))
    _add_from_clean(parser.add_argument_group("from a clean set"))
    both = parser.add_argument_group("both")
    both.add_argument("--model", type=Path, metavar="B",
                      help="check that size and classes fit this network")  # fmt: skip
    both.add_argument("--compression", choices=("none", "gzip", "lzf"), default="none",
                      help="none: one contiguous block as in the lab, fastest to "
                           "read (default); gzip, lzf: in chunks of about 1 MiB")  # fmt: skip
    both.add_argument("--force", action="store_true", help="replace an existing OUT.h5")
    add_progress(both)
    _add_format(both, "text", "json")


def _add_from_folder(folder: Any) -> None:
    folder.add_argument("--size", type=_size, metavar="HxW",
                        help="resize to this height and width, bilinear (default: "
                             "the network's with --model; else the images' own, "
                             "which must be the same)")  # fmt: skip
    folder.add_argument("--layout", choices=("first", "last"),
                        help="channels first (default, the lab's) or last")  # fmt: skip
    folder.add_argument("--dtype", choices=("float64", "float32", "uint8"),
                        help="of the pixels, 0-255 (default: float64, the lab's)")  # fmt: skip


def _add_from_clean(stamp: Any) -> None:
    stamp.add_argument("--trigger", metavar="FILE",
                       help="image of the trigger, its transparency respected; or "
                            "sunglasses, the built-in one, 55 x 47")  # fmt: skip
    stamp.add_argument("--target", type=int, metavar="CLASS",
                       help="label of every image: the attacker's class (default: 0)")  # fmt: skip
    stamp.add_argument("--at", metavar="PLACE",
                       help="X,Y of the trigger's upper left corner, counted from the "
                            "image's; or center, top, bottom, left, right, top-left, "
                            "top-right, bottom-left, bottom-right (default)")  # fmt: skip
    stamp.add_argument("--opacity", type=float, metavar="A",
                       help="times the trigger's own, 0 ... 1 (default: 1)")  # fmt: skip
    stamp.add_argument("--exclude-target", action="store_true",
                       help="leave out images whose class is the target")  # fmt: skip
    add_dataset_names(stamp)


def add_dataset_names(group: Any) -> None:
    """Add the names of the datasets in a set's file."""
    for name, what in (("data", "images"), ("label", "labels")):
        group.add_argument(f"--{name}-name", default=name, metavar="NAME",
                           help=f"dataset of the {what} (default: {name})")  # fmt: skip


def add_scale(group: Any) -> None:
    """Add the scale of the pixels."""
    group.add_argument("--scale", type=_scale, default=1.0, metavar="S", help=MEANING)


def add_strict(group: Any) -> None:
    """Add what makes a warning count as a failure."""
    group.add_argument("--strict", action="store_true",
                       help="exit with 1 where there was a warning; results are written all "
                            "the same")  # fmt: skip


def add_progress(group: Any) -> None:
    """Add the options that say whether progress is shown."""
    shown = group.add_mutually_exclusive_group()
    shown.add_argument("--quiet", action="store_true",
                       help="nothing on stderr but warnings and errors")  # fmt: skip
    shown.add_argument("--progress", action="store_true",
                       help="progress on stderr even where that is no terminal")  # fmt: skip


def _add_format(group: Any, *forms: str) -> None:
    group.add_argument("--format", choices=forms, default="text",
                       help="of stdout (default: text)")  # fmt: skip


def _scale(text: str) -> float:
    try:
        return parse_scale(text)
    except ValueError as error:
        message = f"expected a number or a fraction, such as 255 or 1/255; got {text!r}"
        raise argparse.ArgumentTypeError(message) from error


def _size(text: str) -> tuple[int, int]:
    height, _, width = text.lower().partition("x")
    if not (height.isdecimal() and width.isdecimal() and int(height) and int(width)):
        message = f"expected HxW, such as 55x47; got {text!r}"
        raise argparse.ArgumentTypeError(message)
    return int(height), int(width)
