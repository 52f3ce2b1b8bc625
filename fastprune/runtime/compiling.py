"""Loops compiled in a process of their own, into numba's cache, from where this one takes them.

Nothing depends on it: what is not there when it is needed is compiled here.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, TypeAlias

from fastprune.runtime import apart

Loop: TypeAlias = tuple[str, str, Any]
"""A compiled loop: its module, its name there, and the types of its arguments as numba has them."""

PATIENCE = 15.0
"""Seconds from its start that the process is waited for at most. Compiling takes 4 on two cores, 10
where others compute."""

_working: dict[Loop, tuple[subprocess.Popen[bytes], float]] = {}
"""Loops with the process that compiles them and the moment when it is given up."""


def compile_apart(loops: Sequence[Loop]) -> None:
    """Start a process that compiles loops, in their order; a failure to start is none."""
    process = apart.start(__name__, "compile_loops", list(loops)) if loops else None
    if process is not None:
        _working.update(dict.fromkeys(loops, (process, time.monotonic() + PATIENCE)))


def compile_loops(loops: Sequence[Loop]) -> None:
    """Compile loops: the life of the process."""
    for module, name, types in loops:
        getattr(import_module(module), name).compile(types)


def is_compiled_apart(function: Callable[..., Any], types: Any) -> bool:
    """Return whether another process is at work on a loop, and may be waited for."""
    process, end = _working.get((function.__module__, function.__name__, types), (None, 0.0))
    return process is not None and process.poll() is None and time.monotonic() < end
