"""What may be fed to a model: all methods of running one accept the same, and reject the rest with the same message."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graphkit import layers, models, ops
from graphkit.core import nest
from graphkit.core.errors import DTypeError, GraphKitError, InvalidArgumentError, InvalidTypeError, ShapeError
from graphkit.models.feeding import from_listed, numbered, to_listed
from graphkit.runtime import Predictor

pytestmark = pytest.mark.filterwarnings("ignore:Your input ran out of data")  # as Keras says of every generator

ROWS = 2


class Table:
    """A table with the interface of pandas and polars."""

    def __init__(self, rows: Any) -> None:
        self._rows = rows

    def to_numpy(self) -> Any:
        return np.asarray(self._rows)


def vector(name: str, width: int = 3, dtype: str = "float32") -> Any:
    return layers.Input((width,), name=name, dtype=dtype)


def one() -> Any:
    a = vector("a")
    return models.Model(a, a * 2.0, name="one")


def in_a_list() -> Any:
    a = vector("a")
    return models.Model([a], a * 2.0, name="in_a_list")


def stack() -> Any:
    return models.Sequential([vector("a"), layers.Rescaling(2.0)], name="stack")


def column(dtype: str = "float32") -> Any:
    a = vector("a", 1, dtype)
    return models.Model(a, ops.cast(a, "float32") * 2.0, name="column")


def vectorless() -> Any:
    a = layers.Input((), name="a")
    return models.Model(a, a * 2.0, name="vectorless")


def text() -> Any:
    a = vector("a", 2, "string")
    return models.Model(a, layers.StringLookup(vocabulary=["x", "y"])(a), name="text")


def two() -> Any:
    a, b = vector("a"), vector("b")
    return models.Model([a, b], a - b, name="two")


def nested() -> Any:
    a, b, c = vector("a"), vector("b"), vector("c")
    return models.Model([a, (b, c)], a - b * 2.0 + c * 4.0, name="nested")


def keyed() -> Any:
    a, b = vector("a"), vector("b")
    return models.Model({"left": a, "right": b}, a - b, name="keyed")


def unsorted() -> Any:
    a, b = vector("a"), vector("b")
    return models.Model({"z": a, "y": b}, a - b, name="unsorted")


def crossed() -> Any:
    """Each key is the name of the other input: keys take precedence."""
    a, b = vector("a"), vector("b")
    return models.Model({"a": b, "b": a}, a - b, name="crossed")


def optional() -> Any:
    class Either(layers.Layer):
        def call(self, x: Any, y: Any = None) -> Any:
            return x if y is None else x + y

    a, b = vector("a"), layers.Input((3,), name="b", optional=True)
    return models.Model([a, b], Either()(a, b), name="optional")


F = np.arange(6, dtype="float32").reshape(2, 3)
G = F + 10

# model, inputs, expected result
TAKEN: dict[str, tuple[Callable[[], Any], Any, Any]] = {
    "float32": (one, F, 2 * F),
    "float64": (one, F.astype("float64"), 2 * F),
    "float16": (one, F.astype("float16"), 2 * F),
    "integers": (one, F.astype("int64"), 2 * F),
    "bools": (one, F > 2, 2.0 * (F > 2)),
    "lists": (one, F.tolist(), 2 * F),
    "tuples": (one, tuple(map(tuple, F.tolist())), 2 * F),
    "lists of NumPy's numbers": (one, [list(row) for row in F], 2 * F),
    "a list around it": (one, [F], 2 * F),
    "a list around lists": (one, [F.tolist()], 2 * F),
    "a table": (one, Table(F), 2 * F),
    "by name": (one, {"a": F}, 2 * F),
    "by name, more keys": (one, {"a": F, "z": G}, 2 * F),
    "by name, as lists": (one, {"a": F.tolist()}, 2 * F),
    "a last axis of one": (one, F[..., None], 2 * F),
    "of a list of one: the array": (in_a_list, F, 2 * F),
    "of a list of one: a list": (in_a_list, [F], 2 * F),
    "of a list of one: lists": (in_a_list, F.tolist(), 2 * F),
    "of a list of one: by name": (in_a_list, {"a": F}, 2 * F),
    "of a stack": (stack, F, 2 * F),
    "of a stack: by name": (stack, {"a": F}, 2 * F),
    "of a stack: a last axis of one": (stack, F[..., None], 2 * F),
    "a row of numbers for a column": (column, np.arange(4.0), 2 * np.arange(4.0)[:, None]),
    "a list of numbers for a column": (column, [1, 2, 3], [[2], [4], [6]]),
    "a row by name for a column": (column, {"a": [1, 2, 3]}, [[2], [4], [6]]),
    "floats for integers": (lambda: column("int32"), np.array([[1.7], [-1.7]]), [[2], [-2]]),
    "numbers for bools": (lambda: column("bool"), np.array([[0.5], [0]]), [[2], [0]]),
    "small numbers for bytes": (lambda: column("uint8"), np.array([[255], [0]]), [[510], [0]]),
    "a column for a row of numbers": (vectorless, np.ones((4, 1)), [2, 2, 2, 2]),
    "strings": (text, np.array([["x", "q"]]), [[1, 0]]),
    "strings as objects": (text, np.array([["x", "q"]], object), [[1, 0]]),
    "strings in lists": (text, [["x", "q"], ["y", "y"]], [[1, 0], [2, 2]]),
    "a list of two": (two, [F, G], F - G),
    "a tuple of two": (two, (F, G), F - G),
    "two by name": (two, {"b": G, "a": F}, F - G),
    "two by name, more keys": (two, {"b": G, "z": G, "a": F}, F - G),
    "two of lists": (two, [F.tolist(), G.tolist()], F - G),
    "two tables by name": (two, {"a": Table(F), "b": Table(G)}, F - G),
    "two of several dtypes": (two, [F.astype(int), G.astype("float64")], F - G),
    "nested": (nested, [F, [G, F]], 5 * F - 2 * G),
    "nested in tuples": (nested, (F, (G, F)), 5 * F - 2 * G),
    "nested, by name": (nested, {"c": F, "b": G, "a": F}, 5 * F - 2 * G),
    "by key": (keyed, {"right": G, "left": F}, F - G),
    "by the inputs' names": (keyed, {"b": G, "a": F}, F - G),
    "by key, not sorted": (unsorted, {"y": G, "z": F}, F - G),
    "by key where the keys are other names": (crossed, {"a": G, "b": F}, F - G),
}
REFUSED: dict[str, tuple[Callable[[], Any], Any, type[Exception], str]] = {
    "too few columns": (one, F[:, :2], ShapeError, "Input 'a' of model 'one' expects shape (None, 3), got (2, 2)."),
    "one row": (one, F[0], ShapeError, "One row without a batch axis? Pass x[None]."),
    "one number": (one, 3.0, ShapeError, "Input 'a' of model 'one' expects shape (None, 3), got ()."),
    "two axes more": (one, F[..., None, None], ShapeError, "expects shape (None, 3), got (2, 3, 1, 1)."),
    "a last axis of two": (one, np.ones((2, 3, 2)), ShapeError, "expects shape (None, 3), got (2, 3, 2)."),
    "ragged": (one, [[1, 2, 3], [1]], ShapeError, "Input 'a' of model 'one' is ragged"),
    "strings for floats": (one, [["1", "2", "3"]], DTypeError, "Input 'a' of model 'one' expects float32, got strings."),
    "strings for integers": (lambda: column("int32"), ["1"], DTypeError, "expects int32, got strings."),
    "bytes for floats": (one, np.array([[b"1", b"2", b"3"]]), DTypeError, "expects float32, got strings."),
    "numbers for strings": (text, F[:, :2], DTypeError, "Input 'a' of model 'text' expects strings, got float32."),
    "complex numbers": (one, F.astype("complex64"), DTypeError, "expects float32, got complex64."),
    "dates": (one, np.zeros((2, 3), "datetime64[s]"), DTypeError, "expects float32, got datetime64[s]."),
    "objects": (one, np.array([[1, None, 2]]), InvalidTypeError, "must be an array of numbers or strings, got objects"),
    "nothing": (one, None, InvalidArgumentError, "Input 'a' of model 'one' is not optional, but None was passed."),
    "nothing for two": (two, None, InvalidArgumentError, "Input 'a' of model 'two' is not optional, but None was passed."),
    "nothing by name": (one, {"a": None}, InvalidArgumentError, "Input 'a' of model 'one' is not optional"),
    "another name": (
        one, {"aa": F}, InvalidArgumentError,
        "Input 'a' of model 'one' is missing: the given dict has ['aa'], the inputs are ['a']. Did you mean 'aa'?",
    ),
    "a list of rows": (
        one, list(F), InvalidArgumentError,
        "Model 'one' expects 1 input (a), but 2 were given. Join the rows of one batch into one array with np.stack.",
    ),
    "too large for bytes": (lambda: column("uint8"), [300], DTypeError, "expects uint8, which cannot hold 300."),
    "negative for bytes": (lambda: column("uint8"), [-1], DTypeError, "expects uint8, which cannot hold -1."),
    "too large for int32": (lambda: column("int32"), [2**31], DTypeError, "expects int32, which cannot hold 2147483648."),
    "not a number for integers": (lambda: column("int32"), [np.nan], DTypeError, "expects int32, which cannot hold nan."),
    "infinity for integers": (lambda: column("int64"), [np.inf], DTypeError, "expects int64, which cannot hold inf."),
    "one of two": (two, F, InvalidArgumentError, "Model 'two' expects 2 inputs (a, b), but 1 was given."),
    "one of two in a list": (two, [F], InvalidArgumentError, "Model 'two' expects 2 inputs (a, b), but 1 was given."),
    "three of two": (two, [F, F, F], InvalidArgumentError, "Model 'two' expects 2 inputs (a, b), but 3 were given."),
    "one of two by name": (two, {"a": F}, InvalidArgumentError, "Input 'b' of model 'two' is missing"),
    "the second is wrong": (two, [F, F[:, :1]], ShapeError, "Input 'b' of model 'two' expects shape (None, 3), got (2, 1)."),
    "a key is missing": (keyed, {"left": F}, InvalidArgumentError, "Input 'a' of model 'keyed' is missing"),
    "a list for keys that are not sorted": (
        unsorted, [F, G], InvalidArgumentError,
        "Model 'unsorted' expects a dict with the keys ['z', 'y']; in a list it is ambiguous which input is which.",
    ),
}  # fmt: skip
WARNED = {
    "a flat list for a nest": (
        nested,
        [F, G, F],
        5 * F - 2 * G,
        r"expects its inputs as \['a', .'b', 'c'.\]; the list was interpreted",
    ),
    "a list for a dict": (
        keyed,
        [F, G],
        F - G,
        r"expects its inputs as \{'left': 'a', 'right': 'b'\}; the list was interpreted",
    ),
    "a key too many": (keyed, {"left": F, "right": G, "top": F}, F - G, "has no input 'top'; it was ignored"),
}


def ways(model: Any, folder: Path) -> Iterator[tuple[str, Callable[[Any], Any]]]:
    """Return all methods of computing a model's outputs."""
    yield "call", model
    yield "call in training", lambda x: model(x, training=True)
    yield "predict", lambda x: model.predict(x, verbose=0)
    yield "predict in batches of one", lambda x: model.predict(x, batch_size=1, verbose=0)
    yield "predict_on_batch", model.predict_on_batch
    yield "predict of a generator", lambda x: model.predict(iter([(x,)]), verbose=0)
    yield "predict of a generator with targets", lambda x: model.predict(iter([(x, np.zeros(2))]), verbose=0)
    yield "Predictor", Predictor(model)
    yield "Predictor in batches of one", lambda x: Predictor(model).predict(x, batch_size=1)
    model.export(folder / "m.onnx")
    yield "Predictor of a file", Predictor(folder / "m.onnx")


