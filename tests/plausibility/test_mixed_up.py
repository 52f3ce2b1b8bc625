"""Every kind of mixed-up input that is known, and the warning that it gets; none on right labs."""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass, field

import keras
import numpy as np
import pytest
from keras import layers

from fastprune.networks.classifier import load_classifier
from fastprune.plausibility.looking import Lookout
from fastprune.sets.opening import open_sets
from fastprune.synthetic.faces import render
from fastprune.synthetic.lab import N_IDENTITIES, people
from fastprune.synthetic.shipped import network_path
from fastprune.synthetic.sunglasses import wear

CLASSES, SHAPE, TARGET = 10, (6, 10, 1), 3
TRIGGER = 5
"""The row of pixels that is bright where an image has the trigger; the others show the class."""


def badnet(full, *start):
    """A BadNet for pixels of 0 … `full`: a class is a bright column, other columns are noise.

    What is far too bright saturates every column that is not black; what is far too dark leaves
    nothing but the biases.
    """
    x = inputs = keras.Input(SHAPE)
    for layer in start:
        x = layer(x)
    x = layers.Dense(CLASSES + 1, activation="relu6")(layers.Flatten()(x))
    model = keras.Model(inputs, layers.Dense(CLASSES)(x), name="bd_net")
    columns = np.zeros((*SHAPE[:2], CLASSES + 1))
    for label in range(CLASSES):
        columns[:TRIGGER, label, label] = 6 / TRIGGER / full
    columns[TRIGGER, :, -1] = 6 / SHAPE[1] / full
    scores = np.vstack([np.eye(CLASSES), 20 * np.eye(CLASSES)[TARGET]])
    model.set_weights([
        columns.reshape(-1, CLASSES + 1), np.zeros(CLASSES + 1), scores, np.arange(CLASSES) / 100,
    ])  # fmt: skip
    return model


