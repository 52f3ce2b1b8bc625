"""B′ and G as Keras models: made, saved, read back and checked."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastprune.errors import FormatError, OutputError, first_line
from fastprune.files.atomic import whole_file
from fastprune.networks.graph import Call, Graph, replay
from fastprune.networks.network import Network
from fastprune.networks.process_wide import without_talk_of_formats
from fastprune.networks.tracing import trace
from fastprune.runtime import backend

OWN = "goodnet_"
"""How the names of G's own operations begin."""


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
        Names of B's layers are B's; those of G's own operations begin with :data:`OWN`.
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
    parts = [ops.where(agree, scores, 0.0), ops.where(agree, least, 1.0)]
    output = ops.concatenate(parts, axis=-1)
    own = [*_operations([cut], masked), *_operations([scores, repaired], output)]
    _name_apart(own, {graph.input.name, *(call.name for call in graph.calls)})
    return keras.Model(graph.input, output, name=f"{network.model.name}_goodnet")


def scores_inside(graph: Graph) -> tuple[Any, Any] | None:
    """Return the scores of B and of B′ inside a G that `make_goodnet` made; None for others."""
    if graph.calls[-1].kind != "Concatenate":
        return None
    picked = {id(call.output): call.inputs[0] for call in graph.calls if call.kind == "Argmax"}
    for call in reversed(graph.calls):  # G's own operations come last; B may have such ones too
        if call.kind == "Equal" and [id(tensor) in picked for tensor in call.inputs] == [True] * 2:
            first, second = (picked[id(tensor)] for tensor in call.inputs)
            return first, second
    return None


def save_repaired(model: Any, path: Path, images: NDArray[np.float32]) -> None:
    """Save B′ in the format that `path` names; read it back and compare it on `images`.

    Raises
    ------
    FormatError
        When the format cannot hold the network, as ``.h5`` cannot hold calls of ``keras.ops``.
    OutputError
        When the file cannot be written, or does not predict what B′ does.
    """
    import keras

    if path.suffix == ".h5":
        operations = [one for one in model.operations if not isinstance(one, keras.layers.Layer)]
        if operations:  # some would be read back, as layers of the same name
            kinds = ", ".join(sorted({type(one).__name__ for one in operations}))
            message = f".h5 cannot hold calls of keras.ops ({kinds})"
            raise FormatError(message)
    _save(model, path, scores_of(model, images), images)


def save_goodnet(
    network: Network,
    channels: NDArray[np.integer],
    repaired: Any,
    path: Path,
    images: NDArray[np.float32],
) -> None:
    """Save G as a ``.keras`` file; read it back and compare it with B and `repaired` on `images`.

    Raises
    ------
    OutputError
        When the file cannot be written, or does not predict what B and B′ together do.
    """
    goodnet = make_goodnet(network, channels)
    scores = scores_of(goodnet, images)
    first, second = (scores_of(one, images).argmax(axis=1) for one in (network.model, repaired))
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
    with whole_file(path) as temporary:
        try:
            read_back = scores_of(_through_file(model, temporary), images)
        except (OSError, MemoryError):
            raise
        except Exception as error:  # Keras raises whatever its layers happen to raise
            message = f"{path.suffix} cannot hold this network ({first_line(error)})"
            raise FormatError(message) from error
        if not np.array_equal(read_back, expected):
            message = (
                f"expected {path.name} to predict what was saved; it differs by up to "
                f"{np.abs(read_back - expected).max():.2g} ({path})"
            )
            raise OutputError(message)


def _through_file(model: Any, path: Path) -> Any:
    """Return a model saved and loaded again."""
    import keras

    with without_talk_of_formats():
        model.save(path)
        return keras.saving.load_model(path, compile=False)


def _copy(network: Network) -> Any:
    import keras

    model = keras.models.clone_model(network.model)
    model.set_weights(network.model.get_weights())
    for layer in model.layers:
        if isinstance(layer, keras.layers.Normalization):
            layer.finalize_state()  # it computes with values derived from its weights
    return model


def _operations(inputs: list[Any], output: Any) -> list[Any]:
    """Return the operations that make `output` of `inputs`, the first ones first.

    ``keras.Function(inputs, output).operations`` would be the same with newer releases of Keras;
    3.12 refuses inputs in the middle of a network.
    """
    made: list[Any] = []
    seen, waiting = {id(tensor) for tensor in inputs}, [output]
    while waiting:
        tensor = waiting.pop()
        if id(tensor) not in seen:
            seen.add(id(tensor))
            operation, node, _ = tensor._keras_history
            made.append(operation)
            waiting += reversed(operation._inbound_nodes[node].input_tensors)
    return made[::-1]


def _name_apart(operations: list[Any], taken: set[str]) -> None:
    """Name operations anew, none of them as in `taken`.

    Keras numbers them by itself as ``where``, ``concatenate`` …, and refuses a network that has a
    name twice; it calls layers so as well.
    """
    for operation in operations:
        stem = f"{OWN}{type(operation).__name__.lower()}"
        names = (f"{stem}_{index}" if index else stem for index in itertools.count())
        operation.name = next(name for name in names if name not in taken)
        taken.add(operation.name)


def _named(graph: Graph, name: str) -> Call:
    return next(call for call in graph.calls if call.name == name)
