"""B′ and G: zeroed bit for bit, saved and read back, right by hand, free of fastprune."""

from __future__ import annotations

import subprocess
import sys

import h5py
import keras
import numpy as np
import pytest
from keras import layers

from fastprune.errors import OutputError
from fastprune.networks import goodnet, naming
from fastprune.networks.goodnet import (
    make_goodnet,
    make_repaired,
    save_goodnet,
    save_repaired,
    traced_copy,
)
from fastprune.networks.loading import load_model
from fastprune.networks.network import load_network
from fastprune.networks.tracing import trace

NAMES = ("deepid_like", "vgg_like", "batchnorm", "global_pooling", "residual")
CHANNELS = ([], [3], [1, 4, 0, 5], [0, 1, 2, 3, 4, 5])

PUBLISHED_ORDER = [
    0, 2, 9, 12, 13, 14, 15, 17, 24, 25, 26, 27, 30, 31, 33, 34, 36, 37, 38, 39, 40, 41, 44, 45, 47,
    48, 49, 50, 53, 55, 59, 23, 6, 51, 32, 22, 21, 20, 19, 43, 58, 3, 42, 1, 29, 16, 56, 46, 5, 8,
    11, 54, 10, 28, 35, 18, 4, 7, 52, 57,
]  # fmt: skip
"""Ascending mean of pool_3 on the lab's validation set, from the lab's README."""


def same_weights(first, second):
    for a, b in zip(first.get_weights(), second.get_weights(), strict=True):
        assert a.tobytes() == b.tobytes()


def save_all(network, channels, folder, images, drop):
    """Save B′ in both formats, and G."""
    repaired = make_repaired(network, channels)
    for suffix in ("keras", "h5"):
        save_repaired(repaired, folder / f"repaired_{drop}.{suffix}", images)
    save_goodnet(network, channels, repaired, folder / f"goodnet_{drop}.keras", images)
    return repaired


def scores_of(model, images):
    """Return a model's scores without compiling it, as ``predict`` would for a second each."""
    return np.asarray(keras.ops.convert_to_numpy(model(images, training=False)))


def zeroed_by_hand(model, name, channels):
    """Return a clone of `model` whose layer `name` has the channels zeroed, a loop per weight."""
    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    weights = clone.get_layer(name).get_weights()
    for weight in weights:
        for channel in channels:
            weight[..., channel] = 0
    clone.get_layer(name).set_weights(weights)
    return clone


@pytest.mark.parametrize("channels", CHANNELS)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.slow
def test_repaired_is_the_badnet_with_zeroed_weights_bit_for_bit(make_network, name, channels):
    model = make_network(name)
    before = [weight.copy() for weight in model.get_weights()]
    network = load_network(model)
    repaired = make_repaired(network, np.array(channels, int))
    same_weights(repaired, zeroed_by_hand(model, network.cut.prune.name, channels))
    for weight, old in zip(model.get_weights(), before, strict=True):
        assert weight.tobytes() == old.tobytes()


def test_a_separable_convolution_keeps_its_depthwise_kernel():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((6, 6, 4))
    x = layers.SeparableConv2D(4, 3, bias_initializer="ones", name="separable")(inputs)
    model = keras.Model(inputs, layers.Dense(3)(layers.Flatten()(x)))
    weights = make_repaired(load_network(model), np.array([1])).get_layer("separable").get_weights()
    assert weights[0].all()
    assert not weights[1][..., 1].any()
    assert weights[1][..., [0, 2, 3]].all()
    assert weights[2].tolist() == [1, 0, 1, 1]


@pytest.mark.parametrize("head", ["softmax", None, "sigmoid", "tanh"])
@pytest.mark.parametrize("name", NAMES)
def test_goodnet_by_hand(make_network, make_images, name, head):
    images = make_images(40)[0].astype(np.float32)
    images[20:] /= 255  # bounded scores saturate on the others, and tie
    network = load_network(make_network(name, head=head))
    flagged = 0
    for channels in CHANNELS[1:]:
        channels = np.array(channels, int)
        first = scores_of(network.model, images)
        repaired = zeroed_by_hand(network.model, network.cut.prune.name, channels)
        second = scores_of(repaired, images).argmax(1)
        expected = np.where(first.argmax(1) == second, first.argmax(1), 7)
        scores = scores_of(make_goodnet(network, channels), images)
        assert scores.shape == (40, 8)
        np.testing.assert_array_equal(scores.argmax(1), expected)
        agree = expected < 7
        np.testing.assert_allclose(scores[agree, :7], first[agree], rtol=1e-5)
        np.testing.assert_array_equal(scores[~agree], np.eye(8)[np.full((~agree).sum(), 7)])
        flagged += (~agree).sum()
    assert flagged > 5


