"""Which of two engines is taken, and on how many images they are measured."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from fastprune.suffix import select


class Candidate:
    """An engine whose time is a call's own and so much an image; all images get class 0."""

    def __init__(self, name: str, call: float, image: float) -> None:
        self.name, self.call, self.image = name, call, image
        self.counts: list[int] = []

    def block(self, cut):
        return cut

    def classes(self, cut, order):
        self.counts.append(len(cut))
        CLOCK.now += self.call + self.image * len(cut)
        zeros = np.zeros((len(order) + 1, len(cut)), np.int32)
        return SimpleNamespace(classes=zeros, near_ties=zeros.astype(bool))


CLOCK = SimpleNamespace(now=0.0)
UNIT = 2.0**-10
"""Seconds that add up without rounding; 51 of them are just below a trial."""


@pytest.fixture
def choose(monkeypatch):
    """Return what chooses between two engines of given times, measured on up to 400 images."""

    def call(compiled, keras, images=400):
        CLOCK.now = 0.0
        engines = [Candidate("incremental", *compiled), Candidate("keras", *keras)]
        monkeypatch.setattr(select, "candidates", lambda *_, **__: engines)
        monkeypatch.setattr(select, "time", SimpleNamespace(process_time=lambda: CLOCK.now))
        network = SimpleNamespace(cut=SimpleNamespace(places=np.arange(5)[None]))
        cut = np.zeros((images, 3, 3, 5), np.float32)
        choice = select.choose_engine(network, "auto", [cut])
        return choice.engine.name, engines[0].counts

    return call


def test_a_hopeless_engine_is_measured_on_a_few_images(choose):
    assert choose((0, 0.001), (0, 0.1)) == ("incremental", [1, 2])
    assert choose((0, 0.1), (0, 0.001)) == ("keras", [1, 2])


def test_what_every_call_costs_is_not_held_against_an_engine(choose):
    """On two images Keras takes 16 times as long, on many a fifth of the time."""
    taken, counts = choose((0, 1e-4), (3e-3, 1e-5))
    assert taken == "keras"
    assert counts[-1] > 100


def test_close_engines_are_measured_until_the_slower_has_taken_long_enough(choose):
    taken, counts = choose((0, UNIT), (0, 0.95 * UNIT))
    assert (taken, counts) == ("incremental", [1, 2, 1, 51])
    assert choose((0, UNIT), (0, 0.85 * UNIT))[0] == "keras"


def test_a_clock_that_does_not_tick_is_no_fault(choose):
    assert choose((0, 0), (0, 0)) == ("incremental", [1, 2, 1, 100, 1, 400])
    assert choose((0, 0), (0, 0), images=1) == ("incremental", [1, 1])


def test_a_batch_of_another_size_is_compiled_before_it_is_timed(choose, monkeypatch):
    monkeypatch.setattr(select.backend, "fixed_shapes", lambda: True)
    assert choose((0, UNIT), (0, UNIT))[1] == [2, 2, 51, 51]
