"""HDF5 files for Keras 2: its names of arguments and nodes, and an error for what it lacks."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import graphkit
from graphkit import layers, models, ops
from graphkit.errors import InvalidTypeError, SerializationError
from tests import goldens

X = np.random.default_rng(0).normal(size=(3, 4)).astype("float32")


def written(model: Any, path: Path) -> dict[str, Any]:
    model.save(path, keras_version=2)
    with h5py.File(path) as file:
        found: dict[str, Any] = json.loads(file.attrs["model_config"])
    return found


def entry(config: dict[str, Any], name: str) -> dict[str, Any]:
    return next(layer for layer in config["config"]["layers"] if layer["name"] == name)


def test_layers_bear_keras_2_arguments(tmp_path: Path) -> None:
    x = layers.Input((4,), name="x")
    h = layers.LeakyReLU(negative_slope=0.1, name="leaky")(
        layers.BatchNormalization(name="bn")(layers.Dense(3, name="d")(x))
    )
    config = written(models.Model(x, h), tmp_path / "m.h5")

    assert config["class_name"] == "Functional"
    assert entry(config, "x")["config"]["batch_input_shape"] == [None, 4]
    dense = entry(config, "d")
    assert set(dense) == {"class_name", "config", "name", "inbound_nodes"}
    assert dense["config"]["dtype"] == "float32"
    assert dense["config"]["kernel_initializer"]["class_name"] == "GlorotUniform"
    assert "module" not in dense["config"]["kernel_initializer"]
    assert dense["inbound_nodes"] == [[["x", 0, 0, {}]]]
    assert entry(config, "bn")["config"]["axis"] == [1] or entry(config, "bn")["config"]["axis"] == [-1]
    assert entry(config, "leaky")["config"]["alpha"] == 0.1


def test_calls_of_a_model_count_from_1(tmp_path: Path) -> None:
    a, b = layers.Input((4,), name="a"), layers.Input((4,), name="b")
    i = layers.Input((4,), name="i")
    inner = models.Model(i, layers.Dense(2, name="d")(i), name="inner")
    config = written(models.Model([a, b], layers.Add(name="add")([inner(a), inner(b)])), tmp_path / "m.h5")

    assert entry(config, "add")["inbound_nodes"] == [[["inner", 1, 0, {}], ["inner", 2, 0, {}]]]


def test_ops_are_named_by_their_function(tmp_path: Path) -> None:
    x = layers.Input((4,), name="x")
    config = written(models.Model(x, ops.exp(x + 1.0)), tmp_path / "m.h5")

    assert entry(config, "add")["class_name"] == "TFOpLambda"
    assert entry(config, "add")["config"]["function"] == "__operators__.add"
    assert entry(config, "add")["inbound_nodes"] == [["x", 0, 0, {"y": 1.0, "name": None}]]


def test_masks_of_keras_are_implied(tmp_path: Path) -> None:
    x = layers.Input((5,), dtype="int32", name="x")
    h = layers.Embedding(6, 3, mask_zero=True, name="e")(x)
    model: Any = models.Model(x, layers.LSTM(2, name="lstm")(h))
    config = written(model, tmp_path / "m.h5")

    assert [layer["class_name"] for layer in config["config"]["layers"]] == ["InputLayer", "Embedding", "LSTM"]
    assert entry(config, "lstm")["inbound_nodes"] == [[["e", 0, 0, {}]]]
    tokens = np.array([[1, 2, 0, 0, 0]])
    np.testing.assert_allclose(graphkit.load(tmp_path / "m.h5")(tokens), model(tokens), rtol=1e-6)


@pytest.mark.parametrize("optimizer", ["SGD", "RMSprop", "Adam", "Nadam", "Ftrl"])
def test_what_is_written_comes_back(optimizer: str, tmp_path: Path) -> None:
    x = layers.Input((4,), name="x")
    inner = models.Sequential(
        [layers.Input((4,)), layers.Dense(3, activation="silu"), layers.BatchNormalization()], name="s"
    )
    model: Any = models.Model(x, layers.Dense(2, name="d")(inner(x)))
    model.compile(optimizer, "mse")
    model.train_on_batch(X, np.ones((3, 2)))
    model.save(tmp_path / "m.h5", keras_version=2)

    again = graphkit.load(tmp_path / "m.h5")

    np.testing.assert_allclose(again(X), model(X), rtol=1e-6)
    for trained in (model, again):
        trained.train_on_batch(X, np.ones((3, 2)))
    for ours, theirs in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-7)


CANNOT: dict[str, tuple[Callable[[Any], Any], str]] = {
    "layer": (lambda x: layers.RMSNormalization(name="n")(x), r"'n' \(RMSNormalization\) is not one of Keras 2's"),
    "activation": (
        lambda x: layers.Dense(2, activation="hard_sigmoid", name="n")(x),
        "is not an activation of Keras 2 with the same",
    ),
    "op": (lambda x: ops.flip(x), r"\(Flip\) has no counterpart"),
}


@pytest.mark.parametrize("case", CANNOT)
def test_what_keras_2_does_not_have_is_refused(case: str, tmp_path: Path) -> None:
    make, message = CANNOT[case]
    x = layers.Input((4,), name="x")

    with pytest.raises(SerializationError, match=message):
        models.Model(x, make(x)).save(tmp_path / "m.h5", keras_version=2)
    assert list(tmp_path.iterdir()) == []


def test_only_hdf5_has_versions(tmp_path: Path) -> None:
    x = layers.Input((4,))
    with pytest.raises(InvalidTypeError, match="Keras 3 archive has no option"):
        models.Model(x, layers.Dense(2)(x)).save(tmp_path / "m.keras", keras_version=2)


MEANS_SOMETHING_ELSE: dict[str, str] = {
    "Attention.causal_scores": "'attention'.*return_attention_scores",
    "Attention.masked_causal": "'attention'.*use_causal_mask on a masked sequence",
    "BatchNormalization.called_in_training": "is called with training=True",
    "Dense.int8": "QuantizedDTypePolicy, which Keras 2 does not have",
    "Dense.lora": r"'dense' \(Dense\) has LoRA weights",
    "Dense.named": "has a name that TensorFlow refuses",
    "GRU.masked_unroll_zero_output": r"'gru' \(GRU\) has unroll and zero_output_for_mask",
    "LSTM.token_mask_initial_state": r"'lstm' \(LSTM\) is called with initial_state on a masked sequence",
    "MultiHeadAttention.masked_scores": "padded queries",
    "graph.policies_by_path": "DTypePolicyMap, which Keras 2 does not have",
}


@pytest.mark.parametrize("case", MEANS_SOMETHING_ELSE)
def test_what_keras_2_computes_otherwise_is_refused(case: str, tmp_path: Path) -> None:
    with pytest.raises(SerializationError, match=MEANS_SOMETHING_ELSE[case]):
        models.load_model(goldens.model_file(case)).save(tmp_path / "m.h5", keras_version=2)
    assert list(tmp_path.iterdir()) == []


def test_inputs_and_outputs_by_name_stay_so(tmp_path: Path) -> None:
    model: Any = models.load_model(goldens.model_file("graph.dict_io"))
    config = written(model, tmp_path / "m.h5")["config"]

    assert config["input_layers"] == {"b": ["b", 0, 0], "a": ["a", 0, 0]}
    goldens.assert_outputs("graph.dict_io", graphkit.load(tmp_path / "m.h5")(goldens.inputs_of("graph.dict_io")))
