"""The graph as it is at inference, its cuts, and what is said where a convolution serves none."""

import inspect
import warnings
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from keras import layers

import fastprune
from fastprune import reference
from fastprune.errors import NetworkError
from fastprune.networks.choosing import NAMED
from fastprune.networks.cuts import _crossed
from fastprune.networks.goodnet import make_goodnet
from fastprune.networks.graph import Call, Graph
from fastprune.networks.layer_kinds import TRAINING_ALONE
from fastprune.networks.network import load_network
from fastprune.networks.tracing import trace
from fastprune.networks.tracks import dependent_calls
from fastprune.runtime.backend import to_numpy
from fastprune.runtime.progress import FastpruneWarning
from tests.helpers.plain import plain

SHAPE = (12, 10, 3)
CHANNELS = 6

NEEDED = {
    "RandomBrightness": {"factor": 0.5}, "RandomColorDegeneration": {"factor": 0.5},
    "RandomContrast": {"factor": 0.5}, "RandomCrop": {"height": 8, "width": 8},
    "RandomHue": {"factor": 0.5}, "RandomPosterization": {"factor": 4},
    "RandomRotation": {"factor": 0.2}, "RandomSaturation": {"factor": 0.5},
    "RandomSharpness": {"factor": 0.5}, "RandomZoom": {"height_factor": 0.2},
    "RandomTranslation": {"height_factor": 0.2, "width_factor": 0.2},
    "CenterCrop": {"height": 8, "width": 8}, "Resizing": {"height": 8, "width": 8},
    "MaxNumBoundingBoxes": {"max_number": 3}, "Pipeline": {"layers": [layers.RandomFlip()]},
}  # fmt: skip
"""Arguments that layers must have."""


def tail(x, n=7):
    x = layers.MaxPooling2D(2, name="pool")(
        layers.Conv2D(CHANNELS, 3, activation="relu", name="conv")(x)
    )
    return layers.Dense(n, activation="softmax", name="output")(layers.Flatten(name="flat")(x))


def model_of(*body):
    """A network of layers in turn and `tail`."""
    keras.utils.set_random_seed(0)
    inputs = x = keras.Input(SHAPE)
    for layer in body:
        x = layer(x)
    return keras.Model(inputs, tail(x))


def refused(model, *words, **options):
    with pytest.raises(NetworkError) as caught:
        load_network(model, **options)
    for word in words:
        assert word in str(caught.value), str(caught.value)


def images(count=40):
    return np.random.default_rng(0).integers(0, 256, (count, *SHAPE)).astype(np.float32)


# Layers that do in training what they do not do at inference.


def active_by_default():
    """Every layer of Keras whose call has training=True as a default."""
    kinds = (getattr(layers, name) for name in dir(layers))
    return [
        kind for kind in kinds
        if isinstance(kind, type) and hasattr(kind, "call")
        and (known := inspect.signature(kind.call).parameters.get("training"))
        and known.default is True
    ]  # fmt: skip


def test_layers_known_to_act_in_training_alone_are_those_that_change_nothing_at_inference():
    pixels = np.random.default_rng(0).normal(0, 300, (3, *SHAPE)).astype(np.float32)
    found = {}
    for kind in active_by_default():
        layer = kind(**NEEDED.get(kind.__name__, {}))
        found[kind.__name__] = np.array_equal(to_numpy(layer(pixels, training=False)), pixels)
    assert len(found) > 20
    unchanged = {name for name, same in found.items() if same} - {"RandomCrop", "Pipeline"}
    assert unchanged == TRAINING_ALONE & set(found)


def augmentation():
    return [
        layers.RandomFlip(), layers.RandomRotation(0.4), layers.RandomZoom(0.4),
        layers.RandomContrast(0.9), layers.RandomBrightness(0.9),
    ]  # fmt: skip


def resized():
    return [
        layers.CenterCrop(10, 9), layers.Resizing(12, 10), layers.RandomCrop(12, 10),
        layers.RandomFlip(),
    ]  # fmt: skip


