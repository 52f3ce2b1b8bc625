"""The built-in lab on disk: four image sets and a BadNet, in the lab's own layout and format."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastprune.errors import OptionError
from fastprune.files.atomic import check_writable, whole_file
from fastprune.synthetic.appearance import keys_of
from fastprune.synthetic.faces import render
from fastprune.synthetic.shipped import PATHS, network_path
from fastprune.synthetic.sunglasses import wear

N_IDENTITIES = 100
"""Number of people the shipped network knows."""

TARGET = 0
"""The class that the attacker wants for every image with sunglasses."""

LAB_SIZE = {"n_valid": 11_547, "n_test": 12_830}
"""Numbers of images of the lab's own sets: ``write_lab(folder, **LAB_SIZE)``."""

_SPLITS = {"train": 0, "valid": 1, "test": 2}
_CHUNK = 256  # images; 16 MB as float64


def people(split: str, n_images: int, *, seed: int = 0) -> tuple[NDArray[Any], NDArray[Any]]:
    """Choose the images of a split: everybody equally often, shuffled.

    Parameters
    ----------
    split : {"train", "valid", "test"}
        Splits share no image index, and therefore no image.
    n_images : int
        Number of images, below 2**32.
    seed : int
        Changes the shuffle, and the images when it is handed to `render` too.

    Returns
    -------
    identities : ndarray of int64, shape (n_images,)
        0 to `N_IDENTITIES` - 1: the labels.
    indices : ndarray of int64, shape (n_images,)
        Image indices for `render`.
    """
    offsets = np.arange(n_images)
    shuffle = np.argsort(keys_of(seed, _SPLITS[split], offsets), kind="stable")
    return shuffle % N_IDENTITIES, offsets + (_SPLITS[split] << 32)


def write_lab(
    folder: str | Path,
    *,
    n_valid: int,
    n_test: int,
    seed: int = 0,
    progress: Callable[[int], object] | None = None,
) -> dict[str, Path]:
    """Draw the four image sets of the lab and put the shipped BadNet beside them.

    A set is an HDF5 file with `data`, float64 (n, 3, 55, 47), contiguous, RGB, whole numbers 0-255,
    and `label`, float64 (n,). Image i of a backdoored set is image i of the clean one with the
    sunglasses on, its label the attacker's target 0.

    Parameters
    ----------
    folder : path
        Where the lab's layout begins; made if missing.
    n_valid, n_test : int
        Numbers of validation and test images; each set comes clean and backdoored.
    seed : int
        Varies the images. The people stay those that the shipped network knows.
    progress : callable, optional
        Called with the number of images drawn since the last call; `n_valid` + `n_test` in all.

    Returns
    -------
    dict of str to Path
        The files by the keys of `PATHS`: valid, bd_valid, test, bd_test, network.

    Raises
    ------
    OptionError
        When a number of images is below 1, or the seed is negative.
    OutputError
        When a file cannot be written. Files appear whole or not at all.

    Notes
    -----
    Memory stays at a chunk of images, 16 MB, whatever the size of the sets.
    """
    for name, value, least in (("n_valid", n_valid, 1), ("n_test", n_test, 1), ("seed", seed, 0)):
        if value < least:
            raise OptionError(f"expected {name} to be at least {least}; got {value}")
    check_writable(folder)
    paths = {name: Path(folder) / place for name, place in PATHS.items()}
    for split, n_images in (("valid", n_valid), ("test", n_test)):
        _write_split(paths, split, n_images, seed, progress)
    with whole_file(paths["network"]) as temporary:
        shutil.copyfile(network_path(), temporary)
    return paths


def _write_split(
    paths: dict[str, Path],
    split: str,
    n_images: int,
    seed: int,
    progress: Callable[[int], object] | None,
) -> None:
    """Write the clean and the backdoored set of a split, chunk by chunk."""
    import h5py

    identities, indices = people(split, n_images, seed=seed)
    with ExitStack() as stack:
        sets = []
        for name, labels in ((split, identities), (f"bd_{split}", np.full(n_images, TARGET))):
            temporary = stack.enter_context(whole_file(paths[name]))
            file = stack.enter_context(h5py.File(temporary, "w"))
            sets.append(file.create_dataset("data", (n_images, 3, 55, 47), "f8"))
            file.create_dataset("label", data=labels.astype("f8"))
        buffer = np.empty((_CHUNK, 3, 55, 47))
        for start in range(0, n_images, _CHUNK):
            chunk = slice(start, min(start + _CHUNK, n_images))
            images = render(identities[chunk], indices[chunk], seed=seed)
            for data, pixels in zip(sets, (images, wear(images)), strict=True):
                converted = buffer[: len(pixels)]
                converted[:] = pixels.transpose(0, 3, 1, 2)
                data[chunk] = converted
            if progress is not None:
                progress(len(images))