def trainings(model: Any) -> Iterator[tuple[str, Callable[[Any, Any], Any]]]:
    """Return all methods that take inputs and targets."""
    model.compile("sgd", "mse")
    yield "fit", lambda x, y: model.fit(x, y, verbose=0)
    yield "fit of a generator", lambda x, y: model.fit(iter([(x, y)]), verbose=0)
    yield "evaluate", lambda x, y: model.evaluate(x, y, verbose=0)
    yield "train_on_batch", model.train_on_batch
    yield "test_on_batch", model.test_on_batch


def refusal(ask: Callable[..., Any], *given: Any) -> GraphKitError:
    """Return the error that is raised."""
    try:
        answer = ask(*given)
    except GraphKitError as error:
        return error
    raise AssertionError(f"taken: {answer!r}")


@pytest.mark.parametrize("name", TAKEN)
def test_every_way_takes_it_and_gives_the_same(name: str, tmp_path: Path) -> None:
    make, given, wanted = TAKEN[name]
    for way, ask in ways(make(), tmp_path):
        np.testing.assert_allclose(np.asarray(ask(given)), wanted, err_msg=way)


@pytest.mark.parametrize("name", TAKEN)
def test_evaluation_takes_it_too(name: str) -> None:
    make, given, wanted = TAKEN[name]
    wanted = np.asarray(wanted, "float32")
    model = make()
    if model.name == "text":
        pytest.skip("integers have no loss")
    for way, ask in trainings(model):
        if way in ("evaluate", "test_on_batch"):
            assert ask(given, wanted + 1.0) == pytest.approx(1.0), way


