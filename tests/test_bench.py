"""The smallest benchmark: it runs, compares and reports."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bench.bars import BARS, bar_rows, by_round
from bench.differential import compare_set, parser, steps_of
from bench.plan import BARRED, QUICK, Sizes, lab_group
from bench.report import BEGIN, END, write_report
from fastprune import load_network
from fastprune.runtime.backend import ONE_CORE_A_CALL
from fastprune.suffix.engine import Steps
from fastprune.suffix.select import make_engine

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    out = tmp_path_factory.mktemp("bench")
    (out / "README.md").write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    command = [sys.executable, "-m", "bench", "--quick", "--out", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return out


@pytest.mark.slow
def test_quick_bench_measures_every_case(quick):
    found = json.loads((quick / "results.json").read_text())
    measured = {run["case"] for run in found["runs"]}
    assert measured == {
        "notebook", "eval", "tuned", "prefix", "cached", "sweep", "sweep_keras", "sweep_orders",
        "startup",
    }  # fmt: skip
    assert all(run["seconds"] > 0 for run in found["runs"])
    assert {run["group"] for run in found["runs"]} == {"lab", "startup", "images", "networks"}


@pytest.mark.slow
def test_quick_bench_compares_results_first(quick):
    compared = json.loads((quick / "results.json").read_text())["compared"]
    assert [one["case"] for one in compared[:4]] == ["sweep", "sweep_keras", "cached", "reference"]
    assert all(one["compared"] for one in compared)


@pytest.mark.slow
def test_quick_bench_writes_tables_between_the_markers(quick):
    text = (quick / "README.md").read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    assert "notebook loop" in text
    assert "Compared first" in text
    assert (quick / "plots" / "orders.png").stat().st_size > 1000


@pytest.mark.slow
def test_report_can_be_written_again(quick):
    before = (quick / "README.md").read_text()
    write_report(quick / "results.json", quick)
    assert (quick / "README.md").read_text() == before


def test_cases_alternate():
    job = _lab().job
    assert job("sweep")["options"] == {}
    entries = [entry for entry in lab_group(_lab(), Sizes(pairs=2)) if entry.round]
    first, second = (
        [entry.job["case"] for entry in entries if entry.round == number] for number in (1, 2)
    )
    assert [case for case in first if case in BARRED] == second[::-1]
    assert set(second) == set(BARRED) < set(first)
    assert QUICK.together


def test_our_own_sides_run_as_the_command_line_runs_them():
    entries = {entry.job["case"]: entry for entry in lab_group(_lab(), Sizes(pairs=1))}
    for case in ("sweep", "prefix"):
        assert entries[case].environment() == {ONE_CORE_A_CALL: "1"}
    assert entries["notebook"].environment() == entries["eval"].environment() == {}


def test_counts_that_differ_end_the_run(tmp_path):
    from bench.run import Bench

    bench = Bench(Sizes(), tmp_path / "results.json", set())
    base = {"case": "sweep", "hits": {"valid": {"0": 5}}, "near_ties": {"valid": {"0": 1}}}
    where = {"group": "lab", "point": "lab", "case": "cached"}
    bench._compare(where, base, {"hits": {"valid": {"0": 6}}})
    assert bench.compared[0]["different"] == 1
    with pytest.raises(SystemExit, match="more than near-ties"):
        bench._compare(where, base, {"hits": {"valid": {"0": 7}}})


def test_bars_take_the_median_of_the_rounds():
    runs = [
        {"group": "lab", "point": "lab", "case": case, "round": number, "seconds": seconds}
        for number, (sweep, whole) in enumerate(((1.0, 2.0), (1.0, 4.0), (3.0, 4.0)))
        for case, seconds in (("sweep", sweep), ("eval", whole))
    ]
    assert len(by_round(runs)) == 3
    row = bar_rows(runs)[0]
    assert row[1:4] == ["0.50", "0.25–0.75", "3"]
    assert row[-1] == "yes"
    assert len(BARS) == 9


@pytest.mark.slow
def test_differential_sees_a_wrong_class(make_network, write_set):
    network = load_network(make_network("deepid_like"))
    path, order = str(write_set()), np.arange(network.n_channels)
    engine = make_engine(network)

    class Wrong:
        block = engine.block

        def classes(self, block, order):
            found = engine.classes(block, order)
            classes = found.classes.copy()
            classes[2, 0] += 1
            return Steps(classes, np.zeros_like(found.near_ties))

    right = compare_set(network, engine, path, order, 8, [0, 2, 6])
    assert right["compared"] == 60
    assert right["different_outside_near_ties"] == 0
    wrong = compare_set(network, Wrong(), path, order, 20, [0, 2, 6])
    assert wrong["different_outside_near_ties"] == 1
    assert wrong["examples"][0]["n_pruned"] == 2


def test_differential_runs_in_parts():
    parse = parser().parse_args
    part = parse(["--lab", "lab", "--from-step", "44", "--to-step", "46"])
    assert steps_of(part, 60) == [44, 45, 46]
    assert steps_of(parse(["--lab", "lab", "--steps", "0,45,60"]), 60) == [0, 45, 60]
    assert len(steps_of(parse(["--lab", "lab"]), 60)) == 61


def _lab():
    from bench.plan import Lab

    sets = {"valid": ("clean", "valid.h5")}
    return Lab("network.h5", sets, sets, channels=60, stride=4)
