"""The one entry: what any file is."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from fastprune.errors import DataError
from fastprune.export.json_values import as_json as result_json
from fastprune.inspection.entries import entry
from fastprune.inspection.kinds import kind_of, results_folders
from fastprune.inspection.network_findings import NetworkInspection
from fastprune.inspection.networks import inspect_network
from fastprune.inspection.set_findings import ModelCheck, SetInspection
from fastprune.inspection.sets import inspect_set, opened
from fastprune.networks.classifier import load_classifier
from fastprune.networks.goodnet import scores_of
from fastprune.report.text.words import plain
from fastprune.result import SweepResult
from fastprune.sets.image_files import image_size, images_in
from fastprune.sets.sample import sample_images


@dataclass(frozen=True)
class OtherInspection:
    """What a results directory, a folder or an image is.

    Attributes
    ----------
    kind : {"results", "folder", "image"}
        Which.
    path : Path
        Where.
    summary : str
        What is in it.
    hint : str
        The command that takes it.
    results : tuple of SweepResult
        The sweeps of a results directory.
    """

    kind: str
    path: Path
    summary: str
    hint: str
    results: tuple[SweepResult, ...] = ()

    def __str__(self) -> str:
        """Return what a person reads."""
        return other_text(self)


def other_text(found: OtherInspection) -> str:
    """Return what a folder or an image is; of a results directory also the tables."""
    lines = [f"{plain(found.path, 4096)}: {found.summary}", *entry("next", found.hint)]
    for result in found.results:
        network = result.network
        lines += [
            "",
            f"{plain(network.name)}: {result.n_channels} channels of "
            f"{plain(network.prune_layer)}, cut at {plain(network.cut_layer)}, "
            f"{plain(result.order_name)} order",
            result.table(),
        ]
    return "\n".join(lines)


Inspection: TypeAlias = NetworkInspection | SetInspection | OtherInspection


def inspect_file(
    path: str | Path,
    *,
    model: str | Path | None = None,
    data_name: str = "data",
    label_name: str = "label",
) -> Inspection:
    """Say what a file is: a network, a set, a results directory.

    A network is checked and loaded as for a sweep, none of its code is run. Of a set the header,
    the labels and evenly spaced images, 64 MiB at most, are read. ``print`` it to see it in words.

    Parameters
    ----------
    path : path
        The file or folder.
    model : path, optional
        A network: a set is checked against it.
    data_name, label_name : str
        Names of the datasets in a set.

    Raises
    ------
    DataError, NetworkError, OutputError
        When there is no such file, it is of no such kind, or it cannot be read.
    """
    path = Path(path)
    kind = kind_of(path)
    if kind == "network":
        return inspect_network(path)
    if kind == "set":
        found = inspect_set(path, data_name=data_name, label_name=label_name)
        return found if model is None else replace(found, check=check_set(found, Path(model)))
    if kind == "results":
        results = tuple(map(SweepResult.load, results_folders(path)))
        summary = f"results of {_many(len(results), 'sweep')}"
        return OtherInspection(kind, path, summary, "fastprune plot draws its plots", results)
    if kind == "image":
        height, width = image_size(path)
        hint = "fastprune predict gives its class"
        return OtherInspection(kind, path, f"image, {height} x {width} (height x width)", hint)
    return _inspect_folder(path)


def as_json(found: Inspection) -> dict[str, Any]:
    """Return an inspection as values that JSON knows."""
    if isinstance(found, OtherInspection):
        told = {"kind": found.kind, "path": found.path, "summary": found.summary}
        told |= {"hint": found.hint, "results": [result_json(part) for part in found.results]}
    else:
        told = {"kind": found.kind, **asdict(found)}
    return {key: str(value) if isinstance(value, Path) else value for key, value in told.items()}


def check_set(found: SetInspection, model: Path) -> ModelCheck:
    """Check whether a network takes a set, and at which scale it gives the sampled labels.

    Raises
    ------
    NetworkError
        When the network cannot be used.
    """
    from fastprune.sets.image_set import ImageSet  # loads numba, half a second

    graph, network = load_classifier(model)
    shape, n_classes = tuple(graph.input.shape[1:]), int(graph.output.shape[-1])
    data, label = found.data or "data", found.label or "label"
    try:
        with (
            ImageSet(
                "set", found.path, input_shape=shape, n_classes=n_classes, data=data, label=label
            ) as images,
            opened(found.path) as file,
        ):
            sample = sample_images(file[data])
    except DataError as error:
        return ModelCheck(model, str(error), 0, {})
    pixels = np.moveaxis(sample.images, 1, -1) if images.channels_first else sample.images
    finite = np.isfinite(pixels).reshape(len(pixels), -1).all(axis=1)
    pixels, labels = pixels[finite], images.labels[sample.indices[finite]]
    if not len(pixels):
        return ModelCheck(model, None, 0, {})
    full = None if found.pixels is None else found.pixels.full
    hits = {}
    for scale in (1.0, 1 / 255) if full == 1 else (1.0, 255.0):
        parts = np.array_split((pixels / scale).astype(np.float32), -(-len(pixels) // 32))
        classes = np.concatenate([scores_of(network, part).argmax(axis=1) for part in parts])
        hits[scale] = int((classes == labels).sum())
    return ModelCheck(model, None, len(labels), hits)


def _inspect_folder(path: Path) -> OtherInspection:
    inside = len(images_in(path))
    below = [item for item in path.iterdir() if item.is_dir() and item.name[0] != "."]
    with_images = sum(bool(images_in(item)) for item in below)
    if inside:
        summary = f"folder of {_many(inside, 'image')}"
        hint = "fastprune predict gives their classes"
    elif with_images:
        summary = f"folder of {_many(with_images, 'folder')} of images"
        hint = "fastprune make-set makes a set of them, a class each"
    elif any((path / place).is_dir() for place in ("data/cl", "cl")):
        summary, hint = "folder in the lab's layout", f"fastprune sweep --lab {path} sweeps it"
    else:
        message = (
            "expected a network, a set, a results directory or a folder of images; got a folder of "
            f"none ({path}); name a file in it"
        )
        raise DataError(message)
    return OtherInspection("folder", path, summary, hint)


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}" + ("" if count == 1 else "s")
