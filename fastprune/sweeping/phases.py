"""The phases of a sweep, one after another.

The prefix runs once per image. The clean validation set's cut activations are kept, since the order
is only known once all of it was seen; every other set passes through once. Several prune layers
share a pass where memory allows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

from fastprune.networks.batching import groups, sizes
from fastprune.networks.network import Network
from fastprune.orders.order import Order
from fastprune.orders.ranking import rank
from fastprune.orders.statistics import ActivationStatistics, Evidence
from fastprune.plausibility.looking import Lookout
from fastprune.result import SweepResult
from fastprune.results.network_info import NetworkInfo
from fastprune.results.set_pairs import counterpart
from fastprune.runtime import backend, machine
from fastprune.runtime.progress import bar, warn
from fastprune.runtime.versions import versions
from fastprune.sets.image_set import ImageSet
from fastprune.suffix.select import choose_engine
from fastprune.sweeping.outcome import set_results
from fastprune.sweeping.passes import Passes
from fastprune.sweeping.plan import SweepPlan
from fastprune.sweeping.tally import Tally
from fastprune.sweeping.target import Target
from fastprune.sweeping.verify import self_check, verify_steps, verify_sweep


def run(plan: SweepPlan, source: str | Path | Any) -> list[SweepResult]:
    """Run a sweep; return its results, for one layer after another one per order."""
    clock = machine.Clock()
    found: list[SweepResult] = []
    with ExitStack() as files:
        with clock.phase("load"):
            networks = plan.load(source)
            sets = files.enter_context(plan.open_sets(networks[0]))
        with clock.phase("sets"):
            batch, _ = sizes(networks[:1], plan.budget)
            lookout = Lookout(networks[0].graph, sets, batch=batch)
        parts = groups(networks, plan.budget)
        for some in parts:
            found += _sweep(plan, some, sets, clock, len(parts))
    noticed = lookout.finish()
    return [replace(result, warnings=(*noticed, *result.warnings)) for result in found]


def _sweep(
    plan: SweepPlan,
    networks: Sequence[Network],
    sets: Mapping[str, ImageSet],
    clock: machine.Clock,
    n_passes: int,
) -> list[SweepResult]:
    """Run the phases of a sweep of layers that share a pass; return the results."""
    orders = _with_oracle_sets(plan, sets)
    valid = sets[plan.valid_name]
    with _passes(plan, networks, sets, orders) as passes:
        with clock.phase("engine"):
            _choose_engines(plan, passes, valid)
        _rank(passes, sets, orders, clock)
        with clock.phase("self-check"):
            checked = [
                self_check(
                    target.network, target.engine, valid,
                    next(iter(target.stores[plan.valid_name])), target.orders,
                )
                for target in passes.targets
            ]  # fmt: skip
        tallies = _count(passes, sets, clock)
    found = []
    for target, by_order, check in zip(passes.targets, tallies, checked, strict=True):
        options = {
            **plan.repeated, "engine_used": target.engine.name, "engine_reason": target.reason,
            "self_check": check, "batch_size": passes.batch, "prefix_passes": n_passes,
            **plan.known_of_sets,
        }  # fmt: skip
        found += _results(plan, target, orders, by_order, passes.batch, options, clock)
    return found


def _results(
    plan: SweepPlan,
    target: Target,
    orders: Sequence[Order],
    tallies: Sequence[Mapping[str, Tally]],
    batch: int,
    options: Mapping[str, Any],
    clock: machine.Clock,
) -> list[SweepResult]:
    """Return what was found of a target under every order."""
    network, ranked = target.network, target.ranked
    extras: list[dict[str, Any]] = [{} for _ in orders]
    if plan.verify:
        with clock.phase("verify"):
            for channels, by_set, extra in zip(ranked.orders, tallies, extras, strict=True):
                extra["verified"] = verify_sweep(network, channels, by_set, 8 * batch)
    return [
        SweepResult(
            network=NetworkInfo.from_json(network.describe()), order_name=order.name,
            order=ranked.orders[place], activations=ranked.means, scores=ranked.scores[place],
            valid=plan.valid_name, sets=set_results(tallies[place].values()),
            drops=tuple(map(float, plan.drops)), drop_kind=plan.drop_kind,
            options={**options, **extras[place]}, versions=versions(), seconds=clock.seconds,
            peak_memory=machine.peak_memory(), warnings=tuple(ranked.warnings[place]),
            runtime=network,
        )
        for place, order in enumerate(orders)
    ]  # fmt: skip


@contextmanager
def _passes(
    plan: SweepPlan,
    networks: Sequence[Network],
    sets: Mapping[str, ImageSet],
    orders: Sequence[Order],
) -> Iterator[Passes]:
    """Give the passes of a sweep, under a progress bar; let go of what they kept at the end."""
    oracle_sets = [order.oracle_set for order in orders if order.oracle_set is not None]
    deciders = list(dict.fromkeys([plan.valid_name, *oracle_sets]))
    total = sum(
        len(images) * (1 + len(networks) if name in deciders else 1)
        for name, images in sets.items()
    )  # fmt: skip
    with bar(total, shown=plan.progress) as shown:
        passes = Passes(
            networks, deciders=deciders, memory=plan.budget, rank_on=plan.rank_on,
            extremes=any(order.needs_extremes for order in orders),
            steps=[verify_steps(plan.verify, network.n_channels) for network in networks],
            progress=shown,
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


def _choose_engines(plan: SweepPlan, passes: Passes, valid: ImageSet) -> None:
    """Choose the engine of every target on the first images."""
    # On a CPU blocks four times as large take as long, and 320 MB instead of 180.
    share = 4 if backend.on_accelerator() else 16 * backend.calls_at_once()
    for target, kept in zip(passes.targets, passes.first(valid), strict=True):
        chosen = choose_engine(target.network, plan.engine, kept, memory=plan.budget // share)
        target.engine, target.reason = chosen.engine, chosen.reason


def _rank(
    passes: Passes, sets: Mapping[str, ImageSet], orders: Sequence[Order], clock: machine.Clock
) -> None:
    """Pass over the sets that decide orders; make the orders and say what does not suit them."""
    statistics: dict[str, list[ActivationStatistics]] = {}
    for name in passes.targets[0].stores:
        with clock.phase(f"{name} prefix"):
            statistics[name] = passes.statistics(sets[name])
    for index, target in enumerate(passes.targets):
        cut, graph = target.network.cut, target.network.graph
        by_set = {name: found[index] for name, found in statistics.items()}
        layer = cut.prune if passes.rank_on == "prune" else cut.layer
        evidence = Evidence(
            next(iter(by_set.values())), cut.intervention.kernel, by_set, layer.name,
            cut.intervention.gains(graph),
        )  # fmt: skip
        target.ranked = rank(orders, evidence)
        for message in dict.fromkeys(chain.from_iterable(target.ranked.warnings)):
            warn(message)


def _count(
    passes: Passes, sets: Mapping[str, ImageSet], clock: machine.Clock
) -> list[list[dict[str, Tally]]]:
    """Count every set at every step; return tallies by set, for every target and order."""
    tallies: list[list[dict[str, Tally]]] = [
        [{} for _ in target.orders] for target in passes.targets
    ]
    for name, images in sets.items():
        with clock.phase(f"{name} steps"):
            for own, found in zip(tallies, passes.count(images), strict=True):
                for by_set, tally in zip(own, found, strict=True):
                    by_set[name] = tally
    return tallies
