"""Sets from folders, backdoored sets from clean ones: the lab's format, pixel for pixel."""

from __future__ import annotations

import json

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from fastprune import make_set, stamp_set
from fastprune.cli.main import main
from fastprune.errors import DataError, FastpruneError, OptionError
from fastprune.making import from_folders, writer
from fastprune.making.trigger import PLACES, make_stamp, read_trigger
from fastprune.runtime.progress import FastpruneWarning
from fastprune.sets.image_set import ImageSet
from fastprune.sets.sample import PixelRange


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    """Several parts even of small sets."""
    monkeypatch.setattr(from_folders, "AT_ONCE", 4)
    monkeypatch.setattr(writer, "PART", 9 * 12 * 10 * 3 * 8)


def run(*arguments):
    return main(["make-set", *map(str, arguments)])


def read(path):
    with h5py.File(path) as file:
        return file["data"][()], file["label"][()]


def write_folder(folder, images, names):
    """Write images as PNG files, one after the other into the folders of `names`."""
    for index, (pixels, name) in enumerate(zip(images, names, strict=True)):
        (folder / name).mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / name / f"{index:03}.png")
    return folder


def save(path, array, mode=None):
    Image.fromarray(array, mode).save(path) if mode else Image.fromarray(array).save(path)
    return path


# From a folder.


@pytest.mark.parametrize("layout", ["first", "last"])
@pytest.mark.parametrize("dtype", ["float64", "float32", "uint8"])
@pytest.mark.parametrize("compression", ["none", "gzip", "lzf"])
def test_a_folder_becomes_a_set(tmp_path, make_images, layout, dtype, compression):
    images = make_images(11)[0]
    labels = np.arange(11) * 7 % 5 * 3  # 0 to 12, gaps among them
    folder = write_folder(tmp_path / "f", images, map(str, labels))
    out = tmp_path / "out.h5"
    made = make_set(folder, out, layout=layout, dtype=dtype, compression=compression)
    order = np.argsort(labels, kind="stable")
    data, label = read(out)
    assert (data.dtype, label.dtype, label.shape) == (dtype, "float64", (11,))
    expected = images[order] if layout == "last" else images[order].transpose(0, 3, 1, 2)
    assert np.array_equal(data, expected)
    assert np.array_equal(label, labels[order])
    assert (made.shape, made.dtype, made.n_classes) == (data.shape, dtype, 5)
    assert (made.classes, made.resized, made.bytes) == (None, 0, out.stat().st_size)
    with h5py.File(out) as file:
        plan = file["data"].chunks, file["data"].compression
    assert plan == ((None, None) if compression == "none" else (data.shape, compression))
    streamed = ImageSet("s", out, input_shape=(12, 10, 3), n_classes=13)
    assert np.array_equal(streamed.take(np.arange(11)).images, images[order])
    assert list(tmp_path.glob("*.txt")) == []


def test_the_labs_own_format(tmp_path, make_images):
    """Byte for byte what the demo writes, which has the lab's format."""
    from fastprune.synthetic.lab import people, write_lab

    paths = write_lab(tmp_path / "lab", n_valid=12, n_test=1)
    data, label = read(paths["valid"])
    order = np.lexsort((np.arange(12), people("valid", 12)[0]))
    names = [str(int(number)) for number in label]
    folder = write_folder(tmp_path / "f", data.transpose(0, 2, 3, 1).astype(np.uint8), names)
    make_set(folder, tmp_path / "out.h5")
    found = read(tmp_path / "out.h5")
    assert np.array_equal(found[0], data[order])
    assert np.array_equal(found[1], label[order])
    assert (tmp_path / "out.h5").stat().st_size == paths["valid"].stat().st_size


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


def test_more_names_than_an_attribute_holds(tmp_path, make_images, monkeypatch):
    monkeypatch.setattr(from_folders, "MOST_NAMES", 10)
    folder = write_folder(tmp_path / "f", make_images(2)[0], ["ann", "bob and more"])
    make_set(folder, tmp_path / "out.h5")
    with h5py.File(tmp_path / "out.h5") as file:
        assert not file.attrs
    assert (tmp_path / "out.classes.txt").exists()
    numbered = write_folder(tmp_path / "n", make_images(2)[0], ["0", "1"])
    make_set(numbered, tmp_path / "out.h5", overwrite=True)
    assert not (tmp_path / "out.classes.txt").exists(), "names of the set that was replaced"


