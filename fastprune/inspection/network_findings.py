"""What is found in a network file, and how it reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fastprune.inspection.entries import entry, ranges, shape_words, size_words, table
from fastprune.report.text.words import PRIME, plain


@dataclass(frozen=True)
class LayerInspection:
    """A call of a layer: its name, type, shape of one image's output, and number of weights."""

    name: str
    kind: str
    output_shape: tuple[int | None, ...]
    parameters: int


@dataclass(frozen=True)
class CutInspection:
    """A layer that can be pruned.

    Attributes
    ----------
    prune_layer, cut_layer : str
        The layer, and where the network would be cut for it.
    n_channels : int
        Its channels.
    engine : str
        The engine that a sweep tries first.
    bytes_per_image : int
        What is kept of an image of the validation set, side tensors counted.
    """

    prune_layer: str
    cut_layer: str
    n_channels: int
    engine: str
    bytes_per_image: int


@dataclass(frozen=True)
class NetworkInspection:
    """What a network file is.

    Attributes
    ----------
    kind : {"network", "goodnet"}
        A saved G is a goodnet.
    path : Path
        The file.
    bytes : int
        Its size.
    written_by, backend, saved : str or None
        Which Keras wrote it, on which backend and when, as the file says.
    weights_only : bool
        Whether the file has no configuration, so that the lab's DeepID is taken.
    input_shape : tuple of int or None
        Height, width and channels; None where the network is no classifier of images.
    n_classes : int or None
        N; of a G without the class of what it flags.
    ending : str or None
        The last activation: softmax, linear …
    parameters : int
        Number of weights.
    layers : tuple of LayerInspection
        In order of the calls.
    cuts : tuple of CutInspection
        Every layer that can be pruned, in order.
    prune_layer : str or None
        The one that a sweep takes by itself; None where it takes none.
    behind : tuple of str
        Convolutions that its channels reach.
    branches : tuple of str
        Convolutions that feed the same cut beside it.
    refusal : str or None
        Why it cannot be swept.
    dead : mapping of str to tuple of int
        Output channels or units whose kernel and bias are all zero, by layer; layers without any
        are left out. Of a G, the channels that B′ has pruned, under the prune layer.
    units : mapping of str to int
        How many channels or units the layers of `dead` have.
    not_finite : mapping of str to int
        How many values of a weight are NaN or infinite; weights without any are left out.
    """

    kind: str
    path: Path
    bytes: int
    written_by: str
    backend: str | None
    saved: str | None
    weights_only: bool
    input_shape: tuple[int | None, ...] | None
    n_classes: int | None
    ending: str | None
    parameters: int
    layers: tuple[LayerInspection, ...]
    cuts: tuple[CutInspection, ...]
    prune_layer: str | None
    behind: tuple[str, ...]
    branches: tuple[str, ...]
    refusal: str | None
    dead: Mapping[str, tuple[int, ...]]
    units: Mapping[str, int]
    not_finite: Mapping[str, int]

    def __str__(self) -> str:
        """Return what a person reads."""
        return network_text(self)


def network_text(found: NetworkInspection) -> str:
    """Return a network's inspection: a headline, its layers, its cuts, its dead weights."""
    goodnet = found.kind == "goodnet"
    what = "saved G (GoodNet)" if goodnet else "network"
    by = found.written_by + ("" if found.backend is None else f" ({found.backend})")
    lines = [f"{plain(found.path, 4096)}: {what}, {size_words(found.bytes)}"]
    form = "weights alone; taken for the lab's DeepID, " if found.weights_only else ""
    date = "" if found.saved is None else f", saved {found.saved}"
    lines += entry("written by", f"{form}{by}{date}")
    if found.input_shape is not None:
        lines += entry("input", f"{shape_words(found.input_shape)} (height x width x channels)")
    if found.n_classes is not None:
        flag = f", and class {found.n_classes} for what it flags" if goodnet else ""
        lines += entry("classes", f"{found.n_classes:,} ({found.ending}){flag}")
    lines += entry("parameters", f"{found.parameters:,}")
    lines += ["", *_layer_table(found), ""]
    lines += _cut_lines(found)
    lines += _dead_lines(found)
    for path, count in found.not_finite.items():
        lines += entry("not finite", f"{count:,} values of {plain(path)} are NaN or infinite")
    if found.refusal is not None:
        lines += entry("no sweep", plain(found.refusal, 2000))
    elif not goodnet:
        lines += entry("sweep", "fastprune sweep --model FILE takes it")
    return "\n".join(lines)


def _layer_table(found: NetworkInspection) -> list[str]:
    rows = [("layer", "type", "output", "parameters")]
    rows += [
        (plain(layer.name, 24), plain(layer.kind, 22), shape_words(layer.output_shape),
         f"{layer.parameters:,}")
        for layer in found.layers
    ]  # fmt: skip
    return table(rows, right=(3,))


def _cut_lines(found: NetworkInspection) -> list[str]:
    """Say which layers can be pruned, and which of them a sweep takes by itself."""
    if not found.cuts:
        return []
    rows = [("can be pruned", "channels", "cut at", "engine", "kept per image")]
    rows += [
        (plain(cut.prune_layer, 32), f"{cut.n_channels:,}", plain(cut.cut_layer, 32), cut.engine,
         size_words(cut.bytes_per_image))
        for cut in found.cuts
    ]  # fmt: skip
    lines = [*table(rows, right=(1, 4)), ""]
    chosen = next((cut for cut in found.cuts if cut.prune_layer == found.prune_layer), None)
    if chosen is None:
        return lines
    why = (
        f"{plain(chosen.prune_layer)}, {chosen.n_channels} channels, cut at "
        f"{plain(chosen.cut_layer)}: the last convolution, the classifier left out, whose channels "
        "stay apart up to a tensor that every path to the class scores crosses"
    )
    if found.behind:
        why += f"; behind it: {', '.join(map(plain, found.behind))}"
    if found.branches:
        why += (
            f"; {', '.join(map(plain, found.branches))} feed the same cut in other branches: "
            "--mask-layer features has all of them"
        )
    return lines + entry("prune layer", why)


def _dead_lines(found: NetworkInspection) -> list[str]:
    """Say which channels are zeroed: those of the prune layer make a B′."""
    if found.kind == "goodnet":
        lines = []
        for layer, channels in found.dead.items():
            of = f"{len(channels)} of {found.units[layer]} channels of {plain(layer)}"
            lines += entry("pruned in " + PRIME, f"{of}: {ranges(channels)}")
        return lines
    if not found.dead:
        return entry("dead weights", "none: no channel or unit has kernel and bias all zero")
    lines = []
    for layer, channels in found.dead.items():
        kind = f"a pruned network ({PRIME}): " if layer == found.prune_layer else ""
        said = f"{kind}{len(channels)} of {found.units[layer]} of {plain(layer)} all zero"
        lines += entry("dead weights", f"{said}: {ranges(channels)}")
    return lines
