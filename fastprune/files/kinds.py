"""What a file is by its name and its first look, and what to do where another kind was expected.

Loads no Keras: what is wrong with a path is told before the seconds that its import takes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastprune.errors import DataError, NetworkError

NETWORK_MARKS = ("model_config", "layer_names", "keras_version")
"""Attributes by which an HDF5 file is a network, whole or its weights alone."""

IMAGES = frozenset({
    ".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm",
})  # fmt: skip
"""Names of image files."""

REBUILD = (
    "build the same layers in Keras, copy the weights over and save the network with "
    "model.save('b.keras')"
)
MAKE_SET = (
    "fastprune make-set FOLDER SET.h5 builds a set of a folder that has a folder of images for "
    "each class"
)
AS_HDF5 = (
    "write images and labels into an HDF5 file as its datasets 'data' and 'label', or give both "
    "as arrays in Python"
)
SWAPPED = "network and sets may have changed places, check the order of the arguments"

FOREIGN = {
    **dict.fromkeys((".pt", ".pth", ".safetensors", ".ckpt"), ("a PyTorch file", REBUILD)),
    ".onnx": ("an ONNX file", REBUILD),
    ".tflite": ("a TensorFlow Lite file", REBUILD),
    ".pb": (
        "a TensorFlow SavedModel",
        "load it with the TensorFlow that wrote it and save it with model.save('b.keras')",
    ),
    ".json": ("a JSON file", "save architecture and weights in one with model.save('b.keras')"),
    **dict.fromkeys(IMAGES, ("an image", MAKE_SET)),
    **dict.fromkeys((".npy", ".npz"), ("a NumPy file", AS_HDF5)),
    **dict.fromkeys((".mat", ".csv", ".pkl", ".pickle"), ("a file of another format", AS_HDF5)),
}
"""What is often given in place of a network or a set: what it is, and what to do with it."""


def foreign(path: Path) -> tuple[str, str] | None:
    """Return what a file or folder of another program is, and what to do with it.

    Examples
    --------
    >>> foreign(Path("net.onnx"))[0], foreign(Path("net.keras"))
    ('an ONNX file', None)
    """
    if path.is_dir() and (path / "saved_model.pb").is_file():
        return FOREIGN[".pb"]
    return FOREIGN.get(path.suffix.lower())


def hdf5_kind(path: Path) -> str | None:
    """Return whether an HDF5 file is a network or a set; None where it is neither or damaged."""
    import h5py

    try:
        if not h5py.is_hdf5(path):
            return None
        with h5py.File(path, "r") as file:
            if any(mark in file.attrs for mark in NETWORK_MARKS) or "layers" in file:
                return "network"
            shapes = [len(one.shape or ()) for one in _datasets(file)]
            return "set" if 4 in shapes else None
    except Exception:  # h5py raises whatever HDF5 trips over; who reads the file says what it is
        return None


def check_network_file(path: Path) -> None:
    """Refuse a path that is no network file by its name, or that holds an image set.

    Raises
    ------
    NetworkError
        When it is not.
    """
    expected = "expected a network file (.keras or .h5)"
    if (other := foreign(path)) is not None and path.exists():
        what, remedy = (other[0], SWAPPED) if other[1] in (MAKE_SET, AS_HDF5) else other
        message = f"{expected}; got {what} ({path}); {remedy}"
        raise NetworkError(message)
    if not path.is_file():
        found = "a folder" if path.is_dir() else "no such file"
        message = f"{expected}; got {found} ({path}); check the path"
        raise NetworkError(message)
    if path.suffix not in (".keras", ".h5", ".hdf5"):
        message = (
            f"{expected}; got {path.name!r} ({path}); rename it if Keras wrote it, else save the "
            "network with model.save('b.keras')"
        )
        raise NetworkError(message)
    if path.suffix != ".keras" and hdf5_kind(path) == "set":
        message = f"{expected}; got an image set ({path}); {SWAPPED}"
        raise NetworkError(message)


def check_set_file(path: Path) -> None:
    """Refuse a path that is no HDF5 file by its name, or that holds a network.

    Raises
    ------
    DataError
        When it is not.
    """
    expected = "expected an HDF5 file of images"
    if (other := foreign(path)) is not None and path.exists() and not _is_hdf5(path):
        what, remedy = other if other[1] in (MAKE_SET, AS_HDF5) else (other[0], SWAPPED)
        message = f"{expected}; got {what} ({path}); {remedy}"
        raise DataError(message)
    if not path.is_file():
        found, remedy = "no such file", "check the path"
        if path.is_dir():
            found, remedy = "a folder", f"name a file in it; {MAKE_SET}"
        message = f"{expected}; got {found} ({path}); {remedy}"
        raise DataError(message)
    if path.suffix == ".keras" or hdf5_kind(path) == "network":
        message = f"{expected}; got a network ({path}); {SWAPPED}"
        raise DataError(message)


def _is_hdf5(path: Path) -> bool:
    import h5py

    return path.is_file() and bool(h5py.is_hdf5(path))


def _datasets(file: Any) -> list[Any]:
    """Return the datasets in a file's root that lie in the file itself."""
    import h5py

    names = [name for name in file if isinstance(file.get(name, getlink=True), h5py.HardLink)]
    return [file[name] for name in names[:200] if isinstance(file[name], h5py.Dataset)]
