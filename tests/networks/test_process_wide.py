"""What is changed for the whole process while Keras loads or saves: by one thread at a time."""

from __future__ import annotations

import itertools
import json
import threading
import warnings
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import keras
import pytest
from absl import logging
from keras import layers

from fastprune.errors import NetworkError
from fastprune.networks.loading import load_model
from fastprune.networks.process_wide import limited_weights, without_talk_of_formats

PATIENCE = 0.3
"""Seconds that a thread waits for what must not happen: too few would only hide a fault."""

CHANGES = {
    "load": lambda: limited_weights(0, Path("net.h5")),
    "save": without_talk_of_formats,
}


def process_wide():
    return layers.Layer.add_weight, list(warnings.filters), logging.get_verbosity()


@pytest.fixture
def files(tmp_path, make_network):
    """A harmless network, and one whose configuration asks for a million weights more."""
    make_network("vgg_like").save(tmp_path / "plain.keras")
    with (
        zipfile.ZipFile(tmp_path / "plain.keras") as old,
        zipfile.ZipFile(tmp_path / "huge.keras", "w") as new,
    ):
        for name in old.namelist():
            content = old.read(name)
            if name == "config.json":
                config = json.loads(content)
                config["config"]["layers"][-1]["config"]["units"] = 1 << 18
                content = json.dumps(config)
            new.writestr(name, content)
    return tmp_path / "plain.keras", tmp_path / "huge.keras"


@pytest.mark.parametrize(("first", "second"), [*itertools.product(CHANGES, CHANGES)])
@pytest.mark.slow
def test_threads_across_each_other_leave_all_as_it_was(first, second):
    before = process_wide()
    inside, other_inside, done = (threading.Event() for _ in range(3))

    def early():
        with CHANGES[first]():
            inside.set()
            other_inside.wait(PATIENCE)
        done.set()

    def late():
        inside.wait()
        with CHANGES[second]():
            other_inside.set()
            done.wait()

    with ThreadPoolExecutor(2) as threads:
        for future in [threads.submit(early), threads.submit(late)]:
            future.result()
    assert process_wide() == before


@pytest.mark.slow
def test_a_file_is_refused_whatever_another_thread_loads(files, monkeypatch):
    harmless, huge = files
    before = process_wide()
    load = keras.saving.load_model
    inside, other_inside, done = (threading.Event() for _ in range(3))

    def slowly(path, **options):
        if path == harmless:
            inside.set()
            other_inside.wait(PATIENCE)
        else:
            other_inside.set()
            done.wait()
        return load(path, **options)

    def late():
        inside.wait()
        with pytest.raises(NetworkError, match="asks for"):
            load_model(huge)

    monkeypatch.setattr(keras.saving, "load_model", slowly)
    with ThreadPoolExecutor(2) as threads:
        first, second = threads.submit(load_model, harmless), threads.submit(late)
        first.add_done_callback(lambda _: done.set())
        assert first.result().output_shape == (None, 7)
        second.result()
    assert process_wide() == before


def test_weights_that_other_threads_make_are_not_counted(files, monkeypatch):
    load = keras.saving.load_model
    inside, built = threading.Event(), threading.Event()

    def slowly(path, **options):
        inside.set()
        built.wait()
        return load(path, **options)

    monkeypatch.setattr(keras.saving, "load_model", slowly)
    with ThreadPoolExecutor(1) as threads:
        loaded = threads.submit(load_model, files[0])
        inside.wait()
        try:
            layers.Dense(1 << 18).build((None, 8))
        finally:
            built.set()
        assert loaded.result().output_shape == (None, 7)
