"""Image ops: cropping, padding, patches, filters and geometric transforms; `ops.image`, as in Keras.

Images are (height, width, channels) or (batch, height, width, channels); with `data_format="channels_first"` the channels
come before the height. `data_format` is `image_data_format()` by default.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphkit.core import dtypes
from graphkit.core.dims import Dim, Size
from graphkit.core.errors import DTypeError, InvalidArgumentError, ShapeError
from graphkit.core.layout import CHANNELS_LAST, standardize_data_format
from graphkit.ir.tracing import only_shapes
from graphkit.ops import random
from graphkit.ops._convert import as_float, assume_size, cast_to, dtype_name, shape_of, tensor
from graphkit.ops._dispatch import operation
from graphkit.ops._rules import same_sizes, show
from graphkit.ops.color import channels_axis, gaussian, hsv_to_rgb, images_of, rgb_to_grayscale, rgb_to_hsv, ssim
from graphkit.ops.convolution import depthwise_conv
from graphkit.ops.elementwise import (
    absolute,
    add,
    cast,
    clip,
    floor,
    floor_divide,
    greater_equal,
    less,
    logical_and,
    mod,
    multiply,
    negative,
    sign,
    subtract,
    true_divide,
    where,
)  # fmt: skip
from graphkit.ops.indexing import take
from graphkit.ops.linalg import solve
from graphkit.ops.linear import outer
from graphkit.ops.patches import _per_axis, padded_same, windows
from graphkit.ops.resizing import resize
from graphkit.ops.scaling import scale_and_translate
from graphkit.ops.shaping import (
    arange,
    broadcast_to,
    concatenate,
    expand_dims,
    get_item,
    moveaxis,
    ones_like,
    pad,
    repeat,
    reshape,
    squeeze,
    stack,
    transpose,
    unstack,
    zeros_like,
)  # fmt: skip

# fmt: off
__all__ = [
    "affine_transform", "crop_images", "elastic_transform", "extract_patches", "extract_patches_3d", "gaussian_blur", "hsv_to_rgb",
    "map_coordinates", "pad_images", "perspective_transform", "resize", "rgb_to_grayscale", "rgb_to_hsv", "scale_and_translate",
    "sobel_edges", "ssim",
]
# fmt: on

# ----- cropping and padding -----


def _spatial(x: Any, data_format: Any) -> tuple[int, int]:
    """Return the axes of height and width."""
    first = x.ndim - 3 if standardize_data_format(data_format) == CHANNELS_LAST else x.ndim - 2
    return first, first + 1


def _two_of_three(names: tuple[str, str, str], values: tuple[Any, Any, Any]) -> None:
    received = ", ".join(f"{n}={v}" for n, v in zip(names, values, strict=True))
    if values.count(None) != 1:
        raise InvalidArgumentError(f"Must specify exactly two of {', '.join(names)}. Received: {received}")
    for name, value in zip(names, values, strict=True):
        if isinstance(value, int) and value < 0:
            raise InvalidArgumentError(f"{name} must be >= 0. Received: {name}={value}")


def _not_negative(name: str, value: Size) -> Size:
    if isinstance(value, int) and value < 0:
        raise InvalidArgumentError(f"{name} must be >= 0. Received: {name}={value}")
    return value


@operation("PadImages", "image", tensors="images")
def pad_images(
    images: Any,
    top_padding: Any = None,
    left_padding: Any = None,
    bottom_padding: Any = None,
    right_padding: Any = None,
    target_height: Any = None,
    target_width: Any = None,
    data_format: Any = None,
) -> Any:
    """Pad images with zeros, given two of (top, bottom, target height) and two of (left, right, target width), in pixels.

    Raises:
        InvalidArgumentError: If not exactly two of three are given, or a padding is negative.
        ShapeError: If `images` has neither 3 nor 4 axes.

    Source: keras.ops.image.pad_images.
    """
    x = images_of(images)
    _two_of_three(("top_padding", "bottom_padding", "target_height"), (top_padding, bottom_padding, target_height))
    _two_of_three(("left_padding", "right_padding", "target_width"), (left_padding, right_padding, target_width))
    widths: list[tuple[Any, Any]] = [(0, 0)] * x.ndim
    sides = (
        ("top", "bottom", top_padding, bottom_padding, target_height),
        ("left", "right", left_padding, right_padding, target_width),
    )
    for axis, (first, last, before, after, target) in zip(_spatial(x, data_format), sides, strict=True):
        size = shape_of(x)[axis]
        before = target - after - size if before is None else before
        after = target - before - size if after is None else after
        widths[axis] = _not_negative(f"{first}_padding", before), _not_negative(f"{last}_padding", after)
    return pad(x, widths)


@operation("CropImages", "image", tensors="images")
def crop_images(
    images: Any,
    top_cropping: Any = None,
    left_cropping: Any = None,
    bottom_cropping: Any = None,
    right_cropping: Any = None,
    target_height: Any = None,
    target_width: Any = None,
    data_format: Any = None,
) -> Any:
    """Crop images, given two of (top, bottom, target height) and two of (left, right, target width), in pixels.

    Raises:
        InvalidArgumentError: If not exactly two of three are given, or a cropping or target size is negative.
        ShapeError: If `images` has neither 3 nor 4 axes.

    Source: keras.ops.image.crop_images.
    """
    x = images_of(images)
    _two_of_three(("top_cropping", "bottom_cropping", "target_height"), (top_cropping, bottom_cropping, target_height))
    _two_of_three(("left_cropping", "right_cropping", "target_width"), (left_cropping, right_cropping, target_width))
    key: list[Any] = [slice(None)] * x.ndim
    sides = (
        ("top", "height", top_cropping, bottom_cropping, target_height),
        ("left", "width", left_cropping, right_cropping, target_width),
    )
    for axis, (first, what, before, after, target) in zip(_spatial(x, data_format), sides, strict=True):
        size = shape_of(x)[axis]
        before = size - target - after if before is None else before
        target = size - after - before if target is None else target
        start, length = _not_negative(f"{first}_cropping", before), _not_negative(f"target_{what}", target)
        if not isinstance(size, Dim):
            _not_negative(f"{'bottom' if first == 'top' else 'right'}_cropping", size - start - length)
        key[axis] = slice(start, start + length)
    return get_item(x, tuple(key))


# ----- patches -----


def _patches(x: Any, rank: int, size: Any, strides: Any, dilation_rate: Any, padding: str, data_format: Any) -> Any:
    if not isinstance(size, (int, np.integer)) and len(size) != rank:
        raise InvalidArgumentError(
            f"Invalid `size` argument. Expected an int or a tuple of length {rank}. Received: size={size}"
        )
    sizes = _per_axis(size, rank, "size")
    moves = sizes if not strides else _per_axis(strides, rank, "strides")
    steps = _per_axis(dilation_rate, rank, "dilation_rate")
    if min(*sizes, *moves, *steps) < 1:
        raise InvalidArgumentError(
            f"extract_patches: size, strides and dilation_rate must be positive, got {size}, {strides} and {dilation_rate}."
        )
    if padding not in ("valid", "same"):
        raise InvalidArgumentError(f"extract_patches: padding must be 'valid' or 'same', got {padding!r}.")
    if x.ndim not in (rank + 1, rank + 2):
        raise ShapeError(
            f"extract_patches expects {rank} spatial axes and channels, with or without a batch axis, got shape {show(shape_of(x))}."
        )
    is_single = x.ndim == rank + 1
    x = expand_dims(x, 0) if is_single else x
    is_last = standardize_data_format(data_format) == CHANNELS_LAST
    x = x if is_last else moveaxis(x, 1, -1)
    if padding == "same":
        x = padded_same(x, 1, sizes, moves, steps)
    made = windows(x, 1, sizes, moves, steps)  # (batch, n0, k0, n1, k1, ..., channels)
    counts, inside = range(1, 2 * rank, 2), range(2, 2 * rank + 1, 2)
    made = transpose(made, (0, *counts, *inside, 2 * rank + 1))
    shape = shape_of(made)
    made = reshape(made, (*shape[: rank + 1], int(np.prod(sizes)) * shape[-1]))
    made = made if is_last else moveaxis(made, -1, 1)
    return squeeze(made, 0) if is_single else made


@operation("ExtractPatches", "image", tensors="images")
def extract_patches(
    images: Any, size: Any, strides: Any = None, dilation_rate: Any = 1, padding: str = "valid", data_format: Any = None
) -> Any:
    """Extract patches of images, or of volumes if `size` has 3 elements, and flatten each patch into the channel axis.

    Args:
        images: (height, width, channels) or (depth, height, width, channels), with or without a batch axis.
        size: an int, or one for each spatial axis.
        strides: an int, or one for each spatial axis; `size` by default.
        dilation_rate: an int, or one for each spatial axis.
        padding: "valid" or "same".
        data_format: "channels_last" or "channels_first".

    Returns:
        Spatial axes that count patches, and channels of prod(size) * channels.

    Raises:
        InvalidArgumentError: If `size` has a wrong length, a number is not positive, or `padding` is unknown.
        ShapeError: If `images` has a wrong number of axes.

    Source: keras.ops.image.extract_patches.
    """
    rank = 3 if not isinstance(size, (int, np.integer)) and len(size) == 3 else 2
    return _patches(tensor(images), rank, size, strides, dilation_rate, padding, data_format)


def extract_patches_3d(
    volumes: Any,
    size: Any,
    strides: Any = None,
    dilation_rate: Any = 1,
    padding: str = "valid",
    data_format: Any = None,
) -> Any:
    """Extract patches of volumes: `extract_patches` with three sizes. Source: keras.ops.image.extract_patches_3d."""
    sizes = (size,) * 3 if isinstance(size, int) else size
    return extract_patches(volumes, sizes, strides, dilation_rate, padding, data_format)


# ----- filters -----


def _filtered(x: Any, kernel: Any, data_format: Any) -> Any:
    """Convolve each channel of a batch of images with the same kernel, zero-padded."""
    channels = shape_of(x)[channels_axis(data_format)]
    if isinstance(channels, Dim):
        if only_shapes(x):
            return x
        raise ShapeError(f"A filter requires a known number of channels, got shape {show(shape_of(x))}.")
    taps = repeat(expand_dims(cast(kernel, dtype_name(x)), [2, 3]), channels, axis=2)
    return depthwise_conv(x, taps, padding="same", data_format=data_format)


@operation("GaussianBlur", "image", tensors="images")
def gaussian_blur(images: Any, kernel_size: Any = (3, 3), sigma: Any = (1.0, 1.0), data_format: Any = None) -> Any:
    """Blur images with a Gaussian kernel.

    Args:
        images: (height, width, channels) or a batch, of a float dtype.
        kernel_size: two odd ints, for the width and the height in this order, as in Keras.
        sigma: two standard deviations in pixels in the same order, or a tensor of two.
        data_format: "channels_last" or "channels_first".

    Raises:
        DTypeError: If the dtype is not a float.
        InvalidArgumentError: If `kernel_size` is not two ints.
        ShapeError: If `images` has neither 3 nor 4 axes, or an unknown number of channels.

    Source: keras.ops.image.gaussian_blur.
    """
    x = images_of(images)
    if not dtypes.is_float(dtype_name(x)) and not only_shapes(x):
        raise DTypeError(
            f"gaussian_blur expects images of a float dtype, got {dtype_name(x)}; cast them with ops.cast."
        )
    if not isinstance(kernel_size, (list, tuple)) or len(kernel_size) != 2:
        raise InvalidArgumentError(f"gaussian_blur: kernel_size must be two ints, got {kernel_size!r}.")
    kernel = outer(gaussian(kernel_size[1], sigma[1]), gaussian(kernel_size[0], sigma[0]))
    made = _filtered(expand_dims(x, 0) if x.ndim == 3 else x, kernel, data_format)
    return squeeze(made, 0) if x.ndim == 3 else made


_SOBEL = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])


@operation("SobelEdges", "image", tensors="images")
def sobel_edges(images: Any, data_format: Any = None) -> Any:
    """Compute the gradients (dy, dx) of zero-padded images with Sobel filters, along a new last axis.

    Raises:
        DTypeError: If the dtype is unsigned or bool.
        ShapeError: If `images` is not a batch of images, or has an unknown number of channels.

    Source: keras.ops.image.sobel_edges.
    """
    x = images_of(images)
    if dtype_name(x) in (*dtypes.UNSIGNED, "bool"):
        raise DTypeError(
            f"sobel_edges has negative results, which {dtype_name(x)} cannot hold; cast the images to a float dtype."
        )
    if x.ndim != 4:
        raise ShapeError(f"sobel_edges expects a batch of images, got shape {show(shape_of(x))}.")
    return stack([_filtered(x, kernel, data_format) for kernel in (_SOBEL.T, _SOBEL)], axis=-1)


# ----- sampling at arbitrary coordinates -----


def _mirrored(index: Any, size: Size) -> Any:
    reach = size - 1
    return absolute(subtract(mod(add(index, reach), reach * 2), reach))


_FIXERS: dict[str, Callable[[Any, Size], Any]] = {
    "constant": lambda index, size: index,
    "nearest": lambda index, size: clip(index, 0, size - 1),
    "wrap": lambda index, size: mod(index, size),
    "mirror": _mirrored,
    "reflect": lambda index, size: floor_divide(subtract(_mirrored(add(multiply(index, 2), 1), size * 2 + 1), 1), 2),
}


def _half_away(x: Any) -> Any:
    """Round to the nearest integer, halves away from zero."""
    return multiply(sign(x), floor(add(absolute(x), 0.5)))


def _corners(coordinate: Any, order: int) -> list[tuple[Any, Any]]:
    """Return (index, weight) for the elements that a coordinate reads along its axis; the weight None is 1."""
    if order == 0:
        return [(cast(_half_away(coordinate), "int32"), None)]
    low = floor(coordinate)
    share = subtract(coordinate, low)
    index = cast(low, "int32")
    return [(index, subtract(1.0, share)), (add(index, 1), share)]


def _sampled(
    flat: Any, sizes: tuple[Size, ...], coordinates: list[Any], order: int, mode: str, fill: Any, base: Any = None
) -> Any:
    """Sample a flattened grid at fractional coordinates.

    Args:
        flat: the elements of a grid of shape `sizes` flattened into one axis, then feature axes.
        sizes: the shape of the grid.
        coordinates: a tensor for each axis of the grid.
        order: 0 for the nearest element, 1 for linear interpolation.
        mode: how coordinates outside of the grid are handled, a key of `_FIXERS`.
        fill: the value outside of the grid in mode "constant".
        base: the position in `flat` where the image of each sample begins, for a batch of images.
    """
    features = flat.ndim - 1
    parts: list[tuple[Any, Any, Any]] = [(base, None, None)]  # position, weight, whether inside
    for coordinate, size in zip(coordinates, sizes, strict=True):
        grown = []
        for index, weight in _corners(coordinate, order):
            inside = logical_and(greater_equal(index, 0), less(index, size)) if mode == "constant" else None
            fixed = clip(index, 0, size - 1) if mode == "constant" else _FIXERS[mode](index, size)
            for position, total, valid in parts:
                grown.append(
                    (
                        fixed if position is None else add(multiply(position, size), fixed),
                        weight if total is None else multiply(total, weight),
                        inside if valid is None else logical_and(valid, inside),
                    )
                )
        parts = grown
    made: Any = None
    for position, weight, valid in parts:
        value = take(flat, position, axis=0)
        if valid is not None:
            value = where(_with_trailing_axes(valid, features), value, fill)
        if weight is not None:
            value = multiply(cast_to(value, dtype_name(weight)), _with_trailing_axes(weight, features))
        made = value if made is None else add(made, value)
    return made


def _with_trailing_axes(x: Any, count: int) -> Any:
    return x if not count else expand_dims(x, list(range(x.ndim, x.ndim + count)))


def _restored(made: Any, dtype: str) -> Any:
    """Cast back to the images' dtype, rounding for integers."""
    if dtype_name(made) == dtype:
        return made
    return cast(made if dtypes.is_float(dtype) else _half_away(made), dtype)


