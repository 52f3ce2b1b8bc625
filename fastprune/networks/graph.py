"""The graph of a network: its calls in order, which tensors every path crosses, replaying it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any


@dataclass(frozen=True, eq=False)
class Call:
    """One call of a layer or operation in the network.

    Attributes
    ----------
    operation : keras.Operation
        The layer or operation.
    args, kwargs
        What it was called with; tensors are KerasTensors of the graph.
    inputs : tuple of KerasTensor
        The tensors among them.
    output : KerasTensor
        What it gave.
    """

    operation: Any
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    inputs: tuple[Any, ...]
    output: Any

    @property
    def kind(self) -> str:
        """Class name of the layer or operation."""
        return type(self.operation).__name__

    @property
    def name(self) -> str:
        """Name of the layer or operation."""
        return str(self.operation.name)


@dataclass(frozen=True, eq=False)
class Graph:
    """A network as calls in topological order, nested models unfolded.

    Attributes
    ----------
    input, output : KerasTensor
        Images (batch, height, width, channels) and class scores (batch, n_classes).
    calls : tuple of Call
        Every call between them.
    """

    input: Any
    output: Any
    calls: tuple[Call, ...]

    @cached_property
    def readers(self) -> Mapping[int, Sequence[Call]]:
        """The calls that take a tensor, by its ``id``."""
        by_tensor: dict[int, list[Call]] = {}
        for call in self.calls:
            for tensor in {id(item) for item in call.inputs}:
                by_tensor.setdefault(tensor, []).append(call)
        return by_tensor


def replay(calls: Iterable[Call], values: Mapping[int, Any], output: Any) -> Any:
    """Make calls again on other tensors.

    Parameters
    ----------
    calls : iterable of Call
        Calls in order; those whose inputs are not known are passed over.
    values : mapping of int to tensor
        The new tensor in place of the graph's, by ``id``.
    output : KerasTensor
        The graph's tensor that is wanted.

    Returns
    -------
    tensor
        What stands in the place of `output`.
    """
    import keras

    known = dict(values)
    for call in calls:
        if id(call.output) in known or any(id(tensor) not in known for tensor in call.inputs):
            continue
        args, kwargs = keras.tree.map_structure(
            lambda item: known.get(id(item), item), (call.args, dict(call.kwargs))
        )
        known[id(call.output)] = call.operation(*args, **kwargs)
    return known[id(output)]
