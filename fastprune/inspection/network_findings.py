"""What is found in a network file, and how it reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fastprune.inspection.entries import entry, ranges, shape_words, size_words
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
    """A place where the network can be cut."""

    prune_layer: str
    cut_layer: str
    n_channels: int


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
        Where it can be cut; a sweep takes the last.
    beyond : tuple of str
        Convolutions after the prune layer of that cut, which have none.
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
    beyond: tuple[str, ...]
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
    wide = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        f"  {name:<{wide[0]}}  {kind:<{wide[1]}}  {shape:<{wide[2]}}  {count:>{wide[3]}}"
        for name, kind, shape, count in rows
    ]


def _cut_lines(found: NetworkInspection) -> list[str]:
    if not found.cuts:
        return []
    named = [
        f"{plain(cut.prune_layer)} at {plain(cut.cut_layer)} ({cut.n_channels} channels)"
        for cut in found.cuts
    ]
    lines = entry("cuts", "; ".join(named))
    last = found.cuts[-1]
    why = (
        f"{plain(last.prune_layer)}, {last.n_channels} channels, cut at {plain(last.cut_layer)}: "
        "the last tensor that one convolution alone feeds and that every path to the class scores "
        "crosses"
    )
    if found.beyond:
        why += f"; other paths lead around {', '.join(map(plain, found.beyond))}"
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
    prune = found.cuts[-1].prune_layer if found.cuts else None
    for layer, channels in found.dead.items():
        kind = f"a pruned network ({PRIME}): " if layer == prune else ""
        said = f"{kind}{len(channels)} of {found.units[layer]} of {plain(layer)} all zero"
        lines += entry("dead weights", f"{said}: {ranges(channels)}")
    return lines
