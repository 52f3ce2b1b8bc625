"""The one way fastprune compiles a loop: ahead of nothing, cached on disk, without the GIL.

A compiled loop contains the loops that it calls, whichever module they stand in; what is kept on
disk is known by the text of all these modules.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
from numba.core.caching import FunctionCache

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

SHARED: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
"""Without the GIL the reader, the network and the suffix run side by side."""


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile at the first call and keep the machine code for later runs.

    ``contract`` lets a product and a sum become one fused instruction; nothing else of IEEE 754 is
    given up.
    """
    dispatcher = numba.njit(fastmath={"contract"}, **SHARED)(function)
    dispatcher._cache = _Cache(function)
    return dispatcher  # type: ignore[no-any-return]


inner: Decorator = numba.njit(
    fastmath={"contract"}, no_cpython_wrapper=True, no_cfunc_wrapper=True, **SHARED
)
"""The same for loops that only compiled loops call: without an entry from Python, which takes an
eighth of the time to compile, and kept on disk as part of their callers."""

reordering: Decorator = numba.njit(
    fastmath={"contract", "reassoc"}, no_cpython_wrapper=True, no_cfunc_wrapper=True, **SHARED
)
"""The same for loops whose sums may be added up in any order: whole numbers, exact either way."""


class _Cache(FunctionCache):  # type: ignore[misc]
    """Numba's cache, which by itself looks at the file of a function and at no other."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        self._edition = edition(function.__module__)

    def _index_key(self, *arguments: Any) -> tuple[Any, ...]:
        return (*super()._index_key(*arguments), self._edition)


def edition(name: str) -> str:
    """Return a digest of the files of a module and of those whose compiled loops it takes.

    Parameters
    ----------
    name : str
        The module, as far as it is imported by now: what it takes from others it has at its top.
    """
    found: set[str] = set()
    waiting = [name]
    while waiting:
        here = waiting.pop()
        if here not in found:
            found.add(here)
            values = vars(sys.modules[here]).values()
            waiting += [
                value.__module__ for value in values if type(value).__module__.startswith("numba.")
            ]
    # Of modules of numba itself, its own version is part of the cache.
    files = [sys.modules[one].__file__ for one in sorted(found) if one in sys.modules]
    digest = hashlib.blake2b(digest_size=16)
    for file in files:
        digest.update(Path(str(file)).read_bytes())
    return digest.hexdigest()
