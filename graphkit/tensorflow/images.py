"""`tf.image`: resizing, cropping, flips, colours, random changes, measures. Channels are last, as in TensorFlow."""

from __future__ import annotations

import enum
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from graphkit import ops
from graphkit import random as keras_random
from graphkit.core.errors import InvalidArgumentError, ShapeError, UnknownValueError, UnsupportedError
from graphkit.tensorflow.dtypes import dtype_name
from graphkit.tensorflow.randoms import generator_of, stateless_seed
from graphkit.tensorflow.table import (
    NAMES,
    add_rows,
    as_tensor,
    dtype_of,
    is_deferred,
    number,
    shape_of,
    sizes_of,
    spatial,
    tensorflow,
)


class ResizeMethod(enum.StrEnum):
    """The methods of `tf.image.resize`. Source: tf.image.ResizeMethod."""

    BILINEAR = "bilinear"
    NEAREST_NEIGHBOR = "nearest"
    BICUBIC = "bicubic"
    AREA = "area"
    LANCZOS3 = "lanczos3"
    LANCZOS5 = "lanczos5"
    GAUSSIAN = "gaussian"
    MITCHELLCUBIC = "mitchellcubic"


NAMES["image.ResizeMethod"] = ResizeMethod


def _check_images(name: str, images: Any) -> None:
    if len(shape_of(images)) not in (3, 4):
        raise ShapeError(
            f"tf.image.{name} expects an image (height, width, channels) or a batch of images, got shape {shape_of(images)}."
        )


# ----- dtypes -----


