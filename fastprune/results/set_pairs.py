"""Which clean set stands beside which backdoored one."""

from __future__ import annotations

import re

from fastprune.errors import OptionError
from fastprune.results.record import SetResult, SweepRecord


def pairs(result: SweepRecord) -> list[tuple[str, str | None]]:
    """Return the clean and backdoored sets that are measured together, as names.

    Every backdoored set stands beside its :func:`companion`; a clean set that is nobody's companion
    stands alone, with None.
    """
    with_backdoor: list[tuple[str, str | None]] = [
        (companion(result, part.name), part.name)
        for part in result.sets.values()
        if part.kind == "backdoored"
    ]
    taken = {clean for clean, _ in with_backdoor}
    alone: list[tuple[str, str | None]] = [
        (part.name, None)
        for part in result.sets.values()
        if part.kind == "clean" and part.name not in taken
    ]
    both = [*with_backdoor, *alone]
    return sorted(both, key=lambda pair: pair[0] != result.valid)


def companion(result: SweepRecord, backdoored: str) -> str:
    """Return the clean set that goes with a backdoored one.

    The one it is paired with, image by image; else one whose name it holds, as ``bd_test`` holds
    ``test``; else the first clean set that only measures; else the validation set.

    Raises
    ------
    OptionError
        When there is no backdoored set of that name.
    """
    part = set_of(result, backdoored, "backdoored")
    if part.paired is not None:
        return part.paired
    clean = [other.name for other in result.sets.values() if other.kind == "clean"]
    alike = [name for name in clean if named_like(backdoored, name)]
    tests = [name for name in clean if name != result.valid]
    return max(alike, key=len) if alike else [*tests, result.valid][0]


def named_like(name: str, other: str) -> bool:
    """Return whether a name holds every word of another.

    Examples
    --------
    >>> named_like("bd_valid", "valid"), named_like("bd_test-2", "valid")
    (True, False)
    """
    return set(_words(other)) <= set(_words(name))


def validation_twins(result: SweepRecord) -> list[SetResult]:
    """Return the backdoored validation sets: paired with the validation set, or named like it."""
    parts = [part for part in result.sets.values() if part.kind == "backdoored"]
    return [part for part in parts if goes_with(part.name, part.paired, result.valid)]


def goes_with(backdoored: str, paired: str | None, clean: str) -> bool:
    """Return whether a backdoored set, paired or not, is the twin of a clean one."""
    return named_like(backdoored, clean) if paired is None else paired == clean


def set_of(result: SweepRecord, name: str, kind: str) -> SetResult:
    """Return a set of a sweep.

    Raises
    ------
    OptionError
        When there is no set of that name and kind; the message names those there are.
    """
    known = [part.name for part in result.sets.values() if part.kind == kind]
    if name not in known:
        message = (
            f"expected a {kind} set of this sweep; got {name!r}; it has "
            f"{', '.join(known) or 'none'}"
        )
        raise OptionError(message)
    return result.sets[name]


def _words(name: str) -> list[str]:
    return re.findall(r"[^\W_]+", name)
