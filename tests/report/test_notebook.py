"""Results in notebooks: HTML, figures, progress, and the quickstart from end to end."""

from __future__ import annotations

import base64
import dataclasses
import io
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import fastprune
from fastprune.errors import OptionError
from fastprune.evaluation import Evaluation

ROOT = Path(__file__).resolve().parents[2]
QUICKSTART = ROOT / "examples/quickstart.ipynb"


@pytest.fixture(scope="module")
def result(make_network, make_images, plain_classes):
    model = make_network("deepid_like", seed=1)
    images, others = make_images(40)[0], make_images(20, seed=1)[0]
    labels = plain_classes(model, images)
    return fastprune.sweep(
        model, valid=(images, labels), clean={"test": (others, plain_classes(model, others))},
        backdoored={"bd": (images[5:15], np.full(10, labels[0]))}, drops=(5, 100),
    )  # fmt: skip


class Page(HTMLParser):
    """Tags, attributes and cells of some HTML."""

    def __init__(self, html):
        super().__init__()
        self.open, self.attributes, self.rows = [], [], []
        self.feed(html)
        self.close()
        assert self.open == [], "every tag is closed"

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self.attributes += attrs
        if tag == "tr":
            self.rows.append([])

    def handle_startendtag(self, tag, attrs):
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in ("td", "th"):
            self.rows[-1].append(data)


@pytest.mark.slow
def test_html_has_the_table_of_drops_and_the_curves(result):
    html = result._repr_html_()
    page = Page(html)
    step = result.crossing(5)
    valid, bd = result.sets["valid"].counts, result.sets["bd"].counts
    row = page.rows[3]
    assert row[:3] == ["5", str(step), f"{100 * valid.rate[step]:.2f}"]
    assert row[-3:] == [
        f"{100 * share[step]:.2f}" for share in (bd.rate, bd.goodnet_rate, bd.flagged_rate)
    ]
    assert page.rows[4][:3] == ["100", "never crossed", "-"]
    assert html.count("<svg") == 1
    assert "currentColor" in html
    assert len(html) < 40_000


def test_html_loads_nothing_and_keeps_to_itself(result):
    html = result._repr_html_()
    page = Page(html)
    assert not {"src", "href"} & {name for name, _ in page.attributes}
    targets = [value for name, value in page.attributes if name == "xlink:href"]
    assert all(target.startswith("#") for target in targets)
    assert not re.search(r"<(script|style|link|img|iframe)|@import|url\((?!#)", html)
    # Colours of text and background are the page's.
    assert not re.search(r"#(010203|222222|ffffff|000000)|background:(?!none)", html)
    identifiers = re.findall(r' id="([^"]*)"', html)
    assert len(set(identifiers)) == len(identifiers)
    other = dataclasses.replace(result, order=result.order[::-1])._repr_html_()
    assert not set(identifiers) & set(re.findall(r' id="([^"]*)"', other))
    assert html == result._repr_html_()


def test_html_escapes_every_name(result):
    evil = "<script>alert(1)</script>&\x1b\"'"
    parts = list(result.sets.values())
    sets = {f"{evil}{i}": dataclasses.replace(p, name=f"{evil}{i}") for i, p in enumerate(parts)}
    network = dataclasses.replace(result.network, name=evil, prune_layer=evil, cut_layer=evil)
    html = dataclasses.replace(
        result, sets=sets, valid=f"{evil}0", network=network, order_name=evil
    )._repr_html_()
    Page(html)
    assert "<script" not in html
    assert "\x1b" not in html
    assert "&lt;script&gt;" in html


def test_html_of_an_evaluation():
    rows = Page(Evaluation(1000, 983, 10, 9)._repr_html_()).rows
    assert rows[1:] == [
        ["clean accuracy", "98.30", "983", "1,000"], ["attack success rate", "90.00", "9", "10"],
    ]  # fmt: skip
    rows = Page(Evaluation(1000, 983, 10, 9, 5, 1)._repr_html_()).rows
    assert [row[-2:] for row in rows] == [
        ["flagged by G", "which is"], ["5", "false alarms 0.50 %"], ["1", "detected 10.00 %"],
    ]  # fmt: skip


