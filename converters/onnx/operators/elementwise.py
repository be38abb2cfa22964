"""Operators that compute element by element: arithmetic, comparisons, activations, casts. Source: onnx.ai/onnx/operators."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphkit import activations, ops
from graphkit.core import dtypes
from graphkit.core.errors import UnsupportedError
from graphkit.ops._convert import dtype_name, tensor

from ..element_types import NAMES_OF_TYPES
from .table import operator

_UNARY: dict[str, Callable[[Any], Any]] = {
    "Abs": ops.absolute, "Acos": ops.arccos, "Acosh": ops.arccosh, "Asin": ops.arcsin, "Asinh": ops.arcsinh, "Atan": ops.arctan,
    "Atanh": ops.arctanh, "Ceil": ops.ceil, "Cos": ops.cos, "Cosh": ops.cosh, "Erf": ops.erf, "Exp": ops.exp, "Floor": ops.floor,
    "Log": ops.log, "Neg": ops.negative, "Not": ops.logical_not, "Reciprocal": ops.reciprocal, "Relu": ops.relu, "Round": ops.round,
    "Sigmoid": ops.sigmoid, "Sign": ops.sign, "Sin": ops.sin, "Sinh": ops.sinh, "Softsign": ops.softsign, "Sqrt": ops.sqrt,
    "Tan": ops.tan, "Tanh": ops.tanh, "BitwiseNot": ops.bitwise_not, "IsNaN": ops.isnan, "HardSwish": ops.hard_silu,
    "Softplus": ops.softplus, "Mish": activations.mish,
}  # fmt: skip


def _unary(function: Callable[[Any], Any]) -> Callable[..., Any]:
    def call(x: Any, *, consumed_inputs: Any = None) -> Any:
        return ops.cast(function(x), dtype_name(x)) if keeps(x) else function(x)

    def keeps(x: Any) -> bool:
        return function not in (ops.isnan, ops.logical_not)

    return call


for _name, _function in _UNARY.items():
    operator(_name)(_unary(_function))

_COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "Equal": ops.equal, "Greater": ops.greater, "GreaterOrEqual": ops.greater_equal, "Less": ops.less,
    "LessOrEqual": ops.less_equal, "And": ops.logical_and, "Or": ops.logical_or, "Xor": ops.logical_xor,
}  # fmt: skip
_ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {"Add": ops.add, "Sub": ops.subtract, "Mul": ops.multiply}


def legacy_broadcast(a: Any, b: Any, axis: int | None, broadcast: int) -> Any:
    """Return `b` with axes of size 1 appended so that it broadcasts from `axis` on, as operators before version 7 did."""
    if not broadcast or axis is None:
        return b
    missing = len(ops.shape(a)) - len(ops.shape(b)) - (axis % max(len(ops.shape(a)), 1))
    for _ in range(missing):
        b = ops.expand_dims(b, -1)
    return b


def _binary(function: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    def call(a: Any, b: Any, *, axis: int | None = None, broadcast: int = 0, consumed_inputs: Any = None) -> Any:
        return function(a, legacy_broadcast(a, b, axis, broadcast))

    return call


for _name, _two in {**_COMPARISONS, **_ARITHMETIC}.items():
    operator(_name)(_binary(_two))


@operator("Div")
def div(a: Any, b: Any, *, axis: int | None = None, broadcast: int = 0, consumed_inputs: Any = None) -> Any:
    """Divide; integers are divided towards zero."""
    b = legacy_broadcast(a, b, axis, broadcast)
    dtype = dtype_name(a)
    if not dtypes.is_int(dtype):
        return ops.cast(ops.true_divide(a, b), dtype)
    quotient = ops.floor_divide(a, b)
    if dtype.startswith("u"):
        return quotient
    remains = ops.not_equal(ops.multiply(quotient, b), a)
    return ops.where(ops.logical_and(remains, ops.less(quotient, 0)), ops.add(quotient, 1), quotient)


@operator("Mod")
def mod(a: Any, b: Any, *, fmod: int = 0) -> Any:
    """Return the remainder, with the sign of the divisor, or with `fmod` of the dividend."""
    return ops.cast(ops.fmod(a, b), dtype_name(a)) if fmod else ops.mod(a, b)


@operator("Pow")
def power(a: Any, b: Any, *, axis: int | None = None, broadcast: int = 0) -> Any:
    """Raise to a power; the result has the dtype of the base."""
    dtype = dtype_name(a)
    b = legacy_broadcast(a, b, axis, broadcast)
    if dtypes.is_int(dtype):
        wide = (
            ops.power(ops.cast(a, "float64"), ops.cast(b, "float64"))
            if not dtypes.is_int(dtype_name(b))
            else ops.power(a, ops.cast(b, dtype))
        )
        return ops.cast(wide, dtype)
    return ops.power(a, ops.cast(b, dtype))


@operator("BitShift")
def bit_shift(a: Any, b: Any, *, direction: str) -> Any:
    """Shift the bits of integers; a shift by all bits or more leaves 0, or the sign to the right."""
    bits = 8 * np.dtype(dtype_name(a)).itemsize
    beyond = ops.greater_equal(b, bits)
    inside = ops.where(beyond, ops.zeros_like(b), b)
    if direction == "LEFT":
        return ops.where(beyond, ops.zeros_like(a), ops.left_shift(a, inside))
    rest = ops.zeros_like(a) if dtype_name(a).startswith("u") else ops.right_shift(a, ops.full_like(a, bits - 1))
    return ops.where(beyond, rest, ops.right_shift(a, inside))


for _name, _two in {"BitwiseAnd": ops.bitwise_and, "BitwiseOr": ops.bitwise_or, "BitwiseXor": ops.bitwise_xor}.items():
    operator(_name)(_two)


def _reduced(function: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    def call(*inputs: Any, consumed_inputs: Any = None) -> Any:
        total = inputs[0]
        for term in inputs[1:]:
            total = function(total, term)
        return total

    return call


for _name, _two in {"Max": ops.maximum, "Min": ops.minimum, "Sum": ops.add}.items():
    operator(_name)(_reduced(_two))


@operator("Mean")
def mean(*inputs: Any, consumed_inputs: Any = None) -> Any:
    """Average the inputs, which broadcast."""
    return ops.cast(ops.true_divide(_reduced(ops.add)(*inputs), len(inputs)), dtype_name(inputs[0]))


@operator("Clip")
def clip_to_attributes(
    x: Any, *, min: float | None = None, max: float | None = None, consumed_inputs: Any = None
) -> Any:
    """Limit the values to constants."""
    return clip(x, min, max)


@operator("Clip", since=11)
def clip(x: Any, low: Any = None, high: Any = None) -> Any:
    """Limit the values; where the lower limit exceeds the upper one, the upper one is the result."""
    dtype = dtype_name(x)
    if low is not None:
        x = ops.maximum(x, tensor(low, dtype))
    return x if high is None else ops.minimum(x, tensor(high, dtype))


# ----- activations -----


@operator("Elu")
def elu(x: Any, *, alpha: float = 1.0, consumed_inputs: Any = None) -> Any:
    """Source: ONNX Elu."""
    return ops.elu(x, alpha)


@operator("Celu")
def celu(x: Any, *, alpha: float = 1.0) -> Any:
    """Source: ONNX Celu."""
    return ops.celu(x, alpha)


@operator("Selu")
def selu(
    x: Any,
    *,
    alpha: float = 1.67326319217681884765625,
    gamma: float = 1.05070102214813232421875,
    consumed_inputs: Any = None,
) -> Any:
    """Source: ONNX Selu."""
    return ops.multiply(ops.elu(x, alpha), scalar(gamma, x))


@operator("LeakyRelu")
def leaky_relu(x: Any, *, alpha: float = 0.01, consumed_inputs: Any = None) -> Any:
    """Source: ONNX LeakyRelu."""
    return ops.where(ops.less(x, 0), ops.multiply(x, scalar(alpha, x)), x)


@operator("PRelu")
def prelu(x: Any, slope: Any, *, consumed_inputs: Any = None) -> Any:
    """Source: ONNX PRelu."""
    if (
        len(ops.shape(slope)) == 1
        and len(ops.shape(x)) > 2
        and ops.shape(slope)[0] == ops.shape(x)[1]
        and ops.shape(x)[-1] != ops.shape(slope)[0]
    ):
        slope = ops.reshape(slope, (-1, *[1] * (len(ops.shape(x)) - 2)))  # versions before 7: one slope per channel
    return ops.where(ops.less(x, 0), ops.multiply(x, slope), x)


@operator("ThresholdedRelu")
def thresholded_relu(x: Any, *, alpha: float = 1.0) -> Any:
    """Source: ONNX ThresholdedRelu."""
    return ops.where(ops.greater(x, scalar(alpha, x)), x, ops.zeros_like(x))


@operator("HardSigmoid")
def hard_sigmoid(x: Any, *, alpha: float = 0.2, beta: float = 0.5, consumed_inputs: Any = None) -> Any:
    """Source: ONNX HardSigmoid."""
    return ops.clip(ops.add(ops.multiply(x, scalar(alpha, x)), scalar(beta, x)), 0.0, 1.0)


@operator("Gelu", since=20)
def gelu(x: Any, *, approximate: str = "none") -> Any:
    """Source: ONNX Gelu."""
    return ops.gelu(x, approximate=approximate == "tanh")


@operator("Swish", since=24)
def swish(x: Any, *, alpha: float = 1.0) -> Any:
    """Source: ONNX Swish."""
    return ops.silu(x) if alpha == 1.0 else ops.multiply(x, ops.sigmoid(ops.multiply(x, scalar(alpha, x))))


@operator("Shrink")
def shrink(x: Any, *, bias: float = 0.0, lambd: float = 0.5) -> Any:
    """Source: ONNX Shrink."""
    low, high = ops.less(x, scalar(-lambd, x)), ops.greater(x, scalar(lambd, x))
    return ops.cast(
        ops.where(
            low, ops.add(x, scalar(bias, x)), ops.where(high, ops.subtract(x, scalar(bias, x)), ops.zeros_like(x))
        ),
        dtype_name(x),
    )


def scalar(value: float, like: Any) -> Any:
    """Return a number as an array of the dtype of a tensor."""
    return tensor(value, dtype_name(like))


@operator("IsInf")
def is_inf(x: Any, *, detect_negative: int = 1, detect_positive: int = 1) -> Any:
    """Source: ONNX IsInf."""
    if detect_negative and detect_positive:
        return ops.isinf(x)
    if not detect_negative and not detect_positive:
        return ops.zeros_like(x, dtype="bool")
    return ops.isposinf(x) if detect_positive else ops.isneginf(x)


@operator("Where")
def where(condition: Any, a: Any, b: Any) -> Any:
    """Source: ONNX Where."""
    return ops.where(condition, a, b)


# ----- casts -----


@operator("Cast")
def cast(x: Any, *, to: Any, saturate: int = 1, round_mode: str = "up") -> Any:
    """Convert the dtype; floats are truncated to integers, and limited to the range of 8-bit floats."""
    return converted(x, to.lower() if isinstance(to, str) else name_of_type(to), bool(saturate), round_mode)


@operator("CastLike")
def cast_like(x: Any, like: Any, *, saturate: int = 1, round_mode: str = "up") -> Any:
    """Convert to the dtype of another tensor."""
    return converted(x, dtype_name(like), bool(saturate), round_mode)


def name_of_type(number: Any) -> str:
    """Return the dtype of an element type.

    Raises:
        UnsupportedError: graphkit has no such dtype.
    """
    name = NAMES_OF_TYPES.get(int(number))
    if name is None:
        raise UnsupportedError(f"the element type {number} has no dtype here.")
    return name


_LARGEST = {
    "float8_e4m3fn": 448.0, "float8_e4m3fnuz": 240.0, "float8_e5m2": 57344.0, "float8_e5m2fnuz": 57344.0,
}  # fmt: skip


def converted(x: Any, dtype: str, saturate: bool = True, round_mode: str = "up") -> Any:
    """Cast; values beyond the range of an 8-bit float become its largest ones if `saturate`.

    `round_mode` (up, down, nearest) is the rounding to powers of two, for float8_e8m0fnu.
    """
    if dtype_name(x) == dtype:
        return x
    if dtype == "float8_e8m0fnu":
        return _power_of_two(x, saturate, round_mode)
    largest = _LARGEST.get(dtype)
    if largest is None or not saturate:
        return ops.cast(_steps(x, dtype), dtype)
    wide = ops.cast(x, "float32")
    return ops.cast(ops.where(ops.isnan(wide), wide, ops.clip(wide, -largest, largest)), dtype)


def _steps(x: Any, dtype: str) -> Any:
    """Return the values for a cast: NumPy converts the integers of fewer than 8 bits through 8-bit ones only."""
    narrow = dtypes.NARROW_INTS
    if dtype in narrow and dtypes.is_float(dtype_name(x)):
        return ops.cast(x, "int32")
    return x


_ROUNDED_UP: dict[str, Callable[[Any, Any], Any]] = {
    "up": lambda x, power: ops.greater(x, power),
    "down": lambda x, power: ops.zeros_like(x, dtype="bool"),
    "nearest": lambda x, power: ops.greater_equal(x, ops.multiply(power, 1.5)),
}


def _power_of_two(x: Any, saturate: bool, round_mode: str) -> Any:
    """Return float8_e8m0fnu: numbers from 2 ** -127 to 2 ** 127, and NaN."""
    if round_mode not in _ROUNDED_UP:
        raise UnsupportedError(f"round_mode expects one of {sorted(_ROUNDED_UP)}, got {round_mode!r}.")
    two = np.float64(2.0)
    wide = ops.cast(x, "float64")
    inside = ops.clip(wide, 2.0**-127, 2.0**127)
    power = ops.power(two, ops.floor(ops.log2(inside)))  # the logarithm may be off by one beside a power of two
    power = ops.where(ops.greater(power, inside), ops.divide(power, two), power)
    power = ops.where(ops.less_equal(ops.multiply(power, two), inside), ops.multiply(power, two), power)
    rounded = ops.where(_ROUNDED_UP[round_mode](inside, power), ops.multiply(power, two), power)
    if not saturate:
        outside = ops.logical_or(ops.greater(wide, 2.0**127), ops.less(wide, 2.0**-127))
        rounded = ops.where(outside, np.float64("nan"), rounded)
    return ops.cast(ops.where(ops.isnan(wide), wide, rounded), "float8_e8m0fnu")


@operator("Identity")
def identity(x: Any) -> Any:
    """Return the value, which may be a sequence or an optional."""
    return x
