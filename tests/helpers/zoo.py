"""Small seeded networks of many shapes, untrained: every class is somebody's, no two scores tie.

A network here is a body, from an image and a number of classes to class scores. `build` gives it
random weights, channels that are dead on some or on all images, and a head whose scores are centred
and of one size, so that pruning moves many images to other classes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import NDArray

from tests.helpers.oracle import every_layer, layer_named, steps_of, weights_of, zero_channel

IMAGE = (12, 12, 3)
CHANNELS = 6
PRUNED = "prune_me"
CUT = "cut_here"

Body = Callable[[Any, int], Any]


@dataclass(frozen=True)
class Kind:
    """How a network of the zoo is made.

    Attributes
    ----------
    body : callable
        ``body(images, n_classes)`` gives the class scores.
    pixels : bool
        Whether images are pixels 0 to 255; normally distributed values otherwise.
    scale : float
        What images are divided by before the network sees them.
    cut : str or None
        Name of the cut layer where a later convolution would be pruned otherwise; None for the
        cut that is found.
    """

    body: Body
    pixels: bool = False
    scale: float = 1.0
    cut: str | None = None


ZOO: dict[str, Kind] = {}
"""Every kind of network by name."""


def kind(into: dict[str, Kind] = ZOO, **options: Any) -> Callable[[Body], Body]:
    """Put the body that follows into the zoo."""

    def add(body: Body) -> Body:
        into[body.__name__] = Kind(body, **options)
        return body

    return add


def pruned(x: Any, activation: Any = "relu", filters: int = CHANNELS, **options: Any) -> Any:
    """Return the prune layer's output: a 3 x 3 convolution unless told otherwise."""
    size = options.pop("kernel_size", 3)
    return layers.Conv2D(filters, size, activation=activation, name=PRUNED, **options)(x)


def stem(x: Any, activation: Any = "relu") -> Any:
    """Return the images halved, in four channels."""
    return layers.MaxPooling2D(2)(layers.Conv2D(4, 3, padding="same", activation=activation)(x))


def softmax_of(x: Any, n_classes: int) -> Any:
    """Return class probabilities of flat features."""
    return layers.Dense(n_classes, activation="softmax")(x)


# The head is a convolution, and its channels are the classes.


@kind()
def mobilenet(x, n_classes):
    x = layers.Conv2D(4, 3, strides=2, padding="same", use_bias=False)(x)
    x = layers.ReLU(max_value=6)(layers.BatchNormalization()(x))
    x = layers.DepthwiseConv2D(3, padding="same", use_bias=False)(x)
    x = layers.ReLU(max_value=6)(layers.BatchNormalization()(x))
    x = layers.Conv2D(12, 1, use_bias=False)(x)
    x = layers.ReLU(max_value=6)(layers.BatchNormalization()(x))
    x = layers.Dropout(0.1)(layers.GlobalAveragePooling2D(keepdims=True)(x))
    x = layers.Reshape((n_classes,))(pruned(x, None, n_classes, kernel_size=1))
    return layers.Activation("softmax")(x)


@kind()
def flatten_alone_behind(x, n_classes):
    x = layers.GlobalMaxPooling2D(keepdims=True)(layers.Conv2D(9, 3, activation="relu")(stem(x)))
    return layers.Flatten()(pruned(x, None, n_classes, kernel_size=1))


@kind()
def reshape_and_softmax_behind(x, n_classes):
    x = layers.Conv2D(5, 3, strides=2, activation="relu")(stem(x))
    x = pruned(x, None, n_classes, kernel_size=2)
    return layers.Softmax()(layers.Reshape((n_classes,))(x))


@kind()
def softmax_alone_behind(x, n_classes):
    x = pruned(layers.Conv2D(7, 3, activation="relu")(stem(x)), None, n_classes, kernel_size=1)
    return layers.Softmax()(layers.GlobalAveragePooling2D()(x))


@kind()
def all_convolutional(x, n_classes):
    x = layers.Conv2D(7, 3, activation="relu")(stem(x))
    x = layers.Dropout(0.5)(pruned(x, None, n_classes, kernel_size=1))
    return layers.GlobalAveragePooling2D()(x)


