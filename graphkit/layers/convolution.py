"""Convolutional layers over one, two or three spatial axes: plain, transposed, depthwise, separable."""

from __future__ import annotations

from typing import Any, ClassVar

from graphkit import activations, constraints, initializers, ops, regularizers
from graphkit.core.dims import Dim
from graphkit.core.errors import InvalidArgumentError, ShapeError
from graphkit.core.layout import standardize_data_format
from graphkit.core.serialization import keras_class
from graphkit.layers.input_spec import InputSpec
from graphkit.layers.layer import Layer
from graphkit.ops._windows import (
    channel_axis,
    check_output,
    image_shape,
    output_sizes,
    per_axis,
    spatial_sizes,
)
from graphkit.ops.convolution import conv_with_bias, depthwise_with_bias

_HOME = "keras.layers"


class _Convolution(Layer):
    """What all convolutional layers share: the checks of their arguments, the bias, the order of their config."""

    rank: ClassVar[int] = 0
    config_order: ClassVar[str] = ""
    paddings: ClassVar[tuple[str, ...]] = ("valid", "same")

    def _set_window(self, kernel_size: Any, strides: Any, padding: Any, data_format: Any, dilation_rate: Any) -> None:
        self.kernel_size = per_axis(kernel_size, self.rank, "kernel_size")
        self.strides = per_axis(strides, self.rank, "strides")
        self.dilation_rate = per_axis(dilation_rate, self.rank, "dilation_rate")
        self.padding = str(padding).lower()
        if self.padding not in self.paddings:
            raise InvalidArgumentError(
                f"The `padding` argument of layer {self.name!r} must be one of {self.paddings}. Received: padding={padding}"
            )
        self.data_format = standardize_data_format(data_format)
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def _refuse_strided_dilation(self) -> None:
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise InvalidArgumentError(
                f"`strides > 1` not supported in conjunction with `dilation_rate > 1`. Received: strides={self.strides} and "
                f"dilation_rate={self.dilation_rate} (layer {self.name!r})."
            )

    def _positive(self, argument: str, value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
            raise InvalidArgumentError(
                f"Invalid value for argument `{argument}` of layer {self.name!r}. Expected a strictly positive value. "
                f"Received {argument}={value}."
            )
        return value

    def _set_output(self, activation: Any, use_bias: bool, initializer: Any, regularizer: Any, constraint: Any) -> None:
        self.activation = activations.get(activation)
        self.use_bias = use_bias
        self.bias_initializer = initializers.get(initializer)
        self.bias_regularizer = regularizers.get(regularizer)
        self.bias_constraint = constraints.get(constraint)

    def _channels(self, input_shape: Any) -> int:
        """The number of input channels, which from now on are demanded. Raises ShapeError if it is not known."""
        shape = tuple(input_shape)
        axis = channel_axis(len(shape), self.data_format)
        channels = shape[axis]
        if not isinstance(channels, int):
            raise ShapeError(
                f"The channel axis ({axis}, {self.data_format}) of the inputs to layer {self.name!r} must be known, got shape {shape}."
            )
        self.input_spec = InputSpec(ndim=self.rank + 2, axes={axis: channels})
        return channels

    def _check_output(self, input_shape: Any) -> None:
        """Raise ShapeError, naming the layer, if the window is larger than the input."""
        shape = tuple(Dim.named("size") if s is None else s for s in input_shape)
        outs = output_sizes(
            spatial_sizes(shape, self.data_format), self.kernel_size, self.strides, self.dilation_rate, self.padding
        )
        where = f"layer {self.name!r} ({type(self).__name__})"
        check_output(where, outs, shape, self.kernel_size, self.strides, self.dilation_rate, self.padding)

    def _add_bias(self, size: int) -> None:
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias",
                shape=(size,),
                initializer=self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )

    def _weight(self, variable: Any) -> Any:
        """A weight in the dtype that the layer computes in."""
        return None if variable is None else ops.cast(variable, self.compute_dtype)

    def _options(self) -> dict[str, Any]:
        return {
            "strides": self.strides,
            "padding": self.padding,
            "data_format": self.data_format,
            "dilation_rate": self.dilation_rate,
        }

    def _activated(self, x: Any) -> Any:
        return x if self.activation is None else self.activation(x)

    def get_config(self) -> dict[str, Any]:
        """The config, its keys in Keras' order."""
        config = {"activity_regularizer": None, **super().get_config()}
        first = ("name", "trainable", "dtype")
        return {key: config[key] for key in (*first, *self.config_order.split())}


