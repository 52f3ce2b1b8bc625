"""Networks: every Keras's files load, traps are refused unopened, the cut is the right one."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from keras import layers

from fastprune import reference
from fastprune.errors import NetworkError
from fastprune.networks import file_checks, lab_deepid, loading
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


def same(network, model, images):
    pixels = images[0].astype(np.float32)
    np.testing.assert_array_equal(
        network.model.predict(pixels, verbose=0), model.predict(pixels, verbose=0)
    )


@pytest.mark.parametrize("name", ["deepid_like", "vgg_like", "batchnorm"])
@pytest.mark.parametrize("version", ["2.1.6", "2.2.4", "2.3.1", "2.4.0", "2.7.0", "2.13.1"])
def test_h5_files_of_old_keras(tmp_path, make_network, make_images, name, version):
    model = make_network(name)
    write_old(tmp_path / "old.h5", model, version)
    network = load_network(tmp_path / "old.h5")
    assert network.written_by == f"Keras {version}"
    assert network.fingerprint.startswith("blake2b:")
    same(network, model, make_images())


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
@pytest.mark.parametrize("suffix", [".keras", ".h5", ".hdf5"])
@pytest.mark.parametrize(
    "name", ["deepid_like", "vgg_like", "batchnorm", "global_pooling", "residual"]
)
def test_files_of_this_keras_compiled_or_not(tmp_path, make_network, make_images, name, suffix):
    model = make_network(name)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    path = tmp_path / f"net{suffix}"
    model.save(path)
    network = load_network(path)
    assert network.written_by == f"Keras {keras.version()}"
    assert (network.name, network.n_classes, network.input_shape) == ("net", 7, SHAPE)
    same(network, model, make_images())


def test_a_network_compiled_with_a_loss_of_its_own_loads(tmp_path, make_network, make_images):
    def my_loss(truth, scores):
        return keras.ops.mean(truth - scores)

    model = make_network("deepid_like")
    model.compile("adam", my_loss)
    model.save(tmp_path / "net.keras")
    same(load_network(tmp_path / "net.keras"), model, make_images())


def test_weights_of_the_labs_network_alone(tmp_path):
    keras.utils.set_random_seed(1)
    model = lab_deepid.deepid(11)
    write_old(tmp_path / "whole.h5", model, "2.3.1")
    with h5py.File(tmp_path / "whole.h5") as whole, h5py.File(tmp_path / "w.h5", "w") as file:
        for name in whole["model_weights"]:
            whole.copy(f"model_weights/{name}", file)
        for key, value in whole["model_weights"].attrs.items():
            file.attrs[key] = value
    network = load_network(tmp_path / "w.h5")
    assert (network.n_classes, network.n_channels) == (11, 60)
    assert (network.cut.prune.name, network.cut.layer.name) == ("conv_3", "pool_3")
    assert network.cut_shape == (5, 4, 60)
    for found, expected in zip(network.model.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(found, expected)
    with h5py.File(tmp_path / "w.h5", "a") as file:
        del file["conv_2/conv_2/kernel:0"]
        file["conv_2/conv_2/kernel:0"] = np.zeros((3, 3, 20, 41))
    refused(tmp_path / "w.h5", "weights of the lab's DeepID", "Shape mismatch")


def test_weights_without_configuration_of_another_network(tmp_path, make_network):
    make_network("vgg_like").save_weights(tmp_path / "net.weights.h5")
    refused(tmp_path / "net.weights.h5", "weights without configuration")


CUTS = {
    "deepid_like": ("conv_3", "pool_3"),
    "vgg_like": ("conv_2", "pool_2"),
    "batchnorm": ("conv_1", "pool_1"),
    "global_pooling": ("conv_2", "pool_2"),
    "residual": ("conv_1", "pool_1"),
}


@pytest.mark.parametrize("name", CUTS)
def test_the_cut_is_the_last_tensor_that_every_path_crosses(make_network, name):
    network = load_network(make_network(name))
    assert (network.cut.prune.name, network.cut.layer.name) == CUTS[name]
    assert network.n_channels == 6


@pytest.mark.parametrize("name", CUTS)
def test_prefix_and_suffix_make_the_network(make_network, make_images, name):
    network = load_network(make_network(name))
    pixels = make_images()[0].astype(np.float32)
    cut = network.prefix.predict(pixels, verbose=0)
    assert cut.shape[1:] == network.cut_shape
    np.testing.assert_allclose(
        network.suffix.predict(cut, verbose=0), network.model.predict(pixels, verbose=0), rtol=1e-5
    )
    both = network.prefix_and_prune.predict(pixels, verbose=0)
    np.testing.assert_array_equal(both[0], cut)
    assert both[1].shape[-1] == network.n_channels


@pytest.mark.parametrize("name", CUTS)
def test_the_pruned_value_is_what_zeroed_weights_give(make_network, make_images, name):
    model = make_network(name)
    network = load_network(model)
    layer = model.get_layer(network.cut.prune.name)
    layer.set_weights([weight * 0 for weight in layer.get_weights()])
    cut = network.prefix.predict(make_images(3)[0].astype(np.float32), verbose=0)
    for found in cut:
        np.testing.assert_array_equal(network.pruned_value, found)
    assert (network.pruned_value != 0).any() == (name == "batchnorm")


def test_pruned_value_of_a_sigmoid_and_of_a_separable_convolution(make_images):
    inputs = keras.Input(SHAPE)
    x = layers.SeparableConv2D(5, 3, activation="sigmoid", name="separable")(inputs)
    x = layers.ZeroPadding2D(1, name="padded")(x)
    model = keras.Model(inputs, dense_of(x))
    network = load_network(model)
    assert (network.cut.prune.name, network.cut.layer.name) == ("separable", "padded")
    assert (network.pruned_value[1:-1, 1:-1] == 0.5).all()
    assert (network.pruned_value[0] == 0).all()
    pixels = make_images(4)[0].astype(np.float32)
    cut = network.prefix.predict(pixels, verbose=0)
    cut[..., [0, 3]] = network.pruned_value[..., [0, 3]]
    np.testing.assert_allclose(
        network.suffix.predict(cut, verbose=0),
        reference.predict(model, "separable", [0, 3], pixels),
        rtol=1e-5,
    )


def test_cut_layer_by_name(make_network):
    model = make_network("vgg_like")
    for name, prune in (("conv_2", "conv_2"), ("pool_1", "conv_1"), ("conv_1", "conv_1")):
        network = load_network(model, cut_layer=name)
        assert (network.cut.layer.name, network.cut.prune.name) == (name, prune)
    refused(model, "conv_1, pool_1, conv_2, pool_2", "got 'fc'", cut_layer="fc")
    refused(make_network("deepid_like"), "pool_3", "got 'conv_4'", cut_layer="conv_4")


def test_nested_networks_are_unfolded(tmp_path, make_network, make_images):
    keras.utils.set_random_seed(2)
    head = keras.Sequential([keras.Input((4, 3, 6)), layers.Flatten(), layers.Dense(7)])
    start = keras.Input(SHAPE)
    x = layers.MaxPooling2D(2)(layers.Conv2D(4, 3, name="conv_1")(start))
    x = layers.Conv2D(6, 2, activation="relu", name="conv_2")(x)
    body = keras.Model(start, x, name="body")
    inputs = keras.Input(SHAPE)
    model = keras.Model(inputs, head(layers.Activation("relu", name="again")(body(inputs))))
    model.save(tmp_path / "nested.keras")
    network = load_network(tmp_path / "nested.keras")
    assert (network.cut.prune.name, network.cut.layer.name) == ("conv_2", "again")
    assert [call.name for call in network.graph.calls][:1] == ["conv_1"]
    same(network, model, make_images())


def beside():
    """Every convolution has a path around it."""
    inputs = keras.Input(SHAPE)
    x = layers.Conv2D(3, 3, padding="same", name="around")(inputs)
    return keras.Model(inputs, dense_of(layers.Add()([x, inputs])))


def shared():
    """One convolution, called twice: zeroing a channel changes the prefix too."""
    inputs = keras.Input(SHAPE)
    conv = layers.Conv2D(3, 3, padding="same", activation="relu", name="twice")
    return keras.Model(inputs, dense_of(conv(conv(inputs))))


def mixed():
    """A softmax over the channels: pruning one changes all."""
    inputs = keras.Input(SHAPE)
    return keras.Model(inputs, dense_of(layers.Conv2D(3, 3, activation="softmax")(inputs)))


def dense_only():
    inputs = keras.Input(SHAPE)
    return keras.Model(inputs, dense_of(inputs))


@pytest.mark.parametrize(
    ("make", "tried"),
    [(beside, "around"), (shared, "twice"), (mixed, "conv2d"), (dense_only, "convolutions: none")],
)
def test_without_a_cut_the_layers_are_listed(make, tried):
    refused(make(), "every path to the class scores crosses; got none", tried)


def test_pools_over_other_axes_are_not_channel_wise():
    inputs = keras.Input(SHAPE)
    x = layers.Conv2D(8, 3, activation="relu", name="conv")(inputs)
    x = layers.MaxPooling2D(2, data_format="channels_first", name="askew")(x)
    assert load_network(keras.Model(inputs, dense_of(x))).cut.layer.name == "conv"


def two_inputs():
    inputs = [keras.Input(SHAPE), keras.Input(SHAPE)]
    return keras.Model(inputs, dense_of(layers.Conv2D(3, 3)(layers.Add()(inputs))))


def two_outputs():
    inputs = keras.Input(SHAPE)
    x = layers.Conv2D(3, 3)(inputs)
    return keras.Model(inputs, [dense_of(x), layers.Dense(2)(layers.Flatten()(x))])


def no_classifier():
    inputs = keras.Input(SHAPE)
    return keras.Model(inputs, layers.Conv2D(3, 3)(inputs))


def one_class():
    inputs = keras.Input(SHAPE)
    return keras.Model(inputs, dense_of(layers.Conv2D(3, 3)(inputs), 1))


def any_size():
    inputs = keras.Input((None, None, 3))
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(3, 3)(inputs))
    return keras.Model(inputs, layers.Dense(7)(x))


def flat_input():
    inputs = keras.Input((5,))
    return keras.Model(inputs, layers.Dense(7)(inputs))


def channels_first():
    inputs = keras.Input((3, 12, 10))
    return keras.Model(inputs, dense_of(layers.Conv2D(3, 3, data_format="channels_first")(inputs)))


def split():
    inputs = keras.Input(SHAPE)
    parts = keras.ops.split(layers.Conv2D(4, 3)(inputs), 2, axis=-1)
    return keras.Model(inputs, dense_of(layers.Add()(parts)))


def nested_pair():
    pair = [keras.Input(SHAPE), keras.Input(SHAPE)]
    inner = keras.Model(pair, layers.Add()(pair), name="pair")
    inputs = keras.Input(SHAPE)
    x = layers.Conv2D(3, 3, padding="same")(inputs)
    return keras.Model(inputs, dense_of(inner([x, inputs])))


def nested_outputs():
    start = keras.Input(SHAPE)
    inner = keras.Model(start, [layers.ReLU()(start), layers.ELU()(start)], name="fork")
    inputs = keras.Input(SHAPE)
    return keras.Model(inputs, dense_of(inner(layers.Conv2D(3, 3, padding="same")(inputs))[1]))


def blind():
    inputs = keras.Input(SHAPE)
    x = layers.Conv2D(3, 3)(inputs)
    return keras.Model(inputs, dense_of(keras.ops.zeros_like(x)))


def same_names():
    start = keras.Input(SHAPE)
    inner = keras.Model(start, layers.Conv2D(3, 3, name="conv")(start))
    inputs = keras.Input(SHAPE)
    return keras.Model(inputs, dense_of(layers.Conv2D(3, 3, name="conv")(inner(inputs))))


def not_a_number():
    inputs = keras.Input(SHAPE)
    model = keras.Model(inputs, dense_of(layers.Conv2D(3, 3, name="poisoned")(inputs)))
    kernel, bias = model.get_layer("poisoned").get_weights()
    kernel[1, 1, 1, 1] = np.nan
    model.get_layer("poisoned").set_weights([kernel, bias])
    return model


def escapes():
    inputs = keras.Input(SHAPE)
    return keras.Model(inputs, dense_of(layers.Conv2D(3, 3, name="conv\n\x1b[2J")(inputs)))


def wide():
    inputs = keras.Input(SHAPE)
    x = layers.Conv2D(3, 3)(layers.UpSampling2D(10**5)(inputs))
    return keras.Model(inputs, layers.Dense(7)(layers.GlobalAveragePooling2D()(x)))


UNUSABLE = {
    two_inputs: ("2 inputs and 1 outputs",),
    two_outputs: ("1 inputs and 2 outputs",),
    no_classifier: ("class scores (batch, classes)",),
    one_class: ("two classes or more", "(None, 1)"),
    any_size: ("fixed image size",),
    flat_input: ("images (batch, height, width, channels)", "(None, 5)"),
    split: ("layers of one output",),
    nested_pair: ("nested networks of one input and one output", "'pair'"),
    nested_outputs: ("nested networks of one input and one output", "'fork'"),
    same_names: ("two named 'conv'",),
    not_a_number: ("finite weights", "poisoned/kernel"),
    escapes: ("layer names that can be printed",),
    wide: ("values per image", "up_sampling2d"),
}


@pytest.mark.parametrize("make", UNUSABLE)
def test_networks_that_cannot_be_used(make):
    refused(make(), *UNUSABLE[make])


def test_channels_first_is_refused():
    try:
        model = channels_first()
    except ValueError:
        pytest.skip("this backend makes no channels-first convolution")
    refused(model, "channels-first")


def test_things_that_are_no_network():
    for thing in (3, None, b"x", keras.Model, object()):
        refused(thing, "built Functional or Sequential network")
    refused(keras.Sequential([layers.Conv2D(3, 3)]), "built Functional or Sequential network")


# What an attacker may put into a file.


def repack(path, source, *, config=None, **changed):
    """Copy a .keras archive with another configuration or other members."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "config.json" and config is not None:
                content = json.dumps(config(json.loads(content)))
            content = changed.pop(name, content)
            if content is not None:
                new.writestr(name, content)
        for name, content in changed.items():
            new.writestr(name, content)
    return path


