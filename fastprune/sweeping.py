"""The sweep: sets, a network and orders in; every count at every step out.

The prefix runs once per image. The clean validation set's cut activations are kept, since the order
is only known once all of it was seen; every other set passes through once.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastprune import backend, machine
from fastprune.batches import WORKING_SET, batch_size
from fastprune.dataset import ImageSet, SetSource, open_sets
from fastprune.errors import OptionError
from fastprune.goodnet import scores_of
from fastprune.network import Network, load_network
from fastprune.passes import Passes, Tally
from fastprune.progress import bar, warn
from fastprune.ranking import RANK_ON, Order, check_order, make_order, order_name
from fastprune.result import Samples, SetResult, SweepResult
from fastprune.suffix.select import make_engine
from fastprune.verify import verify_steps, verify_sweep

DROP_KINDS = ("points", "relative")


def sweep(
    network: str | Path | Any,
    *,
    valid: SetSource,
    clean: Mapping[str, SetSource] | None = None,
    backdoored: Mapping[str, SetSource] | None = None,
    order: Order = "ascending",
    **options: Any,
) -> SweepResult:
    """Prune a network channel by channel; measure B′ and G at every step on every set.

    Parameters
    ----------
    network : path or keras.Model
        The BadNet B: a ``.keras`` or ``.h5`` file, or a model.
    valid : path or (images, labels)
        The clean validation set, which alone chooses order and crossings.
    clean, backdoored : mapping of str to path or (images, labels)
        Further sets by name; they are only measured.
    order : str, path or sequence of int
        ``"ascending"`` mean activation, ``"descending"``, ``"random:SEED"``, a file of channel
        indices, or the indices.
    **options
        As for :func:`sweep_orders`.

    Returns
    -------
    SweepResult
        Counts indexed by ``n_pruned`` 0 … n_channels.

    Raises
    ------
    FastpruneError
        When a set, the network or an option cannot be used.

    References
    ----------
    K. Liu, B. Dolan-Gavitt, S. Garg: Fine-Pruning: Defending Against Backdooring Attacks on Deep
    Neural Networks, RAID 2018, arXiv:1805.12185.
    """
    found = sweep_orders(
        network, valid=valid, clean=clean, backdoored=backdoored, orders=[order], **options
    )
    return found[0]


def sweep_orders(
    network: str | Path | Any,
    *,
    valid: SetSource,
    clean: Mapping[str, SetSource] | None = None,
    backdoored: Mapping[str, SetSource] | None = None,
    orders: Sequence[Order],
    drops: Sequence[float] = (2, 4, 10, 30),
    drop_kind: str = "points",
    rank_on: str = "cut",
    scale: float = 1.0,
    cut_layer: str | None = None,
    engine: str = "auto",
    memory: str | int = "256M",
    verify: int = 0,
    data_name: str = "data",
    label_name: str = "label",
    valid_name: str = "valid",
    progress: bool = False,
) -> list[SweepResult]:
    """Sweep several channel orders in one pass over the images.

    Parameters
    ----------
    network, valid, clean, backdoored
        As for :func:`sweep`.
    orders : sequence of orders
        Each as for :func:`sweep`.
    drops : sequence of float
        Drops X of clean validation accuracy below B's, in percentage points.
    drop_kind : {"points", "relative"}
        Whether a drop is in percentage points or in percent of B's clean accuracy.
    rank_on : {"cut", "prune"}
        Where the mean activation is taken: at the cut layer or at the prune layer.
    scale : float
        Pixels are divided by it: 1 or 255.
    cut_layer : str, optional
        Name of the cut layer; found automatically by default.
    engine : {"auto", "incremental", "keras"}
        How the suffix is evaluated; see :func:`fastprune.suffix.select.make_engine`.
    memory : str or int
        What fastprune itself may hold, such as ``"256M"``: kept activations above it go to a
        temporary file.
    verify : int
        Number of random steps to run again with plain Keras, comparing every class.
    data_name, label_name : str
        Names of the datasets in the files.
    valid_name : str
        Name of the validation set in the results.
    progress : bool
        Show a progress bar on stderr.

    Returns
    -------
    list of SweepResult
        One per order, in the order given.
    """
    options = {key: value for key, value in locals().items() if key in OPTIONS}
    budget = _check_options(orders, drops, drop_kind, rank_on, scale, verify, memory)
    clock = Clock()
    with clock.phase("load"):
        loaded = load_network(network, cut_layer=cut_layer)
        sets = open_sets(
            valid, clean or {}, backdoored or {}, valid_name=valid_name,
            input_shape=loaded.input_shape, n_classes=loaded.n_classes, scale=scale,
            data=data_name, label=label_name,
        )  # fmt: skip
        chosen = make_engine(loaded, engine, memory=budget // 4)
    steps = verify_steps(verify, loaded.n_channels)
    size = batch_size(
        loaded.graph.calls, loaded.graph.input, working_set=min(WORKING_SET, budget // 4)
    )
    total = sum(len(images) for _, images in sets.values()) + len(sets[valid_name][1])
    with bar(total, shown=progress) as shown:
        passes = Passes(loaded, chosen, rank_on, size, budget // 2, steps, shown)
        tallies, means, made = _run(passes, sets, valid_name, orders, clock)
    extras: list[dict[str, Any]] = [{} for _ in orders]
    if verify:
        with clock.phase("verify"):
            extras = [
                {"verified": verify_sweep(loaded, sets, made[i], steps, tallies[i], 8 * size)}
                for i in range(len(orders))
            ]
    _check_scale(loaded, sets[valid_name][1], tallies[0][valid_name], size)
    about = {"engine_used": chosen.name, "batch_size": size}
    return [
        SweepResult(
            network=loaded.describe(),
            order_name=order_name(order),
            order=made[index],
            activations=means,
            valid=valid_name,
            sets=_set_results(sets, tallies[index], scale),
            drops=tuple(float(drop) for drop in drops),
            drop_kind=drop_kind,
            options={**options, **about, **extras[index]},
            versions=machine.versions(),
            seconds=clock.seconds,
            peak_memory=machine.peak_memory(),
            runtime=loaded,
        )
        for index, order in enumerate(orders)
    ]


OPTIONS = (
    "rank_on", "scale", "cut_layer", "engine", "memory", "verify", "data_name", "label_name",
)  # fmt: skip
"""Options that results repeat as they were given."""


class Clock:
    """Seconds per phase."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Measure a phase."""
        start = time.perf_counter()
        try:
            yield
        finally:
            spent = time.perf_counter() - start
            self.seconds[name] = round(self.seconds.get(name, 0.0) + spent, 3)


