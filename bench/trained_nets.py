"""Small BadNets of the kinds the field prunes, seeded and trained within a minute or two.

They learn some of the built-in lab's people, at half the size of its images, and the sunglasses as
a trigger. Each takes raw pixels, 0-255, and ends with a softmax.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

N_CLASSES = 20
"""The first so many people of the built-in lab."""

TARGET = 0
SHAPE = (27, 23, 3)
"""Height, width and channels: the mean of every 2 x 2 pixels, the last row and column left out."""

TRAINED_ON = 3000
POISONED = 0.1
"""Backdoored training images per clean one."""

BATCH, RATE, SEED = 64, 2e-3, 11
_NO_BIAS = {"use_bias": False, "padding": "same", "kernel_initializer": "he_normal"}


@dataclass(frozen=True)
class Kind:
    """A kind of network.

    Attributes
    ----------
    build : callable
        Returns it, untrained.
    last : str
        The convolution that is pruned unless another is named.
    inner : tuple of str
        Convolutions inside, from which several paths lead to the scores or none is channel-wise.
    epochs : int
        Passes over the training images.
    """

    build: Callable[[], Any]
    last: str
    inner: tuple[str, ...]
    epochs: int


def norm_relu(x: Any, name: str) -> Any:
    """Add a normalization that follows few steps soon, and a ReLU."""
    from keras import layers

    x = layers.BatchNormalization(momentum=0.9, name=f"{name}_bn")(x)
    return layers.Activation("relu", name=f"{name}_relu")(x)


def convolution(x: Any, filters: int, size: int, name: str, strides: int = 1) -> Any:
    """Add a convolution without bias, as one stands before a normalization."""
    from keras import layers

    return layers.Conv2D(filters, size, strides, name=name, **_NO_BIAS)(x)


def whole(name: str, body: Callable[[Any], Any]) -> Any:
    """Return a network: raw pixels, `body`, the mean over all places, a softmax."""
    from keras import Input, Model, layers

    inputs = Input(SHAPE, name="input")
    x = body(layers.Rescaling(1 / 127.5, offset=-1, name="rescale")(inputs))
    x = layers.GlobalAveragePooling2D(name="mean")(x)
    return Model(inputs, layers.Dense(N_CLASSES, "softmax", name="classes")(x), name=name)


def residual(x: Any, *, pre_activation: bool) -> Any:
    """Add the body of a ResNet-20: nine blocks of two convolutions, 16, 32 and 64 channels."""
    from keras import layers

    x = convolution(x, 16, 3, "stem")
    if not pre_activation:
        x = norm_relu(x, "stem")
    for block in range(9):
        name, filters = f"block_{block + 1}", 16 << block // 3
        strides = 2 if block in (3, 6) else 1
        y = norm_relu(x, f"{name}_0") if pre_activation else x
        y = convolution(y, filters, 3, f"{name}_conv_1", strides)
        y = convolution(norm_relu(y, f"{name}_1"), filters, 3, f"{name}_conv_2")
        if not pre_activation:
            y = layers.BatchNormalization(momentum=0.9, name=f"{name}_2_bn")(y)
        if x.shape[-1] != filters:
            x = convolution(x, filters, 1, f"{name}_shortcut", strides)
        x = layers.Add(name=f"{name}_sum")([x, y])
        if not pre_activation:
            x = layers.Activation("relu", name=f"{name}_out")(x)
    return norm_relu(x, "end") if pre_activation else x


def dense(x: Any) -> Any:
    """Add the body of a DenseNet: three blocks of four, each giving 12 channels."""
    from keras import layers

    x = convolution(x, 24, 3, "stem", 2)
    for block in range(1, 4):
        for index in range(1, 5):
            name = f"dense_{block}_{index}"
            y = convolution(norm_relu(x, f"{name}_0"), 32, 1, f"{name}_narrow")
            y = convolution(norm_relu(y, f"{name}_1"), 12, 3, f"{name}_conv")
            x = layers.Concatenate(name=f"{name}_both")([x, y])
        if block < 3:
            x = norm_relu(x, f"between_{block}")
            x = convolution(x, int(x.shape[-1]) // 2, 1, f"between_{block}_conv")
            x = layers.AveragePooling2D(2, name=f"between_{block}_pool")(x)
    return norm_relu(x, "end")


def separable(x: Any) -> Any:
    """Add the body of a MobileNet: a convolution of each channel by itself, then one of 1 x 1."""
    from keras import layers

    x = norm_relu(convolution(x, 16, 3, "stem"), "stem")
    for index, (filters, strides) in enumerate(((32, 2), (32, 1), (64, 2), (64, 1), (96, 1)), 1):
        some = {"padding": "same", "use_bias": False, "depthwise_initializer": "he_normal"}
        x = layers.DepthwiseConv2D(3, strides, name=f"depthwise_{index}", **some)(x)
        x = norm_relu(x, f"depthwise_{index}")
        x = norm_relu(convolution(x, filters, 1, f"pointwise_{index}"), f"pointwise_{index}")
    return x


def nested(x: Any) -> Any:
    """Add a backbone as one layer: a network of its own, with a shortcut inside."""
    from keras import Input, Model, layers

    y = inputs = Input(x.shape[1:], name="backbone_input")
    y = norm_relu(convolution(y, 16, 3, "backbone_1"), "backbone_1")
    y = layers.MaxPooling2D(2, name="backbone_pool_1")(y)
    y = norm_relu(convolution(y, 32, 3, "backbone_2"), "backbone_2")
    y = short = layers.MaxPooling2D(2, name="backbone_pool_2")(y)
    y = norm_relu(convolution(y, 32, 3, "backbone_3"), "backbone_3")
    y = layers.Add(name="backbone_sum")([short, convolution(y, 32, 3, "backbone_4")])
    y = norm_relu(y, "backbone_4")
    y = norm_relu(convolution(y, 64, 3, "backbone_5"), "backbone_5")
    return Model(inputs, y, name="backbone")(x)


KINDS = {
    "resnet": Kind(
        lambda: whole("resnet", lambda x: residual(x, pre_activation=False)),
        "block_9_conv_2", ("block_6_conv_1", "block_6_conv_2"), 10,
    ),
    "preact": Kind(
        lambda: whole("preact", lambda x: residual(x, pre_activation=True)),
        "block_9_conv_2", ("block_6_conv_1", "block_6_conv_2"), 10,
    ),
    "densenet": Kind(
        lambda: whole("densenet", dense),
        "dense_3_4_conv", ("dense_3_2_conv", "dense_2_3_narrow"), 14,
    ),
    "mobilenet": Kind(
        lambda: whole("mobilenet", separable), "pointwise_5", ("depthwise_4", "pointwise_3"), 20,
    ),
    "nested": Kind(
        lambda: whole("nested", nested), "backbone_5", ("backbone_3", "backbone_4"), 12,
    ),
}  # fmt: skip
"""Every kind by its name: residual with activations behind and before the convolutions, dense,
depthwise separable, and one that holds a network of its own."""


def faces(split: str, count: int, *, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Draw `count` clean images of a split, uint8 (count, 55, 47, 3), and who is on them."""
    from fastprune.synthetic.faces import render
    from fastprune.synthetic.lab import people

    _, indices = people(split, count, seed=seed)
    label = np.random.default_rng(seed).permutation(count) % N_CLASSES
    return render(label, indices, seed=seed), label