CLASSES_AS_CHANNELS = (
    "mobilenet", "flatten_alone_behind", "reshape_and_softmax_behind", "softmax_alone_behind",
    "all_convolutional",
)  # fmt: skip
"""Kinds whose head is the prune layer; all but the last have nothing but views behind the cut."""


# Plain stacks and two branches.


@kind()
def vgg(x, n_classes):
    for filters, name in ((4, None), (CHANNELS, PRUNED)):
        x = layers.Conv2D(filters, 3, padding="same", name=name)(x)
        x = layers.Activation("relu")(layers.BatchNormalization()(x))
        x = layers.MaxPooling2D(2)(x)
    x = layers.Dense(16)(layers.Flatten()(x))
    x = layers.Dropout(0.5)(layers.ReLU()(layers.BatchNormalization()(x)))
    return softmax_of(x, n_classes)


@kind()
def deepid(x, n_classes):
    x = layers.MaxPooling2D(2)(pruned(stem(x)))
    near = layers.Dense(10)(layers.Flatten()(x))
    far = layers.Dense(10)(layers.Flatten()(layers.Conv2D(5, 2, activation="relu")(x)))
    return softmax_of(layers.Activation("relu")(layers.Add()([near, far])), n_classes)


@kind(pixels=True, scale=255.0)
def deepid_of_divided_pixels(x, n_classes):
    return deepid(x, n_classes)


@kind()
def inception(x, n_classes):
    x = layers.MaxPooling2D(2)(pruned(x))
    one = layers.Conv2D(3, 1, activation="relu")(x)
    two = layers.Conv2D(3, 3, padding="same", activation="relu")(layers.Conv2D(3, 1)(x))
    three = layers.Conv2D(3, 1)(layers.MaxPooling2D(3, 1, padding="same")(x))
    x = layers.Concatenate()([one, two, three, x])
    return softmax_of(layers.GlobalAveragePooling2D()(x), n_classes)


@kind()
def two_branches_multiplied(x, n_classes):
    x = pruned(stem(x))
    gate = layers.Conv2D(5, 3, padding="same", activation="sigmoid")(x)
    x = layers.Multiply()([gate, layers.Conv2D(5, 1)(x)])
    return softmax_of(layers.Flatten()(x), n_classes)


@kind()
def other_merges(x, n_classes):
    x = layers.AveragePooling2D(2)(pruned(x))
    parts = [layers.Conv2D(5, size, padding="same")(x) for size in (1, 2, 3)]
    x = layers.Maximum()([layers.Average()(parts), layers.Minimum()(parts[:2])])
    x = layers.Concatenate(axis=1)([x, layers.Subtract()(parts[1:])])
    return softmax_of(layers.Flatten()(x), n_classes)


@kind()
def dense_on_pixels(x, n_classes):
    x = layers.Dense(5, activation="relu")(layers.MaxPooling2D(2)(pruned(x, "tanh")))
    return softmax_of(layers.Flatten()(layers.Permute((3, 1, 2))(x)), n_classes)


# Activations, at the cut, behind it in a convolution, and between dense layers.


def _activated(x, n_classes, make):
    x = layers.MaxPooling2D(2, name=CUT)(make()(pruned(stem(x, None), None)))
    x = make()(layers.Conv2D(5, 2)(x))
    return softmax_of(make()(layers.Dense(12)(layers.Flatten()(x))), n_classes)


@kind(cut=CUT)
def leaky_relu(x, n_classes):
    return _activated(x, n_classes, lambda: layers.LeakyReLU(negative_slope=0.2))


@kind(cut=CUT)
def elu(x, n_classes):
    return _activated(x, n_classes, lambda: layers.ELU(alpha=0.7))


@kind(cut=CUT)
def gelu(x, n_classes):
    return _activated(x, n_classes, lambda: layers.Activation("gelu"))


@kind(cut=CUT)
def silu(x, n_classes):
    return _activated(x, n_classes, lambda: layers.Activation("silu"))


@kind(cut=CUT)
def tanh(x, n_classes):
    return _activated(x, n_classes, lambda: layers.Activation("tanh"))


@kind(cut=CUT)
def sigmoid(x, n_classes):
    return _activated(x, n_classes, lambda: layers.Activation("sigmoid"))


@kind(cut=CUT)
def prelu(x, n_classes):
    return _activated(x, n_classes, layers.PReLU)


