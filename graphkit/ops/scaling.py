"""Scaling and translation of images by factors and offsets that may be tensors; part of `ops.image`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphkit.core.dims import Size
from graphkit.core.errors import InvalidArgumentError, ShapeError
from graphkit.ops._convert import as_float, dtype_name, shape_of, tensor
from graphkit.ops._dispatch import operation
from graphkit.ops._rules import same_sizes, show
from graphkit.ops.elementwise import (
    absolute,
    add,
    cast,
    equal,
    greater_equal,
    less_equal,
    logical_and,
    maximum,
    multiply,
    reciprocal,
    sin,
    subtract,
    true_divide,
    where,
)  # fmt: skip
from graphkit.ops.linear import einsum
from graphkit.ops.reduction import sum as reduce_sum
from graphkit.ops.shaping import arange, expand_dims, moveaxis

__all__: list[str] = []


def _triangle(x: Any) -> Any:
    return maximum(subtract(1.0, x), 0.0)


def _cubic(x: Any) -> Any:
    near = add(multiply(multiply(subtract(multiply(x, 1.5), 2.5), x), x), 1.0)
    far = add(multiply(subtract(multiply(add(multiply(x, -0.5), 2.5), x), 4.0), x), 2.0)
    return where(greater_equal(x, 2.0), 0.0, where(greater_equal(x, 1.0), far, near))


def _lanczos(radius: float) -> Callable[[Any], Any]:
    def function(x: Any) -> Any:
        top = multiply(multiply(sin(multiply(x, np.pi)), sin(multiply(x, np.pi / radius))), radius)
        is_middle = less_equal(x, 1e-3)
        made = where(is_middle, 1.0, true_divide(top, where(is_middle, 1.0, multiply(multiply(x, x), np.pi**2))))
        return where(less_equal(x, radius), made, 0.0)

    return function


_METHODS: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("linear", "bilinear", "trilinear"), _triangle),
    **dict.fromkeys(("cubic", "bicubic", "tricubic"), _cubic),
    "lanczos3": _lanczos(3.0),
    "lanczos5": _lanczos(5.0),
}


def _scaling_matrix(old: Size, new: Size, scale: Any, shift: Any, method: str, antialias: bool) -> Any:
    """Return the weights (old, new): pixel centers are scaled relative to the corner, then translated."""
    dtype = dtype_name(scale)
    step = reciprocal(scale)
    width = maximum(step, 1.0) if antialias else 1.0
    centres = subtract(multiply(subtract(add(cast(arange(new), dtype), 0.5), shift), step), 0.5)
    weights = _METHODS[method](
        true_divide(absolute(subtract(centres, expand_dims(cast(arange(old), dtype), 1))), width)
    )
    total = reduce_sum(weights, axis=0, keepdims=True)
    tiny = 1000.0 * float(np.finfo(np.float32).eps)
    weights = where(less_equal(absolute(total), tiny), 0.0, true_divide(weights, where(equal(total, 0), 1.0, total)))
    seen = logical_and(greater_equal(centres, -0.5), less_equal(centres, subtract(tensor(old, dtype), 0.5)))
    return where(seen, weights, 0.0)


@operation("ScaleAndTranslate", "image", tensors="images output_shape scale translation")
def scale_and_translate(
    images: Any, output_shape: Any, scale: Any, translation: Any, spatial_dims: Any, method: str, antialias: bool = True
) -> Any:
    """Scale images, then translate them, along `spatial_dims`.

    Args:
        images: a tensor; integers become `floatx()`.
        output_shape: the shape of the result.
        scale: (len(spatial_dims),), the factor for each of these axes.
        translation: (len(spatial_dims),), in pixels of the result.
        spatial_dims: the axes to resample.
        method: "linear", "cubic", "lanczos3" or "lanczos5" ("bilinear", "bicubic" and similar names are also accepted).
        antialias: whether the filter is widened where an axis shrinks.

    Raises:
        InvalidArgumentError: If `method` is unknown.
        ShapeError: If the other arguments do not fit each other.

    Source: keras.ops.image.scale_and_translate.
    """
    if method not in _METHODS:
        raise InvalidArgumentError(
            f"Invalid value for argument `method`. Expected one of {sorted(_METHODS)}. Received: method={method}"
        )
    x = as_float(images)
    scale, translation = as_float(scale), as_float(translation)
    count = len(spatial_dims)
    if not (same_sizes(shape_of(scale), (count,)) and same_sizes(shape_of(translation), (count,))):
        raise ShapeError(
            f"scale_and_translate expects a scale and a translation for each of spatial_dims={spatial_dims}, got shapes "
            f"{show(shape_of(scale))} and {show(shape_of(translation))}."
        )
    if len(output_shape) != x.ndim or any(not -x.ndim <= dim < x.ndim for dim in spatial_dims):
        raise ShapeError(
            f"scale_and_translate: output_shape={output_shape} and spatial_dims={spatial_dims} do not fit images of shape "
            f"{show(shape_of(x))}."
        )
    for number, dim in enumerate(spatial_dims):
        axis = dim % x.ndim
        matrix = _scaling_matrix(
            shape_of(x)[axis], output_shape[axis], scale[number], translation[number], method, antialias
        )
        x = moveaxis(einsum("...i,ij->...j", moveaxis(x, axis, -1), cast(matrix, dtype_name(x))), -1, axis)
    return x
