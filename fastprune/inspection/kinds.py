"""Telling files apart by what is in them."""

from __future__ import annotations

from pathlib import Path

from fastprune.errors import DataError
from fastprune.files.kinds import NETWORK_MARKS, foreign
from fastprune.sets.image_files import SUFFIXES


def kind_of(path: Path) -> str:
    """Return what a path is: network, set, results, folder or image.

    Raises
    ------
    DataError
        When there is nothing, or it is none of these.
    """
    if path.is_dir():
        return "results" if results_folders(path) else "folder"
    if not path.is_file():
        message = f"expected a file to inspect; got no such file ({path}); check the path"
        raise DataError(message)
    if path.suffix == ".keras":
        return "network"
    if path.suffix.lower() in SUFFIXES:
        return "image"
    import h5py

    try:
        if not h5py.is_hdf5(path):
            what, remedy = foreign(path) or ("another format", "save it again, or check the path")
            message = (
                f"expected a network (.keras, .h5), an HDF5 set or a results directory; got "
                f"{what} ({path}); {remedy}"
            )
            raise DataError(message)
        with h5py.File(path, "r") as file:
            marked = any(mark in file.attrs for mark in NETWORK_MARKS)
            return "network" if marked or "layers" in file else "set"
    except OSError as error:
        closed = isinstance(error, PermissionError)
        found = "no permission to read it" if closed else "a damaged one"
        message = f"expected an HDF5 file; got {found} ({path}); copy the file again"
        raise DataError(message) from error


def refuse_set(path: Path) -> None:
    """Refuse a set where a network is expected.

    Raises
    ------
    DataError
        When it is one.
    """
    if path.is_file() and path.suffix != ".keras" and kind_of(path) == "set":
        message = (
            f"expected a network and images; got an HDF5 set ({path}); for a set of images use "
            "fastprune evaluate CLEAN.h5 BACKDOORED.h5 MODEL"
        )
        raise DataError(message)


def results_folders(folder: Path) -> list[Path]:
    """Return the folders with a sweep's results: this one, or those in it, one for each order.

    Raises
    ------
    DataError
        When the folder cannot be read.
    """
    try:
        if (folder / "sweep.json").is_file():
            return [folder]
        return sorted(item.parent for item in folder.glob("*/sweep.json"))
    except OSError as error:
        message = f"expected a folder that can be read; got {error.strerror or error} ({folder})"
        raise DataError(message) from error
