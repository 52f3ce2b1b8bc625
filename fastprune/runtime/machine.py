"""What a run says of itself and the machine it ran on: time, cores, memory."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from fastprune.errors import OptionError

UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}

LEAST_MEMORY = 32 << 20
"""Below this a budget does not hold one batch of images and its activations."""


def parse_size(text: str | int) -> int:
    """Return a memory budget in bytes.

    Raises
    ------
    OptionError
        When it is no size or too small to work in.

    Examples
    --------
    >>> parse_size("256M"), parse_size("1.5G"), parse_size(100_000_000)
    (268435456, 1610612736, 100000000)
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMG]?)i?B?", str(text).strip(), re.IGNORECASE)
    size = int(float(match[1]) * UNITS[match[2].upper()]) if match else 0
    if size < LEAST_MEMORY:
        message = f"expected a memory budget of 32M or more, such as 256M or 2G; got {text!r}"
        raise OptionError(message)
    return size


def peak_memory() -> int:
    """Return the peak resident memory of this process in bytes; 0 where the system does not say."""
    try:
        import resource
    except ImportError:
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Clock:
    """Seconds per phase."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Measure a phase."""
        start = time.perf_counter()
        try:
            yield
        finally:
            spent = time.perf_counter() - start
            self.seconds[name] = round(self.seconds.get(name, 0.0) + spent, 3)
