"""What a sweep must find, written from its definition: zero the weights, predict, take the best.

It knows Keras and NumPy alone. `fastprune.reference`, which fastprune itself checks against, is
thereby checked as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

LOGITS_BOUND = 2.0**-18
"""Two logits closer than this share of the largest absolute one cannot be told apart: 32 units in
the last place of float32, what sums of some hundred products in another order may differ by."""

PROBABILITIES_BOUND = 2.0**-15
"""The same for two probabilities of a softmax, of the larger one: the ratio of two probabilities is
the exponential of the difference of their logits, which are taken to be no larger than 8."""


@dataclass(frozen=True, eq=False)
class Truth:
    """Classes by the definition.

    Attributes
    ----------
    classes : ndarray of int64, shape (n_channels + 1, images)
        Class of each image with the first ``n_pruned`` channels of the order zeroed.
    near_ties : ndarray of bool, shape (n_channels + 1, images)
        Whether the two best scores are closer than float32 can tell, but not equal. Equal scores,
        as those of classes that are themselves pruned, are no matter of rounding: the lower class.
    """

    classes: NDArray[np.int64]
    near_ties: NDArray[np.bool_]


def classes_of(
    model: Any, prune_layer: str, order: Sequence[int], images: NDArray[np.float32]
) -> Truth:
    """Return the class of every image at ``n_pruned`` 0 … n_channels.

    Parameters
    ----------
    model : keras.Model
        The network B; it is put back as it was.
    prune_layer : str
        Name of the layer whose channels are pruned, however deep it is nested.
    order : sequence of int
        Channels in the order in which they are pruned.
    images : ndarray of float32, shape (images, height, width, channels)
        What the network takes.
    """
    classes, near_ties = [], []
    for _ in steps_of(model, prune_layer, order):
        scores = model.predict_on_batch(images)
        classes.append(scores.argmax(axis=1))
        near_ties.append(_near_ties(scores.astype(np.float64)))
    return Truth(np.array(classes), np.array(near_ties))


def steps_of(model: Any, prune_layer: str, order: Sequence[int]) -> Iterator[int]:
    """Yield ``n_pruned`` 0 … n_channels; that many channels are zeroed in the meantime.

    Parameters
    ----------
    model, prune_layer, order
        As for :func:`classes_of`.
    """
    layer = layer_named(model, prune_layer)
    separable = isinstance(layer, keras.layers.SeparableConv2D)
    variables = [layer.pointwise_kernel if separable else layer.kernel]
    variables += [layer.bias] if layer.use_bias else []
    before = [keras.ops.convert_to_numpy(variable).copy() for variable in variables]
    weights = [weight.copy() for weight in before]
    try:
        yield 0
        for step, channel in enumerate(order, start=1):
            for variable, weight in zip(variables, weights, strict=True):
                weight[..., channel] = 0
                variable.assign(weight)
            yield step
    finally:
        for variable, weight in zip(variables, before, strict=True):
            variable.assign(weight)


def _near_ties(scores: NDArray[np.float64]) -> NDArray[np.bool_]:
    second, best = np.sort(scores, axis=1)[:, -2:].T
    if (scores >= 0).all() and np.allclose(scores.sum(axis=1), 1, atol=1e-3):
        bound = PROBABILITIES_BOUND * best
    else:
        bound = LOGITS_BOUND * np.abs(scores).max(axis=1)
    return (best - second <= bound) & (best > second)


def every_layer(model: Any) -> Iterator[Any]:
    """Yield the layers of a model and of the models in it, each once and in order."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from every_layer(layer)
        else:
            yield layer


def layer_named(model: Any, name: str) -> Any:
    """Return the layer of that name."""
    (found,) = (layer for layer in every_layer(model) if layer.name == name)
    return found
