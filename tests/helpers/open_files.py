"""Which HDF5 files this process holds open."""

from __future__ import annotations

from pathlib import Path

import h5py


def open_below(folder: Path) -> list[str]:
    """Return the names of the HDF5 files in a folder that are open, whoever holds them."""
    names = [
        Path(h5py.h5f.get_name(found).decode())
        for found in h5py.h5f.get_obj_ids(types=h5py.h5f.OBJ_FILE)
    ]
    return sorted(path.name for path in names if path.is_relative_to(folder))
