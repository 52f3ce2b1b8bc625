"""Classes of image files by B, B′ or G, as the competition's evaluation scripts print them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastprune.errors import DataError, NetworkError
from fastprune.networks.batching import batch_size
from fastprune.networks.classifier import check_repaired, ending, load_classifier
from fastprune.networks.goodnet import scores_inside
from fastprune.networks.graph import Graph
from fastprune.plausibility.trying import implied_scale
from fastprune.plausibility.unlabelled import rescaled_twice, too_dark
from fastprune.results.counts import goodnet_classes
from fastprune.runtime import backend
from fastprune.runtime.progress import warn
from fastprune.sets.image_files import MODES, list_images, read_image
from fastprune.sets.scale import check_scale
from fastprune.suffix.keras_engine import decide
from fastprune.suffix.scores import TRIED, check_alone, refuse_states


@dataclass(frozen=True)
class Prediction:
    """What is said of one image.

    Attributes
    ----------
    image : Path
        The file.
    predicted : int
        The class, 0 … N - 1; N where it is flagged.
    flagged : bool or None
        Whether B and B′ disagree; None for a network that is no G.
    classes : tuple of int
        The network's own class; or B's and B′'s.
    confidences : tuple of float
        How sure each of them is of its class; see :attr:`Predictor.confidence`.
    """

    image: Path
    predicted: int
    flagged: bool | None
    classes: tuple[int, ...]
    confidences: tuple[float, ...]


class Predictor:
    """A network, or G, ready to classify image files.

    Parameters
    ----------
    model : path or keras.Model
        B, B′ or a saved G.
    repaired : path or keras.Model, optional
        B′: then `model` is B, and an image on which they disagree is flagged, class N.
    scale : float
        Pixels, 0-255, are divided by it.

    Attributes
    ----------
    n_classes : int
        N, without G's further class.
    input_shape : tuple of int
        Height, width and channels of an image.
    confidence : str
        What a confidence is: a softmax probability, or what stands in its place.
    resized : int
        Images that had another size so far.
    warnings : list of str
        What was warned of so far: a pixel scale that does not suit the network.

    Raises
    ------
    NetworkError, OptionError
        When a network cannot be used or both do not belong together; or the scale.
    """

    def __init__(
        self, model: str | Path | Any, repaired: str | Path | Any | None = None, *,
        scale: float = 1.0,
    ) -> None:  # fmt: skip
        check_scale(scale)
        first, _ = load_classifier(model)
        graphs = [first] if repaired is None else [first, load_classifier(repaired)[0]]
        inside = scores_inside(first)
        _check_pair(graphs, inside is not None)
        self.input_shape: tuple[int, int, int] = tuple(first.input.shape[1:])
        if self.input_shape[2] not in MODES:
            message = (
                f"expected a network of images with 1, 3 or 4 channels; got {self.input_shape[2]}; "
                "use fastprune evaluate with a set of such images"
            )
            raise NetworkError(message)
        self.scale, self.resized = scale, 0
        self.warnings: list[str] = []
        self._say(rescaled_twice(scale, implied_scale(first, white=255.0)))
        voters = [graph.output for graph in graphs] if inside is None else list(inside)
        self.n_classes = int(voters[0].shape[-1])
        self.confidence, self._as_shares = _ending(first, voters[0])
        self._is_saved_goodnet = inside is not None
        self._batch = batch_size(first.calls, first.input)
        self._where = str(model) if isinstance(model, str | Path) else "the model given"
        self._checked = False
        self._scores = (
            [_compiled(graph, [graph.output]) for graph in graphs]
            if inside is None
            else [_compiled(first, [*inside, first.output])]
        )

    def stream(
        self, images: Iterable[Path], *, unreadable: Callable[[Path, DataError], object]
    ) -> Iterator[Prediction]:
        """Yield the prediction of every image in order, a batch at a time.

        Parameters
        ----------
        images : iterable of Path
            Image files; those of another size are resized, bilinear, and counted.
        unreadable : callable
            Called with a file that cannot be read and the reason; the others go on.
        """
        height, width, channels = self.input_shape
        batch = np.empty((self._batch, *self.input_shape), np.float32)
        waiting: list[Path] = []
        for path in images:
            try:
                pixels, own = read_image(path, channels=channels, size=(height, width))
            except DataError as error:
                unreadable(path, error)
                continue
            self.resized += own != (height, width)
            batch[len(waiting)] = pixels / self.scale
            waiting.append(path)
            if len(waiting) == len(batch):
                yield from self._predict(waiting, batch)
                waiting = []
        yield from self._predict(waiting, batch[: len(waiting)])

    def _predict(
        self, paths: list[Path], batch: NDArray[np.float32]
    ) -> Iterator[Prediction]:
        if not paths:
            return
        scores = [backend.to_numpy(own) for call in self._scores for own in call(batch)]
        voters = scores[:-1] if self._is_saved_goodnet else scores
        self._check(voters, batch, paths)
        classes = np.stack([own.argmax(axis=1) for own in voters], axis=1)
        shares = np.stack([self._as_shares(own).max(axis=1) for own in voters], axis=1)
        alone = classes.shape[1] == 1
        if self._is_saved_goodnet:
            predicted = scores[-1].argmax(axis=1)
        else:
            predicted = goodnet_classes(classes[:, 0], classes[:, -1], self.n_classes)
        for index, path in enumerate(paths):
            yield Prediction(
                image=path,
                predicted=int(predicted[index]),
                flagged=None if alone else bool(predicted[index] == self.n_classes),
                classes=tuple(map(int, classes[index])),
                confidences=tuple(map(float, shares[index])),
            )


    def _check(
        self, voters: list[NDArray[np.float32]], batch: NDArray[np.float32], paths: list[Path]
    ) -> None:
        """Refuse scores that name no class or, in the first batch, depend on the other images."""
        for index, own in enumerate(voters):
            states = backend.to_numpy(decide(own)[1])
            for image, path in enumerate(paths):
                one = states[image : image + 1]
                refuse_states(one, 0, str(path), self._where, is_b=index == 0)
        if self._checked:
            return
        self._checked = True
        self._look(voters[0], batch)
        for call in self._scores:
            tried = batch[:TRIED]
            first = partial(_first, call)
            check_alone(backend.to_numpy(first(tried)), first, tried, self._where)


    def _look(self, scores: NDArray[np.float32], batch: NDArray[np.float32]) -> None:
        """Warn of a scale that makes all images of the first batch alike to B."""
        if self.scale <= 1 or self.warnings:
            return
        own = scores, backend.to_numpy(_first(self._scores[0], batch * np.float32(self.scale)))
        classes = tuple(each.argmax(axis=1) for each in own)
        shares = tuple(self._as_shares(each).max(axis=1) for each in own)
        self._say(too_dark((self.scale, 1.0), classes, shares))

    def _say(self, message: str | None) -> None:
        if message is not None:
            warn(message)
            self.warnings.append(message)


def predict(
    model: str | Path | Any,
    images: str | Path | Iterable[str | Path],
    repaired: str | Path | Any | None = None,
    *,
    scale: float = 1.0,
    skip_unreadable: bool = False,
) -> list[Prediction]:
    """Classify image files with B, B′ or G; or, given B and B′, with the G made of both.

    Parameters
    ----------
    model : path or keras.Model
        B, B′ or a saved G.
    images : path or iterable of path
        Image files and folders of them, one level deep, sorted by name.
    repaired : path or keras.Model, optional
        B′: then `model` is B, and an image on which they disagree is flagged, class N.
    scale : float
        Pixels, 0-255, are divided by it.
    skip_unreadable : bool
        Warn of a file that cannot be read and go on, instead of raising.

    Raises
    ------
    DataError, NetworkError, OptionError
        When an image, a network or the scale cannot be used.
    """
    paths = list_images([images] if isinstance(images, str | Path) else images)
    predictor = Predictor(model, repaired, scale=scale)

    def unreadable(path: Path, error: DataError) -> None:
        if not skip_unreadable:
            raise error
        warn(str(error))

    predictions = list(predictor.stream(paths, unreadable=unreadable))
    if predictor.resized:
        warn(resized_words(predictor, len(paths)))
    return predictions


def resized_words(predictor: Predictor, n_images: int) -> str:
    """Return the warning that images were resized."""
    height, width, _ = predictor.input_shape
    return (
        f"{predictor.resized} of {n_images} images were not of the network's size, {height} x "
        f"{width} (height x width), and were resized, bilinear, without keeping their aspect"
    )


def _check_pair(graphs: list[Graph], is_saved_goodnet: bool) -> None:
    """Refuse a B′ beside a G, or beside another network's B."""
    if len(graphs) == 1:
        return
    if is_saved_goodnet:
        message = "expected B before B′; got a saved G, which holds both; leave B′ out"
        raise NetworkError(message)
    check_repaired(*graphs)


