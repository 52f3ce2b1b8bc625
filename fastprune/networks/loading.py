"""Network files: checked, then loaded by Keras, never compiled.

Keras since 2.2 wrote them; what Keras 3 does not read is put right first (see `old_configs`).
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from fastprune.errors import NetworkError, first_line
from fastprune.files.kinds import check_network_file
from fastprune.networks.config_checks import check_config
from fastprune.networks.file_checks import as_text, check_archive, check_hdf5
from fastprune.networks.lab_deepid import deepid
from fastprune.networks.old_configs import modernise
from fastprune.networks.process_wide import limited_weights
from fastprune.runtime import quiet_keras


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

    check_network_file(path)
    quiet_keras.import_keras()
    # By the name, as Keras decides: a file can be a ZIP archive and HDF5 at the same time.
    if path.suffix == ".keras":
        return _load_with_keras(path, check_archive(path))
    config, stored = check_hdf5(path)
    if config is None:
        return _load_deepid_weights(path, stored)
    new = _modernised(config, path)
    check_config(new, path)
    if new == config:
        return _load_with_keras(path, stored)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(shutil.copy(path, folder))
        with h5py.File(copy, "a") as file:
            file.attrs["model_config"] = json.dumps(new)
        return _load_with_keras(copy, stored, path)


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
                version = json.loads(archive.read("metadata.json"))["keras_version"]
        else:
            with h5py.File(path, "r") as file:
                version = as_text(file.attrs["keras_version"])
    except Exception:  # it is only said, never needed
        version = None
    if not re.fullmatch(r"\d[\w.+-]{,30}", str(version)):
        version = "of an unknown version"
    return f"Keras {version}"


def _modernised(config: dict[str, Any], path: Path) -> dict[str, Any]:
    """Return a configuration in the words of Keras 3, if an older one wrote it."""
    if re.match(r"Keras [3-9]", written_by(path)):
        return config
    try:
        return modernise(config, path)
    except NetworkError:
        raise
    except Exception as error:  # a stranger's configuration may be of any shape
        message = (
            f"expected a configuration as Keras 2 writes it; got one that is not ({path}); save "
            "the network again with model.save()"
        )
        raise NetworkError(message) from error


def _load_with_keras(path: Path, stored: int, named: Path | None = None) -> Any:
    """Load a checked file of so many weights; errors name the file that it is a copy of."""
    import keras

    shown = named or path
    with limited_weights(stored, shown):
        try:
            return keras.saving.load_model(path, compile=False, safe_mode=True)
        except Exception as error:  # Keras raises whatever its deserialisers happen to raise
            message = (
                f"expected a network that Keras {keras.version()} can load; got "
                f"{first_line(error)} ({shown}); save it again with a newer Keras"
            )
            raise NetworkError(message) from error


def _load_deepid_weights(path: Path, stored: int) -> Any:
    """Load weights alone into the lab's DeepID; the classes are read from the file."""
    import h5py

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
    with limited_weights(stored, path):
        try:
            model = deepid(biases[0][0])
            model.load_weights(path)
        except Exception as error:  # as above
            message = (
                f"expected weights of the lab's DeepID, as the file has no configuration; got "
                f"{first_line(error)} ({path}); save the whole network with model.save()"
            )
            raise NetworkError(message) from error
    return model
