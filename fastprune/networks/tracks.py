"""Two tracks: which tensors keep the channels of the prune layer apart, and how they lie there.

A channel is either kept or pruned. Behind channel-wise layers, and where tensors are added,
multiplied or concatenated that do not depend on it, each value still depends on the pruning of one
channel at most: it has a kept value and a pruned one, and any set of channels is pruned by choosing
between the two.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastprune.networks.graph import Call, Graph
from fastprune.networks.layer_kinds import CHANNEL_WISE, MERGING, is_elementwise

INDEPENDENT = -1
"""In place of a channel: no channel of the prune layer changes this one."""


@dataclass(frozen=True, eq=False)
class Track:
    """How the channels of the prune layer lie in a tensor that keeps them apart.

    Attributes
    ----------
    sources : ndarray of int64, shape (last axis,)
        Which channel of the prune layer each channel of the tensor depends on, or
        :data:`INDEPENDENT`.
    per_image : bool
        Whether the pruned value differs from image to image: another tensor was put in.
    """

    sources: NDArray[np.int64]
    per_image: bool = False


def dependent_calls(graph: Graph, starts: Sequence[Call]) -> tuple[Call, ...]:
    """Return the calls that change when channels of `starts` are pruned, these first."""
    reached = {id(call.output) for call in starts}
    found = []
    for call in graph.calls:
        if call in starts or any(id(tensor) in reached for tensor in call.inputs):
            reached.add(id(call.output))
            found.append(call)
    return tuple(found)


def tracks(calls: Sequence[Call], starts: Sequence[Call]) -> dict[int, Track]:
    """Follow the channels of the prune layer as long as they stay apart.

    Parameters
    ----------
    calls : sequence of Call
        The calls that depend on the prune layer, in order.
    starts : sequence of Call
        Those whose outputs are pruned.

    Returns
    -------
    dict of int to Track
        By the ``id`` of the tensor.
    """
    dependent = {id(call.output) for call in calls}
    found: dict[int, Track] = {}
    for call in calls:
        if call in starts:
            if any(id(tensor) in dependent for tensor in call.inputs):
                continue  # one call of a layer behind another: its kept value is none of the image
            found[id(call.output)] = Track(np.arange(call.output.shape[-1]))
            continue
        track = _behind(call, dependent, found)
        if track is not None:
            found[id(call.output)] = track
    return found


def _behind(call: Call, dependent: set[int], found: Mapping[int, Track]) -> Track | None:
    """Return the track of a call's output; None where its channels mix."""
    if any(id(tensor) in dependent and id(tensor) not in found for tensor in call.inputs):
        return None
    if getattr(call.operation, "data_format", None) == "channels_first":
        return None
    if len(call.inputs) == 1:
        return _channel_wise(call, found[id(call.inputs[0])])
    if call.kind == "Concatenate" and _last_axis(call):
        return _concatenated(call, found)
    if call.kind in MERGING or call.kind == "Concatenate":
        return _merged(call, found)
    return None


def _channel_wise(call: Call, track: Track) -> Track | None:
    layer, (tensor,), width = call.operation, call.inputs, call.output.shape[-1]
    if call.kind == "Reshape":
        return track if width == tensor.shape[-1] else None
    if call.kind in MERGING:  # with a constant
        return track if tuple(call.output.shape) == tuple(tensor.shape) else None
    if call.kind not in CHANNEL_WISE or not is_elementwise(layer):
        return None
    if call.kind == "BatchNormalization" and layer.axis not in (-1, len(tensor.shape) - 1):
        return None
    if call.kind == "DepthwiseConv2D":
        return Track(np.repeat(track.sources, layer.depth_multiplier), track.per_image)
    return track


def _last_axis(call: Call) -> bool:
    return call.operation.axis in (-1, len(call.output.shape) - 1)


def _concatenated(call: Call, found: Mapping[int, Track]) -> Track:
    """Concatenate over the last axis: channels move, and others come beside them."""
    parts = [found.get(id(tensor)) for tensor in call.inputs]
    sources = [
        np.full(tensor.shape[-1], INDEPENDENT) if part is None else part.sources
        for tensor, part in zip(call.inputs, parts, strict=True)
    ]
    return Track(np.concatenate(sources), any(part is None or part.per_image for part in parts))


def _merged(call: Call, found: Mapping[int, Track]) -> Track | None:
    """Put tensors together value by value: each channel may depend on one of the prune layer."""
    sources = np.full(call.output.shape[-1], INDEPENDENT)
    per_image = False
    for tensor in call.inputs:
        part = found.get(id(tensor))
        if part is None:
            per_image = True
            continue
        if len(part.sources) != len(sources):
            return None  # one channel spread over all
        apart = (sources == INDEPENDENT) | (part.sources == INDEPENDENT) | (sources == part.sources)
        if not apart.all():
            return None
        sources = np.maximum(sources, part.sources)
        per_image |= part.per_image
    return Track(sources, per_image)