@pytest.fixture
def plain(tmp_path, make_network):
    """A harmless network as .keras and, of Keras 2.13, as .h5."""
    model = make_network("vgg_like")
    model.save(tmp_path / "plain.keras")
    write_old(tmp_path / "plain.h5", model, "2.13.1")
    return tmp_path / "plain.keras", tmp_path / "plain.h5"


def tampered(tmp_path, plain, change):
    """Return both files with `change` applied to their configurations."""
    new = repack(tmp_path / "trap.keras", plain[0], config=change)
    old = tmp_path / "trap.h5"
    old.write_bytes(plain[1].read_bytes())
    with h5py.File(old, "a") as file:
        config = change(json.loads(file.attrs["model_config"]))
        file.attrs["model_config"] = json.dumps(config)
    return new, old


def with_layer(layer):
    def change(config):
        config["config"]["layers"].insert(-1, layer)
        return config

    return change


def with_activation(activation):
    def change(config):
        config["config"]["layers"][-1]["config"]["activation"] = activation
        return config

    return change


def code_that_writes(path):
    import base64
    import marshal

    source = f"lambda x: (open({str(path)!r}, 'w').close(), x)[1]"
    code = base64.b64encode(marshal.dumps(eval(source).__code__)).decode()
    return {"class_name": "__lambda__", "config": {"code": code, "defaults": None, "closure": None}}


