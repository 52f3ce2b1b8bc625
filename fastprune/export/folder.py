"""The results directory: what a sweep leaves behind, written whole and read back."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastprune.errors import OutputError
from fastprune.export.json_values import FORMAT, as_json, from_json
from fastprune.export.rows import COLUMNS, rows
from fastprune.export.trackers import metrics
from fastprune.files.atomic import whole_folder
from fastprune.files.csv_files import write_rows
from fastprune.networks.goodnet import save_goodnet, save_repaired
from fastprune.networks.network import Network
from fastprune.results.record import SweepRecord

PAGE = "report.html"
"""Where ``fastprune report`` writes by default."""
LABEL_FILE = "class_hits.npz"
"""Hits and images by label, of the sets where they are counted."""


def save(
    result: SweepRecord,
    folder: str | Path,
    *,
    network: Callable[[], Network],
    draw: Callable[[Path], Any] | None,
) -> Path:
    """Write `result` into `folder`; see :meth:`SweepResult.save`.

    Parameters
    ----------
    result : SweepRecord
        The sweep.
    folder : path
        The results directory.
    network : callable
        Gives the network that was swept; asked for where a drop is crossed.
    draw : callable or None
        Draws the plots into a folder.
    """
    folder = Path(folder)
    with whole_folder(folder, last="sweep.json", replaces=_files_of(folder)) as staging:
        write_csv(result, staging / "sweep.csv")
        _write_json(metrics(result), staging / "metrics.json")
        np.savez_compressed(staging / "samples.npz", **_sample_arrays(result))
        if by_label := _label_arrays(result):
            np.savez_compressed(staging / LABEL_FILE, **by_label)
        _write_networks(result, network, staging)
        if draw is not None:
            draw(staging)
        files = sorted(item.name for item in staging.iterdir())
        _write_json({**as_json(result), "files": files}, staging / "sweep.json")
    return folder


def load(folder: str | Path) -> SweepRecord:
    """Read `folder`; see :meth:`SweepResult.load`."""
    folder = Path(folder)
    path = folder / "sweep.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if found["format"] > FORMAT:
            message = (
                f"expected sweep.json of format {FORMAT} or older; got {found['format']} ({path}); "
                "update fastprune"
            )
            raise OutputError(message)
        arrays = _read_arrays(folder / "samples.npz")
        if LABEL_FILE in found.get("files", ()):
            arrays |= _read_arrays(folder / LABEL_FILE)
        return from_json(found, arrays)
    except OutputError:
        raise
    except Exception as error:  # json, zipfile and numpy raise whatever damage makes them trip over
        message = (
            f"expected a complete results directory of fastprune; got {type(error).__name__}: "
            f"{error} ({path}); run fastprune sweep --out {folder} again"
        )
        raise OutputError(message) from error


def write_csv(result: SweepRecord, path: Path) -> None:
    """Write one row per set and ``n_pruned``: the columns of :data:`COLUMNS`, rates as shares."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        write_rows(file, COLUMNS, rows(result))


def _write_json(found: dict[str, Any], path: Path) -> None:
    path.write_text(json.dumps(found, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def _read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    # Opened here: np.load leaves a damaged file open.
    with open(path, "rb") as file, np.load(file, allow_pickle=False) as arrays:
        return dict(arrays)


def _label_arrays(result: SweepRecord) -> dict[str, Any]:
    return {
        f"{index}_{key}": getattr(part.counts, key)
        for index, part in enumerate(result.sets.values())
        for key in ("class_hits", "class_images")
        if getattr(part.counts, key) is not None
    }


def _sample_arrays(result: SweepRecord) -> dict[str, Any]:
    return {
        f"{index}_{key}": getattr(part.samples, key)
        for index, part in enumerate(result.sets.values())
        for key in ("images", "labels", "classes", "truth")
        if getattr(part.samples, key) is not None
    }


def _write_networks(
    result: SweepRecord, network: Callable[[], Network], staging: Path
) -> None:
    """Write B′ (.keras and .h5) and G of every drop crossed, each reloaded and checked."""
    images = result.sets[result.valid].samples.images
    scale = float(result.options.get("scale", 1))
    crossed = {drop: step for drop, step in result.crossings.items() if step is not None}
    if not crossed:
        return
    loaded = network()
    for drop, step in crossed.items():
        channels = result.order[:step]
        save_repaired(loaded, channels, staging / f"repaired_{drop:g}", images / scale)
        save_goodnet(loaded, channels, staging / f"goodnet_{drop:g}.keras", images / scale)


def _files_of(folder: Path) -> frozenset[str]:
    """Return the names that an earlier run left in `folder`, by its own account.

    The page that was made of it later is among them: it tells of figures that are gone.
    """
    try:
        found = json.loads((folder / "sweep.json").read_text(encoding="utf-8"))
        names = (name for name in found["files"] if name and name == Path(name).name)
        return frozenset([*names, PAGE])
    except (OSError, ValueError, KeyError, TypeError):
        return frozenset()
