"""Every command and option. Imports nothing heavy, so that --help is instant."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from fastprune import __version__
from fastprune.cli.exits import STATUSES
from fastprune.cli.file_commands import (
    add_inspect,
    add_make_set,
    add_predict,
    add_progress,
    add_scale,
    add_strict,
)
from fastprune.cli.one_line import OneLineParser

DESCRIPTION = """
The pruning defense on backdoored networks: prune the channels of a late convolution one by one,
least active on clean validation images first, and measure the repaired network B' and the
detector G at every step."""


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = OneLineParser(
        prog="fastprune",
        description=DESCRIPTION,
        epilog=f"Start with fastprune demo; fastprune COMMAND --help says more of each. {_exits()}",
    )
    parser.add_argument("--version", action="version", version=f"fastprune {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for add in (_sweep, _demo, _report, _compare, _plot, _evaluate):
        add(commands)
    for name, summary, needs_keras, fill in (
        ("inspect", "say what a network, a set or a results directory is", False, add_inspect),
        ("predict", "class and confidence of image files by B, B', or G", True, add_predict),
        ("make-set", "build a set from images, or a backdoored one from a clean one", False,
         add_make_set),
    ):  # fmt: skip
        fill(_command(commands, name, summary, needs_keras=needs_keras))
    _completion(commands)
    return parser


def _sweep(commands: Any) -> None:
    parser = _command(commands, "sweep", "prune step by step, measure B' and G on every set")
    lab = parser.add_argument_group("network and sets (default: the lab's layout)")
    lab.add_argument("--lab", type=Path, metavar="DIR",
                     help="folder with data/cl, data/bd, models (default: current)")  # fmt: skip
    lab.add_argument("--model", type=Path, metavar="FILE", help="network B, .keras or .h5")
    lab.add_argument("--valid", type=Path, metavar="FILE", help="clean validation set")
    lab.add_argument("--clean", type=_named, action="append", default=[], metavar="NAME=FILE",
                     help="a further clean set; repeatable")  # fmt: skip
    lab.add_argument("--backdoored", type=_named, action="append", default=[], metavar="NAME=FILE",
                     help="a backdoored set, labels the target class; repeatable")  # fmt: skip
    lab.add_argument("--true-label", type=_named, action="append", default=[],
                     metavar="NAME=FILE", help="HDF5 file with the true classes of a backdoored "
                     "set, for robust accuracy; repeatable")  # fmt: skip
    lab.add_argument("--paired", type=_pair, action="append", default=[], metavar="NAME=CLEAN",
                     help="image i of a backdoored set is image i of this clean set with the "
                          "trigger; repeatable")  # fmt: skip
    _reading(lab)
    defense = parser.add_argument_group("defense")
    defense.add_argument("--order", default="ascending", metavar="ORDER",
                         help="by mean activation: ascending (default), descending; by mean "
                              "absolute activation, where some are negative: mean-abs; by largest "
                              "activation: max; by share of zeros: apoz; by the kernel: l1, l2, "
                              "fpgm, clp; random:SEED; a file of channel indices; oracle:NAME, by "
                              "activation on a backdoored set less that on clean images, which no "
                              "defender has; several, separated by commas, share one pass, get a "
                              "folder each below --out and are compared")  # fmt: skip
    defense.add_argument("--rank-on", choices=("cut", "prune"), default="cut",
                         help="take activations for the order at the cut layer (default) or at "
                              "the prune layer")  # fmt: skip
    _layers(defense)
    defense.add_argument("--drops", type=_numbers, default=(2.0, 4.0, 10.0, 30.0), metavar="X,X",
                         help="drops of clean validation accuracy; B' and G of each "
                              "that is crossed are saved (default: 2,4,10,30)")  # fmt: skip
    defense.add_argument("--drop-kind", choices=("points", "relative"), default="points",
                         help="percentage points (default) or percent of B's accuracy")  # fmt: skip
    _running(parser)


def _layers(defense: Any) -> None:
    """Add the options that say which layer is pruned, and how."""
    defense.add_argument("--prune-layer", type=_names, metavar="NAME",
                         help="layer whose channels are pruned: a convolution or a hidden Dense "
                              "(default: the last convolution whose channels stay apart up to a "
                              "tensor that every path crosses); several, separated by commas, or "
                              "all share passes, get a folder each below --out and are "
                              "compared")  # fmt: skip
    defense.add_argument("--mask-layer", metavar="NAME",
                         help="set channels of this layer's output to 0 instead of zeroing "
                              "weights; features is the classifier's input")  # fmt: skip
    defense.add_argument("--zero-at", choices=("conv", "bn"), default="conv",
                         help="bn zeroes gamma and beta of the BatchNormalization behind the "
                              "prune layer too (default: conv)")  # fmt: skip
    defense.add_argument("--cut-layer", metavar="NAME",
                         help="layer to cut at (default: the last possible)")  # fmt: skip


def _running(parser: argparse.ArgumentParser) -> None:
    run = parser.add_argument_group("run")
    run.add_argument("--engine", choices=("auto", "incremental", "keras"), default="auto",
                     help="how the layers behind the cut are computed: incremental, on "
                          "the CPU, only what changes; keras; auto chooses (default)")  # fmt: skip
    run.add_argument("--memory", default="256M", metavar="SIZE",
                     help="for batches and kept activations, beside TensorFlow "
                          "(default: 256M)")  # fmt: skip
    run.add_argument("--verify", type=int, default=0, metavar="K",
                     help="run K random steps again with plain Keras and compare "
                          "every class (default: 0)")  # fmt: skip
    run.add_argument("--out", type=Path, default=Path("results"), metavar="DIR",
                     help="results directory (default: results)")  # fmt: skip
    _force(run)
    run.add_argument("--no-plots", action="store_true", help="write no plots")
    _output(run)


def _demo(commands: Any) -> None:
    parser = _command(commands, "demo", "render the built-in lab and sweep it")
    parser.add_argument("--into", type=Path, default=Path("fastprune-demo"), metavar="DIR",
                        help="folder to write to (default: fastprune-demo)")  # fmt: skip
    parser.add_argument("--size", choices=("small", "lab"), default="small",
                        help="2,000 images a set, 0.5 GB (default), or the lab's 11,547 "
                             "and 12,830, 3 GB")  # fmt: skip
    parser.add_argument("--out", type=Path, metavar="DIR",
                        help="results directory (default: results below --into)")  # fmt: skip
    _force(parser)
    _output(parser)
    parser.set_defaults(verify=0)  # its sweep runs no plain Keras


def _evaluate(commands: Any) -> None:
    parser = _command(
        commands, "evaluate", "clean accuracy and attack success rate of B, B', or G"
    )
    parser.add_argument("clean", type=Path, metavar="CLEAN.h5", help="clean set")
    parser.add_argument("backdoored", type=Path, metavar="BACKDOORED.h5", help="backdoored set")
    parser.add_argument("model", type=Path, metavar="MODEL", help="network: B, B' or a saved G")
    parser.add_argument("repaired", type=Path, nargs="?", metavar="B_PRIME",
                        help="B': evaluate the G made of MODEL and this")  # fmt: skip
    _reading(parser)
    add_strict(parser)
    parser.add_argument("--format", choices=("text", "json", "csv"), default="text",
                        help="of stdout (default: text)")  # fmt: skip


def _plot(commands: Any) -> None:
    parser = _command(
        commands, "plot", "draw the plots of a results directory again", needs_keras=False
    )
    parser.add_argument("results", type=Path, metavar="RESULTS", help="results directory")
    parser.add_argument("--out", type=Path, metavar="DIR",
                        help="where to draw (default: the results directory)")  # fmt: skip
    parser.add_argument("--format", choices=("text", "json"), default="text",
                        help="of stdout (default: text)")  # fmt: skip


def _report(commands: Any) -> None:
    parser = _command(
        commands, "report", "make one HTML page of a results directory", needs_keras=False
    )
    parser.add_argument("results", type=Path, metavar="RESULTS",
                        help="results directory, or the folder of a sweep of several orders, "
                             "which gives one page of all")  # fmt: skip
    parser.add_argument("--out", type=Path, metavar="FILE",
                        help="where to write it (default: report.html in the results "
                             "directory)")  # fmt: skip
    parser.add_argument("--drop", type=float, metavar="X",
                        help="drop that the story tells of and the slider starts at (default: "
                             "the largest that is crossed)")  # fmt: skip
    parser.add_argument("--format", choices=("text", "json"), default="text",
                        help="of stdout (default: text)")  # fmt: skip


def _compare(commands: Any) -> None:
    parser = _command(
        commands, "compare", "put results side by side: orders, prune layers, networks",
        needs_keras=False,
    )  # fmt: skip
    parser.add_argument("results", type=Path, nargs="+", metavar="RESULTS",
                        help="results directories, or folders that hold some")  # fmt: skip
    parser.add_argument("--clean", metavar="NAME",
                        help="clean set to compare on (default: one that all have)")  # fmt: skip
    parser.add_argument("--backdoored", metavar="NAME",
                        help="backdoored set to compare on (default: one that all have, else one "
                             "of each)")  # fmt: skip
    parser.add_argument("--out", type=Path, metavar="DIR",
                        help="write compare.csv, compare.json, the plots and the HTML page "
                             "there")  # fmt: skip
    _force(parser)
    parser.add_argument("--no-plots", action="store_true", help="write no plots and no page")
    _tables_format(parser)


def _completion(commands: Any) -> None:
    parser = _command(
        commands, "completion", "print what a shell needs to complete fastprune", needs_keras=False
    )
    parser.epilog = 'bash and zsh: eval "$(fastprune completion bash)" in the start-up file'
    parser.add_argument("shell", choices=("bash", "zsh", "tcsh"), help="the shell")
    parser.add_argument("--format", choices=("text", "json"), default="text",
                        help="of stdout (default: text)")  # fmt: skip


def _reading(group: Any) -> None:
    add_scale(group)
    group.add_argument("--data-name", default="data", metavar="NAME",
                       help="dataset of the images (default: data)")  # fmt: skip
    group.add_argument("--label-name", default="label", metavar="NAME",
                       help="dataset of the labels (default: label)")  # fmt: skip


def _output(group: Any) -> None:
    _tables_format(group)
    group.add_argument("--verbose", action="store_true",
                       help="print the order with every channel's activation as well")  # fmt: skip
    add_strict(group)
    add_progress(group)


def _tables_format(group: Any) -> None:
    group.add_argument("--format", choices=("text", "json", "csv", "markdown", "latex"),
                       default="text", help="of stdout (default: text); markdown and latex: the "
                                            "tables for a paper")  # fmt: skip


def _force(group: Any) -> None:
    group.add_argument("--force", action="store_true",
                       help="write although --out holds files that no earlier run wrote; they "
                            "stay")  # fmt: skip


def _exits() -> str:
    return "Exit status: " + "; ".join(f"{code} {words}" for code, words in STATUSES.items()) + "."


def _command(
    commands: Any, name: str, summary: str, *, needs_keras: bool = True
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name, help=summary, description=f"{summary[0].upper()}{summary[1:]}."
    )
    parser.set_defaults(
        command=name, run=_handler(name, "run"), prepare=_handler("prepare", name),
        needs_keras=needs_keras,
    )  # fmt: skip
    return parser


def _handler(command: str, name: str) -> Callable[[argparse.Namespace], int]:
    """Return a function of a command's module, which is imported when it is called."""

    def call(arguments: argparse.Namespace) -> int:
        module = import_module(f"fastprune.cli.{command.replace('-', '_')}")
        status: int = getattr(module, name)(arguments)
        return status

    return call


def _named(text: str) -> tuple[str, Path]:
    name, equals, path = text.partition("=")
    if not (name and equals and path):
        message = f"expected NAME=FILE; got {text!r}"
        raise argparse.ArgumentTypeError(message)
    return name, Path(path)


def _pair(text: str) -> tuple[str, str]:
    name, equals, clean = text.partition("=")
    if not (name and equals and clean):
        message = f"expected NAME=CLEAN, the names of two sets; got {text!r}"
        raise argparse.ArgumentTypeError(message)
    return name, clean


def _names(text: str) -> tuple[str, ...] | str:
    """Return layers' names; ``all`` stands for every convolution."""
    return text if text == "all" else tuple(text.split(","))


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError as error:
        message = f"expected numbers separated by commas; got {text!r}"
        raise argparse.ArgumentTypeError(message) from error
