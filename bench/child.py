"""The process in which one case runs: jobs as JSON lines on stdin, results as lines on stdout.

Imports and the loading of the network come first; memory counts from there, time from after a
warm-up on a few images.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import h5py  # noqa: F401 - part of the baseline
import keras
import numba  # noqa: F401 - part of the baseline
import numpy as np
import tensorflow  # noqa: F401 - part of the baseline

import fastprune
from bench import nets
from bench.cases import CASES, MEMORY, Job
from bench.layer_cases import LAYER_CASES
from bench.memory import Peak
from fastprune.orders.ranking import Ranked
from fastprune.suffix import select
from fastprune.sweeping import passes


def sets_of(job: dict[str, Any], key: str) -> dict[str, tuple[str, Path]]:
    return {name: (kind, Path(path)) for name, (kind, path) in job[key].items()}


def measure(job: dict[str, Any]) -> dict[str, Any]:
    """Run one case: warm-up, then the clock."""
    case = {**CASES, **LAYER_CASES}[job["case"]]
    options = job.get("options", {})
    network = fastprune.load_network(job["network"], **options.get("layer", {}))
    _ = fastprune.sweep_orders, keras.Model  # lazy names, imported now
    peak = Peak()
    if job.get("warm"):
        few = {**options, "steps": [0, 1]} if options.get("steps") else options
        case.run(Job(network, sets_of(job, "warm"), few))
    for _, path in sets_of(job, "sets").values():
        with path.open("rb", buffering=0) as file:  # into the system's cache, if it has left it
            while file.read(1 << 20):
                pass
    start = time.perf_counter()
    outcome = case.run(Job(network, sets_of(job, "sets"), options))
    spent = time.perf_counter() - start
    return {
        "seconds": spent if outcome.seconds is None else outcome.seconds,
        "measured_seconds": spent,
        "memory": peak.above(),
        "memory_how": peak.how,
        "hits": outcome.hits,
        "near_ties": outcome.near_ties,
        "about": outcome.about,
    }


def startup(job: dict[str, Any]) -> dict[str, Any]:
    """Time what a sweep costs once: load, build, trace, compile.

    Everything from the path of the network to the counts of a few images, in a process that has
    imported all it needs, less the same images once more through what was built.
    """
    from numba.core.registry import cpu_target
    from tqdm import tqdm

    from fastprune.sets.opening import open_sets

    # numba imports its own modules at the first call of anything compiled: imports, 0.23 s.
    cpu_target.target_context.refresh()
    begin = time.perf_counter()
    network = fastprune.load_network(job["network"])
    files = sets_of(job, "sets")
    valid, *others = files
    with (
        open_sets(
            files[valid][1], {name: files[name][1] for name in others}, {}, valid_name=valid,
            input_shape=network.input_shape, n_classes=network.n_classes,
        ) as sets,
        tqdm(disable=True) as hidden,
    ):  # fmt: skip
        made = passes.Passes(
            [network], deciders=[valid], memory=MEMORY, steps=[[]], progress=hidden
        )
        (target,), (kept,) = made.targets, made.first(sets[valid])
        target.engine = select.choose_engine(network, "auto", kept).engine
        loaded = time.perf_counter() - begin

        def sweep() -> None:
            (statistics,) = made.statistics(sets[valid])
            order = np.argsort(statistics.means, kind="stable")
            target.ranked = Ranked(statistics.means, [order], [statistics.means], [[]])
            for images in sets.values():
                made.count(images)

        sweep()
        first = time.perf_counter() - begin
        warm = []
        for _ in range(3):
            start = time.perf_counter()
            sweep()
            warm.append(time.perf_counter() - start)
    about = {"load_and_build": loaded, "first": first, "repeat": min(warm)}
    return {"seconds": first - min(warm), "measured_seconds": first, "memory": 0, "about": about}


def build(job: dict[str, Any]) -> dict[str, Any]:
    """Build a network and its images; see :mod:`bench.nets`."""
    nets.write_vgg(Path(job["folder"]), **job["options"])
    return {}


def describe(job: dict[str, Any]) -> dict[str, Any]:
    """Say what a network is."""
    about = fastprune.load_network(job["network"]).describe()
    return {"network": {**about, "path": Path(job["network"]).name}}


def serve() -> None:
    """Answer every job with one line."""
    kinds = {"startup": startup, "build": build, "describe": describe}
    for line in sys.stdin:
        job = json.loads(line)
        with contextlib.redirect_stdout(sys.stderr):
            answer = kinds.get(job["case"], measure)(job)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    serve()
