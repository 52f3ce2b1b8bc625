"""A folder is replaced as a whole, however a run ends, and holds nothing but a run's files."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress

import pytest

from fastprune.errors import OutputError
from fastprune.files import exchange, whole_folder
from fastprune.files.whole_folder import WORK, check_folder

OLD = {"record": "old", "old only": "1", "both": "1", "sub/old": "1"}
NEW = {"both": "2", "new only": "2", "sub/new": "2", "record": "new"}


def owned(folder):
    """The files of this test's runs."""
    return {*OLD, *NEW} if (folder / "record").is_file() else set()


def write(folder, files):
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def read(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_text()
        for path in folder.rglob("*")
        if path.is_file()
    }


def replace(folder, files=NEW, *, force=False):
    how = {"records": ("record",), "owned": owned, "force": force}
    with whole_folder.whole_folder(folder, **how) as staging:
        write(staging, files)


def in_two_renames(*_):
    return False


@pytest.mark.parametrize("exchanged", [True, False])
@pytest.mark.parametrize("there", [None, {}, OLD])
def test_a_run_takes_the_place_of_the_one_before(tmp_path, monkeypatch, exchanged, there):
    if not exchanged:
        monkeypatch.setattr(whole_folder, "exchange", in_two_renames)
    folder = tmp_path / "results"
    if there is not None:
        folder.mkdir(mode=0o750)
        write(folder, there)
    replace(folder)
    assert read(tmp_path) == {f"results/{name}": text for name, text in NEW.items()}
    assert {item.name for item in tmp_path.iterdir()} == {"results"}
    assert there is None or folder.stat().st_mode & 0o777 == 0o750


def test_folders_change_places_in_one_step(tmp_path):
    write(tmp_path / "a", OLD)
    write(tmp_path / "b", NEW)
    if not exchange.exchange(tmp_path / "a", tmp_path / "b"):
        pytest.skip("this system or file system cannot")
    assert (read(tmp_path / "a"), read(tmp_path / "b")) == (NEW, OLD)
    assert not exchange.exchange(tmp_path / "a", tmp_path / "none")


@pytest.mark.parametrize("where", ["beside files", "mount point", "current folder", "a link"])
def test_what_cannot_be_renamed_keeps_its_other_files(tmp_path, monkeypatch, where):
    folder = tmp_path / "results"
    write(folder, OLD)
    if where == "mount point":
        monkeypatch.setattr(os.path, "ismount", lambda path: path == folder)
    elif where == "current folder":
        (folder / "deeper").mkdir()
        monkeypatch.chdir(folder / "deeper")
    kept = {"mine.txt": "mine", "sub/mine": "mine"} if where == "beside files" else {}
    write(folder, kept)
    same, place = folder.stat().st_ino, folder
    if where == "a link":
        place = tmp_path / "link"
        place.symlink_to(folder)
    replace(place, force=bool(kept))
    assert read(folder) == {**NEW, **kept}
    assert (folder.stat().st_ino == same) == (where != "a link")
    assert place.is_symlink() == (where == "a link")
    assert not list(tmp_path.rglob(f"{WORK}*"))


@pytest.mark.parametrize("name", ["notes.txt", "sub/notes.txt", "other/deep/x", "folder link"])
def test_other_files_are_refused_before_and_after(tmp_path, name):
    folder = tmp_path / "results"
    write(folder, {**OLD, ".DS_Store": "of the system"})
    if name == "folder link":
        (folder / name).symlink_to(tmp_path)
    else:
        write(folder, {name: "mine"})
    before = read(folder)
    for attempt in (lambda: check_folder(folder, owned=owned), lambda: replace(folder)):
        with pytest.raises(OutputError, match=f"got {name}, which no earlier run.*--force"):
            attempt()
    assert check_folder(folder, owned=owned, force=True) == folder
    assert read(folder) == before
    assert read(tmp_path) == {f"results/{name}": text for name, text in before.items()}


