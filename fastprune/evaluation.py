"""Clean accuracy and attack success rate of a saved network: B, B′ or G."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fastprune.errors import NetworkError
from fastprune.networks.batching import batch_size, chunk_size, in_batches
from fastprune.networks.classifier import check_repaired, load_classifier
from fastprune.networks.goodnet import scores_inside
from fastprune.networks.graph import Graph
from fastprune.plausibility.looking import Lookout
from fastprune.report.html.notebook import evaluation_html
from fastprune.results.counts import goodnet_classes
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
        check_repaired(graph, other.graph)
    inside = scores_inside(graph)  # of a saved G
    if inside is not None and repaired is not None:
        message = "expected B before B′; got a saved G, which holds both; leave B′ out"
        raise NetworkError(message)
    n_classes = int((inside or [graph.output])[0].shape[-1])
    options: dict[str, Any] = {
        "input_shape": tuple(graph.input.shape[1:]), "n_classes": n_classes,
        "scale": scale, "data": data_name, "label": label_name,
    }  # fmt: skip
    batch = batch_size(graph.calls, graph.input)
    with (
        ImageSet("clean", clean, **options) as clean_set,
        ImageSet("backdoored", backdoored, kind="backdoored", **options) as backdoored_set,
    ):
        sets = (clean_set, backdoored_set)
        lookout = Lookout(graph, {images.name: images for images in sets}, batch=batch)
        counts = [_count(images, networks, batch, n_classes) for images in sets]
    is_goodnet = inside is not None or repaired is not None
    return Evaluation(
        len(sets[0]), counts[0][0], len(sets[1]), counts[1][0],
        clean_flagged=counts[0][1] if is_goodnet else None,
        backdoored_flagged=counts[1][1] if is_goodnet else None, warnings=lookout.warnings,
    )  # fmt: skip


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


def _count(
    images: ImageSet, networks: list[_Classifier], batch: int, n_classes: int
) -> tuple[int, int]:
    """Return how many images all networks put in their label's class, and how many in class N."""
    hits = flagged = 0
    for chunk in images.chunks(chunk_size(batch, images.input_shape)):
        classes = []
        for index, network in enumerate(networks):
            if chunk.start == 0:
                tried = chunk.images[:TRIED]
                whole = backend.to_numpy(network.scores(tried))
                check_alone(whole, network.scores, tried, network.where)
            own, states = map(backend.to_numpy, in_batches(network.call, chunk.images, batch))
            classes.append(own)
            refuse_states(states, chunk.start, images.name, network.where, is_b=index == 0)
        predicted = goodnet_classes(classes[0], classes[-1], n_classes)
        hits += int(np.sum(predicted == chunk.labels))
        flagged += int(np.sum(predicted == n_classes))
    return hits, flagged
