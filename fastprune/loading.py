"""Network files from strangers: read without running their code or opening other files.

A file under test comes from an attacker. Its own configuration is read and checked before Keras
sees it: only layers and operations that ship with Keras, none that carry code (Lambda) or read
files, and only weights that lie in the file itself.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import re
import shutil
import tempfile
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fastprune.errors import NetworkError
from fastprune.hdf5 import own_dataset

MAX_CONFIG_BYTES = 8 << 20
"""No network's description is longer; what is comes from somebody who wants memory to run out."""

SPARE_WEIGHTS = 1 << 20
"""Weights that a network may have beyond those in its file: states of random generators."""

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

NUMBERS = re.compile(r"(float|bfloat|u?int)\d+|bool")
"""Types of constants; of text ``S999999999`` a few bytes would take a gigabyte."""


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
    import h5py

    if not path.is_file():
        found = "a folder" if path.is_dir() else "no such file"
        message = f"expected a network file (.keras or .h5); got {found} ({path}); check the path"
        raise NetworkError(message)
    # By the name, as Keras decides: a file can be a ZIP archive and HDF5 at the same time.
    if path.suffix == ".keras":
        return _load_with_keras(path, _check_archive(path))
    if path.suffix not in (".h5", ".hdf5"):
        message = f"expected a network file (.keras or .h5); got {path.name!r} ({path}); rename it"
        raise NetworkError(message)
    config, stored = _check_hdf5(path)
    if config is None:
        return _load_deepid_weights(path, stored)
    if not _lacks_input(config):
        return _load_with_keras(path, stored)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(shutil.copy(path, folder))
        with h5py.File(copy, "a") as file:
            file.attrs["model_config"] = json.dumps(_with_input(config))
        return _load_with_keras(copy, stored)


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

    try:
        if path.suffix == ".keras":
            with zipfile.ZipFile(path) as archive:
                found = json.loads(archive.read("metadata.json"))["keras_version"]
        else:
            with h5py.File(path, "r") as file:
                found = _text(file.attrs["keras_version"])
    except Exception:  # it is only said, never needed
        found = None
    if not re.fullmatch(r"\d[\w.+-]{,30}", str(found)):
        found = "of an unknown version"
    return f"Keras {found}"


def check_config(config: Any, path: Path) -> None:
    """Refuse a configuration that names anything but Keras's own layers and operations.

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
            if "class_name" in part and not _is_own(part):
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


def _is_function(keras: Any, name: Any) -> bool:
    """Return whether a name is that of a function that computes, such as an activation."""
    homes = (
        keras.activations, keras.ops, keras.initializers, keras.regularizers, keras.constraints,
        keras.losses, keras.metrics,
    )  # fmt: skip
    return isinstance(name, str) and any(callable(getattr(home, name, None)) for home in homes)


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
    return re.match(r"keras\.(src\.)?ops(\.|$)", str(module)) is not None


def _check_archive(path: Path) -> int:
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
        message = f"expected a network saved by Keras; got {_line(error)} ({path}); save it again"
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


def _check_hdf5(path: Path) -> tuple[Any, int]:
    """Check an ``.h5`` network; return its configuration or None, and how many weights it holds."""
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
            text = _text(file.attrs["model_config"])
            if len(text) > MAX_CONFIG_BYTES:
                message = f"expected a configuration of at most 8 MB; got more ({path})"
                raise NetworkError(message)
            config = json.loads(text)
            check_config(config, path)
            if not (isinstance(config, dict) and isinstance(config.get("config"), dict | list)):
                message = f"expected a configuration of layers; got none ({path}); save it again"
                raise NetworkError(message)
            return config, stored
    except NetworkError:
        raise
    except Exception as error:  # h5py raises whatever HDF5 trips over in a damaged file
        message = (
            f"expected a network file (.keras or .h5); got {_line(error)} ({path}); "
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


def _lacks_input(config: dict[str, Any]) -> bool:
    """Return whether a Sequential was written before Keras 2.4: its first layer has the shape."""
    layers = config["config"]
    layers = layers.get("layers") if isinstance(layers, dict) else layers
    first = layers[0].get("config") if isinstance(layers, list) and layers else None
    return (
        config.get("class_name") == "Sequential"
        and isinstance(layers, list)
        and layers[0].get("class_name") != "InputLayer"
        and isinstance(first, dict)
        and "batch_input_shape" in first
    )


def _with_input(config: dict[str, Any]) -> dict[str, Any]:
    """Give such a Sequential an InputLayer: Keras 3 takes the batch's axis for one of the image."""
    inner = config["config"]
    inner = inner if isinstance(inner, dict) else {"name": "sequential", "layers": inner}
    first, *others = inner["layers"]
    settings = dict(first["config"])
    shape = {"batch_input_shape": settings.pop("batch_input_shape"), "name": "input"}
    start = {"class_name": "InputLayer", "config": shape}
    layers = [start, {**first, "config": settings}, *others]
    return {**config, "config": {**inner, "layers": layers}}


def _load_with_keras(path: Path, stored: int) -> Any:
    import keras

    with _no_more_weights_than(stored, path), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of input shapes in the files of Keras 2
        try:
            return keras.saving.load_model(path, compile=False, safe_mode=True)
        except Exception as error:  # Keras raises whatever its deserialisers happen to raise
            message = (
                f"expected a network that Keras {keras.version()} can load; got {_line(error)} "
                f"({path}); save it again with a newer Keras"
            )
            raise NetworkError(message) from error


@contextmanager
def _no_more_weights_than(stored: int, path: Path) -> Iterator[None]:
    """Let Keras make as many weights as the file holds: it makes them before it reads them.

    A configuration of a few bytes may ask for a Dense layer of 10^12 units.
    """
    import keras

    asked = 0
    plain = keras.layers.Layer.add_weight

    def add_weight(layer: Any, shape: Any = None, *args: Any, **kwargs: Any) -> Any:
        nonlocal asked
        asked += math.prod(shape or ())
        if asked > stored + SPARE_WEIGHTS:
            raise MemoryError
        return plain(layer, shape, *args, **kwargs)

    keras.layers.Layer.add_weight = add_weight
    try:
        yield
    except Exception as error:
        if asked <= stored + SPARE_WEIGHTS:
            raise
        message = (
            f"expected a network of the {stored:,} weights in its file; got a configuration that "
            f"asks for {asked:,} or more ({path}); do not trust it"
        )
        raise NetworkError(message) from error
    finally:
        keras.layers.Layer.add_weight = plain


def _load_deepid_weights(path: Path, stored: int) -> Any:
    """Load weights alone into the lab's DeepID; the classes are read from the file."""
    import h5py

    from fastprune.deepid import deepid

    biases: list[tuple[int, ...]] = []

    def note(name: str, item: Any) -> None:
        if "bias" in name.split("/")[-1] and isinstance(item, h5py.Dataset):
            biases.append(item.shape)

    with h5py.File(path, "r") as file:
        output = file.get("model_weights/output", file.get("output"))
        if isinstance(output, h5py.Group):
            output.visititems(note)
    if len(biases) != 1 or len(biases[0]) != 1:
        message = (
            "expected a network with its configuration, or weights of the lab's DeepID; got "
            f"weights without configuration ({path}); save the whole network with model.save()"
        )
        raise NetworkError(message)
    with _no_more_weights_than(stored, path):
        try:
            model = deepid(biases[0][0])
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
    line = "".join(letter if letter.isprintable() else " " for letter in lines[0][:160])
    return f"{type(error).__name__}: {line}"
