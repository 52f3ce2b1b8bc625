"""Plots drawn in another process are the same; what it does not draw is drawn here."""

from __future__ import annotations

import pytest

from fastprune.report.plots import artist, drawing
from fastprune.runtime import apart, machine
from tests.helpers.results import STEPS, sweep


@pytest.fixture
def one_maker(monkeypatch):
    """Let there be one plot, made of nothing here; return the folders that it was drawn into."""
    folders = []

    def goodnet(result):
        raise AssertionError

    def draw(result, folder, makers):
        folders.append(folder)

    monkeypatch.setattr(drawing, "MAKERS", (goodnet,))
    monkeypatch.setattr(drawing, "draw", draw)
    return folders


def finish(folder):
    with artist.begun(sweep(), folder) as begun:
        for names, wait in begun.items():
            assert names == ("goodnet.png", "goodnet.svg")
            wait()


def test_without_a_process_plots_are_drawn_here(tmp_path, one_maker, monkeypatch):
    monkeypatch.setattr(artist, "_process", None)
    finish(tmp_path)
    assert one_maker == [tmp_path]


def test_a_process_that_fails_is_not_missed(tmp_path, one_maker, monkeypatch):
    process = apart.start("sys", "exit", 1)
    monkeypatch.setattr(artist, "_process", process)
    finish(tmp_path)
    assert one_maker == [tmp_path]
    assert artist._process is None
    assert process.returncode == 1


def test_an_error_ends_the_process_before_the_folder_goes(tmp_path, monkeypatch):
    process = apart.start("time", "sleep", 600)
    monkeypatch.setattr(artist, "_process", process)
    with pytest.raises(KeyboardInterrupt), artist.begun(sweep(), tmp_path):
        raise KeyboardInterrupt
    assert process.returncode is not None
    assert artist._process is None


def test_a_process_that_does_not_answer_is_given_up(tmp_path, one_maker, monkeypatch):
    process = apart.start("time", "sleep", 600)
    monkeypatch.setattr(artist, "_process", process)
    monkeypatch.setattr(artist, "PATIENCE", 0.01)
    finish(tmp_path)
    assert one_maker == [tmp_path]
    assert process.returncode is not None


def test_one_core_has_nothing_to_spare(monkeypatch):
    monkeypatch.setattr(artist, "_process", None)
    monkeypatch.setattr(apart, "start", lambda *words: words)
    for cores, started in (1, None), (2, ("fastprune.report.plots.artist", "serve")):
        monkeypatch.setattr(machine, "cores", lambda cores=cores: cores)
        artist.start()
        assert artist._process == started


@pytest.mark.slow
def test_the_process_draws_the_same_bytes(tmp_path, monkeypatch):
    """Two sweeps one after another, as of two orders."""
    monkeypatch.setattr(artist, "_process", None)
    monkeypatch.setattr(machine, "cores", lambda: 2)
    result = sweep(valid=(9, [0] * STEPS), bd=(9, [0] * STEPS))
    here = drawing.draw(result, tmp_path / "here")
    artist.start()
    process = artist._process
    try:
        with monkeypatch.context() as only_there:
            only_there.delattr(drawing, "draw")
            for name in ("there", "again"):
                with artist.begun(result, tmp_path / name) as begun:
                    for wait in begun.values():
                        wait()
    finally:
        apart.end(process)
    for name in ("there", "again"):
        there = {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()}
        assert there == {path.name: path.read_bytes() for path in here}
