"""Pruning criteria: a score per channel, from its activations or from its kernel.

A criterion orders the channels by its score, smallest first or largest first as :data:`LARGEST`
says. Activations are those of the clean validation set at the cut layer, or at the prune layer
where asked; a kernel is the prune layer's own, its bias not counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastprune import backend
from fastprune.errors import OptionError

FloatArray = NDArray[np.float64]

MEANINGS = {
    "ascending": "mean activation, smallest first",
    "descending": "mean activation, largest first",
    "mean-abs": "mean |activation|, smallest first",
    "max": "largest activation, smallest first",
    "apoz": "average percentage of zeros, most zeros first",
    "l1": "L1 norm of the kernel, smallest first",
    "l2": "L2 norm of the kernel, smallest first",
    "fpgm": "sum of distances to the other kernels, smallest first",
    "oracle": "mean activation on a backdoored set minus that on clean validation images, largest "
    "first; no defender has it",
}
"""Criteria by name, and what they order by."""

LARGEST = frozenset({"descending", "apoz", "oracle"})
"""Criteria whose largest score is pruned first."""


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


def scores(name: str, evidence: Evidence) -> FloatArray:
    """Return the score of every channel under a criterion.

    Parameters
    ----------
    name : str
        A key of :data:`MEANINGS`; ``"oracle:SET"`` for an oracle.
    evidence : Evidence
        What is known of the channels.

    Returns
    -------
    ndarray of float64, shape (n_channels,)

    Notes
    -----
    ``ascending`` and ``descending`` take the signed mean, ``max`` the signed maximum, and ``apoz``
    counts exact zeros: behind a ReLU they are what their sources mean. Of a layer that gives
    negative values the least mean is the most negative one, not the least active, and ``apoz`` is
    nearly 0 for every channel; ``mean-abs``, which equals ``ascending`` behind a ReLU, still finds
    the least active. :func:`fastprune.ranking.order_warnings` says where that matters.

    References
    ----------
    ``apoz``: H. Hu et al.: Network Trimming, 2016, arXiv:1607.03250. ``l1``: H. Li et al.: Pruning
    Filters for Efficient ConvNets, ICLR 2017, arXiv:1608.08710. ``fpgm``: Y. He et al.: Filter
    Pruning via Geometric Median, CVPR 2019, arXiv:1811.00250.
    """
    word, _, target = name.partition(":")
    clean = evidence.clean
    kernel = evidence.kernel.reshape(-1, evidence.kernel.shape[-1]).T.astype(np.float64)
    if word in ("ascending", "descending"):
        return clean.means
    if word == "mean-abs":
        return clean.magnitudes
    if word == "max":
        return clean.maxima
    if word == "apoz":
        return clean.zero_shares
    if word == "l1":
        return np.asarray(np.abs(kernel).sum(axis=1))
    if word == "l2":
        return np.asarray(np.sqrt(np.square(kernel).sum(axis=1)))
    if word == "fpgm":
        # Row by row: differences of equal kernels are exactly 0, and memory stays at one kernel.
        return np.array([np.sqrt(np.square(kernel - row).sum(axis=1)).sum() for row in kernel])
    if word == "oracle":
        return evidence.backdoored[target].means - clean.means
    message = f"expected a criterion, one of {', '.join(MEANINGS)}; got {name!r}"
    raise OptionError(message)


def ordered(name: str, values: FloatArray) -> NDArray[np.int64]:
    """Return the channels in a criterion's order of their scores; ties stand in index order.

    Examples
    --------
    >>> ordered("apoz", np.array([0.5, 1.0, 0.0, 1.0])).tolist()
    [1, 3, 0, 2]
    """
    sign = -1 if name.partition(":")[0] in LARGEST else 1
    return np.argsort(sign * values, kind="stable").astype(np.int64)


def is_criterion(order: object) -> bool:
    """Return whether an order is a criterion's name: a key of :data:`MEANINGS`, or oracle:SET."""
    return isinstance(order, str) and (order in MEANINGS or order.startswith("oracle:"))


def needs_extremes(order: object) -> bool:
    """Return whether an order needs maxima or zeros of the activations."""
    return is_criterion(order) and order in ("max", "apoz")


def oracle_set(order: object) -> str | None:
    """Return the backdoored set that an order looks at: no defender could make that order.

    Examples
    --------
    >>> oracle_set("oracle:bd_valid"), oracle_set("ascending")
    ('bd_valid', None)
    """
    if isinstance(order, str) and order.startswith("oracle:"):
        return order.removeprefix("oracle:")
    return None


def prune_kernel(layer: Any) -> NDArray[np.float32]:
    """Return the kernel of a prune layer, its output channels on the last axis.

    Of a convolution in groups a channel's kernel holds the inputs of its own group only; of a
    separable one it is the pointwise kernel, since the depthwise one belongs to all channels.
    """
    separable = type(layer).__name__ == "SeparableConv2D"
    kernel = layer.pointwise_kernel if separable else layer.kernel
    return np.asarray(backend.to_numpy(kernel), np.float32)
