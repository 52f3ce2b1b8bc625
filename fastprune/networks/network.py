"""A network under test: loaded, checked and cut into prefix and suffix."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastprune.errors import NetworkError
from fastprune.networks import loading
from fastprune.networks.choosing import choose
from fastprune.networks.classifier import check_shapes, flat
from fastprune.networks.cuts import Cut, behind, branches
from fastprune.networks.graph import Call, Graph, replay
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
        return self.cut.intervention.n_channels

    @property
    def cut_shape(self) -> tuple[int, ...]:
        """Shape of one image's cut activations, channels last."""
        return tuple(self.cut.layer.output.shape[1:])

    @property
    def kept_shapes(self) -> list[tuple[int, ...]]:
        """Shapes of what is kept of an image: at the cut, pruned where need be, side tensors."""
        tracks = [self.cut_shape] * (2 if self.cut.track.per_image else 1)
        return [*tracks, *(tuple(side.shape[1:]) for side in self.cut.sides)]

    @cached_property
    def pruned_value(self) -> NDArray[np.float32] | None:
        """What the cut layer gives when every channel is pruned: float32 of :attr:`cut_shape`.

        Zero behind a ReLU, but sigmoid(0) or a BatchNorm's offset elsewhere: what a zeroed layer
        gives goes through the channel-wise layers. None where it differs from image to image.
        """
        import keras

        if self.cut.track.per_image:
            return None
        intervention = self.cut.intervention
        zeros = {
            id(call.output): keras.ops.full(
                (1, *call.output.shape[1:]), intervention.start_value, call.output.dtype
            )
            for call in intervention.starts
        }
        value = replay(self.cut.chain, zeros, self.cut.layer.output)
        return np.ascontiguousarray(backend.to_numpy(value)[0], np.float32)

    @cached_property
    def prefix(self) -> Any:
        """Images to cut activations, as a keras.Model."""
        import keras

        return keras.Model(self.graph.input, self.cut.layer.output, name="prefix")

    @cached_property
    def pruned_track(self) -> Any:
        """The cut tensor with every channel pruned, where it differs from image to image."""
        return pruned_track(self.graph, self.cut)

    @cached_property
    def kept(self) -> list[Any]:
        """The tensors that are kept of images, one for each of :attr:`kept_shapes`."""
        pruned = [self.pruned_track] if self.cut.track.per_image else []
        return [self.cut.layer.output, *pruned, *self.cut.sides]

    @cached_property
    def suffix(self) -> Any:
        """Cut activations, and side tensors where there are any, to class scores: a keras.Model."""
        import keras

        known = {
            id(tensor): keras.Input(tensor.shape[1:], dtype=tensor.dtype, name=f"kept_{index}")
            for index, tensor in enumerate([self.cut.layer.output, *self.cut.sides])
        }
        end = replay(self.suffix_calls, known, self.graph.output)
        starts = list(known.values())
        return keras.Model(starts if self.cut.sides else starts[0], end, name="suffix")

    def cut_at(self, **choice: Any) -> Network:
        """Return the same network with another cut; options are those of :func:`load_network`."""
        return replace(self, cut=choose(self.graph, self.where, **choice))

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
            "intervention": self.cut.intervention.how,
            "behind": len(behind(self.graph, self.cut)),
            "branches": branches(self.graph, self.cut),
            "cut_layer": self.cut.layer.name,
            "input_shape": list(self.input_shape),
            "parameters": int(self.model.count_params()),
            "fingerprint": self.fingerprint,
            "written_by": self.written_by,
        }


def load_network(
    source: str | Path | Any,
    *,
    prune_layer: str | None = None,
    mask_layer: str | None = None,
    zero_at: str = "conv",
    cut_layer: str | None = None,
) -> Network:
    """Load a network and find its cut.

    Parameters
    ----------
    source : path or keras.Model
        A ``.keras`` or ``.h5`` file (never compiled, its code never run), a model, or a network
        that was loaded before.
    prune_layer : str, optional
        Name of the layer whose channels are pruned, kernel and bias: a convolution of any kind or a
        hidden Dense. By default the last convolution whose cut every path from the images to the
        class scores crosses, the classifier itself left out.
    mask_layer : str, optional
        Name of a layer whose output channels (last axis) are set to 0 instead; ``"features"`` is
        what the classifier takes.
    zero_at : {"conv", "bn"}
        ``"bn"`` zeroes gamma and beta of the BatchNormalization behind the prune layer too.
    cut_layer : str, optional
        Name of the cut layer: the last possible by default.

    Raises
    ------
    NetworkError
        When the file cannot be loaded, the network has no class scores, or a layer cannot serve.
    OptionError
        When the options contradict each other.
    """
    choice: dict[str, Any] = {
        "prune_layer": prune_layer, "mask_layer": mask_layer, "zero_at": zero_at,
        "cut_layer": cut_layer,
    }  # fmt: skip
    if isinstance(source, Network):
        asked = any(value is not None for name, value in choice.items() if name != "zero_at")
        return source.cut_at(**choice) if asked or zero_at != "conv" else source
    path = Path(source) if isinstance(source, str | Path) else None
    model: Any = loading.load_model(path) if path is not None else source
    graph = trace(model)
    where = str(path) if path is not None else str(model.name)
    check_shapes(graph, where)
    _check_types(graph, where)
    return Network(
        model=flat(graph, model.name),
        graph=graph,
        cut=choose(graph, where, **choice),
        path=path,
        fingerprint=loading.fingerprint(path) if path is not None else _digest(model),
        written_by=loading.written_by(path) if path is not None else "a Keras model in memory",
    )


def pruned_track(graph: Graph, cut: Cut) -> Any:
    """Return the cut tensor of a graph with every channel pruned, as one more tensor of it."""
    import keras

    intervention = cut.intervention
    known: dict[int, Any] = {id(graph.input): graph.input}
    known.update((id(call.output), call.output) for call in graph.calls)
    for call in cut.chain:
        del known[id(call.output)]
    for call in intervention.starts:
        known[id(call.output)] = keras.ops.full_like(call.output, intervention.start_value)
    return replay(cut.chain, known, cut.layer.output)


def _check_types(graph: Graph, where: str) -> None:
    """Refuse networks that round: engines, chunks and batches would give other classes than Keras.

    In float16 scores of a third of a percent apart are the same number.
    """
    import keras

    for call in graph.calls:
        dtype = str(call.output.dtype)
        if "float" in dtype and keras.backend.standardize_dtype(dtype) != "float32":
            message = (
                f"expected float32 in every layer; got {dtype} of {call.name!r} ({where}); save "
                "the network with the float32 policy"
            )
            raise NetworkError(message)


def _digest(model: Any) -> str:
    """Return a digest of a model's configuration and weights."""
    digest = hashlib.blake2b(digest_size=16)
    digest.update(json.dumps(model.get_config(), default=str, sort_keys=True).encode())
    for weight in model.get_weights():
        digest.update(np.ascontiguousarray(weight).tobytes())
    return f"blake2b-weights:{digest.hexdigest()}"