@pytest.mark.parametrize("name", REFUSED)
def test_every_way_refuses_it_with_the_same_words(name: str, tmp_path: Path) -> None:
    make, given, kind, words = REFUSED[name]
    model = make()
    said = {}
    for way, ask in ways(model, tmp_path):
        error = refusal(ask, given)
        assert type(error) is kind, (way, error)
        said[way] = str(error)
    for way, ask in trainings(model) if model.name != "text" else ():
        said[way] = str(refusal(ask, given, np.zeros((2, 3), "float32")))
    assert len(set(said.values())) == 1, said
    assert words in said["call"]


@pytest.mark.parametrize("name", WARNED)
def test_what_has_another_structure_is_taken_with_a_warning(name: str, tmp_path: Path) -> None:
    make, given, wanted, words = WARNED[name]
    for way, ask in ways(make(), tmp_path):
        with pytest.warns(UserWarning, match=words):
            np.testing.assert_allclose(np.asarray(ask(given)), wanted, err_msg=way)


@pytest.mark.parametrize("given", [[F, None], {"a": F, "b": None}, {"a": F}], ids=["list", "dict", "dict without it"])
def test_an_optional_input_may_be_left_out(given: Any) -> None:
    model = optional()
    for ask in (model, lambda x: model.predict(x, verbose=0), model.predict_on_batch):
        np.testing.assert_allclose(np.asarray(ask(given)), F)
        np.testing.assert_allclose(np.asarray(ask([F, G])), F + G)


