"""Passes over the images: prefix once, suffix at every step, counts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastprune.networks.batching import batched, sizes
from fastprune.networks.network import Network
from fastprune.orders.statistics import ActivationStatistics
from fastprune.runtime import backend, machine
from fastprune.runtime.parallel import in_order
from fastprune.sets.image_set import Chunk, ImageSet
from fastprune.suffix.engine import Block, Engine, Steps
from fastprune.suffix.scores import refuse_unusable
from fastprune.sweeping.cut_store import CutStore
from fastprune.sweeping.tally import Tally

KEPT = 16
"""One part in so many of the memory budget holds kept activations, 14 MB for the lab. A file read
back from the system's cache costs next to nothing, and memory stays the same for more images."""


class Passes:
    """Streams sets through prefix and suffix.

    :meth:`first` comes first: what it gives tells which engine is to be set.

    Parameters
    ----------
    network : Network
        The network under test.
    deciders : sequence of str
        Sets whose activations decide orders, the validation set first; theirs are kept.
    memory : int
        Bytes that the sweep may hold; :data:`KEPT` says how many of them are kept activations.
    rank_on : {"cut", "prune"}
        Whose mean activation orders the channels.
    extremes : bool
        Whether orders need the maxima and zeros of the activations.
    steps : list of int
        Steps whose classes are kept, to be verified.
    progress : tqdm
        Counts the images.

    Attributes
    ----------
    engine : Engine
        Evaluates the suffix.
    batch, chunk : int
        Images per call of the prefix, and per chunk; see :mod:`fastprune.networks.batching`.
    stores : dict of str to CutStore
        Kept activations of every decider.
    """

    engine: Engine

    def __init__(
        self,
        network: Network,
        *,
        deciders: Sequence[str],
        memory: int,
        rank_on: str = "cut",
        extremes: bool = False,
        steps: list[int],
        progress: Any,
    ) -> None:
        self.network, self.rank_on, self.extremes = network, rank_on, extremes
        self.steps, self.progress = steps, progress
        self.batch, self.chunk = sizes(network, memory)
        kept = memory // (KEPT * len(deciders))
        self.stores = {name: CutStore(kept, network.pruned_value) for name in deciders}
        self._first: Any = None
        self._prefix = batched(network.prefix, self.batch)
        # Two networks, so that only the validation pass pays for the prune layer's output.
        self._ranked = (
            batched(network.prefix_and_prune, self.batch) if rank_on == "prune" else self._prefix
        )

    @property
    def workers(self) -> int:
        """Threads: one more than there are cores, so that none waits while results are counted."""
        beside = self.engine.threaded or backend.calls_at_once() > 1
        return machine.cores() + 1 if beside else 1

    def first(self, images: ImageSet) -> Any:
        """Return the cut activations of the validation set's first chunk.

        They are kept until the chunk's turn comes: the prefix runs once per image.
        """
        chunk = images.take(np.arange(min(self.chunk, len(images))))
        self._first = self._ranked(chunk.images)
        return self._first[0] if self.rank_on == "prune" else self._first

    def statistics(self, images: ImageSet) -> ActivationStatistics:
        """Run the prefix on a set that decides an order; keep its cut activations."""
        self.progress.set_description(f"{images.name}: prefix")
        store = self.stores[images.name]
        statistics = ActivationStatistics(self.network.n_channels, extremes=self.extremes)
        first, self._first = self._first, None

        def work(chunk: Chunk) -> tuple[Block, Any]:
            known = first is not None and chunk.start == 0
            output = first if known else self._ranked(chunk.images)
            cut, ranked = output if self.rank_on == "prune" else (output, output)
            return self.engine.block(cut), ranked

        with closing(images.chunks(self.chunk)) as chunks:
            for block, ranked in in_order(work, chunks, self.workers):
                statistics.add(ranked)
                store.append(block)
                self.progress.update(block.images)
        return statistics

    def count(self, images: ImageSet, orders: list[NDArray[np.int64]]) -> list[Tally]:
        """Count a set at every step of every order; one that was kept is let go of."""
        kept = images.name in self.stores
        return (self.count_kept if kept else self.count_streamed)(images, orders)

    def count_kept(self, images: ImageSet, orders: list[NDArray[np.int64]]) -> list[Tally]:
        """Count a set from its kept activations; let go of them."""
        store = self.stores[images.name]
        tallies = self._tallies(images, store, lambda block: block, orders)
        store.close()
        return tallies

    def count_streamed(self, images: ImageSet, orders: list[NDArray[np.int64]]) -> list[Tally]:
        """Stream a set through prefix and suffix and count it."""

        def block(chunk: Chunk) -> Block:
            return self.engine.block(self._prefix(chunk.images))

        with closing(images.chunks(self.chunk)) as chunks:
            return self._tallies(images, chunks, block, orders)

    def close(self) -> None:
        """Let go of all kept activations."""
        for store in self.stores.values():
            store.close()

    def _tallies(
        self,
        images: ImageSet,
        items: Iterable[Any],
        block: Callable[[Any], Block],
        orders: list[NDArray[np.int64]],
    ) -> list[Tally]:
        """Make blocks of items, evaluate them under every order, and count.

        A worker takes an item all the way: what its prefix gave is still in the core's cache when
        its suffix begins. Neither TensorFlow nor compiled loops hold Python's lock.
        """
        self.progress.set_description(f"{images.name}: {len(orders[0])} steps")
        n_channels, n_classes = self.network.n_channels, self.network.n_classes
        tallies = [Tally.of(images, n_channels, n_classes, self.steps) for _ in orders]

        def work(item: Any) -> list[Steps]:
            cut = block(item)
            return [self.engine.classes(cut, order) for order in orders]

        start = 0
        for by_order in in_order(work, items, self.workers):
            for steps in by_order:
                refuse_unusable(steps.unusable, start, images.name, self.network.where)
            for tally, steps in zip(tallies, by_order, strict=True):
                tally.add(steps, start)
            count = by_order[0].classes.shape[1]
            start += count
            self.progress.update(count)
        return tallies
