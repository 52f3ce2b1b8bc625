"""The results directory: what a sweep leaves behind, written whole and read back."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastprune.errors import FormatError, OutputError, first_line
from fastprune.export.json_values import FORMAT, as_json, from_json
from fastprune.export.rows import COLUMNS, rows
from fastprune.export.trackers import metrics
from fastprune.files.atomic import whole_file, whole_folder
from fastprune.files.csv_files import write_rows
from fastprune.networks.goodnet import make_repaired, save_goodnet, save_repaired
from fastprune.networks.network import Network
from fastprune.results.record import SweepRecord
from fastprune.runtime.progress import warn

PAGE = "report.html"
"""Where ``fastprune report`` writes by default."""
LABEL_FILE = "class_hits.npz"
"""Hits and images by label, of the sets where they are counted."""
SAMPLE_FILE = "samples.npz"
"""A few images of every set."""


class Missing:
    """What a results directory lacks: the figures are worth saving whatever fails beside them.

    Parameters
    ----------
    staging, folder : Path
        Where files are written, and where they end.

    Attributes
    ----------
    left_out : dict of str to str
        Files whose format cannot hold the network, while another one does, and why.
    failed : dict of str to str
        Files that could not be written, and why.
    """

    def __init__(self, staging: Path, folder: Path) -> None:
        self.staging, self.folder = staging, folder
        self.left_out: dict[str, str] = {}
        self.failed: dict[str, str] = {}

    @contextmanager
    def spared(self, *names: str, instead: str | None = None) -> Iterator[None]:
        """Write files; one that fails is noted and told of, and the others go on.

        Parameters
        ----------
        *names : str
            The files, each whole or not there when its writing fails.
        instead : str, optional
            A file of another format that holds the same.
        """
        try:
            yield
        except Exception as error:  # Keras and matplotlib raise whatever they happen to raise
            own = isinstance(error, OutputError)
            reason = str(error) if own else first_line(error)
            reason = reason.replace(str(self.staging), str(self.folder))
            held = instead is not None and (self.staging / instead).exists()
            for name in names:
                if (self.staging / name).exists():
                    continue
                if held and isinstance(error, FormatError):
                    self.left_out[name] = f"{reason}; use {instead}"
                    warn(f"{name} is left out: {self.left_out[name]}")
                else:
                    self.failed[name] = reason
                    warn(f"{name} is missing, the figures are saved: {reason}")


def save(
    result: SweepRecord,
    folder: str | Path,
    *,
    network: Callable[[], Network],
    plots: Mapping[tuple[str, ...], Callable[[Path], Any]] | None = None,
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
    plots : mapping of tuple of str to callable, optional
        The files of every plot, and what draws it into a folder.
    """
    folder = Path(folder)
    with whole_folder(folder, last="sweep.json", replaces=_files_of(folder)) as staging:
        write_csv(result, staging / "sweep.csv")
        _write_json(metrics(result), staging / "metrics.json")
        missing = Missing(staging, folder)
        with missing.spared(SAMPLE_FILE):
            _write_arrays(_sample_arrays(result), staging / SAMPLE_FILE)
        if by_label := _label_arrays(result):
            with missing.spared(LABEL_FILE):
                _write_arrays(by_label, staging / LABEL_FILE)
        _write_networks(result, network, staging, missing)
        for names, draw in (plots or {}).items():
            with missing.spared(*names):
                draw(staging)
        files = sorted(item.name for item in staging.iterdir())
        lacks = {"left_out": missing.left_out, "failed": missing.failed}
        _write_json({**as_json(result), "files": files, **lacks}, staging / "sweep.json")
    return folder


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


def failed(folder: str | Path) -> dict[str, str]:
    """Return the files that could not be written into `folder`, and why."""
    content = json.loads((Path(folder) / "sweep.json").read_text(encoding="utf-8"))
    return dict(content.get("failed", {}))


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
    for at in crossed:
        channels = result.order[: at.step]
        first, second = (f"{at.repaired_name}{suffix}" for suffix in (".keras", ".h5"))
        third = f"{at.goodnet_name}.keras"
        with missing.spared(first, second, third):
            repaired = make_repaired(loaded, channels)
            with missing.spared(first):
                save_repaired(repaired, staging / first, images)
            with missing.spared(second, instead=first):
                save_repaired(repaired, staging / second, images)
            with missing.spared(third):
                save_goodnet(loaded, channels, repaired, staging / third, images)


def _files_of(folder: Path) -> frozenset[str]:
    """Return the names that an earlier run left in `folder`, by its own account.

    The page that was made of it later is among them: it tells of figures that are gone.
    """
    try:
        content = json.loads((folder / "sweep.json").read_text(encoding="utf-8"))
        names = (name for name in content["files"] if name and name == Path(name).name)
        return frozenset([*names, PAGE])
    except (OSError, ValueError, KeyError, TypeError):
        return frozenset()
