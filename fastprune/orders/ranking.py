"""Channel orders: which channel is pruned first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastprune.errors import OptionError
from fastprune.orders.criteria import ordered, scores
from fastprune.orders.order import Order
from fastprune.orders.statistics import ActivationStatistics, Evidence

RANK_ON = ("cut", "prune")

SHARE = 0.05
"""Part of all |activation| that is worth a warning when an order prunes it too soon: the small
negative parts of GELU and SiLU stay below, a layer as negative as positive is far above."""

SPREAD = 1e-3
"""Shares of zeros that lie closer than this tell no channels apart."""


def make_order(order: Order, values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the channels in the order in which they are pruned.

    Parameters
    ----------
    order : Order
        As :func:`~fastprune.orders.order.parse_order` gives it.
    values : ndarray of float64, shape (n_channels,)
        Score of each channel under the criterion, as of :func:`fastprune.orders.criteria.scores`;
        of an order without one only their number counts.

    Returns
    -------
    ndarray of int64, shape (n_channels,)
        Ties stand in the order of their indices, whichever way it is sorted.

    Raises
    ------
    OptionError
        When its indices are no permutation of the channels.

    References
    ----------
    ``ascending``: K. Liu, B. Dolan-Gavitt, S. Garg: Fine-Pruning, RAID 2018, arXiv:1805.12185.

    Examples
    --------
    >>> from fastprune.orders.order import parse_order
    >>> make_order(parse_order("ascending"), np.array([0.5, 0.0, 0.2, 0.0])).tolist()
    [1, 3, 2, 0]
    """
    if order.criterion is not None:
        return ordered(order.criterion, values)
    if order.indices is None:
        return np.random.default_rng(order.seed).permutation(len(values)).astype(np.int64)
    where = "the order given" if order.kind == "given" else order.name
    return _permutation(order.indices, len(values), where)


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
    warnings : list of list of str
        What :func:`order_warnings` says of each order.
    """

    means: NDArray[np.float64]
    orders: list[NDArray[np.int64]]
    scores: list[NDArray[np.float64] | None]
    warnings: list[list[str]]


def rank(orders: Sequence[Order], evidence: Evidence) -> Ranked:
    """Make every order from what is known of the channels.

    Raises
    ------
    OptionError
        As :func:`make_order`.
    """
    means = evidence.clean.means
    scored = [None if order.criterion is None else scores(order, evidence) for order in orders]
    permutations = [
        make_order(order, means if values is None else values)
        for order, values in zip(orders, scored, strict=True)
    ]
    said = [order_warnings(order, evidence) for order in orders]
    return Ranked(means, permutations, scored, said)


def order_warnings(order: Order, evidence: Evidence) -> list[str]:
    """Return what a user should know of an order whose criterion does not suit the activations.

    Parameters
    ----------
    order : Order
        As for :func:`make_order`.
    evidence : Evidence
        What is known of the channels.

    Returns
    -------
    list of str
        A line for ``ascending`` and ``descending`` where activations are negative and the channels
        pruned at some step hold :data:`SHARE` more or less of all |activation| than in the order of
        ``mean-abs``; for ``max`` where channels that are never positive hold so much more; for
        ``apoz`` where the shares of zeros of all live channels lie within :data:`SPREAD`. Mostly
        there is none.
    """
    criterion, clean = order.criterion, evidence.clean
    if criterion in ("ascending", "descending"):
        problem = _mean_problem(criterion, clean)
    elif criterion == "max":
        problem = _maximum_problem(clean)
    elif criterion == "apoz":
        problem = _zeros_problem(clean)
    else:
        return []
    if problem is None:
        return []
    wanted, got, effect = problem
    where = f" ({evidence.layer})" if evidence.layer else ""
    return [f"expected {wanted}; got {got}{where}: {effect}; take --order mean-abs"]


def _mean_problem(criterion: str, clean: ActivationStatistics) -> tuple[str, str, str] | None:
    held, right = (
        _held(ordered(criterion, values), clean.magnitudes)
        for values in (clean.means, clean.magnitudes)
    )
    step = int(np.argmax(np.abs(held - right)))
    if not abs(held[step] - right[step]) >= SHARE:
        return None
    negative = int((clean.means < 0).sum())
    what = "the most negative" if negative else "those that cancel out"
    end = "first" if criterion == "ascending" else "last"
    return (
        "activations of 0 or more to order channels by their mean",
        f"negative ones, and a negative mean in {negative} of {len(held)} channels",
        f"{what} are pruned {end}, not the least active (the first {step + 1} hold "
        f"{held[step]:.0%} of all |activation|, {right[step]:.0%} in order of mean |activation|)",
    )


def _maximum_problem(clean: ActivationStatistics) -> tuple[str, str, str] | None:
    negative = int((clean.maxima < 0).sum())
    if not negative:
        return None
    held, right = (
        _held(ordered(criterion, values), clean.magnitudes)[:negative]
        for criterion, values in (("max", clean.maxima), ("mean-abs", clean.magnitudes))
    )
    step = int(np.argmax(held - right))
    if not held[step] - right[step] >= SHARE:
        return None
    return (
        "channels whose largest activation is 0 or more to order them by it",
        f"{negative} of {len(clean.maxima)} that are never positive",
        f"the most negative of these are pruned first, not the least active (the first {step + 1} "
        f"hold {held[step]:.0%} of all |activation|, {right[step]:.0%} in order of mean "
        "|activation|)",
    )


def _zeros_problem(clean: ActivationStatistics) -> tuple[str, str, str] | None:
    live = clean.zero_shares[clean.zero_shares < 1]
    if len(live) < 2 or not np.ptp(live) < SPREAD:
        return None
    return (
        "channels that differ in how often they are exactly 0 to order them by it",
        f"shares of zeros of {live.min():.2%} to {live.max():.2%} in {len(live)} live channels",
        "their order is that of their indices, or chance",
    )


def _held(order: NDArray[np.int64], magnitudes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the part of all |activation| that the first 1, 2, … channels of an order hold."""
    whole = magnitudes.sum()
    if not (0 < whole < np.inf):
        return np.zeros(len(order))
    return np.asarray(np.cumsum(magnitudes[order]) / whole)


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
