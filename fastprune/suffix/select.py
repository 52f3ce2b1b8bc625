"""Which engine evaluates a suffix: the one place that decides it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastprune.errors import FaultError, OptionError
from fastprune.networks.network import Network
from fastprune.runtime import backend
from fastprune.suffix.builder import NotUnderstood
from fastprune.suffix.compile import build, is_plain, linear_part
from fastprune.suffix.engine import Engine, Steps
from fastprune.suffix.incremental import IncrementalEngine
from fastprune.suffix.keras_engine import KerasEngine
from fastprune.suffix.mixed import MixedEngine
from fastprune.suffix.translate import TRANSLATORS, view

ENGINES = ("auto", "incremental", "keras")

CACHED_WEIGHTS = 4 << 20
"""Weights behind the linear layers, in values, up to which one image at a time beats batches.

Image by image every weight is read once per image and step: fast from the caches, slow from memory.
"""

FEW = 2
"""Images that each candidate is timed on first."""

HOPELESS = 4
"""A candidate that takes so many times as long as the other on a few images is out."""

TRIAL = 0.1
"""Seconds that the slower candidate may be timed for beyond that."""

CLEARLY = 0.9
"""Keras takes the place of the compiled loops when it takes less than this share of their time:
clocks differ from run to run, and each engine counts near-ties a little differently."""


@dataclass(frozen=True)
class Choice:
    """An engine and why it was taken, in words."""

    engine: Engine
    reason: str


def make_engine(network: Network, engine: str = "auto", *, memory: int = 64 << 20) -> Engine:
    """Return the engine for a network's suffix, without measuring: the first candidate.

    Parameters and errors are those of :func:`candidates`.
    """
    return candidates(network, engine, memory=memory)[0]


def candidates(
    network: Network, engine: str = "auto", *, memory: int = 64 << 20
) -> list[Engine]:
    """Return the engines that can evaluate a network's suffix, the likeliest first.

    Parameters
    ----------
    network : Network
        The network under test.
    engine : {"auto", "incremental", "keras"}
        ``incremental`` keeps the values of the layers that are linear in the cut tensor and takes
        Keras for the part that has no compiled form; ``keras`` takes it for all; ``auto`` has the
        choice of both, but on a GPU takes ``keras``.
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
        return [plain]
    compiled = _incremental(network, plain, heavy=engine == "incremental") or _mixed(network, plain)
    if engine == "auto":
        return [plain] if compiled is None else [compiled, plain]
    if compiled is None:
        first = ", ".join(call.kind for call in network.suffix_calls[:3])
        message = (
            "expected a suffix whose first layers are linear in the cut tensor (Dense, Conv2D); "
            f"got one that starts with {first}; use --engine keras"
        )
        raise OptionError(message)
    return [compiled]


def choose_engine(network: Network, engine: str, cut: Any, *, memory: int = 64 << 20) -> Choice:
    """Return the engine that takes least time on the first images of a sweep.

    Parameters
    ----------
    network, engine, memory
        As for :func:`candidates`.
    cut : array of float32, shape (images, …, channels)
        Cut activations of the first images. Channels are pruned in the order of their means there.

    Raises
    ------
    OptionError
        As :func:`candidates`.
    FaultError
        When two engines put an image in different classes and it is no near-tie.
    """
    found = candidates(network, engine, memory=memory)
    if len(found) == 1:
        return Choice(found[0], "the only candidate" if engine == "auto" else "asked for")
    host = backend.to_numpy(cut)
    order = np.argsort(host.reshape(-1, host.shape[-1]).mean(axis=0), kind="stable")
    count = min(FEW, len(host))
    seconds = _trial(found, host[:count], order)
    more = min(len(host), int(TRIAL / max(seconds) * count))
    if max(seconds) < HOPELESS * min(seconds) and more > 2 * count:
        count, seconds = more, _trial(found, host[:more], order)
    chosen = found[seconds[1] < CLEARLY * seconds[0]]
    told = ", ".join(
        f"{one.name} {1e3 * each / count:.2g} ms" for one, each in zip(found, seconds, strict=True)
    )
    return Choice(chosen, f"measured on {count} images: {told} an image")


def _trial(
    engines: Sequence[Engine], cut: NDArray[np.float32], order: NDArray[np.int64]
) -> tuple[float, ...]:
    """Return how long each engine computes for the same images, all classes compared."""
    seconds, steps = zip(*(timed(one, cut, order) for one in engines), strict=True)
    _check_same(steps, engines)
    return tuple(seconds)


def timed(
    engine: Engine, cut: NDArray[np.float32], order: NDArray[np.int64]
) -> tuple[float, Steps]:
    """Return how long an engine computes, and what it says.

    The seconds of all cores together, behind a run that compiles and traces: what a sweep that
    fills the machine takes, whatever else the machine does meanwhile.
    """
    engine.classes(engine.block(cut[:1]), order)
    start = time.process_time()
    steps = engine.classes(engine.block(cut), order)
    return time.process_time() - start, steps


def _check_same(found: Sequence[Steps], engines: Sequence[Engine]) -> None:
    """Refuse engines that differ on an image that is no near-tie for either."""
    first, *others = found
    for other, engine in zip(others, engines[1:], strict=True):
        unlike = (first.classes != other.classes) & ~first.near_ties & ~other.near_ties
        if unlike.any():
            step, image = (int(part[0]) for part in np.nonzero(unlike))
            message = (
                f"expected the engines {engines[0].name} and {engine.name} to agree; got classes "
                f"{first.classes[step, image]} and {other.classes[step, image]} for image {image} "
                f"at n_pruned {step} of a first trial; this is a fault of fastprune, please report "
                "it, and run with --engine keras"
            )
            raise FaultError(message)


def _incremental(network: Network, plain: KerasEngine, *, heavy: bool) -> IncrementalEngine | None:
    """Return the engine of compiled loops alone; None for what it cannot do, or does `heavy`."""
    try:
        program = build(
            network.suffix_calls, network.cut.layer.output, network.pruned_value,
            network.graph.output,
        )  # fmt: skip
    except NotUnderstood:
        return None
    linear = sum(int(call.operation.count_params()) for call, _, _ in program.linear)
    if program.weights.size - linear > CACHED_WEIGHTS and not heavy:
        return None
    return IncrementalEngine(program, plain)


def _mixed(network: Network, plain: KerasEngine) -> MixedEngine | None:
    """Return the engine of compiled loops for the linear layers; None where it cannot be."""
    calls = network.suffix_calls
    linear = linear_part(calls, network.cut.layer.output, network.pruned_value)
    if linear is None or _reads_cut(network, {id(call.output) for call, _, _ in linear.linear}):
        return None
    return MixedEngine(linear, calls, network.graph.output, plain)


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
