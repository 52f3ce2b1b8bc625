"""Configurations of Keras 2, put into the words of Keras 3.

Keras 3 reads the ``.h5`` files of Keras 2 (``tf.keras`` and ``tf_keras`` included) but for settings
that it dropped, layers that it renamed, and calls of TensorFlow's functions between layers. It also
reads a few without complaint and computes something else. The tables below say what is put right;
one walk applies them. What has no equal in Keras 3 is refused by name, never guessed.

Nothing is built or run here: a configuration goes in, another comes out, and the vetting looks at
both.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NoReturn

from fastprune.errors import NetworkError
from fastprune.old_calls import CALLS, as_layer, renumbered, tensors_in, with_tensors

ANY = object()
"""A dropped setting is of no consequence, whatever its value."""

DROPPED: tuple[tuple[str, dict[str, Any]], ...] = (
    # Keras 2 derived these layers from Conv2D and wrote settings that they never used.
    ("(Depthwise|Separable)Conv[12]D", {
        "groups": 1, "kernel_initializer": ANY, "kernel_regularizer": ANY, "kernel_constraint": ANY,
    }),
    ("Conv[123]DTranspose", {"groups": 1}),
    ("SpatialDropout[123]D", {"noise_shape": None, "trainable": ANY}),
    ("Random[A-Z].*", {"rng_type": ANY, "force_generator": ANY}),
    ("MultiHeadAttention", {"query_shape": ANY, "key_shape": ANY, "value_shape": ANY}),
    ("MultiHeadAttention|Softmax", {"softmax_robust_masking": False, "robust_masking": False}),
    ("(Additive)?Attention", {"causal": False}),
    ("RNN|SimpleRNN|LSTM|GRU", {"time_major": False}),
)  # fmt: skip
"""Layers, by a pattern, and the settings that Keras 3 does not take: dropped at this value only."""

REPLACED: dict[str, tuple[str, dict[str, str]]] = {
    "BatchNormalizationV1": ("BatchNormalization", {}),
    "BatchNormalizationV2": ("BatchNormalization", {}),
    "SyncBatchNormalization": ("BatchNormalization", {}),
    "ThresholdedReLU": ("ReLU", {"theta": "threshold"}),
    "RandomHeight": ("Identity", {}),
    "RandomWidth": ("Identity", {}),
}
"""Layers that Keras 3 does not have, what does the same at inference, and settings' new names."""

POLICIES = ("Policy", "PolicyV1")
"""Dtype policies, which Keras 3 also takes by their name."""

INITIALIZERS = "tensorflow.python.ops.init_ops"
"""Where TensorFlow's own initializers live; Keras has each under the same name."""

HOMES = {
    "Sequential": "keras", "Functional": "keras.src.models.functional",
    "Model": "keras.src.models.functional",
}  # fmt: skip
"""Modules of networks within a layer, where Keras 3 wants one named; layers are in keras.layers."""

SUPERSEDED = frozenset({*REPLACED, *POLICIES, *CALLS})
"""Classes of Keras 2 alone; none is left in what `modernise` returns."""


def modernise(config: dict[str, Any], path: Path) -> dict[str, Any]:
    """Return a configuration as Keras 3 would have written it; equal to the old one if it would.

    Raises
    ------
    NetworkError
        When a layer means what no layer of Keras 3 does.
    """
    new: dict[str, Any] = _value(config, path)
    return new


def _value(value: Any, path: Path) -> Any:
    """Walk lists and settings down to the objects in them: layers, initializers, policies."""
    if isinstance(value, list):
        return [_value(item, path) for item in value]
    if not isinstance(value, dict):
        return value
    if value.get("class_name") in POLICIES:
        return value["config"]["name"]
    if isinstance(value.get("config"), dict | list) and isinstance(value.get("class_name"), str):
        value = _object(value, path)
    return {key: _value(item, path) for key, item in value.items()}


def _object(part: dict[str, Any], path: Path) -> dict[str, Any]:
    """Put one object right, its parts apart; the calls in a network become layers first."""
    settings = part["config"]
    if part["class_name"] == "Sequential":
        settings = _with_input(settings)
    if isinstance(settings, list):
        return part
    if isinstance(settings.get("layers"), list):
        settings = _counted(_without_slashes(settings))
        layers = [_called(layer, path) for layer in settings["layers"]]
        settings = {**settings, "layers": layers}
    return _renewed({**part, "config": settings}, path)


def _renewed(part: dict[str, Any], path: Path) -> dict[str, Any]:
    """Apply the tables to one object's own settings."""
    name, settings = part["class_name"], dict(part["config"])
    if str(part.get("module")).startswith(INITIALIZERS):
        part = {**part, "module": "keras.initializers", "registered_name": None}
    if name in REPLACED:
        name, keys = REPLACED[name]
        kept = {"name", "trainable", "dtype"} if name == "Identity" else settings
        settings = {keys.get(key, key): settings[key] for key in settings if key in kept}
        if "module" in part:
            part = {**part, "module": "keras.layers", "registered_name": None}
    for pattern, dropped in DROPPED:
        if re.fullmatch(pattern, name):
            for key, value in dropped.items():
                if value is ANY or settings.get(key, ANY) == value:
                    settings.pop(key, None)
    for key, value in settings.items():
        # Those of TensorFlow 1 have a dtype, which Keras 3 does not take.
        if key.endswith("_initializer") and isinstance(value, dict) and "config" in value:
            inner = {name: item for name, item in value["config"].items() if name != "dtype"}
            settings[key] = {**value, "config": inner}
        elif key in ("layer", "activation") and isinstance(value, dict):
            home = HOMES.get(value["class_name"]) or value.get("module") or "keras.layers"
            settings[key] = {**value, "module": home}
    if "/" in str(settings.get("name")):
        settings["name"] = settings["name"].replace("/", "_")
    if name == "RandomCrop":  # Keras 2 crops and resizes at inference too, Keras 3 does not
        _refuse("layers that Keras 3 computes alike", name, settings, path)
    if "hard_sigmoid" in (settings.get("activation"), settings.get("recurrent_activation")):
        # Keras 2: x / 5 + 0.5; Keras 3: x / 6 + 0.5, both between 0 and 1.
        _refuse("activations that Keras 3 computes alike", "hard_sigmoid", settings, path)
    return _with_module({**part, "class_name": name, "config": settings}, path)


