"""G as a detector: intervals, rates, the ROC and the steps chosen, against slow oracles."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastprune.errors import OptionError
from fastprune.report.text.tables import WIDTH, detector_table
from fastprune.results.detection import (
    CLEAN_ONLY,
    Share,
    companion,
    detection,
    operating_points,
    pairs,
    robustness,
    roc,
    wilson,
)
from fastprune.results.record import SetResult
from tests.helpers.results import STEPS, counts, sweep

USUAL = {
    "valid": (1000, [0, 5, 10, 11, 10, 50, 900]), "test": (500, [0, 3, 6, 7, 8, 30, 450]),
    "bd_valid": (1000, [0, 0, 100, 999, 300, 300, 1000]),
    "bd_test": (400, [0, 1, 40, 390, 99, 5, 400]),
}  # fmt: skip


@given(st.integers(1, 10**6), st.data(), st.floats(0.5, 0.999))
def test_the_ends_of_an_interval_solve_wilsons_equation(total, data, confidence):
    hits = data.draw(st.integers(0, total))
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    low, high = wilson(hits, total, confidence)
    share = hits / total
    assert 0 <= low <= share <= high <= 1
    for end in (float(low), float(high)):
        assert abs(share - end) == pytest.approx(z * math.sqrt(end * (1 - end) / total), abs=1e-7)
    assert (low == 0) == (hits == 0)
    assert (high == 1) == (hits == total)


def test_intervals_as_published_and_of_nothing():
    # Newcombe 1998, Statistics in Medicine 17, table I: 81 of 263, 15 of 148, 0 of 20, 1 of 29.
    low, high = wilson([81, 15, 0, 1], [263, 148, 20, 29])
    assert low.round(4).tolist() == [0.2553, 0.0624, 0.0, 0.0061]
    assert high.round(4).tolist() == [0.3662, 0.1605, 0.1611, 0.1718]
    assert [end.tolist() for end in wilson([0, 0], 0)] == [[0, 0], [1, 1]]
    with pytest.raises(OptionError, match="confidence"):
        wilson(1, 2, 95)


def test_rates_of_every_step():
    found = detection(sweep(**USUAL), "test", "bd_test")
    assert found.tpr.tolist() == [0, 1 / 400, 0.1, 0.975, 99 / 400, 0.0125, 1]
    assert found.fpr.tolist() == [0, 0.006, 0.012, 0.014, 0.016, 0.06, 0.9]
    assert math.isnan(found.precision[0])
    assert found.precision[1:].tolist() == [1 / 4, 40 / 46, 390 / 397, 99 / 107, 5 / 35, 400 / 850]
    assert (found.true_positives + found.false_negatives).tolist() == [400] * STEPS
    for name, total in (("tpr", 400), ("fpr", 500)):
        low, high = getattr(found, f"{name}_interval")
        expected = wilson(np.rint(getattr(found, name) * total), total)
        np.testing.assert_allclose((low, high), expected)
    assert [end[0] for end in found.precision_interval] == [0, 1]


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=6, max_size=6))
def test_the_roc_has_every_step_in_order_and_its_ends(points):
    alarms, found = ([0, *column] for column in zip(*points, strict=True))
    curve = roc(detection(sweep(valid=(9, alarms), bd=(9, found)), "valid", "bd"))
    ends = list(zip(curve.fpr, curve.tpr, strict=True))
    assert ends[0] == (0, 0)
    assert (1, 1) in ends
    assert sorted(curve.n_pruned[curve.n_pruned >= 0]) == list(range(STEPS))
    for fpr, tpr, step in zip(curve.fpr, curve.tpr, curve.n_pruned, strict=True):
        if step >= 0:
            assert (round(fpr * 9), round(tpr * 9)) == (alarms[step], found[step])
    keys = list(zip(curve.fpr, curve.tpr, curve.n_pruned, strict=True))
    assert keys == sorted(keys)
    area = sum(
        (curve.fpr[i + 1] - curve.fpr[i]) * (curve.tpr[i + 1] + curve.tpr[i]) / 2
        for i in range(len(ends) - 1)
    )
    assert curve.area == pytest.approx(area)
    assert 0 <= curve.area <= 1


def test_the_area_of_detectors_that_are_perfect_blind_and_wrong():
    none, half, every = [0] * STEPS, [0, 0, 0, 5, 5, 5, 5], [0, 10, 10, 10, 10, 10, 10]
    for alarms, found, area in ((none, every, 1), (half, half, 0.5), (every, none, 0)):
        result = sweep(valid=(10, alarms), bd=(10, found))
        assert roc(detection(result, "valid", "bd")).area == area


def test_steps_are_chosen_on_validation_data_and_measured_on_the_rest():
    low, middle, high = operating_points(sweep(**USUAL), (0.01, 0.011, 0.05))
    # 0.011 lets 11 of 1000 pass: decided in whole images.
    assert [low.n_pruned, middle.n_pruned, high.n_pruned] == [4, 3, 3]
    assert low.chosen_by == "detection rate on bd_valid"
    chose, measured = low.figures
    assert (chose.clean, chose.backdoored, chose.chose) == ("valid", "bd_valid", True)
    assert low.measured == (measured,)
    assert (measured.clean, measured.backdoored) == ("test", "bd_test")
    assert (measured.fpr.hits, measured.fpr.total) == (8, 500)
    assert (measured.tpr.hits, measured.tpr.total) == (99, 400)
    assert (measured.precision.hits, measured.precision.total) == (99, 107)
    assert measured.tpr.interval == tuple(map(float, wilson(99, 400)))


def test_a_defender_stops_before_the_first_step_above_the_bound():
    alone = {name: USUAL[name] for name in ("valid", "test", "bd_test")}
    # Step 4 is within 1 % again, but step 3 is not.
    for result, options in ((sweep(**alone), {}), (sweep(**USUAL), {"detect_on": ()})):
        found = operating_points(result, (0, 0.01, 0.05, 1), **options)
        assert [point.n_pruned for point in found] == [0, 2, 5, 6]
        assert {point.chosen_by for point in found} == {CLEAN_ONLY}
        assert not any(part.chose for part in found[0].figures if part.clean == "test")
    clean = operating_points(sweep(valid=USUAL["valid"], test=USUAL["test"]), (0.01,))[0]
    assert [(part.clean, part.backdoored, part.tpr) for part in clean.figures] == [
        ("valid", None, None), ("test", None, None),
    ]  # fmt: skip


@given(st.data())
def test_the_step_chosen_is_the_best_allowed(data):
    column = st.lists(st.integers(0, 8), min_size=6, max_size=6).map(lambda part: [0, *part])
    alarms, found = data.draw(column), data.draw(column)
    bound = data.draw(st.integers(0, 100)) / 100
    result = sweep(valid=(8, alarms), bd_valid=(8, found))
    step = operating_points(result, (bound,))[0].n_pruned
    allowed = [other for other in range(STEPS) if alarms[other] / 8 <= bound]
    best = max(allowed, key=lambda other: (found[other], -alarms[other], -other))
    assert step == best


def test_who_chooses_may_be_named_and_several_choose_together():
    more = {"bd_valid_2": (1000, [0, 0, 990, 0, 0, 0, 0]), **USUAL}
    result = sweep(**more)
    assert operating_points(result, (0.02,))[0].n_pruned == 2
    both = operating_points(result, (0.02,))[0].chosen_by
    assert both == "detection rate on bd_valid_2 + bd_valid"
    point = operating_points(result, (0.02,), detect_on="bd_valid")[0]
    assert (point.n_pruned, point.chosen_by) == (3, "detection rate on bd_valid")
    assert operating_points(result, (0.02,), detect_on=["bd_test"])[0].measured == ()
    for wrong in ("test", "other"):
        with pytest.raises(OptionError, match=r"bd_valid_2, bd_valid, bd_test"):
            operating_points(result, detect_on=wrong)
    with pytest.raises(OptionError, match="false alarm rates"):
        operating_points(result, (1.5,))


def test_sets_go_together_by_pair_by_name_or_by_rank():
    result = sweep(
        valid=(9, [0] * STEPS), first=(9, [0] * STEPS), test=(9, [0] * STEPS),
        bd_test=(9, [0] * STEPS), bd_other=(9, [0] * STEPS), bd_valid=(9, [0] * STEPS, "test"),
    )  # fmt: skip
    assert [companion(result, name) for name in ("bd_test", "bd_other", "bd_valid")] == [
        "test", "first", "test",
    ]  # fmt: skip
    assert pairs(result) == [
        ("valid", None), ("test", "bd_test"), ("first", "bd_other"), ("test", "bd_valid"),
    ]  # fmt: skip
    assert operating_points(result)[0].chosen_by == CLEAN_ONLY, "bd_valid is paired with test"
    assert companion(sweep(valid=(9, [0] * STEPS), bd=(9, [0] * STEPS)), "bd") == "valid"
    with pytest.raises(OptionError, match="backdoored set of this sweep; got 'test'"):
        companion(result, "test")


def test_robustness_is_known_where_true_classes_are():
    result = sweep(**USUAL)
    assert robustness(result, "bd_test") is None
    seven = np.arange(STEPS)
    truth = {"true_hits": seven * 10, "goodnet_true_hits": seven, "other_hits": 300 - seven}
    known = counts(400, [0] * STEPS, **truth, others=300)
    result.sets["bd_test"] = SetResult("bd_test", "backdoored", known, None)
    found = robustness(result, "bd_test")
    assert found.robust_accuracy.tolist() == [step * 10 / 400 for step in range(STEPS)]
    assert found.goodnet_robust_accuracy[6] == 6 / 400
    assert found.asr_without_target[1] == 299 / 300
    np.testing.assert_allclose(found.asr_without_target_interval, wilson(300 - seven, 300))
    np.testing.assert_allclose(found.robust_accuracy_interval, wilson(seven * 10, 400))
    np.testing.assert_allclose(found.goodnet_robust_accuracy_interval, wilson(seven, 400))
    nobody = counts(4, [0] * STEPS, **(truth | {"other_hits": seven * 0}), others=0)
    result.sets["bd_test"] = SetResult("bd_test", "backdoored", nobody, None)
    assert np.isnan(robustness(result, "bd_test").asr_without_target).all()


def test_the_table_fits_and_names_the_steps():
    lines = detector_table(sweep(**USUAL)).splitlines()
    assert all(len(line) <= WIDTH for line in lines)
    assert " ".join(lines[-3].split()) == (
        "1.00 4 test 1.6 [0.8, 3.1] bd_test 24.8 [20.8, 29.2] 92.5 [85.9, 96.2]"
    )
    alone = detector_table(sweep(valid=USUAL["valid"])).splitlines()
    assert alone[-1].split() == ["5.00", "5", "valid", "5.0", "[3.8,", "6.5]", "-", "-", "-"]
    assert CLEAN_ONLY in " ".join(alone)
    blind = detector_table(sweep(**(USUAL | {"bd_valid": (1000, [0] * 6 + [1000])})))
    assert " ".join(blind.split()).endswith("no step within 5% flags an image of bd_valid")


def test_a_share_out_of_none():
    assert math.isnan(Share(0, 0).rate)
    assert Share(0, 0).as_json() == {"hits": 0, "total": 0, "rate": None, "low": 0, "high": 1}
