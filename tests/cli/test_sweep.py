"""`fastprune sweep`: what it prints, in every format, and what it leaves in its folder."""

from __future__ import annotations

import csv
import io
import json

import pytest

from fastprune.export.rows import COLUMNS
from fastprune.result import SweepResult
from tests.helpers.commands import sweep_of

ONE = ("--drops", "10")
"""One drop: three files are written and read back for each."""


@pytest.mark.slow
def test_sweep_prints_the_drops_and_writes_the_results(run, files, tmp_path):
    status, out, err = run(*sweep_of(files, "--verify", "3"))
    assert (status, err) == (0, "")
    head = [line for line in out.splitlines() if "6 channels of conv_3" in line]
    told = "b, ascending order: 6 channels of conv_3 (weights zeroed), 1 convolution behind"
    assert head == [told]
    assert "cut at pool_3, 7 classes, engine incremental" in out
    assert "verified with plain Keras" in out
    assert out.endswith("results in results\n")
    found = SweepResult.load(tmp_path / "here/results")
    assert {name: part.counts.images for name, part in found.sets.items()} == {
        "valid": 30, "test": 20, "bd": 10,
    }  # fmt: skip
    assert found.sets["valid"].counts.hits[0] == 29


def test_sweep_formats(run, files):
    status, out, err = run(*sweep_of(files, "--format", "json"))
    found = json.loads(out)
    assert (status, err, found["results"]) == (0, "", "results")
    assert found["sets"]["valid"]["hits"][0] == 29
    status, out, err = run(*sweep_of(files, "--format", "csv"))
    rows = list(csv.DictReader(io.StringIO(out)))
    assert (status, err, len(rows), tuple(rows[0])) == (0, "", 3 * 7, COLUMNS)
    assert [int(row["hits"]) for row in rows[:7]] == found["sets"]["valid"]["hits"]


@pytest.mark.slow
def test_several_orders_get_a_folder_each(run, files, tmp_path):
    (tmp_path / "mine.txt").write_text("5 4 3 2 1 0")
    orders = f"ascending,random:3,{tmp_path / 'mine.txt'}"
    three = ("--order", orders, "--format", "json", "--out", "o")
    status, out, _ = run(*sweep_of(files, *ONE, *three))
    assert status == 0
    assert [found["results"] for found in json.loads(out)] == [
        "o/ascending", "o/random-3", "o/mine",
    ]  # fmt: skip
    assert json.loads(out)[2]["order"] == [5, 4, 3, 2, 1, 0]
    two = ("--order", "ascending,descending", "--format", "csv")
    status, out, _ = run(*sweep_of(files, *ONE, *two))
    rows = list(csv.DictReader(io.StringIO(out)))
    assert {row["order"] for row in rows} == {"ascending", "descending"}


@pytest.mark.slow
def test_several_orders_are_compared(run, files, tmp_path):
    orders = "ascending,max,apoz,l1,l2,fpgm,random:0,oracle"
    status, out, err = run(*sweep_of(files, *ONE, "--order", orders, "--out", "o"))
    assert (status, err) == (0, "")
    names = [line.split()[0] for line in out.splitlines() if line]
    for name in (*orders.split(",")[:-1], "oracle:bd*"):
        assert name in names
    assert "as no defender can" in out
    assert "o/max, o/apoz" in out
    folder = tmp_path / "here/o"
    rows = list(csv.DictReader(io.StringIO((folder / "compare.csv").read_text())))
    assert {row["order"] for row in rows} == {*orders.split(",")[:-1], "oracle:bd"}
    assert json.loads((folder / "compare.json").read_text())["clean_set"] == "test"
    assert SweepResult.load(folder / "oracle").oracle == "bd"
    assert not (folder / "compare.png").exists(), "--no-plots"


@pytest.mark.slow
def test_true_labels_and_pairs(run, files, write_set):
    few = write_set("few.h5", n=10)
    status, out, _ = run(*sweep_of(files, *ONE, "--true-label", f"bd={few}", "--format", "json"))
    found = json.loads(out)
    assert (status, len(found["sets"]["bd"]["true_hits"])) == (0, 7)
    assert found["options"]["true_labels"] == {"bd": str(few)}
    more = (*ONE, "--clean", f"few={few}", "--paired", "bd=few")
    status, out, _ = run(*sweep_of(files, *more, "--format", "json"))
    assert json.loads(out)["sets"]["bd"]["true_hits"] == found["sets"]["bd"]["true_hits"]
    assert json.loads(out)["sets"]["bd"]["paired"] == "few"
    text = run(*sweep_of(files, *more))[1]
    assert "G as a detector" in text
    for wrong, words in (
        (("--paired", "bd=test"), "got 10 and 20"),
        (("--paired", "x=test"), "got 'x'"),
        (("--paired", "bd=x"), "there is valid, test"),
        (("--paired", "bd=test", "--paired", "bd=valid"), "every --paired set"),
        (("--true-label", f"x={few}"), "there is bd"),
        (("--true-label", "bd=none.h5"), "no such file"),
        (("--order", "oracle:x"), "got 'x'; there is bd"),
        (("--order", "upward"), "clp, oracle, random:SEED"),
    ):
        status, out, err = run(*sweep_of(files, *wrong))
        assert (status, out, err.count("\n")) == (2, "", 1)
        assert words in err
    for option in ("--paired", "--true-label"):
        assert run(*sweep_of(files, option, "bd"))[0] == 2