@kind(cut=CUT)
def relu_with_options(x, n_classes):
    def make():
        return layers.ReLU(max_value=2, negative_slope=0.1, threshold=0.05)

    return _activated(x, n_classes, make)


@kind(cut=CUT)
def layers_as_activations(x, n_classes):
    x = layers.MaxPooling2D(2, name=CUT)(pruned(stem(x), layers.LeakyReLU(negative_slope=0.3)))
    x = layers.Conv2D(5, 2, activation=layers.ELU())(x)
    x = layers.Dense(12, activation=layers.ReLU(max_value=4))(layers.Flatten()(x))
    return softmax_of(x, n_classes)


# What is the identity at inference, and nested models.


@kind(cut=CUT)
def dropout_and_noise(x, n_classes):
    x = layers.SpatialDropout2D(0.2)(pruned(layers.GaussianNoise(0.3)(stem(x))))
    x = layers.ActivityRegularization(l2=0.1, name=CUT)(layers.MaxPooling2D(2)(x))
    x = layers.Dropout(0.5)(x)
    x = layers.AlphaDropout(0.1)(layers.Conv2D(5, 1, activation="relu")(x))
    x = layers.GaussianDropout(0.4)(layers.Flatten()(layers.GaussianNoise(0.1)(x)))
    return softmax_of(layers.Dropout(0.5)(x), n_classes)


@kind()
def random_flip(x, n_classes):
    x = layers.RandomRotation(0.1)(layers.RandomFlip("horizontal")(x))
    return softmax_of(layers.Flatten()(layers.MaxPooling2D(2)(pruned(stem(x)))), n_classes)


@kind()
def nested(x, n_classes):
    inside = keras.Input(IMAGE)
    y = layers.MaxPooling2D(2)(pruned(stem(inside)))
    y = layers.Add()([layers.Conv2D(CHANNELS, 3, padding="same", activation="relu")(y), y])
    backbone = keras.Model(inside, y, name="backbone")
    return softmax_of(layers.GlobalAveragePooling2D()(backbone(x)), n_classes)


@kind(cut=CUT)
def nested_sequential(x, n_classes):
    start = [
        layers.RandomFlip("vertical"),
        layers.Conv2D(4, 3, activation="relu"),
        keras.Sequential([layers.Conv2D(CHANNELS, 3, name=PRUNED), layers.BatchNormalization()]),
        layers.ReLU(name=CUT),
    ]
    end = [layers.Conv2D(5, 2), layers.MaxPooling2D(2), layers.Flatten(), layers.Dense(12)]
    x = keras.Sequential([keras.Input(IMAGE), *start])(x)
    return softmax_of(keras.Sequential(end)(x), n_classes)


# Kinds of convolutions and pooling.


@kind()
def grouped(x, n_classes):
    x = layers.MaxPooling2D(2)(pruned(stem(x), groups=2))
    return softmax_of(layers.Dense(9, activation="relu")(layers.Flatten()(x)), n_classes)


@kind(cut=PRUNED)
def grouped_behind(x, n_classes):
    x = layers.Conv2D(9, 3, groups=3, activation="relu")(pruned(stem(x), padding="same"))
    return softmax_of(layers.Flatten()(x), n_classes)


@kind(cut=PRUNED)
def dilated(x, n_classes):
    x = pruned(x, dilation_rate=2)
    x = layers.Conv2D(5, (2, 3), dilation_rate=(2, 1), padding="same", activation="relu")(x)
    x = layers.Conv2D(4, 2, dilation_rate=(1, 3), activation="relu")(x)
    return softmax_of(layers.Flatten()(x), n_classes)


@kind(cut=PRUNED)
def strided(x, n_classes):
    x = pruned(x, strides=(1, 2), padding="same")
    x = layers.Conv2D(5, (2, 3), strides=(2, 1), padding="same", activation="relu")(x)
    x = layers.Conv2D(4, 3, strides=2, activation="relu")(x)
    return softmax_of(layers.Flatten()(x), n_classes)


@kind()
def separable(x, n_classes):
    x = layers.SeparableConv2D(4, 3, padding="same", activation="relu")(x)
    x = layers.SeparableConv2D(CHANNELS, 3, activation="relu", name=PRUNED)(x)
    return softmax_of(layers.Flatten()(layers.MaxPooling2D(2)(x)), n_classes)


