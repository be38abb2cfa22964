"""FeatureSpace: values and files of real Keras (fixtures/make_utils_answers.py), models on top, ONNX."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphkit
from graphkit import layers, models
from graphkit.errors import InvalidArgumentError, InvalidTypeError, NotBuiltError
from graphkit.utils import Batches, FeatureSpace
from tests.utils.calls import TABLE, feature_spaces

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"
ARRAYS = {n: np.array(v, object if isinstance(v[0], str) else None) for n, v in TABLE.items()}
with np.load(FIXTURES / "utils.npz", allow_pickle=False) as file:
    ANSWERS = {k.removeprefix("space."): v for k, v in file.items() if k.startswith("space.")}


def made(name: str) -> Any:
    return feature_spaces(FeatureSpace, layers)[name]


def columns_of(space: Any) -> dict[str, Any]:
    return {column: ARRAYS[column] for column in space.features}


def assert_answers(name: str, output: Any) -> None:
    parts = output if isinstance(output, dict) else {"": output}
    assert {f"{name}.{part}" for part in parts} == {k for k in ANSWERS if k.startswith(f"{name}.")}
    for part, array in parts.items():
        wanted = ANSWERS[f"{name}.{part}"]
        assert np.asarray(array).shape == wanted.shape
        np.testing.assert_allclose(np.asarray(array), wanted, rtol=1e-5, atol=1e-6)


def dataset_of(space: Any) -> Any:
    arrays = columns_of(space)
    return Batches(6, lambda index: {n: a[index] for n, a in arrays.items()}, batch_size=4)


@pytest.mark.parametrize("name", ["concat", "hashed", "dict", "own_layer"])
def test_features_are_those_of_keras(name: str) -> None:
    space = made(name)
    space.adapt({n: TABLE[n] for n in space.features})

    assert_answers(name, space(columns_of(space)))


@pytest.mark.parametrize("name", ["hashed", "dict"])
@pytest.mark.parametrize("form", ["batches", "rows", "generator"])
def test_adapt_takes_data_sets_of_dicts(name: str, form: str) -> None:
    space = made(name)
    batches = dataset_of(space)

    space.adapt({"batches": batches, "rows": batches.unbatch(), "generator": (b for b in batches)}[form])

    assert_answers(name, space(columns_of(space)))


def test_a_file_of_keras_opens() -> None:
    space: Any = models.load_model(FIXTURES / "feature_space.keras")

    assert_answers("concat", space(columns_of(space)))


@pytest.mark.parametrize("name", ["concat", "dict"])
def test_saved_and_read(name: str, tmp_path: Path) -> None:
    space = made(name)
    space.adapt(columns_of(space))
    space.save(tmp_path / "space.keras")

    again: Any = models.load_model(tmp_path / "space.keras")

    assert again.get_config() == space.get_config()
    assert_answers(name, again(columns_of(again)))


def test_one_row_comes_back_as_one_row() -> None:
    space = made("concat")
    space.adapt(columns_of(space))

    row = space({n: TABLE[n][0] for n in space.features})

    np.testing.assert_allclose(np.asarray(row), ANSWERS["concat."][0], rtol=1e-5, atol=1e-6)


def test_a_model_trains_on_top() -> None:
    space = made("hashed")
    space.adapt(columns_of(space))
    inputs = space.get_inputs()
    model: Any = graphkit.Model(inputs, layers.Dense(1)(space.get_encoded_features()))
    model.compile("sgd", "mse")
    upright = {n: a[:, None] for n, a in columns_of(space).items()}

    losses = model.fit(upright, ARRAYS["size"], epochs=3, verbose=0).history["loss"]

    assert losses[-1] < losses[0]


@pytest.mark.parametrize("name", ["concat", "hashed", "own_layer"])
def test_an_encoder_runs_in_onnxruntime(name: str, tmp_path: Path) -> None:
    import onnxruntime

    space = made(name)
    space.adapt(columns_of(space))
    graphkit.Model(space.get_inputs(), space.get_encoded_features()).export(tmp_path / "space.onnx")

    session = onnxruntime.InferenceSession(tmp_path / "space.onnx")
    kinds = {"tensor(string)": object, "tensor(float)": "float32", "tensor(int32)": "int32"}
    fed = {i.name: ARRAYS[i.name][:, None].astype(kinds[i.type]) for i in session.get_inputs()}

    assert_answers(name, session.run(None, fed)[0])


def test_what_does_not_go_together_is_refused() -> None:
    with pytest.raises(NotBuiltError, match="adapt"):
        made("concat").get_encoded_features()
    with pytest.raises(InvalidArgumentError, match="Known are float"):
        FeatureSpace({"a": "floating"})
    with pytest.raises(InvalidArgumentError, match="unknown"):
        FeatureSpace({"a": "float"}, crosses=[("a", "b")])
    with pytest.raises(InvalidArgumentError, match="output_mode='dict'"):
        FeatureSpace({"a": FeatureSpace.integer_hashed(3, output_mode="int")}).get_encoded_features()
    with pytest.raises(InvalidArgumentError, match="cannot be one-hot"):
        FeatureSpace({"a": FeatureSpace.feature("float32", layers.Rescaling(2.0), "one_hot")}).get_inputs()
    with pytest.raises(InvalidTypeError, match="dict"):
        FeatureSpace({"a": "float"})(np.ones(3))
    with pytest.raises(InvalidTypeError, match="dict of arrays"):
        made("concat").adapt("text")
    with pytest.raises(InvalidArgumentError, match="without the features"):
        FeatureSpace({"a": "float"})({"b": 1})
