"""True classes of backdoored images: robust accuracy and ASR, against plain Keras."""

from __future__ import annotations

import csv
import dataclasses
import json

import h5py
import numpy as np
import pytest

import fastprune
from fastprune import reference
from fastprune.errors import DataError, OptionError
from fastprune.export.rows import COLUMNS
from fastprune.result import SweepResult
from fastprune.results.detection import companion, detection, operating_points, robustness
from tests.helpers.networks import CHANNELS, build, deepid, pictures

CUT = {"cut_layer": "cut_here"}


@pytest.fixture(scope="module")
def model():
    return build(deepid)


def labelled(model, images):
    """B's own classes as labels, one in eight wrong."""
    labels = model.predict(images, verbose=0).argmax(axis=1)
    labels[::8] = (labels[::8] + 1) % 7
    return labels


@pytest.fixture(scope="module")
def lab(model):
    """Two triggers with a target each, on clean sets of different sizes."""
    clean = {"valid": pictures(90, 1), "test": pictures(61, 2)}
    labels = {name: labelled(model, images) for name, images in clean.items()}
    tinted = {
        "bd_valid": (clean["valid"] + np.float32(0.4), np.full(90, labels["valid"][0])),
        "bd_test": (clean["test"] + np.float32(0.4), np.full(61, labels["test"][1])),
        "striped": (clean["test"][::-1] * np.float32(1.5), np.arange(61) % 3),
    }
    truths = {"striped": labels["test"][::-1].copy()}
    return {
        "valid": (clean["valid"], labels["valid"]),
        "clean": {"test": (clean["test"], labels["test"])},
        "backdoored": tinted,
        "paired": {"bd_valid": "valid", "bd_test": "test"},
        "true_labels": truths,
    }


@pytest.fixture(scope="module")
def result(model, lab):
    return fastprune.sweep(model, **lab, **CUT)


@pytest.mark.slow
def test_every_set_has_a_row_of_its_own_against_plain_keras(model, lab, result):
    """Several triggers and several targets, one set with a target per image."""
    truths = {
        "bd_valid": lab["valid"][1], "bd_test": lab["clean"]["test"][1], **lab["true_labels"],
    }  # fmt: skip
    assert list(result.sets) == ["valid", "test", "bd_valid", "bd_test", "striped"]
    for name, (images, target) in lab["backdoored"].items():
        counts, found = result.sets[name].counts, robustness(result, name)
        true, other = truths[name], truths[name] != target
        assert counts.others == found.others == other.sum()
        base = reference.classes(model, "prune_me", [], images)
        for step in range(CHANNELS + 1):
            classes = reference.classes(model, "prune_me", result.order[:step], images)
            assert counts.hits[step] == np.sum(classes == target)
            assert counts.true_hits[step] == np.sum(classes == true)
            assert counts.goodnet_true_hits[step] == np.sum((classes == true) & (classes == base))
            assert counts.other_hits[step] == np.sum((classes == target) & other)
            assert found.robust_accuracy[step] == np.mean(classes == true)
            assert found.asr_without_target[step] == np.mean((classes == target)[other])
        assert counts.class_hits is None
        np.testing.assert_array_equal(result.sets[name].samples.truth, true[_shown(len(images))])
    assert [companion(result, name) for name in lab["backdoored"]] == ["valid", "test", "test"]
    assert {(part.clean, part.backdoored) for part in operating_points(result)[0].measured} == {
        ("test", "bd_test"), ("test", "striped"),
    }  # fmt: skip


def _shown(images):
    return np.unique(np.linspace(0, images - 1, 8).round().astype(int))


def test_hits_of_every_class_of_clean_sets(model, lab, result):
    images, labels = lab["clean"]["test"]
    counts = result.sets["test"].counts
    assert counts.class_hits.dtype == np.int32
    np.testing.assert_array_equal(counts.class_hits.sum(axis=1), counts.hits)
    np.testing.assert_array_equal(counts.class_images, np.bincount(labels, minlength=7))
    for step in (0, 2, CHANNELS):
        classes = reference.classes(model, "prune_me", result.order[:step], images)
        expected = np.bincount(labels[classes == labels], minlength=7)
        np.testing.assert_array_equal(counts.class_hits[step], expected)


def test_the_table_has_robust_accuracy_where_it_is_known(result):
    lines = result.table(every_step=True).splitlines()
    assert any("robust: put in their true class" in line for line in lines)
    heads = [line for line in lines if line.split()[:1] == ["n_pruned"]]
    assert sum(line.count("robust G") for line in heads) == 3
    known = robustness(result, "striped")
    row = lines[-2].split()
    assert row[-2:] == [
        f"{100 * share[-1]:.2f}" for share in (known.robust_accuracy, known.goodnet_robust_accuracy)
    ]
    assert all(len(line) <= 100 for line in lines)


def test_unknown_truth_stays_unknown(model, lab):
    plain = fastprune.sweep(model, **{**lab, "paired": {}, "true_labels": {}}, **CUT)
    assert "robust" not in plain.table()
    assert robustness(plain, "bd_test") is None
    assert plain.sets["bd_test"].samples.truth is None
    rows = [row for row in plain.rows() if row["set"] == "bd_test"]
    assert {row["robust_accuracy"] for row in rows} == {""}


