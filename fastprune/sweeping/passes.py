"""Passes over the images: prefix once, suffix at every step, counts."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastprune.networks.batching import batched
from fastprune.networks.network import Network
from fastprune.orders.statistics import ActivationStatistics
from fastprune.runtime import backend, machine
from fastprune.runtime.parallel import in_order
from fastprune.sets.image_set import Chunk, ImageSet
from fastprune.suffix.engine import Block, Engine, Steps
from fastprune.suffix.scores import refuse_unusable
from fastprune.sweeping.cut_store import CutStore
from fastprune.sweeping.tally import Tally


class Passes:
    """Streams sets through prefix and suffix.

    :meth:`first` comes first: what it gives tells which engine is to be set.

    Parameters
    ----------
    network : Network
        The network under test.
    rank_on : {"cut", "prune"}
        Whose mean activation orders the channels.
    batch, chunk : int
        Images per call of the prefix, and per chunk; see :mod:`fastprune.networks.batching`.
    budget : int
        Bytes of kept cut activations that may stay in memory.
    steps : list of int
        Steps whose classes are kept, to be verified.
    progress : tqdm
        Counts the images.
    by_label : collection of str
        Sets whose hits are counted by label as well.
    truths : mapping of str to ndarray of signed integers
        True classes of the images of backdoored sets, by set.
    extremes : bool
        Whether orders need the maxima and zeros of the activations.

    Attributes
    ----------
    engine : Engine
        Evaluates the suffix.
    """

    engine: Engine

    def __init__(
        self,
        network: Network,
        rank_on: str,
        batch: int,
        chunk: int,
        budget: int,
        steps: list[int],
        progress: Any,
        by_label: Collection[str] = (),
        truths: Mapping[str, NDArray[np.signedinteger]] | None = None,
        extremes: bool = False,
    ) -> None:
        self.network, self.chunk = network, chunk
        self.steps, self.progress, self.rank_on = steps, progress, rank_on
        self.by_label, self.truths, self.extremes = by_label, truths or {}, extremes
        self.budget = budget
        self._first: Any = None
        self.store = CutStore(budget, network.pruned_value)
        self.further: dict[str, CutStore] = {}
        self._prefix = batched(network.prefix, batch)
        # Two networks, so that only the validation pass pays for the prune layer's output.
        self._ranked = (
            batched(network.prefix_and_prune, batch) if rank_on == "prune" else self._prefix
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

    def validation(self, images: ImageSet) -> NDArray[np.float64]:
        """Run the prefix on the validation set, keep its cut activations, return the means."""
        return self.statistics(images, self.store).means

    def statistics(self, images: ImageSet, store: CutStore | None = None) -> ActivationStatistics:
        """Run the prefix on a set that decides an order; keep its cut activations.

        They go to `store`, to one of the set's own by default.
        """
        self.progress.set_description(f"{images.name}: prefix")
        if store is None:
            store = self.further[images.name] = CutStore(self.budget, self.network.pruned_value)
        ranker = ActivationStatistics(self.network.n_channels, extremes=self.extremes)

        first, self._first = self._first, None

        def work(chunk: Chunk) -> tuple[Block, Any]:
            known = first is not None and chunk.start == 0
            output = first if known else self._ranked(chunk.images)
            cut, ranked = output if self.rank_on == "prune" else (output, output)
            return self.engine.block(cut), ranked

        for block, ranked in in_order(work, images.chunks(self.chunk), self.workers):
            ranker.add(ranked)
            store.append(block)
            self.progress.update(block.images)
        return ranker

    def kept(self, images: ImageSet, orders: list[NDArray[np.int64]]) -> list[Tally]:
        """Count a set at every step of every order, from its kept activations; let go of them."""
        store = self.further.get(images.name, self.store)
        tallies = self._count(images, store, lambda block: block, orders)
        store.close()
        return tallies

    def close(self) -> None:
        """Let go of all kept activations."""
        for store in (self.store, *self.further.values()):
            store.close()

    def once(self, images: ImageSet, orders: list[NDArray[np.int64]]) -> list[Tally]:
        """Stream a set through once and count it at every step of every order."""

        def block(chunk: Chunk) -> Block:
            return self.engine.block(self._prefix(chunk.images))

        return self._count(images, images.chunks(self.chunk), block, orders)

    def _count(
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
        n_classes = self.network.n_classes if images.name in self.by_label else None
        truth = self.truths.get(images.name)
        tallies = [
            Tally.of(images, self.network.n_channels, self.steps, n_classes, truth) for _ in orders
        ]

        def work(item: Any) -> list[Steps]:
            made = block(item)
            return [self.engine.classes(made, order) for order in orders]

        start = 0
        for found in in_order(work, items, self.workers):
            for steps in found:
                refuse_unusable(steps.unusable, start, images.name, self.network.where)
            count = found[0].classes.shape[1]
            labels = images.labels[start : start + count]
            for tally, steps in zip(tallies, found, strict=True):
                tally.add(steps, start, labels)
            start += count
            self.progress.update(count)
        return tallies
