"""Lambda: it is traced, so it has a gradient and can be saved without code."""

from __future__ import annotations

import numpy as np
import pytest

import graphkit as gk
from graphkit import layers, models, ops
from graphkit.errors import InvalidTypeError, UnsafeCodeError
from graphkit.layers.graph_form import layer_as_model


def distance(pair: list[object]) -> object:
    return ops.exp(-ops.sum(ops.abs(pair[0] - pair[1]), axis=1, keepdims=True))  # type: ignore[operator]


def _model() -> models.Model:
    a, b = layers.Input((3,), name="a"), layers.Input((3,), name="b")
    return models.Model([a, b], layers.Lambda(distance, output_shape=lambda s: (s[0][0], 1), name="distance")([a, b]))


def test_lambda_computes_and_differentiates() -> None:
    a, b = np.array([[1.0, 2.0, 3.0]], "float32"), np.array([[1.5, 2.0, 2.0]], "float32")
    variable = gk.Variable(a)

    value, (gradient,) = gk.value_and_grad(lambda: ops.sum(_model()([variable, b])), [variable])()

    np.testing.assert_allclose(value, np.exp(-1.5), rtol=1e-6)
    np.testing.assert_allclose(gradient, -np.exp(-1.5) * np.where(a >= b, 1.0, -1.0), rtol=1e-6)  # at 0 as in JAX


def test_arguments_reach_the_function() -> None:
    layer = layers.Lambda(lambda x, factor: x * factor, arguments={"factor": 3.0})

    np.testing.assert_array_equal(layer(np.ones((1, 2), "float32")), [[3.0, 3.0]])


def test_lambda_is_saved_as_the_graph_of_its_ops() -> None:
    model = _model()

    again = models.model_from_json(model.to_json())

    x = np.random.default_rng(0).normal(size=(2, 4, 3)).astype("float32")
    np.testing.assert_allclose(again([x[0], x[1]]), model([x[0], x[1]]), rtol=1e-6)
    assert "lambda" not in model.to_json().lower()


def test_graph_of_a_lambda_is_a_model() -> None:
    model = _model()

    graph = layer_as_model(model.get_layer("distance"))

    assert [o.class_name for o in graph.operations if hasattr(o, "class_name")] == [
        "Subtract",
        "Absolute",
        "Sum",
        "Negative",
        "Exp",
    ]


def test_code_in_a_config_is_refused() -> None:
    config = {
        "name": "evil",
        "function": {"class_name": "__lambda__", "config": {"code": "AAAA", "defaults": None, "closure": None}},
    }

    with pytest.raises(UnsafeCodeError, match=r"'evil'.*custom_objects"):
        layers.Lambda.from_config(config)


def test_only_functions_are_taken() -> None:
    with pytest.raises(InvalidTypeError, match="expects a function"):
        layers.Lambda("x + 1")


def test_a_size_that_is_not_known_is_written_as_one_that_keras_can_compute() -> None:
    """`ops.shape` of a symbolic tensor gives None; Keras records that, and then cannot run the op."""
    x = layers.Input((2, 3))
    model = models.Model(x, ops.reshape(x, (ops.shape(x)[0], 6)))

    assert model.get_config()["layers"][1]["config"]["newshape"] == [-1, 6]


def test_a_model_is_written_alike_each_time() -> None:
    """The ops of a Lambda are named anew for each file; the session's names are left alone."""
    model = _model()

    assert model.to_json() == model.to_json()
    assert layers.Multiply().name == "multiply"
