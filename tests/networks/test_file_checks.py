"""Traps in network files are refused unopened."""

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

from fastprune.errors import NetworkError
from fastprune.networks import file_checks, loading
from fastprune.networks.config_checks import check_config
from fastprune.networks.network import load_network
from tests.helpers.network_files import (
    SHAPE,
    dense_of,
    refused,
    write_old,
)

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
@pytest.mark.slow
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
@pytest.mark.slow
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
@pytest.mark.slow
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
@pytest.mark.slow
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


@pytest.mark.slow
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
    check_config(config, tmp_path)
