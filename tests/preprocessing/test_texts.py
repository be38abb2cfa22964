"""Texts, vocabularies and categories, compared with real Keras (fixtures/make_text_answers.py)."""

from __future__ import annotations

import json
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphkit
from graphkit import ops
from graphkit.errors import ExportError, InvalidArgumentError
from graphkit.ops import texts
from graphkit.utils import dataset
from tests.preprocessing.text_scenarios import IDS, SCENARIOS, TEXTS, S, X, described, outcome, py_dataset

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"
ANSWERS = json.loads((FIXTURES / "texts.json").read_text())
TF = types.SimpleNamespace(data=dataset, strings=texts, constant=ops.convert_to_tensor)


def rounded(value: Any) -> Any:
    """Return a structure with its numbers as approximations."""
    if isinstance(value, dict):
        return {k: rounded(v) for k, v in value.items()}
    if isinstance(value, list):
        return [rounded(v) for v in value]
    return pytest.approx(value, rel=1e-4, abs=1e-4) if isinstance(value, float) else value


@pytest.mark.parametrize("name", SCENARIOS)
def test_results_equal_keras(name: str) -> None:
    made = json.loads(json.dumps(outcome(graphkit, TF, SCENARIOS[name])))

    assert made == rounded(ANSWERS[name])


@pytest.mark.parametrize("name", ["plain", "tf_idf", "uncalled", "lookup"])
def test_files_of_real_keras_that_begin_with_a_layer_for_strings_are_loaded(name: str) -> None:
    model = graphkit.models.load_model(FIXTURES / "vectorizers" / f"{name}.keras")
    given = S if name == "lookup" else TEXTS

    for form in (np.array(given), np.array(given, object), np.array(given).tolist()):
        assert json.loads(json.dumps(described(model(form)))) == rounded(ANSWERS["files"][name])
        assert described(model.predict(form, verbose=0)) == rounded(ANSWERS["files"][name])


def test_unknown_tokens_are_refused_where_they_have_no_index() -> None:
    lookup = graphkit.layers.StringLookup(vocabulary=["a", "b"], num_oov_indices=0)

    with pytest.raises(InvalidArgumentError, match=r"found OOV values \['z'\], consider setting `num_oov_indices=1`"):
        lookup(["a", "z"])
    assert lookup(["b", "a"]).tolist() == [1, 0]
    inputs = graphkit.Input((), dtype="string")
    model = graphkit.Model(inputs, lookup(inputs))
    assert model.predict(np.array(["b", "a"]), verbose=0).tolist() == [1, 0]
    with pytest.raises(InvalidArgumentError, match="found OOV values"):
        model.predict(np.array(["b", "z"]), verbose=0)


def test_ragged_outputs_are_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="ragged=True"):
        graphkit.layers.TextVectorization(ragged=True)


def test_own_functions_over_strings_work_in_predict_and_fit_but_not_in_an_export(tmp_path: Path) -> None:
    @graphkit.utils.register_keras_serializable("own")
    def only_letters(text: Any) -> Any:
        return texts.regex_replace(texts.lower(text), "[^a-z ]", "")

    layer = graphkit.layers.TextVectorization(standardize=only_letters, output_mode="count")
    layer.adapt(TEXTS)
    model = graphkit.Sequential([layer, graphkit.layers.Dense(1)])
    model.compile("sgd", "mse")
    x = np.array(TEXTS, object)

    history = model.fit(x, np.ones(5), epochs=2, verbose=0).history["loss"]

    assert history[1] < history[0]
    with pytest.warns(UserWarning, match="predict runs on the NumPy engine"):
        predicted = model.predict(x, verbose=0)
    np.testing.assert_allclose(predicted, model(x), rtol=1e-6)
    with pytest.raises(ExportError, match="standardize"):
        model.export(tmp_path / "m.onnx")
    model.save(tmp_path / "m.keras")
    again = graphkit.models.load_model(tmp_path / "m.keras")
    np.testing.assert_allclose(again(x), model(x), rtol=1e-6)


