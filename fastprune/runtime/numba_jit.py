"""The one way fastprune compiles a loop: ahead of nothing, cached on disk, without the GIL."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

compiled: Decorator = numba.njit(
    cache=True, nogil=True, error_model="numpy", fastmath={"contract"}
)
"""Compile at the first call and keep the machine code for later runs.

``contract`` lets a product and a sum become one fused instruction; nothing else of IEEE 754 is
given up. Without the GIL the reader, the network and the suffix run side by side.
"""

inner: Decorator = numba.njit(
    nogil=True, error_model="numpy", fastmath={"contract"}, no_cpython_wrapper=True,
    no_cfunc_wrapper=True,
)  # fmt: skip
"""The same for loops that only compiled loops call: without an entry from Python, which takes an
eighth of the time to compile, and kept on disk as part of their callers."""

reordering: Decorator = numba.njit(
    nogil=True, error_model="numpy", fastmath={"contract", "reassoc"}, no_cpython_wrapper=True,
    no_cfunc_wrapper=True,
)  # fmt: skip
"""The same for loops whose sums may be added up in any order: whole numbers, exact either way."""
