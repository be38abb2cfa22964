"""TensorFlow's functions for neural networks and images: `tf.nn`, `tf.image`, `tf.signal`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphkit import ops
from graphkit.core.errors import SerializationError
from graphkit.graph.size_expressions import expression
from graphkit.layers.old_reshaping import ResizingToSizes
from graphkit.layers.reshaping import UpSampling2D

from .sizes import Sizes, factor_of, gathered, known
from .table import add_rows, shape_of, tensorflow

# ----- activations -----

add_rows(
    "features alpha=",
    {
        "nn.leaky_relu compat.v1.nn.leaky_relu": lambda features, alpha: ops.leaky_relu(
            features, 0.2 if alpha is None else alpha
        )
    },
)
add_rows(
    "features approximate=",
    {"nn.gelu": lambda features, approximate: ops.gelu(features, approximate=bool(approximate))},
)
add_rows(
    "features axis=",
    {
        "nn.crelu compat.v1.nn.crelu": lambda f, axis: ops.concatenate(
            [ops.relu(f), ops.relu(-f)], axis=-1 if axis is None else axis
        )
    },
)


@tensorflow("nn.silu", "nn.swish")
def _silu(features: Any, beta: float = 1.0) -> Any:
    return ops.silu(features) if beta == 1.0 else features * ops.sigmoid(features * beta)


def _over_axis(operation: Callable[..., Any]) -> Callable[..., Any]:
    def call(logits: Any, axis: Any = None, dim: Any = None) -> Any:
        axis = dim if axis is None else axis
        return operation(logits, axis=-1 if axis is None else axis)

    return call


tensorflow("nn.softmax", "math.softmax", "compat.v1.nn.softmax", "compat.v1.math.softmax")(_over_axis(ops.softmax))
tensorflow("nn.log_softmax", "math.log_softmax", "compat.v1.nn.log_softmax", "compat.v1.math.log_softmax")(
    _over_axis(ops.log_softmax)
)


@tensorflow("nn.dropout", "compat.v1.nn.dropout")
def _dropout(x: Any, rate: float = 0.0, noise_shape: Any = None, seed: Any = None, keep_prob: Any = None) -> Any:
    if not rate and keep_prob in (None, 1, 1.0):
        return ops.copy(x)
    raise SerializationError(
        "tf.nn.dropout also drops at inference, which no op of Keras does; use a Dropout layer in its place"
    )


# ----- windows -----


def _format(data_format: Any) -> str:
    return "channels_first" if str(data_format or "NHWC").startswith("NC") else "channels_last"


def _space(value: Any, rank: int, data_format: Any) -> Any:
    """Return one int per spatial axis; TensorFlow's lists may include the batch and channel axes."""
    if isinstance(value, int):
        return (value,) * rank
    value = np.ravel(value).tolist()
    if len(value) == rank + 2:
        value = value[2:] if _format(data_format) == "channels_first" else value[1:-1]
    return tuple(value * rank if len(value) == 1 else value)


def _pooling(operation: Callable[..., Any]) -> Callable[..., Any]:
    def call(input: Any, ksize: Any, strides: Any, padding: Any, data_format: Any = None) -> Any:
        rank = len(shape_of(input)) - 2
        window, steps = (_space(v, rank, data_format) for v in (ksize, strides))
        return operation(input, window, strides=steps, padding=_padding(padding), data_format=_format(data_format))

    return call


def _padding(padding: Any) -> str:
    if not isinstance(padding, str):
        raise SerializationError(f"the padding {padding} is not supported")
    return padding.lower()


