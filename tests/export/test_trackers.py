"""Results in other people's tools: pandas, MLflow, spreadsheets."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import math
import posixpath
import re
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastprune
from fastprune.cli import sweep as sweep_command
from fastprune.comparison import compare
from fastprune.errors import OptionError
from fastprune.export.folder import write_csv
from fastprune.export.frames import TEXTS, WHOLE, WHOLE_OR_NONE
from fastprune.export.rows import COLUMNS
from fastprune.export.trackers import set_keys
from fastprune.files.csv_files import text_cell, write_rows


@pytest.fixture(scope="module")
def results(make_network, make_images, plain_classes):
    """A real sweep of two orders; image i of bd is image i of test."""
    model = make_network("deepid_like", seed=1)
    images, others = make_images(60)[0], make_images(40, seed=1)[0]
    labels = plain_classes(model, images)
    return fastprune.sweep_orders(
        model, valid=(images, labels), clean={"test": (others, plain_classes(model, others))},
        backdoored={"bd": (255 - others, np.full(40, labels[0]))}, paired={"bd": "test"},
        orders=["ascending", "descending"], drops=(1, 2.5, 100),
    )  # fmt: skip


def renamed(result, names):
    """A result whose sets have other names, in their order."""
    new = dict(zip(result.sets, names, strict=True))
    sets = {
        new[name]: dataclasses.replace(
            part, name=new[name], paired=new.get(part.paired) if part.paired else None
        )
        for name, part in result.sets.items()
    }
    return dataclasses.replace(result, sets=sets, valid=new[result.valid])


# pandas


@pytest.mark.slow
def test_frame_holds_what_the_csv_holds(results, tmp_path):
    frame = results[0].to_pandas()
    write_csv(results[0], tmp_path / "sweep.csv")
    read = pd.read_csv(tmp_path / "sweep.csv").astype({"channel": "Int64"})
    assert list(frame) == list(COLUMNS)
    assert len(frame) == 3 * 7
    pd.testing.assert_frame_equal(frame, read, check_dtype=False, check_exact=True)


def test_frame_types(results):
    frame = results[0].to_pandas()
    for column, kind in frame.dtypes.items():
        if column in WHOLE:
            assert kind == "int64", column
        elif column in WHOLE_OR_NONE:
            assert kind == "Int64", column
        elif column not in TEXTS:
            assert kind == "float64", column
    assert frame["channel"].isna().tolist() == (frame["n_pruned"] == 0).tolist()
    assert frame["channel"].dropna().tolist() == 3 * results[0].order.tolist()
    # None of the sets has true labels: the columns keep their types.
    sets = {
        name: dataclasses.replace(
            part, paired=None, counts=dataclasses.replace(part.counts, true_hits=None)
        )
        for name, part in results[0].sets.items()
    }
    bare = dataclasses.replace(results[0], sets=sets).to_pandas()
    assert bare["true_hits"].isna().all()
    assert bare.dtypes.to_dict() == frame.dtypes.to_dict()


def test_frames_of_orders_go_together(results):
    both = pd.concat([result.to_pandas() for result in results], ignore_index=True)
    assert both.groupby("order").size().to_dict() == {"ascending": 21, "descending": 21}
    named = both[["network", "prune_layer", "intervention"]].drop_duplicates().values.tolist()
    assert named == [["deepid_like", "conv_3", "weights"]]
    assert both["channel"].dtype == "Int64"
    assert both["hits"].dtype == "int64"
    wide = both.pivot(index="n_pruned", columns=["order", "set"], values="hits")
    for result in results:
        for name, part in result.sets.items():
            assert wide[result.order_name, name].tolist() == part.counts.hits.tolist()


def test_without_pandas_one_line_says_so(results, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(OptionError, match=r"fastprune\[pandas\]") as caught:
        results[0].to_pandas()
    assert "\n" not in str(caught.value)


# Flat metrics


def check_flat(found):
    """What MLflow, its file store and Weights & Biases take."""
    for key, value in found.items():
        assert re.fullmatch(r"[A-Za-z0-9_/-]+", key), key
        assert posixpath.normpath(key) == key
        assert not key.startswith(("_", "/"))
        assert len(key) <= 250
        assert type(value) in (int, float)
        assert math.isfinite(value)
    lower = [key.lower() for key in found]
    assert len(set(lower)) == len(lower)
    folders = {key[:end.start()] for key in lower for end in re.finditer("/", key)}
    assert not folders & set(lower), "a file cannot be a folder"


def test_metrics_are_the_figures(results):
    result = results[0]
    found = result.metrics()
    check_flat(found)
    step = result.crossing(2.5)
    assert step
    valid, bd = result.sets["valid"].counts, result.sets["bd"].counts
    expected = {
        "network/n_channels": 6, "network/n_classes": 7, "run/images": 140,
        "B/valid/clean_accuracy": 1.0, "B/bd/attack_success_rate": bd.hits[0] / 40,
        "drop_2_5/n_pruned": step, "drop_2_5/valid/clean_accuracy": valid.hits[step] / 60,
        "drop_2_5/valid/false_alarm_rate": valid.flagged[step] / 60,
        "drop_2_5/bd/attack_success_rate": bd.hits[step] / 40,
        "drop_2_5/bd/goodnet_attack_success_rate": bd.goodnet_hits[step] / 40,
        "drop_2_5/bd/detection_rate": bd.flagged[step] / 40,
        "drop_2_5/bd/robust_accuracy": bd.true_hits[step] / 40,
    }  # fmt: skip
    assert {key: found[key] for key in expected} == expected
    assert type(found["drop_2_5/n_pruned"]) is int
    assert not [key for key in found if key.startswith("drop_100/")]
    assert 0 <= found["detector/bd/roc_area"] <= 1
    at = found["max_fpr_5/n_pruned"]
    assert found["max_fpr_5/valid/false_alarm_rate"] == valid.flagged[at] / 60 <= 0.05
    assert found["max_fpr_5/bd/detection_rate"] == bd.flagged[at] / 40


def test_metrics_say_what_they_are_of_where_asked(results):
    named = results[1].metrics(named=True)
    assert results[1].names() == {
        "network/name": "deepid_like", "network/prune_layer": "conv_3",
        "network/intervention": "weights", "run/order": "descending",
    }  # fmt: skip
    assert named == {**results[1].names(), **results[1].metrics()}
    assert list(named)[:4] == list(results[1].names())


def test_steps_are_the_figures(results):
    found = list(results[0].steps())
    assert [n_pruned for n_pruned, _ in found] == list(range(7))
    for n_pruned, values in found:
        check_flat(values)
        counts = results[0].sets["test"].counts
        assert values["sweep/test/clean_accuracy"] == counts.hits[n_pruned] / 40
        assert values.keys() == found[0][1].keys()


@pytest.mark.slow
def test_every_results_directory_has_them(results, tmp_path):
    results[0].save(tmp_path, plots=False)
    found = json.loads((tmp_path / "metrics.json").read_text())
    assert found == results[0].metrics(named=True)
    assert fastprune.SweepResult.load(tmp_path).metrics() == results[0].metrics()


NASTY = st.one_of(
    st.text(max_size=80),
    st.sampled_from(
        ["n_pruned", "N_PRUNED", "..", ".", "a//b", "clean_accuracy", "a", "A", "a_2", "", "x" * 99]
    ),
)


@settings(max_examples=60, deadline=None)
@given(names=st.lists(NASTY, min_size=3, max_size=3, unique=True))
def test_names_of_sets_cannot_break_the_keys(results, names):
    result = renamed(results[0], names)
    found = result.metrics()
    check_flat(found)
    check_flat(next(result.steps())[1])
    assert len(found) >= len(results[0].metrics()) - 6  # a companion may be another set


@given(st.lists(NASTY, unique=True, max_size=12))
def test_every_set_has_a_key_of_its_own(names):
    keys = set_keys(names)
    assert list(keys) == names
    assert len({key.lower() for key in keys.values()}) == len(names)


# Spreadsheets

FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", " =1", "\t=1", "\uff1d1", "\n=1", "=HYPERLINK(\"x\")"]


@pytest.mark.parametrize("name", FORMULAS)
def test_no_name_is_a_formula(results, name, tmp_path, capsys):
    result = renamed(results[0], ["valid", "test", name])
    result = dataclasses.replace(result, order_name=name)
    write_csv(result, tmp_path / "sweep.csv")
    compare([result]).save(tmp_path, plots=False, force=True)
    sweep_command.show([result, results[1]], [tmp_path / "a", tmp_path / "b"], "csv")
    (tmp_path / "stdout.csv").write_text(capsys.readouterr().out, encoding="utf-8", newline="")
    for file in ("sweep.csv", "compare.csv", "stdout.csv"):
        with open(tmp_path / file, newline="", encoding="utf-8") as opened:
            table = list(csv.reader(opened))
        cells = {cell for row in table for cell in row}
        assert f"'{name}" in cells, file
        risky = [cell for cell in cells if cell.strip()[:1] in set("=+@-\uff1d")]
        assert [cell for cell in risky if not is_number(cell)] == []


def is_number(text):
    try:
        float(text)
    except ValueError:
        return False
    return True


@given(st.text())
def test_text_is_only_ever_put_behind_an_apostrophe(text):
    assert text_cell(text) in (text, f"'{text}")
    assert not text_cell(text).lstrip().startswith(("=", "+", "-", "@"))


def test_csv_has_no_surprises(results, tmp_path):
    result = renamed(results[0], ["välid", 'te"st,1', "bd\nx"])
    write_csv(result, tmp_path / "sweep.csv")
    raw = (tmp_path / "sweep.csv").read_bytes()
    assert b"\r" not in raw
    assert not raw.startswith(b"\xef\xbb\xbf")
    header = raw.split(b"\n")[0].decode()
    assert tuple(header.split(",")) == COLUMNS
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", column) for column in COLUMNS)
    with open(tmp_path / "sweep.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["set"] for row in rows[::7]] == ["välid", 'te"st,1', "bd\nx"]
    numbers = [
        cell for row in rows for key, cell in row.items() if key not in TEXTS and cell != ""
    ]
    assert all(re.fullmatch(r"\d+(\.\d+)?(e-\d+)?", cell) for cell in numbers)
    shares = [float(row[key]) for row in rows for key in ("rate", "fraction_pruned")]
    assert 0 <= min(shares) <= max(shares) <= 1
    assert set(pd.read_csv(tmp_path / "sweep.csv")["set"]) == set(result.sets)


def test_missing_values_are_empty_cells():
    file = io.StringIO()
    write_rows(file, ("a", "b"), [{"a": None, "b": 1e-05}, {"a": "-x", "b": -1}])
    assert file.getvalue() == "a,b\n,1e-05\n'-x,-1\n"
