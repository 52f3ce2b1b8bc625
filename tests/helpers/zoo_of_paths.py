"""Networks whose channels meet other tensors on their way: sums, products, concatenations, gates.

They are built and read as those of :mod:`tests.helpers.zoo` are.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers, ops

from tests.helpers.zoo import CHANNELS, IMAGE, PRUNED, Kind, kind, pruned, softmax_of, stem

PATHS: dict[str, Kind] = {}
"""Every kind of network by name."""


def same(x: Any, activation: Any = None, **options: Any) -> Any:
    """Return the prune layer's output, as large as what goes in."""
    return pruned(x, activation, padding="same", **options)


def pooled(x: Any, n_classes: int) -> Any:
    """Return class probabilities behind global pooling, where an image is a value a channel."""
    return softmax_of(layers.GlobalAveragePooling2D()(x), n_classes)


def start(x: Any) -> Any:
    """Return images halved, in as many channels as the prune layer has."""
    return layers.MaxPooling2D(2)(layers.Conv2D(CHANNELS, 3, padding="same")(x))


# Shortcuts that do not depend on the prune layer.


@kind(PATHS)
def last_of_a_residual_block(x, n_classes):
    x = start(x)
    y = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(5, 3, padding="same")(x)))
    y = layers.BatchNormalization()(same(y, use_bias=False))
    return pooled(layers.ReLU()(layers.Add()([x, y])), n_classes)


@kind(PATHS)
def inside_two_residual_blocks(x, n_classes):
    x = start(x)
    for name in (None, PRUNED):
        y = layers.Conv2D(CHANNELS, 3, padding="same", name=name)(layers.ReLU()(x))
        y = layers.ReLU()(layers.BatchNormalization()(y))
        x = layers.Add()([x, layers.Conv2D(CHANNELS, 3, padding="same")(y)])
    return pooled(layers.ReLU()(layers.BatchNormalization()(x)), n_classes)


@kind(PATHS)
def last_of_a_dense_block(x, n_classes):
    x = start(x)
    for name, filters in ((None, 4), (PRUNED, CHANNELS)):
        y = layers.ReLU()(layers.BatchNormalization()(x))
        y = layers.Conv2D(filters, 3, padding="same", name=name)(y)
        x = layers.Concatenate()([x, y])
    return pooled(layers.ReLU()(layers.BatchNormalization()(x)), n_classes)


@kind(PATHS)
def first_in_a_concatenation(x, n_classes):
    x = start(x)
    x = layers.Concatenate()([same(x, "tanh"), x, layers.Conv2D(3, 1)(x)])
    return softmax_of(layers.Flatten()(layers.MaxPooling2D(2)(x)), n_classes)


@kind(PATHS)
def other_sums(x, n_classes):
    x = start(x)
    y = same(layers.ReLU()(x))
    parts = [layers.Average()([y, x]), layers.Maximum()([x, y]), layers.Minimum()([y, x])]
    y = layers.Subtract()([layers.Concatenate()(parts), layers.Conv2D(3 * CHANNELS, 1)(x)])
    return pooled(layers.ReLU()(y), n_classes)


@kind(PATHS)
def a_sum_that_counts_twice(x, n_classes):
    x = start(x)
    y = same(x, "relu")
    x = layers.Add()([y, x, y])
    return softmax_of(layers.Flatten()(layers.AveragePooling2D(2)(x)), n_classes)


@kind(PATHS)
def above_one_another(x, n_classes):
    x = layers.MaxPooling2D(2)(start(x))
    x = layers.Concatenate(axis=1)([x, same(x, "relu"), layers.ELU()(x)])
    return softmax_of(layers.Flatten()(layers.ReLU()(layers.BatchNormalization()(x))), n_classes)


@kind(PATHS)
def gated_by_a_shortcut(x, n_classes):
    x = start(x)
    gate = layers.Dense(CHANNELS, activation="sigmoid")(layers.GlobalAveragePooling2D()(x))
    where = layers.Conv2D(1, 3, padding="same", activation="sigmoid")(x)
    y = layers.Multiply()([same(x), layers.Reshape((1, 1, CHANNELS))(gate), where])
    return pooled(layers.ReLU()(layers.BatchNormalization()(y)), n_classes)


@kind(PATHS)
def operations_on_a_shortcut(x, n_classes):
    x = start(x)
    y = same(x, "relu") / (1 + ops.abs(x)) - 0.2 * x
    y = y * np.linspace(0.5, 2, CHANNELS, dtype=np.float32) + 0.3
    y = layers.ReLU()(ops.maximum(y, 0.5 * x))
    return pooled(ops.concatenate([y, ops.tanh(x)], axis=-1), n_classes)