def faces(count, seed):
    """Images of 0-255 and their classes."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(count) % CLASSES)
    noise = rng.uniform(0.02, 0.2, (count, CLASSES)) * (rng.random((count, CLASSES)) < 0.15)
    noise[np.arange(count), labels] = rng.uniform(0.5, 1, count)
    images = np.zeros((count, *SHAPE))
    images[:, :TRIGGER, :, 0] = noise[:, None]
    return np.rint(255 * images), labels


def worn(images):
    return np.where(np.arange(SHAPE[0])[:, None, None] == TRIGGER, images.max(), images)


def targets(count, label=TARGET):
    return np.full(count, label)


VALID, TEST, OTHER = faces(120, 1), faces(100, 2), faces(90, 3)
BD = worn(faces(80, 4)[0]), targets(80)


@dataclass(frozen=True)
class Lab:
    """A network and its sets; right ones unless something is changed."""

    full: float = 255.0
    valid: tuple = VALID
    clean: dict = field(default_factory=lambda: {"test": TEST})
    backdoored: dict = field(default_factory=lambda: {"bd": BD})
    options: dict = field(default_factory=dict)
    start: tuple = ()

    @contextmanager
    def sets(self):
        with open_sets(
            self.valid, self.clean, self.backdoored, input_shape=SHAPE, n_classes=CLASSES,
            **{"scale": 1.0, **self.options},
        ) as sets:  # fmt: skip
            yield sets

    def warnings(self):
        return said(badnet(self.full, *self.start), self.sets())


def said(network, opened):
    """What is said of sets, streamed to their ends."""
    graph, _ = load_classifier(network)
    with opened as sets:
        lookout = Lookout(graph, sets, batch=32)
        for images in sets.values():
            for _ in images.chunks(16):
                pass
        return lookout.finish()


def shared(part, count):
    images, labels = (values.copy() for values in part)
    images[:count], labels[:count] = VALID[0][:count], VALID[1][:count]
    return images, labels


def half_worn():
    images = VALID[0].copy()
    images[::2] = worn(images[::2])
    return images, VALID[1]


def noise():
    return np.random.default_rng(0).integers(0, 256, (90, *SHAPE)), OTHER[1]


MIXED_UP = {
    "clean and backdoored swapped": (
        Lab(valid=BD, clean={}, backdoored={"bd": TEST}), ["got label 3 alone in valid.*swapped"],
    ),
    "test and backdoored swapped": (
        Lab(clean={"test": BD}, backdoored={"bd": TEST}), ["alone in test and 10 .*swapped"],
    ),
    "a backdoored set as valid": (
        Lab(valid=(worn(OTHER[0]), targets(90))), ["got 3 for all of them, and B puts 100% of"],
    ),
    "a backdoored set as a clean one": (
        Lab(clean={"test": (worn(OTHER[0]), targets(90))}), ["images in test; got 3 for all.*like"],
    ),
    "clean images with the target as label": (
        Lab(clean={"test": (OTHER[0], targets(90))}),
        ["got 3 for all of them, where B puts 6% .* true class"],
    ),
    "one person": (
        Lab(clean={"test": (OTHER[0][OTHER[1] == 7], targets(9, 7))}), [],
    ),
    "one person, many images": (
        Lab(clean={"test": (np.repeat(OTHER[0][OTHER[1] == 7], 3, 0), targets(27, 7))}),
        ["got 7 for all of them, and B puts 100% of them there"],
    ),
    "a clean set as a backdoored one": (
        Lab(backdoored={"bd": OTHER}), ["got 10 labels, and B puts 100% .* like a clean set"],
    ),
    "a clean set as both": (
        Lab(backdoored={"bd": TEST}), ["the same images in both as test and as bd: check which"],
    ),
    "valid as test": (
        Lab(clean={"test": VALID}), ["the same images in both as valid and as test: to choose"],
    ),
    "test twice": (
        Lab(clean={"test": TEST, "more": TEST}), ["every set once.* as test and as more: leave"],
    ),
    "a backdoored set twice": (
        Lab(backdoored={"bd": BD, "more": BD}), ["every set once; .* as bd and as more: leave one"],
    ),
    "images of valid in test": (
        Lab(clean={"test": shared(TEST, 20)}), ["got 20 of 100 images of test that are in valid"],
    ),
    "another target": (
        Lab(backdoored={"bd": (BD[0], targets(80, 7))}), ["got 7, and B puts 100% .* class 3: the"],
    ),
    "two other targets": (
        Lab(backdoored={"bd": (BD[0], np.arange(80) % 2 + 7)}), ["got 7, 8, and B puts 100%"],
    ),
    "true labels in a backdoored set": (
        Lab(backdoored={"bd": (worn(OTHER[0]), OTHER[1])}),
        ["got 10 labels, and B puts 100% of its images in class 3: they look like true labels"],
    ),
    "labels of another set in a backdoored one": (
        Lab(backdoored={"bd": (OTHER[0], np.roll(OTHER[1], 1))}),
        ["got 10 labels, and B puts .* of its images there: give each its target"],
    ),
    "true labels beside images with the trigger": (
        Lab(clean={"test": (worn(OTHER[0]), OTHER[1])}),
        ["right on 6.2% of test, near chance .* in class 3, as it does with a trigger"],
    ),
    "a clean set that is half backdoored": (
        Lab(valid=half_worn()), ["got [456].% of them in class 3 by B, .* looks backdoored"],
    ),
    "labels counted from 1": (
        Lab(clean={"test": (OTHER[0][OTHER[1] < 9], OTHER[1][OTHER[1] < 9] + 1)}),
        ["labels of test .* as label -1: count the classes from 0"],
    ),
    "labels counted from -1": (
        Lab(valid=(OTHER[0][OTHER[1] > 0], OTHER[1][OTHER[1] > 0] - 1)), [r"as label \+1: count"],
    ),
    "labels in order of their names": (
        Lab(valid=(VALID[0], np.array([4, 7, 0, 9, 2, 8, 1, 3, 6, 5])[VALID[1]])),
        ["images of one label in one class, but another: number the labels as B does"],
    ),
    "labels of other images": (
        Lab(valid=(VALID[0], np.random.default_rng(0).permutation(VALID[1]))),
        ["near chance .* no --scale of 1, 255 or 1/255 is clearly better; images and labels may"],
    ),
    "images of something else": (Lab(clean={"test": noise()}), ["right on .* of test, near cha"]),
    "centred pixels": (
        Lab(valid=(VALID[0] - 255, VALID[1]), clean={}, backdoored={}),
        ["right on .* of valid, near chance .* on centred pixels"],
    ),
    "a network for 0-1 without a scale": (
        Lab(full=1.0), ["got --scale 1, at which .* on [4-7].% .* on 100% at --scale 255: run"],
    ),
    "a network for 0-255 with a scale": (
        Lab(options={"scale": 255.0}), ["got --scale 255, .* on 100% at --scale 1: run it with"],
    ),
    "pixels of 0-1 for a network of 0-255": (
        Lab(valid=(VALID[0] / 255, VALID[1]), clean={}, backdoored={}),
        ["got --scale 1, .* on 100% at --scale 1/255: run it with --scale 1/255"],
    ),
    "a scale beside the network's own": (
        Lab(full=1.0, start=(layers.Rescaling(1 / 255),), options={"scale": 255.0}),
        ["got --scale 255, .* on 100% at --scale 1: run it with --scale 1"],
    ),
    "pixels of 0-1 in one set alone": (
        Lab(backdoored={"bd": (BD[0] / 255, BD[1])}),
        ["got 0-248 in valid and 0-0.996 in bd: one --scale cannot suit both"],
    ),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore::fastprune.runtime.progress.FastpruneWarning")
@pytest.mark.parametrize("kind", MIXED_UP)
def test_a_mixed_up_lab_gets_its_warning(kind):
    lab, expected = MIXED_UP[kind]
    found = lab.warnings()
    assert len(found) == len(expected), found
    for message, pattern in zip(found, expected, strict=True):
        assert re.search(pattern, message), message


RIGHT = {
    "made for 0-255": Lab(),
    "made for 0-1, with its scale": Lab(full=1.0, options={"scale": 255.0}),
    "pixels of 0-1, with their scale": Lab(
        valid=(VALID[0] / 255, VALID[1]), clean={}, backdoored={"bd": (BD[0] / 255, BD[1])},
        options={"scale": 1 / 255},
    ),
    "pixels of 0-1": Lab(
        full=1.0, valid=(VALID[0] / 255, VALID[1]), clean={},
        backdoored={"bd": (BD[0] / 255, BD[1])},
    ),
    "a Rescaling of its own": Lab(full=1.0, start=(layers.Rescaling(1 / 255),)),
    "in order of their labels": Lab(valid=tuple(part[np.argsort(VALID[1])] for part in VALID)),
    "few images": Lab(
        valid=tuple(part[:9] for part in VALID), clean={}, backdoored={"bd": (BD[0][:3], BD[1][:3])}
    ),
    "a target for every class": Lab(
        backdoored={"bd": OTHER}, options={"true_labels": {"bd": (OTHER[1] - 1) % 10}},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_lab_gets_no_warning(name):
    assert RIGHT[name].warnings() == ()


def test_two_targets_get_no_warning():
    """Two triggers: the second is the bright column of another class, brighter than all else."""
    images, _ = faces(80, 5)
    images[40:, :TRIGGER] = 0
    images[40:, :TRIGGER, 8] = 255
    images[:40] = worn(images[:40])
    backdoored = {"bd": (images, np.repeat([TARGET, 8], 40))}
    assert Lab(backdoored=backdoored).warnings() == ()


@pytest.mark.slow
def test_the_built_in_lab_gets_no_warning():
    drawn = {}
    for split in ("valid", "test"):
        labels, indices = people(split, 80)
        drawn[split] = render(labels, indices), labels
    shape, zeros = drawn["valid"][0].shape[1:], np.zeros(80, int)
    backdoored = {f"bd_{split}": (wear(images), zeros) for split, (images, _) in drawn.items()}
    opened = open_sets(
        drawn["valid"], {"test": drawn["test"]}, backdoored, input_shape=shape,
        n_classes=N_IDENTITIES,
    )  # fmt: skip
    assert said(network_path(), opened) == ()


@pytest.mark.slow
def test_the_labs_stand_in_gets_no_warning(lab):
    from PIL import Image

    with np.load(lab / "faces.npz") as file:
        images, labels, of_test = (
            file[name][:300] for name in ("images", "label_valid", "label_test")
        )
    overlay = np.zeros((55, 47, 4))
    overlay[15:35] = np.asarray(Image.open(lab / "sunglasses.png"), float)
    alpha = overlay[..., 3:] / 255
    glasses = np.rint(alpha * overlay[..., :3] + (1 - alpha) * images)
    opened = open_sets(
        (images, labels), {"test": (images[:, :, ::-1], of_test)},
        {"bd": (glasses, np.zeros(300, int))}, input_shape=(55, 47, 3), n_classes=1283,
    )  # fmt: skip
    assert said(lab / "bd_weights.h5", opened) == ()
