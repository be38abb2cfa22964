"""Layers of files that are functions of TensorFlow: those that only compute open, those that do more do not."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

import graphkit
from graphkit.converters.tensorflow import FUNCTIONS
from graphkit.errors import SerializationError
from graphkit.tensorflow import NAMES

X = np.array([[0.5, 1.5, 3.0]], "float32")


def model_of(function: str, arguments: dict[str, Any]) -> Any:
    graph = {
        "name": "net",
        "layers": [
            {
                "class_name": "InputLayer", "name": "x", "inbound_nodes": [],
                "config": {"name": "x", "batch_input_shape": [None, 3], "dtype": "float32"},
            },
            {
                "class_name": "TFOpLambda", "name": "op", "inbound_nodes": [["x", 0, 0, arguments]],
                "config": {"name": "op", "trainable": True, "dtype": "float32", "function": function},
            },
        ],
        "input_layers": [["x", 0, 0]],
        "output_layers": [["op", 0, 0]],
    }  # fmt: skip
    return graphkit.models.model_from_json(
        json.dumps({"class_name": "Functional", "config": graph, "keras_version": "2.4.0"})
    )


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        ("math.exp", {}),
        ("math.maximum", {"y": 1.0}),
        ("math.lgamma", {}),
        ("nn.relu6", {}),
        ("nn.gelu", {"approximate": False}),
        ("linalg.diag", {}),
        ("signal.dct", {"norm": "ortho"}),
        ("math.cumulative_logsumexp", {"axis": 1}),
    ],
)
def test_a_function_opens_and_computes_what_tensorflow_computes(function: str, arguments: dict[str, Any]) -> None:
    model = model_of(function, arguments)

    np.testing.assert_allclose(
        model.predict(X, verbose=0), np.asarray(NAMES[function](X, **arguments)), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize(
    "function", ["io.read_file", "io.write_file", "numpy_function", "print", "random.set_seed", "map_fn"]
)
def test_a_file_cannot_call_what_does_more_than_compute(function: str) -> None:
    assert function in NAMES
    assert function not in FUNCTIONS
    with pytest.raises(SerializationError, match=f"is TensorFlow's function tf.{function}"):
        model_of(function, {})
