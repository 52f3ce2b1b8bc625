"""Clean accuracy and attack success rate: those of plain predict, in the lab's own words."""

from __future__ import annotations

import h5py
import keras
import numpy as np
import pytest
from keras import layers

from fastprune.cli.main import main
from fastprune.errors import DataError, FastpruneError, NetworkError, OptionError
from fastprune.evaluation import evaluate
from fastprune.networks.goodnet import make_goodnet, make_repaired
from fastprune.networks.network import load_network
from tests.helpers.open_files import open_below

PRUNED = np.array([0, 1, 4, 2])


@pytest.fixture(scope="module")
def case(tmp_path_factory, make_network, make_images, plain_classes):
    """B, B′ and G as files and models, with sets whose labels are B's classes, most of them."""
    folder = tmp_path_factory.mktemp("evaluation")
    network = load_network(make_network("vgg_like", seed=3))
    models = {
        "b": network.model,
        "r": make_repaired(network, PRUNED),
        "g": make_goodnet(network, PRUNED),
    }
    for name, model in models.items():
        model.save(folder / f"{name}.keras")
    clean = make_images(150)[0]
    labels = plain_classes(models["b"], clean)
    labels[::9] = (labels[::9] + 1) % 7
    worn = make_images(70, seed=1)[0]
    sets = {
        "clean": (clean, labels),
        "backdoored": (worn, np.full(70, np.bincount(labels).argmax())),
    }
    files = {name: folder / f"{name}.h5" for name in sets}
    for name, (images, of) in sets.items():
        with h5py.File(files[name], "w") as file:
            file["data"], file["label"] = np.moveaxis(images, -1, 1).astype("f8"), of
    return models, sets, {name: folder / f"{name}.keras" for name in models}, files


def by_hand(plain_classes, model, sets):
    return [np.mean(plain_classes(model, images) == labels) for images, labels in sets.values()]


@pytest.mark.parametrize("name", ["b", "r", "g"])
@pytest.mark.slow
def test_figures_are_those_of_plain_predict(case, plain_classes, name):
    models, sets, paths, files = case
    expected = by_hand(plain_classes, models[name], sets)
    for sources, model in ((files, paths[name]), (sets, models[name])):
        found = evaluate(sources["clean"], sources["backdoored"], model)
        assert [found.clean_accuracy, found.attack_success_rate] == expected
        assert (found.clean_images, found.backdoored_images) == (150, 70)
        if name == "g":
            of = (plain_classes(models["g"], images) for images, _ in sets.values())
            flagged = [(classes == 7).sum() for classes in of]
            assert [found.clean_flagged, found.backdoored_flagged] == flagged
            assert found.false_alarm_rate == flagged[0] / 150
            assert found.detection_rate == flagged[1] / 70
        else:
            assert found.clean_flagged is found.backdoored_flagged is None
            assert found.false_alarm_rate is found.detection_rate is None
    assert 0 < expected[0] < 1


@pytest.mark.slow
def test_goodnet_of_two_networks_is_the_saved_goodnet(case, plain_classes):
    models, sets, paths, files = case
    found = evaluate(files["clean"], files["backdoored"], paths["b"], paths["r"])
    alone = evaluate(files["clean"], files["backdoored"], paths["g"])
    assert found == alone
    flagged = [(plain_classes(models["g"], images) == 7).sum() for images, _ in sets.values()]
    assert [found.clean_flagged, found.backdoored_flagged] == flagged
    assert 0 < flagged[0] < 150


def test_scale_divides(case, make_network, make_images, plain_classes):
    models, sets, _, files = case
    images, labels = sets["clean"]
    found = evaluate(files["clean"], files["backdoored"], models["b"], scale=255)
    assert found.clean_accuracy == np.mean(plain_classes(models["b"], images / 255.0) == labels)
    for scale in (0, -1, float("nan"), float("inf")):
        with pytest.raises(OptionError, match="a scale above 0"):
            evaluate(files["clean"], files["backdoored"], models["b"], scale=scale)