def _compiled(graph: Graph, outputs: list[Any]) -> Any:
    """Return a compiled function, images to the tensors of `outputs`."""
    import keras

    model = keras.Model(graph.input, outputs)
    signature = (((None, *graph.input.shape[1:]), "float32"),)
    return backend.compiled(
        lambda images: keras.tree.flatten(model(images, training=False)), signature=signature
    )


def _first(call: Any, images: NDArray[np.float32]) -> Any:
    """Return the first of the tensors that a compiled function gives."""
    return call(images)[0]


def _ending(graph: Graph, scores: Any) -> tuple[str, Callable[[NDArray[Any]], NDArray[Any]]]:
    """Return what a network's scores are, and what makes them confidences."""
    kind = ending(graph, scores)
    if kind == "softmax":
        return "softmax probability", lambda scores: scores
    if kind == "linear":
        return "softmax of the scores, as the network ends without one", _softmax
    return f"{kind} score, as the network ends without a softmax", lambda scores: scores


def _softmax(scores: NDArray[Any]) -> NDArray[Any]:
    """Return shares that add up to 1 along axis 1."""
    powers = np.exp(scores.astype(np.float64) - scores.max(axis=1, keepdims=True))
    shares: NDArray[Any] = powers / powers.sum(axis=1, keepdims=True)
    return shares
