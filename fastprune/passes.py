"""Passes over the images: prefix once, suffix at every step, counts."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastprune import backend, machine
from fastprune.activations import CutStore
from fastprune.dataset import Chunk, ImageSet
from fastprune.metrics import Counts
from fastprune.network import Network
from fastprune.ranking import MeanActivation
from fastprune.suffix.engine import Block, Engine, Steps

SAMPLES = 8
"""Images of each set that are kept for the plots."""

TURN = 4
"""Blocks per core that the suffix evaluates before the prefix goes on."""


@dataclass(eq=False)
class Tally:
    """What is counted of one set under one order while its chunks go by.

    Attributes
    ----------
    counts : Counts
        Counts of the chunks seen.
    samples : ndarray of int64, shape (samples,)
        Indices of the sample images.
    sample_classes : ndarray of int64, shape (n_channels + 1, samples)
        Their classes at every step.
    steps : list of int
        Steps whose classes are kept, to be verified.
    classes, near_ties : ndarray of int32 and bool, shape (len(steps), images)
        Class of every image at those steps, and whether it is a near-tie.
    """

    counts: Counts
    samples: NDArray[np.int64]
    sample_classes: NDArray[np.int64]
    steps: list[int]
    classes: NDArray[np.int32]
    near_ties: NDArray[np.bool_]

    @classmethod
    def of(cls, images: ImageSet, n_channels: int, steps: list[int]) -> Tally:
        """Return an empty tally of a set."""
        samples = np.unique(np.linspace(0, len(images) - 1, SAMPLES).round().astype(np.int64))
        return cls(
            counts=Counts.empty(n_channels),
            samples=samples,
            sample_classes=np.zeros((n_channels + 1, len(samples)), np.int64),
            steps=steps,
            classes=np.zeros((len(steps), len(images)), np.int32),
            near_ties=np.zeros((len(steps), len(images)), bool),
        )

    def add(self, found: Steps, start: int, labels: NDArray[np.int64]) -> None:
        """Count the chunk of images that begins at `start`."""
        stop = start + len(labels)
        chunk = Counts.of(found.classes, labels, found.near_ties.sum(axis=1))
        self.counts = self.counts.merge(chunk)
        inside = (self.samples >= start) & (self.samples < stop)
        self.sample_classes[:, inside] = found.classes[:, self.samples[inside] - start]
        self.classes[:, start:stop] = found.classes[self.steps]
        self.near_ties[:, start:stop] = found.near_ties[self.steps]


class Passes:
    """Streams sets through prefix and suffix.

    Parameters
    ----------
    network : Network
        The network under test.
    engine : Engine
        Evaluates its suffix.
    rank_on : {"cut", "prune"}
        Whose mean activation orders the channels.
    size : int
        Images per batch.
    budget : int
        Bytes of kept cut activations that may stay in memory.
    steps : list of int
        Steps whose classes are kept, to be verified.
    progress : tqdm
        Counts the images.
    """

    def __init__(
        self,
        network: Network,
        engine: Engine,
        rank_on: str,
        size: int,
        budget: int,
        steps: list[int],
        progress: Any,
    ) -> None:
        self.network, self.engine, self.size = network, engine, size
        self.steps, self.progress, self.rank_on = steps, progress, rank_on
        self.store = CutStore(budget, network.pruned_value)
        signature = (((None, *network.input_shape), "float32"),)
        self._prefix = _compiled(network.prefix, signature)
        # Two networks, so that only the validation pass pays for the prune layer's output.
        self._ranked = (
            _compiled(network.prefix_and_prune, signature) if rank_on == "prune" else self._prefix
        )

    def validation(self, images: ImageSet) -> NDArray[np.float64]:
        """Run the prefix on the validation set, keep its cut activations, return the means."""
        self.progress.set_description(f"{images.name}: prefix")
        ranker = MeanActivation(self.network.n_channels)
        for chunk in images.chunks(self.size):
            output = self._run(self._ranked, chunk)
            cut, ranked = output if self.rank_on == "prune" else (output, output)
            ranker.add(ranked)
            self.store.append(self.engine.block(cut))
            self.progress.update(len(chunk.labels))
        return ranker.means

    def kept(self, images: ImageSet, orders: list[NDArray[np.int64]]) -> list[Tally]:
        """Count the validation set at every step of every order, from its kept activations."""
        return self._count(images, iter(self.store), orders)

    def once(self, images: ImageSet, orders: list[NDArray[np.int64]]) -> list[Tally]:
        """Stream a set through once and count it at every step of every order."""
        blocks = (
            self.engine.block(self._run(self._prefix, chunk)) for chunk in images.chunks(self.size)
        )
        return self._count(images, blocks, orders)

    def _run(self, prefix: Any, chunk: Chunk) -> Any:
        """Run a prefix on a chunk; a ragged last one is padded where shapes are compiled in."""
        count = len(chunk.labels)
        if count == self.size or not backend.fixed_shapes():
            return prefix(chunk.images)
        padded = np.resize(chunk.images, (self.size, *chunk.images.shape[1:]))
        output = prefix(padded)
        return [part[:count] for part in output] if isinstance(output, list) else output[:count]

    def _count(
        self, images: ImageSet, blocks: Iterator[Block], orders: list[NDArray[np.int64]]
    ) -> list[Tally]:
        self.progress.set_description(f"{images.name}: {len(orders[0])} steps")
        tallies = [Tally.of(images, self.network.n_channels, self.steps) for _ in orders]
        start = 0
        for found in self._all_steps(blocks, orders):
            count = found[0].classes.shape[1]
            labels = images.labels[start : start + count]
            for tally, steps in zip(tallies, found, strict=True):
                tally.add(steps, start, labels)
            start += count
            self.progress.update(count)
        return tallies

    def _all_steps(
        self, blocks: Iterator[Block], orders: list[NDArray[np.int64]]
    ) -> Iterator[list[Steps]]:
        """Evaluate blocks under every order, in order.

        Compiled loops hold no lock: several blocks run side by side, one a core. They take turns
        with the prefix, which fills all cores by itself.
        """
        if not self.engine.threaded:
            for block in blocks:
                yield [self.engine.classes(block, order) for order in orders]
            return
        workers = machine.cores()
        with ThreadPoolExecutor(workers, "fastprune-suffix") as pool:
            while group := list(islice(blocks, TURN * workers)):
                jobs = [(block, order) for block in group for order in orders]
                found = list(pool.map(self.engine.classes, *zip(*jobs, strict=True)))
                for start in range(0, len(found), len(orders)):
                    yield found[start : start + len(orders)]


def _compiled(model: Any, signature: Any) -> Any:
    return backend.compiled(lambda images: model(images, training=False), signature=signature)
