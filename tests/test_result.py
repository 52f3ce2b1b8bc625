"""Results: what is written is read back, and appears whole or not at all."""

from __future__ import annotations

import csv
import dataclasses
import json
import shutil

import numpy as np
import pytest

from fastprune.errors import NetworkError, OptionError, OutputError
from fastprune.export import folder
from fastprune.export.rows import COLUMNS
from fastprune.networks.loading import load_model
from fastprune.networks.network import load_network
from fastprune.result import SweepResult
from fastprune.results.counts import Counts
from fastprune.results.network_info import NetworkInfo
from fastprune.results.record import Samples, SetResult

ORDER = np.array([1, 4, 0, 5, 2, 3])
HITS = [20, 20, 19, 18, 15, 9, 2]


@pytest.fixture(scope="module")
def saved_network(tmp_path_factory, make_network):
    path = tmp_path_factory.mktemp("network") / "net.keras"
    make_network("deepid_like").save(path)
    return load_network(path)


@pytest.fixture(scope="module")
def result(saved_network, make_images):
    """A sweep of 20 images made up; drop 5 is crossed at 2, 25 at 4, 95 never."""
    flagged = [20 - hit for hit in HITS]
    counts = Counts(20, *(np.array(part, np.int64) for part in (HITS, HITS, flagged, [0] * 7)))
    images, labels = make_images(3)
    classes = np.tile(labels, (7, 1))
    classes[3:, 1] += 1
    shown = Samples(images.astype(np.float32), labels, classes)
    sets = {
        name: SetResult(name, kind, counts, shown, {"path": None, "images": 20})
        for name, kind in (("valid", "clean"), ("bd", "backdoored"))
    }
    return SweepResult(
        network=NetworkInfo.from_json(saved_network.describe()), order_name="ascending",
        order=ORDER, activations=np.array([0.5, 0.0, 1.5, 2.5, 0.0, 0.75]), valid="valid",
        sets=sets, drops=(5.0, 25.0, 95.0), drop_kind="points",
        options={"scale": 1.0, "engine_used": "keras"},
        versions={"fastprune": "0"}, seconds={"load": 0.5}, peak_memory=123,
        runtime=saved_network,
    )  # fmt: skip


def equal(first, second):
    """Compare two values field by field, arrays with their types."""
    if dataclasses.is_dataclass(first):
        names = [field.name for field in dataclasses.fields(first) if field.name != "runtime"]
        return type(first) is type(second) and all(
            equal(getattr(first, name), getattr(second, name)) for name in names
        )
    if isinstance(first, dict):
        return list(first) == list(second) and all(equal(first[key], second[key]) for key in first)
    if isinstance(first, np.ndarray):
        return first.dtype == second.dtype and np.array_equal(first, second)
    return type(first) is type(second) and first == second


NETWORK_FILES = {
    *(f"repaired_{drop}.{suffix}" for drop in (5, 25) for suffix in ("keras", "h5")),
    *(f"goodnet_{drop}.keras" for drop in (5, 25)),
}
FILES = {"sweep.json", "sweep.csv", "metrics.json", "samples.npz"} | NETWORK_FILES


@pytest.mark.slow
def test_what_is_saved_is_loaded(result, tmp_path):
    assert result.save(tmp_path / "deep/out", plots=False) == tmp_path / "deep/out"
    assert {item.name for item in (tmp_path / "deep/out").iterdir()} == FILES
    loaded = SweepResult.load(tmp_path / "deep/out")
    assert equal(loaded, result)
    assert not equal(loaded, dataclasses.replace(result, peak_memory=124))
    assert loaded.crossings == {5.0: 2, 25.0: 4, 95.0: None}


@pytest.mark.slow
def test_networks_of_the_folder_are_those_of_the_result(result, tmp_path, make_images):
    result.save(tmp_path, plots=False)
    pixels = make_images()[0].astype(np.float32)
    for loaded in (result, SweepResult.load(tmp_path)):
        for drop, step in ((5, 2), (25, 4)):
            made = loaded.repaired(drop)
            np.testing.assert_array_equal(
                made.get_weights()[2], loaded.repaired(n_pruned=step).get_weights()[2]
            )
            assert not made.get_layer("conv_3").get_weights()[0][..., ORDER[:step]].any()
            expected = made.predict(pixels, verbose=0)
            for suffix in ("keras", "h5"):
                found = load_model(tmp_path / f"repaired_{drop}.{suffix}")
                np.testing.assert_array_equal(found.predict(pixels, verbose=0), expected)
            np.testing.assert_array_equal(
                load_model(tmp_path / f"goodnet_{drop}.keras").predict(pixels, verbose=0),
                loaded.goodnet(drop).predict(pixels, verbose=0),
            )


