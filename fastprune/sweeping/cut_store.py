"""Cut activations that are kept: in memory under the budget, in a temporary file above it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastprune.errors import OutputError
from fastprune.runtime import backend
from fastprune.suffix.engine import Block


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
    pruned : ndarray of float32
        What the cut layer gives when every channel is pruned, shape of one image's cut.
    """

    def __init__(self, budget: int, pruned: NDArray[np.float32]) -> None:
        self.budget = budget
        self.in_memory = 0
        self.on_disk = 0
        self._pruned = pruned.reshape(-1, pruned.shape[-1])
        self._blocks: list[_Kept | _Spilled] = []
        self._file: IO[bytes] | None = None

    def append(self, block: Block) -> None:
        """Keep a block."""
        values, differs = block.values, None
        if block.channels is not None:
            differs = (values != self._pruned[:, block.channels]).any(axis=1)
            values = values.transpose(0, 2, 1)[differs]
        kept = _Kept(values, differs, block.channels, block.images)
        size = int(np.prod(values.shape)) * 4
        if self.in_memory + size <= self.budget:
            self.in_memory += size
            self._blocks.append(kept)
        else:
            self._blocks.append(self._to_disk(kept))

    def __iter__(self) -> Iterator[Block]:
        """Yield the blocks in the order in which they were kept."""
        for kept in self._blocks:
            block = self._from_disk(kept) if isinstance(kept, _Spilled) else kept
            values = block.values
            if block.differs_from_pruned is not None:
                whole = np.empty((*block.differs_from_pruned.shape, len(self._pruned)), np.float32)
                whole[:] = self._pruned[:, block.channels].T
                whole[block.differs_from_pruned] = values
                values = np.ascontiguousarray(whole.transpose(0, 2, 1))
            yield Block(values, block.channels, block.images)

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

    def _to_disk(self, kept: _Kept) -> _Spilled:
        """Append a block to the file; only where it lies stays in memory."""
        values = backend.to_numpy(kept.values).astype(np.float32, copy=False)
        record, live = values.tobytes(), None
        if kept.channels is not None and kept.differs_from_pruned is not None:
            live = len(kept.channels)
            record += kept.channels.astype(np.int64).tobytes()
            record += np.packbits(kept.differs_from_pruned).tobytes()
        start, size = self.on_disk, len(record)
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(prefix="fastprune-")  # noqa: SIM115 - see close
            self._file.seek(start)
            self._file.write(record)
            self._file.flush()
        except OSError as error:
            message = (
                f"expected room for kept activations in {tempfile.gettempdir()}; got {error}; "
                "raise --memory or set TMPDIR to a larger disk"
            )
            raise OutputError(message) from error
        self.on_disk += size
        return _Spilled(start, size, values.shape, live, kept.images)

    def _from_disk(self, spilled: _Spilled) -> _Kept:
        """Read a block back."""
        assert self._file is not None
        self._file.seek(spilled.start)
        record = self._file.read(spilled.size)
        count = int(np.prod(spilled.shape))
        values = np.frombuffer(record, np.float32, count).reshape(spilled.shape)
        if spilled.live is None:
            return _Kept(values, None, None, spilled.images)
        channels = np.frombuffer(record, np.int64, spilled.live, 4 * count)
        bits = np.frombuffer(record, np.uint8, offset=4 * count + channels.nbytes)
        differs = np.unpackbits(bits, count=spilled.images * spilled.live).astype(bool)
        return _Kept(values, differs.reshape(spilled.images, -1), channels, spilled.images)


@dataclass(frozen=True, eq=False)
class _Kept:
    """A block as it is kept.

    Attributes
    ----------
    values : array of float32
        (pairs, positions) of the pairs that differ, or the whole cut tensor.
    differs_from_pruned : ndarray of bool or None, shape (images, live channels)
        Which pairs `values` holds; None for all.
    channels : ndarray of int64 or None
        The live channels; None for all.
    images : int
        Number of images.
    """

    values: Any
    differs_from_pruned: NDArray[np.bool_] | None
    channels: NDArray[np.int64] | None
    images: int


class _Spilled(NamedTuple):
    """Where a block lies in the file: first byte, bytes, shape of its values, live channels."""

    start: int
    size: int
    shape: tuple[int, ...]
    live: int | None
    images: int
