"""Processes of our own beside this one: the same Python, the same path, nothing shared.

Compiling and drawing hold Python's lock, and so does most of an import: in a thread one would wait
for the other.
"""

from __future__ import annotations

import atexit
import pickle
import subprocess
import sys
from contextlib import suppress
from typing import Any

CHILD = """
import pickle, sys
sys.path[:] = pickle.load(sys.stdin.buffer)
from importlib import import_module
module, name, arguments = pickle.load(sys.stdin.buffer)
getattr(import_module(module), name)(*arguments)
"""
"""What the process runs. It starts isolated, without the folder that it happens to be in on its
path, and takes over this one's path: whose files may lie there is not known."""


def start(module: str, name: str, *arguments: Any) -> subprocess.Popen[bytes] | None:
    """Start a process that calls a function; None where it cannot be started.

    Parameters
    ----------
    module, name : str
        The function, and where it stands.
    *arguments
        What it is called with: anything that can be pickled.

    Returns
    -------
    subprocess.Popen or None
        With pipes to its stdin and from its stdout; its stderr goes nowhere. It ends with this
        process at the latest.
    """
    if not sys.executable:
        return None
    command = [sys.executable, "-I", *(["-B"] if sys.dont_write_bytecode else []), "-c", CHILD]
    try:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
    except OSError:
        return None
    atexit.register(end, process)
    assert process.stdin is not None
    with suppress(OSError):  # it may have ended by now, which shows when it is needed
        process.stdin.write(pickle.dumps(sys.path) + pickle.dumps((module, name, arguments)))
        process.stdin.flush()
    return process


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process, whether or not it has ended, and close its pipes."""
    process.kill()
    for pipe in (process.stdin, process.stdout):
        with suppress(OSError):
            assert pipe is not None
            pipe.close()
    process.wait()