def test_a_functional_model_called_on_tensors_follows_the_same_rule() -> None:
    a, b = layers.Input((3, 1), name="p"), layers.Input((3,), name="q", dtype="int32")
    inner = keyed()
    outer = models.Model([a, b], inner({"left": a, "right": b}))
    np.testing.assert_allclose(np.asarray(outer([F[..., None], G.astype(int)])), F - G)
    with pytest.raises(ShapeError, match=r"Input 'a' of model 'keyed' expects shape \(None, 3\), got \(None, 4\)"):
        inner({"left": vector("r", 4), "right": b})
    with pytest.raises(InvalidArgumentError, match="Input 'a' of model 'keyed' is missing"):
        inner({"right": b})


def test_training_on_it_is_training_on_the_arrays_in_the_right_form() -> None:
    def trained(x: Any) -> Any:
        a = vector("a", 1, "float32")
        model = models.Model(a, layers.Dense(1, kernel_initializer="ones")(a))
        model.compile("sgd", "mse")
        model.fit(x, np.arange(4.0), epochs=3, shuffle=False, verbose=0)
        return model.get_weights()

    right = trained(np.arange(4, dtype="float32")[:, None])
    for given in (
        np.arange(4),
        list(range(4)),
        {"a": np.arange(4.0)},
        [np.arange(4.0)[:, None]],
        np.arange(4.0)[:, None, None],
    ):
        for one_weight, other in zip(trained(given), right, strict=True):
            np.testing.assert_array_equal(one_weight, other)