@pytest.mark.slow
def test_csv_has_every_row(result, tmp_path):
    result.save(tmp_path, plots=False)
    with open(tmp_path / "sweep.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert len(rows) == 2 * 7
    assert [row["channel"] for row in rows[:7]] == ["", *map(str, ORDER)]
    for row, expected in zip(rows, result.rows(), strict=True):
        assert row == {key: str(value) for key, value in expected.items()}
        assert float(row["rate"]) == int(row["hits"]) / int(row["images"])


@pytest.mark.slow
def test_json_holds_the_crossings(result, tmp_path):
    result.save(tmp_path, plots=False)
    found = json.loads((tmp_path / "sweep.json").read_text())
    assert found["crossings"] == {"5": 2, "25": 4, "95": None}
    assert set(found["files"]) == FILES - {"sweep.json"}
    assert found["sets"]["bd"]["hits"] == HITS


def test_steps_by_drop_or_number(result):
    assert result.step(5) == 2
    assert result.step(drop=25.0) == 4
    assert result.step(n_pruned=0) == 0
    assert result.step(n_pruned=6) == 6
    for options, word in (
        ({}, "both or neither"), ({"drop": 5, "n_pruned": 1}, "both or neither"),
        ({"drop": 95}, "never reaches"), ({"n_pruned": 7}, "from 0 to 6"),
        ({"n_pruned": -1}, "from 0 to 6"),
    ):  # fmt: skip
        with pytest.raises(OptionError, match=word):
            result.step(**options)


def test_goodnet_classes_of_samples():
    shown = Samples(np.zeros((3, 1, 1, 1)), np.arange(3), np.array([[0, 1, 2], [0, 2, 1]]))
    assert shown.goodnet_classes(0, 9).tolist() == [0, 1, 2]
    assert shown.goodnet_classes(1, 9).tolist() == [0, 9, 9]


def snapshot(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*") if path.is_file()
    }  # fmt: skip


@pytest.fixture(scope="module")
def earlier(result, tmp_path_factory):
    """The results of an earlier run."""
    folder = tmp_path_factory.mktemp("earlier")
    return dataclasses.replace(result, drops=(5.0, 10.0)).save(folder, plots=False)


@pytest.fixture
def old(earlier, tmp_path):
    """A copy of them, with a file that the next run does not write and foreign files."""
    folder = tmp_path / "results"
    shutil.copytree(earlier, folder)
    (folder / "mine.txt").write_text("mine")
    (folder / "repaired_7.keras").write_text("not of that run")
    (folder / "notes").mkdir()
    (folder / "notes/more.txt").write_text("more")
    return folder


@pytest.mark.slow
def test_stale_files_go_and_foreign_files_stay(result, old):
    assert (old / "goodnet_10.keras").exists()
    before = snapshot(old)
    with pytest.raises(OutputError, match=r"got mine\.txt, which no earlier run wrote"):
        result.save(old, plots=False)
    assert snapshot(old) == before
    result.save(old, plots=False, force=True)
    foreign = {"mine.txt", "repaired_7.keras", "notes/more.txt"}
    assert set(snapshot(old)) == FILES | foreign
    assert (old / "mine.txt").read_text() == "mine"


@pytest.mark.parametrize("writer", ["write_csv", "named_metrics", "as_json"])
@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), RuntimeError("bug")])
@pytest.mark.slow
def test_a_writer_that_fails_leaves_the_old_results(result, old, monkeypatch, writer, failure):
    before = snapshot(old)

    def fail(*_):
        raise failure

    monkeypatch.setattr(folder, writer, fail)
    expected = OutputError if isinstance(failure, OSError) else RuntimeError
    with pytest.raises(expected, match=r"No space left|bug"):
        result.save(old, plots=False, force=True)
    assert snapshot(old) == before
    assert equal(SweepResult.load(old).order, result.order)


