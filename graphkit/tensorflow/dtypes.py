"""`tf.float32` and the others: dtypes as objects, equal to their names and to NumPy's dtypes."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphkit.core import dtypes
from graphkit.core.errors import DTypeError

_RANGES = {"bool": (0, 1)}
_ALIASES = {"half": "float16", "double": "float64", "string": "string"}
_PYTHON_TYPES: dict[type, str] = {float: "float32", int: "int32", str: "string", bytes: "string", bool: "bool"}
_LARGEST_BFLOAT16 = 3.3895313892515355e38


class DType(str):
    """A dtype of TensorFlow. It is a string with the name, so that it can be passed wherever Keras takes a dtype.

    Source: tf.dtypes.DType.
    """

    __slots__ = ()

    @property
    def name(self) -> str:
        """The dtype's name."""
        return str.__str__(self)

    @property
    def as_numpy_dtype(self) -> Any:
        """NumPy's type, for example `numpy.float32`."""
        return np.object_ if self == "string" else dtypes.to_numpy(self.name).type

    @property
    def as_datatype_enum(self) -> int:
        """Not provided: the number of the dtype in TensorFlow's files."""
        raise DTypeError("graphkit does not use the numbers of TensorFlow's dtypes; use the dtype's name.")

    @property
    def base_dtype(self) -> DType:
        """The dtype itself."""
        return self

    @property
    def real_dtype(self) -> DType:
        """The dtype of the real part."""
        return DType({"complex64": "float32", "complex128": "float64"}.get(self.name, self.name))

    @property
    def is_floating(self) -> bool:
        """Whether it is a real floating-point type."""
        return "float" in self.name

    @property
    def is_integer(self) -> bool:
        """Whether it is an integer type."""
        return "int" in self.name

    @property
    def is_complex(self) -> bool:
        """Whether it is a complex type."""
        return self.startswith("complex")

    @property
    def is_bool(self) -> bool:
        """Whether it is bool."""
        return self == "bool"

    @property
    def is_unsigned(self) -> bool:
        """Whether it is an unsigned integer type."""
        return self.startswith("uint")

    @property
    def is_numeric(self) -> bool:
        """Whether it is a type of numbers."""
        return self not in ("bool", "string")

    @property
    def size(self) -> int:
        """The number of bytes of an element."""
        return 1 if self == "string" else int(dtypes.to_numpy(self.name).itemsize)

    @property
    def min(self) -> Any:
        """The smallest number of the type."""
        return self.limits_of_type()[0]

    @property
    def max(self) -> Any:
        """The largest number of the type."""
        return self.limits_of_type()[1]

    @property
    def limits(self) -> tuple[Any, Any]:
        """(0, 1) for floats; the smallest and the largest number for integers."""
        return (0, 1) if self.is_floating else self.limits_of_type()

    def limits_of_type(self) -> tuple[Any, Any]:
        """Return the smallest and the largest number of the type."""
        if self in _RANGES:
            return _RANGES[self]
        if self == "bfloat16":
            return -_LARGEST_BFLOAT16, _LARGEST_BFLOAT16
        kind = dtypes.to_numpy(self.name)
        info = np.finfo(kind) if self.is_floating else np.iinfo(kind)
        return info.min, info.max

    def is_compatible_with(self, other: Any) -> bool:
        """Return whether the other dtype is the same."""
        return self == as_dtype(other)

    def __repr__(self) -> str:
        return f"tf.{self.name}"

    def __str__(self) -> str:
        return f"<dtype: {self.name!r}>"

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)

    def __eq__(self, other: object) -> bool:
        return str.__eq__(self, other) if isinstance(other, str) else other is not None and self._equals(other)

    def _equals(self, other: object) -> bool:
        try:
            return self.name == dtype_name(other)
        except (DTypeError, TypeError):
            return False

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = str.__hash__


def dtype_name(dtype: Any) -> str:
    """Return the name of a dtype given as a name, a `DType`, a NumPy dtype or a Python type."""
    if isinstance(dtype, DType):
        return dtype.name
    if isinstance(dtype, str):
        dtype = _ALIASES.get(dtype.removeprefix("tf."), dtype.removeprefix("tf."))
    if isinstance(dtype, np.dtype) and dtype.kind in "OSU":
        return "string"
    if isinstance(dtype, type) and dtype in _PYTHON_TYPES:
        return _PYTHON_TYPES[dtype]
    return dtypes.standardize(dtype)


def as_dtype(type_value: Any) -> DType:
    """Return the `DType` for a name, a NumPy dtype or a Python type. Source: tf.as_dtype."""
    return type_value if isinstance(type_value, DType) else DType(dtype_name(type_value))


ALL = (
    "bfloat16", "bool", "complex128", "complex64", "float16", "float32", "float64", "int16", "int32", "int64", "int8", "string",
    "uint16", "uint32", "uint64", "uint8",
)  # fmt: skip
NAMES: dict[str, Any] = {
    **{name: DType(name) for name in ALL}, "half": DType("float16"), "double": DType("float64"),
    "DType": DType, "as_dtype": as_dtype,
}  # fmt: skip
