"""Orders as a user names them: checked before any work is done, and told in results."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fastprune.errors import OptionError

Order: TypeAlias = str | Path | Sequence[int] | NDArray[np.integer]
"""A criterion's name, ``"random:SEED"``, a file of indices, or the indices."""

MEANINGS = {
    "ascending": "mean activation, smallest first",
    "descending": "mean activation, largest first",
    "mean-abs": "mean |activation|, smallest first",
    "max": "largest activation, smallest first",
    "apoz": "average percentage of zeros, most zeros first",
    "l1": "L1 norm of the kernel, smallest first",
    "l2": "L2 norm of the kernel, smallest first",
    "fpgm": "sum of distances to the other kernels, smallest first",
    "oracle": "mean activation on a backdoored set minus that on clean validation images, largest "
    "first; no defender has it",
}
"""Criteria by name, and what they order by."""


def is_criterion(order: object) -> bool:
    """Return whether an order is a criterion's name: a key of :data:`MEANINGS`, or oracle:SET."""
    return isinstance(order, str) and (order in MEANINGS or order.startswith("oracle:"))


def needs_extremes(order: object) -> bool:
    """Return whether an order needs maxima or zeros of the activations."""
    return is_criterion(order) and order in ("max", "apoz")


def oracle_set(order: object) -> str | None:
    """Return the backdoored set that an order looks at: no defender could make that order.

    Examples
    --------
    >>> oracle_set("oracle:bd_valid"), oracle_set("ascending")
    ('bd_valid', None)
    """
    if isinstance(order, str) and order.startswith("oracle:"):
        return order.removeprefix("oracle:")
    return None


def check_order(order: Order) -> None:
    """Refuse an order that cannot be one, before any work is done for it.

    Raises
    ------
    OptionError
        When it is no known word and no file of integers.
    """
    known = isinstance(order, str) and (
        is_criterion(order) or re.fullmatch(r"random:\d+", order)
    )
    if isinstance(order, str | Path) and not known:
        read_indices(Path(order))


def resolve_order(order: Order, backdoored: Sequence[str], twins: Sequence[str]) -> Order:
    """Return an order with the set that an oracle looks at named.

    Parameters
    ----------
    order : order
        As for :func:`~fastprune.orders.ranking.make_order`; ``"oracle"`` names no set.
    backdoored : sequence of str
        Names of the backdoored sets.
    twins : sequence of str
        Those that go with the validation set.

    Raises
    ------
    OptionError
        When an oracle's set does not exist, or it is not clear which is meant.
    """
    named = oracle_set(order)
    if named is not None and named not in backdoored:
        message = (
            f"expected an oracle to look at a backdoored set; got {named!r}; there is "
            f"{', '.join(backdoored) or 'none'}"
        )
        raise OptionError(message)
    if not isinstance(order, str) or order != "oracle":
        return order
    choice = twins or backdoored
    if len(choice) != 1:
        message = (
            f"expected an oracle to look at one backdoored set; got {', '.join(choice) or 'none'}; "
            "name it, as in oracle:NAME"
        )
        raise OptionError(message)
    return f"oracle:{choice[0]}"


def order_name(order: Order) -> str:
    """Return how an order is called in results."""
    return str(order) if isinstance(order, str | Path) else "given"


def read_indices(path: Path) -> NDArray[Any]:
    """Read the channel indices of an order's file.

    Raises
    ------
    OptionError
        When it cannot be read or holds anything else.
    """
    try:
        words = path.read_text(encoding="utf-8").replace(",", " ").strip("[] \n").split()
    except (OSError, ValueError) as error:
        message = (
            f"expected the order to be {', '.join(MEANINGS)}, random:SEED or a text file of "
            f"channel indices; got {str(path)!r}, which is none; check the spelling or the path"
        )
        raise OptionError(message) from error
    try:
        return np.array([int(word) for word in words], np.int64)
    except (ValueError, OverflowError) as error:
        message = f"expected channel indices, whole numbers; got {str(error)[-60:]} ({path})"
        raise OptionError(message) from error
