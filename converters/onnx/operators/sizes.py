"""Shape arithmetic: values that consist of sizes of tensors, some of which are unknown while a graph is traced.

Exporters write `Reshape(x, Concat(Gather(Shape(x), 0), [-1, 32]))`. While such a graph is traced, the result of Shape is a `Sizes`:
an array of ints and `Dim`s. What operators compute from it is a `Sizes` again, or a plain array once no unknown size is left, so
shape arithmetic leaves no trace in the program. Operators that expect a shape take a `Sizes` as it is; for all others it becomes
a tensor.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from graphkit import ops
from graphkit.core.dims import Dim, largest
from graphkit.core.errors import UnknownSizeError

_INTEGERS = {6: "int32", 7: "int64"}  # element types that sizes may be cast to
_FLOATS = {1: "float32", 11: "float64"}
_MAX_DENOMINATOR = 64  # of a float that counts as an exact fraction


class Ratio:
    """A quotient of sizes, as floats have it: scales, and sizes that are not rounded yet.

    Attributes:
        over: the dividend: an int or a `Dim`.
        under: the divisor, which is positive.
    """

    __slots__ = ("over", "under")

    def __init__(self, over: Any, under: Any) -> None:
        self.over = over
        self.under = under

    def __repr__(self) -> str:
        return f"({self.over})/({self.under})"


def ratio(over: Any, under: Any) -> Any:
    """Return a quotient of sizes: an int or a `Dim` if it is exact, a Fraction of known numbers, else a `Ratio`."""
    if not isinstance(over, Dim) and not isinstance(under, Dim):
        made = Fraction(over, under)
        return int(made) if made.denominator == 1 else made
    if isinstance(under, int):
        is_exact = all(c % under == 0 for c, _ in over.terms())
        return over // under if is_exact else Ratio(over, under)
    terms = under.terms()
    if len(terms) == 1 and isinstance(over, Dim):
        count = terms[0][0]
        exact = (over * count).divided_by(under)
        if exact is not None:
            return ratio(exact, count)
    return Ratio(over, under)


class Sizes:
    """An array of integers, some of which are unknown sizes.

    Attributes:
        values: an object array of int and Dim, of any rank; those of floats may have Fraction and `Ratio` too.
        dtype: the dtype of the numbers.
    """

    __slots__ = ("dtype", "values")

    def __init__(self, values: Any, dtype: str = "int64") -> None:
        self.values = values
        self.dtype = dtype

    @property
    def shape(self) -> tuple[int, ...]:
        """The sizes of the array's axes."""
        return tuple(self.values.shape)

    def as_tensor(self) -> Any:
        """Return the integers as a tensor of the program that is being traced."""
        flat = [_tensor(size, self.dtype) for size in self.values.reshape(-1).tolist()]
        return ops.reshape(ops.stack(flat), self.shape)

    def __repr__(self) -> str:
        return f"Sizes({self.values.tolist()})"


def _tensor(size: Any, dtype: str) -> Any:
    if isinstance(size, Ratio):
        return ops.true_divide(_tensor(size.over, dtype), _tensor(size.under, dtype))
    return ops.cast(ops.convert_to_tensor(float(size) if isinstance(size, Fraction) else size), dtype)


def sizes(values: Any, dtype: str = "int64") -> Any:
    """Return integers as an array if all are known, else as `Sizes`.

    Args:
        values: an object array, or a list, of int and Dim.
        dtype: the dtype of the integers.
    """
    array = values if isinstance(values, np.ndarray) else object_vector(values)
    if any(isinstance(v, (Dim, Ratio)) for v in array.reshape(-1).tolist()):
        return Sizes(array, dtype)
    return array.astype(dtype)


def single(value: Any, dtype: str = "int64") -> Any:
    """Return one size, as an array without axes if it is known, else as `Sizes`."""
    return sizes(_object(value), dtype)


def object_vector(values: Sequence[Any]) -> Any:
    """Return a vector of int and Dim as an object array."""
    array = np.empty(len(values), object)
    for index, value in enumerate(values):  # NumPy's own conversion would call `len` on a Dim
        array[index] = value
    return array


# Operators that only move elements, with the inputs whose elements they move: these are computed on indices.
_MOVES: dict[str, Sequence[int] | None] = {
    "Concat": None, "Expand": (0,), "Flatten": (0,), "Gather": (0,), "GatherElements": (0,), "GatherND": (0,), "Identity": (0,),
    "Reshape": (0,), "ScatterElements": (0, 2), "ScatterND": (0, 2), "Slice": (0,), "Split": (0,), "Squeeze": (0,), "Tile": (0,),
    "Transpose": (0,), "Unsqueeze": (0,), "Where": (1, 2),
}  # fmt: skip

