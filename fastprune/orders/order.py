"""Orders as a user names them: parsed once, before any work is done, and told in results."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fastprune.errors import OptionError, meant

MEANINGS = {
    "ascending": "mean activation, smallest first",
    "descending": "mean activation, largest first",
    "mean-abs": "mean |activation|, smallest first",
    "max": "largest activation, smallest first",
    "apoz": "average percentage of zeros, most zeros first",
    "l1": "L1 norm of the kernel, smallest first",
    "l2": "L2 norm of the kernel, smallest first",
    "fpgm": "sum of distances to the other kernels, smallest first",
    "clp": "channel Lipschitz bound, largest first: largest singular value of the kernel times the "
    "gain of the BatchNormalization behind",
    "oracle": "mean activation on a backdoored set minus that on clean validation images, largest "
    "first; no defender has it",
}
"""Criteria by name, and what they order by."""

EXTREMES = frozenset({"max", "apoz"})
"""Criteria that need maxima or zeros of the activations, not sums alone."""


@dataclass(frozen=True, eq=False)
class Order:
    """An order of the channels, as :func:`parse_order` gives it.

    Attributes
    ----------
    kind : {"criterion", "oracle", "random", "file", "given"}
        Where the order comes from.
    name : str
        How results call it: the criterion, ``"oracle:SET"``, ``"random:SEED"``, the path of a file,
        or ``"given"``.
    criterion : str or None
        Key of :data:`MEANINGS`; None where no score decides.
    oracle_set : str or None
        The backdoored set that an oracle looks at; None where it names none, and without one.
    seed : int or None
        Of a random order.
    indices : ndarray or None
        The channels, of a file or as they were given; not yet checked to be a permutation.
    """

    kind: Literal["criterion", "oracle", "random", "file", "given"]
    name: str
    criterion: str | None = None
    oracle_set: str | None = None
    seed: int | None = None
    indices: NDArray[Any] | None = None

    @property
    def needs_extremes(self) -> bool:
        """Whether it needs maxima or zeros of the activations."""
        return self.criterion in EXTREMES

    @property
    def folder(self) -> str:
        """Name of its results directory, beside those of other orders.

        Examples
        --------
        >>> parse_order("random:7").folder, parse_order("oracle:bd").folder
        ('random-7', 'oracle-bd')
        """
        return Path(self.name).stem if "/" in self.name else self.name.replace(":", "-")

    def with_oracle_set(self, backdoored: Sequence[str], preferred: Sequence[str]) -> Order:
        """Return the order with the set that an oracle looks at named.

        Parameters
        ----------
        backdoored : sequence of str
            Names of the backdoored sets.
        preferred : sequence of str
            Those that go with the validation set: one of them is meant where none is named.

        Raises
        ------
        OptionError
            When an oracle's set does not exist, or it is not clear which is meant.
        """
        if self.kind != "oracle":
            return self
        if self.oracle_set is not None:
            if self.oracle_set not in backdoored:
                message = (
                    f"expected an oracle to look at a backdoored set; got {self.oracle_set!r}; "
                    f"there is {', '.join(backdoored) or 'none'}"
                )
                raise OptionError(message)
            return self
        choice = preferred or backdoored
        if len(choice) != 1:
            message = (
                "expected an oracle to look at one backdoored set; got "
                f"{', '.join(choice) or 'none'}; name it, as in oracle:NAME"
            )
            raise OptionError(message)
        return replace(self, name=f"oracle:{choice[0]}", oracle_set=choice[0])


OrderSource: TypeAlias = str | Path | Sequence[int] | NDArray[np.integer] | Order
"""A criterion's name, ``"random:SEED"``, a file of indices, the indices, or what was parsed."""


def parse_order(source: OrderSource) -> Order:
    """Return what an order means; a file of indices is read here and never again.

    Raises
    ------
    OptionError
        When it is no known word and no file of integers.

    Examples
    --------
    >>> parse_order("ascending").kind, parse_order("random:7").seed, parse_order([1, 0]).name
    ('criterion', 7, 'given')
    """
    if isinstance(source, Order):
        return source
    if not isinstance(source, str | Path):
        try:
            indices = np.array(source)
        except ValueError:  # lists of several lengths
            indices = np.array([])
        return Order("given", "given", indices=indices)
    if isinstance(source, str):
        if source == "oracle" or oracle_set(source) is not None:
            return Order("oracle", source, "oracle", oracle_set(source))
        if source in MEANINGS:
            return Order("criterion", source, source)
        if match := re.fullmatch(r"random:(\d+)", source):
            return Order("random", source, seed=int(match[1]))
    return Order("file", str(source), indices=_read_indices(Path(source)))


def oracle_set(order_name: str) -> str | None:
    """Return the backdoored set that an order looks at: no defender could make that order.

    Examples
    --------
    >>> oracle_set("oracle:bd_valid"), oracle_set("ascending")
    ('bd_valid', None)
    """
    word, colon, name = order_name.partition(":")
    return name if word == "oracle" and colon else None


def _read_indices(path: Path) -> NDArray[Any]:
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
            f"channel indices; got {str(path)!r}, which is none"
            f"{meant(str(path), [*MEANINGS, 'random:SEED']) or '; check the spelling or the path'}"
        )
        raise OptionError(message) from error
    try:
        return np.array([int(word) for word in words], np.int64)
    except (ValueError, OverflowError) as error:
        message = (
            f"expected channel indices, whole numbers; got {str(error)[-60:]} ({path}); write "
            "every channel's index once, separated by spaces, commas or line breaks"
        )
        raise OptionError(message) from error
