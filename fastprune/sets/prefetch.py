"""Read-ahead: chunks are read and converted while the network computes.

``tf.data`` does it where TensorFlow is the backend; a thread elsewhere. Both keep one chunk ahead.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

AHEAD = 1
"""Chunks read ahead of the one in use."""

Read = Callable[[int], NDArray[np.float32]]


def prefetched(read: Read, n_chunks: int) -> Iterator[NDArray[np.float32]]:
    """Yield ``read(0) … read(n_chunks - 1)`` in order, read ahead by :data:`AHEAD` chunks.

    Parameters
    ----------
    read : callable
        Returns chunk i; its exceptions reach the caller as they are.
    n_chunks : int
        Number of chunks.

    Yields
    ------
    ndarray of float32
    """
    import keras

    if keras.backend.backend() == "tensorflow":
        return _with_tf_data(read, n_chunks)
    return _with_thread(read, n_chunks)


def _with_tf_data(read: Read, n_chunks: int) -> Iterator[NDArray[np.float32]]:
    import tensorflow as tf

    failure: list[Exception] = []
    ready: dict[int, NDArray[np.float32]] = {}

    def load(index: Any) -> Any:
        # The chunk itself stays here: as a tensor it would be copied.
        try:
            ready[int(index)] = read(int(index))
        except Exception as error:
            failure.append(error)  # TensorFlow would turn it into text
            raise
        return index

    # One call at a time: h5py holds a global lock, and one reader keeps the network fed.
    chunks = tf.data.Dataset.range(n_chunks).map(
        lambda index: tf.numpy_function(load, [index], tf.int64, stateful=False),
        num_parallel_calls=1,
        deterministic=True,
    )
    options = tf.data.Options()
    options.autotune.enabled = False  # its thread held back the end of a pass by up to 0.9 s
    try:
        for index in chunks.prefetch(AHEAD).with_options(options).as_numpy_iterator():
            yield ready.pop(int(index))
    except tf.errors.OpError as error:
        raise (failure[0] if failure else error) from None


def _with_thread(read: Read, n_chunks: int) -> Iterator[NDArray[np.float32]]:
    ready: queue.Queue[Any] = queue.Queue(maxsize=AHEAD)
    stopped = threading.Event()

    def put(item: Any) -> None:
        while not stopped.is_set():
            try:
                ready.put(item, timeout=0.1)
                break
            except queue.Full:
                continue

    def work() -> None:
        try:
            for index in range(n_chunks):
                put(read(index))
        except Exception as error:
            put(error)

    worker = threading.Thread(target=work, name="fastprune-reader", daemon=True)
    worker.start()
    try:
        for _ in range(n_chunks):
            item = ready.get()
            if isinstance(item, Exception):
                raise item
            yield item
    finally:
        stopped.set()
        worker.join()
