"""Tensor products: matmul, dot, tensordot, einsum and others, all computed by BLAS where strides and dtypes allow."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from graphkit.core import dtypes
from graphkit.core.dims import Shape, Size, product
from graphkit.core.errors import DTypeError, InvalidArgumentError, ShapeError
from graphkit.ir.primitive import primitive
from graphkit.ir.spec import TensorSpec
from graphkit.ops._blas import product as product_into
from graphkit.ops._blas import suits_blas
from graphkit.ops._convert import canonical_axis, dtype_name, dtype_of, promote, shape_of
from graphkit.ops._dispatch import operation
from graphkit.ops._rules import broadcast_shapes, broadcast_sizes, show
from graphkit.ops.elementwise import cast, equal, multiply, where
from graphkit.ops.reduction import reduce_sum_p
from graphkit.ops.shaping import broadcast_to, expand_dims, reshape, squeeze, swapaxes, transpose

__all__ = ["dot", "einsum", "inner", "matmul", "outer", "tensordot", "vdot"]

# ----- matmul -----


def _matmul_abstract(a: TensorSpec, b: TensorSpec) -> TensorSpec:
    if a.dtype != b.dtype:
        raise DTypeError(f"matmul expects operands of the same dtype, got {a.dtype} and {b.dtype}.")
    if a.rank < 2 or b.rank < 2 or _differ(a.shape[-1], b.shape[-2]):
        raise ShapeError(
            f"matmul: the last axis of {show(a.shape)} and the second to last of {show(b.shape)} must have the same size."
        )
    return TensorSpec((*broadcast_shapes(a.shape[:-2], b.shape[:-2]), a.shape[-2], b.shape[-1]), a.dtype)


def _differ(a: Size, b: Size) -> bool:
    """Whether two sizes are known to differ."""
    return isinstance(a, int) and isinstance(b, int) and a != b


def _prepare_matmul(out: Any, a: Any, b: Any) -> Callable[[], Any]:
    if out.dtype.itemsize == 2 and out.dtype.kind not in "iu":
        return partial(_matmul_in_float32, out, a, b)
    if (
        b.ndim == 2 and a.ndim > 2 and a.flags.c_contiguous and out.flags.c_contiguous
    ):  # one product instead of one per batch element
        a, out = a.reshape(-1, a.shape[-1]), out.reshape(-1, out.shape[-1])
    return product_into(out, a, b) if suits_blas(a) and suits_blas(b) else _through_copies(out, a, b)


def _through_copies(out: Any, a: Any, b: Any) -> Callable[[], Any]:
    """Multiply contiguous copies of operands whose strides BLAS does not accept."""
    copies = [(np.empty(x.shape, x.dtype), x) for x in (a, b) if not suits_blas(x)]
    a, b = (next((new for new, old in copies if old is x), x) for x in (a, b))

    def run() -> None:
        for new, old in copies:
            np.copyto(new, old)
        np.matmul(a, b, out)

    return run


def _matmul_in_float32(out: Any, a: Any, b: Any) -> None:
    """Multiply half floats in float32: BLAS does not support them, and sums in half precision are too inaccurate."""
    np.copyto(out, np.matmul(a.astype(np.float32), b.astype(np.float32)), casting="unsafe")


def _transposed(x: Any) -> Any:
    return swapaxes(x, -1, -2)


def _matmul_vjp(g: Any, out: Any, a: Any, b: Any) -> list[Callable[[], Any]]:
    return [lambda: matmul_p.bind(g, _transposed(b)), lambda: _right_cotangent(g, a, b)]


def _right_cotangent(g: Any, a: Any, b: Any) -> Any:
    if b.ndim == 2 and a.ndim > 2:  # a layer's kernel: the product also sums over the batch
        a, g = _rows(a), _rows(g)
    return matmul_p.bind(_transposed(a), g)


def _rows(x: Any) -> Any:
    old = shape_of(x)
    return reshape(x, (product(old[:-1]), old[-1]))


matmul_p = primitive(
    "matmul",  # two tensors of rank 2 or more; leading axes are broadcast
    _matmul_abstract,
    prepare=_prepare_matmul,
    vjp=_matmul_vjp,
)


# ----- matmul of int8, accumulated in int32 -----


def _matmul_int8_abstract(a: TensorSpec, b: TensorSpec) -> TensorSpec:
    return TensorSpec(_matmul_abstract(a, b).shape, "int32")


def _prepare_matmul_int8(out: Any, a: Any, b: Any) -> Callable[[], Any]:
    """Multiply as floats, since BLAS has no integers; the result is exact as long as every sum fits the mantissa."""
    wide = np.float32 if a.shape[-1] * 2**14 <= 2**24 else np.float64
    left, right, made = (np.empty(x.shape, wide) for x in (a, b, out))
    multiply_them = _prepare_matmul(made, left, right)

    def run() -> None:
        np.copyto(left, a)
        np.copyto(right, b)
        multiply_them()
        np.copyto(out, made, casting="unsafe")

    return run


matmul_int8_p = primitive(
    "matmul_int8",  # two int8 tensors of rank 2 or more; leading axes are broadcast
    _matmul_int8_abstract,
    prepare=_prepare_matmul_int8,
    nondiff="integers have no gradient",
)


def _product(a: Any, b: Any) -> Any:
    return (matmul_int8_p if dtype_name(a) == "int8" else matmul_p).bind(a, b)


def _operands(x1: Any, x2: Any) -> tuple[Any, Any, str]:
    """Promote two operands; return them and the dtype of their product. Bools become int32, but their product is bool."""
    a, b = promote(x1, x2)
    kind = dtype_name(a)
    return (cast(a, "int32"), cast(b, "int32"), kind) if kind == "bool" else (a, b, kind)


def _are_int8(*values: Any) -> bool:
    """Whether all are int8, whose products Keras accumulates in int32 in matmul and einsum."""
    return all(dtype_of(v) == "int8" for v in values)


@operation("Matmul", tensors="x1 x2")
def matmul(x1: Any, x2: Any) -> Any:
    """Compute the matrix product over the last axis of `x1` and the second to last of `x2`; leading axes are broadcast.

    A one-dimensional `x1` is a row, a one-dimensional `x2` a column. The product of two int8 tensors is int32.

    Raises:
        ShapeError: If an operand is a scalar, or the shapes do not fit.

    Source: keras.ops.matmul.
    """
    a, b, kind = _operands(x1, x2)
    return cast(_matmul(a, b), "int32" if _are_int8(x1, x2) else kind)


def _matmul(a: Any, b: Any) -> Any:
    if a.ndim == 0 or b.ndim == 0:
        raise ShapeError("matmul expects tensors of at least one axis; multiply scalars with ops.multiply.")
    left, right = a.ndim == 1, b.ndim == 1
    made = _product(expand_dims(a, 0) if left else a, expand_dims(b, -1) if right else b)
    if right:
        made = squeeze(made, -1)
    return squeeze(made, -1 if right else -2) if left else made


# ----- einsum: a composite for two tensors; more are contracted pairwise from left to right -----

_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def _equation(equation: str) -> tuple[str, str, str]:
    given, target = equation.split("->")
    left, right = given.split(",")
    return left, right, target


def _sizes(terms: list[str], shapes: list[Shape]) -> dict[str, Size]:
    """Map each letter to its size, a known one if possible. Raises ShapeError if sizes differ."""
    sizes: dict[str, Size] = {}
    for term, shape in zip(terms, shapes, strict=True):
        for letter, size in zip(term, shape, strict=True):
            joined = broadcast_sizes(sizes.get(letter, size), size)
            if joined is None:
                raise ShapeError(f"einsum: letter {letter!r} has sizes {sizes[letter]} and {size}.")
            sizes[letter] = joined
    return sizes


def _einsum_abstract(a: TensorSpec, b: TensorSpec, equation: str) -> TensorSpec:
    left, right, target = _equation(equation)
    sizes = _sizes([left, right], [a.shape, b.shape])
    return TensorSpec(tuple(sizes[letter] for letter in target), _summed_dtype(a.dtype))


def _summed_dtype(dtype: str) -> str:
    """Return the dtype that products are accumulated in: int32 for int8, as in Keras."""
    return "int32" if dtype == "int8" else dtype


def _aligned(x: Any, term: str, target: str) -> Any:
    """Transpose `x` to the order of `target`, with axes of size 1 for missing letters."""
    own = [letter for letter in target if letter in term]
    turned = transpose(x, [term.index(letter) for letter in own])
    return expand_dims(turned, [i for i, letter in enumerate(target) if letter not in term])


def _contract(a: Any, b: Any, equation: str) -> Any:
    """Contract two tensors by transposes, reshapes and one matmul."""
    left, right, target = _equation(equation)
    summed = [letter for letter in left if letter in right and letter not in target]
    if not summed:
        wide = _summed_dtype(dtype_name(a))
        return multiply(cast(_aligned(a, left, target), wide), cast(_aligned(b, right, target), wide))
    rows = [letter for letter in target if letter not in right]
    columns = [letter for letter in target if letter not in left]
    if rows and columns and target.index(columns[0]) < target.index(rows[0]):  # so that the product needs no transpose
        a, b, left, right, rows, columns = b, a, right, left, columns, rows
    batch = [letter for letter in target if letter in left and letter in right]
    sizes = _sizes([left, right], [shape_of(a), shape_of(b)])

    def matrix(x: Any, term: str, first: list[str], second: list[str]) -> Any:
        turned = transpose(x, [term.index(letter) for letter in (*batch, *first, *second)])
        return reshape(turned, (*(sizes[i] for i in batch), product(_of(first)), product(_of(second))))

    def _of(letters: list[str]) -> Shape:
        return tuple(sizes[i] for i in letters)

    made = _product(matrix(a, left, rows, summed), matrix(b, right, summed, columns))
    made = reshape(made, _of([*batch, *rows, *columns]))
    order = [*batch, *rows, *columns]
    return transpose(made, [order.index(letter) for letter in target])


def _einsum_vjp(g: Any, out: Any, a: Any, b: Any, equation: str) -> list[Callable[[], Any]]:
    left, right, target = _equation(equation)
    return [
        lambda: einsum_p.bind(g, b, equation=f"{target},{right}->{left}"),
        lambda: einsum_p.bind(g, a, equation=f"{target},{left}->{right}"),
    ]


einsum_p = primitive(
    "einsum",  # two tensors; no letter occurs twice in a term, and each is in at least two of the three terms
    _einsum_abstract,
    decomposition=_contract,
    vjp=_einsum_vjp,
)


@operation("Einsum", tensors="operands")
def einsum(subscripts: str, *operands: Any, **kwargs: Any) -> Any:
    """Evaluate Einstein's summation convention: `einsum("bij,bjk->bik", x, y)`.

    Args:
        subscripts: the terms, one for each operand, and optionally the target; `...` stands for any number of axes.
        operands: tensors; they are promoted to a common dtype.
        kwargs: accepted for compatibility with Keras, ignored.

    Raises:
        InvalidArgumentError: If `subscripts` is malformed or does not fit the operands' ranks.
        ShapeError: If a letter has different sizes.

    Source: keras.ops.einsum.
    """
    tensors, whole = list(promote(*operands)), _are_int8(*operands)
    kind = dtype_name(tensors[0])
    terms, target = parse_subscripts(subscripts, [shape_of(x) for x in tensors])
    sizes = _sizes(terms, [shape_of(x) for x in tensors])
    if dtype_name(tensors[0]) == "int8" and not _is_one_product(terms, target):
        tensors = [cast(x, "int32") for x in tensors]
    for i, (x, term) in enumerate(zip(tensors, terms, strict=True)):
        tensors[i], terms[i] = _without_ones(*_diagonals(x, term), sizes)
    while len(tensors) > 2:
        later = set(target).union(*terms[2:])
        joined = "".join(dict.fromkeys(letter for letter in terms[0] + terms[1] if letter in later))
        tensors[:2], terms[:2] = [_pair(tensors[0], tensors[1], terms[0], terms[1], joined)], [joined]
    if len(tensors) == 2:
        made, term = _pair(tensors[0], tensors[1], terms[0], terms[1], target), target
    else:
        made, term = _summed(tensors[0], terms[0], target)
    made = transpose(made, [term.index(letter) for letter in target])
    return cast(broadcast_to(made, tuple(sizes[letter] for letter in target)), "int32" if whole else kind)


def _is_one_product(terms: list[str], target: str) -> bool:
    """Whether an einsum is a single product of two tensors, without sums over one of them before it."""
    if len(terms) != 2 or any(len(set(term)) < len(term) for term in terms):
        return False
    return all(letter in other + target for term, other in (terms, terms[::-1]) for letter in term)


def _pair(a: Any, b: Any, left: str, right: str, target: str) -> Any:
    a, left = _summed(a, left, right + target)
    b, right = _summed(b, right, left + target)
    return einsum_p.bind(a, b, equation=f"{left},{right}->{target}")


def _summed(x: Any, term: str, keep: str) -> tuple[Any, str]:
    """Sum `x` over the letters that are not in `keep`."""
    axes = tuple(i for i, letter in enumerate(term) if letter not in keep)
    if not axes:
        return x, term
    return reduce_sum_p.bind(x, axes=axes, keepdims=False), "".join(i for i in term if i in keep)


def _without_ones(x: Any, term: str, sizes: dict[str, Size]) -> tuple[Any, str]:
    """Squeeze axes of size 1 whose letter has another size elsewhere: they are broadcast."""
    axes = [i for i, letter in enumerate(term) if shape_of(x)[i] == 1 and sizes[letter] != 1]
    if not axes:
        return x, term
    return squeeze(x, axes), "".join(letter for i, letter in enumerate(term) if i not in axes)


def _diagonals(x: Any, term: str) -> tuple[Any, str]:
    """Take the diagonal for letters that occur twice in a term: mask the rest and sum over one of the axes."""
    from graphkit.ops.shaping import arange

    for letter in dict.fromkeys(term):
        while term.count(letter) > 1:
            first = term.index(letter)
            second = term.index(letter, first + 1)
            places = arange(shape_of(x)[first])
            grid = [expand_dims(places, [i for i in range(x.ndim) if i != axis]) for axis in (first, second)]
            x = reduce_sum_p.bind(where(equal(*grid), x, 0), axes=(second,), keepdims=False)
            term = term[:second] + term[second + 1 :]
    return x, term


def parse_subscripts(subscripts: str, shapes: list[Shape]) -> tuple[list[str], str]:
    """Parse einsum subscripts into terms and target, with letters for `...` and a missing target filled in.

    Raises:
        InvalidArgumentError: If they are malformed or do not fit the shapes.
    """
    text = subscripts.replace(" ", "")
    given, arrow, target = text.partition("->")
    terms = given.split(",")
    if len(terms) != len(shapes):
        raise InvalidArgumentError(f"einsum: {subscripts!r} has {len(terms)} term(s), but got {len(shapes)} tensor(s).")
    unused = [letter for letter in _LETTERS if letter not in text]
    widest = max((len(s) - len(t) + 3 for s, t in zip(shapes, terms, strict=True) if "..." in t), default=0)
    extra = "".join(unused[:widest])
    terms = [_spelled(term, len(shape), extra, subscripts) for term, shape in zip(terms, shapes, strict=True)]
    if arrow:
        target = target.replace("...", extra)
    else:
        letters = "".join(terms)
        target = extra + "".join(sorted(i for i in set(letters) if letters.count(i) == 1 and i not in extra))
    wrong = [i for i in target if i not in "".join(terms) or target.count(i) > 1]
    if wrong:
        raise InvalidArgumentError(
            f"einsum: letter {wrong[0]!r} of the target of {subscripts!r} must occur once there, and in a term."
        )
    return terms, target


def _spelled(term: str, rank: int, extra: str, subscripts: str) -> str:
    if "..." in term:
        count = rank - len(term) + 3
        term = term.replace("...", extra[len(extra) - count :] if count > 0 else "")
    if len(term) != rank or not all(letter in _LETTERS for letter in term):
        raise InvalidArgumentError(f"einsum: term {term!r} of {subscripts!r} does not fit a tensor of rank {rank}.")
    return term


# ----- other products -----


@operation("Tensordot", tensors="x1 x2")
def tensordot(x1: Any, x2: Any, axes: Any = 2) -> Any:
    """Contract `x1` and `x2` over pairs of axes.

    Args:
        x1: a tensor.
        x2: a tensor.
        axes: an int n for the last n axes of `x1` and the first n of `x2`, or a pair of axes or lists of axes.

    Raises:
        ShapeError: If the axes do not pair up, are out of range, or differ in size.

    Source: keras.ops.tensordot.
    """
    a, b, kind = _operands(x1, x2)
    return cast(_tensordot(a, b, axes), kind)


def _tensordot(a: Any, b: Any, axes: Any) -> Any:
    if isinstance(axes, (int, np.integer)):
        first, second = list(range(a.ndim - int(axes), a.ndim)), list(range(int(axes)))
    else:
        first, second = (list(side) if isinstance(side, (list, tuple)) else [side] for side in axes)
    if len(first) != len(second):
        raise ShapeError(f"tensordot: axes={axes} pairs {len(first)} axes of x1 with {len(second)} of x2.")
    left = list(_LETTERS[: a.ndim])
    right = list(_LETTERS[a.ndim : a.ndim + b.ndim])
    for i, j in zip(first, second, strict=True):
        i, j = canonical_axis(i, a.ndim, "axes"), canonical_axis(j, b.ndim, "axes")
        right[j] = left[i]
        if _differ(shape_of(a)[i], shape_of(b)[j]):
            raise ShapeError(f"tensordot: axis {i} of {show(shape_of(a))} and axis {j} of {show(shape_of(b))} differ.")
    target = "".join([i for i in left if i not in right] + [i for i in right if i not in left])
    return einsum_p.bind(a, b, equation=f"{''.join(left)},{''.join(right)}->{target}")


@operation("Dot", tensors="x1 x2")
def dot(x1: Any, x2: Any) -> Any:
    """Compute NumPy's dot product: over the last axis of `x1` and the second to last (or only) one of `x2`.

    Raises:
        ShapeError: If the shapes do not fit.

    Source: keras.ops.dot.
    """
    a, b, kind = _operands(x1, x2)
    if a.ndim == 0 or b.ndim == 0:
        return cast(multiply(a, b), kind)
    return cast(_matmul(a, b) if b.ndim <= 2 else _tensordot(a, b, ([-1], [-2])), kind)


@operation("Inner", tensors="x1 x2")
def inner(x1: Any, x2: Any) -> Any:
    """Compute the inner product over the last axes of both.

    Raises:
        ShapeError: If the last axes differ in size.

    Source: keras.ops.inner.
    """
    a, b, kind = _operands(x1, x2)
    return cast(multiply(a, b) if a.ndim == 0 or b.ndim == 0 else _tensordot(a, b, ([-1], [-1])), kind)


@operation("Outer", tensors="x1 x2")
def outer(x1: Any, x2: Any) -> Any:
    """Compute the outer product of the flattened tensors. Source: keras.ops.outer."""
    a, b = promote(x1, x2)
    return multiply(reshape(a, (-1, 1)), reshape(b, (1, -1)))


@operation("Vdot", tensors="x1 x2")
def vdot(x1: Any, x2: Any) -> Any:
    """Compute the dot product of the flattened tensors, the first one conjugated.

    Raises:
        ShapeError: If the numbers of elements differ.

    Source: keras.ops.vdot.
    """
    a, b, kind = _operands(x1, x2)
    if kind in dtypes.COMPLEX:
        from graphkit.ops.complex import conj

        a = conj(a)
    return cast(_matmul(reshape(a, (-1,)), reshape(b, (-1,))), kind)