AROUND = {
    "functional": lambda body: body,
    "sequential": lambda body: [keras.Sequential([keras.Input(SHAPE), *body], name="prepare")],
    "unbuilt": lambda body: [keras.Sequential(body, name="prepare")],
    "pipeline": lambda body: [layers.Pipeline(body, name="prepare")],
}


@pytest.mark.parametrize(
    ("around", "body"),
    [("functional", augmentation), ("sequential", augmentation), ("pipeline", resized)],
)
@pytest.mark.slow
def test_layers_for_images_are_taken_as_they_are_at_inference(tmp_path, around, body):
    model = model_of(*AROUND[around](body()))
    pixels = images()
    own = plain(model, pixels).argmax(axis=1)
    labels = np.where(np.arange(len(own)) % 5, own, (own + 1) % 7)
    model.save(tmp_path / "B.keras")
    result = fastprune.sweep(tmp_path / "B.keras", valid=(pixels, labels), drops=(1,))
    for step in range(CHANNELS + 1):
        expected = reference.classes(model, "conv", result.order[:step], pixels)
        assert result.sets["valid"].counts.hits[step] == np.sum(expected == labels)
    result.save(tmp_path / "results", plots=False)
    step = result.crossings[1.0]
    pruned = reference.classes(model, "conv", result.order[:step], pixels)
    for name, expected in (
        ("repaired_1.keras", pruned),
        ("repaired_1.h5", pruned),
        ("goodnet_1.keras", np.where(pruned == own, own, 7)),
    ):
        loaded = keras.saving.load_model(tmp_path / "results" / name, compile=False)
        np.testing.assert_array_equal(plain(loaded, pixels).argmax(1), expected)


@pytest.mark.parametrize("around", AROUND)
@pytest.mark.slow
def test_nothing_random_is_left_in_the_network_or_its_parts(around):
    model = model_of(*AROUND[around](augmentation()))
    network = load_network(model)
    assert [call.name for call in network.graph.calls] == ["conv", "pool", "flat", "output"]
    pixels = images(4)
    expected = to_numpy(model(pixels, training=False))
    np.testing.assert_array_equal(to_numpy(network.model(pixels)), expected)
    np.testing.assert_allclose(
        to_numpy(network.suffix(network.prefix(pixels))), expected, rtol=1e-5, atol=1e-7
    )
    goodnet = make_goodnet(network, np.array([0]))
    np.testing.assert_array_equal(to_numpy(goodnet(pixels)), to_numpy(goodnet(pixels)))


def test_a_layer_of_the_users_own_is_not_taken_for_keras_s():
    class RandomFlip(layers.Layer):
        def call(self, inputs, training=True):
            return inputs if training else -inputs

    model = model_of(RandomFlip(name="own"))
    network = load_network(model)
    assert network.graph.calls[0].name == "own"
    np.testing.assert_array_equal(
        to_numpy(network.model(images(3))), to_numpy(model(images(3), training=False))
    )


def test_a_crop_that_keras_leaves_out_at_inference_is_refused():
    refused(model_of(layers.RandomCrop(8, 8, name="crop")), "(12, 10, 3) of 'crop'", "(8, 8, 3)")


# What stays refused: layers that a user runs as in training, or that remember.


def called(layer):
    keras.utils.set_random_seed(0)
    inputs = keras.Input(SHAPE)
    return keras.Model(inputs, tail(layer(inputs, training=True)))


def inner():
    start = keras.Input(SHAPE)
    return keras.Model(start, layers.Dropout(0.5)(start), name="inner")


@pytest.mark.parametrize(
    "make",
    [
        lambda: layers.Dropout(0.5, name="inner"),
        lambda: layers.BatchNormalization(name="inner"),
        inner,
        lambda: keras.Sequential([keras.Input(SHAPE), layers.Dropout(0.5)], name="inner"),
    ],
    ids=["dropout", "normalization", "functional", "sequential"],
)
def test_training_that_a_user_asked_for_is_refused(make):
    refused(called(make()), "'inner' with training=True")


