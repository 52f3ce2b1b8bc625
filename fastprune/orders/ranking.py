"""Channel orders: which channel is pruned first."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastprune.errors import OptionError
from fastprune.orders.criteria import ordered, scores
from fastprune.orders.order import Order, is_criterion, read_indices
from fastprune.orders.statistics import Evidence

RANK_ON = ("cut", "prune")


def make_order(order: Order, values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the channels in the order in which they are pruned.

    Parameters
    ----------
    order : str, path or sequence of int
        A criterion of :data:`~fastprune.orders.order.MEANINGS`, ``"random:SEED"``, a file of
        channel indices, or the indices themselves.
    values : ndarray of float64, shape (n_channels,)
        Score of each channel under the criterion, as of :func:`fastprune.orders.criteria.scores`.

    Returns
    -------
    ndarray of int64, shape (n_channels,)
        Ties stand in the order of their indices, whichever way it is sorted.

    Raises
    ------
    OptionError
        When it is none of these, or no permutation of the channels.

    References
    ----------
    ``ascending``: K. Liu, B. Dolan-Gavitt, S. Garg: Fine-Pruning, RAID 2018, arXiv:1805.12185.

    Examples
    --------
    >>> make_order("ascending", np.array([0.5, 0.0, 0.2, 0.0])).tolist()
    [1, 3, 2, 0]
    """
    if not isinstance(order, str | Path):
        try:
            indices = np.asarray(order)
        except ValueError:  # lists of several lengths
            indices = np.array([])
        return _permutation(indices, len(values), "the order given")
    if is_criterion(order):
        return ordered(str(order), values)
    if found := re.fullmatch(r"random:(\d+)", str(order)):
        return np.random.default_rng(int(found[1])).permutation(len(values)).astype(np.int64)
    return _permutation(read_indices(Path(order)), len(values), str(order))


@dataclass(frozen=True, eq=False)
class Ranked:
    """The orders of a sweep.

    Attributes
    ----------
    means : ndarray of float64, shape (n_channels,)
        Mean activation of each channel on the clean validation set.
    orders : list of ndarray of int64, shape (n_channels,)
        Channels in the order in which they are pruned.
    scores : list of ndarray of float64, shape (n_channels,), or None
        What each order's criterion says of each channel; None for orders without one.
    """

    means: NDArray[np.float64]
    orders: list[NDArray[np.int64]]
    scores: list[NDArray[np.float64] | None]


def rank(orders: Sequence[Order], evidence: Evidence) -> Ranked:
    """Make every order from what is known of the channels.

    Raises
    ------
    OptionError
        As :func:`make_order`.
    """
    means = evidence.clean.means
    scored = [scores(str(order), evidence) if is_criterion(order) else None for order in orders]
    made = [
        make_order(order, means if values is None else values)
        for order, values in zip(orders, scored, strict=True)
    ]
    return Ranked(means, made, scored)


def _permutation(order: NDArray[Any], n_channels: int, where: str) -> NDArray[np.int64]:
    whole = order.ndim == 1 and order.dtype.kind in "iu"
    if not whole or not np.array_equal(np.sort(order), np.arange(n_channels)):
        inside = order[(order >= 0) & (order < n_channels)] if whole else np.array([])
        missing = sorted(set(range(n_channels)) - set(inside.tolist()))
        problem = f"missing {missing[:5]}" if missing else "repeated or foreign ones"
        message = (
            f"expected an order that names each of the channels 0 … {n_channels - 1} once; got "
            f"{order.size} indices, {problem} ({where})"
        )
        raise OptionError(message)
    return order.astype(np.int64)
