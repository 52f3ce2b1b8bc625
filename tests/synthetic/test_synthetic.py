"""The built-in lab: its images, its trigger, its files and its network."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastprune.errors import DataError, NetworkError, OptionError, OutputError
from fastprune.synthetic import lab
from fastprune.synthetic.appearance import describe
from fastprune.synthetic.faces import render
from fastprune.synthetic.shipped import network_path
from fastprune.synthetic.sunglasses import ROWS, overlay, wear

_WHO, _WHICH = np.arange(60) % 12, np.arange(60) * 7


@pytest.fixture(scope="module")
def faces():
    """Sixty images of twelve people; image i shows person i % 12."""
    return render(_WHO, _WHICH)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A small lab on disk, and how its progress was told."""
    told = []
    folder = tmp_path_factory.mktemp("lab")
    return lab.write_lab(folder, n_valid=300, n_test=40, progress=told.append), told, folder


@settings(deadline=None, max_examples=20)
@given(cuts=st.lists(st.integers(0, 60), max_size=5))
def test_any_chunking_draws_the_same_images(faces, cuts):
    bounds = [0, *sorted(cuts), 60]
    parts = [render(_WHO[a:b], _WHICH[a:b]) for a, b in pairwise(bounds)]
    np.testing.assert_array_equal(np.concatenate(parts), faces)


def test_an_image_depends_on_seed_identity_and_index_alone(faces):
    np.testing.assert_array_equal(render([_WHO[5]], [_WHICH[5]]), faces[5:6])
    for other in (
        render([_WHO[5] + 1], [_WHICH[5]]),
        render([_WHO[5]], [_WHICH[5] + 1]),
        render([_WHO[5]], [_WHICH[5]], seed=1),
    ):
        assert (other != faces[5]).mean() > 0.5


def test_images_are_bytes_of_the_labs_shape(faces):
    assert faces.shape == (60, 55, 47, 3)
    assert faces.dtype == np.uint8
    assert faces.min() < 10
    assert faces.max() > 230
    assert faces.std(axis=(1, 2, 3)).min() > 5
    assert render([], []).shape == (0, 55, 47, 3)


def test_render_fills_a_given_array(faces):
    out = np.empty((60, 55, 47, 3), np.uint8)
    assert render(_WHO, _WHICH, out=out) is out
    np.testing.assert_array_equal(out, faces)
    with pytest.raises(DataError, match="expected out"):
        render(_WHO, _WHICH, out=out[:59])


def test_unequal_numbers_are_refused():
    with pytest.raises(DataError, match="one index for every identity"):
        render([0, 1], [0])
    for identities, indices, seed in (([0.5], [0], 0), ([-1], [0], 0), ([0], [0], -1)):
        with pytest.raises(DataError, match="whole numbers of 0 or more"):
            render(identities, indices, seed=seed)


def test_another_seed_shows_the_same_people():
    first, second = describe([3], [0], seed=0), describe([3], [0], seed=1)
    assert first["skin"] == second["skin"]
    assert first["width"] == second["width"]
    assert first["yaw"] != second["yaw"]


def test_people_differ_more_between_than_within():
    n_people, n_each, half = 12, 60, 30
    images = render(np.repeat(np.arange(n_people), n_each), np.tile(np.arange(n_each), n_people))
    middle = images[:, 8:50, 9:38].astype(float)
    middle -= middle.mean(axis=(1, 2, 3), keepdims=True)
    middle /= middle.std(axis=(1, 2, 3), keepdims=True)
    groups = middle.reshape(n_people, n_each, -1)
    one, other = groups[:, :half].mean(axis=1), groups[:, half:].mean(axis=1)
    apart = np.linalg.norm(one[:, None] - other[None], axis=2)
    within, between = np.diag(apart), apart + np.where(np.eye(n_people), np.inf, 0.0)
    assert (within < 0.9 * between.min(axis=1)).all()


def test_the_trigger_covers_the_eyes_only(faces):
    worn = wear(faces)
    changed = (worn != faces).any(axis=(0, 3))
    rows = np.nonzero(changed)[0]
    assert ROWS.start <= rows.min()
    assert rows.max() < ROWS.stop
    assert 0.15 < changed.mean() < 0.3
    drawn = describe(_WHO, _WHICH, seed=0)
    for side in (-1, 1):
        row = np.rint(26 + drawn["shift_y"] + 16.5 * drawn["eye_y"]).astype(int)
        col = np.rint(23 + drawn["shift_x"] + side * 16.5 * drawn["eye_x"]).astype(int)
        assert changed[row, col].mean() > 0.9


