"""Any suffix, on CPU or GPU: plain Keras, for the pairs of image and step that change anything."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastprune.runtime import backend
from fastprune.suffix import kernels
from fastprune.suffix.engine import (
    ALL_EQUAL,
    CLEAR,
    NEAR_TIE,
    NOT_FINITE,
    TOLERANCE,
    Block,
    Steps,
    fill_down,
    first_unusable,
    ranks,
)

LARGEST_BATCH = 4096
"""Pairs of image and step per call of the suffix at most: fills a CPU's caches."""


class KerasEngine:
    """Evaluates a suffix with Keras alone.

    Every pair of an image and a step whose channel holds its pruned value on that image is left
    out: the class is that of the step before. The others are masked where the activations lie and
    evaluated in batches that mix steps; only classes come back.

    Parameters
    ----------
    suffix : keras.Model
        Cut activations to class scores.
    pruned : ndarray of float32
        What the cut layer gives when every channel is pruned, shape of one image's cut.
    memory : int
        Bytes that a batch of pairs may take.

    Attributes
    ----------
    pruned : ndarray of float32
        As given.
    batch : int
        Pairs of image and step per call of the suffix.
    """

    name = "keras"
    threaded = False

    def __init__(self, suffix: Any, pruned: NDArray[np.float32], *, memory: int = 64 << 20) -> None:
        import keras

        self.pruned = pruned
        self.batch = max(16, min(LARGEST_BATCH, memory // (4 * _values_per_image(suffix))))
        self._flat = pruned.reshape(-1, pruned.shape[-1])
        ops = keras.ops

        def evaluate(cut: Any, images: Any, steps: Any, rank: Any) -> tuple[Any, Any]:
            # A channel is pruned at a step when its place in the order comes before the step.
            keep = ops.expand_dims(rank, 0) >= ops.expand_dims(steps, 1)
            keep = ops.reshape(keep, (-1, *(1,) * (pruned.ndim - 1), pruned.shape[-1]))
            masked = ops.where(keep, ops.take(cut, images, axis=0), pruned)
            return decide(suffix(masked, training=False))

        shapes = ((None, *pruned.shape), "float32"), ((None,), "int32"), ((None,), "int32")
        rank = ((pruned.shape[-1],), "int32")
        self._evaluate = backend.compiled(evaluate, signature=(*shapes, rank))

    def block(self, cut: Any) -> Block:
        """Return what is kept of cut activations: the tensor as it is."""
        return Block(cut, None, len(cut))

    def classes(self, block: Block, order: NDArray[np.int64]) -> Steps:
        """Return the class of every image of `block` at every step of `order`."""
        rank = ranks(order)
        changes = np.ones((len(order) + 1, block.images), bool)
        changes[1:] = self._differs_from_pruned(block.values)[:, order].T
        changes[-1, 1:] = False  # without any channel all images look the same
        steps, images = (indices.astype(np.int32) for indices in np.nonzero(changes))
        classes = np.zeros(changes.shape, np.int32)
        states = np.zeros(changes.shape, np.int32)
        for start in range(0, len(steps), self.batch):
            pairs = slice(start, start + self.batch)
            here = steps[pairs], images[pairs]
            classes[here], states[here] = self.decide_pairs(
                block.values, images[pairs], steps[pairs], rank
            )
        unusable = first_unusable(images, steps, states[steps, images])
        classes, near_ties = fill_down(classes, changes), fill_down(states != CLEAR, changes)
        classes[-1], near_ties[-1] = classes[-1, 0], near_ties[-1, 0]
        return Steps(classes, near_ties, unusable)

    def decide_pairs(
        self, cut: Any, images: NDArray[np.int32], steps: NDArray[np.int32], rank: NDArray[np.int32]
    ) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Evaluate pairs of image and step: classes and states, shape (pairs,); see `decide`."""
        count = len(images)
        if backend.fixed_shapes():
            size = min(self.batch, max(16, 1 << (count - 1).bit_length()))
            images, steps = (np.resize(indices, size) for indices in (images, steps))
        classes, states = self._evaluate(cut, images, steps, rank)
        return backend.to_numpy(classes)[:count], backend.to_numpy(states)[:count]

    def _differs_from_pruned(self, cut: Any) -> NDArray[np.bool_]:
        """Return which channels differ from their pruned value, bool (images, channels)."""
        import keras

        if backend.on_accelerator():
            differs = keras.ops.not_equal(cut, self.pruned)
            axes = tuple(range(1, self.pruned.ndim))
            return backend.to_numpy(keras.ops.any(differs, axis=axes) if axes else differs)
        host = np.ascontiguousarray(backend.to_numpy(cut)).reshape(len(cut), *self._flat.shape)
        differs_from_pruned = np.empty((len(host), host.shape[-1]), bool)
        kernels.pairs_that_differ(host, self._flat, differs_from_pruned)
        return differs_from_pruned


def decide(scores: Any) -> tuple[Any, Any]:
    """Return the class of each row of scores and the scores' state, as tensors.

    A near-tie: another score within :data:`TOLERANCE` times the largest absolute score of the best.
    Two classes that are that close are a near-tie like any other, not all equal.

    Returns
    -------
    classes, states : tensor of int32, shape (rows,)
        States are :data:`CLEAR`, :data:`NEAR_TIE`, :data:`ALL_EQUAL` or :data:`NOT_FINITE`.
    """
    from keras import ops

    best = ops.max(scores, axis=1, keepdims=True)
    size = ops.max(ops.abs(scores), axis=1, keepdims=True)
    close = ops.sum(ops.cast(scores >= best - TOLERANCE * size, "int32"), axis=1)
    several = ops.where(close == max(scores.shape[1], 3), ALL_EQUAL, NEAR_TIE)
    states = ops.where(close == 1, CLEAR, several)
    finite = ops.all(ops.isfinite(scores), axis=1)
    return ops.argmax(scores, axis=1), ops.where(finite, states, NOT_FINITE)


def _values_per_image(suffix: Any) -> int:
    """Return how many values one image's pass through a suffix keeps at a time, at most.

    Scores are looked at four times: as logits, softmax, ranked and compared.
    """
    sizes = [int(np.prod(layer.output.shape[1:])) for layer in suffix.layers]
    return 4 * max(sizes) + max(int(np.prod(suffix.input.shape[1:])), 1)
