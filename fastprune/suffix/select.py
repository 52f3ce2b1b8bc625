"""Which engine evaluates a suffix: the one place that decides it."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastprune.errors import FaultError, OptionError
from fastprune.networks.graph import Call
from fastprune.networks.network import Network
from fastprune.runtime import backend
from fastprune.suffix.builder import NotUnderstood
from fastprune.suffix.compile import build, is_plain, linear_part
from fastprune.suffix.elementwise import view
from fastprune.suffix.engine import Engine, Steps
from fastprune.suffix.incremental import IncrementalEngine
from fastprune.suffix.keras_engine import KerasEngine
from fastprune.suffix.mixed import MixedEngine
from fastprune.suffix.program import Program
from fastprune.suffix.translate import TRANSLATORS

ENGINES = ("auto", "incremental", "keras")

CACHED_WEIGHTS = 4 << 20
"""Weights behind the linear layers, in values, up to which one image at a time beats batches.

Image by image every weight is read once per image and step: fast from the caches, slow from memory.
"""

MOST_TAPS = 1 << 17
"""Positions of convolutions, times taps of their kernels, that a program may have: each is looked
at for every image and step. The lab's suffix has 48, that behind its first convolution 5,136."""

FEW = 2
"""Images that both candidates are timed on first."""

CALL = 0.005
"""Seconds of all cores that a call of Keras may take whatever it computes: on few images they are
most of its time (3 ms in the lab), over a sweep they are nothing."""

HOPELESS = 4
"""A candidate that takes so many times as long as the other, and a call's own time beyond that, is
not timed on more images."""

TRIAL = 0.05
"""Seconds that the slower candidate is timed for at last, unless it is hopeless before."""

