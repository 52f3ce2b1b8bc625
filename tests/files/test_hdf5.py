"""HDF5 files from strangers: walked once, no link followed, and a cause for what cannot be read."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from fastprune.errors import DataError, NetworkError
from fastprune.files.hdf5 import own_objects, own_values, reading


@pytest.fixture
def path(tmp_path):
    """Two groups, one within the other, with a dataset each, and the second under three names."""
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["outer/inner/deep"] = np.zeros((2, 3))
        file["outer/near"] = np.zeros(5)
        file["again"] = file["outer/inner"]
        file["outer/inner/cycle"] = file["outer"]
    return tmp_path / "a.h5"


def names(path, **options):
    with h5py.File(path) as file:
        return sorted((name, item is None) for name, item in own_objects(file, **options))


def test_every_object_comes_once_whatever_its_names(path):
    found = names(path)
    assert len(found) == 4
    assert {"deep", "near"} < {name for name, _ in found}
    with h5py.File(path) as file:
        assert own_values(file, path, DataError) == 2 * 3 + 5


@pytest.mark.parametrize("link", [h5py.SoftLink("/outer"), h5py.ExternalLink("b.h5", "/data")])
def test_links_are_named_and_not_followed(path, link):
    with h5py.File(path, "a") as file:
        file["outer/elsewhere"] = link
    assert ("elsewhere", True) in names(path)
    with h5py.File(path) as file, pytest.raises(NetworkError, match="'elsewhere' in the file"):
        own_values(file, path, NetworkError)


def test_no_more_names_are_looked_at_than_asked_for(path):
    with h5py.File(path, "a") as file:
        for index in range(50):
            file[f"link_{index:02}"] = h5py.SoftLink("/outer")
    assert len(names(path, limit=7)) == 7
    assert names(path, limit=0) == []


def test_a_damaged_dataset_is_told_with_its_cause(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("data", data=np.zeros(999), chunks=(999,), compression="gzip")
        place = file["data"].id.get_chunk_info(0).byte_offset
    damaged = bytearray((tmp_path / "a.h5").read_bytes())
    damaged[place : place + 4] = b"\0\0\0\0"
    (tmp_path / "a.h5").write_bytes(damaged)
    with (
        h5py.File(tmp_path / "a.h5") as file,
        pytest.raises(DataError, match=r"expected labels; got .*a.h5:label\); copy the file again"),
        reading("labels", "a.h5:label"),
    ):
        file["data"][()]
