"""Inspections in words, for 80 columns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from textwrap import wrap
from typing import TYPE_CHECKING

from fastprune.report.text.words import PRIME, plain

if TYPE_CHECKING:
    from fastprune.inspection.files import OtherInspection
    from fastprune.inspection.networks import NetworkInspection
    from fastprune.inspection.sets import LabelInspection, ModelCheck, SetInspection
    from fastprune.sets.sample import PixelRange

LEFT = 15
"""Columns before what is said of each thing."""


def network_text(found: NetworkInspection) -> str:
    """Return a network's inspection: a headline, its layers, its cuts, its dead weights."""
    goodnet = found.kind == "goodnet"
    what = "saved G (GoodNet)" if goodnet else "network"
    by = found.written_by + ("" if found.backend is None else f" ({found.backend})")
    lines = [f"{plain(found.path, 4096)}: {what}, {_size(found.bytes)}"]
    form = "weights alone; taken for the lab's DeepID, " if found.weights_only else ""
    date = "" if found.saved is None else f", saved {found.saved}"
    lines += _entry("written by", f"{form}{by}{date}")
    if found.input_shape is not None:
        lines += _entry("input", f"{_shape(found.input_shape)} (height x width x channels)")
    if found.n_classes is not None:
        flag = f", and class {found.n_classes} for what it flags" if goodnet else ""
        lines += _entry("classes", f"{found.n_classes:,} ({found.ending}){flag}")
    lines += _entry("parameters", f"{found.parameters:,}")
    lines += ["", *_layer_table(found), ""]
    lines += _cut_lines(found)
    lines += _dead_lines(found)
    for path, count in found.not_finite.items():
        lines += _entry("not finite", f"{count:,} values of {plain(path)} are NaN or infinite")
    if found.refusal is not None:
        lines += _entry("no sweep", plain(found.refusal, 2000))
    elif not goodnet:
        lines += _entry("sweep", "fastprune sweep --model FILE takes it")
    return "\n".join(lines)


def set_text(found: SetInspection) -> str:
    """Return a set's inspection: its datasets, pixels, labels, and what keeps it from being one."""
    count = f"{found.images:,} images, " if found.images else ""
    lines = [f"{plain(found.path, 4096)}: image set, {count}{_size(found.bytes)}"]
    for part in found.datasets:
        layout = f", {found.layout}" if part.name == found.data and found.layout else ""
        shape = _shape(part.shape)
        lines += _entry(part.name, f"{shape} {part.dtype}{layout}, {part.storage}")
    if found.pixels is not None:
        lines += _pixel_lines(found, found.pixels)
    if found.labels is not None:
        lines += _entry("classes", _label_words(found.labels))
    for problem in found.problems:
        lines += _entry("problem", plain(problem, 1000))
    if found.check is not None:
        lines += _check_lines(found.check)
    return "\n".join(lines)


def other_text(found: OtherInspection) -> str:
    """Return what a folder or an image is; of a results directory also the tables."""
    lines = [f"{plain(found.path, 4096)}: {found.summary}", *_entry("next", found.hint)]
    for result in found.results:
        network = result.network
        lines += [
            "",
            f"{plain(network['name'])}: {result.n_channels} channels of "
            f"{plain(network['prune_layer'])}, cut at {plain(network['cut_layer'])}, "
            f"{plain(result.order_name)} order",
            result.table(),
        ]
    return "\n".join(lines)


def ranges(numbers: Iterable[int]) -> str:
    """Return numbers in rising order, runs of three and more as first and last.

    Examples
    --------
    >>> ranges([0, 2, 3, 4, 9, 10])
    '0 2-4 9 10'
    """
    numbers = list(numbers)
    ends = [i for i, (a, b) in enumerate(pairwise(numbers)) if b != a + 1]
    words: list[str] = []
    start = 0
    for stop in [*(end + 1 for end in ends), len(numbers)]:
        run = numbers[start:stop]
        words += [f"{run[0]}-{run[-1]}"] if len(run) > 2 else map(str, run)
        start = stop
    return " ".join(words)


