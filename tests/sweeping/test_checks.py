"""What a sweep checks of itself and of the network before it gives figures."""

import json
from dataclasses import replace
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from keras import layers, ops

import fastprune
from fastprune.cli.main import main
from fastprune.errors import FaultError, NetworkError
from fastprune.networks.network import load_network
from fastprune.suffix import columns, elementwise, operations, select, translate
from fastprune.suffix import program as program_module
from fastprune.suffix.compile import build
from fastprune.suffix.engine import Block

# Labels are random: no network here is better than chance.
pytestmark = pytest.mark.filterwarnings("ignore:B is right on")

IMAGE = (9, 8, 2)
CLASSES = 5


def network(*tail, start=(), seed=0, name="checked"):
    """A convolution, a pool, and what is given behind them; a Dense layer of scores last."""
    keras.utils.set_random_seed(seed)
    x = inputs = keras.Input(IMAGE)
    for layer in start:
        x = layer(x)
    x = layers.Conv2D(6, 3, activation="relu", name="prune_me")(x)
    x = layers.Flatten()(layers.MaxPooling2D(2, name="cut_here")(x))
    for layer in tail:
        x = layer(x)
    return keras.Model(inputs, layers.Dense(CLASSES, name="scores")(x), name=name)


def a_set(count=40, seed=1):
    rng = np.random.default_rng(seed)
    return rng.normal(0, 1, (count, *IMAGE)).astype(np.float32), rng.integers(0, CLASSES, count)


def translate_tanh_as_sigmoid(monkeypatch):
    """The loops themselves stay: what is compiled here is kept on disk."""
    wrong = SimpleNamespace(**{**vars(operations), "TANH": operations.SIGMOID})
    monkeypatch.setattr(elementwise, "operations", wrong)


@pytest.mark.slow
def test_an_engine_that_is_wrong_is_caught_before_the_rest_runs(monkeypatch):
    model = network(layers.Dense(12, activation="tanh"))
    assert fastprune.sweep(model, valid=a_set()).options["self_check"]["compared"] == 4 * 16
    translate_tanh_as_sigmoid(monkeypatch)
    with pytest.raises(FaultError, match=r"expected class \d, as of plain Keras.*please report"):
        fastprune.sweep(model, valid=a_set(), engine="incremental")
    with pytest.raises(FaultError, match="expected the engines incremental and keras to agree"):
        fastprune.sweep(model, valid=a_set())
    fastprune.sweep(model, valid=a_set(), engine="keras")


def test_a_fault_ends_with_70_in_one_line_and_no_results(monkeypatch, tmp_path, write_set, capsys):
    network(layers.Dense(12, activation="tanh")).save(tmp_path / "b.keras")
    images, labels = a_set()
    valid = write_set("valid.h5", images, labels)
    translate_tanh_as_sigmoid(monkeypatch)
    out = tmp_path / "results"
    words = ["sweep", "--model", str(tmp_path / "b.keras"), "--valid", str(valid), "--quiet"]
    assert main([*words, "--out", str(out)]) == 70
    told = capsys.readouterr().err.strip()
    assert told.count("\n") == 0
    assert "fault of fastprune" in told
    assert not list(out.glob("*"))


def test_every_order_is_checked():
    found = fastprune.sweep_orders(
        network(), valid=a_set(), orders=["ascending", "descending", "random:1"]
    )
    steps = [0, 2, 4, 6]
    assert found[0].options["self_check"] == {"images": 16, "steps": steps, "compared": 16 * 6}


def negative_variance():
    made = layers.BatchNormalization()
    made.build((None, *IMAGE))
    made.set_weights([np.ones(2), np.zeros(2), np.zeros(2), np.full(2, -1.0)])
    return network(start=[made])


def huge_weights():
    model = network(layers.Dense(6, activation="relu"))
    for layer in model.layers:
        layer.set_weights([np.full(w.shape, 3e38) for w in layer.get_weights()])
    return model


def equal_scores():
    model = network()
    model.get_layer("scores").set_weights([np.zeros((54, CLASSES)), np.zeros(CLASSES)])
    return model


