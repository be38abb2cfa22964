"""Bitwise ops on integers, shifts, and common divisors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphkit.core import dtypes
from graphkit.core.errors import DTypeError
from graphkit.ir.primitive import Primitive, primitive
from graphkit.ir.tracing import only_shapes
from graphkit.ops._convert import dtype_name, promote, shape_of
from graphkit.ops._dispatch import operation
from graphkit.ops._rules import broadcast, broadcast_shapes, same, ufunc
from graphkit.ops.control import while_loop
from graphkit.ops.elementwise import absolute, cast, equal, floor_divide, logical_not, mod, multiply, not_equal, where
from graphkit.ops.reduction import any as reduce_any
from graphkit.ops.shaping import broadcast_to

# fmt: off
__all__ = [
    "bitwise_and", "bitwise_invert", "bitwise_left_shift", "bitwise_not", "bitwise_or", "bitwise_right_shift", "bitwise_xor", "gcd",
    "lcm", "left_shift", "right_shift",
]
# fmt: on

_INTEGERS = "integers have no gradient"


def _bits(name: str, function: Callable[..., Any]) -> Primitive:
    return primitive(name, broadcast, prepare=ufunc(function), inplace=(0, 1), nondiff=_INTEGERS)


bitwise_and_p = _bits("bitwise_and", np.bitwise_and)
bitwise_or_p = _bits("bitwise_or", np.bitwise_or)
bitwise_xor_p = _bits("bitwise_xor", np.bitwise_xor)
left_shift_p = _bits("left_shift", np.left_shift)
right_shift_p = _bits("right_shift", np.right_shift)
bitwise_not_p = primitive("bitwise_not", same, prepare=ufunc(np.bitwise_not), inplace=(0,), nondiff=_INTEGERS)


def _integers(where_: str, *values: Any) -> tuple[Any, ...]:
    """Promote integers or bools. Raises DTypeError for floats, unless only shapes are inferred."""
    made = promote(*values)
    if not (dtypes.is_int(dtype_name(made[0])) or dtype_name(made[0]) == "bool" or only_shapes(*values)):
        raise DTypeError(
            f"{where_} expects integers or bools, got {dtype_name(made[0])}; cast them with ops.cast(x, 'int32')."
        )
    return made


def _op(class_name: str, name: str, made: Primitive, meaning: str) -> Callable[[Any, Any], Any]:
    def function(x: Any, y: Any) -> Any:
        return made.bind(*_integers(name, x, y))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"{meaning}, elementwise. Raises DTypeError for floats. Source: keras.ops.{name}."
    return operation(class_name, tensors="x y")(function)


bitwise_and = _op("BitwiseAnd", "bitwise_and", bitwise_and_p, "Keep the bits that both have")
bitwise_or = _op("BitwiseOr", "bitwise_or", bitwise_or_p, "Keep the bits that either has")
bitwise_xor = _op("BitwiseXor", "bitwise_xor", bitwise_xor_p, "Keep the bits that exactly one of the two has")


def _shift_op(class_name: str, name: str, made: Primitive, meaning: str) -> Callable[[Any, Any], Any]:
    def function(x: Any, y: Any) -> Any:
        a, b = _integers(name, x, y)
        if dtype_name(a) == "bool":
            a, b = cast(a, "int32"), cast(b, "int32")
        return made.bind(a, b)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"{meaning}, elementwise. Raises DTypeError for floats. Source: keras.ops.{name}."
    return operation(class_name, tensors="x y")(function)


bitwise_left_shift = _shift_op(
    "BitwiseLeftShift",
    "bitwise_left_shift",
    left_shift_p,
    "Shift the bits of `x` left by `y`, which multiplies by 2**y",
)
left_shift = _shift_op(
    "LeftShift", "left_shift", left_shift_p, "Shift the bits of `x` left by `y`, which multiplies by 2**y"
)
bitwise_right_shift = _shift_op(
    "BitwiseRightShift",
    "bitwise_right_shift",
    right_shift_p,
    "Shift the bits of `x` right by `y`, keeping the sign: `x // 2**y`",
)
right_shift = _shift_op(
    "RightShift", "right_shift", right_shift_p, "Shift the bits of `x` right by `y`, keeping the sign: `x // 2**y`"
)


def _inverted(x: Any) -> Any:
    (x,) = _integers("bitwise_not", x)
    return logical_not(x) if dtype_name(x) == "bool" else bitwise_not_p.bind(x)


@operation("BitwiseInvert")
def bitwise_invert(x: Any) -> Any:
    """Invert every bit.

    Raises:
        DTypeError: `x` is neither integers nor bools.

    Source: keras.ops.bitwise_invert.
    """
    return _inverted(x)


@operation("BitwiseNot")
def bitwise_not(x: Any) -> Any:
    """Invert every bit.

    Raises:
        DTypeError: `x` is neither integers nor bools.

    Source: keras.ops.bitwise_not.
    """
    return _inverted(x)


# ----- divisors -----


def _gcd(a: Any, b: Any) -> Any:
    """Euclid's algorithm on all elements at once: (a, b) becomes (b, a mod b) until b is 0."""
    whole = broadcast_shapes(shape_of(a), shape_of(b))
    a, b = (broadcast_to(absolute(v), whole) for v in (a, b))

    def step(a: Any, b: Any) -> tuple[Any, Any]:
        done = equal(b, 0)
        return where(done, a, b), where(done, b, mod(a, where(done, 1, b)))

    return while_loop(lambda a, b: reduce_any(not_equal(b, 0)), step, (a, b))[0]


gcd_p = primitive("gcd", broadcast, prepare=ufunc(np.gcd), decomposition=_gcd, nondiff=_INTEGERS)


@operation("Gcd", tensors="x1 x2")
def gcd(x1: Any, x2: Any) -> Any:
    """Compute the greatest common divisor, elementwise.

    Raises:
        DTypeError: `x1` or `x2` does not hold integers.

    Source: keras.ops.gcd.
    """
    return gcd_p.bind(*_no_bools("gcd", *_integers("gcd", x1, x2)))


def _no_bools(what: str, *values: Any) -> tuple[Any, ...]:
    if dtype_name(values[0]) == "bool":
        raise DTypeError(f"{what} expects integers, got bool; cast them with ops.cast(x, 'int32').")
    return values


@operation("Lcm", tensors="x1 x2")
def lcm(x1: Any, x2: Any) -> Any:
    """Compute the least common multiple, elementwise; 0 where one of the two is 0.

    Raises:
        DTypeError: `x1` or `x2` does not hold integers.

    Source: keras.ops.lcm.
    """
    a, b = (absolute(v) for v in _no_bools("lcm", *_integers("lcm", x1, x2)))
    shared = gcd_p.bind(a, b)
    return multiply(floor_divide(a, where(equal(shared, 0), 1, shared)), b)
