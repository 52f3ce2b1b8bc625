"""The smallest benchmark: it runs, compares and reports."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from bench import deep_layers, gpu, gpu_child, plain, trained
from bench.bars import BARS, bar_rows, by_round
from bench.differential import compare_set, parser, steps_of
from bench.plan import BARRED, QUICK, Sizes, lab_group
from bench.report import BEGIN, END, write_report
from fastprune import load_network
from fastprune.runtime.backend import ONE_CORE_A_CALL
from fastprune.suffix.engine import Steps
from fastprune.suffix.select import make_engine

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    out = tmp_path_factory.mktemp("bench")
    (out / "README.md").write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    command = [sys.executable, "-m", "bench", "--quick", "--out", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return out


@pytest.mark.slow
def test_quick_bench_measures_every_case(quick):
    found = json.loads((quick / "results.json").read_text())
    measured = {run["case"] for run in found["runs"]}
    assert measured == {
        "notebook", "eval", "tuned", "prefix", "cached", "sweep", "sweep_keras", "sweep_orders",
        "startup",
    }  # fmt: skip
    assert all(run["seconds"] > 0 for run in found["runs"])
    assert {run["group"] for run in found["runs"]} == {"lab", "startup", "images", "networks"}


@pytest.mark.slow
def test_quick_bench_compares_results_first(quick):
    compared = json.loads((quick / "results.json").read_text())["compared"]
    assert [one["case"] for one in compared[:4]] == ["sweep", "sweep_keras", "cached", "reference"]
    assert all(one["compared"] for one in compared)


@pytest.mark.slow
def test_quick_bench_writes_tables_between_the_markers(quick):
    text = (quick / "README.md").read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    assert "notebook loop" in text
    assert "Compared first" in text
    assert (quick / "plots" / "orders.png").stat().st_size > 1000


@pytest.mark.slow
def test_report_can_be_written_again(quick):
    before = (quick / "README.md").read_text()
    write_report(quick / "results.json", quick)
    assert (quick / "README.md").read_text() == before


def test_cases_alternate():
    job = _lab().job
    assert job("sweep")["options"] == {}
    entries = [entry for entry in lab_group(_lab(), Sizes(pairs=2)) if entry.round]
    first, second = (
        [entry.job["case"] for entry in entries if entry.round == number] for number in (1, 2)
    )
    assert [case for case in first if case in BARRED] == second[::-1]
    assert set(second) == set(BARRED) < set(first)
    assert QUICK.together


def test_our_own_sides_run_as_the_command_line_runs_them():
    entries = {entry.job["case"]: entry for entry in lab_group(_lab(), Sizes(pairs=1))}
    for case in ("sweep", "prefix"):
        assert entries[case].environment() == {ONE_CORE_A_CALL: "1"}
    assert entries["notebook"].environment() == entries["eval"].environment() == {}


def test_counts_that_differ_end_the_run(tmp_path):
    from bench.run import Bench

    bench = Bench(Sizes(), tmp_path / "results.json", set())
    base = {"case": "sweep", "hits": {"valid": {"0": 5}}, "near_ties": {"valid": {"0": 1}}}
    where = {"group": "lab", "point": "lab", "case": "cached"}
    bench._compare(where, base, {"hits": {"valid": {"0": 6}}})
    assert bench.compared[0]["different"] == 1
    with pytest.raises(SystemExit, match="more than near-ties"):
        bench._compare(where, base, {"hits": {"valid": {"0": 7}}})


def test_bars_take_the_median_of_the_rounds():
    runs = [
        {"group": "lab", "point": "lab", "case": case, "round": number, "seconds": seconds}
        for number, (sweep, whole) in enumerate(((1.0, 2.0), (1.0, 4.0), (3.0, 4.0)))
        for case, seconds in (("sweep", sweep), ("eval", whole))
    ]
    assert len(by_round(runs)) == 3
    row = bar_rows(runs)[0]
    assert row[1:4] == ["0.50", "0.25–0.75", "3"]
    assert row[-1] == "yes"
    assert len(BARS) == 9


@pytest.mark.slow
def test_differential_sees_a_wrong_class(make_network, write_set):
    network = load_network(make_network("deepid_like"))
    path, order = str(write_set()), np.arange(network.n_channels)
    engine = make_engine(network)

    class Wrong:
        block = engine.block

        def classes(self, block, order):
            found = engine.classes(block, order)
            classes = found.classes.copy()
            classes[2, 0] += 1
            return Steps(classes, np.zeros_like(found.near_ties))

    right = compare_set(network, engine, path, order, 8, [0, 2, 6])
    assert right["compared"] == 60
    assert right["different_outside_near_ties"] == 0
    wrong = compare_set(network, Wrong(), path, order, 20, [0, 2, 6])
    assert wrong["different_outside_near_ties"] == 1
    assert wrong["examples"][0]["n_pruned"] == 2


def test_differential_runs_in_parts():
    parse = parser().parse_args
    part = parse(["--lab", "lab", "--from-step", "44", "--to-step", "46"])
    assert steps_of(part, 60) == [44, 45, 46]
    assert steps_of(parse(["--lab", "lab", "--steps", "0,45,60"]), 60) == [0, 45, 60]
    assert len(steps_of(parse(["--lab", "lab"]), 60)) == 61


def _made(keras, kind, *arguments, **options):
    layer = getattr(keras.layers, kind)(*arguments, bias_initializer="random_normal", **options)
    layer.build((None, 5) if kind == "Dense" else (None, 6, 6, 4))
    return layer


@pytest.mark.parametrize(
    ("kind", "arguments", "options"),
    [
        ("Conv2D", (4, 3), {}), ("Conv2D", (4, 3), {"groups": 2}),
        ("SeparableConv2D", (4, 3), {}), ("DepthwiseConv2D", (3,), {"depth_multiplier": 2}),
        ("Conv2DTranspose", (4, 3), {}), ("Dense", (4,), {}),
    ],
)  # fmt: skip
def test_plainly_zeroed_channels_give_nothing_and_others_what_they_gave(kind, arguments, options):
    import keras

    layer = _made(keras, kind, *arguments, **options)
    shape = (2, 5) if kind == "Dense" else (2, 6, 6, 4)
    values = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    before, pruned = np.asarray(layer(values)), [3, 0]
    layer.set_weights(plain.zeroed(layer, layer.get_weights(), pruned))
    after = np.asarray(layer(values))
    assert not after[..., pruned].any()
    others = np.setdiff1d(np.arange(before.shape[-1]), pruned)
    assert np.array_equal(after[..., others], before[..., others])
    assert before[..., pruned].all()


@pytest.fixture(scope="module")
def toy():
    """A network whose body is a network of its own, and two sets of its images."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(0)
    start = keras.Input((8, 8, 3))
    inner = layers.Conv2D(6, 3, activation="relu", name="inside")(start)
    body = keras.Model(start, inner, name="body")
    images = keras.Input((8, 8, 3))
    x = layers.GlobalAveragePooling2D(name="mean")(body(images))
    model = keras.Model(images, layers.Dense(3, name="classes")(x))
    pixels = np.random.default_rng(0).normal(size=(30, 8, 8, 3)).astype(np.float32)
    dense = model.get_layer("classes")
    dense.set_weights([dense.get_weights()[0], -np.asarray(model(pixels)).mean(axis=0)])
    label = np.asarray(model(pixels)).argmax(axis=1)
    return model, {"valid": (pixels, label), "bd": (pixels[:12] + 0.5, label[:12])}


