"""The tables for a paper: every figure in its cell, every name as text."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest

import fastprune
from fastprune.errors import OptionError
from tests.helpers.results import counts, network_info, sweep

EVIL = "a_b|$x^2$ {\\y} 50% #1 & ~<b>*"


@pytest.fixture
def result():
    made = sweep(valid=(100, [0, 1, 2, 3, 4, 5, 6]), bd_valid=(100, [0, 9, 9, 9, 9, 9, 9]))
    hits = np.array([99, 98, 97, 96, 90, 50, 0])
    sets = {
        name: dataclasses.replace(
            part, counts=dataclasses.replace(counts(100, part.counts.flagged), hits=hits)
        )
        for name, part in made.sets.items()
    }
    return dataclasses.replace(made, sets=sets, drops=(2.0, 100.0))


def cells(line):
    """Return the cells of a row of Markdown; a bar behind a backslash is text."""
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def test_markdown_has_each_figure_in_its_cell(result):
    clean, backdoored = (
        [line for line in block.splitlines() if line.startswith("|")]
        for block in result.table(form="markdown").split("\n\n")[1::2]
    )
    assert cells(clean[0]) == [
        "X", "n\\_pruned", "valid (100 images): acc B′", "valid (100 images): acc G",
        "valid (100 images): false alarm",
    ]  # fmt: skip
    assert set(cells(clean[1])) == {"--:"}
    assert [cells(line) for line in clean[2:]] == [
        ["B", "0", "99.00", "0.00", "0.00"], ["2", "2", "97.00", "0.00", "2.00"],
        ["100", "never", "-", "-", "-"],
    ]  # fmt: skip
    assert cells(backdoored[3])[2:] == ["97.00", "0.00", "9.00"]


def test_latex_has_as_many_cells_in_every_row(result):
    for table in (result.table(form="latex"), fastprune.compare([result]).table(form="latex")):
        for block in table.split("\n\n"):
            columns = re.search(r"\\begin\{tabular\}\{([lr]+)\}", block)[1]
            body = block[block.index("\\toprule") : block.index("\\bottomrule")]
            rows = [line for line in body.splitlines() if line.endswith("\\\\")]
            assert len(rows) >= 2
            for row in rows:
                spans = [int(span) for span in re.findall(r"\\multicolumn\{(\d+)\}", row)]
                assert sum(spans) - len(spans) + row.count(" & ") + 1 == len(columns), row
            for name in ("table", "tabular"):
                assert block.count(f"\\begin{{{name}}}") == block.count(f"\\end{{{name}}}") == 1
    assert "2 & 2 & 97.00 & 0.00 & 2.00 \\\\" in result.table(form="latex")
    assert "100 & never & -- & -- & -- \\\\" in result.table(form="latex")


def test_names_are_text_in_both(result):
    network = dataclasses.replace(result.network, name=EVIL, prune_layer=EVIL)
    sets = {name: dataclasses.replace(part, name=part.name) for name, part in result.sets.items()}
    evil = dataclasses.replace(result, network=network, sets=sets)
    latex = evil.table(form="latex")
    assert r"a\_b\textbar{}\$x\textasciicircum{}2\$ \{\textbackslash{}y\} 50\% \#1 \&" in latex
    text = re.sub(r"\\[{}]", "", latex)
    assert text.count("{") == text.count("}")
    assert r"a\_b\|$x^2$ \{\\y\} 50% \#1 & \~\<b\>\*" in evil.table(form="markdown")


def test_a_comparison_has_a_row_for_every_drop_and_result(result):
    other = dataclasses.replace(result, network=network_info(name="other", fingerprint="f"))
    comparison = fastprune.compare([result, other])
    about, figures = comparison.table(form="markdown").split("\n\n")[1::2]
    assert [cells(line)[0] for line in about.splitlines()] == ["network", ":--", "b", "other"]
    assert [cells(line)[:4] for line in figures.splitlines()[2:]] == [
        ["2", "b", "2", "97.00"], ["", "other", "2", "97.00"],
        ["100", "b", "never", "-"], ["", "other", "never", "-"],
    ]  # fmt: skip
    latex = comparison.table(form="latex").split("\n\n")[1]
    assert latex.count("\\midrule") == 2, "one under the head, one between the drops"


def test_other_forms_are_refused(result):
    for shown in (result, fastprune.compare([result])):
        with pytest.raises(OptionError, match="as text, markdown or latex; got 'html'"):
            shown.table(form="html")
    with pytest.raises(OptionError, match="every step as text"):
        result.table(every_step=True, form="latex")
