"""Channel orders: which channel is pruned first."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fastprune import backend
from fastprune.errors import OptionError

Order: TypeAlias = str | Path | Sequence[int] | NDArray[np.integer]
"""``"ascending"``, ``"descending"``, ``"random:SEED"``, a file of indices, or the indices."""

RANK_ON = ("cut", "prune")


class MeanActivation:
    """Mean activation of each channel over a stream of activations, summed in float64.

    Parameters
    ----------
    n_channels : int
        Channels on the last axis.
    """

    def __init__(self, n_channels: int) -> None:
        self._sums = np.zeros(n_channels, np.float64)
        self._count = 0

    def add(self, activations: Any) -> None:
        """Add activations, float32 (images, …, channels), an array or a backend tensor."""
        self._sums += backend.channel_sums(activations)
        self._count += int(np.prod(activations.shape[:-1]))

    @property
    def means(self) -> NDArray[np.float64]:
        """Mean of each channel, float64 (channels,)."""
        return self._sums / max(self._count, 1)


def make_order(order: Order, means: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the channels in the order in which they are pruned.

    Parameters
    ----------
    order : str, path or sequence of int
        ``"ascending"`` (least active first), ``"descending"``, ``"random:SEED"``, a file of channel
        indices, or the indices themselves.
    means : ndarray of float64, shape (n_channels,)
        Mean activation of each channel on the clean validation set.

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
    K. Liu, B. Dolan-Gavitt, S. Garg: Fine-Pruning, RAID 2018, arXiv:1805.12185.

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
        return _permutation(indices, len(means), "the order given")
    if order == "ascending":
        return np.argsort(means, kind="stable").astype(np.int64)
    if order == "descending":
        return np.argsort(-means, kind="stable").astype(np.int64)
    if found := re.fullmatch(r"random:(\d+)", str(order)):
        return np.random.default_rng(int(found[1])).permutation(len(means)).astype(np.int64)
    return _permutation(_read(Path(order)), len(means), str(order))


def check_order(order: Order) -> None:
    """Refuse an order that cannot be one, before any work is done for it.

    Raises
    ------
    OptionError
        When it is no known word and no file of integers.
    """
    known = isinstance(order, str) and (
        order in ("ascending", "descending") or re.fullmatch(r"random:\d+", order)
    )
    if isinstance(order, str | Path) and not known:
        _read(Path(order))


def order_name(order: Order) -> str:
    """Return how an order is called in results."""
    return str(order) if isinstance(order, str | Path) else "given"


def _read(path: Path) -> NDArray[Any]:
    try:
        words = path.read_text(encoding="utf-8").replace(",", " ").strip("[] \n").split()
    except (OSError, ValueError) as error:
        message = (
            "expected the order to be ascending, descending, random:SEED or a text file of channel "
            f"indices; got {str(path)!r}, which is none; check the spelling or the path"
        )
        raise OptionError(message) from error
    try:
        return np.array([int(word) for word in words], np.int64)
    except (ValueError, OverflowError) as error:
        message = f"expected channel indices, whole numbers; got {str(error)[-60:]} ({path})"
        raise OptionError(message) from error


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
