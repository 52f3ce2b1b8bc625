"""Cut activations that are kept: in memory under the budget, in a memory-mapped file above it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from typing import IO, Any

import numpy as np

from fastprune import backend
from fastprune.suffix.engine import Block


class CutStore:
    """Blocks of cut activations, kept in order.

    Above the budget their values go to a temporary file that has no name from the start: the system
    frees it when the process ends, however it ends.

    Parameters
    ----------
    budget : int
        Bytes that may be held in memory.

    Examples
    --------
    >>> store = CutStore(budget=0)
    >>> store.append(Block(np.ones((2, 3, 1), np.float32), np.array([5]), 2))
    >>> store.in_memory, store.on_disk, next(iter(store)).values.sum()
    (0, 24, np.float32(6.0))
    """

    def __init__(self, budget: int) -> None:
        self.budget = budget
        self.in_memory = 0
        self.on_disk = 0
        self._blocks: list[Block] = []
        self._file: IO[bytes] | None = None

    def append(self, block: Block) -> None:
        """Keep a block."""
        size = int(np.prod(block.values.shape)) * 4
        if self.in_memory + size <= self.budget:
            self.in_memory += size
        elif size:
            block = Block(self._to_disk(backend.to_numpy(block.values)), block.channels, block.images)
            self.on_disk += size
        self._blocks.append(block)

    def __iter__(self) -> Iterator[Block]:
        """Yield the blocks in the order in which they were kept."""
        return iter(self._blocks)

    def __len__(self) -> int:
        """Return the number of blocks."""
        return len(self._blocks)

    def close(self) -> None:
        """Let go of everything."""
        self._blocks.clear()
        if self._file is not None:
            self._file.close()

    def _to_disk(self, values: Any) -> Any:
        if self._file is None:
            self._file = tempfile.TemporaryFile(prefix="fastprune-")  # noqa: SIM115 - closed in close
        start = self._file.seek(0, 2)
        values.astype(np.float32, copy=False).tofile(self._file)
        self._file.flush()
        return np.memmap(self._file, np.float32, "r", offset=start, shape=values.shape)