def test_plain_masks_are_zeroed_rows_of_the_classifier(toy):
    model, sets = toy
    order, dense = np.array([4, 1, 0, 2, 5, 3]), model.get_layer("classes")
    masked = plain.masked_hits(model, order, sets, [0, 2, 5, 6])
    kernel, bias = before = dense.get_weights()
    for step in (0, 2, 5, 6):
        rows = kernel.copy()
        rows[order[:step]] = 0
        dense.set_weights([rows, bias])
        for name, (images, label) in sets.items():
            assert masked[name][step] == plain.count(np.asarray(model(images)), label)
    assert len(set(masked["valid"].values())) > 1
    dense.set_weights(before)


def test_plain_zeroes_layers_of_networks_inside_and_puts_them_back(toy):
    model, sets = toy
    layer, order = plain.layer_named(model, "inside"), np.arange(6)
    before = layer.get_weights()
    hits = plain.weights_hits(model, "inside", order, sets, [0, 3, 6])
    # Behind a ReLU and a mean, zeroed weights are a masked mean.
    assert hits == plain.masked_hits(model, order, sets, [0, 3, 6])
    assert len({hits["valid"][step] for step in (0, 3, 6)}) > 1
    for one, other in zip(before, layer.get_weights(), strict=True):
        assert np.array_equal(one, other)


