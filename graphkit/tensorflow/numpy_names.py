"""`tf.experimental.numpy`: what it has besides the functions of `keras.ops` with NumPy's names."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphkit import ops
from graphkit import random as keras_random
from graphkit.tensorflow import dtypes
from graphkit.tensorflow.randoms import set_seed
from graphkit.tensorflow.table import NAMES, as_tensor
from graphkit.tensorflow.tensors import Tensor


def _asarray(a: Any, dtype: Any = None) -> Any:
    return as_tensor(a, dtype)


def _randn(*sizes: int) -> Any:
    return keras_random.normal(sizes)


def _rand(*sizes: int) -> Any:
    return keras_random.uniform(sizes)


def _randint(low: int, high: int | None = None, size: Any = (), dtype: Any = "int64") -> Any:
    low, high = (0, low) if high is None else (low, high)
    sizes = (size,) if isinstance(size, int) else tuple(size or ())
    return keras_random.randint(sizes, low, high, dtype=dtypes.dtype_name(dtype))


def _behave(prefer_float32: bool = False, dtype_conversion_mode: str = "legacy") -> None:
    """Accept a switch whose setting is always on: tensors have NumPy's methods and indexing."""


def _shape(x: Any) -> Any:
    return tuple(as_tensor(x).shape)


NAMES.update({
    f"experimental.numpy.{name}": value
    for name, value in {
        "experimental_enable_numpy_behavior": _behave, "ndarray": Tensor, "newaxis": None, "pi": math.pi, "e": math.e, "inf": math.inf,
        "nan": math.nan, "asarray": _asarray, "asanyarray": _asarray, "ascontiguousarray": _asarray, "shape": _shape,
        "ndim": lambda x: len(_shape(x)), "around": ops.round, "fix": ops.trunc, "cumsum": ops.cumsum, "float_power": ops.power,
        "positive": lambda x: as_tensor(x), "atleast_1d": lambda x: as_tensor(x) if _shape(x) else ops.reshape(x, (1,)),
        "finfo": np.finfo, "iinfo": np.iinfo, "result_type": lambda *x: dtypes.as_dtype(np.result_type(*(np.asarray(v) for v in x))),
        "random.randn": _randn, "random.rand": _rand, "random.random": lambda size=(): _rand(*((size,) if isinstance(size, int) else size)),
        "random.standard_normal": lambda size=(): _randn(*((size,) if isinstance(size, int) else size)), "random.randint": _randint,
        "random.seed": set_seed,
        **{name: dtypes.DType(name) for name in dtypes.ALL if name != "string"},
        "bool_": dtypes.DType("bool"), "int_": dtypes.DType("int64"), "float_": dtypes.DType("float64"),
    }.items()
})  # fmt: skip
