"""Results directories that 0.1.0 wrote are read, shown, drawn and reported."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import keras
import numpy as np
import pytest

import fastprune
from fastprune import SweepResult
from fastprune.export.folder import write_csv
from fastprune.export.json_values import as_json
from fastprune.report.text.tables import ROBUST

OLD = Path(__file__).resolve().parents[1] / "data/results_of_0_1_0"
ORDERS = ("ascending", "oracle")


def rows_of(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("order", ORDERS)
def test_figures_are_what_they_were(order, tmp_path):
    result = SweepResult.load(OLD / order)
    found = json.loads((OLD / order / "sweep.json").read_text("utf-8"))
    found["network"].update(intervention="weights", behind=0, branches=[])
    now = as_json(result)
    assert {key: now[key] for key in found if key != "files"} == {
        key: value for key, value in found.items() if key != "files"
    }
    assert result.metrics() == json.loads((OLD / order / "metrics.json").read_text("utf-8"))
    write_csv(result, tmp_path / "sweep.csv")
    old, new = rows_of(OLD / order / "sweep.csv"), rows_of(tmp_path / "sweep.csv")
    assert [{key: row[key] for key in old[0]} for row in new] == old
    names = ("network", "prune_layer", "intervention", "order")
    assert {tuple(row[name] for name in names) for row in new} == {
        ("deepid_like", "conv_3", "weights", result.order_name)
    }


def test_tables_are_what_they_were():
    result = SweepResult.load(OLD / "ascending")
    told = f"{result.table()}\n{result.table(every_step=True)}".splitlines()
    old = (OLD / "ascending.txt").read_text("utf-8").splitlines()
    heading = "; robust: in their true class"
    old = [line.removesuffix(heading) for line in old]
    assert {line for line in told if line not in old} == {f"{old[0]} (weights zeroed)", ROBUST}
    assert [line for line in told if line in old] == [
        line for line in old if line != old[0]
    ]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.slow
def test_plots_and_page_can_be_made(order, tmp_path):
    pytest.importorskip("plotly")
    pytest.importorskip("jinja2")
    result = SweepResult.load(OLD / order)
    assert len(result.plot(tmp_path)) == 10
    assert result.report(tmp_path / "report.html").stat().st_size > 1_000_000


def test_a_comparison_is_what_it_was(tmp_path):
    comparison = fastprune.compare([OLD / order for order in ORDERS])
    told = (OLD / "compare.txt").read_text("utf-8").split("\n\n")
    now = comparison.table().split("\n\n")
    assert now[0].splitlines()[-3:] == told[0].splitlines()[-3:]
    assert (now[1], now[-1]) == (told[1], told[-1].rstrip())
    comparison.save(tmp_path / "made", plots=False)
    old, new = rows_of(OLD / "compare.csv"), rows_of(tmp_path / "made/compare.csv")
    assert [{key: row[key] for key in old[0]} for row in new] == old
    found = json.loads((tmp_path / "made/compare.json").read_text("utf-8"))["rows"]
    rows = json.loads((OLD / "compare.json").read_text("utf-8"))["rows"]
    assert [{key: row[key] for key in rows[0]} for row in found] == rows


@pytest.mark.slow
def test_networks_give_the_classes_that_were_counted():
    result = SweepResult.load(OLD / "ascending")
    step = result.crossing(10)
    repaired = keras.saving.load_model(OLD / "ascending/repaired_10.h5", compile=False)
    goodnet = keras.saving.load_model(OLD / "ascending/goodnet_10.keras", compile=False)
    for part in result.sets.values():
        samples = part.samples
        found = repaired.predict(samples.images, verbose=0).argmax(axis=1)
        assert np.array_equal(found, samples.classes[step])
        found = goodnet.predict(samples.images, verbose=0).argmax(axis=1)
        assert np.array_equal(found, samples.goodnet_classes(step, result.n_classes))
