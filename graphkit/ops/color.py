"""Conversions between color spaces, and measures of image similarity."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphkit.core import dtypes
from graphkit.core.errors import DTypeError, ShapeError
from graphkit.core.layout import CHANNELS_LAST, standardize_data_format
from graphkit.ops._convert import as_float, assume_size, dtype_name, promote, shape_of, tensor
from graphkit.ops._dispatch import operation
from graphkit.ops._rules import same_sizes, show
from graphkit.ops.arithmetic import log10
from graphkit.ops.convolution import conv
from graphkit.ops.elementwise import (
    absolute,
    add,
    cast,
    clip,
    equal,
    exp,
    greater,
    less,
    maximum,
    minimum,
    mod,
    multiply,
    square,
    subtract,
    true_divide,
    where,
)  # fmt: skip
from graphkit.ops.reduction import mean
from graphkit.ops.reduction import sum as reduce_sum
from graphkit.ops.shaping import expand_dims, moveaxis, reshape, split, squeeze, stack

__all__ = ["psnr"]  # the others are exported by ops.image


def images_of(images: Any) -> Any:
    """Return an image or a batch of images as a tensor.

    Raises:
        ShapeError: the rank is neither 3 nor 4.
    """
    x = tensor(images)
    if x.ndim not in (3, 4):
        raise ShapeError(
            "Invalid images rank: expected rank 3 (single image) or rank 4 (batch of images). "
            f"Received input with shape: images.shape={show(shape_of(x))}"
        )
    return x


def channels_axis(data_format: Any) -> int:
    """Return the axis of the channels, counted from the end: -1 or -3."""
    return -1 if standardize_data_format(data_format) == CHANNELS_LAST else -3


def _float_images(images: Any) -> Any:
    x = images_of(images)
    if not dtypes.is_float(dtype_name(x)):
        raise DTypeError(f"Invalid images dtype: expected float dtype. Received: images.dtype={dtype_name(x)}")
    return x


@operation("RGBToGrayscale", "image", tensors="images")
def rgb_to_grayscale(images: Any, data_format: Any = None) -> Any:
    """Convert images to one channel: 0.2989 R + 0.587 G + 0.114 B; one channel stays as it is.

    Args:
        images: a batch of images or one image, of 3 channels or 1.
        data_format: "channels_last", "channels_first", or None for the default.

    Raises:
        ShapeError: the rank is not 3 or 4, or the number of channels not 1 or 3.

    Source: keras.ops.image.rgb_to_grayscale.
    """
    x, axis = images_of(images), channels_axis(data_format)
    x = assume_size(x, axis, 3)
    if shape_of(x)[axis] not in (1, 3):
        raise ShapeError(
            f"Invalid channel size: expected 3 (RGB) or 1 (Grayscale). Received input with shape: images.shape={show(shape_of(x))}"
        )
    if shape_of(x)[axis] == 1:
        return x
    weights = np.array([0.2989, 0.5870, 0.1140]).reshape((-1,) + (1,) * (-axis - 1))
    floats = cast(x, dtypes.result_type(dtype_name(x), float))
    return cast(
        reduce_sum(multiply(floats, weights.astype(dtypes.to_numpy(dtype_name(floats)))), axis=axis, keepdims=True),
        dtype_name(x),
    )


def _planes(x: Any, axis: int) -> list[Any]:
    return [squeeze(plane, axis) for plane in split(assume_size(x, axis, 3), 3, axis=axis)]


@operation("RGBToHSV", "image", tensors="images")
def rgb_to_hsv(images: Any, data_format: Any = None) -> Any:
    """Convert red, green and blue in [0, 1] to hue, saturation and value.

    Args:
        images: floats, a batch of images or one image.
        data_format: "channels_last", "channels_first", or None for the default.

    Raises:
        DTypeError: the images are not floats.
        ShapeError: the rank is neither 3 nor 4.

    Source: keras.ops.image.rgb_to_hsv.
    """
    x, axis = _float_images(images), channels_axis(data_format)
    tiny = float(np.finfo(dtypes.to_numpy(dtype_name(x))).eps) if dtype_name(x) != "bfloat16" else 2.0**-7
    red, green, blue = _planes(where(less(absolute(x), tiny), 0.0, x), axis)
    value = maximum(maximum(red, green), blue)
    chroma = subtract(value, minimum(minimum(red, green), blue))
    colored = greater(chroma, 0)
    saturation = where(greater(value, 0), true_divide(chroma, where(greater(value, 0), value, 1.0)), 0.0)
    unit = true_divide(1.0, multiply(where(colored, chroma, 1.0), 6.0))
    hue = where(
        equal(value, green),
        add(multiply(unit, subtract(blue, red)), 2.0 / 6.0),
        add(multiply(unit, subtract(red, green)), 4.0 / 6.0),
    )
    hue = where(colored, where(equal(value, red), multiply(unit, subtract(green, blue)), hue), 0.0)
    hue = add(hue, cast(less(hue, 0), dtype_name(x)))
    return stack([hue, saturation, value], axis=axis)


@operation("HSVToRGB", "image", tensors="images")
def hsv_to_rgb(images: Any, data_format: Any = None) -> Any:
    """Convert hue, saturation and value to red, green and blue.

    Args:
        images: floats, a batch of images or one image.
        data_format: "channels_last", "channels_first", or None for the default.

    Raises:
        DTypeError: the images are not floats.
        ShapeError: the rank is neither 3 nor 4.

    Source: keras.ops.image.hsv_to_rgb.
    """
    x, axis = _float_images(images), channels_axis(data_format)
    hue, saturation, value = _planes(x, axis)
    sextant = multiply(mod(hue, 1.0), 6.0)
    shares = (  # the share of red, green and blue in a fully saturated color of this hue
        subtract(absolute(subtract(sextant, 3.0)), 1.0),
        subtract(2.0, absolute(subtract(sextant, 2.0))),
        subtract(2.0, absolute(subtract(sextant, 4.0))),
    )
    planes = [multiply(value, add(multiply(subtract(clip(share, 0.0, 1.0), 1.0), saturation), 1.0)) for share in shares]
    return stack(planes, axis=axis)


# ----- similarity -----


@operation("PSNR", "nn", tensors="x1 x2")
def psnr(x1: Any, x2: Any, max_val: float) -> Any:
    """Compute the peak signal-to-noise ratio of two tensors, in decibels.

    Args:
        max_val: the largest value that an element can have.

    Raises:
        ShapeError: the shapes differ.

    Source: keras.ops.psnr.
    """
    a, b = promote(x1, x2, to_float=True)
    if not same_sizes(shape_of(a), shape_of(b)):
        raise ShapeError(f"Input shapes {show(shape_of(a))} and {show(shape_of(b))} must match for PSNR calculation. ")
    peak = 20.0 * float(np.log10(max_val))
    return subtract(peak, multiply(log10(mean(square(subtract(a, b)))), 10.0))


def gaussian(size: int, sigma: Any) -> Any:
    """Return `size` Gaussian weights that sum to 1.

    Args:
        sigma: the standard deviation: a number, which gives float64 weights, or a scalar tensor, whose dtype they
            get.
    """
    sigma = tensor(float(sigma), "float64") if isinstance(sigma, (int, float)) else as_float(sigma)
    places = (np.arange(size) - (size - 1) / 2).astype(dtypes.to_numpy(dtype_name(sigma)))
    weights = exp(multiply(square(true_divide(places, sigma)), -0.5))
    return true_divide(weights, reduce_sum(weights))


@operation("SSIM", "image", tensors="image1 image2")
def ssim(
    image1: Any,
    image2: Any,
    max_val: float = 1.0,
    filter_size: int = 11,
    filter_sigma: float = 1.5,
    k1: float = 0.01,
    k2: float = 0.03,
    data_format: Any = None,
) -> Any:
    """Compute the structural similarity of two images, or of each pair in two batches; 1 for equal images.

    Args:
        image1: one image or a batch, (height, width, channels) each in the default data format.
        image2: an image or a batch of the same shape.
        max_val: the largest value that a pixel can have.
        filter_size: the width of the Gaussian window, in pixels.
        filter_sigma: its standard deviation, in pixels.
        k1: the constant that stabilizes the comparison of means.
        k2: the constant that stabilizes the comparison of variances.
        data_format: "channels_last", "channels_first", or None for the default.

    Raises:
        ShapeError: the rank is neither 3 nor 4.

    Source: keras.ops.image.ssim.
    """
    original = dtype_name(tensor(image1))
    a, b = (images_of(image) for image in promote(image1, image2, to_float=True))
    is_single = a.ndim == 3
    if channels_axis(data_format) == -3:
        a, b = moveaxis(a, -3, -1), moveaxis(b, -3, -1)
    if is_single:
        a, b = expand_dims(a, 0), expand_dims(b, 0)
    weights = gaussian(filter_size, filter_sigma)
    kernel = np.outer(weights, weights)[:, :, None, None].astype(dtypes.to_numpy(dtype_name(a)))
    batch, height, width, channels = shape_of(a)
    a, b = (reshape(moveaxis(x, -1, 1), (batch * channels, height, width, 1)) for x in (a, b))

    def blurred(x: Any) -> Any:
        return conv(x, kernel, data_format="channels_last")

    mean_a, mean_b = blurred(a), blurred(b)
    mean_product = multiply(mean_a, mean_b)
    square_a, square_b = square(mean_a), square(mean_b)
    var_a, var_b = subtract(blurred(square(a)), square_a), subtract(blurred(square(b)), square_b)
    covariance = subtract(blurred(multiply(a, b)), mean_product)
    c1, c2 = (k1 * max_val) ** 2, (k2 * max_val) ** 2
    numerator = multiply(add(multiply(mean_product, 2.0), c1), add(multiply(covariance, 2.0), c2))
    denominator = multiply(add(add(square_a, square_b), c1), add(add(var_a, var_b), c2))
    similarity = mean(reshape(mean(true_divide(numerator, denominator), axis=(1, 2, 3)), (batch, channels)), axis=-1)
    return cast(squeeze(similarity, 0) if is_single else similarity, original)