def traps(folder):
    """Return every trap by name: (change of the configuration, word of the message)."""
    code = code_that_writes(folder / "executed")
    old_code = [code["config"]["code"], None, None]
    lambda_ = {"name": "lambda", "function": code, "arguments": {}}

    def layer(name, config=None, **more):
        return {"class_name": name, "config": config or {"name": "trap"}, **more}

    def function(name, module, registered="function"):
        return {
            "class_name": "function", "config": name, "module": module,
            "registered_name": registered,
        }  # fmt: skip

    get_file = {
        "name": "trap", "function": function("get_file", "keras.utils"),
        "arguments": {"origin": f"file://{folder / 'secret'}"},
    }  # fmt: skip
    return {
        "lambda": (with_layer(layer("Lambda", lambda_, module="keras.layers")), "Lambda"),
        "lambda without module": (with_layer(layer("Lambda", lambda_)), "Lambda"),
        "old lambda": (
            with_layer(layer("Lambda", {"function": old_code, "function_type": "lambda"})),
            "Lambda",
        ),
        "lambda of keras.src": (
            with_layer(layer("Lambda", lambda_, module="keras.src.layers.core.lambda_layer")),
            "Lambda",
        ),
        "lambda under a package": (with_layer(layer("keras>Lambda", lambda_)), "keras>Lambda"),
        "lambda get_file": (with_layer(layer("Lambda", get_file)), "Lambda"),
        "lambda as activation": (with_activation(code), "__lambda__"),
        "hidden lambda": (
            with_layer(layer("TimeDistributed", {"layer": layer("Lambda", lambda_)})),
            "Lambda",
        ),
        "hidden in a list": (
            with_layer({"class_name": "Dense", "config": {"units": [[layer("Lambda", lambda_)]]}}),
            "Lambda",
        ),
        "class name that is no text": (with_layer(layer(["Lambda"], lambda_)), "Lambda"),
        "TFSMLayer": (
            with_layer(layer("TFSMLayer", {"filepath": str(folder)}, module="keras.layers")),
            "TFSMLayer",
        ),
        "TorchModuleWrapper": (
            with_layer(layer("TorchModuleWrapper", {"module": "AA"}, module="keras.layers")),
            "TorchModuleWrapper",
        ),
        "StringLookup": (
            with_layer(layer("StringLookup", {"vocabulary": str(folder / "secret")})),
            "StringLookup",
        ),
        "get_file as activation": (
            with_activation(function("get_file", "keras.utils")),
            "get_file",
        ),
        "load_model as activation": (
            with_activation(function("load_model", "keras.saving")),
            "load_model",
        ),
        "a function of builtins": (with_activation(function("eval", "builtins")), "eval"),
        "os.system": (with_activation(function("system", "os")), "system"),
        "a class of another module": (
            with_layer(layer("Dense", module="os.path", registered_name="x")),
            "os.path",
        ),
        "a module that looks like keras": (
            with_layer(layer("Dense", module="keras_hub.layers")),
            "keras_hub",
        ),
        "another that does": (with_layer(layer("Dense", module="kerasevil")), "kerasevil"),
        "a registered name": (
            with_layer(layer("Dense", {"units": 7}, registered_name="evil>Layer")),
            "Dense",
        ),
        "text that takes a gigabyte": (
            with_activation(
                {"class_name": "__numpy__", "config": {"value": ["a"], "dtype": "S999999999"}}
            ),
            "__numpy__",
        ),
        "typespec": (
            with_activation({"class_name": "__typespec__", "config": [], "spec_name": "x"}),
            "__typespec__",
        ),
    }


