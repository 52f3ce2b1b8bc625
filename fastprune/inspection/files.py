"""The one entry: what any file is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

from fastprune.errors import DataError
from fastprune.export.json_values import as_json as result_json
from fastprune.export.run_files import PAGE
from fastprune.inspection.entries import entry
from fastprune.inspection.kinds import kind_of, results_folders
from fastprune.inspection.network_findings import NetworkInspection
from fastprune.inspection.networks import inspect_network
from fastprune.inspection.set_findings import SetInspection
from fastprune.inspection.sets import inspect_set
from fastprune.report.plots.drawing import MAKERS
from fastprune.report.text.warned import warning_lines
from fastprune.report.text.words import plain
from fastprune.result import SweepResult
from fastprune.sets.image_files import image_size, images_in

FIRST_PLOT = f"{MAKERS[0].__name__}.png"
"""Where it is, the plots of a results directory have been drawn."""


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
            *warning_lines(result.warnings),
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
        if model is None:
            return found
        from fastprune.inspection.fits import check_set  # loads numba, half a second

        return replace(found, check=check_set(found, Path(model)))
    if kind == "results":
        folders = results_folders(path)
        results = tuple(map(SweepResult.load, folders))
        summary = f"results of {_many(len(results), 'sweep')}"
        return OtherInspection(kind, path, summary, _not_yet_done(path, folders), results)
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


def _not_yet_done(path: Path, folders: Iterable[Path]) -> str:
    """Return what can still be made of results; what to look at where all is there."""
    page = path / PAGE
    steps = [
        f"fastprune plot {plain(folder, 4096)} draws its plots"
        for folder in folders
        if not (folder / FIRST_PLOT).exists()
    ][:1]
    if not page.exists():
        steps.append(f"fastprune report {plain(path, 4096)} makes one HTML page of them")
    return "; ".join(steps) or f"look at {plain(page, 4096)}"


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
