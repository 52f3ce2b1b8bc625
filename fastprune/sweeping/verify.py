"""Steps of a sweep run again with plain Keras, every class compared.

Every sweep does so with its first images before the rest of it runs; ``--verify`` with all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastprune import reference
from fastprune.errors import FaultError, OptionError, VerificationError
from fastprune.networks.network import Network
from fastprune.runtime import backend
from fastprune.sets.image_set import Chunk, ImageSet
from fastprune.suffix.engine import Block, Engine
from fastprune.suffix.scores import check_alone, refuse_unusable
from fastprune.sweeping.tally import Tally

CHECKED = 16
"""Images that every sweep checks itself on."""


def verify_steps(count: int, n_channels: int) -> list[int]:
    """Return `count` random steps, always the same for the same `count` and `n_channels`.

    Raises
    ------
    OptionError
        When there are not that many steps.
    """
    if not 0 <= count <= n_channels + 1:
        message = f"expected from 0 to {n_channels + 1} steps to verify; got {count}"
        raise OptionError(message)
    steps = np.random.default_rng(n_channels).permutation(n_channels + 1)[:count]
    return sorted(int(step) for step in steps)


def verify_sweep(
    network: Network, order: NDArray[np.int64], tallies: Mapping[str, Tally], size: int
) -> dict[str, Any]:
    """Compare every class that the tallies kept with plain Keras, `size` images at a time.

    Returns
    -------
    dict
        ``steps``, ``compared`` (pairs of image and step) and ``different_near_ties``: near-ties
        that plain Keras decided the other way.

    Raises
    ------
    VerificationError
        When a class differs that is no near-tie.
    """
    compared = ties = 0
    for tally in tallies.values():
        with closing(tally.images.chunks(size)) as chunks:
            for chunk in chunks:
                ties += _verify_chunk(network, order, tally, chunk)
                compared += len(chunk.labels) * len(tally.steps)
    steps = next(iter(tallies.values())).steps
    return {"steps": steps, "compared": compared, "different_near_ties": ties}


def _verify_chunk(network: Network, order: NDArray[np.int64], tally: Tally, chunk: Chunk) -> int:
    """Return how many near-ties of a chunk plain Keras decides the other way."""
    here = slice(chunk.start, chunk.start + len(chunk.labels))
    pixels, ties = backend.to_numpy(chunk.images), 0
    for row, step in enumerate(tally.steps):
        cut = network.cut
        expected = reference.classes(
            network.model, cut.prune.name, order[:step], pixels, how=cut.intervention.how
        )
        different = expected != tally.classes[row, here]
        wrong = different & ~tally.near_ties[row, here]
        if wrong.any():
            image = chunk.start + int(wrong.argmax())
            message = (
                f"expected the classes of plain Keras; got another for image {image} of "
                f"{tally.images.name} at n_pruned {step}; run with --engine keras and report this"
            )
            raise VerificationError(message)
        ties += int(different.sum())
    return ties


def self_check(
    network: Network,
    engine: Engine,
    images: ImageSet,
    block: Block,
    orders: Sequence[NDArray[np.int64]],
) -> dict[str, Any]:
    """Compare the engine's classes of the first images with plain Keras, at a few steps.

    Parameters
    ----------
    network : Network
        The network under test.
    engine : Engine
        What will evaluate its suffix.
    images : ImageSet
        The first set.
    block : Block
        Cut activations of its first images.
    orders : sequence of ndarray of int64, shape (n_channels,)
        Every order of the sweep: the first at step 0, at two in between and at the last, the others
        in the middle.

    Returns
    -------
    dict
        ``images``, ``steps`` (of the first order) and ``compared`` (pairs of image and step).

    Raises
    ------
    FaultError
        When a class differs that is no near-tie.
    NetworkError
        When plain scores name no class, or depend on the other images of a batch.
    """
    first = block.first(CHECKED)
    pixels = images.take(np.arange(first.images)).images
    n_channels, model = network.n_channels, network.model
    steps = sorted({n_channels * third // 3 for third in range(4)})
    cut = network.cut
    plain = partial(
        reference.predict, model, cut.prune.name, how=cut.intervention.how, eager=True
    )
    own = plain(channels=[], images=pixels)
    check_alone(own, partial(model, training=False), pixels, network.where)
    compared = 0
    for index, order in enumerate(orders):
        found = engine.classes(first, order)
        refuse_unusable(found.unusable, 0, images.name, network.where)
        for step in [n_channels // 2] if index else steps:
            expected = (plain(channels=order[:step], images=pixels) if step else own).argmax(axis=1)
            wrong = (expected != found.classes[step]) & ~found.near_ties[step]
            if wrong.any():
                image = int(wrong.argmax())
                message = (
                    f"expected class {expected[image]}, as of plain Keras; got "
                    f"{found.classes[step, image]} for image {image} of {images.name} at n_pruned "
                    f"{step}, engine {engine.name} ({network.where}); no figure was made: this is "
                    "a fault of fastprune, please report it, and try --engine keras"
                )
                raise FaultError(message)
            compared += first.images
    return {"images": first.images, "steps": steps, "compared": compared}
