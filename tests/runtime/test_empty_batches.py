"""Batches without rows, and sequences without steps: an empty result or a typed error, never a crash."""

from __future__ import annotations

import subprocess
import sys
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from graphkit import layers, models, ops
from graphkit.converters.onnx import program_to_onnx
from graphkit.core.errors import InvalidArgumentError, ShapeError
from graphkit.ir.spec import spec
from graphkit.ir.tracing import trace
from graphkit.runtime import Predictor
from tests import goldens

ROOT = Path(__file__).resolve().parent.parent.parent
CASES = sorted(goldens.cases())
ONE_OF_EACH = [next(cases) for _, cases in groupby(CASES, lambda case: case.split(".")[0].split("-")[0])]
RECURRENT = [case for case in CASES if case.startswith(("GRU", "LSTM", "SimpleRNN", "Bidirectional", "RNN"))]


# Models that cannot compute an empty batch, and why. An entry that is no longer needed fails the test.
KNOWN = {
    "operation.reductions": "there is no maximum over no rows: the engine refuses, as Keras does; onnxruntime gives -infinity",
    "ops.indexing": "a row is written into a tensor of no rows: refused everywhere, in the words of the engine or onnxruntime",
}


def run(cases: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.runtime.empty_batches", *cases],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
        timeout=600,  # an endless loop is an error too
    )
    lines = done.stdout.splitlines()
    faults = [line.removeprefix("FAULT ") for line in lines if line.startswith("FAULT")]
    assert [fault for fault in faults if fault.split(",")[0] not in KNOWN] == []
    assert {fault.split(",")[0] for fault in faults} == set(KNOWN) & set(cases)
    assert lines[-1:] == ["DONE"], f"the process ended with {done.returncode} in {lines[-1:]}: {done.stderr[-1000:]}"


@pytest.mark.parametrize("part", range(4))
def test_one_model_of_each_kind_takes_empty_batches(part: int) -> None:
    run(sorted({*ONE_OF_EACH, *RECURRENT})[part::4])


@pytest.mark.slow
@pytest.mark.parametrize("part", range(4))
def test_every_model_takes_empty_batches(part: int) -> None:
    run(CASES[part::4])


@pytest.mark.parametrize("layer", [layers.LSTM, layers.GRU, layers.SimpleRNN])
@pytest.mark.parametrize(
    "options", [{}, {"return_sequences": True}, {"go_backwards": True, "return_state": True}], ids=str
)
def test_recurrent_layers_of_no_steps_give_their_first_states(layer: Any, options: dict[str, Any]) -> None:
    x = layers.Input((None, 2))
    model = models.Model(x, layer(4, **options)(x))
    empty = np.zeros((3, 0, 2), "float32")
    wanted = model(empty)
    for ask in (lambda x: model.predict(x, verbose=0), model.predict_on_batch, Predictor(model)):
        made = ask(empty)
        for one, other in zip(*((v if isinstance(v, (list, tuple)) else [v]) for v in (wanted, made)), strict=True):
            assert np.shape(one) == np.shape(other)
            assert not np.any(other)


def test_first_states_are_given_back_where_there_are_no_steps() -> None:
    x, h = layers.Input((None, 2)), layers.Input((4,))
    model = models.Model([x, h], layers.GRU(4)(x, initial_state=h))
    given = [np.zeros((3, 0, 2), "float32"), np.arange(12, dtype="float32").reshape(3, 4)]
    for ask in (model, lambda x: model.predict(x, verbose=0), Predictor(model)):
        np.testing.assert_array_equal(np.asarray(ask(given)), given[1])


@pytest.mark.parametrize("way", ["fit", "evaluate", "train_on_batch", "test_on_batch"])
def test_training_on_no_rows_is_refused(way: str) -> None:
    x = layers.Input((3,))
    model: Any = models.Model(x, layers.Dense(1)(x))
    model.compile("sgd", "mse")
    with pytest.raises(InvalidArgumentError, match="The data is empty"):
        getattr(model, way)(np.zeros((0, 3)), np.zeros((0, 1)))


def test_a_batch_without_rows_leaves_moving_statistics_alone() -> None:
    x = layers.Input((3,))
    norm = layers.BatchNormalization()
    model = models.Model(x, norm(x, training=True))
    assert np.shape(model(np.zeros((0, 3), "float32"))) == (0, 3)
    assert norm.moving_mean.numpy().tolist() == [0, 0, 0]
    assert norm.moving_variance.numpy().tolist() == [1, 1, 1]


def test_a_predictor_of_somebody_elses_file_does_not_run_what_may_end_the_process() -> None:
    message = program_to_onnx(trace(lambda x: x + x, spec("batch", "time", 2)), ["x"], ["y"])
    message.producer_name = "another"
    predictor = Predictor(message)
    assert predictor(np.zeros((0, 5, 2))).shape == (0, 5, 2)
    with pytest.raises(ShapeError, match=r"Input 'x' of model 'graphkit' is empty: its shape is \(2, 0, 2\)"):
        predictor(np.zeros((2, 0, 2)))


def test_predict_of_no_rows_keeps_the_outputs_structure() -> None:
    x = layers.Input((3,))
    model = models.Model(x, {"a": layers.Dense(2)(x), "b": [x, layers.Dense(1)(x)]})
    for ask in (lambda v: model.predict(v, verbose=0), Predictor(model), Predictor(model).predict):
        made = ask(np.zeros((0, 3)))
        assert made["a"].shape == (0, 2)
        assert [part.shape for part in made["b"]] == [(0, 3), (0, 1)]


def test_no_element_holds_among_none_in_onnx_either() -> None:
    """Casting the maximum over no elements would give True; the loop in gcd would not end."""
    x = np.zeros((0, 3), "int32")
    for function in (lambda v: ops.any(ops.not_equal(v, 0), axis=0), lambda v: ops.all(ops.not_equal(v, 0), axis=0)):
        program = trace(function, spec("rows", 3, dtype="int32"))
        session = onnxruntime.InferenceSession(program_to_onnx(program).SerializeToString())
        made = session.run(None, {session.get_inputs()[0].name: x})[0]
        np.testing.assert_array_equal(made, function(x))
