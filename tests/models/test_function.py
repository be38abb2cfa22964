"""keras.Function, and the scopes that change nothing."""

from __future__ import annotations

import numpy as np
import pytest

import graphkit
from graphkit import Input, layers, ops
from graphkit.errors import DisconnectedGraphError, InvalidArgumentError, UnsupportedError

X = np.arange(6, dtype="float32").reshape(2, 3)


def test_a_function_is_what_lies_between_inputs_and_outputs() -> None:
    a, b = Input((3,), name="a"), Input((3,), name="b")
    function = graphkit.Function([a, b], {"sum": ops.add(a, b), "twice": layers.Rescaling(2.0)(a)})

    made = function([X, X + 1])

    assert [len(function.inputs), len(function.outputs)] == [2, 2]
    assert {"a", "b"} <= {operation.name for operation in function.operations}
    np.testing.assert_array_equal(np.asarray(made["sum"]), 2 * X + 1)
    np.testing.assert_array_equal(np.asarray(made["twice"]), 2 * X)


def test_a_function_can_be_part_of_a_model() -> None:
    a = Input((3,))
    function = graphkit.Function(a, ops.exp(a), name="growth")
    inputs = Input((3,))
    model = graphkit.Model(inputs, layers.Flatten()(function(inputs)))

    assert model.output_shape == (None, 3)
    assert function.compute_output_shape((4, 3)) == (4, 3)
    np.testing.assert_allclose(model.predict(X, verbose=0), np.exp(X), rtol=1e-6)


def test_a_function_needs_all_its_inputs() -> None:
    with pytest.raises(DisconnectedGraphError):
        graphkit.Function(Input((3,)), ops.exp(Input((3,))))


def test_scopes_change_nothing() -> None:
    with graphkit.RematScope("activations"), graphkit.SymbolicScope(), graphkit.device("cpu:0"):
        np.testing.assert_allclose(np.asarray(graphkit.remat(ops.exp)(X)), np.exp(X), rtol=1e-6)


def test_scopes_refuse_what_is_not_there() -> None:
    with pytest.raises(UnsupportedError, match="CPUs of one machine"):
        graphkit.device("gpu:0")
    with pytest.raises(InvalidArgumentError, match="Invalid mode 'half'"):
        graphkit.RematScope("half")
