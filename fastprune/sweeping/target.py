"""One layer of a sweep: where the network is cut, which engine evaluates it, what is kept of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fastprune.networks.network import Network
from fastprune.orders.ranking import Ranked
from fastprune.suffix.engine import Engine
from fastprune.sweeping.cut_store import CutStore


@dataclass(eq=False)
class Target:
    """A prune layer, or a masked one, of a sweep.

    Attributes
    ----------
    network : Network
        The network, cut for that layer.
    stores : dict of str to CutStore
        Kept activations of every set that decides an order.
    engine : Engine
        Evaluates the suffix; set once the first images were seen.
    reason : str
        Why that engine was taken.
    ranked : Ranked
        The orders; set once the deciding sets were seen.
    """

    network: Network
    stores: dict[str, CutStore]
    engine: Engine = field(init=False)
    reason: str = field(init=False, default="")
    ranked: Ranked = field(init=False)

    @classmethod
    def of(cls, network: Network, deciders: Sequence[str], budget: int) -> Target:
        """Return a target that keeps `budget` bytes of activations of each deciding set."""
        pruned, places = network.pruned_value, network.cut.places
        return cls(network, {name: CutStore(budget, pruned, places) for name in deciders})

    @property
    def orders(self) -> list[NDArray[np.int64]]:
        """The channels in every order in which they are pruned."""
        return self.ranked.orders