def test_files_that_came_during_the_run_stay_and_lose_nothing(tmp_path):
    folder = tmp_path / "results"
    write(folder, OLD)
    with whole_folder.whole_folder(folder, records=("record",), owned=owned) as staging:
        write(staging, NEW)
        write(folder, {"mine.txt": "mine"})
    assert read(folder) == {**NEW, "mine.txt": "mine"}


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError, OSError])
@pytest.mark.parametrize("beside", [{}, {"mine.txt": "mine"}])
def test_a_run_that_fails_leaves_all_as_it_was(tmp_path, error, beside):
    folder = tmp_path / "results"
    write(folder, {**OLD, **beside})

    def fail():
        how = {"records": ("record",), "owned": owned, "force": bool(beside)}
        with whole_folder.whole_folder(folder, **how) as staging:
            write(staging, NEW)
            raise error

    with pytest.raises(OutputError if error is OSError else error):
        fail()
    assert read(tmp_path) == {f"results/{n}": text for n, text in {**OLD, **beside}.items()}
    assert {item.name for item in tmp_path.iterdir()} == {"results"}


def test_a_name_that_is_taken_is_found_before_anything_moves(tmp_path):
    folder = tmp_path / "results"
    write(folder, {"record": "old", "new only/x": "mine"})
    with pytest.raises(OutputError, match="something else of that name"):
        replace(folder, force=True)
    assert read(folder) == {"record": "old", "new only/x": "mine"}
    assert {item.name for item in folder.iterdir()} == {"record", "new only"}


class Killed(BaseException):
    """The end of a process, which cleans up nothing."""


def calls_of(monkeypatch, dies_at):
    """Let the process die before its call number `dies_at` to the file system; count the calls."""
    count, finish = 0, whole_folder._finish

    def counted(real):
        def call(*arguments, **named):
            nonlocal count
            count += 1
            if count == dies_at:
                raise Killed
            return real(*arguments, **named)

        return call

    for name in ("rename", "replace", "mkdir", "unlink"):
        monkeypatch.setattr(os, name, counted(getattr(os, name)))
    monkeypatch.setattr(whole_folder, "exchange", in_two_renames)
    monkeypatch.setattr(
        whole_folder, "_finish", lambda *paths: None if count >= dies_at else finish(*paths)
    )
    return lambda: count


@pytest.mark.parametrize("beside", [{}, {"mine.txt": "mine"}])
def test_a_run_killed_at_any_moment_leaves_one_run_after_the_next_look(
    tmp_path, monkeypatch, beside
):
    """Where it was killed before anything moved the old run stands, later the new one."""
    seen = set()
    for dies_at in range(1, 80):
        folder = tmp_path / str(dies_at) / "results"
        write(folder, {**OLD, **beside})
        with monkeypatch.context() as patch:
            count = calls_of(patch, dies_at)
            with suppress(Killed):
                replace(folder, force=bool(beside))
            done = count() < dies_at
        left = {name: text for name, text in read(folder).items() if WORK not in name}
        assert "record" not in left or left in ({**OLD, **beside}, {**NEW, **beside})
        check_folder(folder, owned=owned, force=bool(beside))
        found = read(folder)
        assert found in ({**OLD, **beside}, {**NEW, **beside})
        assert {item.name for item in folder.parent.iterdir()} == {"results"}
        assert not list(folder.rglob(f"{WORK}*"))
        seen.add(found["record"])
        shutil.rmtree(folder.parent)
        if done:
            break
    assert done
    assert seen == {"old", "new"}


def test_work_of_a_living_run_is_left_alone(tmp_path):
    folder = tmp_path / "results"
    with whole_folder.whole_folder(folder, records=("record",), owned=owned) as staging:
        write(staging, NEW)
        check_folder(folder, owned=owned)
        replace(folder, OLD)
        assert staging.is_dir()
    assert read(folder) == NEW
    other = tmp_path / f"{WORK}results-x-abcdefgh"
    other.mkdir()
    check_folder(folder, owned=owned)
    assert other.is_dir(), "it is of the folder results-x"


SLEEPER = """
import sys, time
from fastprune.files.whole_folder import whole_folder
with whole_folder(sys.argv[1], records=("record",), owned=lambda _: set()) as staging:
    (staging / "record").write_text("new")
    print("ready", flush=True)
    time.sleep(600)
"""


def test_what_a_killed_process_leaves_goes_at_the_next(tmp_path):
    folder = tmp_path / "results"
    with subprocess.Popen(
        [sys.executable, "-c", SLEEPER, str(folder)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "ready\n"
        (left,) = tmp_path.iterdir()
        assert left.name.startswith(f"{WORK}results-")
        check_folder(folder, owned=owned)
        assert left.is_dir()
        process.send_signal(signal.SIGKILL)
    check_folder(folder, owned=owned)
    assert list(tmp_path.iterdir()) == []
