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
        Channels of the prune layer.
    extremes : bool
        Whether maxima and zeros are wanted too; otherwise only sums are made.
    places : ndarray of int64, shape (copies, n_channels), optional
        Where each channel lies on the last axis of the activations; by default they are the last
        axis. Copies of a channel count like positions of it.
    """

    def __init__(
        self,
        n_channels: int,
        *,
        extremes: bool = False,
        places: NDArray[np.int64] | None = None,
    ) -> None:
        self._places = np.arange(n_channels)[None] if places is None else places
        self._sums = np.zeros(n_channels, np.float64)
        self._magnitudes = np.zeros(n_channels, np.float64)
        self._maxima = np.full(n_channels, -np.inf)
        self._zeros = np.zeros(n_channels, np.int64)
        self._count = 0
        self.extremes = extremes

    def add(self, activations: Any) -> None:
        """Add activations, float32 (images, …, last axis), an array or a backend tensor."""
        places = self._places
        sums, magnitudes = backend.channel_sums(activations)
        self._sums += sums[places].sum(axis=0)
        self._magnitudes += magnitudes[places].sum(axis=0)
        self._count += int(np.prod(activations.shape[:-1])) * len(places)
        if self.extremes:
            maxima, zeros = backend.channel_extremes(activations)
            np.maximum(self._maxima, maxima[places].max(axis=0), out=self._maxima)
            self._zeros += zeros[places].sum(axis=0)

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
    kernel : ndarray of float32, shape (height, width, inputs, n_channels), or None
        Of the prune layer; None for a masked layer that has none.
    backdoored : dict of str to ActivationStatistics
        Of the backdoored sets that an oracle looks at.
    layer : str
        Name of the layer whose activations these are.
    gains : ndarray of float64, shape (n_channels,), or None
        Factor by which the BatchNormalization behind the prune layer scales each channel; None
        where there is none.
    """

    clean: ActivationStatistics
    kernel: NDArray[np.float32] | None
    backdoored: Mapping[str, ActivationStatistics] = field(default_factory=dict)
    layer: str = ""
    gains: NDArray[np.float64] | None = None
