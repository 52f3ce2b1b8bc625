"""Network files from strangers, checked before Keras sees them.

A file under test comes from an attacker. Nothing of it is run here: its configuration is checked
(see `config_checks`), its weights must lie in the file itself, and an archive holds nothing else.
"""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

from fastprune.errors import NetworkError, first_line
from fastprune.files.hdf5 import own_values
from fastprune.networks.config_checks import check_config

MAX_CONFIG_BYTES = 8 << 20
"""No network's description is longer; what is comes from somebody who wants memory to run out."""

MEMBERS = frozenset({"config.json", "metadata.json", "model.weights.h5"})
"""What Keras puts into a ``.keras`` archive of a network whose layers need no further files."""


def check_archive(path: Path) -> int:
    """Check a ``.keras`` archive; return how many weights it holds."""
    import h5py

    try:
        with zipfile.ZipFile(path) as archive:
            _check_members(archive, path)
            config = json.loads(archive.read("config.json"))
            # What a network was compiled with is never built: it may be anybody's own loss.
            check_config({**config, "compile_config": None}, path)
            with h5py.File(io.BytesIO(archive.read("model.weights.h5")), "r") as file:
                return own_values(file, path, NetworkError)
    except NetworkError:
        raise
    except Exception as error:  # zipfile, zlib and h5py raise whatever damage makes them trip over
        message = (
            f"expected a network saved by Keras; got {first_line(error)} ({path}); save it again"
        )
        raise NetworkError(message) from error


def _check_members(archive: zipfile.ZipFile, path: Path) -> None:
    """Refuse an archive with other files than a network's, or with one that would not end."""
    names = archive.namelist()
    if sorted(names) != sorted(MEMBERS):
        message = (
            f"expected {', '.join(sorted(MEMBERS))} alone; got {len(names)} files, such as "
            f"{', '.join(map(repr, names[:4]))} ({path}); save the network again with model.save()"
        )
        raise NetworkError(message)
    for member in archive.infolist():
        limit = 100 * max(member.compress_size, 1)
        if member.filename != "model.weights.h5":
            limit = min(limit, MAX_CONFIG_BYTES)
        if member.file_size > limit:
            message = (
                f"expected {member.filename} of at most {limit:,} bytes; got {member.file_size:,}, "
                f"a zip bomb ({path}); do not trust it"
            )
            raise NetworkError(message)


def check_hdf5(path: Path) -> tuple[Any, int]:
    """Check an ``.h5`` network; return its configuration or None, and how many weights it holds.

    The configuration may still name what only Keras 2 has (see `check_config`).
    """
    import h5py

    try:
        with h5py.File(path, "r") as file:
            stored = own_values(file, path, NetworkError)
            if "model_config" not in file.attrs:
                return None, stored
            attribute = file.attrs.get_id("model_config")
            if attribute.shape != () or attribute.dtype.itemsize > MAX_CONFIG_BYTES:
                message = f"expected a configuration, one text of at most 8 MB; got more ({path})"
                raise NetworkError(message)
            text = as_text(file.attrs["model_config"])
            if len(text) > MAX_CONFIG_BYTES:
                message = f"expected a configuration of at most 8 MB; got more ({path})"
                raise NetworkError(message)
            config = json.loads(text)
            check_config(config, path, old=True)
            if not (isinstance(config, dict) and isinstance(config.get("config"), dict | list)):
                message = f"expected a configuration of layers; got none ({path}); save it again"
                raise NetworkError(message)
            return config, stored
    except NetworkError:
        raise
    except Exception as error:  # h5py raises whatever HDF5 trips over in a damaged file
        message = (
            f"expected a network file (.keras or .h5); got {first_line(error)} ({path}); "
            "save it again with model.save()"
        )
        raise NetworkError(message) from error


def as_text(value: Any) -> str:
    """Return an attribute of an HDF5 file, which old Keras wrote as bytes."""
    return value.decode() if isinstance(value, bytes) else str(value)