def _with_module(part: dict[str, Any], path: Path) -> dict[str, Any]:
    """Keep what Keras 3 loses where no module is named: more axes than one, the score mode."""
    settings = part["config"]
    axis = settings.get("axis", 0)
    if isinstance(axis, list) and len(axis) == 1:
        return {**part, "config": {**settings, "axis": axis[0]}}
    if part["class_name"] == "BatchNormalization" and not isinstance(axis, int):
        _refuse("a BatchNormalization over one axis", f"axis {axis}", settings, path)
    if isinstance(axis, int) and part["class_name"] != "Attention":
        return part
    # A Sequential wrote its shape there too; with a module named Keras 3 would not know it.
    own = {key: value for key, value in settings.items() if key != "batch_input_shape"}
    return {"module": "keras.layers", "registered_name": None, **part, "config": own}


def _with_input(settings: Any) -> dict[str, Any]:
    """Give a Sequential written before Keras 2.4 an InputLayer: its first layer has the shape.

    Keras 3 would take the batch's axis for one of the image. Before Keras 2.2.3 the layers alone
    were written.
    """
    if isinstance(settings, list):
        settings = {"name": "sequential", "layers": settings}
    named: dict[str, Any] = settings
    first, *others = named.get("layers") or [{}]
    own = first.get("config")
    if first.get("class_name") == "InputLayer" or "batch_input_shape" not in (own or {}):
        return named
    start = {"batch_input_shape": own["batch_input_shape"], "name": "input"}
    rest = {key: value for key, value in own.items() if key != "batch_input_shape"}
    layers = [{"class_name": "InputLayer", "config": start}, {**first, "config": rest}, *others]
    return {**named, "layers": layers}


def _without_slashes(settings: dict[str, Any]) -> dict[str, Any]:
    """Rename a network's layers whose names hold a slash, as in Keras 2's DenseNet."""
    names = [layer["config"].get("name") for layer in settings["layers"]]
    new = {}
    for name in names:
        if isinstance(name, str) and "/" in name:
            new[name] = name.replace("/", "_")
            while new[name] in {*names, *(other for old, other in new.items() if old != name)}:
                new[name] += "_"
    return _renamed(settings, new) if new else settings


def _renamed(value: Any, new: dict[str, str]) -> Any:
    """Rename layers in their own settings and wherever a tensor of theirs is named."""
    if isinstance(value, list):
        first, *rest = [_renamed(item, new) for item in value] or [None]
        tensor = len(value) > 2 and isinstance(first, str) and isinstance(value[1], int)
        return [new.get(first, first) if tensor else first, *rest] if value else []
    if not isinstance(value, dict):
        return value
    changed = {key: _renamed(item, new) for key, item in value.items()}
    if isinstance(value.get("name"), str):
        changed["name"] = new.get(value["name"], value["name"])
    return changed


def _counted(settings: dict[str, Any]) -> dict[str, Any]:
    """Count calls of networks within a network as Keras 3 does, and name single ends alone.

    Keras 2 took a network's own making for its call 0. Keras 3 does so only for a Functional, and
    only where it names the outputs of the network around it. The first call always leads somewhere,
    hence the lowest number in use is its own. A list of one output would be returned as a list.
    """
    ends = {key: settings[key] for key in ("input_layers", "output_layers") if key in settings}
    for key, end in ends.items():
        if isinstance(end, list) and len(end) == 1 and isinstance(end[0], list):
            ends[key] = end[0]
    calls = [layer.get("inbound_nodes") or [] for layer in settings["layers"]]
    kinds = {
        layer["config"]["name"]: layer["class_name"]
        for layer in settings["layers"]
        if isinstance(layer["config"], dict) and layer["config"].get("layers")
    }
    first: dict[str, int] = {}
    for name, number in tensors_in([calls, ends]):
        if name in kinds:
            first[name] = min(first.get(name, number), number)
    apart = {name: by for name, by in first.items() if kinds[name] == "Sequential"}
    layers = [
        {**layer, "inbound_nodes": renumbered(nodes, first)} if nodes else layer
        for layer, nodes in zip(settings["layers"], calls, strict=True)
    ]
    return {**settings, "layers": layers, **renumbered(ends, apart)}


def _called(layer: dict[str, Any], path: Path) -> dict[str, Any]:
    """Turn the call of a function into a layer; other layers may be called with more tensors."""
    if layer.get("class_name") not in CALLS:
        return with_tensors(layer)
    found = as_layer(layer)
    if found is None:
        wanted = "calls of TensorFlow's functions that a layer of Keras 3 can take the place of"
        _refuse(wanted, f"tf.{layer['config']['function']}", layer["config"], path)
    return found


def _refuse(wanted: str, found: str, settings: dict[str, Any], path: Path) -> NoReturn:
    message = (
        f"expected {wanted}; got {found} in layer {settings.get('name')!r} ({path}); build the "
        "network in Keras 3 with other layers there, and load its weights"
    )
    raise NetworkError(message)
