"""Every threshold of a verdict, on both sides; classes and labels alone, no network."""

from __future__ import annotations

import numpy as np
import pytest

from fastprune.plausibility import labels as of_labels
from fastprune.plausibility import pairs, scales, significance, unlabelled
from fastprune.plausibility.trial import ScaleTrial, Trial
from fastprune.plausibility.trying import implied_scale, spread
from fastprune.plausibility.verdicts import doubts

N = 64


def trial(classes, labels, *, kind="clean", name="valid", images=None, **more):
    classes, labels = np.asarray(classes), np.asarray(labels)
    known = np.unique(labels)
    more = {"known": known, **more}
    return Trial(name, kind, images or len(labels), labels=labels, classes=classes, **more)


def good(n=N, n_classes=10, wrong=0, seed=0):
    """Labels, and classes that miss the first `wrong` of them by 5."""
    labels = np.random.default_rng(seed).permutation(np.arange(n) % n_classes)
    classes = labels.copy()
    classes[:wrong] = (classes[:wrong] + 5) % n_classes
    return classes, labels


def attacked(put, *, n=N, target=3, label=3, name="bd"):
    """A backdoored set of which B puts `put` images in the target and the others in 100 and up."""
    classes = np.arange(100, 100 + n)
    classes[:put] = target
    return trial(classes, np.full(n, label), kind="backdoored", name=name)


def test_exact_tests_are_those_of_the_books():
    # SciPy's binom.sf(7, 20, 0.25) and binomtest(2, 12).pvalue / 2.
    assert significance.at_least(8, 20, 0.25) == pytest.approx(0.1018119, abs=1e-6)
    first, second = np.zeros((2, 30), bool)
    first[:10], second[10:12] = True, True
    assert significance.better(first, second) == pytest.approx(79 / 4096)
    assert significance.better(second, second) == 1
    assert significance.at_least(200, 256, 0.5) == pytest.approx(9.3e-21, rel=0.1)


def scale_trial(given, other, both=0, n=256):
    """Images that only one scale gets right, or both; labels are spread over 50 classes."""
    labels = np.arange(n) % 50
    right = np.zeros((2, n), bool)
    right[0, :given], right[1, given : given + other] = True, True
    right[:, given + other : given + other + both] = True
    wrong = (labels + 7) % 50
    return ScaleTrial("valid", labels, dict(zip((1.0, 255.0), np.where(right, labels, wrong),
                                                strict=True)))  # fmt: skip


@pytest.mark.parametrize(
    ("given", "other", "both", "best"),
    [
        # 2**-13 > 1e-4 > 2**-14; and 14 of 256 are no more than chance among 50 classes.
        (0, 13, 200, 1), (0, 14, 200, 255), (0, 14, 0, 1), (0, 20, 0, 255),
        (10, 33, 100, 1), (10, 40, 100, 255), (40, 10, 100, 1),
    ],
)  # fmt: skip
def test_a_scale_is_named_where_it_is_clearly_better(given, other, both, best):
    assert scales.best_scale(scale_trial(given, other, both)) == best


@pytest.mark.parametrize("share", [0.46, 0.58, 0.71])
def test_a_wrong_scale_far_above_chance_is_noticed(share):
    """Networks for 0-1 that still do half of their work on 0-255, and nearly all at 255."""
    right = round(share * 256)
    found = scales.scale_doubt(scale_trial(2, 248 - right, right))
    assert "run it with --scale 255" in found.message


def test_chance_is_no_scale():
    """Another class for everything may hit more labels, and has nothing to do with them."""
    labels = np.repeat([0, 1], [56, 200])
    classes = {1.0: np.zeros(256, int), 255.0: np.ones(256, int)}
    assert scales.best_scale(ScaleTrial("valid", labels, classes)) == 1


def test_the_scale_that_was_asked_for_is_the_first_candidate():
    assert scales.candidates(255, None) == [255, 1.0, 1 / 255]
    assert scales.candidates(1.0, 15.9375) == [1.0, 255.0, 1 / 255, 15.9375]


