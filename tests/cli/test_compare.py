"""`fastprune compare`: results of any kind side by side, in every format, without Keras."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path

import pytest

from fastprune.cli.compare import directories
from fastprune.cli.main import main
from fastprune.results.comparison_record import COLUMNS

OLD = Path(__file__).resolve().parents[1] / "data/results_of_0_1_0"


@pytest.fixture
def folder(tmp_path):
    """Return a folder with the results of two orders, and of another network further down."""
    for name in ("ascending", "oracle"):
        networks = shutil.ignore_patterns("*.keras", "*.h5")
        shutil.copytree(OLD / name, tmp_path / name, ignore=networks)
    shutil.copytree(tmp_path / "ascending", tmp_path / "more/second")
    path = tmp_path / "more/second/sweep.json"
    found = json.loads(path.read_text("utf-8"))
    found["network"] |= {"name": "second_net", "fingerprint": "f", "intervention": "mask"}
    path.write_text(json.dumps(found), "utf-8")
    return tmp_path


def test_results_are_found_in_folders(folder):
    second, oracle = folder / "more/second", folder / "oracle"
    assert directories([folder]) == [folder / "ascending", second, oracle]
    assert directories([second, folder / "more", oracle]) == [second, oracle]
    assert directories([folder / "none"]) == [folder / "none"]


def test_every_format(folder, capsys):
    def told(form):
        assert main(["compare", str(folder), "--format", form]) == 0
        out, err = capsys.readouterr()
        assert err == ""
        return out

    text = told("text")
    assert "3 results that differ in network, intervention and order" in text
    assert "second_net mask ascending" in text
    rows = list(csv.DictReader(io.StringIO(told("csv"))))
    assert tuple(rows[0]) == COLUMNS
    assert {row["network"] for row in rows} == {"deepid_like", "second_net"}
    found = json.loads(told("json"))
    assert [one["network"]["intervention"] for one in found["results"]] == [
        "weights", "mask", "weights",
    ]  # fmt: skip
    assert found["differing"] == ["network", "intervention", "order"]
    assert told("markdown").count("| second\\_net mask ascending |") >= 2
    assert "\\toprule" in told("latex")


def test_out_gets_figures_plots_and_the_page(folder, tmp_path, capsys):
    pytest.importorskip("plotly")
    pytest.importorskip("jinja2")
    out = tmp_path / "side by side"
    named = [str(folder / "ascending"), str(folder / "more")]
    assert main(["compare", *named, "--out", str(out)]) == 0
    assert capsys.readouterr().out.endswith(f"comparison in {out}\n")
    assert {item.name for item in out.iterdir()} == {
        "compare.csv", "compare.json", "compare.png", "compare.svg", "report.html",
    }  # fmt: skip
    assert "second_net" in (out / "report.html").read_text("utf-8")


def test_what_cannot_be_compared_is_one_line(folder, capsys):
    assert main(["compare", str(folder / "none")]) == 2
    assert "expected a complete results directory" in capsys.readouterr().err
    assert main(["compare", str(folder), "--backdoored", "x"]) == 2
    err = capsys.readouterr().err
    assert "expected a backdoored set of these results; got 'x'" in err
    assert err.count("\n") == 1