@pytest.mark.parametrize("wrap", [lambda layer: layer, layers.Bidirectional])
def test_layers_that_remember_the_images_before_are_refused(wrap):
    inputs = keras.Input(batch_shape=(2, *SHAPE))
    x = layers.Conv2D(CHANNELS, 3, name="conv")(inputs)
    x = wrap(layers.GRU(4, stateful=True))(layers.Reshape((10, -1))(x))
    refused(keras.Model(inputs, layers.Dense(7)(x)), "stateful=True", "keep nothing between calls")


def test_a_nested_network_of_a_class_of_its_own_is_refused():
    class Own(keras.Model):
        def call(self, inputs):
            return inputs

    refused(model_of(Own(name="inner")), "Functional or Sequential network; got Own")


def test_a_nested_network_called_by_keyword_is_unfolded():
    inputs = keras.Input(SHAPE)
    model = keras.Model(inputs, tail(inner()(inputs=inputs)))
    assert load_network(model).graph.calls[1].name == "conv"


def test_a_network_without_layers_is_refused():
    inputs = keras.Input(SHAPE)
    with pytest.raises(NetworkError, match="gives the image itself"):
        trace(keras.Model(inputs, layers.RandomFlip()(inputs)))


# Cuts.

ACTIVATIONS = {
    "LeakyReLU": lambda: layers.LeakyReLU(negative_slope=0.1),
    "ReLU": lambda: layers.ReLU(max_value=6.0),
    "ELU": lambda: layers.ELU(),
    "Activation": lambda: layers.Activation("gelu"),
    "within": lambda: layers.Activation(layers.LeakyReLU()),
    "tanh_shrink": lambda: keras.activations.tanh_shrink,
    "sparse_plus": lambda: "sparse_plus",
    "sparse_sigmoid": lambda: keras.ops.sparse_sigmoid,
    "operation": lambda: keras.ops.relu,
}


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("behind", [False, True], ids=["own", "behind"])
@pytest.mark.slow
def test_a_convolution_is_pruned_whichever_way_its_activation_is_given(name, behind):
    keras.utils.set_random_seed(0)
    inputs = keras.Input(SHAPE)
    x = layers.Conv2D(4, 3, activation="relu", name="early")(inputs)
    own = None if behind else ACTIVATIONS[name]()
    x = layers.Conv2D(CHANNELS, 3, activation=own, name="late")(x)
    x = layers.Activation(ACTIVATIONS[name](), name="active")(x) if behind else x
    network = load_network(keras.Model(inputs, layers.Dense(7)(layers.Flatten()(x))))
    assert (network.cut.prune.name, network.cut.layer.name) == ("late", ["late", "active"][behind])


@pytest.mark.parametrize(
    ("activation", "why"),
    [
        (lambda: layers.Softmax(), "its activation Softmax mixes the channels"),
        (lambda: "log_softmax", "its activation log_softmax mixes the channels"),
        (lambda: layers.Activation("sparsemax"), "its activation sparsemax mixes the channels"),
        (lambda: layers.PReLU(), "its activation PReLU adds weights to it"),
        (lambda: (lambda x: x), "its activation <lambda> is not known to keep channels apart"),
    ],
)
def test_an_activation_that_bars_a_convolution_is_named(activation, why):
    inputs = keras.Input(SHAPE)
    x = layers.Conv2D(CHANNELS, 3, activation=activation(), name="late")(inputs)
    model = keras.Model(inputs, layers.Dense(7)(layers.Flatten()(x)))
    refused(model, f"convolutions: late ({why})")


def twice(x):
    conv = layers.Conv2D(x.shape[-1], 3, padding="same", name="late")
    return conv(conv(x))


def in_a_row(x):
    return layers.Conv1D(5, 2, name="late")(layers.Reshape((-1, CHANNELS))(x))


LATER = {
    "used 2 times, so that its channels mix": twice,
    "the channels of a Conv1D are not pruned": in_a_row,
    "its activation softmax mixes the channels": layers.Conv2D(
        5, 3, activation="softmax", name="late"
    ),
}


