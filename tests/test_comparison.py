"""Results side by side: the table, the files and the plot hold the sweeps' own figures."""

from __future__ import annotations

import csv
import dataclasses
import json

import numpy as np
import pytest
from matplotlib.colors import to_hex
from PIL import Image

import fastprune
from fastprune.errors import OptionError
from fastprune.report.plots.palette import order_tints, result_looks
from fastprune.report.text.tables import WIDTH
from fastprune.results.comparison_record import COLUMNS
from fastprune.results.detection import detection, roc
from fastprune.results.layer_map import layer_maps
from tests.helpers.results import STEPS, counts, network_info, sweep

ORDERS = {
    "ascending": [0, 1, 2, 3, 4, 5],
    "random:1": [3, 0, 1, 2, 4, 5],
    "oracle:bd_valid": [5, 4, 3, 2, 1, 0],
}


@pytest.fixture
def results():
    """Three orders; channels 0 and 1 are dead, drop 2 is crossed at step 1, 2 and never."""
    found = []
    for place, (name, order) in enumerate(ORDERS.items()):
        hits = [99, 99, 99, 99, 99, 99, 99]
        hits[place + 1 :] = [50] * (STEPS - place - 1) if place < 2 else hits[place + 1 :]
        parts = {
            "valid": (100, [0, 1, 2, 3, 4, 5, 6]), "test": (100, [0, 1, 2, 3, 4, 5, 6]),
            "extra": (100, [0] * STEPS), "bd_valid": (100, [0, 9, 9, 9, 9, 9, 9]),
            "bd_test": (100, [0, 10, 20, 30, 40, 50 + place, 60]),
        }  # fmt: skip
        result = sweep(**parts)
        for part in list(result.sets.values()):
            made = counts(100, part.counts.flagged)
            made = dataclasses.replace(made, hits=np.array(hits) - (part.name == "test"))
            result.sets[part.name] = dataclasses.replace(part, counts=made)
        activations = np.array([0.0, 0.0, 1, 2, 3, 4])
        found.append(
            dataclasses.replace(
                result, order_name=name, order=np.array(order), activations=activations
            )
        )
    return found


def test_rows_are_the_figures_of_the_sweeps(results):
    comparison = fastprune.compare(results)
    assert (comparison.clean, comparison.backdoored, comparison.dead(0)) == ("test", "bd_test", 2)
    assert comparison.labels == tuple(ORDERS)
    rows = list(comparison.rows())
    assert [(row["order"], row["drop"], row["n_pruned"]) for row in rows] == [
        ("ascending", 0, 0), ("ascending", 2, 1), ("random:1", 0, 0), ("random:1", 2, 2),
        ("oracle:bd_valid", 0, 0), ("oracle:bd_valid", 2, None),
    ]  # fmt: skip
    assert [row["dead_first"] for row in rows] == [2, 2, 0, 0, 0, 0]
    assert [row["oracle"] for row in rows] == [None] * 4 + ["bd_valid"] * 2
    for row in rows:
        result = results[list(ORDERS).index(row["order"])]
        assert row["roc_area"] == roc(detection(result, "test", "bd_test")).area
        if row["n_pruned"] is None:
            assert row["clean_accuracy"] is row["asr"] is row["detection_rate"] is None
            continue
        for name, key, rate in (
            ("test", "clean_accuracy", "rate"), ("test", "false_alarm_rate", "flagged_rate"),
            ("bd_test", "asr", "rate"), ("bd_test", "detection_rate", "flagged_rate"),
        ):  # fmt: skip
            assert row[key] == getattr(result.sets[name].counts, rate)[row["n_pruned"]]


def test_the_table_has_a_row_per_order_and_fits(results):
    lines = fastprune.compare(results).table().splitlines()
    assert all(len(line) <= WIDTH for line in lines)
    rows = {line.split()[0]: line.split()[1:] for line in lines if line.split()[:1]}
    area = roc(detection(results[0], "test", "bd_test")).area
    assert rows["ascending"] == ["2", f"{area:.4f}", "1", "49.00", "50.00", "10.00"]
    assert rows["random:1"][2:] == ["2", "49.00", "50.00", "20.00"]
    assert rows["oracle:bd_valid*"][2:] == ["never", "-", "-", "-"]
    assert lines[-1] == "* looks at backdoored images, as no defender can"
    assert "no defender" not in fastprune.compare(results[:2]).table()


