"""The few things that differ between Keras's backends: compiling a model's call, and tensors."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastprune.runtime import machine

ONE_CORE_A_CALL = "TF_NUM_INTRAOP_THREADS"
"""Environment variable that tells TensorFlow, when it starts, how many cores one call may take.

With 1, no core waits for another at the end of a layer: a sweep of the lab's four sets takes 6.0 s
on two cores, where each call spreads over both 6.5 s and 20 MB more (medians of five pairs).
"""


def name() -> str:
    """Return Keras's backend: tensorflow, jax or torch."""
    import keras

    return str(keras.backend.backend())


def compiled(function: Callable[..., Any], *, signature: tuple[Any, ...] = ()) -> Any:
    """Compile a function of tensors for inference on Keras's backend.

    Parameters
    ----------
    function : callable
        Written with ``keras.ops`` and Keras models.
    signature : tuple of (shape, dtype)
        Its arguments, None for an axis that varies: TensorFlow then traces it once, not once per
        shape.
    """
    if name() == "tensorflow":
        import tensorflow as tf

        specs = [tf.TensorSpec(shape, dtype) for shape, dtype in signature]
        # Traced here and never again: TensorFlow would count the first calls of five networks as
        # five tracings of one function, and warn of them.
        return tf.function(function, input_signature=specs, autograph=False).get_concrete_function()
    if name() == "jax":
        import jax

        return jax.jit(function)

    def without_gradients(*arguments: Any) -> Any:
        import keras
        import torch

        device = keras.src.backend.torch.core.get_device()
        with torch.inference_mode():
            return function(*(torch.as_tensor(item, device=device) for item in arguments))

    return without_gradients


def fixed_shapes() -> bool:
    """Return whether every new shape costs a compilation, so that batches must be padded."""
    return name() == "jax"


def calls_at_once() -> int:
    """Return how many calls should compute side by side: one a core where each takes one core."""
    if name() != "tensorflow" or on_accelerator():
        return 1
    import tensorflow as tf

    chosen = tf.config.threading.get_intra_op_parallelism_threads()
    one_core = chosen == 1 or (chosen == 0 and os.environ.get(ONE_CORE_A_CALL) == "1")
    return machine.cores() if one_core else 1


def on_accelerator() -> bool:
    """Return whether Keras computes on a GPU or another accelerator."""
    if name() == "tensorflow":
        import tensorflow as tf

        return bool(tf.config.list_logical_devices("GPU"))
    if name() == "jax":
        import jax

        return str(jax.default_backend()) != "cpu"
    import torch

    return bool(torch.cuda.is_available())


def to_numpy(tensor: Any) -> NDArray[Any]:
    """Return a tensor or variable on the host, as an array."""
    import keras

    if isinstance(tensor, keras.Variable):
        tensor = tensor.value
    if name() == "torch" and not isinstance(tensor, np.ndarray):
        return np.asarray(tensor.detach().cpu().numpy())
    return np.asarray(tensor.numpy() if hasattr(tensor, "numpy") else tensor)


def channel_sums(activations: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sum activations (images, …, channels), and their magnitudes, over all but the last axis.

    Sums are float64, (channels,). Where no activation is negative both are the same array: finding
    the least one takes 6 us for 96 images of the lab, whose prefix takes 5 ms, and summing
    magnitudes would take 70.
    """
    import keras

    if on_accelerator() and name() != "jax":  # jax has no float64 unless it is switched on
        wide = keras.ops.cast(activations, "float64")
        axes = tuple(range(len(wide.shape) - 1))
        sums = np.asarray(to_numpy(keras.ops.sum(wide, axis=axes)))
        if not to_numpy(keras.ops.min(activations, initial=0)) < 0:
            return sums, sums
        return sums, np.asarray(to_numpy(keras.ops.sum(keras.ops.abs(wide), axis=axes)))
    host = to_numpy(activations)
    flat = host.reshape(-1, host.shape[-1])
    sums = np.asarray(flat.sum(axis=0, dtype=np.float64))
    if not flat.min(initial=0) < 0:
        return sums, sums
    return sums, np.asarray(np.abs(flat).sum(axis=0, dtype=np.float64))


def channel_extremes(activations: Any) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return maxima and numbers of zeros over all but the last axis of (images, …, channels)."""
    import keras

    if on_accelerator():
        axes = tuple(range(len(activations.shape) - 1))
        maxima = keras.ops.max(activations, axis=axes)
        zeros = keras.ops.sum(keras.ops.cast(activations == 0, "int32"), axis=axes)
        return to_numpy(maxima).astype(np.float64), to_numpy(zeros).astype(np.int64)
    host = to_numpy(activations)
    flat = host.reshape(-1, host.shape[-1])
    return flat.max(axis=0).astype(np.float64), (flat == 0).sum(axis=0)