def test_a_rescaling_implies_a_scale():
    import keras
    from keras import layers

    from fastprune.networks.classifier import load_classifier

    def implied(white, *start):
        x = inputs = keras.Input((4, 4, 3))
        for layer in start:
            x = layer(x)
        model = keras.Model(inputs, layers.Dense(2)(layers.Flatten()(x)))
        return implied_scale(load_classifier(model)[0], white)

    assert implied(255.0) is None
    assert implied(255.0, layers.Rescaling(1 / 255)) == pytest.approx(1)
    assert implied(255.0, layers.Rescaling(1 / 127.5, offset=-1)) == pytest.approx(1)
    assert implied(1.0, layers.Rescaling(1 / 255)) == pytest.approx(1 / 255)
    assert implied(255.0, layers.Rescaling(1 / 16)) == pytest.approx(255 / 16)
    assert implied(255.0, layers.ReLU(), layers.Rescaling(1 / 16)) is None
    assert implied(255.0, layers.Rescaling([1 / 16, 1, 1])) is None


@pytest.mark.parametrize(("right", "noticed"), [(6, True), (12, True), (13, False), (64, False)])
def test_near_chance(right, noticed):
    classes, labels = good(wrong=N - right)
    assert of_labels.near_chance(classes, labels) == noticed


def test_a_few_hits_among_many_classes_are_no_chance():
    """As of a B′ of which little is left."""
    labels = np.arange(32)
    for right, noticed in ((1, True), (3, False)):
        classes = np.where(labels < right, labels, labels + 500)
        assert of_labels.near_chance(classes, labels) == noticed


@pytest.mark.parametrize(("n", "noticed"), [(15, False), (16, True)])
def test_few_images_say_nothing(n, noticed):
    classes, labels = good(n, wrong=n)
    assert bool(list(of_labels.clean_doubts([trial(classes, labels)]))) == noticed
    label = trial(np.full(n, 3), np.full(n, 3))
    assert bool(list(of_labels.clean_doubts([label]))) == noticed


@pytest.mark.parametrize(("put", "words"), [(31, "true class"), (32, "like a backdoored set")])
def test_one_label(put, words):
    classes = np.where(np.arange(N) < put, 3, 4)
    (found,) = of_labels.clean_doubts([trial(classes, np.full(N, 3))])
    assert words in found.message


@pytest.mark.parametrize(("step", "beside", "noticed"), [
    (1, 31, False), (1, 32, True), (-1, 31, False), (-1, 32, True), (2, 64, False),
])  # fmt: skip
def test_labels_off_by_one(step, beside, noticed):
    labels = good()[1] + 1
    classes = np.where(np.arange(N) < beside, labels + step, labels + 20)
    found = [doubt.message for doubt in of_labels.clean_doubts([trial(classes, labels)])]
    assert any(f"as label {step:+d}" in message for message in found) == noticed


@pytest.mark.parametrize(("alike", "noticed"), [(60, True), (44, False)])
def test_labels_by_other_numbers(alike, noticed):
    labels = np.arange(N) % 10
    classes = np.where(np.arange(N) < alike, (labels * 3 + 2) % 10, np.arange(N) + 20)
    assert of_labels.knows_otherwise(classes, labels) == noticed
    few = np.arange(N) % 50
    assert not of_labels.knows_otherwise(few[::-1], few), "14 pairs are not enough"


@pytest.mark.parametrize(
    ("worn", "otherwise", "noticed"), [(17, 0, True), (13, 0, False), (20, 12, False)]
)
def test_a_part_with_the_trigger(worn, otherwise, noticed):
    """`worn` in the target; as many more wrong `otherwise` speak of a weak network."""
    classes, labels = good()
    labels = np.where(labels == 3, 4, labels)
    classes = labels.copy()
    classes[:worn] = 3
    classes[worn : worn + otherwise] = 20 + np.arange(otherwise)
    found = list(of_labels.clean_doubts([trial(classes, labels), attacked(N)]))
    assert bool(found) == noticed


@pytest.mark.parametrize(("put", "noticed"), [(47, False), (48, True)])
def test_another_target(put, noticed):
    right = trial(*good())
    found = list(of_labels.backdoored_doubts([right, attacked(put, label=7)]))
    assert bool(found) == noticed
    assert not list(of_labels.backdoored_doubts([right, attacked(put)]))
    collapsed = trial(np.full(N, 3), good()[1])
    assert not list(of_labels.backdoored_doubts([collapsed, attacked(put, label=7)]))


