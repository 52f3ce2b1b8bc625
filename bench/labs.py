"""The files that are measured on: the lab, longer copies of it, and a few images to warm up on."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

Sets = dict[str, tuple[str, str]]
"""Name to kind and path, as a job carries them."""

KINDS = {"valid": "clean", "bd_valid": "backdoored", "test": "clean", "bd_test": "backdoored"}
ROOMS = {"clean": "cl", "backdoored": "bd"}
CHUNK = 512


def find_lab(folder: Path) -> tuple[str, Sets]:
    """Return network and sets of a folder in the lab's layout.

    Raises
    ------
    FileNotFoundError
        When a set or the network is missing.
    """
    sets = {
        name: (kind, str(folder / "data" / ROOMS[kind] / f"{name}.h5"))
        for name, kind in KINDS.items()
    }
    models = folder / "models"
    networks = sorted([*models.glob("*.h5"), *models.glob("*.keras")])
    missing = [path for _, path in sets.values() if not Path(path).is_file()]
    if missing or not networks:
        message = f"expected a lab; got no {missing[0] if missing else 'network'} ({folder})"
        raise FileNotFoundError(message)
    named = [path for path in networks if path.stem == "bd_net"]
    return str((named or networks)[0]), sets


def render(folder: Path, n_valid: int, n_test: int) -> tuple[str, Sets]:
    """Render the built-in lab."""
    from fastprune.synthetic.lab import write_lab

    write_lab(folder, n_valid=n_valid, n_test=n_test)
    return find_lab(folder)


def few(sets: Sets, folder: Path, count: int) -> Sets:
    """Write the first `count` images of every set."""
    return {
        name: (kind, copy(path, folder / f"{name}.h5", count=count))
        for name, (kind, path) in sets.items()
    }


def longer(sets: Sets, folder: Path, copies: int) -> Sets:
    """Write every set `copies` times over, as uint8: an eighth of the lab's float64 on disk."""
    return {
        name: (kind, copy(path, folder / f"{name}.h5", copies=copies, dtype="u1"))
        for name, (kind, path) in sets.items()
    }


def copy(
    source: str,
    target: Path,
    *,
    count: int | None = None,
    copies: int = 1,
    dtype: str | None = None,
) -> str:
    """Write `copies` copies of the first `count` images of a set, contiguous, chunk by chunk."""
    import h5py
    import numpy as np

    target.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(source, "r") as old, h5py.File(target, "w") as new:
        data, label = old["data"], old["label"][:count]
        shape = (len(label) * copies, *data.shape[1:])
        written = new.create_dataset("data", shape, dtype or data.dtype)
        new.create_dataset("label", data=np.tile(label, copies))
        for start, stop in _parts(len(label)):
            block = data[start:stop]
            for first in range(0, len(written), len(label)):
                written[first + start : first + stop] = block
    return str(target)


def _parts(count: int) -> Iterable[tuple[int, int]]:
    return ((start, min(start + CHUNK, count)) for start in range(0, count, CHUNK))


def images_in(sets: Sets) -> dict[str, list[int]]:
    """Return the shape of every set's images."""
    import h5py

    shapes = {}
    for name, (_, path) in sets.items():
        with h5py.File(path, "r") as file:
            shapes[name] = [*file["data"].shape, str(file["data"].dtype)]
    return shapes