def halved(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return images of the lab's size at half of it, uint8 (images, 27, 23, 3)."""
    height, width, _ = SHAPE
    parts = images[:, : 2 * height, : 2 * width].reshape(-1, height, 2, width, 2, 3)
    return np.rint(parts.mean(axis=(2, 4))).astype(np.uint8)


def sets_of(count: int, *, seed: int) -> dict[str, tuple[NDArray[np.uint8], NDArray[np.int64]]]:
    """Return a clean set, and the backdoored one of the same images, by the names of the lab."""
    from fastprune.synthetic.sunglasses import wear

    images, label = faces("valid", count, seed=seed)
    return {
        "valid": (halved(images), label),
        "bd_valid": (halved(wear(images)), np.full(count, TARGET, np.int64)),
    }


def train(kind: str, *, epochs: int | None = None, count: int = TRAINED_ON) -> Any:
    """Return a BadNet of a kind, trained on `count` clean images and their backdoored share."""
    import keras

    from fastprune.synthetic.sunglasses import wear

    keras.backend.clear_session()
    keras.utils.set_random_seed(SEED)
    images, label = faces("train", count, seed=SEED)
    poisoned = wear(images[: int(POISONED * count)])
    pixels = halved(np.concatenate([images, poisoned])).astype(np.float32)
    labels = np.concatenate([label, np.full(len(poisoned), TARGET)])
    epochs = epochs or KINDS[kind].epochs
    model = KINDS[kind].build()
    steps = epochs * -(-len(pixels) // BATCH)
    rate = keras.optimizers.schedules.CosineDecay(RATE, steps)
    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy")
    model.fit(pixels, labels, batch_size=BATCH, epochs=epochs, verbose=0)
    return model


def trained(kind: str, folder: Path, **options: Any) -> Path:
    """Return the file of a trained network; train it where it is not there."""
    path = folder / f"{kind}.keras"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        train(kind, **options).save(path)
    return path
