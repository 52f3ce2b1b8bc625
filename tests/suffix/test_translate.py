"""Activations given as layers, and pools that differ between backends, in compiled form."""

from types import SimpleNamespace

import keras
import pytest
from keras import layers

from fastprune.networks.network import load_network
from fastprune.suffix import translate
from fastprune.suffix.builder import NotUnderstood
from fastprune.suffix.compile import build
from fastprune.suffix.select import make_engine
from tests.helpers.networks import CHANNELS, check_against_reference, stem
from tests.helpers.networks import build as build_network

GIVEN = {
    "LeakyReLU": lambda: layers.LeakyReLU(negative_slope=0.4),
    "ReLU": lambda: layers.ReLU(max_value=1.5, negative_slope=0.1, threshold=0.2),
    "ELU": lambda: layers.ELU(alpha=0.7),
    "nested": lambda: layers.Activation(layers.Activation("tanh")),
}


@pytest.mark.parametrize("name", GIVEN)
@pytest.mark.slow
def test_activations_that_are_layers_have_a_compiled_form(name):
    def body(x):
        x = layers.Conv2D(5, 2, activation=GIVEN[name]())(stem(x, GIVEN[name]()))
        x = layers.Activation(GIVEN[name]())(layers.Dense(8)(layers.Flatten()(x)))
        x = layers.Dense(9, activation=GIVEN[name]())(x)
        return layers.Dense(6, activation=layers.Softmax())(x)

    check_against_reference(build_network(body), "incremental", expected_engine="incremental")


@pytest.mark.parametrize("activation", [lambda: layers.PReLU(), lambda: layers.Softmax()])
@pytest.mark.slow
def test_activations_without_one_go_to_keras(activation):
    def body(x):
        x = layers.Dense(8, activation=activation())(layers.Flatten()(stem(x)))
        return layers.Dense(6)(x)

    engine = "incremental+keras"
    check_against_reference(build_network(body), "incremental", expected_engine=engine)


@pytest.mark.slow
def test_a_function_of_the_users_own_is_not_taken_for_keras_s_of_the_same_name():
    def relu(x):
        return keras.ops.leaky_relu(x, negative_slope=0.6)

    def body(x):
        x = layers.Dense(8, activation=relu)(layers.Flatten()(stem(x)))
        return layers.Dense(6)(x)

    engine = "incremental+keras"
    check_against_reference(build_network(body), "incremental", expected_engine=engine)


def pooled(kind, padding):
    def body(x):
        x = layers.Conv2D(CHANNELS, 2, activation="relu", name="prune_me")(x)
        x = layers.ReLU(name="cut_here")(x)
        return layers.Dense(6)(layers.Flatten()(kind(3, 2, padding=padding)(x)))

    return body


@pytest.mark.parametrize(
    ("backend", "kind", "padding", "compiled"),
    [
        ("tensorflow", layers.AveragePooling2D, "same", True),
        ("jax", layers.AveragePooling2D, "same", True),
        ("torch", layers.AveragePooling2D, "same", False),
        ("torch", layers.AveragePooling2D, "valid", True),
        ("torch", layers.MaxPooling2D, "same", True),
    ],
)
def test_means_over_padding_are_left_to_keras_on_torch(
    monkeypatch, backend, kind, padding, compiled
):
    network = load_network(build_network(pooled(kind, padding)), cut_layer="cut_here")
    assert network.pruned_value is not None
    monkeypatch.setattr(translate, "backend", SimpleNamespace(name=lambda: backend))
    if compiled:
        assert build(network).tables.base.size
    else:
        with pytest.raises(NotUnderstood, match="torch"):
            build(network)
        assert make_engine(network).name == "keras"
