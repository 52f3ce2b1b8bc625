"""What is found in an image set, and how it reads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fastprune.inspection.entries import entry, shape_words, size_words
from fastprune.report.text.words import plain
from fastprune.sets.sample import PixelRange
from fastprune.sets.scale import scale_words


@dataclass(frozen=True)
class DatasetInspection:
    """A dataset of a file: its name, shape, type, and how it is stored (chunks and filter)."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    chunks: tuple[int, ...] | None
    compression: str | None
    stored_bytes: int

    @property
    def storage(self) -> str:
        """How it is stored, in words."""
        if self.chunks is None:
            return "contiguous"
        parts = " x ".join(map(str, self.chunks))
        return f"chunks of {parts}, {self.compression or 'uncompressed'}"


@dataclass(frozen=True)
class LabelInspection:
    """What labels a set has.

    Attributes
    ----------
    low, high : float
        Smallest and largest.
    n_classes : int
        How many different ones there are.
    fewest, most : (float, int)
        The class with the fewest and that with the most images, and how many it has; the lowest
        class of several.
    whole : bool
        Whether all are whole numbers from 0.
    """

    low: float
    high: float
    n_classes: int
    fewest: tuple[float, int]
    most: tuple[float, int]
    whole: bool

    @property
    def constant(self) -> bool:
        """Whether all are the same: probably a backdoored set with that target."""
        return self.n_classes == 1


@dataclass(frozen=True)
class ModelCheck:
    """Whether a network takes a set.

    Attributes
    ----------
    model : Path
        The network.
    problem : str or None
        Why it does not: it cannot be run on it, or is at chance on it at every scale.
    sampled : int
        Sampled images that were classified.
    hits : dict of float to int
        How many of them the network puts in their label's class, by ``--scale``.
    best : float or None
        The scale at which it fits: 1, unless another is clearly better. None where it does not fit,
        or there are too few images to tell.
    clearly : bool
        Whether `best` is clearly better than every other scale.
    """

    model: Path
    problem: str | None
    sampled: int
    hits: dict[float, int]
    best: float | None = None
    clearly: bool = False


@dataclass(frozen=True)
class SetInspection:
    """What an HDF5 file of images is.

    Attributes
    ----------
    path : Path
        The file.
    bytes : int
        Its size.
    datasets : tuple of DatasetInspection
        Its datasets; links to other places are left out.
    data, label : str or None
        The datasets of images and labels; where the name asked for is missing, the only one that
        can be meant.
    images : int
        Number of images.
    layout : str or None
        ``channels first``, ``channels last``, ``either``, or None where neither axis can be one.
    sampled, bytes_read : int
        Evenly spaced images that `pixels` tells of, and bytes read for them.
    pixels : PixelRange or None
        Their values.
    labels : LabelInspection or None
        All labels.
    problems : tuple of str
        What keeps the file from being a set.
    check : ModelCheck or None
        Whether the network given takes it.
    """

    kind = "set"
    path: Path
    bytes: int
    datasets: tuple[DatasetInspection, ...]
    data: str | None
    label: str | None
    images: int
    layout: str | None
    sampled: int
    bytes_read: int
    pixels: PixelRange | None
    labels: LabelInspection | None
    problems: tuple[str, ...]
    check: ModelCheck | None

    def __str__(self) -> str:
        """Return what a person reads."""
        return set_text(self)


def set_text(found: SetInspection) -> str:
    """Return a set's inspection: its datasets, pixels, labels, and what keeps it from being one."""
    count = f"{found.images:,} images, " if found.images else ""
    lines = [f"{plain(found.path, 4096)}: image set, {count}{size_words(found.bytes)}"]
    for part in found.datasets:
        layout = f", {found.layout}" if part.name == found.data and found.layout else ""
        shape = shape_words(part.shape)
        lines += entry(part.name, f"{shape} {part.dtype}{layout}, {part.storage}")
    if found.pixels is not None:
        lines += _pixel_lines(found, found.pixels)
    if found.labels is not None:
        lines += entry("classes", _label_words(found.labels))
    for problem in found.problems:
        lines += entry("problem", plain(problem, 1000))
    if found.check is not None:
        lines += _check_lines(found.check)
    return "\n".join(lines)


def _pixel_lines(found: SetInspection, pixels: PixelRange) -> list[str]:
    if not found.sampled:
        return entry("pixels", "not read: a single chunk is larger than 64 MiB")
    every = "all" if found.sampled == found.images else f"{found.sampled:,} evenly spaced"
    read = f"({every} images, {size_words(found.bytes_read)} read)"
    lines = []
    if pixels.low is not None:
        whole = ", whole numbers" if pixels.whole else ""
        lines += entry("pixels", f"{pixels.low:g} ... {pixels.high:g}{whole} {read}")
        lines += entry("scale", SCALES[pixels.full])
    if pixels.not_finite:
        lines += entry("not finite", f"{pixels.not_finite:,} images have NaN or infinity {read}")
    return lines


SCALES = {
    255.0: "0-255: --scale 1 (default) for a network trained on 0-255, as the lab's; --scale 255 "
           "for one trained on 0-1",
    1.0: "0-1: --scale 1 (default) for a network trained on 0-1; --scale 1/255 for one "
         "trained on 0-255, as the lab's",
    None: "neither 0-1 nor 0-255: --scale 1 (default) if the network was trained on such pixels",
}  # fmt: skip


def _label_words(labels: LabelInspection) -> str:
    if labels.constant:
        return (
            f"{labels.low:g} alone, {labels.most[1]:,} images: probably a backdoored set with that "
            "target"
        )
    few, many = (f"{count:,} ({label:g})" for label, count in (labels.fewest, labels.most))
    spread = (
        f"{labels.most[1]:,} images each" if labels.fewest[1] == labels.most[1]
        else f"fewest images {few}, most {many}"
    )  # fmt: skip
    odd = "" if labels.whole else "; not all are whole numbers from 0"
    missing = int(labels.high - labels.low) + 1 - labels.n_classes
    gaps = f", {missing:,} between them missing" if labels.whole and missing else ""
    return f"{labels.n_classes:,}, {labels.low:g} ... {labels.high:g}{gaps}; {spread}{odd}"


def _check_lines(check: ModelCheck) -> list[str]:
    if check.problem is not None:
        return entry("does not fit", check.problem)
    name = plain(check.model.name)
    if not check.sampled:
        return entry("fits", name)
    said = ", ".join(
        f"{hits:,} at --scale {scale_words(scale)}" for scale, hits in check.hits.items()
    )
    counted = (
        f"{name}, which gives their label to so many of {check.sampled:,} sampled images: {said}"
    )
    if check.best is None:
        return entry("may fit", f"{counted}; too few to tell")
    best = scale_words(check.best)
    use = f"use --scale {best}" if check.clearly else (
        f"none is clearly better than {best}: use the one that it was trained with"
    )  # fmt: skip
    return entry("fits", f"{counted}; {use}")
