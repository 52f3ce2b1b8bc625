"""Configurations of networks from strangers, checked before Keras sees them.

They may name only layers and operations that ship with Keras, none that carry code (Lambda) or read
files. Nothing of them is run here.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from fastprune.errors import NetworkError
from fastprune.networks.old_configs import INITIALIZERS, SUPERSEDED

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
        entry = waiting.pop()
        if isinstance(entry, list | tuple):
            waiting.extend(entry)
        elif isinstance(entry, dict):
            waiting.extend(entry.values())
            if "class_name" in entry and not (_is_own(entry) or (old and _is_old(entry))):
                name = entry.get("config" if entry["class_name"] == "function" else "class_name")
                module = "" if entry.get("module") is None else f" of {entry['module']!r}"
                message = (
                    f"expected Keras's own layers without code; got {name!r}{module} ({path}); it "
                    "was not run: rebuild the network from Keras's own layers"
                )
                raise NetworkError(message)


def _is_own(entry: dict[str, Any]) -> bool:
    """Return whether a configuration's object, function or constant is Keras's own."""
    import keras

    name, module, custom = (entry.get(key) for key in ("class_name", "module", "registered_name"))
    if not isinstance(name, str) or name in REFUSED or not HOMES.match(str(module or "keras")):
        return False
    if name == "function":
        return _is_function(keras, entry.get("config")) and custom in (None, name, entry["config"])
    if name in ("__tensor__", "__numpy__"):
        config = entry.get("config")
        dtype = config.get("dtype") if isinstance(config, dict) else None
        return isinstance(dtype, str) and NUMBERS.fullmatch(dtype) is not None
    return custom in (None, name) and _ships_with(keras, name, module)


def _is_old(entry: dict[str, Any]) -> bool:
    """Return whether a configuration's object is one of Keras 2 that `old_configs` replaces."""
    name, module = entry["class_name"], str(entry.get("module") or "keras")
    if entry.get("registered_name") not in (None, name):
        return False
    if module.startswith(INITIALIZERS):
        return _is_own({**entry, "module": "keras.initializers"})
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
