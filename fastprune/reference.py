"""The slow oracle: plain Keras on whole networks with zeroed weights.

Shares nothing with the fast path but the network file: the tests, ``--verify`` and the benchmarks
compare against it.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray


def classes(
    model: Any,
    prune_layer: str,
    channels: Iterable[int],
    images: NDArray[np.float32],
    batch_size: int = 256,
    *,
    how: str = "weights",
) -> NDArray[np.int64]:
    """Return the class of every image under the network with `channels` pruned.

    Parameters
    ----------
    model : keras.Model
        The network B; it is put back as it was.
    prune_layer : str
        Name of its layer whose output channels are pruned.
    channels : iterable of int
        The channels.
    images : ndarray of float32, shape (images, height, width, channels)
        What the network takes.
    batch_size : int
        Images per call.
    how : {"weights", "weights+bn", "mask"}
        Zero kernel and bias; gamma and beta of the BatchNormalization behind the layer too; or set
        the layer's output to 0.

    Returns
    -------
    ndarray of int64, shape (images,)
    """
    scores = predict(model, prune_layer, channels, images, batch_size, how=how)
    found: NDArray[np.int64] = np.argmax(scores, axis=1).astype(np.int64)
    return found


def predict(
    model: Any,
    prune_layer: str,
    channels: Iterable[int],
    images: NDArray[np.float32],
    batch_size: int = 256,
    *,
    how: str = "weights",
    eager: bool = False,
) -> NDArray[np.float32]:
    """Return the class scores, float32 (images, classes); otherwise as :func:`classes`.

    Parameters
    ----------
    model, prune_layer, channels, images, batch_size, how
        As for :func:`classes`.
    eager : bool
        Call the model layer by layer, all images at once: ``predict`` traces it first, which for
        a few images takes longer than all else.
    """
    pruned = list(channels)
    if how == "mask":
        masked, factors = _masked(model, prune_layer)
        factors.assign([0.0 if channel in pruned else 1.0 for channel in range(factors.shape[0])])
        return _scores(masked, images, batch_size, eager=eager)
    layer = model.get_layer(prune_layer)
    variables = _variables(layer)
    if how == "weights+bn":
        norm = _normalization(model, layer)
        variables += [(norm.gamma, 0), (norm.beta, 0)]
    before = [np.array(variable.numpy()) for variable, _ in variables]
    for (variable, axis), values in zip(variables, before, strict=True):
        variable.assign(_zeroed(values, axis, pruned))
    try:
        return _scores(model, images, batch_size, eager=eager)
    finally:
        for (variable, _), values in zip(variables, before, strict=True):
            variable.assign(values)


def _variables(layer: Any) -> list[tuple[Any, int | None]]:
    """Return a layer's kernel and bias, and the axis of their channels; None for the last two."""
    kind = type(layer).__name__
    found: list[tuple[Any, int | None]]
    if kind == "SeparableConv2D":  # its depthwise kernel ends with its input channels
        found = [(layer.pointwise_kernel, 3)]
    elif kind == "DepthwiseConv2D":  # input channels, and how many outputs each of them has
        found = [(layer.kernel, None)]
    elif kind == "Conv2DTranspose":
        found = [(layer.kernel, 2)]
    else:
        found = [(layer.kernel, len(layer.kernel.shape) - 1)]
    return [*found, *([(layer.bias, 0)] if layer.use_bias else [])]


def _normalization(model: Any, layer: Any) -> Any:
    """Return the BatchNormalization that takes a layer's output."""
    return next(
        other for other in model.layers
        if type(other).__name__ == "BatchNormalization" and other.input is layer.output
    )  # fmt: skip


def _zeroed(values: NDArray[Any], axis: int | None, channels: list[int]) -> NDArray[Any]:
    """Return weights with channels zeroed."""
    if axis is None:
        merged = values.reshape(*values.shape[:2], -1)
        return _zeroed(merged, 2, channels).reshape(values.shape)
    found = np.moveaxis(values.copy(), axis, 0)
    found[channels] = 0
    return np.moveaxis(found, 0, axis)


@lru_cache(maxsize=1)  # of the same model and layer, step after step: traced once
def _masked(model: Any, layer_name: str) -> tuple[Any, Any]:
    """Return a model, on the same layers, that multiplies a layer's output, and its factors."""
    import keras

    width = next(one.output.shape[-1] for one in model.operations if one.name == layer_name)

    class Mask(keras.layers.Layer):  # type: ignore[misc]
        def build(self, shape: Any) -> None:
            self.factors = self.add_weight(shape=(width,), trainable=False)

        def call(self, values: Any) -> Any:
            return values * self.factors

    mask = Mask()

    def call(operation: Any, *args: Any, **kwargs: Any) -> Any:
        output = operation(*args, **kwargs)
        return mask(output) if operation.name == layer_name else output

    flat = keras.Model(model.inputs[0], model.outputs[0])
    masked = keras.models.clone_model(flat, clone_function=lambda one: one, call_function=call)
    return masked, mask.factors