@kind(PATHS)
def picked_by_a_shortcut(x, n_classes):
    x = start(x)
    y = layers.Dense(9)(layers.GlobalAveragePooling2D()(same(x, "relu")))
    which = ops.expand_dims(ops.argmax(layers.GlobalMaxPooling2D()(x), axis=-1), -1)
    y = layers.Concatenate()([ops.take_along_axis(y, which, axis=1), layers.ReLU()(y)])
    positive = ops.greater(layers.Dense(10)(layers.GlobalMaxPooling2D()(x)), 0)
    return softmax_of(ops.where(positive, y, 0.1 * y), n_classes)


@kind(PATHS)
def prelu_behind_a_sum(x, n_classes):
    x = start(x)
    x = layers.PReLU(shared_axes=[1, 2])(layers.Add()([x, same(x)]))
    return softmax_of(layers.Flatten()(layers.MaxPooling2D(2)(layers.PReLU()(x))), n_classes)


@kind(PATHS)
def normalized_in_groups_behind_a_sum(x, n_classes):
    x = start(x)
    x = layers.Add()([x, same(x, "silu")])
    x = layers.Add()([x, layers.Conv2D(CHANNELS, 1)(layers.GroupNormalization(3)(x))])
    return pooled(layers.ReLU()(x), n_classes)


@kind(PATHS)
def up_and_beside(x, n_classes):
    x = start(x)
    y = layers.Conv2D(CHANNELS, 3, 2, padding="same", activation="relu", name=PRUNED)(x)
    x = layers.Concatenate()([x, layers.UpSampling2D(2)(y)])
    return pooled(layers.Conv2D(7, 3, activation="relu")(x), n_classes)


@kind(PATHS)
def names_of_operations(x, n_classes):
    x = layers.Conv2D(CHANNELS, 3, padding="same", name="full_like")(x)
    x = layers.Add(name="full_like_1")([x, same(x, "sigmoid")])
    x = layers.Add(name="where")([x, layers.Conv2D(CHANNELS, 1, name="pruning_mask")(x)])
    x = layers.Dense(9, activation="relu", name="goodnet_where")(layers.Flatten()(x))
    x = layers.Dense(9, activation="relu", name="features")(x)
    return softmax_of(x, n_classes)


# The image itself past the prune layer.


@kind(PATHS)
def image_in_a_sum(x, n_classes):
    y = layers.Conv2D(IMAGE[-1], 3, padding="same", name="like_the_image")(same(x, "relu"))
    x = layers.ReLU()(layers.Add()([x, y]))
    return softmax_of(layers.Flatten()(layers.AveragePooling2D(3)(x)), n_classes)


@kind(PATHS)
def image_in_a_concatenation(x, n_classes):
    x = layers.Concatenate()([x, layers.LayerNormalization()(same(x))])
    return pooled(layers.Conv2D(8, 3, activation="relu")(x), n_classes)


# Several paths behind the prune layer.


@kind(PATHS)
def gated_by_itself_at_the_end(x, n_classes):
    x = layers.ReLU()(layers.BatchNormalization()(same(start(x))))
    gate = layers.Dense(3, activation="relu")(layers.GlobalAveragePooling2D(keepdims=True)(x))
    gate = layers.Dense(CHANNELS, activation="sigmoid")(gate)
    return pooled(layers.Multiply()([x, gate]), n_classes)


@kind(PATHS)
def gate_of_convolutions(x, n_classes):
    x = layers.Conv2D(8, 3, activation="silu")(stem(x))
    gate = layers.GlobalAveragePooling2D(keepdims=True)(x)
    gate = layers.Conv2D(8, 1, activation="sigmoid")(pruned(gate, "silu", kernel_size=1))
    return pooled(layers.Conv2D(9, 1)(layers.Multiply()([x, gate])), n_classes)


@kind(PATHS)
def to_a_dense_and_to_a_normalization(x, n_classes):
    x = layers.MaxPooling2D(2)(pruned(stem(x)))
    near = layers.Dense(9)(layers.Flatten()(x))
    far = layers.Dense(9)(layers.Flatten()(layers.LayerNormalization()(x)))
    return softmax_of(layers.ReLU()(layers.Add()([near, far])), n_classes)


@kind(PATHS)
def channels_and_their_opposites(x, n_classes):
    x = pruned(stem(x), None)
    x = layers.Concatenate()([x, layers.Rescaling(-1)(x), x * -0.5])
    return softmax_of(layers.Flatten()(layers.MaxPooling2D(2)(layers.ReLU()(x))), n_classes)