@pytest.mark.parametrize("name", traps(Path()))
def test_code_in_a_network_is_not_run(tmp_path, plain, name):
    (tmp_path / "secret").write_text("secret")
    change, word = traps(tmp_path)[name]
    for path in tampered(tmp_path, plain, change):
        before = set(tmp_path.iterdir())
        refused(path, "Keras's own layers without code", word, "it was not run")
        assert set(tmp_path.iterdir()) == before


def test_the_trap_would_have_written(tmp_path):
    """The code in the traps does write a file where it is run."""
    import base64
    import marshal
    import types

    code = code_that_writes(tmp_path / "executed")["config"]["code"]
    types.FunctionType(marshal.loads(base64.b64decode(code)), {"open": open})(1)
    assert (tmp_path / "executed").exists()


def test_layers_that_somebody_registered_are_refused(tmp_path):
    @keras.saving.register_keras_serializable(package="tests")
    class Own(layers.Layer):
        def call(self, x):
            return x

    inputs = keras.Input(SHAPE)
    keras.Model(inputs, dense_of(Own()(layers.Conv2D(3, 3)(inputs)))).save(tmp_path / "own.keras")
    refused(tmp_path / "own.keras", "Keras's own layers", "Own")


def test_a_zip_archive_behind_an_hdf5_file_does_not_shield_it(tmp_path, plain):
    change, _ = traps(tmp_path)["old lambda"]
    _, trap = tampered(tmp_path, plain, change)
    trap.write_bytes(trap.read_bytes() + plain[0].read_bytes())
    assert zipfile.is_zipfile(trap)
    assert h5py.is_hdf5(trap)
    refused(trap, "Lambda", "it was not run")


