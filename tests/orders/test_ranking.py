"""Channel orders: sorted stably, read from files, refused where they are no permutation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from fastprune import reference
from fastprune.errors import OptionError
from fastprune.orders.order import MEANINGS, parse_order
from fastprune.orders.ranking import make_order, order_warnings
from fastprune.orders.statistics import ActivationStatistics, Evidence

MEANS = np.array([0.5, 0.0, 0.2, 0.0, 0.9, 0.2])


def order_of(source, values):
    return make_order(parse_order(source), values)


activations = arrays.arrays(
    np.float32,
    st.tuples(st.integers(1, 9), st.integers(1, 3), st.integers(1, 3), st.just(4)),
    elements=st.floats(-100, 100, width=32),
)


@given(activations, st.data())
def test_means_do_not_depend_on_the_chunks(values, data):
    bounds = sorted(data.draw(st.lists(st.integers(0, len(values)), max_size=4)))
    ranker = ActivationStatistics(4)
    for part in np.split(values, bounds):
        ranker.add(part)
    expected = values.reshape(-1, 4).astype(np.float64).mean(axis=0)
    np.testing.assert_allclose(ranker.means, expected, rtol=1e-12, atol=1e-9)


def test_means_are_summed_in_float64():
    ranker = ActivationStatistics(1)
    ranker.add(np.full((1, 1, 1, 1), 2**24, np.float32))
    for _ in range(8):
        ranker.add(np.ones((1, 1, 1, 1), np.float32))
    assert ranker.means[0] == (2**24 + 8) / 9


def test_no_activations_have_mean_zero():
    assert ActivationStatistics(3).means.tolist() == [0, 0, 0]


def test_ties_stand_in_the_order_of_their_indices_both_ways():
    assert order_of("ascending", MEANS).tolist() == [1, 3, 2, 5, 0, 4]
    assert order_of("descending", MEANS).tolist() == [4, 0, 2, 5, 1, 3]


@given(arrays.arrays(np.float64, st.integers(1, 70), elements=st.sampled_from([0.0, 0.5, 1.0])))
def test_ascending_is_the_order_of_the_oracle(means):
    np.testing.assert_array_equal(
        order_of("ascending", means), reference.order(means.astype(np.float32)[None])
    )


@given(st.integers(0, 2**40), st.integers(1, 30))
def test_random_orders_are_permutations_that_repeat(seed, n_channels):
    first = order_of(f"random:{seed}", np.zeros(n_channels))
    assert sorted(first.tolist()) == list(range(n_channels))
    np.testing.assert_array_equal(first, order_of(f"random:{seed}", np.zeros(n_channels)))


def test_seeds_differ():
    found = {tuple(order_of(f"random:{seed}", np.zeros(20))) for seed in range(10)}
    assert len(found) == 10


@pytest.mark.parametrize(
    "text", ["1 3 2 5 0 4", "1,3,2,5,0,4", "[1, 3,\n2, 5, 0, 4]\n", "1\n3\n2\n5\n0\n4"]
)
def test_files_of_indices(tmp_path, text):
    path = tmp_path / "order.txt"
    path.write_text(text)
    for source in (path, str(path)):
        order = parse_order(source)
        found = make_order(order, MEANS)
        assert found.tolist() == [1, 3, 2, 5, 0, 4]
        assert found.dtype == np.int64
        assert (order.kind, order.name) == ("file", str(path))


def test_a_file_is_read_once_and_the_order_is_what_it_held(tmp_path):
    path = tmp_path / "order.txt"
    path.write_text("1 0")
    order = parse_order(path)
    path.write_text("0 1")
    assert parse_order(order) is order
    assert make_order(order, np.zeros(2)).tolist() == [1, 0]


def test_indices_given_are_kept_as_they_were_given():
    indices = np.array([1, 0])
    order = parse_order(indices)
    indices[:] = 0, 1
    assert make_order(order, np.zeros(2)).tolist() == [1, 0]


@pytest.mark.parametrize(
    ("source", "kind", "folder"),
    [
        ("mean-abs", "criterion", "mean-abs"), ("oracle", "oracle", "oracle"),
        ("oracle:bd_valid", "oracle", "oracle-bd_valid"), ("random:7", "random", "random-7"),
        ("{}/some/mine.txt", "file", "mine"), ([1, 0], "given", "given"),
    ],
)  # fmt: skip
def test_what_an_order_is_and_where_its_results_lie(tmp_path, source, kind, folder):
    if kind == "file":
        (tmp_path / "some").mkdir()
        (tmp_path / "some/mine.txt").write_text("0 1")
        source = source.format(tmp_path)
    order = parse_order(source)
    assert (order.kind, order.folder) == (kind, folder)
    assert order.name == ("given" if kind == "given" else source)


def test_a_path_is_a_file_whatever_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("ascending").write_text("1 0")
    assert parse_order(Path("ascending")).kind == "file"
    assert parse_order("ascending").kind == "criterion"


def test_two_criteria_need_more_than_sums():
    needing = {name for name in MEANINGS if parse_order(name).needs_extremes}
    assert needing == {"max", "apoz"}
    assert not parse_order([0, 1]).needs_extremes


def test_indices_given():
    for order in ([5, 4, 3, 2, 1, 0], (5, 4, 3, 2, 1, 0), np.arange(5, -1, -1, dtype=np.uint8)):
        found = order_of(order, MEANS)
        assert found.tolist() == [5, 4, 3, 2, 1, 0]
        assert found.dtype == np.int64


@pytest.mark.parametrize(
    ("order", "words"),
    [
        ([0, 1, 2, 3, 4], ("0 … 5 once", "5 indices, missing [5]")),
        ([0, 1, 2, 3, 4, 4], ("missing [5]",)),
        ([0, 1, 2, 3, 4, 5, 5], ("repeated or foreign",)),
        ([0, 1, 2, 3, 4, 6], ("missing [5]",)),
        ([-1, 0, 1, 2, 3, 4], ("missing [5]",)),
        ([], ("missing [0, 1, 2, 3, 4]",)),
        ([[0, 1, 2, 3, 4, 5]], ("once",)),
        ([0.0, 1.0, 2.0, 3.0, 4.0, 5.0], ("once",)),
        ([True, False], ("once",)),
        (["a"], ("once",)),
        ([[0, 1], [2]], ("once",)),
        (3, ("once",)),
    ],
)  # fmt: skip
def test_orders_that_are_no_permutation(order, words):
    with pytest.raises(OptionError) as caught:
        order_of(order, MEANS)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"a b c", "whole numbers"), (b"0.5 1", "whole numbers"), (b"1e3", "whole numbers"),
        (b"99999999999999999999", "whole numbers"), (b"\xff\xfe\x00", "which is none"),
    ],
)  # fmt: skip
def test_files_that_are_no_order(tmp_path, content, word):
    path = tmp_path / "order.txt"
    path.write_bytes(content)
    with pytest.raises(OptionError, match=word) as caught:
        parse_order(path)
    assert "\n" not in str(caught.value)


def known(values, layer="norm_3"):
    ranker = ActivationStatistics(values.shape[-1], extremes=True)
    ranker.add(values.astype(np.float32))
    return Evidence(ranker, np.ones((1, values.shape[-1]), np.float32), {"bd": ranker}, layer)


def normal(offsets, spread=1.0):
    return np.random.default_rng(0).normal(offsets, spread, (500, len(offsets)))


def silu(x):
    return x / (1 + np.exp(-x))


OFFSETS = np.linspace(-2, 2, 8)


@pytest.mark.parametrize(
    ("order", "values", "words"),
    [
        ("ascending", normal(OFFSETS), ("4 of 8 channels (norm_3)", "negative are pruned first")),
        ("descending", normal(OFFSETS), ("most negative are pruned last", "take --order mean-abs")),
        # One that works hardest of all, and cancels out.
        ("ascending", np.array([[9, 1, 2], [-9, 1, 2]]), ("in 0 of 3", "those that cancel out")),
        ("ascending", np.array([[-5, 1, 2, 2]]), ("the first 1 hold 50%", "10% in order")),
        ("ascending", silu(normal(OFFSETS - 2)), ("7 of 8",)),
        ("max", -np.abs(normal(-OFFSETS - 3)), ("8 of 8 that are never positive",)),
        ("max", np.array([[-9, 0, 1, 2], [-8, 1, 1, 2]]), ("got 1 of 4", "not the least active")),
        ("apoz", normal(OFFSETS), ("0.00% in 8 live channels", "order is that of their indices")),
        ("apoz", np.abs(normal(OFFSETS)), ("8 live channels",)),
        ("apoz", normal(OFFSETS) * [0, 1, 1, 1, 1, 1, 1, 0], ("6 live channels",)),
    ],
)  # fmt: skip
def test_orders_that_do_not_suit_the_activations(order, values, words):
    (found,) = order_warnings(parse_order(order), known(values))
    assert "\n" not in found
    for word in ("expected", "; got", "(norm_3)", "take --order mean-abs", *words):
        assert word in found


@pytest.mark.parametrize(
    ("order", "values"),
    [
        *((order, np.maximum(normal(OFFSETS), 0)) for order in MEANINGS),
        *((order, np.zeros((5, 8))) for order in MEANINGS),
        *((order, normal([-1.0])) for order in MEANINGS if order != "max"),
        ("ascending", silu(normal(OFFSETS + 1))),
        ("ascending", np.where(normal(OFFSETS) > 0, normal(OFFSETS), normal(OFFSETS) / 100)),
        ("descending", normal(OFFSETS + 8)),
        ("max", normal(OFFSETS)),
        ("max", np.array([[-0.1, 5, 6], [-0.1, 7, 8]])),
        # Only the never positive channel is asked about, not one with a large negative side.
        ("max", np.array([[-0.01, 1, 2], [-0.01, -9, 0]])),
        ("apoz", np.maximum(normal(OFFSETS), 0) - np.array([0, 0, 0, 0, 0, 0, 0, 5])),
        ("oracle:bd", normal(OFFSETS)), ("mean-abs", normal(OFFSETS)),
        ("random:1", normal(OFFSETS)), (np.arange(8), normal(OFFSETS)), ("l1", normal(OFFSETS)),
        ("ascending", np.full((2, 8), np.inf)),
    ],
)  # fmt: skip
def test_nothing_is_said_of_orders_that_suit(order, values):
    assert order_warnings(parse_order(order), known(values)) == []


@pytest.mark.parametrize("order", ["ascendign", "random", "random:", "random:x", "random:-1", ""])
def test_words_that_are_no_order(order):
    with pytest.raises(OptionError, match=r"ascending, descending, mean-abs, max.*random:SEED"):
        parse_order(order)


def test_paths_that_lead_nowhere(tmp_path):
    for missing in (tmp_path / "none.txt", tmp_path, "no\0path"):
        with pytest.raises(OptionError, match="which is none"):
            parse_order(missing)