def _run(
    passes: Passes,
    sets: Mapping[str, tuple[str, ImageSet]],
    valid: str,
    orders: Sequence[Order],
    clock: Clock,
) -> tuple[list[dict[str, Tally]], NDArray[np.float64], list[NDArray[np.int64]]]:
    """Pass over all sets: tallies per order and set, mean activations, orders."""
    try:
        with clock.phase(f"{valid} prefix"):
            means = passes.validation(sets[valid][1])
        made = [make_order(order, means) for order in orders]
        tallies: list[dict[str, Tally]] = [{} for _ in orders]
        for name, (_, images) in sets.items():
            with clock.phase(f"{name} steps"):
                count = passes.kept if name == valid else passes.once
                for per_order, tally in zip(tallies, count(images, made), strict=True):
                    per_order[name] = tally
        return tallies, means, made
    finally:
        passes.store.close()


def _check_options(
    orders: Sequence[Order],
    drops: Sequence[float],
    drop_kind: str,
    rank_on: str,
    scale: float,
    verify: int,
    memory: str | int,
) -> int:
    """Refuse options that cannot be meant; return the memory budget in bytes."""
    if not orders:
        message = "expected at least one order; got none"
        raise OptionError(message)
    for order in orders:
        check_order(order)
    names = {f"{drop:g}" for drop in drops}  # as files and JSON name them
    if not all(0 < drop <= 100 for drop in drops) or len(names) != len(drops):
        message = f"expected drops above 0 and up to 100 (percent), each once; got {list(drops)}"
        raise OptionError(message)
    for value, known, what in (
        (drop_kind, DROP_KINDS, "drop_kind"),
        (rank_on, RANK_ON, "rank_on"),
    ):
        if value not in known:
            message = f"expected {what} to be one of {', '.join(known)}; got {value!r}"
            raise OptionError(message)
    if not (np.isfinite(scale) and scale > 0):
        message = f"expected a scale above 0, such as 1 or 255; got {scale}"
        raise OptionError(message)
    if verify < 0:
        message = f"expected a number of steps to verify; got {verify}"
        raise OptionError(message)
    return machine.parse_size(memory)


def _check_scale(network: Network, images: ImageSet, tally: Tally, size: int) -> None:
    """Say so when B is no better than chance: the pixel scale is the first suspect."""
    accuracy, chance = float(tally.counts.rate[0]), 1 / network.n_classes
    if accuracy > 2 * chance + 0.02:
        return
    other = 1.0 if images.scale != 1 else 255.0
    chunk = next(iter(images.chunks(size)))
    pixels = backend.to_numpy(chunk.images) * np.float32(images.scale / other)
    found = scores_of(network.model, pixels).argmax(axis=1)
    warn(
        f"B is right on {accuracy:.2%} of {images.name}, near chance ({chance:.2%}): the pixel "
        f"scale is the first suspect; with --scale {other:g} it would be right on "
        f"{np.mean(found == chunk.labels):.2%} of the first {len(found)} images"
    )


def _set_results(
    sets: Mapping[str, tuple[str, ImageSet]], tallies: Mapping[str, Tally], scale: float
) -> dict[str, SetResult]:
    found = {}
    for name, (kind, images) in sets.items():
        tally = tallies[name]
        chunk = images.take(tally.samples)
        samples = Samples(chunk.images * np.float32(scale), chunk.labels, tally.sample_classes)
        found[name] = SetResult(name, kind, tally.counts, samples, images.describe())
    return found
