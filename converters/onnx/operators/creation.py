"""Operators that make tensors: constants, ranges, random numbers, windows. Source: onnx.ai/onnx/operators."""

from __future__ import annotations

from typing import Any

import numpy as np

import graphkit
from graphkit import ops
from graphkit.core.dims import Dim
from graphkit.core.errors import SerializationError
from graphkit.ops._convert import dtype_name

from ..element_types import NAMES_OF_TYPES
from .known import array, ints, shape_of
from .sizes import Sizes
from .table import operator

_MAX_ELEMENTS = 1 << 28


@operator("Constant")
def constant(
    *,
    value: Any = None,
    sparse_value: Any = None,
    value_float: float | None = None,
    value_floats: Any = None,
    value_int: int | None = None,
    value_ints: Any = None,
    value_string: str | None = None,
    value_strings: Any = None,
) -> Any:
    """Return the value of the one attribute that is given."""
    if value is not None:
        return value
    if sparse_value is not None:
        from .evaluate import dense

        return dense(sparse_value)
    for given, dtype in (
        (value_float, np.float32), (value_floats, np.float32), (value_int, np.int64), (value_ints, np.int64),
        (value_string, object), (value_strings, object),
    ):  # fmt: skip
        if given is not None:
            return np.array(given, dtype)
    raise SerializationError("a Constant has no value.")


@operator("ConstantOfShape")
def constant_of_shape(shape: Any, *, value: Any = None) -> Any:
    """Return a tensor filled with one value, 0.0 by default."""
    filled = np.zeros(1, np.float32) if value is None else np.asarray(value)
    sizes = ints(shape, "input")
    if all(isinstance(s, int) for s in sizes):
        if int(np.prod(sizes, dtype=object)) > _MAX_ELEMENTS:
            raise SerializationError(f"ConstantOfShape of shape {sizes} is too large.")
        return np.full(sizes, filled.reshape(-1)[0], filled.dtype)
    return ops.full(tuple(sizes), filled.reshape(-1)[0], dtype=dtype_name(filled))


@operator("Range")
def range_(start: Any, limit: Any, delta: Any, *, stash_type: int = 1) -> Any:
    """Return numbers from `start` up to `limit`, which is excluded."""
    first, last, step = (array(v, n).reshape(-1)[0] for v, n in ((start, "start"), (limit, "limit"), (delta, "delta")))
    if any(isinstance(v, Dim) for v in (first, last, step)):
        first, last, step = (v if isinstance(v, Dim) else int(v) for v in (first, last, step))
        return ops.arange(first, last, step, dtype=next(v.dtype for v in (start, limit, delta) if isinstance(v, Sizes)))
    count = max(int(np.ceil((last - first) / step)), 0)
    if count > _MAX_ELEMENTS:
        raise SerializationError(f"Range of {count} numbers is too large.")
    dtype = np.asarray(first).dtype
    return (first + np.arange(count).astype(dtype) * step).astype(dtype)


@operator("EyeLike")
def eye_like(x: Any, *, dtype: int | None = None, k: int = 0) -> Any:
    """Return a matrix of the input's shape with ones on a diagonal."""
    rows, columns = shape_of(x)
    return ops.eye(rows, columns, k=k, dtype=NAMES_OF_TYPES[dtype] if dtype else dtype_name(x))


@operator("OneHot")
def one_hot(indices: Any, depth: Any, values: Any, *, axis: int = -1) -> Any:
    """Return `values[1]` at the places that indices name, `values[0]` elsewhere; indices out of range name none."""
    size = ints(depth, "depth")[0]
    indices = ops.cast(indices, "int64")
    indices = ops.where(ops.less(indices, 0), ops.add(indices, size), indices)
    spread = ops.expand_dims(indices, axis)
    total = len(shape_of(spread))
    places = ops.reshape(ops.arange(size, dtype="int64"), [-1 if i == axis % total else 1 for i in range(total)])
    off, on = ops.split(values, 2, axis=0)  # not single elements: a float64 of NumPy is a number of Python
    return ops.where(ops.equal(spread, places), ops.reshape(on, ()), ops.reshape(off, ()))


def _random(name: str, dtype: str, shape: Any, seed: float | None, **settings: Any) -> Any:
    generator = None if seed is None else graphkit.random.SeedGenerator(int(seed))
    return ops.cast(getattr(graphkit.random, name)(shape, seed=generator, **settings), dtype)


@operator("RandomNormal")
def random_normal(
    *, shape: Any, dtype: int = 1, mean: float = 0.0, scale: float = 1.0, seed: float | None = None
) -> Any:
    """Return normally distributed numbers."""
    return _random("normal", NAMES_OF_TYPES[dtype], tuple(shape), seed, mean=mean, stddev=scale)


@operator("RandomNormalLike")
def random_normal_like(
    x: Any, *, dtype: int | None = None, mean: float = 0.0, scale: float = 1.0, seed: float | None = None
) -> Any:
    """Return normally distributed numbers of the input's shape."""
    return _random(
        "normal", NAMES_OF_TYPES[dtype] if dtype else dtype_name(x), shape_of(x), seed, mean=mean, stddev=scale
    )


@operator("RandomUniform")
def random_uniform(
    *, shape: Any, dtype: int = 1, high: float = 1.0, low: float = 0.0, seed: float | None = None
) -> Any:
    """Return uniformly distributed numbers."""
    return _random("uniform", NAMES_OF_TYPES[dtype], tuple(shape), seed, minval=low, maxval=high)


@operator("RandomUniformLike")
def random_uniform_like(
    x: Any, *, dtype: int | None = None, high: float = 1.0, low: float = 0.0, seed: float | None = None
) -> Any:
    """Return uniformly distributed numbers of the input's shape."""
    return _random(
        "uniform", NAMES_OF_TYPES[dtype] if dtype else dtype_name(x), shape_of(x), seed, minval=low, maxval=high
    )


@operator("Bernoulli")
def bernoulli(x: Any, *, dtype: int | None = None, seed: float | None = None) -> Any:
    """Return ones with the given probabilities."""
    drawn = _random("uniform", "float32", shape_of(x), seed, minval=0.0, maxval=1.0)
    return ops.cast(ops.less(drawn, ops.cast(x, "float32")), NAMES_OF_TYPES[dtype] if dtype else dtype_name(x))


@operator("Multinomial")
def multinomial(x: Any, *, dtype: int = 6, sample_size: int = 1, seed: float | None = None) -> Any:
    """Draw classes by unnormalized log probabilities."""
    generator = None if seed is None else graphkit.random.SeedGenerator(int(seed))
    return ops.cast(graphkit.random.categorical(x, sample_size, seed=generator), NAMES_OF_TYPES[dtype])


def _window(a0: float, a1: float, a2: float) -> Any:
    def call(size: Any, *, output_datatype: int = 1, periodic: int = 1) -> Any:
        count = ints(size, "size")[0]
        phase = 2 * np.pi * np.arange(count) / (count if periodic else max(count - 1, 1))
        return ops.cast(a0 - a1 * np.cos(phase) + a2 * np.cos(2 * phase), NAMES_OF_TYPES[output_datatype])

    return call


operator("HannWindow")(_window(0.5, 0.5, 0.0))
operator("HammingWindow")(_window(25 / 46, 21 / 46, 0.0))
operator("BlackmanWindow")(_window(0.42, 0.5, 0.08))
