"""Files of Keras 2: what Keras 3 no longer reads, or reads as something else, is put right."""

from __future__ import annotations

import json

import h5py
import keras
import numpy as np
import pytest
from keras import layers

from fastprune import loading, vetting
from fastprune.errors import NetworkError

pytestmark = pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")

SHAPE = (12, 10, 3)


def node(*tensors, **keywords):
    """Return a call as Keras 2 wrote it: each of its tensors with all keywords."""
    return [[*tensor, keywords] for tensor in tensors]


def tensors_of(value):
    """Return the tensors that a call of Keras 3 names, in order."""
    if isinstance(value, dict) and value.get("class_name") == "__keras_tensor__":
        return [value["config"]["keras_history"]]
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    return [tensor for item in items for tensor in tensors_of(item)]


def aged(part):
    """Return the configuration of a network or a layer of Keras 3 as Keras 2.15 wrote it."""
    settings = dict(part["config"])
    settings.pop("quantization_config", None)
    for key in ("batch_shape", "batch_input_shape"):
        if key in settings:
            settings = {"batch_input_shape": settings.pop(key), **settings}
    if isinstance(settings.get("dtype"), dict):
        settings["dtype"] = settings["dtype"]["config"]["name"]
    if isinstance(settings.get("layer"), dict):
        settings["layer"] = aged(settings["layer"])
    if part["class_name"] != "InputLayer":
        settings["trainable"] = True
    old = {"class_name": part["class_name"], "config": settings}
    if "name" in part:
        calls = [node(*tensors_of(call)) for call in part["inbound_nodes"]]
        old |= {"name": part["name"], "inbound_nodes": calls}
    if "layers" not in settings:
        return old
    settings["layers"] = [aged(layer) for layer in settings["layers"]]
    inner = {layer["config"]["name"] for layer in settings["layers"] if "layers" in layer["config"]}
    ends = {key: settings[key] for key in ("input_layers", "output_layers") if key in settings}
    functional = {
        layer["config"]["name"]
        for layer in settings["layers"]
        if layer["class_name"] == "Functional"
    }
    for key, end in ends.items():
        name, number, output = end
        # Keras 3 already counts from 1 here, if the layer is a Functional.
        number += name in inner - functional
        settings[key] = [[name, number, output]]
    for layer in settings["layers"]:
        for call in layer.get("inbound_nodes", []):
            for tensor in call:
                tensor[1] += tensor[0] in inner
    return old


def every(config):
    """Yield the configurations of a network, its layers, and theirs."""
    yield config
    for layer in config["config"].get("layers", []):
        yield from every(layer)


def write_old(path, model, change=lambda part: None, version="2.15.0"):
    """Save a network in the form of Keras 2, with `change` applied to each of its parts."""
    model.save(path)
    with h5py.File(path, "a") as file:
        config = aged(json.loads(file.attrs["model_config"]))
        for part in every(config):
            change(part)
        file.attrs["model_config"] = json.dumps(config)
        for place in (file, file["model_weights"]):
            place.attrs["keras_version"] = version
    return config


def seeded(model):
    """Give a network weights that are no layer's default ones."""
    random = np.random.default_rng(0)
    model.set_weights([random.uniform(0.1, 0.6, weight.shape) for weight in model.get_weights()])
    return model


def network(*middle, shape=SHAPE, nested=False):
    """Return a Functional with these layers one after another, or one within another."""
    keras.utils.set_random_seed(3)
    inputs = keras.Input(shape)
    x = inputs
    for layer in middle:
        x = layer(x)
    if nested:
        return keras.Model(inputs, x, name="body")
    x = layers.Dense(5, activation="softmax")(layers.Flatten()(x))
    return seeded(keras.Model(inputs, x))


def sequential(*middle):
    keras.utils.set_random_seed(3)
    ends = (layers.Flatten(), layers.Dense(5, activation="softmax"))
    return seeded(keras.Sequential([keras.Input(SHAPE), *middle, *ends]))


def same(found, model):
    images = np.random.default_rng(1).uniform(-2, 2, (6, *model.input_shape[1:])).astype(np.float32)
    expected = model.predict(images, verbose=0)
    assert len({round(float(scores.max()), 5) for scores in expected}) > 1, "a constant network"
    np.testing.assert_array_equal(found.predict(images, verbose=0), expected)


