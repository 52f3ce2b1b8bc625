"""A sweep as text: the drops, every step, and the channel order. Fits a terminal of 100 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from itertools import groupby

from fastprune.report.text.words import (
    PRIME,
    SCORES,
    branch_lines,
    crossed,
    drop_words,
    layer_words,
    network_words,
    percent,
    plain,
)
from fastprune.results.detection import Share, operating_points
from fastprune.results.operating_points import CLEAN_ONLY, DETECTION_ON
from fastprune.results.record import SetResult, SweepRecord
from fastprune.results.set_pairs import of_kind

WIDTH = 100
"""Columns of the terminal that the tables are laid out for."""

HEADINGS = {
    "clean": ("Clean accuracy (acc) and false alarm rate, percent", "acc", "false alarm"),
    "backdoored": ("Attack success rate (ASR) and detection rate, percent", "ASR", "detected"),
}
ROBUST = f"robust: put in their true class, the one without the trigger, by {PRIME} and by G"
"""What stands under the figures of backdoored sets whose true classes are known."""
TIED = 4
"""Channels in a row with one activation that :func:`order_lines` puts on a line of their own."""


def drops_table(result: SweepRecord) -> str:
    """Return B and every drop X with the figures of B′ and G on every set.

    Parameters
    ----------
    result : SweepResult
        The sweep.

    Returns
    -------
    str
        A block for the clean sets and one for the backdoored sets, rows = B and the drops in
        ascending order, columns = the sets; more blocks where 100 columns are too few.
    """
    rows = result.drop_rows
    left = [(at.label, "never crossed" if at.step is None else str(at.step)) for at in rows]
    blocks = _blocks(result, ("X", "n_pruned"), left, [at.step for at in rows])
    return "\n\n".join([_head(result), *blocks])


def steps_table(result: SweepRecord) -> str:
    """Return every ``n_pruned`` with the channel removed, its activation and the sets' figures.

    Parameters
    ----------
    result : SweepResult
        The sweep.

    Returns
    -------
    str
        Blocks as those of :func:`drops_table` with a row per step; a step at which a drop is
        crossed carries its X.
    """
    marks = {step: label.removeprefix("X=") for step, label in crossed(result).items()}
    left = [("0", "", "", marks.get(0, ""))]
    for step, channel in enumerate(map(int, result.order), start=1):
        activation = f"{result.activations[channel]:.4g}"
        left.append((str(step), str(channel), activation, marks.get(step, "")))
    header = ("n_pruned", "channel", "activation", "X")
    blocks = _blocks(result, header, left, range(len(left)))
    return "\n\n".join([_head(result), *blocks])


def order_lines(result: SweepRecord) -> str:
    """Return the channel order with the activations, channels that tie together.

    Parameters
    ----------
    result : SweepResult
        The sweep.

    Returns
    -------
    str
        ``channel=score`` of every channel in pruning order, wrapped at 100 columns; runs of 4 and
        more channels of one score are told as ``31 channels at 0: 0 2 9 ...``. The score is the
        mean activation where the order has no other.
    """
    scores = result.activations if result.scores is None else result.scores
    channels = [(int(channel), float(scores[channel])) for channel in result.order]
    paragraphs: list[str] = []
    single: list[str] = []
    for value, group in groupby(channels, key=lambda pair: pair[1]):
        tied = [channel for channel, _ in group]
        if len(tied) < TIED:
            single += [f"{channel}={value:.4g}" for channel in tied]
            continue
        paragraphs += _wrapped(single)
        single = []
        paragraphs += _wrapped([f"{len(tied)} channels at {value:.4g}:", *map(str, tied)])
    score = SCORES.get(result.order_name.partition(":")[0], "mean activation")
    title = textwrap.wrap(f"{_title(result)}; channel={score}", WIDTH)
    return "\n".join([*title, *paragraphs, *_wrapped(single)])


def detector_table(result: SweepRecord) -> str:
    """Return G's operating points: the steps chosen on validation data, their figures on the rest.

    Parameters
    ----------
    result : SweepResult
        The sweep.

    Returns
    -------
    str
        A row per bound of the false alarm rate and pair of sets that did not choose (per pair that
        chose, where there is no other), shares in percent with Wilson 95 % intervals.
    """
    header = ("bound", "n_pruned", "clean set", "false alarm", "backdoored set", "detected",
              "precision")  # fmt: skip
    points = operating_points(result)
    by = points[0].chosen_by
    if by != CLEAN_ONLY and not any(point.n_pruned for point in points):
        # Equal rows of step 0 would only look like a choice.
        bound = 100 * max(point.max_fpr for point in points)
        words = (
            f"G as a detector with a bounded false alarm rate on {plain(result.valid)}: no step "
            f"within {bound:g}% flags an image of {plain(by.removeprefix(DETECTION_ON))}"
        )
        return textwrap.fill(words, WIDTH)
    rows = [
        (
            percent(point.max_fpr), str(point.n_pruned), plain(part.clean, 12), _share(part.fpr),
            plain(part.backdoored or "-", 14), _share(part.tpr), _share(part.precision),
        )
        for point in points
        for part in point.measured or point.figures
    ]  # fmt: skip
    chosen = f"n_pruned chosen on {plain(result.valid)} by {plain(by, WIDTH)}"
    if by == CLEAN_ONLY:
        chosen = f"n_pruned chosen on {by}"
    title = "G as a detector, percent [95 % interval]; bound: of the false alarm rate; " + chosen
    return "\n".join([*textwrap.wrap(title, WIDTH), *aligned([header, *rows])])


def _share(share: Share | None) -> str:
    """Return a share and its interval in percent.

    >>> _share(Share(8, 10)), _share(Share(0, 0)), _share(None)
    ('80.0 [49.0, 94.3]', '-', '-')
    """
    if share is None or not share.total:
        return "-"
    low, high = share.interval
    return f"{100 * share.rate:.1f} [{100 * low:.1f}, {100 * high:.1f}]"


def _head(result: SweepRecord) -> str:
    """Return the lines ahead of a table: network, order and layer; what X is; other branches."""
    return "\n".join([_title(result), drop_words(result), *branch_lines(result)])


def _title(result: SweepRecord) -> str:
    return f"{network_words(result)}: {layer_words(result)}"


def _wrapped(words: Sequence[str]) -> list[str]:
    """Fill lines of 100 columns with words, further lines indented.

    >>> _wrapped([]), _wrapped(["5=0.1", "7=0.2"])
    ([], ['5=0.1  7=0.2'])
    """
    if not words:
        return []
    # A word holds no space of its own except the heading, which may break as well as any.
    return textwrap.wrap("  ".join(words), WIDTH, subsequent_indent="    ", break_on_hyphens=False)


def _blocks(
    result: SweepRecord,
    header: Sequence[str],
    left: Sequence[Sequence[str]],
    steps: Sequence[int | None],
) -> list[str]:
    """Return the figures of `steps` of every set beside the columns `left`, in blocks that fit."""
    key = aligned([header, *left])
    blocks = []
    for kind, (heading, _, _) in HEADINGS.items():
        parts = of_kind(result, kind)
        columns = [_figures(part, steps) for part in parts]
        while columns:
            taken, width = 1, len(key[0]) + len(columns[0][0])
            while taken < len(columns) and width + len(columns[taken][0]) <= WIDTH:
                width += len(columns[taken][0])
                taken += 1
            lines = [" " * len(key[0]), *key]
            for column in columns[:taken]:
                lines = [line + cell for line, cell in zip(lines, column, strict=True)]
            blocks.append("\n".join([heading, *(line.rstrip() for line in lines)]))
            columns = columns[taken:]
        if any(is_robust(part) for part in parts):
            blocks[-1] += f"\n{ROBUST}"
    return blocks


def _figures(part: SetResult, steps: Sequence[int | None]) -> list[str]:
    """Return one set's lines: its name, the column heads, a row per step; all of one width."""
    lines = aligned(figures_table(part, steps))
    title = f"- {plain(part.name)} ({part.counts.images} images) -"
    width = max(len(title), len(lines[0]))
    return [f"   {line:>{width}}" for line in (f"{title:-^{width}}", *lines)]


def figures_table(part: SetResult, steps: Sequence[int | None]) -> list[list[str]]:
    """Return one set's column heads, then a row per step in percent, dashes where it is None."""
    _, hit, flagged = HEADINGS[part.kind]
    counts = part.counts
    heads = [f"{hit} {PRIME}", f"{hit} G", flagged]
    rates = [counts.rate, counts.goodnet_rate, counts.flagged_rate]
    if counts.true_hits is not None and counts.goodnet_true_hits is not None:
        heads += [f"robust {PRIME}", "robust G"]
        rates += [counts.true_hits / counts.images, counts.goodnet_true_hits / counts.images]
    cells = [["-" if step is None else percent(rate[step]) for rate in rates] for step in steps]
    return [heads, *cells]


def is_robust(part: SetResult) -> bool:
    """Return whether a set's figures have columns of images in their true class."""
    return part.counts.true_hits is not None


def aligned(table: Sequence[Sequence[str]]) -> list[str]:
    """Join the columns of a table, aligned at the right.

    >>> aligned([("X", "n_pruned"), ("B", "0"), ("10", "52")])
    [' X  n_pruned', ' B         0', '10        52']
    """
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return [
        "  ".join(f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True))
        for row in table
    ]
