"""Any suffix, on CPU or GPU: plain Keras, for the pairs of image and step that change anything."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastprune.runtime import backend
from fastprune.suffix import kernels
from fastprune.suffix.engine import TOLERANCE, Block, Steps, fill_down, ranks

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
        steps, images = (part.astype(np.int32) for part in np.nonzero(changes))
        found = np.empty(len(steps), np.int32)
        near = np.empty(len(steps), bool)
        for start in range(0, len(steps), self.pairs):
            part = slice(start, min(start + self.pairs, len(steps)))
            found[part], near[part] = self.pairs_of(cut, images[part], steps[part], rank)
        classes = np.zeros((channels + 1, block.images), np.int32)
        near_ties = np.zeros((channels + 1, block.images), bool)
        classes[steps, images], near_ties[steps, images] = found, near
        return Steps(fill_down(classes, changes), fill_down(near_ties, changes))

    def pairs_of(
        self, cut: Any, images: NDArray[np.int32], steps: NDArray[np.int32], rank: NDArray[np.int32]
    ) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
        """Evaluate pairs of image and step: classes and near-ties, shape (pairs,) each."""
        count = len(images)
        if backend.fixed_shapes():
            size = min(self.pairs, max(16, 1 << (count - 1).bit_length()))
            images, steps = (np.resize(part, size) for part in (images, steps))
        found, near = self._evaluate(cut, images, steps, rank)
        return backend.to_numpy(found)[:count], backend.to_numpy(near)[:count]

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
    """Return the class of each row of scores and whether it is a near-tie, as tensors.

    A near-tie: another score within :data:`TOLERANCE` times the largest absolute score of the best,
    or a score that is no number.
    """
    from keras import ops

    size = ops.max(ops.abs(scores), axis=1, keepdims=True)
    close = scores >= ops.max(scores, axis=1, keepdims=True) - TOLERANCE * size
    near = ops.not_equal(ops.sum(ops.cast(close, "int32"), axis=1), 1)
    odd = ops.logical_not(ops.all(ops.isfinite(scores), axis=1))
    # numpy's argmax, which plain Keras users take, gives the first that is no number.
    ranked = ops.where(ops.isnan(scores), float("inf"), scores)
    return ops.argmax(ranked, axis=1), ops.logical_or(near, odd)


def _values_per_image(suffix: Any) -> int:
    """Return how many values one image's pass through a suffix keeps at a time, at most.

    Scores are looked at four times: as logits, softmax, ranked and compared.
    """
    sizes = [int(np.prod(layer.output.shape[1:])) for layer in suffix.layers]
    return 4 * max(sizes) + max(int(np.prod(suffix.input.shape[1:])), 1)
