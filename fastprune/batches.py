"""How many images go through a network at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastprune import backend
from fastprune.graph import Call

WORKING_SET = 32 << 20
"""Bytes of the widest layer's input and output per batch on a CPU.

The lab's network runs at 11,000 images/s from 64 images a batch (14 MB) to 512 (110 MB) on 2 cores,
at 9,900 with 32: nothing is won by taking more memory than this.
"""


def batch_size(calls: Sequence[Call], start: Any, *, working_set: int = WORKING_SET) -> int:
    """Return a batch size, a power of two from 16 to 1024.

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
    fitting = max(1, working_set // (4 * widest))
    return int(min(1024, max(16, 1 << (fitting.bit_length() - 1))))
