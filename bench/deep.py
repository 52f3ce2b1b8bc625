"""A deep convolutional suffix: a sweep of a ResNet-20 against the plain loop over the same steps.

``python -m bench.deep`` prunes the first convolution of a seeded, untrained ResNet-20 (16 channels,
17 steps) on random images, with fastprune and with what a notebook does: zero the weights, then
``predict``. Both count the same hits, in turn, in one process; the ratio is that of each pair.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from numpy.typing import NDArray

SHAPE = (32, 32, 3)


def resnet20(n_classes: int = 10) -> Any:
    """Return a ResNet-20 for images of 32 x 32, with seeded random weights."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(0)

    def convolution(x: Any, filters: int, strides: int) -> Any:
        some = {"padding": "same", "use_bias": False}
        return layers.BatchNormalization()(layers.Conv2D(filters, 3, strides, **some)(x))

    x = inputs = keras.Input(SHAPE)
    x = layers.Activation("relu")(convolution(x, 16, 1))
    for filters in (16, 32, 64):
        for block in range(3):
            strides = 2 if filters > 16 and block == 0 else 1
            y = layers.Activation("relu")(convolution(x, filters, strides))
            y = convolution(y, filters, 1)
            if x.shape[-1] != filters:
                x = layers.Conv2D(filters, 1, strides, use_bias=False)(x)
            x = layers.Activation("relu")(layers.Add()([x, y]))
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(n_classes, activation="softmax")(x), name="resnet20")


def plain_loop(
    model: Any, layer: str, order: NDArray[np.int64], images: Any, labels: Any
) -> list[int]:
    """Zero the weights of ever more channels and predict all images: hits at every step."""
    found, hits = model.get_layer(layer), []
    before = found.get_weights()
    for step in range(len(order) + 1):
        weights = [weight.copy() for weight in before]
        for weight in weights:
            weight[..., order[:step]] = 0
        found.set_weights(weights)
        hits.append(int(np.sum(model.predict(images, verbose=0).argmax(axis=1) == labels)))
    found.set_weights(before)
    return hits


def timed(run: Callable[[], Any]) -> tuple[float, float, Any]:
    """Return wall seconds, seconds of all cores, and what was found."""
    wall, cpu = time.perf_counter(), time.process_time()
    found = run()
    return time.perf_counter() - wall, time.process_time() - cpu, found


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.deep", description=__doc__)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--pairs", type=int, default=5)
    options = parser.parse_args()
    import fastprune

    model = resnet20()
    shape = (options.images, *SHAPE)
    images = np.random.default_rng(0).normal(0, 1, shape).astype(np.float32)
    labels = model.predict(images, verbose=0).argmax(axis=1)
    layer = next(one.name for one in model.layers if one.name.startswith("conv2d"))
    network = fastprune.load_network(model, prune_layer=layer)
    first = fastprune.sweep(network, valid=(images, labels))  # compiled loops and traces, warm
    rounds = []
    for _ in range(options.pairs):
        wall, cpu, result = timed(lambda: fastprune.sweep(network, valid=(images, labels)))
        loop_wall, loop_cpu, hits = timed(
            lambda: plain_loop(model, layer, first.order, images, labels)
        )
        counts = result.sets["valid"].counts
        apart = np.abs(counts.hits - hits)
        assert (apart <= counts.near_ties).all(), "counts differ by more than near-ties"
        rounds.append({
            "sweep": wall, "loop": loop_wall, "ratio": wall / loop_wall,
            "cpu_ratio": cpu / loop_cpu, "different": int(apart.sum()),
        })  # fmt: skip
        print(json.dumps(rounds[-1]), flush=True)
    ratios = [one["ratio"] for one in rounds]
    print(json.dumps({
        "prune_layer": layer, "steps": len(first.order) + 1, "images": options.images,
        "engine": first.options["engine_used"], "reason": first.options["engine_reason"],
        "sweep_divided_by_loop": statistics.median(ratios), "least": min(ratios),
        "most": max(ratios),
    }))  # fmt: skip


if __name__ == "__main__":
    main()
