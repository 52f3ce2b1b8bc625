"""Confidence intervals of shares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastprune.errors import OptionError

Interval: TypeAlias = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Lower and upper ends."""


def wilson(hits: ArrayLike, total: ArrayLike, confidence: float = 0.95) -> Interval:
    """Return the Wilson score interval of a share.

    Parameters
    ----------
    hits, total : array of int
        Successes and trials; shapes that broadcast.
    confidence : float
        Probability that the interval covers the true share, between 0 and 1.

    Returns
    -------
    low, high : ndarray of float64
        In [0, 1]; 0 and 1 where `total` is 0.

    References
    ----------
    E. B. Wilson: Probable inference, the law of succession, and statistical inference, Journal of
    the American Statistical Association 22, 1927.

    Examples
    --------
    >>> low, high = wilson([0, 8], [10, 10])
    >>> low.round(4).tolist(), high.round(4).tolist()
    ([0.0, 0.4902], [0.2775, 0.9433])
    """
    from statistics import NormalDist

    if not 0 < confidence < 1:
        message = f"expected a confidence between 0 and 1; got {confidence}"
        raise OptionError(message)
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    counted, trials = np.broadcast_arrays(np.asarray(hits, float), np.asarray(total, float))
    n = np.where(trials > 0, trials, 1.0)
    share = counted / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    # The ends are exact at no and at all hits, where rounding would leave 1e-17.
    low = np.where(counted == 0, 0.0, np.clip(centre - half, 0, 1))
    high = np.where(counted == trials, 1.0, np.clip(centre + half, 0, 1))
    return np.where(trials > 0, low, 0.0), np.where(trials > 0, high, 1.0)


@dataclass(frozen=True)
class Share:
    """A count out of a total, with its Wilson interval.

    Attributes
    ----------
    hits, total : int
        Counted images, and out of how many.
    confidence : float
        Of the interval.
    """

    hits: int
    total: int
    confidence: float = 0.95

    @property
    def rate(self) -> float:
        """The share, in [0, 1]; nan out of none."""
        return self.hits / self.total if self.total else float("nan")

    @property
    def interval(self) -> tuple[float, float]:
        """Ends of the Wilson interval."""
        low, high = wilson(self.hits, self.total, self.confidence)
        return float(low), float(high)

    def as_json(self) -> dict[str, Any]:
        """Return hits, total, rate (None out of none), low and high."""
        low, high = self.interval
        rate = self.rate if self.total else None
        return {"hits": self.hits, "total": self.total, "rate": rate, "low": low, "high": high}