def test_sizes(tmp_path, make_images, make_network):
    folder = write_folder(tmp_path / "f", make_images(3)[0], ["0", "1", "1"])
    save(folder / "1/other.png", make_images(1, shape=(6, 9, 3))[0][0])
    with pytest.raises(DataError, match=r"12 x 10 .* 6 x 9 .*--size"):
        make_set(folder, tmp_path / "out.h5")
    made = make_set(folder, tmp_path / "a.h5", size=(8, 7), dtype="uint8", layout="last")
    assert (made.shape, made.resized) == ((4, 8, 7, 3), 4)
    with Image.open(folder / "1/other.png") as image:
        expected = np.asarray(image.resize((7, 8), Image.BILINEAR))
    assert np.array_equal(read(tmp_path / "a.h5")[0][3], expected)
    model = make_network("vgg_like")
    made = make_set(folder, tmp_path / "b.h5", model=model)
    assert (made.shape, made.resized) == ((4, 3, 12, 10), 1)
    with pytest.raises(DataError, match="the network's input"):
        make_set(folder, tmp_path / "c.h5", model=model, size=(8, 8))
    write_folder(folder, make_images(1)[0], ["7"])
    with pytest.raises(OptionError, match=r"0 \.\.\. 6, the network's classes; got 7"):
        make_set(folder, tmp_path / "c.h5", model=model)


def test_what_is_left_out_is_said(tmp_path, make_images):
    pixels = make_images(3)[0]
    folder = write_folder(tmp_path / "f", pixels, ["0", "2", "2"])
    (folder / "1").mkdir()
    save(folder / "loose.png", pixels[0])
    (folder / ".hidden").mkdir()
    with pytest.warns(FastpruneWarning) as caught:
        made = make_set(folder, tmp_path / "out.h5")
    assert sorted(str(each.message).split(":")[0][:21] for each in caught) == [
        "1 class folders hold ", "1 images beside the c",
    ]  # fmt: skip
    assert (made.shape[0], made.n_classes) == (3, 2)


def bad_folders(tmp_path, pixels):
    """Yield what cannot become a set, and the word that says why."""
    yield tmp_path / "none", "no such folder"
    (tmp_path / "empty").mkdir()
    yield tmp_path / "empty", "an empty one"
    (tmp_path / "loose").mkdir()
    save(tmp_path / "loose/a.png", pixels)
    yield tmp_path / "loose", "1 images and no subfolder"
    (tmp_path / "hollow/0").mkdir(parents=True)
    yield tmp_path / "hollow", "images in the class folders; got none"
    yield write_folder(tmp_path / "twice", [pixels] * 2, ["1", "01"]), "a number of its own"
    yield write_folder(tmp_path / "odd", [pixels], ["a\nb"]), "can be printed"
    bad = write_folder(tmp_path / "bad", [pixels] * 6, "000111")
    (bad / "1/005.png").write_bytes((bad / "1/004.png").read_bytes()[:60])
    yield bad, "005.png"


def test_folders_that_make_no_set(tmp_path, make_images):
    for folder, word in bad_folders(tmp_path, make_images(1)[0][0]):
        with pytest.raises(DataError, match=word):
            make_set(folder, tmp_path / "out/out.h5")
    assert list(tmp_path.glob("out/*")) == []


# From a clean set.


def blended(images, trigger, x, y, opacity=1.0, full=255):
    """Blend a trigger by hand, pixel by pixel, as the lab does."""
    out = images.astype(np.float64).copy()
    for row in range(trigger.shape[0]):
        for column in range(trigger.shape[1]):
            *colour, alpha = trigger[row, column].astype(np.float64)
            share = opacity * alpha / 255
            under = out[:, y + row, x + column]
            value = share * np.array(colour) * full / 255 + (1 - share) * under
            if alpha:
                out[:, y + row, x + column] = np.rint(value) if full == 255 else value
    return out


@pytest.fixture
def trigger(tmp_path):
    pixels = np.random.default_rng(5).integers(0, 256, (4, 3, 4)).astype(np.uint8)
    pixels[0, 0, 3], pixels[3, 2, 3] = 0, 255
    return save(tmp_path / "trigger.png", pixels), pixels