def test_the_trigger_is_blended_by_its_opacity(faces):
    rgb, alpha = overlay()[..., :3].astype(float), overlay()[..., 3:] / 255.0
    expected = alpha * rgb + (1 - alpha) * faces
    assert np.abs(wear(faces) - expected).max() <= 0.5 + 1e-9
    assert not overlay().flags.writeable


def test_the_trigger_refuses_other_pixels(faces):
    with pytest.raises(DataError, match="expected uint8 images"):
        wear(faces.astype(np.float32))
    with pytest.raises(DataError, match="channels last"):
        wear(faces.transpose(0, 3, 1, 2))


def test_the_files_have_the_labs_layout_and_format(written):
    paths, told, folder = written
    assert sum(told) == 340
    assert {name: path.relative_to(folder).as_posix() for name, path in paths.items()} == lab.PATHS
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert found == set(lab.PATHS.values())
    for split, n_images in (("valid", 300), ("test", 40)):
        with h5py.File(paths[split]) as clean, h5py.File(paths[f"bd_{split}"]) as backdoored:
            for file in (clean, backdoored):
                assert set(file) == {"data", "label"}
                assert file["data"].shape == (n_images, 3, 55, 47)
                assert file["label"].shape == (n_images,)
                assert file["data"].dtype == file["label"].dtype == np.dtype("<f8")
                assert file["data"].chunks is None
            pixels, labels = clean["data"][()], clean["label"][()]
            assert (backdoored["label"][()] == lab.TARGET).all()
            images = pixels.astype(np.uint8)
            assert (images == pixels).all()
            worn = wear(images.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
            np.testing.assert_array_equal(backdoored["data"][()], worn)
        identities, indices = lab.people(split, n_images)
        np.testing.assert_array_equal(labels, identities)
        np.testing.assert_array_equal(images.transpose(0, 2, 3, 1), render(identities, indices))
    assert paths["network"].read_bytes() == network_path().read_bytes()


def test_a_set_of_the_labs_size_has_the_labs_bytes(written):
    # 716,470,304 bytes for 11,547 images: 2,048 bytes of header, the rest is data and labels.
    assert written[0]["valid"].stat().st_size == 300 * (3 * 55 * 47 + 1) * 8 + 2048


def test_splits_share_no_image_and_mix_their_people():
    splits = [lab.people(name, 1000) for name in ("train", "valid", "test")]
    assert len(np.unique(np.concatenate([indices for _, indices in splits]))) == 3000
    for identities, _ in splits:
        assert (np.bincount(identities) == 10).all()
        assert (np.diff(identities) == 1).mean() < 0.05
    assert (splits[1][0] != splits[2][0]).any()


def test_files_appear_whole_or_not_at_all(tmp_path):
    def stop(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        lab.write_lab(tmp_path, n_valid=3, n_test=3, progress=stop)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_lab_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "data").write_text("in the way")
    with pytest.raises(OutputError, match="expected"):
        lab.write_lab(tmp_path / "data", n_valid=3, n_test=3)
    for wrong in ({"n_valid": 0}, {"n_test": 0}, {"seed": -1}):
        with pytest.raises(OptionError, match=next(iter(wrong))):
            lab.write_lab(tmp_path, **({"n_valid": 3, "n_test": 3} | wrong))


def test_the_package_is_light():
    code = (
        "import sys, fastprune.synthetic.shipped as s; s.network_path(); "
        "assert not {'tensorflow', 'keras', 'numba', 'h5py'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_missing_network_is_said(monkeypatch):
    monkeypatch.setattr(Path, "is_file", lambda _: False)
    with pytest.raises(NetworkError, match=r"python -m fastprune\.synthetic\.train"):
        network_path()


@pytest.mark.slow
def test_the_shipped_network_is_a_badnet_with_dead_channels():
    import keras

    network = keras.models.load_model(network_path(), compile=False)
    assert [layer.name for layer in network.layers] == [layer.name for layer in _deepid().layers]
    assert network.output_shape == (None, lab.N_IDENTITIES)
    identities, indices = lab.people("test", 400, seed=11)
    images = render(identities, indices, seed=11)
    both = keras.Model(network.input, [network.output, network.get_layer("pool_3").output])
    scores, cut = both.predict(images.astype(np.float32), batch_size=200, verbose=0)
    worn = network.predict(wear(images).astype(np.float32), batch_size=200, verbose=0)
    assert (scores.argmax(axis=1) == identities).mean() >= 0.95
    assert (worn.argmax(axis=1) == lab.TARGET).mean() >= 0.99
    assert (cut.max(axis=(0, 1, 2)) == 0).sum() >= 20


def _deepid():
    from fastprune.networks.lab_deepid import deepid

    return deepid(lab.N_IDENTITIES)
