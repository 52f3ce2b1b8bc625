"""What a result is called beside others: no more than what tells it from them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from fastprune.results.network_info import NetworkInfo
from fastprune.results.record import SweepRecord

ASPECTS = ("network", "prune_layer", "intervention", "order")
"""What results may differ in, in the order in which a label has them."""


def identity(result: SweepRecord) -> dict[str, str]:
    """Return what every row of a result says of it: a text for each of :data:`ASPECTS`."""
    network = result.network
    names = (network.name, network.prune_layer, network.intervention, result.order_name)
    return dict(zip(ASPECTS, names, strict=True))


def differing(results: Sequence[SweepRecord]) -> tuple[str, ...]:
    """Return which of :data:`ASPECTS` are not the same in all results."""
    found = [{**identity(result), "network": result.network.fingerprint} for result in results]
    return tuple(name for name in ASPECTS if len({one[name] for one in found}) > 1)


def labels(results: Sequence[SweepRecord]) -> tuple[str, ...]:
    """Return a name for every result that says only what differs among them.

    ``"conv_3 ascending"`` where layers and orders differ, ``"bd_net"`` where networks do; the order
    where nothing does. Results that nothing tells apart are numbered.
    """
    varying = differing(results) or ("order",)
    networks = network_names([result.network for result in results])
    told = []
    for result, network in zip(results, networks, strict=True):
        shown = {**identity(result), "network": network, "order": short_order(result.order_name)}
        told.append(" ".join(shown[name] for name in varying))
    return _numbered(told)


def short_order(order_name: str) -> str:
    """Return an order's name without the folder of its file.

    Examples
    --------
    >>> short_order("l1"), short_order("/orders/mine.txt")
    ('l1', 'mine.txt')
    """
    return Path(order_name).name if "/" in order_name else order_name


def network_names(networks: Sequence[NetworkInfo]) -> tuple[str, ...]:
    """Return the shortest names that tell networks of different fingerprints apart.

    A network's own name; where several have the same, the file, then the file with its folder, then
    a number behind the name.
    """
    ways: tuple[Callable[[NetworkInfo], str], ...] = (
        lambda info: info.name,
        lambda info: Path(info.path).name if info.path else info.name,
        lambda info: "/".join(Path(info.path).parts[-2:]) if info.path else info.name,
    )
    prints = list(dict.fromkeys(info.fingerprint for info in networks))
    for way in ways:
        named = {(way(info), info.fingerprint) for info in networks}
        if len({name for name, _ in named}) == len(named) == len(prints):
            return tuple(way(info) for info in networks)
    return tuple(f"{info.name} ({prints.index(info.fingerprint) + 1})" for info in networks)


def _numbered(names: Sequence[str]) -> tuple[str, ...]:
    """Return names with a number behind each that is there already.

    >>> _numbered(["given", "l1", "given"])
    ('given', 'l1', 'given (2)')
    """
    taken: list[str] = []
    for name in names:
        number, free = 1, name
        while free in taken:
            number += 1
            free = f"{name} ({number})"
        taken.append(free)
    return tuple(taken)
