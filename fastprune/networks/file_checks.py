"""Network files from strangers, checked before Keras sees them.

A file under test comes from an attacker. Nothing of it is run here: its configuration may name only
layers and operations that ship with Keras, none that carry code (Lambda) or read files, and its
weights must lie in the file itself.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from pathlib import Path
from typing import Any

from fastprune.errors import NetworkError, first_line
from fastprune.files.hdf5 import own_dataset
from fastprune.networks.old_configs import INITIALIZERS, SUPERSEDED

MAX_CONFIG_BYTES = 8 << 20
"""No network's description is longer; what is comes from somebody who wants memory to run out."""

MEMBERS = frozenset({"config.json", "metadata.json", "model.weights.h5"})
"""What Keras puts into a ``.keras`` archive of a network whose layers need no further files."""

REFUSED = frozenset({
    "Lambda", "TFSMLayer", "TorchModuleWrapper", "FlaxLayer", "JaxLayer", "TextVectorization",
    "StringLookup", "IntegerLookup", "__lambda__", "__typespec__",
})  # fmt: skip
"""Layers that carry code or read other files, although they ship with Keras."""

CONTAINERS = frozenset({
    "Functional", "Model", "Sequential", "function", "__tensor__", "__numpy__", "__keras_tensor__",
    "__tuple__", "__slice__", "__ellipsis__", "__complex__", "__dtype__", "slice",
})  # fmt: skip
"""What a configuration names beside layers, initializers and the like."""

HOMES = re.compile(r"(keras|tf_keras|tensorflow\.keras|tensorflow\.python\.keras)(\.|$)|builtins$")
"""Modules that what Keras itself wrote may name."""

OF_APPLICATIONS = {
    "LayerScale": "keras.src.applications.convnext",
    "CustomScaleLayer": "keras.src.applications.inception_resnet_v2",
}
"""Layers that ship with Keras, for one network of ``keras.applications`` each: they multiply."""

NUMBERS = re.compile(r"(float|bfloat|u?int)\d+|bool")
"""Types of constants; of text ``S999999999`` a few bytes would take a gigabyte."""


def check_config(config: Any, path: Path, *, old: bool = False) -> None:
    """Refuse a configuration that names anything but Keras's own layers and operations.

    Parameters
    ----------
    config : Any
        What JSON holds.
    path : Path
        The file, for the message.
    old : bool
        Whether it may name what only Keras 2 has. `old_configs.modernise` puts something else in
        its place, and Keras sees the result only when that has passed this check without `old`.

    Raises
    ------
    NetworkError
        When it does; nothing of it has been run.
    """
    waiting = [config]
    while waiting:
        part = waiting.pop()
        if isinstance(part, list | tuple):
            waiting.extend(part)
        elif isinstance(part, dict):
            waiting.extend(part.values())
            if "class_name" in part and not (_is_own(part) or (old and _is_old(part))):
                name = part.get("config" if part["class_name"] == "function" else "class_name")
                module = "" if part.get("module") is None else f" of {part['module']!r}"
                message = (
                    f"expected Keras's own layers without code; got {name!r}{module} ({path}); it "
                    "was not run: rebuild the network from Keras's own layers"
                )
                raise NetworkError(message)


def _is_own(part: dict[str, Any]) -> bool:
    """Return whether a configuration's object, function or constant is Keras's own."""
    import keras

    name, module, custom = (part.get(key) for key in ("class_name", "module", "registered_name"))
    if not isinstance(name, str) or name in REFUSED or not HOMES.match(str(module or "keras")):
        return False
    if name == "function":
        return _is_function(keras, part.get("config")) and custom in (None, name, part["config"])
    if name in ("__tensor__", "__numpy__"):
        config = part.get("config")
        dtype = config.get("dtype") if isinstance(config, dict) else None
        return isinstance(dtype, str) and NUMBERS.fullmatch(dtype) is not None
    return custom in (None, name) and _ships_with(keras, name, module)


def _is_old(part: dict[str, Any]) -> bool:
    """Return whether a configuration's object is one of Keras 2 that `old_configs` replaces."""
    name, module = part["class_name"], str(part.get("module") or "keras")
    if part.get("registered_name") not in (None, name):
        return False
    if module.startswith(INITIALIZERS):
        return _is_own({**part, "module": "keras.initializers"})
    return isinstance(name, str) and name in SUPERSEDED and HOMES.match(module) is not None


def _is_function(keras: Any, name: Any) -> bool:
    """Return whether a name is that of a function that computes, such as an activation."""
    homes = (
        keras.activations, keras.ops, keras.initializers, keras.regularizers, keras.constraints,
        keras.losses, keras.metrics,
    )  # fmt: skip
    return isinstance(name, str) and any(callable(getattr(home, name, None)) for home in homes)


def _ships_with(keras: Any, name: str, module: str | None) -> bool:
    """Return whether Keras has a layer, initializer, operation … of this name."""
    if name in CONTAINERS or (name in OF_APPLICATIONS and OF_APPLICATIONS[name] == module):
        return True
    homes = (
        keras.layers, keras.initializers, keras.regularizers, keras.constraints,
        keras.dtype_policies, keras.quantizers, keras.optimizers, keras.losses, keras.metrics,
    )  # fmt: skip
    if any(isinstance(getattr(home, name, None), type) for home in homes):
        return True
    return re.match(r"keras\.(src\.)?ops(\.|$)", str(module)) is not None


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
                return _check_own(file, path)
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
            stored = _check_own(file, path)
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


def _check_own(file: Any, path: Path) -> int:
    """Refuse links, external and virtual datasets anywhere in a file; return its numbers' count.

    Every object is visited once: hard links to one group, level upon level, make a walk of 2^n.
    """
    import h5py

    seen, waiting, stored = set(), [file["/"]], 0
    while waiting:
        group = waiting.pop()
        for name in group:
            is_group = isinstance(group.get(name, getlink=True), h5py.HardLink) and isinstance(
                group[name], h5py.Group
            )
            item = group[name] if is_group else own_dataset(group, name, path, NetworkError)
            address = h5py.h5o.get_info(item.id).addr
            if address in seen:
                continue
            seen.add(address)
            if is_group:
                waiting.append(item)
            else:
                stored += item.size
    return stored


def as_text(value: Any) -> str:
    """Return an attribute of an HDF5 file, which old Keras wrote as bytes."""
    return value.decode() if isinstance(value, bytes) else str(value)