def _scores(
    model: Any, images: NDArray[np.float32], batch_size: int, *, eager: bool
) -> NDArray[np.float32]:
    if not eager:
        scores: NDArray[np.float32] = model.predict(images, batch_size=batch_size, verbose=0)
        return scores
    import keras

    return np.asarray(keras.ops.convert_to_numpy(model(images, training=False)))


def order(activations: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the channels by ascending mean of whole activations (images, …, channels)."""
    means = activations.astype(np.float64).reshape(-1, activations.shape[-1]).mean(axis=0)
    return np.argsort(means, kind="stable")


def criterion_order(
    criterion: str,
    model: Any,
    prune_layer: str,
    cut_layer: str,
    images: NDArray[np.float32],
    backdoored: NDArray[np.float32] | None = None,
) -> NDArray[np.int64]:
    """Return the channels in a criterion's order, from whole activations or whole kernels.

    Parameters
    ----------
    criterion : str
        ``"ascending"``, ``"descending"``, ``"mean-abs"``, ``"max"``, ``"apoz"``, ``"l1"``,
        ``"l2"``, ``"fpgm"``, ``"clp"`` or ``"oracle"``.
    model : keras.Model
        The network B.
    prune_layer, cut_layer : str
        Whose kernel, and whose output, is looked at.
    images, backdoored : ndarray of float32, shape (images, height, width, channels)
        Clean validation images; backdoored ones, for the oracle.

    Returns
    -------
    ndarray of int64, shape (n_channels,)

    Raises
    ------
    ValueError
        When there is no such criterion.
    """
    import keras

    def flat(pixels: Any) -> NDArray[np.float64]:
        output = keras.Model(model.inputs[0], model.get_layer(cut_layer).output)
        values = output.predict(pixels, verbose=0).astype(np.float64)
        return np.asarray(values.reshape(-1, values.shape[-1]))

    layer = model.get_layer(prune_layer)
    matrices = _matrices(layer)
    kernels = [matrix.ravel() for matrix in matrices]
    if criterion == "l1":
        found = [np.linalg.norm(kernel, 1) for kernel in kernels]
    elif criterion == "l2":
        found = [np.linalg.norm(kernel) for kernel in kernels]
    elif criterion == "fpgm":
        found = [np.sum([np.linalg.norm(one - other) for other in kernels]) for one in kernels]
    elif criterion == "mean-abs":
        found = [np.mean(np.abs(column)) for column in flat(images).T]
    elif criterion == "max":
        found = list(flat(images).max(axis=0))
    elif criterion == "apoz":
        found = [-np.mean(column == 0) for column in flat(images).T]
    elif criterion == "oracle":
        found = list(flat(images).mean(axis=0) - flat(backdoored).mean(axis=0))
    elif criterion == "clp":
        norms = [one for one in model.layers if type(one).__name__ == "BatchNormalization"]
        gains = [_gain(one) for one in norms if one.input is layer.output] or [np.ones(1)]
        found = list(-np.abs(gains[0]) * [np.linalg.norm(matrix, 2) for matrix in matrices])
    elif criterion in ("ascending", "descending"):
        sign = -1 if criterion == "descending" else 1
        found = list(sign * flat(images).mean(axis=0))
    else:
        message = f"expected a criterion; got {criterion!r}"
        raise ValueError(message)
    return np.argsort(np.array(found), kind="stable")


def _matrices(layer: Any) -> list[NDArray[np.float64]]:
    """Return each channel's kernel as a matrix (inputs, height * width)."""
    import keras

    variable, axis = _variables(layer)[0]
    values = keras.ops.convert_to_numpy(variable).astype(np.float64)
    if axis is None:
        values, axis = values.reshape(*values.shape[:2], 1, -1), 3
    kernels = np.moveaxis(values, axis, 0)
    return [np.moveaxis(one, -1, 0).reshape(one.shape[-1], -1) for one in kernels]


def _gain(norm: Any) -> NDArray[np.float64]:
    """Return by what a BatchNormalization multiplies each channel."""
    import keras

    variance = keras.ops.convert_to_numpy(norm.moving_variance).astype(np.float64)
    gamma = keras.ops.convert_to_numpy(norm.gamma) if norm.scale else 1.0
    return np.asarray(gamma / np.sqrt(variance + norm.epsilon))