@pytest.mark.parametrize(("n_targets", "noticed"), [(5, False), (6, True)])
def test_many_labels(n_targets, noticed):
    labels = np.arange(N) % n_targets
    found = list(of_labels.backdoored_doubts([trial(labels, labels, kind="backdoored")]))
    assert bool(found) == noticed
    truth = (labels + 1) % n_targets
    every = trial(labels, labels, kind="backdoored", truth=truth)
    assert not list(of_labels.backdoored_doubts([every])), "a target for every class"


@pytest.mark.parametrize(("right", "noticed"), [(31, False), (32, True)])
def test_swapped_sets(right, noticed):
    _, labels = good()
    classes = np.where(np.arange(N) < right, labels, 50)
    sets = [attacked(N, name="clean"), trial(classes, labels, kind="backdoored", name="bd")]
    sets[0] = trial(sets[0].classes, sets[0].labels, name="clean")
    assert bool(list(pairs.swapped(sets, of_labels.TARGETS))) == noticed


@pytest.mark.parametrize(("same", "noticed"), [(31, False), (32, True)])
def test_the_same_images(same, noticed):
    first, second = np.arange(N, dtype=np.uint64), np.arange(N, dtype=np.uint64)
    second[same:] += np.uint64(1000)
    sets = [trial(*good(), digests=first), trial(*good(), digests=second, name="test")]
    assert bool(list(pairs.same_images(sets))) == noticed
    sets[1] = trial(*good(), digests=second, name="test", images=N + 1)
    assert not list(pairs.same_images(sets)), "of another size they were taken from elsewhere"


@pytest.mark.parametrize(
    ("shared", "of", "noticed"),
    [(2, 20, False), (3, 20, True), (10, 1000, False), (11, 1000, True), (0, 1000, False)],
)
def test_shared_images(shared, of, noticed):
    chosen, measured = np.arange(500, dtype=np.uint64), np.arange(of, dtype=np.uint64) + 10_000
    measured[:shared] = chosen[:shared]
    assert bool(pairs.shared_doubt("valid", "test", chosen, measured)) == noticed


@pytest.mark.parametrize(
    ("brightest", "noticed"), [(255.0, False), (8.0, False), (7.9, True), (1.0, True), (0, False)]
)
def test_pixels_of_another_scale(brightest, noticed):
    sets = [trial(*good()), trial(*good(), name="test", brightest=brightest)]
    assert bool(list(pairs.unlike_pixels(sets))) == noticed
    centred = trial(*good(), name="test", brightest=brightest, darkest=-1.0)
    assert not list(pairs.unlike_pixels([sets[0], centred]))


def test_at_a_wrong_scale_nothing_is_said_of_classes():
    lost = trial(np.full(N, 49), good()[1])
    (said,) = doubts([lost, attacked(N, label=7)], scale_trial(0, 200))
    assert "--scale 255" in said


@pytest.mark.parametrize(
    ("same", "unsure", "several", "noticed"),
    [(16, 0.8, 7, True), (15, 0.8, 7, False), (16, 0.9, 7, False), (16, 0.8, 8, False)],
)
def test_images_without_labels_that_are_too_dark(same, unsure, several, noticed):
    n = 32
    dark = np.where(np.arange(n) < same, 5, np.arange(n) + 100)
    light = np.where(np.arange(n) < several, 5, np.arange(n) + 100)
    found = unlabelled.too_dark(
        (255.0, 1.0), (dark, light), (np.full(n, unsure), np.full(n, 0.99))
    )
    assert bool(found) == noticed
    few = ((np.zeros(15, int), np.arange(15)), (np.full(15, 0.1), np.full(15, 0.99)))
    assert unlabelled.too_dark((255.0, 1.0), *few) is None


@pytest.mark.parametrize(
    ("given", "implied", "noticed"), [(255, 1, True), (1, 1, False), (31, 1, False), (255, None, 0)]
)
def test_a_network_that_rescales_by_itself(given, implied, noticed):
    assert bool(unlabelled.rescaled_twice(given, implied)) == bool(noticed)


def test_images_are_taken_from_all_of_a_set():
    found = spread(100_000, 32)
    assert len(found) == 32
    assert found[-1] == 99_999
    assert (np.diff(found[::4]) > 10_000).all()
