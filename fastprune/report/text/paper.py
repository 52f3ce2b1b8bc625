"""The tables of results as Markdown and as LaTeX, for a paper or a web page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from fastprune.errors import OptionError
from fastprune.report.text.comparison import (
    FIGURES,
    compared_words,
    dead_words,
    differing_words,
    drop_cells,
    explained,
    key_columns,
    notes,
    result_names,
)
from fastprune.report.text.tables import HEADINGS, ROBUST, figures_table, is_robust
from fastprune.report.text.words import drop_words, layer_words, network_words, plain
from fastprune.results.comparison_record import ComparisonRecord
from fastprune.results.crossings import drop_label
from fastprune.results.record import SweepRecord
from fastprune.results.set_pairs import of_kind

FORMS = ("markdown", "latex")
"""What :func:`written` writes."""
LATEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#",
    "%": r"\%", "_": r"\_", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}",
    "\N{PRIME}": "$'$", "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
}  # fmt: skip
"""What LaTeX would take for a command, and what stands for it in text."""


@dataclass(frozen=True)
class Table:
    """A table in words, not yet in any markup.

    Attributes
    ----------
    caption : str
        What it shows.
    groups : sequence of (str, int)
        Headings above the columns, and how many columns each spans; they fill the row.
    head : sequence of str
        Heads of the columns.
    rows : sequence of sequence of str
        Cells; "-" is no value.
    texts : int
        Columns at the left that hold text, and are aligned so.
    notes : sequence of str
        Sentences under it.
    """

    caption: str
    groups: Sequence[tuple[str, int]]
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    texts: int = 0
    notes: Sequence[str] = field(default=())


def written(tables: Sequence[Table], form: str) -> str:
    """Return tables in a markup.

    Raises
    ------
    OptionError
        When there is no such form.
    """
    if form not in FORMS:
        message = f"expected a table as text, markdown or latex; got {form!r}"
        raise OptionError(message)
    return "\n\n".join(map(_markdown if form == "markdown" else _latex, tables))


def sweep_tables(result: SweepRecord) -> list[Table]:
    """Return B and every drop X with the figures of every set: a table for each kind of sets."""
    rows = result.drop_rows
    left = [[at.label, "never" if at.step is None else str(at.step)] for at in rows]
    tables = []
    for kind, (heading, _, _) in HEADINGS.items():
        parts = of_kind(result, kind)
        blocks = [figures_table(part, [at.step for at in rows]) for part in parts]
        if not parts:
            continue
        groups = [
            (f"{plain(part.name)} ({part.counts.images} images)", len(block[0]))
            for part, block in zip(parts, blocks, strict=True)
        ]
        head, *cells = (
            [cell for row in line for cell in row] for line in zip(*blocks, strict=True)
        )
        tables.append(
            Table(
                f"{heading}. {network_words(result)}: {layer_words(result)}. {drop_words(result)}",
                [("", 2), *groups], ["X", "n_pruned", *head],
                [[*key, *row] for key, row in zip(left, cells, strict=True)],
                notes=[ROBUST] if any(map(is_robust, parts)) else (),
            )
        )  # fmt: skip
    return tables


def comparison_tables(comparison: ComparisonRecord) -> list[Table]:
    """Return a table of the results, then one of their figures: a row for every drop and result."""
    name, names = differing_words(comparison), result_names(comparison)
    head, *cells = key_columns(comparison)
    figures, dead, drops = explained(comparison)
    about = Table(
        f"{compared_words(comparison)}; {dead_words(comparison)}. {dead}", [("", 1 + len(head))],
        [name, *head], [[shown, *row] for shown, row in zip(names, cells, strict=True)], texts=1,
    )  # fmt: skip
    rows = [
        ["" if place else drop_label(drop), shown, *row]
        for drop in comparison.drops
        for place, (shown, row) in enumerate(
            zip(names, drop_cells(comparison, drop)[1:], strict=True)
        )
    ]
    head = ["X", name, *FIGURES]
    told = f"{compared_words(comparison)}. {figures}. {drops}"
    return [about, Table(told, [("", len(head))], head, rows, texts=2, notes=notes(comparison))]


def _markdown(table: Table) -> str:
    """Return a table of GitHub's Markdown, where a head has one row: groups stand in it."""
    spans = [name for name, columns in table.groups for _ in range(columns)]
    head = [
        f"{group}: {name}" if group else name
        for group, name in zip(spans, table.head, strict=True)
    ]
    rules = [":--" if place < table.texts else "--:" for place in range(len(head))]
    lines = [_markdown_text(table.caption), ""]
    lines += [_bars(map(_markdown_text, head)), _bars(rules)]
    lines += [_bars(map(_markdown_text, row)) for row in table.rows]
    for note in table.notes:
        lines += ["", _markdown_text(note)]
    return "\n".join(lines)


def _bars(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _markdown_text(text: str) -> str:
    r"""Return text in which nothing is markup.

    >>> print(_markdown_text("bd_net | <b>*"))
    bd\_net \| \<b\>\*
    """
    return "".join(f"\\{letter}" if letter in "\\`*_{}[]<>|#~" else letter for letter in text)


def _latex(table: Table) -> str:
    """Return a table of LaTeX with the rules of the package booktabs."""
    columns = "l" * table.texts + "r" * (len(table.head) - table.texts)
    grouped = any(name for name, _ in table.groups)
    lines = [
        "% needs \\usepackage{booktabs}", "\\begin{table}", "\\centering",
        f"\\caption{{{_latex_text(table.caption)}.}}", f"\\begin{{tabular}}{{{columns}}}",
        "\\toprule",
    ]  # fmt: skip
    if grouped:
        lines += _latex_groups(table.groups)
    lines.append(_latex_row(table.head))
    for row in table.rows:
        # A row without a first cell goes on with what the one above began.
        lines += ["\\midrule"] * (row is table.rows[0] or (table.texts == 2 and bool(row[0])))
        lines.append(_latex_row(row))
    lines += ["\\bottomrule", "\\end{tabular}"]
    lines += [f"\\par\\smallskip {_latex_text(note)}" for note in table.notes]
    return "\n".join([*lines, "\\end{table}"])


def _latex_groups(groups: Sequence[tuple[str, int]]) -> list[str]:
    """Return the row of headings above the columns, and the rules under them."""
    cells, rules, first = [], [], 1
    for name, columns in groups:
        cells.append(f"\\multicolumn{{{columns}}}{{c}}{{{_latex_text(name)}}}")
        if name:
            rules.append(f"\\cmidrule(lr){{{first}-{first + columns - 1}}}")
        first += columns
    return [" & ".join(cells) + " \\\\", " ".join(rules)]


def _latex_row(cells: Sequence[str]) -> str:
    return " & ".join("--" if cell == "-" else _latex_text(cell) for cell in cells) + " \\\\"


def _latex_text(text: str) -> str:
    r"""Return text in which nothing is a command.

    >>> print(_latex_text("bd_net: 50% of B\N{PRIME}"))
    bd\_net: 50\% of B$'$
    """
    return "".join(LATEX.get(letter, letter) for letter in text)
