"""Small networks with calls of ``keras.ops`` and with the names that Keras gives by itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

SHAPE = (12, 12, 3)
CLASSES = 5
COLOURS = np.array([0.9, 1.0, 1.1], np.float32)
CLASHING = ("concatenate", "where", "where_1", "argmax", "argmax_1", "equal", "expand_dims", "min")
"""Names that Keras gives the operations of a GoodNet, where it is not told otherwise."""

NETWORKS: dict[str, Callable[[], Any]] = {}
"""By name, what makes a network; its weights are drawn from Keras's own random state."""


def network(build: Callable[[Any, Any, Any], Any]) -> Callable[[Any, Any, Any], Any]:
    """Note a network: `build` gets layers, operations and images, and gives class scores."""

    def make() -> Any:
        import keras

        images = keras.Input(SHAPE)
        return keras.Model(images, build(keras.layers, keras.ops, images), name=build.__name__)

    NETWORKS[build.__name__] = make
    return build


def stem(layers: Any, x: Any) -> Any:
    """Return the cut that most of them have: convolution, ReLU, pooling."""
    return layers.MaxPooling2D()(layers.Conv2D(8, 3, activation="relu")(x))


def head(layers: Any, x: Any) -> Any:
    """Return class scores."""
    if len(x.shape) > 2:
        x = layers.Flatten()(x)
    x = layers.Dense(12, activation="relu", bias_initializer="random_normal")(x)
    return layers.Dense(CLASSES, activation="softmax")(x)


@network
def divided(layers, ops, images):
    return head(layers, stem(layers, images / 255))


@network
def plus_one(layers, ops, images):
    return head(layers, stem(layers, images / 255) + 1)


@network
def relu_calls(layers, ops, images):
    x = ops.relu(layers.Conv2D(6, 3)(images))
    x = ops.relu(layers.Conv2D(8, 3)(x))
    return head(layers, layers.MaxPooling2D()(x))


@network
def reshaped(layers, ops, images):
    x = ops.reshape(stem(layers, images), (-1, 5 * 5 * 8))
    return head(layers, x)


@network
def default_names(layers, ops, images):
    x = stem(layers, images)
    x = layers.Concatenate()([layers.Conv2D(4, 2)(x), layers.Conv2D(4, 2)(x)])
    return head(layers, layers.ReLU()(x))


@network
def clashing_names(layers, ops, images):
    x = stem(layers, images)
    first, *others = CLASHING
    x = layers.Concatenate(name=first)([x, layers.Activation("tanh", name=others[0])(x)])
    for name in others[1:]:
        x = layers.Activation("linear", name=name)(x)
    return head(layers, x)


@network
def constants(layers, ops, images):
    x = (images - np.array([120, 110, 100], np.float32)) * COLOURS
    x = stem(layers, x)
    return head(layers, x * np.linspace(0.5, 1.5, 8, dtype=np.float32) + ops.ones((1, 5, 5, 1)))


@network
def sliced(layers, ops, images):
    x = stem(layers, images[:, 1:, :-1, :])
    return head(layers, ops.concatenate([x[:, 1:, ..., :4], x[:, :-1, :, 4:]], axis=-1))


@network
def concatenated(layers, ops, images):
    x = stem(layers, images)
    return head(layers, ops.concatenate([x, ops.tanh(x)], axis=-1))


@network
def averaged(layers, ops, images):
    return head(layers, ops.mean(stem(layers, images), axis=(1, 2)))


@network
def softmax_call(layers, ops, images):
    x = layers.Flatten()(stem(layers, images))
    x = layers.Dense(12, activation="relu")(x)
    return ops.softmax(layers.Dense(CLASSES, bias_initializer="random_normal")(x))


@network
def where_calls(layers, ops, images):
    x = layers.Conv2D(8, 3)(images / 255 - 0.5)
    x = ops.where(x > 0, x, 0.1 * x)
    return head(layers, layers.AveragePooling2D(2)(x))


@network
def goodnet_like(layers, ops, images):
    x = stem(layers, images)
    x = x - ops.min(x, axis=-1, keepdims=True)
    best = ops.expand_dims(ops.argmax(x, axis=-1), axis=-1)
    same = ops.equal(best, ops.expand_dims(ops.argmax(x + 1.0, axis=-1), axis=-1))
    return head(layers, ops.where(same, x, 0.0))


@network
def multiplied(layers, ops, images):
    x = ops.reshape(stem(layers, images), (-1, 25, 8))
    x = ops.matmul(x, np.eye(8, 6, dtype=np.float32) + 0.1)
    return head(layers, ops.einsum("bij,bkj->bik", x, x) / 1000)


@network
def transposed(layers, ops, images):
    x = ops.transpose(stem(layers, images), (0, 3, 1, 2))
    return head(layers, ops.flip(ops.squeeze(ops.expand_dims(x, 1), 1), axis=2))


@network
def pooled(layers, ops, images):
    x = ops.pad(layers.Conv2D(8, 3, activation="relu")(images), [[0, 0], [1, 1], [1, 1], [0, 0]])
    x = ops.max_pool(x, 2, padding="valid")
    return head(layers, ops.average_pool(x, 2, strides=1, padding="same"))


@network
def squeezed(layers, ops, images):
    x = stem(layers, images / 255)
    gate = layers.Dense(8)(layers.Dense(4, activation="relu")(ops.mean(x, axis=(1, 2))))
    return head(layers, x * ops.expand_dims(ops.expand_dims(ops.sigmoid(gate), 1), 1))


@network
def shared(layers, ops, images):
    x = stem(layers, images)
    dense = layers.Dense(6, activation="relu")
    return head(layers, ops.add(dense(x[:, :2]), ops.multiply(dense(x[:, 2:4]), 0.5)))


@network
def nested(layers, ops, images):
    import keras

    inner = keras.Input((5, 5, 8))
    block = keras.Model(inner, layers.Concatenate()([inner, ops.sqrt(ops.abs(inner) + 1.0)]))
    front = keras.Sequential([keras.Input(SHAPE), layers.Rescaling(1 / 255)])
    return head(layers, block(stem(layers, front(images))))


@network
def bounded(layers, ops, images):
    x = ops.clip(stem(layers, images / 255), 0.0, 1.0)
    x = ops.maximum(ops.exp(-x), ops.log(x + 1.5))
    return head(layers, ops.max(ops.stack([x, ops.power(x, 2)], axis=1), axis=1))
