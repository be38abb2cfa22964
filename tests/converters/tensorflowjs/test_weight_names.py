"""TensorFlow.js: arrays are assigned by name. Files as written by TensorFlow.js 1.3, its converter and Teachable Machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphkit
from graphkit import Input, Model, layers
from graphkit.errors import SerializationError
from graphkit.saving import inspect_file

RNG = np.random.default_rng(0)


def sequential(name: str, *entries: dict[str, Any]) -> dict[str, Any]:
    return {"class_name": "Sequential", "config": {"name": name, "layers": list(entries)}}


def layer(class_name: str, name: str, **config: Any) -> dict[str, Any]:
    return {"class_name": class_name, "config": {"name": name, "trainable": True, **config}}


def write(
    folder: Path, topology: dict[str, Any], weights: list[tuple[str, Any]], path: str = "weights.bin", **more: Any
) -> Path:
    """Write a model.json and its single shard."""
    rows = [{"name": name, "shape": list(w.shape), "dtype": "float32"} for name, w in weights]
    target = folder / path
    if ".." not in path:
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(b"".join(np.asarray(w, "<f4").tobytes() for _, w in weights))
    made = {"modelTopology": topology, "weightsManifest": [{"paths": [path], "weights": rows}], **more}
    (folder / "model.json").write_text(json.dumps(made))
    return folder / "model.json"


def trained_first(model: Any, name_of: Any) -> list[tuple[str, Any]]:
    """Return weights as TensorFlow.js writes them: trainable ones first, named after their layer only."""
    owners = [(layer, v) for layer in model._walk_layers() for v in layer._own_variables]
    ordered = [o for o in owners if o[1].trainable] + [o for o in owners if not o[1].trainable]
    return [(name_of(owner, v), RNG.random(v.shape).astype("float32") + 0.1) for owner, v in ordered]


def assert_found(model: Any, weights: list[tuple[str, Any]], name_of: Any) -> None:
    arrays = dict(weights)
    for owner in model._walk_layers():
        for v in owner._own_variables:
            np.testing.assert_array_equal(v.numpy(), arrays[name_of(owner, v)], err_msg=name_of(owner, v))


def plain(owner: Any, variable: Any) -> str:
    return f"{owner.name}/{variable.name}"


def mobilenet(folder: Path) -> tuple[Any, list[tuple[str, Any]]]:
    """Return an image model of Teachable Machine: a Sequential of two Sequentials, the first with a frozen model inside."""
    x = inputs = Input((8, 8, 3), name="input_1")
    x = layers.ZeroPadding2D(((0, 1), (0, 1)), name="Conv1_pad")(x)
    x = layers.BatchNormalization(name="bn_Conv1")(layers.Conv2D(4, 3, strides=2, use_bias=False, name="Conv1")(x))
    x = layers.ReLU(6, name="Conv1_relu")(x)
    y = layers.DepthwiseConv2D(3, padding="same", use_bias=False, name="depthwise")(x)
    x = layers.Add(name="add")([x, layers.BatchNormalization(name="depthwise_BN")(y)])
    net = Model(inputs, x, name="model1")
    head = [
        layers.Dense(5, activation="relu", name="dense_Dense1"),
        layers.Dense(2, use_bias=False, name="dense_Dense2"),
    ]
    features = graphkit.Sequential([net, layers.GlobalAveragePooling2D(name="pool")], name="sequential_1")
    features.trainable = False
    whole = graphkit.Sequential([features, graphkit.Sequential(head, name="sequential_3")], name="sequential_4")
    whole(np.zeros((1, 8, 8, 3), "float32"))
    path = folder / "whole.h5"
    whole.save(path, keras_version=2)
    import h5py

    with h5py.File(path) as file:
        config = json.loads(file.attrs["model_config"])
    topology = {"class_name": "Sequential", "config": config["config"]}
    return {**topology, "keras_version": "tfjs-layers 1.3.1", "backend": "tensor_flow.js"}, trained_first(whole, plain)


def test_the_model_of_teachable_machine(tmp_path: Path) -> None:
    topology, weights = mobilenet(tmp_path)

    assert_found(graphkit.load(write(tmp_path, topology, weights)), weights, plain)


def test_any_order_gives_the_same(tmp_path: Path) -> None:
    topology, weights = mobilenet(tmp_path)
    x = RNG.random((2, 8, 8, 3)).astype("float32")
    want = np.asarray(graphkit.load(write(tmp_path, topology, weights))(x))

    np.testing.assert_array_equal(graphkit.load(write(tmp_path, topology, weights[::-1]))(x), want)


def small(folder: Path, names: list[str], path: str = "weights.bin", **more: Any) -> Path:
    dense = layer("Dense", "d", units=1, batch_input_shape=[None, 2])
    return write(
        folder, sequential("s", dense), list(zip(names, [np.ones((2, 1)), np.ones(1)], strict=True)), path, **more
    )


@pytest.mark.parametrize(
    "path", ["weights.bin", "./weights.bin", "././weights.bin", "shards/weights.bin", "shards//./w.bin"]
)
def test_a_shard_stands_beside_or_below(path: str, tmp_path: Path) -> None:
    assert np.asarray(graphkit.load(small(tmp_path, ["d/kernel", "d/bias"], path))(np.ones((1, 2)))).tolist() == [[3.0]]


@pytest.mark.parametrize(
    "path", ["../weights.bin", "./../weights.bin", "a/../../weights.bin", "..", "a/..", ".", "", "/"]
)
def test_a_path_out_of_the_folder_is_refused(path: str, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    model = small(folder, ["d/kernel", "d/bias"])
    (tmp_path / "weights.bin").write_bytes(np.ones(3, "<f4").tobytes())
    model.write_text(model.read_text().replace('"weights.bin"', json.dumps(path)))

    with pytest.raises(SerializationError, match="not the name of a file beside it"):
        graphkit.load(model)


@pytest.mark.parametrize("cell", ["", "lstm_cell/"])
def test_names_may_leave_out_layers_or_name_the_cell(cell: str, tmp_path: Path) -> None:
    lstm = layer("LSTM", "l", units=2, activation="tanh", recurrent_activation="sigmoid", return_sequences=True)
    both = layer("Bidirectional", "b", merge_mode="concat", layer=lstm)
    dense = layer("TimeDistributed", "t", layer=layer("Dense", "d", units=3))
    config = sequential("s", both, dense)
    config["config"]["layers"][0]["config"]["batch_input_shape"] = [None, 4, 3]
    shapes = {"kernel": (3, 8), "recurrent_kernel": (2, 8), "bias": (8,)}
    weights = [
        (f"{side}_l/{cell}{key}", RNG.random(shape))
        for key, shape in shapes.items()
        for side in ("backward", "forward")
    ]
    weights += [("t/bias", RNG.random(3)), ("t/kernel", RNG.random((4, 3)))]
    got = graphkit.load(write(tmp_path, config, weights)).get_weights()

    order = [f"{side}_l/{cell}{key}" for side in ("forward", "backward") for key in shapes] + ["t/kernel", "t/bias"]
    for array, name in zip(got, order, strict=True):
        np.testing.assert_allclose(array, dict(weights)[name], rtol=1e-6, err_msg=name)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["d/kernel", "e/bias"], "the name 'e/bias' is not in the model"),
        (["d/kernel", "d/kernel"], "'d/kernel' and 'd/kernel' both match 'd/kernel'"),
        (["d/bias", "d/kernel"], r"weight 'd/bias' has shape \(1,\), the file's 'd/bias' has \(2, 1\)"),
    ],
)
def test_names_that_do_not_fit_are_refused(names: list[str], message: str, tmp_path: Path) -> None:
    with pytest.raises(SerializationError, match=message):
        graphkit.load(small(tmp_path, names))


def test_a_name_that_two_layers_have_is_refused(tmp_path: Path) -> None:
    dense = layer("Dense", "d", units=2, use_bias=False, batch_input_shape=[None, 2])
    config = sequential("s", sequential("a", dense), sequential("b", dense))

    with pytest.raises(SerializationError, match=r"could be any of .'a/d/kernel', 'b/d/kernel'."):
        graphkit.load(write(tmp_path, config, [("d/kernel", np.ones((2, 2))), ("d/kernel", np.ones((2, 2)))]))


def test_a_weight_without_an_array_is_named(tmp_path: Path) -> None:
    dense = layer("Dense", "d", units=1, batch_input_shape=[None, 2])

    with pytest.raises(SerializationError, match="the file has nothing for d/bias"):
        graphkit.load(write(tmp_path, sequential("s", dense), [("d/kernel", np.ones((2, 1)))]))


def test_a_converted_keras3_archive(tmp_path: Path) -> None:
    inputs = Input((4,), name="i")
    model = Model(inputs, layers.BatchNormalization(name="n")(layers.Dense(3, name="d")(inputs)), name="m")
    config = json.loads(model.to_json())

    def without_modules(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: without_modules(v) for k, v in value.items() if k not in ("module", "registered_name")}
        return [without_modules(v) for v in value] if isinstance(value, list) else value

    paths = ["layers/batch_normalization/vars", "layers/dense/vars"]
    arrays = {
        paths[0]: [RNG.random(3).astype("float32") for _ in range(4)],
        paths[1]: [RNG.random((4, 3)), RNG.random(3)],
    }
    weights = [(f"{path}/{i}", w) for path, group in arrays.items() for i, w in enumerate(group)]
    topology = {"keras_version": "3.5.0", "model_config": without_modules(config)}
    made = graphkit.load(write(tmp_path, topology, weights))

    for got, want in zip(made.get_weights(), [*arrays[paths[1]], *arrays[paths[0]]], strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-6)


def test_names_with_numbers_in_place_of_the_weights(tmp_path: Path) -> None:
    assert np.asarray(graphkit.load(small(tmp_path, ["d/0", "d/1"]))(np.ones((1, 2)))).tolist() == [[3.0]]


def test_a_config_may_be_a_text(tmp_path: Path) -> None:
    path = small(tmp_path, ["d/kernel", "d/bias"])
    found = json.loads(path.read_text())
    found["modelTopology"] = {"keras_version": "2.1.6", "model_config": json.dumps(found["modelTopology"])}
    path.write_text(json.dumps(found))

    assert np.asarray(graphkit.load(path)(np.ones((1, 2)))).tolist() == [[3.0]]


def test_inspect_names_a_missing_shard(tmp_path: Path) -> None:
    path = small(tmp_path, ["d/kernel", "d/bias"])
    (tmp_path / "weights.bin").unlink()
    report = inspect_file(path)

    assert (report["classes"], report["parameters"]) == ({"Dense": 1}, 3)
    assert report["needs"] == ["the file 'weights.bin', which holds weights, beside it"]
