"""Files that appear whole or not at all."""

from __future__ import annotations

import os
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
