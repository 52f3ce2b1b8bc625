"""B′ and G as Keras models: made, saved, read back and checked."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastprune.errors import FormatError, OutputError, first_line
from fastprune.files.atomic import whole_file
from fastprune.networks.choosing import choose
from fastprune.networks.graph import Call, Graph, replay
from fastprune.networks.interventions import zero_normalization, zero_weights
from fastprune.networks.naming import name_apart, own_operations, untaken
from fastprune.networks.network import Network, pruned_track
from fastprune.networks.process_wide import without_talk_of_formats
from fastprune.networks.tracing import trace
from fastprune.networks.tracks import dependent_calls
from fastprune.runtime import backend

MASK = "pruning_mask"
"""Name of the layer that masks channels in a B′ where no kernel can."""


def make_repaired(network: Network, channels: NDArray[np.integer]) -> Any:
    """Make B′: a copy of B with channels of the prune layer pruned.

    Parameters
    ----------
    network : Network
        B; left as it is.
    channels : ndarray of int, shape (n_pruned,)
        The channels.

    Returns
    -------
    keras.Model
        Input and output as B's. Weights are zeroed as the network's intervention says; a mask is
        zeroed rows of the kernels that read the masked layer, or else one Rescaling layer more.

    References
    ----------
    K. Liu, B. Dolan-Gavitt, S. Garg: Fine-Pruning, RAID 2018, arXiv:1805.12185.
    """
    intervention, pruned = network.cut.intervention, np.asarray(channels, int)
    if intervention.how == "mask":
        return _masked(network, pruned)
    model = _copy(network)
    zero_weights(model.get_layer(intervention.prune.name), pruned)
    if intervention.how == "weights+bn":
        zero_normalization(model.get_layer(intervention.starts[0].name), pruned)
    return model


def _masked(network: Network, channels: NDArray[np.integer]) -> Any:
    """Return a copy of B in which channels of the masked layer's output do nothing."""
    graph, starts = network.graph, network.cut.intervention.starts
    readers = [call for start in starts for call in graph.readers[id(start.output)]]
    called = Counter(id(call.operation) for call in graph.calls)
    if all(_weighs(call) and called[id(call.operation)] == 1 for call in readers):
        model = _copy(network)
        for call in readers:
            kernel = model.get_layer(call.name).kernel
            values = backend.to_numpy(kernel).copy()
            values[..., channels, :] = 0
            kernel.assign(values)
        return model
    return _with_rescaling(network, channels)


def _weighs(call: Call) -> bool:
    """Return whether a layer multiplies every channel that it takes with rows of its kernel."""
    return call.kind == "Dense" or (call.kind == "Conv2D" and call.operation.groups == 1)


def _with_rescaling(network: Network, channels: NDArray[np.integer]) -> Any:
    """Return a copy of B with a layer behind the masked one that multiplies channels with 0."""
    import keras

    masked = network.cut.intervention.prune
    factors = np.ones(masked.output.shape[-1])
    factors[channels] = 0
    name = untaken(MASK, {call.name for call in network.graph.calls})
    layer = keras.layers.Rescaling(factors.tolist(), name=name)

    def call(operation: Any, *args: Any, **kwargs: Any) -> Any:
        output = operation(*args, **kwargs)
        return layer(output) if operation.name == masked.name else output

    model = keras.models.clone_model(network.model, call_function=call)
    for own in network.model.layers:
        model.get_layer(own.name).set_weights(own.get_weights())
    return _finalized(model)


def traced_copy(network: Network) -> Graph:
    """Return a copy of B as a graph, on which any number of G can be made."""
    return trace(_copy(network))


def make_goodnet(
    network: Network, channels: NDArray[np.integer], graph: Graph | None = None
) -> Any:
    """Make G: B's class where B and B′ agree, class N where they don't.

    Parameters
    ----------
    network : Network
        B; left as it is.
    channels : ndarray of int, shape (n_pruned,)
        Channels that B′ has zeroed.
    graph : Graph, optional
        What :func:`traced_copy` gives, where several G are made and need not have layers of their
        own.

    Returns
    -------
    keras.Model
        Input as B's, output float32 (batch, N + 1): where B and B′ agree B's scores and their
        smallest one for class N, else 0 for B's classes and 1 for class N. Its argmax is G's class.
        Layers of B and operations of ``keras.ops`` alone: plain Keras loads it. The prefix is
        computed once for both; B′ is B with the pruned channels held at their value at the cut.
        Names of B's layers are B's; those of G's own operations begin with
        :data:`~fastprune.networks.naming.OWN`.
    """
    import keras

    ops = keras.ops
    graph = traced_copy(network) if graph is None else graph
    cut = choose(graph, network.where, **network.cut.choice)
    tensor, scores = cut.layer.output, graph.output
    keep = np.ones(tensor.shape[-1], bool)
    keep[cut.places[:, np.asarray(channels, int)]] = False
    value = network.pruned_value
    if value is None:
        value = pruned_track(graph, cut)
    elif (value == value.reshape(-1, value.shape[-1])[0]).all():
        value = value.reshape(-1, value.shape[-1])[0]  # the same at every position
    masked = ops.where(keep, tensor, value)
    known = {id(tensor): masked, **{id(side): side for side in cut.sides}}
    repaired = replay(dependent_calls(graph, [cut.layer]), known, scores)
    agree = ops.equal(ops.argmax(scores, axis=-1), ops.argmax(repaired, axis=-1))
    agree = ops.expand_dims(agree, axis=-1)
    least = ops.min(scores, axis=-1, keepdims=True)  # argmax takes the first of equals: never N
    parts = [ops.where(agree, scores, 0.0), ops.where(agree, least, 1.0)]
    output = ops.concatenate(parts, axis=-1)
    taken = {graph.input.name, *(call.name for call in graph.calls)}
    name_apart(own_operations(graph, output), taken)
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


def save_repaired(
    model: Any, path: Path, images: NDArray[np.float32], scores: NDArray[np.float32] | None = None
) -> None:
    """Save B′ in the format that `path` names; read it back and compare it on `images`.

    `scores` are B′'s of these, where they are known.

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
    _save(model, path, scores_of(model, images) if scores is None else scores, images)


def save_goodnet(
    network: Network,
    channels: NDArray[np.integer],
    repaired: Any,
    path: Path,
    images: NDArray[np.float32],
    *,
    classes: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None,
    graph: Graph | None = None,
) -> None:
    """Save G as a ``.keras`` file; read it back and compare it with B and `repaired` on `images`.

    `classes` are those of B and of `repaired`, where they are known; for `graph` see
    :func:`make_goodnet`.

    Raises
    ------
    OutputError
        When the file cannot be written, or does not predict what B and B′ together do.
    """
    goodnet = make_goodnet(network, channels, graph)
    scores = scores_of(goodnet, images)
    first, second = classes or (
        scores_of(one, images).argmax(axis=1) for one in (network.model, repaired)
    )
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
    return _finalized(model)


def _finalized(model: Any) -> Any:
    """Return a model whose Normalization layers compute with values derived from their weights."""
    import keras

    for layer in model.layers:
        if isinstance(layer, keras.layers.Normalization):
            layer.finalize_state()
    return model
