"""What engines of compiled loops share: blocks of live channels, and plain Keras's last word."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastprune.runtime import backend
from fastprune.suffix import kernels
from fastprune.suffix.engine import Block, Unusable, by_channel, first_unusable
from fastprune.suffix.keras_engine import KerasEngine
from fastprune.suffix.program import Program, check_call
from fastprune.suffix.tables import Cut


class CompiledLoops:
    """Keeps the live channels of cut activations alone, and reads them in compiled loops.

    Parameters
    ----------
    program : Program
        What the loops run.
    plain : KerasEngine
        The whole suffix in plain Keras, which has the last word on near-ties.
    """

    def __init__(self, program: Program, plain: KerasEngine) -> None:
        self.program, self.plain = program, plain
        self._constant = None
        if plain.pruned is not None:
            flat = plain.pruned.reshape(1, plain.positions, -1)
            self._constant = np.ascontiguousarray(by_channel(flat, plain.where))

    def block(self, cut: Any, *more: Any) -> Block:
        """Return the channels of cut activations that are live on some of these images."""
        plain = self.plain
        pruned, sides = plain.parted(more)
        host = np.ascontiguousarray(backend.to_numpy(cut)).reshape(len(cut), plain.positions, -1)
        values = host if plain.is_plain else np.ascontiguousarray(by_channel(host, plain.where))
        if pruned is None:
            other = self._constant
        else:
            pruned = np.ascontiguousarray(backend.to_numpy(pruned))
            flat = pruned.reshape(len(cut), plain.positions, -1)
            other = np.ascontiguousarray(by_channel(flat, plain.where))
        differs_from_pruned = np.zeros(values.shape[2], bool)
        kernels.channels_that_differ(values, other, differs_from_pruned)
        channels = np.flatnonzero(differs_from_pruned)
        kept = np.ascontiguousarray(values[:, :, channels])
        held = tuple(np.ascontiguousarray(backend.to_numpy(side)) for side in sides)
        return Block(kept, channels, len(host), pruned, held)

    def cut(self, block: Block, order: NDArray[np.int64]) -> Cut:
        """Return a block as the compiled loops read it, held against the program and an order.

        Raises
        ------
        OutOfBounds
            When it does not fit.
        """
        plain, base = self.plain, self.program.tables.base[None]
        if block.pruned is None:
            assert self._constant is not None
            pruned = self._constant[:, :, block.channels]
        else:
            flat = block.pruned.reshape(block.images, plain.positions, -1)
            pruned = by_channel(flat, plain.where[:, block.channels])
        if block.pruned is not None or block.sides:
            beside = dict(zip(plain.side_ids, block.sides, strict=True))
            base = self.program.bases(block.images, block.pruned, beside)
        cut = Cut(
            block.values, block.places(len(order)), np.ascontiguousarray(pruned, np.float32), base
        )
        check_call(self.program, cut, order)
        return cut

    def decide_again(
        self,
        block: Block,
        order: NDArray[np.int64],
        classes: NDArray[np.int32],
        near_ties: NDArray[np.bool_],
    ) -> Unusable | None:
        """Give near-ties the class that a plain forward of the image gives.

        Parameters
        ----------
        block : Block
            The images.
        order : ndarray of int64, shape (n_channels,)
            Channels in the order in which they are pruned.
        classes, near_ties : ndarray, shape (images, n_channels + 1)
            Classes are changed where `near_ties` is set.

        Returns
        -------
        Unusable or None
            The first of them whose plain scores name no class.
        """
        plain = self.plain
        images, steps = (indices.astype(np.int32) for indices in np.nonzero(near_ties))
        rank = plain.ranks(order)
        unusable = None
        for start in range(0, len(images), plain.batch):
            batch = slice(start, start + plain.batch)
            distinct, rows = np.unique(images[batch], return_inverse=True)
            classes[images[batch], steps[batch]], states = plain.decide_pairs(
                self._whole(block, distinct), rows.astype(np.int32), steps[batch], rank
            )
            unusable = unusable or first_unusable(images[batch], steps[batch], states)
        return unusable

    def _whole(self, block: Block, images: NDArray[np.int32]) -> list[Any]:
        """Return all that is kept of a few images, as the Keras engine takes it."""
        plain = self.plain
        if block.pruned is None:
            assert plain.pruned is not None
            whole = np.repeat(plain.pruned[None], len(images), axis=0)
        else:
            whole = block.pruned[images].copy()
        where = plain.where[:, block.channels]
        by_copy = block.values[images].reshape(len(images), plain.positions, *where.shape)
        whole.reshape(len(images), plain.positions, -1)[:, :, where] = by_copy
        pruned = [] if block.pruned is None else [block.pruned[images]]
        return [whole, *pruned, *(side[images] for side in block.sides)]
