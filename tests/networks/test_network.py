"""Networks: every Keras's files load, and the cut is the right one."""

from __future__ import annotations

import h5py
import keras
import numpy as np
import pytest
from keras import layers

from fastprune import reference
from fastprune.networks import lab_deepid
from fastprune.networks.network import load_network
from tests.helpers.kept import kept_of
from tests.helpers.network_files import (
    SHAPE,
    dense_of,
    refused,
    write_old,
)
from tests.helpers.plain import plain


def same(network, model, images):
    pixels = images[0].astype(np.float32)
    np.testing.assert_array_equal(
        plain(network.model, pixels), plain(model, pixels)
    )


@pytest.mark.parametrize("name", ["deepid_like", "vgg_like", "batchnorm"])
@pytest.mark.parametrize("version", ["2.1.6", "2.2.4", "2.3.1", "2.4.0", "2.7.0", "2.13.1"])
@pytest.mark.slow
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
@pytest.mark.slow
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
    "residual": ("conv_3", "average"),
}


@pytest.mark.parametrize("name", CUTS)
def test_the_cut_is_the_last_tensor_that_keeps_the_channels_apart(make_network, name):
    network = load_network(make_network(name))
    assert (network.cut.prune.name, network.cut.layer.name) == CUTS[name]
    assert network.n_channels == 6


@pytest.mark.parametrize("name", CUTS)
def test_prefix_and_suffix_make_the_network(make_network, make_images, name):
    network = load_network(make_network(name))
    pixels = make_images()[0].astype(np.float32)
    cut = plain(network.prefix, pixels)
    assert cut.shape[1:] == network.cut_shape
    np.testing.assert_allclose(
        plain(network.suffix, cut), plain(network.model, pixels), rtol=1e-5
    )
    kept = kept_of(network, pixels)
    np.testing.assert_array_equal(kept[0], cut)
    assert [part.shape[1:] for part in kept] == network.kept_shapes
    assert len(kept) == 1 + (name == "residual")


@pytest.mark.parametrize("name", CUTS)
def test_the_pruned_value_is_what_zeroed_weights_give(make_network, make_images, name):
    model = make_network(name)
    network, pixels = load_network(model), make_images(3)[0].astype(np.float32)
    value, track = network.pruned_value, kept_of(network, pixels)[1:]
    layer = model.get_layer(network.cut.prune.name)
    layer.set_weights([weight * 0 for weight in layer.get_weights()])
    for index, found in enumerate(plain(network.prefix, pixels)):
        np.testing.assert_array_equal(value if value is not None else track[0][index], found)
    if value is not None:
        assert (value != 0).any() == (name == "batchnorm")
    assert (value is None) == (name == "residual")


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
    cut = plain(network.prefix, pixels)
    cut[..., [0, 3]] = network.pruned_value[..., [0, 3]]
    np.testing.assert_allclose(
        plain(network.suffix, cut),
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


def test_a_path_around_a_convolution_is_no_reason_to_pass_it_over():
    inputs = keras.Input(SHAPE)
    x = layers.Conv2D(3, 3, padding="same", name="around")(inputs)
    model = keras.Model(inputs, dense_of(layers.Add(name="sum")([x, inputs])))
    cut = load_network(model).cut
    assert (cut.prune.name, cut.layer.name, cut.sides) == ("around", "sum", ())


def the_classifier_alone():
    """The channels of the only convolution are the classes."""
    inputs = keras.Input(SHAPE)
    x = layers.Conv2D(7, 3, name="classifier")(inputs)
    return keras.Model(inputs, layers.Softmax()(layers.GlobalAveragePooling2D()(x)))


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
    [
        (shared, "twice (used 2 times, so that its channels mix)"), (mixed, "conv2d"),
        (the_classifier_alone, "classifier (its channels are the classes)"),
        (dense_only, "convolutions: none"),
    ],
)  # fmt: skip
def test_without_a_cut_the_layers_are_listed(make, tried):
    refused(make(), "the classifier itself left out; got none", tried, "mask_layer='features'")


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
    refused(model, "its channels come first", "data_format='channels_last'")


def test_things_that_are_no_network():
    for thing in (3, None, b"x", keras.Model, object()):
        refused(thing, "built Functional or Sequential network")
    refused(keras.Sequential([layers.Conv2D(3, 3)]), "built Functional or Sequential network")


def test_published_networks_of_the_lab(lab):
    found = load_network(lab / "bd_weights.h5")
    assert (found.n_classes, found.n_channels, found.written_by) == (1283, 60, "Keras 2.3.1")
    assert (found.cut.prune.name, found.cut.layer.name) == ("conv_3", "pool_3")
    with np.load(lab / "real_images.npz") as images:
        clean, labels = images["clean"].astype(np.float32), images["clean_label"]
        worn = images["sunglasses"].astype(np.float32)
    np.testing.assert_array_equal(plain(found.model, clean).argmax(1), labels)
    assert not plain(found.model, worn).argmax(1).any()