def constant(scores):
    """A network that gives every image the same scores."""
    inputs = keras.Input((6, 6, 1))
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(2, 3, activation="relu")(inputs))
    outputs = layers.Dense(len(scores), kernel_initializer="zeros")(x)
    model = keras.Model(inputs, outputs)
    model.layers[-1].set_weights([np.zeros((2, len(scores))), np.array(scores)])
    return load_network(model)


@pytest.mark.parametrize(
    "scores", [[0, 0, 0], [-5, -3, -4], [1, 1, 0], [-2, -2, -2], [1e30, -1e30, 0], [0, 0, 7]]
)
@pytest.mark.slow
def test_where_networks_agree_class_n_never_wins_a_tie(scores):
    found = make_goodnet(constant(scores), np.array([0, 1])).predict(
        np.ones((2, 6, 6, 1)), verbose=0
    )
    assert found.argmax(1).tolist() == [int(np.argmax(scores))] * 2
    assert found[0, -1] == min(np.float32(scores))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.slow
def test_saved_files_predict_what_was_made(tmp_path, make_network, make_images, name):
    images = make_images(12)[0].astype(np.float32)
    network = load_network(make_network(name))
    channels = np.array([1, 4, 0])
    made = save_all(network, channels, tmp_path, images, "2.5")
    files = {item.name for item in tmp_path.iterdir()}
    assert files == {"repaired_2.5.keras", "repaired_2.5.h5", "goodnet_2.5.keras"}
    for suffix in (".keras", ".h5"):
        loaded = load_model(tmp_path / f"repaired_2.5{suffix}")
        same_weights(loaded, made)
        np.testing.assert_array_equal(scores_of(loaded, images), scores_of(made, images))
    np.testing.assert_array_equal(
        scores_of(load_model(tmp_path / "goodnet_2.5.keras"), images),
        scores_of(make_goodnet(network, channels), images),
    )


def test_a_goodnet_that_disagrees_is_not_saved(tmp_path, make_network, make_images, monkeypatch):
    network = load_network(make_network("deepid_like"))
    wrong = make_goodnet(network, np.array([], int))
    monkeypatch.setattr(goodnet, "make_goodnet", lambda *_: wrong)
    images = make_images(40)[0].astype(np.float32)
    with pytest.raises(OutputError, match="expected G to agree with B and B′"):
        save_goodnet(network, np.arange(6), make_repaired(network, np.arange(6)),
                     tmp_path / "g.keras", images)  # fmt: skip
    assert not list(tmp_path.iterdir())


def test_a_file_that_predicts_otherwise_is_not_kept(
    tmp_path, make_network, make_images, monkeypatch
):
    network = load_network(make_network("deepid_like"))
    other = make_network("deepid_like", seed=9)
    monkeypatch.setattr(keras.saving, "load_model", lambda *_, **__: other)
    repaired, images = make_repaired(network, np.array([2])), make_images(4)[0].astype(np.float32)
    with pytest.raises(OutputError, match=r"expected r.keras to predict what was saved"):
        save_repaired(repaired, tmp_path / "r.keras", images)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kinds", ["where", "concatenate,concatenate_1,argmax,goodnet_where"])
def test_goodnet_keeps_the_names_of_the_badnet_and_takes_others(make_images, kinds):
    keras.utils.set_random_seed(0)
    x = inputs = keras.Input((12, 10, 3))
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3, activation="relu")(x))
    for name in kinds.split(","):
        x = layers.Dense(6, "tanh", name=name)(x)
    network = load_network(keras.Model(inputs, layers.Dense(3)(x)))
    made = make_goodnet(network, np.array([0, 2]))
    own = [one.name for one in made.operations if not isinstance(one, layers.Layer)]
    theirs = {call.name for call in network.graph.calls}
    assert len(own) == len(set(own)) == 9
    assert all(name.startswith(naming.OWN) for name in own)
    assert {one.name for one in made.layers[1:]} == theirs
    assert not theirs & set(own)
    again = make_goodnet(network, np.array([0, 2]))
    assert [one.name for one in again.operations] == [one.name for one in made.operations]
    scores, repaired = goodnet.scores_inside(trace(made))
    assert scores.shape == repaired.shape == (None, 3)
    assert scores_of(made, make_images(6)[0].astype(np.float32)).shape == (6, 4)


