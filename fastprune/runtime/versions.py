"""Which releases a run computed with."""

from __future__ import annotations

import platform
from importlib import metadata

from fastprune import __version__
from fastprune.runtime import backend


def versions() -> dict[str, str]:
    """Return the versions of fastprune, Python and the libraries that compute."""
    found = {
        "fastprune": __version__, "python": platform.python_version(), "backend": backend.name(),
    }  # fmt: skip
    for package in ("keras", backend.name(), "numpy", "numba", "h5py"):
        found[package] = metadata.version(package)
    return found