def test_many_drops_take_several_blocks(results):
    drops = tuple(float(drop) for drop in range(1, 7))
    wide = fastprune.compare([dataclasses.replace(r, drops=drops) for r in results]).table()
    assert all(len(line) <= WIDTH for line in wide.splitlines())
    assert all(f"X={drop:g} -" in wide for drop in drops)


def test_files_hold_the_rows_and_replace_earlier_ones(results, tmp_path):
    comparison = fastprune.compare(results)
    (tmp_path / "mine.txt").write_text("mine")
    for _ in range(2):
        comparison.save(tmp_path, force=True)
    assert {item.name for item in tmp_path.iterdir()} == {
        "mine.txt", "compare.csv", "compare.json", "compare.png", "compare.svg",
    }  # fmt: skip
    with open(tmp_path / "compare.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    expected = list(comparison.rows())
    assert [row["asr"] for row in rows] == [
        "" if row["asr"] is None else str(row["asr"]) for row in expected
    ]
    found = json.loads((tmp_path / "compare.json").read_text())
    assert found["rows"] == json.loads(json.dumps(expected))
    assert [one["label"] for one in found["results"]] == list(ORDERS)
    assert {row["network"] for row in rows} == {"b"}
    assert {(row["prune_layer"], row["intervention"]) for row in rows} == {("conv_a", "weights")}
    with Image.open(tmp_path / "compare.png") as image:
        assert image.width == 1500
    comparison.save(tmp_path, plots=False, force=True)
    assert not (tmp_path / "compare.png").exists(), "it would be of another run"


def test_the_plot_has_a_line_per_order_on_both_sets(results):
    figure = fastprune.compare(results).plot()
    assert len(figure.axes) == 2
    assert [text.get_text() for text in figure.texts][:1] == [
        "b, 6 channels of conv_a (weights zeroed): 3 orders"
    ]
    for axes, name in zip(figure.axes, ("test", "bd_test"), strict=True):
        for line, result in zip(axes.lines, results, strict=True):
            np.testing.assert_array_equal(line.get_ydata(), result.sets[name].counts.rate)
    lines = figure.axes[0].lines
    assert len({to_hex(line.get_color()) for line in lines}) == 3
    assert [line.get_linestyle() for line in lines] == ["-", ":", "--"]
    labels = [text.get_text() for legend in figure.legends for text in legend.get_texts()]
    assert labels == ["ascending", "random:1", "oracle:bd_valid*"]
    assert any("no defender can" in text.get_text() for text in figure.texts)


def test_sets_may_be_named(results):
    named = fastprune.compare(results, clean="valid", backdoored="bd_test")
    assert (named.clean, named.backdoored) == ("valid", "bd_test")
    assert fastprune.compare(results, backdoored="bd_valid").clean == "valid"
    assert fastprune.compare(results, clean="extra").backdoored is None
    alone = [sweep(valid=(9, [0] * STEPS))]
    only = fastprune.compare(alone)
    assert (only.clean, only.backdoored, len(only.plot().axes)) == ("valid", None, 1)
    assert "-" in only.table().splitlines()[-1].split()


def test_results_that_cannot_be_compared(results):
    with pytest.raises(OptionError, match="got none"):
        fastprune.compare([])
    with pytest.raises(OptionError, match="got 'x'; there is bd_valid, bd_test"):
        fastprune.compare(results, backdoored="x")
    sets = {"faces": dataclasses.replace(results[1].sets["valid"], name="faces")}
    strange = dataclasses.replace(results[1], sets=sets, valid="faces")
    with pytest.raises(OptionError, match=r"in common.*got valid, test, extra \(b\); faces \(b\)"):
        fastprune.compare([results[0], strange])


def of_layer(result, layer, n_channels=STEPS - 1, **network):
    """Return a result of another prune layer, of as many channels as it is given, or fewer."""
    steps = np.linspace(0, STEPS - 1, n_channels + 1).astype(int)
    sets = {}
    for name, part in result.sets.items():
        columns = ("hits", "goodnet_hits", "flagged", "near_ties")
        taken = {key: getattr(part.counts, key)[steps] for key in columns}
        samples = dataclasses.replace(part.samples, classes=part.samples.classes[steps])
        counted = dataclasses.replace(part.counts, **taken)
        sets[name] = dataclasses.replace(part, counts=counted, samples=samples)
    info = network_info(**{"name": "b", "prune_layer": layer, "n_channels": n_channels, **network})
    return dataclasses.replace(
        result, network=info, order=np.arange(n_channels), activations=np.arange(n_channels) * 1.0,
        sets=sets,
    )  # fmt: skip


def test_a_label_says_only_what_differs(results):
    first = results[0]
    layers = [of_layer(first, name) for name in ("conv_a", "conv_b")]
    assert fastprune.compare(layers).labels == ("conv_a", "conv_b")
    both = [dataclasses.replace(one, order_name=name) for one in layers for name in ("l1", "max")]
    assert fastprune.compare(both).labels == ("conv_a l1", "conv_a max", "conv_b l1", "conv_b max")
    masks = [of_layer(first, "conv_a", intervention=how) for how in ("weights", "mask")]
    assert fastprune.compare(masks).labels == ("weights", "mask")
    files = [dataclasses.replace(first, order_name=f"/orders/{name}.txt") for name in "ab"]
    assert fastprune.compare(files).labels == ("a.txt", "b.txt")
    assert fastprune.compare([first]).labels == ("ascending",)
    given = [dataclasses.replace(first, order_name="given")] * 3
    assert fastprune.compare(given).labels == ("given", "given (2)", "given (3)")


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (("a/x.h5", "b/y.h5"), ("x.h5", "y.h5")), (("a/x.h5", "b/x.h5"), ("a/x.h5", "b/x.h5")),
        ((None, None), ("model (1)", "model (2)")),
    ],
)
def test_networks_of_one_name_are_told_apart(results, paths, names):
    made = [
        of_layer(results[0], "conv_a", name="model", path=path, fingerprint=str(place))
        for place, path in enumerate(paths)
    ]
    assert fastprune.compare(made).labels == names
    assert fastprune.compare([made[0], made[0]]).labels == ("ascending", "ascending (2)")
    copied = [made[0], of_layer(made[0], "conv_a", name="copy", path="c/x.h5", fingerprint="0")]
    other = of_layer(made[1], "conv_a", name="copy", path="d/x.h5", fingerprint="1")
    assert "copy" not in fastprune.compare([*copied, other]).labels


