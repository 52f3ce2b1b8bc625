"""How many images go through a network at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastprune import backend
from fastprune.graph import Call

WORKING_SET = 8 << 20
"""Bytes of the widest layer's input and output per batch on a CPU: 32 images of the lab's network.

Batches of 64 take as long and hold 40 MB more.
"""


def batch_size(calls: Sequence[Call], start: Any, *, working_set: int = WORKING_SET) -> int:
    """Return a batch size: a multiple of 32 up to 1024, or 16.

    Parameters
    ----------
    calls : sequence of Call
        The calls that run.
    start : KerasTensor
        What goes in.
    working_set : int
        Bytes that the widest layer's input and output may take on a CPU; sixteen times that on an
        accelerator.
    """
    sizes = {id(start): int(np.prod(start.shape[1:]))}
    widest = sizes[id(start)]
    for call in calls:
        sizes[id(call.output)] = int(np.prod(call.output.shape[1:]))
        inputs = sum(sizes.get(id(tensor), 0) for tensor in call.inputs)
        widest = max(widest, inputs + sizes[id(call.output)])
    if backend.on_accelerator():
        working_set *= 16
    fitting = working_set // (4 * widest)
    return min(1024, max(16, fitting - fitting % 32))