@pytest.mark.parametrize("rows", [0, 1, 2, 5])
def test_the_number_of_rows_that_an_input_names_binds_nobody_but_files(rows: int, tmp_path: Path) -> None:
    a = layers.Input((3,), batch_size=2, name="a")
    model = models.Model(a, a * 2.0, name="two_rows")
    x = np.ones((rows, 3), "float32")
    for ask in (model, lambda x: model.predict(x, verbose=0), model.predict_on_batch, Predictor(model)):
        np.testing.assert_array_equal(np.asarray(ask(x)), 2 * x)
    model.export(tmp_path / "m.onnx")
    if rows != 2:
        with pytest.raises(
            ShapeError, match=rf"Input 'a' of model 'two_rows' expects shape \(2, 3\), got \({rows}, 3\)"
        ):
            Predictor(tmp_path / "m.onnx")(x)


STRUCTURES = [0, [0, 1], (0, 1), {"b": 0, "a": (1, [2])}, [{"x": 0}, (1, {"z": [2, 3]})]]


@pytest.mark.parametrize("structure", STRUCTURES, ids=str)
def test_structures_go_through_json(structure: Any) -> None:
    import json

    structure = numbered(structure)
    again = from_listed(json.loads(json.dumps(to_listed(structure))), len(nest.flatten(structure)))
    assert again == structure
    assert type(again) is type(structure)


@pytest.mark.parametrize("listed", [1, [0, 0], {"list": [0]}, True, "x", {"dict": [["a", 0]], "tuple": []}])
def test_what_is_no_structure_is_refused(listed: Any) -> None:
    with pytest.raises(ValueError, match=r"structure|leaves"):
        from_listed(listed, 1)


def test_outputs_keep_their_structure_in_files(tmp_path: Path) -> None:
    a = vector("a")
    model = models.Model(a, {"twice": a * 2.0, "more": [a * 3.0, {"last": a * 4.0}]})
    model.export(tmp_path / "m.onnx")
    for ask in (model, Predictor(model), Predictor(tmp_path / "m.onnx"), lambda x: model.predict(x, verbose=0)):
        made = ask(F)
        np.testing.assert_allclose(np.asarray(made["twice"]), 2 * F)
        np.testing.assert_allclose(np.asarray(made["more"][0]), 3 * F)
        np.testing.assert_allclose(np.asarray(made["more"][1]["last"]), 4 * F)
    assert [info.name for info in Predictor(model).outputs][1:] == [model.output_names[1], "twice"] or [
        info.name for info in Predictor(model).outputs
    ][::2] == [model.output_names[0], "twice"]


def test_no_warning_is_given_for_what_fits() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for make, given, _ in TAKEN.values():
            make()(given)
