"""What can be checked of a call before Keras is loaded: options, paths, kinds and sizes of files.

A function for each command that needs Keras. Loads neither Keras nor numba: a wrong call is told
in a fraction of a second, a right one costs 0.1 s more. Everything is checked again where it is
used, since Python callers come another way.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path

from fastprune.cli.sweep_call import by_set, files_of, orders_of
from fastprune.errors import DataError, OptionError, meant
from fastprune.export.run_files import check_results
from fastprune.files.atomic import check_writable
from fastprune.files.hdf5 import open_datasets
from fastprune.files.kinds import check_network_file
from fastprune.networks.declared import declared_input
from fastprune.sets.layout import channels_first
from fastprune.sets.scale import check_scale


def sweep(arguments: argparse.Namespace) -> None:
    """Check a call of ``fastprune sweep``."""
    from fastprune.sweeping.options import check_layers, check_options

    orders = orders_of(arguments)
    check_options(
        drops=arguments.drops, drop_kind=arguments.drop_kind, rank_on=arguments.rank_on,
        scale=arguments.scale, memory=arguments.memory, verify=arguments.verify,
    )  # fmt: skip
    check_layers(
        arguments.prune_layer, arguments.mask_layer, arguments.zero_at, arguments.cut_layer
    )
    files = files_of(arguments)
    check_results(arguments.out, force=arguments.force)
    clean, backdoored = ["valid", *files.clean], list(files.backdoored)
    _refuse_twins([*clean, *backdoored])
    paired = by_set("--paired", arguments.paired)
    true_labels = by_set("--true-label", arguments.true_label)
    _check_names([*paired, *true_labels], backdoored, "backdoored")
    _check_names(paired.values(), clean, "clean")
    for order in orders:
        if order.oracle_set is not None:
            order.with_oracle_set(backdoored, [])
    sets = {"valid": files.valid, **files.clean, **files.backdoored}
    _check_files([files.model], sets.values(), arguments)
    for path in true_labels.values():
        open_datasets(path, arguments.label_name)[0].close()


def evaluate(arguments: argparse.Namespace) -> None:
    """Check a call of ``fastprune evaluate``."""
    check_scale(arguments.scale)
    networks = [arguments.model, *([arguments.repaired] if arguments.repaired else [])]
    _check_files(networks, [arguments.clean, arguments.backdoored], arguments)


def predict(arguments: argparse.Namespace) -> None:
    """Check a call of ``fastprune predict``."""
    from fastprune.cli.predict import sorted_out
    from fastprune.inspection.kinds import refuse_set
    from fastprune.sets.image_files import list_images

    check_scale(arguments.scale)
    networks, sources = sorted_out(arguments)
    for path in networks:
        refuse_set(path)
        check_network_file(path)
    if not sources:
        message = "expected images after the networks; got none; name files or folders"
        raise DataError(message)
    list_images(sources)


def demo(arguments: argparse.Namespace) -> None:
    """Check a call of ``fastprune demo``."""
    from fastprune.cli.demo import check_ours

    check_writable(arguments.into)
    check_results(arguments.out or arguments.into / "results", force=arguments.force)
    check_ours(arguments.into)


def _check_files(
    networks: Iterable[Path], sets: Iterable[Path], arguments: argparse.Namespace
) -> None:
    """Check that networks and sets are files of their kind, and of one size of images."""
    for path in networks:
        check_network_file(path)
    said = {path: shape for path in networks if (shape := declared_input(path)) is not None}
    for path in sets:
        file, images, _ = open_datasets(path, arguments.data_name, arguments.label_name)
        with file:
            for shape in said.values():
                channels_first(images, shape, f"{path}:{arguments.data_name}")


def _refuse_twins(names: list[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            message = (
                f"expected every set to have a name of its own; got {name!r} twice; rename one"
            )
            raise OptionError(message)


def _check_names(names: Iterable[str], known: list[str], kind: str) -> None:
    for name in names:
        if name not in known:
            message = (
                f"expected the name of a {kind} set; got {name!r}; there is "
                f"{', '.join(known) or 'none'}{meant(name, known)}"
            )
            raise OptionError(message)