def _one_of(name: str, value: Any, known: Any) -> None:
    if value not in known:
        raise InvalidArgumentError(
            f"Invalid value for argument `{name}`. Expected one of {sorted(known)}. Received: {name}={value}"
        )


@operation("MapCoordinates", "image", tensors="inputs coordinates")
def map_coordinates(
    inputs: Any, coordinates: Any, order: int, fill_mode: str = "constant", fill_value: float = 0
) -> Any:
    """Sample `inputs` at fractional coordinates.

    Args:
        inputs: a tensor of any rank r.
        coordinates: (r, ...), in elements.
        order: 0 for the nearest element, 1 for linear interpolation.
        fill_mode: how coordinates outside of `inputs` are handled: "constant", "nearest", "wrap", "mirror" or "reflect".
        fill_value: the value outside in mode "constant".

    Returns:
        A tensor of the shape `coordinates.shape[1:]` and the dtype of `inputs`.

    Raises:
        ShapeError: If `coordinates` has fewer than two axes, or its first is not r.
        InvalidArgumentError: If `order` or `fill_mode` is unknown.

    Source: keras.ops.image.map_coordinates.
    """
    x, places = tensor(inputs), as_float(tensor(coordinates))
    if places.ndim and shape_of(assume_size(places, 0, x.ndim))[0] != x.ndim:
        raise ShapeError(
            "First dim of `coordinates` must be the same as the rank of `inputs`. "
            f"Received inputs with shape: {show(shape_of(x))} and coordinate leading dim of {shape_of(places)[0]}"
        )
    if places.ndim < 2:
        raise ShapeError(
            f"Invalid coordinates rank: expected at least rank 2. Received input with shape: {show(shape_of(places))}"
        )
    _one_of("fill_mode", fill_mode, _FIXERS)
    _one_of("order", order, (0, 1))
    made = _sampled(
        reshape(x, (-1,)), shape_of(x), unstack(places, x.ndim), order, fill_mode, tensor(fill_value, dtype_name(x))
    )
    return _restored(made, dtype_name(x))


