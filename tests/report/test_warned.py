"""What was noticed stands first wherever a result is shown, as text that no page obeys."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fastprune.comparison import compare
from fastprune.evaluation import Evaluation
from fastprune.export.json_values import as_json, from_json
from fastprune.report.html.comparison_page import comparison_page
from fastprune.report.html.notebook import evaluation_html, sweep_html
from fastprune.report.html.sweep_page import page
from fastprune.report.text.warned import warning_lines
from tests.helpers.results import STEPS, sweep

SAID = ("expected <b>true</b> labels\x1b[2J & got none", "look " * 60)
BOX = "Look at this first"


@pytest.fixture(scope="module")
def result():
    return replace(sweep(valid=(10, [0] * STEPS), bd=(10, [1] * STEPS)), warnings=SAID)


def test_text_is_wrapped_and_printable():
    lines = warning_lines([*SAID, SAID[0]])
    assert lines[0] == "warning: expected <b>true</b> labels?[2J & got none"
    assert max(map(len, lines)) <= 100
    assert lines[-1] == ""
    assert len([line for line in lines if line.startswith("warning: ")]) == 2


def test_pages_begin_with_a_box(result):
    shown = {
        "page": page(result), "orders": comparison_page(compare([result])),
        "notebook": sweep_html(result),
        "evaluation": evaluation_html(Evaluation(9, 1, 9, 1, warnings=SAID)),
    }  # fmt: skip
    for name, text in shown.items():
        assert BOX in text, name
        assert "&lt;b&gt;true&lt;/b&gt; labels?[2J &amp; got none" in text, name
        assert "<b>true" not in text, name
        assert text.index(BOX) < text.index("<table"), name


def test_nothing_is_said_where_nothing_was_noticed(result):
    right = replace(result, warnings=())
    for text in (page(right), comparison_page(compare([right])), sweep_html(right)):
        assert BOX not in text


def arrays(result):
    return {
        f"{place}_{key}": getattr(part.samples, key)
        for place, part in enumerate(result.sets.values())
        for key in ("images", "labels", "classes")
    }


def test_results_keep_them_and_old_ones_had_them_among_the_options(result):
    content = as_json(result)
    assert content["warnings"] == list(SAID)
    assert from_json(content, arrays(result)).warnings == SAID
    del content["warnings"]
    assert from_json(content, arrays(result)).warnings == ()
    content["options"] = {"warnings": ["as it was"]}
    assert from_json(content, arrays(result)).warnings == ("as it was",)
    assert np.array_equal(from_json(content, arrays(result)).order, result.order)
