"""Image resizing: ONNX' Resize where it computes the same values, otherwise the engine's matrices, one axis at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphkit.core.dims import Shape, Size, is_static
from graphkit.ops._windows import Ints
from graphkit.ops.resizing import resize_matrix

from ..builder import GraphBuilder, Operand
from ..dims import shape_vector, size_scalar
from ..registry import lowering
from .reduction import reduce

# interpolation -> attributes of Resize, where onnxruntime computes the engine's values
_MODES: dict[str, dict[str, Any]] = {
    "nearest": {"mode": "nearest", "nearest_mode": "round_prefer_ceil"},
    "bilinear": {"mode": "linear"},
}


@lowering("resize")
def _resize(b: GraphBuilder, x: Operand, *, axes: Ints, sizes: Shape, interpolation: str, antialias: bool) -> Any:
    known = is_static((*sizes, *(x.shape[a] for a in axes)))
    if x.rank == 4 and (interpolation == "nearest" or (interpolation == "bilinear" and not known and not antialias)):
        return _by_operator(b, x, axes, sizes, interpolation)
    return _by_matrices(b, x, axes, sizes, interpolation, antialias, turned=False)


@lowering("resize_grad")
def _resize_grad(b: GraphBuilder, g: Operand, *, axes: Ints, sizes: Shape, interpolation: str, antialias: bool) -> Any:
    return _by_matrices(b, g, axes, sizes, interpolation, antialias, turned=True)


def _by_operator(b: GraphBuilder, x: Operand, axes: Ints, sizes: Shape, interpolation: str) -> Any:
    """Write a Resize, which expects the image axes last."""
    order = [a for a in range(x.rank) if a not in axes] + sorted(axes)
    turned = order != list(range(x.rank))
    wanted = dict(zip(axes, sizes, strict=True))
    target = shape_vector(b, [wanted.get(a, x.shape[a]) for a in order])
    image = b.transpose(x, order) if turned else x
    made = b.op(
        "Resize", image, None, None, target, coordinate_transformation_mode="half_pixel", **_MODES[interpolation]
    )
    return b.transpose(made, tuple(int(i) for i in np.argsort(order))) if turned else made


def _by_matrices(
    b: GraphBuilder, x: Operand, axes: Ints, sizes: Shape, interpolation: str, antialias: bool, *, turned: bool
) -> Any:
    """Multiply each axis by its resize matrix; `turned` multiplies by the transpose, from the new size to the old one."""
    made: Any = x
    for axis, size in zip(axes, sizes, strict=True):
        here = x.shape[axis]
        if here == size:
            continue
        old, new = (size, here) if turned else (here, size)
        matrix = _matrix(b, old, new, interpolation, antialias)
        subscripts = "on" if turned else "no"
        letters = "abcdefg"[: x.rank]
        source = letters.replace(letters[axis], subscripts[1])
        target = letters.replace(letters[axis], subscripts[0])
        made = b.op("Einsum", b.cast(matrix, x.dtype), made, equation=f"no,{source}->{target}")
    return made


def _matrix(b: GraphBuilder, old: Size, new: Size, interpolation: str, antialias: bool) -> str:
    """Return the resize matrix (new, old) in float32: a constant, or computed where a size is unknown."""
    if isinstance(old, int) and isinstance(new, int):
        return b.constant(resize_matrix(old, new, interpolation, antialias).astype(np.float32))
    one, half = b.constant(np.float32(1)), b.constant(np.float32(0.5))
    rows, columns = _indices(b, new), _indices(b, old)
    scale = b.op("Div", _as_float(b, old), _as_float(b, new))
    edges = b.unsqueeze(b.op("Mul", b.op("Add", rows, half), scale), 1)
    if interpolation == "nearest":
        index = b.op("Min", b.op("Floor", edges), b.op("Sub", _as_float(b, old), one))
        return b.cast(b.op("Equal", index, columns), "float32")
    distance = b.op("Abs", b.op("Sub", columns, b.op("Sub", edges, half)))
    if antialias:
        distance = b.op("Div", distance, b.op("Max", scale, one))
    weights = _FILTERS[interpolation](b, distance)
    made: str = b.op("Div", weights, reduce(b, "ReduceSum", weights, (1,), True))
    return made


def _as_float(b: GraphBuilder, size: Size) -> str:
    return b.cast(size_scalar(b, size), "float32")


def _indices(b: GraphBuilder, size: Size) -> str:
    """Return 0, 1, ..., size - 1 as float32."""
    zero, one = (b.constant(np.asarray(n, np.int64)) for n in (0, 1))
    return b.cast(b.op("Range", zero, size_scalar(b, size), one), "float32")


def _number(b: GraphBuilder, value: float) -> str:
    return b.constant(np.float32(value))


def _triangle(b: GraphBuilder, x: str) -> Any:
    return b.op("Relu", b.op("Sub", _number(b, 1), x))


def _cubic(b: GraphBuilder, x: str) -> Any:
    """Keys' cubic filter with a = -1/2, as two polynomials."""
    near = _polynomial(b, x, (1.5, -2.5, 0.0, 1.0))
    far = _polynomial(b, x, (-0.5, 2.5, -4.0, 2.0))
    outer = b.op("Where", b.op("Less", x, _number(b, 2)), far, _number(b, 0))
    return b.op("Where", b.op("Less", x, _number(b, 1)), near, outer)


def _polynomial(b: GraphBuilder, x: str, coefficients: tuple[float, ...]) -> Any:
    total: Any = _number(b, coefficients[0])
    for coefficient in coefficients[1:]:
        total = b.op("Add", b.op("Mul", total, x), _number(b, coefficient))
    return total


def _lanczos(radius: float) -> Callable[[GraphBuilder, str], Any]:
    def function(b: GraphBuilder, x: str) -> Any:
        product = b.op("Mul", _sinc(b, x), _sinc(b, b.op("Div", x, _number(b, radius))))
        return b.op("Where", b.op("Greater", x, _number(b, radius)), _number(b, 0), product)

    return function


def _sinc(b: GraphBuilder, x: str) -> Any:
    angle = b.op("Mul", b.op("Max", x, _number(b, 1e-7)), _number(b, np.pi))
    return b.op("Div", b.op("Sin", angle), angle)


_FILTERS: dict[str, Callable[[GraphBuilder, str], Any]] = {
    "bilinear": _triangle,
    "bicubic": _cubic,
    "lanczos3": _lanczos(3.0),
    "lanczos5": _lanczos(5.0),
}
