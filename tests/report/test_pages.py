from __future__ import annotations

import base64
import dataclasses
import io
import json
import re
import shutil
import sys

import numpy as np
import pytest
from PIL import Image

from fastprune.cli.main import main
from fastprune.comparison import compare
from fastprune.errors import OptionError
from fastprune.report.html.comparison_page import comparison_page
from fastprune.report.html.page_data import class_data, shares, verdicts
from fastprune.report.html.sweep_page import page
from fastprune.report.plots.palette import colours
from fastprune.report.text.comparison_story import comparison_story
from fastprune.report.text.story import story, story_step
from fastprune.result import SweepResult
from fastprune.results.counts import Counts
from fastprune.results.detection import detection, roc
from fastprune.results.intervals import wilson
from fastprune.results.record import Samples, SetResult
from tests.helpers.html import Page
from tests.helpers.results import network_info

HOSTILE = "</script><b>bd & 'x'"
"""Name of a set that tries to be markup."""
CLASSES = 9
TAIL = [190, 190, 190, 189, 184, 160, 100]
SETS = {
    "valid": ("clean", 200, TAIL, [0, 0, 1, 2, 9, 33, 99]),
    "test": ("clean", 400, [380, 380, 379, 378, 370, 333, 201], [0, 1, 2, 4, 11, 55, 203]),
    "bd_valid": ("backdoored", 200, [200, 200, 200, 199, 160, 50, 2], [0, 0, 0, 1, 40, 150, 198]),
    HOSTILE: ("backdoored", 400, [400, 400, 399, 398, 321, 99, 3], [0, 0, 1, 2, 79, 301, 397]),
}  # fmt: skip