_ORDERS = {"nearest": 0, "bilinear": 1}


def _moved(
    images: Any, coordinates: Callable[[Any, Any], tuple[Any, Any]], order: int, mode: str, fill: Any, data_format: Any
) -> Any:
    """Sample a batch of images at (y, x) = coordinates(rows, columns).

    Rows and columns are grids of shape (1, h, 1) and (1, 1, w); y and x must broadcast to (batch, h, w).
    """
    is_last = standardize_data_format(data_format) == CHANNELS_LAST
    x = images if is_last else moveaxis(images, 1, -1)
    batch, height, width, channels = shape_of(x)
    dtype = dtypes.result_type(dtype_name(x), float)
    rows, columns = cast(reshape(arange(height), (1, -1, 1)), dtype), cast(reshape(arange(width), (1, 1, -1)), dtype)
    y, across = (broadcast_to(v, (batch, height, width)) for v in coordinates(rows, columns))
    base = broadcast_to(reshape(arange(batch), (-1, 1, 1)), (batch, height, width))
    flat = reshape(x, (batch * height * width, channels))
    made = _restored(
        _sampled(flat, (height, width), [y, across], order, mode, tensor(fill, dtype_name(x)), base), dtype_name(x)
    )
    return made if is_last else moveaxis(made, -1, 1)


