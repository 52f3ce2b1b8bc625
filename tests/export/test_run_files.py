"""A results directory holds one run: by its own list, and nothing of the one before."""

from __future__ import annotations

import dataclasses
import json
import warnings

import pytest
from matplotlib.figure import Figure

import fastprune
from fastprune.errors import OutputError
from fastprune.export.run_files import check_results, failed, noted, owned_files
from fastprune.runtime.progress import FastpruneWarning
from tests.helpers.results import STEPS, sweep

FIGURES = {"sweep.json", "sweep.csv", "metrics.json", "samples.npz"}
TABLES = {"compare.json", "compare.csv"}


@pytest.fixture(scope="module")
def results():
    """Two orders of one network, which never cross a drop: there is no B′ to save."""
    first = sweep(valid=(9, [0] * STEPS), test=(9, [0] * STEPS), bd_test=(9, [0] * STEPS))
    return {"a": first, "b": dataclasses.replace(first, order_name="b")}


def files_in(folder):
    return {
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    }


def save_both(results, folder, **how):
    return fastprune.compare(list(results.values())).save(
        folder, plots=False, orders=results, **how
    )


def test_one_run_replaces_another_of_any_kind(results, tmp_path):
    folder = tmp_path / "results"
    several = TABLES | {f"{name}/{file}" for name in results for file in FIGURES}
    for _ in range(2):
        results["a"].save(folder, plots=False)
        assert files_in(folder) == FIGURES
        save_both(results, folder)
        assert files_in(folder) == several == owned_files(folder) - {
            "report.html", "a/report.html", "b/report.html"
        }
        assert json.loads((folder / "compare.json").read_text())["files"] == sorted(
            several - {"compare.json"}
        )
    assert failed(folder) == failed(folder / "a") == {}
    assert {item.name for item in tmp_path.iterdir()} == {"results"}


def test_what_was_made_of_a_run_goes_with_it(results, tmp_path):
    """Plots, pages and tables drawn later, of an order as well."""
    folder = save_both(results, tmp_path / "results")
    made = [folder / "a/more.png", folder / "story.html", folder / "report.html"]
    for path in made:
        path.write_text("made later")
        assert noted(path) == path
    assert check_results(folder) == folder
    results["a"].save(folder, plots=False)
    assert files_in(folder) == FIGURES
    assert not (tmp_path / "sweep.json").exists(), "no run lies beside"
    assert noted(tmp_path / "alone.html") == tmp_path / "alone.html"


def test_files_of_somebody_else_are_refused(results, tmp_path):
    folder = save_both(results, tmp_path / "results")
    (folder / "a/notes.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"got a/notes\.txt"):
        results["a"].save(folder, plots=False)
    with pytest.raises(OutputError, match=r"got a/notes\.txt"):
        save_both(results, folder)
    results["a"].save(folder, plots=False, force=True)
    assert files_in(folder) == FIGURES | {"a/notes.txt"}


def test_a_comparison_alone_takes_no_sweep_away(results, tmp_path):
    folder = tmp_path / "results"
    for name, result in results.items():
        result.save(folder / name, plots=False)
    comparison = fastprune.compare(list(results.values()))
    for _ in range(2):
        comparison.save(folder, plots=False)
        assert files_in(folder) == TABLES | {f"{n}/{file}" for n in results for file in FIGURES}
    with pytest.raises(OutputError, match=r"got metrics\.json"):
        comparison.save(folder / "a", plots=False)
    assert files_in(folder / "a") == FIGURES


def test_a_plot_that_cannot_be_drawn_loses_no_table(results, tmp_path, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("no font\nat all")

    monkeypatch.setattr(Figure, "savefig", fail)
    comparison = fastprune.compare(list(results.values()))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        comparison.save(tmp_path / "results")
    told = [str(one.message) for one in caught if issubclass(one.category, FastpruneWarning)]
    assert "compare.png is missing, the figures are saved: RuntimeError: no font" in told
    assert files_in(tmp_path / "results") == TABLES
    assert failed(tmp_path / "results")["compare.png"] == "RuntimeError: no font"


@pytest.mark.parametrize("name", ["../out.txt", "/out.txt", "..", "", "a\nb", 7, None])
def test_a_list_of_files_reaches_nowhere_else(results, tmp_path, name):
    folder = results["a"].save(tmp_path / "results", plots=False)
    (tmp_path / "out.txt").write_text("outside")
    found = json.loads((folder / "sweep.json").read_text())
    (folder / "sweep.json").write_text(json.dumps({**found, "files": [*found["files"], name]}))
    results["b"].save(folder, plots=False, force=True)
    assert (tmp_path / "out.txt").read_text() == "outside"
    assert files_in(folder) == FIGURES


def test_a_damaged_record_lists_nothing(tmp_path):
    for text in ("", "[]", "{}", '{"files": 7}', "[" * 100_000, "\x00"):
        (tmp_path / "sweep.json").write_text(text)
        assert owned_files(tmp_path) == set()
        with pytest.raises(OutputError, match=r"got sweep\.json"):
            check_results(tmp_path)