def test_networks_are_compared_on_sets_of_their_own_where_they_share_none(results):
    one = of_layer(results[0], "conv_a", name="one", fingerprint="1")
    other = of_layer(one, "conv_z", 3, name="other", fingerprint="2")
    sets = {name: part for name, part in other.sets.items() if part.kind == "clean"}
    sets["bd_other"] = dataclasses.replace(other.sets["bd_test"], name="bd_other")
    other = dataclasses.replace(other, sets=sets, drops=(2.0, 5.0))
    clean = dataclasses.replace(
        of_layer(one, "conv_a", name="clean", fingerprint="3"),
        sets={name: one.sets[name] for name in ("valid", "test")},
    )
    comparison = fastprune.compare([one, other, clean])
    assert comparison.labels == ("one conv_a", "other conv_z", "clean conv_a")
    assert comparison.sets == (("test", "bd_test"), ("test", "bd_other"), ("test", None))
    assert (comparison.clean, comparison.backdoored, comparison.n_channels) == ("test", None, None)
    assert comparison.drops == (2.0, 5.0)
    assert comparison.notes == (
        "without backdoored set: clean conv_a",
        "not the same backdoored set for all (one conv_a: bd_test, other conv_z: bd_other)",
    )
    rows = [row for row in comparison.rows() if row["drop"] == 5]
    assert [row["backdoored_set"] for row in rows] == ["bd_test", "bd_other", None]
    assert [row["n_channels"] for row in rows] == [6, 3, 6]
    assert rows[0]["asr"] is not None
    assert rows[2]["asr"] is rows[2]["roc_area"] is None
    text = comparison.table()
    assert all(len(line) <= WIDTH for line in text.splitlines())
    assert "3 results that differ in network and prune layer" in text
    for note in comparison.notes:
        assert note in text.replace("\n", " ")
    figure = comparison.plot()
    assert figure.axes[1].get_ylabel() == "ASR of B′ on its backdoored set"
    assert [len(axes.lines) for axes in figure.axes] == [3, 2]
    assert figure.axes[0].get_xlim() == (0, 1), "shares, for they have other numbers of channels"
    named = fastprune.compare([one, other], backdoored="bd_other")
    assert named.sets == (("test", None), ("test", "bd_other"))
    assert named.notes == ("without the backdoored set bd_other: one conv_a",)


