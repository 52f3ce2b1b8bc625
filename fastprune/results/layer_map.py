"""Rates over the share of channels pruned, a row per result: where the backdoor lives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastprune.results.comparison_record import ComparisonRecord
from fastprune.results.record import SetResult
from fastprune.results.set_pairs import of_kind

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class MapRow:
    """One result's row of a map.

    Attributes
    ----------
    place : int
        Place of the result in the comparison.
    edges : ndarray of float64, shape (n_channels + 2,)
        Where each step's cell ends, shares of the channels pruned from 0 to 1.
    rates : ndarray of float64, shape (n_channels + 1,)
        Rate of B′ at every step; nan where the result has not the set.
    """

    place: int
    edges: FloatArray
    rates: FloatArray


@dataclass(frozen=True, eq=False)
class LayerMap:
    """The rates of B′ on one set, a row per result.

    Attributes
    ----------
    kind : {"clean", "backdoored"}
        Whether the rate is clean accuracy or ASR.
    name : str or None
        The set; None where every result has one of its own.
    rows : tuple of MapRow
        In the order of the comparison.
    """

    kind: str
    name: str | None
    rows: tuple[MapRow, ...]


def shows_layers(comparison: ComparisonRecord) -> bool:
    """Return whether results differ in prune layer, so that a map of them says something."""
    return "prune_layer" in comparison.differing


def layer_maps(comparison: ComparisonRecord) -> list[LayerMap]:
    """Return a map of clean accuracy on the sets compared on, then one of ASR per backdoored set.

    Where the results share no backdoored set there is one map of ASR, on the set of each.
    """
    places = range(len(comparison.results))
    clean = [comparison.set_of(place, "clean") for place in places]
    maps = [LayerMap("clean", comparison.clean, _rows(comparison, clean))]
    names = [
        {part.name for part in of_kind(result, "backdoored")} for result in comparison.results
    ]
    shared = set.intersection(*names)
    if comparison.has_backdoored and not shared:
        own = [comparison.set_of(place, "backdoored") for place in places]
        return [*maps, LayerMap("backdoored", None, _rows(comparison, own))]
    for part in of_kind(comparison.results[0], "backdoored"):
        if part.name in shared:
            parts = [result.sets[part.name] for result in comparison.results]
            maps.append(LayerMap("backdoored", part.name, _rows(comparison, parts)))
    return maps


def _rows(
    comparison: ComparisonRecord, parts: list[SetResult] | list[SetResult | None]
) -> tuple[MapRow, ...]:
    rows = []
    for place, (result, part) in enumerate(zip(comparison.results, parts, strict=True)):
        steps = np.arange(result.n_channels + 2)
        # A step's cell reaches half a step to either side; the first and the last end at 0 and 1.
        edges = np.clip((steps - 0.5) / result.n_channels, 0, 1)
        none = np.full(result.n_channels + 1, np.nan)
        rows.append(MapRow(place, edges, none if part is None else part.counts.rate))
    return tuple(rows)
