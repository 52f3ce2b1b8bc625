"""Loops compiled in a process of their own, while this one imports Keras.

Compiling holds Python's lock, and so does most of an import: in a thread one would wait for the
other. What is compiled goes into numba's cache on disk, from where this process takes it. Nothing
depends on it: what is not there when it is needed is compiled here.
"""

from __future__ import annotations

import atexit
import pickle
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, TypeAlias

Loop: TypeAlias = tuple[str, str, Any]
"""A compiled loop: its module, its name there, and the types of its arguments as numba has them."""

PATIENCE = 15.0
"""Seconds that a loop is waited for at most. Compiling takes 4 on two cores, 10 beside others."""

CHILD = """
import pickle, sys
sys.path[:] = pickle.load(sys.stdin.buffer)
from importlib import import_module
for module, name, types in pickle.load(sys.stdin.buffer):
    getattr(import_module(module), name).compile(types)
"""
"""What the other process runs. It starts isolated, without the folder that it happens to be in on
its path, and takes over this one's path."""

_working: dict[Loop, tuple[subprocess.Popen[bytes], float]] = {}
"""Loops with the process that compiles them and the moment when it was given up."""


def compile_apart(loops: Sequence[Loop]) -> None:
    """Start a process that compiles loops, in their order; a failure to start is none."""
    if not loops or not sys.executable:
        return
    command = [sys.executable, "-I", *(["-B"] if sys.dont_write_bytecode else []), "-c", CHILD]
    with suppress(OSError):
        child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        atexit.register(_end, child)
        assert child.stdin is not None
        with suppress(OSError), child.stdin as pipe:  # it may have ended by now
            pipe.write(pickle.dumps(sys.path) + pickle.dumps(list(loops)))
        end = time.monotonic() + PATIENCE
        _working.update(dict.fromkeys(loops, (child, end)))


def is_compiled_apart(function: Callable[..., Any], types: Any) -> bool:
    """Return whether another process is at work on a loop, and may be waited for."""
    child, end = _working.get((function.__module__, function.__name__, types), (None, 0.0))
    return child is not None and child.poll() is None and time.monotonic() < end


def _end(child: subprocess.Popen[bytes]) -> None:
    """Let no process outlive this one."""
    child.kill()
    child.wait()
