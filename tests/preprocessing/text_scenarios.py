"""Vocabularies, texts and categories, which fixtures/make_text_answers.py runs with real Keras on TensorFlow, and the tests here.

Each scenario takes Keras and TensorFlow (`tf.data`, `tf.strings`, `tf.constant`), and returns values, or the name of an error.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

TEXTS = ["The cat sat, on the MAT.", "a dog & the cat", "Dog! dog? bird", "", "naïve  Ünï\tcat"]
WORDS = ["", "[UNK]", "the", "cat", "dog", "mat"]
IDF = [0.5, 1.0, 2.0, 3.0]


def described(value: Any) -> Any:
    """Return a value in a form that JSON can hold."""
    if isinstance(value, dict):
        return {k: described(v) for k, v in value.items()}
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, (list, tuple)):
        return [described(v) for v in value]
    if isinstance(value, (str, int, float, type(None))):
        return value
    array = np.asarray(value)
    if array.dtype.kind in "OSU":
        return ["string", list(array.shape), [t.decode() if isinstance(t, bytes) else str(t) for t in array.ravel()]]
    return [str(array.dtype), list(array.shape), [round(float(v), 5) for v in array.ravel()]]


def outcome(keras: Any, tf: Any, scenario: Callable[[Any, Any], Any]) -> Any:
    """Return the result of a scenario, or the kind of its error."""
    try:
        return described(scenario(keras, tf))
    except Exception as error:
        kinds = (ValueError, TypeError, RuntimeError)
        return f"raises {next((k.__name__ for k in kinds if isinstance(error, k)), 'an error')}"


def vectorizer(keras: Any, **arguments: Any) -> Any:
    """Return an adapted TextVectorization."""
    layer = keras.layers.TextVectorization(**arguments)
    layer.adapt(TEXTS)
    return layer


def both(layer: Any, texts: Any = TEXTS) -> Any:
    """Return the vocabulary and the result of a call."""
    return layer.get_vocabulary(), layer(np.array(texts))


def shouting(texts: Any) -> Any:
    return texts + "!" if isinstance(texts, str) else texts


def own_standardize(tf: Any) -> Callable[[Any], Any]:
    def standardize(texts: Any) -> Any:
        lowered = tf.strings.lower(texts)
        return tf.strings.regex_replace(lowered, "[^a-z ]", "")

    return standardize


def through_a_file(keras: Any, layer: Any, texts: Any = TEXTS, **given: Any) -> Any:
    """Return what a model with the layer gives after it was saved and loaded."""
    model = keras.Sequential([keras.Input((), dtype="string"), layer])
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder) / "m.keras")
        again = keras.models.load_model(Path(folder) / "m.keras", **given)
    return again.layers[-1].get_vocabulary(), again(np.array(texts))


def assets(layer: Any) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        layer.save_assets(folder)
        found = {p.name: p.read_text(encoding="utf-8") for p in sorted(Path(folder).iterdir())}
        fresh = type(layer)()
        fresh.load_assets(folder)
    return found, fresh.get_vocabulary()


def in_sequential(keras: Any, layer: Any, x: Any, call: bool = False) -> Any:
    model = keras.Sequential([layer, keras.layers.Embedding(20, 2, embeddings_initializer="ones")])
    return model(x) if call else model.predict(x, verbose=0)


def trained(keras: Any, tf: Any) -> Any:
    layer = keras.layers.TextVectorization(output_mode="multi_hot")
    layer.adapt(TEXTS)
    model = keras.Sequential(
        [keras.Input((), dtype="string"), layer, keras.layers.Dense(1, kernel_initializer="zeros")]
    )
    model.compile("sgd", "mse")
    data = tf.data.Dataset.from_tensor_slices((TEXTS, [1.0, 2.0, 3.0, 4.0, 5.0])).batch(2)
    return model.fit(data, verbose=0, epochs=2).history["loss"]


def mapped(keras: Any, tf: Any) -> Any:
    layer = vectorizer(keras, output_sequence_length=4)
    data = tf.data.Dataset.from_tensor_slices((TEXTS, [0, 1, 0, 1, 0])).batch(2).map(lambda x, y: (layer(x), y))
    return [[np.asarray(x), np.asarray(y)] for x, y in data]


def data_of_texts(tf: Any, size: int = 2) -> Any:
    return tf.data.Dataset.from_tensor_slices(TEXTS).batch(size)


def adapted(layer: Any, data: Any, **arguments: Any) -> Any:
    layer.adapt(data, **arguments)
    return layer.get_vocabulary()


def numbers(keras: Any, data: Any, **arguments: Any) -> Any:
    layer = keras.layers.Normalization(**arguments)
    layer.adapt(data)
    return layer.mean, layer.variance


def py_dataset(keras: Any, array: Any, size: int = 2, with_y: bool = False) -> Any:
    class Data(keras.utils.PyDataset):  # type: ignore[misc, name-defined]
        def __len__(self) -> int:
            return -(-len(array) // size)

        def __getitem__(self, k: int) -> Any:
            part = array[k * size : (k + 1) * size]
            return (part, np.zeros(len(part))) if with_y else part

    return Data()


def shapes(keras: Any, kind: str, inputs: list[Any], **arguments: Any) -> Any:
    """Return the output shapes in all modes."""
    made = {}
    for mode in ("int", "one_hot", "multi_hot", "count"):
        for shape in inputs:
            try:
                layer = getattr(keras.layers, kind)(output_mode=mode, **arguments)
                made[f"{mode} {shape}"] = [None if s is None else int(s) for s in layer.compute_output_shape(shape)]
            except ValueError:
                made[f"{mode} {shape}"] = "ValueError"
    return made


def encoded(
    keras: Any, kind: str, x: Any, modes: tuple[str, ...] = ("int", "one_hot", "multi_hot", "count"), **a: Any
) -> Any:
    """Return the results in all modes."""
    return {mode: getattr(keras.layers, kind)(output_mode=mode, **a)(x) for mode in modes}


X = np.arange(12, dtype="float32").reshape(6, 2) ** 1.5
IDS = np.array([[1], [2], [2], [5], [5], [5]])
S = np.array([["a"], ["b"], ["b"], ["c"], ["c"], ["c"]], dtype=object)

Scenario = Callable[[Any, Any], Any]
SCENARIOS: dict[str, Scenario] = {
    # TextVectorization
    "texts": lambda k, tf: both(vectorizer(k)),
    "texts, short": lambda k, tf: both(vectorizer(k, output_sequence_length=3, max_tokens=5)),
    "texts, long": lambda k, tf: both(vectorizer(k, output_sequence_length=9)),
    "texts, lower": lambda k, tf: both(vectorizer(k, standardize="lower")),
    "texts, strip": lambda k, tf: both(vectorizer(k, standardize="strip_punctuation")),
    "texts, as they are": lambda k, tf: both(vectorizer(k, standardize=None)),
    "characters": lambda k, tf: both(vectorizer(k, split="character")),
    "whole texts": lambda k, tf: both(vectorizer(k, split=None)),
    "bigrams": lambda k, tf: both(vectorizer(k, ngrams=2, max_tokens=12)),
    "lengths of ngrams": lambda k, tf: both(vectorizer(k, ngrams=(1, 3))),
    "multi-hot": lambda k, tf: both(vectorizer(k, output_mode="multi_hot")),
    "multi-hot, padded": lambda k, tf: both(vectorizer(k, output_mode="multi_hot", max_tokens=20, pad_to_max_tokens=True)),
    "count": lambda k, tf: both(vectorizer(k, output_mode="count")),
    "count, padded": lambda k, tf: both(vectorizer(k, output_mode="count", max_tokens=20, pad_to_max_tokens=True)),
    "tf-idf": lambda k, tf: both(vectorizer(k, output_mode="tf_idf")),
    "tf-idf, padded": lambda k, tf: both(vectorizer(k, output_mode="tf_idf", max_tokens=20, pad_to_max_tokens=True)),
    "tf-idf, given": lambda k, tf: k.layers.TextVectorization(
        output_mode="tf_idf", vocabulary=WORDS[2:], idf_weights=IDF
    )(np.array(TEXTS)),
    "given words": lambda k, tf: both(k.layers.TextVectorization(vocabulary=WORDS[2:])),
    "given words with special ones": lambda k, tf: both(k.layers.TextVectorization(vocabulary=WORDS)),
    "words set": lambda k, tf: (lambda v: (v.set_vocabulary(WORDS[2:]), both(v))[1])(k.layers.TextVectorization()),
    "without special ones": lambda k, tf: vectorizer(k).get_vocabulary(include_special_tokens=False),
    "size": lambda k, tf: vectorizer(k).vocabulary_size(),
    "adapted twice": lambda k, tf: (lambda v: (v.adapt(["x y"]), v.get_vocabulary())[1])(vectorizer(k)),
    "a string": lambda k, tf: vectorizer(k)("the cat"),
    "a list": lambda k, tf: vectorizer(k)(["the cat", "dog"]),
    "nested lists": lambda k, tf: vectorizer(k)([["the cat"], ["dog bird"]]),
    "an array of str": lambda k, tf: vectorizer(k)(np.array(["the cat", "dog"])),
    "an array of bytes": lambda k, tf: vectorizer(k)(np.array([b"the cat", b"dog"])),
    "a column": lambda k, tf: vectorizer(k)(np.array([["the cat"], ["dog"]], dtype=object)),
    "a table without split": lambda k, tf: vectorizer(k, split=None, standardize="lower")(np.array([["dog", "cat"], ["x", ""]])),
    "an eager tensor": lambda k, tf: vectorizer(k)(tf.constant(["the cat", "dog"])),
    "own standardize": lambda k, tf: both(vectorizer(k, standardize=own_standardize(tf))),
    "own split": lambda k, tf: both(vectorizer(k, split=lambda t: tf.strings.split(t, sep="a"))),
    "own split at spaces": lambda k, tf: both(vectorizer(k, split=tf.strings.split)),
    "both own": lambda k, tf: both(
        vectorizer(k, standardize=tf.strings.lower, split=lambda t: tf.strings.unicode_split(t, "UTF-8"))
    ),
    "own standardize, counted": lambda k, tf: both(vectorizer(k, standardize=own_standardize(tf), output_mode="count")),
    "in a file": lambda k, tf: through_a_file(k, vectorizer(k)),
    "in a file, tf-idf": lambda k, tf: through_a_file(k, vectorizer(k, output_mode="tf_idf")),
    "in a file, given": lambda k, tf: through_a_file(k, k.layers.TextVectorization(vocabulary=WORDS[2:])),
    "assets": lambda k, tf: assets(vectorizer(k)),
    "first in a Sequential": lambda k, tf: in_sequential(k, vectorizer(k), np.array(["the cat", "dog"], dtype=object)),
    "first in a Sequential, called": lambda k, tf: in_sequential(k, vectorizer(k), tf.constant(["the cat", "dog"]), True),
    "training": trained,
    "map": mapped,
    "length outside of int": lambda k, tf: k.layers.TextVectorization(output_mode="count", output_sequence_length=3),
    "unknown standardize": lambda k, tf: k.layers.TextVectorization(standardize="upper"),
    "unknown split": lambda k, tf: k.layers.TextVectorization(split="commas"),
    "ngrams of a string": lambda k, tf: k.layers.TextVectorization(ngrams="2"),
    "too many words": lambda k, tf: k.layers.TextVectorization(vocabulary=["a", "b", "c"], max_tokens=3),
    "repeated words": lambda k, tf: k.layers.TextVectorization(vocabulary=["a", "b", "a"]),
    "shape of int": lambda k, tf: list(k.layers.TextVectorization(output_sequence_length=3).compute_output_shape((None,))),
    # adapt
    "adapt to an array": lambda k, tf: adapted(k.layers.TextVectorization(), np.array(TEXTS)),
    "adapt to bytes": lambda k, tf: adapted(k.layers.TextVectorization(), np.array([t.encode() for t in TEXTS])),
    "adapt to a column": lambda k, tf: adapted(k.layers.TextVectorization(), np.array(TEXTS, object)[:, None]),
    "adapt to a data set": lambda k, tf: adapted(k.layers.TextVectorization(), data_of_texts(tf)),
    "adapt to a data set, steps": lambda k, tf: adapted(k.layers.TextVectorization(), data_of_texts(tf), steps=1),
    "adapt to single texts": lambda k, tf: adapted(k.layers.TextVectorization(), tf.data.Dataset.from_tensor_slices(TEXTS)),
    "adapt to a mapped data set": lambda k, tf: adapted(
        k.layers.TextVectorization(),
        tf.data.Dataset.from_tensor_slices((TEXTS, [1, 2, 3, 4, 5])).batch(2).map(lambda x, y: x),
    ),
    "adapt to a tensor": lambda k, tf: adapted(k.layers.TextVectorization(), tf.constant(TEXTS)),
    "adapt strings to a data set": lambda k, tf: adapted(
        k.layers.StringLookup(), tf.data.Dataset.from_tensor_slices(S[:, 0]).batch(4)
    ),
    "adapt strings to single ones": lambda k, tf: adapted(k.layers.StringLookup(), tf.data.Dataset.from_tensor_slices(S[:, 0])),
    "adapt strings to an array": lambda k, tf: adapted(k.layers.StringLookup(), S),
    "adapt strings to a list": lambda k, tf: adapted(k.layers.StringLookup(), ["b", "a", "b"]),
    "adapt strings to nested lists": lambda k, tf: adapted(k.layers.StringLookup(), [["b", "a"], ["b", "d"]]),
    "adapt integers to a data set": lambda k, tf: adapted(k.layers.IntegerLookup(), tf.data.Dataset.from_tensor_slices(IDS).batch(4)),
    "adapt integers to an array": lambda k, tf: adapted(k.layers.IntegerLookup(), IDS),
    "adapt integers to a list": lambda k, tf: adapted(k.layers.IntegerLookup(), [5, 5, 2]),
    "numbers of an array": lambda k, tf: numbers(k, X),
    "numbers of a data set": lambda k, tf: numbers(k, tf.data.Dataset.from_tensor_slices(X).batch(4)),
    "numbers of a mapped data set": lambda k, tf: numbers(
        k, tf.data.Dataset.from_tensor_slices((X, X)).batch(4).map(lambda x, y: x)
    ),
    "numbers of a column, without axis": lambda k, tf: numbers(k, X[:, 0], axis=None),
    "numbers of a PyDataset": lambda k, tf: numbers(k, py_dataset(k, X)),
    "numbers of integers": lambda k, tf: numbers(k, np.arange(6).reshape(3, 2)),
    "bins of an array": lambda k, tf: (lambda d: (d.adapt(X[:, 0]), d.bin_boundaries)[1])(k.layers.Discretization(num_bins=3)),
    "bins of a data set": lambda k, tf: (
        lambda d: (d.adapt(tf.data.Dataset.from_tensor_slices(X[:, 0]).batch(3)), d.bin_boundaries)[1]
    )(k.layers.Discretization(num_bins=3)),
    # lookups
    "strings": lambda k, tf: k.layers.StringLookup(vocabulary=["a", "b"])(np.array([["a", "z"], ["b", ""]])),
    "strings as a list": lambda k, tf: k.layers.StringLookup(vocabulary=["a", "b"])(["a", "z"]),
    "a single string": lambda k, tf: k.layers.StringLookup(vocabulary=["a", "b"])("b"),
    "strings as nested lists": lambda k, tf: k.layers.StringLookup(vocabulary=["a", "b"])([["a", "z"], ["b", "a"]]),
    "strings as bytes": lambda k, tf: k.layers.StringLookup(vocabulary=["a", "b"])(np.array([b"a", b"z"])),
    "strings of bytes": lambda k, tf: k.layers.StringLookup(vocabulary=np.array([b"a", b"b"])).get_vocabulary(),
    "strings, masked": lambda k, tf: k.layers.StringLookup(vocabulary=["a", "b"], mask_token="")(np.array(["a", "z", ""])),
    "strings, three unknown": lambda k, tf: k.layers.StringLookup(vocabulary=["a", "b"], num_oov_indices=3)(
        np.array(["a", "z", "y", "x", "w"])
    ),
    "strings, salted": lambda k, tf: k.layers.StringLookup(vocabulary=["a", "b"], num_oov_indices=3, salt=[5, 9])(
        np.array(["a", "z", "y", "x", "w"])
    ),
    "strings, none unknown": lambda k, tf: k.layers.StringLookup(vocabulary=["a", "b"], num_oov_indices=0)(np.array(["a", "b"])),
    "strings, inverted": lambda k, tf: k.layers.StringLookup(vocabulary=["a", "b"], invert=True)(np.array([[0, 1], [2, 7]])),
    "strings, inverted and masked": lambda k, tf: k.layers.StringLookup(
        vocabulary=["", "[UNK]", "a", "b"], invert=True, mask_token=""
    )(np.array([0, 1, 2, 3])),
    "strings, one-hot": lambda k, tf: k.layers.StringLookup(vocabulary=["a", "b"], output_mode="one_hot")(np.array(["a", "z"])),
    "strings, multi-hot": lambda k, tf: k.layers.StringLookup(vocabulary=["a", "b"], output_mode="multi_hot")(
        np.array([["a", "z"], ["b", "b"]])
    ),
    "strings, count": lambda k, tf: k.layers.StringLookup(vocabulary=["a", "b"], output_mode="count")(
        np.array([["a", "z"], ["b", "b"]])
    ),
    "strings, tf-idf": lambda k, tf: k.layers.StringLookup(
        vocabulary=["a", "b"], output_mode="tf_idf", idf_weights=[0.5, 2.0]
    )(np.array([["a", "z"], ["b", "b"]])),
    "strings, tf-idf learned": lambda k, tf: (lambda v: (v.adapt(S), v(S))[1])(k.layers.StringLookup(output_mode="tf_idf")),
    "strings, count of one": lambda k, tf: k.layers.StringLookup(vocabulary=["a", "b"], output_mode="count")(np.array(["a", "b"])),
    "strings in a file": lambda k, tf: through_a_file(k, k.layers.StringLookup(vocabulary=["a", "b"]), ["a", "z"]),
    "learned strings in a file": lambda k, tf: (lambda v: (v.adapt(S), through_a_file(k, v, ["a", "c"]))[1])(k.layers.StringLookup()),
    "assets of strings": lambda k, tf: (lambda v: (v.adapt(S), assets(v))[1])(k.layers.StringLookup()),
    "integers": lambda k, tf: k.layers.IntegerLookup(vocabulary=[5, 6])([5, 6, 7]),
    "integers, array": lambda k, tf: k.layers.IntegerLookup(vocabulary=[5, 6], mask_token=0)(np.array([[5, 0], [7, 6]])),
    "integers, three unknown": lambda k, tf: k.layers.IntegerLookup(vocabulary=[5, 6], num_oov_indices=3)(np.array([5, 7, 8, 9, -1])),
    "integers, inverted": lambda k, tf: k.layers.IntegerLookup(vocabulary=[5, 6], invert=True)(np.array([0, 1, 2])),
    "integers, encoded": lambda k, tf: encoded(
        k, "IntegerLookup", np.array([[5, 6], [7, 5]]), ("int", "multi_hot", "count"), vocabulary=[5, 6]
    ),
    "integers, words": lambda k, tf: k.layers.IntegerLookup(vocabulary=[5, 6], mask_token=0).get_vocabulary(),
    "a single integer": lambda k, tf: k.layers.IntegerLookup(vocabulary=[5, 6])(6),
    # categories
    "hashes": lambda k, tf: encoded(k, "Hashing", np.array([["a"], ["b"], ["c"]]), num_bins=4),
    "hashes of a list": lambda k, tf: k.layers.Hashing(num_bins=5)(["a", "b", "zz"]),
    "hashes of integers": lambda k, tf: k.layers.Hashing(num_bins=5)(np.array([[1], [2], [3]])),
    "hashes, salted": lambda k, tf: k.layers.Hashing(num_bins=5, salt=133)(np.array(["a", "b", "c", "d"])),
    "hashes, masked": lambda k, tf: k.layers.Hashing(num_bins=3, mask_value="")(np.array([["a"], [""], ["c"]])),
    "hashes, no bins": lambda k, tf: k.layers.Hashing(num_bins=0),
    "shapes of Hashing": lambda k, tf: shapes(k, "Hashing", [(None, 1), (5, 1)], num_bins=5),
    "crosses": lambda k, tf: k.layers.HashedCrossing(num_bins=5)((np.array(["A", "B", "A"]), np.array([101, 102, 103]))),
    "crosses, one-hot": lambda k, tf: k.layers.HashedCrossing(num_bins=5, output_mode="one_hot")(
        (np.array(["A", "B"]), np.array([101, 102]))
    ),
    "crosses of three": lambda k, tf: k.layers.HashedCrossing(num_bins=50)(
        (np.array([1, 2]), np.array(["x", "y"]), np.array([7, 8]))
    ),
    "crosses of columns": lambda k, tf: k.layers.HashedCrossing(num_bins=9)((np.array([["A"], ["B"]]), np.array([[1], [2]]))),
    "a cross of one": lambda k, tf: k.layers.HashedCrossing(num_bins=5)((np.array(["A"]),)),
    "encoding": lambda k, tf: encoded(
        k, "CategoryEncoding", np.array([[0, 1], [3, 3]]), ("multi_hot", "count"), num_tokens=4
    ),
    "encoding, one-hot": lambda k, tf: k.layers.CategoryEncoding(num_tokens=4, output_mode="one_hot")(np.array([3, 2, 0])),
    "encoding of a list": lambda k, tf: k.layers.CategoryEncoding(num_tokens=4, output_mode="one_hot")([3, 2, 0]),
    "encoding, weighted": lambda k, tf: k.layers.CategoryEncoding(num_tokens=4, output_mode="count")(
        np.array([[0, 1], [3, 3]]), count_weights=np.array([[0.1, 0.2], [0.5, 0.25]])
    ),
    "encoding, weights in another mode": lambda k, tf: k.layers.CategoryEncoding(num_tokens=4)(
        np.array([[0, 1]]), count_weights=np.array([[0.1, 0.2]])
    ),
    "encoding out of range": lambda k, tf: k.layers.CategoryEncoding(num_tokens=3, output_mode="one_hot")(np.array([7])),
    "bins": lambda k, tf: encoded(k, "Discretization", np.array([[-1.5, 1.0], [3.4, 0.5]]), bin_boundaries=[0.0, 1.0, 2.0]),
    "bins of a list of numbers": lambda k, tf: k.layers.Discretization(bin_boundaries=[0.0, 1.0])([[-1.5, 0.5], [2.0, 1.0]]),
    "bins of integers": lambda k, tf: k.layers.Discretization(bin_boundaries=[1, 3])(np.array([0, 1, 2, 3, 4])),
    "shapes of Discretization": lambda k, tf: shapes(
        k, "Discretization", [(None,), (None, 1), (3,), (4, 3), (2, 3, 1)], bin_boundaries=[0.0, 0.5, 1.0]
    ),
    "shapes of StringLookup": lambda k, tf: shapes(
        k, "StringLookup", [(None,), (None, 1), (4, 3)], vocabulary=["a", "b"]
    ),
}  # fmt: skip
