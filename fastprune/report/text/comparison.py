"""Several orders side by side, as a table."""

from __future__ import annotations

from pathlib import Path

from fastprune.report.text.tables import WIDTH, aligned
from fastprune.report.text.words import drop_words, percent, plain
from fastprune.results.comparison_record import ComparisonRecord
from fastprune.results.crossings import drop_label
from fastprune.results.record import SweepRecord

MARK = "*"
"""What stands behind the name of an order that no defender could make."""


def compare_table(comparison: ComparisonRecord) -> str:
    """Return a row per order: dead channels first, area under the ROC, figures at every drop.

    More blocks where 100 columns are too few.
    """
    first = comparison.results[0]
    clean, backdoored = plain(comparison.clean), plain(comparison.backdoored or "-")
    lines = [
        f"{plain(first.network.name)}: {len(comparison.results)} orders; "
        f"{comparison.dead} of {first.n_channels} channels are dead (mean activation 0 on "
        f"{plain(first.valid)})",
        f"acc: clean accuracy of B\N{PRIME} on {clean}, ASR of B\N{PRIME} and det: detection rate "
        f"of G on {backdoored}, percent",
        "dead: dead channels pruned before the first live one; area: under the ROC of G",
        drop_words(first),
    ]
    names = ["order", *map(order_name, comparison.results)]
    keys = [_key(comparison, result) for result in comparison.results]
    figures = aligned([("dead", "area"), *keys])
    widest = max(map(len, names))
    key = [f"{name:<{widest}}  {line}" for name, line in zip(names, figures, strict=True)]
    blocks: list[list[str]] = []
    for column in _columns(comparison):
        if blocks and len(blocks[-1][0]) + len(column[0]) <= WIDTH:
            blocks[-1] = [line + cell for line, cell in zip(blocks[-1], column, strict=True)]
        else:
            left = [" " * len(key[0]), *key]
            blocks.append([line + cell for line, cell in zip(left, column, strict=True)])
    for block in blocks:
        lines += ["", *(line.rstrip() for line in block)]
    if any(result.oracle for result in comparison.results):
        lines += ["", f"{MARK} looks at backdoored images, as no defender can"]
    return "\n".join(lines)


def _key(comparison: ComparisonRecord, result: SweepRecord) -> tuple[str, str]:
    area = comparison.roc_area(result)
    told = "-" if area is None else f"{area:.4f}"
    return str(comparison.dead_first(result)), told


def _columns(comparison: ComparisonRecord) -> list[list[str]]:
    """Return the lines of every drop: its heading, column heads, a row per order."""
    rows = list(comparison.rows())
    columns = []
    for drop in sorted(comparison.results[0].drops):
        table = [("n_pruned", "acc", "ASR", "det")]
        for row in rows:
            if row["drop"] == drop:
                shares = (row["clean_accuracy"], row["asr"], row["detection_rate"])
                step = "never" if row["n_pruned"] is None else str(row["n_pruned"])
                table.append(
                    (step, *("-" if share is None else percent(share) for share in shares))  # type: ignore[arg-type]
                )
        lines = aligned(table)
        heading = f"{f'- X={drop_label(drop)} -':-^{len(lines[0])}}"
        columns.append([f"   {line}" for line in (heading, *lines)])
    return columns


def order_name(result: SweepRecord) -> str:
    """Return an order's name to show, marked where no defender could make it."""
    name = result.order_name
    short = Path(name).name if "/" in name else name
    return plain(short, 22) + (MARK if result.oracle else "")