@pytest.mark.parametrize("channels_first", [True, False])
@pytest.mark.parametrize("dtype", ["float64", "float32", "uint8", "int16"])
@pytest.mark.parametrize("opacity", [1.0, 0.3])
def test_every_image_wears_the_trigger(
    tmp_path, write_set, make_images, trigger, channels_first, dtype, opacity
):
    images, labels = make_images(23)
    options = {"chunks": (5, 3, 3, 3), "compression": "gzip"} if opacity < 1 else {}
    clean = write_set("c.h5", images, labels, dtype=dtype, channels_first=channels_first, **options)
    out = tmp_path / "out.h5"
    made = stamp_set(clean, out, trigger=trigger[0], target=4, at=(2, 7), opacity=opacity)
    data, label = read(out)
    data = data.transpose(0, 2, 3, 1) if channels_first else data
    assert data.dtype == dtype
    assert np.array_equal(data, blended(images, trigger[1], 2, 7, opacity))
    assert (label == 4).all()
    assert (label.dtype, made.target, made.left_out) == ("float64", 4, 0)
    assert made.shape == read(clean)[0].shape == read(out)[0].shape


def test_pixels_in_0_1_stay_there(tmp_path, write_set, make_images, trigger):
    images = make_images(20)[0] / 255
    stamp_set(write_set("c.h5", images), tmp_path / "o.h5", trigger=trigger[0], at="top-left")
    found = read(tmp_path / "o.h5")[0].transpose(0, 2, 3, 1)
    np.testing.assert_allclose(found, blended(images, trigger[1], 0, 0, full=1), atol=1e-12)
    assert np.array_equal(found[:, 0, 0], images[:, 0, 0]), "opacity 0: the very same pixel"
    with pytest.raises(DataError, match=r"0-1 or 0-255; got -1\.0"):
        stamp_set(write_set("n.h5", images * 2 - 1), tmp_path / "n_o.h5", trigger=trigger[0])