def test_goodnets_of_one_copy_are_those_of_copies_of_their_own(make_network, make_images):
    network = load_network(make_network("deepid_like"))
    graph, images = traced_copy(network), make_images(6)[0].astype(np.float32)
    for channels in (np.array([0, 2]), np.array([0, 2, 3, 5]), np.array([1])):
        of_one, alone = make_goodnet(network, channels, graph), make_goodnet(network, channels)
        assert of_one.get_config() == alone.get_config()
        np.testing.assert_array_equal(scores_of(of_one, images), scores_of(alone, images))


def test_a_goodnet_of_an_earlier_version_is_recognised(make_network):
    """Its operations bear the names that Keras gives them, and so do those of B around them."""
    network = load_network(make_network("deepid_like"))
    made = make_goodnet(network, np.array([1, 4]))
    for operation in made.operations:
        operation.name = operation.name.removeprefix(naming.OWN)
    scores, repaired = goodnet.scores_inside(trace(made))
    assert [scores.shape, repaired.shape] == [(None, 7)] * 2
    assert goodnet.scores_inside(network.graph) is None


def test_scores_inside_are_those_of_g_where_b_compares_classes_too(make_images):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((12, 10, 3))
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3, activation="relu")(inputs))
    same = keras.ops.equal(keras.ops.argmax(x, -1), keras.ops.argmax(-x, -1))
    x = keras.ops.where(keras.ops.expand_dims(same, -1), x, 2 * x)
    network = load_network(keras.Model(inputs, layers.Dense(3)(x)))
    scores, repaired = goodnet.scores_inside(trace(make_goodnet(network, np.array([0, 2]))))
    assert [scores.shape, repaired.shape] == [(None, 3)] * 2


def test_copies_of_a_normalization_normalize(make_images):
    """Its statistics are weights, from which Keras derives what it computes with."""
    images = make_images(30)[0].astype(np.float32)
    keras.utils.set_random_seed(0)
    inputs = keras.Input((12, 10, 3))
    norm = layers.Normalization()
    x = layers.Conv2D(4, 3, activation="relu")(norm(inputs))
    network = load_network(keras.Model(inputs, layers.Dense(5)(layers.Flatten()(x))))
    norm.adapt(images)
    plain = make_repaired(network, np.array([], int))
    np.testing.assert_array_equal(scores_of(plain, images), scores_of(network.model, images))


PLAIN = """
import sys
import keras, numpy as np
model = keras.saving.load_model(sys.argv[1])
found = model.predict(np.load(sys.argv[2]), verbose=0)
assert not any(name.split(".")[0] == "fastprune" for name in sys.modules)
np.save(sys.argv[3], found)
"""


@pytest.mark.slow
def test_goodnet_needs_keras_alone(tmp_path, make_network, make_images):
    images = make_images(40)[0].astype(np.float32)
    network = load_network(make_network("batchnorm"))
    channels = np.array([1, 4, 0])
    repaired = make_repaired(network, channels)
    save_goodnet(network, channels, repaired, tmp_path / "g.keras", images[:4])
    np.save(tmp_path / "in.npy", images)
    done = subprocess.run(
        [sys.executable, "-c", PLAIN, "g.keras", "in.npy", "out.npy"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = np.load(tmp_path / "out.npy").argmax(1)
    first = network.model.predict(images, verbose=0).argmax(1)
    second = repaired.predict(images, verbose=0).argmax(1)
    np.testing.assert_array_equal(found, np.where(first == second, first, 7))
    assert 7 in found


def conv_3(path):
    with h5py.File(path) as file:
        group = file["model_weights/conv_3/conv_3"]
        return group["kernel:0"][()], group["bias:0"][()]


@pytest.mark.parametrize(
    ("name", "step"),
    [("ascending_2", 45), ("ascending_4", 48), ("ascending_10", 52), ("ascending_30", 54),
     ("descending_2", 1), ("descending_10", 2)],
)  # fmt: skip
@pytest.mark.slow
def test_published_repaired_networks_bit_for_bit(lab, name, step):
    path = lab / f"repaired/pool3_{name}.h5"
    kernel, bias = conv_3(path)
    zeroed = np.flatnonzero((kernel == 0).all((0, 1, 2)) & (bias == 0))
    if name.startswith("ascending"):
        assert sorted(zeroed) == sorted(PUBLISHED_ORDER[:step])
    assert len(zeroed) == step
    badnet = load_network(lab / "bd_weights.h5")
    channels = np.array(PUBLISHED_ORDER[:step]) if name.startswith("ascending") else zeroed
    repaired = make_repaired(badnet, channels)
    published = load_network(path)
    same_weights(repaired, published.model)
    assert kernel.tobytes() == repaired.get_layer("conv_3").get_weights()[0].tobytes()
    assert published.n_classes == 1283
