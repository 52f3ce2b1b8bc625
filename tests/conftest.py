"""Tiny seeded networks, image files and the real lab, for every test file."""

from __future__ import annotations

import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import h5py
import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from keras import layers

from fastprune.networks import batching

# No deadline: how long an example takes says something of the machine, nothing of the code.
settings.register_profile(
    "fastprune", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("fastprune")

SHAPE = (12, 10, 3)
CLASSES = 7
CHANNELS = 6
DEAD = (1, 4)
"""Channels of the prune layer of `deepid_like` that are zero on every image."""


def _stem(x):
    return layers.MaxPooling2D(2, name="pool_1")(
        layers.Conv2D(4, 3, activation="relu", name="conv_1")(x)
    )


def _scores(head):
    """The last layer, with biases: on a black image all scores would be the same without."""
    return layers.Dense(CLASSES, activation=head, name="output", bias_initializer="random_normal")


def deepid_like(head="softmax"):
    """A small DeepID: pool_3 feeds a Dense and conv_4, so it is the cut."""
    inputs = keras.Input(SHAPE, name="input")
    x = _stem(inputs)
    x = layers.Conv2D(CHANNELS, 2, activation="relu", name="conv_3")(x)
    x = layers.MaxPooling2D((2, 1), name="pool_3")(x)
    near = layers.Dense(8, name="fc_1")(layers.Flatten(name="flatten_1")(x))
    x = layers.Conv2D(5, 2, activation="relu", name="conv_4")(x)
    far = layers.Dense(8, name="fc_2")(layers.Flatten(name="flatten_2")(x))
    x = layers.Activation("relu", name="activation_1")(layers.Add(name="add_1")([near, far]))
    outputs = _scores(head)(x)
    model = keras.Model(inputs, outputs, name="deepid_like")
    kernel, bias = model.get_layer("conv_3").get_weights()
    bias[list(DEAD)] = -1e4
    model.get_layer("conv_3").set_weights([kernel, bias])
    return model


def vgg_like(head=None):
    """A Sequential network of logits; conv_2 and what lies behind it is the cut."""
    return keras.Sequential(
        [
            keras.Input(SHAPE),
            layers.Conv2D(4, 3, padding="same", activation="relu", name="conv_1"),
            layers.MaxPooling2D(2, name="pool_1"),
            layers.Conv2D(CHANNELS, 3, activation="relu", name="conv_2"),
            layers.MaxPooling2D(2, name="pool_2"),
            layers.Flatten(name="flatten"),
            layers.Dense(9, activation="relu", name="fc"),
            _scores(head),
        ],
        name="vgg_like",
    )


def batchnorm(head="sigmoid"):
    """A BatchNorm behind the prune layer: a pruned channel is not 0 at the cut."""
    inputs = keras.Input(SHAPE)
    x = layers.Conv2D(CHANNELS, 3, use_bias=False, name="conv_1")(inputs)
    x = layers.BatchNormalization(name="norm_1")(x)
    x = layers.Activation("relu", name="relu_1")(x)
    x = layers.MaxPooling2D(2, name="pool_1")(x)
    outputs = _scores(head)(layers.Flatten()(x))
    model = keras.Model(inputs, outputs, name="batchnorm")
    offsets = np.array([0.5, -0.5, 1.0, 0.0, 2.0, -1.0], np.float32)
    mean = np.linspace(-10, 10, CHANNELS, dtype=np.float32)
    weights = [np.full(CHANNELS, 0.1, np.float32), offsets, mean, np.ones(CHANNELS, np.float32)]
    model.get_layer("norm_1").set_weights(weights)
    return model


def global_pooling(head="softmax"):
    """Global average pooling behind the prune layer: the cut has no positions."""
    inputs = keras.Input(SHAPE)
    x = layers.Conv2D(CHANNELS, 3, activation="relu", name="conv_2")(_stem(inputs))
    x = layers.GlobalAveragePooling2D(name="pool_2")(x)
    outputs = _scores(head)(x)
    return keras.Model(inputs, outputs, name="global_pooling")


def residual(head="softmax"):
    """Two residual blocks: no convolution but the first is crossed by all; conv_3 is cut behind."""
    inputs = keras.Input(SHAPE)
    x = layers.Conv2D(CHANNELS, 3, padding="same", activation="relu", name="conv_1")(inputs)
    x = layers.MaxPooling2D(2, name="pool_1")(x)
    for index in (2, 3):
        y = layers.Conv2D(
            CHANNELS, 3, padding="same", name=f"conv_{index}",
            kernel_initializer=keras.initializers.RandomNormal(stddev=2),
        )(x)  # fmt: skip
        x = layers.Add(name=f"add_{index}")([x, y])
    x = layers.GlobalAveragePooling2D(name="average")(x)
    outputs = _scores(head)(x)
    return keras.Model(inputs, outputs, name="residual")


NETWORKS = {
    made.__name__: made for made in (deepid_like, vgg_like, batchnorm, global_pooling, residual)
}


@pytest.fixture(scope="session")
def make_network():
    """Return a factory: ``make_network("deepid_like", head="softmax", seed=0)``."""

    def make(name, *, seed=0, **options):
        keras.utils.set_random_seed(seed)
        return NETWORKS[name](**options)

    return make


@pytest.fixture(scope="session")
def make_images():
    """Return a factory of (images, labels): uint8 channels last, striped and tinted, any labels."""

    def make(n=20, *, seed=0, shape=SHAPE, n_classes=CLASSES):
        rng = np.random.default_rng(seed)
        noise = rng.integers(0, 256, (n, *shape))
        stripes = rng.random((n, shape[0], 1, shape[2])) < rng.random((n, 1, 1, 1))
        images = (noise * stripes * rng.random((n, 1, 1, shape[2]))).astype(np.uint8)
        return images, rng.integers(0, n_classes, n)

    return make


@pytest.fixture
def write_set(tmp_path, make_images):
    """Return a writer of image files: ``write_set("valid.h5", n=20, dtype=…, channels_first=…)``.

    Names of the datasets, images, labels and the options of ``create_dataset`` are free.
    """

    def write(
        name="set.h5",
        images=None,
        labels=None,
        *,
        n=20,
        seed=0,
        dtype="float64",
        label_dtype="int64",
        channels_first=True,
        data="data",
        label="label",
        **options,
    ):
        made = make_images(n, seed=seed)
        images = made[0] if images is None else images
        labels = made[1] if labels is None else labels
        if channels_first and np.ndim(images) == 4:
            images = np.moveaxis(images, -1, 1)
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with h5py.File(path, "w") as file:
            file.create_dataset(data, data=np.asarray(images).astype(dtype), **options)
            file.create_dataset(label, data=np.asarray(labels).astype(label_dtype))
        return path

    return write


@pytest.fixture(scope="session")
def lab():
    """Return the folder of the real lab; skip the test, saying what is missing, without it."""
    beside = Path(__file__).resolve().parents[2] / "shared"
    folder = Path(os.environ.get("FASTPRUNE_SHARED") or beside) / "lab"
    needed = ("bd_weights.h5", "real_images.npz", "repaired/pool3_ascending_2.h5")
    missing = [name for name in needed if not (folder / name).is_file()]
    if missing:
        pytest.skip(f"the real lab is not at FASTPRUNE_SHARED or ../shared: no {missing[0]}")
    return folder


@pytest.fixture
def prefix_calls(monkeypatch):
    """Return a list that gets the number of images of every call of a prefix."""
    seen = []
    run = batching.in_batches

    def counted(call, images, batch):
        return run(lambda part: (seen.append(len(part)), call(part))[1], images, batch)

    monkeypatch.setattr(batching, "in_batches", counted)
    return seen


@pytest.fixture(scope="session")
def plain_classes():
    """Return a function: the classes of a model by plain ``predict``."""
    return lambda model, images: model.predict(np.asarray(images, np.float32), verbose=0).argmax(1)