def refused(path, *words):
    with pytest.raises(NetworkError) as caught:
        loading.load_model(path)
    message = str(caught.value)
    assert message.isprintable()
    assert message.startswith("expected ")
    for word in words:
        assert word in message, message
    return message


def setting(kind, _as=None, **values):
    """Return a change: what Keras 2 wrote beside a layer's other settings, and its old class."""

    def change(part):
        if part["class_name"] == kind:
            part["config"] |= values
            part["class_name"] = _as or kind

    return change


UNIFORM = {"class_name": "GlorotUniform", "config": {"seed": None}}
KERNEL = {"kernel_initializer": UNIFORM, "kernel_regularizer": None, "kernel_constraint": None}


def renamed(kind, old_kind, **keys):
    def change(part):
        if part["class_name"] == kind:
            part["class_name"] = old_kind
            for old, new in keys.items():
                part["config"][old] = part["config"].pop(new)

    return change


def initializer(**values):
    def change(part):
        for key in part["config"]:
            if key.endswith("_initializer"):
                part["config"][key] = {"class_name": "Zeros", "config": {}, **values}

    return change


POLICY = {
    "module": "keras.mixed_precision",
    "class_name": "Policy",
    "config": {"name": "float32"},
    "registered_name": None,
}
CHANGES = {
    "depthwise": (
        lambda: layers.DepthwiseConv2D(3, depth_multiplier=2, activation="relu"),
        setting("DepthwiseConv2D", groups=1),
    ),
    "depthwise of 2.2": (lambda: layers.DepthwiseConv2D(3), setting("DepthwiseConv2D", **KERNEL)),
    "separable": (
        lambda: layers.SeparableConv2D(4, 3, depth_multiplier=2),
        setting("SeparableConv2D", groups=1, **KERNEL),
    ),
    "separable with a regularizer": (
        lambda: layers.SeparableConv2D(4, 3),
        setting("SeparableConv2D", kernel_regularizer={"class_name": "L2", "config": {"l2": 0.1}}),
    ),
    "transposed": (
        lambda: layers.Conv2DTranspose(4, 3, strides=2),
        setting("Conv2DTranspose", groups=1),
    ),
    "spatial dropout": (
        lambda: layers.SpatialDropout2D(0.3),
        setting("SpatialDropout2D", noise_shape=None),
    ),
    "flip": (lambda: layers.RandomFlip("horizontal"), setting("RandomFlip", rng_type="stateful")),
    "rotation": (
        lambda: layers.RandomRotation(0.1),
        setting("RandomRotation", rng_type="stateful"),
    ),
    "height": (lambda: layers.Identity(), renamed("Identity", "RandomHeight")),
    "thresholded": (
        lambda: layers.ReLU(threshold=0.7),
        renamed("ReLU", "ThresholdedReLU", theta="threshold"),
    ),
    "batchnorm of TensorFlow 1": (
        lambda: layers.BatchNormalization(),
        setting("BatchNormalization", "BatchNormalizationV1"),
    ),
    "batchnorm of many machines": (
        lambda: layers.BatchNormalization(),
        setting("BatchNormalization", "SyncBatchNormalization", axis=[3]),
    ),
    "layernorm": (
        lambda: layers.LayerNormalization(axis=[1, 2, 3]),
        setting("LayerNormalization", axis=[1, 2, 3]),
    ),
    "layernorm without weights": (
        lambda: layers.LayerNormalization(axis=[1, 2, 3], scale=False, center=False),
        setting("LayerNormalization", axis=[1, 2, 3]),
    ),
    "softmax": (lambda: layers.Softmax(axis=(1, 2)), setting("Softmax", axis=[1, 2])),
    "unit norm": (
        lambda: layers.UnitNormalization(axis=[1, 2]),
        setting("UnitNormalization", axis=[1, 2]),
    ),
    "policy": (lambda: layers.Conv2D(4, 3), setting("Conv2D", dtype=POLICY)),
    "a layer as activation": (
        lambda: layers.Conv2D(4, 3, activation=layers.LeakyReLU(0.2)),
        setting("Conv2D", activation={"class_name": "LeakyReLU", "config": {"alpha": 0.2}}),
    ),
    "initializers of TensorFlow 1": (
        lambda: layers.Conv2D(4, 3),
        initializer(config={"dtype": "float32"}),
    ),
    "initializers of TensorFlow": (
        lambda: layers.Conv2D(4, 3),
        initializer(module="tensorflow.python.ops.init_ops_v2", registered_name="Zeros"),
    ),
    "time-distributed": (
        lambda: layers.TimeDistributed(layers.SeparableConv1D(4, 3)),
        lambda part: part["config"].get("layer", {"config": {}})["config"].update(groups=1),
    ),
}


