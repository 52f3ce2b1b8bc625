"""Clean accuracy and attack success rate of a saved network: B, B′ or G."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fastprune.errors import NetworkError
from fastprune.networks.batching import batch_size, chunk_size, in_batches
from fastprune.networks.graph import Graph
from fastprune.networks.network import load_classifier
from fastprune.report.html.notebook import evaluation_html
from fastprune.results.evaluation_record import EvaluationRecord
from fastprune.runtime import backend
from fastprune.sets.image_set import ImageSet, SetSource
from fastprune.suffix.keras_engine import decide
from fastprune.suffix.scores import TRIED, check_alone, refuse_states


@dataclass(frozen=True)
class Evaluation(EvaluationRecord):
    """Counts of one clean and one backdoored set; rates are fractions.

    Its fields are those of :class:`~fastprune.results.evaluation_record.EvaluationRecord`.
    """

    def _repr_html_(self) -> str:
        return evaluation_html(self)


def evaluate(
    clean: SetSource,
    backdoored: SetSource,
    model: str | Path | Any,
    repaired: str | Path | Any | None = None,
    *,
    scale: float = 1.0,
    data_name: str = "data",
    label_name: str = "label",
) -> Evaluation:
    """Evaluate B, B′ or G; or, given B and B′, the G made of both.

    Parameters
    ----------
    clean, backdoored : path or (images, labels)
        The sets, streamed.
    model : path or keras.Model
        B, B′ or a saved G.
    repaired : path or keras.Model, optional
        B′: then `model` is B, and what counts is B's class where both agree, class N elsewhere.
    scale : float
        Pixels are divided by it.
    data_name, label_name : str
        Names of the datasets in the files.

    Raises
    ------
    DataError, NetworkError
        When a set or a network cannot be used.
    """
    networks = [_load(source) for source in (model, repaired) if source is not None]
    graph = networks[0].graph
    for other in networks[1:]:
        shapes = [(tuple(g.input.shape), tuple(g.output.shape)) for g in (graph, other.graph)]
        if shapes[0] != shapes[1]:
            message = (
                "expected B′ to have the input and the classes of B; got "
                f"{shapes[1]} beside {shapes[0]}; give the B′ that was made of this B"
            )
            raise NetworkError(message)
    options: dict[str, Any] = {
        "input_shape": tuple(graph.input.shape[1:]), "n_classes": int(graph.output.shape[-1]),
        "scale": scale, "data": data_name, "label": label_name,
    }  # fmt: skip
    batch = batch_size(graph.calls, graph.input)
    sets = (ImageSet("clean", clean, **options), ImageSet("backdoored", backdoored, **options))
    counts = [_count(images, networks, batch) for images in sets]
    flagged = (None, None) if repaired is None else (counts[0][1], counts[1][1])
    return Evaluation(len(sets[0]), counts[0][0], len(sets[1]), counts[1][0], *flagged)


@dataclass(frozen=True, eq=False)
class _Classifier:
    """A network's graph, its scores, its compiled call to classes and states, and its name."""

    graph: Graph
    scores: Any
    call: Any
    where: str


def _load(source: str | Path | Any) -> _Classifier:
    graph, flat = load_classifier(source)
    signature = (((None, *graph.input.shape[1:]), "float32"),)

    def evaluate(images: Any) -> list[Any]:
        return list(decide(flat(images, training=False)))

    def scores(images: Any) -> Any:
        return flat(images, training=False)

    where = str(source) if isinstance(source, str | Path) else str(flat.name)
    return _Classifier(graph, scores, backend.compiled(evaluate, signature=signature), where)


def _count(images: ImageSet, networks: list[_Classifier], batch: int) -> tuple[int, int]:
    """Return how many images all networks put in their label's class, and how many they dispute."""
    hits = flagged = 0
    for chunk in images.chunks(chunk_size(batch, images.input_shape)):
        found = []
        for index, network in enumerate(networks):
            if chunk.start == 0:
                tried = chunk.images[:TRIED]
                whole = backend.to_numpy(network.scores(tried))
                check_alone(whole, network.scores, tried, network.where)
            classes, states = map(
                backend.to_numpy, in_batches(network.call, chunk.images, batch)
            )
            found.append(classes)
            refuse_states(states, chunk.start, images.name, network.where, is_b=index == 0)
        agree = np.logical_and.reduce([classes == found[0] for classes in found])
        hits += int(np.sum(agree & (found[0] == chunk.labels)))
        flagged += int(np.sum(~agree))
    return hits, flagged
