"""A network under test: loaded, checked and cut into prefix and suffix."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastprune.errors import NetworkError
from fastprune.networks import loading
from fastprune.networks.classifier import check_shapes, flat
from fastprune.networks.cuts import Cut, choose
from fastprune.networks.graph import Call, Graph, replay
from fastprune.networks.layer_kinds import activation_of
from fastprune.networks.tracing import trace
from fastprune.runtime import backend


@dataclass(frozen=True, eq=False)
class Network:
    """A BadNet B and the place where it is cut.

    Attributes
    ----------
    model : keras.Model
        The network, flat: input float32 (batch, height, width, channels), output class scores
        (batch, n_classes).
    graph : Graph
        Its calls.
    cut : Cut
        Prune layer and cut layer.
    path : Path or None
        The file it came from, None for a model given as such.
    fingerprint : str
        Digest of the file, or of configuration and weights.
    written_by : str
        Which Keras wrote it.
    """

    model: Any
    graph: Graph
    cut: Cut
    path: Path | None
    fingerprint: str
    written_by: str

    @property
    def name(self) -> str:
        """Name of the network: its file's, or its model's."""
        return str(self.model.name) if self.path is None else self.path.stem

    @property
    def where(self) -> str:
        """What messages call the network: its file, or its model's name."""
        return str(self.model.name if self.path is None else self.path)

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Height, width and channels of an image."""
        height, width, channels = self.graph.input.shape[1:]
        return height, width, channels

    @property
    def n_classes(self) -> int:
        """Number of classes N, from the network's output."""
        return int(self.graph.output.shape[-1])

    @property
    def n_channels(self) -> int:
        """Number of channels of the prune layer."""
        return int(self.cut.layer.output.shape[-1])

    @property
    def cut_shape(self) -> tuple[int, ...]:
        """Shape of one image's cut activations, channels last."""
        return tuple(self.cut.layer.output.shape[1:])

    @cached_property
    def pruned_value(self) -> NDArray[np.float32]:
        """What the cut layer gives when every channel is pruned: float32 of :attr:`cut_shape`.

        Zero behind a ReLU, but sigmoid(0) or a BatchNorm's offset elsewhere: the zeroed
        convolution's output goes through the channel-wise layers.
        """
        import keras

        pruned = self.cut.prune
        activation = activation_of(pruned.operation) or (lambda x: x)
        zero = activation(keras.ops.zeros((1, *pruned.output.shape[1:]), pruned.output.dtype))
        value = replay(self.cut.chain, {id(pruned.output): zero}, self.cut.layer.output)
        return np.ascontiguousarray(backend.to_numpy(value)[0], np.float32)

    @cached_property
    def prefix(self) -> Any:
        """Images to cut activations, as a keras.Model."""
        import keras

        return keras.Model(self.graph.input, self.cut.layer.output, name="prefix")

    @cached_property
    def prefix_and_prune(self) -> Any:
        """Images to [cut activations, prune layer's output], as a keras.Model."""
        import keras

        outputs = [self.cut.layer.output, self.cut.prune.output]
        return keras.Model(self.graph.input, outputs, name="prefix_and_prune")

    @cached_property
    def suffix(self) -> Any:
        """Cut activations to class scores, as a keras.Model."""
        import keras

        cut = self.cut.layer.output
        start = keras.Input(self.cut_shape, dtype=cut.dtype, name="cut_activations")
        end = replay(self.suffix_calls, {id(cut): start}, self.graph.output)
        return keras.Model(start, end, name="suffix")

    @cached_property
    def suffix_calls(self) -> tuple[Call, ...]:
        """Calls from the cut to the class scores, in order."""
        reached = {id(self.cut.layer.output)}
        calls = []
        for call in self.graph.calls:
            if any(id(tensor) in reached for tensor in call.inputs):
                reached.add(id(call.output))
                calls.append(call)
        return tuple(calls)

    def describe(self) -> dict[str, Any]:
        """Return what results say of the network."""
        return {
            "path": None if self.path is None else str(self.path.absolute()),
            "name": self.name,
            "n_classes": self.n_classes,
            "n_channels": self.n_channels,
            "prune_layer": self.cut.prune.name,
            "cut_layer": self.cut.layer.name,
            "input_shape": list(self.input_shape),
            "parameters": int(self.model.count_params()),
            "fingerprint": self.fingerprint,
            "written_by": self.written_by,
        }


def load_network(source: str | Path | Any, *, cut_layer: str | None = None) -> Network:
    """Load a network and find its cut.

    Parameters
    ----------
    source : path or keras.Model
        A ``.keras`` or ``.h5`` file (never compiled, its code never run), a model, or a network
        that was loaded before.
    cut_layer : str, optional
        Name of the cut layer; found automatically by default: the last tensor, fed by a
        convolution through channel-wise layers only, that every path to the scores crosses.

    Raises
    ------
    NetworkError
        When the file cannot be loaded, or the network has no class scores or no such cut.
    """
    if isinstance(source, Network):
        if cut_layer in (None, source.cut.layer.name):
            return source
        source = source.model
    path = Path(source) if isinstance(source, str | Path) else None
    model: Any = loading.load_model(path) if path is not None else source
    graph = trace(model)
    where = str(path) if path is not None else str(model.name)
    check_shapes(graph, where)
    cut = choose(graph, cut_layer, where)
    _check_types(graph, cut, where)
    return Network(
        model=flat(graph, model.name),
        graph=graph,
        cut=cut,
        path=path,
        fingerprint=loading.fingerprint(path) if path is not None else _digest(model),
        written_by=loading.written_by(path) if path is not None else "a Keras model in memory",
    )


def _check_types(graph: Graph, cut: Cut, where: str) -> None:
    for call in (cut.prune, cut.layer, graph.calls[-1]):
        if call.output.dtype != "float32":
            message = (
                f"expected float32 at the cut and in the scores; got {call.output.dtype} of "
                f"{call.name!r} ({where}); save the network with the float32 policy"
            )
            raise NetworkError(message)


def _digest(model: Any) -> str:
    """Return a digest of a model's configuration and weights."""
    digest = hashlib.blake2b(digest_size=16)
    digest.update(json.dumps(model.get_config(), default=str, sort_keys=True).encode())
    for weight in model.get_weights():
        digest.update(np.ascontiguousarray(weight).tobytes())
    return f"blake2b-weights:{digest.hexdigest()}"