CHANGES["time-distributed, renamed"] = (
    lambda: layers.TimeDistributed(layers.ReLU(threshold=0.7)),
    lambda part: renamed("ReLU", "ThresholdedReLU", theta="threshold")(
        part["config"].get("layer", {"class_name": None})
    ),
)
CHANGES["time-distributed batchnorm"] = (
    lambda: layers.TimeDistributed(layers.BatchNormalization()),
    lambda part: part["config"].get("layer", {"config": {}})["config"].update(axis=[2]),
)
CHANGES["time-distributed network"] = (
    lambda: layers.TimeDistributed(
        keras.Sequential([keras.Input((10, 3)), layers.DepthwiseConv1D(3)])
    ),
    lambda part: part["config"].get("layer", {}).update(module="keras.src.engine.sequential"),
)
IN_A_SEQUENTIAL = ["depthwise", "height", "layernorm without weights", "time-distributed"]


@pytest.mark.parametrize(
    ("name", "make"),
    [*((name, network) for name in CHANGES), *((name, sequential) for name in IN_A_SEQUENTIAL)],
)
def test_settings_of_keras_2(tmp_path, name, make):
    layer, change = CHANGES[name]
    model = make(layer())
    config = write_old(tmp_path / "old.h5", model, change)
    before = (tmp_path / "old.h5").read_bytes()
    found = loading.load_model(tmp_path / "old.h5")
    same(found, model)
    assert (tmp_path / "old.h5").read_bytes() == before
    assert config != json.loads(model.to_json())


def test_a_normalization_over_everything(tmp_path):
    normalization = layers.Normalization(axis=None)
    normalization.adapt(np.random.default_rng(2).uniform(-3, 1, (9, *SHAPE)))
    inputs = keras.Input(SHAPE)
    x = layers.Flatten()(normalization(inputs))
    model = keras.Model(inputs, layers.Dense(5, activation="softmax")(x))
    shape = [None, *SHAPE]
    write_old(tmp_path / "old.h5", model, setting("Normalization", batch_input_shape=shape))
    same(loading.load_model(tmp_path / "old.h5"), model)


def test_a_setting_that_meant_something_is_not_dropped(tmp_path):
    model = network(layers.SpatialDropout2D(0.3))
    write_old(tmp_path / "old.h5", model, setting("SpatialDropout2D", noise_shape=[None, 1, 1, 3]))
    refused(tmp_path / "old.h5", "SpatialDropout2D: ", "noise_shape")


def mobilenet():
    """A MobileNet in small: slashes in names, squeeze and excite, a head without weights."""
    keras.utils.set_random_seed(3)
    inputs = keras.Input(SHAPE)
    x = layers.Conv2D(6, 3, strides=2, use_bias=False, name="conv1_conv")(inputs)
    x = layers.BatchNormalization(name="conv1_bn")(x)
    x = layers.ReLU(6.0, name="conv1_relu")(x)
    skip = x
    x = layers.DepthwiseConv2D(3, padding="same", use_bias=False, name="conv_dw")(x)
    x = layers.ReLU(6.0)(layers.BatchNormalization()(x))
    x = layers.Add()([skip, layers.Conv2D(6, 1, name="project")(x)])
    squeezed = layers.GlobalAveragePooling2D(keepdims=True)(x)
    x = layers.Multiply()([x, layers.Conv2D(6, 1, activation="sigmoid")(squeezed)])
    x = layers.Dropout(0.1)(layers.GlobalAveragePooling2D()(x))
    x = layers.Reshape((1, 1, 6))(x)
    x = layers.Flatten()(layers.Conv2D(5, 1, name="preds")(x))
    return seeded(keras.Model(inputs, layers.Activation("softmax")(x)))


