"""Which engine evaluates a suffix: the one place that decides it."""

from __future__ import annotations

from fastprune.errors import OptionError
from fastprune.networks.network import Network
from fastprune.runtime import backend
from fastprune.suffix.compile import build, is_plain, linear_part
from fastprune.suffix.engine import Engine
from fastprune.suffix.incremental import IncrementalEngine
from fastprune.suffix.keras_engine import KerasEngine
from fastprune.suffix.mixed import MixedEngine
from fastprune.suffix.program import NotUnderstood
from fastprune.suffix.translate import TRANSLATORS, view

ENGINES = ("auto", "incremental", "keras")

CACHED_WEIGHTS = 4 << 20
"""Weights behind the linear layers, in values, up to which one image at a time beats batches.

Image by image every weight is read once per image and step: fast from the caches, slow from memory.
"""


def make_engine(network: Network, engine: str = "auto", *, memory: int = 64 << 20) -> Engine:
    """Return the engine for a network's suffix.

    Parameters
    ----------
    network : Network
        The network under test.
    engine : {"auto", "incremental", "keras"}
        ``incremental`` keeps the values of the layers that are linear in the cut tensor and takes
        Keras for the part that has no compiled form; ``keras`` takes it for all; ``auto`` takes
        ``keras`` on a GPU, and where neither the suffix has a compiled form nor its first layers
        are linear in the cut tensor.
    memory : int
        Bytes that a batch of the suffix may take.

    Raises
    ------
    OptionError
        When ``incremental`` is asked for and it has nothing to work on.
    """
    if engine not in ENGINES:
        message = f"expected engine to be one of {', '.join(ENGINES)}; got {engine!r}"
        raise OptionError(message)
    plain = KerasEngine(network.suffix, network.pruned_value, memory=memory)
    if engine == "keras" or (engine == "auto" and backend.on_accelerator()):
        return plain
    calls, cut = network.suffix_calls, network.cut.layer.output
    output, pruned = network.graph.output, network.pruned_value
    try:
        program = build(calls, cut, pruned, output)
        behind = program.weights.size - sum(
            int(call.operation.count_params()) for call, _, _ in program.linear
        )
        if behind <= CACHED_WEIGHTS or engine == "incremental":
            return IncrementalEngine(program, plain)
    except NotUnderstood:
        pass
    linear = linear_part(calls, cut, pruned)
    known = {id(call.output) for call, _, _ in linear.linear} if linear is not None else set()
    if linear is not None and not _reads_cut(network, known):
        return MixedEngine(linear, calls, output, plain)
    if engine == "incremental":
        message = (
            "expected a suffix whose first layers are linear in the cut tensor (Dense, Conv2D); "
            f"got one that starts with {', '.join(call.kind for call in calls[:3])}; "
            "use --engine keras"
        )
        raise OptionError(message)
    return plain


def _reads_cut(network: Network, linear: set[int]) -> bool:
    """Return whether anything but the linear layers reads the cut tensor, directly or reshaped."""
    views = {id(network.cut.layer.output)}
    for call in network.suffix_calls:
        if id(call.output) in linear:
            continue
        if any(id(tensor) in views for tensor in call.inputs):
            if TRANSLATORS.get(call.kind) is not view or not is_plain(call):
                return True
            views.add(id(call.output))
    return False
