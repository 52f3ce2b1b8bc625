"""`fastprune plot`: the plots of a results directory, drawn again."""

from __future__ import annotations

import json

import pytest

from tests.helpers.commands import sweep_of


@pytest.mark.slow
def test_plot_draws_the_results_again(run, files, tmp_path):
    assert run(*sweep_of(files, "--drops", "10"))[0] == 0
    status, out, err = run("plot", "results", "--out", "drawn", "--format", "json")
    assert (status, err) == (0, "")
    drawn = json.loads(out)["plots"]
    assert drawn
    assert all((tmp_path / "here" / path).stat().st_size > 0 for path in drawn)
