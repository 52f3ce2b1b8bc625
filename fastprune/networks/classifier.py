"""Networks of which no more is asked than classes: B, B′, G, with or without a cut."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastprune.errors import NetworkError
from fastprune.networks import loading
from fastprune.networks.graph import Graph
from fastprune.networks.layer_kinds import activation_name
from fastprune.networks.tracing import trace


def load_classifier(source: str | Path | Any) -> tuple[Graph, Any]:
    """Load a classifier of images.

    Parameters
    ----------
    source : path or keras.Model
        The network.

    Returns
    -------
    graph : Graph
        Its calls.
    model : keras.Model
        The network, flat.

    Raises
    ------
    NetworkError
        When it cannot be loaded or is no classifier of images.
    """
    path = source if isinstance(source, str | Path) else None
    model: Any = loading.load_model(Path(path)) if path is not None else source
    graph = trace(model)
    check_shapes(graph, str(path) if path is not None else str(model.name))
    return graph, flat(graph, model.name)


def flat(graph: Graph, name: str) -> Any:
    """Return a graph as a keras.Model of no nested ones."""
    import keras

    return keras.Model(graph.input, graph.output, name=name)


def check_shapes(graph: Graph, where: str) -> None:
    """Refuse a network that is no classifier of images of one size.

    Raises
    ------
    NetworkError
        When its input or its output has another shape.
    """
    if len(graph.input.shape) != 4 or None in graph.input.shape[1:]:
        message = (
            f"expected an input of images (batch, height, width, channels); got "
            f"{tuple(graph.input.shape)} ({where}); rebuild the network with a fixed image size"
        )
        raise NetworkError(message)
    if len(graph.output.shape) != 2 or graph.output.shape[-1] is None or graph.output.shape[-1] < 2:
        message = (
            f"expected class scores (batch, classes), two classes or more; got "
            f"{tuple(graph.output.shape)} ({where}); use a classifier"
        )
        raise NetworkError(message)


def check_repaired(badnet: Graph, repaired: Graph) -> None:
    """Refuse a B′ that was made of another B.

    Raises
    ------
    NetworkError
        When it takes other images or gives other classes.
    """
    own, other = ((tuple(g.input.shape), tuple(g.output.shape)) for g in (badnet, repaired))
    if own != other:
        message = (
            f"expected B′ to have the input and the classes of B; got {other} beside {own}; "
            "give the B′ that was made of this B"
        )
        raise NetworkError(message)


def ending(graph: Graph, scores: Any) -> str:
    """Return the name of the activation that gives a network's scores; linear for none."""
    last = next(call for call in graph.calls if call.output is scores)
    name = activation_name(last.operation)
    return "softmax" if "Softmax" in (last.kind, name) else name
