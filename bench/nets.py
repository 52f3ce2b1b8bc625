"""VGG-like networks of any width, with seeded weights, and images for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

SHAPE = (32, 32, 3)
SAMPLE = 512
"""Images on which the channels are put to sleep."""

NOISE = 50
"""One image in so many has another label than the network's own."""


def images_of(n_images: int, seed: int) -> NDArray[np.uint8]:
    """Return random images, uint8 (n_images, 32, 32, 3): soft colour fields, all different."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (n_images, 4, 4, 3), dtype=np.uint8)
    return coarse.repeat(8, axis=1).repeat(8, axis=2)


def vgg(channels: int, n_classes: int, blocks: tuple[int, ...]) -> Any:
    """Return a VGG-like network: convolutions with pools, two wide layers, softmax."""
    from keras import Input, Model, layers

    x = inputs = Input(SHAPE, name="input")
    x = layers.Rescaling(1 / 255, name="rescale")(x)
    for index, filters in enumerate((*blocks, channels), start=1):
        x = layers.Conv2D(
            filters, 3, padding="same", activation="relu", name=f"conv_{index}",
            kernel_initializer="he_normal",
        )(x)  # fmt: skip
        x = layers.MaxPooling2D(2, name=f"pool_{index}")(x)
    x = layers.Flatten(name="flatten")(x)
    # With biases of zero all scores would tie once every channel is pruned.
    some = {"kernel_initializer": "he_normal", "bias_initializer": "random_normal"}
    for index in (1, 2):
        x = layers.Dense(512, "relu", name=f"fc_{index}", **some)(x)
    outputs = layers.Dense(n_classes, "softmax", name="output", **some)(x)
    return Model(inputs, outputs, name=f"vgg_{channels}_{n_classes}")


def put_to_sleep(model: Any, layer: str, images: NDArray[np.uint8], seed: int) -> None:
    """Shift the biases of a convolution until its channels wake as seldom as the lab's.

    Half of the channels never wake; each of the others wakes on a share of the images that is even
    over 0 … 1, so that an image wakes a quarter of all channels (the lab's: 16 of 60).
    """
    import keras

    rng = np.random.default_rng(seed)
    found = model.get_layer(layer)
    found.activation = keras.activations.linear
    before = keras.Model(model.inputs[0], found.output).predict(images, verbose=0)
    found.activation = keras.activations.relu
    most = before.max(axis=(1, 2))  # of an image, at any position
    channels = most.shape[1]
    shares = np.where(rng.permutation(channels) < channels // 2, 1.0, rng.random(channels))
    level = [np.quantile(most[:, index], share) for index, share in enumerate(shares)]
    dead = shares == 1.0
    kernel, bias = found.get_weights()
    found.set_weights([kernel, bias - np.array(level, np.float32) - dead * np.ptp(most, axis=0)])


def write_sets(folder: Path, model: Any, count: int) -> dict[str, tuple[str, str]]:
    """Write the lab's four sets for any network, uint8 channels first; return kinds and files.

    The network labels the clean images itself, but one in :data:`NOISE`; the backdoored ones bear a
    white square and the label 0.
    """
    import h5py

    from bench.families import images_of as images_of_shape
    from bench.labs import KINDS

    shape, sets = tuple(model.inputs[0].shape[1:]), {}
    for seed, (name, kind) in enumerate(KINDS.items(), start=2):
        images, label = images_of_shape(count, shape, seed=seed), np.zeros(count, np.int64)
        if kind == "backdoored":
            images[:, -shape[0] // 8 :, -shape[1] // 8 :] = 255
        else:
            label = model.predict(images.astype(np.float32), verbose=0).argmax(axis=1)
            label[::NOISE] = (label[::NOISE] + 1) % model.outputs[0].shape[-1]
        sets[name] = (kind, str(folder / f"{name}_{count}.h5"))
        with h5py.File(sets[name][1], "w") as file:
            file.create_dataset("data", data=images.transpose(0, 3, 1, 2))
            file.create_dataset("label", data=label)
    return sets


def write_vgg(
    folder: Path,
    *,
    channels: int,
    n_classes: int,
    n_images: int,
    blocks: tuple[int, ...] = (32, 64, 128),
    seed: int = 0,
) -> None:
    """Write ``network.keras`` and ``valid.h5``, uint8 channels-first images that it labels itself.

    One image in fifty gets another label, so that accuracy is not 1.
    """
    import h5py
    import keras

    folder.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(seed)
    model = vgg(channels, n_classes, tuple(blocks))
    images = images_of(n_images, seed)
    put_to_sleep(model, f"conv_{len(blocks) + 1}", images[:SAMPLE], seed)
    label = model.predict(images, batch_size=256, verbose=0).argmax(axis=1)
    label[::NOISE] = (label[::NOISE] + 1) % n_classes
    model.save(folder / "network.keras")
    with h5py.File(folder / "valid.h5", "w") as file:
        file.create_dataset("data", data=images.transpose(0, 3, 1, 2))
        file.create_dataset("label", data=label)