HUGE = {
    "units": lambda config: config["config"]["layers"][-1]["config"].update(units=10**12),
    "a few gigabytes": lambda config: config["config"]["layers"][-2]["config"].update(units=10**8),
    "filters": lambda config: next(
        layer["config"].update(filters=10**12)
        for layer in config["config"]["layers"]
        if layer["class_name"] == "Conv2D"
    ),
    "kernel": lambda config: next(
        layer["config"].update(kernel_size=[10**5, 10**5], padding="same")
        for layer in config["config"]["layers"]
        if layer["class_name"] == "Conv2D"
    ),
}


@pytest.mark.parametrize("name", HUGE)
def test_absurd_sizes_are_refused_before_memory_is_taken(tmp_path, plain, name, monkeypatch):
    made = []
    add_weight = layers.Layer.add_weight

    def spy(layer, shape=None, *args, **kwargs):
        made.append(int(np.prod(shape or ())))
        assert made[-1] < 10**7, "memory was taken"
        return add_weight(layer, shape, *args, **kwargs)

    def change(config):
        HUGE[name](config)
        return config

    monkeypatch.setattr(layers.Layer, "add_weight", spy)
    for path in tampered(tmp_path, plain, change):
        refused(path, "weights in its file", "asks for", "do not trust it")
        assert layers.Layer.add_weight is spy
    assert max(made, default=0) < 10**7


