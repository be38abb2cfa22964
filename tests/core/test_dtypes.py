"""Dtypes that are only stored: their names, ranges, and casts."""

from __future__ import annotations

import numpy as np
import pytest

from graphkit import ops
from graphkit.core import dtypes
from graphkit.errors import DTypeError


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [("int2", -2, 1), ("uint2", 0, 3), ("int4", -8, 7), ("uint4", 0, 15), ("int16", -(2**15), 2**15 - 1)],
)
def test_an_integer_dtype_has_the_range_of_its_bits(name: str, low: int, high: int) -> None:
    assert dtypes.integer_range(name) == (low, high)
    assert dtypes.holds_integers(name)


@pytest.mark.parametrize("name", [*dtypes.NARROW_INTS, *dtypes.NARROW_FLOATS])
def test_a_narrow_dtype_is_cast_to_and_from(name: str) -> None:
    values = np.array([1.0, 1.0], np.float32)

    made = ops.cast(values, name)

    assert dtypes.of_array(made) == name
    assert np.array_equal(ops.cast(made, "float32"), values)
    assert np.array_equal(ops.reshape(made, (2, 1)).astype(np.float32), values[:, None])


@pytest.mark.parametrize("other", ["int32", "float32", "int4"])
def test_a_narrow_dtype_is_not_converted_silently(other: str) -> None:
    with pytest.raises(DTypeError, match="no implicit conversion"):
        dtypes.result_type("uint4", other)


@pytest.mark.parametrize("name", dtypes.NARROW_INTS)
def test_a_narrow_dtype_is_none_of_keras(name: str) -> None:
    assert name not in dtypes.ALL
