"""B, B′ and G as files, and images for them."""

from __future__ import annotations

import numpy as np

from fastprune.networks.goodnet import make_goodnet, make_repaired
from fastprune.networks.network import load_network
from tests.helpers.images import save

PRUNED = np.array([0, 1, 4, 2])
N = 40


def write_case(folder, make_network, make_images):
    """Write B, B′ and G as files, and images as PNG files in a folder."""
    model = make_network("deepid_like", seed=3)
    kernel, bias = model.get_layer("output").get_weights()
    bias[6] = 9  # without a bias the scale would change no class
    model.get_layer("output").set_weights([kernel, bias])
    network = load_network(model)
    models = {
        "b": network.model,
        "r": make_repaired(network, PRUNED),
        "g": make_goodnet(network, PRUNED),
    }
    for name, model in models.items():
        model.save(folder / f"{name}.keras")
    images = make_images(N)[0]
    (folder / "images").mkdir()
    for index, pixels in enumerate(images):
        save(folder / f"images/{index:02}.png", pixels)
    return folder, models, images


def scores(model, images):
    """Return what plain Keras gives."""
    return model.predict(images.astype(np.float32), verbose=0)
