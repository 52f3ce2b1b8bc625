"""How many images go through a network at a time.

A chunk is what is read, counted and handed from thread to thread at a time; a batch is what one
call of the network takes. A batch is small, so that what its layers pass on stays in the cache; a
chunk has several, since every chunk costs about a millisecond of Python.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fastprune.networks.graph import Call
from fastprune.networks.network import Network
from fastprune.runtime import backend, machine

WORKING_SET = 4 << 20
"""Bytes of the widest layer's input and output per batch and core: 16 images of the lab."""

MOST_CORES = 4
"""Cores that a batch is made for where TensorFlow spreads a call over all of them."""

CHUNK = 3 << 20
"""Bytes of a chunk: 96 images of the lab."""

CHUNKS_HELD = 6
"""How many chunks are read, computed and counted at a time."""


def sizes(networks: Sequence[Network], memory: int) -> tuple[int, int]:
    """Return how many images make a batch and a chunk of a sweep.

    Parameters
    ----------
    networks : sequence of Network
        The same network cut at one layer or several. Its widest layer limits the batch, its images
        and all that is kept of them the chunk.
    memory : int
        Bytes that fastprune may hold; little of it makes both smaller.
    """
    graph, held = networks[0].graph, networks[0].input_shape
    kept = sum(values_kept(network) for network in networks)
    batch = batch_size(graph.calls, graph.input, working_set=min(WORKING_SET, memory // 16))
    return batch, chunk_size(batch, held, (kept,), size=min(CHUNK, memory // 64))


def values_kept(network: Network) -> int:
    """Return how many values are kept of an image: its cut activations and side tensors."""
    return sum(math.prod(shape) for shape in network.kept_shapes)


def groups(networks: Sequence[Network], memory: int) -> list[list[Network]]:
    """Return which cuts of a network share a pass over the images: as many as memory allows.

    Parameters
    ----------
    networks : sequence of Network
        The same network cut at several layers.
    memory : int
        Bytes that fastprune may hold. What is kept of the chunks that are held at a time, a batch
        each, takes no more than half of it, unless it is that of a single cut.
    """
    batch, _ = sizes(networks[:1], memory)
    limit = memory // (2 * 4 * batch * CHUNKS_HELD)
    found: list[list[Network]] = []
    room = 0
    for network in networks:
        values = values_kept(network)
        if not found or values > room:
            found.append([])
            room = limit
        found[-1].append(network)
        room -= values
    return found


def batch_size(calls: Sequence[Call], start: Any, *, working_set: int = WORKING_SET) -> int:
    """Return a batch size: a multiple of 32 up to 1024, or 16.

    Parameters
    ----------
    calls : sequence of Call
        The calls that run.
    start : KerasTensor
        What goes in.
    working_set : int
        Bytes that the widest layer's input and output may take per core of a call; 32 times that
        on an accelerator.
    """
    sizes = {id(start): int(np.prod(start.shape[1:]))}
    widest = sizes[id(start)]
    for call in calls:
        sizes[id(call.output)] = int(np.prod(call.output.shape[1:]))
        inputs = sum(sizes.get(id(tensor), 0) for tensor in call.inputs)
        widest = max(widest, inputs + sizes[id(call.output)])
    if backend.on_accelerator():
        working_set *= 32
    elif backend.calls_at_once() == 1:
        working_set *= min(machine.cores(), MOST_CORES)
    fitting = working_set // (4 * widest)
    return min(1024, max(16, fitting - fitting % 32))


def chunk_size(batch: int, *shapes: Sequence[int], size: int = CHUNK) -> int:
    """Return how many images make a chunk: whole batches, at least one.

    One on an accelerator, where batches are large and what they give stays on the device.

    Parameters
    ----------
    batch : int
        Images per batch.
    *shapes : sequence of int
        Shapes of what is held of an image, one after another, such as its pixels and its cut.
    size : int
        Bytes that the largest of them may take, as float32.
    """
    if backend.on_accelerator():
        return batch
    values = max(int(np.prod(shape)) for shape in shapes)
    return batch * max(1, size // (4 * batch * values))


def batched(start: Any, outputs: Sequence[Any], batch: int) -> Callable[[Any], list[Any]]:
    """Return a part of a network compiled, as a call that takes a chunk batch by batch.

    Parameters
    ----------
    start : KerasTensor
        What goes in.
    outputs : sequence of KerasTensor
        What comes out, in a list.
    batch : int
        Images per call.
    """
    import keras

    model = keras.Model(start, list(outputs))

    def run(images: Any) -> list[Any]:
        return list(keras.tree.flatten(model(images, training=False)))

    call = backend.compiled(run, signature=(((None, *start.shape[1:]), "float32"),))
    return lambda images: in_batches(call, images, batch)


def in_batches(call: Callable[[Any], Any], images: Any, batch: int) -> Any:
    """Run a compiled network on a chunk, batch by batch.

    Parameters
    ----------
    call : callable
        Takes images, returns a tensor or a list of tensors, a row per image.
    images : ndarray of float32, shape (images, …)
        The chunk.
    batch : int
        Images per batch; a ragged last one is padded where shapes are compiled in.

    Returns
    -------
    tensor, ndarray, or a list of either
        What `call` returns, of all images.
    """
    parts = []
    for start in range(0, len(images), batch):
        part = images[start : start + batch]
        count = len(part)
        if count == batch or not backend.fixed_shapes():
            parts.append(call(part))
            continue
        found = call(np.resize(part, (batch, *part.shape[1:])))
        parts.append([item[:count] for item in found] if isinstance(found, list) else found[:count])
    if len(parts) == 1:
        return parts[0]
    if isinstance(parts[0], list):
        return [_joined(pieces) for pieces in zip(*parts, strict=True)]
    return _joined(parts)


def _joined(pieces: Sequence[Any]) -> Any:
    return np.concatenate([backend.to_numpy(piece) for piece in pieces])