SHORTEST = 0.001
"""Seconds below which a time says nothing of how many images fill a trial."""

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
    """Return the engines that can evaluate a network's suffix: one, or compiled loops and Keras.

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
    plain = KerasEngine(network, memory=memory)
    if engine == "keras" or (engine == "auto" and backend.on_accelerator()):
        return [plain]
    compiled = _compiled(network, plain, heavy=engine == "incremental")
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


def first_candidate(network: Network) -> str:
    """Return the name of the engine that :func:`candidates` gives first, without making one."""
    if backend.on_accelerator():
        return KerasEngine.name
    if _whole(network, heavy=False) is not None:
        return IncrementalEngine.name
    return KerasEngine.name if _linear(network) is None else MixedEngine.name


def choose_engine(
    network: Network, engine: str, kept: Sequence[Any], *, memory: int = 64 << 20
) -> Choice:
    """Return the engine that takes least time on the first images of a sweep.

    Both are timed on a few images, and on more as long as these say too little.

    Parameters
    ----------
    network, engine, memory
        As for :func:`candidates`.
    kept : sequence of arrays
        What is kept of the first images, cut activations first. Channels are pruned in the order of
        their means there.

    Raises
    ------
    OptionError
        As :func:`candidates`.
    FaultError
        When two engines put an image in different classes and it is no near-tie.
    """
    first, *others = candidates(network, engine, memory=memory)
    if not others:
        return Choice(first, "the only candidate" if engine == "auto" else "asked for")
    (plain,) = others
    host = [backend.to_numpy(values) for values in kept]
    means = host[0].reshape(-1, host[0].shape[-1]).mean(axis=0)
    order = np.argsort(means[network.cut.places].mean(axis=0), kind="stable")
    images = len(host[0])
    count, more, seconds = 0, min(FEW, images), (0.0, 0.0)
    while more > 2 * count and max(seconds) <= HOPELESS * min(seconds) + CALL:
        count, seconds = more, _trial(first, plain, [values[:more] for values in host], order)
        # A clock may tick slower than a candidate computes: then the time of a few images is 0.
        more = min(images, int(TRIAL / max(*seconds, SHORTEST) * count))
    chosen = plain if seconds[1] < CLEARLY * seconds[0] else first
    each = [1e3 * one / count for one in seconds]
    times = f"{first.name} {each[0]:.2g} ms, {plain.name} {each[1]:.2g} ms"
    return Choice(chosen, f"measured on {count} images: {times} an image")


def _trial(
    first: Engine, plain: Engine, kept: Sequence[NDArray[Any]], order: NDArray[np.int64]
) -> tuple[float, float]:
    """Return how long each of two engines computes for the same images, all classes compared."""
    (first_seconds, first_steps), (plain_seconds, plain_steps) = (
        timed(engine, kept, order) for engine in (first, plain)
    )
    _check_same(first, first_steps, plain, plain_steps)
    return first_seconds, plain_seconds


def timed(
    engine: Engine, kept: Sequence[NDArray[Any]], order: NDArray[np.int64]
) -> tuple[float, Steps]:
    """Return how long an engine computes, and what it says.

    The seconds of all cores together, behind a run that compiles and traces: what a sweep that
    fills the machine takes, whatever else the machine does meanwhile. Nothing else of this process
    computes meanwhile.
    """
    # Where a batch of another size is compiled anew, the sizes are those of the very same images.
    fewer = kept if backend.fixed_shapes() else [values[:1] for values in kept]
    engine.classes(engine.block(*fewer), order)
    start = time.process_time()
    steps = engine.classes(engine.block(*kept), order)
    return time.process_time() - start, steps


def _check_same(one: Engine, one_steps: Steps, other: Engine, other_steps: Steps) -> None:
    """Refuse engines that differ on an image that is no near-tie for either."""
    unlike = one_steps.classes != other_steps.classes
    unlike &= ~one_steps.near_ties & ~other_steps.near_ties
    if unlike.any():
        step, image = (int(index[0]) for index in np.nonzero(unlike))
        message = (
            f"expected the engines {one.name} and {other.name} to agree; got classes "
            f"{one_steps.classes[step, image]} and {other_steps.classes[step, image]} for image "
            f"{image} at n_pruned {step} of a first trial; this is a fault of fastprune, please "
            "report it, and run with --engine keras"
        )
        raise FaultError(message)


def _compiled(network: Network, plain: KerasEngine, *, heavy: bool) -> Engine | None:
    """Return an engine of compiled loops; None where they know neither the whole nor a part."""
    program = _whole(network, heavy=heavy)
    if program is not None:
        return IncrementalEngine(program, plain)
    program = _linear(network)
    if program is not None:
        return MixedEngine(program, network.suffix_calls, network.graph.output, plain)
    return None


def _whole(network: Network, *, heavy: bool) -> Program | None:
    """Return a suffix compiled; None for what the loops cannot do, or do `heavy`."""
    if not _fits(network, network.suffix_calls, heavy=heavy):
        return None
    try:
        return build(network)
    except NotUnderstood:
        return None


def _linear(network: Network) -> Program | None:
    """Return the linear layers of a suffix compiled; None where something else reads the cut."""
    cut = network.cut.layer.output
    first = [call for call in network.suffix_calls if any(one is cut for one in call.inputs)]
    program = linear_part(network) if _taps(first) <= MOST_TAPS else None
    if program is None:
        return None
    known = {id(one.call.output) for one in program.linear if one.call is not None}
    return None if _reads_cut(network, known) else program


def _fits(network: Network, calls: Sequence[Call], *, heavy: bool) -> bool:
    """Return whether a program of these calls is small enough to be worth making."""
    if _taps(calls) > MOST_TAPS:
        return False
    cut = network.cut.layer.output
    weights = sum(
        int(call.operation.count_params()) for call in calls
        if hasattr(call.operation, "count_params") and not any(one is cut for one in call.inputs)
    )  # fmt: skip
    return heavy or weights <= CACHED_WEIGHTS


def _taps(calls: Iterable[Call]) -> int:
    """Return how many positions of convolutions there are, times taps of their kernels."""
    return sum(
        math.prod(call.output.shape[1:3]) * math.prod(call.operation.kernel_size)
        for call in calls if call.kind == "Conv2D"
    )  # fmt: skip


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