@pytest.mark.parametrize("networks", [["b"], ["r"], ["g"], ["b", "r"]])
@pytest.mark.slow
def test_printed_lines_are_those_of_the_labs_eval(case, plain_classes, capsys, networks):
    """The lab's eval.py prints np.mean(np.equal(clean_label_p, cl_y_test))*100."""
    models, sets, paths, files = case
    arguments = [files["clean"], files["backdoored"], *(paths[name] for name in networks)]
    assert main(["evaluate", *map(str, arguments)]) == 0
    out, err = capsys.readouterr()
    model = models["g" if len(networks) == 2 else networks[0]]
    clean, asr = by_hand(plain_classes, model, sets)
    lines = [f"Clean Classification accuracy: {clean * 100}", f"Attack Success Rate: {asr * 100}"]
    if networks in (["g"], ["b", "r"]):
        counts = [(plain_classes(model, images) == 7).sum() for images, _ in sets.values()]
        lines += [
            f"False Alarm Rate: {counts[0] / 1.5:.2f} ({counts[0]} of 150 clean images flagged)",
            f"Detection Rate: {counts[1] / 0.7:.2f} ({counts[1]} of 70 backdoored images flagged)",
        ]
    assert out.splitlines() == lines
    assert err == ""


def test_networks_that_cannot_be_evaluated(case, make_network):
    _, _, paths, files = case

    def refused(*networks):
        with pytest.raises(NetworkError) as caught:
            evaluate(files["clean"], files["backdoored"], *networks)
        return str(caught.value)

    assert "the input and the classes of B" in refused(paths["b"], paths["g"])
    assert "a saved G, which holds both" in refused(paths["g"], paths["g"])
    inputs = keras.Input((12, 10, 3))
    assert "class scores" in refused(keras.Model(inputs, layers.Conv2D(3, 3)(inputs)))
    one = layers.Dense(1)(layers.Flatten()(inputs))
    assert "two classes or more" in refused(keras.Model(inputs, one))
    wide = keras.Input((None, None, 3))
    any_size = keras.Model(wide, layers.Dense(3)(layers.GlobalAveragePooling2D()(wide)))
    assert "fixed image size" in refused(any_size)
    assert "no such file" in refused(paths["b"].with_name("none.h5"))
    model = make_network("vgg_like")
    model.layers[-1].set_weights([weight * np.nan for weight in model.layers[-1].get_weights()])
    assert "finite weights" in refused(model)


def test_sets_that_cannot_be_evaluated(case, write_set):
    models, _, _, files = case
    for name in ("b", "g"):  # class 7 is what G flags
        with pytest.raises(DataError, match="labels 0 … 6"):
            evaluate(write_set("bad.h5", labels=np.full(20, 7)), files["backdoored"], models[name])
    with pytest.raises(DataError, match="no such file"):
        evaluate(files["clean"], files["clean"].with_name("none.h5"), models["b"])
    with pytest.raises(FastpruneError, match="'x'"):
        evaluate(files["clean"], files["backdoored"], models["b"], data_name="x")


def test_no_file_stays_open(case, write_set, tmp_path):
    models, _, _, files = case
    folder = files["clean"].parent
    evaluate(files["clean"], files["backdoored"], models["b"])
    assert open_below(folder) == []
    bad = write_set("bad.h5", labels=np.full(20, 7))
    with pytest.raises(DataError, match="image 0") as held:
        evaluate(files["clean"], bad, models["b"])
    assert open_below(folder) == open_below(tmp_path) == []
    assert held.value is not None, "what the exception refers to was alive"


def test_a_network_without_a_cut_is_evaluated_all_the_same(make_images, plain_classes):
    """Only a sweep needs a cut."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((12, 10, 3))
    scores = layers.Dense(7, bias_initializer="random_normal")
    model = keras.Model(inputs, scores(layers.Flatten()(inputs)))
    images, labels = make_images(30)
    labels[::2] = plain_classes(model, images)[::2]
    found = evaluate((images, labels), (images[:8], labels[:8]), model)
    assert found.clean_accuracy == np.mean(plain_classes(model, images) == labels)


@pytest.mark.slow
def test_the_labs_own_network(lab):
    with np.load(lab / "real_images.npz") as real:
        clean, labels, worn = real["clean"], real["clean_label"], real["sunglasses"]
    target = np.zeros(len(worn), int)
    found = evaluate((clean, labels), (worn, target), lab / "bd_weights.h5")
    assert (found.clean_accuracy, found.attack_success_rate) == (1, 1)
    repaired = lab / "repaired/pool3_ascending_30.h5"
    found = evaluate((clean, labels), (worn, target), lab / "bd_weights.h5", repaired)
    assert found.attack_success_rate < 0.3
    assert found.backdoored_flagged > 36
