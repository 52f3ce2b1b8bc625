"""Image sets: what is read, and every kind of bad file in one clear line."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastprune.errors import DataError, OptionError
from fastprune.runtime.buffers import Buffers
from fastprune.sets.image_set import ImageSet
from fastprune.sets.opening import open_sets
from tests.helpers.open_files import open_below

SHAPE = (12, 10, 3)
OPTIONS = {"input_shape": SHAPE, "n_classes": 7}


def opened(source, **options):
    return ImageSet("test", source, **{**OPTIONS, **options})


def all_of(images, size=8):
    chunks = list(images.chunks(size))
    assert [chunk.start for chunk in chunks] == list(range(0, len(images), size))
    return (
        np.concatenate([np.asarray(chunk.images) for chunk in chunks]),
        np.concatenate([chunk.labels for chunk in chunks]),
    )


def refused(source, *words, **options):
    """Read a set to its end; return the one line that says why it cannot be used."""
    with pytest.raises(DataError) as caught:
        all_of(opened(source, **options))
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith("expected ")
    for word in words:
        assert str(word) in message
    return message


DTYPES = (
    "uint8", "int8", "int16", ">i2", "uint32", "int64", ">i8", "float16", ">f2", "float32", ">f4",
    "float64", ">f8", "bool", "longdouble",
)  # fmt: skip


@pytest.mark.parametrize("channels_first", [True, False])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.slow
def test_every_dtype_and_layout_gives_the_same_pixels(
    write_set, make_images, dtype, channels_first
):
    images, labels = make_images()
    images = images % 128 if dtype == "int8" else images > 99 if dtype == "bool" else images
    read = opened(write_set(images=images, dtype=dtype, channels_first=channels_first))
    assert read.channels_first == channels_first
    found, found_labels = all_of(read)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, images.astype(np.float32))
    np.testing.assert_array_equal(found_labels, labels)
    assert found_labels.dtype == np.int64


def test_pixels_are_divided_by_the_scale(write_set, make_images):
    found, _ = all_of(opened(write_set(), scale=255.0))
    np.testing.assert_array_equal(found, (make_images()[0] / 255.0).astype(np.float32))


def test_arrays_are_read_as_files_are(make_images):
    images, labels = make_images()
    for given_images in (images, np.moveaxis(images, -1, 1), images[:, ::-1][:, ::-1]):
        np.testing.assert_array_equal(all_of(opened((given_images, labels.tolist())))[0], images)


@pytest.mark.parametrize("options", [{"chunks": (3, 3, 5, 4)}, {"compression": "gzip"}])
def test_chunked_and_compressed_files_are_read(write_set, make_images, options):
    np.testing.assert_array_equal(all_of(opened(write_set(**options)))[0], make_images()[0])


@settings(deadline=None, max_examples=25)
@given(size=st.integers(1, 25), bad=st.integers(0, 19))
@pytest.mark.slow
def test_any_chunk_size_gives_the_same_set_and_names_the_bad_image(make_images, size, bad):
    images, labels = make_images()
    found, found_labels = all_of(opened((images, labels)), size)
    np.testing.assert_array_equal(found, images)
    np.testing.assert_array_equal(found_labels, labels)
    broken = images.astype(np.float32)
    broken[bad:, 1, 2, 0] = np.nan
    with pytest.raises(DataError, match=rf"NaN or infinity in image {bad} "):
        all_of(opened((broken, labels)), size)


def test_chunks_use_memory_again_that_nobody_looks_at(monkeypatch):
    made = []
    monkeypatch.setattr(Buffers, "__init__", recorded(Buffers.__init__, made))
    images = np.arange(40 * 12, dtype=np.float32).reshape(40, 2, 2, 3)
    source = ImageSet("s", (images, np.zeros(40)), input_shape=images.shape[1:], n_classes=2)
    for chunk in source.chunks(4):
        np.testing.assert_array_equal(chunk.images, images[chunk.start : chunk.start + 4])
        del chunk
    assert made[0].made < 10
    views = [chunk.images[1:] for chunk in source.chunks(4)]
    for index, view in enumerate(views):
        np.testing.assert_array_equal(view, images[4 * index + 1 : 4 * index + 4])
    assert made[1].made == 10


def recorded(init, made):
    return lambda self: (made.append(self), init(self))[1]


def test_buffers_come_back_with_their_last_view_and_not_after_the_end():
    with Buffers() as buffers:
        view = buffers.array((2, 3))[1:]
        view[:] = 1
        other = buffers.array((2, 3))
        other[:] = 2
        assert (view == 1).all()
        del view
        again = buffers.array((3, 1))
        assert buffers.made == 2
        assert buffers.array((4, 5)).shape == (4, 5)
        assert buffers.made == 3
    del again, other
    assert not buffers._free, "what comes back after the end is let go"


def test_take_returns_the_images_asked_for(write_set, make_images):
    images, labels = make_images()
    chunk = opened(write_set()).take(np.array([19, 0, 7]))
    np.testing.assert_array_equal(chunk.images, images[[19, 0, 7]])
    np.testing.assert_array_equal(chunk.labels, labels[[19, 0, 7]])


def test_named_datasets_also_in_groups(write_set, make_images):
    path = write_set(data="deep/x", label="y")
    np.testing.assert_array_equal(
        all_of(opened(path, data="deep/x", label="/y"))[0], make_images()[0]
    )


def test_fingerprint_tells_sets_apart_and_description_is_true(write_set, make_images):
    images, labels = make_images()
    first, again = opened(write_set("a.h5")), opened(write_set("b.h5"))
    assert first.fingerprint() == again.fingerprint()
    other = labels.copy()
    other[3] = (other[3] + 1) % 7
    assert opened(write_set("c.h5", labels=other)).fingerprint() != first.fingerprint()
    images[19, 11, 9, 2] ^= 1
    assert opened(write_set("d.h5", images=images)).fingerprint() != first.fingerprint()
    found = first.describe()
    assert found["bytes"] == 20 * 12 * 10 * 3 * 8
    assert (found["images"], found["dtype"], found["layout"]) == (20, "float64", "channels first")


@pytest.mark.parametrize(
    "labels", [np.arange(20)[:, None] % 7, np.arange(20) % 7 * 1.0, np.arange(20) % 2 == 0]
)
@pytest.mark.parametrize("dtype", ["native", ">i2", "uint8", "float32"])
def test_labels_of_any_kind(write_set, labels, dtype):
    dtype = labels.dtype if dtype == "native" else dtype
    found = opened(write_set(labels=labels, label_dtype=dtype)).labels
    np.testing.assert_array_equal(found, np.asarray(labels).reshape(-1))
    assert found.dtype == np.int8, "7 classes"


@pytest.mark.parametrize(("n_classes", "size"), [(128, 1), (129, 2), (32768, 2), (32769, 4)])
def test_labels_take_few_bytes_and_are_told_by_their_values(make_images, n_classes, size):
    images, labels = make_images()
    labels[3] = n_classes - 1
    shape = images.shape[1:]
    found = ImageSet("s", (images, labels), input_shape=shape, n_classes=n_classes)
    wider = ImageSet("s", (images, labels), input_shape=shape, n_classes=1_000_000)
    np.testing.assert_array_equal(found.labels, labels)
    assert found.labels.itemsize == size
    assert found.fingerprint() == wider.fingerprint()
    taken = found.take(np.array([3]))
    assert (taken.labels.dtype, taken.labels[0]) == (np.int64, n_classes - 1)


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (np.r_[np.zeros(19), 7], ("labels 0 … 6", "got 7.0 for image 19", ":label")),
        (np.r_[np.zeros(5), -1, np.zeros(14)], ("got -1.0 for image 5",)),
        (np.r_[0.5, np.zeros(19)], ("whole numbers", "got 0.5 for image 0")),
        (np.r_[np.zeros(19), np.nan], ("whole numbers", "got nan for image 19")),
        (np.r_[np.inf, np.zeros(19)], ("whole numbers", "got inf for image 0")),
        (np.zeros(19), ("one label per image", "(19,)")),
        (np.zeros((20, 7)), ("one label per image", "(20, 7)")),
        (np.zeros(()), ("one label per image", "()")),
        (np.array([b"0"] * 20), ("one label per image", "|S1")),
    ],
)
def test_bad_labels(write_set, labels, words):
    refused(write_set(labels=labels, label_dtype=labels.dtype), *words)


@pytest.mark.parametrize("value", [2**63, 2**64 - 1])
def test_labels_above_int64_do_not_wrap_around(write_set, value):
    labels = np.array([0] * 19 + [value], np.uint64)
    refused(write_set(labels=labels, label_dtype="uint64"), f"got {value} for image 19")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_pixels_that_are_no_numbers_are_named(write_set, make_images, value, dtype):
    images = make_images()[0].astype(dtype)
    images[13, 11, 9, 2] = value
    refused(write_set(images=images, dtype=dtype), "finite pixels", "image 13", ":data")


def test_pixels_too_large_for_float32_are_refused(write_set, make_images):
    images = make_images()[0].astype(np.float64)
    images[2, 0, 0, 0] = 1e300
    refused(write_set(images=images), "finite pixels", "image 2")


@pytest.mark.parametrize(
    ("shape", "word"),
    [((20, 10, 12, 3), "(20, 3, 10, 12)"), ((20, 12, 10), "(20, 12, 10)"), ((0, *SHAPE), "none")],
)
def test_images_of_another_shape(write_set, shape, word):
    refused(write_set(images=np.zeros(shape), labels=np.zeros(shape[0])), word)


def test_images_that_are_no_numbers(write_set):
    for dtype in ("S1", "complex64"):
        refused(write_set(f"{dtype}.h5", dtype=dtype), "numeric pixels", dtype)
    path = write_set("empty.h5")
    with h5py.File(path, "a") as file:
        del file["data"]
        file["data"] = h5py.Empty("float32")
    refused(path, "without a shape")


def test_missing_files_datasets_and_wrong_places(tmp_path, write_set):
    refused(tmp_path / "none.h5", "no such file", "none.h5")
    refused(tmp_path, "a folder")
    refused(write_set(data="x"), "a dataset 'data'", "'x'", "--data-name")
    refused(write_set(label="y"), "a dataset 'label'", "'y'")
    refused(write_set(data="data/x"), "a group")
    refused(write_set(data="a"), "'a/b'", data="a/b")
    refused(write_set(), "a dataset ''", data="")
    refused(write_set(data="deep/x"), "'deep/y'", data="deep/y")


def test_files_that_are_no_hdf5(tmp_path, write_set):
    path = write_set()
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    refused(path, "truncated")
    for content in (b"", b"\x89HDF\r\n\x1a\n", b"PK\x03\x04", np.random.default_rng(0).bytes(5000)):
        path.write_bytes(content)
        refused(path, "another format")


@pytest.mark.slow
def test_damaged_files_are_refused_or_read_and_raise_nothing_else(tmp_path, write_set):
    whole = write_set(n=2, chunks=True, compression="gzip").read_bytes()
    messages = []
    for start in range(0, len(whole), 48):
        path = tmp_path / f"damaged_{start}.h5"
        path.write_bytes(whole[:start] + bytes(48) + whole[start + 48 :])
        try:
            all_of(opened(path))
        except DataError as error:
            messages.append(str(error))
    assert len(messages) > 15
    assert not any("\n" in message for message in messages)
    assert any("it may be damaged" in message for message in messages)
    assert any("got Can't" in message for message in messages)


def secret(tmp_path, make_images):
    """A file of someone else with everything a set needs."""
    images, labels = make_images()
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["data"], file["label"] = images, labels
    images.astype(np.uint8).tofile(tmp_path / "secret.raw")
    return tmp_path / "secret.h5", tmp_path / "secret.raw"


@pytest.mark.parametrize("kind", ["external link", "soft link", "external storage", "virtual"])
@pytest.mark.parametrize("name", ["data", "label"])
def test_files_that_point_at_other_files_are_not_followed(tmp_path, make_images, kind, name):
    other, raw = secret(tmp_path, make_images)
    images, labels = make_images()
    own = {"data": images, "label": labels}
    path = tmp_path / "trap.h5"
    with h5py.File(path, "w") as file:
        for key, values in own.items():
            if key != name:
                file[key] = values
            elif kind == "external link":
                file[key] = h5py.ExternalLink(str(other), key)
            elif kind == "soft link":
                file[key] = h5py.SoftLink("/elsewhere")
            elif kind == "external storage":
                file.create_dataset(
                    key, values.shape, values.dtype, external=[(str(raw), 0, h5py.h5f.UNLIMITED)]
                )
            else:
                layout = h5py.VirtualLayout(values.shape, values.dtype)
                layout[...] = h5py.VirtualSource(str(other), key, values.shape)
                file.create_virtual_dataset(key, layout)
    refused(path, "in the file itself", "do not trust it")


def test_a_group_on_the_way_that_is_a_link_is_not_followed(tmp_path, make_images):
    other, _ = secret(tmp_path, make_images)
    with h5py.File(tmp_path / "trap.h5", "w") as file:
        file["label"] = make_images()[1]
        file["deep"] = h5py.ExternalLink(str(other), "/")
    refused(tmp_path / "trap.h5", "a link", data="deep/data")


@pytest.mark.parametrize("options", [{}, {"chunks": (1 << 16,)}])
def test_a_few_bytes_that_claim_to_be_terabytes_are_not_read(tmp_path, make_images, options):
    path = tmp_path / "bomb.h5"
    with h5py.File(path, "w") as file:
        file["data"] = make_images()[0]
        file.create_dataset("label", (10**12,), "int64", **options)
    refused(path, "'label' to hold what it claims", "do not trust it")
    with h5py.File(path, "w") as file:
        chunks = {"chunks": (16, *SHAPE)} if options else {}
        file.create_dataset("data", (10**10, *SHAPE), "uint8", **chunks)
        file.create_dataset("label", (10**10,), "int64", **options)
    refused(path, "'data' to hold what it claims", "do not trust it")


def test_names_in_a_file_cannot_break_the_line(tmp_path):
    with h5py.File(tmp_path / "names.h5", "w") as file:
        file["a\nfastprune: all is well"] = np.zeros(3)
        file["\x1b[2J"] = np.zeros(3)
    assert "\x1b" not in refused(tmp_path / "names.h5", "a dataset 'data'")


def test_open_sets_puts_validation_first_and_refuses_a_name_twice(make_images):
    source = make_images()
    with open_sets(source, {"test": source}, {"bd": source}, **OPTIONS) as sets:
        assert list(sets) == [images.name for images in sets.values()] == ["valid", "test", "bd"]
        assert [images.kind for images in sets.values()] == ["clean", "clean", "backdoored"]
    with (
        pytest.raises(DataError, match="'test' twice"),
        open_sets(source, {"test": source}, {"test": source}, **OPTIONS),
    ):
        pass


def test_a_set_knows_its_pair_and_its_true_labels(make_images):
    clean, other = make_images(), make_images(seed=1)
    with open_sets(
        clean, {"test": other}, {"one": clean, "two": other, "three": other}, **OPTIONS,
        paired={"one": "valid"}, true_labels={"two": np.arange(20) % 3},
    ) as sets:  # fmt: skip
        assert [sets[name].paired for name in sets] == [None, None, "valid", None, None]
        np.testing.assert_array_equal(sets["one"].true_labels, clean[1])
        np.testing.assert_array_equal(sets["two"].true_labels, np.arange(20) % 3)
        assert sets["valid"].true_labels is sets["three"].true_labels is None


@pytest.mark.parametrize("scale", [0.00392157, 1.0, 255.0])
@pytest.mark.parametrize("dtype", ["uint8", "float64"])
def test_pixels_of_the_file_are_those_of_the_file_at_any_scale(write_set, scale, dtype):
    images = np.resize(np.arange(256, dtype=np.uint8), (3, *SHAPE))
    labels = np.zeros(3, int)
    for source in (write_set(images=images, labels=labels, dtype=dtype), (images, labels)):
        found = opened(source, scale=scale).file_pixels(np.array([2, 0]))
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, images[[2, 0]])


def test_a_set_closes_its_file_and_keeps_its_labels(tmp_path, write_set, make_images):
    with opened(write_set()) as images:
        assert open_below(tmp_path) == ["set.h5"]
    assert open_below(tmp_path) == []
    np.testing.assert_array_equal(images.labels, make_images()[1])
    with opened(make_images()) as arrays:
        assert len(arrays) == 20


def test_no_file_stays_open_when_a_set_cannot_be_used(tmp_path, write_set, make_images):
    good, no_class = write_set("good.h5"), write_set("bad.h5", labels=np.full(20, 9))
    with pytest.raises(DataError, match="image 0") as held:
        opened(no_class)
    assert open_below(tmp_path) == []
    for second in (no_class, tmp_path / "none.h5"):
        with pytest.raises(DataError) as held, open_sets(good, {"x": second}, {}, **OPTIONS):
            pass
        assert open_below(tmp_path) == []
    with (
        pytest.raises(OptionError, match="got 'x'") as held,
        open_sets(good, {}, {"bd": good}, paired={"bd": "x"}, **OPTIONS),
    ):
        pass
    assert open_below(tmp_path) == []
    assert held.value is not None, "what the exception refers to was alive"
