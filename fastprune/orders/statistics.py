"""What is known of the channels: statistics of their activations, and their kernels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastprune.runtime import backend

FloatArray = NDArray[np.float64]


class ActivationStatistics:
    """Sums, maximum and number of zeros of each channel over a stream of activations.

    Parameters
    ----------
    n_channels : int
        Channels on the last axis.
    extremes : bool
        Whether maxima and zeros are wanted too; otherwise only sums are made.
    """

    def __init__(self, n_channels: int, *, extremes: bool = False) -> None:
        self._sums = np.zeros(n_channels, np.float64)
        self._magnitudes = np.zeros(n_channels, np.float64)
        self._maxima = np.full(n_channels, -np.inf)
        self._zeros = np.zeros(n_channels, np.int64)
        self._count = 0
        self.extremes = extremes

    def add(self, activations: Any) -> None:
        """Add activations, float32 (images, …, channels), an array or a backend tensor."""
        sums, magnitudes = backend.channel_sums(activations)
        self._sums += sums
        self._magnitudes += magnitudes
        self._count += int(np.prod(activations.shape[:-1]))
        if self.extremes:
            maxima, zeros = backend.channel_extremes(activations)
            np.maximum(self._maxima, maxima, out=self._maxima)
            self._zeros += zeros

    @property
    def means(self) -> FloatArray:
        """Mean of each channel, summed in float64, float64 (channels,)."""
        return self._sums / max(self._count, 1)

    @property
    def magnitudes(self) -> FloatArray:
        """Mean |activation| of each channel, float64 (channels,).

        Of channels that are never negative it equals :attr:`means`, bit for bit.
        """
        return self._magnitudes / max(self._count, 1)

    @property
    def maxima(self) -> FloatArray:
        """Largest activation of each channel, float64 (channels,); -inf before the first image."""
        return self._maxima

    @property
    def zero_shares(self) -> FloatArray:
        """Share of each channel's activations that are exactly 0, float64 (channels,)."""
        return self._zeros / max(self._count, 1)


@dataclass(frozen=True, eq=False)
class Evidence:
    """What criteria score channels by.

    Attributes
    ----------
    clean : ActivationStatistics
        Of the clean validation set.
    kernel : ndarray of float32, shape (…, n_channels)
        Of the prune layer.
    backdoored : dict of str to ActivationStatistics
        Of the backdoored sets that an oracle looks at.
    layer : str
        Name of the layer whose activations these are.
    """

    clean: ActivationStatistics
    kernel: NDArray[np.float32]
    backdoored: Mapping[str, ActivationStatistics] = field(default_factory=dict)
    layer: str = ""


def prune_kernel(layer: Any) -> NDArray[np.float32]:
    """Return the kernel of a prune layer, its output channels on the last axis.

    Of a convolution in groups a channel's kernel holds the inputs of its own group only; of a
    separable one it is the pointwise kernel, since the depthwise one belongs to all channels.
    """
    separable = type(layer).__name__ == "SeparableConv2D"
    kernel = layer.pointwise_kernel if separable else layer.kernel
    return np.asarray(backend.to_numpy(kernel), np.float32)
