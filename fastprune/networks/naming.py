"""Names of the operations that G adds to B's."""

from __future__ import annotations

import itertools
from typing import Any

from fastprune.networks.graph import Graph

OWN = "goodnet_"
"""How the names of G's own operations begin."""


def own_operations(graph: Graph, output: Any) -> list[Any]:
    """Return the operations behind a graph's tensors that make `output`, the first ones first.

    ``keras.Function(inputs, output).operations`` would be the same with newer releases of Keras;
    3.12 refuses inputs in the middle of a network. Layers of B that run twice are B's.
    """
    made: list[Any] = []
    theirs = {id(call.operation) for call in graph.calls}
    seen = {id(graph.input), *(id(call.output) for call in graph.calls)}
    waiting = [output]
    while waiting:
        tensor = waiting.pop()
        if id(tensor) not in seen:
            seen.add(id(tensor))
            operation, node, _ = tensor._keras_history
            if id(operation) not in theirs:
                made.append(operation)
            waiting += reversed(operation._inbound_nodes[node].input_tensors)
    return made[::-1]


def name_apart(operations: list[Any], taken: set[str]) -> None:
    """Name operations anew, none of them as in `taken`.

    Keras numbers them by itself as ``where``, ``concatenate`` …, and refuses a network that has a
    name twice; it calls layers so as well.
    """
    for operation in operations:
        operation.name = untaken(f"{OWN}{type(operation).__name__.lower()}", taken)
        taken.add(operation.name)


def untaken(stem: str, taken: set[str]) -> str:
    """Return a name that is not taken: the stem, or the stem and a number."""
    names = (f"{stem}_{index}" if index else stem for index in itertools.count())
    return next(name for name in names if name not in taken)