# The inputs that are shapes, sizes or positions, for which operators take unknown sizes as they are.
_SHAPES: dict[str, Sequence[int]] = {
    "AffineGrid": (1,), "CenterCropPad": (1,), "ConstantOfShape": (0,), "Expand": (1,), "OneHot": (1,), "Pad": (1,), "Range": (0, 1, 2),
    "Reshape": (1,), "Resize": (3,), "Slice": (1, 2), "Split": (1,), "Tile": (1,), "TopK": (1,), "Loop": range(1 << 16),
}  # fmt: skip


class _UndecidedError(Exception):
    """A result depends on the value of an unknown size."""


def _is_equal(a: Any, b: Any) -> bool:
    gap = a - b
    if isinstance(gap, int):
        return gap == 0
    if not isinstance(gap, Dim) or not all(c > 0 for c, _ in gap.terms()) or not _has_constant(gap):
        raise _UndecidedError
    return False  # a sum of sizes and a positive number


def _has_constant(size: Dim) -> bool:
    return any(not atoms for _, atoms in size.terms())


def _is_less(a: Any, b: Any) -> bool:
    gap = a - b
    if isinstance(gap, int):
        return gap < 0
    if isinstance(gap, Dim) and all(c > 0 for c, _ in gap.terms()):
        return False  # a sum of sizes, which are not negative
    raise _UndecidedError


def _quotient(a: Any, b: Any) -> Any:
    """Return a / b, which ONNX rounds towards zero; sizes are not negative."""
    if isinstance(b, int) and b <= 0:
        raise _UndecidedError
    return a // b


def _remainder(a: Any, b: Any) -> Any:
    return a - _quotient(a, b) * b


def _larger(a: Any, b: Any) -> Any:
    if any(isinstance(v, (Ratio, Fraction)) for v in (a, b)):
        return b if _is_less(a, b) else a
    return largest(a, b)


def _smaller(a: Any, b: Any) -> Any:
    if any(isinstance(v, (Ratio, Fraction)) for v in (a, b)):
        return a if _is_less(a, b) else b
    return a + b - largest(a, b)


_ELEMENTWISE: dict[str, Callable[..., Any]] = {
    "Add": lambda a, b: a + b,
    "Sub": lambda a, b: a - b,
    "Mul": lambda a, b: a * b,
    "Div": _quotient,
    "Mod": _remainder,
    "Neg": lambda a: 0 - a,
    "Max": _larger,
    "Min": _smaller,
}


def parts(value: Any) -> tuple[Any, Any]:
    """Return a number as dividend and divisor: ints and `Dim`s."""
    if isinstance(value, Ratio):
        return value.over, value.under
    if isinstance(value, Dim):
        return value, 1
    exact = Fraction(value).limit_denominator(_MAX_DENOMINATOR)
    if exact != Fraction(value):
        raise _UndecidedError
    return exact.numerator, exact.denominator


