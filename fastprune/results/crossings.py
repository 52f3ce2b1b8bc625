"""Where a drop is crossed, and how the drop is called in tables, file names and keys."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Crossing:
    """The step at which one drop X is crossed, with the drop's name.

    Attributes
    ----------
    drop : float
        The drop X; 0 for B, of which nothing is pruned.
    step : int or None
        The smallest ``n_pruned`` that reaches it; None where none does.
    label : str
        X to read, ``"2.5"``; ``"B"`` for B.

    Examples
    --------
    >>> crossing = Crossing.of(2.5, 40)
    >>> crossing.label, crossing.key, crossing.repaired_name, crossing.goodnet_name
    ('2.5', 'drop_2_5', 'repaired_2.5', 'goodnet_2.5')
    """

    drop: float
    step: int | None
    label: str

    @classmethod
    def of(cls, drop: float, step: int | None) -> Crossing:
        """Return the crossing of a drop."""
        return cls(drop, step, drop_label(drop))

    @property
    def key(self) -> str:
        """What stands for the drop in keys, as of ``metrics.json``."""
        return f"drop_{number_key(self.drop)}"

    @property
    def repaired_name(self) -> str:
        """Name of the files of its B′, without their ending."""
        return f"repaired_{self.label}"

    @property
    def goodnet_name(self) -> str:
        """Name of the file of its G, without its ending."""
        return f"goodnet_{self.label}"


BADNET = Crossing(0.0, 0, "B")
"""B itself, the first row of every table of drops."""


def drop_label(drop: float) -> str:
    """Return a drop X to read, as tables, file names and JSON have it.

    Examples
    --------
    >>> drop_label(2.0), drop_label(2.5), drop_label(1e-5)
    ('2', '2.5', '1e-05')
    """
    return f"{drop:g}"


def number_key(value: float) -> str:
    """Return a number as a part of a key, which may hold no dot.

    Examples
    --------
    >>> number_key(2.0), number_key(2.5)
    ('2', '2_5')
    """
    return f"{value:g}".replace(".", "_")
