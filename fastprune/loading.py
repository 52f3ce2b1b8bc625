"""Network files from strangers: read without running their code or opening other files.

A file under test comes from an attacker. Its own configuration is read and checked before Keras sees
it: only layers and operations that ship with Keras, none that carry code (Lambda) or read files, and
only weights that lie in the file itself.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from pathlib import Path
from typing import Any

from fastprune.errors import NetworkError
from fastprune.hdf5 import own_dataset

MAX_CONFIG_BYTES = 64 << 20
"""No network's description is longer; what is comes from somebody who wants memory to run out."""

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

HOMES = ("keras", "builtins", "tensorflow.python.keras", "tensorflow.keras", "tf_keras")
"""Modules that what Keras itself wrote may name."""


def load_model(path: Path) -> Any:
    """Load a network file, uncompiled.

    Parameters
    ----------
    path : Path
        ``.keras``; ``.h5`` with a configuration, of any Keras since 2.2; or a weights-only ``.h5``
        of the lab's DeepID.

    Returns
    -------
    keras.Model
        As Keras loads it.

    Raises
    ------
    NetworkError
        When there is no such file, it is no network, or it holds what is not Keras's own.
    """
    if not path.is_file():
        found = "a folder" if path.is_dir() else "no such file"
        message = f"expected a network file (.keras or .h5); got {found} ({path}); check the path"
        raise NetworkError(message)
    if zipfile.is_zipfile(path):
        _check_archive(path)
    elif not _check_hdf5(path):
        return _load_deepid_weights(path)
    return _load_with_keras(path)


def fingerprint(path: Path) -> str:
    """Return a digest of a file's bytes."""
    digest = hashlib.blake2b(digest_size=16)
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return f"blake2b:{digest.hexdigest()}"


def written_by(path: Path) -> str:
    """Return which Keras wrote a network file, as the file says."""
    import h5py

    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            found = json.loads(archive.read("metadata.json")).get("keras_version", "3")
    else:
        with h5py.File(path, "r") as file:
            found = _text(file.attrs.get("keras_version", "unknown version"))
    return f"Keras {found}"


def check_config(config: Any, path: Path) -> None:
    """Refuse a configuration that names anything but Keras's own layers and operations.

    Raises
    ------
    NetworkError
        When it does; nothing of it has been run.
    """
    import keras

    waiting = [config]
    while waiting:
        part = waiting.pop()
        if isinstance(part, list | tuple):
            waiting.extend(part)
        elif isinstance(part, dict):
            waiting.extend(part.values())
            name = part.get("class_name")
            if not isinstance(name, str):
                continue
            module = part.get("module")
            custom = part.get("registered_name")
            base, _, known = name.rpartition(">")
            at_home = module is None or str(module).split(".")[0] in ("keras", "builtins") or str(
                module
            ).startswith(HOMES)
            is_own = not base and at_home and (custom in (None, known) or ">" not in str(custom))
            if known in REFUSED or not is_own or not _ships_with(keras, known, module):
                message = (
                    f"expected Keras's own layers without code; got {name!r}"
                    f"{'' if module is None else f' of {module}'} ({path}); it was not run: "
                    "rebuild the network from Keras's own layers"
                )
                raise NetworkError(message)


def _ships_with(keras: Any, name: str, module: str | None) -> bool:
    """Return whether Keras has a layer, initializer, operation … of this name."""
    if name in CONTAINERS:
        return True
    homes = (
        keras.layers, keras.initializers, keras.regularizers, keras.constraints,
        keras.dtype_policies, keras.quantizers, keras.optimizers, keras.losses, keras.metrics,
    )  # fmt: skip
    if any(isinstance(getattr(home, name, None), type) for home in homes):
        return True
    return str(module).startswith(("keras.src.ops", "keras.ops"))


def _check_archive(path: Path) -> None:
    """Check a ``.keras`` archive: its configuration and where its weights lie."""
    import h5py

    try:
        with zipfile.ZipFile(path) as archive:
            if archive.getinfo("config.json").file_size > MAX_CONFIG_BYTES:
                message = f"expected a configuration of at most 64 MB; got more ({path})"
                raise NetworkError(message)
            check_config(json.loads(archive.read("config.json")), path)
            weights = archive.getinfo("model.weights.h5")
            if weights.compress_type != zipfile.ZIP_STORED and (
                weights.file_size > 100 * max(weights.compress_size, 1)
            ):
                message = f"expected plain weights; got a zip bomb ({path}); do not trust it"
                raise NetworkError(message)
            with h5py.File(io.BytesIO(archive.read("model.weights.h5")), "r") as file:
                _check_own(file, path)
    except NetworkError:
        raise
    except (KeyError, ValueError, OSError, RecursionError, zipfile.BadZipFile) as error:
        message = f"expected a network saved by Keras; got {_line(error)} ({path}); save it again"
        raise NetworkError(message) from error


def _check_hdf5(path: Path) -> bool:
    """Check an ``.h5`` network; return whether it holds a configuration, not only weights."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            _check_own(file, path)
            config = file.attrs.get("model_config")
            if config is None:
                return False
            check_config(json.loads(_text(config)), path)
            return True
    except NetworkError:
        raise
    except (OSError, ValueError, RecursionError) as error:
        message = (
            f"expected a network file (.keras or .h5); got {_line(error)} ({path}); "
            "save it again with model.save()"
        )
        raise NetworkError(message) from error


def _check_own(group: Any, path: Path) -> None:
    """Refuse links, external and virtual datasets anywhere below `group`."""
    import h5py

    for name in group:
        if isinstance(group.get(name, getlink=True), h5py.HardLink) and isinstance(
            group[name], h5py.Group
        ):
            _check_own(group[name], path)
        else:
            own_dataset(group, name, path, NetworkError)


def _load_with_keras(path: Path) -> Any:
    import keras

    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # Keras raises whatever its deserialisers happen to raise
        message = (
            f"expected a network that Keras {keras.version()} can load; got {_line(error)} "
            f"({path}); save it again with a newer Keras"
        )
        raise NetworkError(message) from error


def _load_deepid_weights(path: Path) -> Any:
    """Load weights alone into the lab's DeepID; the classes are read from the file."""
    import h5py

    from fastprune.deepid import deepid

    with h5py.File(path, "r") as file:
        group = file.get("model_weights", file)
        biases: list[tuple[int, ...]] = []
        if "output" in group:
            group["output"].visititems(
                lambda name, item: biases.append(item.shape) if "bias" in name.split("/")[-1] else None
            )
    if len(biases) != 1 or len(biases[0]) != 1:
        message = (
            f"expected a network with its configuration, or weights of the lab's DeepID; got weights "
            f"without configuration ({path}); save the whole network with model.save()"
        )
        raise NetworkError(message)
    model = deepid(biases[0][0])
    try:
        model.load_weights(path)
    except Exception as error:  # as above
        message = (
            f"expected weights of the lab's DeepID, as the file has no configuration; got "
            f"{_line(error)} ({path}); save the whole network with model.save()"
        )
        raise NetworkError(message) from error
    return model


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _line(error: BaseException) -> str:
    """Return the first line of an error, short enough for one line of ours."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return f"{type(error).__name__}: {lines[0][:160]}"
