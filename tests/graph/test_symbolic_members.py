"""Symbolic tensors have the members of Keras' KerasTensor, and refuse what it refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphkit
from graphkit import KerasTensor, ops


def test_reshape_and_squeeze_are_ops() -> None:
    assert KerasTensor((2, 3)).reshape((3, 2)).shape == (3, 2)
    assert KerasTensor((None, 3)).reshape((-1, 1)).shape == (None, 1)
    assert KerasTensor((1, 3, 1)).squeeze().shape == (3,)
    assert KerasTensor((1, 3, 1)).squeeze(axis=0).shape == (3, 1)


@pytest.mark.parametrize("shape", ["a", (2.5,), (-1,), 3, None])
def test_what_is_no_shape_is_refused(shape: Any) -> None:
    with pytest.raises(ValueError, match="A shape is a sequence of sizes"):
        KerasTensor(shape)


@pytest.mark.parametrize("read", [int, float, np.asarray, ops.convert_to_numpy])
def test_reading_values_raises_a_value_error(read: Any) -> None:
    with pytest.raises(ValueError, match="symbolic"):
        read(KerasTensor(()))


def test_only_tensors_with_values_are_tensors() -> None:
    assert ops.is_tensor(ops.ones(2))
    assert not ops.is_tensor(KerasTensor((2,)))
    assert not ops.is_tensor(graphkit.Variable([1.0]))
    assert graphkit.utils.is_keras_tensor(KerasTensor((2,)))


def test_a_name_scope_has_a_name_without_slashes() -> None:
    with graphkit.name_scope("a") as scope:
        assert scope.name == "a"
        assert graphkit.Variable([1.0], name="w").path == "a/w"
    for name in ("a/b", 5):
        with pytest.raises(ValueError, match="cannot contain character `/`"):
            graphkit.name_scope(name)  # type: ignore[arg-type]
