"""HDF5 files from strangers: opened without following them anywhere else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from fastprune.errors import DataError
from fastprune.files.kinds import check_set_file

MAX_EXPANSION = 2000
"""Bytes read per byte stored: gzip never reaches more than 1032."""

ALWAYS_READ = 64 << 20
"""Bytes of a dataset that are read whatever is stored: one value repeated is no attack."""


def open_datasets(path: Path, *names: str) -> tuple[Any, ...]:
    """Open an image file: the file, and its datasets of these names.

    Raises
    ------
    DataError
        When there is no such file, it is not HDF5, a dataset is missing, or a dataset keeps its
        bytes in another file.
    """
    import h5py

    check_set_file(path)
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        reason = "no permission to read it" if isinstance(error, PermissionError) else (
            "a truncated file" if "truncated" in str(error) else "another format"
        )  # fmt: skip
        message = f"expected an HDF5 file of images; got {reason} ({path}); copy the file again"
        raise DataError(message) from error
    try:
        datasets = [own_dataset(file, name, path, DataError) for name in names]
    except DataError:
        file.close()
        raise
    except Exception as error:  # h5py raises whatever HDF5 trips over in a damaged file
        file.close()
        message = (
            f"expected datasets that can be read; got {type(error).__name__} ({path}); "
            "copy the file again, it may be damaged"
        )
        raise DataError(message) from error
    return file, *datasets


@contextmanager
def reading(what: str, where: str) -> Iterator[None]:
    """Turn what HDF5 trips over while it reads a dataset into a DataError.

    Parameters
    ----------
    what : str
        What is read: ``labels``, ``images 0 to 31 of 500``.
    where : str
        File and dataset.

    Raises
    ------
    DataError
        When it cannot be read.
    """
    try:
        yield
    except OSError as error:
        message = (
            f"expected {what}; got {error} ({where}); copy the file again, it may be truncated"
        )
        raise DataError(message) from error


def own_objects(file: Any, *, limit: int | None = None) -> Iterator[tuple[str, Any]]:
    """Yield the groups and datasets in a file itself, following no link.

    Every object comes once: hard links to one group, level upon level, make a walk of 2^n.

    Parameters
    ----------
    file : h5py.File
        The file.
    limit : int, optional
        Names that are looked at, at most.

    Yields
    ------
    name : str
        What the object is called in its group.
    item : h5py object or None
        The object; None for a link that leads elsewhere.
    """
    import h5py

    seen, waiting, looked_at = set(), [file["/"]], 0
    while waiting:
        group = waiting.pop()
        for name in group:
            looked_at += 1
            if limit is not None and looked_at > limit:
                return
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                yield name, None
                continue
            item = group[name]
            address = h5py.h5o.get_info(item.id).addr
            if address in seen:
                continue
            seen.add(address)
            if isinstance(item, h5py.Group):
                waiting.append(item)
            yield name, item


def own_values(file: Any, path: Path, error: type[Exception]) -> int:
    """Return how many values a file holds; refuse it when some lie in other files.

    Raises
    ------
    error
        When anything in it is a link, or no dataset as :func:`own_dataset` wants it.
    """
    import h5py

    count = 0
    for name, item in own_objects(file):
        if item is None:
            _refuse_link(name, path, error)
        if not isinstance(item, h5py.Group):
            count += _checked(item, name, path, error).size
    return count


def own_dataset(file: Any, name: str, path: Path, error: type[Exception]) -> Any:
    """Return a dataset whose bytes lie in the file itself.

    An external link, an external dataset or a virtual one would have HDF5 open whatever file its
    author named. A dataset of which next to nothing is stored fills the memory with fill values.

    Raises
    ------
    error
        When there is no such dataset, its bytes lie elsewhere, or it claims to be far larger than
        what is stored.
    """
    import h5py

    place = file
    for part in name.strip("/").split("/"):
        link = place.get(part, getlink=True) if isinstance(place, h5py.Group) else None
        if link is None:
            datasets = [key for key in file if key.isprintable()][:8]
            message = (
                f"expected a dataset {name!r}; got {', '.join(map(repr, datasets)) or 'none'} "
                f"({path}); name the right one with --data-name and --label-name"
            )
            raise error(message)
        if not isinstance(link, h5py.HardLink):
            _refuse_link(name, path, error)
        place = place[part]
    return _checked(place, name, path, error)


def _refuse_link(name: str, path: Path, error: type[Exception]) -> NoReturn:
    message = f"expected {name!r} in the file itself; got a link ({path}); do not trust it"
    raise error(message)


def _checked(place: Any, name: str, path: Path, error: type[Exception]) -> Any:
    """Return an object if it is a dataset of numbers that lie in the file itself."""
    import h5py

    if not isinstance(place, h5py.Dataset):
        message = f"expected {name!r} to be a dataset; got a group ({path})"
        raise error(message)
    if place.external or place.is_virtual:
        message = (
            f"expected {name!r} in the file itself; got a dataset that reads other files ({path}); "
            "do not trust it"
        )
        raise error(message)
    if place.shape is None:
        message = f"expected {name!r} to hold numbers; got a dataset without a shape ({path})"
        raise error(message)
    stored = min(place.id.get_storage_size(), place.file.id.get_filesize())
    if place.nbytes > max(ALWAYS_READ, MAX_EXPANSION * stored):
        message = (
            f"expected {name!r} to hold what it claims; got {stored:,} bytes for an array "
            f"{place.shape} ({path}); do not trust it"
        )
        raise error(message)
    return place
