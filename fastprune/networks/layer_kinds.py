"""What is known of Keras's layers by their kind: the one table of each property."""

from __future__ import annotations

import re
from typing import Any

ELEMENTWISE = frozenset({
    "linear", "relu", "relu6", "leaky_relu", "elu", "selu", "celu", "gelu", "sigmoid", "tanh",
    "silu", "swish", "softplus", "softsign", "hard_sigmoid", "hard_silu", "mish", "exponential",
    "log_sigmoid", "hard_tanh", "soft_shrink", "hard_shrink", "tanh_shrink", "threshold",
    "squareplus", "sparse_plus", "sparse_sigmoid",
})  # fmt: skip
"""Activations that look at one value at a time."""

ELEMENTWISE_LAYERS = frozenset({"ReLU", "LeakyReLU", "ELU"})
"""Layers that do so and may be another layer's activation; PReLU would add weights to it."""

MIXING = frozenset({"softmax", "Softmax", "log_softmax", "sparsemax", "glu"})
"""Activations that mix the channels: pruning one changes the others."""

CHANNEL_WISE = frozenset({
    "Activation", "ReLU", "LeakyReLU", "ELU", "PReLU", "BatchNormalization", "MaxPooling2D",
    "AveragePooling2D", "GlobalMaxPooling2D", "GlobalAveragePooling2D", "Dropout",
    "SpatialDropout2D", "AlphaDropout", "GaussianDropout", "GaussianNoise",
    "ActivityRegularization", "ZeroPadding2D", "Cropping2D", "UpSampling2D", "DepthwiseConv2D",
    "Rescaling", "Identity", "LayerScale", "StochasticDepth",
})  # fmt: skip
"""Layers whose output channel c depends on input channel c alone; of a depthwise convolution with
several outputs a channel, on input channel c divided by their number. The last two are those of
ConvNeXt."""

MERGING = frozenset({
    "Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Divide", "TrueDivide",
})  # fmt: skip
"""Layers, and operations of ``keras.ops``, that put tensors together value by value."""

PRUNABLE = frozenset({
    "Conv2D", "SeparableConv2D", "DepthwiseConv2D", "Conv2DTranspose", "Dense",
})  # fmt: skip
"""Layers whose output channels can be pruned: zero the kernel and the bias of a channel.

A unit of a Dense layer is a channel."""

TRAINING_ALONE = frozenset({
    "AugMix", "CutMix", "Equalization", "MaxNumBoundingBoxes", "MixUp", "RandAugment",
    "RandomBrightness", "RandomColorDegeneration", "RandomColorJitter", "RandomContrast",
    "RandomElasticTransform", "RandomErasing", "RandomFlip", "RandomGaussianBlur",
    "RandomGrayscale", "RandomHue", "RandomInvert", "RandomPerspective", "RandomPosterization",
    "RandomRotation", "RandomSaturation", "RandomSharpness", "RandomShear", "RandomTranslation",
    "RandomZoom", "Solarization",
})  # fmt: skip
"""Layers that change images in training alone: at inference they give what they take."""


def is_convolution(kind: str) -> bool:
    """Return whether a layer of this kind is a convolution, prunable or not.

    Examples
    --------
    >>> [is_convolution(kind) for kind in ("Conv2DTranspose", "ConvLSTM2D", "ConvertToTensor")]
    [True, True, False]
    """
    return re.search(r"Conv(?!ert)", kind) is not None


def activation_of(layer: Any) -> Any:
    """Return the function or layer that a layer applies to what it computed; None for none.

    ``Activation(LeakyReLU())`` and ``Dense(9, activation=Activation("relu"))`` hold it in turn.
    """
    activation: Any = getattr(layer, "activation", None)
    while type(activation).__name__ == "Activation":
        activation = activation.activation
    return activation


def activation_name(layer: Any) -> str:
    """Return the name of a layer's activation: ``relu``, ``LeakyReLU``; linear for none."""
    activation = activation_of(layer)
    if activation is None:
        return "linear"
    return str(getattr(activation, "__name__", type(activation).__name__))


def is_elementwise(layer: Any) -> bool:
    """Return whether a layer's activation, if it has one, looks at one value at a time."""
    return activation_name(layer) in ELEMENTWISE | ELEMENTWISE_LAYERS
