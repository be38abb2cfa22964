"""What files name: Keras' names for what Keras has, `graphkit>Name` for the rest, and earlier names in files that bear them."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphkit
from graphkit import activations, layers, ops
from graphkit.core import serialization
from graphkit.core.deferred import import_classes
from graphkit.ops._dispatch import OPERATIONS, operation
from graphkit.saving.keras3_differences import NotInKerasWarning, missing_in_keras
from tests.docs.keras_coverage import snapshot
from tests.registries import import_all, isolate

# The kinds of objects that files name, and where graphkit keeps those that Keras has not.
OWN_MODULES = {"graphkit.layers", "graphkit.onnx"}


def keras_names() -> set[tuple[str, str]]:
    """(module, name) of all that Keras finds by name: what is public, and what it finds by the module of its code."""
    public = {
        (f"keras.{module}".rstrip("."), name) for module, names in snapshot()["modules"].items() for name in names
    }
    return public | {(module, name) for module, names in snapshot()["unexported"].items() for name in names}


@pytest.fixture(autouse=True)
def _everything_is_registered() -> None:
    import_all()
    import_classes("graphkit.onnx")  # of a converter, imported for files that name it


def test_every_name_of_keras_that_is_registered_is_one() -> None:
    registered = {key for key in serialization._BUILTIN if key[0].split(".")[0] != "graphkit"}

    assert sorted(registered - keras_names() - serialization._EARLIER) == []


def test_every_op_is_one_of_keras_or_graphkits_own() -> None:
    registered = {(record.module, record.class_name) for _, record in OPERATIONS.items()}
    own = {key for key in registered if key[0] == "graphkit.ops"}

    assert sorted(registered - own - keras_names()) == []


def test_every_activation_that_is_written_by_name_is_one_of_keras() -> None:
    assert sorted(set(activations.BY_NAME) - set(snapshot()["modules"]["activations"]) - {"swish", "hard_swish"}) == []


def test_no_earlier_name_is_one_that_keras_has_now() -> None:
    assert sorted(serialization._EARLIER & keras_names()) == []
    assert set(serialization._BUILTIN) >= serialization._EARLIER


def test_what_keras_does_not_have_is_named_as_graphkits() -> None:
    own = {key: cls for key, cls in serialization._BUILTIN.items() if key[0].split(".")[0] == "graphkit"}

    assert {module for module, _ in own} == OWN_MODULES
    for (module, name), cls in own.items():
        assert (cls.keras_module, cls.keras_registered_name) == (module, f"graphkit>{name}")
        assert serialization._BUILTIN[module.replace("graphkit", "keras"), name] is cls


def test_a_class_is_written_under_a_name_that_is_registered() -> None:
    """Its class name and module in an envelope are a key of the registry, and no earlier one."""
    for cls in set(serialization._BUILTIN.values()):
        key = cls.keras_module, vars(cls).get("keras_class_name", cls.__name__)
        assert key in {*serialization._BUILTIN, *keras_names()} - serialization._EARLIER, key


# ----- ops -----


@pytest.fixture
def tripled(monkeypatch: pytest.MonkeyPatch) -> Any:
    """An op that Keras does not have, for one test."""
    isolate(monkeypatch)

    @operation("Tripled", "graphkit.ops")
    def tripled(x: Any) -> Any:
        return ops.multiply(x, 3.0)

    return tripled


def test_an_op_that_keras_does_not_have_is_saved_as_graphkits(tripled: Any, tmp_path: Path) -> None:
    x = layers.Input((2,), name="x")
    model = graphkit.Model(x, tripled(x))
    entry = json.loads(model.to_json())["config"]["layers"][1]

    assert (entry["module"], entry["registered_name"]) == ("graphkit.ops", "graphkit>Tripled")
    with pytest.warns(NotInKerasWarning, match=r"op 'tripled.*' is a Tripled, which Keras 3 does not have"):
        model.save(tmp_path / "m.keras")
    np.testing.assert_array_equal(graphkit.load(tmp_path / "m.keras")(np.ones((1, 2), "float32")), [[3.0, 3.0]])


# ----- an activation -----

OLD = activations.hard_sigmoid_keras2
USES = {
    "Activation": (lambda: layers.Activation(OLD, name="old"), (4,)),
    "Dense": (lambda: layers.Dense(3, activation=OLD, name="old"), (4,)),
    "Dense of sequences": (lambda: layers.Dense(3, activation=OLD, name="old"), (None, 4)),
    "LSTM": (lambda: layers.LSTM(3, recurrent_activation=OLD, return_sequences=True, name="old"), (None, 4)),
    "GRU": (lambda: layers.Bidirectional(layers.GRU(3, recurrent_activation=OLD), name="old"), (None, 4)),
    "cells": (lambda: layers.RNN(layers.LSTMCell(3, recurrent_activation=OLD), name="old"), (None, 4)),
    "ConvLSTM2D": (lambda: layers.ConvLSTM2D(2, 2, recurrent_activation=OLD, name="old"), (3, 4, 4, 1)),
    "Lambda": (lambda: layers.Lambda(OLD, name="old"), (4,)),
    "half floats": (lambda: layers.LSTM(3, recurrent_activation=OLD, dtype="mixed_float16", name="old"), (None, 4)),
}


def model_of(use: str) -> Any:
    make, shape = USES[use]
    graphkit.utils.set_random_seed(1)
    x = layers.Input(shape, name="x")
    return graphkit.Model(x, make()(x))  # type: ignore[no-untyped-call]


def strings_in(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from strings_in(item)
    elif isinstance(value, str):
        yield value


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("suffix", ["keras", "h5", "json"])
def test_the_hard_sigmoid_of_keras_2_is_written_in_layers_of_keras(use: str, suffix: str, tmp_path: Path) -> None:
    model, path = model_of(use), tmp_path / f"m.{suffix}"
    with warnings.catch_warnings():
        warnings.simplefilter("error", NotInKerasWarning)
        model.save(path)
    again: Any = graphkit.load(path)
    again.set_weights(model.get_weights())
    x = np.random.default_rng(0).normal(size=[s or 3 for s in model.input_shape]).astype("float32") * 3

    assert missing_in_keras(model) == []
    assert not [text for text in strings_in(json.loads(model.to_json())) if text.startswith("graphkit")]
    np.testing.assert_array_equal(np.asarray(again(x)), np.asarray(model(x)))


def test_the_hard_sigmoid_of_keras_2_comes_back_as_itself() -> None:
    """So an LSTM keeps its fast kernel and its ONNX operator; also where Keras has built the model of layers and saved it."""
    config = layers.LSTM(3, recurrent_activation=OLD).get_config()
    built = json.loads(json.dumps(config))
    entries = built["recurrent_activation"]["config"]["layers"]
    entries.insert(0, {"module": "keras.layers", "class_name": "InputLayer", "config": {"batch_shape": [None, 3]}})

    for found in (config, built):
        assert layers.LSTM.from_config(found).recurrent_activation is OLD
    assert activations.get({"class_name": "function", "config": "graphkit>hard_sigmoid_keras2"}) is OLD
    assert activations.serialize(OLD)["class_name"] == "Sequential"


def test_keras_2_files_name_it_as_keras_2_does(tmp_path: Path) -> None:
    model = model_of("LSTM")
    model.save(tmp_path / "m.h5", keras_version=2)
    again: Any = graphkit.load(tmp_path / "m.h5")

    assert b'"recurrent_activation": "hard_sigmoid"' in (tmp_path / "m.h5").read_bytes()
    assert again.layers[1].recurrent_activation is OLD


def test_the_layers_compute_the_hard_sigmoid_of_keras_2() -> None:
    x = np.linspace(-4, 4, 17, dtype="float32").reshape(1, 17)

    made = serialization.deserialize(activations.serialize(OLD))

    assert isinstance(made, graphkit.Sequential)
    np.testing.assert_array_equal(np.asarray(made(x)), np.clip(np.float32(0.2) * x + np.float32(0.5), 0, 1))
    np.testing.assert_array_equal(np.asarray(made(x)), np.asarray(OLD(x)))


def test_another_model_of_layers_stays_what_it_is() -> None:
    config = activations.serialize(OLD)
    config["config"]["layers"][0]["config"]["scale"] = 0.25

    made = activations.get(config)

    assert made is not OLD
    np.testing.assert_array_equal(np.asarray(made(np.ones((1, 2), "float32"))), [[0.75, 0.75]])


def test_the_layers_compute_in_the_dtype_of_their_owner() -> None:
    config = layers.Dense(3, activation=OLD, dtype="mixed_bfloat16").get_config()

    found = [layer["config"]["dtype"]["config"]["name"] for layer in config["activation"]["config"]["layers"]]

    assert found == ["bfloat16", "bfloat16"]


# ----- an optimizer -----


@pytest.mark.parametrize(
    ("optimizer", "attribute", "value", "told"),
    [
        ("rmsprop", "epsilon_outside", True, "RMSprop of older Keras adds epsilon after the square root"),
        ("nadam", "schedule_decay", 0.004, "schedule_decay=0.004 of the optimizer 'nadam'"),
    ],
)
def test_what_a_file_does_not_hold_of_an_older_optimizer_is_told(
    optimizer: str, attribute: str, value: Any, told: str, tmp_path: Path
) -> None:
    model: Any = graphkit.Sequential([layers.Input((2,)), layers.Dense(1)])
    model.compile(optimizer, "mse")
    model.save(tmp_path / "plain.keras")  # no warning
    setattr(model.optimizer, attribute, value)
    lost: list[str] = []

    with pytest.warns(NotInKerasWarning, match=rf"m\.keras' does not hold: {told}"):
        model.save(tmp_path / "m.keras")
    graphkit.convert(model, tmp_path / "c.keras", lost=lost)
    assert [text for text in lost if text.startswith(told)]


# ----- earlier files -----

EARLIER = json.loads((Path(__file__).parents[2] / "fixtures" / "earlier_names.json").read_text(encoding="utf-8"))[
    "models"
]


@pytest.mark.parametrize("name", EARLIER)
def test_files_that_name_it_as_a_layer_of_keras_open(name: str, tmp_path: Path) -> None:
    """Models as JSON, written when graphkit named its own layers in `keras.layers`."""
    (tmp_path / "m.json").write_text(json.dumps(EARLIER[name]))
    layer = graphkit.load(tmp_path / "m.json").get_layer("own")

    assert name in (type(layer).__name__, getattr(layer, "recurrent_activation", OLD).__name__)
    assert "graphkit.layers" not in json.dumps(EARLIER[name])


def test_there_is_an_earlier_file_of_each_layer() -> None:
    """New layers have none: they were never named otherwise."""
    assert set(EARLIER) - {"hard_sigmoid_keras2"} <= {
        name for module, name in serialization._EARLIER if "layers" in module
    }
    assert len(EARLIER) == 15
