"""A drop has one name, wherever it stands."""

from __future__ import annotations

import dataclasses

import numpy as np

from fastprune.export.json_values import as_json
from fastprune.results.crossings import BADNET, Crossing
from tests.helpers.results import STEPS, sweep

HITS = [100, 99, 98, 90, 90, 60, 3]


def crossed():
    """Return a sweep of which 2.5 and 10 are crossed at 3, 30 at 5, 99 never; asked for mixed."""
    result = sweep(valid=(100, [0] * STEPS), test=(100, [0] * STEPS), bd=(100, [0] * STEPS))
    for name, part in list(result.sets.items()):
        figures = dataclasses.replace(part.counts, hits=np.array(HITS))
        result.sets[name] = dataclasses.replace(part, counts=figures)
    return dataclasses.replace(result, drops=(30.0, 2.5, 99.0, 10.0))


def test_crossings_in_the_order_asked_for_and_as_rows():
    result = crossed()
    expected = [
        Crossing(30.0, 5, "30"), Crossing(2.5, 3, "2.5"), Crossing(99.0, None, "99"),
        Crossing(10.0, 3, "10"),
    ]  # fmt: skip
    assert list(result.at_drops) == expected
    assert result.crossings == {30.0: 5, 2.5: 3, 99.0: None, 10.0: 3}
    assert list(result.crossings) == [30.0, 2.5, 99.0, 10.0]
    labels = ["B", "2.5", "10", "30", "99"]
    assert [at.label for at in result.drop_rows] == labels
    assert result.drop_rows[0] is BADNET


def test_names_of_a_drop_are_the_same_everywhere():
    result = crossed()
    rows = [line.split()[:2] for line in result.table().splitlines()]
    steps = [["B", "0"], ["2.5", "3"], ["10", "3"], ["30", "5"], ["99", "never"]]
    assert [row for row in rows if row in steps] == 2 * steps
    assert list(as_json(result)["crossings"].items()) == [
        ("30", 5), ("2.5", 3), ("99", None), ("10", 3),
    ]  # fmt: skip
    keys = {key.split("/")[0] for key in result.metrics() if key.startswith("drop_")}
    assert keys == {"drop_2_5", "drop_10", "drop_30"}
    assert keys == {at.key for at in result.at_drops if at.step is not None}