NO_CLASS = {
    # TensorFlow's ReLU makes 0 of NaN: then all scores are the biases'.
    "negative variance": (negative_variance, "for every class for image 0"),
    "NaN": (lambda: network(start=[layers.Rescaling(float("nan"))]), "for every class for image 0"),
    "NaN behind": (lambda: network(layers.Rescaling(float("nan"))), "NaN or infinity for image 0"),
    "overflow": (huge_weights, "NaN or infinity for image 0"),
    "equal": (equal_scores, "the same score for every class for image 0"),
    "flipped batch": (lambda: network(lambda x: ops.flip(x, axis=0)), "each image by itself"),
    "batch mean": (
        lambda: network(lambda x: x - ops.mean(x, axis=0, keepdims=True)), "each image by itself",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", NO_CLASS)
@pytest.mark.slow
def test_scores_that_name_no_class_are_an_error_everywhere(case, tmp_path):
    from PIL import Image

    make, expected = NO_CLASS[case]
    model = make()
    with pytest.raises(NetworkError, match=expected):
        fastprune.evaluate(a_set(), a_set(seed=2), model)
    with pytest.raises(NetworkError, match=expected) as told:
        fastprune.sweep(model, valid=a_set())
    assert "valid" in str(told.value) or "itself" in expected
    assert "\n" not in str(told.value)
    if case == "flipped batch":  # images of two channels have no files: one of three has
        inputs = keras.Input((*IMAGE[:2], 3))
        x = layers.Flatten()(layers.Conv2D(4, 3)(inputs))
        model = keras.Model(inputs, layers.Dense(CLASSES)(ops.flip(x, axis=0)))
        for index in range(5):
            pixels = np.random.default_rng(index).integers(0, 256, (*IMAGE[:2], 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / f"{index}.png")
        with pytest.raises(NetworkError, match=expected):
            fastprune.predict(model, tmp_path)


def test_the_image_is_named_wherever_it_lies():
    """One image in the middle of a later set overflows; its set and its index are said."""
    model = network(layers.Dense(7))
    images, labels = a_set(300)
    images[201] = np.copysign(3e38, images[201])  # finite, but no sum of them is
    for engine in ("incremental", "keras"):
        with pytest.raises(NetworkError, match=r"NaN or infinity for image 201 of other"):
            fastprune.sweep(model, valid=a_set(), clean={"other": (images, labels)}, engine=engine)
    with pytest.raises(NetworkError, match="image 201 of backdoored"):
        fastprune.evaluate(a_set(), (images, labels), model)


def test_equal_scores_without_channels_are_near_ties_and_no_error():
    """With every channel pruned and no bias, nothing is left to say: that is no fault of B."""
    model = network()
    kernel, _ = model.get_layer("scores").get_weights()
    model.get_layer("scores").set_weights([kernel, np.zeros(CLASSES)])
    result = fastprune.sweep(model, valid=a_set())
    assert result.sets["valid"].counts.near_ties[-1] == 40


def test_two_classes_that_are_close_are_a_near_tie_and_no_error():
    """Of two classes "all equal" is what any near-tie is."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input(IMAGE)
    x = layers.Flatten()(layers.Conv2D(4, 3, activation="relu")(inputs))
    model = keras.Model(inputs, layers.Dense(2)(x))
    kernel, bias = model.layers[-1].get_weights()
    kernel[:, 1] = kernel[:, 0] * (1 + 1e-7)
    model.layers[-1].set_weights([kernel, bias])
    images, labels = a_set()
    result = fastprune.sweep(model, valid=(images, labels % 2))
    assert result.sets["valid"].counts.near_ties[0] > 30


@pytest.mark.slow
def test_b_is_counted_as_evaluate_counts_it():
    valid, other = a_set(100), a_set(150, seed=2)
    for tail in ([], [layers.Dense(9, activation="relu"), layers.LayerNormalization()]):
        model = network(*tail)
        result = fastprune.sweep(model, valid=valid, backdoored={"bd": other})
        found = fastprune.evaluate(valid, other, model)
        assert result.sets["valid"].counts.hits[0] == found.clean_hits
        assert result.sets["bd"].counts.hits[0] == found.backdoored_hits


@pytest.mark.parametrize(("seconds", "taken"), [((1, 0.95), 0), ((1, 0.5), 1), ((9, 1), 1)])
@pytest.mark.slow
def test_auto_takes_the_engine_that_is_clearly_faster(monkeypatch, seconds, taken):
    names, run = ("incremental", "keras"), select.timed

    def timed(engine, *given):
        return seconds[names.index(engine.name)], run(engine, *given)[1]

    monkeypatch.setattr(select, "timed", timed)
    result = fastprune.sweep(network(), valid=a_set())
    assert result.options["engine_used"] == names[taken]
    assert "measured on" in result.options["engine_reason"]
    assert "keras" in result.options["engine_reason"]


@pytest.mark.slow
def test_why_an_engine_was_taken_stands_in_the_results(tmp_path):
    fastprune.sweep(network(), valid=a_set(), engine="keras").save(tmp_path, plots=False)
    options = json.loads((tmp_path / "sweep.json").read_text())["options"]
    assert options["engine_reason"] == "asked for"
    assert options["self_check"]["images"] == 16
    alone = network(layers.Reshape((9, 6)), layers.LayerNormalization(), layers.Flatten())
    found = fastprune.sweep(alone, valid=a_set()).options
    assert (found["engine_used"], found["engine_reason"]) == ("keras", "the only candidate")


def program_of(model, cut_layer=None):
    loaded = load_network(model, cut_layer=cut_layer)
    return loaded, build(loaded)


def test_a_program_that_leaves_its_arrays_is_refused():
    """Each table of a sound program in turn is made to point one place too far."""
    deep = (layers.Reshape((3, 3, 6)), layers.Conv2D(5, 2, activation="relu"),
            layers.MaxPooling2D(2, padding="same"), layers.BatchNormalization(), layers.Flatten(),
            layers.Dense(7, activation="tanh"))  # fmt: skip
    _, program = program_of(network(*deep), cut_layer="cut_here")
    tables = program.tables
    kinds = {operations.LINEAR, operations.POOL_MAX, operations.AFFINE, operations.TANH}
    assert kinds <= set(tables.operations[:, columns.KIND].tolist())
    for table in ("operations", "blocks", "taps", "shares"):
        whole = getattr(tables, table)
        for place in np.ndindex(whole.shape):
            if table in ("operations", "shares") and (place[1] == 0 or not whole[place]):
                continue  # the kind of operation; a column that it does not have
            far = whole.copy()
            far[place] += 1 << 24
            pools = table == "operations" and whole[place[0], 0] >= operations.POOL_MAX
            if pools and place[1] >= columns.WINDOW_HEIGHT:
                continue  # window, stride and padding: where they lead outside nothing is read
            with pytest.raises(program_module.OutOfBounds):
                replace(program, tables=tables._replace(**{table: far}))
    for size in ("scores", "classes", "linear"):
        far = tables.sizes._replace(**{size: getattr(tables.sizes, size) + (1 << 24)})
        with pytest.raises(program_module.OutOfBounds):
            replace(program, tables=tables._replace(sizes=far))
    with pytest.raises(program_module.OutOfBounds, match="the scores"):
        replace(program, tables=tables._replace(base=tables.base[:4]))
    fewer = tables.sizes._replace(inputs=tables.sizes.inputs - 1)
    with pytest.raises(program_module.OutOfBounds, match="of a block"):
        replace(program, tables=tables._replace(sizes=fewer))


def test_cut_activations_of_another_network_are_refused():
    loaded, _ = program_of(network())
    engine = select.make_engine(loaded, "incremental")
    order = np.arange(6)
    fitting = Block(np.zeros((2, 9, 6), np.float32), np.arange(6), 2)
    assert engine.classes(fitting, order).classes.shape == (7, 2)
    with pytest.raises(program_module.OutOfBounds):
        engine.classes(Block(np.zeros((2, 8, 6), np.float32), np.arange(6), 2), order)
    for wrong in (order + 1, order - 1, np.append(order, 0)):
        with pytest.raises((program_module.OutOfBounds, ValueError)):
            engine.classes(fitting, wrong)
    cut = engine.cut(fitting, order)
    for wrong in (
        {"places": np.array([0, 1, 2, 3, 4, 6])}, {"pruned": cut.pruned[:, 1:]},
        {"pruned": np.repeat(cut.pruned, 3, axis=0)}, {"base": np.repeat(cut.base, 3, axis=0)},
        {"base": cut.base[:, :4]},
    ):  # fmt: skip
        with pytest.raises(program_module.OutOfBounds):
            program_module.check_call(engine.program, cut._replace(**wrong), order)


@pytest.mark.parametrize("classes", [10, 100, 1000])
@pytest.mark.parametrize("head", ["reshape", "flatten", "softmax"])
@pytest.mark.slow
def test_only_views_behind_the_cut(classes, head):
    """The scores are the cut itself: the arena must hold it."""
    keras.utils.set_random_seed(3)
    inputs = keras.Input((12, 12, 3))
    x = layers.Conv2D(8, 3, activation="relu", name="conv_1")(inputs)
    x = layers.GlobalAveragePooling2D(keepdims=True)(x)
    x = layers.Conv2D(classes, 1, name="conv_preds")(x)
    x = layers.Flatten()(x) if head == "flatten" else layers.Reshape((classes,))(x)
    model = keras.Model(inputs, layers.Softmax()(x) if head == "softmax" else x)
    _, program = program_of(model)
    sizes = program.tables.sizes
    assert sizes.scores + sizes.classes <= program.tables.base.size
    assert translate.TRANSLATORS["Reshape"] is translate.view
    images = np.random.default_rng(0).normal(0, 3, (24, 12, 12, 3)).astype(np.float32)
    labels = model.predict(images, verbose=0).argmax(axis=1)
    result = fastprune.sweep(
        model, valid=(images, labels), engine="incremental", order="mean-abs", verify=9
    )
    assert result.sets["valid"].counts.hits[0] == len(images)
    assert result.options["verified"]["compared"] == 9 * len(images)
