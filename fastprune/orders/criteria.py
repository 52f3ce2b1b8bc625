"""Pruning criteria: a score per channel, from its activations or from its kernel.

A criterion orders the channels by its score, smallest first or largest first as :data:`LARGEST`
says. Activations are those of the clean validation set at the cut layer, or at the prune layer
where asked; a kernel is the prune layer's own, its bias not counted.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fastprune.errors import OptionError
from fastprune.orders.order import MEANINGS, Order
from fastprune.orders.statistics import Evidence

FloatArray = NDArray[np.float64]

LARGEST = frozenset({"descending", "apoz", "oracle", "clp"})
"""Criteria whose largest score is pruned first."""

OF_KERNELS = frozenset({"l1", "l2", "fpgm", "clp"})
"""Criteria that look at the prune layer's kernel alone."""


def scores(order: Order, evidence: Evidence) -> FloatArray:
    """Return the score of every channel under an order's criterion.

    Parameters
    ----------
    order : Order
        One with a criterion; an oracle with its set named.
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
    the least active. :func:`fastprune.orders.ranking.order_warnings` says where that matters.

    References
    ----------
    ``apoz``: H. Hu et al.: Network Trimming, 2016, arXiv:1607.03250. ``l1``: H. Li et al.: Pruning
    Filters for Efficient ConvNets, ICLR 2017, arXiv:1608.08710. ``fpgm``: Y. He et al.: Filter
    Pruning via Geometric Median, CVPR 2019, arXiv:1811.00250. ``clp``: R. Zheng et al.: Data-free
    Backdoor Removal based on Channel Lipschitzness, ECCV 2022, arXiv:2208.03111.
    """
    word, clean = order.criterion, evidence.clean
    if word in OF_KERNELS:
        return _of_kernel(word, evidence)
    if word in ("ascending", "descending"):
        return clean.means
    if word == "mean-abs":
        return clean.magnitudes
    if word == "max":
        return clean.maxima
    if word == "apoz":
        return clean.zero_shares
    if word == "oracle" and order.oracle_set is not None:
        return evidence.backdoored[order.oracle_set].means - clean.means
    message = f"expected a criterion, one of {', '.join(MEANINGS)}; got {order.name!r}"
    raise OptionError(message)


def _of_kernel(word: str, evidence: Evidence) -> FloatArray:
    """Return the score of every channel under a criterion that looks at the kernel alone."""
    if evidence.kernel is None:
        message = (
            f"expected a prune layer with a kernel to order its channels by {word}; got a masked "
            f"layer without one ({evidence.layer}); take an order by activation"
        )
        raise OptionError(message)
    whole = evidence.kernel.astype(np.float64)
    if word == "clp":
        # (channels, inputs, height * width), as the criterion's source takes a kernel apart.
        matrices = np.moveaxis(whole, -1, 0).transpose(0, 3, 1, 2)
        matrices = matrices.reshape(*matrices.shape[:2], -1)
        largest = np.linalg.svd(matrices, compute_uv=False)[:, 0]
        return np.asarray(largest if evidence.gains is None else largest * np.abs(evidence.gains))
    kernel = whole.reshape(-1, whole.shape[-1]).T
    if word == "l1":
        return np.asarray(np.abs(kernel).sum(axis=1))
    if word == "l2":
        return np.asarray(np.sqrt(np.square(kernel).sum(axis=1)))
    # Row by row: differences of equal kernels are exactly 0, and memory stays at one kernel.
    return np.array([np.sqrt(np.square(kernel - row).sum(axis=1)).sum() for row in kernel])


def ordered(criterion: str, values: FloatArray) -> NDArray[np.int64]:
    """Return the channels in a criterion's order of their scores; ties stand in index order.

    Examples
    --------
    >>> ordered("apoz", np.array([0.5, 1.0, 0.0, 1.0])).tolist()
    [1, 3, 0, 2]
    """
    sign = -1 if criterion in LARGEST else 1
    return np.argsort(sign * values, kind="stable").astype(np.int64)
