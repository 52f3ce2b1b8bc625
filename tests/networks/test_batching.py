"""Chunks in batches: every row once, in order, whatever the sizes."""

import keras
import numpy as np
import pytest

from fastprune.networks import batching
from fastprune.runtime import backend, machine


@pytest.mark.parametrize("images", [1, 4, 7, 12])
@pytest.mark.parametrize("outputs", [1, 2])
@pytest.mark.parametrize("fixed", [False, True])
def test_batches_give_every_row_once(
    images: int, outputs: int, fixed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Results lie in the images' order, padding is cut off, and no call is larger than a batch."""
    monkeypatch.setattr(backend, "fixed_shapes", lambda: fixed)
    chunk = np.arange(images * 6, dtype=np.float32).reshape(images, 2, 3)
    seen = []

    def call(part: np.ndarray) -> np.ndarray | list[np.ndarray]:
        seen.append(len(part))
        rows = [part.sum(axis=2) * (1 + index) for index in range(outputs)]
        return rows[0] if outputs == 1 else rows

    found = batching.in_batches(call, chunk, 4)
    for index, rows in enumerate([found] if outputs == 1 else found):
        np.testing.assert_array_equal(rows, chunk.sum(axis=2) * (1 + index))
    whole, rest = divmod(images, 4)
    assert seen == [4] * whole + [4 if fixed else rest] * (rest > 0)


def test_a_chunk_is_whole_batches_of_what_is_largest(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is held of an image, pixels or cut, decides; one batch is the least."""
    monkeypatch.setattr(backend, "on_accelerator", lambda: False)
    image, cut = (55, 47, 3), (5, 4, 60)
    assert batching.chunk_size(16, image, cut) == batching.chunk_size(16, cut, image) == 96
    assert batching.chunk_size(16, image, (8, 8, 512)) == 16
    assert batching.chunk_size(32, image, size=1) == 32
    assert 4 * 96 * np.prod(image) <= batching.CHUNK < 4 * (96 + 16) * np.prod(image)


def test_on_an_accelerator_a_chunk_is_one_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several would be joined on the host; activations stay on the device."""
    monkeypatch.setattr(backend, "on_accelerator", lambda: True)
    assert batching.chunk_size(1024, (2, 2, 3)) == 1024
    widest = keras.KerasTensor((None, batching.WORKING_SET // (4 * 32)))
    assert batching.batch_size([], widest) == 1024


def test_a_call_on_several_cores_takes_larger_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each core's share of a batch is what fits its cache."""
    widest = keras.KerasTensor((None, batching.WORKING_SET // (4 * 32)))
    monkeypatch.setattr(machine, "cores", lambda: 2)
    monkeypatch.setattr(backend, "on_accelerator", lambda: False)
    found = []
    for at_once in (2, 1):
        monkeypatch.setattr(backend, "calls_at_once", lambda at_once=at_once: at_once)
        found.append(batching.batch_size([], widest))
    assert found == [32, 64]
