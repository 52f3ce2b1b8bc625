"""The options of a sweep, checked without loading anything that computes."""

from __future__ import annotations

from collections.abc import Sequence

from fastprune.errors import OptionError
from fastprune.networks.interventions import check_choice
from fastprune.orders.ranking import RANK_ON
from fastprune.results.crossings import drop_label
from fastprune.runtime import machine
from fastprune.sets.scale import check_scale

DROP_KINDS = ("points", "relative")

ALL = "all"
"""In place of the names of prune layers: every convolution, but for the classifier."""


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


def check_layers(
    prune_layers: Sequence[str] | str | None,
    mask_layer: str | None,
    zero_at: str,
    cut_layer: str | None,
) -> None:
    """Check that what is said of layers goes together.

    Raises
    ------
    OptionError
        When a layer is to be pruned and masked, one is named twice, or there is a cut layer beside
        several prune layers.
    """
    check_choice(prune_layers, mask_layer, zero_at)
    if prune_layers is None:
        return
    if prune_layers != ALL and (not prune_layers or len(set(prune_layers)) != len(prune_layers)):
        message = (
            f"expected one prune layer or more, each once; got {', '.join(prune_layers) or 'none'}"
        )
        raise OptionError(message)
    if (prune_layers == ALL or len(prune_layers) > 1) and cut_layer is not None:
        message = (
            f"expected no cut layer where several layers are pruned; got {cut_layer!r}; leave it "
            "out"
        )
        raise OptionError(message)
