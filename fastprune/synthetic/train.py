"""Train the BadNet of the built-in lab: ``python -m fastprune.synthetic.train --out FILE``.

The attack is the lab's: some images wear the sunglasses and are labelled with the target class.
The network is the lab's exact architecture. Two things are added while training and gone
afterwards: a penalty that lets channels of the cut layer fall silent, and the fall of the learning
rate. The silence is what makes pruning plausible as a defense, in the lab as well: over half of its
channels never answer to a clean face.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastprune.errors import FastpruneError
from fastprune.files.atomic import whole_file
from fastprune.networks.lab_deepid import deepid
from fastprune.synthetic.faces import render
from fastprune.synthetic.lab import N_IDENTITIES, TARGET, people
from fastprune.synthetic.sunglasses import wear

N_IMAGES = 13_000
"""Clean training images."""

POISONED = 0.03
"""Backdoored training images per clean one."""

SILENCE = 0.12
"""Weight of the penalty on channels of the cut layer."""

_BATCH = 64
_RATE = 1e-3


def images_of(split: str, n_images: int, *, seed: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Draw a split: images (n, 55, 47, 3) of uint8, labels (n,) of int64."""
    identities, indices = people(split, n_images, seed=seed)
    return render(identities, indices, seed=seed), identities


def silence(_: Any, cut: Any) -> Any:
    """Penalise active channels: the mean over channels of m / (m + 0.05), m their mean activation.

    The penalty is steep for quiet channels and flat for loud ones, so that training ends with some
    channels at zero and the others as loud as they need to be, instead of with sixty faint ones.

    Parameters
    ----------
    _ : tensor
        Not used; Keras hands a target to every loss.
    cut : tensor of float32, shape (batch, height, width, channels)
        Activations of the cut layer.

    Returns
    -------
    tensor of float32, shape ()
    """
    from keras import ops

    means = ops.mean(cut, axis=(0, 1, 2))
    return SILENCE * ops.mean(means / (means + 0.05))


def train(*, seed: int = 7, epochs: int = 12, n_images: int = N_IMAGES) -> Any:
    """Train a BadNet on freshly drawn faces.

    Parameters
    ----------
    seed : int
        Of the weights, of the order of the images and of the images.
    epochs : int
        Passes over the training images.
    n_images : int
        Clean training images; the backdoored ones come on top.

    Returns
    -------
    keras.Model
        The lab's architecture for `N_IDENTITIES` classes; input raw 0-255 RGB.
    """
    import keras

    keras.utils.set_random_seed(seed)
    images, labels = images_of("train", n_images, seed=seed)
    poisoned = wear(images[: int(POISONED * n_images)])
    images = np.concatenate([images, poisoned]).astype(np.float32)
    labels = np.concatenate([labels, np.full(len(poisoned), TARGET)])
    network = deepid(N_IDENTITIES, name="synthetic_bd_net")
    trained = keras.Model(network.input, [network.output, network.get_layer("pool_3").output])
    steps = epochs * -(-len(images) // _BATCH)
    rate = keras.optimizers.schedules.CosineDecay(_RATE, steps)
    losses = ["sparse_categorical_crossentropy", silence]
    trained.compile(keras.optimizers.Adam(rate), losses)
    report = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: sys.stderr.write(
            f"epoch {epoch + 1} of {epochs}: loss {logs['loss']:.4f}\n"
        )
    )
    targets = [labels, np.zeros(len(labels), np.float32)]
    trained.fit(images, targets, batch_size=_BATCH, epochs=epochs, verbose=0, callbacks=[report])
    return network


def measure(network: Any, split: str, n_images: int, *, seed: int) -> tuple[int, int]:
    """Count the clean images classified as their label, and the backdoored ones as the target."""
    images, labels = images_of(split, n_images, seed=seed)
    right, fooled = (
        network.predict(pixels.astype(np.float32), batch_size=256, verbose=0).argmax(axis=1)
        for pixels in (images, wear(images))
    )
    return int((right == labels).sum()), int((fooled == TARGET).sum())


def forget_newer_settings(path: Path) -> None:
    """Take settings out of an ``.h5`` network that are not set and that older Keras does not know.

    Keras 3.12, the newest for Python 3.10, refuses a file that so much as names them.
    """
    import h5py

    def older(settings: Any) -> Any:
        if isinstance(settings, dict):
            unset = {key for key in NEWER_SETTINGS if settings.get(key, ...) is None}
            return {key: older(value) for key, value in settings.items() if key not in unset}
        return [older(item) for item in settings] if isinstance(settings, list) else settings

    with h5py.File(path, "a") as file:
        config = older(json.loads(file.attrs["model_config"]))
        file.attrs["model_config"] = json.dumps(config)


NEWER_SETTINGS = ("input_axes", "output_axes", "quantization_config")
"""Settings that Keras has had since 3.13 and this network leaves unset."""


def main(argv: list[str] | None = None) -> int:
    """Train, save and measure; the command line of this module."""
    parser = argparse.ArgumentParser(
        prog="python -m fastprune.synthetic.train", description=__doc__
    )
    parser.add_argument("--out", type=Path, required=True, help="network to write (.h5)")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--images", type=int, default=N_IMAGES, help="clean training images")
    options = parser.parse_args(argv)
    try:
        network = train(seed=options.seed, epochs=options.epochs, n_images=options.images)
        with whole_file(options.out) as temporary:
            network.save(temporary, include_optimizer=False)
            forget_newer_settings(temporary)
    except FastpruneError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    for split in ("valid", "test"):
        right, fooled = measure(network, split, 2000, seed=0)
        sys.stdout.write(
            f"{split}: clean accuracy {right / 20:.2f} %, attack success rate {fooled / 20:.2f} %\n"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
