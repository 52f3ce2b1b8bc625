"""What plain Keras gives: eagerly, without compiling a network as ``predict`` does for each."""

from __future__ import annotations

import keras
import numpy as np


def plain(model, images):
    """Return a network's outputs of images as arrays."""
    outputs = model(np.asarray(images, np.float32), training=False)
    return keras.tree.map_structure(keras.ops.convert_to_numpy, outputs)
