"""What two sets tell of each other: the same images, other pixels, swapped names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from fastprune.plausibility.scales import unlike
from fastprune.plausibility.trial import Doubt, Trial

SAME = 0.5
"""Share of the images tried that are the same, pixel for pixel, in two sets of one size that are
the same set: a trigger changes all of them."""

SHARED, TWINS = 0.01, 2
"""Share of a measured set's images, and number in any case, that may be images of the validation
set: films and albums have a few twins, and some images show nothing at all."""

USUAL = 0.5
"""Share of a set from which on B treats it as the other kind of set, not as its own."""


def same_images(trials: Sequence[Trial]) -> Iterator[Doubt]:
    """Yield which sets are the same file, or the same images in two files."""
    for first, second in combinations(trials, 2):
        one_file = first.path is not None and first.path == second.path
        if not one_file and not _same(first, second):
            continue
        what = f"the same file ({first.path})" if one_file else "the same images in both"
        if first.kind != second.kind:
            wanted, mend = "a set of images with the trigger and one without", "check which it is"
        elif first is trials[0]:
            wanted = f"sets that have no part in choosing beside {first.name}"
            mend = "to choose and to measure on the same images is not measuring"
        else:
            wanted, mend = "every set once", "leave one out"
        message = f"expected {wanted}; got {what} as {first.name} and as {second.name}: {mend}"
        yield Doubt((second.name,), message)


def _same(first: Trial, second: Trial) -> bool:
    if first.images != second.images or first.digests is None or second.digests is None:
        return False
    return len(first.digests) > 0 and float((first.digests == second.digests).mean()) >= SAME


def unlike_pixels(trials: Sequence[Trial]) -> Iterator[Doubt]:
    """Yield which sets have pixels on another scale than the first one."""
    first = trials[0]
    for other in trials[1:]:
        ends = (first.brightest, other.brightest)
        if not (min(first.darkest, other.darkest) >= 0 and min(ends) > 0 and unlike(*ends)):
            continue
        message = (
            f"expected pixels on one scale in all sets; got 0-{ends[0]:.3g} in {first.name} and "
            f"0-{ends[1]:.3g} in {other.name}: one --scale cannot suit both; write one of them anew"
        )
        yield Doubt((other.name,), message)


def swapped(trials: Sequence[Trial], many: int) -> Iterator[Doubt]:
    """Yield which clean and backdoored sets have each other's labels and each other's classes.

    Parameters
    ----------
    trials : sequence of Trial
        All sets.
    many : int
        More labels than a backdoored set has.
    """
    for clean in trials:
        for other in trials:
            apart = (clean.kind, other.kind) == ("clean", "backdoored")
            if not apart or not clean.one_label or len(other.known) <= many:
                continue
            if min(clean.right, other.right) >= USUAL:
                message = (
                    f"expected true labels in {clean.name} and the attacker's target in "
                    f"{other.name}; got label {clean.known[0]} alone in {clean.name} and "
                    f"{len(other.known):,} labels in {other.name}, and B puts "
                    f"{clean.right:.0%} and {other.right:.0%} of them there: they look swapped"
                )
                yield Doubt((clean.name, other.name), message)


def shared_doubt(
    valid: str, name: str, chosen: NDArray[np.uint64], measured: NDArray[np.uint64]
) -> Doubt | None:
    """Return what to say where a set holds images of the validation set.

    Parameters
    ----------
    valid, name : str
        The validation set, and another clean one.
    chosen, measured : ndarray of uint64, shape (images,)
        Digests of all their images.
    """
    shared = int(np.isin(measured, chosen).sum())
    if shared <= max(TWINS, SHARED * len(measured)):
        return None
    message = (
        f"expected sets that have no part in choosing beside {valid}; got {shared:,} of "
        f"{len(measured):,} images of {name} that are in {valid} too: to choose and to measure on "
        "the same images is not measuring"
    )
    return Doubt((name,), message)
