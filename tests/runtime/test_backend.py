"""The same sweep on Keras's other backends, each in a process of its own."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fastprune.runtime import backend

SCRIPT = """
import numpy as np
import fastprune
from fastprune import reference
from fastprune.runtime import backend
from tests.helpers.networks import (
    CHANNELS, block, build, deepid, padded_pools, pictures, unknown_tail,
)

assert backend.name() == "{name}", backend.name()
for body in (deepid, unknown_tail, padded_pools):
    model = build(body)
    images = pictures(75)
    labels = model.predict(images, verbose=0).argmax(axis=1)
    for engine in ("auto", "keras"):
        result = fastprune.sweep(
            model, valid=(images, labels), clean=dict(first=(images[:13], labels[:13])),
            engine=engine, cut_layer="cut_here", verify=2,
        )
        for name, count in (("valid", 75), ("first", 13)):
            for step in range(CHANNELS + 1):
                expected = reference.classes(model, "prune_me", result.order[:step], images[:count])
                hits = result.sets[name].counts.hits[step]
                assert hits == np.sum(expected == labels[:count]), (engine, name, step)
    goodnet = result.goodnet(n_pruned=3).predict(images, verbose=0).argmax(axis=1)
    assert np.sum(goodnet == model.output_shape[-1]) == result.sets["valid"].counts.flagged[3]
model = build(block)
labels = model.predict(images, verbose=0).argmax(axis=1)
for choice in (
    dict(prune_layer="inner"), dict(prune_layer="prune_me", zero_at="bn"), dict(mask_layer="sum"),
):
    for engine in ("auto", "keras"):
        fastprune.sweep(model, valid=(images, labels), engine=engine, verify=6, **choice)
print("agrees")
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tensorflow", "jax", "torch"])
def test_a_small_sweep_on_every_backend(name):
    if importlib.util.find_spec(name) is None:
        pytest.skip(f"{name} is not installed")
    here = Path(__file__).resolve().parents[2]
    environment = {**os.environ, "KERAS_BACKEND": name, "PYTHONPATH": str(here)}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT.format(name=name)],
        capture_output=True, text=True, env=environment, check=False,
    )  # fmt: skip
    assert done.stdout.strip() == "agrees", done.stderr[-2000:]


@pytest.mark.skipif(backend.name() != "tensorflow", reason="a warning of TensorFlow's")
def test_functions_of_many_networks_are_traced_once_each(caplog):
    """TensorFlow warns where functions of one place in the code are traced again and again."""
    traced = []

    def made():
        def function(values):
            traced.append(values.shape)
            return values + 1

        return backend.compiled(function, signature=(((None, 2), "float32"),))

    for function in [made() for _ in range(12)]:
        for images in (1, 3, 4):
            found = backend.to_numpy(function(np.zeros((images, 2), np.float32)))
            np.testing.assert_array_equal(found, np.ones((images, 2)))
    assert len(traced) == 12
    assert "retracing" not in caplog.text
