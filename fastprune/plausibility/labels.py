"""Whether labels can be what they are called: true classes of a clean set, targets of an attack."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from fastprune.plausibility.pairs import USUAL
from fastprune.plausibility.significance import (
    ALPHA,
    above_chance,
    at_least,
    at_most,
    better,
    chance,
    skill,
)
from fastprune.plausibility.trial import Doubt, Trial

FEWEST = 16
"""Images of a set from which on anything is said of what B does with them."""

TARGETS = 5
"""Labels that a backdoored set may have without a word: more are those of clean images."""

NEAR = 0.1
"""Cohen's kappa up to which B is near chance: 0 is chance, 1 always right."""

LUCK = 0.01
"""Probability of so many hits by chance below which B knows something, however little: of many
classes 3 images in 32 are more than chance gives."""

FAIR = 0.5
"""Cohen's kappa of a network that must not be called near chance by bad luck."""

EXCESS = 0.25
"""Share of a clean set that B puts in the target of an attack beyond those of that label, where a
part of it has the trigger on."""

MOSTLY = 0.8
"""Share of the images that B gets wrong which are in that class then: a network that is only weak
errs in many."""

ELSEWHERE = 0.75
"""Share of a backdoored set that B puts in one class, beyond those of that label, where it is the
target that the labels miss."""

SURE = 0.9
"""Share of pairs of images of one label that B puts in one class, where it knows the labels by
other numbers."""

PAIRS = 20
"""Pairs of images of one label that this takes."""


def clean_doubts(trials: Sequence[Trial]) -> Iterator[Doubt]:
    """Yield what keeps clean sets from being clean sets with their true labels."""
    targets = {int(t.known[0]) for t in trials if t.kind == "backdoored" and t.one_label}
    works = {
        t.favourite for t in trials
        if t.kind == "backdoored" and len(t.labels) and t.put_in(t.favourite) >= USUAL
    }  # fmt: skip
    for trial in trials:
        if trial.kind != "clean" or trial.images < FEWEST:
            continue
        message = _one_label(trial)
        if message is None and len(trial.labels) >= FEWEST:
            message = (
                _shifted(trial) or _near_chance(trial, targets | works) or _partly(trial, works)
            )
        if message is not None:
            yield Doubt((trial.name,), message)


def backdoored_doubts(trials: Sequence[Trial]) -> Iterator[Doubt]:
    """Yield what keeps backdoored sets from being images with a trigger and their target."""
    clean = [trial for trial in trials if trial.kind == "clean" and len(trial.classes)]
    for trial in trials:
        if trial.kind != "backdoored" or len(trial.labels) < FEWEST:
            continue
        many = len(trial.known) > TARGETS
        message = _other_class(trial, clean, many) or (_many_labels(trial) if many else None)
        if message is not None:
            yield Doubt((trial.name,), message)


def near_chance(classes: NDArray[np.integer], labels: NDArray[np.integer]) -> bool:
    """Return whether B does no better than chance, and would hardly look so by bad luck."""
    by_chance, hits = chance(classes, labels), int((classes == labels).sum())
    fair = by_chance + FAIR * (1 - by_chance)
    return (
        skill(classes, labels) <= NEAR
        and at_least(hits, len(labels), by_chance) > LUCK
        and at_most(hits, len(labels), fair) <= ALPHA
    )


def _one_label(trial: Trial) -> str | None:
    if not trial.one_label:
        return None
    label = int(trial.known[0])
    found = f"expected true labels of clean images in {trial.name}; got {label} for all of them"
    if len(trial.labels) < FEWEST:
        return f"{found}: accuracy on one class says nothing of the others"
    share = trial.put_in(label)
    if share >= USUAL:
        return f"{found}, and B puts {share:.0%} of them there: it looks like a backdoored set"
    return (
        f"{found}, where B puts {share:.0%} of them: they look like the target of an attack; give "
        "every image its true class"
    )