def weights_of(plain):
    with zipfile.ZipFile(plain[0]) as archive:
        return archive.read("model.weights.h5")


def with_weights(tmp_path, plain, change):
    """Return both files with `change` applied to the HDF5 that holds their weights."""
    held = tmp_path / "weights.h5"
    held.write_bytes(weights_of(plain))
    old = tmp_path / "trap.h5"
    old.write_bytes(plain[1].read_bytes())
    for path, name in (
        (held, "layers/dense/vars/0"), (old, "model_weights/fc/fc/kernel:0"),
    ):  # fmt: skip
        with h5py.File(path, "a") as file:
            change(file, name)
    new = repack(tmp_path / "trap.keras", plain[0], **{"model.weights.h5": held.read_bytes()})
    return new, old


@pytest.mark.parametrize(
    "kind", ["external link", "soft link", "external storage", "virtual", "group link"]
)
def test_weights_in_other_files_are_not_read(tmp_path, plain, kind):
    secret = tmp_path / "secret.bin"
    np.zeros(10_000, np.float32).tofile(secret)

    def change(file, name):
        shape = file[name].shape
        del file[name]
        if kind == "external link":
            file[name] = h5py.ExternalLink(str(plain[1]), name)
        elif kind == "soft link":
            file[name] = h5py.SoftLink("/anything")
        elif kind == "external storage":
            file.create_dataset(name, shape, "float32", external=[(str(secret), 0, 40_000)])
        elif kind == "group link":
            file["elsewhere"] = h5py.ExternalLink(str(plain[1]), "/")
            file[name] = np.zeros(shape, np.float32)
        else:
            layout = h5py.VirtualLayout(shape, "float32")
            layout[...] = h5py.VirtualSource(str(plain[1]), name, shape)
            file.create_virtual_dataset(name, layout)

    for path in with_weights(tmp_path, plain, change):
        refused(path, "in the file itself", "do not trust it")


