"""Results directories that 0.1.0 wrote are read, shown, drawn and reported."""

from __future__ import annotations

import json
from pathlib import Path

import keras
import numpy as np
import pytest

import fastprune
from fastprune import SweepResult
from fastprune.export.folder import write_csv
from fastprune.export.json_values import as_json

OLD = Path(__file__).resolve().parents[1] / "data/results_of_0_1_0"
ORDERS = ("ascending", "oracle")


@pytest.mark.parametrize("order", ORDERS)
def test_figures_are_what_they_were(order, tmp_path):
    result = SweepResult.load(OLD / order)
    found = json.loads((OLD / order / "sweep.json").read_text("utf-8"))
    assert as_json(result) == {key: value for key, value in found.items() if key != "files"}
    assert result.metrics() == json.loads((OLD / order / "metrics.json").read_text("utf-8"))
    write_csv(result, tmp_path / "sweep.csv")
    assert (tmp_path / "sweep.csv").read_bytes() == (OLD / order / "sweep.csv").read_bytes()


def test_tables_are_what_they_were():
    result = SweepResult.load(OLD / "ascending")
    told = f"{result.table()}\n{result.table(every_step=True)}\n"
    assert told == (OLD / "ascending.txt").read_text("utf-8")


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.slow
def test_plots_and_page_can_be_made(order, tmp_path):
    pytest.importorskip("plotly")
    pytest.importorskip("jinja2")
    result = SweepResult.load(OLD / order)
    assert len(result.plot(tmp_path)) == 10
    assert result.report(tmp_path / "report.html").stat().st_size > 1_000_000


def test_a_comparison_is_what_it_was(tmp_path):
    comparison = fastprune.compare([SweepResult.load(OLD / order) for order in ORDERS])
    assert f"{comparison.table()}\n" == (OLD / "compare.txt").read_text("utf-8")
    comparison.save(tmp_path / "made")
    for name in ("compare.csv", "compare.json"):
        assert (tmp_path / "made" / name).read_bytes() == (OLD / name).read_bytes()


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