@kind(cut=PRUNED)
def separable_behind(x, n_classes):
    x = layers.SeparableConv2D(8, 3, activation="relu")(pruned(stem(x)))
    y = layers.DepthwiseConv2D(2, depth_multiplier=2, activation="relu")(x)
    x = layers.Concatenate()([layers.Flatten()(x), layers.Flatten()(y)])
    return softmax_of(x, n_classes)


@kind()
def depthwise_at_the_cut(x, n_classes):
    x = layers.DepthwiseConv2D(3, padding="same")(pruned(stem(x)))
    x = layers.ReLU()(layers.BatchNormalization()(x))
    return softmax_of(layers.Flatten()(layers.MaxPooling2D(2)(x)), n_classes)


@kind(cut=CUT)
def padded_and_cropped(x, n_classes):
    x = layers.ZeroPadding2D(((1, 0), (0, 2)))(pruned(stem(x), "sigmoid"))
    x = layers.UpSampling2D(2, name=CUT)(layers.Cropping2D(((0, 1), (1, 0)))(x))
    x = layers.Conv2D(4, 3, strides=2, activation="relu")(x)
    return softmax_of(layers.Flatten()(layers.ZeroPadding2D(1)(x)), n_classes)


@kind(cut=CUT)
def max_pooling_same(x, n_classes):
    x = layers.MaxPooling2D(2, padding="same", name=CUT)(pruned(x, "tanh", kernel_size=2))
    x = layers.MaxPooling2D(3, 2, padding="same")(layers.Conv2D(5, 1)(x))
    return softmax_of(layers.Flatten()(x), n_classes)


@kind(cut=CUT)
def average_pooling_same(x, n_classes):
    x = layers.AveragePooling2D(3, 2, padding="same", name=CUT)(pruned(x, "sigmoid"))
    x = layers.AveragePooling2D(2, padding="same")(layers.Conv2D(5, 1, activation="relu")(x))
    return softmax_of(layers.Flatten()(x), n_classes)


@kind()
def global_pooling(x, n_classes):
    x = pruned(stem(x))
    x = [layers.GlobalMaxPooling2D()(x), layers.GlobalAveragePooling2D()(x)]
    return softmax_of(layers.Concatenate()(x), n_classes)


# Normalisation.


@kind(cut=CUT)
def negative_gamma(x, n_classes):
    x = layers.BatchNormalization(name="negative")(pruned(stem(x), None, use_bias=False))
    x = layers.Conv2D(5, 2)(layers.MaxPooling2D(2, name=CUT)(layers.ReLU()(x)))
    x = layers.ReLU()(layers.BatchNormalization(scale=False)(x))
    x = layers.BatchNormalization(center=False, name="negative_behind")(layers.Flatten()(x))
    return softmax_of(x, n_classes)


@kind()
def layer_normalization_at_the_cut(x, n_classes):
    x = layers.ReLU()(layers.LayerNormalization()(pruned(stem(x), None)))
    return softmax_of(layers.Flatten()(layers.MaxPooling2D(2)(x)), n_classes)


@kind()
def layer_normalization_behind(x, n_classes):
    x = layers.Dense(12)(layers.Flatten()(layers.MaxPooling2D(2)(pruned(stem(x)))))
    return softmax_of(layers.Activation("relu")(layers.LayerNormalization()(x)), n_classes)


@kind()
def group_normalization(x, n_classes):
    x = layers.ReLU()(layers.GroupNormalization(2)(pruned(stem(x), None)))
    return softmax_of(layers.GlobalAveragePooling2D()(x), n_classes)


# Layers that lie beside convolutions.


@kind()
def squeeze_and_excite(x, n_classes):
    x = pruned(stem(x))
    gate = layers.Dense(3, activation="relu")(layers.GlobalAveragePooling2D()(x))
    gate = layers.Reshape((1, 1, CHANNELS))(layers.Dense(CHANNELS, activation="sigmoid")(gate))
    x = layers.Add()([x, layers.Multiply()([x, gate])])
    return softmax_of(layers.GlobalAveragePooling2D()(x), n_classes)