def _by_value(call: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function with TensorFlow 1's name of its first argument."""

    def by_value(value: Any, ksize: Any, strides: Any, padding: Any, data_format: Any = None) -> Any:
        return call(value, ksize, strides, padding, data_format)

    return by_value


for _kind, _operation in (("max", ops.max_pool), ("avg", ops.average_pool)):
    tensorflow(*(f"nn.{_kind}_pool{n}" for n in ("", "1d", "2d", "3d")))(_pooling(_operation))
    tensorflow(f"compat.v1.nn.{_kind}_pool", f"compat.v1.nn.{_kind}_pool_v2")(_by_value(_pooling(_operation)))


@tensorflow("nn.conv2d", "nn.conv1d", "nn.conv3d", "nn.convolution", "compat.v1.nn.conv2d", "compat.v1.nn.convolution")
def _convolution(
    input: Any,
    filters: Any = None,
    strides: Any = 1,
    padding: Any = "VALID",
    data_format: Any = None,
    dilations: Any = 1,
    stride: Any = None,
    filter: Any = None,
    use_cudnn_on_gpu: bool = True,
    dilation_rate: Any = None,
) -> Any:
    kernel = filters if filters is not None else filter
    rank = len(shape_of(input)) - 2
    steps = _space(strides if stride is None else stride, rank, data_format)
    rate = _space(dilations or dilation_rate or 1, rank, data_format)
    return ops.conv(
        input, kernel, strides=steps, padding=_padding(padding), data_format=_format(data_format), dilation_rate=rate
    )


@tensorflow("nn.depthwise_conv2d", "compat.v1.nn.depthwise_conv2d", "compat.v1.nn.depthwise_conv2d_native")
def _depthwise(
    input: Any,
    filter: Any,
    strides: Any,
    padding: Any,
    data_format: Any = None,
    dilations: Any = None,
    rate: Any = None,
) -> Any:
    steps, spread = _space(strides, 2, data_format), _space(dilations or rate or 1, 2, data_format)
    return ops.depthwise_conv(
        input, filter, strides=steps, padding=_padding(padding), data_format=_format(data_format), dilation_rate=spread
    )


add_rows("value bias data_format=", {
    "nn.bias_add compat.v1.nn.bias_add": lambda value, bias, data_format: value + (
        ops.reshape(bias, (-1, *[1] * (len(shape_of(value)) - 2))) if _format(data_format) == "channels_first" else bias
    )
})  # fmt: skip


def _blocks(operation: Callable[..., Any]) -> Callable[..., Any]:
    return lambda input, block_size, data_format: operation(input, block_size, _format(data_format))


for _name, _block_operation in (("depth_to_space", ops.depth_to_space), ("space_to_depth", ops.space_to_depth)):
    _names = f"nn.{_name} compat.v1.{_name} compat.v1.nn.{_name}"
    add_rows("input block_size data_format=", {_names: _blocks(_block_operation)})


@tensorflow("nn.embedding_lookup")
def _embedding_lookup(
    params: Any, ids: Any, max_norm: Any = None, partition_strategy: str = "mod", validate_indices: bool = True
) -> Any:
    if max_norm is not None or isinstance(params, (list, tuple)):
        raise SerializationError("tf.nn.embedding_lookup with max_norm, or with several tables, is not supported")
    return ops.take(params, ids, axis=0)


# ----- normalization and losses -----


@tensorflow("nn.batch_normalization")
def _batch_normalization(x: Any, mean: Any, variance: Any, offset: Any, scale: Any, variance_epsilon: float) -> Any:
    factor = ops.rsqrt(ops.add(variance, variance_epsilon))
    factor = factor if scale is None else factor * scale
    made = x * factor - mean * factor
    return made if offset is None else made + offset


@tensorflow("nn.moments", "compat.v1.nn.moments")
def _moments(x: Any, axes: Any, shift: Any = None, keepdims: Any = False, keep_dims: Any = None) -> Any:
    return list(ops.moments(x, tuple(np.ravel(axes).tolist()), keepdims=bool(keepdims or keep_dims)))


@tensorflow("nn.local_response_normalization", "nn.lrn")
def _lrn(input: Any, depth_radius: int = 5, bias: float = 1, alpha: float = 1, beta: float = 0.5) -> Any:
    rank = len(shape_of(input))
    channels = input.shape[-1]
    padded = ops.pad(ops.square(input), [(0, 0)] * (rank - 1) + [(depth_radius, depth_radius)])
    total = padded[..., 0:channels]
    for shift in range(1, 2 * depth_radius + 1):
        total = total + padded[..., shift : shift + channels]
    return input / ops.power(bias + alpha * total, beta)


@tensorflow("nn.sigmoid_cross_entropy_with_logits")
def _sigmoid_cross_entropy(labels: Any = None, logits: Any = None) -> Any:
    return ops.relu(logits) - logits * labels + ops.log1p(ops.exp(-ops.absolute(logits)))


@tensorflow("nn.softmax_cross_entropy_with_logits", "compat.v1.nn.softmax_cross_entropy_with_logits_v2")
def _softmax_cross_entropy(labels: Any, logits: Any, axis: int = -1) -> Any:
    return -ops.sum(labels * ops.log_softmax(logits, axis=axis), axis=axis)


# ----- images -----

_METHODS = {
    "bilinear": "bilinear",
    "nearest": "nearest",
    "bicubic": "bicubic",
    "lanczos3": "lanczos3",
    "lanczos5": "lanczos5",
}


def _method(method: Any) -> str:
    """Return the name of a resizing method, which is a number in TensorFlow 1."""
    numbers = {0: "bilinear", 1: "nearest", 2: "bicubic", 3: "area"}
    return numbers.get(method, str(method)) if isinstance(method, int) else str(method).lower()


@tensorflow("image.resize")
def _resize(
    images: Any, size: Any, method: Any = "bilinear", preserve_aspect_ratio: bool = False, antialias: bool = False
) -> Any:
    height, width = _two_sizes(size)
    method = _method(method)
    old = shape_of(images)[-3:-1]
    whole = all(
        isinstance(n, int) and isinstance(s, int) and n % s == 0 for n, s in zip(old, (height, width), strict=True)
    )
    if method == "area" and whole:
        return ops.average_pool(images, (old[0] // height, old[1] // width))
    if method not in _METHODS or preserve_aspect_ratio:
        raise SerializationError(
            f"tf.image.resize with method={method!r}, preserve_aspect_ratio={preserve_aspect_ratio} is not supported"
        )
    if isinstance(height, int) and isinstance(width, int):
        return ops.image.resize(images, (height, width), interpolation=_METHODS[method], antialias=antialias,
                                data_format="channels_last")  # fmt: skip
    return _resized_to_unknown(images, gathered(size), (height, width), _METHODS[method], antialias)


def _two_sizes(size: Any) -> tuple[Any, Any]:
    """Return height and width: ints, or Dims if they depend on the input."""
    found = gathered(size)
    values = np.ravel(found.values if isinstance(found, Sizes) else found).tolist()
    if len(values) != 2:
        raise SerializationError(f"the size of a resized image is {values}, not a height and a width")
    return values[0], values[1]


def _resized_to_unknown(images: Any, size: Any, wanted: tuple[Any, Any], interpolation: str, antialias: bool) -> Any:
    """Resize images of unknown size, by integer factors or to sizes that are computed from tensors."""
    factors = [factor_of(new, old) for new, old in zip(wanted, shape_of(images)[1:3], strict=True)]
    if len(shape_of(images)) == 4 and all(isinstance(factor, int) for factor in factors):
        return UpSampling2D(tuple(factors), "channels_last", interpolation)(images)
    sources = [images]
    expressions = [expression(new, sources, size.sources) for new in wanted]
    return ResizingToSizes(expressions, interpolation, antialias)(sources if len(sources) > 1 else images)


@tensorflow("compat.v1.image.resize", "compat.v1.image.resize_images", "image.resize_images")
def _resize_of_tensorflow1(
    images: Any, size: Any, method: Any = 0, align_corners: bool = False, preserve_aspect_ratio: bool = False
) -> Any:
    method = _method(method)
    if method not in ("bilinear", "nearest") or preserve_aspect_ratio:
        raise SerializationError(
            f"tf.compat.v1.image.resize with method={method!r}, preserve_aspect_ratio={preserve_aspect_ratio} is not supported"
        )
    return resized(images, size, method, align_corners, half_pixel_centers=False)


def _resizing(method: str) -> Callable[..., Any]:
    def call(images: Any, size: Any, align_corners: bool = False, half_pixel_centers: bool = False) -> Any:
        return resized(images, size, method, align_corners, half_pixel_centers)

    return call


def resized(images: Any, size: Any, method: str, align_corners: bool, half_pixel_centers: bool) -> Any:
    """Resize images as TensorFlow 1 does: without half-pixel centers, output position i is input position i times a step.

    Args:
        images: (batch, height, width, channels).
        size: the new height and width.
        method: "bilinear" or "nearest"; with half-pixel centers any method of `image.resize`.
        align_corners: whether the centers of the corner pixels of input and output coincide.
        half_pixel_centers: whether to resize as TensorFlow 2 does.

    Raises:
        SerializationError: the size of the images is unknown, or the method is not available without half-pixel centers.
    """
    if half_pixel_centers:
        return _resize(images, size, method)
    if method not in ("bilinear", "nearest"):
        raise SerializationError(f"{method} resizing without half-pixel centers, as in TensorFlow 1, is not supported")
    sizes = np.ravel(known(size, "the size of a resized image")).tolist()
    for axis, new in zip((1, 2), sizes, strict=True):
        old = shape_of(images)[axis]
        if not isinstance(old, int):
            if align_corners or method != "nearest":
                raise SerializationError("images of unknown size cannot be resized as in TensorFlow 1")
            raise SerializationError("images of unknown size cannot be resized to a given size")
        images = _resized_axis(images, axis, old, new, method, align_corners)
    return images


def _resized_axis(images: Any, axis: int, old: int, new: int, method: str, align_corners: bool) -> Any:
    step = (old - 1) / (new - 1) if align_corners and new > 1 else old / new
    places = np.arange(new) * step
    if method == "nearest":
        rounded = np.floor(places + 0.5) if align_corners else np.floor(places)
        return ops.take(images, np.minimum(rounded, old - 1).astype("int32"), axis=axis)
    low = np.minimum(np.floor(places), old - 1).astype("int32")
    share = (places - low).astype("float32").reshape([-1 if a == axis else 1 for a in range(4)])
    first, second = (ops.take(images, places_, axis=axis) for places_ in (low, np.minimum(low + 1, old - 1)))
    return first + (second - first) * share


tensorflow("compat.v1.image.resize_bilinear", "image.resize_bilinear")(_resizing("bilinear"))
tensorflow("compat.v1.image.resize_nearest_neighbor", "image.resize_nearest_neighbor")(_resizing("nearest"))
add_rows("image", {
    "image.flip_left_right": lambda image: ops.flip(image, -2),
    "image.flip_up_down": lambda image: ops.flip(image, -3),
})  # fmt: skip


@tensorflow("image.rgb_to_grayscale")
def _rgb_to_grayscale(images: Any) -> Any:
    return ops.sum(images * np.array([0.2989, 0.587, 0.114], "float32"), axis=-1, keepdims=True)


@tensorflow("image.grayscale_to_rgb")
def _grayscale_to_rgb(images: Any) -> Any:
    return ops.concatenate([images] * 3, axis=-1)


@tensorflow("image.per_image_standardization")
def _per_image_standardization(image: Any) -> Any:
    axes = (-3, -2, -1)
    count = float(np.prod(image.shape[-3:]))
    spread = ops.maximum(ops.std(image, axis=axes, keepdims=True), 1 / count**0.5)
    return (image - ops.mean(image, axis=axes, keepdims=True)) / spread


@tensorflow("image.crop_to_bounding_box")
def _crop(image: Any, offset_height: int, offset_width: int, target_height: int, target_width: int) -> Any:
    return image[..., offset_height : offset_height + target_height, offset_width : offset_width + target_width, :]


@tensorflow("image.pad_to_bounding_box")
def _pad_to(image: Any, offset_height: int, offset_width: int, target_height: int, target_width: int) -> Any:
    height, width = image.shape[-3:-1]
    rows = (offset_height, target_height - offset_height - height)
    columns = (offset_width, target_width - offset_width - width)
    return ops.pad(image, [*[(0, 0)] * (len(image.shape) - 3), rows, columns, (0, 0)])


@tensorflow("image.resize_with_crop_or_pad", "image.resize_image_with_crop_or_pad")
def _crop_or_pad(image: Any, target_height: int, target_width: int) -> Any:
    sizes, wanted = image.shape[-3:-1], (target_height, target_width)
    cut = [max(size - target, 0) // 2 for size, target in zip(sizes, wanted, strict=True)]
    image = _crop(image, *cut, *(min(size, target) for size, target in zip(sizes, wanted, strict=True)))
    return _pad_to(image, *(max(target - size, 0) // 2 for size, target in zip(sizes, wanted, strict=True)), *wanted)


@tensorflow("image.central_crop")
def _central_crop(image: Any, central_fraction: float) -> Any:
    starts = [int((size - size * central_fraction) / 2) for size in image.shape[-3:-1]]
    return _crop(image, *starts, *(size - 2 * start for size, start in zip(image.shape[-3:-1], starts, strict=True)))


@tensorflow("image.extract_patches", "compat.v1.extract_image_patches")
def _extract_patches(
    images: Any, sizes: Any = None, strides: Any = 1, rates: Any = 1, padding: Any = "VALID", ksizes: Any = None
) -> Any:
    size, step, rate = (_space(v, 2, None) for v in (sizes or ksizes, strides, rates))
    return ops.image.extract_patches(images, size, strides=step, dilation_rate=rate[0], padding=_padding(padding))


# ----- signals -----


@tensorflow("signal.frame")
def _frame(
    signal: Any, frame_length: int, frame_step: int, pad_end: bool = False, pad_value: float = 0, axis: int = -1
) -> Any:
    if pad_end:
        raise SerializationError("tf.signal.frame with pad_end=True is not supported")
    return ops.extract_sequences(signal, frame_length, frame_step)
