"""Elementwise ops: arithmetic, powers and logarithms, trigonometry, comparison, logic, rounding, selection, casts."""

# VJPs refer to ops defined further down, whose types mypy has not inferred yet.
# mypy: disable-error-code="has-type"

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from graphkit.core import dtypes
from graphkit.core.errors import InvalidArgumentError
from graphkit.ir.primitive import PRIMITIVES, Primitive, primitive
from graphkit.ir.program import Atom, Equation, Literal
from graphkit.ir.simplify import Producers, rewrite
from graphkit.ir.spec import TensorSpec
from graphkit.ops._convert import as_float, counted, dtype_name, dtype_of, fits, numbers, promote, reals, tensor, within
from graphkit.ops._dispatch import operation
from graphkit.ops._rules import broadcast, broadcast_shapes, broadcast_to_bool, copy, same, same_as_bool, ufunc

# fmt: off
__all__ = [
    "abs", "absolute", "add", "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctanh", "cast", "ceil", "clip",
    "cos", "cosh", "divide", "equal", "exp", "expm1", "floor", "floor_divide", "greater", "greater_equal", "isfinite",
    "isinf", "isnan", "less", "less_equal", "log", "log1p", "logical_and", "logical_not", "logical_or", "logical_xor",
    "maximum", "minimum", "mod", "multiply", "negative", "not_equal", "power", "reciprocal", "round", "rsqrt", "sign",
    "sin", "sinh", "sqrt", "square", "stop_gradient", "subtract", "tan", "tanh", "true_divide", "where",
]
# fmt: on

# ----- identity, casts, stop_gradient -----

identity_p = primitive("identity", same, kernel=copy, view=lambda x: x, vjp=lambda g, out, x: [g])


def _cast_vjp(g: Any, out: Any, x: Any, dtype: str) -> list[Any]:
    """The gradient transform casts the cotangent back, except from complex to real: there only its real part counts."""
    widened = dtype in dtypes.COMPLEX and dtype_name(x) not in dtypes.COMPLEX
    return [PRIMITIVES["real"].bind(g) if widened else g]


cast_p = primitive(
    "cast",
    lambda x, dtype: TensorSpec(x.shape, dtype),
    kernel=copy,
    view=lambda x, dtype: x if x.dtype == dtypes.to_numpy(dtype) else None,
    vjp=_cast_vjp,
)

stop_gradient_p = primitive("stop_gradient", same, kernel=copy, view=lambda x: x, vjp=lambda g, out, x: [None])


@operation("Cast", "core")
def cast(x: Any, dtype: Any) -> Any:
    """Cast `x` to another dtype. Source: keras.ops.cast."""
    wanted = dtypes.standardize(dtype)
    x = tensor(x)
    return tensor(x, wanted)


@operation("StopGradient", "core", tensors="variable")
def stop_gradient(variable: Any) -> Any:
    """Return `variable` as it is, but let no gradient flow through it. Source: keras.ops.stop_gradient."""
    return stop_gradient_p.bind(tensor(variable))


# ----- arithmetic of two tensors -----


def _binary(name: str, function: Callable[..., Any], vjp: Callable[..., Any] | None, **parts: Any) -> Primitive:
    return primitive(name, broadcast, prepare=ufunc(function), vjp=vjp, inplace=(0, 1), **parts)


add_p = _binary("add", np.add, lambda g, out, a, b: [g, g])
subtract_p = _binary("subtract", np.subtract, lambda g, out, a, b: [g, lambda: negative(g)])
multiply_p = _binary("multiply", np.multiply, lambda g, out, a, b: [lambda: multiply(g, b), lambda: multiply(g, a)])
divide_p = _binary(
    "divide",
    np.divide,
    lambda g, out, a, b: [lambda: true_divide(g, b), lambda: negative(true_divide(multiply(g, out), b))],
)


def _power_kernel(out: Any, a: Any, b: Any) -> None:
    if b.dtype.kind == "i" and np.any(b < 0):
        raise InvalidArgumentError("power: integers cannot be raised to negative powers; cast them to a float dtype.")
    np.power(a, b, out=out)


power_p = primitive(
    "power",
    broadcast,
    kernel=_power_kernel,
    inplace=(0, 1),
    vjp=lambda g, out, a, b: [
        lambda: multiply(g, multiply(b, power(a, subtract(b, 1)))),
        lambda: multiply(g, where(equal(a, 0), 0, multiply(out, log(where(equal(a, 0), 1, a))))),
    ],
)
maximum_p = _binary("maximum", np.maximum, lambda g, out, a, b: _extreme_vjp(g, out, a, b))
minimum_p = _binary("minimum", np.minimum, lambda g, out, a, b: _extreme_vjp(g, out, a, b))


