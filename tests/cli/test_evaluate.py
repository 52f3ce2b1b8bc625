"""`fastprune evaluate`: the counts, in every format."""

from __future__ import annotations

import csv
import io
import json

import pytest

from tests.helpers.commands import sweep_of


@pytest.mark.slow
def test_evaluate_formats(run, files):
    arguments = ["evaluate", files["test"], files["bd"], files["model"]]
    status, out, err = run(*arguments, "--format", "json")
    found = json.loads(out)
    assert (status, err) == (0, "")
    assert found["clean_accuracy"] == 19 / 20
    assert found["clean_hits"] == 19
    status, out, err = run(*arguments, "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert (found.pop("warnings"), rows[0].pop("warnings")) == ([], "")
    assert [{key: float(value) for key, value in row.items()} for row in rows] == [found]
    found = json.loads(run(*arguments, files["model"], "--format", "json")[1])
    assert (found["clean_hits"], found["clean_flagged"], found["backdoored_flagged"]) == (19, 0, 0)


@pytest.mark.slow
def test_evaluating_b_with_g_as_its_repaired_network(run, files):
    arguments = ["evaluate", files["test"], files["bd"], files["model"]]
    assert run(*sweep_of(files, "--drops", "1"))[0] == 0
    status, out, err = run(*arguments, "results/goodnet_1.keras")
    assert (status, out) == (2, "")
    assert "the input and the classes of B" in err
