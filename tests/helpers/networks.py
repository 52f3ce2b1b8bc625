"""Small networks with every kind of suffix; the cut layer is named where a test cuts."""

import keras
import numpy as np
from keras import layers

from fastprune import reference
from fastprune.networks.network import load_network
from fastprune.runtime.backend import to_numpy
from fastprune.suffix.select import make_engine

IMAGE = (9, 8, 2)
CHANNELS = 6


def stem(x, activation="relu"):
    """A convolution whose channels 1 and 4 are dead on most images, and a pool: the cut."""
    x = layers.Conv2D(CHANNELS, 3, activation=activation, name="prune_me")(x)
    return layers.MaxPooling2D(2, name="cut_here")(x)


def deepid(x):
    x = stem(x)
    near = layers.Dense(9)(layers.Flatten()(x))
    x = layers.Conv2D(5, 2, activation="relu")(x)
    x = layers.Add()([near, layers.Dense(9)(layers.Flatten()(x))])
    return layers.Dense(7, activation="softmax")(layers.Activation("relu")(x))


def deep_dense(x):
    x = layers.Dropout(0.5)(layers.Flatten()(stem(x)))
    x = layers.Dense(11, activation="tanh")(x)
    return layers.Dense(5)(layers.ELU()(layers.Dense(10)(x)))


def strided(x):
    x = stem(x, "sigmoid")
    x = layers.Conv2D(6, (2, 3), strides=(2, 1), padding="same", activation="leaky_relu")(x)
    x = layers.Conv2D(4, 2, dilation_rate=(1, 2), padding="same", use_bias=False)(x)
    x = layers.AveragePooling2D(2, padding="same")(x)
    return layers.Dense(4, activation="sigmoid")(layers.Flatten()(x))


def normalized(x):
    x = layers.Conv2D(CHANNELS, 3, name="prune_me")(x)
    x = layers.Activation("relu")(layers.BatchNormalization()(x))
    x = layers.GlobalAveragePooling2D(name="cut_here")(x)
    x = layers.BatchNormalization()(layers.Dense(12, activation="silu")(x))
    return layers.Softmax()(layers.Dense(6)(x))


def branches(x):
    x = stem(x)
    one = layers.Conv2D(4, 1)(x)
    two = layers.Conv2D(4, 3, padding="same", activation="relu6")(x)
    merged = layers.Concatenate()([layers.Multiply()([one, two]), layers.Add()([one, two, two]), x])
    pooled = layers.Concatenate()(
        [
            layers.GlobalMaxPooling2D()(merged),
            layers.Flatten()(layers.MaxPooling2D(2, padding="same")(merged)),
        ]
    )
    x = layers.ReLU(max_value=4, negative_slope=0.1, threshold=0.05)(layers.Dense(8)(pooled))
    return layers.Dense(5, activation="softmax")(layers.LeakyReLU(negative_slope=0.3)(x))


def residual(x):
    x = stem(x)
    y = layers.Conv2D(CHANNELS, 3, padding="same", activation="relu")(x)
    x = layers.Activation("relu")(layers.Add()([x, y]))
    return layers.Dense(6)(layers.GlobalAveragePooling2D()(x))


def block(x):
    """A residual block: an inner convolution, and a last one with its normalization."""
    x = layers.Conv2D(CHANNELS, 3, activation="relu", name="first")(x)
    y = layers.Conv2D(5, 3, padding="same", activation="relu", name="inner")(x)
    y = layers.Conv2D(CHANNELS, 3, padding="same", name="prune_me")(y)
    x = layers.Add(name="sum")([x, layers.BatchNormalization(name="norm")(y)])
    x = layers.GlobalAveragePooling2D(name="cut_here")(layers.ReLU(name="active")(x))
    return layers.Dense(7, name="scores")(x)


def dense_on_pixels(x):
    x = layers.Dense(5, activation="relu")(stem(x, "tanh"))
    return layers.Dense(4)(layers.Flatten()(x))


def unknown_tail(x):
    x = stem(x)
    near = layers.Dense(9, activation="relu")(layers.Flatten()(x))
    far = layers.Flatten()(layers.Conv2D(5, 2, activation="gelu")(x))
    return layers.Dense(7, activation="softmax")(
        layers.LayerNormalization()(layers.Concatenate()([near, far]))
    )


def unknown_start(x):
    return layers.Dense(5)(layers.Flatten()(layers.LayerNormalization()(stem(x))))


def padded_pools(x):
    """Windows that reach over the border on one side only, where backends pad differently."""
    x = layers.Conv2D(CHANNELS, 2, activation="relu", name="prune_me")(x)
    x = layers.ReLU(name="cut_here")(x)  # 8 x 7
    mean = layers.AveragePooling2D(3, 2, padding="same")(x)
    most = layers.MaxPooling2D(3, 2, padding="same")(x)
    conv = layers.Conv2D(4, 3, strides=2, padding="same")(x)
    x = layers.Concatenate()([mean, most, conv])
    return layers.Dense(7)(layers.Flatten()(x))


def build(body, seed=0):
    """A network with random weights and biases; two channels are mostly dead."""
    keras.utils.set_random_seed(seed)
    inputs = keras.Input(IMAGE)
    model = keras.Model(inputs, body(inputs))
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        noisy = [w + rng.normal(0, 0.3, w.shape) for w in layer.get_weights()]
        if isinstance(layer, layers.BatchNormalization):
            noisy[3] = np.abs(noisy[3]) + 0.5
        layer.set_weights(noisy)
    layer = model.get_layer("prune_me")
    weights = layer.get_weights()
    weights[1][[1, 4]] -= 2.5
    layer.set_weights(weights)
    # Centred and scaled scores: every class is somebody's.
    last = [layer for layer in model.layers if layer.get_weights()][-1]
    kernel, bias = last.get_weights()
    scores = to_numpy(keras.Model(model.input, last.input)(pictures())) @ kernel + bias
    last.set_weights([kernel / scores.std(), (bias - scores.mean(axis=0)) / scores.std()])
    return model


def pictures(count=37, seed=1):
    return np.random.default_rng(seed).normal(0, 1, (count, *IMAGE)).astype(np.float32)


def check_against_reference(model, engine_name, *, cut_layer="cut_here", expected_engine=None):
    """Compare an engine's classes at every step with plain Keras on zeroed weights."""
    network = load_network(model, cut_layer=cut_layer)
    order = np.random.default_rng(3).permutation(CHANNELS)
    engine = make_engine(network, engine_name)
    if expected_engine:
        assert engine.name == expected_engine
    images = pictures()
    steps = engine.classes(engine.block(network.prefix(images)), order)
    assert steps.classes.shape == steps.near_ties.shape == (CHANNELS + 1, len(images))
    assert steps.near_ties.mean() < 0.02, "near-ties are not rare"
    for step in range(CHANNELS + 1):
        expected = reference.classes(model, "prune_me", order[:step], images)
        different = steps.classes[step] != expected
        assert not (different & ~steps.near_ties[step]).any(), f"step {step}"
    assert len(np.unique(steps.classes)) > 2, "a network that says one thing tests nothing"
