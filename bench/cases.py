"""What is measured: one function per side, all on the same files, and one table of them.

A case gets a :class:`Job` and returns what it counted. It runs in a process of its own, which takes
time and memory around it (:mod:`bench.child`). Everything but fastprune's own sides is plain
Keras, h5py and numpy, written as a user of these would write it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

TUNED_BATCH = 512

MEMORY = 256 << 20
"""Bytes that a sweep may hold unless told otherwise."""

Hits = dict[str, dict[int, int]]
"""Set name to ``n_pruned`` to images in the class of their label."""


@dataclass(frozen=True)
class Job:
    """What a case works on.

    Attributes
    ----------
    network : fastprune.networks.network.Network
        The loaded network; ``network.model`` is the plain Keras model.
    sets : dict of str to (str, Path)
        Name to kind (``clean`` or ``backdoored``) and HDF5 file, the validation set first.
    options : dict
        ``steps``: which steps to measure; ``engine`` and ``orders`` for fastprune, and a file,
        ``order_to``, for the order that it found; what :mod:`bench.layer_cases` takes besides.
    """

    network: Any
    sets: dict[str, tuple[str, Path]]
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def all_steps(self) -> range:
        """Every ``n_pruned``."""
        return range(self.network.n_channels + 1)

    @property
    def steps(self) -> list[int]:
        """The steps to measure: those asked for, or all."""
        return list(self.options.get("steps") or self.all_steps)


@dataclass(frozen=True)
class Outcome:
    """What a case found.

    Attributes
    ----------
    hits : dict
        Hits per set and step.
    near_ties : dict
        Near-ties per set and step, where the case counts them.
    seconds : float or None
        The time, where it is extrapolated from a sample of the steps; None: take the clock's.
    about : dict
        What else is worth keeping.
    """

    hits: Hits = field(default_factory=dict)
    near_ties: Hits = field(default_factory=dict)
    seconds: float | None = None
    about: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """One side of the comparison: its letter, its function and what it does, in words."""

    letter: str
    run: Callable[[Job], Outcome]
    words: str


def load_whole(path: Path) -> tuple[NDArray[np.float64], NDArray[Any]]:
    """Load a set as the lab's ``eval.py`` does: whole, in the file's dtype, transposed."""
    import h5py

    with h5py.File(path, "r") as file:
        data = np.array(file["data"])
        label = np.array(file["label"])
    return data.transpose((0, 2, 3, 1)), label


def streamed(path: Path, shape: tuple[int, ...], batch: int = TUNED_BATCH) -> tuple[Any, Any]:
    """Return a set as float32 batches in a ``tf.data.Dataset``, read ahead, and its labels."""
    import h5py
    import tensorflow as tf

    file = h5py.File(path, "r")
    data, label = file["data"], file["label"][()].reshape(-1)

    def read(index: Any) -> NDArray[np.float32]:
        start = int(index) * batch
        return data[start : start + batch].transpose((0, 2, 3, 1)).astype(np.float32)

    def load(index: Any) -> Any:
        images = tf.numpy_function(read, [index], tf.float32, stateful=False)
        return tf.ensure_shape(images, (None, *shape))

    n_batches = -(-len(label) // batch)
    return tf.data.Dataset.range(n_batches).map(load, num_parallel_calls=1).prefetch(2), label


def count(scores: NDArray[np.float32], label: NDArray[Any]) -> int:
    """Return how many images are in the class of their label."""
    return int(np.sum(np.argmax(scores, axis=1) == label.reshape(-1)))


def zeroed(job: Job, order: NDArray[np.int64]) -> Iterator[tuple[int, float]]:
    """Zero kernel and bias of the prune layer step after step; yield the step and when it began."""
    layer = job.network.model.get_layer(job.network.cut.prune.name)
    before = layer.get_weights()
    try:
        for step in job.steps:
            start = time.perf_counter()
            weights = [weight.copy() for weight in before]
            for weight in weights:
                weight[..., order[:step]] = 0
            layer.set_weights(weights)
            yield step, start
    finally:
        layer.set_weights(before)


def extrapolated(job: Job, fixed: float, spent: list[float], hits: Hits) -> Outcome:
    """Return an outcome whose time stands for all steps."""
    seconds = fixed + float(np.mean(spent)) * len(job.all_steps)
    about = {"steps_measured": len(spent), "steps": len(job.all_steps), "fixed_seconds": fixed}
    return Outcome(hits, seconds=seconds, about=about)


def notebook(job: Job) -> Outcome:
    """Load the sets whole; zero, then ``predict`` with Keras's defaults, for every step (a)."""
    begin = time.perf_counter()
    loaded = {name: load_whole(path) for name, (_, path) in job.sets.items()}
    images, _ = loaded[next(iter(loaded))]
    activations = job.network.prefix.predict(images, verbose=0)
    order = np.argsort(activations.mean(axis=tuple(range(activations.ndim - 1))), kind="stable")
    del activations
    fixed, spent = time.perf_counter() - begin, []
    hits: Hits = {name: {} for name in loaded}
    for step, start in zeroed(job, order):
        for name, (images, label) in loaded.items():
            hits[name][step] = count(job.network.model.predict(images, verbose=0), label)
        spent.append(time.perf_counter() - start)
    return extrapolated(job, fixed, spent, hits)


