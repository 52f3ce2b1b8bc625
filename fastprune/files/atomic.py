"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fastprune.errors import OutputError


def check_writable(folder: str | Path) -> Path:
    """Make sure that `folder` can take results, before any work is done for them.

    Raises
    ------
    OutputError
        When it is a file, or it or the nearest existing parent cannot be written.
    """
    folder = Path(folder)
    for place in (folder, *folder.absolute().parents):
        if place.exists():
            break
    if not place.is_dir():
        message = (
            f"expected a folder to write results to; got a file ({place}); name another folder"
        )
        raise OutputError(message)
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        message = (
            f"expected a folder that can be written; got {error.strerror or error} ({place}); "
            "name another folder"
        )
        raise OutputError(message) from error
    return folder


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """Give a temporary name beside `path`; what is written there becomes `path` on success.

    The file is synced before it is renamed, so that `path` is either what it was before or whole.
    The temporary name keeps the suffix, which decides the format for Keras and matplotlib.

    Raises
    ------
    OutputError
        When the folder or the file cannot be written.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with open(temporary, "rb") as written:
            os.fsync(written.fileno())
        os.replace(temporary, path)
    except OSError as error:
        if isinstance(error, OutputError):
            raise
        message = f"expected to write {path}; got {error.strerror or error}; name another place"
        raise OutputError(message) from error
    finally:
        with suppress(OSError):  # nothing to remove where the folder itself could not be made
            temporary.unlink(missing_ok=True)


@contextmanager
def whole_folder(folder: str | Path, *, last: str, replaces: frozenset[str]) -> Iterator[Path]:
    """Give an empty staging folder; its files move into `folder` when all are written.

    Parameters
    ----------
    folder : path
        Where the files end. Other files there are left alone.
    last : str
        The file that says the folder is complete: it goes first and comes back last.
    replaces : frozenset of str
        Files of an earlier run: those not written again are removed.

    Raises
    ------
    OutputError
        When a file cannot be written; `folder` is as it was before, unless a rename failed.
    """
    folder = check_writable(folder)
    staging = None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=".writing-", dir=folder))
        yield staging
        new = sorted((item.name for item in staging.iterdir()), key=lambda name: name == last)
        _refuse_folders(folder, new)
        for name in new:
            with open(staging / name, "rb") as written:
                os.fsync(written.fileno())
        (folder / last).unlink(missing_ok=True)
        for name in replaces.difference(new):
            if not (folder / name).is_dir():
                (folder / name).unlink(missing_ok=True)
        for name in new:
            os.replace(staging / name, folder / name)
    except OSError as error:
        if isinstance(error, OutputError):
            raise
        message = f"expected to write results; got {error.strerror or error} ({folder})"
        raise OutputError(message) from error
    finally:
        if staging is not None:
            shutil.rmtree(staging, ignore_errors=True)


def _refuse_folders(folder: Path, names: list[str]) -> None:
    """Refuse names that are folders in `folder`: found later, half of the files would be new."""
    for name in names:
        if (folder / name).is_dir():
            message = (
                f"expected to write {folder / name}; got a folder of that name; name another place"
            )
            raise OutputError(message)
