"""The results directory: what a sweep leaves behind, written whole and read back."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np

from fastprune.errors import OutputError
from fastprune.files import whole_folder
from fastprune.metrics import Counts
from fastprune.result import COLUMNS, Samples, SetResult, SweepResult

FORMAT = 1
"""Version of ``sweep.json``; a reader refuses a newer one."""

STEPWISE = ("hits", "goodnet_hits", "flagged", "near_ties")
"""Counts with a value per step that every set has."""


def save(result: SweepResult, folder: str | Path, *, plots: bool = True) -> Path:
    """Write `result` into `folder`; see :meth:`SweepResult.save`."""
    folder = Path(folder)
    with whole_folder(folder, last="sweep.json", replaces=_files_of(folder)) as staging:
        write_csv(result, staging / "sweep.csv")
        np.savez_compressed(staging / "samples.npz", **_sample_arrays(result))
        _write_networks(result, staging)
        if plots:
            result.plot(staging)
        files = sorted(item.name for item in staging.iterdir())
        text = json.dumps({**as_json(result), "files": files}, indent=1, allow_nan=False)
        (staging / "sweep.json").write_text(text + "\n", encoding="utf-8")
    return folder


def load(folder: str | Path) -> SweepResult:
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
        # Opened here: np.load leaves a damaged file open.
        with (
            open(folder / "samples.npz", "rb") as file,
            np.load(file, allow_pickle=False) as samples,
        ):
            return _from_json(found, samples)
    except OutputError:
        raise
    except Exception as error:  # json, zipfile and numpy raise whatever damage makes them trip over
        message = (
            f"expected a complete results directory of fastprune; got {type(error).__name__}: "
            f"{error} ({path}); run fastprune sweep --out {folder} again"
        )
        raise OutputError(message) from error


def write_csv(result: SweepResult, path: Path) -> None:
    """Write one row per set and ``n_pruned`` with the columns of :data:`COLUMNS`."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(result.rows())


def as_json(result: SweepResult) -> dict[str, Any]:
    """Return everything but the sample images as values that JSON knows."""
    return {
        "format": FORMAT,
        "network": dict(result.network),
        "order_name": result.order_name,
        "order": result.order.tolist(),
        "activations": result.activations.tolist(),
        "valid": result.valid,
        "drops": list(result.drops),
        "drop_kind": result.drop_kind,
        "crossings": {f"{drop:g}": step for drop, step in result.crossings.items()},
        "near_ties": result.near_ties,
        "sets": {name: _set_json(part) for name, part in result.sets.items()},
        "options": dict(result.options),
        "versions": dict(result.versions),
        "seconds": dict(result.seconds),
        "peak_memory": result.peak_memory,
    }


def _set_json(part: SetResult) -> dict[str, Any]:
    counts = part.counts
    return {
        "kind": part.kind,
        "source": dict(part.source),
        "images": counts.images,
        "hits": counts.hits.tolist(),
        "goodnet_hits": counts.goodnet_hits.tolist(),
        "flagged": counts.flagged.tolist(),
        "near_ties": counts.near_ties.tolist(),
    }


def _from_json(found: dict[str, Any], samples: Any) -> SweepResult:
    sets = {}
    for index, (name, part) in enumerate(found["sets"].items()):
        counts = Counts(
            images=part["images"],
            **{key: np.array(part[key], np.int64) for key in STEPWISE},
        )
        shown = Samples(*(samples[f"{index}_{key}"] for key in ("images", "labels", "classes")))
        sets[name] = SetResult(name, part["kind"], counts, shown, part["source"])
    return SweepResult(
        network=found["network"],
        order_name=found["order_name"],
        order=np.array(found["order"], np.int64),
        activations=np.array(found["activations"], np.float64),
        valid=found["valid"],
        sets=sets,
        drops=tuple(found["drops"]),
        drop_kind=found["drop_kind"],
        options=found["options"],
        versions=found["versions"],
        seconds=found["seconds"],
        peak_memory=found["peak_memory"],
    )


def _sample_arrays(result: SweepResult) -> dict[str, Any]:
    return {
        f"{index}_{key}": getattr(part.samples, key)
        for index, part in enumerate(result.sets.values())
        for key in ("images", "labels", "classes")
    }


def _write_networks(result: SweepResult, staging: Path) -> None:
    """Write B′ (.keras and .h5) and G of every drop crossed, each reloaded and checked."""
    from fastprune.goodnet import save_goodnet, save_repaired

    images = result.sets[result.valid].samples.images
    scale = float(result.options.get("scale", 1))
    crossed = {drop: step for drop, step in result.crossings.items() if step is not None}
    network: Any = result.loaded_network() if crossed else None
    for drop, step in crossed.items():
        channels = result.order[:step]
        save_repaired(network, channels, staging / f"repaired_{drop:g}", images / scale)
        save_goodnet(network, channels, staging / f"goodnet_{drop:g}.keras", images / scale)


def _files_of(folder: Path) -> frozenset[str]:
    """Return the names that an earlier run left in `folder`, by its own account."""
    try:
        found = json.loads((folder / "sweep.json").read_text(encoding="utf-8"))
        return frozenset(name for name in found["files"] if name and name == Path(name).name)
    except (OSError, ValueError, KeyError, TypeError):
        return frozenset()
