"""The options of a sweep, checked without loading anything that computes."""

from __future__ import annotations

from collections.abc import Sequence

from fastprune.errors import OptionError
from fastprune.orders.ranking import RANK_ON
from fastprune.results.crossings import drop_label
from fastprune.runtime import machine
from fastprune.sets.scale import check_scale

DROP_KINDS = ("points", "relative")


def check_options(
    *,
    drops: Sequence[float],
    drop_kind: str,
    rank_on: str,
    scale: float,
    memory: str | int,
    verify: int,
) -> int:
    """Check the options of :func:`fastprune.sweep_orders` that need no network and no set.

    Returns
    -------
    int
        `memory` in bytes.

    Raises
    ------
    OptionError
        When one of them cannot be meant.
    """
    labels = set(map(drop_label, drops))  # as files and JSON name them
    if not all(0 < drop <= 100 for drop in drops) or len(labels) != len(drops):
        message = f"expected drops above 0 and up to 100 (percent), each once; got {list(drops)}"
        raise OptionError(message)
    for value, known, what in (
        (drop_kind, DROP_KINDS, "drop_kind"),
        (rank_on, RANK_ON, "rank_on"),
    ):
        if value not in known:
            message = f"expected {what} to be one of {', '.join(known)}; got {value!r}"
            raise OptionError(message)
    check_scale(scale)
    if verify < 0:
        message = f"expected a number of steps to verify; got {verify}"
        raise OptionError(message)
    return machine.parse_size(memory)
