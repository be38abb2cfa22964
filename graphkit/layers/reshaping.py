"""Layers that rearrange values: flatten, reshape, permute, repeat, pad, crop, upsample."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphkit import ops
from graphkit.core.declared import argument, must
from graphkit.core.dims import product, public_shape
from graphkit.core.errors import InvalidArgumentError, InvalidTypeError, ShapeError
from graphkit.core.layout import CHANNELS_FIRST, CHANNELS_LAST, standardize_data_format
from graphkit.core.serialization import keras_class
from graphkit.layers.declared import BuiltInLayer, SpatialLayer, sizes
from graphkit.layers.input_spec import InputSpec
from graphkit.ops._windows import per_axis, spatial_axes
from graphkit.ops.resizing import INTERPOLATIONS, resize

_HOME = "keras.layers"


@keras_class(_HOME)
class Flatten(BuiltInLayer):
    """Flattens (batch, ...) to (batch, n). Source: keras.layers.Flatten.

    Args:
        data_format: with "channels_first" the channels are moved to the last axis before flattening.
    """

    data_format: Any = argument(default=None, convert=standardize_data_format)

    def __post_init__(self) -> None:
        self.input_spec = InputSpec(min_ndim=1)

    def call(self, inputs: Any) -> Any:
        """Return the flattened inputs."""
        shape = ops.shape(inputs)
        if self.data_format == CHANNELS_FIRST and len(shape) > 2:
            inputs = ops.transpose(inputs, (0, *range(2, len(shape)), 1))
        return ops.reshape(inputs, (shape[0], product(shape[1:])))


def _sizes(target_shape: Any) -> tuple[int, ...]:
    return tuple(-1 if size is None else int(size) if isinstance(size, np.integer) else size for size in target_shape)


def _are_sizes(target_shape: Any) -> bool:
    sizes = _sizes(target_shape)
    return sizes.count(-1) <= 1 and all(isinstance(s, int) and not isinstance(s, bool) and s >= -1 for s in sizes)


_target_shape = must(
    _are_sizes,
    "`target_shape` of layer {owner.name!r} must hold integers, at most one of them -1. Received: target_shape={value}",
)


@keras_class(_HOME)
class Reshape(BuiltInLayer):
    """Reshapes (batch, ...) to (batch, *target_shape). Source: keras.layers.Reshape.

    Args:
        target_shape: a tuple of ints, one of which may be -1 to be inferred.
    """

    built_at_once = True

    target_shape: Any = argument(check=_target_shape, convert=_sizes)

    def call(self, inputs: Any) -> Any:
        """Return the reshaped inputs.

        Raises:
            ShapeError: the number of elements does not fit.
        """
        shape = ops.shape(inputs)
        sizes = _filled(shape[1:], self.target_shape)
        if sizes is None:
            raise ShapeError(
                f"The total size of the tensor must be unchanged. Layer {self.name!r} received: input_shape={public_shape(shape)}, "
                f"target_shape={self.target_shape}"
            )
        return ops.reshape(inputs, (shape[0], *sizes))


def _filled(old: tuple[Any, ...], new: tuple[int, ...]) -> tuple[Any, ...] | None:
    """Return `new` with -1 inferred without the batch axis where the sizes are known; None if the number of elements does not fit."""
    whole, known = product(old), product(tuple(s for s in new if s != -1))
    if not isinstance(whole, int) and isinstance(known, int) and known and -1 in new:
        return tuple(whole // known if size == -1 else size for size in new)
    if not isinstance(whole, int) or not isinstance(known, int):
        return new
    if -1 not in new:
        return new if whole == known else None
    if not known or whole % known:
        return None
    return tuple(whole // known if size == -1 else size for size in new)


_dims = must(
    lambda value: sorted(value) == list(range(1, len(value) + 1)),
    "Invalid permutation argument `dims` for Permute Layer {owner.name!r}. The set of indices in `dims` must be consecutive "
    "and start from 1. Received dims={value}",
)


@keras_class(_HOME)
class Permute(BuiltInLayer):
    """Permutes the axes after the batch axis. Source: keras.layers.Permute.

    Args:
        dims: the order of the axes, counted from 1: (2, 1) swaps the first two.
    """

    dims: Any = argument(check=_dims, convert=tuple)

    def __post_init__(self) -> None:
        self.input_spec = InputSpec(ndim=len(self.dims) + 1)

    def call(self, inputs: Any) -> Any:
        """Return the permuted inputs."""
        return ops.transpose(inputs, (0, *self.dims))


def _positive_int(layer: Any, name: str, value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise InvalidTypeError(f"Layer {layer.name!r}: expected an integer value for `{name}`, got {type(value)}.")
    if value <= 0:
        raise InvalidArgumentError(
            f"Layer {layer.name!r}: argument `{name}` should be a positive integer. Received: {name}={value}"
        )
    return value


@keras_class(_HOME)
class RepeatVector(BuiltInLayer):
    """Repeats (batch, features) `n` times along a new axis: (batch, n, features). Source: keras.layers.RepeatVector."""

    n: int = argument(check=_positive_int)

    def __post_init__(self) -> None:
        self.input_spec = InputSpec(ndim=2)

    def call(self, inputs: Any) -> Any:
        """Return the repeated inputs."""
        batch, features = ops.shape(inputs)
        return ops.broadcast_to(ops.expand_dims(inputs, 1), (batch, self.n, features))


def _pairs(layer: Any, name: str, value: Any) -> Any:
    """Return (before, after) for each spatial axis, from an int, an int for each axis, or pairs. With one axis, return just the pair."""
    rank = layer.rank
    if rank == 1:
        return per_axis(value, 2, name, allow_zero=True)
    if isinstance(value, int) and not isinstance(value, bool):
        if value < 0:
            raise InvalidArgumentError(
                f"`{name}` of layer {layer.name!r} cannot be negative. Received: {name}={value}."
            )
        return ((value, value),) * rank
    if not isinstance(value, (list, tuple)) or len(value) != rank:
        raise InvalidArgumentError(
            f"`{name}` of layer {layer.name!r} should be an int, or have {rank} elements: an int or a pair of ints for each spatial "
            f"axis. Received: {name}={value}."
        )
    return tuple(per_axis(item, 2, f"entry {i + 1} of {name}", allow_zero=True) for i, item in enumerate(value))


class _EdgeLayer(SpatialLayer):
    """Base of padding and cropping, with a pair of counts for each spatial axis."""

    data_format = CHANNELS_LAST  # for layers without this argument

    def _by_axis(self, pairs: Any) -> dict[int, tuple[int, int]]:
        """Return the pair of each spatial axis."""
        each = (pairs,) if self.rank == 1 else pairs
        return dict(zip(spatial_axes(self.rank + 2, self.data_format), each, strict=True))


class _ZeroPadding(_EdgeLayer):
    """Pads the spatial axes with zeros."""

    padding: Any = argument(default=1, check=_pairs)
    data_format: Any = argument(default=None, convert=standardize_data_format)

    def call(self, inputs: Any) -> Any:
        """Return the padded inputs."""
        widths = self._by_axis(self.padding)
        return ops.pad(inputs, [widths.get(axis, (0, 0)) for axis in range(self.rank + 2)])


@keras_class(_HOME)
class ZeroPadding1D(_ZeroPadding, rank=1):
    """Pads the time axis of (batch, steps, channels) with zeros. Source: keras.layers.ZeroPadding1D.

    Args:
        padding: the number of steps to add, an int or (before, after).
    """


@keras_class(_HOME)
class ZeroPadding2D(_ZeroPadding, rank=2):
    """Pads images (batch, h, w, channels) with zeros. Source: keras.layers.ZeroPadding2D.

    Args:
        padding: an int, an int for each spatial axis, or a pair (before, after) for each.
    """


@keras_class(_HOME)
class ZeroPadding3D(_ZeroPadding, rank=3):
    """Pads volumes (batch, d, h, w, channels) with zeros. Source: keras.layers.ZeroPadding3D.

    Args:
        padding: an int, an int for each spatial axis, or a pair (before, after) for each.
    """


class _Cropping(_EdgeLayer):
    """Removes elements at both ends of the spatial axes."""

    cropping: Any = argument(default=(1, 1), check=_pairs)

    def call(self, inputs: Any) -> Any:
        """Return the cropped inputs.

        Raises:
            ShapeError: nothing would be left along an axis.
        """
        shape = tuple(inputs.shape)
        key: list[slice] = [slice(None)] * len(shape)
        for axis, (before, after) in self._by_axis(self.cropping).items():
            size = shape[axis]
            if isinstance(size, int) and before + after >= size:
                raise ShapeError(
                    "Values in `cropping` argument should be smaller than the corresponding spatial dimension of the input. "
                    f"Layer {self.name!r} received: inputs.shape={public_shape(shape)}, cropping={self.cropping}"
                )
            key[axis] = slice(before, -after if after else None)
        return ops.get_item(inputs, tuple(key))


@keras_class(_HOME)
class Cropping1D(_Cropping, rank=1):
    """Removes steps at both ends of (batch, steps, channels). Source: keras.layers.Cropping1D.

    Args:
        cropping: the number of steps to remove, an int or (before, after).
    """


class _ImageCropping(_Cropping):
    """Cropping with a data format."""

    cropping: Any = argument(default=0, check=_pairs)
    data_format: Any = argument(default=None, convert=standardize_data_format)


@keras_class(_HOME)
class Cropping2D(_ImageCropping, rank=2):
    """Removes the borders of images (batch, h, w, channels). Source: keras.layers.Cropping2D.

    Args:
        cropping: an int, an int for each spatial axis, or a pair (before, after) for each.
    """


@keras_class(_HOME)
class Cropping3D(_ImageCropping, rank=3):
    """Removes the borders of volumes (batch, d, h, w, channels). Source: keras.layers.Cropping3D.

    Args:
        cropping: an int, an int for each spatial axis, or a pair (before, after) for each.
    """

    cropping: Any = argument(default=1, check=_pairs)


@keras_class(_HOME)
class UpSampling1D(BuiltInLayer):
    """Repeats each step of (batch, steps, channels) `size` times. Source: keras.layers.UpSampling1D."""

    size: int = argument(default=2, check=_positive_int)

    def __post_init__(self) -> None:
        self.input_spec = InputSpec(ndim=3)

    def call(self, inputs: Any) -> Any:
        """Return the inputs with each step repeated."""
        return ops.repeat(inputs, self.size, axis=1)


class _UpSampling(SpatialLayer):
    """Base of upsampling by repetition along the spatial axes."""

    size: Any = argument(default=2, check=sizes)
    data_format: Any = argument(default=None, convert=standardize_data_format)

    def _repeated(self, x: Any) -> Any:
        for axis, count in zip(spatial_axes(self.rank + 2, self.data_format), self.size, strict=True):
            if count != 1:
                x = ops.repeat(x, count, axis=axis)
        return x


_interpolation = must(
    lambda value: str(value).lower() in INTERPOLATIONS,
    f"`interpolation` of layer {{owner.name!r}} must be one of {INTERPOLATIONS}. Received: interpolation={{value}}",
)


@keras_class(_HOME)
class UpSampling2D(_UpSampling, rank=2):
    """Upsamples images (batch, h, w, channels) by integer factors. Source: keras.layers.UpSampling2D.

    Args:
        size: the factor, an int or (rows, columns).
        interpolation: "nearest" (repetition), "bilinear", "bicubic", "lanczos3" or "lanczos5".
    """

    size: Any = argument(default=(2, 2), check=sizes)
    interpolation: str = argument(default="nearest", check=_interpolation, convert=lambda value: str(value).lower())

    def call(self, inputs: Any) -> Any:
        """Return the upsampled images."""
        if self.interpolation == "nearest":
            return self._repeated(inputs)
        shape = ops.shape(inputs)
        height, width = spatial_axes(4, self.data_format)
        sizes = (shape[height] * self.size[0], shape[width] * self.size[1])
        return resize(inputs, sizes, interpolation=self.interpolation, data_format=self.data_format)


@keras_class(_HOME)
class UpSampling3D(_UpSampling, rank=3):
    """Upsamples volumes (batch, d, h, w, channels) by repetition. Source: keras.layers.UpSampling3D.

    Args:
        size: the factor, an int or one for each spatial axis.
    """

    size: Any = argument(default=(2, 2, 2), check=sizes)

    def call(self, inputs: Any) -> Any:
        """Return the upsampled volumes."""
        return self._repeated(inputs)
