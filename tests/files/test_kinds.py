"""What is given in place of a network or a set is named, with what to do."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from fastprune.errors import DataError, NetworkError
from fastprune.files.kinds import check_network_file, check_set_file, hdf5_kind

SWAPPED = "changed places"
BOTH = {
    "b.pth": ("a PyTorch file", "build the same layers in Keras", SWAPPED),
    "b.pt": ("a PyTorch file", "model.save('b.keras')", SWAPPED),
    "B.ONNX": ("an ONNX file", "copy the weights over", SWAPPED),
    "b.tflite": ("a TensorFlow Lite file", "copy the weights over", SWAPPED),
    "b.json": ("a JSON file", "architecture and weights in one", SWAPPED),
    "a.png": ("an image", SWAPPED, "fastprune make-set FOLDER SET.h5"),
    "a.npy": ("a NumPy file", SWAPPED, "'data' and 'label'"),
    "a.npz": ("a NumPy file", SWAPPED, "as arrays in Python"),
    "saved_model": ("a TensorFlow SavedModel", "that wrote it", SWAPPED),
    "folder": ("a folder", "check the path", "fastprune make-set"),
    "none.png": ("no such file", "check the path", "check the path"),
    "set.h5": ("an image set", SWAPPED, None),
    "net.h5": ("a network", None, SWAPPED),
    "weights.h5": ("a network", None, SWAPPED),
    "net.keras": ("a network", None, SWAPPED),
    "set.mat": ("a file of another format", SWAPPED, None),
    "b.weights": ("'b.weights'", "rename it if Keras wrote it", None),
}
"""Files: what they are; the remedy where a network was expected, and where a set was."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kinds")
    for name in BOTH:
        if name in ("saved_model", "folder"):
            (folder / name).mkdir()
        elif not name.startswith("none"):
            (folder / name).write_bytes(b"anything")
    (folder / "saved_model/saved_model.pb").touch()
    for name in ("set.h5", "set.mat"):
        with h5py.File(folder / name, "w") as file:
            file["data"], file["label"] = np.zeros((2, 3, 3, 3)), [0, 1]
            file["elsewhere"] = h5py.SoftLink("/data")
    for name, mark in (("net.h5", "model_config"), ("weights.h5", "layer_names")):
        with h5py.File(folder / name, "w") as file:
            file.attrs[mark] = "{}"
    return folder


@pytest.mark.parametrize("name", BOTH)
def test_other_files_are_named_with_a_remedy(folder, name):
    what, for_network, for_set = BOTH[name]
    for check, error, remedy in (
        (check_network_file, NetworkError, for_network), (check_set_file, DataError, for_set),
    ):  # fmt: skip
        if remedy is None:
            check(folder / name)
            continue
        with pytest.raises(error) as caught:
            check(folder / name)
        told = str(caught.value)
        assert told.startswith("expected ")
        assert f"got {what}" in told
        assert remedy in told.split(f"{name})")[1]
        assert "\n" not in told


def test_damaged_files_are_no_kind(folder, tmp_path):
    whole = (folder / "set.h5").read_bytes()
    for length in (0, 100, 600, len(whole) - 10):
        (tmp_path / "cut.h5").write_bytes(whole[:length])
        assert hdf5_kind(tmp_path / "cut.h5") is None
    check_set_file(tmp_path / "cut.h5")  # who reads it says what is wrong
    check_network_file(tmp_path / "cut.h5")
