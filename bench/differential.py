"""The full differential test: every image, every step, against plain Keras.

``python -m bench.differential --lab DIR`` predicts every image of the four sets under the network
zeroed at every step, with :mod:`fastprune.reference`, and compares the classes with the engine's.
It ends with 1 when one differs that is no near-tie.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from numpy.typing import NDArray

from bench import labs
from bench.about import about_machine
from fastprune.files.atomic import whole_file

BATCH = 256
SHOWN = 10
"""Differences outside near-ties that are written one by one."""


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    made = argparse.ArgumentParser(prog="python -m bench.differential", description=__doc__)
    made.add_argument("--lab", type=Path, required=True, help="a folder in the lab's layout")
    made.add_argument("--sets", default=",".join(labs.KINDS), help="sets to compare")
    made.add_argument("--steps", default="all", help="all, or steps such as 0,45,60")
    made.add_argument("--from-step", type=int, default=0, help="first step")
    made.add_argument("--to-step", type=int, help="last step, included")
    made.add_argument("--engine", default="auto", help="fastprune's engine")
    made.add_argument("--order", default="ascending", help="as for fastprune.sweep")
    made.add_argument("--out", type=Path, default=Path(__file__).with_name("differential.json"))
    return made


def steps_of(options: argparse.Namespace, n_channels: int) -> list[int]:
    """Return the steps that the command line asks for."""
    last = n_channels if options.to_step is None else min(options.to_step, n_channels)
    inside = range(options.from_step, last + 1)
    if options.steps == "all":
        return list(inside)
    return [step for step in map(int, options.steps.split(",")) if step in inside]


def fast_classes(
    network: Any, engine: Any, path: str, order: NDArray[np.int64], size: int
) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """Return the engine's classes and near-ties, (n_channels + 1, images), chunk by chunk."""
    from fastprune.runtime import backend
    from fastprune.sets.image_set import ImageSet

    model = network.prefix
    signature = (((None, *network.input_shape), "float32"),)
    prefix = backend.compiled(lambda images: model(images, training=False), signature=signature)
    shape, n_classes = network.input_shape, network.n_classes
    with ImageSet("set", path, input_shape=shape, n_classes=n_classes) as images:
        found = [
            engine.classes(engine.block(prefix(chunk.images)), order)
            for chunk in images.chunks(size)
        ]
    classes = np.concatenate([one.classes for one in found], axis=1)
    return classes, np.concatenate([one.near_ties for one in found], axis=1)


def whole_set(path: str) -> NDArray[np.float32]:
    """Return a set's images, float32 channels last, read apart from fastprune."""
    import h5py

    with h5py.File(path, "r") as file:
        data = file["data"]
        count, planes, height, width = data.shape
        images = np.empty((count, height, width, planes), np.float32)
        for start in range(0, count, BATCH):
            images[start : start + BATCH] = data[start : start + BATCH].transpose(0, 2, 3, 1)
    return images


def compare_set(
    network: Any, engine: Any, path: str, order: NDArray[np.int64], size: int, steps: list[int]
) -> dict[str, Any]:
    """Compare one set at every one of `steps`."""
    from fastprune import reference

    start = time.perf_counter()
    classes, ties = fast_classes(network, engine, path, order, size)
    fast = time.perf_counter() - start
    images = whole_set(path)
    assert len(images) == classes.shape[1]
    layer = network.cut.prune.name
    different, outside = 0, []
    start = time.perf_counter()
    for step in steps:
        expected = reference.classes(network.model, layer, order[:step], images, BATCH)
        unlike = expected != classes[step]
        different += int(unlike.sum())
        outside += [
            {"image": int(image), "n_pruned": step, "keras": int(expected[image]),
             "fastprune": int(classes[step, image])}
            for image in np.flatnonzero(unlike & ~ties[step])
        ]  # fmt: skip
        print(
            f"  n_pruned {step}: {different} different so far, {len(outside)} outside near-ties, "
            f"{time.perf_counter() - start:.0f} s", file=sys.stderr,
        )  # fmt: skip
    return {
        "images": len(images),
        "compared": len(images) * len(steps),
        "near_ties": int(ties[steps].sum()),
        "different": different,
        "different_outside_near_ties": len(outside),
        "examples": outside[:SHOWN],
        "seconds_fastprune": round(fast, 3),
        "seconds_keras": round(time.perf_counter() - start, 3),
    }


def main() -> int:
    """Run the command line."""
    options = parser().parse_args()
    import fastprune
    from fastprune.suffix.select import make_engine

    path, sets = labs.find_lab(options.lab.resolve())
    network = fastprune.load_network(path)
    first = fastprune.sweep(network, valid=sets["valid"][1], order=options.order)
    engine = make_engine(network, options.engine)
    steps = steps_of(options, network.n_channels)
    found = {}
    for name in options.sets.split(","):
        print(f"{name}: {len(steps)} steps", file=sys.stderr)
        size = first.options["batch_size"]
        found[name] = compare_set(network, engine, sets[name][1], first.order, size, steps)
    summed = ("compared", "near_ties", "different", "different_outside_near_ties")
    total = {key: sum(one[key] for one in found.values()) for key in summed}
    report = {
        "network": Path(path).name, "fingerprint": network.fingerprint, "engine": engine.name,
        "order": first.order.tolist(), "order_name": options.order, "steps": steps,
        "machine": about_machine(), "sets": found, "total": total,
    }  # fmt: skip
    with whole_file(options.out) as temporary:
        Path(temporary).write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(total))
    return int(total["different_outside_near_ties"] > 0)


if __name__ == "__main__":
    sys.exit(main())
