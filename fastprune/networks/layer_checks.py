"""Layers that a network may not have, and those that do nothing at inference."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping, Sequence
from typing import Any

from fastprune.errors import NetworkError
from fastprune.networks.layer_kinds import TRAINING_ALONE

MAX_VALUES = 1 << 26
"""Values of one image behind one layer: a batch of 16 takes 4 GiB. VGG-16 at 224 x 224 has 2^22."""


def trains_by_default(operation: Any) -> bool:
    """Return whether a layer is called with training=True where nobody says anything of it.

    Keras's layers for images are; what they are called with says so, too, as if a user had said it.
    """
    training = inspect.signature(operation.call).parameters.get("training")
    return training is not None and training.default is True


def check_inference(operation: Any, kwargs: Mapping[str, Any], where: str) -> None:
    """Refuse layers whose output depends on chance or on the images that came before."""
    import keras

    if kwargs.get("training") not in (None, False):
        message = (
            f"expected layers as they are at inference; got {operation.name!r} with "
            f"training=True ({where}); build the network without it"
        )
        raise NetworkError(message)
    if isinstance(operation, keras.layers.Layer) and not isinstance(operation, keras.Model):
        for layer in operation._flatten_layers():
            if getattr(layer, "stateful", False) is True:
                message = (
                    f"expected layers that keep nothing between calls; got {layer.name!r} with "
                    f"stateful=True ({where}); build the network without it"
                )
                raise NetworkError(message)


def check_nested(model: Any, tensors: Sequence[Any], where: str) -> None:
    """Refuse nested networks of several inputs or outputs."""
    import keras

    ends = [getattr(model, name, None) for name in ("inputs", "outputs")]
    if all(ends) and len(keras.tree.flatten(ends)) + len(tensors) != 3:
        message = (
            f"expected nested networks of one input and one output; got {model.name!r} ({where}); "
            "build the network without nesting it"
        )
        raise NetworkError(message)


def changes_nothing(operation: Any, tensors: Sequence[Any]) -> bool:
    """Return whether a layer gives what it takes, so that it can be left out of the graph."""
    import keras

    kind = type(operation).__name__
    own = kind in TRAINING_ALONE and type(operation) is getattr(keras.layers, kind, None)
    return own and len(tensors) == 1 and tensors[0].dtype == operation.compute_dtype


def check_output(operation: Any, output: Any, where: str) -> None:
    """Refuse layers of several outputs, or of one that would take all memory."""
    import keras

    if not isinstance(output, keras.KerasTensor):
        message = (
            f"expected layers of one output; got several of {operation.name!r} ({where}); "
            "use a network without it"
        )
        raise NetworkError(message)
    if math.prod(size or 1 for size in output.shape[1:]) > MAX_VALUES:
        message = (
            f"expected layers of at most {MAX_VALUES:,} values per image; got "
            f"{output.shape[1:]} of {operation.name!r} ({where}); use a smaller network"
        )
        raise NetworkError(message)


def check_shape(operation: Any, source: Any, output: Any, where: str) -> None:
    """Refuse a layer that gives another shape at inference than it states, as RandomCrop does."""
    import keras

    if None in source.shape[1:]:
        return
    image = keras.ops.zeros((1, *source.shape[1:]), source.dtype)
    given = tuple(operation(image, training=False).shape[1:])
    if given != tuple(output.shape[1:]):
        message = (
            f"expected layers that give the shape they state; got {given} of {operation.name!r} "
            f"at inference, where it states {tuple(output.shape[1:])} ({where}); build the network "
            "with CenterCrop or Resizing in its place"
        )
        raise NetworkError(message)
