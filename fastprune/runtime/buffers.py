"""Memory that is used again as soon as nobody looks at it."""

from __future__ import annotations

import mmap
import weakref
from types import TracebackType

import numpy as np
from numpy.typing import NDArray


class Buffers:
    """Hands out arrays of float32 whose memory comes back when the last view of them is gone.

    Fresh arrays for every chunk, freed by other threads than made them, leave holes behind in the
    allocator's heaps, more with every set. This memory is mapped, so that it lies in none of them.

    Used in a ``with``: at its end free memory is let go, the rest with its last view.
    """

    def __init__(self) -> None:
        self.made = 0
        self._open = True
        self._free: list[mmap.mmap] = []

    def array(self, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """Return an array of this shape, its values whatever they were before."""
        size = 4 * int(np.prod(shape))
        memory = self._free.pop() if self._free else None
        if memory is None or len(memory) < size:
            memory = mmap.mmap(-1, size, access=mmap.ACCESS_COPY)
            self.made += 1
        # Every view, and whatever a backend makes of it without a copy, refers to this array.
        array = np.frombuffer(memory, np.float32, size // 4)
        weakref.finalize(array, self._back, memory).atexit = False
        return array.reshape(shape)

    def _back(self, memory: mmap.mmap) -> None:
        if self._open:
            self._free.append(memory)

    def __enter__(self) -> Buffers:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._open = False
        self._free.clear()
