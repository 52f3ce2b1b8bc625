"""`fastprune make-set`: what it says, and that what cannot be done leaves nothing."""

from __future__ import annotations

import json

import h5py
import numpy as np
import pytest

from fastprune import make_set
from fastprune.cli.main import main
from fastprune.errors import FastpruneError
from tests.helpers.images import read, save, write_folder, write_trigger


def run(*arguments):
    return main(["make-set", *map(str, arguments)])


@pytest.fixture
def trigger(tmp_path):
    return write_trigger(tmp_path / "trigger.png")


def test_names_become_classes_and_are_written_down(tmp_path, make_images, capsys):
    names = ["bob", "ann", "7", "ann", "Zoë"]
    folder = write_folder(tmp_path / "f", make_images(5)[0], names)
    assert run(folder, tmp_path / "out.h5", "--quiet") == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "5 images 3 x 12 x 10 float64, channels first" in out
    classes = ["7", "Zoë", "ann", "bob"]
    assert [line.split() for line in out.splitlines()[-4:]] == [
        [str(number), name] for number, name in enumerate(classes)
    ]
    assert read(tmp_path / "out.h5")[1].tolist() == [0, 1, 2, 2, 3]
    with h5py.File(tmp_path / "out.h5") as file:
        assert json.loads(file.attrs["classes"]) == classes
    lines = (tmp_path / "out.classes.txt").read_text(encoding="utf-8").splitlines()
    assert lines == [f"{number}\t{name}" for number, name in enumerate(classes)]
    assert run(folder, tmp_path / "out.h5", "--quiet", "--force", "--format", "json") == 0
    assert json.loads(capsys.readouterr().out)["classes"] == classes
    assert run(folder, tmp_path / "new.h5", "--quiet") == 0
    (tmp_path / "new.h5").unlink()
    assert run(folder, tmp_path / "new.h5", "--quiet") == 2  # the names of another set
    assert "class names" in capsys.readouterr().err


def bad_calls(t, clean, folder, trigger):
    """Yield arguments of make-set and the word of the message."""
    stamp = [clean, t / "o.h5", "--trigger", trigger]
    yield [clean, t / "o.h5"], "no --trigger"
    yield [t / "none.h5", t / "o.h5", "--trigger", trigger], "no such file"
    yield [trigger, t / "o.h5", "--trigger", trigger], "got an image"
    yield [clean, t / "o.h5", "--trigger", t / "none.png"], "got no such file"
    yield [clean, t / "o.h5", "--trigger", clean], "another format"
    yield [clean, t / "o.h5", "--trigger", "sunglasses"], "no larger than the images, 12 x 10"
    yield [clean, t / "o.h5", "--trigger", t / "clear.png"], "can be seen"
    yield [*stamp, "--at", "8,0"], "X of 0 ... 7"
    yield [*stamp, "--at", "8,y"], "whole pixels"
    yield [*stamp, "--at", "corner"], "bottom-right"
    yield [*stamp, "--opacity", "0"], "an opacity above 0"
    yield [*stamp, "--opacity", "nan"], "an opacity above 0"
    yield [*stamp, "--target", "-1"], "0 or more"
    yield [*stamp, "--target", "7", "--model", t / "b.keras"], "a target class of 0 ... 6"
    yield [t / "other.h5", *stamp[1:], "--model", t / "b.keras"], "the network's input"
    yield [*stamp, "--model", t / "none.keras"], "no such file"
    yield [*stamp, "--size", "5x5"], "leave --size out"
    yield [*stamp, "--dtype", "uint8"], "leave --dtype out"
    yield [*stamp, "--data-name", "x"], "a dataset 'x'"
    yield [t / "nan.h5", *stamp[1:]], "image 17"
    yield [t / "grey.h5", *stamp[1:]], "1, 3 or 4 channels"
    yield [t / "labels.h5", *stamp[1:]], "one label per image"
    yield [clean, clean, *stamp[2:], "--force"], "another file than the clean set"
    yield [clean, t / "there.h5", *stamp[2:]], "--force"
    yield [clean, t / "folder.h5", *stamp[2:]], "a folder of that name"
    yield [clean, t / "out.png", *stamp[2:]], "named .h5"
    yield [clean, t / "trigger.png/o.h5", *stamp[2:]], "got a file"
    yield [folder, t / "o.h5", "--trigger", trigger], "leave --trigger out"
    yield [folder, t / "o.h5", "--target", "0"], "leave --target out"
    yield [folder, t / "there.h5"], "--force"
    yield [folder / "0", t / "o.h5"], "subfolder"


def test_bad_calls_take_one_line_and_leave_nothing(
    tmp_path, write_set, make_images, make_network, trigger, capsys
):
    images, labels = make_images(20)
    clean = write_set("clean.h5", images, labels)
    folder = write_folder(tmp_path / "f", images[:2], "01")
    make_network("vgg_like").save(tmp_path / "b.keras")
    write_set("there.h5")
    write_set("other.h5", *make_images(5, shape=(12, 12, 3)))
    write_set("grey.h5", images[..., 0])
    write_set("labels.h5", images, labels[:5])
    bad = images.astype(float)
    bad[17, 0, 0, 0] = np.nan
    write_set("nan.h5", bad)
    (tmp_path / "folder.h5").mkdir()
    save(tmp_path / "clear.png", np.zeros((2, 2, 4), np.uint8))
    before = {path: path.is_file() and path.read_bytes() for path in tmp_path.rglob("*")}
    for arguments, word in bad_calls(tmp_path, clean, folder, trigger[0]):
        assert run(*arguments, "--quiet") == 2, arguments
        out, err = capsys.readouterr()
        assert out == ""
        assert len(err.splitlines()) == 1, err
        assert err.startswith("fastprune: error: expected ")
        assert word in err
        assert {p: p.is_file() and p.read_bytes() for p in tmp_path.rglob("*")} == before
    wrong = (("--size", "5"), ("--size", "0x5"), ("--layout", "x"), ("--compression", "x"))
    for arguments in wrong:
        assert run(folder, tmp_path / "o.h5", *arguments) == 2
    for options in ({"layout": "x"}, {"dtype": "int8"}, {"compression": "zip"}):
        with pytest.raises(FastpruneError, match=r"expected (layout|dtype|compression)"):
            make_set(folder, tmp_path / "o.h5", **options)


def test_an_existing_set_is_replaced_when_asked(tmp_path, write_set, trigger, capsys):
    clean, out = write_set("clean.h5"), write_set("out.h5", n=3)
    arguments = [clean, out, "--trigger", trigger[0], "--quiet"]
    assert run(*arguments) == 2
    capsys.readouterr()
    assert run(*arguments, "--force", "--at", "0,0", "--target", "3", "--format", "json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["path"], found["shape"], found["target"]) == (str(out), [20, 3, 12, 10], 3)
    assert read(out)[1].tolist() == [3] * 20
