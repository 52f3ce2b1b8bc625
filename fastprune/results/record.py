"""What a sweep found: the counts of every set at every step, and the crossings that follow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastprune.errors import OptionError
from fastprune.orders.order import oracle_set
from fastprune.results.counts import Counts, crossing, goodnet_classes
from fastprune.results.crossings import BADNET, Crossing, drop_label
from fastprune.results.network_info import NetworkInfo


@dataclass(frozen=True, eq=False)
class Samples:
    """A few images of a set, with the class that B′ gives them at every step.

    Attributes
    ----------
    images : ndarray of float32, shape (samples, height, width, channels)
        Pixels as they lie in the file.
    labels : ndarray of int64, shape (samples,)
        Their labels.
    classes : ndarray of int64, shape (n_channels + 1, samples)
        Class of B′ at each ``n_pruned``; row 0 is B's.
    truth : ndarray of int64, shape (samples,), or None
        True classes of the images of a backdoored set, where they are known.
    """

    images: NDArray[np.float32]
    labels: NDArray[np.int64]
    classes: NDArray[np.int64]
    truth: NDArray[np.int64] | None = None

    def goodnet_classes(self, n_pruned: int, n_classes: int) -> NDArray[np.int64]:
        """Return G's class of each sample: B's where B and B′ agree, else `n_classes`."""
        return goodnet_classes(self.classes[0], self.classes[n_pruned], n_classes)


@dataclass(frozen=True, eq=False)
class SetResult:
    """One set's part of a sweep.

    Attributes
    ----------
    name : str
        Name of the set in tables and plots.
    kind : {"clean", "backdoored"}
        Whether a hit is a right answer or a successful attack.
    counts : Counts
        Its counts at every ``n_pruned``.
    samples : Samples
        A few of its images.
    source : dict
        Where the images came from: path, bytes, images, dtype, fingerprint.
    paired : str or None
        Of a backdoored set: name of the clean set whose image i is its image i without the trigger.
    """

    name: str
    kind: str
    counts: Counts
    samples: Samples
    source: Mapping[str, Any] = field(default_factory=dict)
    paired: str | None = None


@dataclass(frozen=True, eq=False)
class SweepRecord:
    """Every figure of one sweep: one network, one channel order, any number of sets.

    Attributes
    ----------
    network : NetworkInfo
        The network under test.
    order_name : str
        How the channels were ordered: a criterion of :data:`fastprune.orders.order.MEANINGS`,
        ``"random:SEED"`` or the path of a file of channel indices.
    order : ndarray of int64, shape (n_channels,)
        Channels in the order in which they are pruned.
    activations : ndarray of float64, shape (n_channels,)
        Mean activation of each channel (indexed by channel) over the clean validation set.
    valid : str
        Name of the clean validation set, the only set that chooses.
    sets : dict of str to SetResult
        Every set, the validation set first.
    drops : tuple of float
        The drops X asked for.
    drop_kind : {"points", "relative"}
        Whether a drop is in percentage points or in percent of B's clean accuracy.
    options, versions, seconds : dict
        How it was run, with which libraries, and how long each phase took (seconds).
    peak_memory : int
        Peak resident memory of the process, bytes.
    scores : ndarray of float64, shape (n_channels,), or None
        What the order's criterion says of each channel (indexed by channel); None without one.
    warnings : tuple of str
        What a reader should know first: sets that cannot be what they are called, a pixel scale
        that does not suit B, an order that does not suit the activations. Mostly there is none.
    """

    network: NetworkInfo
    order_name: str
    order: NDArray[np.int64]
    activations: NDArray[np.float64]
    valid: str
    sets: Mapping[str, SetResult]
    drops: tuple[float, ...]
    drop_kind: str
    options: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    peak_memory: int = 0
    scores: NDArray[np.float64] | None = None
    warnings: tuple[str, ...] = ()

    @property
    def n_channels(self) -> int:
        """Number of channels of the prune layer; steps are 0 … n_channels."""
        return len(self.order)

    @property
    def n_classes(self) -> int:
        """Number of classes of B; G's extra class has this index."""
        return self.network.n_classes

    @property
    def oracle(self) -> str | None:
        """The backdoored set that ordered the channels, which no defender has; None otherwise."""
        return oracle_set(self.order_name)

    @property
    def crossings(self) -> dict[float, int | None]:
        """``n_pruned`` at which each drop is crossed, None where it never is."""
        return {at.drop: at.step for at in self.at_drops}

    @property
    def at_drops(self) -> tuple[Crossing, ...]:
        """Every drop in the order asked for, with the step at which it is crossed and its name."""
        return tuple(Crossing.of(drop, self.crossing(drop)) for drop in self.drops)

    @property
    def drop_rows(self) -> tuple[Crossing, ...]:
        """B, then every drop in ascending order: the rows of a table."""
        return (BADNET, *sorted(self.at_drops, key=lambda at: at.drop))

    @property
    def near_ties(self) -> int:
        """Pairs of image and step, over all sets, whose two best scores float32 cannot part."""
        return sum(int(part.counts.near_ties.sum()) for part in self.sets.values())

    def crossing(self, drop: float) -> int | None:
        """Return the smallest ``n_pruned`` whose drop of clean validation accuracy is >= `drop`."""
        counts = self.sets[self.valid].counts
        return crossing(counts.hits, counts.images, drop, kind=self.drop_kind)

    def step(self, drop: float | None = None, n_pruned: int | None = None) -> int:
        """Return the step that a drop or an ``n_pruned`` names.

        Raises
        ------
        OptionError
            When neither or both are given, the drop is never crossed, or the step does not exist.
        """
        if (drop is None) == (n_pruned is None):
            message = "expected either a drop or n_pruned; got both or neither; give one"
            raise OptionError(message)
        if n_pruned is not None:
            if not 0 <= n_pruned <= self.n_channels:
                message = f"expected n_pruned from 0 to {self.n_channels}; got {n_pruned}"
                raise OptionError(message)
            return n_pruned
        drop = float(drop)  # type: ignore[arg-type]
        step = self.crossing(drop)
        if step is None:
            message = (
                f"expected a drop that is crossed; got {drop_label(drop)}, which clean accuracy "
                f"on {self.valid} never reaches; choose a smaller one or give n_pruned"
            )
            raise OptionError(message)
        return step
