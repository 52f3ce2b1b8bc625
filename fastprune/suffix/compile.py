"""Suffixes compiled: every call translated, or only those that are linear in the cut."""

from __future__ import annotations

from fastprune.networks.graph import Call
from fastprune.networks.network import Network
from fastprune.suffix.builder import Builder, NotUnderstood, Start
from fastprune.suffix.program import Program
from fastprune.suffix.translate import TRANSLATORS


def build(network: Network) -> Program:
    """Compile a network's suffix; a final softmax, which changes no order, is left out.

    Raises
    ------
    NotUnderstood
        When a call has no compiled form.
    """
    builder, output = Builder(Start.of(network)), network.graph.output
    for call in network.suffix_calls:
        compile_call(builder, call, is_output=call.output is output)
    return builder.finish(output)


def linear_part(network: Network) -> Program | None:
    """Compile only the calls that are linear in the cut; None when there is none.

    All side tensors lie beside their values.
    """
    builder = Builder(Start.of(network))
    for call in network.suffix_calls:
        if all(id(tensor) in builder.views for tensor in call.inputs):
            try:
                compile_call(builder, call, is_output=False)
            except NotUnderstood:
                continue
    if not builder.linear:
        return None
    for side in network.cut.sides:
        builder.place(side)
    return builder.finish(None)


def compile_call(builder: Builder, call: Call, *, is_output: bool) -> None:
    """Append one call to a program."""
    translate = TRANSLATORS.get(call.kind)
    if translate is None or not is_plain(call):
        raise NotUnderstood(f"{call.kind} of {call.output.dtype}")
    translate(builder, call, is_output)


def is_plain(call: Call) -> bool:
    """Return whether a call is of a layer as it stands, in float32, on tensors of the graph alone.

    ``x + 1`` is an operation named Add too, but one of its operands is no tensor of the graph.
    """
    import keras

    operation = call.operation
    arguments = keras.tree.flatten((call.args, dict(call.kwargs)))
    constants = [item for item in arguments if item is not None and not isinstance(item, bool)]
    return (
        isinstance(operation, keras.layers.Layer)
        and call.output.dtype == "float32"
        and len(constants) == len(call.inputs)
        and getattr(operation, "quantization_mode", None) is None
        and getattr(operation, "data_format", None) in (None, "channels_last")
    )
