"""The files of the lab, found where its repository has them."""

from __future__ import annotations

import json

import pytest

from fastprune.cli.layout import find_lab
from fastprune.errors import DataError


def lay_out(folder, files, weights="models/bd_net.h5"):
    wanted = {
        "cl/valid.h5": "valid", "cl/test.h5": "test", "bd/bd_valid.h5": "bd",
        "bd/bd_test.h5": "bd_more",
    }  # fmt: skip
    for name, source in wanted.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(files[source].read_bytes())
    return folder / weights


@pytest.mark.parametrize("form", ["data", "."])
@pytest.mark.slow
def test_the_labs_layout_is_found_in_both_forms(run, files, tmp_path, form):
    """With its folder data, as in the lab's repository, or without, as unpacked."""
    lab = tmp_path / "lab"
    lay_out(lab / form, files)
    found = find_lab(lab, model=files["model"])
    assert found.valid == lab / form / "cl/valid.h5"
    assert list(found.clean) == ["test"]
    assert list(found.backdoored) == ["bd_valid", "bd_test"]
    options = ("--lab", lab, "--model", files["model"], "--no-plots", "--quiet", "--format", "json")
    status, out, err = run("sweep", *options)
    assert (status, err) == (0, "")
    assert list(json.loads(out)["sets"]) == ["valid", "test", "bd_valid", "bd_test"]


def test_the_labs_network_or_its_weights_are_found(tmp_path, files):
    lay_out(tmp_path / "data", files)
    models = tmp_path / "models"
    models.mkdir()
    (models / "bd_weights.h5").write_bytes(b"")
    assert find_lab(tmp_path).model == models / "bd_weights.h5"
    (models / "bd_net.h5").write_bytes(b"")
    assert find_lab(tmp_path).model == models / "bd_net.h5"


def test_missing_files_of_the_lab_are_named(run, tmp_path, files):
    status, out, err = run("sweep")
    assert (status, out) == (2, "")
    for name in ("cl/valid.h5", "cl/test.h5", "bd/bd_valid.h5", "bd/bd_test.h5", "bd_net.h5"):
        assert name in err
    assert len(err.splitlines()) == 1
    assert "CSAW-HackML-2020" in err
    lay_out(tmp_path / "data", files)
    (tmp_path / "data/bd/bd_test.h5").unlink()
    with pytest.raises(DataError) as caught:
        find_lab(tmp_path, model=files["model"])
    assert "bd_test.h5" in str(caught.value)
    assert "valid.h5," not in str(caught.value)
