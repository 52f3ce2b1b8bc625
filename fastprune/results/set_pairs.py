"""Which clean set stands beside which backdoored one, which sets chose, and which only measure."""

from __future__ import annotations

import re
from collections.abc import Iterable

from fastprune.errors import OptionError
from fastprune.results.record import SetResult, SweepRecord


def pairs(result: SweepRecord) -> list[tuple[str, str | None]]:
    """Return the clean and backdoored sets that are measured together, as names.

    Every backdoored set stands beside its :func:`companion`; a clean set that is nobody's companion
    stands alone, with None.
    """
    with_backdoor: list[tuple[str, str | None]] = [
        (companion(result, part.name), part.name)
        for part in of_kind(result, "backdoored")
    ]
    taken = {clean for clean, _ in with_backdoor}
    alone: list[tuple[str, str | None]] = [
        (part.name, None)
        for part in of_kind(result, "clean")
        if part.name not in taken
    ]
    both = [*with_backdoor, *alone]
    return sorted(both, key=lambda pair: pair[0] != result.valid)


def companion(result: SweepRecord, backdoored: str) -> str:
    """Return the clean set whose false alarms are held against a backdoored one's detections.

    Its :func:`counterpart`; else the first clean set that only measures; else the validation set.

    Raises
    ------
    OptionError
        When there is no backdoored set of that name.
    """
    part = set_of(result, backdoored, "backdoored")
    clean = [other.name for other in of_kind(result, "clean")]
    tests = [name for name in clean if name != result.valid]
    return counterpart(part.name, part.paired, clean) or [*tests, result.valid][0]


def counterpart(backdoored: str, paired: str | None, clean: Iterable[str]) -> str | None:
    """Return the clean set of which a backdoored one shows the images, as far as one can tell.

    Parameters
    ----------
    backdoored : str
        Name of the backdoored set.
    paired : str or None
        The clean set that it is paired with, image by image.
    clean : iterable of str
        Names of the clean sets.

    Returns
    -------
    str or None
        The one it is paired with; else the one whose name it holds, the longest of several; else
        None.

    Examples
    --------
    >>> counterpart("bd_test", None, ["valid", "test"]), counterpart("bd", None, ["valid"])
    ('test', None)
    >>> counterpart("bd_valid", "test", ["valid", "test"])
    'test'
    """
    if paired is not None:
        return paired
    return max((name for name in clean if named_like(backdoored, name)), key=len, default=None)


def named_like(name: str, other: str) -> bool:
    """Return whether a name holds every word of another.

    Examples
    --------
    >>> named_like("bd_valid", "valid"), named_like("bd_test-2", "valid")
    (True, False)
    """
    return set(_words(other)) <= set(_words(name))


def backdoored_validation_sets(result: SweepRecord) -> list[SetResult]:
    """Return the backdoored validation sets: those whose :func:`counterpart` is the validation set.

    They may choose at which step G is used.
    """
    clean = [part.name for part in of_kind(result, "clean")]
    return [
        part
        for part in of_kind(result, "backdoored")
        if counterpart(part.name, part.paired, clean) == result.valid
    ]


def measuring(result: SweepRecord, kind: str) -> list[SetResult]:
    """Return the sets of a kind that only measure: all but those that may choose.

    Where every set of the kind may choose, all are returned.
    """
    chose = {result.valid, *(part.name for part in backdoored_validation_sets(result))}
    parts = of_kind(result, kind)
    return [part for part in parts if part.name not in chose] or parts


def of_kind(result: SweepRecord, kind: str) -> list[SetResult]:
    """Return the sets of a kind, ``"clean"`` or ``"backdoored"``, in the order of the sweep."""
    return [part for part in result.sets.values() if part.kind == kind]


def set_of(result: SweepRecord, name: str, kind: str) -> SetResult:
    """Return a set of a sweep.

    Raises
    ------
    OptionError
        When there is no set of that name and kind; the message names those there are.
    """
    known = [part.name for part in of_kind(result, kind)]
    if name not in known:
        message = (
            f"expected a {kind} set of this sweep; got {name!r}; it has "
            f"{', '.join(known) or 'none'}"
        )
        raise OptionError(message)
    return result.sets[name]


def _words(name: str) -> list[str]:
    return re.findall(r"[^\W_]+", name)
