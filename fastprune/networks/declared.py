"""What a network file says of its input, read without Keras and without trust."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

MAX_CONFIG_BYTES = 8 << 20
"""A longer description is left to the checks before loading."""


def declared_input(path: Path) -> tuple[int, int, int] | None:
    """Return the height, width and channels that a network file says its images have.

    Returns
    -------
    tuple of int or None
        None where it does not say so plainly: the network has to be loaded then.
    """
    try:
        config = _config(path)["config"]
        layers = config["layers"] if isinstance(config, dict) else config
        inputs = [layer["config"] for layer in layers if layer["class_name"] == "InputLayer"]
        if len(inputs) != 1:
            return None
        shape = inputs[0].get("batch_shape") or inputs[0].get("batch_input_shape")
        _, height, width, channels = shape
        fixed = all(type(size) is int for size in (height, width, channels))
        return (height, width, channels) if fixed else None
    except Exception:  # whatever is wrong with the file is told by the checks before loading
        return None


def _config(path: Path) -> dict[str, Any]:
    """Return a network's configuration; raise anything where there is none."""
    import h5py

    if path.suffix == ".keras":
        with zipfile.ZipFile(path) as archive:
            text = archive.open("config.json").read(MAX_CONFIG_BYTES)
    else:
        with h5py.File(path, "r") as file:
            attribute = file.attrs.get_id("model_config")
            if attribute.dtype.itemsize > MAX_CONFIG_BYTES:
                return {}
            text = file.attrs["model_config"]
    config: dict[str, Any] = json.loads(text)
    return config
