"""The sets of a sweep: opened together, each with what is known of it, and closed together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

from fastprune.errors import DataError
from fastprune.sets.image_set import ImageSet, Kind, SetSource
from fastprune.sets.true_labels import LabelSource, add_true_labels


@contextmanager
def open_sets(
    valid: SetSource,
    clean: Mapping[str, SetSource],
    backdoored: Mapping[str, SetSource],
    *,
    valid_name: str = "valid",
    true_labels: Mapping[str, LabelSource] | None = None,
    paired: Mapping[str, str] | None = None,
    n_classes: int,
    label: str = "label",
    **options: Any,
) -> Iterator[dict[str, ImageSet]]:
    """Open every set of a sweep by name, the validation set first; close all at the end.

    Parameters
    ----------
    valid, clean, backdoored
        The validation set and further sets by name.
    valid_name : str
        Name of the validation set.
    true_labels, paired
        As for :func:`~fastprune.sets.true_labels.add_true_labels`.
    n_classes, label, **options
        As for :class:`~fastprune.sets.image_set.ImageSet`.

    Raises
    ------
    DataError, OptionError
        When a set or its true labels cannot be used, or two sets have the same name.
    """
    wanted: list[tuple[str, Kind, SetSource]] = [(valid_name, "clean", valid)]
    wanted += [(name, "clean", source) for name, source in clean.items()]
    wanted += [(name, "backdoored", source) for name, source in backdoored.items()]
    options |= {"n_classes": n_classes, "label": label}
    sets: dict[str, ImageSet] = {}
    with ExitStack() as files:
        for name, kind, source in wanted:
            if name in sets:
                message = (
                    f"expected every set to have a name of its own; got {name!r} twice; rename one"
                )
                raise DataError(message)
            sets[name] = files.enter_context(ImageSet(name, source, kind=kind, **options))
        add_true_labels(sets, true_labels or {}, paired or {}, n_classes=n_classes, label=label)
        yield sets
