"""Orders side by side: the table, the files and the plot hold the sweeps' own figures."""

from __future__ import annotations

import csv
import dataclasses
import json

import numpy as np
import pytest
from matplotlib.colors import to_hex
from PIL import Image

import fastprune
from fastprune.errors import OptionError
from fastprune.report.text.tables import WIDTH
from fastprune.results.comparison_record import COLUMNS
from fastprune.results.detection import detection, roc
from tests.helpers.results import STEPS, counts, network_info, sweep

ORDERS = {
    "ascending": [0, 1, 2, 3, 4, 5],
    "random:1": [3, 0, 1, 2, 4, 5],
    "oracle:bd_valid": [5, 4, 3, 2, 1, 0],
}


@pytest.fixture
def results():
    """Three orders; channels 0 and 1 are dead, drop 2 is crossed at step 1, 2 and never."""
    found = []
    for place, (name, order) in enumerate(ORDERS.items()):
        hits = [99, 99, 99, 99, 99, 99, 99]
        hits[place + 1 :] = [50] * (STEPS - place - 1) if place < 2 else hits[place + 1 :]
        parts = {
            "valid": (100, [0, 1, 2, 3, 4, 5, 6]), "test": (100, [0, 1, 2, 3, 4, 5, 6]),
            "extra": (100, [0] * STEPS), "bd_valid": (100, [0, 9, 9, 9, 9, 9, 9]),
            "bd_test": (100, [0, 10, 20, 30, 40, 50 + place, 60]),
        }  # fmt: skip
        result = sweep(**parts)
        for part in list(result.sets.values()):
            made = counts(100, part.counts.flagged)
            made = dataclasses.replace(made, hits=np.array(hits) - (part.name == "test"))
            result.sets[part.name] = dataclasses.replace(part, counts=made)
        activations = np.array([0.0, 0.0, 1, 2, 3, 4])
        found.append(
            dataclasses.replace(
                result, order_name=name, order=np.array(order), activations=activations
            )
        )
    return found


def test_rows_are_the_figures_of_the_sweeps(results):
    comparison = fastprune.compare(results)
    assert (comparison.clean, comparison.backdoored, comparison.dead) == ("test", "bd_test", 2)
    rows = list(comparison.rows())
    assert [(row["order"], row["drop"], row["n_pruned"]) for row in rows] == [
        ("ascending", 0, 0), ("ascending", 2, 1), ("random:1", 0, 0), ("random:1", 2, 2),
        ("oracle:bd_valid", 0, 0), ("oracle:bd_valid", 2, None),
    ]  # fmt: skip
    assert [row["dead_first"] for row in rows] == [2, 2, 0, 0, 0, 0]
    assert [row["oracle"] for row in rows] == [None] * 4 + ["bd_valid"] * 2
    for row in rows:
        result = results[list(ORDERS).index(row["order"])]
        assert row["roc_area"] == roc(detection(result, "test", "bd_test")).area
        if row["n_pruned"] is None:
            assert row["clean_accuracy"] is row["asr"] is row["detection_rate"] is None
            continue
        for name, key, rate in (
            ("test", "clean_accuracy", "rate"), ("test", "false_alarm_rate", "flagged_rate"),
            ("bd_test", "asr", "rate"), ("bd_test", "detection_rate", "flagged_rate"),
        ):  # fmt: skip
            assert row[key] == getattr(result.sets[name].counts, rate)[row["n_pruned"]]


def test_the_table_has_a_row_per_order_and_fits(results):
    lines = fastprune.compare(results).table().splitlines()
    assert all(len(line) <= WIDTH for line in lines)
    rows = {line.split()[0]: line.split()[1:] for line in lines if line.split()[:1]}
    area = roc(detection(results[0], "test", "bd_test")).area
    assert rows["ascending"] == ["2", f"{area:.4f}", "1", "49.00", "50.00", "10.00"]
    assert rows["random:1"][2:] == ["2", "49.00", "50.00", "20.00"]
    assert rows["oracle:bd_valid*"][2:] == ["never", "-", "-", "-"]
    assert lines[-1] == "* looks at backdoored images, as no defender can"
    assert "no defender" not in fastprune.compare(results[:2]).table()


def test_many_drops_take_several_blocks(results):
    drops = tuple(float(drop) for drop in range(1, 7))
    wide = fastprune.compare([dataclasses.replace(r, drops=drops) for r in results]).table()
    assert all(len(line) <= WIDTH for line in wide.splitlines())
    assert all(f"X={drop:g} -" in wide for drop in drops)


def test_files_hold_the_rows_and_replace_earlier_ones(results, tmp_path):
    comparison = fastprune.compare(results)
    (tmp_path / "mine.txt").write_text("mine")
    for _ in range(2):
        comparison.save(tmp_path)
    assert {item.name for item in tmp_path.iterdir()} == {
        "mine.txt", "compare.csv", "compare.json", "compare.png",
    }  # fmt: skip
    with open(tmp_path / "compare.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    expected = list(comparison.rows())
    assert [row["asr"] for row in rows] == [
        "" if row["asr"] is None else str(row["asr"]) for row in expected
    ]
    found = json.loads((tmp_path / "compare.json").read_text())
    assert found["rows"] == json.loads(json.dumps(expected))
    with Image.open(tmp_path / "compare.png") as image:
        assert image.width == 1500
    comparison.save(tmp_path, plots=False)
    assert not (tmp_path / "compare.png").exists(), "it would be of another run"


def test_the_plot_has_a_line_per_order_on_both_sets(results):
    figure = fastprune.compare(results).plot()
    assert len(figure.axes) == 2
    for axes, name in zip(figure.axes, ("test", "bd_test"), strict=True):
        for line, result in zip(axes.lines, results, strict=True):
            np.testing.assert_array_equal(line.get_ydata(), result.sets[name].counts.rate)
    lines = figure.axes[0].lines
    assert len({to_hex(line.get_color()) for line in lines}) == 3
    assert [line.get_linestyle() for line in lines] == ["-", ":", "--"]
    labels = [text.get_text() for legend in figure.legends for text in legend.get_texts()]
    assert labels == ["ascending", "random:1", "oracle:bd_valid*"]
    assert any("no defender can" in text.get_text() for text in figure.texts)


def test_sets_may_be_named(results):
    named = fastprune.compare(results, clean="valid", backdoored="bd_test")
    assert (named.clean, named.backdoored) == ("valid", "bd_test")
    assert fastprune.compare(results, backdoored="bd_valid").clean == "valid"
    assert fastprune.compare(results, clean="extra").backdoored is None
    alone = [sweep(valid=(9, [0] * STEPS))]
    only = fastprune.compare(alone)
    assert (only.clean, only.backdoored, len(only.plot().axes)) == ("valid", None, 1)
    assert "-" in only.table().splitlines()[-1].split()


def test_results_that_cannot_be_compared(results):
    with pytest.raises(OptionError, match="got none"):
        fastprune.compare([])
    with pytest.raises(OptionError, match="got 'x'; it has bd_valid, bd_test"):
        fastprune.compare(results, backdoored="x")
    other = dataclasses.replace(results[1], network=network_info(fingerprint="f"))
    fewer = dataclasses.replace(results[1], sets={"valid": results[1].sets["valid"]})
    drops = dataclasses.replace(results[1], drops=(3.0,))
    for wrong, what in ((other, "network"), (fewer, "sets"), (drops, "drops")):
        with pytest.raises(OptionError, match=f"{what} differ"):
            fastprune.compare([results[0], wrong])
