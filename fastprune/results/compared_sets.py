"""On which sets results are compared, where they need not all have the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fastprune.errors import OptionError
from fastprune.results.record import SweepRecord
from fastprune.results.set_pairs import backdoored_validation_sets, of_kind, pairs

SetNames = tuple[str | None, str | None]
"""A clean and a backdoored set."""


def choose_sets(
    results: Sequence[SweepRecord], clean: str | None = None, backdoored: str | None = None
) -> tuple[SetNames, ...]:
    """Return the clean and the backdoored set that each result is compared on.

    Those named, for the results that have them; else the best pair that all have; else the best
    pair of each, since networks are often measured with a backdoored set of their own.

    Raises
    ------
    OptionError
        When no result has a set that is named, or none is named and the results share no clean set.
    """
    for name, kind in ((clean, "clean"), (backdoored, "backdoored")):
        known = list(dict.fromkeys(n for result in results for n in _names(result, kind)))
        if name is not None and name not in known:
            message = (
                f"expected a {kind} set of these results; got {name!r}; there is "
                f"{', '.join(known) or 'none'}"
            )
            raise OptionError(message)
    if clean is None and not _shared(results, "clean"):
        raise OptionError(_nothing_shared(results))
    pair = _shared_pair(results, clean, backdoored)
    if pair is not None:
        return (pair,) * len(results)
    return tuple(_own_pair(result, clean, backdoored) for result in results)


def missing_sets(
    labels: Sequence[str], results: Sequence[SweepRecord], sets: Sequence[SetNames]
) -> Iterator[str]:
    """Yield a sentence on results without a set to compare, and on sets of their own."""
    for side, kind in enumerate(("clean", "backdoored")):
        names = list(dict.fromkeys(pair[side] for pair in sets))
        if len(names) == 1:
            continue
        lacking = [label for label, pair in zip(labels, sets, strict=True) if pair[side] is None]
        wanted = [name for name in names if name is not None]
        if lacking:
            what = f"the {kind} set {wanted[0]}" if len(wanted) == 1 else f"{kind} set"
            yield f"without {what}: {', '.join(lacking)}"
        if len(wanted) > 1:
            each = ", ".join(
                f"{label}: {pair[side]}"
                for label, pair in zip(labels, sets, strict=True)
                if pair[side] is not None
            )
            yield f"not the same {kind} set for all ({each})"


def differing_sets(results: Sequence[SweepRecord], sets: Sequence[SetNames]) -> Iterator[str]:
    """Yield a sentence on every set whose name is the same in all results, its images not."""
    for side in range(2):
        images: dict[str, set[tuple[int, str | None]]] = {}
        for result, pair in zip(results, sets, strict=True):
            name = pair[side]
            if name is not None:
                part = result.sets[name]
                found = (part.counts.images, part.source.get("fingerprint"))
                images.setdefault(name, set()).add(found)
        for name, found_of in images.items():
            if len(found_of) > 1:
                yield f"{name} does not hold the same images in all results"


def _shared_pair(
    results: Sequence[SweepRecord], clean: str | None, backdoored: str | None
) -> SetNames | None:
    """Return the best pair of sets that all results have; None where there is none."""
    shared = _shared(results, "clean"), _shared(results, "backdoored")
    # A pair without a backdoored set will do only where it was asked for, or no result has one.
    alone = clean is not None or not any(_names(result, "backdoored") for result in results)
    for pair in _ranked(results[0], clean, backdoored):
        if pair[0] in shared[0] and (pair[1] in shared[1] or (pair[1] is None and alone)):
            return pair
    return None


def _own_pair(result: SweepRecord, clean: str | None, backdoored: str | None) -> SetNames:
    """Return the best pair of one result; None for a set that is named and that it has not."""
    named = (clean, backdoored)
    known = [
        name if name in _names(result, kind) else None
        for name, kind in zip(named, ("clean", "backdoored"), strict=True)
    ]
    best = _ranked(result, *known)[0]
    first, second = (
        None if name is not None and held is None else found
        for name, held, found in zip(named, known, best, strict=True)
    )
    return first, second


def _ranked(
    result: SweepRecord, clean: str | None, backdoored: str | None
) -> list[tuple[str, str | None]]:
    """Return the pairs of a result that agree with the names given, the best first."""
    chose = {result.valid, *(part.name for part in backdoored_validation_sets(result))}
    fitting = [
        pair for pair in pairs(result) if clean in (None, pair[0]) and backdoored in (None, pair[1])
    ]
    if not fitting and clean in _names(result, "clean"):
        # Named one by one, a clean set may stand beside any backdoored one.
        return [(str(clean), backdoored)]
    # Sets that chose come last, clean sets without a backdoored one before them.
    return sorted(fitting, key=lambda pair: (bool(chose & set(pair)), pair[1] is None))


def _shared(results: Sequence[SweepRecord], kind: str) -> set[str]:
    return set.intersection(*(set(_names(result, kind)) for result in results))


def _names(result: SweepRecord, kind: str) -> list[str]:
    return [part.name for part in of_kind(result, kind)]


def _nothing_shared(results: Sequence[SweepRecord]) -> str:
    told = [f"{', '.join(_names(result, 'clean'))} ({result.network.name})" for result in results]
    return (
        "expected results with a clean set in common, by its name; got "
        f"{'; '.join(dict.fromkeys(told))}; name a set with clean, or sweep them with the same sets"
    )