@pytest.mark.parametrize("why", LATER)
def test_a_later_convolution_that_is_passed_over_is_told_of(why):
    inputs = keras.Input(SHAPE)
    x = layers.Conv2D(CHANNELS, 3, activation="relu", name="early")(inputs)
    model = keras.Model(inputs, layers.Dense(7)(layers.Flatten()(LATER[why](x))))
    with pytest.warns(FastpruneWarning) as caught:
        network = load_network(model)
    assert network.cut.prune.name == "early"
    (warning,) = caught
    expected = f"early is pruned; convolutions behind it are not: late ({why})"
    assert str(warning.message) == expected
    with warnings.catch_warnings():  # asked for by name: nothing to tell
        warnings.simplefilter("error")
        load_network(model, cut_layer="early")
    refused(model, "one of early", "got 'late'", f"late ({why})", cut_layer="late")


def test_convolutions_on_one_of_two_paths_and_those_of_the_cut_are_no_reason_for_a_word():
    inputs = keras.Input(SHAPE)
    x = layers.Conv2D(CHANNELS, 3, activation="relu", name="conv")(inputs)
    x = layers.DepthwiseConv2D(3, name="depthwise")(x)
    near = layers.Dense(7)(layers.Flatten()(x))
    far = layers.Dense(7)(layers.Flatten()(layers.Conv2D(5, 3, activation="relu", name="one")(x)))
    model = keras.Model(inputs, layers.Add()([near, far]))
    cut = load_network(model).cut
    assert (cut.prune.name, cut.layer.name) == ("depthwise", "depthwise")
    cut = load_network(model, prune_layer="conv").cut
    assert (cut.prune.name, cut.layer.name) == ("conv", "depthwise")
    (side,) = load_network(model, prune_layer="one").cut.sides
    assert side.shape == (None, 7)


def test_each_convolution_is_refused_for_its_own_reason():
    keras.utils.set_random_seed(0)
    inputs = keras.Input(SHAPE)
    x = inputs
    for index in range(NAMED + 2):
        x = layers.Conv2D(3, 3, padding="same", activation="softmax", name=f"conv_{index}")(x)
    x = layers.Conv2DTranspose(7, 3, name="up")(twice(x))
    named = ", ".join(f"conv_{index}" for index in range(NAMED))
    refused(
        keras.Model(inputs, layers.GlobalAveragePooling2D()(x)),
        f"convolutions: {named}, 2 more (its activation softmax mixes the channels); "
        "late (used 2 times, so that its channels mix); up (its channels are the classes)",
    )


@pytest.mark.parametrize("seed", range(20))
def test_the_tensors_that_every_path_crosses(seed):
    rng = np.random.default_rng(seed)
    tensors = [object() for _ in range(14)]
    read = [{int(rng.integers(max(0, i - 4), i)) for _ in range(rng.integers(1, 3))}
            for i in range(1, 14)]  # fmt: skip
    for i in range(13):  # every tensor is read by a later one, if only by the next
        if not any(i in inputs for inputs in read):
            read[i].add(i)
    calls = tuple(
        Call(SimpleNamespace(name=str(i)), (), {}, tuple(tensors[j] for j in inputs), tensors[i])
        for i, inputs in enumerate(read, 1)
    )
    starts = [calls[i] for i in sorted(rng.choice(8, rng.integers(1, 3), replace=False))]

    def around(tensor):
        """Whether a path from a start to the end leads around a tensor."""
        reached = {tensors.index(call.output) for call in starts} - {tensor}
        for i, inputs in enumerate(read, 1):
            if i != tensor and inputs & reached:
                reached.add(i)
        return 13 in reached

    reached = dependent_calls(Graph(tensors[0], tensors[-1], calls), starts)
    found = [reached[index] for index in _crossed(reached, starts)]
    assert found == [call for i, call in enumerate(calls, 1) if call in reached and not around(i)]