def test_plain_counts_may_differ_by_near_ties_alone():
    counts = SimpleNamespace(hits=np.array([5, 5, 5]), near_ties=np.array([0, 2, 1]))
    result = SimpleNamespace(sets={"valid": SimpleNamespace(counts=counts)})
    found = plain.compared(result, {"valid": {0: 5, 1: 7, 2: 3}})
    assert found == {"compared": 3, "different": 2, "beyond": 1, "near_ties": 3}


def test_trained_networks_have_the_layers_that_are_swept():
    model = trained.KINDS["nested"].build()
    names = [one[1] for one in trained.cases_of("nested") if one[1] is not None]
    assert names == ["backbone_5", "backbone_3", "backbone_4"]
    assert [plain.layer_named(model, name).name for name in names] == names
    assert plain.classifier(model).name == "classes"
    assert trained.parser().parse_args([]).only.split(",") == list(trained.KINDS)


def test_trained_kinds_are_told_apart_from_failures():
    found = {"network": "nested", "case": "features", "ok": False, "error": "OptionError: no"}
    assert trained.line_of(found) == "nested, features: FAILED: OptionError: no"


def test_deep_layers_alternate_and_take_the_order_of_the_sweep(tmp_path):
    options = deep_layers.parser().parse_args(["--pairs", "2", "--steps", "3"])
    entries = list(deep_layers.group("inner", "network.keras", {}, tmp_path, options))
    cases = [(entry.round, entry.job["case"]) for entry in entries]
    assert cases[:2] == [(0, "sweep"), (0, "loop")]
    assert cases[2:] == [(1, "sweep"), (1, "loop"), (2, "loop"), (2, "sweep")]
    left, taken = (entry.job["options"] for entry in entries[2:4])
    assert left["order_to"] == taken["order"]
    assert taken["steps"] == [128, 256, 384]
    assert all(entry.job["options"]["layer"] == left["layer"] for entry in entries)
    assert entries[2].environment() == {ONE_CORE_A_CALL: "1"}
    assert entries[3].environment() == {}


def test_deep_layers_ratios_are_those_of_a_round():
    runs = [
        {"point": "last", "case": case, "round": number, "seconds": seconds}
        for number, both in enumerate(((2.0, 1.0), (3.0, 3.0), (6.0, 5.0)))
        for case, seconds in zip(("sweep", "prefix"), both, strict=True)
    ]
    (found,) = deep_layers.ratios(runs)
    assert (found["median"], found["least"], found["most"]) == (1.2, 1.0, 2.0)
    assert found["reached"]


def test_gpu_counts_may_differ_by_the_near_ties_of_both():
    one = {"hits": {"valid": {"0": 5, "1": 5}}, "near_ties": {"valid": {"0": 1, "1": 0}}}
    other = {"hits": {"valid": {"0": 7, "1": 6}}, "near_ties": {"valid": {"0": 1, "1": 0}}}
    assert gpu.differing(one, other) == {"compared": 2, "different": 2, "beyond": 1}
    assert gpu.differing(one, {"hits": one["hits"]})["different"] == 0


def test_gpu_finds_no_tensorflow_and_all_else():
    finder = gpu_child.Without(sys.meta_path)
    assert finder.find_spec("tensorflow", None) is None
    assert finder.find_spec("tensorflow.python", None) is None
    assert finder.find_spec("colorsys", None).name == "colorsys"


def test_gpu_says_what_is_missing(tmp_path):
    with pytest.raises(SystemExit, match="expected wheels; got none"):
        gpu.unpacked(tmp_path, tmp_path / "site")
    with pytest.raises(SystemExit, match="expected one of no_such_backend; got none"):
        gpu.choose(["no_such_backend"], {})


OTHERS = [name for name in gpu.BACKENDS if importlib.util.find_spec(name) is not None]


@pytest.mark.slow
@pytest.mark.skipif(not OTHERS, reason="neither JAX nor PyTorch is installed")
def test_gpu_runs_tiny_without_tensorflow(tmp_path):
    out = tmp_path / "gpu.json"
    options = ["--quick", "--pairs", "1", "--engines", "auto", "--out", str(out)]
    command = [sys.executable, "-m", "bench.gpu", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(out.read_text())
    assert found["backend"] in OTHERS
    assert found["accelerator"] or "no accelerator is seen here" in done.stdout
    assert found["networks"][0]["compared"]["plain Keras"]["compared"] == 3


def _lab():
    from bench.plan import Lab

    sets = {"valid": ("clean", "valid.h5")}
    return Lab("network.h5", sets, sets, channels=60, stride=4)
