"""Suffixes compiled: every call translated, or only those that are linear in the cut."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastprune.networks.graph import Call
from fastprune.suffix.builder import Builder, NotUnderstood
from fastprune.suffix.program import Program
from fastprune.suffix.translate import TRANSLATORS


def build(
    calls: Sequence[Call], cut: Any, pruned: NDArray[np.float32], output: Any
) -> Program:
    """Compile a suffix.

    Parameters
    ----------
    calls : sequence of Call
        Calls from the cut to the class scores, in order.
    cut, output : KerasTensor
        The cut tensor and the class scores; a final softmax, which changes no order, is left out.
    pruned : ndarray of float32
        What the cut layer gives when every channel is pruned, shape of one image's cut.

    Raises
    ------
    NotUnderstood
        When a call has no compiled form.
    """
    builder = Builder(cut, pruned)
    for call in calls:
        compile_call(builder, call, is_output=call.output is output)
    return builder.finish(output)


def linear_part(calls: Sequence[Call], cut: Any, pruned: NDArray[np.float32]) -> Program | None:
    """Compile only the calls that are linear in the cut; None when there is none."""
    builder = Builder(cut, pruned)
    for call in calls:
        if all(id(tensor) in builder.views for tensor in call.inputs):
            try:
                compile_call(builder, call, is_output=False)
            except NotUnderstood:
                continue
    if not builder.linear:
        return None
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
