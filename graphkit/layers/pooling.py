"""Pooling layers: maximum or mean over windows of the spatial axes, or over all of them (global)."""

from __future__ import annotations

from typing import Any, ClassVar

from graphkit import ops
from graphkit.core.declared import argument, must
from graphkit.core.dims import Dim
from graphkit.core.errors import InvalidTypeError
from graphkit.core.layout import CHANNELS_LAST, standardize_data_format
from graphkit.core.serialization import keras_class
from graphkit.layers.declared import SpatialLayer, sizes
from graphkit.ops._windows import check_output, output_sizes, spatial_axes, spatial_sizes

_HOME = "keras.layers"


_padding = must(
    lambda value: str(value).lower() in ("valid", "same"),
    "The `padding` argument of layer {owner.name!r} must be 'valid' or 'same'. Received: padding={value}",
)


class _PoolingBase(SpatialLayer, kw_only=True):
    """Base of all pooling layers; `function` is the name of the op."""

    function: ClassVar[str] = ""

    def __init_subclass__(cls, *, function: str = "", **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.function = function or cls.function


class _Pooling(_PoolingBase):
    """Pooling over windows.

    Args:
        pool_size: the size of the window, an int or one for each spatial axis.
        strides: the step of the window; `pool_size` by default.
        padding: "valid" (none) or "same".
        data_format: "channels_last" or "channels_first"; that of the Keras config by default.
    """

    built_at_once = True

    config_order = "pool_size padding strides data_format"

    pool_size: Any = argument(default=2, check=sizes)
    strides: Any = argument(default=None)
    padding: str = argument(default="valid", check=_padding, convert=lambda value: str(value).lower())
    data_format: Any = argument(default=None, convert=standardize_data_format)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.strides = self.pool_size if self.strides is None else sizes(self, "strides", self.strides)

    def call(self, inputs: Any) -> Any:
        """Return the pooled inputs.

        Raises:
            ShapeError: the window exceeds the input.
        """
        self._check_output(tuple(inputs.shape))
        function = getattr(ops, self.function)
        return function(inputs, self.pool_size, self.strides, self.padding, self.data_format)

    def _check_output(self, shape: tuple[Any, ...]) -> None:
        """Raise ShapeError, naming the layer, if the window is larger than the input."""
        sizes = spatial_sizes(tuple(s if isinstance(s, int) else Dim.named("size") for s in shape), self.data_format)
        ones = (1,) * self.rank
        outs = output_sizes(sizes, self.pool_size, self.strides, ones, self.padding)
        where = f"layer {self.name!r} ({type(self).__name__})"
        check_output(where, outs, shape, self.pool_size, self.strides, ones, self.padding)


@keras_class(_HOME, "MaxPool1D")
class MaxPooling1D(_Pooling, rank=1, function="max_pool"):
    """Maximum over windows of time steps. Arguments as for `MaxPooling2D`. Source: keras.layers.MaxPooling1D.

    Input (batch, steps, channels), output (batch, steps', channels).
    """


@keras_class(_HOME, "MaxPool2D")
class MaxPooling2D(_Pooling, rank=2, function="max_pool"):
    """Maximum over windows of images. Source: keras.layers.MaxPooling2D.

    Input (batch, h, w, channels), output (batch, h', w', channels).

    Args:
        pool_size: the size of the window, an int or one for each spatial axis.
        strides: the step of the window; `pool_size` by default.
        padding: "valid" (none) or "same" (the output has ceil(size / stride) elements).
        data_format: "channels_last" or "channels_first"; that of the Keras config by default.
    """


@keras_class(_HOME, "MaxPool3D")
class MaxPooling3D(_Pooling, rank=3, function="max_pool"):
    """Maximum over windows of volumes (batch, d, h, w, channels). Arguments as for `MaxPooling2D`. Source: keras.layers.MaxPooling3D."""


class _AveragePooling(_Pooling):
    """Average pooling, for which `pool_size` has no default."""

    config_order = _Pooling.config_order
    pool_size: Any = argument(check=sizes)


@keras_class(_HOME, "AvgPool1D")
class AveragePooling1D(_AveragePooling, rank=1, function="average_pool"):
    """Mean over windows of time steps, excluding padding. Arguments as for `MaxPooling2D`. Source: keras.layers.AveragePooling1D."""


@keras_class(_HOME, "AvgPool2D")
class AveragePooling2D(_AveragePooling, rank=2, function="average_pool"):
    """Mean over windows of images, excluding padding. Arguments as for `MaxPooling2D`. Source: keras.layers.AveragePooling2D."""


@keras_class(_HOME, "AvgPool3D")
class AveragePooling3D(_AveragePooling, rank=3, function="average_pool"):
    """Mean over windows of volumes, excluding padding. Arguments as for `MaxPooling2D`. Source: keras.layers.AveragePooling3D."""


class _GlobalPooling(_PoolingBase):
    """Pooling over all spatial positions: one value for each channel."""

    built_at_once = True

    data_format: Any = argument(default=None, convert=standardize_data_format)
    keepdims: bool = argument(default=False)

    def call(self, inputs: Any) -> Any:
        """Return the pooled inputs."""
        axes = list(spatial_axes(self.rank + 2, self.data_format))
        return getattr(ops, self.function)(inputs, axis=axes, keepdims=self.keepdims)


@keras_class(_HOME, "GlobalMaxPool1D")
class GlobalMaxPooling1D(_GlobalPooling, rank=1, function="max"):
    """Maximum over time. Source: keras.layers.GlobalMaxPooling1D.

    Input (batch, steps, channels), output (batch, channels), or with `keepdims` (batch, 1, channels).
    """


@keras_class(_HOME, "GlobalMaxPool2D")
class GlobalMaxPooling2D(_GlobalPooling, rank=2, function="max"):
    """Maximum over each image: (batch, h, w, channels) to (batch, channels). Source: keras.layers.GlobalMaxPooling2D."""


@keras_class(_HOME, "GlobalMaxPool3D")
class GlobalMaxPooling3D(_GlobalPooling, rank=3, function="max"):
    """Maximum over each volume: (batch, d, h, w, channels) to (batch, channels). Source: keras.layers.GlobalMaxPooling3D."""


@keras_class(_HOME, "GlobalAvgPool1D")
class GlobalAveragePooling1D(_GlobalPooling, rank=1, function="mean"):
    """Mean over the time steps that are not masked. Source: keras.layers.GlobalAveragePooling1D.

    Input (batch, steps, channels), output (batch, channels), or with `keepdims` (batch, 1, channels).
    """

    supports_masking = True

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """Return the mean of the steps where `mask`, bool (batch, steps), is True."""
        if mask is None:
            return super().call(inputs)
        steps = 1 if self.data_format == CHANNELS_LAST else 2
        kept = ops.cast(ops.expand_dims(mask, 3 - steps), "bool")
        total = ops.sum(ops.where(kept, inputs, 0), axis=steps, keepdims=self.keepdims)
        return total / ops.sum(ops.cast(kept, inputs.dtype), axis=steps, keepdims=self.keepdims)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """Return None: the output has no time axis."""
        return None


@keras_class(_HOME, "GlobalAvgPool2D")
class GlobalAveragePooling2D(_GlobalPooling, rank=2, function="mean"):
    """Mean over each image: (batch, h, w, channels) to (batch, channels). Source: keras.layers.GlobalAveragePooling2D."""


@keras_class(_HOME, "GlobalAvgPool3D")
class GlobalAveragePooling3D(_GlobalPooling, rank=3, function="mean"):
    """Mean over each volume: (batch, d, h, w, channels) to (batch, channels). Source: keras.layers.GlobalAveragePooling3D."""


def _output_sizes(layer: Any, name: str, value: Any) -> tuple[int, ...]:
    """Return a size for each axis. Raises InvalidTypeError for something else than an int or `rank` of them, as Keras does."""
    several = isinstance(value, (tuple, list)) and len(value) == layer.rank
    if isinstance(value, bool) or not (isinstance(value, int) or several):
        raise InvalidTypeError(
            f"`{name}` of layer {layer.name!r} must be an integer or a tuple of {layer.rank} integers. Received: {value!r} of type "
            f"{type(value).__name__}"
        )
    return sizes(layer, name, value)


class _AdaptivePooling(_PoolingBase):
    """Pooling to a given output size: as many windows along each axis, which cover the input and may overlap by one element."""

    output_size: Any = argument(check=_output_sizes)
    data_format: Any = argument(default=None, convert=standardize_data_format)

    def call(self, inputs: Any) -> Any:
        """Return the pooled inputs."""
        for axis, size in zip(spatial_axes(self.rank + 2, self.data_format), self.output_size, strict=True):
            inputs = self._pool_axis(inputs, axis, size)
        return inputs

    def _pool_axis(self, x: Any, axis: int, size: int) -> Any:
        """Pool one axis: window i covers the elements from floor(i * n / size) to ceil((i + 1) * n / size)."""
        length = x.shape[axis]
        if not isinstance(length, int):
            return self._pool_free_axis(x, axis, size)
        spans = [(i * length // size, -(-(i + 1) * length // size)) for i in range(size)]
        pool = getattr(ops, self.function)
        if length % size == 0:
            shape = (*ops.shape(x)[:axis], size, length // size, *ops.shape(x)[axis + 1 :])
            return pool(ops.reshape(x, shape), axis=axis + 1)
        before = (slice(None),) * axis
        parts = [pool(x[(*before, slice(start, stop))], axis=axis, keepdims=True) for start, stop in spans]
        return ops.concatenate(parts, axis=axis)

    def _pool_free_axis(self, x: Any, axis: int, size: int) -> Any:
        """Pool an axis of unknown length: the windows are computed by the program."""
        length = ops.cast(ops.shape(x)[axis], "int32")
        place = ops.reshape(ops.arange(ops.shape(x)[axis], dtype="int32"), (1, -1))
        window = ops.reshape(ops.arange(size, dtype="int32"), (-1, 1))
        inside = ops.logical_and(
            ops.greater_equal(place, window * length // size),
            ops.less(place, ((window + 1) * length + (size - 1)) // size),
        )
        trailing = (1,) * (x.ndim - axis - 1)
        inside = ops.reshape(inside, (size, -1, *trailing))
        every = ops.expand_dims(x, axis)
        kept = ops.where(inside, every, ops.cast(float("-inf") if self.function == "max" else 0.0, x.dtype))
        if self.function == "max":
            return ops.max(kept, axis=axis + 1)
        return ops.sum(kept, axis=axis + 1) / ops.sum(ops.cast(inside, x.dtype), axis=1)


@keras_class(_HOME)
class AdaptiveAveragePooling1D(_AdaptivePooling, rank=1, function="mean"):
    """Mean over windows of time steps: (batch, steps, channels) to (batch, output_size, channels).

    Source: keras.layers.AdaptiveAveragePooling1D.
    """


@keras_class(_HOME)
class AdaptiveAveragePooling2D(_AdaptivePooling, rank=2, function="mean"):
    """Mean over windows of images: (batch, h, w, channels) to (batch, *output_size, channels).

    Source: keras.layers.AdaptiveAveragePooling2D.
    """


@keras_class(_HOME)
class AdaptiveAveragePooling3D(_AdaptivePooling, rank=3, function="mean"):
    """Mean over windows of volumes: (batch, d, h, w, channels) to (batch, *output_size, channels).

    Source: keras.layers.AdaptiveAveragePooling3D.
    """


@keras_class(_HOME)
class AdaptiveMaxPooling1D(_AdaptivePooling, rank=1, function="max"):
    """Maximum over windows of time steps: (batch, steps, channels) to (batch, output_size, channels).

    Source: keras.layers.AdaptiveMaxPooling1D.
    """


@keras_class(_HOME)
class AdaptiveMaxPooling2D(_AdaptivePooling, rank=2, function="max"):
    """Maximum over windows of images: (batch, h, w, channels) to (batch, *output_size, channels).

    Source: keras.layers.AdaptiveMaxPooling2D.
    """


@keras_class(_HOME)
class AdaptiveMaxPooling3D(_AdaptivePooling, rank=3, function="max"):
    """Maximum over windows of volumes: (batch, d, h, w, channels) to (batch, *output_size, channels).

    Source: keras.layers.AdaptiveMaxPooling3D.
    """
