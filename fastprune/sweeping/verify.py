"""Steps of a sweep run again with plain Keras, every class compared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastprune import reference
from fastprune.errors import OptionError, VerificationError
from fastprune.networks.network import Network
from fastprune.runtime import backend
from fastprune.sets.image_set import ImageSet
from fastprune.sweeping.tally import Tally


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
    network: Network,
    sets: Mapping[str, tuple[str, ImageSet]],
    order: NDArray[np.int64],
    steps: list[int],
    tallies: Mapping[str, Tally],
    size: int,
) -> dict[str, Any]:
    """Compare every class of every set at `steps` with plain Keras, `size` images at a time.

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
    for name, (_, images) in sets.items():
        tally = tallies[name]
        for chunk in images.chunks(size):
            part = slice(chunk.start, chunk.start + len(chunk.labels))
            for row, step in enumerate(steps):
                pixels = backend.to_numpy(chunk.images)
                prune_layer = network.cut.prune.name
                expected = reference.classes(network.model, prune_layer, order[:step], pixels)
                different = expected != tally.classes[row, part]
                wrong = different & ~tally.near_ties[row, part]
                if wrong.any():
                    image = chunk.start + int(wrong.argmax())
                    message = (
                        f"expected the classes of plain Keras; got another for image {image} of "
                        f"{name} at n_pruned {step}; run with --engine keras and report this"
                    )
                    raise VerificationError(message)
                compared += len(expected)
                ties += int(different.sum())
    return {"steps": steps, "compared": compared, "different_near_ties": ties}
