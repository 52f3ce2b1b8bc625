"""True classes of backdoored images: given, or those of the clean images they were made from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastprune.errors import OptionError
from fastprune.files.hdf5 import open_datasets
from fastprune.sets.image_set import ImageSet, Kind
from fastprune.sets.labels import checked_labels

LabelSource: TypeAlias = str | Path | ArrayLike
"""Where true labels come from: an HDF5 file that holds a label dataset, or an array."""


def add_true_labels(
    sets: Mapping[str, ImageSet],
    true_labels: Mapping[str, LabelSource],
    paired: Mapping[str, str],
    *,
    n_classes: int,
    label: str,
) -> None:
    """Tell backdoored sets their true labels, and the clean sets that they are paired with.

    Parameters
    ----------
    sets : mapping of str to ImageSet
        Every set by name.
    true_labels : mapping of str to path or array of int, shape (images,)
        True classes by backdoored set.
    paired : mapping of str to str
        Backdoored sets whose image i is image i of a clean set, and that set.
    n_classes : int
        Number of the network's classes.
    label : str
        Name of the dataset in the files.

    Raises
    ------
    FastpruneError
        When a set does not exist, numbers of images differ, or labels are no classes.
    """
    for name, clean in paired.items():
        images = _set(sets, name, "backdoored", "paired")
        partner = _set(sets, clean, "clean", "paired")
        if len(images) != len(partner):
            message = (
                f"expected as many images in {name} as in {clean}, with which it is paired; got "
                f"{len(images)} and {len(partner)}; give the true labels of {name} instead"
            )
            raise OptionError(message)
        images.paired, images.true_labels = clean, partner.labels
    for name, source in true_labels.items():
        images = _set(sets, name, "backdoored", "true_labels")
        labels = _labels(name, source, len(images), n_classes, label)
        if images.true_labels is not None and not np.array_equal(images.true_labels, labels):
            message = (
                f"expected the true labels of {name} to be the labels of {images.paired}, with "
                "which it is paired; got others; give only one of the two"
            )
            raise OptionError(message)
        images.true_labels = labels


def _labels(
    name: str, source: LabelSource, n_images: int, n_classes: int, label: str
) -> NDArray[np.signedinteger]:
    if not isinstance(source, str | Path):
        return checked_labels(np.asarray(source), n_images, n_classes, f"true labels of {name}")
    path = Path(source)
    file, labels = open_datasets(path, label)
    with file:
        return checked_labels(labels, n_images, n_classes, f"{path}:{label}, true labels of {name}")


def _set(sets: Mapping[str, ImageSet], name: str, kind: Kind, where: str) -> ImageSet:
    known = [images.name for images in sets.values() if images.kind == kind]
    if name not in known:
        message = (
            f"expected the name of a {kind} set; got {name!r} ({where}); there is "
            f"{', '.join(known) or 'none'}"
        )
        raise OptionError(message)
    return sets[name]
