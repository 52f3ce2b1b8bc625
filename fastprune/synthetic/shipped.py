"""The built-in lab without what renders it: its layout, and where its BadNet lies."""

from __future__ import annotations

import sys
import sysconfig
from importlib import metadata
from pathlib import Path

from fastprune.errors import NetworkError

NETWORK_NAME = "synthetic_bd_net.h5"
"""File name of the shipped BadNet."""

PATHS = {
    "valid": "data/cl/valid.h5",
    "bd_valid": "data/bd/bd_valid.h5",
    "test": "data/cl/test.h5",
    "bd_test": "data/bd/bd_test.h5",
    "network": "models/bd_net.h5",
}
"""The lab's layout."""

_SHARED = Path("share", "fastprune", "models", NETWORK_NAME)


def _installed() -> list[Path]:
    """Return where an installed wheel may have put the network, most certain place first."""
    places = [Path(sysconfig.get_path("data")) / _SHARED, Path(sys.prefix) / _SHARED]
    try:
        recorded = metadata.files("fastprune") or []
    except metadata.PackageNotFoundError:
        recorded = []
    listed = [Path(str(file.locate())).resolve() for file in recorded if file.name == NETWORK_NAME]
    # `pip install --target` leaves the share folder beside the package.
    return [*listed, Path(__file__).resolve().parents[2] / _SHARED, *places]


def network_path() -> Path:
    """Find the shipped BadNet, in a checkout as well as in an installed wheel.

    Returns
    -------
    Path
        A Keras network in HDF5, of the lab's exact architecture; input raw 0-255 RGB.

    Raises
    ------
    NetworkError
        When the file is missing.
    """
    checkout = Path(__file__).resolve().parents[2] / "models" / NETWORK_NAME
    for path in (checkout, *_installed()):
        if path.is_file():
            return path
    raise NetworkError(
        f"expected the network of the built-in lab; got no such file ({checkout}); install "
        "fastprune again, or train it: python -m fastprune.synthetic.train --out " + NETWORK_NAME
    )