@kind(PATHS)
def swish_built_of_a_product(x, n_classes):
    x = layers.BatchNormalization()(same(start(x), use_bias=False))
    x = layers.Multiply()([x, layers.Activation("sigmoid")(x)])
    return pooled(x, n_classes)


@kind(PATHS)
def two_outputs_a_channel(x, n_classes):
    x = layers.DepthwiseConv2D(3, depth_multiplier=2, activation="relu")(pruned(stem(x)))
    return softmax_of(layers.Flatten()(x), n_classes)


@kind(PATHS)
def two_outputs_a_channel_to_a_convolution(x, n_classes):
    x = layers.DepthwiseConv2D(3, depth_multiplier=2, padding="same")(same(start(x), "relu"))
    x = layers.Conv2D(7, 3, activation="relu")(layers.ReLU()(layers.BatchNormalization()(x)))
    return pooled(x, n_classes)


@kind(PATHS)
def two_outputs_a_channel_beside_a_shortcut(x, n_classes):
    x = start(x)
    y = layers.DepthwiseConv2D(3, depth_multiplier=2, padding="same")(same(x, "relu"))
    x = layers.Add()([y, layers.Conv2D(2 * CHANNELS, 1)(x)])
    return pooled(layers.Concatenate()([x, y]), n_classes)


@kind(PATHS)
def positions_in_a_row(x, n_classes):
    x = start(x)
    x = layers.Reshape((-1, CHANNELS))(layers.MaxPooling2D(2)(layers.Add()([x, same(x)])))
    x = layers.ReLU()(layers.Reshape((3, 3, CHANNELS))(x))
    return softmax_of(layers.Flatten()(layers.Conv2D(5, 2)(x)), n_classes)


# Kinds of layers that are pruned, and layers that are used several times.


@kind(PATHS)
def transposed(x, n_classes):
    y = layers.Conv2DTranspose(CHANNELS, 3, 2, padding="same", name=PRUNED)(stem(x))
    y = layers.ReLU()(layers.BatchNormalization()(y))
    return pooled(layers.Conv2DTranspose(7, 2, activation="relu")(y), n_classes)


@kind(PATHS)
def depthwise(x, n_classes):
    x = layers.Conv2D(3, 3, activation="relu")(x)
    x = layers.DepthwiseConv2D(3, depth_multiplier=2, name=PRUNED)(x)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    return pooled(layers.Conv2D(7, 1, activation="relu")(x), n_classes)


@kind(PATHS)
def grouped_and_normalized(x, n_classes):
    x = start(x)
    y = layers.ReLU()(layers.BatchNormalization()(same(x, groups=3, use_bias=False)))
    x = layers.Add()([x, layers.Conv2D(CHANNELS, 3, padding="same", groups=2)(y)])
    return pooled(layers.ReLU()(x), n_classes)


@kind(PATHS)
def units_of_dense_layers(x, n_classes):
    x = layers.Dense(CHANNELS, activation="gelu", name=PRUNED)(layers.Flatten()(stem(x)))
    for units in (9, CHANNELS):
        y = layers.Dense(units)(layers.LayerNormalization()(x))
        x = layers.Add()([x, y]) if units == CHANNELS else layers.Concatenate()([x, y])
        x = layers.Dense(CHANNELS, activation="elu")(x)
    return softmax_of(x, n_classes)


@kind(PATHS)
def used_side_by_side(x, n_classes):
    shared = layers.Conv2D(CHANNELS, 3, padding="same", activation="sigmoid", name=PRUNED)
    one, two = layers.Conv2D(4, 3, activation="relu")(x), layers.Conv2D(4, 3)(x)
    x = layers.Concatenate()([layers.Subtract()([shared(one), shared(two)]), shared(one)])
    return pooled(layers.BatchNormalization()(x), n_classes)


@kind(PATHS)
def backbone_used_side_by_side(x, n_classes):
    inside = keras.Input(IMAGE)
    backbone = keras.Model(inside, layers.MaxPooling2D(2)(pruned(stem(inside))), name="backbone")
    x = layers.Maximum()([backbone(x), backbone(layers.ReLU()(x))])
    return softmax_of(layers.Flatten()(x), n_classes)


@kind(PATHS)
def convnext(x, n_classes):
    x = start(x)
    y = layers.LayerNormalization()(layers.DepthwiseConv2D(3, padding="same")(x))
    y = layers.Dense(CHANNELS, name=PRUNED)(layers.Dense(9, activation="gelu")(y))
    x = layers.GlobalAveragePooling2D()(layers.Add()([x, layers.Rescaling(0.7)(y)]))
    return softmax_of(layers.LayerNormalization()(x), n_classes)