@kind()
def residual_post_activation(x, n_classes):
    x = layers.MaxPooling2D(2)(pruned(x))
    for _ in range(2):
        y = layers.Conv2D(CHANNELS, 3, padding="same", use_bias=False)(x)
        y = layers.ReLU()(layers.BatchNormalization()(y))
        y = layers.BatchNormalization()(layers.Conv2D(CHANNELS, 3, padding="same")(y))
        x = layers.ReLU()(layers.Add()([x, y]))
    return softmax_of(layers.GlobalAveragePooling2D()(x), n_classes)


@kind()
def residual_pre_activation(x, n_classes):
    x = pruned(stem(x), None)
    for filters in (CHANNELS, 8):
        y = layers.ReLU()(layers.BatchNormalization()(x))
        shortcut = x if filters == CHANNELS else layers.Conv2D(filters, 1)(y)
        y = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(filters, 3, padding="same")(y)))
        x = layers.Add()([shortcut, layers.Conv2D(filters, 3, padding="same")(y)])
    x = layers.ReLU()(layers.BatchNormalization()(x))
    return softmax_of(layers.GlobalAveragePooling2D()(x), n_classes)


@kind()
def densenet(x, n_classes):
    x = layers.MaxPooling2D(2)(pruned(x))
    for _ in range(2):
        y = layers.ReLU()(layers.BatchNormalization()(x))
        x = layers.Concatenate()([x, layers.Conv2D(3, 3, padding="same", use_bias=False)(y)])
    x = layers.AveragePooling2D(2)(layers.ReLU()(layers.BatchNormalization()(x)))
    return softmax_of(layers.Flatten()(x), n_classes)


@kind()
def attention(x, n_classes):
    x = layers.Reshape((-1, CHANNELS))(layers.MaxPooling2D(2)(pruned(stem(x))))
    x = layers.MultiHeadAttention(2, 3)(x, x)
    return softmax_of(layers.GlobalAveragePooling1D()(x), n_classes)


# Operations, names, pixels and heads.


@kind(pixels=True)
def operations_in_front(x, n_classes):
    x = layers.MaxPooling2D(2)(pruned(stem(x / 255 - 0.5)))
    return softmax_of(layers.Flatten()(x), n_classes)


@kind()
def operations_behind(x, n_classes):
    x = ops.relu(pruned(stem(x), None))
    x = ops.reshape(layers.MaxPooling2D(2)(x), (-1, 2 * 2 * CHANNELS))
    x = ops.tanh(layers.Dense(12)(x) + 1) * 2
    return softmax_of(x, n_classes)


@kind(pixels=True)
def rescaling(x, n_classes):
    x = layers.Rescaling(1 / 127.5, offset=-1)(x)
    x = layers.Rescaling(0.5, offset=0.25)(layers.MaxPooling2D(2)(pruned(stem(x))))
    return softmax_of(layers.Flatten()(x), n_classes)


@kind()
def default_names(x, n_classes):
    """Names as Keras and its operations give them, those of G's own among them."""
    x = layers.Conv2D(4, 3, activation="relu", name="where")(x)
    x = layers.Conv2D(CHANNELS, 3, activation="relu", name=PRUNED)(x)
    x = layers.MaxPooling2D(2, name="argmax")(x)
    parts = [layers.Conv2D(3, size, padding="same", name=f"argmax_{size}")(x) for size in (1, 2)]
    x = layers.Flatten(name="min")(layers.Concatenate(name="concatenate")(parts))
    x = layers.Dense(12, activation="relu", name="expand_dims")(x)
    return layers.Dense(n_classes, activation="softmax", name="equal")(x)


@kind(cut=CUT)
def bias_free(x, n_classes):
    x = layers.Conv2D(4, 3, activation="relu", use_bias=False)(x)
    x = layers.MaxPooling2D(2, name=CUT)(pruned(x, use_bias=False))
    x = layers.Conv2D(9, 2, activation="relu", use_bias=False)(x)
    return layers.Dense(n_classes, activation="softmax", use_bias=False)(layers.Flatten()(x))


@kind()
def softmax_layer(x, n_classes):
    x = layers.Flatten()(layers.MaxPooling2D(2)(pruned(stem(x))))
    return layers.Softmax()(layers.Dense(n_classes)(x))


@kind()
def sigmoid_head(x, n_classes):
    x = layers.Flatten()(layers.MaxPooling2D(2)(pruned(stem(x))))
    return layers.Dense(n_classes, activation="sigmoid")(x)


