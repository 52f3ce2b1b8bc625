"""Counts and crossings: laws that hold for any classes, labels and chunks."""

from __future__ import annotations

import json
from dataclasses import fields
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastprune.results.counts import Counter, Counts, crossing, goodnet_classes

STEPS = 5
images = st.integers(0, 12)


@st.composite
def chunks(draw):
    """Classes (steps, images) of three classes, labels, true classes, near-ties."""
    n = draw(images)
    rows = st.lists(st.integers(0, 2), min_size=n, max_size=n)
    classes = np.array(draw(st.lists(rows, min_size=STEPS, max_size=STEPS)), np.int32)
    ties = np.array(draw(st.lists(rows, min_size=STEPS, max_size=STEPS)), np.int32) == 0
    labels, truth = (np.array(draw(rows), np.int64) for _ in range(2))
    return classes.reshape(STEPS, n), labels, truth, ties.reshape(STEPS, n)


def counted(classes, labels, truth, ties, *, by_label=True, truths=True):
    extra = {"n_classes": 3 if by_label else None, "true_labels": truth if truths else None}
    return Counts.of(classes, labels, ties.sum(axis=1), **extra)


known = st.fixed_dictionaries({"by_label": st.booleans(), "truths": st.booleans()})
"""What is counted beyond the least."""


def same(first, second):
    for field in fields(Counts):
        one, other = getattr(first, field.name), getattr(second, field.name)
        assert (one is None) == (other is None), field.name
        if one is not None:
            np.testing.assert_array_equal(one, other)
            assert np.asarray(one).dtype.kind == "i"
    return True


@given(chunks(), st.data())
def test_any_chunking_gives_the_same_counts(chunk, data):
    classes, labels, truth, ties = chunk
    bounds = sorted(data.draw(st.lists(st.integers(0, len(labels)), max_size=4)))
    total = Counts.empty(STEPS - 1)
    counter = Counter(STEPS - 1, n_classes=3, truth=True)
    for part in np.split(np.arange(len(labels)), bounds):
        chunk = classes[:, part], labels[part], truth[part], ties[:, part]
        total = total.merge(counted(*chunk))
        counter.add(chunk[0], chunk[1], chunk[3].sum(axis=1), chunk[2])
    whole = counted(classes, labels, truth, ties)
    assert same(total, whole)
    assert same(counter.counts, whole)


@given(chunks(), chunks(), chunks(), st.tuples(known, known, known))
@pytest.mark.slow
def test_merge_is_associative_and_commutative_with_empty_as_identity(a, b, c, extra):
    a, b, c = (counted(*chunk, **more) for chunk, more in zip((a, b, c), extra, strict=True))
    assert same(a.merge(b).merge(c), a.merge(b.merge(c)))
    assert same(a.merge(b), b.merge(a))
    assert same(Counts.empty(STEPS - 1).merge(a), a)
    assert same(a.merge(Counts.empty(STEPS - 1)), a)


@given(chunks())
def test_goodnet_of_equal_networks_is_the_network(chunk):
    classes, labels, truth, ties = chunk
    counts = counted(np.broadcast_to(classes[0], classes.shape), labels, truth, ties)
    np.testing.assert_array_equal(counts.goodnet_true_hits, counts.true_hits)
    np.testing.assert_array_equal(counts.goodnet_hits, counts.hits)
    assert not counts.flagged.any()


@given(chunks())
def test_goodnet_is_right_where_both_networks_are(chunk):
    classes, labels, truth, ties = chunk
    counts = counted(classes, labels, truth, ties)
    assert (counts.goodnet_hits <= np.minimum(counts.hits, counts.hits[0])).all()
    assert (counts.goodnet_hits + counts.flagged <= counts.images).all()
    assert counts.flagged[0] == 0
    assert counts.goodnet_hits[0] == counts.hits[0]


