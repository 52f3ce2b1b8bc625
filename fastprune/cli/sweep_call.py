"""What a call of ``fastprune sweep`` names: files, orders, folders. Loads nothing that computes."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from fastprune.cli.layout import LabFiles, find_lab
from fastprune.errors import OptionError
from fastprune.orders.order import Order, parse_order

Value = TypeVar("Value")


def files_of(arguments: argparse.Namespace) -> LabFiles:
    """Return the files that the arguments name, or those of the lab's layout.

    Raises
    ------
    OptionError, DataError
        When they do not go together, or a file of the layout is missing.
    """
    named = arguments.valid or arguments.clean or arguments.backdoored
    if not named:
        return find_lab(arguments.lab or Path(), model=arguments.model)
    if not (arguments.valid and arguments.model) or arguments.lab:
        message = (
            "expected --model and --valid where sets are named one by one, and no --lab; got "
            f"--model {arguments.model}, --valid {arguments.valid}, --lab {arguments.lab}"
        )
        raise OptionError(message)
    clean = by_set("--clean", arguments.clean)
    backdoored = by_set("--backdoored", arguments.backdoored)
    return LabFiles(arguments.model, arguments.valid, clean, backdoored)


def orders_of(arguments: argparse.Namespace) -> list[Order]:
    """Return the orders that the arguments name; files of indices are read.

    Raises
    ------
    OptionError
        When one of them cannot be meant or comes twice.
    """
    words = arguments.order.split(",")
    if len(set(words)) != len(words):
        message = f"expected each order once; got {arguments.order}"
        raise OptionError(message)
    return [parse_order(word) for word in words]


def several(layers: Sequence[str] | str | None) -> bool:
    """Return whether ``--prune-layer`` names several layers, or all."""
    return isinstance(layers, str) or len(layers or ()) > 1


def by_set(option: str, pairs: list[tuple[str, Value]]) -> dict[str, Value]:
    """Return what a repeatable option says of each set, which it names once.

    Raises
    ------
    OptionError
        When it names one twice.
    """
    names = [name for name, _ in pairs]
    if len(set(names)) != len(names):
        message = f"expected a name of its own for every {option} set; got {', '.join(names)}"
        raise OptionError(message)
    return dict(pairs)


def folders_of(out: Path, layers: list[str], orders: list[Order]) -> list[Path]:
    """Return a results directory per prune layer and order, all of one layer together."""
    if len(layers) == len(orders) == 1:
        return [out]
    named = [layer.replace("/", "-") for layer in layers]
    words = [order.folder for order in orders]
    if len(orders) == 1:
        names = named
    elif len(layers) == 1:
        names = words
    else:
        names = [f"{layer}-{order}" for layer in named for order in words]
    if len(set(names)) != len(names):
        names = [f"{index}-{name}" for index, name in enumerate(names)]
    return [out / name for name in names]
