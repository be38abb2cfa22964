"""Configs and weights of Keras 0, and spellings that occur only in users' files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import graphkit
from graphkit.errors import SerializationError


def numbered(path: Path, layers: list[list[Any]]) -> Path:
    """Write a weights file of Keras 0."""
    with h5py.File(path, "w") as file:
        file.attrs["nb_layers"] = len(layers)
        for number, arrays in enumerate(layers):
            group = file.create_group(f"layer_{number}")
            group.attrs["nb_params"] = len(arrays)
            for index, array in enumerate(arrays):
                group.create_dataset(f"param_{index}", data=array)
    return path


def k0(name: str, **config: Any) -> dict[str, Any]:
    return {"name": name, "cache_enabled": True, **config}


DENSE = {
    "activation": "linear",
    "W_regularizer": {"name": "WeightRegularizer", "l1": 0.0, "l2": 0.25},
    "init": "uniform",
}


def test_a_sequential_of_keras_0_opens_with_its_weights(tmp_path: Path) -> None:
    config = {
        "name": "Sequential",
        "class_mode": "categorical",
        "loss": "mse",
        "layers": [
            k0("Convolution2D", nb_filter=3, nb_row=2, nb_col=2, dim_ordering="th", border_mode="valid", subsample=[1, 1],
               init="uniform", activation="relu", input_shape=[1, 4, 5]),
            k0("Dropout", p=0.5),
            k0("Reshape", dims=[36]),
            k0("Dense", output_dim=2, input_dim=None, **DENSE),
        ],
    }  # fmt: skip
    random = np.random.default_rng(3)
    w, b = random.normal(size=(3, 1, 2, 2)).astype("float32"), random.normal(size=3).astype("float32")
    wd, bd = random.normal(size=(36, 2)).astype("float32"), random.normal(size=2).astype("float32")
    x = random.normal(size=(2, 1, 4, 5)).astype("float32")
    mirrored = w[:, 0, ::-1, ::-1]  # Theano
    h = np.stack([[np.sum(x[n, 0, i : i + 2, j : j + 2] * mirrored[:, None, None], (-1, -2))[:, 0, 0] for i in range(3) for j in range(4)] for n in range(2)])  # fmt: skip  # noqa: E501
    h = np.maximum(h + b, 0).transpose(0, 2, 1).reshape(2, 36)

    model: Any = graphkit.models.model_from_json(json.dumps(config))
    model.load_weights(numbered(tmp_path / "weights.h5", [[w, b], [], [], [wd, bd]]))

    np.testing.assert_allclose(model(x), h @ wd + bd, rtol=2e-5, atol=2e-5)
    assert model.layers[-1].kernel_regularizer.get_config() == {"l1": 0.0, "l2": 0.25}


def test_the_gates_of_an_lstm_without_names_stand_in_order(tmp_path: Path) -> None:
    lstm = k0("LSTM", output_dim=2, init="glorot_uniform", inner_init="orthogonal", forget_bias_init="one", activation="tanh",
              inner_activation="hard_sigmoid", return_sequences=False, input_shape=[4, 3], truncate_gradient=-1)  # fmt: skip
    random = np.random.default_rng(4)
    arrays = [random.normal(size=s).astype("float32") for _ in "icfo" for s in ((3, 2), (2, 2), (2,))]

    model: Any = graphkit.models.model_from_json(json.dumps({"name": "Sequential", "layers": [lstm]}))
    model.load_weights(numbered(tmp_path / "weights.h5", [arrays]))

    kernel = np.asarray(model.layers[0].weights[0])
    np.testing.assert_array_equal(kernel, np.concatenate([arrays[i] for i in (0, 6, 3, 9)], axis=-1))


def test_a_graph_of_keras_0_is_refused_by_name() -> None:
    with pytest.raises(SerializationError, match="Keras 0, and Keras 1 removed 'Graph'"):
        graphkit.models.model_from_json(json.dumps({"name": "Sequential", "layers": [k0("Graph", nodes={})]}))


def test_slashes_in_names_become_underscores(tmp_path: Path) -> None:
    conv = {"filters": 2, "kernel_size": [1, 1], "padding": "same", "data_format": "channels_last"}
    entries: list[dict[str, Any]] = [
        {
            "class_name": "InputLayer",
            "config": {"batch_input_shape": [None, 3, 3, 1], "dtype": "float32", "name": "in"},
        },
        {"class_name": "Conv2D", "config": {"name": "fire2/squeeze1x1", "use_bias": False, **conv}},
    ]
    for entry, nodes in zip(entries, ([], [[["in", 0, 0, {}]]]), strict=True):
        entry |= {"name": entry["config"]["name"], "inbound_nodes": nodes}
    ends = {"input_layers": [["in", 0, 0]], "output_layers": [["fire2/squeeze1x1", 0, 0]]}
    config = {"class_name": "Model", "keras_version": "2.1.2", "config": {"name": "net", "layers": entries, **ends}}
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file.attrs["layer_names"] = [b"in", b"fire2/squeeze1x1"]
        file.create_group("in").attrs["weight_names"] = np.zeros(0)
        group = file.create_group("fire2/squeeze1x1")
        group.attrs["weight_names"] = [b"fire2/squeeze1x1/kernel:0"]
        group["fire2/squeeze1x1/kernel:0"] = np.full((1, 1, 1, 2), 3.0, "float32")

    model: Any = graphkit.models.model_from_json(json.dumps(config))
    model.load_weights(tmp_path / "w.h5")

    assert model.layers[1].name == "fire2_squeeze1x1"
    np.testing.assert_array_equal(model(np.ones((1, 3, 3, 1), "float32")), np.full((1, 3, 3, 2), 3.0))


@pytest.mark.parametrize("initializer", ["conv2D_init", {"class_name": "MyInit", "config": {"a": 1}}])
def test_an_initializer_of_the_author_gives_way_with_a_warning(initializer: Any) -> None:
    dense = {
        "class_name": "Dense",
        "config": {"name": "d", "units": 2, "kernel_initializer": initializer, "batch_input_shape": [None, 3]},
    }

    with pytest.warns(UserWarning, match="initializer '.*' of the file is unknown"):
        model: Any = graphkit.models.model_from_json(
            json.dumps({"class_name": "Sequential", "config": [dense], "keras_version": "2.1.2"})
        )

    assert model.count_params() == 8


@pytest.mark.parametrize("key", ["kernel_regularizer", "bias_constraint", "activity_regularizer"])
def test_what_works_in_training_alone_gives_way_too(key: str) -> None:
    config = {"name": "d", "units": 2, key: {"class_name": "Mine", "config": {}}, "batch_input_shape": [None, 3]}

    with pytest.warns(UserWarning, match="'Mine' of the file is unknown and is replaced by None"):
        model: Any = graphkit.models.model_from_json(
            json.dumps(
                {
                    "class_name": "Sequential",
                    "config": [{"class_name": "Dense", "config": config}],
                    "keras_version": "2.1.2",
                }
            )
        )

    assert getattr(model.layers[0], key) is None