def test_sets_of_one_name_that_hold_other_images_are_told(results):
    sets = dict(results[1].sets)
    sets["test"] = dataclasses.replace(sets["test"], source={"fingerprint": "other"})
    other = dataclasses.replace(results[1], sets=sets)
    notes = fastprune.compare([results[0], other]).notes
    assert notes == ("test does not hold the same images in all results",)
    relative = dataclasses.replace(results[1], drop_kind="relative")
    assert fastprune.compare([results[0], relative]).notes == (
        "the sweeps took drops in different units; here all are percentage points",
    )
    # 49 of 99 hits are lost at step 1: 49 points, and 49.5 percent of B's accuracy.
    assert fastprune.compare([results[0], relative]).crossing(0, 49.2) is None
    assert fastprune.compare([relative, results[0]]).crossing(1, 49.2) == 1


def test_warnings_say_of_which_result_they_are(results):
    one, two = (dataclasses.replace(r, warnings=("odd", said)) for r, said in
                zip(results[:2], ("a", "b"), strict=True))  # fmt: skip
    assert fastprune.compare([one, two]).warnings == ("odd", "ascending: a", "random:1: b")


def test_an_order_has_the_same_colour_in_every_comparison(results):
    alone = fastprune.compare([dataclasses.replace(results[0], order_name="l1")] * 2)
    names = ("ascending", "random:3", "l1")
    several = fastprune.compare([dataclasses.replace(results[0], order_name=n) for n in names])
    assert order_tints(["l1"])["l1"] == result_looks(several)[2][0]
    assert result_looks(several)[0] == (0, "-")
    assert order_tints([f"random:{seed}" for seed in range(4)]) == {
        f"random:{seed}": 9 + seed for seed in range(4)
    }
    assert len(set(order_tints([f"random:{4 * seed}" for seed in range(9)]).values())) == 9
    assert len(set(result_looks(alone))) == 2


def test_layers_of_an_order_have_its_colour_and_a_line_each(results):
    layers = [of_layer(results[0], name) for name in ("conv_a", "conv_b")]
    both = [dataclasses.replace(one, order_name=name) for one in layers for name in ("l1", "max")]
    looks = result_looks(fastprune.compare(both))
    assert looks[0][0] == looks[2][0] != looks[1][0] == looks[3][0]
    assert len(set(looks)) == 4
    assert len(set(result_looks(fastprune.compare(layers)))) == 2
    many = [of_layer(results[0], f"conv_{place}") for place in range(15)]
    assert len(set(result_looks(fastprune.compare(many)))) == 15


def test_the_map_of_layers_has_the_rates_of_every_set(results, tmp_path):
    made = [of_layer(results[0], "conv_a", 3), of_layer(results[0], "conv_b")]
    comparison = fastprune.compare(made)
    clean, *attacks = layer_maps(comparison)
    assert (clean.kind, clean.name) == ("clean", "test")
    assert [found.name for found in attacks] == ["bd_valid", "bd_test"]
    for found in (clean, *attacks):
        for row, result in zip(found.rows, made, strict=True):
            assert (row.edges[0], row.edges[-1]) == (0, 1)
            assert len(row.edges) == result.n_channels + 2
            middles = np.arange(result.n_channels - 1) + 1
            np.testing.assert_allclose(
                (row.edges[1:-2] + row.edges[2:-1]) / 2, middles / result.n_channels
            )
            np.testing.assert_array_equal(row.rates, result.sets[found.name].counts.rate)
    figure = comparison.plot(name="layers")
    maps = figure.axes[:3]
    titles = [axes.texts[0].get_text() for axes in maps]
    assert titles == [
        "Clean accuracy of B′ on test", "ASR of B′ on bd_valid",
        "ASR of B′ on bd_test",
    ]  # fmt: skip
    assert [label.get_text() for label in maps[0].get_yticklabels()] == ["conv_a", "conv_b"]
    drawn = maps[2].collections[1].get_array().ravel()
    np.testing.assert_array_equal(drawn, made[1].sets["bd_test"].counts.rate)
    comparison.save(tmp_path)
    assert {"compare_layers.png", "compare_layers.svg"} < {item.name for item in tmp_path.iterdir()}
    with pytest.raises(OptionError, match="of these results: compare; got 'layers'"):
        fastprune.compare(results).plot(name="layers")
