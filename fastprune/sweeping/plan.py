"""What a sweep is asked for, checked before any work is done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fastprune.errors import OptionError
from fastprune.networks.cuts import convolutions
from fastprune.networks.network import Network, load_network
from fastprune.orders.order import Order
from fastprune.sets.image_set import ImageSet, SetSource
from fastprune.sets.opening import open_sets
from fastprune.sets.true_labels import LabelSource
from fastprune.sweeping.options import ALL, check_layers, check_options

OPTIONS = (
    "rank_on", "scale", "zero_at", "cut_layer", "engine", "memory", "verify", "data_name",
    "label_name",
)  # fmt: skip
"""Options that results repeat as they were given."""


@dataclass(frozen=True, eq=False, kw_only=True)
class SweepPlan:
    """The options of :func:`fastprune.sweep_orders`, which says what each of them is.

    Attributes
    ----------
    prune_layers : sequence of str, ``"all"`` or None
        The layers to prune, one after another; None for the one that is found.
    orders : sequence of Order
        Parsed; an oracle may still name no set.
    budget : int
        `memory` in bytes.

    Raises
    ------
    OptionError
        When an option cannot be meant.
    """

    valid: SetSource
    clean: Mapping[str, SetSource]
    backdoored: Mapping[str, SetSource]
    orders: Sequence[Order]
    drops: Sequence[float]
    drop_kind: str
    rank_on: str
    scale: float
    prune_layers: Sequence[str] | str | None
    mask_layer: str | None
    zero_at: str
    cut_layer: str | None
    engine: str
    memory: str | int
    verify: int
    data_name: str
    label_name: str
    valid_name: str
    true_labels: Mapping[str, LabelSource]
    paired: Mapping[str, str]
    progress: bool
    budget: int = field(init=False)

    def __post_init__(self) -> None:
        if not self.orders:
            message = "expected at least one order; got none"
            raise OptionError(message)
        budget = check_options(
            drops=self.drops, drop_kind=self.drop_kind, rank_on=self.rank_on, scale=self.scale,
            memory=self.memory, verify=self.verify,
        )  # fmt: skip
        check_layers(self.prune_layers, self.mask_layer, self.zero_at, self.cut_layer)
        object.__setattr__(self, "budget", budget)

    def load(self, source: str | Path | Any) -> list[Network]:
        """Load the network; return it cut for every layer that is to be pruned.

        Raises
        ------
        NetworkError
            When it cannot be loaded, or a layer cannot be pruned.
        """
        layers: Sequence[str | None] = [None]
        if self.prune_layers is not None and self.prune_layers != ALL:
            layers = list(self.prune_layers)
        zero_at = "conv" if self.prune_layers == ALL else self.zero_at
        first = load_network(
            source, prune_layer=layers[0], mask_layer=self.mask_layer, zero_at=zero_at,
            cut_layer=self.cut_layer,
        )  # fmt: skip
        if self.prune_layers == ALL:
            cuts = convolutions(first.graph)
            having = [cut for cut in cuts if cut.intervention.zeroable(first.graph)]
            # Where none has a normalization to zero, the first one is told of.
            chosen = (having or cuts[:1]) if self.zero_at == "bn" else cuts
            layers = [cut.prune.name for cut in chosen]
        elif len(layers) == 1:
            return [first]
        return [first.cut_at(prune_layer=layer, zero_at=self.zero_at) for layer in layers]

    def open_sets(self, network: Network) -> AbstractContextManager[dict[str, ImageSet]]:
        """Return every set by name, for a block at whose end all are closed."""
        return open_sets(
            self.valid, self.clean, self.backdoored, valid_name=self.valid_name,
            true_labels=self.true_labels, paired=self.paired, scale=self.scale,
            input_shape=network.input_shape, n_classes=network.n_classes, data=self.data_name,
            label=self.label_name,
        )  # fmt: skip

    @property
    def repeated(self) -> dict[str, Any]:
        """The options that results repeat as they were given."""
        return {name: getattr(self, name) for name in OPTIONS}

    @property
    def known_of_sets(self) -> dict[str, Any]:
        """What results say of pairs and of where true labels came from."""
        sources = {
            name: str(source) if isinstance(source, str | Path) else "given"
            for name, source in self.true_labels.items()
        }
        return {"paired": dict(self.paired), "true_labels": sources}
