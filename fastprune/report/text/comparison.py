"""Several results side by side, as a table."""

from __future__ import annotations

import textwrap

from fastprune.report.text.tables import WIDTH, aligned
from fastprune.report.text.words import (
    INTERVENTIONS,
    drop_words_of,
    layer_words,
    network_words,
    order_words,
    percent,
    plain,
)
from fastprune.results.comparison_record import ComparisonRecord
from fastprune.results.crossings import drop_label

MARK = "*"
"""What stands behind the name of a result whose order no defender could make."""
ORACLE = f"{MARK} looks at backdoored images, as no defender can"
ONE = {
    "network": "network", "prune_layer": "prune layer", "intervention": "intervention",
    "order": "order",
}  # fmt: skip
"""What results may differ in, as a reader has it."""
LONGEST = 40
"""Letters of a result's name."""
FIGURES = ("n_pruned", "acc", "ASR", "det")
"""Columns of every drop."""


def compare_table(comparison: ComparisonRecord) -> str:
    """Return a row per result: dead channels first, area under the ROC, figures at every drop.

    More blocks where 100 columns are too few.
    """
    heading = f"{compared_words(comparison)}; {dead_words(comparison)}"
    lines = [line for text in (heading, *explained(comparison)) for line in wrapped(text)]
    names = [differing_words(comparison), *result_names(comparison)]
    figures = aligned(key_columns(comparison))
    widest = max(map(len, names))
    key = [f"{name:<{widest}}  {line}" for name, line in zip(names, figures, strict=True)]
    plain_names = [f"{name:<{widest}}" for name in names]
    # What is the same at every drop is told once, in the first block.
    blocks = [[" " * len(key[0]), *key]]
    for drop in comparison.drops:
        column = _column(comparison, drop)
        if len(blocks[-1][0]) + len(column[0]) > WIDTH:
            blocks.append([" " * widest, *plain_names])
        blocks[-1] = [line + cell for line, cell in zip(blocks[-1], column, strict=True)]
    for block in blocks:
        lines += ["", *(line.rstrip() for line in block if line.strip())]
    for note in notes(comparison):
        lines += ["", *wrapped(note)]
    return "\n".join(lines)


def compared_words(comparison: ComparisonRecord) -> str:
    """Return what all results have in common, and in what how many of them differ."""
    first, varying = comparison.results[0], comparison.differing
    if len(comparison.results) == 1:
        return f"{network_words(first)}: {layer_words(first)}"
    common = [] if "network" in varying else [plain(first.network.name)]
    how = INTERVENTIONS.get(first.network.intervention, plain(first.network.intervention))
    if not {"prune_layer", "intervention"} & set(varying) and comparison.n_channels is not None:
        common.append(layer_words(first))
    else:
        common += [] if "prune_layer" in varying else [plain(first.network.prune_layer)]
        common += [] if "intervention" in varying else [how]
    if varying and "order" not in varying:
        common.append(order_words(first.order_name))
    many = f"{len(comparison.results)} {differing_words(comparison, many=True)}"
    return f"{', '.join(common)}: {many}" if common else many


def differing_words(comparison: ComparisonRecord, *, many: bool = False) -> str:
    """Return what the results differ in: "prune layer, order"; `many`: what so many of them are."""
    told = [ONE[name] for name in comparison.differing or ("order",)]
    if not many:
        return ", ".join(told)
    if len(told) == 1:
        return f"{told[0]}s"
    return f"results that differ in {', '.join(told[:-1])} and {told[-1]}"


def dead_words(comparison: ComparisonRecord) -> str:
    """Return how many channels are dead, or that it is told of each."""
    valid = valid_words(comparison)
    dead = {comparison.dead(place) for place in range(len(comparison.results))}
    if len(dead) > 1 or comparison.n_channels is None:
        return f"dead channels: those of mean activation 0 on {valid}"
    count = dead.pop()
    return f"{count} dead channel{'' if count == 1 else 's'} (mean 0 on {valid})"


def explained(comparison: ComparisonRecord) -> list[str]:
    """Return what the columns are, and what X stands for."""
    clean, backdoored = (
        plain(name) if name else f"its {kind} set"
        for name, kind in ((comparison.clean, "clean"), (comparison.backdoored, "backdoored"))
    )
    figures = f"acc: clean accuracy of B\N{PRIME} on {clean}"
    if comparison.has_backdoored:
        figures += f", ASR of B\N{PRIME} and det: detection rate of G on {backdoored}"
    return [
        f"{figures}, percent",
        "dead: dead channels pruned before the first live one; area: under the ROC of G",
        drop_words_of(valid_words(comparison), comparison.drop_kind),
    ]


def valid_words(comparison: ComparisonRecord) -> str:
    """Return the name of the validation set, or what each result has for one."""
    names = {result.valid for result in comparison.results}
    return plain(names.pop()) if len(names) == 1 else "its clean validation set"


def result_names(comparison: ComparisonRecord) -> list[str]:
    """Return the results' labels to show, marked where no defender could make the order."""
    return [
        plain(label, LONGEST) + (MARK if result.oracle else "")
        for label, result in zip(comparison.labels, comparison.results, strict=True)
    ]


def key_columns(comparison: ComparisonRecord) -> list[list[str]]:
    """Return heads, then a row per result: channels and sets where they differ, dead, area."""
    sides = [side for side in range(2) if len({pair[side] for pair in comparison.sets}) > 1]
    alike = comparison.n_channels is not None
    heads = [] if alike else ["channels"]
    heads += [f"{('clean', 'backdoored')[side]} set" for side in sides]
    rows = [[*heads, "dead", "area"]]
    for place, result in enumerate(comparison.results):
        area, first = comparison.roc_area(place), str(comparison.dead_first(place))
        row = [] if alike else [str(result.n_channels)]
        row += [plain(comparison.sets[place][side] or "-", 20) for side in sides]
        row.append(first if alike else f"{first} of {comparison.dead(place)}")
        rows.append([*row, "-" if area is None else f"{area:.4f}"])
    return rows


def drop_cells(comparison: ComparisonRecord, drop: float) -> list[list[str]]:
    """Return the columns :data:`FIGURES` of a drop, then a row per result in percent."""
    rows = [list(FIGURES)]
    for row in comparison.rows():
        if row["drop"] == drop and row["drop"]:
            shares = (row["clean_accuracy"], row["asr"], row["detection_rate"])
            step = "never" if row["n_pruned"] is None else str(row["n_pruned"])
            rows.append([step, *("-" if share is None else percent(share) for share in shares)])
    return rows


def notes(comparison: ComparisonRecord) -> list[str]:
    """Return what stands under the table: what a reader must know, each a sentence."""
    told = [plain(note, 400) for note in comparison.notes]
    return [*told, ORACLE] if any(result.oracle for result in comparison.results) else told


def wrapped(text: str) -> list[str]:
    """Return the lines of a text that may be longer than a terminal."""
    return textwrap.wrap(text, WIDTH, break_on_hyphens=False)


def _column(comparison: ComparisonRecord, drop: float) -> list[str]:
    """Return the lines of a drop: its heading, column heads, a row per result."""
    lines = aligned(drop_cells(comparison, drop))
    heading = f"{f'- X={drop_label(drop)} -':-^{len(lines[0])}}"
    return [f"   {line}" for line in (heading, *lines)]