def test_weights_that_are_not_stored_are_not_made(tmp_path, plain):
    def change(file, name):
        del file[name]
        file.create_dataset(name, (10**6, 10**6), "float32", chunks=(100, 100))

    for path in with_weights(tmp_path, plain, change):
        refused(path, "to hold what it claims", "do not trust it")


def test_a_web_of_hard_links_is_walked_once(tmp_path, plain):
    def change(file, name):
        place = file.create_group("web")
        for _ in range(60):
            below = place.create_group("a")
            place["b"] = below
            place = below
        place["round"] = file["/"]
        del file[name]

    for path in with_weights(tmp_path, plain, change):
        refused(path)


def test_weights_that_are_no_numbers(tmp_path, plain):
    def change(file, name):
        values = file[name][()]
        values[0, 0] = np.inf
        file[name][...] = values

    for path in with_weights(tmp_path, plain, change):
        refused(path, "finite weights", "fc/kernel")


def bomb(name, plain, path, size):
    with zipfile.ZipFile(plain[0]) as old, zipfile.ZipFile(
        path, "w", zipfile.ZIP_DEFLATED
    ) as new:  # fmt: skip
        for member in old.namelist():
            new.writestr(member, b" " * size if member == name else old.read(member))
    return path


@pytest.mark.parametrize("name", ["config.json", "metadata.json", "model.weights.h5"])
def test_zip_bombs(tmp_path, plain, name):
    refused(bomb(name, plain, tmp_path / "bomb.keras", 30 << 20), name, "zip bomb")


def test_archives_hold_a_network_alone(tmp_path, plain):
    for name in ("assets/x", "../../outside", "/absolute", "model.weights.npz"):
        path = repack(tmp_path / "more.keras", plain[0], **{name: b"x"})
        refused(path, "alone", name)
    for name in ("config.json", "metadata.json", "model.weights.h5"):
        path = repack(tmp_path / "less.keras", plain[0], **{name: None})
        refused(path, "alone")
    with zipfile.ZipFile(path, "w") as archive:
        for name in file_checks.MEMBERS:
            archive.writestr(name, b"{}")
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("config.json", b"{}")
    refused(path, "alone")


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"x"', "[" * 100_000, "{}", "9" * 5000])
def test_configurations_that_are_none(tmp_path, plain, text):
    refused(repack(tmp_path / "trap.keras", plain[0], **{"config.json": text}))
    with h5py.File(plain[1], "a") as file:
        file.attrs["model_config"] = text
    refused(plain[1])


@pytest.mark.parametrize("value", [np.zeros((2, 3)), 7, ["a", "b"]])
def test_configurations_that_are_no_text(plain, value):
    with h5py.File(plain[1], "a") as file:
        file.attrs["model_config"] = value
    refused(plain[1])