@kind()
def linear_head(x, n_classes):
    x = layers.Dense(9, activation="relu")(layers.Flatten()(layers.MaxPooling2D(2)(pruned(x))))
    return layers.Dense(n_classes)(x)


def pictures(kind_: Kind, count: int, seed: int = 1) -> NDArray[Any]:
    """Return images of many contrasts and tints, as they lie in a set."""
    rng = np.random.default_rng(seed)
    images = rng.normal(0, 1, (count, *IMAGE)) * rng.uniform(0.3, 1.5, (count, 1, 1, 1))
    images += rng.normal(0, 0.7, (count, 1, 1, IMAGE[-1]))
    if kind_.pixels:
        return np.clip(128 + 50 * images, 0, 255).astype(np.uint8)
    return images.astype(np.float32)


def build(
    name: str, n_classes: int = 10, seed: int = 0, *, kinds: dict[str, Kind] = ZOO
) -> Any:
    """Make a network of the zoo, ready to be swept; its prune layer is named :data:`PRUNED`."""
    kind_ = kinds[name]
    keras.utils.set_random_seed(seed)
    inputs = keras.Input(IMAGE)
    model = keras.Model(inputs, kind_.body(inputs, n_classes), name=name)
    rng = np.random.default_rng(seed)
    for layer in every_layer(model):
        for variable in layer.weights:
            variable.assign(_weights(rng, variable.name, variable.shape))
        if layer.name.startswith("negative"):
            gamma = ops.convert_to_numpy(layer.gamma)
            layer.gamma.assign(gamma * (-1) ** np.arange(len(gamma)))
    head = [layer for layer in model.layers if hasattr(layer, "kernel")][-1]
    prune = layer_named(model, PRUNED)
    if head is not prune:
        _put_to_sleep(prune)
    _spread(model, head, pictures(kind_, 32, seed=2).astype(np.float32) / kind_.scale)
    if head is prune:
        # Classes that are pruned score 0: most others must still win over them.
        head.bias.assign(ops.convert_to_numpy(head.bias) + 2)
    return model


def _weights(rng: np.random.Generator, name: str, shape: tuple[int, ...]) -> NDArray[Any]:
    """Return random weights that keep the size of what goes through a layer."""
    noise = rng.normal(0, 1, shape)
    if name.endswith("kernel"):
        fan_in = np.prod(shape[:2]) if name.startswith("depthwise") else np.prod(shape[:-1])
        return noise * np.sqrt(2 / fan_in)
    if name in ("gamma", "alpha"):
        return (1 if name == "gamma" else 0.3) + 0.2 * noise
    return 0.5 + np.abs(noise) if name == "moving_variance" else 0.3 * noise


def _put_to_sleep(prune: Any) -> None:
    """Let channel 1 be dead on most images and channel 4, behind a ReLU, on all."""
    kernel = weights_of(prune)[0]
    values = ops.convert_to_numpy(kernel).copy()
    zero_channel(prune, values, 4)
    kernel.assign(values)
    if prune.use_bias:
        bias = ops.convert_to_numpy(prune.bias).copy()
        bias[1] -= 1.5
        bias[4] = -1
        prune.bias.assign(bias)


def _spread(model: Any, head: Any, images: NDArray[np.float32]) -> None:
    """Centre the scores of every class and give them one size, so that every class is somebody's.

    Over the steps of a sweep taken together: pruning a channel moves the scores of all images.
    """
    below = keras.Model(model.input, head.input)
    order = np.random.default_rng(5).permutation(CHANNELS)
    steps = [0] if head.name == PRUNED else steps_of(model, PRUNED, order[:-1])
    features = np.concatenate(
        [ops.convert_to_numpy(below(images)).astype(np.float64) for _ in steps]
    )
    kernel = ops.convert_to_numpy(head.kernel).astype(np.float64)
    weights = kernel.reshape(-1, kernel.shape[-1])
    rows = features.reshape(-1, weights.shape[0])
    if head.use_bias:
        scores = rows @ weights
        head.bias.assign(-scores.mean(axis=0) / scores.std(axis=0))
    else:
        mean = rows.mean(axis=0)
        weights = weights - np.outer(mean, mean @ weights) / (mean @ mean)
        scores = rows @ weights
    head.kernel.assign((weights / scores.std(axis=0)).reshape(kernel.shape))
