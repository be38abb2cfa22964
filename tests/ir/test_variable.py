"""Variables: when initial values are created, and which arrays they take over."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from graphkit import initializers
from graphkit.core.errors import ShapeError
from graphkit.ir.variable import Variable


class Counting(initializers.RandomNormal):
    """A user-defined initializer, which may depend on when it is called."""

    calls = 0

    def __call__(self, shape: Any, dtype: Any = None, **kwargs: Any) -> Any:
        Counting.calls += 1
        return super().__call__(shape, dtype)


def test_our_initializers_run_when_the_numbers_are_asked_for() -> None:
    first = initializers.RandomNormal(seed=1)
    waiting = Variable(first, (3, 4))
    assert waiting._first is not None
    assert (waiting.shape, waiting.ndim, waiting.dtype) == ((3, 4), 2, "float32")
    np.testing.assert_array_equal(waiting.array, first((3, 4), "float32"))
    assert waiting.array is waiting.array


def test_other_initializers_run_at_once() -> None:
    before = Counting.calls
    Variable(Counting(), (2,))
    assert Counting.calls == before + 1


@pytest.mark.parametrize(("initializer", "shape"), [(initializers.Identity(), (2,)), (initializers.Orthogonal(), (3,))])
def test_an_initializer_that_refuses_the_shape_says_so_at_once(initializer: Any, shape: Any) -> None:
    with pytest.raises(ShapeError):
        Variable(initializer, shape)


def test_an_array_is_adopted_before_there_is_one_and_copied_after() -> None:
    variable = Variable(initializers.Zeros(), (2, 2))
    given, later = np.ones((2, 2), np.float32), np.full((2, 2), 3.0, np.float32)
    variable.adopt(given)
    assert variable.array is given
    variable.adopt(later)
    assert variable.array is given
    np.testing.assert_array_equal(given, later)


@pytest.mark.parametrize("given", [np.ones((2, 2)), np.ones((2, 2), np.float32).T[::-1], np.ones((2, 2), np.int8)])
def test_an_array_of_another_dtype_or_order_is_copied(given: Any) -> None:
    variable = Variable(initializers.Zeros(), (2, 2))
    variable.adopt(given)
    assert variable.dtype == "float32"
    assert variable.array is not given
    assert variable.array.flags.c_contiguous
    np.testing.assert_array_equal(variable.array, given)
    with pytest.raises(ShapeError):
        variable.adopt(np.ones(3, np.float32))