def xception():
    """An Xception in small: separable convolutions and a shortcut."""
    keras.utils.set_random_seed(3)
    inputs = keras.Input(SHAPE)
    x = layers.Activation("relu")(layers.Conv2D(4, 3, padding="same", use_bias=False)(inputs))
    skip = layers.BatchNormalization()(layers.Conv2D(6, 1, strides=2, padding="same")(x))
    x = layers.SeparableConv2D(6, 3, padding="same", use_bias=False, name="sepconv1")(x)
    x = layers.Activation("relu")(layers.BatchNormalization()(x))
    x = layers.SeparableConv2D(6, 3, padding="same", name="sepconv2")(x)
    x = layers.add([layers.MaxPooling2D(3, 2, padding="same")(x), skip])
    x = layers.GlobalAveragePooling2D()(x)
    return seeded(keras.Model(inputs, layers.Dense(5, activation="softmax")(x)))


def typical(part):
    """Write what Keras 2 wrote beside the settings of Keras 3."""
    for change in (
        setting("DepthwiseConv2D", groups=1),
        setting("SeparableConv2D", groups=1, **KERNEL),
        setting("BatchNormalization", axis=[3]),
        setting("RandomFlip", rng_type="stateful"),
        lambda part: slashed(part) if "layers" in part["config"] else None,
    ):
        change(part)


def slashed(part):
    """Give the layers conv1_… of a network the names conv1/… of Keras 2."""
    text = json.dumps(part["config"])
    part["config"] = json.loads(text.replace('"conv1_', '"conv1/'))


@pytest.mark.parametrize("make", [mobilenet, xception])
def test_whole_networks(tmp_path, make):
    model = make()
    write_old(tmp_path / "old.h5", model, typical)
    found = loading.load_model(tmp_path / "old.h5")
    same(found, model)
    assert [layer.name for layer in found.layers] == [layer.name for layer in model.layers]


def test_names_with_a_slash_stay_apart(tmp_path):
    inputs = keras.Input(SHAPE, name="conv1_in")
    x = layers.Conv2D(3, 3, name="conv1_conv")(inputs)
    x = layers.Conv2D(3, 3, name="conv")(x)
    model = keras.Model(inputs, layers.Dense(5, name="conv1_out")(layers.Flatten(name="f")(x)))
    write_old(tmp_path / "old.h5", seeded(model), typical)
    with h5py.File(tmp_path / "old.h5", "a") as file:
        text = file.attrs["model_config"].replace('"conv"', '"conv1_conv"')
        file.attrs["model_config"] = text
    found = loading.load_model(tmp_path / "old.h5")
    same(found, model)
    names = [layer.name for layer in found.layers]
    assert names == ["conv1_in", "conv1_conv_", "conv1_conv", "f", "conv1_out"]


def body():
    convolution = layers.DepthwiseConv2D(3, name="conv1_inner")
    return network(convolution, layers.BatchNormalization(), layers.ReLU(6.0), nested=True)


def once(inputs):
    return body()(inputs)


def twice(inputs):
    inner = body()
    return layers.Concatenate()([inner(inputs), inner(layers.Conv2D(3, 3, padding="same")(inputs))])


def deep(inputs):
    start = keras.Input(SHAPE)
    middle = keras.Model(start, body()(layers.Conv2D(3, 3, padding="same")(start)), name="middle")
    return middle(inputs)


def preprocessed(inputs):
    start = [keras.Input(SHAPE), layers.RandomFlip("horizontal"), layers.Rescaling(0.5, 0.1)]
    return body()(keras.Sequential(start, name="preprocess")(inputs))


@pytest.mark.parametrize("middle", [once, twice, deep, preprocessed])
def test_networks_within_a_network(tmp_path, middle):
    inputs = keras.Input(SHAPE)
    x = layers.Flatten()(middle(inputs))
    model = seeded(keras.Model(inputs, layers.Dense(5, activation="softmax")(x)))
    write_old(tmp_path / "old.h5", model, typical)
    found = loading.load_model(tmp_path / "old.h5")
    assert isinstance(found.output, keras.KerasTensor)
    same(found, model)


@pytest.mark.parametrize("kind", ["Functional", "Sequential"])
def test_a_network_at_the_end_of_a_network(tmp_path, kind):
    start = keras.Input((10, 8, 4))
    flat, dense = layers.Flatten(), layers.Dense(5, activation="softmax")
    head = {
        "Functional": lambda: keras.Model(start, dense(flat(start)), name="head"),
        "Sequential": lambda: keras.Sequential([start, flat, dense], name="head"),
    }[kind]()
    inputs = keras.Input(SHAPE)
    model = seeded(keras.Model(inputs, head(layers.SeparableConv2D(4, 3)(inputs))))
    write_old(tmp_path / "old.h5", model, typical)
    same(loading.load_model(tmp_path / "old.h5"), model)