@pytest.mark.parametrize("kind", ["list", "str", "object", "bytes", "tensor", "column"])
def test_a_vectorizer_first_in_a_sequential_takes_texts_in_every_form(kind: str) -> None:
    layer = graphkit.layers.TextVectorization(output_sequence_length=3)
    layer.adapt(TEXTS)
    model = graphkit.Sequential([layer, graphkit.layers.Embedding(20, 2), graphkit.layers.GlobalAveragePooling1D()])
    forms = {
        "list": TEXTS,
        "str": np.array(TEXTS),
        "object": np.array(TEXTS, object),
        "bytes": np.array([t.encode() for t in TEXTS]),
        "tensor": ops.convert_to_tensor(np.array(TEXTS, object)),
        "column": np.array(TEXTS, object)[:, None],
    }

    called, predicted = model(forms[kind]), model.predict(forms[kind], verbose=0)

    assert called.shape == predicted.shape == (5, 2)
    np.testing.assert_allclose(called, predicted, rtol=1e-5)


@pytest.mark.parametrize("kind", ["PyDataset", "generator", "pairs", "list of batches", "pandas-like"])
def test_layers_adapt_to_every_kind_of_batches(kind: str) -> None:
    class Column:
        def __init__(self, array: Any) -> None:
            self.array = array

        def to_numpy(self) -> Any:
            return self.array

    def data(array: Any) -> Any:
        return {
            "PyDataset": lambda: py_dataset(graphkit, array),
            "generator": lambda: (array[k : k + 2] for k in range(0, len(array), 2)),
            "pairs": lambda: py_dataset(graphkit, array, with_y=True),
            "list of batches": lambda: [array[:2], array[2:]],
            "pandas-like": lambda: Column(array),
        }[kind]()

    strings, integers, normalization = (
        graphkit.layers.StringLookup(), graphkit.layers.IntegerLookup(), graphkit.layers.Normalization(axis=None)
    )  # fmt: skip
    vectorizer, bins = graphkit.layers.TextVectorization(), graphkit.layers.Discretization(num_bins=3)
    for layer, array in ((strings, S), (integers, IDS), (normalization, X), (vectorizer, S), (bins, X)):
        layer.adapt(data(array))

    assert strings.get_vocabulary() == ["[UNK]", "c", "b", "a"]
    assert integers.get_vocabulary() == [-1, 5, 2, 1]
    np.testing.assert_allclose(np.ravel(normalization.mean), X.mean(), rtol=1e-5)
    assert vectorizer.get_vocabulary() == ["", "[UNK]", "c", "b", "a"]
    assert len(bins.bin_boundaries) == 2


@pytest.mark.parametrize("kind", ["str", "object", "bytes", "objects of bytes"])
def test_texts_in_every_form_are_the_same_to_predict_and_to_a_call(kind: str) -> None:
    inputs = graphkit.Input((1,), dtype="string")
    lookup, hashing = graphkit.layers.StringLookup(vocabulary=["a", "é"]), graphkit.layers.Hashing(7)
    model = graphkit.Model(inputs, [lookup(inputs), hashing(inputs)])
    words = [["a"], ["é"], ["z"]]
    encoded = [[word.encode() for word in row] for row in words]
    forms = {
        "str": np.array(words), "object": np.array(words, object),
        "bytes": np.array(encoded), "objects of bytes": np.array(encoded, object),
    }  # fmt: skip

    for made in (model.predict(forms[kind], verbose=0), model(forms[kind])):
        assert np.ravel(made[0]).tolist() == [1, 2, 0]
        assert np.asarray(made[1]).tolist() == hashing(words).tolist()


def test_eager_tensors_of_strings_are_looked_up_and_hashed_as_arrays_are() -> None:
    words = np.array(["a", "z"], object)
    tensor = ops.convert_to_tensor(words)

    for layer in (graphkit.layers.StringLookup(vocabulary=["a"]), graphkit.layers.Hashing(9)):
        assert np.asarray(layer(tensor)).tolist() == np.asarray(layer(words)).tolist()
