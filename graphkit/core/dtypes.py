"""Dtypes by Keras' names, and Keras' rules for the dtype of a result.

Source of the promotion lattice: keras.backend.result_type (Keras 3), which follows JAX's type promotion semantics.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np

from graphkit.core.errors import DTypeError
from graphkit.core.stamps import mark_settings_changed

DTypeLike: TypeAlias = "str | type | np.dtype[Any] | None"

FLOATS = ("bfloat16", "float16", "float32", "float64")
HALF = ("bfloat16", "float16")
SIGNED = ("int8", "int16", "int32", "int64")
UNSIGNED = ("uint8", "uint16", "uint32", "uint64")
COMPLEX = ("complex64", "complex128")
FLOAT8 = ("float8_e4m3fn", "float8_e5m2")  # storage only: values are cast to and from them
ALL = ("bool", *UNSIGNED, *SIGNED, *FLOATS, *COMPLEX, *FLOAT8, "string")
# Dtypes of ONNX that Keras lacks: storage only, like FLOAT8.
NARROW_INTS = ("int2", "uint2", "int4", "uint4")
NARROW_FLOATS = ("float4_e2m1fn", "float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu")
STORED = (*FLOAT8, *NARROW_INTS, *NARROW_FLOATS)
KNOWN = (*ALL, *NARROW_INTS, *NARROW_FLOATS)

_PYTHON_TYPES: dict[type, str] = {bool: "bool", int: "int32", float: "float32", complex: "complex64", str: "string"}
_ALIASES = {
    "half": "float16",
    "float": "float32",
    "double": "float64",
    "int": "int32",
    "object": "string",
    "str": "string",
}

_floatx = "float32"
_epsilon = 1e-7


def floatx() -> str:
    """Return the default float dtype: 'float32' unless changed by `set_floatx`."""
    return _floatx


def set_floatx(value: str) -> None:
    """Set the default float dtype.

    Raises:
        DTypeError: `value` is not the name of a float dtype.
    """
    global _floatx
    if value not in FLOATS:
        raise DTypeError(f"set_floatx expects one of {FLOATS}, got {value!r}.")
    if value != _floatx:
        _floatx = value
        mark_settings_changed()


def epsilon() -> float:
    """Return the small constant that losses and normalizations add to avoid division by zero, 1e-7 by default."""
    return _epsilon


def set_epsilon(value: float) -> None:
    """Set the constant that `epsilon` returns."""
    global _epsilon
    if value != _epsilon:
        _epsilon = float(value)
        mark_settings_changed()


def standardize(dtype: DTypeLike) -> str:
    """Return Keras' name of a dtype; None means `floatx()`.

    Raises:
        DTypeError: graphkit has no such dtype.
    """
    if type(dtype) is str and dtype in KNOWN:
        return dtype
    if dtype is None:
        return floatx()
    if isinstance(dtype, type) and dtype in _PYTHON_TYPES:
        return _PYTHON_TYPES[dtype]
    name = str.__str__(dtype) if isinstance(dtype, str) else _numpy_name(dtype)  # a plain str of a subclass
    name = _ALIASES.get(name, name)
    if name.startswith("str"):
        name = "string"
    if name not in KNOWN:
        raise DTypeError(f"{dtype!r} is not a dtype that graphkit supports. Supported dtypes: {', '.join(ALL)}.")
    return name


def _numpy_name(dtype: Any) -> str:
    policy = getattr(dtype, "compute_dtype", None)
    if policy is not None:
        return str(policy)
    try:
        return str(np.dtype(dtype).name)
    except TypeError:
        return repr(dtype)


@lru_cache(maxsize=64)
def to_numpy(dtype: str) -> np.dtype[Any]:
    """Return the NumPy dtype of a Keras dtype name; bfloat16 and those of `STORED` come from ml_dtypes."""
    if dtype == "bfloat16" or dtype in STORED:
        import ml_dtypes

        small: np.dtype[Any] = np.dtype(getattr(ml_dtypes, dtype))
        return small
    if dtype == "string":
        return np.dtype(object)
    return np.dtype(dtype)


_NAMES: dict[np.dtype[Any], str] = {}


def of_array(array: Any) -> str:
    """Return Keras' name of a NumPy array's dtype."""
    dtype = array.dtype
    name = _NAMES.get(dtype)
    if name is None:
        name = "string" if dtype.kind in "OSU" else standardize(dtype.name)
        _NAMES[dtype] = name
    return name


def is_float(dtype: str) -> bool:
    """Return whether a dtype is a floating-point one."""
    return dtype in FLOATS


def is_differentiable(dtype: str) -> bool:
    """Return whether gradients flow through tensors of a dtype: floating-point and complex ones."""
    return dtype in FLOATS or dtype in COMPLEX


def is_int(dtype: str) -> bool:
    """Return whether a dtype is an integer one (bool is not)."""
    return dtype in SIGNED or dtype in UNSIGNED


def holds_integers(dtype: str) -> bool:
    """Return whether a dtype is an integer one, also one that is only stored (bool is not)."""
    return is_int(dtype) or dtype in NARROW_INTS


def integer_range(dtype: str) -> tuple[int, int]:
    """Return the smallest and largest value of an integer dtype, also of one that is only stored.

    >>> integer_range("int4")
    (-8, 7)
    """
    width = int(dtype.removeprefix("u").removeprefix("int"))
    return (0, 2**width - 1) if dtype.startswith("u") else (-(2 ** (width - 1)), 2 ** (width - 1) - 1)


def lowest(dtype: str) -> Any:
    """Return the smallest value of a real dtype (-inf for floats)."""
    if dtype == "bool":
        return False
    return float("-inf") if is_float(dtype) else int(np.iinfo(to_numpy(dtype)).min)


def highest(dtype: str) -> Any:
    """Return the largest value of a real dtype (inf for floats)."""
    if dtype == "bool":
        return True
    return float("inf") if is_float(dtype) else int(np.iinfo(to_numpy(dtype)).max)


def bits(dtype: str) -> int:
    """Return the number of bits of one element."""
    return to_numpy(dtype).itemsize * 8


# The promotion lattice: what each dtype promotes to in one step. A result is the least upper bound of its inputs.
_WEAK_INT, _WEAK_FLOAT = "int*", "float*"
_STEPS: dict[str, tuple[str, ...]] = {
    "bool": (_WEAK_INT,),
    _WEAK_INT: ("uint8", "int8"),
    "uint8": ("int16", "uint16"),
    "uint16": ("int32", "uint32"),
    "uint32": ("int64", "uint64"),
    "uint64": (_WEAK_FLOAT,),
    "int8": ("int16",),
    "int16": ("int32",),
    "int32": ("int64",),
    "int64": (_WEAK_FLOAT,),
    _WEAK_FLOAT: ("bfloat16", "float16"),
    "bfloat16": ("float32",),
    "float16": ("float32",),
    "float32": ("float64", "complex64"),
    "float64": ("complex128",),
    "complex64": ("complex128",),
    "complex128": (),
}


@lru_cache(maxsize=64)
def _above(node: str) -> frozenset[str]:
    reach = {node}
    for step in _STEPS[node]:
        reach |= _above(step)
    return frozenset(reach)


@lru_cache(maxsize=4096)
def _join(nodes: frozenset[str]) -> str:
    common = frozenset.intersection(*(_above(node) for node in nodes))
    for candidate in common:
        if common == _above(candidate):
            return candidate
    raise DTypeError(f"The dtypes {sorted(nodes)} have no common dtype.")


def result_type(*dtypes: Any) -> str:
    """Return the dtype of an op on these dtypes, by Keras' rules; Python's `int` and `float` types count as weak.

    >>> result_type("int32", "float16")
    'float16'
    >>> result_type("int32", float)
    'float32'

    A 64-bit integer results only from 64-bit integers: the lattice joins uint32 and int8 to int64, but Keras returns int32.

    Raises:
        DTypeError: The dtypes have no common dtype.
    """
    nodes = frozenset(_node_of(d) for d in dtypes)
    if "string" in nodes:
        if len(nodes) > 1:
            raise DTypeError(f"Strings cannot be combined with {sorted(nodes - {'string'})}.")
        return "string"
    if stored := nodes.intersection(STORED):
        if len(nodes) > 1:
            kind = "float8" if stored.issubset(FLOAT8) else "narrow"
            raise DTypeError(f"There is no implicit conversion from {kind} dtypes to others, got {sorted(nodes)}.")
        return next(iter(nodes))
    return _finish(_join(nodes), nodes) if nodes else floatx()


def _node_of(dtype: Any) -> str:
    if dtype is int:
        return _WEAK_INT
    if dtype is float:
        return _WEAK_FLOAT
    return standardize(dtype)


def _finish(joined: str, nodes: frozenset[str]) -> str:
    if joined == _WEAK_FLOAT:
        return floatx()
    if joined == _WEAK_INT or (joined == "int64" and not nodes.intersection(("int64", "uint64"))):
        return "int32"
    return joined
