"""The plain sides of a sweep of one layer: weights zeroed in a loop, and activations masked.

Both take the order that a sweep left in a file, and measure some of the steps. They load the
network's file themselves: of fastprune they know its path and how many steps there are.
"""

from __future__ import annotations

import time

import numpy as np

from bench import plain
from bench.cases import TUNED_BATCH, Case, Hits, Job, Outcome, count, extrapolated, load_whole
from bench.cases import streamed as streamed_set


def loop(job: Job) -> Outcome:
    """Load the sets whole; zero a layer's weights, then ``predict`` with Keras's defaults."""
    import keras

    model, begin = keras.saving.load_model(job.network.path), time.perf_counter()
    loaded = {name: load_whole(path) for name, (_, path) in job.sets.items()}
    layer, order = model.get_layer(job.options["zeroed"]), np.load(job.options["order"])
    before = layer.get_weights()
    hits: Hits = {name: {} for name in loaded}
    fixed, spent = time.perf_counter() - begin, []
    for step in job.steps:
        start = time.perf_counter()
        layer.set_weights(plain.zeroed(layer, before, order[:step]))
        for name, (images, label) in loaded.items():
            hits[name][step] = count(model.predict(images, verbose=0), label)
        spent.append(time.perf_counter() - start)
    layer.set_weights(before)
    return extrapolated(job, fixed, spent, hits)


def masked(job: Job) -> Outcome:
    """Keep a layer's output, and what leads around it; mask it and predict the rest, every step."""
    import keras

    model, begin = keras.saving.load_model(job.network.path), time.perf_counter()
    order = np.load(job.options["order"])
    names = [job.options["masked"], *job.options["sides"]]
    inside = [model.get_layer(name).output for name in names]
    before, rest = keras.Model(model.inputs[0], inside), keras.Model(inside, model.outputs[0])
    kept = {}
    for name, (_, path) in job.sets.items():
        batches, label = streamed_set(path, job.network.input_shape)
        kept[name] = keras.tree.flatten(before.predict(batches, verbose=0)), label
    fixed, spent = time.perf_counter() - begin, []
    hits: Hits = {name: {} for name in kept}
    for step in job.steps:
        start = time.perf_counter()
        for name, (values, label) in kept.items():
            values[0][..., order[:step]] = 0
            scores = rest.predict(values, batch_size=TUNED_BATCH, verbose=0)
            hits[name][step] = count(scores, label)
        spent.append(time.perf_counter() - start)
    return extrapolated(job, fixed, spent, hits)


LAYER_CASES = {
    "loop": Case("", loop, "a layer's weights zeroed, `predict` of whole sets, per step"),
    "masked": Case("", masked, "a layer's output kept and masked, plain Keras behind it, per step"),
}
"""Both by their names."""