def _extreme_vjp(g: Any, out: Any, a: Any, b: Any) -> list[Callable[[], Any]]:
    """Pass the cotangent to the side that was chosen, and half of it to each where both are equal, as in JAX."""
    tie = equal(a, b)
    half = multiply(g, 0.5)
    return [
        lambda: where(tie, half, where(equal(a, out), g, 0)),
        lambda: where(tie, half, where(equal(b, out), g, 0)),
    ]


floor_divide_p = _binary("floor_divide", np.floor_divide, lambda g, out, a, b: [None, None])  # a step, like floor
mod_p = _binary("mod", np.mod, lambda g, out, a, b: [g, lambda: negative(multiply(g, floor(true_divide(a, b))))])


@operation("Add", tensors="x1 x2")
def add(x1: Any, x2: Any) -> Any:
    """Compute `x1 + x2`, broadcast. Source: keras.ops.add."""
    return add_p.bind(*promote(x1, x2))


@operation("Subtract", tensors="x1 x2")
def subtract(x1: Any, x2: Any) -> Any:
    """Compute `x1 - x2`, broadcast.

    Raises:
        DTypeError: both are bools.

    Source: keras.ops.subtract.
    """
    return subtract_p.bind(*numbers("subtract", x1, x2))


@operation("Multiply", tensors="x1 x2")
def multiply(x1: Any, x2: Any) -> Any:
    """Compute `x1 * x2`, broadcast. Source: keras.ops.multiply."""
    return multiply_p.bind(*promote(x1, x2))


@operation("TrueDivide", tensors="x1 x2")
def true_divide(x1: Any, x2: Any) -> Any:
    """Compute `x1 / x2`, broadcast; integers give floats. Source: keras.ops.true_divide."""
    return divide_p.bind(*promote(x1, x2, to_float=True))


@operation("Divide", tensors="x1 x2")
def divide(x1: Any, x2: Any) -> Any:
    """Compute `x1 / x2`, broadcast; integers give floats. Source: keras.ops.divide."""
    return divide_p.bind(*promote(x1, x2, to_float=True))


@operation("FloorDivide", tensors="x1 x2")
def floor_divide(x1: Any, x2: Any) -> Any:
    """Compute the largest integer not above `x1 / x2`. Source: keras.ops.floor_divide."""
    return floor_divide_p.bind(*counted(x1, x2))


@operation("Mod", tensors="x1 x2")
def mod(x1: Any, x2: Any) -> Any:
    """Compute the remainder with the sign of `x2`, as Python's %. Source: keras.ops.mod."""
    return mod_p.bind(*counted(x1, x2))


@operation("Power", tensors="x1 x2")
def power(x1: Any, x2: Any) -> Any:
    """Compute `x1 ** x2`, broadcast.

    Raises:
        InvalidArgumentError: both are integers, and an exponent is negative.

    Source: keras.ops.power.
    """
    if isinstance(x2, (int, float)) and x2 == 2:
        return square(x1)
    return power_p.bind(*counted(x1, x2))


@operation("Maximum", tensors="x1 x2")
def maximum(x1: Any, x2: Any) -> Any:
    """Return the larger of two elements; NaN if one is NaN. Source: keras.ops.maximum."""
    return maximum_p.bind(*_limited(x1, x2))


def _limited(x1: Any, x2: Any) -> tuple[Any, ...]:
    """Promote, with a Python int clamped to the range of the other's dtype."""
    dtype = dtypes.result_type(dtype_of(x1), dtype_of(x2))
    return promote(within(x1, dtype), within(x2, dtype))


@operation("Minimum", tensors="x1 x2")
def minimum(x1: Any, x2: Any) -> Any:
    """Return the smaller of two elements; NaN if one is NaN. Source: keras.ops.minimum."""
    return minimum_p.bind(*_limited(x1, x2))


# ----- one tensor, float -----


def _unary(name: str, function: Callable[..., Any], vjp: Callable[..., Any] | None, **parts: Any) -> Primitive:
    return primitive(name, same, prepare=ufunc(function), vjp=vjp, inplace=(0,), **parts)