def test_networks_within_a_sequential(tmp_path):
    inner = keras.Sequential([keras.Input(SHAPE), layers.SeparableConv2D(3, 3, padding="same")])
    model = sequential(inner, body())
    write_old(tmp_path / "old.h5", model, typical)
    same(loading.load_model(tmp_path / "old.h5"), model)


def test_a_nested_sequential_of_keras_before_2_4_has_its_shape_in_its_first_layer(tmp_path):
    inner = keras.Sequential([keras.Input(SHAPE), layers.Conv2D(4, 3), layers.ReLU()])
    model = network(inner)

    def change(part):
        if part["class_name"] == "Sequential":
            first, *others = part["config"]["layers"]
            others[0]["config"]["batch_input_shape"] = first["config"]["batch_input_shape"]
            part["config"]["layers"] = others

    write_old(tmp_path / "old.h5", model, change, version="2.3.1")
    same(loading.load_model(tmp_path / "old.h5"), model)


def called(function, calls, kind="TFOpLambda"):
    """Return a change: the layer named "op" is a call of a function, on the tensors it takes."""

    def change(part):
        if part.get("name") == "op":
            (tensors,) = part["inbound_nodes"]
            part["class_name"] = kind
            part["config"] = {"name": "op", "trainable": True, "dtype": "float32"}
            part["config"]["function"] = function
            part["inbound_nodes"] = [calls(*(tensor[:3] for tensor in tensors))]

    return change


def alone(function, _kind="TFOpLambda", **keywords):
    return called(function, lambda x: [*x, keywords], _kind)


def reversed_(function, constant):
    return called(function, lambda x: ["_CONSTANT_VALUE", -1, constant, {"y": x, "name": None}])


def rescaling(scale=1.0, offset=0.0):
    return lambda: layers.Rescaling(scale, offset, name="op")


def activation(name):
    return lambda: layers.Activation(name, name="op")