@given(chunks())
def test_counts_are_those_of_a_loop(chunk):
    classes, labels, truth, ties = chunk
    counts = counted(classes, labels, truth, ties)
    n_classes = 3
    for step in range(STEPS):
        goodnet = [
            b if b == repaired else n_classes
            for b, repaired in zip(classes[0], classes[step], strict=True)
        ]
        assert goodnet_classes(classes[0], classes[step], n_classes).tolist() == goodnet
        pairs = list(zip(goodnet, labels, strict=True))
        assert counts.hits[step] == sum(c == y for c, y in zip(classes[step], labels, strict=True))
        assert counts.goodnet_hits[step] == sum(c == y for c, y in pairs)
        assert counts.flagged[step] == sum(c == n_classes for c in goodnet)
        assert counts.near_ties[step] == sum(ties[step])
        for label in range(3):
            at = labels == label
            assert counts.class_images[label] == sum(at)
            assert counts.class_hits[step, label] == sum(classes[step][at] == label)
        assert counts.true_hits[step] == sum(classes[step] == truth)
        assert counts.goodnet_true_hits[step] == sum(np.array(goodnet) == truth)
        other = truth != labels
        assert counts.others == sum(other)
        assert counts.other_hits[step] == sum(classes[step][other] == labels[other])


def test_what_was_not_counted_of_all_images_is_not_known():
    none = np.zeros((STEPS, 2), bool)
    chunk = none.astype(int), np.array([0, 1]), np.array([1, 1]), none
    whole, less = counted(*chunk), counted(*chunk, by_label=False, truths=False)
    for both in (whole.merge(less), less.merge(whole)):
        assert both.images == 4
        assert both.hits.tolist() == [2] * STEPS
        assert both.class_hits is both.true_hits is both.others is None


def test_rates_and_missing_near_ties():
    counts = Counts.of(np.array([[0, 1, 1, 1], [0, 0, 1, 1]]), np.array([0, 1, 1, 2]))
    assert counts.rate.tolist() == [0.75, 0.5]
    assert counts.goodnet_rate.tolist() == [0.75, 0.5]
    assert counts.flagged_rate.tolist() == [0, 0.25]
    assert counts.near_ties.tolist() == [0, 0]


drops = st.one_of(
    st.integers(1, 100),
    st.decimals("0.01", "100", places=2).map(float),
    st.sampled_from([0.1, 0.7, 1e-5, 33.333333333333336]),
)


@given(
    st.integers(1, 20_000).flatmap(
        lambda n: st.tuples(st.just(n), st.lists(st.integers(0, n), min_size=1, max_size=8))
    ),
    drops,
    st.sampled_from(["points", "relative"]),
)
def test_crossing_is_the_first_step_of_an_exact_oracle(case, drop, kind):
    n, hits = case
    exact = Fraction(str(drop))
    fallen = [Fraction(100 * (hits[0] - right), n) for right in hits]
    if kind == "relative":
        fallen = [
            Fraction(100 * (hits[0] - right), hits[0]) if hits[0] else exact for right in hits
        ]
    expected = next((step for step, points in enumerate(fallen) if points >= exact), None)
    assert crossing(np.array(hits), n, drop, kind=kind) == expected
    assert crossing(hits, n, np.float64(drop), kind=kind) == expected


@pytest.mark.parametrize(
    ("hits", "n", "drop", "step"),
    [
        ([98, 97, 96, 90], 100, 2, 2),
        ([98, 97, 96, 90], 100, 2.01, 3),
        ([1000, 993, 992], 1000, 0.7, 1),
        ([1000, 994, 992], 1000, 0.7, 2),
        ([50, 50, 0], 100, 50, 2),
        ([50, 50, 0], 100, 50.5, None),
        ([90, 80, 95, 70], 100, 10, 1),
        ([90, 89, 95, 70], 100, 10, 3),
    ],
)
def test_crossing_at_exactly_the_drop(hits, n, drop, step):
    assert crossing(hits, n, drop) == step


def test_relative_crossing_is_percent_of_the_accuracy_of_the_badnet():
    assert crossing([50, 49, 48], 100, 2, kind="relative") == 1
    assert crossing([50, 49, 48], 100, 2) == 2


def test_published_crossings_follow_from_the_published_counts(lab):
    expected = json.loads((lab / "published/published.json").read_text())
    rows = (lab / "published/pool3_ascending_valid.csv").read_text().splitlines()
    columns = rows[0].split(",")
    hits = [int(row.split(",")[columns.index("clean_hits")]) for row in rows[1:]]
    assert len(hits) == 61
    for drop, step in expected["pool3_ascending"]["crossing"].items():
        assert crossing(hits, expected["n_valid"], float(drop)) == step