negative_p = _unary("negative", np.negative, lambda g, out, x: [negative(g)])
abs_p = _unary("abs", np.absolute, lambda g, out, x: [where(greater_equal(x, 0), g, negative(g))])  # 1 at 0, as in JAX
sign_p = _unary("sign", np.sign, lambda g, out, x: [None])  # a step
square_p = _unary("square", np.square, lambda g, out, x: [multiply(g, multiply(x, 2))])
sqrt_p = _unary("sqrt", np.sqrt, lambda g, out, x: [true_divide(multiply(g, 0.5), out)])
exp_p = _unary("exp", np.exp, lambda g, out, x: [multiply(g, out)])
expm1_p = _unary("expm1", np.expm1, lambda g, out, x: [multiply(g, add(out, 1))])
log_p = _unary("log", np.log, lambda g, out, x: [true_divide(g, x)])
log1p_p = _unary("log1p", np.log1p, lambda g, out, x: [true_divide(g, add(x, 1))])
sin_p = _unary("sin", np.sin, lambda g, out, x: [multiply(g, cos(x))])
cos_p = _unary("cos", np.cos, lambda g, out, x: [negative(multiply(g, sin(x)))])
tan_p = _unary("tan", np.tan, lambda g, out, x: [multiply(g, add(square(out), 1))])
asin_p = _unary("asin", np.arcsin, lambda g, out, x: [multiply(g, rsqrt(subtract(1, square(x))))])
acos_p = _unary("acos", np.arccos, lambda g, out, x: [negative(multiply(g, rsqrt(subtract(1, square(x)))))])
atan_p = _unary("atan", np.arctan, lambda g, out, x: [true_divide(g, add(square(x), 1))])
sinh_p = _unary("sinh", np.sinh, lambda g, out, x: [multiply(g, cosh(x))])
cosh_p = _unary("cosh", np.cosh, lambda g, out, x: [multiply(g, sinh(x))])
tanh_p = _unary("tanh", np.tanh, lambda g, out, x: [multiply(g, subtract(1, square(out)))])
asinh_p = _unary("asinh", np.arcsinh, lambda g, out, x: [multiply(g, rsqrt(add(square(x), 1)))])
acosh_p = _unary("acosh", np.arccosh, lambda g, out, x: [multiply(g, rsqrt(subtract(square(x), 1)))])
atanh_p = _unary("atanh", np.arctanh, lambda g, out, x: [true_divide(g, subtract(1, square(x)))])
floor_p = _unary("floor", np.floor, lambda g, out, x: [None])
ceil_p = _unary("ceil", np.ceil, lambda g, out, x: [None])
round_p = _unary("round", np.rint, lambda g, out, x: [None])  # halves to even, as in ONNX Round


def _rsqrt_kernel(out: Any, x: Any) -> None:
    np.sqrt(x, out=out)
    np.divide(1, out, out=out)


rsqrt_p = primitive(
    "rsqrt",
    same,
    kernel=_rsqrt_kernel,
    inplace=(0,),
    vjp=lambda g, out, x: [multiply(multiply(g, -0.5), true_divide(out, x))],
)


def _float_op(class_name: str, made: Primitive, family: str = "numpy") -> Callable[[Any], Any]:
    """Make the public op of a float-valued primitive of one tensor; integers become `floatx()` first."""

    def function(x: Any) -> Any:
        return made.bind(as_float(x))

    name = class_name.lower()
    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"Compute {name} of `x`, elementwise; integers become `floatx()`. Source: keras.ops.{name}."
    return operation(class_name, family)(function)


exp = _float_op("Exp", exp_p)
expm1 = _float_op("Expm1", expm1_p)
log = _float_op("Log", log_p)
log1p = _float_op("Log1p", log1p_p)
sqrt = _float_op("Sqrt", sqrt_p)
rsqrt = _float_op("Rsqrt", rsqrt_p, "math")
sin = _float_op("Sin", sin_p)
cos = _float_op("Cos", cos_p)
tan = _float_op("Tan", tan_p)
arcsin = _float_op("Arcsin", asin_p)
arccos = _float_op("Arccos", acos_p)
arctan = _float_op("Arctan", atan_p)
sinh = _float_op("Sinh", sinh_p)
cosh = _float_op("Cosh", cosh_p)
tanh = _float_op("Tanh", tanh_p)
arcsinh = _float_op("Arcsinh", asinh_p)
arccosh = _float_op("Arccosh", acosh_p)
arctanh = _float_op("Arctanh", atanh_p)


