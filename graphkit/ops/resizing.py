"""Image resizing by one matrix for each spatial axis, whose rows hold the weights of one output position.

Pixel centers are at half integers, as in Keras, TensorFlow 2, JAX and ONNX ("half_pixel"). Weights beyond the border are
dropped, and the others scaled to sum to 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Any

import numpy as np

from graphkit.core import dtypes
from graphkit.core.dims import Dim, Shape, is_static
from graphkit.core.errors import InvalidArgumentError, KnownSizeError, ShapeError
from graphkit.core.layout import CHANNELS_LAST, standardize_data_format
from graphkit.ir.primitive import Primitive, primitive
from graphkit.ir.spec import TensorSpec
from graphkit.ir.tracing import only_shapes
from graphkit.ops._convert import as_float, dtype_name, shape_argument, shape_of, tensor
from graphkit.ops._correlate import Array, Thunk, runner
from graphkit.ops._dispatch import operation
from graphkit.ops._rules import show
from graphkit.ops._windows import Ints
from graphkit.ops.arithmetic import saturate_cast
from graphkit.ops.elementwise import round

__all__: list[str] = []  # Keras has it as ops.image.resize, not ops.resize

# ----- filters -----


def _triangle(x: Array) -> Any:
    return np.maximum(0.0, 1.0 - x)


def _cubic(x: Array) -> Any:
    """Keys' cubic convolution kernel with a = -1/2."""
    near = (1.5 * x - 2.5) * x * x + 1.0
    far = ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0
    return np.where(x >= 2.0, 0.0, np.where(x >= 1.0, far, near))


def _lanczos(radius: float) -> Callable[[Array], Any]:
    def function(x: Array) -> Any:
        return np.where(x > radius, 0.0, np.sinc(x) * np.sinc(x / radius))

    return function


_FILTERS: dict[str, Callable[[Array], Any]] = {
    "bilinear": _triangle,
    "bicubic": _cubic,
    "lanczos3": _lanczos(3.0),
    "lanczos5": _lanczos(5.0),
}
INTERPOLATIONS = ("bilinear", "nearest", "lanczos3", "lanczos5", "bicubic")


@lru_cache(maxsize=64)
def resize_matrix(old: int, new: int, interpolation: str, antialias: bool) -> Array:
    """Return the float64 matrix (new, old) that resizes one axis."""
    scale = old / new
    centres = (np.arange(new) + 0.5) * scale - 0.5
    if interpolation == "nearest":
        chosen: Array = np.eye(old)[nearest_index(old, new)]
        return chosen
    width = max(scale, 1.0) if antialias else 1.0
    weights: Array = _FILTERS[interpolation](np.abs(np.arange(old) - centres[:, None]) / width)
    weights /= weights.sum(axis=1, keepdims=True)
    return weights


def nearest_index(old: int, new: int) -> Any:
    """Return the index of the input element nearest to each output position."""
    return np.minimum(np.floor((np.arange(new) + 0.5) * (old / new)).astype(np.int64), old - 1)


# ----- the primitive and its derivative -----


def _resized(x: TensorSpec, axes: Ints, sizes: Shape, interpolation: str, antialias: bool) -> TensorSpec:
    shape = list(x.shape)
    for axis, size in zip(axes, sizes, strict=True):
        shape[axis] = size
    return TensorSpec(tuple(shape), x.dtype)


def _stages(shape: Sequence[int], axes: Ints, sizes: Sequence[int]) -> list[tuple[int, Ints]]:
    """Return (axis, shape after resizing it) for each axis whose size changes."""
    current, stages = list(shape), []
    for axis, size in zip(axes, sizes, strict=True):
        if current[axis] != size:
            current[axis] = size
            stages.append((axis, tuple(current)))
    return stages


def _workspace(specs: Sequence[TensorSpec], params: Any) -> list[TensorSpec]:
    x = specs[0]
    stages = _stages(x.shape, params["axes"], params["sizes"])  # type: ignore[arg-type]
    return [TensorSpec((math.prod(x.shape),), x.dtype), *(TensorSpec((math.prod(s),), x.dtype) for _, s in stages[:-1])]


def _prepare_with(transposed: bool) -> Callable[..., Thunk]:
    def prepare(
        out: Array, x: Array, axes: Ints, sizes: Ints, interpolation: str, antialias: bool, workspace: list[Array]
    ) -> Thunk:
        source = workspace[0].reshape(x.shape)
        thunks: list[Thunk] = [partial(np.copyto, source, x)]
        if x.flags.c_contiguous:
            source, thunks = x, []
        stages = _stages(x.shape, axes, sizes)
        for number, (axis, shape) in enumerate(stages):
            target = out if number == len(stages) - 1 else workspace[number + 1].reshape(shape)
            old, new = source.shape[axis], shape[axis]
            sides = (new, old) if transposed else (old, new)
            matrix = resize_matrix(*sides, interpolation, antialias)
            matrix = matrix.T if transposed else matrix
            thunks.append(_apply(matrix.astype(x.dtype), source, target, axis))
            source = target
        if not stages:
            thunks.append(partial(np.copyto, out, source))
        return runner(thunks, [])

    return prepare


def _apply(matrix: Array, source: Array, target: Array, axis: int) -> Thunk:
    lead, rest = math.prod(source.shape[:axis]), math.prod(source.shape[axis + 1 :])
    if target.flags.c_contiguous:
        return partial(np.matmul, matrix, source.reshape(lead, -1, rest), target.reshape(lead, -1, rest))

    def through_copy() -> None:
        np.copyto(target, np.matmul(matrix, source.reshape(lead, -1, rest)).reshape(target.shape))

    return through_copy


