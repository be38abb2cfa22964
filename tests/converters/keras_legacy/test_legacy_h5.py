"""HDF5 files of older Keras: upgraded configs, and weights in the order of the attributes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphkit
from graphkit import layers, models
from graphkit.converters.keras_legacy.config import upgraded_entry
from graphkit.errors import SerializationError

RNG = np.random.default_rng(0)


def write_h5(path: Path, config: Any, groups: dict[str, dict[str, Any]], version: str = "2.2.4") -> Path:
    """Write a model file as Keras 2 did."""
    import h5py

    with h5py.File(path, "w") as file:
        file.attrs["keras_version"] = version.encode()
        file.attrs["model_config"] = json.dumps(config).encode()
        place = file.create_group("model_weights")
        place.attrs["layer_names"] = [name.encode() for name in groups]
        for name, weights in groups.items():
            group = place.create_group(name)
            group.attrs["weight_names"] = [w.encode() for w in weights] if weights else np.zeros(0)
            for weight, array in weights.items():
                group[weight] = array
    return path


def dense(name: str, units: int, **more: Any) -> dict[str, Any]:
    config = {"name": name, "trainable": True, "units": units, "activation": "linear", "use_bias": True, **more}
    return {"class_name": "Dense", "config": config}


def weights_of(*names: str, shapes: list[tuple[int, ...]]) -> dict[str, Any]:
    return {f"{name}:0": RNG.normal(size=shape).astype("float32") for name, shape in zip(names, shapes, strict=True)}


def test_a_sequential_whose_config_is_a_list(tmp_path: Path) -> None:
    first = weights_of("z/kernel", "z/bias", shapes=[(4, 3), (3,)])
    second = weights_of("a/kernel", "a/bias", shapes=[(3, 2), (2,)])
    config = {"class_name": "Sequential", "config": [dense("z", 3, batch_input_shape=[None, 4]), dense("a", 2)]}
    path = write_h5(tmp_path / "m.h5", config, {"z": first, "a": second})

    model = graphkit.load(path)

    x = RNG.normal(size=(2, 4)).astype("float32")
    wanted = (x @ first["z/kernel:0"] + first["z/bias:0"]) @ second["a/kernel:0"] + second["a/bias:0"]
    np.testing.assert_allclose(model(x), wanted, rtol=1e-5, atol=1e-6)


def functional(nested_index: int) -> dict[str, Any]:
    """Return two inputs through one nested model, concatenated; its first call has this node index."""
    inner = {
        "name": "inner",
        "layers": [
            {
                "class_name": "InputLayer",
                "name": "i",
                "config": {"batch_input_shape": [None, 4], "dtype": "float32", "sparse": False, "name": "i"},
                "inbound_nodes": [],
            },
            {**dense("d", 3), "name": "d", "inbound_nodes": [[["i", 0, 0, {}]]]},
        ],
        "input_layers": [["i", 0, 0]],
        "output_layers": [["d", 0, 0]],
    }
    inputs = [
        {
            "class_name": "InputLayer",
            "name": n,
            "config": {"batch_input_shape": [None, 4], "dtype": "float32", "sparse": False, "name": n},
            "inbound_nodes": [],
        }
        for n in ("a", "b")
    ]
    calls = [[["a", 0, 0, {}]], [["b", 0, 0, {}]]]
    add = {"class_name": "Add", "name": "add", "config": {"name": "add", "trainable": True}}
    add["inbound_nodes"] = [[["inner", nested_index, 0, {}], ["inner", nested_index + 1, 0, {}]]]
    return {
        "class_name": "Model",
        "config": {
            "name": "outer",
            "layers": [*inputs, {"class_name": "Model", "name": "inner", "config": inner, "inbound_nodes": calls}, add],
            "input_layers": [["a", 0, 0], ["b", 0, 0]],
            "output_layers": [["add", 0, 0]],
        },
    }


@pytest.mark.parametrize("nested_index", [0, 1])
def test_calls_of_nested_models_count_from_0_or_1(tmp_path: Path, nested_index: int) -> None:
    weights = weights_of("d/kernel", "d/bias", shapes=[(4, 3), (3,)])
    path = write_h5(tmp_path / "m.h5", functional(nested_index), {"a": {}, "b": {}, "inner": weights, "add": {}})

    model = graphkit.load(path)

    x, y = RNG.normal(size=(2, 2, 4)).astype("float32")
    np.testing.assert_allclose(
        model([x, y]), (x + y) @ weights["d/kernel:0"] + 2 * weights["d/bias:0"], rtol=1e-5, atol=1e-5
    )


def test_hard_sigmoid_means_what_it_meant(tmp_path: Path) -> None:
    config = {
        "class_name": "Sequential",
        "config": [dense("d", 1, batch_input_shape=[None, 1], activation="hard_sigmoid", use_bias=False)],
    }
    path = write_h5(tmp_path / "m.h5", config, {"d": {"d/kernel:0": np.ones((1, 1), "float32")}})

    model = graphkit.load(path)
    model.save(tmp_path / "m.keras")

    for opened in (model, graphkit.load(tmp_path / "m.keras")):
        np.testing.assert_allclose(opened(np.array([[1.0], [3.0]], "float32")), [[0.7], [1.0]], rtol=1e-6)


def test_a_config_of_keras_3_is_left_alone() -> None:
    x = layers.Input((4,))
    config = json.loads(models.Model(x, layers.Dense(2)(x)).to_json())

    assert upgraded_entry(config) == config


def test_weights_split_over_several_attributes_are_found(tmp_path: Path) -> None:
    import h5py

    arrays = weights_of("d/kernel", "d/bias", shapes=[(4, 2), (2,)])
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file.attrs["layer_names0"], file.attrs["layer_names1"] = [b"x"], [b"d"]
        file.create_group("x").attrs["weight_names"] = np.zeros(0)
        group = file.create_group("d")
        group.attrs["weight_names"] = [name.encode() for name in arrays]
        for name, array in arrays.items():
            group[name] = array
    x = layers.Input((4,))
    model: Any = models.Model(x, layers.Dense(2)(x))

    model.load_weights(tmp_path / "w.h5")

    np.testing.assert_array_equal(model.get_weights()[0], arrays["d/kernel:0"])


def test_another_number_of_layers_is_refused(tmp_path: Path) -> None:
    x = layers.Input((4,))
    models.Model(x, layers.Dense(2, name="only")(x)).save(tmp_path / "m.h5")
    other: Any = models.Model(x, layers.Dense(2)(layers.Dense(4)(x)))

    with pytest.raises(
        SerializationError, match=r"1 layers \['only'\], but the model .* has 2 layers.*No weight was changed"
    ):
        other.load_weights(tmp_path / "m.h5")


def test_another_shape_is_refused(tmp_path: Path) -> None:
    x = layers.Input((4,))
    models.Model(x, layers.Dense(2, name="d")(x)).save(tmp_path / "m.h5")
    other: Any = models.Model(x, layers.Dense(3, name="d")(x))

    with pytest.raises(
        SerializationError, match=r"weight 'kernel' has shape \(4, 3\), the file's 'd/kernel' has \(4, 2\)"
    ):
        other.load_weights(tmp_path / "m.h5")


def test_nested_weights_stand_trainable_ones_first(tmp_path: Path) -> None:
    x = layers.Input((4,))
    inner = models.Sequential(
        [layers.Input((4,)), layers.BatchNormalization(name="bn"), layers.Dense(3, name="d")], name="inner"
    )
    model: Any = models.Model(x, inner(x))
    model.save(tmp_path / "m.h5")

    import h5py

    with h5py.File(tmp_path / "m.h5") as file:
        names = [n.decode().split("/")[-1] for n in file["model_weights/inner"].attrs["weight_names"]]
    assert names == ["gamma", "beta", "kernel", "bias", "moving_mean", "moving_variance"]