CALLS = {
    "x + 3": (rescaling(1.0, 3.0), alone("__operators__.add", y=3.0, name=None)),
    "3 + x": (rescaling(1.0, 3.0), reversed_("__operators__.add", 3.0)),
    "x - 3": (rescaling(1.0, -3.0), alone("math.subtract", y=3, name=None)),
    "3 - x": (rescaling(-1.0, 3.0), reversed_("math.subtract", 3.0)),
    "x * 3": (rescaling(3.0), alone("math.multiply", y=3.0)),
    "x / 4": (rescaling(0.25), alone("math.truediv", y=4.0, name=None)),
    "x * [1, 2, 3]": (
        rescaling([1.0, 2.0, 3.0]),
        alone("math.multiply", y=[1.0, 2.0, 3.0]),
    ),
    "x - [1, 2, 3]": (
        rescaling(1.0, [-1.0, -2.0, -3.0]),
        alone("math.subtract", y=[1.0, 2.0, 3.0]),
    ),
    "bias_add": (
        rescaling(1.0, [1.0, 2.0, 3.0]),
        alone("nn.bias_add", bias=[1.0, 2.0, 3.0], data_format="NHWC"),
    ),
    "cast": (rescaling(), alone("cast", dtype="float32")),
    "relu": (lambda: layers.ReLU(name="op"), alone("nn.relu")),
    "relu6": (lambda: layers.ReLU(6.0, name="op"), alone("nn.relu6")),
    "maximum": (lambda: layers.ReLU(name="op"), alone("math.maximum", y=0.0, name=None)),
    "clip": (
        lambda: layers.ReLU(1.0, name="op"),
        alone("clip_by_value", clip_value_min=0.0, clip_value_max=1.0),
    ),
    "leaky_relu": (lambda: layers.LeakyReLU(0.2, name="op"), alone("nn.leaky_relu")),
    "leaky_relu(0.1)": (
        lambda: layers.LeakyReLU(0.1, name="op"),
        alone("nn.leaky_relu", alpha=0.1),
    ),
    "softmax": (lambda: layers.Softmax(1, name="op"), alone("nn.softmax", axis=1)),
    "silu": (activation("silu"), alone("nn.silu", beta=1.0)),
    "gelu": (activation("gelu"), alone("nn.gelu", approximate=False)),
    "sigmoid": (activation("sigmoid"), alone("math.sigmoid")),
    "tanh": (activation("tanh"), alone("math.tanh")),
    "softplus": (activation("softplus"), alone("math.softplus")),
    "elu": (activation("elu"), alone("nn.elu")),
    "mean": (
        lambda: layers.GlobalAveragePooling2D(name="op"),
        alone("math.reduce_mean", axis=[1, 2]),
    ),
    "max": (
        lambda: layers.GlobalMaxPooling2D(keepdims=True, name="op"),
        alone("math.reduce_max", axis=[1, 2], keepdims=True),
    ),
    "x[:, 1:-1]": (
        lambda: layers.Cropping2D(((1, 1), (0, 0)), name="op"),
        alone(
            "__operators__.getitem",
            "SlicingOpLambda",
            slice_spec=[
                {"start": None, "stop": None, "step": None},
                {"start": 1, "stop": -1, "step": None},
            ],
        ),
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_calls_of_functions_become_layers(tmp_path, name):
    layer, change = CALLS[name]
    model = network(layers.Conv2D(3, 3, name="before"), layer())
    write_old(tmp_path / "old.h5", model, change)
    found = loading.load_model(tmp_path / "old.h5")
    same(found, model)
    names = [operation.name for operation in found.operations]
    assert names == [operation.name for operation in model.operations]


def test_images_turned_from_rgb_to_bgr(tmp_path):
    model = network(layers.Identity(name="op"), layers.Conv2D(4, 3))
    spec = [{"class_name": "__ellipsis__"}, {"start": None, "stop": None, "step": -1}]
    change = alone("__operators__.getitem", "SlicingOpLambda", slice_spec=spec)
    write_old(tmp_path / "old.h5", model, change)
    found = loading.load_model(tmp_path / "old.h5")
    images = np.random.default_rng(1).uniform(-2, 2, (6, *SHAPE)).astype(np.float32)
    np.testing.assert_array_equal(
        found.predict(images, verbose=0), model.predict(images[..., ::-1], verbose=0)
    )


def keyed(function):
    return called(function, lambda x, y: [*x, {"y": y, "name": None}])


PAIRS = {
    "x + y": (layers.Add, keyed("__operators__.add")),
    "x - y": (layers.Subtract, keyed("math.subtract")),
    "x * y": (layers.Multiply, keyed("math.multiply")),
    "maximum": (layers.Maximum, keyed("math.maximum")),
    "add_n": (layers.Add, called("math.add_n", lambda x, y: node(x, y))),
    "concat": (layers.Concatenate, called("concat", lambda x, y: node(x, y, axis=-1))),
}


@pytest.mark.parametrize("name", PAIRS)
def test_calls_with_two_tensors(tmp_path, name):
    layer, change = PAIRS[name]
    inputs = keras.Input(SHAPE)
    x = layer(name="op")([layers.Conv2D(4, 3)(inputs), layers.Conv2D(4, 3)(inputs)])
    model = seeded(keras.Model(inputs, layers.Dense(5, activation="softmax")(layers.Flatten()(x))))
    write_old(tmp_path / "old.h5", model, change)
    same(loading.load_model(tmp_path / "old.h5"), model)


def test_attention_called_with_tensors_by_keyword(tmp_path):
    def change(part):
        if part["class_name"] == "MultiHeadAttention":
            shapes = {f"{key}_shape": [None, 120, 3] for key in ("query", "key", "value")}
            part["config"] |= {**shapes, "softmax_robust_masking": False}
            part["config"] = {k: v for k, v in part["config"].items() if k not in new}
            query, value = part["inbound_nodes"][0]
            part["inbound_nodes"] = [[[*query[:3], {"value": value[:3]}]]]

    new = ("flash_attention", "seed", "sliding_window", "use_gate")
    inputs = keras.Input(SHAPE)
    x = layers.Reshape((-1, 3))(inputs)
    x = layers.MultiHeadAttention(2, 4)(x, layers.Activation("tanh")(x))
    model = seeded(keras.Model(inputs, layers.Dense(5, activation="softmax")(layers.Flatten()(x))))
    write_old(tmp_path / "old.h5", model, change)
    same(loading.load_model(tmp_path / "old.h5"), model)


def test_attention_keeps_its_score_mode(tmp_path):
    inputs = keras.Input(SHAPE)
    x = layers.Attention()([layers.Reshape((-1, 3))(layers.Conv2D(3, 3)(inputs))] * 2)
    model = seeded(keras.Model(inputs, layers.Dense(5, activation="softmax")(layers.Flatten()(x))))
    write_old(tmp_path / "old.h5", model)
    same(loading.load_model(tmp_path / "old.h5"), model)


ALIKE = "layers that Keras 3 computes alike"
WITHOUT_EQUAL = {
    "hard_sigmoid": (activation("hard_sigmoid"), lambda part: None, ("hard_sigmoid", "'op'")),
    "hard_sigmoid within": (
        lambda: layers.Conv2D(4, 3, activation="hard_sigmoid", name="op"),
        lambda part: None,
        ("hard_sigmoid", "'op'"),
    ),
    "crop": (
        lambda: layers.RandomCrop(9, 9, name="op"),
        setting("RandomCrop", rng_type="stateful"),
        (ALIKE, "RandomCrop in layer 'op'"),
    ),
    "two axes": (
        lambda: layers.BatchNormalization(name="op"),
        setting("BatchNormalization", axis=[1, 3]),
        ("over one axis", "[1, 3]", "'op'"),
    ),
    "unknown function": (rescaling(), alone("math.cumsum", axis=1), ("tf.math.cumsum", "'op'")),
    "a function that reads": (rescaling(), alone("io.read_file"), ("tf.io.read_file", "'op'")),
    "another gelu": (activation("gelu"), alone("nn.gelu", approximate=True), ("tf.nn.gelu",)),
    "mean over all": (rescaling(), alone("math.reduce_mean"), ("tf.math.reduce_mean",)),
    "1 / x": (rescaling(), reversed_("math.truediv", 1.0), ("tf.math.truediv",)),
    "other bias": (
        rescaling(),
        alone("nn.bias_add", bias=[1.0], data_format="NCHW"),
        ("tf.nn.bias_add",),
    ),
    "a text added": (rescaling(), alone("math.add", y="x"), ("tf.math.add",)),
    "a tensor as index": (
        rescaling(),
        alone("__operators__.getitem", "SlicingOpLambda", slice_spec=["x", 0, 0]),
        ("tf.__operators__.getitem",),
    ),
}


@pytest.mark.parametrize("name", WITHOUT_EQUAL)
def test_what_has_no_equal_is_refused_by_name(tmp_path, name):
    layer, change, words = WITHOUT_EQUAL[name]
    write_old(tmp_path / "old.h5", network(layer()), change)
    refused(tmp_path / "old.h5", *words, "build the network in Keras 3")


def test_hard_sigmoid_of_keras_3_is_what_it_says(tmp_path):
    model = network(layers.Activation("hard_sigmoid"))
    model.save(tmp_path / "new.h5")
    same(loading.load_model(tmp_path / "new.h5"), model)


LAMBDA = {"class_name": "Lambda", "config": {"function": ["4wEAAAA=", None, None]}}
TRAPS = {
    "in a call": alone("math.add", y=LAMBDA),
    "in a policy": setting("Rescaling", dtype={"class_name": "Policy", "config": {"name": LAMBDA}}),
    "in an initializer": initializer(config={"value": LAMBDA}),
    "a call in a policy's name": setting(
        "Rescaling",
        dtype={
            "class_name": "Policy",
            "config": {"name": {"class_name": "TFOpLambda", "config": {"function": "nn.relu"}}},
        },
    ),
    "a call of a function that reads, in a wrapper": setting(
        "Rescaling", layer={"class_name": "TFOpLambda", "config": {"function": "io.read_file"}}
    ),
    "an old layer of another module": lambda part: part.update(
        {"class_name": "ThresholdedReLU", "module": "os.path"} if part.get("name") == "op" else {}
    ),
    "a registered old layer": lambda part: part.update(
        {"class_name": "ThresholdedReLU", "registered_name": "evil>Layer"}
        if part.get("name") == "op"
        else {}
    ),
    "an initializer that is none": initializer(
        class_name="system", module="tensorflow.python.ops.init_ops"
    ),
}


@pytest.mark.parametrize("name", TRAPS)
def test_what_is_put_right_is_checked_before_and_after(tmp_path, name, monkeypatch):
    model = network(rescaling()(), layers.Conv2D(3, 3))
    write_old(tmp_path / "old.h5", model, TRAPS[name])
    monkeypatch.setattr(keras.saving, "load_model", lambda *args, **kwargs: pytest.fail("loaded"))
    refused(tmp_path / "old.h5", "Keras's own layers without code", "it was not run")


def test_what_only_keras_2_has_is_refused_in_an_archive(tmp_path):
    config = {"class_name": "ThresholdedReLU", "config": {"name": "op"}}
    vetting.check_config(config, tmp_path, old=True)
    with pytest.raises(NetworkError, match="ThresholdedReLU"):
        vetting.check_config(config, tmp_path)


@pytest.mark.parametrize(
    "config",
    [
        {"class_name": "Sequential", "config": {"layers": [1]}},
        {"class_name": "Sequential", "config": {"layers": [{"config": {"batch_input_shape": 1}}]}},
        {"class_name": "Functional", "config": {"layers": [{"class_name": "TFOpLambda"}]}},
        {"class_name": "Functional", "config": {"layers": [{"config": []}], "output_layers": 3}},
        {"class_name": "Dense", "config": {"dtype": {"class_name": "Policy", "config": 3}}},
        {"class_name": "Model", "config": {"layers": [], "output_layers": [["x", 10**9, 0]]}},
    ],
)
def test_old_configurations_of_any_shape_are_refused_in_words(tmp_path, config):
    write_old(tmp_path / "old.h5", network(layers.Conv2D(3, 3)))
    with h5py.File(tmp_path / "old.h5", "a") as file:
        file.attrs["model_config"] = json.dumps(config)
    refused(tmp_path / "old.h5")


def test_a_deep_old_configuration_is_refused_in_words(tmp_path):
    write_old(tmp_path / "old.h5", network(layers.Conv2D(3, 3)))
    part = '{"class_name": "Dense", "config": {"x": ' * 400 + "1" + "}}" * 400
    with h5py.File(tmp_path / "old.h5", "a") as file:
        file.attrs["model_config"] = part
    refused(tmp_path / "old.h5")


KERAS_SAYS = {
    "Error when deserializing class 'DepthwiseConv2D' using config={'name': 'x', 'dtype': 'f'}."
    "\n\nException encountered: Unrecognized keyword arguments passed to DepthwiseConv2D: "
    "{'groups': 2}": "DepthwiseConv2D: Unrecognized keyword arguments passed to DepthwiseConv2D: "
    "{'groups': 2}",
    "<class 'keras.x.TimeDistributed'> could not be deserialized properly. Please\n\nconfig={}.\n\n"
    "Exception encountered: Error when deserializing class 'Dense' using config={}.\n\n"
    "Exception encountered: no\nmore": "Dense: no",
    "Exception encountered when calling UpSampling2D.call().\n\n\x1b[1mInvalid value\x1b[0m\n\n"
    "Arguments received": "UpSampling2D: Invalid value",
    "Layer count mismatch\nwhen loading": "ValueError: Layer count mismatch",
    "Exception encountered: ": "ValueError: Exception encountered:",
    "": "ValueError: ValueError",
    "a\x07b": "ValueError: a b",
}


@pytest.mark.parametrize("text", KERAS_SAYS)
def test_the_cause_of_an_error_is_what_is_said(text):
    assert vetting.first_line(ValueError(text)) == KERAS_SAYS[text]


def test_the_cause_of_an_error_is_short():
    name = "C" * 1000
    text = f"deserializing class '{name}' using config={{}}\n\nException encountered: {'x' * 9999}"
    line = vetting.first_line(ValueError(text))
    assert line.isprintable()
    assert len(line) < 310


def test_a_file_that_keras_cannot_load_is_refused_with_the_cause(tmp_path):
    write_old(
        tmp_path / "old.h5",
        network(layers.DepthwiseConv2D(3)),
        setting("DepthwiseConv2D", groups=2),
    )
    said = refused(
        tmp_path / "old.h5",
        f"got DepthwiseConv2D: Unrecognized keyword arguments passed to DepthwiseConv2D: "
        f"{{'groups': 2}} ({tmp_path / 'old.h5'})",
    )
    assert len(said) < 300 + len(str(tmp_path))