@operation("Floor")
def floor(x: Any) -> Any:
    """Round down to an integer, as a float.

    Raises:
        DTypeError: `x` is complex.

    Source: keras.ops.floor.
    """
    return floor_p.bind(*reals("floor", x, to_float=True))


@operation("Ceil")
def ceil(x: Any) -> Any:
    """Round up to an integer, as a float.

    Raises:
        DTypeError: `x` is complex.

    Source: keras.ops.ceil.
    """
    return ceil_p.bind(*reals("ceil", x, to_float=True))


@operation("Negative")
def negative(x: Any) -> Any:
    """Compute `-x`.

    Raises:
        DTypeError: `x` is bool.

    Source: keras.ops.negative.
    """
    return negative_p.bind(*numbers("negative", x))


@operation("Absolute")
def absolute(x: Any) -> Any:
    """Compute the absolute value; for complex numbers the magnitude. Source: keras.ops.absolute."""
    x = tensor(x)
    if TensorSpec.of(x).dtype in dtypes.COMPLEX:
        from graphkit.ops.complex import magnitude

        return magnitude(x)
    return abs_p.bind(x)


def abs(x: Any) -> Any:
    """Compute the absolute value; for complex numbers the magnitude. Source: keras.ops.abs."""
    return absolute(x)


@operation("Sign")
def sign(x: Any) -> Any:
    """Return -1, 0 or 1 by the sign of each element.

    Raises:
        DTypeError: `x` is bool.

    Source: keras.ops.sign.
    """
    return sign_p.bind(*numbers("sign", x))


@operation("Square")
def square(x: Any) -> Any:
    """Compute `x * x`. Source: keras.ops.square."""
    return square_p.bind(*counted(x))


@operation("Round")
def round(x: Any, decimals: int = 0) -> Any:
    """Round to `decimals`, halves to even; integers stay integers.

    Args:
        decimals: the number of digits after the point; negative ones round tens, hundreds, ...

    Source: keras.ops.round.
    """
    x = tensor(x)
    if dtype_name(x) in dtypes.COMPLEX:
        from graphkit.ops.complex import imag, joined, real

        return joined(round(real(x), decimals), round(imag(x), decimals))
    if not dtypes.is_float(dtype_name(x)):
        return _rounded_integer(x, 10**-decimals) if decimals < 0 else x
    if not decimals:
        return round_p.bind(x)
    scale = 10.0**decimals
    return true_divide(round_p.bind(multiply(x, scale)), scale)


def _rounded_integer(x: Any, step: int) -> Any:
    """Round to the nearest multiple of `step`, halves to the even one."""
    kind = dtype_name(x)
    if dtypes.bits(kind) < 32:  # the nearest multiple may be out of the dtype's range, and is clamped then
        return cast(clip(_rounded_integer(cast(x, "int32"), step), dtypes.lowest(kind), dtypes.highest(kind)), kind)
    if not fits(step, kind):
        return multiply(x, 0)
    count = floor_divide(x, step)
    rest = subtract(x, multiply(count, step))
    half = step // 2  # step is a power of ten, hence even
    up = logical_or(greater(rest, half), logical_and(equal(rest, half), equal(mod(count, 2), 1)))
    return multiply(add(count, cast(up, dtype_name(x))), step)


@operation("Reciprocal")
def reciprocal(x: Any) -> Any:
    """Compute `1 / x`. Source: keras.ops.reciprocal."""
    return true_divide(1, x)


# ----- comparison and logic -----

_BOOLEAN = "a boolean has no gradient"


def _comparison(name: str, function: Callable[..., Any]) -> Primitive:
    return primitive(name, broadcast_to_bool, prepare=ufunc(function), nondiff=_BOOLEAN)


equal_p = _comparison("equal", np.equal)
not_equal_p = _comparison("not_equal", np.not_equal)
less_p = _comparison("less", np.less)
less_equal_p = _comparison("less_equal", np.less_equal)
greater_p = _comparison("greater", np.greater)
greater_equal_p = _comparison("greater_equal", np.greater_equal)
logical_and_p = _comparison("logical_and", np.logical_and)
logical_or_p = _comparison("logical_or", np.logical_or)
logical_xor_p = _comparison("logical_xor", np.logical_xor)
logical_not_p = primitive("logical_not", same_as_bool, prepare=ufunc(np.logical_not), nondiff=_BOOLEAN)
isnan_p = primitive("isnan", same_as_bool, prepare=ufunc(np.isnan), nondiff=_BOOLEAN)
isinf_p = primitive("isinf", same_as_bool, prepare=ufunc(np.isinf), nondiff=_BOOLEAN)


