"""A predictor validates its inputs, casts them as Keras does, and runs in batches and from several threads."""

from __future__ import annotations

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from graphkit import layers, models, ops
from graphkit.converters.onnx import model_to_onnx, program_to_onnx
from graphkit.core.errors import (
    DTypeError,
    InvalidArgumentError,
    InvalidTypeError,
    RuntimeSessionError,
    ShapeError,
    UnknownNameError,
)
from graphkit.ir.spec import spec
from graphkit.ir.tracing import trace
from graphkit.ir.variable import Variable
from graphkit.runtime import Predictor, TensorInfo


@pytest.fixture(scope="module")
def double() -> Predictor:
    message = program_to_onnx(trace(lambda x: ops.multiply(x, 2.0), spec("b", 3)), ["x"], ["y"])
    return Predictor(message.SerializeToString(), providers="CPU", threads=1)


@pytest.fixture(scope="module")
def two() -> Predictor:
    program = trace(lambda x, i: [ops.add(x, ops.cast(i, "float32")), i], spec("b", 3), spec("b", 1, dtype="int32"))
    return Predictor(program_to_onnx(program, ["x", "i"], ["sum", "same"]))


def test_it_says_inputs_outputs_and_providers(double: Predictor) -> None:
    assert double.inputs == [TensorInfo("x", (None, 3), "float32")]
    assert double.outputs == [TensorInfo("y", (None, 3), "float32")]
    assert double.providers == ["CPUExecutionProvider"]
    assert repr(double) == "<Predictor (x: float32[None, 3]) -> (y: float32[None, 3]) on CPUExecutionProvider>"


@pytest.mark.parametrize(
    "given", [np.ones((2, 3)), [[1, 1, 1], [1, 1, 1]], [np.ones((2, 3))], {"x": np.ones((2, 3), bool)}]
)
def test_arrays_lists_and_dicts_are_taken_and_cast(double: Predictor, given: Any) -> None:
    made = double(given)
    assert made.dtype == np.float32
    assert made.tolist() == [[2, 2, 2], [2, 2, 2]]


def test_inputs_go_by_position_or_name(two: Predictor) -> None:
    x, i = np.ones((2, 3)), np.array([[1], [2]])
    for made in (two(x, i), two([x, i]), two({"i": i, "x": x}), two(x=x, i=i)):
        assert [m.tolist() for m in made] == [[[2, 2, 2], [3, 3, 3]], [[1], [2]]]


