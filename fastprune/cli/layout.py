"""The lab's layout: where its four sets and its network lie below a folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fastprune.errors import DataError

SOURCE = "the lab's files are linked from the CSAW-HackML-2020 repository on GitHub, folder lab3"


@dataclass(frozen=True)
class LabFiles:
    """The files of one sweep.

    Attributes
    ----------
    model, valid : Path
        Network B and clean validation set.
    clean, backdoored : mapping of str to Path
        Further sets by name.
    """

    model: Path
    valid: Path
    clean: Mapping[str, Path]
    backdoored: Mapping[str, Path]


def find_lab(folder: Path, *, model: Path | None = None) -> LabFiles:
    """Find the lab's files below `folder`: data/cl, data/bd, models; or cl, bd, models.

    Parameters
    ----------
    folder : Path
        The lab's folder.
    model : Path, optional
        Another network.

    Raises
    ------
    DataError
        When a file is missing: the message names each, and where people get them.
    """
    flat = (folder / "cl").is_dir() and not (folder / "data/cl").is_dir()
    data = folder if flat else folder / "data"
    sets = {
        "valid": data / "cl/valid.h5", "test": data / "cl/test.h5",
        "bd_valid": data / "bd/bd_valid.h5", "bd_test": data / "bd/bd_test.h5",
    }  # fmt: skip
    if model is None:
        weights = folder / "models/bd_weights.h5"
        model = folder / "models/bd_net.h5"
        model = weights if weights.is_file() and not model.is_file() else model
    missing = [path for path in (*sets.values(), model) if not path.is_file()]
    if missing:
        message = (
            f"expected the lab's layout below {folder.absolute()}; missing "
            f"{', '.join(map(str, missing))}; {SOURCE}; or name your own files with --model, "
            "--valid, --clean and --backdoored; or run fastprune demo"
        )
        raise DataError(message)
    backdoored = {name: sets[name] for name in ("bd_valid", "bd_test")}
    return LabFiles(model, sets["valid"], {"test": sets["test"]}, backdoored)
