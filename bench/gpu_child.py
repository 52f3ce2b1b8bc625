"""The process in which one job of :mod:`bench.gpu` runs: a JSON job in, a line of JSON out.

TensorFlow cannot be imported here, wherever it is installed: what runs must run without it.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from pathlib import Path
from typing import Any

WARM = 16
"""Images of each set in the first sweeps: their time is what a sweep costs whatever the images."""

WOKEN_ON = 32
"""Images whose statistics the normalizations have."""


class Without(MetaPathFinder):
    """Finds what the finders given find, but no TensorFlow."""

    def __init__(self, finders: Sequence[Any]) -> None:
        self.finders = list(finders)

    def find_spec(self, name: str, path: Sequence[str] | None, target: Any = None) -> Any:
        """Return where a module lies; None where it is nowhere, and for TensorFlow's."""
        if name.split(".")[0] == "tensorflow":
            return None
        found = (finder.find_spec(name, path, target) for finder in self.finders)
        return next((spec for spec in found if spec is not None), None)

    def find_distributions(self, context: Any) -> Any:
        """Yield the packages that ``importlib.metadata`` asks for."""
        for finder in self.finders:
            if hasattr(finder, "find_distributions"):
                yield from finder.find_distributions(context)


def probe(_: dict[str, Any]) -> dict[str, Any]:
    """Say what Keras computes on."""
    import keras

    from fastprune.runtime import backend

    found = {"backend": backend.name(), "keras": keras.__version__}
    if backend.name() == "jax":
        import jax

        device = str(jax.devices()[0].device_kind)
    else:
        import torch

        device = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
    return {**found, "device": device, "accelerator": backend.on_accelerator()}


def make(job: dict[str, Any]) -> dict[str, Any]:
    """Write a seeded network and four sets of images; return where they are."""
    import keras
    import numpy as np

    from bench import labs, nets
    from bench.families import images_of, wake
    from fastprune.networks.lab_deepid import deepid

    shape, folder = (*job["size"], 3), Path(job["folder"])
    keras.utils.set_random_seed(0)
    images = images_of(nets.SAMPLE if job["name"] == "lab" else WOKEN_ON, shape, seed=1)
    if job["name"] == "lab":
        model = deepid(job["classes"])
        for layer in model.layers:  # with biases of zero all scores tie once all is pruned
            if isinstance(layer, keras.layers.Dense):
                kernel, bias = layer.get_weights()
                rng = np.random.default_rng(len(bias))
                layer.set_weights([kernel, rng.normal(0, 0.05, bias.shape).astype(np.float32)])
        nets.put_to_sleep(model, "conv_3", images, seed=0)
    else:
        model = keras.applications.ResNet50(
            weights=None, classes=job["classes"], input_shape=shape
        )  # fmt: skip
    wake(model, images.astype(np.float32))
    model.save(folder / "network.keras")
    sets = nets.write_sets(folder, model, job["images"])
    warm = labs.few(sets, folder / "warm", WARM)
    network = str(folder / "network.keras")
    return {"folder": job["folder"], "network": network, "sets": sets, "warm": warm}


def measure(job: dict[str, Any]) -> dict[str, Any]:
    """Sweep with every engine, the prefix alone beside it; then transfers and plain Keras."""
    import fastprune
    from bench.cases import CASES, Job

    network = fastprune.load_network(job["network"])
    sets = {name: (kind, Path(path)) for name, (kind, path) in job["sets"].items()}
    warm = {name: (kind, Path(path)) for name, (kind, path) in job["warm"].items()}
    order, sweeps, held = Path(job["folder"], "order.npy"), {}, {}
    for engine in job["engines"]:
        options = {"engine": engine, "order_to": str(order)}
        # The second one finds everything imported and compiled.
        first, few = (_timed(CASES["sweep"].run, Job(network, warm, options))[0] for _ in range(2))
        _timed(CASES["prefix"].run, Job(network, warm))
        seconds, prefixes = [], []
        for number in range(job["pairs"]):
            for case in ("sweep", "prefix")[:: -1 if number % 2 else 1]:
                spent, outcome = _timed(CASES[case].run, Job(network, sets, options))
                (seconds if case == "sweep" else prefixes).append(spent)
                if case == "sweep":
                    swept = outcome
            held = held or _memory()
        sweeps[engine] = {
            "engine": swept.about["engine"], "seconds": seconds, "prefix_seconds": prefixes,
            "first_seconds": first, "few_seconds": few,
            "hits": _keyed(swept.hits), "near_ties": _keyed(swept.near_ties),
        }  # fmt: skip
    described = network.describe()
    found = {
        "channels": described["n_channels"], "sweeps": sweeps, "memory": held,
        "transfers": transfers(network, sets),
        **{key: described[key] for key in ("prune_layer", "cut_layer", "input_shape")},
    }  # fmt: skip
    if job["oracle"]:
        found["oracle"] = {"hits": _keyed(oracle(network, sets, order))}
    return found


