"""The sweep: sets, a network and orders in; every count at every step out.

The prefix runs once per image. The clean validation set's cut activations are kept, since the order
is only known once all of it was seen; every other set passes through once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from fastprune.networks.batching import sizes
from fastprune.networks.goodnet import scores_of
from fastprune.networks.network import Network, load_network
from fastprune.orders.order import Order, needs_extremes, oracle_set, order_name, resolve_order
from fastprune.orders.ranking import Ranked, rank
from fastprune.orders.statistics import Evidence, prune_kernel
from fastprune.result import SweepResult
from fastprune.results.record import Samples, SetResult
from fastprune.results.set_pairs import goes_with
from fastprune.runtime import backend, machine
from fastprune.runtime.progress import bar, warn
from fastprune.runtime.versions import versions
from fastprune.sets.image_set import ImageSet, SetSource, open_sets
from fastprune.sets.true_labels import LabelSource, true_classes
from fastprune.suffix.select import choose_engine
from fastprune.sweeping.passes import Passes
from fastprune.sweeping.plan import check_options
from fastprune.sweeping.tally import Tally
from fastprune.sweeping.verify import self_check, verify_steps, verify_sweep


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
        A criterion: ``"ascending"`` mean activation, ``"descending"``, ``"mean-abs"``, ``"max"``,
        ``"apoz"``, ``"l1"``, ``"l2"``, ``"fpgm"`` or ``"oracle:SET"`` (see
        :mod:`fastprune.orders.criteria`);
        ``"random:SEED"``, a file of channel indices, or the indices.
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
    true_labels: Mapping[str, LabelSource] | None = None,
    paired: Mapping[str, str] | None = None,
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
        Where activations are taken to order channels: at the cut layer or at the prune layer.
    scale : float
        Pixels are divided by it: 1 or 255.
    cut_layer : str, optional
        Name of the cut layer; found automatically by default.
    engine : {"auto", "incremental", "keras"}
        How the suffix is evaluated; see :func:`fastprune.suffix.select.choose_engine`.
    memory : str or int
        What fastprune itself may hold, such as ``"256M"``: kept activations above it go to a
        temporary file.
    verify : int
        Number of random steps to run again with plain Keras, comparing every class.
    data_name, label_name : str
        Names of the datasets in the files.
    valid_name : str
        Name of the validation set in the results.
    true_labels : mapping of str to path or array of int
        True classes of the images of backdoored sets, from HDF5 files that hold `label_name` or as
        arrays: they give robust accuracy.
    paired : mapping of str to str
        Backdoored sets whose image i is image i of a clean set with the trigger, and that set,
        whose labels are the true classes.
    progress : bool
        Show a progress bar on stderr.

    Returns
    -------
    list of SweepResult
        One per order, in the order given.
    """
    # Long: the one place that orders the phases, each of which is a call.
    options = {key: value for key, value in locals().items() if key in OPTIONS}
    budget = check_options(orders, drops, drop_kind, rank_on, scale, verify, memory)
    clock = machine.Clock()
    with clock.phase("load"):
        loaded = load_network(network, cut_layer=cut_layer)
        sets = open_sets(
            valid, clean or {}, backdoored or {}, valid_name=valid_name,
            input_shape=loaded.input_shape, n_classes=loaded.n_classes, scale=scale,
            data=data_name, label=label_name,
        )  # fmt: skip
        pairs = dict(paired or {})
        truths = true_classes(
            sets, true_labels or {}, pairs, n_classes=loaded.n_classes, label=label_name
        )
        orders = _resolved(orders, sets, pairs, valid_name)
        batch, chunk = sizes(loaded, budget)
    steps = verify_steps(verify, loaded.n_channels)
    deciders = [valid_name, *dict.fromkeys(filter(None, map(oracle_set, orders)))]
    total = sum(len(images) for _, images in sets.values())
    total += sum(len(sets[name][1]) for name in deciders)
    with bar(total, shown=progress) as shown:
        passes = Passes(
            loaded, rank_on, batch, chunk, budget // (KEPT * len(deciders)), steps, shown,
            by_label=[name for name, (kind, _) in sets.items() if kind == "clean"],
            truths=truths, extremes=any(map(needs_extremes, orders)),
        )  # fmt: skip
        # On a CPU blocks four times as large take as long, and 320 MB instead of 180.
        share = 4 if backend.on_accelerator() else 16 * backend.calls_at_once()
        with clock.phase("engine"):
            cut = passes.first(sets[valid_name][1])
            chosen = choose_engine(loaded, engine, cut, memory=budget // share)
            passes.engine = chosen.engine
        tallies, ranked, checked = _run(passes, sets, deciders, orders, clock)
    extras: list[dict[str, Any]] = [{"warnings": said} if said else {} for said in ranked.warnings]
    if verify:
        with clock.phase("verify"):
            for index, made in enumerate(ranked.orders):
                found = verify_sweep(loaded, sets, made, steps, tallies[index], 8 * batch)
                extras[index]["verified"] = found
    _check_scale(loaded, sets[valid_name][1], tallies[0][valid_name], batch)
    about = {
        "engine_used": chosen.engine.name, "engine_reason": chosen.reason, "self_check": checked,
        "batch_size": batch, "paired": pairs,
        "true_labels": {name: _told(source) for name, source in (true_labels or {}).items()},
    }  # fmt: skip
    return [
        SweepResult(
            network=loaded.describe(),
            order_name=order_name(order),
            order=ranked.orders[index],
            activations=ranked.means,
            scores=ranked.scores[index],
            valid=valid_name,
            sets=_set_results(sets, tallies[index], scale, pairs),
            drops=tuple(float(drop) for drop in drops),
            drop_kind=drop_kind,
            options={**options, **about, **extras[index]},
            versions=versions(),
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


KEPT = 16
"""One part in so many of the memory budget holds kept activations, 14 MB for the lab. A file read
back from the system's cache costs next to nothing, and memory stays the same for more images."""


def _resolved(
    orders: Sequence[Order],
    sets: Mapping[str, tuple[str, ImageSet]],
    paired: Mapping[str, str],
    valid: str,
) -> list[Order]:
    backdoored = [name for name, (kind, _) in sets.items() if kind == "backdoored"]
    twins = [name for name in backdoored if goes_with(name, paired.get(name), valid)]
    return [resolve_order(order, backdoored, twins) for order in orders]


def _run(
    passes: Passes,
    sets: Mapping[str, tuple[str, ImageSet]],
    deciders: Sequence[str],
    orders: Sequence[Order],
    clock: machine.Clock,
) -> tuple[list[dict[str, Tally]], Ranked, dict[str, Any]]:
    """Pass over all sets, first those that decide orders, and check the first images in between.

    Returns tallies per order and set, the orders, and what was checked.
    """
    try:
        found = {}
        for name in deciders:
            with clock.phase(f"{name} prefix"):
                store = passes.store if name == deciders[0] else None
                found[name] = passes.statistics(sets[name][1], store)
        cut = passes.network.cut
        layer = cut.prune if passes.rank_on == "prune" else cut.layer
        kernel = prune_kernel(cut.prune.operation)
        ranked = rank(orders, Evidence(found[deciders[0]], kernel, found, layer.name))
        for message in dict.fromkeys(chain.from_iterable(ranked.warnings)):
            warn(message)
        with clock.phase("self-check"):
            checked = self_check(
                passes.network, passes.engine, sets[deciders[0]][1], next(iter(passes.store)),
                ranked.orders,
            )  # fmt: skip
        tallies: list[dict[str, Tally]] = [{} for _ in orders]
        for name, (_, images) in sets.items():
            with clock.phase(f"{name} steps"):
                count = passes.kept if name in deciders else passes.once
                for per_order, tally in zip(tallies, count(images, ranked.orders), strict=True):
                    per_order[name] = tally
        return tallies, ranked, checked
    finally:
        passes.close()


def _told(source: LabelSource) -> str:
    """Return how results call the source of true labels."""
    return str(source) if isinstance(source, str | Path) else "given"


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
    sets: Mapping[str, tuple[str, ImageSet]],
    tallies: Mapping[str, Tally],
    scale: float,
    paired: Mapping[str, str],
) -> dict[str, SetResult]:
    found = {}
    for name, (kind, images) in sets.items():
        tally = tallies[name]
        chunk = images.take(tally.samples)
        truth = None if tally.truth is None else tally.truth[tally.samples].astype(np.int64)
        samples = Samples(
            chunk.images * np.float32(scale), chunk.labels, tally.sample_classes, truth
        )
        about = images.describe()
        found[name] = SetResult(name, kind, tally.counts, samples, about, paired.get(name))
    return found
