"""What pruning means, from the definition, in plain Keras: what fastprune is compared with here.

Written apart from fastprune: nothing but Keras and NumPy. `weights_hits` zeroes kernel and bias and
predicts; `masked_hits` predicts the input of the classifier once, zeroes channels of it and applies
what is left of the network.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Sets = Mapping[str, tuple[NDArray[Any], NDArray[np.int64]]]
"""Images, (images, height, width, channels), and labels, by name."""

Hits = dict[str, dict[int, int]]
"""Set name to ``n_pruned`` to images in the class of their label."""

BATCH = 256


def layers_inside(model: Any) -> Iterator[Any]:
    """Yield every layer of a model, and of the models inside it, in order."""
    import keras

    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from layers_inside(layer)
        else:
            yield layer


def layer_named(model: Any, name: str) -> Any:
    """Return the layer of that name, wherever it lies in the model."""
    return next(layer for layer in layers_inside(model) if layer.name == name)


def classifier(model: Any) -> Any:
    """Return the last Dense layer of a model."""
    import keras

    dense = [one for one in layers_inside(model) if isinstance(one, keras.layers.Dense)]
    return dense[-1]


def zeroed(layer: Any, weights: list[NDArray[Any]], channels: Any) -> list[NDArray[Any]]:
    """Return a layer's weights with output channels zeroed, kernel and bias.

    Parameters
    ----------
    layer : keras.layers.Layer
        A convolution or a Dense layer.
    weights : list of ndarray
        Its weights as ``get_weights`` gives them.
    channels : array of int
        The channels, as they are counted along the last axis of its output.
    """
    kind, kept = type(layer).__name__, [weight.copy() for weight in weights]
    first = kept[0]
    if kind == "DepthwiseConv2D":  # (height, width, inputs, outputs of each input)
        first.reshape(*first.shape[:2], -1)[..., channels] = 0
    elif kind == "SeparableConv2D":  # the pointwise kernel gives the channels
        kept[1][..., channels] = 0
    elif kind == "Conv2DTranspose":  # (height, width, outputs, inputs)
        first[:, :, channels] = 0
    else:
        first[..., channels] = 0
    if layer.use_bias:
        kept[-1][channels] = 0
    return kept


def count(scores: NDArray[np.float32], label: NDArray[Any]) -> int:
    """Return how many images are in the class of their label."""
    return int((scores.argmax(axis=1) == label.reshape(-1)).sum())


def weights_hits(
    model: Any, name: str, order: NDArray[np.int64], sets: Sets, steps: Iterable[int]
) -> Hits:
    """Zero kernel and bias of a layer and predict whole sets: hits at every one of `steps`.

    Parameters
    ----------
    model : keras.Model
        Put back as it was.
    name : str
        Of the layer, which may lie in a model inside.
    order : ndarray of int64, shape (channels,)
        The first `n_pruned` of it are zeroed.
    sets : mapping
        Images and labels by name.
    steps : iterable of int
        Every ``n_pruned`` to count at.
    """
    layer = layer_named(model, name)
    before = layer.get_weights()
    hits: Hits = {one: {} for one in sets}
    for step in steps:
        layer.set_weights(zeroed(layer, before, order[:step]))
        for one, (images, label) in sets.items():
            scores = model.predict(images.astype(np.float32), batch_size=BATCH, verbose=0)
            hits[one][step] = count(scores, label)
    layer.set_weights(before)
    return hits


def masked_hits(model: Any, order: NDArray[np.int64], sets: Sets, steps: Iterable[int]) -> Hits:
    """Zero channels of the classifier's input: hits at every one of `steps`.

    Parameters as for :func:`weights_hits`; the input of the last Dense layer is predicted once.
    """
    import keras

    features = classifier(model).input
    before = keras.Model(model.inputs[0], features)
    rest = keras.Model(features, model.outputs[0])
    steps = list(steps)
    hits: Hits = {one: {} for one in sets}
    for one, (images, label) in sets.items():
        kept = before.predict(images.astype(np.float32), batch_size=BATCH, verbose=0)
        for step in steps:
            masked = kept.copy()
            masked[..., order[:step]] = 0
            hits[one][step] = count(rest.predict(masked, batch_size=BATCH, verbose=0), label)
    return hits


def compared(result: Any, hits: Hits) -> dict[str, int]:
    """Compare a sweep's hits with plain ones.

    Parameters
    ----------
    result : fastprune.SweepResult
        The sweep.
    hits : dict
        What plain Keras counted.

    Returns
    -------
    dict of str to int
        ``compared`` counts, ``different`` ones, ``beyond`` (those that differ by more than the
        near-ties of that set and step), and ``near_ties`` over all of them.
    """
    found = {"compared": 0, "different": 0, "beyond": 0, "near_ties": 0}
    for name, by_step in hits.items():
        counts = result.sets[name].counts
        for step, expected in by_step.items():
            apart, ties = abs(int(counts.hits[step]) - expected), int(counts.near_ties[step])
            found["compared"] += 1
            found["different"] += apart > 0
            found["beyond"] += apart > ties
            found["near_ties"] += ties
    return found
