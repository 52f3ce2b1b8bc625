"""The one way fastprune compiles a loop: ahead of nothing, cached on disk, without the GIL.

A compiled loop contains the loops that it calls and the constants that it reads, whichever module
they stand in; what is kept on disk is known by the text of all these modules.
"""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Callable, Iterable
from numbers import Number
from pathlib import Path
from types import ModuleType
from typing import Any

import numba
from numba.core.caching import FunctionCache

from fastprune.runtime.compiling import Loop, is_compiled_apart

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

inlined: Decorator = numba.njit(
    fastmath={"contract"}, no_cpython_wrapper=True, no_cfunc_wrapper=True, inline="always", **SHARED
)
"""The same for large loops that a caller calls in one place: they become part of it before anything
is compiled. LLVM optimises every other loop by itself and once more in each caller; with three of
them inlined that of a sweep takes 3.4 s to compile instead of 4.7."""

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

    def load_overload(self, types: Any, target_context: Any) -> Any:
        """Load machine code; where another process is making it, as soon as it is there."""
        while True:
            waiting = is_compiled_apart(self._py_func, types)
            found = super().load_overload(types, target_context)
            if found is not None or not waiting:
                return found
            time.sleep(0.01)

    def holds(self, types: Any, target_context: Any) -> bool:
        """Return whether there is machine code for arguments of some types."""
        key = self._index_key(types, target_context.codegen())
        return self._cache_file.load(key) is not None


def uncompiled(calls: Iterable[tuple[Any, tuple[Any, ...]]]) -> list[Loop]:
    """Return the loops among some, given with arguments, whose machine code is not on disk."""
    found = []
    for loop, arguments in calls:
        types = tuple(map(numba.typeof, arguments))
        function = loop.py_func
        if not loop._cache.holds(types, loop.targetctx):
            found.append((function.__module__, function.__name__, types))
    return found


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