def evaluate(job: Job) -> Outcome:
    """Pass once over all sets as the lab's ``eval.py``: two at a time, whole, batches of 32 (b)."""
    hits: Hits = {}
    names = list(job.sets)
    for first in range(0, len(names), 2):
        pair = {name: load_whole(job.sets[name][1]) for name in names[first : first + 2]}
        for name, (images, label) in pair.items():
            hits[name] = {0: count(job.network.model.predict(images, verbose=0), label)}
    return Outcome(hits)


def tuned(job: Job) -> Outcome:
    """Pass once over all sets with tuned Keras: streamed, float32, 512 images a batch (c)."""
    hits: Hits = {}
    for name, (_, path) in job.sets.items():
        batches, label = streamed(path, job.network.input_shape)
        hits[name] = {0: count(job.network.model.predict(batches, verbose=0), label)}
    return Outcome(hits)


def prefix(job: Job) -> Outcome:
    """Run the prefix alone, streamed as fastprune streams: what no sweep can save (d)."""
    from fastprune.networks.batching import batched, sizes
    from fastprune.runtime import backend, machine
    from fastprune.runtime.parallel import in_order
    from fastprune.sets.image_set import ImageSet

    network = job.network
    batch, size = sizes([network], MEMORY)
    run, last = batched(network.graph.input, [network.cut.layer.output], batch), 0.0
    for name, (_, path) in job.sets.items():
        shape, classes = network.input_shape, network.n_classes
        with ImageSet(name, path, input_shape=shape, n_classes=classes) as images:
            chunks = images.chunks(size)
            for (cut,) in in_order(lambda chunk: run(chunk.images), chunks, machine.cores() + 1):
                last = float(backend.to_numpy(cut[:1]).flat[0])
    return Outcome(about={"batch_size": batch, "last": last})


def cached(job: Job) -> Outcome:
    """Keep cut activations in memory; run the plain Keras suffix on them for every step (e)."""
    network, begin = job.network, time.perf_counter()
    kept = {}
    for name, (_, path) in job.sets.items():
        batches, label = streamed(path, network.input_shape)
        kept[name] = network.prefix.predict(batches, verbose=0), label
    valid = kept[next(iter(kept))][0]
    means = valid.reshape(-1, network.n_channels).mean(axis=0, dtype=np.float64)
    order = np.argsort(means, kind="stable")
    fixed, spent = time.perf_counter() - begin, []
    hits: Hits = {name: {} for name in kept}
    for step in job.steps:
        start = time.perf_counter()
        for name, (cut, label) in kept.items():
            cut[..., order[:step]] = network.pruned_value[..., order[:step]]
            scores = network.suffix.predict(cut, batch_size=TUNED_BATCH, verbose=0)
            hits[name][step] = count(scores, label)
        spent.append(time.perf_counter() - start)
    return extrapolated(job, fixed, spent, hits)


def sweep(job: Job) -> Outcome:
    """Sweep with fastprune: every count at every step of every order on every set (f)."""
    import fastprune

    chosen = {kind: {} for kind in ("clean", "backdoored")}
    valid, *others = job.sets
    for name in others:
        kind, path = job.sets[name]
        chosen[kind][name] = path
    found = fastprune.sweep_orders(
        job.network, valid=job.sets[valid][1], valid_name=valid, **chosen,
        orders=ORDERS[: job.options.get("orders", 1)], engine=job.options.get("engine", "auto"),
    )  # fmt: skip
    first = found[0]
    if "order_to" in job.options:
        np.save(job.options["order_to"], first.order)
    counts = {name: one.counts for name, one in first.sets.items()}
    about = {"engine": first.options["engine_used"], "batch_size": first.options["batch_size"]}
    about["phases"] = dict(first.seconds)
    about["orders"] = len(found)
    hits = {name: dict(enumerate(one.hits.tolist())) for name, one in counts.items()}
    ties = {name: dict(enumerate(one.near_ties.tolist())) for name, one in counts.items()}
    return Outcome(hits, ties, about=about)


ORDERS = ("ascending", "descending", "random:1", "random:2", "random:3")


def reference(job: Job) -> Outcome:
    """Ask the oracle, plain Keras on whole zeroed networks, at a few steps; never timed."""
    from fastprune import reference as oracle

    hits: Hits = {}
    order = None
    for name, (_, path) in job.sets.items():
        images, label = load_whole(path)
        pixels = np.ascontiguousarray(images, np.float32)
        del images
        if order is None:
            order = oracle.order(job.network.prefix.predict(pixels, batch_size=256, verbose=0))
        layer = job.network.cut.prune.name
        hits[name] = {}
        for step in job.steps:
            found = oracle.classes(job.network.model, layer, order[:step], pixels)
            hits[name][step] = int(np.sum(found == label.reshape(-1)))
    return Outcome(hits)


CASES = {
    "notebook": Case("a", notebook, "notebook loop: load whole, zero and `predict` per step"),
    "eval": Case("b", evaluate, "one `eval.py`-style pass: load whole, `predict`"),
    "tuned": Case("c", tuned, "one tuned Keras pass: streamed, float32, batch 512"),
    "prefix": Case("d", prefix, "the prefix alone, streamed"),
    "cached": Case("e", cached, "cut activations kept, plain Keras suffix per step"),
    "sweep": Case("f", sweep, "fastprune, engine chosen by itself"),
    "sweep_keras": Case("f", sweep, "fastprune, Keras engine"),
    "sweep_orders": Case("f", sweep, "fastprune, five orders in one sweep"),
    "reference": Case("", reference, "oracle, for comparison only"),
}
"""Every case by its name."""
