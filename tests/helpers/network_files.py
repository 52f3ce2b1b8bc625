"""Network files as any Keras wrote them, and what is said of those that cannot be used."""

from __future__ import annotations

import json

import h5py
import keras
import numpy as np
import pytest
from keras import layers

from fastprune.errors import NetworkError
from fastprune.networks.network import load_network

SHAPE = (12, 10, 3)


def dense_of(x, n=7):
    return layers.Dense(n, activation="softmax", name="output")(layers.Flatten()(x))


def refused(source, *words, **options):
    """Load a network; return the one line that says why it cannot be used."""
    with pytest.raises(NetworkError) as caught:
        load_network(source, **options)
    message = str(caught.value)
    assert message.isprintable()
    assert message.startswith("expected ")
    for word in words:
        assert word in message, message
    return message


def old_config(model, version):
    """Return a network's configuration as Keras 2 wrote it, and its layers in order."""
    version = tuple(map(int, version.split(".")))
    first = version < (2, 4)
    found = []
    for layer in model.layers:
        config = {key: value for key, value in layer.get_config().items() if key != "dtype"}
        config["dtype"] = "float32"
        for key, value in config.items():
            if isinstance(value, dict):
                config[key] = {"class_name": value["class_name"], "config": value["config"]}
                if version >= (2, 13):
                    config[key] |= {"module": value["module"], "registered_name": None}
        for new in ("groups", "quantization_config") if first else ("quantization_config",):
            config.pop(new, None)
        if isinstance(layer, layers.InputLayer):
            shape = list(config.pop("batch_shape"))
            config = {"batch_input_shape": shape, "dtype": "float32", "sparse": False}
            config |= {"name": layer.name} | ({} if first else {"ragged": False})
        entry = {"class_name": type(layer).__name__, "config": config}
        if not isinstance(model, keras.Sequential):
            parents = [
                [parent.operation.name, 0, 0, {}]
                for node in layer._inbound_nodes
                for parent in node.parent_nodes
            ]
            entry |= {"name": layer.name, "inbound_nodes": [parents] if parents else []}
        found.append(entry)
    config = {"name": model.name, "layers": found}
    if isinstance(model, keras.Sequential):
        shape = [None, *model.input_shape[1:]]
        found[0]["config"]["batch_input_shape"] = shape
        if not first:
            start = {"batch_input_shape": shape, "dtype": "float32", "name": "start"}
            found.insert(0, {"class_name": "InputLayer", "config": start})
        old = version < (2, 2, 3)
        return {"class_name": "Sequential", "config": found if old else config}
    ends = (model.layers[0].name, model.layers[-1].name)
    config |= {key: [[end, 0, 0]] for key, end in zip(("input_layers", "output_layers"), ends)}  # noqa: B905
    return {"class_name": "Model" if first else "Functional", "config": config}


def write_old(path, model, version):
    """Write an .h5 file as Keras `version` wrote it."""
    second = int(version.split(".")[1])
    text = np.bytes_ if second < 5 else str
    options = {} if text is np.bytes_ else {"dtype": h5py.string_dtype()}
    training = {
        "optimizer_config": {
            "class_name": "Adam",
            "config": {"lr": 0.001, "learning_rate": 0.001, "decay": 0.0},
        },
        "loss": {"class_name": "CategoricalCrossentropy", "config": {"reduction": "auto"}},
        "metrics": ["accuracy"],
        "sample_weight_mode": None,
    }
    with h5py.File(path, "w") as file:
        group = file.create_group("model_weights")
        for place in (file, group):
            place.attrs["backend"] = text("tensorflow")
            place.attrs["keras_version"] = text(version)
        file.attrs["model_config"] = text(json.dumps(old_config(model, version)))
        file.attrs["training_config"] = text(json.dumps(training))
        names = [layer.name for layer in model.layers]
        group.attrs.create("layer_names", [text(name) for name in names], **options)
        for layer in model.layers:
            part = group.create_group(layer.name)
            weights = {f"{layer.name}/{weight.name}:0": weight for weight in layer.weights}
            made = [text(name) for name in weights]
            part.attrs.create("weight_names", made, **(options if made else {}))
            for name, weight in weights.items():
                part[name] = np.asarray(weight)
        if second >= 7:
            group.create_group("top_level_model_weights").attrs["weight_names"] = np.array([])
        file["optimizer_weights/iterations:0"] = np.int64(3)
        file["optimizer_weights"].attrs["weight_names"] = [np.bytes_("iterations:0")]