def test_configurations_of_many_megabytes(plain):
    with h5py.File(plain[1], "a") as file:
        file.attrs["model_config"] = " " * (9 << 20)
    refused(plain[1], "at most 8 MB")


@pytest.mark.parametrize(
    ("metadata", "version"),
    [
        ('{"keras_version": "3.1"}', "3.1"),
        ('{"keras_version": "3\\u001b[2J"}', "of an unknown version"),
        ("{}", "of an unknown version"),
        ("[]", "of an unknown version"),
        ("nothing", "of an unknown version"),
    ],
)
def test_a_file_cannot_say_anything_it_likes_of_its_version(tmp_path, plain, metadata, version):
    path = repack(tmp_path / "other.keras", plain[0], **{"metadata.json": metadata})
    assert load_network(path).written_by == f"Keras {version}"
    with h5py.File(plain[1], "a") as file:
        file.attrs["keras_version"] = np.array([[1, 2]])
    assert load_network(plain[1]).written_by == "Keras of an unknown version"


def test_files_that_are_no_network(tmp_path, plain):
    refused(tmp_path / "none.h5", "no such file")
    refused(tmp_path, "a folder")
    (tmp_path / "net.txt").write_bytes(plain[1].read_bytes())
    refused(tmp_path / "net.txt", "network file (.keras or .h5)", "rename it")
    for suffix, source in zip((".keras", ".h5"), plain, strict=True):
        whole = source.read_bytes()
        path = tmp_path / f"damaged{suffix}"
        contents = (b"", b"PK\x03\x04", whole[:100], np.random.default_rng(0).bytes(9000))
        for content in (
            *contents,
            whole[: len(whole) // 2],
            plain[suffix == ".keras"].read_bytes(),
        ):
            path.unlink(missing_ok=True)
            path.write_bytes(content)
            refused(path, "save it again")


def test_damaged_networks_raise_nothing_else(tmp_path, plain):
    messages = []
    for suffix, source in zip((".keras", ".h5"), plain, strict=True):
        whole = source.read_bytes()
        for start in range(0, len(whole), len(whole) // 25):
            path = tmp_path / f"damaged_{start}{suffix}"
            path.write_bytes(whole[:start] + b"\xff" * 40 + whole[start + 40 :])
            try:
                load_network(path)
            except NetworkError as error:
                messages.append(str(error))
    assert len(messages) > 25
    assert all(message.isprintable() for message in messages)


def test_an_encrypted_archive(tmp_path, plain):
    content = bytearray(plain[0].read_bytes())
    place = 0
    while (place := content.find(b"PK\x01\x02", place)) >= 0:
        content[place + 8] |= 1
        place += 4
    (tmp_path / "secret.keras").write_bytes(content)
    refused(tmp_path / "secret.keras", "encrypted")


def test_constants_of_a_goodnet_pass(tmp_path, make_network):
    from fastprune.networks.goodnet import make_goodnet

    network = load_network(make_network("batchnorm"))
    make_goodnet(network, np.array([2, 3])).save(tmp_path / "g.keras")
    assert loading.load_model(tmp_path / "g.keras").output_shape == (None, 8)
    with zipfile.ZipFile(tmp_path / "g.keras") as archive:
        config = json.load(io.TextIOWrapper(archive.open("config.json")))
    file_checks.check_config(config, tmp_path)


def test_published_networks_of_the_lab(lab):
    found = load_network(lab / "bd_weights.h5")
    assert (found.n_classes, found.n_channels, found.written_by) == (1283, 60, "Keras 2.3.1")
    assert (found.cut.prune.name, found.cut.layer.name) == ("conv_3", "pool_3")
    with np.load(lab / "real_images.npz") as images:
        clean, labels = images["clean"].astype(np.float32), images["clean_label"]
        worn = images["sunglasses"].astype(np.float32)
    np.testing.assert_array_equal(found.model.predict(clean, verbose=0).argmax(1), labels)
    assert not found.model.predict(worn, verbose=0).argmax(1).any()