def part(name, kind, images, hits, flagged, *, by_label=True, n_samples=3):
    columns = (hits, [hit - 1 for hit in hits], flagged, [0] * len(hits))
    found = Counts(images, *(np.array(column, np.int64) for column in columns))
    if by_label and kind == "clean":
        of = np.full(CLASSES, images // 8)
        of[-1] = 0
        lost = np.arange(len(hits))[:, None] * np.arange(CLASSES) // 2
        found = dataclasses.replace(
            found, class_hits=np.maximum(of - lost, 0).astype("i4"), class_images=of
        )
    pixels = np.linspace(0, 255, n_samples * 90, dtype=np.float32).reshape(n_samples, 6, 5, 3)
    classes = np.tile(np.arange(n_samples), (len(hits), 1))
    classes[4:, 1:2] = 7
    labels = np.arange(n_samples)
    labels[-1:] = 5
    return SetResult(name, kind, found, Samples(pixels, labels, classes), {"path": f"{name}.h5"})


def sweep(names=tuple(SETS), drops=(10.0, 2.0, 3.0, 99.0), **changes):
    sets = {name: part(name, *SETS[name]) for name in names}
    return dataclasses.replace(
        SweepResult(
            network=network_info(n_classes=CLASSES),
            order_name="ascending",
            order=np.array([3, 0, 5, 1, 4, 2]),
            activations=np.array([0.0, 0.25, 3.5, 0.0, 1.5, 0.125]),
            valid="valid",
            sets=sets,
            drops=drops,
            drop_kind="points",
            versions={"fastprune": "1.2.3"},
            seconds={"load": 0.5},
            peak_memory=123_000_000,
        ),
        **changes,
    )


@pytest.fixture(scope="module")
def result():
    return sweep()


@pytest.fixture(scope="module")
def made(result):
    return page(result)


def test_page_fetches_nothing(made):
    found = Page(made)
    for name in ("src", "href", "action", "srcset", "data", "poster"):
        for address in found.attributes(name):
            assert address.startswith("data:")
    assert "@import" not in found.texts["style", None]
    assert "url(" not in found.texts["style", None]
    assert not {"link", "iframe", "object", "base"} & {
        tag for tag, attrs in found.tags if attrs.get("href") != "data:,"
    }


def test_policy_allows_the_two_scripts_of_the_page_and_nothing_else(made):
    import hashlib

    policy = next(a["content"] for t, a in Page(made).tags if "http-equiv" in a)
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    scripts = re.findall(r"<script>(.*?)</script>", made, re.DOTALL)
    hashes = [base64.b64encode(hashlib.sha256(one.encode()).digest()).decode() for one in scripts]
    assert re.findall(r"'sha256-([^']+)'", policy) == hashes
    assert "unsafe-inline" not in policy.partition("script-src")[2].partition(";")[0]


def test_names_of_sets_are_text_and_never_markup(made):
    assert "</script><b>bd" not in made
    found = Page(made)
    assert found.texts["section", "story"].count(HOSTILE) == 3
    assert [tag for tag, _ in found.tags].count("script") == 3
    labels = [
        text for trace in found.data["charts"]["curves"]["data"] for text in trace["meta"]
    ]
    assert not any("<" in label for label in labels)
    assert any(label.startswith("&lt;/script&gt;&lt;b&gt;bd &amp;") for label in labels)


def test_network_options_and_paths_are_escaped(result):
    hostile = "<img src=x onerror=alert(1)>"
    text = page(
        dataclasses.replace(
            result,
            network=dataclasses.replace(result.network, name=hostile, path=hostile),
            options={hostile: hostile},
            versions={"fastprune": hostile},
            order_name=hostile,
        )
    )
    assert "<img src=x" not in text
    assert "&lt;img src=x" in text


def test_figures_in_the_page_are_the_results(result, made):
    data = Page(made).data
    assert data["n_channels"] == 6
    assert data["channels"] == [3, 0, 5, 1, 4, 2]
    for place, one in enumerate(result.sets.values()):
        figures = data["sets"][place]["figures"]
        for name, counted in (
            ("rate", one.counts.hits),
            ("goodnet", one.counts.goodnet_hits),
            ("flagged", one.counts.flagged),
        ):
            low, high = wilson(counted, one.counts.images)
            for step, count in enumerate(counted):
                assert figures[name]["share"][step] == f"{100 * count / one.counts.images:.2f}"
                ends = f"{100 * low[step]:.2f}–{100 * high[step]:.2f}"
                assert figures[name]["bounds"][step] == ends
        curves = [
            trace
            for trace in data["charts"]["curves"]["data"]
            if trace["legendgroup"] == f"set{place}"
        ]
        rates = (one.counts.rate, one.counts.goodnet_rate, one.counts.flagged_rate)
        for trace, rate in zip(curves, rates, strict=True):
            np.testing.assert_allclose(trace["y"], 100 * rate)


def test_roc_in_the_page_is_the_detectors(result, made):
    found = {pair["backdoored"]: pair for pair in Page(made).data["roc"]}
    both = detection(result, "valid", "bd_valid")
    np.testing.assert_allclose(found[2]["tpr"], 100 * both.tpr)
    np.testing.assert_allclose(found[2]["fpr"], 100 * both.fpr)
    assert found[2]["area"] == roc(both).area
    assert f"area <b>{roc(both).area:.4f}</b>" in made


def test_samples_are_the_sets_images(result, made):
    pictures = [a["src"] for t, a in Page(made).tags if t == "img"]
    assert len(pictures) == 12
    file = io.BytesIO(base64.b64decode(pictures[4].partition("base64,")[2]))
    shown = np.asarray(Image.open(file))
    np.testing.assert_allclose(shown, result.sets["test"].samples.images[1], atol=1)


def test_verdict_on_each_sample(result):
    # Labels are 0, 1, 5; B says 0, 1, 2; from step 4 on B′ says 7 of the second.
    assert verdicts(result.sets["test"], CLASSES)[3:5] == ["rrw", "rfw"]
    backdoored = result.sets["bd_valid"]
    assert verdicts(backdoored, CLASSES)[3:5] == ["mmo", "mdo"]
    known = dataclasses.replace(backdoored.samples, truth=np.array([0, 4, 2]))
    assert verdicts(dataclasses.replace(backdoored, samples=known), CLASSES)[3:5] == ["mmt", "mdt"]


def test_worst_classes_come_first_and_those_without_images_not_at_all(result):
    first, second = class_data(result)
    assert [list(result.sets)[one["set"]] for one in (first, second)] == ["test", "valid"]
    # Class c of 50 images loses step * c // 2 at a step; class 8 has no image.
    assert first["known"] == 8
    assert first["worst"][6][:2] == [[7, 50, "58.00", "100.00"], [6, 50, "64.00", "100.00"]]
    assert [sum(bins) for bins in first["bins"]] == [8] * 7
    assert first["bins"][0][-1] == 8


def test_many_classes_list_the_worst_twenty(result):
    hits = np.tile(np.arange(50, dtype="i4"), (7, 1))
    many = dataclasses.replace(
        result.sets["test"].counts, class_hits=hits, class_images=np.full(50, 50)
    )
    sets = {**result.sets, "test": dataclasses.replace(result.sets["test"], counts=many)}
    found = class_data(dataclasses.replace(result, sets=sets))[0]
    assert [row[0] for row in found["worst"][2]] == list(range(20))


def test_shares_of_nothing_are_a_dash():
    assert shares([0, 1], [0, 2])["share"] == ["–", "50.00"]
    assert shares([0, 1], [0, 2])["bounds"][0] == ""


def test_story_tells_the_largest_drop_crossed(result):
    badnet, repaired, goodnet = story(result)
    assert badnet == (
        f"The network under test, B (small_net), classifies 95.00% of test right and puts 100.00% "
        f"of {HOSTILE} in the attacker's class."
    )
    assert repaired == (
        "Pruning until clean accuracy on valid is down by 10 points takes 5 of 6 channels of "
        "conv_a: the repaired network B′ classifies 83.25% of test right and puts 24.75% of "
        f"{HOSTILE} in the attacker's class."
    )
    assert goodnet == (
        "The detector G, which flags what B and B′ disagree on, detects 75.25% of "
        f"{HOSTILE} there and raises false alarms on 13.75% of test."
    )
    assert story_step(result) == 5
    assert story_step(result, 2) == 4
    assert " and still puts 80.25% of " in story(result, 2)[1]


def test_story_of_a_drop_never_crossed(result):
    with pytest.raises(OptionError, match="never reaches"):
        story(result, 99)
    never = sweep(drops=(99.0, 97.0))
    assert story_step(never) == 6
    text = story(never)[1]
    start = "Clean accuracy on valid is never down by 97 points; with all 6 channels of conv_a"
    assert text.startswith(start)
    assert f"and puts only 0.75% of {HOSTILE}" in text
    start = "With all 6 channels of conv_a pruned, the repaired network B′ classifies"
    assert story(sweep(drops=()))[1].startswith(start)
    assert "down by 1 point takes" in story(sweep(drops=(1.0,)))[1]
    relative = sweep(drops=(10.0,), drop_kind="relative")
    assert "is down by 10% of B's takes" in story(relative)[1]


def test_story_of_a_drop_of_nothing():
    _, repaired, goodnet = story(sweep(drops=(0.0,)))
    assert repaired.endswith("before any channel is pruned, so the repaired network B′ is B.")
    assert goodnet.endswith("flags none of these images there.")


def test_story_without_backdoored_sets():
    badnet, repaired, goodnet = story(sweep(names=("valid", "test")))
    assert badnet.endswith("; without a backdoored set, what a trigger does to it is not known.")
    assert repaired.endswith("classifies 83.25% of test right.")
    assert goodnet.endswith("false alarms on 13.75% of test there; what it detects is not known.")


def test_story_of_an_attack_that_hardly_works():
    weak = sweep()
    low = part("bd_low", "backdoored", 100, [10, 9, 9, 8, 8, 3, 2], [0, 0, 0, 1, 4, 9, 90])
    sentences = story(dataclasses.replace(weak, sets={"valid": weak.sets["valid"], "bd_low": low}))
    assert "and puts only 10.00% of bd_low in the attacker's class." in sentences[0]
    assert "still" not in sentences[1]
    assert sentences[2].endswith(": it flags clean images more often than backdoored ones.")


def test_story_of_many_sets_tells_the_ends():
    many = sweep()
    sets = {"valid": many.sets["valid"]}
    for index in range(5):
        hits = [100 - index] * 7
        sets[f"bd{index}"] = part(f"bd{index}", "backdoored", 100, hits, [0] * 7)
    five = dataclasses.replace(many, sets=sets)
    assert "puts from 96.00% (bd4) to 100.00% (bd0) of 5 sets in" in story(five)[0]
    three = dataclasses.replace(five, sets=dict(list(sets.items())[:4]))
    told = "puts 100.00% of bd0, 99.00% of bd1 and 98.00% of bd2 in the attacker's class."
    assert told in story(three)[0]


def test_page_without_backdoored_sets_samples_crossings_or_classes():
    bare = sweep(names=("valid",), drops=(99.0,))
    none = part("valid", *SETS["valid"], by_label=False, n_samples=0)
    text = page(dataclasses.replace(bare, sets={"valid": none}))
    assert "There is no ROC: no backdoored set was measured." in text
    assert "Accuracy by class was not counted in this sweep" in text
    assert "valid: no samples were kept" in text
    assert "never crossed" in text
    assert sorted(Page(text).data["charts"]) == ["bars", "curves"]


def test_page_of_a_relative_drop_says_so():
    assert "percent of B&#39;s" in page(sweep(drop_kind="relative"))


def test_command_makes_the_page_of_a_results_directory(tmp_path, capsys):
    folder = sweep(drops=()).save(tmp_path / "results", plots=False)
    assert main(["report", str(folder)]) == 0
    printed = capsys.readouterr().out
    assert f"report in {folder / 'report.html'} (" in printed
    assert HOSTILE in printed
    out = tmp_path / "new" / "page.html"
    assert main(["report", str(folder), "--out", str(out), "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["report"] == str(out)
    assert found["bytes"] == out.stat().st_size > 4e6
    assert len(found["story"]) == 3
    # A new sweep into the folder takes the page of the old one away.
    sweep(drops=()).save(folder, plots=False)
    assert not (folder / "report.html").exists()


def test_results_of_an_older_version_still_give_a_page(tmp_path):
    folder = sweep(drops=()).save(tmp_path / "results", plots=False)
    (folder / "class_hits.npz").unlink()
    written = json.loads((folder / "sweep.json").read_text())
    for key in ("oracle", "scores", "detector", "files"):
        written.pop(key, None)
    old = {"kind", "source", "images", "hits", "goodnet_hits", "flagged", "near_ties"}
    written["sets"] = {
        name: {key: found[key] for key in old} for name, found in written["sets"].items()
    }
    (folder / "sweep.json").write_text(json.dumps(written))
    assert main(["report", str(folder)]) == 0
    text = (folder / "report.html").read_text()
    assert "Accuracy by class was not counted" in text
    assert len(Page(text).data["roc"]) == 2


def orders(drops=(10.0, 2.0)):
    """Return a comparison of three orders: up, down, and one that looks at backdoored images."""
    up = sweep(drops=drops)
    sets = dict(up.sets)
    hits = [190, 150, 140, 120, 100, 60, 30]
    sets["valid"] = part("valid", "clean", 200, hits, [0, 50, 60, 70, 90, 130, 170])
    sets[HOSTILE] = part(HOSTILE, "backdoored", 400, [400, 396, *[390] * 5], [0, 4, *[10] * 5])
    down = dataclasses.replace(up, order_name="descending", order=up.order[::-1], sets=sets)
    oracle = dataclasses.replace(down, order_name="oracle:bd_valid")
    return compare([up, down, oracle])


def test_page_of_several_orders_has_the_figures_of_each():
    comparison = orders()
    text = comparison_page(comparison)
    assert "</script><b>bd" not in text
    data = Page(text).data
    assert [one["figures"]["channel"]["share"][:3] for one in data["sets"][:2]] == [
        ["–", "3", "0"], ["–", "2", "4"],
    ]  # fmt: skip
    for one, result in zip(data["sets"], comparison.results, strict=True):
        asr = [f"{100 * rate:.2f}" for rate in result.sets[HOSTILE].counts.rate]
        assert one["figures"]["bd_rate"]["share"] == asr
        assert one["figures"]["clean_flagged"]["share"][4] == "2.75"
    curves = data["charts"]["curves"]["data"]
    panels = [axis for axis in ("y", "y2", "y3", "y4") for _ in comparison.results]
    assert [trace["yaxis"] for trace in curves] == panels
    np.testing.assert_allclose(curves[4]["y"][1:3], [99, 97.5])
    areas = [f"{comparison.roc_area(place):.4f}" for place in range(3)]
    assert all(f"<td>{area}</td>" in text for area in areas)
    assert "oracle:bd_valid*" in text


def layers():
    """Return a comparison of two prune layers of two networks, of other numbers of channels."""
    large = sweep()
    sets = {}
    for name, one in large.sets.items():
        counted = {
            key: getattr(one.counts, key)[::2]
            for key in ("hits", "goodnet_hits", "flagged", "near_ties")
        }
        shown = dataclasses.replace(one.samples, classes=one.samples.classes[::2])
        found = dataclasses.replace(one.counts, **counted, class_hits=None, class_images=None)
        sets[name] = dataclasses.replace(one, counts=found, samples=shown)
    info = network_info(
        name="</b>second", prune_layer="conv_b", n_channels=3, fingerprint="f", n_classes=CLASSES
    )
    order, activations = np.array([2, 0, 1]), np.array([1.0, 2, 0])
    small = dataclasses.replace(
        large, network=info, order=order, activations=activations, sets=sets
    )
    return compare([large, small])


def test_page_of_several_layers_has_a_map_and_counts_in_shares():
    comparison = layers()
    text = comparison_page(comparison)
    assert "</b>second" not in text
    data = Page(text).data
    assert (data["shares"], data["n_channels"]) == (True, 6)
    assert [one["n_channels"] for one in data["sets"]] == [6, 3]
    assert [trace["x"][-1] for trace in data["charts"]["curves"]["data"]] == [100] * 8
    heat = [trace for trace in data["charts"]["layers"]["data"] if trace["type"] == "heatmap"]
    assert len(heat) == 3 * 2, "clean accuracy, and ASR of two sets, a row per layer"
    for trace, name in zip(heat, ["test", "test", "bd_valid", "bd_valid"], strict=False):
        result = comparison.results[len(trace["z"][0]) < 7]
        np.testing.assert_allclose(trace["z"][0], 100 * result.sets[name].counts.rate)
        assert (trace["x"][0], trace["x"][-1]) == (0, 100)
    assert "Where does the backdoor live?" in text
    assert "<small>of 3</small>" in text
    # Step 2 of 3 is step 4 of the slider, which counts in those of the larger layer.
    assert 'data-step="4" title="move the slider to this step">2</button>' in text
    assert "layers" not in Page(comparison_page(orders())).data["charts"]


def test_story_of_several_networks_tells_the_ends():
    networks, left, _ = comparison_story(layers())
    assert networks == (
        "The networks under test classify 95.00% of test right and put 100.00% of "
        f"{HOSTILE} in the attacker's class."
    )
    assert ", the 2 results leave an ASR on " in left
    assert "(small_net conv_a)" in left


def test_activations_of_four_decades_take_a_log_axis_with_the_dead_at_its_foot(result):
    wide = dataclasses.replace(result, activations=np.array([0, 1e-3, 10, 0, 2, 3]))
    chart = Page(page(wide)).data["charts"]["bars"]
    live, dead = chart["data"]
    axis = chart["layout"]["yaxis"]
    assert axis["type"] == "log"
    assert axis["range"][0] < -3 < 1 < axis["range"][1]
    assert dead["x"] == [1, 2], "channels 3 and 0 are pruned first"
    assert all(10 ** axis["range"][0] < height < 1e-3 for height in dead["y"])
    assert live["y"] == [0, 0, 3, 1e-3, 2, 10]
    assert "crosses: dead channels" in page(wide)
    alike = Page(page(result)).data["charts"]["bars"]
    assert (len(alike["data"]), alike["layout"]["yaxis"].get("type")) == (1, None)


def test_page_and_plots_give_a_set_one_colour(result, made):
    for theme in ("light", "dark"):
        tints = colours(result, theme)
        found = [one["colour"][theme] for one in Page(made).data["sets"]]
        assert found == [tints[name] for name in result.sets]


def test_story_of_several_orders_leaves_the_oracle_out():
    _, left, area = comparison_story(orders())
    assert left == (
        "Pruned until clean accuracy on valid is down by 10 points, the 2 orders leave an ASR on "
        f"{HOSTILE} from 24.75% (ascending) to 99.00% (descending)."
    )
    assert "(descending) to" in area
    alone = comparison_story(compare([sweep()]))[-1]
    assert re.match(r"The area under the ROC of G is 0\.\d{4}; tossing", alone)
    assert comparison_story(orders(drops=(99.0,)))[1].startswith("With all channels pruned, the 2")
    assert len(comparison_story(compare([sweep(names=("valid", "test"))]))) == 1
    with pytest.raises(OptionError, match="never reaches"):
        comparison_page(orders(), drop=99)


def test_command_makes_one_page_of_a_folder_of_orders(tmp_path, capsys):
    comparison = orders(drops=())
    for result in comparison.results:
        result.save(tmp_path / result.order_name.replace(":", "-"), plots=False)
    assert main(["report", str(tmp_path), "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["story"] == comparison_story(comparison)
    told = (tmp_path / "report.html").read_text()
    assert "small_net, 6 channels of conv_a (weights zeroed): 3 orders" in told
    sets = {"faces": dataclasses.replace(comparison.results[0].sets["valid"], name="faces")}
    other = dataclasses.replace(comparison.results[0], sets=sets, valid="faces")
    other.save(tmp_path / "other", plots=False)
    assert main(["report", str(tmp_path)]) == 2
    assert "expected results with a clean set in common" in capsys.readouterr().err


def test_command_says_in_one_line_what_is_wrong(tmp_path, capsys, monkeypatch):
    assert main(["report", str(tmp_path)]) == 2
    assert "expected a complete results directory" in capsys.readouterr().err
    folder = sweep(drops=()).save(tmp_path / "results", plots=False)
    assert main(["report", str(folder), "--drop", "99"]) == 2
    assert "never reaches" in capsys.readouterr().err
    assert main(["report", str(folder), "--out", str(tmp_path)]) == 2
    assert "got a folder" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "plotly.offline", None)
    assert main(["report", str(folder)]) == 2
    error = capsys.readouterr().err
    assert "pip install 'fastprune[report]'" in error
    assert error.count("\n") == 1
    assert not (folder / "report.html").exists()


def chromium():
    """Return the paths of a Chromium and its driver; skip the test where one is missing."""
    browsers = ("chromium", "chromium-browser", "google-chrome")
    browser = next(filter(None, map(shutil.which, browsers)), None)
    driver = shutil.which("chromedriver")
    if not (browser and driver):
        missing = "chromedriver" if browser else "Chromium"
        pytest.skip(f"no {missing} on the PATH: the page is not opened in a browser")
    return browser, driver


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    binary, driver = chromium()
    selenium = pytest.importorskip("selenium.webdriver")
    from selenium.webdriver.chrome.service import Service

    options = selenium.ChromeOptions()
    options.binary_location = binary
    for flag in (
        "headless=new", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run",
        "disable-background-networking", "disable-component-update", "disable-sync",
        "disable-dev-shm-usage", "window-size=1100,900",
        f"user-data-dir={tmp_path_factory.mktemp('chromium')}",
    ):  # fmt: skip
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    window = selenium.Chrome(options=options, service=Service(driver))
    yield window
    window.quit()


@pytest.fixture(scope="module")
def address(browser, result, tmp_path_factory):
    """Return the address of the page of `result`, open in the browser."""
    found = result.report(tmp_path_factory.mktemp("page") / "page.html").as_uri()
    browser.get(found)
    return found


@pytest.fixture
def opened(browser, address):
    """Return the browser with the page in light at its first step; its console must stay empty."""
    media = {"features": [{"name": "prefers-color-scheme", "value": "light"}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    browser.execute_script("delete document.documentElement.dataset.theme")
    jump(browser, 5)
    yield browser
    assert browser.get_log("browser") == []


def jump(browser, step):
    browser.execute_script(f"document.querySelector('#jumps [data-step=\"{step}\"]').click()")


def text_of(browser, selector):
    return browser.find_element("css selector", selector).get_property("textContent")


def figures_shown(browser, place):
    cells = browser.find_elements("css selector", f'td[data-set="{place}"][data-figure] b')
    return [cell.get_property("textContent") for cell in cells]


def figures_of(one, step, precision=()):
    counts = one.counts
    rates = (counts.rate[step], counts.goodnet_rate[step], counts.flagged_rate[step])
    return [*(f"{100 * rate:.2f}" for rate in rates), *precision, "0"]


@pytest.mark.slow
def test_slider_shows_the_figures_of_its_step(opened, result):
    opened.refresh()
    slider = opened.find_element("id", "slider")
    assert slider.get_property("value") == "5"
    slider.send_keys("\ue012")  # the left arrow key
    assert text_of(opened, "#removed") == "channel 1 removed, mean activation 0.25; X=2, 3 crossed"
    names = list(result.sets)
    for step in (4, 3):
        for place, name in enumerate(names[:2]):
            assert figures_shown(opened, place) == figures_of(result.sets[name], step)
        for place, clean in ((2, "valid"), (3, "test")):
            both = detection(result, clean, names[place])
            precision = f"{100 * both.precision[step]:.2f}"
            wanted = figures_of(result.sets[names[place]], step, [precision])
            assert figures_shown(opened, place) == wanted
        ring = opened.execute_script("return document.getElementById('roc').data[1].x[0]")
        assert ring == 100 * detection(result, "valid", "bd_valid").fpr[step]
        marker = "return document.getElementById('curves').layout.shapes.at(-1).x0"
        assert opened.execute_script(marker) == step
        slider.send_keys("\ue012")


@pytest.mark.slow
def test_number_and_buttons_move_the_slider_within_its_steps(opened, result):
    number = opened.find_element("id", "number")
    for typed, step in (("2", 2), ("99", 6), ("-3", 0), ("1.4", 1)):
        number.send_keys("\ue009a\ue000", typed, "\ue007")  # control-a, the number, enter
        assert opened.find_element("id", "slider").get_property("value") == str(step)
        assert number.get_property("value") == str(step)
    jump(opened, 4)
    assert opened.find_element("id", "slider").get_property("value") == "4"
    jump(opened, 0)
    assert text_of(opened, "#removed") == "no channel removed: B"
    assert figures_shown(opened, 0) == figures_of(result.sets["valid"], 0)
    click = "document.getElementById('curves').emit('plotly_click', {points: [{x: 3}]})"
    opened.execute_script(click)
    assert opened.find_element("id", "slider").get_property("value") == "3"


def test_samples_and_classes_follow_the_slider(opened):
    jump(opened, 4)
    sample = '[data-set="1"][data-sample="{}"] figcaption'
    said = [text_of(opened, sample.format(index)) for index in (0, 1)]
    assert [" ".join(text.split()) for text in said] == [
        "rightlabel 0B 0 B′ 0 G 0", "false alarmlabel 1B 1 B′ 7 G 9",
    ]  # fmt: skip
    assert "detected" in text_of(opened, '[data-set="2"][data-sample="1"] figcaption')
    first = "#classes tbody tr:first-child"
    assert text_of(opened, first) == "75072.00100.00"
    pick = opened.find_element("id", "pick")
    pick.send_keys("valid")
    assert text_of(opened, first) == "72544.00100.00"
    assert text_of(opened, "#known") == "8 classes that have images, the worst first"
    bars = opened.execute_script("return document.getElementById('histogram').data[0].y")
    assert sum(bars) == 8


@pytest.mark.slow
def test_dark_and_light_by_preference_and_by_the_button(opened):
    paper = "return getComputedStyle(document.body).backgroundColor"
    line = "return document.getElementById('curves').data[0].line.color"
    light = opened.execute_script(paper), opened.execute_script(line)
    opened.find_element("id", "theme").click()
    dark = opened.execute_script(paper), opened.execute_script(line)
    assert light[0] == "rgb(255, 255, 255)"
    assert all(one != other for one, other in zip(light, dark, strict=True))
    opened.find_element("id", "theme").click()
    assert (opened.execute_script(paper), opened.execute_script(line)) == light
    opened.execute_script("delete document.documentElement.dataset.theme")
    media = {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    opened.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    assert opened.execute_script(paper) == dark[0]


def test_names_stay_text_in_the_browser(opened):
    opened.execute_script("Plotly.Fx.hover('curves', {xval: 3}, ['xy', 'xy2'])")
    label = text_of(opened, "#curves .hoverlayer")
    assert label.startswith("n_pruned 3")
    assert f"{HOSTILE} detected 0.50%" in label
    assert len(opened.find_elements("css selector", "script")) == 3
    button = opened.find_element("css selector", 'button[data-toggle="3"]')
    assert button.get_property("textContent") == HOSTILE
    opened.execute_script("arguments[0].click()", button)
    shown = "return document.getElementById('curves').data.map((trace) => trace.visible !== false)"
    assert opened.execute_script(shown) == [True, True, True, False] * 3
    opened.execute_script("arguments[0].click()", button)
    assert opened.execute_script(shown) == [True] * 12


@pytest.mark.slow
def test_page_fits_a_phone(opened):
    from selenium.webdriver.support.ui import WebDriverWait

    size = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
    opened.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    drawn = "return document.querySelector('#curves .main-svg').clientWidth"
    WebDriverWait(opened, 600).until(lambda page: page.execute_script(drawn) < 390)
    wide = opened.execute_script("return document.documentElement.scrollWidth")
    opened.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert wide == 390


def test_page_asks_for_nothing_but_itself(opened):
    entries = "return performance.getEntriesByType('resource').map((entry) => entry.name)"
    asked = opened.execute_script(entries)
    assert [address for address in asked if not address.startswith("data:")] == []


@pytest.mark.slow
def test_slider_of_several_orders(opened, address, tmp_path):
    comparison = orders()
    opened.get(comparison.report(tmp_path / "orders.html").as_uri())
    assert opened.find_element("id", "slider").get_property("value") == "5"
    opened.find_element("id", "slider").send_keys("\ue012")
    assert text_of(opened, "#removed") == "4 channels removed"
    for place, result in enumerate(comparison.results):
        clean, backdoored = (figures_of(result.sets[name], 4)[:3] for name in ("test", HOSTILE))
        shown = [str(result.order[3]), *clean, *backdoored]
        assert figures_shown(opened, place) == shown
    assert opened.get_log("browser") == []
    opened.get(address)
