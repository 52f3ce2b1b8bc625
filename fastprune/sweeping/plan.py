"""Options of a sweep, checked before any work is done."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fastprune.errors import OptionError
from fastprune.orders.order import Order, check_order
from fastprune.orders.ranking import RANK_ON
from fastprune.runtime import machine

DROP_KINDS = ("points", "relative")


def check_options(
    orders: Sequence[Order],
    drops: Sequence[float],
    drop_kind: str,
    rank_on: str,
    scale: float,
    verify: int,
    memory: str | int,
) -> int:
    """Refuse options that cannot be meant; return the memory budget in bytes."""
    if not orders:
        message = "expected at least one order; got none"
        raise OptionError(message)
    for order in orders:
        check_order(order)
    names = {f"{drop:g}" for drop in drops}  # as files and JSON name them
    if not all(0 < drop <= 100 for drop in drops) or len(names) != len(drops):
        message = f"expected drops above 0 and up to 100 (percent), each once; got {list(drops)}"
        raise OptionError(message)
    for value, known, what in (
        (drop_kind, DROP_KINDS, "drop_kind"),
        (rank_on, RANK_ON, "rank_on"),
    ):
        if value not in known:
            message = f"expected {what} to be one of {', '.join(known)}; got {value!r}"
            raise OptionError(message)
    if not (np.isfinite(scale) and scale > 0):
        message = f"expected a scale above 0, such as 1 or 255; got {scale}"
        raise OptionError(message)
    if verify < 0:
        message = f"expected a number of steps to verify; got {verify}"
        raise OptionError(message)
    return machine.parse_size(memory)