def transfers(network: Any, sets: dict[str, tuple[str, Path]]) -> dict[str, dict[str, float]]:
    """Time the images of all sets to the device, and their cut activations back, by themselves."""
    import keras

    from bench.cases import MEMORY
    from fastprune.networks.batching import batched, sizes
    from fastprune.runtime import backend
    from fastprune.sets.image_set import ImageSet

    batch, size = sizes([network], MEMORY)
    run = batched(network.graph.input, network.kept, batch)
    ways = {"images up": [0, 0.0], "cut down": [0, 0.0]}
    for name, (_, path) in sets.items():
        shape, classes = network.input_shape, network.n_classes
        with ImageSet(name, path, input_shape=shape, n_classes=classes) as images:
            for chunk in images.chunks(size):
                up, _ = _timed(lambda: _wait(keras.ops.convert_to_tensor(chunk.images)))  # noqa: B023
                cut = [_wait(tensor) for tensor in run(chunk.images)]
                down, host = _timed(lambda: [backend.to_numpy(tensor) for tensor in cut])  # noqa: B023
                for way, moved, spent in (
                    ("images up", chunk.images.nbytes, up),
                    ("cut down", sum(array.nbytes for array in host), down),
                ):
                    ways[way] = [ways[way][0] + moved, ways[way][1] + spent]
    return {way: {"bytes": moved, "seconds": spent} for way, (moved, spent) in ways.items()}


def oracle(network: Any, sets: dict[str, tuple[str, Path]], order: Path) -> Any:
    """Return plain Keras's hits of the first set at a few steps, weights zeroed."""
    import numpy as np

    from bench import plain
    from bench.cases import load_whole

    name, (_, path) = next(iter(sets.items()))
    steps = [0, round(0.75 * network.n_channels), network.n_channels - 1]
    layer = network.describe()["prune_layer"]
    return plain.weights_hits(
        network.model, layer, np.load(order), {name: load_whole(path)}, steps
    )  # fmt: skip


def _timed(run: Any, *arguments: Any) -> tuple[float, Any]:
    begin = time.perf_counter()
    found = run(*arguments)
    return time.perf_counter() - begin, found


def _wait(tensor: Any) -> Any:
    """Return a tensor once it is computed and where it is to be."""
    if hasattr(tensor, "block_until_ready"):
        return tensor.block_until_ready()
    if getattr(tensor, "is_cuda", False):
        import torch

        torch.cuda.synchronize()
    return tensor


def _memory() -> dict[str, int]:
    """Return the peak of this process in bytes: of the device, where it says, and of the host."""
    from fastprune.runtime import backend, machine

    found = {"host": machine.peak_memory()}
    if not backend.on_accelerator():
        return found
    if backend.name() == "jax":
        import jax

        stats = jax.local_devices()[0].memory_stats() or {}
        return {**found, "device": int(stats.get("peak_bytes_in_use", 0))}
    import torch

    return {**found, "device": int(torch.cuda.max_memory_allocated())}


def _keyed(by_set: Any) -> Any:
    """Return numbers by set and step as JSON keeps them."""
    return {name: {str(step): n for step, n in steps.items()} for name, steps in by_set.items()}


JOBS = {"probe": probe, "make": make, "measure": measure}


def main() -> None:
    """Do the job on the command line."""
    sys.meta_path[:] = [Without(sys.meta_path)]
    os.environ.setdefault("KERAS_BACKEND", "jax")
    job = json.loads(sys.argv[1])
    # What libraries print goes to stderr: stdout holds the answer alone.
    answer, sys.stdout = sys.stdout, sys.stderr
    print(json.dumps(JOBS[job["do"]](job)), file=answer)


if __name__ == "__main__":
    main()
