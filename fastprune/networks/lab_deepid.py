"""The lab's face recognition network (DeepID), for files that hold its weights alone."""

from __future__ import annotations

from typing import Any

INPUT_SHAPE = (55, 47, 3)
"""Height, width and channels of the lab's face images."""


def deepid(n_classes: int, name: str = "deepid") -> Any:
    """Build the lab's DeepID network, untrained.

    Parameters
    ----------
    n_classes : int
        Number of identities; 1283 in the lab.
    name : str
        Name of the Keras model.

    Returns
    -------
    keras.Model
        Input float32 (batch, 55, 47, 3), output softmax scores (batch, n_classes). Layer names are
        the lab's: ``pool_3`` feeds both ``fc_1`` and ``conv_4``.

    References
    ----------
    Y. Sun, X. Wang, X. Tang: Deep Learning Face Representation from Predicting 10,000 Classes,
    CVPR 2014; as used by the CSAW HackML backdoor lab.
    """
    from keras import Input, Model, layers

    x = inputs = Input(INPUT_SHAPE, name="input")
    for index, (filters, size) in enumerate(((20, 4), (40, 3), (60, 3)), start=1):
        x = layers.Conv2D(filters, size, activation="relu", name=f"conv_{index}")(x)
        x = layers.MaxPooling2D(2, name=f"pool_{index}")(x)
    near = layers.Dense(160, name="fc_1")(layers.Flatten(name="flatten_1")(x))
    x = layers.Conv2D(80, 2, activation="relu", name="conv_4")(x)
    far = layers.Dense(160, name="fc_2")(layers.Flatten(name="flatten_2")(x))
    merged = layers.Activation("relu", name="activation_1")(layers.Add(name="add_1")([near, far]))
    scores = layers.Dense(n_classes, activation="softmax", name="output")(merged)
    return Model(inputs, scores, name=name)
