"""The one way fastprune compiles a loop: ahead of nothing, cached on disk, without the GIL.

A compiled loop contains the loops that it calls and the constants that it reads, whichever module
they stand in; what is kept on disk is known by the text of all these modules.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from numbers import Number
from pathlib import Path
from types import ModuleType
from typing import Any

import numba
from numba.core.caching import FunctionCache

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

SHARED: dict[str, Any] = {"nogil": True, "error_model": "numpy", "_nrt": False}
"""Without the GIL the reader, the network and the suffix run side by side.

Without numba's runtime (``_nrt``) loops cannot allocate, and no references are counted: every array
is the caller's, who holds it. Counted whenever a loop takes an array out of a NamedTuple, an image
of the lab takes 62 us in the suffix where it takes 58.
"""


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
    """Return a digest of all that the compiled loops of a module may contain.

    These are the files of the module and of those of its package that it takes loops, modules or
    NamedTuples from, and the numbers that it knows by name.

    Parameters
    ----------
    name : str
        The module, as far as it is imported by now: what it takes from others it has at its top.
    """
    modules: set[str] = set()
    waiting = [name]
    while waiting:
        here = waiting.pop()
        if here not in modules and here.partition(".")[0] == name.partition(".")[0]:
            modules.add(here)
            waiting += filter(None, map(_origin, vars(sys.modules[here]).values()))
    digest = hashlib.blake2b(digest_size=16)
    for here in sorted(modules):
        module = sys.modules[here]
        digest.update(Path(str(module.__file__)).read_bytes())
        numbers = {key: value for key, value in vars(module).items() if isinstance(value, Number)}
        digest.update(repr(sorted(numbers.items())).encode())
    return digest.hexdigest()


def _origin(value: Any) -> str | None:
    """Return the module whose text a value may bring into a loop; None for none."""
    if isinstance(value, ModuleType):
        return value.__name__
    if type(value).__module__.startswith("numba.") or hasattr(value, "_fields"):
        return str(value.__module__)
    return None