def _rounded(value: Any, up: bool = False) -> Any:
    """Return a quotient rounded to an integer; sizes are not negative, so that down is towards zero."""
    over, under = parts(value)
    if not isinstance(under, int):
        raise _UndecidedError
    return -((-over) // under) if up else over // under


def _sum(a: Any, b: Any, sign: int = 1) -> Any:
    (over, under), (other, divisor) = parts(a), parts(b)
    return ratio(over * divisor + other * under * sign, under * divisor)


def _product(a: Any, b: Any) -> Any:
    (over, under), (other, divisor) = parts(a), parts(b)
    return ratio(over * other, under * divisor)


def _fraction(a: Any, b: Any) -> Any:
    (over, under), (other, divisor) = parts(a), parts(b)
    if isinstance(other, int) and other <= 0:
        raise _UndecidedError
    return ratio(over * divisor, under * other)


# The same for floats, which are computed as exact fractions.
_ELEMENTWISE_FLOATS: dict[str, Callable[..., Any]] = {
    "Add": _sum,
    "Sub": lambda a, b: _sum(a, b, -1),
    "Mul": _product,
    "Div": _fraction,
    "Floor": _rounded,
    "Ceil": lambda a: _rounded(a, up=True),
}
_COMPARISONS: dict[str, Callable[..., Any]] = {
    "Equal": _is_equal,
    "Less": _is_less,
    "Greater": lambda a, b: _is_less(b, a),
    "GreaterOrEqual": lambda a, b: not _is_less(a, b),
    "LessOrEqual": lambda a, b: not _is_less(b, a),
}
_FOLDS: dict[str, Callable[..., Any]] = {"ReduceProd": lambda a, b: a * b, "ReduceSum": lambda a, b: a + b}


def computed(name: str, function: Callable[..., Any], inputs: Sequence[Any], attributes: Mapping[str, Any]) -> Any:
    """Return what an operator computes from sizes, or None if the result is not a matter of shape arithmetic.

    Args:
        name: the operator, of the domain ai.onnx.
        function: its function of the table.
        inputs: the inputs, some of them `Sizes`.
        attributes: its attributes.
    """
    if not all(v is None or isinstance(v, (Sizes, np.ndarray)) for v in inputs):
        return None
    given = [v for v in inputs if isinstance(v, Sizes)]
    dtype = given[0].dtype
    try:
        if name == "Cast":
            return _cast(given[0], attributes.get("to", 0))
        if name in ("Shape", "Size"):
            return function(np.zeros(given[0].shape), **attributes)
        if name in _MOVES:
            return _moved(_MOVES[name], function, inputs, attributes, dtype)
        if dtype in _FLOATS.values():
            return sizes(_mapped(_ELEMENTWISE_FLOATS[name], inputs), dtype) if name in _ELEMENTWISE_FLOATS else None
        if name in _ELEMENTWISE:
            return sizes(_mapped(_ELEMENTWISE[name], inputs), dtype)
        if name in _COMPARISONS:
            return _mapped(_COMPARISONS[name], inputs).astype(bool)
        if name in _FOLDS:
            return _folded(_FOLDS[name], function, inputs, attributes, dtype)
    except (_UndecidedError, UnknownSizeError, TypeError):  # TypeError: Dim divided by Dim
        return None
    return None


def _cast(value: Sizes, to: int) -> Any:
    if to in _FLOATS:
        return Sizes(value.values, _FLOATS[to])
    if to not in _INTEGERS:
        return None
    return sizes(_object(np.frompyfunc(_rounded, 1, 1)(value.values)), _INTEGERS[to])


def _values(value: Any) -> Any:
    return value.values if isinstance(value, Sizes) else np.asarray(value).astype(object)


def _moved(
    places: Sequence[int] | None,
    function: Callable[..., Any],
    inputs: Sequence[Any],
    attributes: Mapping[str, Any],
    dtype: str,
) -> Any:
    """Compute an operator that moves elements: on the numbers of the elements in a list of all of them."""
    chosen = range(len(inputs)) if places is None else places
    if any(isinstance(v, Sizes) and i not in chosen for i, v in enumerate(inputs)):
        return None
    elements: list[Any] = []
    numbered = list(inputs)
    for i in chosen:
        if i < len(inputs) and inputs[i] is not None:
            flat = _values(inputs[i])
            numbered[i] = (np.arange(flat.size) + len(elements)).reshape(flat.shape)
            elements += flat.reshape(-1).tolist()
    made = function(*numbered, **attributes)
    table = object_vector(elements)
    parts = [sizes(_object(table[np.asarray(part)]), dtype) for part in (made if isinstance(made, tuple) else (made,))]
    return tuple(parts) if isinstance(made, tuple) else parts[0]


def _object(value: Any) -> Any:
    """Return a single element as an array without axes."""
    if isinstance(value, np.ndarray):
        return value
    array = np.empty((), object)
    array[()] = value
    return array


def _mapped(function: Callable[..., Any], inputs: Sequence[Any]) -> Any:
    arrays = [_values(v) for v in inputs]
    made = arrays[0]
    if len(arrays) == 1:
        return _object(np.frompyfunc(function, 1, 1)(made))
    for other in arrays[1:]:
        made = _object(np.frompyfunc(function, 2, 1)(made, other))
    return made


def _folded(
    step: Callable[..., Any],
    function: Callable[..., Any],
    inputs: Sequence[Any],
    attributes: Mapping[str, Any],
    dtype: str,
) -> Any:
    """Compute a reduction: the positions that are reduced together are those of the operator's own shape rule."""
    values = inputs[0].values if isinstance(inputs[0], Sizes) else None
    if values is None or any(isinstance(v, Sizes) for v in inputs[1:]) or values.ndim != 1:
        return None
    shape = np.shape(function(np.zeros(values.shape, np.int64), *inputs[1:], **attributes))
    if int(np.prod(shape)) != 1:
        return None
    total: Any = values[0]
    for value in values[1:].tolist():
        total = step(total, value)
    return sizes(_object(total).reshape(shape), dtype)


def as_expected(name: str, inputs: Sequence[Any]) -> list[Any]:
    """Return the inputs of an operator with `Sizes` as tensors, except for those that are shapes."""
    shapes = _SHAPES.get(name, ())
    return [v.as_tensor() if isinstance(v, Sizes) and i not in shapes else v for i, v in enumerate(inputs)]
