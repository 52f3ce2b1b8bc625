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
    NO_NUMBER,
    TOLERANCE,
    Block,
    Steps,
    fill_down,
    first_unusable,
    ranks,
)

PAIRS = 4096
"""Pairs of image and step per call of the suffix at most: fills a CPU's caches."""


class KerasEngine:
    """Evaluates a suffix with Keras alone.

    Every pair of an image and a step whose channel holds its pruned value on that image is left
    out: the class is that of the step before. The others are masked where the activations lie and
    evaluated in blocks that mix steps; only classes come back.

    Parameters
    ----------
    suffix : keras.Model
        Cut activations to class scores.
    pruned : ndarray of float32
        What the cut layer gives when every channel is pruned, shape of one image's cut.
    memory : int
        Bytes that a block of pairs may take.
    """

    name = "keras"
    threaded = False

    def __init__(self, suffix: Any, pruned: NDArray[np.float32], *, memory: int = 64 << 20) -> None:
        import keras

        self.pruned = pruned
        self.pairs = max(16, min(PAIRS, memory // (4 * _values_per_image(suffix))))
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
        """Return what is kept of a chunk's cut activations: the tensor as it is."""
        return Block(cut, None, len(cut))

    def classes(self, block: Block, order: NDArray[np.int64]) -> Steps:
        """Return the class of every image of `block` at every step of `order`."""
        cut = block.values
        awake = self._awake(cut)
        channels = len(order)
        rank = ranks(order)
        changes = np.ones((channels + 1, block.images), bool)
        changes[1:] = awake[:, order].T
        changes[-1, 1:] = False  # without any channel all images look the same
        steps, images = (part.astype(np.int32) for part in np.nonzero(changes))
        found = np.empty(len(steps), np.int32)
        states = np.empty(len(steps), np.int32)
        for start in range(0, len(steps), self.pairs):
            part = slice(start, min(start + self.pairs, len(steps)))
            found[part], states[part] = self.pairs_of(cut, images[part], steps[part], rank)
        classes = np.zeros((channels + 1, block.images), np.int32)
        near_ties = np.zeros((channels + 1, block.images), bool)
        classes[steps, images], near_ties[steps, images] = found, states > 0
        unusable = first_unusable(images, steps, states)
        classes, near_ties = fill_down(classes, changes), fill_down(near_ties, changes)
        classes[-1], near_ties[-1] = classes[-1, 0], near_ties[-1, 0]
        return Steps(classes, near_ties, unusable)

    def pairs_of(
        self, cut: Any, images: NDArray[np.int32], steps: NDArray[np.int32], rank: NDArray[np.int32]
    ) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Evaluate pairs of image and step: classes and states, shape (pairs,); see `decide`."""
        count = len(images)
        if backend.fixed_shapes():
            size = min(self.pairs, max(16, 1 << (count - 1).bit_length()))
            images, steps = (np.resize(part, size) for part in (images, steps))
        found, states = self._evaluate(cut, images, steps, rank)
        return backend.to_numpy(found)[:count], backend.to_numpy(states)[:count]

    def _awake(self, cut: Any) -> NDArray[np.bool_]:
        """Return which channels differ from their pruned value, bool (images, channels)."""
        import keras

        if backend.on_accelerator():
            differs = keras.ops.not_equal(cut, self.pruned)
            axes = tuple(range(1, self.pruned.ndim))
            return backend.to_numpy(keras.ops.any(differs, axis=axes) if axes else differs)
        host = np.ascontiguousarray(backend.to_numpy(cut)).reshape(len(cut), *self._flat.shape)
        awake = np.empty((len(host), host.shape[-1]), bool)
        kernels.awake_pairs(host, self._flat, awake)
        return awake


def decide(scores: Any) -> tuple[Any, Any]:
    """Return the class of each row of scores and what the scores are, as tensors.

    A near-tie: another score within :data:`TOLERANCE` times the largest absolute score of the best.
    Two classes that are that close are a near-tie like any other, not all equal.

    Returns
    -------
    classes, states : tensor of int32, shape (rows,)
        States are :data:`CLEAR`, :data:`NEAR_TIE`, :data:`ALL_EQUAL` or :data:`NO_NUMBER`.
    """
    from keras import ops

    best = ops.max(scores, axis=1, keepdims=True)
    size = ops.max(ops.abs(scores), axis=1, keepdims=True)
    close = ops.sum(ops.cast(scores >= best - TOLERANCE * size, "int32"), axis=1)
    several = ops.where(close == max(scores.shape[1], 3), ALL_EQUAL, NEAR_TIE)
    states = ops.where(close == 1, CLEAR, several)
    finite = ops.all(ops.isfinite(scores), axis=1)
    return ops.argmax(scores, axis=1), ops.where(finite, states, NO_NUMBER)


def _values_per_image(suffix: Any) -> int:
    """Return how many values one image's pass through a suffix keeps at a time, at most.

    Scores are looked at four times: as logits, softmax, ranked and compared.
    """
    sizes = [int(np.prod(layer.output.shape[1:])) for layer in suffix.layers]
    return 4 * max(sizes) + max(int(np.prod(suffix.input.shape[1:])), 1)
