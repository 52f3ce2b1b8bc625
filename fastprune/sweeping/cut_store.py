"""Cut activations that are kept: in memory under the budget, in a temporary file above it."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from fastprune.errors import OutputError
from fastprune.runtime import backend
from fastprune.suffix.engine import Block, by_channel


class CutStore:
    """Blocks of cut activations, kept in order.

    Of a block of live channels only the pairs of image and channel are kept that differ from the
    pruned value: about a quarter of the lab's. Above the budget they go to a temporary file that
    has no name from the start: the system frees it when the process ends, however it ends. It is
    read block by block, not mapped: a mapping's pages would count as memory of this process.

    Parameters
    ----------
    budget : int
        Bytes that may be held in memory.
    pruned : ndarray of float32 or None
        What the cut layer gives when every channel is pruned, shape of one image's cut; None where
        it differs from image to image, and every block has it.
    where : ndarray of int64, shape (copies, channels)
        Where each channel of the prune layer lies on the cut's last axis.
    """

    def __init__(
        self, budget: int, pruned: NDArray[np.float32] | None, where: NDArray[np.int64]
    ) -> None:
        self.budget = budget
        self.in_memory = 0
        self.on_disk = 0
        self._pruned = None if pruned is None else pruned[None]
        self._where = where
        self._blocks: list[_Kept] = []
        self._file: IO[bytes] | None = None

    def append(self, block: Block) -> None:
        """Keep a block."""
        arrays, live = [block.values], None
        if block.channels is not None:
            differs = (block.values != self._pruned_values(block)).any(axis=1)
            live = differs.shape
            arrays = [
                block.values.transpose(0, 2, 1)[differs], block.channels, np.packbits(differs)
            ]  # fmt: skip
        if block.pruned is not None:
            arrays.append(block.pruned)
        kept = _Kept([*arrays, *block.sides], block.images, live, block.pruned is not None)
        if self.in_memory + kept.size <= self.budget:
            self.in_memory += kept.size
        else:
            kept = self._to_disk(kept)
        self._blocks.append(kept)

    def __iter__(self) -> Iterator[Block]:
        """Yield the blocks in the order in which they were kept."""
        for kept in self._blocks:
            values, *rest = self._from_disk(kept) if isinstance(kept, _Spilled) else kept.arrays
            channels = differs = None
            if kept.live is not None:
                channels, packed, *rest = rest
                differs = np.unpackbits(packed, count=math.prod(kept.live)).astype(bool)
            pruned = rest.pop(0) if kept.has_pruned else None
            block = Block(values, channels, kept.images, pruned, tuple(rest))
            if differs is not None:
                block = self._whole(block, differs.reshape(kept.live))
            yield block

    def __len__(self) -> int:
        """Return the number of blocks."""
        return len(self._blocks)

    def close(self) -> None:
        """Let go of everything; what is appended afterwards begins anew."""
        self._blocks.clear()
        self.in_memory = self.on_disk = 0
        if self._file is not None:
            self._file.close()
            self._file = None

    def _pruned_values(self, block: Block) -> NDArray[np.float32]:
        """Return what the live channels of a block give when pruned, (images or 1, …, live)."""
        whole = self._pruned if block.pruned is None else block.pruned
        assert whole is not None
        flat = whole.reshape(len(whole), -1, whole.shape[-1])
        return by_channel(flat, self._where[:, block.channels])

    def _whole(self, block: Block, differs: NDArray[np.bool_]) -> Block:
        """Return a block with all values of its live channels: the pruned one where none is kept.

        `differs` is bool (images, live channels), and the block's values are those where it is set.
        """
        pruned = self._pruned_values(block)
        shape = len(differs), pruned.shape[1], pruned.shape[2]
        whole = np.broadcast_to(pruned, shape).transpose(0, 2, 1).copy()
        whole[differs] = block.values
        values = np.ascontiguousarray(whole.transpose(0, 2, 1))
        return Block(values, block.channels, block.images, block.pruned, block.sides)

    def _to_disk(self, kept: _Kept) -> _Spilled:
        """Append a block to the file; only where it lies stays in memory."""
        arrays = [np.ascontiguousarray(backend.to_numpy(array)) for array in kept.arrays]
        start = self.on_disk
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(prefix="fastprune-")  # noqa: SIM115 - see close
            self._file.seek(start)
            for array in arrays:
                self._file.write(array.tobytes())
            self._file.flush()
        except OSError as error:
            message = (
                f"expected room for kept activations in {tempfile.gettempdir()}; got {error}; "
                "raise --memory or set TMPDIR to a larger disk"
            )
            raise OutputError(message) from error
        self.on_disk += sum(array.nbytes for array in arrays)
        places = [(array.shape, array.dtype) for array in arrays]
        return _Spilled([], kept.images, kept.live, kept.has_pruned, start, places)

    def _from_disk(self, spilled: _Spilled) -> list[NDArray[Any]]:
        """Read a block's arrays back."""
        assert self._file is not None
        self._file.seek(spilled.start)
        return [
            np.frombuffer(
                self._file.read(math.prod(shape) * dtype.itemsize), dtype
            ).reshape(shape)
            for shape, dtype in spilled.places
        ]  # fmt: skip


@dataclass(frozen=True, eq=False)
class _Kept:
    """A block as it is kept.

    Attributes
    ----------
    arrays : list of arrays
        The values (pairs, positions) that differ, the live channels, and bits that say which pairs
        these are; or the whole cut tensor. Then the cut tensor with every channel pruned, where a
        block has it, and the side tensors.
    images : int
        Number of images.
    live : tuple of int or None
        Number of images and of live channels; None where all are kept.
    has_pruned : bool
        Whether the cut tensor with every channel pruned is among the arrays.
    """

    arrays: list[Any]
    images: int
    live: tuple[int, ...] | None
    has_pruned: bool

    @property
    def size(self) -> int:
        """Bytes of the arrays."""
        import keras

        return sum(
            math.prod(array.shape) * np.dtype(keras.backend.standardize_dtype(array.dtype)).itemsize
            for array in self.arrays
        )


@dataclass(frozen=True, eq=False)
class _Spilled(_Kept):
    """A block in the file: its first byte, shape and dtype of every array."""

    start: int
    places: list[tuple[tuple[int, ...], np.dtype[Any]]]
