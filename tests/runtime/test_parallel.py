"""Items side by side: results in order, little ahead, exceptions as they are."""

from __future__ import annotations

import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastprune.runtime.parallel import in_order


@given(st.lists(st.integers(), max_size=30), st.integers(1, 5))
def test_it_is_map(items, workers):
    assert list(in_order(lambda item: item * 2, items, workers)) == [item * 2 for item in items]


def test_results_are_in_order_whichever_is_ready_first():
    def work(item):
        time.sleep(0.02 if item % 2 == 0 else 0)
        return item

    assert list(in_order(work, range(20), 4)) == list(range(20))


def test_items_are_taken_by_the_caller_and_at_most_workers_and_one_ahead():
    taken, callers = [], set()

    def items():
        for item in range(50):
            taken.append(item)
            callers.add(threading.get_ident())
            yield item

    for index, result in enumerate(in_order(lambda item: item, items(), 3)):
        assert result == index
        assert len(taken) <= index + 4
    assert callers == {threading.get_ident()}


def test_several_work_at_once():
    together = threading.Barrier(3, timeout=3600)  # ends a test that hangs, not one that is slow
    assert len(list(in_order(lambda item: together.wait(), range(3), 3))) == 3


@pytest.mark.parametrize("workers", [1, 3])
def test_an_exception_reaches_the_caller_and_ends_the_work(workers):
    done = []

    def work(item):
        if item == 5:
            raise ValueError("five")
        done.append(item)

    with pytest.raises(ValueError, match="five"):
        list(in_order(work, range(100), workers))
    assert len(done) < 20
    assert threading.active_count() < 30