def _layer_table(found: NetworkInspection) -> list[str]:
    rows = [("layer", "type", "output", "parameters")]
    rows += [
        (plain(layer.name, 24), plain(layer.kind, 22), _shape(layer.output_shape),
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
    lines = _entry("cuts", "; ".join(named))
    last = found.cuts[-1]
    why = (
        f"{plain(last.prune_layer)}, {last.n_channels} channels, cut at {plain(last.cut_layer)}: "
        "the last tensor that one convolution alone feeds and that every path to the class scores "
        "crosses"
    )
    if found.beyond:
        why += f"; other paths lead around {', '.join(map(plain, found.beyond))}"
    return lines + _entry("prune layer", why)


def _dead_lines(found: NetworkInspection) -> list[str]:
    """Say which channels are zeroed: those of the prune layer make a B′."""
    if found.kind == "goodnet":
        lines = []
        for layer, channels in found.dead.items():
            of = f"{len(channels)} of {found.units[layer]} channels of {plain(layer)}"
            lines += _entry("pruned in " + PRIME, f"{of}: {ranges(channels)}")
        return lines
    if not found.dead:
        return _entry("dead weights", "none: no channel or unit has kernel and bias all zero")
    lines = []
    prune = found.cuts[-1].prune_layer if found.cuts else None
    for layer, channels in found.dead.items():
        kind = f"a pruned network ({PRIME}): " if layer == prune else ""
        said = f"{kind}{len(channels)} of {found.units[layer]} of {plain(layer)} all zero"
        lines += _entry("dead weights", f"{said}: {ranges(channels)}")
    return lines


def _pixel_lines(found: SetInspection, pixels: PixelRange) -> list[str]:
    if not found.sampled:
        return _entry("pixels", "not read: a single chunk is larger than 64 MiB")
    every = "all" if found.sampled == found.images else f"{found.sampled:,} evenly spaced"
    read = f"({every} images, {_size(found.bytes_read)} read)"
    lines = []
    if pixels.low is not None:
        whole = ", whole numbers" if pixels.whole else ""
        lines += _entry("pixels", f"{pixels.low:g} ... {pixels.high:g}{whole} {read}")
        lines += _entry("scale", SCALES[pixels.full])
    if pixels.not_finite:
        lines += _entry("not finite", f"{pixels.not_finite:,} images have NaN or infinity {read}")
    return lines


SCALES = {
    255.0: "0-255: --scale 1 (default) for a network trained on 0-255, as the lab's; --scale 255 "
           "for one trained on 0-1",
    1.0: "0-1: --scale 1 (default) for a network trained on 0-1; --scale 0.00392157 for one "
         "trained on 0-255, as the lab's",
    None: "neither 0-1 nor 0-255: --scale 1 (default) if the network was trained on such pixels",
}  # fmt: skip


def _label_words(labels: LabelInspection) -> str:
    if labels.constant:
        return (
            f"{labels.low:g} alone, {labels.most[1]:,} images: probably a backdoored set with that "
            "target"
        )
    few, many = (f"{count:,} ({label:g})" for label, count in (labels.fewest, labels.most))
    spread = (
        f"{labels.most[1]:,} images each" if labels.fewest[1] == labels.most[1]
        else f"fewest images {few}, most {many}"
    )  # fmt: skip
    odd = "" if labels.whole else "; not all are whole numbers from 0"
    missing = int(labels.high - labels.low) + 1 - labels.n_classes
    gaps = f", {missing:,} between them missing" if labels.whole and missing else ""
    return f"{labels.n_classes:,}, {labels.low:g} ... {labels.high:g}{gaps}; {spread}{odd}"


def _check_lines(check: ModelCheck) -> list[str]:
    if check.problem is not None:
        return _entry("does not fit", check.problem)
    name = plain(check.model.name)
    if not check.sampled:
        return _entry("fits", name)
    said = ", ".join(f"{hits:,} at --scale {scale:g}" for scale, hits in check.hits.items())
    best = max(check.hits, key=lambda scale: check.hits[scale])
    even = len(set(check.hits.values())) == 1
    use = "both alike" if even else f"use --scale {best:g}"
    return _entry(
        "fits", f"{name}, which gives their label to so many of {check.sampled:,} sampled images: "
        f"{said}; {use}"
    )  # fmt: skip


def _entry(name: str, text: str) -> list[str]:
    """Return a thing and what is said of it, wrapped beside it."""
    head = f"  {plain(name, 40)}"
    body = wrap(text, 80 - LEFT - 1, break_long_words=False) or [""]
    if len(head) > LEFT:
        return [head, *(f"{'':<{LEFT}} {line}" for line in body)]
    return [f"{head:<{LEFT}} {body[0]}", *(f"{'':<{LEFT}} {line}" for line in body[1:])]


def _shape(shape: Sequence[int | None]) -> str:
    return " x ".join("any" if size is None else str(size) for size in shape) or "-"


def _size(count: int) -> str:
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} bytes"
