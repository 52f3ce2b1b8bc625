"""Cut activations that are kept: in memory under the budget, in a memory-mapped file above it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from fastprune import backend
from fastprune.errors import OutputError
from fastprune.suffix.engine import Block


class CutStore:
    """Blocks of cut activations, kept in order.

    Of a block of live channels only the pairs of image and channel are kept that differ from the
    pruned value: about a quarter of the lab's. Above the budget their values go to a temporary file
    that has no name from the start: the system frees it when the process ends, however it ends.

    Parameters
    ----------
    budget : int
        Bytes that may be held in memory.
    pruned : ndarray of float32
        What the cut layer gives when every channel is pruned, shape of one image's cut.
    """

    def __init__(self, budget: int, pruned: NDArray[np.float32]) -> None:
        self.budget = budget
        self.in_memory = 0
        self.on_disk = 0
        self._pruned = pruned.reshape(-1, pruned.shape[-1])
        self._blocks: list[_Kept] = []
        self._file: IO[bytes] | None = None

    def append(self, block: Block) -> None:
        """Keep a block."""
        values, awake = block.values, None
        if block.channels is not None:
            awake = (values != self._pruned[:, block.channels]).any(axis=1)
            values = values.transpose(0, 2, 1)[awake]
        size = int(np.prod(values.shape)) * 4
        start = None
        if self.in_memory + size <= self.budget:
            self.in_memory += size
        elif size:
            start = self.on_disk // 4
            self.on_disk += size
            values = self._to_disk(backend.to_numpy(values))
        self._blocks.append(_Kept(values, start, awake, block.channels, block.images))

    def __iter__(self) -> Iterator[Block]:
        """Yield the blocks in the order in which they were kept."""
        disk = None if self._file is None else np.memmap(self._file, np.float32, "r")
        for kept in self._blocks:
            values = kept.values
            if kept.start is not None and disk is not None:
                size = int(np.prod(kept.values))
                values = disk[kept.start : kept.start + size].reshape(kept.values)
            if kept.awake is not None:
                whole = np.empty((*kept.awake.shape, len(self._pruned)), np.float32)
                whole[:] = self._pruned[:, kept.channels].T
                whole[kept.awake] = values
                values = np.ascontiguousarray(whole.transpose(0, 2, 1))
            yield Block(values, kept.channels, kept.images)

    def __len__(self) -> int:
        """Return the number of blocks."""
        return len(self._blocks)

    def close(self) -> None:
        """Let go of everything."""
        self._blocks.clear()
        if self._file is not None:
            self._file.close()

    def _to_disk(self, values: NDArray[np.float32]) -> tuple[int, ...]:
        """Append values to the file; return their shape, which is all that stays in memory."""
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(prefix="fastprune-")  # noqa: SIM115 - see close
            values.astype(np.float32, copy=False).tofile(self._file)
            self._file.flush()
        except OSError as error:
            message = (
                f"expected room for kept activations in {tempfile.gettempdir()}; got {error}; "
                "raise --memory or set TMPDIR to a larger disk"
            )
            raise OutputError(message) from error
        return values.shape


@dataclass(frozen=True, eq=False)
class _Kept:
    """A block as it is kept.

    Attributes
    ----------
    values : array of float32, or tuple of int
        (pairs, positions) of the awake pairs, or the whole cut tensor; of values in the file their
        shape.
    start : int or None
        Where in the file the values begin, counted in values; None in memory.
    awake : ndarray of bool or None, shape (images, live channels)
        Which pairs `values` holds; None for all.
    channels : ndarray of int64 or None
        The live channels; None for all.
    images : int
        Number of images.
    """

    values: Any
    start: int | None
    awake: NDArray[np.bool_] | None
    channels: NDArray[np.int64] | None
    images: int
