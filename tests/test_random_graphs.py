"""Random functional models have the same outputs and the same graph after a round trip through JSON, `.keras` and ONNX."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

import graphkit
from graphkit.core import nest
from tests.strategies import Drawn, functional_models

COMMON: Any = {"derandomize": True, "deadline": None, "database": None, "suppress_health_check": list(HealthCheck)}
pytestmark = pytest.mark.filterwarnings("ignore:You are using a softmax over axis")  # random graphs may do that

QUICK = settings(max_examples=60, **COMMON)
MANY = settings(max_examples=500, **COMMON)


def values(outputs: Any) -> list[Any]:
    return [np.asarray(y) for y in nest.flatten(outputs)]


def check_round_trips(drawn: Drawn) -> None:
    """JSON and `.keras`: bitwise equal, after two round trips."""
    model, data = drawn.model, drawn.inputs()
    wanted = values(model(data))

    text = model.to_json()
    from_json: Any = graphkit.models.model_from_json(text)
    from_json.set_weights(model.get_weights())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.keras"
        model.save(path)
        from_file = graphkit.load(path)

    assert json.loads(from_json.to_json()) == json.loads(text)
    assert set(from_file.graph.edges) == set(model.graph.edges)
    assert nest.describe(from_file.output) == nest.describe(model.output)
    for again in (from_json, from_file):
        for mine, theirs in zip(values(again(data)), wanted, strict=True):
            np.testing.assert_array_equal(mine, theirs)


def check_onnx(drawn: Drawn) -> None:
    """onnxruntime computes the same outputs, also for another batch size."""
    import onnxruntime

    model = drawn.model
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.onnx"
        model.export(path)
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    for batch in (2, 3):
        data = drawn.inputs(batch)
        feeds = dict(zip([i.name for i in session.get_inputs()], nest.flatten(data), strict=True))
        for mine, theirs in zip(session.run(None, feeds), values(model(data)), strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=2e-4, atol=2e-5)


@QUICK
@given(functional_models())
def test_json_and_keras_files_give_the_same_model(drawn: Drawn) -> None:
    check_round_trips(drawn)


@QUICK
@given(functional_models())
def test_onnxruntime_agrees(drawn: Drawn) -> None:
    check_onnx(drawn)


@pytest.mark.slow
@MANY
@given(functional_models(max_steps=20))
def test_many_larger_models(drawn: Drawn) -> None:
    check_round_trips(drawn)
    check_onnx(drawn)
