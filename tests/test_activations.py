"""Activations by name, function and config."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from graphkit import activations
from graphkit.core.serialization import custom_object_scope, register_keras_serializable
from graphkit.errors import InvalidArgumentError, SerializationError, UnknownClassError


def test_every_name_gives_its_function() -> None:
    assert all(activations.get(name) is function for name, function in activations.BY_NAME.items())
    assert activations.get("swish") is activations.silu


def test_none_is_linear() -> None:
    assert activations.get(None) is activations.linear
    x = np.ones(3)
    assert activations.linear(x) is x


def test_a_function_of_your_own_is_taken_as_it_is() -> None:
    def mine(x: Any) -> Any:
        return x

    assert activations.get(mine) is mine


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownClassError, match=r"Unknown activation function: 'rleu'\. Did you mean 'relu'"):
        activations.get("rleu")


def test_what_is_no_activation_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="Could not interpret activation function identifier: 3"):
        activations.get(3)


@pytest.mark.parametrize("name", ["relu", "gelu", "hard_silu", "linear", "log_softmax"])
def test_built_ins_are_written_as_their_names(name: str) -> None:
    assert activations.serialize(activations.get(name)) == name
    assert activations.deserialize({"class_name": "function", "config": name}) is activations.get(name)


def test_a_registered_function_is_written_by_its_registered_name() -> None:
    @register_keras_serializable("tests")
    def doubled(x: Any) -> Any:
        return 2 * x

    config = activations.serialize(doubled)
    assert config["config"] == "tests>doubled"
    assert activations.deserialize(config) is doubled


def test_a_custom_name_is_found_in_its_scope() -> None:
    def mine(x: Any) -> Any:
        return x

    with custom_object_scope({"mine": mine}):
        assert activations.get("mine") is mine
    assert activations.deserialize("mine", {"mine": mine}) is mine


def test_a_lambda_cannot_be_written() -> None:
    with pytest.raises(SerializationError, match="A lambda cannot be written"):
        activations.serialize(lambda x: x)


def test_relu_with_arguments_has_a_slope_a_threshold_and_a_largest_value() -> None:
    x = np.array([-2.0, 0.5, 1.5, 9.0])
    np.testing.assert_allclose(activations.relu(x, negative_slope=0.1), [-0.2, 0.5, 1.5, 9])
    np.testing.assert_allclose(activations.relu(x, max_value=6), [0, 0.5, 1.5, 6])
    np.testing.assert_allclose(activations.relu(x, threshold=1.0), [0, 0, 1.5, 9])
    np.testing.assert_allclose(
        activations.relu(x, negative_slope=0.1, max_value=2.0, threshold=1.0), [-0.3, -0.05, 1.5, 2]
    )


def test_gelu_is_the_exact_one_by_default() -> None:
    np.testing.assert_allclose(activations.gelu(np.array([1.0])), [0.8413447460685429])
    np.testing.assert_allclose(activations.gelu(np.array([1.0]), approximate=True), [0.8411919906082768])
