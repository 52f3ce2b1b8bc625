"""The slow oracle: plain Keras on whole networks with zeroed weights.

Shares nothing with the fast path but the network file: the tests, ``--verify`` and the benchmarks
compare against it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray


def classes(
    model: Any,
    prune_layer: str,
    channels: Iterable[int],
    images: NDArray[np.float32],
    batch_size: int = 256,
) -> NDArray[np.int64]:
    """Return the class of every image under the network with `channels` zeroed.

    Parameters
    ----------
    model : keras.Model
        The network B; it is put back as it was.
    prune_layer : str
        Name of its layer whose output channels are zeroed, kernel and bias.
    channels : iterable of int
        The channels.
    images : ndarray of float32, shape (images, height, width, channels)
        What the network takes.
    batch_size : int
        Images per call.

    Returns
    -------
    ndarray of int64, shape (images,)
    """
    scores = predict(model, prune_layer, channels, images, batch_size)
    found: NDArray[np.int64] = np.argmax(scores, axis=1).astype(np.int64)
    return found


def predict(
    model: Any,
    prune_layer: str,
    channels: Iterable[int],
    images: NDArray[np.float32],
    batch_size: int = 256,
    *,
    eager: bool = False,
) -> NDArray[np.float32]:
    """Return the class scores, float32 (images, classes); otherwise as :func:`classes`.

    Parameters
    ----------
    model, prune_layer, channels, images, batch_size
        As for :func:`classes`.
    eager : bool
        Call the model layer by layer, all images at once: ``predict`` traces it first, which for
        a few images takes longer than all else.
    """
    layer = model.get_layer(prune_layer)
    before = layer.get_weights()
    pruned = list(channels)
    weights = [weight.copy() for weight in before]
    # A separable convolution's depthwise kernel ends with its input channels: not pruned.
    for weight in weights[1:] if type(layer).__name__ == "SeparableConv2D" else weights:
        weight[..., pruned] = 0
    layer.set_weights(weights)
    try:
        if eager:
            import keras

            return np.asarray(keras.ops.convert_to_numpy(model(images, training=False)))
        scores: NDArray[np.float32] = model.predict(images, batch_size=batch_size, verbose=0)
        return scores
    finally:
        layer.set_weights(before)


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
        ``"descending"``, ``"mean-abs"``, ``"max"``, ``"apoz"``, ``"l1"``, ``"l2"``, ``"fpgm"`` or
        ``"oracle"``; anything else is taken for ``"ascending"``.
    model : keras.Model
        The network B.
    prune_layer, cut_layer : str
        Whose kernel, and whose output, is looked at.
    images, backdoored : ndarray of float32, shape (images, height, width, channels)
        Clean validation images; backdoored ones, for the oracle.

    Returns
    -------
    ndarray of int64, shape (n_channels,)
    """
    import keras

    def flat(pixels: Any) -> NDArray[np.float64]:
        output = keras.Model(model.inputs[0], model.get_layer(cut_layer).output)
        values = output.predict(pixels, verbose=0).astype(np.float64)
        return np.asarray(values.reshape(-1, values.shape[-1]))

    layer = model.get_layer(prune_layer)
    weights = layer.get_weights()[1 if type(layer).__name__ == "SeparableConv2D" else 0]
    kernels = [weights[..., channel].astype(np.float64).ravel() for channel in range(layer.filters)]
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
    else:
        sign = -1 if criterion == "descending" else 1
        found = list(sign * flat(images).mean(axis=0))
    return np.argsort(np.array(found), kind="stable")
