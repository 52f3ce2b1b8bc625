"""The sweep: sets, a network and orders in; every count at every step out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fastprune.orders.order import OrderSource, parse_order
from fastprune.result import SweepResult
from fastprune.sets.image_set import SetSource
from fastprune.sets.true_labels import LabelSource
from fastprune.sweeping.phases import run
from fastprune.sweeping.plan import SweepPlan


def sweep(
    network: str | Path | Any,
    *,
    valid: SetSource,
    clean: Mapping[str, SetSource] | None = None,
    backdoored: Mapping[str, SetSource] | None = None,
    order: OrderSource = "ascending",
    drops: Sequence[float] = (2, 4, 10, 30),
    drop_kind: str = "points",
    rank_on: str = "cut",
    scale: float = 1.0,
    prune_layer: str | None = None,
    mask_layer: str | None = None,
    zero_at: str = "conv",
    cut_layer: str | None = None,
    engine: str = "auto",
    memory: str | int = "256M",
    verify: int = 0,
    data_name: str = "data",
    label_name: str = "label",
    valid_name: str = "valid",
    true_labels: Mapping[str, LabelSource] | None = None,
    paired: Mapping[str, str] | None = None,
    progress: bool = False,
) -> SweepResult:
    """Prune a network channel by channel; measure B′ and G at every step on every set.

    Parameters
    ----------
    network : path or keras.Model
        The BadNet B: a ``.keras`` or ``.h5`` file, or a model.
    valid : path or (images, labels)
        The clean validation set, which alone chooses order and crossings.
    clean, backdoored : mapping of str to path or (images, labels)
        Further sets by name; they are only measured.
    order : str, path or sequence of int
        A criterion: ``"ascending"`` mean activation, ``"descending"``, ``"mean-abs"``, ``"max"``,
        ``"apoz"``, ``"l1"``, ``"l2"``, ``"fpgm"``, ``"clp"`` or ``"oracle:SET"`` (see
        :mod:`fastprune.orders.criteria`);
        ``"random:SEED"``, a file of channel indices, or the indices.
    drops, drop_kind, rank_on, scale, prune_layer, mask_layer, zero_at, cut_layer
        As for :func:`sweep_orders`.
    engine, memory, verify
        As for :func:`sweep_orders`.
    data_name, label_name, valid_name, true_labels, paired, progress
        As for :func:`sweep_orders`.

    Returns
    -------
    SweepResult
        Counts indexed by ``n_pruned`` 0 … n_channels.

    Raises
    ------
    FastpruneError
        When a set, the network or an option cannot be used.

    References
    ----------
    K. Liu, B. Dolan-Gavitt, S. Garg: Fine-Pruning: Defending Against Backdooring Attacks on Deep
    Neural Networks, RAID 2018, arXiv:1805.12185.
    """
    return sweep_orders(
        network, valid=valid, clean=clean, backdoored=backdoored, orders=[order], drops=drops,
        drop_kind=drop_kind, rank_on=rank_on, scale=scale, prune_layer=prune_layer,
        mask_layer=mask_layer, zero_at=zero_at, cut_layer=cut_layer, engine=engine, memory=memory,
        verify=verify, data_name=data_name, label_name=label_name, valid_name=valid_name,
        true_labels=true_labels, paired=paired, progress=progress,
    )[0]  # fmt: skip


def sweep_orders(
    network: str | Path | Any,
    *,
    valid: SetSource,
    clean: Mapping[str, SetSource] | None = None,
    backdoored: Mapping[str, SetSource] | None = None,
    orders: Sequence[OrderSource],
    drops: Sequence[float] = (2, 4, 10, 30),
    drop_kind: str = "points",
    rank_on: str = "cut",
    scale: float = 1.0,
    prune_layer: str | None = None,
    mask_layer: str | None = None,
    zero_at: str = "conv",
    cut_layer: str | None = None,
    engine: str = "auto",
    memory: str | int = "256M",
    verify: int = 0,
    data_name: str = "data",
    label_name: str = "label",
    valid_name: str = "valid",
    true_labels: Mapping[str, LabelSource] | None = None,
    paired: Mapping[str, str] | None = None,
    progress: bool = False,
) -> list[SweepResult]:
    """Sweep several channel orders in one pass over the images.

    Parameters
    ----------
    network, valid, clean, backdoored
        As for :func:`sweep`.
    orders : sequence of orders
        Each as for :func:`sweep`.
    drops : sequence of float
        Drops X of clean validation accuracy below B's, in percentage points.
    drop_kind : {"points", "relative"}
        Whether a drop is in percentage points or in percent of B's clean accuracy.
    rank_on : {"cut", "prune"}
        Where activations are taken to order channels: at the cut layer or at the prune layer.
    scale : float
        Pixels are divided by it: 1 or 255.
    prune_layer, mask_layer, zero_at, cut_layer
        Which layer is pruned, how, and where the network is cut: as for
        :func:`fastprune.load_network`, which finds them by default.
    engine : {"auto", "incremental", "keras"}
        How the suffix is evaluated; see :func:`fastprune.suffix.select.choose_engine`.
    memory : str or int
        What fastprune itself may hold, such as ``"256M"``: kept activations above it go to a
        temporary file.
    verify : int
        Number of random steps to run again with plain Keras, comparing every class.
    data_name, label_name : str
        Names of the datasets in the files.
    valid_name : str
        Name of the validation set in the results.
    true_labels : mapping of str to path or array of int
        True classes of the images of backdoored sets, from HDF5 files that hold `label_name` or as
        arrays: they give robust accuracy.
    paired : mapping of str to str
        Backdoored sets whose image i is image i of a clean set with the trigger, and that set,
        whose labels are the true classes.
    progress : bool
        Show a progress bar on stderr.

    Returns
    -------
    list of SweepResult
        One per order, in the order given.
    """
    plan = SweepPlan(
        valid=valid, clean=clean or {}, backdoored=backdoored or {},
        orders=[parse_order(order) for order in orders], drops=drops, drop_kind=drop_kind,
        rank_on=rank_on, scale=scale, prune_layers=None if prune_layer is None else [prune_layer],
        mask_layer=mask_layer, zero_at=zero_at, cut_layer=cut_layer, engine=engine, memory=memory,
        verify=verify, data_name=data_name, label_name=label_name, valid_name=valid_name,
        true_labels=true_labels or {}, paired=paired or {}, progress=progress,
    )  # fmt: skip
    return run(plan, network)


def sweep_layers(
    network: str | Path | Any,
    *,
    prune_layers: Sequence[str] | str = "all",
    valid: SetSource,
    clean: Mapping[str, SetSource] | None = None,
    backdoored: Mapping[str, SetSource] | None = None,
    orders: Sequence[OrderSource] = ("ascending",),
    drops: Sequence[float] = (2, 4, 10, 30),
    drop_kind: str = "points",
    rank_on: str = "cut",
    scale: float = 1.0,
    zero_at: str = "conv",
    engine: str = "auto",
    memory: str | int = "256M",
    verify: int = 0,
    data_name: str = "data",
    label_name: str = "label",
    valid_name: str = "valid",
    true_labels: Mapping[str, LabelSource] | None = None,
    paired: Mapping[str, str] | None = None,
    progress: bool = False,
) -> list[SweepResult]:
    """Sweep several prune layers, each by itself, in as few passes over the images as fit.

    Parameters
    ----------
    network, valid, clean, backdoored
        As for :func:`sweep`.
    prune_layers : sequence of str or ``"all"``
        Names of the layers; ``"all"`` for every convolution but the classifier.
    orders, drops, drop_kind, rank_on, scale, engine, memory, verify, data_name, label_name
        As for :func:`sweep_orders`.
    valid_name, true_labels, paired, progress
        As for :func:`sweep_orders`.
    zero_at : {"conv", "bn"}
        As for :func:`fastprune.load_network`.

    Returns
    -------
    list of SweepResult
        For one layer after another, one per order.
    """
    plan = SweepPlan(
        valid=valid, clean=clean or {}, backdoored=backdoored or {},
        orders=[parse_order(order) for order in orders], drops=drops, drop_kind=drop_kind,
        rank_on=rank_on, scale=scale, prune_layers=prune_layers, mask_layer=None, zero_at=zero_at,
        cut_layer=None, engine=engine, memory=memory, verify=verify, data_name=data_name,
        label_name=label_name, valid_name=valid_name, true_labels=true_labels or {},
        paired=paired or {}, progress=progress,
    )  # fmt: skip
    return run(plan, network)
