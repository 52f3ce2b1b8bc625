"""What a network file is: who wrote it, its layers, where it can be cut, what of it is dead."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path
from typing import Any

from fastprune.errors import NetworkError
from fastprune.inspection.network_findings import (
    CutInspection,
    LayerInspection,
    NetworkInspection,
)
from fastprune.inspection.weights import dead_units, held_by_goodnet, not_finite
from fastprune.networks import loading
from fastprune.networks.batching import values_kept
from fastprune.networks.choosing import choose
from fastprune.networks.classifier import ending
from fastprune.networks.cuts import behind, branches, candidates
from fastprune.networks.file_checks import as_text
from fastprune.networks.goodnet import scores_inside
from fastprune.networks.graph import Graph
from fastprune.networks.network import Network, load_network
from fastprune.networks.tracing import trace
from fastprune.suffix.select import first_candidate


def inspect_network(path: Path) -> NetworkInspection:
    """Say what a network file is; it is checked as for a sweep, and none of its code is run.

    Raises
    ------
    NetworkError
        When it cannot be loaded.
    """
    model = loading.load_model(path)
    graph, refusal = _traced(model)
    inside = None if graph is None else scores_inside(graph)
    refusal = "it is a G: sweep its B" if inside is not None else refusal or _refusal(model)
    dead, units = dead_units(model)
    if graph is not None and inside is not None:
        dead, units = held_by_goodnet(graph)
    return NetworkInspection(
        kind="network" if inside is None else "goodnet",
        path=path,
        bytes=path.stat().st_size,
        written_by=loading.written_by(path),
        **_metadata(path),
        input_shape=None if graph is None else tuple(graph.input.shape[1:]),
        n_classes=None if graph is None else int((inside or [graph.output])[0].shape[-1]),
        ending=None if graph is None else ending(graph, (inside or [graph.output])[0]),
        parameters=int(model.count_params()),
        layers=_layers(model, graph),
        **_cuts(None if inside is not None else graph, model),
        refusal=refusal,
        dead=dead,
        units=units,
        not_finite=not_finite(model),
    )


def _traced(model: Any) -> tuple[Graph | None, str | None]:
    """Return a network's graph, or why it has none."""
    try:
        graph = trace(model, finite=False)
    except NetworkError as error:
        return None, str(error)
    return graph, None


def _refusal(model: Any) -> str | None:
    try:
        load_network(model)
    except NetworkError as error:
        return str(error)
    return None


def _layers(model: Any, graph: Graph | None) -> tuple[LayerInspection, ...]:
    """List the calls from the images to the scores; or the layers of what is no such network."""
    if graph is None:
        return tuple(
            LayerInspection(layer.name, type(layer).__name__, (), int(layer.count_params()))
            for layer in model.layers
        )
    shape = tuple(graph.input.shape[1:])
    found = [LayerInspection(str(graph.input.name), "InputLayer", shape, 0)]
    counted: set[int] = set()
    for call in graph.calls:
        own = id(call.operation) not in counted and hasattr(call.operation, "count_params")
        counted.add(id(call.operation))
        parameters = int(call.operation.count_params()) if own else 0
        shape = tuple(call.output.shape[1:])
        found.append(LayerInspection(call.name, call.kind, shape, parameters))
    return tuple(found)


def _cuts(graph: Graph | None, model: Any) -> dict[str, Any]:
    """Return every layer that can be pruned, and what goes with the one that a sweep takes."""
    found: dict[str, Any] = {"cuts": (), "prune_layer": None, "behind": (), "branches": ()}
    if graph is None:
        return found
    possible = candidates(graph, dense=True)
    found["cuts"] = tuple(_cut(Network(model, graph, cut, None, "", "")) for cut in possible)
    try:
        taken = choose(graph, str(model.name))
    except NetworkError:
        return found
    return {
        **found, "prune_layer": taken.prune.name, "behind": tuple(behind(graph, taken)),
        "branches": tuple(branches(graph, taken)),
    }  # fmt: skip


def _cut(network: Network) -> CutInspection:
    cut = network.cut
    return CutInspection(
        cut.prune.name, cut.layer.name, network.n_channels, first_candidate(network),
        4 * values_kept(network),
    )  # fmt: skip


def _metadata(path: Path) -> dict[str, Any]:
    """Return backend, date and form of a network file, as the file says; None where it does not."""
    import h5py

    found: dict[str, Any] = {"backend": None, "saved": None, "weights_only": False}
    if path.suffix == ".keras":
        with zipfile.ZipFile(path) as archive:
            stated = json.loads(archive.read("metadata.json"))
        found["saved"] = stated.get("date_saved") if isinstance(stated, dict) else None
    else:
        with h5py.File(path, "r") as file:
            found["weights_only"] = "model_config" not in file.attrs
            if "backend" in file.attrs and file.attrs.get_id("backend").shape == ():
                found["backend"] = as_text(file.attrs["backend"])
    for key in ("backend", "saved"):  # a stranger's words: short ones, or none
        if not re.fullmatch(r"[\w:@.+-]{1,40}", str(found[key])):
            found[key] = None
    return found