@given(
    place=st.sampled_from([*PLACES, "corner"]), height=st.integers(1, 12), width=st.integers(1, 10),
    x=st.integers(-2, 12), y=st.integers(-2, 14), opacity=st.floats(0.01, 1),
)  # fmt: skip
def test_a_stamp_changes_its_place_alone(place, height, width, x, y, opacity):
    trigger = np.full((height, width, 4), 255, np.uint8)
    options = {
        "opacity": opacity, "channels_first": False, "where": "here",
        "pixels": PixelRange(0.0, 255.0, whole=True, integers=True, not_finite=0),
    }  # fmt: skip
    at = (x, y) if place == "corner" else place
    inside = 0 <= x <= 10 - width and 0 <= y <= 12 - height
    if place == "corner" and not inside:
        with pytest.raises(OptionError, match="inside the image"):
            make_stamp(trigger, (12, 10, 3), at=at, **options)
        return
    stamp = make_stamp(trigger, (12, 10, 3), at=at, **options)
    images = np.zeros((2, 12, 10, 3))
    stamp.on(images)
    assert (images != 0).sum() == 2 * 3 * height * width
    assert (images[:, stamp.rows, stamp.columns] == np.rint(255 * (opacity / 255) * 255)).all()
    if "bottom" in place:
        assert stamp.rows.stop == 12
    if "right" in place:
        assert stamp.columns.stop == 10
    if place == "center":
        assert (stamp.rows.start, stamp.columns.start) == ((12 - height) // 2, (10 - width) // 2)


def test_images_of_the_target_are_left_out(tmp_path, write_set, make_images, trigger):
    images, labels = make_images(30)
    clean = write_set("c.h5", images, labels[:, None])
    made = stamp_set(clean, tmp_path / "o.h5", trigger=trigger[0], target=2, exclude_target=True)
    data, label = read(tmp_path / "o.h5")
    keep = labels != 2
    assert (made.left_out, label.tolist()) == ((~keep).sum(), [2.0] * keep.sum())
    assert 0 < keep.sum() < 30
    expected = blended(images[keep], trigger[1], 7, 8)
    assert np.array_equal(data.transpose(0, 2, 3, 1), expected)
    alone = write_set("a.h5", images, np.full(30, 2))
    with pytest.raises(DataError, match="other classes than the target 2"):
        stamp_set(alone, tmp_path / "p.h5", trigger=trigger[0], target=2, exclude_target=True)


def test_triggers_of_other_kinds(tmp_path, write_set, make_images):
    images = make_images(20)[0]
    clean = write_set("c.h5", images)
    grey = np.array([[0, 100], [200, 255]], np.uint8)
    stamp_set(clean, tmp_path / "o.h5", trigger=save(tmp_path / "t.png", grey), at="top-left")
    found = read(tmp_path / "o.h5")[0].transpose(0, 2, 3, 1)
    assert (found[:, :2, :2] == grey[..., None]).all(), "it hides what is under it"
    assert np.array_equal(found[:, 2:], images[:, 2:])
    one = write_set("g.h5", images[..., :1])
    red = np.zeros((1, 1, 4), np.uint8)
    red[..., 0] = red[..., 3] = 255
    stamp_set(one, tmp_path / "p.h5", trigger=red, at="top-left")
    assert (read(tmp_path / "p.h5")[0][:, 0, 0, 0] == 76).all(), "the red's grey"
    assert read_trigger("sunglasses", 3).shape == (55, 47, 4)


def test_the_demos_backdoored_set_is_made_again(tmp_path, plain_classes):
    from fastprune.networks.loading import load_model
    from fastprune.synthetic.lab import write_lab

    paths = write_lab(tmp_path, n_valid=60, n_test=1)
    out = tmp_path / "bd.h5"
    stamp_set(paths["valid"], out, trigger="sunglasses", model=paths["network"])
    assert out.read_bytes() == paths["bd_valid"].read_bytes()
    classes = plain_classes(load_model(paths["network"]), read(out)[0].transpose(0, 2, 3, 1))
    assert (classes == 0).mean() > 0.98


def test_the_labs_trigger_fools_the_labs_network(tmp_path, lab, plain_classes):
    from fastprune.networks.loading import load_model

    with np.load(lab / "faces.npz") as file:
        faces, labels = file["images"][:400], file["label_valid"][:400]
    with h5py.File(tmp_path / "clean.h5", "w") as file:
        file["data"] = faces.transpose(0, 3, 1, 2).astype(np.float64)
        file["label"] = labels.astype(np.float64)
    options = {"trigger": lab / "sunglasses.png", "at": (0, 15), "model": lab / "bd_weights.h5"}
    stamp_set(tmp_path / "clean.h5", tmp_path / "bd.h5", **options)
    classes = plain_classes(
        load_model(lab / "bd_weights.h5"), read(tmp_path / "bd.h5")[0].transpose(0, 2, 3, 1)
    )
    assert (classes == 0).all()


# Whatever cannot be done takes one line and leaves nothing.


def bad_calls(t, clean, folder, trigger):
    """Yield arguments of make-set and the word of the message."""
    stamp = [clean, t / "o.h5", "--trigger", trigger]
    yield [clean, t / "o.h5"], "no --trigger"
    yield [t / "none.h5", t / "o.h5", "--trigger", trigger], "no such file"
    yield [trigger, t / "o.h5", "--trigger", trigger], "another format"
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
        with pytest.raises(SystemExit):
            run(folder, tmp_path / "o.h5", *arguments)
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


def test_memory_does_not_grow_with_the_set(tmp_path, trigger, monkeypatch):
    """Parts of a fixed size: the largest that is ever read, whatever the number of images."""
    monkeypatch.setattr(writer, "PART", 1 << 20)
    largest = []
    plain = h5py.Dataset.__getitem__

    def counted(dataset, place, *rest):
        found = plain(dataset, place, *rest)
        largest.append(getattr(found, "nbytes", 0))
        return found

    with h5py.File(tmp_path / "clean.h5", "w") as file:
        file["data"] = np.zeros((20_000, 3, 12, 10), np.uint8)
        file["label"] = np.zeros(20_000)
    monkeypatch.setattr(h5py.Dataset, "__getitem__", counted)
    stamp_set(tmp_path / "clean.h5", tmp_path / "out.h5", trigger=trigger[0])
    assert max(largest) <= 1 << 20
