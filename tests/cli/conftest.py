"""A network, sets and a folder for the commands."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from fastprune.cli.main import main


@pytest.fixture(scope="session")
def model_file(tmp_path_factory, make_network):
    path = tmp_path_factory.mktemp("network") / "b.keras"
    make_network("deepid_like", seed=1).save(path)
    return path


@pytest.fixture
def files(model_file, write_set, make_images, plain_classes):
    """A network and sets on which it is nearly always right."""
    model = keras.saving.load_model(model_file)

    def of(count, seed):
        images = make_images(count, seed=seed)[0]
        labels = plain_classes(model, images)
        labels[0] = (labels[0] + 1) % 7
        return images, labels

    target = int(of(30, 0)[1][5])
    return {
        "model": model_file,
        "valid": write_set("valid.h5", *of(30, 0)),
        "test": write_set("test.h5", *of(20, 1)),
        "bd": write_set("bd.h5", of(10, 2)[0], np.full(10, target)),
        "bd_more": write_set("bd_more.h5", of(10, 3)[0], np.full(10, target)),
    }


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run a command in a folder of its own; return status, stdout, stderr."""
    folder = tmp_path / "here"
    folder.mkdir(exist_ok=True)
    monkeypatch.chdir(folder)

    def run(*arguments):
        status = main([str(argument) for argument in arguments])
        return status, *capsys.readouterr()

    return run
