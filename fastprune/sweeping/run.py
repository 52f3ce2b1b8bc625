"""The sweep: sets, a network and orders in; every count at every step out.

The prefix runs once per image. The clean validation set's cut activations are kept, since the order
is only known once all of it was seen; every other set passes through once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastprune.networks.network import Network, load_network
from fastprune.orders.order import Order, OrderSource, parse_order
from fastprune.orders.ranking import Ranked, rank
from fastprune.orders.statistics import Evidence, prune_kernel
from fastprune.plausibility.looking import Lookout
from fastprune.result import SweepResult
from fastprune.results.network_info import NetworkInfo
from fastprune.results.set_pairs import counterpart
from fastprune.runtime import backend, machine
from fastprune.runtime.progress import bar, warn
from fastprune.runtime.versions import versions
from fastprune.sets.image_set import ImageSet, SetSource
from fastprune.sets.true_labels import LabelSource
from fastprune.suffix.select import Choice, choose_engine
from fastprune.sweeping.outcome import set_results
from fastprune.sweeping.passes import Passes
from fastprune.sweeping.plan import SweepPlan
from fastprune.sweeping.tally import Tally
from fastprune.sweeping.verify import self_check, verify_steps, verify_sweep


def sweep(
    network: str | Path | Any,
    *,
    valid: SetSource,
    clean: Mapping[str, SetSource] | None = None,
    backdoored: Mapping[str, SetSource] | None = None,
    order: OrderSource = "ascending",
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
    drops, drop_kind, rank_on, scale, cut_layer, engine, memory, verify
        As for :func:`sweep_orders`.
    data_name, label_name, valid_name, true_labels, paired, progress
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
    return sweep_orders(
        network, valid=valid, clean=clean, backdoored=backdoored, orders=[order], drops=drops,
        drop_kind=drop_kind, rank_on=rank_on, scale=scale, cut_layer=cut_layer, engine=engine,
        memory=memory, verify=verify, data_name=data_name, label_name=label_name,
        valid_name=valid_name, true_labels=true_labels, paired=paired, progress=progress,
    )[0]  # fmt: skip


def sweep_orders(
    network: str | Path | Any,
    *,
    valid: SetSource,
    clean: Mapping[str, SetSource] | None = None,
    backdoored: Mapping[str, SetSource] | None = None,
    orders: Sequence[OrderSource],
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
    plan = SweepPlan(
        valid=valid, clean=clean or {}, backdoored=backdoored or {},
        orders=[parse_order(order) for order in orders], drops=drops, drop_kind=drop_kind,
        rank_on=rank_on, scale=scale, cut_layer=cut_layer, engine=engine, memory=memory,
        verify=verify, data_name=data_name, label_name=label_name, valid_name=valid_name,
        true_labels=true_labels or {}, paired=paired or {}, progress=progress,
    )  # fmt: skip
    clock = machine.Clock()
    with ExitStack() as files:
        with clock.phase("load"):
            loaded = load_network(network, cut_layer=cut_layer)
            sets = files.enter_context(plan.open_sets(loaded))
        return _sweep(plan, loaded, sets, clock)


def _sweep(
    plan: SweepPlan, network: Network, sets: Mapping[str, ImageSet], clock: machine.Clock
) -> list[SweepResult]:
    """Run the phases of a sweep one after another; return the results of every order."""
    orders = _with_oracle_sets(plan, sets)
    steps = verify_steps(plan.verify, network.n_channels)
    with _passes(plan, network, sets, orders, steps) as passes:
        with clock.phase("engine"):
            chosen = _choose_engine(plan, passes, sets[plan.valid_name])
        with clock.phase("sets"):
            lookout = Lookout(network.graph, sets, batch=passes.batch)
        ranked = _rank(passes, sets, orders, clock)
        with clock.phase("self-check"):
            checked = self_check(
                network, passes.engine, sets[plan.valid_name],
                next(iter(passes.stores[plan.valid_name])), ranked.orders,
            )  # fmt: skip
        tallies = _count(passes, sets, ranked.orders, clock)
    noticed = lookout.finish()
    extras: list[dict[str, Any]] = [{} for _ in orders]
    if plan.verify:
        with clock.phase("verify"):
            for channels, by_set, extra in zip(ranked.orders, tallies, extras, strict=True):
                extra["verified"] = verify_sweep(network, channels, by_set, 8 * passes.batch)
    options = {
        **plan.repeated, "engine_used": chosen.engine.name, "engine_reason": chosen.reason,
        "self_check": checked, "batch_size": passes.batch, **plan.known_of_sets,
    }  # fmt: skip
    return [
        SweepResult(
            network=NetworkInfo.from_json(network.describe()), order_name=order.name,
            order=ranked.orders[place], activations=ranked.means, scores=ranked.scores[place],
            valid=plan.valid_name, sets=set_results(tallies[place].values()),
            drops=tuple(map(float, plan.drops)), drop_kind=plan.drop_kind,
            options={**options, **extras[place]}, versions=versions(), seconds=clock.seconds,
            peak_memory=machine.peak_memory(), warnings=(*noticed, *ranked.warnings[place]),
            runtime=network,
        )
        for place, order in enumerate(orders)
    ]  # fmt: skip


@contextmanager
def _passes(
    plan: SweepPlan,
    network: Network,
    sets: Mapping[str, ImageSet],
    orders: Sequence[Order],
    steps: list[int],
) -> Iterator[Passes]:
    """Give the passes of a sweep, under a progress bar; let go of what they kept at the end."""
    oracle_sets = [order.oracle_set for order in orders if order.oracle_set is not None]
    deciders = list(dict.fromkeys([plan.valid_name, *oracle_sets]))
    total = sum(len(images) for images in (*sets.values(), *map(sets.__getitem__, deciders)))
    with bar(total, shown=plan.progress) as shown:
        passes = Passes(
            network, deciders=deciders, memory=plan.budget, rank_on=plan.rank_on,
            extremes=any(order.needs_extremes for order in orders), steps=steps, progress=shown,
        )  # fmt: skip
        with closing(passes):
            yield passes


def _with_oracle_sets(plan: SweepPlan, sets: Mapping[str, ImageSet]) -> list[Order]:
    """Return the orders; an oracle that names no set looks at the one that goes with `valid`."""
    backdoored = [images for images in sets.values() if images.kind == "backdoored"]
    clean = [images.name for images in sets.values() if images.kind == "clean"]
    preferred = [
        images.name
        for images in backdoored
        if counterpart(images.name, images.paired, clean) == plan.valid_name
    ]
    names = [images.name for images in backdoored]
    return [order.with_oracle_set(names, preferred) for order in plan.orders]


def _choose_engine(plan: SweepPlan, passes: Passes, valid: ImageSet) -> Choice:
    """Choose the engine on the first images and give it to the passes."""
    # On a CPU blocks four times as large take as long, and 320 MB instead of 180.
    share = 4 if backend.on_accelerator() else 16 * backend.calls_at_once()
    cut = passes.first(valid)
    chosen = choose_engine(passes.network, plan.engine, cut, memory=plan.budget // share)
    passes.engine = chosen.engine
    return chosen


def _rank(
    passes: Passes, sets: Mapping[str, ImageSet], orders: Sequence[Order], clock: machine.Clock
) -> Ranked:
    """Pass over the sets that decide orders; make the orders and say what does not suit them."""
    statistics = {}
    for name in passes.stores:
        with clock.phase(f"{name} prefix"):
            statistics[name] = passes.statistics(sets[name])
    cut = passes.network.cut
    layer = cut.prune if passes.rank_on == "prune" else cut.layer
    kernel = prune_kernel(cut.prune.operation)
    valid = statistics[next(iter(passes.stores))]
    ranked = rank(orders, Evidence(valid, kernel, statistics, layer.name))
    for message in dict.fromkeys(chain.from_iterable(ranked.warnings)):
        warn(message)
    return ranked


def _count(
    passes: Passes,
    sets: Mapping[str, ImageSet],
    orders: list[NDArray[np.int64]],
    clock: machine.Clock,
) -> list[dict[str, Tally]]:
    """Count every set at every step; return tallies by set for every order."""
    tallies: list[dict[str, Tally]] = [{} for _ in orders]
    for name, images in sets.items():
        with clock.phase(f"{name} steps"):
            for by_set, tally in zip(tallies, passes.count(images, orders), strict=True):
                by_set[name] = tally
    return tallies
