"""What the operating system gives for whole folders: two of them change places, locks on them."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

locks: Any = import_module("fcntl") if find_spec("fcntl") else None
"""Not there on Windows."""

HERE = -100
"""AT_FDCWD of Linux: paths count from the current folder."""
EXCHANGE = 2
"""RENAME_EXCHANGE of Linux and RENAME_SWAP of macOS."""


def exchange(first: Path, second: Path) -> bool:
    """Let two folders change places in one step; return False where the system cannot."""
    names = os.fsencode(first), os.fsencode(second)
    try:
        library = ctypes.CDLL(None)
        if sys.platform == "darwin":
            return int(library.renamex_np(*names, EXCHANGE)) == 0
        return int(library.renameat2(HERE, names[0], HERE, names[1], EXCHANGE)) == 0
    except (OSError, TypeError, AttributeError):  # Windows; a C library without that call
        return False


@contextmanager
def try_lock(folder: Path) -> Iterator[bool]:
    """Lock a folder for a block; give False where another process or block holds it, or none can.

    The system lets go of it when the process ends, however it ends.
    """
    if locks is None:
        yield False
        return
    place = os.open(folder, os.O_RDONLY)
    try:
        try:
            locks.flock(place, locks.LOCK_EX | locks.LOCK_NB)
            locked = True
        except OSError:
            locked = False
        yield locked
    finally:
        os.close(place)
