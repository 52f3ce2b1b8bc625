"""What a sweep keeps of images, made by plain Keras."""

from __future__ import annotations

from typing import Any

import keras

from tests.helpers.plain import plain


def kept_of(network: Any, images: Any) -> list[Any]:
    """Return the cut activations of images and what else an engine takes of them, as arrays."""
    found = plain(keras.Model(network.graph.input, list(network.kept)), images)
    return list(keras.tree.flatten(found))  # Keras gives the tensor alone where a list holds one
