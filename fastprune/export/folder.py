"""The results directory: what a sweep leaves behind, written whole and read back."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fastprune.errors import OutputError
from fastprune.export.json_values import FORMAT, as_json, from_json
from fastprune.export.missing import Missing
from fastprune.export.rows import COLUMNS, rows
from fastprune.export.run_files import RECORDS, owned_files
from fastprune.export.trackers import named_metrics
from fastprune.files.atomic import whole_file
from fastprune.files.csv_files import write_rows
from fastprune.files.whole_folder import whole_folder
from fastprune.networks.goodnet import (
    make_repaired,
    save_goodnet,
    save_repaired,
    scores_of,
    traced_copy,
)
from fastprune.networks.network import Network
from fastprune.results.record import SweepRecord

LABEL_FILE = "class_hits.npz"
"""Hits and images by label, of the sets where they are counted."""
SAMPLE_FILE = "samples.npz"
"""A few images of every set."""

Begun: TypeAlias = Mapping[tuple[str, ...], Callable[[], Any]]
"""The files of every plot, and what waits until they are drawn."""
Plots: TypeAlias = Callable[[Path], AbstractContextManager[Begun]]
"""Begins to draw plots into a folder."""


def save(
    result: SweepRecord,
    folder: str | Path,
    *,
    network: Callable[[], Network],
    plots: Plots | None = None,
    force: bool = False,
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
    plots : callable, optional
        Begins to draw: see :data:`Plots`.
    force : bool
        Whether the folder may hold files that no earlier run wrote.
    """
    folder = Path(folder)
    with whole_folder(folder, records=RECORDS, owned=owned_files, force=force) as staging:
        write(result, staging, folder, network=network, plots=plots)
    return folder


def write(
    result: SweepRecord,
    staging: Path,
    folder: Path,
    *,
    network: Callable[[], Network],
    plots: Plots | None,
) -> None:
    """Write the files of a results directory into `staging`; warnings speak of `folder`."""
    write_csv(result, staging / "sweep.csv")
    _write_json(named_metrics(result), staging / "metrics.json")
    missing = Missing(staging, folder)
    with missing.spared(SAMPLE_FILE):
        _write_arrays(_sample_arrays(result), staging / SAMPLE_FILE)
    if by_label := _label_arrays(result):
        with missing.spared(LABEL_FILE):
            _write_arrays(by_label, staging / LABEL_FILE)
    nothing: Begun = {}
    with nullcontext(nothing) if plots is None else plots(staging) as begun:
        _write_networks(result, network, staging, missing)
        for names, finish in begun.items():
            with missing.spared(*names):
                finish()
    files = sorted(item.name for item in staging.iterdir())
    lacks = {"left_out": missing.left_out, "failed": missing.failed}
    _write_json({**as_json(result), "files": files, **lacks}, staging / "sweep.json")


def load(folder: str | Path) -> SweepRecord:
    """Read `folder`; see :meth:`SweepResult.load`."""
    folder = Path(folder)
    path = folder / "sweep.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] > FORMAT:
            message = (
                f"expected sweep.json of format {FORMAT} or older; got {content['format']} "
                f"({path}); update fastprune"
            )
            raise OutputError(message)
        if SAMPLE_FILE in content.get("failed", ()):
            arrays = _no_samples(content)
        else:
            arrays = _read_arrays(folder / SAMPLE_FILE)
        if LABEL_FILE in content.get("files", ()):
            arrays |= _read_arrays(folder / LABEL_FILE)
        return from_json(content, arrays)
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


def _write_json(values: dict[str, Any], path: Path) -> None:
    path.write_text(json.dumps(values, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def _read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    # Opened here: np.load leaves a damaged file open.
    with open(path, "rb") as file, np.load(file, allow_pickle=False) as arrays:
        return dict(arrays)


def _write_arrays(arrays: dict[str, Any], path: Path) -> None:
    with whole_file(path) as temporary:
        np.savez_compressed(temporary, **arrays)


def _no_samples(content: dict[str, Any]) -> dict[str, NDArray[Any]]:
    """Return samples of no image for every set, where the file of samples could not be written."""
    shape, steps = content["network"]["input_shape"], len(content["order"]) + 1
    return {
        f"{index}_{key}": array
        for index in range(len(content["sets"]))
        for key, array in (
            ("images", np.zeros((0, *shape), np.float32)),
            ("labels", np.zeros(0, np.int64)),
            ("classes", np.zeros((steps, 0), np.int64)),
        )
    }


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
    result: SweepRecord, network: Callable[[], Network], staging: Path, missing: Missing
) -> None:
    """Write B′ (.keras and .h5) and G of every drop crossed, each reloaded and checked."""
    scale = float(result.options.get("scale", 1))
    images = result.sets[result.valid].samples.images / scale
    crossed = [at for at in result.at_drops if at.step is not None]
    if not crossed:
        return
    loaded = network()
    of_b = cache(lambda: (traced_copy(loaded), scores_of(loaded.model, images).argmax(axis=1)))
    for at in crossed:
        channels = result.order[: at.step]
        first, second = (f"{at.repaired_name}{suffix}" for suffix in (".keras", ".h5"))
        third = f"{at.goodnet_name}.keras"
        with missing.spared(first, second, third):
            repaired = make_repaired(loaded, channels)
            scores = scores_of(repaired, images)
            with missing.spared(first):
                save_repaired(repaired, staging / first, images, scores)
            with missing.spared(second, instead=first):
                save_repaired(repaired, staging / second, images, scores)
            with missing.spared(third):
                graph, own = of_b()
                save_goodnet(
                    loaded, channels, repaired, staging / third, images,
                    classes=(own, scores.argmax(axis=1)), graph=graph,
                )  # fmt: skip