def _shifted(trial: Trial) -> str | None:
    """Return what to say where B is right on the label's neighbour."""
    right = trial.classes == trial.labels
    for step in (1, -1):
        moved = trial.labels + step
        beside = trial.classes == moved
        if beside.mean() >= USUAL and better(beside, right) <= ALPHA and (
            above_chance(trial.classes, np.maximum(moved, 0))
        ):
            return (
                f"expected the labels of {trial.name} to be B's classes; got B right on "
                f"{trial.right:.0%} of them as they are and on {beside.mean():.0%} as label "
                f"{step:+d}: count the classes from 0, as B does"
            )
    return None


def _near_chance(trial: Trial, targets: set[int]) -> str | None:
    if not near_chance(trial.classes, trial.labels):
        return None
    by_chance = chance(trial.classes, trial.labels)
    found = f"B is right on {trial.right:.1%} of {trial.name}, near chance ({by_chance:.1%})"
    top = trial.favourite
    share = trial.put_in(top)
    if share >= USUAL and top in targets:
        return f"{found}: it puts {share:.0%} of them in class {top}, as it does with a trigger"
    if knows_otherwise(trial.classes, trial.labels):
        return (
            f"{found}, and puts images of one label in one class, but another: number the labels "
            "as B does (folders in order of their names come as 0, 1, 10, 11, 2)"
        )
    much = f", and puts {share:.0%} of them in class {top}" if share >= USUAL else ""
    return f"{found}{much}: {OTHERWISE}"


OTHERWISE = (
    "no --scale of 1, 255 or 1/255 is clearly better; images and labels may not belong together, "
    "labels be numbered otherwise, or B be trained on other classes, on centred pixels, on "
    "channels in another order or on other crops"
)
"""What else it can be where B is near chance at every scale."""


def knows_otherwise(classes: NDArray[np.integer], labels: NDArray[np.integer]) -> bool:
    """Return whether B tells the labels apart, but by other numbers.

    So it is where two images of one label mostly have the same class, and those of two labels do
    not.
    """
    order = np.argsort(labels, kind="stable")
    pairs = [(a, b) for a, b in pairwise(order.tolist()) if labels[a] == labels[b]]
    if len(pairs) < PAIRS:
        return False
    shares = np.bincount(classes) / len(classes)
    alike = np.mean([classes[a] == classes[b] for a, b in pairs])
    return bool(alike >= SURE and shares @ shares < USUAL)


def _partly(trial: Trial, works: set[int]) -> str | None:
    """Return what to say where a part of a clean set is treated as if it had a trigger."""
    for target in works:
        put, labelled = trial.put_in(target), trial.labelled(target)
        if put - labelled >= EXCESS and put - labelled >= MOSTLY * (1 - trial.right):
            return (
                f"expected clean images in {trial.name}; got {put:.0%} of them in class {target} "
                f"by B, the target of the attack, and {labelled:.0%} by their labels: a part of "
                "them looks backdoored"
            )
    return None


def _other_class(trial: Trial, clean: Sequence[Trial], many: bool) -> str | None:
    """Return what to say where B is sure of a class that the labels do not say."""
    top = trial.favourite
    put, labelled = trial.put_in(top), trial.labelled(top)
    if put - labelled < ELSEWHERE or any(other.put_in(top) > put / 2 for other in clean):
        return None
    if many:
        return (
            f"expected the attacker's target as label of {trial.name}; got {len(trial.known):,} "
            f"labels, and B puts {put:.0%} of its images in class {top}: they look like true "
            f"labels; write {top} for all, and give these with --true-label"
        )
    said = ", ".join(map(str, trial.known.tolist()))
    return (
        f"expected the attacker's target as label of {trial.name}; got {said}, and B puts "
        f"{put:.0%} of its images in class {top}: the target is {top}, or it is another network's "
        "set"
    )


def _many_labels(trial: Trial) -> str | None:
    """Return what to say of a backdoored set with the labels of a clean one."""
    if trial.truth is not None and (trial.truth != trial.labels).mean() >= USUAL:
        return None  # an attack with a target for every class
    found = (
        f"expected the attacker's target as label of {trial.name}; got {len(trial.known):,} labels"
    )
    if trial.right >= USUAL:
        return (
            f"{found}, and B puts {trial.right:.0%} of its images there: it looks like a clean "
            "set; if the attack has a target for every class, say so with --true-label"
        )
    return f"{found}, and B puts {trial.right:.0%} of its images there: give each its target"