def _old_sizes(x: Any, axes: Ints) -> Shape:
    return tuple(shape_of(x)[a] for a in axes)


resize_p: Primitive = primitive(
    "resize",  # `axes` of x to `sizes`
    _resized,
    prepare=_prepare_with(transposed=False),
    workspace=_workspace,
    vjp=lambda g, out, x, axes, sizes, **how: [resize_grad_p.bind(g, axes=axes, sizes=_old_sizes(x, axes), **how)],
)

resize_grad_p: Primitive = primitive(
    "resize_grad",  # the transpose of `resize`: maps the resized axes back to `sizes`
    _resized,
    prepare=_prepare_with(transposed=True),
    workspace=_workspace,
    vjp=lambda h, out, g, axes, sizes, **how: [resize_p.bind(h, axes=axes, sizes=_old_sizes(g, axes), **how)],
)


# ----- public -----


@operation("Resize", "image", tensors="images")
def resize(
    images: Any,
    size: Any,
    interpolation: str = "bilinear",
    antialias: bool = False,
    crop_to_aspect_ratio: bool = False,
    pad_to_aspect_ratio: bool = False,
    fill_mode: str = "constant",
    fill_value: float = 0.0,
    data_format: str | None = None,
) -> Any:
    """Resize images; the dtype stays, integers are rounded (halves to even) and clipped to their range.

    Args:
        images: (height, width, channels) or a batch.
        size: (height, width) of the result, in pixels.
        interpolation: "bilinear", "nearest", "bicubic", "lanczos3" or "lanczos5".
        antialias: whether the filter is widened where an axis shrinks.
        crop_to_aspect_ratio: whether to crop the images to the aspect ratio of `size` first.
        pad_to_aspect_ratio: whether to pad the images to the aspect ratio of `size` first.
        fill_mode: "constant".
        fill_value: the value of the padding.
        data_format: "channels_last" or "channels_first"; `image_data_format()` by default.

    Raises:
        InvalidArgumentError: If `size`, `interpolation` or `fill_mode` is invalid, or both cropping and padding are set.
        ShapeError: If `images` has neither 3 nor 4 axes, or an unknown size where the aspect ratio matters.

    Source: keras.ops.image.resize.
    """
    if not isinstance(size, (list, tuple)) or len(size) != 2:
        raise InvalidArgumentError(
            f"Expected `size` to be a tuple of 2 integers (height, width). Received: size={size}"
        )
    size = shape_argument(size, "image.resize")
    if any(isinstance(s, int) and s <= 0 for s in size):
        raise InvalidArgumentError(f"`size` must have positive height and width. Received: size={size}")
    if interpolation not in INTERPOLATIONS:
        raise InvalidArgumentError(
            f"Invalid value for argument `interpolation`. Expected one of {INTERPOLATIONS}. Received: interpolation={interpolation}"
        )
    if fill_mode != "constant" or (crop_to_aspect_ratio and pad_to_aspect_ratio):
        raise InvalidArgumentError(
            "resize: `fill_mode` must be 'constant', and only one of `crop_to_aspect_ratio` and `pad_to_aspect_ratio` can be True."
        )
    x = tensor(images)
    kind = dtype_name(x)
    x = x if interpolation == "nearest" else as_float(x)
    if x.ndim not in (3, 4):
        raise ShapeError(
            f"Expected an image of rank 3, or a batch of images of rank 4. Received: images.shape={show(shape_of(x))}"
        )
    first = x.ndim - 3 if standardize_data_format(data_format) == CHANNELS_LAST else x.ndim - 2
    axes = (first, first + 1)
    if only_shapes(x) and not is_static(_old_sizes(x, axes)):
        crop_to_aspect_ratio = pad_to_aspect_ratio = False  # the shape of the result is the same
    if crop_to_aspect_ratio:
        x = _cropped(x, axes, size)
    if pad_to_aspect_ratio:
        x = _padded(x, axes, size, fill_value)
    made = resize_p.bind(x, axes=axes, sizes=tuple(size), interpolation=interpolation, antialias=bool(antialias))
    if dtype_name(made) == kind:
        return made
    return saturate_cast(round(made) if dtypes.is_int(kind) else made, kind)


def _known(x: Any, axes: Ints, size: Any) -> Ints:
    sizes = (*_old_sizes(x, axes), *size)
    if any(isinstance(s, Dim) for s in sizes):
        raise KnownSizeError(
            f"resize: keeping the aspect ratio requires known sizes, got images of shape {show(shape_of(x))} and size={size}."
        )
    return sizes


def _cropped(x: Any, axes: Ints, size: Any) -> Any:
    from graphkit.ops.shaping import get_item

    height, width, new_height, new_width = _known(x, axes, size)
    rows = max(min(height, int(float(width * new_height) / new_width)), 1)
    columns = max(min(width, int(float(height * new_width) / new_height)), 1)
    key: list[slice] = [slice(None)] * x.ndim
    for axis, whole, part in zip(axes, (height, width), (rows, columns), strict=True):
        start = int(float(whole - part) / 2)
        key[axis] = slice(start, start + part)
    return get_item(x, tuple(key))


def _padded(x: Any, axes: Ints, size: Any, fill_value: float) -> Any:
    from graphkit.ops.shaping import pad

    height, width, new_height, new_width = _known(x, axes, size)
    rows = max(height, int(float(width * new_height) / new_width))
    columns = max(width, int(float(height * new_width) / new_height))
    above, beside = int(float(rows - height) / 2), int(float(columns - width) / 2)
    widths = [(0, 0)] * x.ndim
    widths[axes[0]] = (above, above)
    widths[axes[1]] = (beside, beside) if not above else (0, 0)
    return pad(x, widths, constant_values=fill_value)
