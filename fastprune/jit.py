"""The one way fastprune compiles a loop: ahead of nothing, cached on disk, without the GIL."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba

compiled: Callable[[Callable[..., Any]], Callable[..., Any]] = numba.njit(
    cache=True, nogil=True, error_model="numpy", fastmath={"contract"}
)
"""Compile at the first call and keep the machine code for later runs.

``contract`` lets a product and a sum become one fused instruction; nothing else of IEEE 754 is given
up. Without the GIL the reader, the network and the suffix run side by side.
"""