@pytest.mark.parametrize("batch_size", [None, 1, 2, 5, 100])
def test_batches_are_joined(two: Predictor, batch_size: int | None) -> None:
    x, i = np.arange(15).reshape(5, 3), np.zeros((5, 1), np.int64)
    total, same = two.predict([x, i], batch_size)
    assert (total == x).all()
    assert same.dtype == np.int32
    assert same.shape == (5, 1)


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (
            np.ones(3),
            ShapeError,
            r"Input 'x' of model 'graphkit' expects shape \(None, 3\), got \(3,\)\. One row without a batch axis\? Pass x\[None\]\.",
        ),
        (np.ones((2, 4)), ShapeError, r"Input 'x' of model 'graphkit' expects shape \(None, 3\), got \(2, 4\)"),
        ([[1, 2, 3], [1]], ShapeError, "Input 'x' of model 'graphkit' is ragged"),
        (np.array([["a", "b", "c"]]), DTypeError, "Input 'x' of model 'graphkit' expects float32, got strings"),
        (np.ones((2, 3), np.complex64), DTypeError, "Input 'x' of model 'graphkit' expects float32, got complex64"),
        ({"z": 1}, InvalidArgumentError, r"Input 'x' of model 'graphkit' is missing: the given dict has \['z'\]"),
        ({}, InvalidArgumentError, "Input 'x' of model 'graphkit' is missing"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(
    double: Predictor, given: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        double(given)


def test_the_number_of_inputs_must_fit(two: Predictor) -> None:
    with pytest.raises(InvalidArgumentError, match=r"Model 'graphkit' expects 2 inputs \(x, i\), but 3 were given"):
        two(1, 2, 3)
    with pytest.raises(InvalidArgumentError, match="by position or by name, not both"):
        two(np.ones((1, 3)), i=np.ones((1, 1)))


def test_rows_must_be_equally_many(two: Predictor) -> None:
    with pytest.raises(ShapeError, match=r"the same number of rows, got \{'x': 2, 'i': 3\}"):
        two.predict([np.ones((2, 3)), np.ones((3, 1), int)])


def test_numbers_are_cast_to_integers_only_where_they_fit(two: Predictor) -> None:
    x = np.zeros((1, 3))
    assert two(x, np.array([[7]], np.int64))[1].dtype == np.int32
    assert two(x, np.array([[1.5]]))[1].tolist() == [[1]]  # as Keras
    for outside in (2**32, -(2**31) - 1, np.inf, np.nan):
        with pytest.raises(DTypeError, match=r"Input 'i' of model 'graphkit' expects int32, which cannot hold"):
            two(x, np.array([[outside]]))


@pytest.mark.parametrize("size", [0, -1, 1.5, True])
def test_a_batch_size_is_a_positive_integer(double: Predictor, size: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="batch_size must be a positive integer or None"):
        double.predict(np.ones((4, 3)), size)


def test_threads_share_it(double: Predictor) -> None:
    rows = [np.full((1, 3), i) for i in range(64)]
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(double, rows))
    assert [m[0, 0] for m in made] == [2 * i for i in range(64)]


def test_states_are_kept_between_calls_until_reset() -> None:
    total = Variable(np.zeros((1, 3), np.float32), name="total")

    def function(x: Any) -> Any:
        total.assign(ops.add(total, x))
        return total.value

    predictor = Predictor(program_to_onnx(trace(function, spec(1, 3)), ["x"], ["y"]))
    one = np.ones((1, 3))
    assert [predictor(one)[0, 0] for _ in range(3)] == [1, 2, 3]
    predictor.reset_states()
    assert predictor(one)[0, 0] == 1
    assert len(predictor.inputs) == 1


def test_bfloat16_and_strings_pass_in_and_out() -> None:
    program = trace(lambda x: ops.add(x, x), spec("b", 3, dtype="bfloat16"))
    made = Predictor(program_to_onnx(program))(np.full((2, 3), 1.5))
    assert made.dtype.name == "bfloat16"
    assert made.astype(np.float32).tolist() == [[3, 3, 3], [3, 3, 3]]
    same = Predictor(program_to_onnx(trace(lambda s: s, spec("b", dtype="string"))))
    assert same(np.array(["a", "bc"])).tolist() == ["a", "bc"]


def test_what_is_no_model_is_refused(tmp_path: Any) -> None:
    with pytest.raises(RuntimeSessionError, match="not an ONNX model but plain text that begins with 'nonsense'"):
        Predictor(b"nonsense")
    with pytest.raises(UnknownNameError, match="There is no file"):
        Predictor(tmp_path / "gone.onnx")
    with pytest.raises(InvalidTypeError, match="expects the path of an ONNX file, its bytes or a ModelProto, got int"):
        Predictor(3)


@pytest.mark.parametrize("source", ["bytes", "path", "message", "model"])
@pytest.mark.parametrize(
    "way", [copy.copy, copy.deepcopy, lambda p: pickle.loads(pickle.dumps(p))], ids=["copy", "deepcopy", "pickle"]
)
def test_it_can_be_copied_and_pickled(source: str, way: Any, tmp_path: Any) -> None:
    x = layers.Input((3,), name="x")
    model = models.Model(x, {"y": layers.Dense(2)(x)})
    model.export(tmp_path / "m.onnx")
    message = model_to_onnx(model)
    given = {"bytes": message.SerializeToString(), "path": tmp_path / "m.onnx", "message": message, "model": model}[
        source
    ]
    predictor = Predictor(given, providers="CPU", threads=1)
    wanted = predictor(np.ones((2, 3)))["y"]
    model.set_weights([w + 1 for w in model.get_weights()])  # it is a snapshot
    again = way(predictor)
    assert repr(again) == repr(predictor)
    for one in (predictor, again):
        np.testing.assert_array_equal(one(np.ones((2, 3)))["y"], wanted)


def test_a_copy_has_states_of_its_own() -> None:
    x = layers.Input(batch_shape=(1, 2, 3))
    predictor = Predictor(models.Model(x, layers.LSTM(2, stateful=True)(x)))
    step = np.ones((1, 2, 3))
    first = predictor(step)
    copies = [copy.deepcopy(predictor), pickle.loads(pickle.dumps(predictor))]
    second = predictor(step)
    assert not np.array_equal(first, second)
    for other in copies:
        np.testing.assert_array_equal(other(step), second)


def test_a_file_that_has_changed_is_not_pickled(tmp_path: Any) -> None:
    x = layers.Input((3,), name="x")
    model = models.Model(x, layers.Dense(2)(x))
    model.export(tmp_path / "m.onnx")
    predictor = Predictor(tmp_path / "m.onnx")
    (tmp_path / "m.onnx").unlink()
    with pytest.raises(RuntimeSessionError, match="has changed since it was opened"):
        pickle.dumps(predictor)


def test_layers_that_draw_numbers_draw_others_at_each_call_until_reset(tmp_path: Any) -> None:
    x = layers.Input((1000,))
    model = models.Model(x, layers.Dropout(0.5)(x, training=True))
    model.export(tmp_path / "m.onnx")
    ones = np.ones((2, 1000), np.float32)
    for predictor in (Predictor(model), Predictor(tmp_path / "m.onnx")):
        first, second = predictor(ones), predictor(ones)
        assert set(np.unique(first)) == {0.0, 2.0}
        assert 0.4 < (first == 0).mean() < 0.6
        assert 0.4 < (first == second).mean() < 0.6
        predictor.reset_states()
        np.testing.assert_array_equal(predictor(ones), first)


def test_a_file_with_states_runs_in_bare_onnxruntime_from_its_first_states(tmp_path: Any) -> None:
    import onnxruntime

    x = layers.Input(batch_shape=(1, 2, 3), name="x")
    y = layers.Dropout(0.5)(layers.LSTM(2, stateful=True)(x), training=True)
    model = models.Model(x, y, name="stateful")
    step = np.ones((1, 2, 3), np.float32)
    model.predict(step, verbose=0)  # its states have changed
    model.export(tmp_path / "m.onnx")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx", options)
    assert [node.name for node in session.get_inputs()] == ["x"]
    first = Predictor(tmp_path / "m.onnx")(step)
    for _ in range(2):
        np.testing.assert_array_equal(session.run(None, {"x": step})[0], first)