def test_repr_is_one_line(result):
    assert repr(result) == (
        "<SweepResult 'deepid_like': 6 channels of 'conv_3', order 'ascending', sets 'valid', "
        "'test', 'bd'>"
    )


@pytest.mark.slow
def test_plot_returns_a_figure_that_shows_itself(result):
    figure = result.plot()
    shown = Image.open(io.BytesIO(figure._repr_png_()))
    assert shown.format == "PNG"
    assert shown.width == 1100
    assert result.plot(name="activations").axes[0].get_ylabel().startswith("mean activation")
    with pytest.raises(OptionError, match="accuracy_asr, activations, goodnet, detector, samples"):
        result.plot(name="pie")
    clean = {name: part for name, part in result.sets.items() if part.kind == "clean"}
    with pytest.raises(OptionError, match="got 'detector'"):
        dataclasses.replace(result, sets=clean).plot(name="detector")


SHELL = """
import sys, warnings
warnings.simplefilter("always")  # tqdm swallows it as an error
import io
from contextlib import redirect_stderr
import types
module = types.ModuleType("IPython")
module.get_ipython = object
sys.modules["IPython"] = module
sys.modules["ipykernel.zmqshell"] = types.ModuleType("zmqshell")
sys.modules["ipywidgets"] = None
sys.modules["IPython.html"] = None
from fastprune.runtime.progress import bar
with bar(10, shown=True) as shown:
    shown.update(10)
print(type(shown).__module__)
"""


def test_progress_in_a_notebook_without_widgets_is_text_without_a_warning():
    done = subprocess.run(
        [sys.executable, "-c", SHELL], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    assert "0/10" in done.stderr
    assert "Warning" not in done.stderr


# The quickstart


def outputs(notebook):
    return [output for cell in notebook["cells"] for output in cell.get("outputs", [])]


def check_outputs(found):
    """The pictures and tables that the notebook is there to show."""
    shown = [one["data"] for one in found if "data" in one]
    html = ["".join(data["text/html"]) for data in shown if "text/html" in data]
    assert len(html) == 3
    assert "<svg" in html[0]
    assert "never crossed" not in html[0]
    assert "dataframe" in html[1]
    assert "attack success rate" in html[2]
    pictures = [data["image/png"] for data in shown if "image/png" in data]
    sizes = [Image.open(io.BytesIO(base64.b64decode(png))).width for png in pictures]
    assert len(sizes) == 2
    assert min(sizes) > 1000
    told = "".join("".join(one["text"]) for one in found if one.get("name") == "stdout")
    assert "G says" in told
    assert "metrics.json" in told


@pytest.mark.slow
def test_quickstart_runs_from_end_to_end(tmp_path, monkeypatch):
    pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    from examples.execute import execute, tidy

    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    notebook = execute(QUICKSTART, tmp_path, timeout=3600)
    found = outputs(notebook)
    assert not [output for output in found if output["output_type"] == "error"]
    stderr = "".join(output["text"] for output in found if output.get("name") == "stderr")
    assert re.search(r"\d+/2000 ", stderr), "the bar, as text"
    assert "ipywidgets" not in stderr
    assert "absl" not in stderr, "TensorFlow's start-up lines"
    assert "Warning" not in stderr
    check_outputs(found)
    assert (tmp_path / "quickstart/results/goodnet_10.keras").is_file()
    check_kept(json.loads(json.dumps(tidy(notebook))))


def check_kept(notebook):
    check_outputs(outputs(notebook))
    text = json.dumps(notebook)
    assert len(text) < 200_000
    assert not re.search(r"/(home|root|tmp|work|Users|usr)/|iopub|shell\.execute", text)
    assert not any(output.get("name") == "stderr" for output in outputs(notebook))
    assert set(notebook["metadata"]) == {"kernelspec", "language_info"}
    assert all(cell["metadata"] == {} for cell in notebook["cells"])


def test_quickstart_is_kept_with_small_outputs():
    notebook = json.loads(QUICKSTART.read_text(encoding="utf-8"))
    check_kept(notebook)
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