def _comparison_op(class_name: str, made: Primitive, sign: str) -> Callable[[Any, Any], Any]:
    def function(x1: Any, x2: Any) -> Any:
        return made.bind(*_comparable(x1, x2))

    function.__name__ = function.__qualname__ = made.name
    function.__doc__ = f"Whether `x1 {sign} x2`, elementwise, as bool. Source: keras.ops.{made.name}."
    return operation(class_name, tensors="x1 x2")(function)


def _comparable(x1: Any, x2: Any) -> tuple[Any, ...]:
    """Promote; to int64 if a Python int is outside the other's range, so that it is compared by its value."""
    dtype = dtypes.result_type(dtype_of(x1), dtype_of(x2))
    if fits(x1, dtype) and fits(x2, dtype):
        return promote(x1, x2)
    return tensor(x1, "int64"), tensor(x2, "int64")


equal = _comparison_op("Equal", equal_p, "==")
not_equal = _comparison_op("NotEqual", not_equal_p, "!=")
less = _comparison_op("Less", less_p, "<")
less_equal = _comparison_op("LessEqual", less_equal_p, "<=")
greater = _comparison_op("Greater", greater_p, ">")
greater_equal = _comparison_op("GreaterEqual", greater_equal_p, ">=")


def _logical_op(class_name: str, made: Primitive) -> Callable[[Any, Any], Any]:
    def function(x1: Any, x2: Any) -> Any:
        return made.bind(cast(x1, "bool"), cast(x2, "bool"))

    function.__name__ = function.__qualname__ = made.name
    word = made.name.removeprefix("logical_").upper()
    function.__doc__ = f"Compute the logical {word} of `x1` and `x2`, cast to bool. Source: keras.ops.{made.name}."
    return operation(class_name, tensors="x1 x2")(function)


logical_and = _logical_op("LogicalAnd", logical_and_p)
logical_or = _logical_op("LogicalOr", logical_or_p)
logical_xor = _logical_op("LogicalXor", logical_xor_p)


@operation("LogicalNot")
def logical_not(x: Any) -> Any:
    """Compute the logical NOT of `x`, cast to bool. Source: keras.ops.logical_not."""
    return logical_not_p.bind(cast(x, "bool"))


@operation("Isnan")
def isnan(x: Any) -> Any:
    """Return whether each element is NaN. Source: keras.ops.isnan."""
    return isnan_p.bind(as_float(x))


@operation("Isinf")
def isinf(x: Any) -> Any:
    """Return whether each element is infinite. Source: keras.ops.isinf."""
    return isinf_p.bind(as_float(x))


@operation("Isfinite")
def isfinite(x: Any) -> Any:
    """Return whether each element is finite. Source: keras.ops.isfinite."""
    return logical_not(logical_or(isnan(x), isinf(x)))


# ----- selection -----


def _select_abstract(condition: TensorSpec, a: TensorSpec, b: TensorSpec) -> TensorSpec:
    return TensorSpec(broadcast_shapes(condition.shape, a.shape, b.shape), a.dtype)


def _select_kernel(out: Any, condition: Any, a: Any, b: Any) -> None:
    np.copyto(out, b)
    np.copyto(out, a, where=condition)


select_p = primitive(
    "select",
    _select_abstract,
    kernel=_select_kernel,
    vjp=lambda g, out, c, a, b: [None, lambda: where(c, g, 0), lambda: where(c, 0, g)],
)


@operation("Where", tensors="condition x1 x2")
def where(condition: Any, x1: Any = None, x2: Any = None) -> Any:
    """Select `x1` where `condition` holds, else `x2`, all broadcast.

    Without `x1` and `x2`, return the positions where `condition` holds, as `nonzero` does.

    Raises:
        InvalidArgumentError: only one of `x1` and `x2` is given.

    Source: keras.ops.where.
    """
    if x1 is None and x2 is None:
        from graphkit.ops.counting import nonzero

        return nonzero(condition)
    if x1 is None or x2 is None:
        raise InvalidArgumentError("where: `x1` and `x2` either both should be `None` or both should have non-None value.")
    x1, x2 = promote(x1, x2)
    return select_p.bind(cast(condition, "bool"), x1, x2)