@operation("AffineTransform", "image", tensors="images transform")
def affine_transform(
    images: Any,
    transform: Any,
    interpolation: str = "bilinear",
    fill_mode: str = "constant",
    fill_value: float = 0,
    data_format: Any = None,
) -> Any:
    """Apply projective transforms to images.

    The output pixel (x, y) is read at (a0 x + a1 y + a2, b0 x + b1 y + b2) / (c0 x + c1 y + 1).

    Args:
        images: (height, width, channels) or a batch.
        transform: [a0, a1, a2, b0, b1, b2, c0, c1], of shape (8,) or (batch, 8).
        interpolation: "nearest" or "bilinear".
        fill_mode: "constant", "nearest", "wrap", "mirror" or "reflect", for pixels outside of the image.
        fill_value: the value outside in mode "constant".
        data_format: "channels_last" or "channels_first".

    Raises:
        InvalidArgumentError: If `interpolation` or `fill_mode` is unknown.
        ShapeError: If `images` or `transform` has a wrong number of axes.

    Source: keras.ops.image.affine_transform.
    """
    _one_of("interpolation", interpolation, _ORDERS)
    _one_of("fill_mode", fill_mode, _FIXERS)
    x, numbers = images_of(images), as_float(transform)
    if numbers.ndim not in (1, 2):
        raise ShapeError(
            "Invalid transform rank: expected rank 1 (single transform) or rank 2 (batch of transforms). "
            f"Received input with shape: transform.shape={show(shape_of(numbers))}"
        )
    is_single = x.ndim == 3
    made = _moved(
        expand_dims(x, 0) if is_single else x,
        _projection(numbers),
        _ORDERS[interpolation],
        fill_mode,
        fill_value,
        data_format,
    )
    return squeeze(made, 0) if is_single else made


