"""``fastprune make-set``."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from fastprune.cli.keras_start import import_keras_quietly
from fastprune.errors import OptionError
from fastprune.files.kinds import check_network_file

if TYPE_CHECKING:
    from fastprune.making.writer import MadeSet

OF_FOLDER = ("size", "layout", "dtype")
OF_STAMP = ("target", "at", "opacity")


def run(arguments: argparse.Namespace) -> int:
    """Build the set that the arguments ask for, and say what it is."""
    if arguments.model is not None:
        check_network_file(arguments.model)
        import_keras_quietly()
    made = _build(arguments) if arguments.source.is_dir() else _stamp(arguments)
    if arguments.format == "json":
        print(json.dumps(asdict(made), default=str))
    else:
        print(_text(made))
    return 0


def _build(arguments: argparse.Namespace) -> MadeSet:
    from fastprune.making.from_folders import make_set

    _refuse(arguments, ("trigger", *OF_STAMP), "a clean set, CLEAN.h5")
    return make_set(
        arguments.source, arguments.out, **_given(arguments, OF_FOLDER), **_both(arguments)
    )


def _stamp(arguments: argparse.Namespace) -> MadeSet:
    from fastprune.making.backdoor_set import stamp_set

    _refuse(arguments, OF_FOLDER, "a folder of images")
    if arguments.trigger is None:
        message = (
            f"expected a folder of class folders, or --trigger beside a clean set; got "
            f"{arguments.source} and no --trigger; give one, or check the path"
        )
        raise OptionError(message)
    given = _given(arguments, OF_STAMP)
    if "," in given.get("at", ""):
        given["at"] = _place(given["at"])
    return stamp_set(
        arguments.source, arguments.out, trigger=arguments.trigger,
        exclude_target=arguments.exclude_target, data_name=arguments.data_name,
        label_name=arguments.label_name, **given, **_both(arguments),
    )  # fmt: skip


def _refuse(arguments: argparse.Namespace, names: tuple[str, ...], what: str) -> None:
    """Refuse options that belong to the other kind of source."""
    for name in names:
        if getattr(arguments, name) is not None:
            message = f"expected {what} with --{name}; got {arguments.source}; leave --{name} out"
            raise OptionError(message)


def _given(arguments: argparse.Namespace, names: tuple[str, ...]) -> dict[str, Any]:
    found = {name: getattr(arguments, name) for name in names}
    return {name: value for name, value in found.items() if value is not None}


def _both(arguments: argparse.Namespace) -> dict[str, Any]:
    return {
        "model": arguments.model, "compression": arguments.compression,
        "overwrite": arguments.force, "progress": arguments.progress,
    }  # fmt: skip


def _place(text: str) -> tuple[int, int]:
    x, _, y = text.partition(",")
    if not (x.strip().isdecimal() and y.strip().isdecimal()):
        message = f"expected --at X,Y in whole pixels, such as 0,15; got {text!r}"
        raise OptionError(message)
    return int(x), int(y)


def _text(made: MadeSet) -> str:
    from fastprune.report.text.words import plain

    shape = " x ".join(map(str, made.shape[1:]))
    lines = [
        f"{plain(made.path, 4096)}: {made.shape[0]:,} images {shape} {made.dtype}, {made.layout}, "
        f"{made.bytes / 1e6:,.1f} MB"
    ]
    if made.target is None:
        lines.append(f"{made.n_classes:,} classes")
    else:
        out = f"; {made.left_out:,} images of that class left out" if made.left_out else ""
        lines.append(f"every label {made.target}, the target{out}")
    if made.resized:
        lines.append(f"{made.resized:,} images were resized, bilinear, without keeping the aspect")
    if made.classes is not None:
        names = made.path.with_suffix(".classes.txt")
        lines.append(f"class numbers by folder name in {plain(names, 4096)}:")
        first = made.classes[:20]
        lines += [f"  {label:>5}  {plain(name, 60)}" for label, name in enumerate(first)]
        if len(made.classes) > len(first):
            lines.append(f"  ... and {len(made.classes) - len(first)} more")
    return "\n".join(lines)
