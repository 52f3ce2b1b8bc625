"""Any suffix, on CPU or GPU: plain Keras, for the pairs of image and step that change anything."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastprune.networks.network import Network
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
    network : Network
        Whose suffix it is.
    memory : int
        Bytes that a batch of pairs may take.

    Attributes
    ----------
    pruned : ndarray of float32 or None
        What the cut layer gives when every channel is pruned, shape of one image's cut; None where
        it differs from image to image.
    where : ndarray of int64, shape (copies, channels)
        Where each channel of the prune layer lies on the cut's last axis.
    is_plain : bool
        Whether the cut's channels are those of the prune layer as they are.
    side_ids : list of int
        The ``id`` of each side tensor.
    positions : int
        Positions of one image's cut tensor.
    batch : int
        Pairs of image and step per call of the suffix.
    """

    name = "keras"
    threaded = False

    def __init__(self, network: Network, *, memory: int = 64 << 20) -> None:
        import keras

        suffix, shape = network.suffix, network.cut_shape
        self.pruned, self.where = network.pruned_value, network.cut.places
        self.is_plain = network.cut.is_plain
        self.side_ids = [id(side) for side in network.cut.sides]
        self.positions = int(np.prod(shape[:-1], dtype=int))
        self.batch = max(16, min(LARGEST_BATCH, memory // (4 * _values_per_image(suffix))))
        self._sources = network.cut.track.sources
        self._alike = self.pruned is not None and not network.cut.sides
        ops = keras.ops

        def evaluate(cut: Any, *rest: Any) -> tuple[Any, Any]:
            *more, images, steps, rank = rest
            pruned, sides = self.parted(more)
            # A channel is pruned at a step when its place in the order comes before the step.
            keep = ops.expand_dims(rank, 0) >= ops.expand_dims(steps, 1)
            keep = ops.reshape(keep, (-1, *(1,) * (len(shape) - 1), shape[-1]))
            other = self.pruned if pruned is None else ops.take(pruned, images, axis=0)
            masked = ops.where(keep, ops.take(cut, images, axis=0), other)
            beside = [ops.take(side, images, axis=0) for side in sides]
            return decide(suffix([masked, *beside] if beside else masked, training=False))

        kept = [((None, *tensor.shape[1:]), str(tensor.dtype)) for tensor in network.kept]
        pairs = ((None,), "int32"), ((None,), "int32"), ((shape[-1],), "int32")
        self._evaluate = backend.compiled(evaluate, signature=(*kept, *pairs))

    def parted(self, more: Sequence[Any]) -> tuple[Any, tuple[Any, ...]]:
        """Return what is kept beside the cut activations: the pruned track or None, and sides."""
        return (None, tuple(more)) if self.pruned is not None else (more[0], tuple(more[1:]))

    def block(self, cut: Any, *more: Any) -> Block:
        """Return what is kept of cut activations: the tensors as they are."""
        return Block(cut, None, len(cut), *self.parted(more))

    def ranks(self, order: NDArray[np.int64]) -> NDArray[np.int32]:
        """Return the place in an order of each channel of the cut, int32 (channels of the cut,).

        Those that do not depend on the prune layer come last: they are never pruned.
        """
        rank = np.full(len(order) + 1, len(order), np.int32)
        rank[order] = np.arange(len(order), dtype=np.int32)
        return rank[self._sources]

    def classes(self, block: Block, order: NDArray[np.int64]) -> Steps:
        """Return the class of every image of `block` at every step of `order`."""
        rank = self.ranks(order)
        pruned = [] if block.pruned is None else [block.pruned]
        kept = [block.values, *pruned, *block.sides]
        changes = np.ones((len(order) + 1, block.images), bool)
        changes[1:] = self._differs_from_pruned(block)[:, order].T
        changes[-1, 1:] = not self._alike  # without any channel all images look the same
        steps, images = (indices.astype(np.int32) for indices in np.nonzero(changes))
        classes = np.zeros(changes.shape, np.int32)
        states = np.zeros(changes.shape, np.int32)
        for start in range(0, len(steps), self.batch):
            pairs = slice(start, start + self.batch)
            here = steps[pairs], images[pairs]
            classes[here], states[here] = self.decide_pairs(
                kept, images[pairs], steps[pairs], rank
            )
        unusable = first_unusable(images, steps, states[steps, images])
        classes, near_ties = fill_down(classes, changes), fill_down(states != CLEAR, changes)
        if self._alike:
            classes[-1], near_ties[-1] = classes[-1, 0], near_ties[-1, 0]
        return Steps(classes, near_ties, unusable)

    def decide_pairs(
        self,
        kept: Sequence[Any],
        images: NDArray[np.int32],
        steps: NDArray[np.int32],
        rank: NDArray[np.int32],
    ) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Evaluate pairs of image and step.

        Parameters
        ----------
        kept : sequence of arrays
            Cut activations, and what is kept beside them.
        images, steps : ndarray of int32, shape (pairs,)
            The pairs.
        rank : ndarray of int32
            As of :meth:`ranks`.

        Returns
        -------
        classes, states : ndarray of int32, shape (pairs,)
            See :func:`decide`.
        """
        count = len(images)
        if backend.fixed_shapes():
            size = min(self.batch, max(16, 1 << (count - 1).bit_length()))
            images, steps = (np.resize(indices, size) for indices in (images, steps))
        classes, states = self._evaluate(*kept, images, steps, rank)
        return backend.to_numpy(classes)[:count], backend.to_numpy(states)[:count]

    def _differs_from_pruned(self, block: Block) -> NDArray[np.bool_]:
        """Return which channels differ from their pruned value, bool (images, channels)."""
        import keras

        pruned = self.pruned if block.pruned is None else block.pruned
        if backend.on_accelerator():
            differs = keras.ops.not_equal(block.values, pruned)
            axes = tuple(range(1, len(differs.shape) - 1))
            found = backend.to_numpy(keras.ops.any(differs, axis=axes) if axes else differs)
        else:
            host, other = (
                np.ascontiguousarray(backend.to_numpy(values)).reshape(-1, *self._flat)
                for values in (block.values, pruned)
            )
            found = np.empty((len(host), host.shape[-1]), bool)
            kernels.pairs_that_differ(host, other, found)
        by_prune = found if self.is_plain else found[:, self.where].any(axis=1)
        return np.asarray(by_prune, bool)

    @property
    def _flat(self) -> tuple[int, int]:
        return self.positions, len(self._sources)


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
    return 4 * max(sizes) + max(sum(int(np.prod(one.shape[1:])) for one in suffix.inputs), 1)