def _projection(numbers: Any) -> Callable[[Any, Any], tuple[Any, Any]]:
    """Return the coordinates function of projective transforms with 8 parameters, of shape (8,) or (batch, 8)."""
    rows = numbers if numbers.ndim == 2 else expand_dims(numbers, 0)
    a0, a1, a2, b0, b1, b2, c0, c1 = (reshape(part, (-1, 1, 1)) for part in unstack(rows, 8, axis=1))

    def coordinates(y: Any, x: Any) -> tuple[Any, Any]:
        scale = add(add(multiply(c0, x), multiply(c1, y)), 1.0)
        across = true_divide(add(add(multiply(a0, x), multiply(a1, y)), a2), scale)
        return true_divide(add(add(multiply(b0, x), multiply(b1, y)), b2), scale), across

    return coordinates


@operation("PerspectiveTransform", "image", tensors="images start_points end_points")
def perspective_transform(
    images: Any,
    start_points: Any,
    end_points: Any,
    interpolation: str = "bilinear",
    fill_value: float = 0,
    data_format: Any = None,
) -> Any:
    """Apply the perspective transforms that move four start points to four end points.

    Args:
        images: (height, width, channels) or a batch.
        start_points: (4, 2) or (batch, 4, 2), as (x, y) in pixels.
        end_points: of the same shape.
        interpolation: "nearest" or "bilinear".
        fill_value: the value of pixels outside of the image.
        data_format: "channels_last" or "channels_first".

    Raises:
        InvalidArgumentError: If `interpolation` is unknown.
        ShapeError: If the points have a wrong shape, or `images` has neither 3 nor 4 axes.

    Source: keras.ops.image.perspective_transform.
    """
    _one_of("interpolation", interpolation, _ORDERS)
    x, start, end = images_of(images), tensor(start_points, "float32"), tensor(end_points, "float32")
    for name, points in (("start_points", start), ("end_points", end)):
        if shape_of(points)[-2:] != (4, 2) or points.ndim not in (2, 3):
            raise ShapeError(
                f"Invalid {name} shape: expected (4,2) for a single image or (N,4,2) for a batch. Received shape: {show(shape_of(points))}"
            )
    if not same_sizes(shape_of(start), shape_of(end)):
        raise ShapeError(
            "start_points and end_points must have the same shape. "
            f"Received start_points.shape={show(shape_of(start))}, end_points.shape={show(shape_of(end))}"
        )
    start, end = (p if p.ndim == 3 else expand_dims(p, 0) for p in (start, end))
    is_single = x.ndim == 3
    made = _moved(
        expand_dims(x, 0) if is_single else x, _projection(_homography(start, end)), _ORDERS[interpolation], "constant", fill_value,
        data_format,
    )  # fmt: skip
    return squeeze(made, 0) if is_single else made


