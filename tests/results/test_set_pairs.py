"""Which clean set goes with a backdoored one: one rule, whoever asks."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import fastprune
from fastprune.report.html.page_data import page_data
from fastprune.report.plots.drawing import figure
from fastprune.report.text.story import story
from fastprune.report.text.tables import detector_table
from fastprune.results.detection import CLEAN_ONLY, companion, operating_points, pairs
from tests.helpers.results import STEPS, sweep

ALARMS = {"valid": [0, 1, 2, 3, 4, 5, 6], "test": [0, 7, 8, 9, 10, 11, 12]}
CAUGHT = {"attack": [0, 90, 91, 92, 93, 94, 95], "bd_valid": [0, 50, 51, 52, 53, 54, 55]}


@pytest.fixture
def crosswise():
    """A sweep whose pairs go against the names: ``attack`` chose, ``bd_valid`` measures."""
    result = sweep(
        valid=(100, ALARMS["valid"]), test=(100, ALARMS["test"]),
        attack=(100, CAUGHT["attack"], "valid"), bd_valid=(100, CAUGHT["bd_valid"], "test"),
    )  # fmt: skip
    for place, (name, part) in enumerate(list(result.sets.items())):
        hits = np.array([99, 99, 99, 90, 80, 70, 60]) - place
        result.sets[name] = dataclasses.replace(
            part, counts=dataclasses.replace(part.counts, hits=hits)
        )
    return result


def test_the_detector_and_its_table_tell_of_what_only_measures(crosswise):
    assert pairs(crosswise) == [("valid", "attack"), ("test", "bd_valid")]
    point = operating_points(crosswise)[0]
    assert point.chosen_by == "detection rate on attack"
    assert [(part.clean, part.backdoored) for part in point.measured] == [("test", "bd_valid")]
    rows = [line.split() for line in detector_table(crosswise).splitlines()[-3:]]
    assert all(row[2] == "test" and "bd_valid" in row and "attack" not in row for row in rows)


def test_the_story_tells_of_what_only_measures(crosswise):
    told = " ".join(story(crosswise))
    assert "96.00% of bd_valid" in told
    assert "98.00% of test" in told
    assert "attack " not in told


def test_the_plots_draw_what_only_measures(crosswise):
    drawn = [legend.get_title().get_text() for axes in figure(crosswise, "goodnet").axes
             for legend in [axes.get_legend()]]  # fmt: skip
    assert [title.split(",")[0] for title in drawn] == ["test", "bd_valid"]
    axes = figure(crosswise, "detector").axes[0]
    lines = {line.get_label(): line for line in axes.lines}
    assert not {"attack", "test", "valid"} & set(lines)
    shares = [np.array(counts) / 100 for counts in (ALARMS["test"], CAUGHT["bd_valid"])]
    np.testing.assert_array_equal(lines["bd_valid"].get_data(), shares)
    assert axes.get_xlabel() == "false alarm rate on test"


def test_page_metrics_and_comparison_pair_alike(crosswise):
    assert [(one["clean"], one["backdoored"]) for one in page_data(crosswise, 0)["roc"]] == [
        (0, 2), (1, 3),
    ]  # fmt: skip
    compared = fastprune.compare([crosswise])
    assert (compared.clean, compared.backdoored) == ("test", "bd_valid")
    found = {row["set"]: row["clean_set"] for row in crosswise.rows()}
    assert found == {"valid": "", "test": "", "attack": "valid", "bd_valid": "test"}
    step = crosswise.metrics()["max_fpr_5/n_pruned"]
    assert step == 5
    assert crosswise.metrics()["max_fpr_5/bd_valid/precision"] == 54 / (54 + 11)
    assert crosswise.metrics()["max_fpr_5/attack/precision"] == 94 / (94 + 5)


def test_a_set_that_measures_beside_another_clean_set_did_not_choose():
    """``bd_valid_testing`` holds both names: it goes with the longer one, and with no other."""
    nothing = [0] * STEPS
    result = sweep(valid=(9, nothing), testing=(9, nothing), bd_valid_testing=(9, nothing))
    assert companion(result, "bd_valid_testing") == "testing"
    point = operating_points(result)[0]
    assert point.chosen_by == CLEAN_ONLY
    assert [part.backdoored for part in point.measured] == ["bd_valid_testing"]


def test_clean_sets_named_like_the_validation_set_measure():
    nothing = [0] * STEPS
    result = sweep(valid=(9, nothing), valid_later=(9, nothing), bd=(9, nothing))
    assert "classifies 0.00% of valid_later right" in story(result)[0]


def test_curves_of_several_clean_sets_lie_over_their_own_alarms():
    night = [0, 20, 21, 22, 23, 24, 25]
    result = sweep(
        valid=(100, ALARMS["valid"]), test=(100, ALARMS["test"]), night=(100, night),
        bd_test=(100, CAUGHT["attack"]), bd_night=(100, CAUGHT["bd_valid"]),
    )  # fmt: skip
    drawn = figure(result, "detector")
    lines = {line.get_label(): line.get_xdata() for line in drawn.axes[0].lines}
    np.testing.assert_array_equal(lines["bd_test"], np.array(ALARMS["test"]) / 100)
    np.testing.assert_array_equal(lines["bd_night"], np.array(night) / 100)
    assert drawn.axes[0].get_xlabel() == "false alarm rate on the clean set in brackets"
    labels = [text.get_text() for text in drawn.legends[0].get_texts()]
    assert labels == ["bd_test (test)", "bd_night (night)"]