def converted(image: Any, dtype: Any, saturate: bool = False) -> Any:
    """Convert pixels to another dtype, in which floats go from 0 to 1 and integers over their whole range."""
    old, new = dtype_of(image), dtype_name(dtype)
    if old == new:
        return image
    if "float" in old and "float" in new:
        return ops.cast(image, new)
    if "float" in new:
        return ops.cast(image, new) * float(1.0 / np.iinfo(old).max)
    if "float" in old:
        scaled = image * (float(np.iinfo(new).max) + 0.5)
        return ops.saturate_cast(scaled, new) if saturate else ops.cast(scaled, new)
    before, after = int(np.iinfo(old).max), int(np.iinfo(new).max)
    if before > after:
        return ops.cast(image // ((before + 1) // (after + 1)), new)
    return ops.cast(image, new) * ((after + 1) // (before + 1))


@tensorflow("image.convert_image_dtype")
def _convert_image_dtype(image: Any, dtype: Any, saturate: bool = False) -> Any:
    return converted(image, dtype, saturate)


def _as_floats(image: Any, change: Callable[[Any], Any]) -> Any:
    """Apply a change of colours to floats from 0 to 1, and convert back."""
    old = dtype_of(image)
    if "float" in old:
        return change(image)
    return converted(change(converted(image, "float32")), old, saturate=True)


# ----- sizes -----

_ANTIALIASED_ONLY = ("gaussian", "mitchellcubic")


@tensorflow("image.resize")
def resize(
    images: Any, size: Any, method: Any = "bilinear", preserve_aspect_ratio: bool = False, antialias: bool = False
) -> Any:
    """Resize images; the result is float32, but with method "nearest" keeps the dtype. Source: tf.image.resize."""
    _check_images("resize", images)
    name = str(getattr(method, "value", method)).lower()
    name = {"resizemethod.bilinear": "bilinear", "0": "bilinear", "1": "nearest", "2": "bicubic", "3": "area"}.get(
        name, name
    )
    height, width = sizes_of(size, "size")
    old = shape_of(images)[-3:-1]
    if preserve_aspect_ratio:
        share = min(height / old[0], width / old[1])
        height, width = (int(np.floor(share * side + 0.5)) for side in old)
    if name == "nearest":
        return ops.image.resize(images, (height, width), interpolation="nearest", data_format="channels_last")
    floats = ops.cast(images, "float32")
    if name == "area":
        return _resized_by_area(floats, old, (height, width))
    if name in _ANTIALIASED_ONLY or name not in ("bilinear", "bicubic", "lanczos3", "lanczos5"):
        raise UnsupportedError(
            f"tf.image.resize: method {method!r} is not supported; use bilinear, nearest, bicubic, area or lanczos3."
        )
    return ops.image.resize(
        floats, (height, width), interpolation=name, antialias=antialias, data_format="channels_last"
    )


def _resized_by_area(images: Any, old: tuple[Any, ...], new: tuple[Any, ...]) -> Any:
    """Average over the part of the image that each pixel covers."""
    for axis, before, after in zip((-3, -2), old, new, strict=True):
        edges = np.arange(after + 1) * (before / after)
        inside = np.minimum(edges[1:, None], np.arange(before) + 1) - np.maximum(edges[:-1, None], np.arange(before))
        weights = np.maximum(inside, 0.0) * (after / before)
        rank = len(shape_of(images))
        moved = ops.moveaxis(images, axis, rank - 1)
        images = ops.moveaxis(ops.matmul(moved, weights.T.astype("float32")), rank - 1, axis)
    return images


@tensorflow("image.crop_to_bounding_box")
def crop(image: Any, offset_height: Any, offset_width: Any, target_height: Any, target_width: Any) -> Any:
    """Cut out a box. Source: tf.image.crop_to_bounding_box."""
    _check_images("crop_to_bounding_box", image)
    numbers = [_int_or_tensor(v) for v in (offset_height, offset_width, target_height, target_width)]
    rank = len(shape_of(image))
    if any(is_deferred(v) for v in numbers[:2]):
        starts = [0] * (rank - 3) + [*numbers[:2], 0]
        sizes = [*shape_of(image)[: rank - 3], *numbers[2:], shape_of(image)[-1]]
        return ops.slice(image, ops.stack([ops.cast(as_tensor(s), "int32") for s in starts]), sizes)
    top, left, height, width = numbers
    for side, first, length in ((shape_of(image)[-3], top, height), (shape_of(image)[-2], left, width)):
        if isinstance(side, int) and isinstance(length, int) and (first < 0 or length <= 0 or first + length > side):
            raise InvalidArgumentError(
                f"tf.image.crop_to_bounding_box: [{first}, {first + length}) is not inside an image side of {side}."
            )
    return image[..., top : top + height, left : left + width, :]


def _int_or_tensor(value: Any) -> Any:
    return value if is_deferred(value) else number(value, "a size")


@tensorflow("image.pad_to_bounding_box")
def pad_to(image: Any, offset_height: Any, offset_width: Any, target_height: Any, target_width: Any) -> Any:
    """Pad with zeros, with the image at an offset. Source: tf.image.pad_to_bounding_box."""
    _check_images("pad_to_bounding_box", image)
    height, width = shape_of(image)[-3:-1]
    top, left, tall, wide = (number(v, "a size") for v in (offset_height, offset_width, target_height, target_width))
    widths = [(top, tall - top - height), (left, wide - left - width)]
    if any(isinstance(w, int) and w < 0 for pair in widths for w in pair):
        raise InvalidArgumentError(
            f"tf.image.pad_to_bounding_box: an image of {height} x {width} does not fit into {tall} x {wide} there."
        )
    return ops.pad(image, [*[(0, 0)] * (len(shape_of(image)) - 3), *widths, (0, 0)])


@tensorflow("image.resize_with_crop_or_pad")
def _crop_or_pad(image: Any, target_height: Any, target_width: Any) -> Any:
    sizes, wanted = (
        shape_of(image)[-3:-1],
        (number(target_height, "target_height"), number(target_width, "target_width")),
    )
    cut = [max(size - target, 0) // 2 for size, target in zip(sizes, wanted, strict=True)]
    image = crop(image, *cut, *(min(size, target) for size, target in zip(sizes, wanted, strict=True)))
    return pad_to(image, *(max(target - size, 0) // 2 for size, target in zip(sizes, wanted, strict=True)), *wanted)


@tensorflow("image.resize_with_pad")
def _resize_with_pad(
    image: Any, target_height: Any, target_width: Any, method: Any = "bilinear", antialias: bool = False
) -> Any:
    height, width = shape_of(image)[-3:-1]
    tall, wide = number(target_height, "target_height"), number(target_width, "target_width")
    ratio = max(width / wide, height / tall)
    new = [float(side / ratio) for side in (height, width)]
    resized = resize(image, [int(np.floor(side)) for side in new], method, antialias=antialias)
    top, left = (max(int(np.floor((target - side) / 2)), 0) for target, side in zip((tall, wide), new, strict=True))
    return pad_to(resized, top, left, tall, wide)


@tensorflow("image.central_crop")
def _central_crop(image: Any, central_fraction: float) -> Any:
    if not 0 < central_fraction <= 1:
        raise InvalidArgumentError(
            f"tf.image.central_crop: central_fraction must be in (0, 1], got {central_fraction}."
        )
    starts = [int((size - size * central_fraction) / 2) for size in shape_of(image)[-3:-1]]
    return crop(image, *starts, *(size - 2 * start for size, start in zip(shape_of(image)[-3:-1], starts, strict=True)))


@tensorflow("image.crop_and_resize")
def _crop_and_resize(
    image: Any, boxes: Any, box_indices: Any, crop_size: Any, method: str = "bilinear", extrapolation_value: float = 0.0
) -> Any:
    """Cut out boxes (y1, x1, y2, x2) between 0 and 1, and resize each. Source: tf.image.crop_and_resize."""
    boxes, chosen = as_tensor(boxes, "float32"), as_tensor(box_indices, "int32")
    pixels = ops.cast(image, "float32")
    places, inside = [], []
    for axis, (size, new) in enumerate(zip(shape_of(image)[1:3], sizes_of(crop_size, "crop_size"), strict=True)):
        first, last = boxes[:, axis, None], boxes[:, axis + 2, None]
        line = np.arange(new, dtype="float32") / max(new - 1, 1) if new > 1 else np.full(1, 0.5, "float32")
        place = (first + (last - first) * line) * (size - 1)
        places.append((place, size))
        inside.append(ops.logical_and(ops.greater_equal(place, 0), ops.less_equal(place, size - 1)))
    images = ops.take(pixels, chosen, axis=0)
    for axis, (place, size) in enumerate(places):
        images = _sampled(images, axis + 1, place, size, method)
    within = ops.logical_and(inside[0][:, :, None, None], inside[1][:, None, :, None])
    return ops.where(within, images, float(extrapolation_value))


def _sampled(images: Any, axis: int, place: Any, size: int, method: str) -> Any:
    """Interpolate along an axis (1 or 2), at places of each image's own."""
    shape = [-1, 1, 1, 1]
    shape[axis] = shape_of(place)[1]

    def at(index: Any) -> Any:
        chosen = ops.reshape(ops.cast(ops.clip(index, 0, size - 1), "int32"), shape)
        target = list(shape_of(images))
        target[axis] = shape[axis]
        return ops.take_along_axis(images, ops.broadcast_to(chosen, target), axis=axis)

    if method == "nearest":
        return at(ops.floor(place + 0.5))
    low = ops.floor(place)
    share = ops.reshape(place - low, shape)
    return at(low) * (1 - share) + at(ops.ceil(place)) * share


@tensorflow("image.extract_patches")
def _extract_patches(images: Any, sizes: Any, strides: Any, rates: Any, padding: str) -> Any:
    size, step, rate = (spatial(v, 2, None) for v in (sizes, strides, rates))
    return ops.image.extract_patches(
        images, size, strides=step, dilation_rate=rate, padding=padding.lower(), data_format="channels_last"
    )


# ----- flips and turns -----

add_rows("image", {
    "image.flip_left_right": lambda image: ops.flip(image, -2), "image.flip_up_down": lambda image: ops.flip(image, -3),
    "image.transpose": lambda image: ops.swapaxes(image, -3, -2),
})  # fmt: skip


@tensorflow("image.rot90")
def _rot90(image: Any, k: Any = 1) -> Any:
    turns = number(k, "k") % 4
    if turns == 2:
        return ops.flip(ops.flip(image, -2), -3)
    turned = ops.swapaxes(image, -3, -2) if turns else image
    return ops.flip(turned, -3) if turns == 1 else ops.flip(turned, -2) if turns == 3 else turned


# ----- colours -----


@tensorflow("image.adjust_brightness")
def adjust_brightness(image: Any, delta: Any) -> Any:
    """Add to the pixels. Source: tf.image.adjust_brightness."""
    return _as_floats(image, lambda x: x + ops.cast(delta, dtype_of(x)))


@tensorflow("image.adjust_contrast")
def adjust_contrast(images: Any, contrast_factor: Any) -> Any:
    """Move the pixels away from each channel's mean. Source: tf.image.adjust_contrast."""

    def change(x: Any) -> Any:
        mean = ops.mean(x, axis=(-3, -2), keepdims=True)
        return (x - mean) * ops.cast(contrast_factor, dtype_of(x)) + mean

    return _as_floats(images, change)


@tensorflow("image.adjust_gamma")
def _adjust_gamma(image: Any, gamma: Any = 1, gain: Any = 1) -> Any:
    return _as_floats(image, lambda x: gain * x**gamma)


@tensorflow("image.adjust_hue")
def adjust_hue(image: Any, delta: Any) -> Any:
    """Turn the hue. Source: tf.image.adjust_hue."""

    def change(x: Any) -> Any:
        hue, saturation, value = _channels(_rgb_to_hsv(x))
        return _hsv_to_rgb(_joined([ops.mod(hue + ops.cast(delta, dtype_of(x)), 1.0), saturation, value]))

    return _as_floats(image, change)


@tensorflow("image.adjust_saturation")
def adjust_saturation(image: Any, saturation_factor: Any) -> Any:
    """Multiply the saturation. Source: tf.image.adjust_saturation."""

    def change(x: Any) -> Any:
        hue, saturation, value = _channels(_rgb_to_hsv(x))
        scaled = ops.clip(saturation * ops.cast(saturation_factor, dtype_of(x)), 0.0, 1.0)
        return _hsv_to_rgb(_joined([hue, scaled, value]))

    return _as_floats(image, change)


def _channels(x: Any) -> list[Any]:
    return [x[..., i : i + 1] for i in range(3)]


def _joined(channels: list[Any]) -> Any:
    return ops.concatenate(channels, axis=-1)


def _rgb_to_hsv(images: Any) -> Any:
    return ops.image.rgb_to_hsv(images, data_format="channels_last")


def _hsv_to_rgb(images: Any) -> Any:
    return ops.image.hsv_to_rgb(images, data_format="channels_last")


_YIQ = np.array([[0.299, 0.59590059, 0.2115], [0.587, -0.27455667, -0.52273617], [0.114, -0.32134392, 0.31119955]])
_YUV = np.array([[0.299, -0.14714119, 0.61497538], [0.587, -0.28886916, -0.51496512], [0.114, 0.43601035, -0.10001026]])
_FROM_YIQ = np.array([[1, 1, 1], [0.95598634, -0.27201283, -1.10674021], [0.6208248, -0.64720424, 1.70423049]])
_FROM_YUV = np.array([[1, 1, 1], [0, -0.394642334, 2.03206185], [1.13988303, -0.58062185, 0]])


def _mixed(matrix: Any) -> Callable[[Any], Any]:
    return lambda images: ops.matmul(images, np.asarray(matrix).astype(dtype_of(images)))


add_rows("images", {
    "image.rgb_to_hsv": _rgb_to_hsv, "image.hsv_to_rgb": _hsv_to_rgb, "image.rgb_to_yiq": _mixed(_YIQ),
    "image.yiq_to_rgb": _mixed(_FROM_YIQ), "image.rgb_to_yuv": _mixed(_YUV), "image.yuv_to_rgb": _mixed(_FROM_YUV),
    "image.grayscale_to_rgb": lambda images: ops.concatenate([images] * 3, axis=-1),
})  # fmt: skip


@tensorflow("image.rgb_to_grayscale")
def _rgb_to_grayscale(images: Any) -> Any:
    weights = np.array([0.2989, 0.587, 0.114], "float32")
    return _as_floats(images, lambda x: ops.sum(x * weights.astype(dtype_of(x)), axis=-1, keepdims=True))


@tensorflow("image.per_image_standardization")
def _per_image_standardization(image: Any) -> Any:
    floats = ops.cast(image, "float32") if dtype_of(image) != "float16" else image
    count = float(np.prod(shape_of(image)[-3:]))
    spread = ops.maximum(ops.std(floats, axis=(-3, -2, -1), keepdims=True), 1 / math.sqrt(count))
    return (floats - ops.mean(floats, axis=(-3, -2, -1), keepdims=True)) / spread


# ----- random changes -----


def _drawn(seed: Any, low: Any, high: Any, shape: tuple[Any, ...] = ()) -> Any:
    return keras_random.uniform(shape, low, high, dtype="float32", seed=seed)


def _flipped(image: Any, axis: int, seed: Any) -> Any:
    """Flip each image of a batch, or one image, with probability 1/2."""
    batch = shape_of(image)[:-3]
    share = _drawn(seed, 0.0, 1.0, (*batch, 1, 1, 1))
    return ops.where(ops.less(share, 0.5), ops.flip(image, axis), image)


_CHANGES: dict[str, tuple[Callable[..., Any], str]] = {
    "brightness": (
        lambda image, seed, max_delta: adjust_brightness(image, _drawn(seed, -max_delta, max_delta)),
        "image max_delta",
    ),
    "contrast": (
        lambda image, seed, lower, upper: adjust_contrast(image, _drawn(seed, lower, upper)),
        "image lower upper",
    ),
    "hue": (lambda image, seed, max_delta: adjust_hue(image, _drawn(seed, -max_delta, max_delta)), "image max_delta"),
    "saturation": (
        lambda image, seed, lower, upper: adjust_saturation(image, _drawn(seed, lower, upper)),
        "image lower upper",
    ),
    "flip_left_right": (lambda image, seed: _flipped(image, -2, seed), "image"),
    "flip_up_down": (lambda image, seed: _flipped(image, -3, seed), "image"),
}


def _add_random(name: str, change: Callable[..., Any], parameters: str) -> None:
    def draw(image: Any, *rest: Any) -> Any:
        return change(image, generator_of(rest[-1]), *rest[:-1])

    def stateless(image: Any, *rest: Any) -> Any:
        return change(image, stateless_seed(rest[-1]), *rest[:-1])

    add_rows(f"{parameters} seed=", {f"image.random_{name}": draw})
    add_rows(f"{parameters} seed{'=' if name == 'saturation' else ''}", {f"image.stateless_random_{name}": stateless})


for _name, (_change, _parameters) in _CHANGES.items():
    _add_random(_name, _change, _parameters)


def _cropped(value: Any, size: Any, seed: Any) -> Any:
    """Cut a random box of this size out of a tensor of any rank."""
    shape, wanted = shape_of(value), sizes_of(size, "size")
    wanted = tuple(old if new == -1 else new for old, new in zip(shape, wanted, strict=True))
    if any(isinstance(old, int) and new > old for old, new in zip(shape, wanted, strict=True)):
        raise ShapeError(f"tf.image.random_crop: a part of shape {wanted} does not fit into {shape}.")
    share = _drawn(seed, 0.0, 1.0, (len(shape),))
    room = np.array([old - new + 1 for old, new in zip(shape, wanted, strict=True)], "float32")
    starts = ops.minimum(ops.cast(ops.floor(share * room), "int32"), (room - 1).astype("int32"))
    if isinstance(starts, np.ndarray) and not is_deferred(value):
        return value[tuple(slice(int(s), int(s) + n) for s, n in zip(starts, wanted, strict=True))]
    return ops.slice(value, starts, wanted)


@tensorflow("image.random_crop")
def _random_crop(value: Any, size: Any, seed: Any = None) -> Any:
    return _cropped(value, size, generator_of(seed))


@tensorflow("image.stateless_random_crop")
def _stateless_random_crop(value: Any, size: Any, seed: Any) -> Any:
    return _cropped(value, size, stateless_seed(seed))


# ----- measures -----


@tensorflow("image.psnr", tensors="a b")
def _psnr(a: Any, b: Any, max_val: Any) -> Any:
    peak = float(max_val) if "float" in dtype_of(a) else float(max_val) / np.iinfo(dtype_of(a)).max
    a, b = (converted(x, "float32") for x in (a, b))
    mean = ops.mean(ops.square(a - b), axis=(-3, -2, -1))
    return 20 * math.log10(peak) - ops.log(mean) * (10 / math.log(10))


@tensorflow("image.ssim", tensors="img1 img2")
def _ssim(
    img1: Any, img2: Any, max_val: Any, filter_size: int = 11, filter_sigma: float = 1.5, k1: float = 0.01, k2: float = 0.03,
    return_index_map: bool = False,
) -> Any:  # fmt: skip
    if return_index_map:
        raise UnsupportedError("tf.image.ssim with return_index_map=True is not supported.")
    largest = float(max_val)
    if "float" not in dtype_of(img1):
        largest /= float(np.iinfo(dtype_of(img1)).max)
    a, b = (converted(x, "float32") for x in (img1, img2))
    places = np.arange(filter_size) - (filter_size - 1) / 2
    line = np.exp(-0.5 * places**2 / filter_sigma**2)
    channels = shape_of(a)[-1]
    kernel = np.outer(line, line) / np.outer(line, line).sum()
    kernel = np.repeat(kernel[:, :, None, None], channels, axis=2).astype("float32")
    single = len(shape_of(a)) == 3
    a, b = (ops.expand_dims(x, 0) if single else x for x in (a, b))
    lead = shape_of(a)[:-3]
    a, b = (ops.reshape(x, (-1, *shape_of(x)[-3:])) for x in (a, b))

    def blurred(x: Any) -> Any:
        return ops.depthwise_conv(x, kernel, padding="valid", data_format="channels_last")

    mean_a, mean_b = blurred(a), blurred(b)
    c1, c2 = (k1 * largest) ** 2, (k2 * largest) ** 2
    light = (2 * mean_a * mean_b + c1) / (ops.square(mean_a) + ops.square(mean_b) + c1)
    both = 2 * blurred(a * b) - 2 * mean_a * mean_b
    each = blurred(ops.square(a) + ops.square(b)) - ops.square(mean_a) - ops.square(mean_b)
    made = ops.mean(light * (both + c2) / (each + c2), axis=(1, 2, 3))
    return made[0] if single else ops.reshape(made, lead)


@tensorflow("image.total_variation")
def _total_variation(images: Any) -> Any:
    rows = ops.absolute(images[..., 1:, :, :] - images[..., :-1, :, :])
    columns = ops.absolute(images[..., 1:, :] - images[..., :-1, :])
    return ops.sum(rows, axis=(-3, -2, -1)) + ops.sum(columns, axis=(-3, -2, -1))


@tensorflow("image.image_gradients")
def _image_gradients(image: Any) -> Any:
    rows, columns = image[:, 1:] - image[:, :-1], image[:, :, 1:] - image[:, :, :-1]
    return ops.pad(rows, [(0, 0), (0, 1), (0, 0), (0, 0)]), ops.pad(columns, [(0, 0), (0, 0), (0, 1), (0, 0)])


@tensorflow("image.sobel_edges")
def _sobel_edges(image: Any) -> Any:
    x = ops.pad(image, [(0, 0), (1, 1), (1, 1), (0, 0)], mode="reflect")
    down = x[:, 2:] - x[:, :-2]
    right = x[:, :, 2:] - x[:, :, :-2]
    dy = down[:, :, :-2] + 2 * down[:, :, 1:-1] + down[:, :, 2:]
    dx = right[:, :-2] + 2 * right[:, 1:-1] + right[:, 2:]
    return ops.stack([dy, dx], axis=-1)


# ----- boxes -----


def _numbers(name: str, *values: Any) -> list[Any]:
    if any(is_deferred(v) for v in values):
        raise UnknownValueError(
            f"tf.image.{name} returns a number of boxes that depends on the data; call it on arrays."
        )
    return [np.asarray(v, "float64") for v in values]


def _kept(boxes: Any, scores: Any, limit: int, iou_threshold: float, score_threshold: float) -> list[int]:
    areas = np.abs((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]))
    low = np.minimum(boxes[:, :2], boxes[:, 2:])
    high = np.maximum(boxes[:, :2], boxes[:, 2:])
    kept: list[int] = []
    for index in np.argsort(-scores, kind="stable"):
        if len(kept) >= limit or scores[index] <= score_threshold:
            break
        sides = np.maximum(np.minimum(high[kept], high[index]) - np.maximum(low[kept], low[index]), 0.0)
        shared = sides.prod(axis=1)
        union = areas[kept] + areas[index] - shared
        if not (shared > iou_threshold * union).any():
            kept.append(int(index))
    return kept


@tensorflow("image.non_max_suppression", tensors="")
def _non_max_suppression(
    boxes: Any, scores: Any, max_output_size: Any, iou_threshold: float = 0.5, score_threshold: float = float("-inf")
) -> Any:
    corners, numbers = _numbers("non_max_suppression", boxes, scores)
    return np.array(
        _kept(corners, numbers, number(max_output_size, "max_output_size"), iou_threshold, score_threshold), "int32"
    )


@tensorflow("image.combined_non_max_suppression", tensors="")
def _combined(
    boxes: Any, scores: Any, max_output_size_per_class: Any, max_total_size: Any, iou_threshold: float = 0.5,
    score_threshold: float = float("-inf"), pad_per_class: bool = False, clip_boxes: bool = True,
) -> Any:  # fmt: skip
    corners, numbers = _numbers("combined_non_max_suppression", boxes, scores)
    total, each = (
        number(max_total_size, "max_total_size"),
        number(max_output_size_per_class, "max_output_size_per_class"),
    )
    classes = numbers.shape[2]
    total = min(total, each * classes) if pad_per_class else total
    count = len(numbers)
    made = [
        np.zeros((count, total, 4), "float32"),
        np.zeros((count, total), "float32"),
        np.zeros((count, total), "float32"),
        np.zeros(count, "int32"),
    ]
    for image in range(count):
        found: list[tuple[float, int, int]] = []
        for kind in range(classes):
            own = corners[image, :, kind if corners.shape[2] > 1 else 0]
            kept = _kept(own, numbers[image, :, kind], each, iou_threshold, score_threshold)
            found += [(float(numbers[image, i, kind]), kind, i) for i in kept]
        found.sort(key=lambda row: -row[0])
        for place, (score, kind, index) in enumerate(found[:total]):
            box = corners[image, index, kind if corners.shape[2] > 1 else 0]
            made[0][image, place] = np.clip(box, 0, 1) if clip_boxes else box
            made[1][image, place], made[2][image, place] = score, kind
        made[3][image] = min(len(found), total)
    return tuple(made)


@tensorflow("image.draw_bounding_boxes", tensors="")
def _draw_bounding_boxes(images: Any, boxes: Any, colors: Any) -> Any:
    pixels, corners = np.array(as_tensor(images)), np.asarray(boxes)
    palette = np.asarray([[1, 1, 0, 1], [0, 0, 1, 1], [1, 0, 0, 1], [0, 1, 0, 1], [0.5, 0, 0.5, 1], [0.5, 0.5, 0, 1], [0.5, 0, 0, 1],
                          [0, 0, 0.5, 1], [0, 1, 1, 1], [1, 0, 1, 1]]) if colors is None else np.asarray(colors)  # fmt: skip
    height, width, depth = pixels.shape[1:]
    for image, own in zip(pixels, corners, strict=True):
        for place, (y1, x1, y2, x2) in enumerate(own):
            color = palette[place % len(palette)][:depth]
            top, bottom = (round(float(v) * (height - 1)) for v in (y1, y2))
            left, right = (round(float(v) * (width - 1)) for v in (x1, x2))
            rows, columns = (
                slice(max(top, 0), min(bottom, height - 1) + 1),
                slice(max(left, 0), min(right, width - 1) + 1),
            )
            for row in {top, bottom} & set(range(height)):
                image[row, columns] = color
            for column in {left, right} & set(range(width)):
                image[rows, column] = color
    return pixels
