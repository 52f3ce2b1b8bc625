"""Passes over the images: prefix once, suffix of every layer at every step, counts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import closing
from typing import Any

import numpy as np

from fastprune.networks.batching import batched, sizes
from fastprune.networks.network import Network
from fastprune.orders.statistics import ActivationStatistics
from fastprune.runtime import backend, machine
from fastprune.runtime.parallel import in_order
from fastprune.sets.image_set import Chunk, ImageSet
from fastprune.suffix.engine import Block, Steps
from fastprune.suffix.scores import refuse_unusable
from fastprune.sweeping.tally import Tally
from fastprune.sweeping.target import Target

KEPT = 16
"""One part in so many of the memory budget holds kept activations, 14 MB for the lab. A file read
back from the system's cache costs next to nothing, and memory stays the same for more images."""


class Passes:
    """Streams sets through the prefix of one network, and through the suffix of each target.

    :meth:`first` comes first: what it gives tells which engines are to be set.

    Parameters
    ----------
    networks : sequence of Network
        The network under test, cut for one layer or for several.
    deciders : sequence of str
        Sets whose activations decide orders, the validation set first; theirs are kept.
    memory : int
        Bytes that the sweep may hold; :data:`KEPT` says how many of them are kept activations.
    rank_on : {"cut", "prune"}
        Whose mean activation orders the channels.
    extremes : bool
        Whether orders need the maxima and zeros of the activations.
    steps : list of list of int
        For each target, the steps whose classes are kept, to be verified.
    progress : tqdm
        Counts the images.

    Attributes
    ----------
    targets : list of Target
        One for each of `networks`.
    batch, chunk : int
        Images per call of the prefix, and per chunk; see :mod:`fastprune.networks.batching`.
    """

    def __init__(
        self,
        networks: Sequence[Network],
        *,
        deciders: Sequence[str],
        memory: int,
        rank_on: str = "cut",
        extremes: bool = False,
        steps: Sequence[list[int]],
        progress: Any,
    ) -> None:
        kept = memory // (KEPT * len(deciders) * len(networks))
        self.targets = [Target.of(network, deciders, kept) for network in networks]
        self.rank_on, self.extremes = rank_on, extremes
        self.steps, self.progress = steps, progress
        self.batch, self.chunk = sizes(networks, memory)
        self._first: Any = None
        start = networks[0].graph.input
        outputs = [tensor for network in networks for tensor in network.kept]
        self._prefix = batched(start, outputs, self.batch)
        # Two networks, so that only the validation pass pays for the prune layer's output.
        ranked = [network.cut.prune.output for network in networks]
        self._ranked = (
            batched(start, outputs + ranked, self.batch) if rank_on == "prune" else self._prefix
        )

    @property
    def workers(self) -> int:
        """Threads: one more than there are cores, so that none waits while results are counted."""
        threaded = all(target.engine.threaded for target in self.targets)
        return machine.cores() + 1 if threaded or backend.calls_at_once() > 1 else 1

    def first(self, images: ImageSet) -> list[list[Any]]:
        """Return what is kept of the validation set's first chunk, for each target.

        It is held until the chunk's turn comes: the prefix runs once per image.
        """
        chunk = images.take(np.arange(min(self.chunk, len(images))))
        self._first = self._ranked(chunk.images)
        return self._by_target(self._first)

    def statistics(self, images: ImageSet) -> list[ActivationStatistics]:
        """Run the prefix on a set that decides orders; keep its cut activations."""
        self.progress.set_description(f"{images.name}: prefix")
        statistics = [
            ActivationStatistics(
                target.network.n_channels, extremes=self.extremes,
                places=None if self.rank_on == "prune" else target.network.cut.places,
            )
            for target in self.targets
        ]  # fmt: skip
        first, self._first = self._first, None

        def work(chunk: Chunk) -> tuple[list[Block], list[Any]]:
            known = first is not None and chunk.start == 0
            output = first if known else self._ranked(chunk.images)
            kept = self._by_target(output)
            on_cut = [values[0] for values in kept]
            ranked = output[-len(kept) :] if self.rank_on == "prune" else on_cut
            return self._blocks(kept), ranked

        with closing(images.chunks(self.chunk)) as chunks:
            for blocks, ranked in in_order(work, chunks, self.workers):
                for target, one, block, values in zip(
                    self.targets, statistics, blocks, ranked, strict=True
                ):
                    one.add(values)
                    target.stores[images.name].append(block)
                self.progress.update(blocks[0].images)
        return statistics

    def count(self, images: ImageSet) -> list[list[Tally]]:
        """Count a set at every step of every order of each target; let go of what was kept."""
        kept = images.name in self.targets[0].stores
        return self.count_kept(images) if kept else self.count_streamed(images)

    def count_kept(self, images: ImageSet) -> list[list[Tally]]:
        """Count a set from its kept activations, one target after another; let go of them."""
        found = []
        for index, target in enumerate(self.targets):
            store = target.stores[images.name]
            found += self._tallies(images, ([block] for block in store), [index])
            store.close()
        return found

    def count_streamed(self, images: ImageSet) -> list[list[Tally]]:
        """Stream a set through prefix and suffixes and count it."""
        with closing(images.chunks(self.chunk)) as chunks:
            return self._tallies(images, chunks, range(len(self.targets)))

    def close(self) -> None:
        """Let go of all kept activations."""
        for target in self.targets:
            for store in target.stores.values():
                store.close()

    def _by_target(self, output: Sequence[Any]) -> list[list[Any]]:
        """Part what the prefix gives of a chunk into what is kept for each target."""
        rest = iter(output)
        return [[next(rest) for _ in target.network.kept_shapes] for target in self.targets]

    def _blocks(self, kept: Sequence[Sequence[Any]]) -> list[Block]:
        return [
            target.engine.block(*values)
            for target, values in zip(self.targets, kept, strict=True)
        ]  # fmt: skip

    def _tallies(
        self, images: ImageSet, items: Iterable[Any], indices: Sequence[int]
    ) -> list[list[Tally]]:
        """Evaluate chunks of images, or lists of blocks, under every order, and count.

        A worker takes an item all the way: what its prefix gave is still in the core's cache when
        its suffix begins. Neither TensorFlow nor compiled loops hold Python's lock.
        """
        targets = [self.targets[index] for index in indices]
        self.progress.set_description(f"{images.name}: {targets[0].network.n_channels + 1} steps")
        tallies = [
            [
                Tally.of(images, target.network.n_channels, target.network.n_classes, steps)
                for _ in target.orders
            ]
            for target, steps in zip(targets, (self.steps[index] for index in indices), strict=True)
        ]

        def work(item: Any) -> list[list[Steps]]:
            kept = self._by_target(self._prefix(item.images)) if isinstance(item, Chunk) else None
            found = []
            for index, target in enumerate(targets):
                block = item[index] if kept is None else target.engine.block(*kept[index])
                found.append([target.engine.classes(block, order) for order in target.orders])
            return found

        start = 0
        where = targets[0].network.where
        for by_target in in_order(work, items, self.workers):
            for by_order, own in zip(by_target, tallies, strict=True):
                for steps, tally in zip(by_order, own, strict=True):
                    refuse_unusable(steps.unusable, start, images.name, where)
                    tally.add(steps, start)
            count = by_target[0][0].classes.shape[1]
            start += count
            self.progress.update(count)
        return tallies
