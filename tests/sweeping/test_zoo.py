"""Networks of many shapes, swept: every class at every step is that of the definition."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastprune
from fastprune.errors import OptionError
from fastprune.networks.network import load_network
from fastprune.suffix.select import make_engine
from tests.helpers import oracle, zoo
from tests.helpers.kept import kept_of

MANY_CLASSES = (*zoo.CLASSES_AS_CHANNELS, "deepid", "vgg", "sigmoid_head")
"""Kinds that are tried with 100 and with 1,000 classes as well."""

CASES = [(name, 10) for name in zoo.ZOO]
CASES += [(name, n_classes) for name in MANY_CLASSES for n_classes in (100, 1000)]

COMPILED_WHOLE = frozenset({
    *zoo.CLASSES_AS_CHANNELS, "vgg", "deepid", "deepid_of_divided_pixels", "inception",
    "two_branches_multiplied", "leaky_relu", "elu", "silu", "tanh", "sigmoid", "relu_with_options",
    "layers_as_activations", "dropout_and_noise", "random_flip", "nested", "nested_sequential",
    "grouped", "dilated", "strided", "separable", "depthwise_at_the_cut", "max_pooling_same",
    "average_pooling_same", "global_pooling", "negative_gamma", "residual_post_activation",
    "residual_pre_activation", "densenet", "operations_in_front", "rescaling", "default_names",
    "bias_free", "softmax_layer", "sigmoid_head", "linear_head",
})  # fmt: skip
"""Kinds that the compiled loops must know from the cut to the scores."""

UNDER_BOUNDS_CHECKING = [
    *((name, n_classes) for name in zoo.CLASSES_AS_CHANNELS for n_classes in (10, 100, 1000)),
    ("vgg", 10), ("vgg", 1000), ("deepid", 10), ("inception", 10), ("elu", 10), ("silu", 10),
    ("tanh", 10), ("dilated", 10), ("strided", 10), ("max_pooling_same", 10),
    ("average_pooling_same", 10), ("two_branches_multiplied", 10), ("negative_gamma", 10),
    ("dense_on_pixels", 10), ("layer_normalization_behind", 10),
]  # fmt: skip
"""Kinds that take every compiled loop there is, in three sizes where the channels are classes."""

SETS = {"valid": slice(0, 14), "test": slice(14, 24), "backdoored": slice(24, 36)}
"""Which images belong to which set."""


class Case:
    """A network, its sets, an order, and what the definition says."""

    def __init__(self, name: str, n_classes: int) -> None:
        kind = zoo.ZOO[name]
        self.scale, self.cut = kind.scale, kind.cut
        self.model = zoo.build(name, n_classes)
        self.pixels = zoo.pictures(kind, 36)
        backdoored = self.pixels[SETS["backdoored"]]
        backdoored[:, -4:, -4:] = 255 if kind.pixels else 2  # the trigger
        self.images = self.pixels.astype(np.float32) / np.float32(kind.scale)
        n_channels = oracle.layer_named(self.model, zoo.PRUNED).filters
        rng = np.random.default_rng(7)
        self.order = rng.permutation(n_channels)
        self.truth = oracle.classes_of(self.model, zoo.PRUNED, self.order, self.images)
        # Most labels are B's classes, some are not; a backdoored set has one.
        self.labels = np.where(
            rng.random(36) < 0.8, self.truth.classes[0], rng.integers(0, n_classes, 36)
        )
        self.labels[SETS["backdoored"]] = np.bincount(
            self.truth.classes[:, SETS["backdoored"]].ravel()
        ).argmax()

    def set_of(self, name: str) -> tuple[Any, Any]:
        return self.pixels[SETS[name]], self.labels[SETS[name]]


make_case = lru_cache(maxsize=None)(Case)


@pytest.fixture(scope="module", autouse=True)
def _no_case_outlives_this_file() -> Iterator[None]:
    yield
    make_case.cache_clear()


@pytest.mark.parametrize(("name", "n_classes"), CASES)
@pytest.mark.slow
def test_the_zoo_tells_right_from_wrong(name, n_classes):
    """Pruning moves images between many classes, and hardly any two scores are alike."""
    truth = make_case(name, n_classes).truth
    assert len(np.unique(truth.classes[0])) >= 5
    moved = truth.classes[1:] != truth.classes[:-1]
    assert moved.sum() >= 0.15 * zoo.CHANNELS * truth.classes.shape[1]
    assert truth.near_ties.mean() < 0.02


@pytest.mark.parametrize(("name", "n_classes"), CASES)
@pytest.mark.slow
def test_the_class_of_every_image_at_every_step(name, n_classes):
    case = make_case(name, n_classes)
    network = load_network(case.model, prune_layer=zoo.PRUNED, cut_layer=case.cut)
    kept = kept_of(network, case.images)
    for engine in _engines(network, whole=name in COMPILED_WHOLE):
        steps = engine.classes(engine.block(*kept), case.order)
        unlike = steps.classes != case.truth.classes
        for allowed in (case.truth.near_ties, steps.near_ties):
            assert not (unlike & ~allowed).any(), (
                f"{engine.name} differs at steps {np.unique(np.nonzero(unlike & ~allowed)[0])}"
            )


def _engines(network, *, whole):
    try:
        compiled = [make_engine(network, "incremental")]
    except OptionError:
        compiled = []
    if whole:
        assert [engine.name for engine in compiled] == ["incremental"]
    return [*compiled, make_engine(network, "keras")]


@pytest.mark.parametrize(("name", "n_classes"), CASES)
@pytest.mark.slow
def test_counts_of_a_sweep_at_every_step(name, n_classes):
    case = make_case(name, n_classes)
    result = fastprune.sweep(
        case.model, valid=case.set_of("valid"), clean={"test": case.set_of("test")},
        backdoored={"backdoored": case.set_of("backdoored")},
        order=case.order.tolist(), scale=case.scale, prune_layer=zoo.PRUNED, cut_layer=case.cut,
    )  # fmt: skip
    np.testing.assert_array_equal(result.order, case.order)
    for name_, part in SETS.items():
        classes, labels = case.truth.classes[:, part], case.labels[part]
        counts, unsure = result.sets[name_].counts, case.truth.near_ties[:, part].sum(axis=1)
        hit, agree = classes == labels, classes == classes[0]
        assert counts.images == len(labels)
        assert (abs(counts.hits - hit.sum(axis=1)) <= unsure).all()
        assert (abs(counts.goodnet_hits - (hit & agree).sum(axis=1)) <= unsure + unsure[0]).all()
        assert (abs(counts.flagged - (~agree).sum(axis=1)) <= unsure + unsure[0]).all()
        if counts.class_hits is not None:
            np.testing.assert_array_equal(counts.class_hits.sum(axis=1), counts.hits)


@pytest.mark.slow
def test_compiled_loops_stay_inside_their_arrays(tmp_path):
    """Each access is checked: a place outside an array is an error there, not a wrong number."""
    ids = [f"{name}-{n_classes}" for name, n_classes in UNDER_BOUNDS_CHECKING]
    test = f"{Path(__file__)}::test_the_class_of_every_image_at_every_step"
    environment = {
        **os.environ, "NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": str(tmp_path / "numba"),
    }  # fmt: skip
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, *(f"{test}[{part}]" for part in ids)],
        cwd=Path(__file__).parents[1], env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    assert f"{len(ids)} passed" in done.stdout