class _Conv(_Convolution):
    """Convolution with a kernel (*kernel_size, channels / groups, filters), a bias and an activation."""

    config_order = (
        "filters kernel_size strides padding data_format dilation_rate groups activation use_bias kernel_initializer "
        "bias_initializer kernel_regularizer bias_regularizer activity_regularizer kernel_constraint bias_constraint"
    )

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
        groups: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self.filters = self._positive("filters", filters)
        self.groups = self._positive("groups", groups)
        self._set_window(kernel_size, strides, padding, data_format, dilation_rate)
        self._refuse_strided_dilation()
        if filters % groups:
            raise InvalidArgumentError(
                f"The number of filters must be evenly divisible by the number of groups. Received: groups={groups}, "
                f"filters={filters} (layer {self.name!r})."
            )
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self._set_output(activation, use_bias, bias_initializer, bias_regularizer, bias_constraint)

    def build(self, input_shape: Any) -> None:
        """Make kernel (*kernel_size, channels / groups, filters) and bias (filters,)."""
        channels = self._channels(input_shape)
        if channels % self.groups:
            raise ShapeError(
                f"The number of input channels must be evenly divisible by the number of groups. Received groups={self.groups}, "
                f"but the input of layer {self.name!r} has {channels} channels (full input shape is {tuple(input_shape)})."
            )
        self._check_output(input_shape)
        self.kernel = self.add_weight(
            name="kernel",
            shape=(*self.kernel_size, channels // self.groups, self.filters),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        self._add_bias(self.filters)

    def call(self, inputs: Any) -> Any:
        """The activated convolution."""
        kernel, bias = self._weight(self.kernel), self._weight(self.bias)
        return self._activated(conv_with_bias(inputs, kernel, bias, **self._options()))


@keras_class(_HOME, "Convolution1D")
class Conv1D(_Conv):
    """Convolution over time. Input (batch, steps, channels), output (batch, steps', filters). Source: keras.layers.Conv1D."""

    rank = 1
    paddings = ("valid", "same", "causal")


@keras_class(_HOME, "Convolution2D")
class Conv2D(_Conv):
    """Convolution over images. Input (batch, h, w, channels), output (batch, h', w', filters). Source: keras.layers.Conv2D."""

    rank = 2


@keras_class(_HOME, "Convolution3D")
class Conv3D(_Conv):
    """Convolution over volumes. Input (batch, d, h, w, channels). Source: keras.layers.Conv3D."""

    rank = 3


class _ConvTranspose(_Convolution):
    """The transposed convolution, with a kernel (*kernel_size, filters, channels)."""

    config_order = (
        "filters kernel_size strides padding output_padding data_format dilation_rate activation use_bias kernel_initializer "
        "bias_initializer kernel_regularizer bias_regularizer activity_regularizer kernel_constraint bias_constraint"
    )

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        output_padding: Any = None,
        data_format: str | None = None,
        dilation_rate: Any = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self.filters = self._positive("filters", filters)
        self._set_window(kernel_size, strides, padding, data_format, dilation_rate)
        self._refuse_strided_dilation()
        self.output_padding = self._checked_output_padding(output_padding)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self._set_output(activation, use_bias, bias_initializer, bias_regularizer, bias_constraint)

    def _checked_output_padding(self, output_padding: Any) -> tuple[int, ...] | None:
        if output_padding is None:
            return None
        extra = per_axis(output_padding, self.rank, "output_padding", allow_zero=True)
        for axis, (more, stride) in enumerate(zip(extra, self.strides, strict=True)):
            if more >= stride:
                raise InvalidArgumentError(
                    f"`output_padding` must be strictly less than `strides` for all dimensions. At dimension {axis}, `output_padding` "
                    f"is {more} but `strides` is {stride}. Received: output_padding={extra}, strides={self.strides} (layer {self.name!r})."
                )
        return extra

    def build(self, input_shape: Any) -> None:
        """Make kernel (*kernel_size, filters, channels) and bias (filters,)."""
        channels = self._channels(input_shape)
        self.kernel = self.add_weight(
            name="kernel",
            shape=(*self.kernel_size, self.filters, channels),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        self._add_bias(self.filters)

    def call(self, inputs: Any) -> Any:
        """The activated transposed convolution."""
        x = ops.conv_transpose(inputs, self._weight(self.kernel), output_padding=self.output_padding, **self._options())
        if self.bias is not None:
            shape = image_shape(1, (1,) * self.rank, self.filters, self.data_format)
            x = ops.add(x, ops.reshape(self._weight(self.bias), shape))
        return self._activated(x)


@keras_class(_HOME, "Convolution1DTranspose")
class Conv1DTranspose(_ConvTranspose):
    """Transposed convolution over time. Source: keras.layers.Conv1DTranspose."""

    rank = 1


@keras_class(_HOME, "Convolution2DTranspose")
class Conv2DTranspose(_ConvTranspose):
    """Transposed convolution over images. Source: keras.layers.Conv2DTranspose."""

    rank = 2


@keras_class(_HOME, "Convolution3DTranspose")
class Conv3DTranspose(_ConvTranspose):
    """Transposed convolution over volumes. Source: keras.layers.Conv3DTranspose."""

    rank = 3


class _DepthwiseConv(_Convolution):
    """Each channel convolved with `depth_multiplier` windows of its own."""

    config_order = (
        "depth_multiplier kernel_size strides padding data_format dilation_rate activation use_bias depthwise_initializer "
        "bias_initializer depthwise_regularizer bias_regularizer activity_regularizer depthwise_constraint bias_constraint"
    )

    def __init__(
        self,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        depth_multiplier: int = 1,
        data_format: str | None = None,
        dilation_rate: Any = 1,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        depthwise_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self.depth_multiplier = self._positive("depth_multiplier", depth_multiplier)
        self._set_window(kernel_size, strides, padding, data_format, dilation_rate)
        self.depthwise_initializer = initializers.get(depthwise_initializer)
        self.depthwise_regularizer = regularizers.get(depthwise_regularizer)
        self.depthwise_constraint = constraints.get(depthwise_constraint)
        self._set_output(activation, use_bias, bias_initializer, bias_regularizer, bias_constraint)

    def build(self, input_shape: Any) -> None:
        """Make kernel (*kernel_size, channels, depth_multiplier) and bias (channels * depth_multiplier,)."""
        channels = self._channels(input_shape)
        self._check_output(input_shape)
        self.kernel = self.add_weight(
            name="kernel",
            shape=(*self.kernel_size, channels, self.depth_multiplier),
            initializer=self.depthwise_initializer,
            regularizer=self.depthwise_regularizer,
            constraint=self.depthwise_constraint,
        )
        self._add_bias(channels * self.depth_multiplier)

    def call(self, inputs: Any) -> Any:
        """The activated depthwise convolution."""
        kernel, bias = self._weight(self.kernel), self._weight(self.bias)
        return self._activated(depthwise_with_bias(inputs, kernel, bias, **self._options()))


@keras_class(_HOME)
class DepthwiseConv1D(_DepthwiseConv):
    """Depthwise convolution over time. Source: keras.layers.DepthwiseConv1D."""

    rank = 1


@keras_class(_HOME)
class DepthwiseConv2D(_DepthwiseConv):
    """Depthwise convolution over images. Source: keras.layers.DepthwiseConv2D."""

    rank = 2


class _SeparableConv(_Convolution):
    """A depthwise convolution, then one of window 1 that mixes the channels."""

    config_order = (
        "depth_multiplier filters kernel_size strides padding data_format dilation_rate activation use_bias depthwise_initializer "
        "pointwise_initializer bias_initializer depthwise_regularizer pointwise_regularizer bias_regularizer activity_regularizer "
        "depthwise_constraint pointwise_constraint bias_constraint"
    )

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
        depth_multiplier: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        pointwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        pointwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        depthwise_constraint: Any = None,
        pointwise_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self.filters = self._positive("filters", filters)
        self.depth_multiplier = self._positive("depth_multiplier", depth_multiplier)
        self._set_window(kernel_size, strides, padding, data_format, dilation_rate)
        self.depthwise_initializer = initializers.get(depthwise_initializer)
        self.pointwise_initializer = initializers.get(pointwise_initializer)
        self.depthwise_regularizer = regularizers.get(depthwise_regularizer)
        self.pointwise_regularizer = regularizers.get(pointwise_regularizer)
        self.depthwise_constraint = constraints.get(depthwise_constraint)
        self.pointwise_constraint = constraints.get(pointwise_constraint)
        self._set_output(activation, use_bias, bias_initializer, bias_regularizer, bias_constraint)

    def build(self, input_shape: Any) -> None:
        """Make the depthwise and the pointwise kernel, and bias (filters,)."""
        channels = self._channels(input_shape)
        self._check_output(input_shape)
        self.depthwise_kernel = self.add_weight(
            name="depthwise_kernel",
            shape=(*self.kernel_size, channels, self.depth_multiplier),
            initializer=self.depthwise_initializer,
            regularizer=self.depthwise_regularizer,
            constraint=self.depthwise_constraint,
        )
        self.pointwise_kernel = self.add_weight(
            name="pointwise_kernel",
            shape=(*(1,) * self.rank, channels * self.depth_multiplier, self.filters),
            initializer=self.pointwise_initializer,
            regularizer=self.pointwise_regularizer,
            constraint=self.pointwise_constraint,
        )
        self._add_bias(self.filters)

    def call(self, inputs: Any) -> Any:
        """The activated separable convolution."""
        x = ops.depthwise_conv(inputs, self._weight(self.depthwise_kernel), **self._options())
        pointwise, bias = self._weight(self.pointwise_kernel), self._weight(self.bias)
        return self._activated(conv_with_bias(x, pointwise, bias, data_format=self.data_format))


@keras_class(_HOME, "SeparableConvolution1D")
class SeparableConv1D(_SeparableConv):
    """Separable convolution over time. Source: keras.layers.SeparableConv1D."""

    rank = 1


@keras_class(_HOME, "SeparableConvolution2D")
class SeparableConv2D(_SeparableConv):
    """Separable convolution over images. Source: keras.layers.SeparableConv2D."""

    rank = 2