def _clip_kernel(out: Any, x: Any, low: float, high: float, edge: float = 0.5) -> None:
    np.maximum(x, _bound(low, x), out=out)
    np.minimum(out, _bound(high, x), out=out)


def _bound(limit: float, x: Any) -> Any:
    return np.asarray(limit).astype(x.dtype)


def _clip_vjp(g: Any, out: Any, x: Any, low: float, high: float, edge: float = 0.5) -> list[Any]:
    """Pass `edge` times the cotangent where `x` is at a bound, and `edge` squared where the bounds are equal."""
    inside = logical_and(greater(x, low), less(x, high))
    if edge == 0:
        return [where(inside, g, 0)]
    at_bound = logical_or(equal(x, low), equal(x, high))
    return [where(inside, g, where(at_bound, multiply(g, edge if low < high else edge * edge), 0))]


clip_p = primitive(
    # edge: the derivative at a bound, which differs between the functions built from this
    "clip",
    same,
    kernel=_clip_kernel,
    inplace=(0,),
    vjp=_clip_vjp,
)


@operation("Clip")
def clip(x: Any, x_min: Any, x_max: Any) -> Any:
    """Limit `x` to [x_min, x_max].

    Args:
        x_min: a number or a tensor; None means no limit.
        x_max: a number or a tensor; None means no limit.

    Raises:
        DTypeError: `x` is complex.

    Source: keras.ops.clip.
    """
    (x,) = counted(*reals("clip", x))
    if x_min is None or x_max is None:
        x = x if x_min is None else maximum(x, x_min)
        return x if x_max is None else minimum(x, x_max)
    if isinstance(x_min, (int, float)) and isinstance(x_max, (int, float)) and dtypes.is_float(TensorSpec.of(x).dtype):
        return clip_p.bind(x, low=float(x_min), high=float(x_max))
    return minimum(maximum(x, x_min), x_max)


# ----- sigmoid and relu: primitives, since most nets use them -----


def _sigmoid_kernel(out: Any, x: Any) -> None:
    np.negative(x, out=out)
    np.exp(out, out=out)
    np.add(out, 1, out=out)
    np.reciprocal(out, out=out)


sigmoid_p = primitive(
    "sigmoid",
    same,
    kernel=_sigmoid_kernel,
    inplace=(0,),
    vjp=lambda g, out, x: [multiply(g, multiply(out, subtract(1, out)))],
)

relu_p = primitive(
    "relu",
    same,
    prepare=lambda out, x: partial(np.maximum, x, np.zeros((), x.dtype), out=out),
    inplace=(0,),
    vjp=lambda g, out, x: [relu_grad_p.bind(g, out)],
)


def _relu_grad_kernel(out: Any, g: Any, y: Any) -> None:
    np.multiply(g, y > 0, out=out)


relu_grad_p = primitive(
    "relu_grad",  # g where the activation y is positive, else 0
    broadcast,
    kernel=_relu_grad_kernel,
    inplace=(0,),
    vjp=lambda g, out, g0, y: [lambda: relu_grad_p.bind(g, y), None],
)

# ----- rewrites -----


def _is_constant(atom: Atom, number: float) -> bool:
    return (
        isinstance(atom, Literal)
        and atom.array.size == 1
        and atom.array.dtype.kind in "fiu"
        and float(atom.array.item()) == number
    )


@rewrite("multiply", "divide", "add", "subtract", "power", keeps_derivatives=True)
def _neutral(equation: Equation, producers: Producers) -> Atom | None:
    """Replace x * 1, x / 1, x + 0, x - 0 and x ** 1 by x."""
    a, b = equation.inputs
    neutral = 0 if equation.primitive in (add_p, subtract_p) else 1
    if _is_constant(b, neutral) and a.spec == equation.outputs[0].spec:
        return a
    if equation.primitive in (add_p, multiply_p) and _is_constant(a, neutral) and b.spec == equation.outputs[0].spec:
        return b
    return None


@rewrite("cast", keeps_derivatives=True)
def _cast_to_own_dtype(equation: Equation, producers: Producers) -> Atom | None:
    return equation.inputs[0] if equation.inputs[0].spec == equation.outputs[0].spec else None


@rewrite("stop_gradient", keeps_derivatives=False)
def _stop_gradient_is_identity(equation: Equation, producers: Producers) -> Atom:
    return equation.inputs[0]
