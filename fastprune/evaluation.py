"""Clean accuracy and attack success rate of a saved network: B, B′ or G."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastprune.errors import NetworkError
from fastprune.networks.batching import batch_size, chunk_size, in_batches
from fastprune.networks.graph import Graph
from fastprune.networks.network import load_classifier
from fastprune.report.html.notebook import evaluation_html
from fastprune.results.evaluation_record import EvaluationRecord
from fastprune.runtime import backend
from fastprune.sets.image_set import ImageSet, SetSource


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
    models = [_load(model), *([] if repaired is None else [_load(repaired)])]
    first = models[0]
    for graph, _ in models[1:]:
        shapes = [(tuple(g.input.shape), tuple(g.output.shape)) for g in (first[0], graph)]
        if shapes[0] != shapes[1]:
            message = (
                "expected B′ to have the input and the classes of B; got "
                f"{shapes[1]} beside {shapes[0]}; give the B′ that was made of this B"
            )
            raise NetworkError(message)
    graph = first[0]
    options: dict[str, Any] = {
        "input_shape": tuple(graph.input.shape[1:]), "n_classes": int(graph.output.shape[-1]),
        "scale": scale, "data": data_name, "label": label_name,
    }  # fmt: skip
    batch = batch_size(graph.calls, graph.input)
    sets = (ImageSet("clean", clean, **options), ImageSet("backdoored", backdoored, **options))
    counts = [_count(images, [call for _, call in models], batch) for images in sets]
    flagged = (None, None) if repaired is None else (counts[0][1], counts[1][1])
    return Evaluation(len(sets[0]), counts[0][0], len(sets[1]), counts[1][0], *flagged)


def _load(source: str | Path | Any) -> tuple[Graph, Any]:
    """Return a network's graph and its compiled call, images to classes."""
    import keras

    graph, flat = load_classifier(source)
    signature = (((None, *graph.input.shape[1:]), "float32"),)
    return graph, backend.compiled(
        lambda images: keras.ops.argmax(flat(images, training=False), axis=-1), signature=signature
    )


def _count(images: ImageSet, calls: list[Any], batch: int) -> tuple[int, int]:
    """Return how many images all networks put in their label's class, and how many they dispute."""
    hits = flagged = 0
    for chunk in images.chunks(chunk_size(batch, images.input_shape)):
        found: list[NDArray[Any]] = [
            backend.to_numpy(in_batches(call, chunk.images, batch)) for call in calls
        ]
        agree = np.logical_and.reduce([classes == found[0] for classes in found])
        hits += int(np.sum(agree & (found[0] == chunk.labels)))
        flagged += int(np.sum(~agree))
    return hits, flagged