def test_a_network_that_is_gone_leaves_the_old_results(result, old):
    before = snapshot(old)
    network = dataclasses.replace(result.network, path=None)
    away = dataclasses.replace(result, runtime=None, network=network)
    with pytest.raises(OutputError, match="was given as a model"):
        away.save(old, plots=False, force=True)
    assert snapshot(old) == before


@pytest.mark.slow
def test_a_folder_in_the_way_of_a_file_leaves_the_old_results(result, old):
    (old / "goodnet_25.keras").mkdir()
    before = snapshot(old)
    with pytest.raises(OutputError, match="something else of that name"):
        result.save(old, plots=False, force=True)
    assert snapshot(old) == before


@pytest.mark.parametrize("name", ["../outside.txt", "/absolute", "..", ".", "", "notes", 7, None])
def test_an_old_sweep_json_cannot_have_other_files_removed(result, old, name):
    outside = old.parent / "outside.txt"
    outside.write_text("outside")
    found = json.loads((old / "sweep.json").read_text())
    (old / "sweep.json").write_text(json.dumps({**found, "files": [name]}))
    dataclasses.replace(result, drops=()).save(old, plots=False, force=True)
    assert outside.read_text() == "outside"
    assert (old / "notes/more.txt").exists()
    assert (FILES - NETWORK_FILES).issubset(snapshot(old))


def damage_json(change):
    def damage(folder):
        found = json.loads((folder / "sweep.json").read_text())
        change(found)
        (folder / "sweep.json").write_text(json.dumps(found))

    return damage


DAMAGES = {
    "no folder": lambda folder: folder.rename(folder.with_name("moved")),
    "no sweep.json": lambda folder: (folder / "sweep.json").unlink(),
    "no samples": lambda folder: (folder / "samples.npz").unlink(),
    "empty sweep.json": lambda folder: (folder / "sweep.json").write_text(""),
    "binary sweep.json": lambda folder: (folder / "sweep.json").write_bytes(b"\xff\xfe\x00"),
    "a list": lambda folder: (folder / "sweep.json").write_text("[]"),
    "deep": lambda folder: (folder / "sweep.json").write_text("[" * 100_000),
    "empty samples": lambda folder: (folder / "samples.npz").write_bytes(b""),
    "half of the samples": lambda folder: (folder / "samples.npz").write_bytes(
        (folder / "samples.npz").read_bytes()[:300]
    ),
    "samples of another kind": lambda folder: np.savez(folder / "samples.npz", x=1),
    "pickled samples": lambda folder: np.savez(
        folder / "samples.npz", **{"0_images": np.array([{}], object)}
    ),
    "no sets": damage_json(lambda found: found.pop("sets")),
    "sets of another kind": damage_json(lambda found: found.update(sets=[])),
    "hits of another kind": damage_json(lambda found: found["sets"]["bd"].update(hits=["x"])),
    "format of another kind": damage_json(lambda found: found.update(format="new")),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damaged_folders_are_named_in_one_line(old, name):
    DAMAGES[name](old)
    with pytest.raises(OutputError, match="expected a complete results directory") as caught:
        SweepResult.load(old)
    assert "\n" not in str(caught.value)
    assert str(old / "sweep.json") in str(caught.value)


def test_newer_formats_are_refused(old):
    damage_json(lambda found: found.update(format=2))(old)
    with pytest.raises(OutputError, match="update fastprune"):
        SweepResult.load(old)


def test_networks_that_went_or_changed(result, tmp_path, make_network):
    network = dataclasses.replace(result.network, path=None)
    away = dataclasses.replace(result, runtime=None, network=network)
    with pytest.raises(OutputError, match="was given as a model"):
        away.repaired(5)
    other = tmp_path / "other.keras"
    network = dataclasses.replace(result.network, path=str(other))
    moved = dataclasses.replace(result, runtime=None, network=network)
    with pytest.raises(OutputError, match="no such file"):
        moved.goodnet(5)
    make_network("deepid_like", seed=5).save(other)
    with pytest.raises(OutputError, match="got another file"):
        moved.goodnet(5)
    other.write_bytes(b"")
    with pytest.raises(NetworkError):
        moved.repaired(5)