def _homography(start: Any, end: Any) -> Any:
    """Compute the 8 parameters of the projections that map each end point to its start point."""
    start_x, start_y, end_x, end_y = start[..., 0], start[..., 1], end[..., 0], end[..., 1]
    ones, none = ones_like(end_x), zeros_like(end_x)

    def tail(value: Any) -> list[Any]:
        return [negative(multiply(value, end_x)), negative(multiply(value, end_y))]

    above = stack([end_x, end_y, ones, none, none, none, *tail(start_x)], axis=-1)
    below = stack([none, none, none, end_x, end_y, ones, *tail(start_y)], axis=-1)
    return solve(concatenate([above, below], axis=1), concatenate([start_x, start_y], axis=-1))


@operation("ElasticTransform", "image", tensors="images")
def elastic_transform(
    images: Any,
    alpha: float = 20.0,
    sigma: float = 5.0,
    interpolation: str = "bilinear",
    fill_mode: str = "reflect",
    fill_value: float = 0.0,
    seed: Any = None,
    data_format: Any = None,
) -> Any:
    """Displace the pixels of images by smooth random amounts.

    Args:
        images: (height, width, channels) or a batch.
        alpha: the strength of the displacement.
        sigma: the standard deviation in pixels of the Gaussian that smooths the displacement.
        interpolation: "nearest" or "bilinear".
        fill_mode: "constant", "nearest", "wrap", "mirror" or "reflect", for pixels outside of the image.
        fill_value: the value outside in mode "constant".
        seed: an int, a SeedGenerator, or None for the global one.
        data_format: "channels_last" or "channels_first".

    Raises:
        InvalidArgumentError: If `interpolation` or `fill_mode` is unknown.
        ShapeError: If `images` has neither 3 nor 4 axes.

    Source: keras.ops.image.elastic_transform; the random numbers differ from Keras'.
    """
    _one_of("interpolation", interpolation, _ORDERS)
    _one_of("fill_mode", fill_mode, _FIXERS)
    x = images_of(images)
    is_single = x.ndim == 3
    batched = expand_dims(x, 0) if is_single else x
    rows, columns = _spatial(batched, data_format)
    size = int(6 * sigma) | 1
    shape = (shape_of(batched)[0], shape_of(batched)[rows], shape_of(batched)[columns], 1)
    noise = multiply(random.normal(shape, dtype=dtypes.result_type(dtype_name(x), float), seed=seed), sigma)
    shift = multiply(
        squeeze(gaussian_blur(noise, (size, size), (sigma, sigma), data_format="channels_last"), -1), alpha
    )
    made = _moved(
        batched,
        lambda y, across: (add(y, shift), add(across, shift)),
        _ORDERS[interpolation],
        fill_mode,
        fill_value,
        data_format,
    )
    return squeeze(made, 0) if is_single else made
