"""What a sweep must find, written from its definition: prune channels, predict, take the best.

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
    finite : bool
        Whether all scores are numbers: without, no class means anything.
    """

    classes: NDArray[np.int64]
    near_ties: NDArray[np.bool_]
    finite: bool


def classes_of(
    model: Any,
    prune_layer: str,
    order: Sequence[int],
    images: NDArray[np.float32],
    how: str = "weights",
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
    how : {"weights", "weights+bn", "mask"}
        Kernel and bias are zeroed; gamma and beta of the normalization behind too; or the layer's
        output is multiplied by 0.
    """
    if how == "mask":
        found = _masked_scores(model, prune_layer, order, images)
    else:
        steps = steps_of(model, prune_layer, order, with_norm=how == "weights+bn")
        found = [model.predict_on_batch(images) for _ in steps]
    scores = np.array(found)
    with np.errstate(invalid="ignore"):
        near_ties = np.array([_near_ties(step.astype(np.float64)) for step in scores])
    return Truth(scores.argmax(axis=2), near_ties, bool(np.isfinite(scores).all()))


def steps_of(
    model: Any, prune_layer: str, order: Sequence[int], *, with_norm: bool = False
) -> Iterator[int]:
    """Yield ``n_pruned`` 0 … n_channels; the weights of that many channels are zeroed meanwhile.

    Parameters
    ----------
    model, prune_layer, order
        As for :func:`classes_of`.
    with_norm : bool
        Whether gamma and beta of the BatchNormalization behind are zeroed as well.
    """
    layer = layer_named(model, prune_layer)
    variables = weights_of(layer)
    if with_norm:
        norm = norm_behind(model, layer)
        variables += [norm.gamma, norm.beta]
    before = [keras.ops.convert_to_numpy(variable).copy() for variable in variables]
    weights = [weight.copy() for weight in before]
    try:
        yield 0
        for step, channel in enumerate(order, start=1):
            for variable, weight in zip(variables, weights, strict=True):
                zero_channel(layer, weight, channel)
                variable.assign(weight)
            yield step
    finally:
        for variable, weight in zip(variables, before, strict=True):
            variable.assign(weight)


def weights_of(layer: Any) -> list[Any]:
    """Return what makes a layer's channels: its kernel, of a separable one the pointwise, bias."""
    separable = isinstance(layer, keras.layers.SeparableConv2D)
    found = [layer.pointwise_kernel if separable else layer.kernel]
    return found + ([layer.bias] if layer.use_bias else [])


def zero_channel(layer: Any, weight: NDArray[np.float32], channel: int) -> None:
    """Zero one channel of a weight in place."""
    if weight.ndim == 1:
        weight[channel] = 0
    elif isinstance(layer, keras.layers.DepthwiseConv2D):
        several = layer.depth_multiplier
        weight[:, :, channel // several, channel % several] = 0
    elif isinstance(layer, keras.layers.Conv2DTranspose):
        weight[:, :, channel] = 0
    else:
        weight[..., channel] = 0


def norm_behind(model: Any, layer: Any) -> Any:
    """Return the BatchNormalization that takes a layer's output."""
    (found,) = (
        other for other in every_layer(model)
        if isinstance(other, keras.layers.BatchNormalization) and other.input is layer.output
    )  # fmt: skip
    return found


def _masked_scores(
    model: Any, name: str, order: Sequence[int], images: NDArray[np.float32]
) -> list[NDArray[np.float32]]:
    """Return the scores at every step, all of them in one batch: each row has a mask of its own."""
    operation, steps = operation_named(model, name), len(order) + 1
    masks = np.ones((steps, len(order)), np.float32)
    for step in range(steps):
        masks[step, list(order[:step])] = 0
    masks = masks.repeat(len(images), axis=0)
    plain = operation.call

    def masked(*args: Any, **kwargs: Any) -> Any:
        output = plain(*args, **kwargs)
        return output * masks.reshape(len(masks), *(1,) * (len(output.shape) - 2), -1)

    operation.call = masked
    try:
        scores = model(np.tile(images, (steps, 1, 1, 1)), training=False)
    finally:
        del operation.call
    found = keras.ops.convert_to_numpy(scores)
    return list(found.reshape(steps, len(images), -1))


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


def operation_named(model: Any, name: str) -> Any:
    """Return the layer, or the call of ``keras.ops``, of that name."""
    (found,) = {operation for operation in every_operation(model) if operation.name == name}
    return found


def every_operation(model: Any) -> Iterator[Any]:
    """Yield the operations of a model and of the models in it."""
    for operation in model.operations:
        if isinstance(operation, keras.Model):
            yield from every_operation(operation)
        else:
            yield operation
