"""B′ and G as Keras models: made, saved, read back and checked."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastprune.errors import OutputError
from fastprune.files.atomic import whole_file
from fastprune.networks.graph import Call, Graph, replay, trace
from fastprune.networks.network import Network
from fastprune.runtime import backend


def make_repaired(network: Network, channels: NDArray[np.integer]) -> Any:
    """Make B′: a copy of B with channels of the prune layer zeroed, kernel and bias.

    Parameters
    ----------
    network : Network
        B; left as it is.
    channels : ndarray of int, shape (n_pruned,)
        The channels.

    Returns
    -------
    keras.Model
        Input and output as B's.

    References
    ----------
    K. Liu, B. Dolan-Gavitt, S. Garg: Fine-Pruning, RAID 2018, arXiv:1805.12185.
    """
    model = _copy(network)
    layer = model.get_layer(network.cut.prune.name)
    weights = layer.get_weights()
    separable = network.cut.prune.kind == "SeparableConv2D"
    for weight in weights[1:] if separable else weights:  # its depthwise kernel has no such channel
        weight[..., np.asarray(channels, int)] = 0
    layer.set_weights(weights)
    return model


def make_goodnet(network: Network, channels: NDArray[np.integer]) -> Any:
    """Make G: B's class where B and B′ agree, class N where they don't.

    Parameters
    ----------
    network : Network
        B; left as it is.
    channels : ndarray of int, shape (n_pruned,)
        Channels that B′ has zeroed.

    Returns
    -------
    keras.Model
        Input as B's, output float32 (batch, N + 1): where B and B′ agree B's scores and their
        smallest one for class N, else 0 for B's classes and 1 for class N. Its argmax is G's class.
        Layers of B and operations of ``keras.ops`` alone: plain Keras loads it. The prefix is
        computed once for both; B′ is B with the pruned channels held at their value at the cut.
    """
    import keras

    ops = keras.ops
    graph = trace(_copy(network))
    cut = _named(graph, network.cut.layer.name).output
    keep = np.ones(network.n_channels, bool)
    keep[np.asarray(channels, int)] = False
    value = network.pruned_value
    if (value == value.reshape(-1, value.shape[-1])[0]).all():
        value = value.reshape(-1, value.shape[-1])[0]  # the same at every position
    masked = ops.where(keep, cut, value)
    scores = graph.output
    repaired = replay(graph.calls, {id(cut): masked, id(graph.input): graph.input}, scores)
    agree = ops.equal(ops.argmax(scores, axis=-1), ops.argmax(repaired, axis=-1))
    agree = ops.expand_dims(agree, axis=-1)
    least = ops.min(scores, axis=-1, keepdims=True)  # argmax takes the first of equals: never N
    outputs = [ops.where(agree, scores, 0.0), ops.where(agree, least, 1.0)]
    name = f"{network.model.name}_goodnet"
    return keras.Model(graph.input, ops.concatenate(outputs, axis=-1), name=name)


def judges(graph: Graph) -> tuple[Any, Any] | None:
    """Return the scores of B and of B′ inside a G that `make_goodnet` made; None for others."""
    if graph.calls[-1].kind != "Concatenate":
        return None
    picked = {id(call.output): call.inputs[0] for call in graph.calls if call.kind == "Argmax"}
    for call in graph.calls:
        if call.kind == "Equal" and [id(tensor) in picked for tensor in call.inputs] == [True] * 2:
            first, second = (picked[id(tensor)] for tensor in call.inputs)
            return first, second
    return None


def save_repaired(
    network: Network, channels: NDArray[np.integer], stem: Path, images: NDArray[np.float32]
) -> None:
    """Save B′ as ``stem.keras`` and ``stem.h5``; read both back and compare them on `images`.

    Raises
    ------
    OutputError
        When a file cannot be written, or does not predict what B′ does.
    """
    model = make_repaired(network, channels)
    for suffix in (".keras", ".h5"):
        _save(model, stem.with_name(stem.name + suffix), scores_of(model, images), images)


def save_goodnet(
    network: Network, channels: NDArray[np.integer], path: Path, images: NDArray[np.float32]
) -> None:
    """Save G as a ``.keras`` file; read it back and compare it with B and B′ on `images`.

    Raises
    ------
    OutputError
        When the file cannot be written, or does not predict what B and B′ together do.
    """
    goodnet = make_goodnet(network, channels)
    scores = scores_of(goodnet, images)
    models = (network.model, make_repaired(network, channels))
    first, second = (scores_of(model, images).argmax(axis=1) for model in models)
    expected = np.where(first == second, first, network.n_classes)
    if not np.array_equal(scores.argmax(axis=1), expected):
        message = f"expected G to agree with B and B′; it does not ({path}); keep B and B′ instead"
        raise OutputError(message)
    _save(goodnet, path, scores, images)


def scores_of(model: Any, images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a model's scores of a few images, without compiling it as ``predict`` would."""
    return backend.to_numpy(model(images, training=False))


def _save(
    model: Any, path: Path, expected: NDArray[np.float32], images: NDArray[np.float32]
) -> None:
    """Save a model, read it back as plain Keras would, and compare what it predicts."""
    import keras
    from absl import logging

    level = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)  # Keras calls .h5 legacy; the lab's eval.py asks for it
    try:
        with whole_file(path) as temporary, warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            model.save(temporary)
            found = scores_of(keras.saving.load_model(temporary, compile=False), images)
            if not np.array_equal(found, expected):
                message = (
                    f"expected {path.name} to predict what was saved; it differs by up to "
                    f"{np.abs(found - expected).max():.2g} ({path})"
                )
                raise OutputError(message)
    finally:
        logging.set_verbosity(level)


def _copy(network: Network) -> Any:
    import keras

    model = keras.models.clone_model(network.model)
    model.set_weights(network.model.get_weights())
    return model


def _named(graph: Graph, name: str) -> Call:
    return next(call for call in graph.calls if call.name == name)