@pytest.mark.slow
def test_results_carry_it_all(result, tmp_path):
    result.save(tmp_path, plots=False)
    loaded = SweepResult.load(tmp_path)
    for name, part in result.sets.items():
        for field in dataclasses.fields(part.counts):
            one, two = (getattr(r.sets[name].counts, field.name) for r in (result, loaded))
            assert (one is None) == (two is None), field.name
            np.testing.assert_array_equal(one, two)
            assert np.asarray(one).dtype == np.asarray(two).dtype
        assert loaded.sets[name].paired == part.paired
    shown, expected = (part.sets["striped"].samples.truth for part in (loaded, result))
    np.testing.assert_array_equal(shown, expected)
    np.testing.assert_array_equal(loaded.scores, result.scores)
    with open(tmp_path / "sweep.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    robust, found = robustness(result, "bd_test"), detection(result, "test", "bd_test")
    for row in rows:
        step = int(row["n_pruned"])
        if row["set"] == "bd_test":
            assert float(row["robust_accuracy"]) == robust.robust_accuracy[step]
            high = robust.asr_without_target_interval[1][step]
            assert float(row["asr_without_target_high"]) == high
            assert row["clean_set"] == "test"
            wanted = found.precision[step]
            assert row["precision"] == ("" if np.isnan(wanted) else str(wanted))
        if row["set"] == "valid":
            assert (row["precision"], row["true_hits"]) == ("", "")
        assert float(row["rate_low"]) <= float(row["rate"]) <= float(row["rate_high"])
    saved = json.loads((tmp_path / "sweep.json").read_text())
    assert "NaN" not in (tmp_path / "sweep.json").read_text()
    assert saved["sets"]["bd_test"]["true_hits"] == robust.true_hits.tolist()
    assert [pair["backdoored"] for pair in saved["detector"]["pairs"]] == [
        "bd_valid", "bd_test", "striped",
    ]  # fmt: skip
    assert saved["detector"]["pairs"][1]["precision"][0] is None
    bounds = [point["max_fpr"] for point in saved["detector"]["operating_points"]]
    assert bounds == [0.01, 0.02, 0.05]
    assert saved["options"]["paired"] == {"bd_valid": "valid", "bd_test": "test"}
    assert saved["options"]["true_labels"] == {"striped": "given"}


@pytest.mark.slow
def test_results_of_before_still_load(result, tmp_path):
    result.save(tmp_path, plots=False)
    found = json.loads((tmp_path / "sweep.json").read_text())
    for key in ("detector", "scores", "oracle"):
        del found[key]
    found["files"].remove("class_hits.npz")
    known = ("kind", "source", "images", "hits", "goodnet_hits", "flagged", "near_ties")
    found["sets"] = {
        name: {key: part[key] for key in known} for name, part in found["sets"].items()
    }
    (tmp_path / "sweep.json").write_text(json.dumps(found))
    (tmp_path / "class_hits.npz").unlink()
    loaded = SweepResult.load(tmp_path)
    assert loaded.sets["test"].counts.class_hits is None
    assert robustness(loaded, "bd_test") is None
    assert [point.n_pruned for point in operating_points(loaded)] == [
        point.n_pruned for point in operating_points(result)
    ]
    loaded.table(), list(loaded.rows())


@pytest.fixture
def files(lab, tmp_path):
    """Files with a label dataset only: right, too long, no classes."""
    right = lab["clean"]["test"][1]
    for name, labels in (("right", right), ("long", np.append(right, 0)), ("high", right + 7)):
        with h5py.File(tmp_path / f"{name}.h5", "w") as file:
            file["label"] = labels.astype(float)
    return tmp_path


def test_true_labels_from_a_file_are_those_of_the_pair(model, lab, result, files):
    named = {**lab, "true_labels": {"bd_test": files / "right.h5"}, "paired": {}}
    found = fastprune.sweep(model, **named, **CUT)
    np.testing.assert_array_equal(
        found.sets["bd_test"].counts.true_hits, result.sets["bd_test"].counts.true_hits
    )
    assert found.options["true_labels"] == {"bd_test": str(files / "right.h5")}
    assert found.sets["bd_test"].paired is None


@pytest.mark.parametrize(
    ("paired", "true_labels", "error", "match"),
    [
        ({"bd": "valid"}, {}, OptionError, "got 'bd'.*there is bd_valid, bd_test, striped"),
        ({"test": "valid"}, {}, OptionError, "backdoored set; got 'test'"),
        ({"bd_test": "clean"}, {}, OptionError, "got 'clean'.*there is valid, test"),
        ({"bd_test": "bd_valid"}, {}, OptionError, "clean set; got 'bd_valid'"),
        ({"bd_test": "valid"}, {}, OptionError, "got 61 and 90"),
        ({}, {"test": "right.h5"}, OptionError, "backdoored set; got 'test'"),
        ({}, {"bd_test": "long.h5"}, DataError, r"shape \(61,\).*long.h5:label, true labels"),
        ({}, {"bd_test": "high.h5"}, DataError, "labels 0 … 6.*high.h5"),
        ({}, {"bd_test": "none.h5"}, DataError, "no such file"),
        ({}, {"bd_test": [0.5] * 61}, DataError, "whole numbers.*true labels of bd_test"),
        ({"bd_test": "test"}, {"bd_test": [0] * 61}, OptionError, "only one of the two"),
    ],
)
def test_truth_that_cannot_be(model, lab, files, monkeypatch, paired, true_labels, error, match):
    monkeypatch.chdir(files)
    with pytest.raises(error, match=match):
        fastprune.sweep(model, **{**lab, "paired": paired, "true_labels": true_labels}, **CUT)
