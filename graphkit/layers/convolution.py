"""Convolutional layers over one, two or three spatial axes: standard, transposed, depthwise, separable."""

from __future__ import annotations

from typing import Any, ClassVar

from graphkit import ops
from graphkit.core.declared import Declared, argument, is_positive_int, must, or_none
from graphkit.core.dims import Dim
from graphkit.core.errors import InvalidArgumentError, ShapeError
from graphkit.core.layout import standardize_data_format
from graphkit.core.serialization import keras_class
from graphkit.layers.adaptable import ADAPTER, LowRank
from graphkit.layers.declared import (
    ActivationArgument,
    BiasArguments,
    KernelArguments,
    SpatialLayer,
    constraint,
    initializer,
    regularizer,
    sizes,
    sizes_or_zero,
    weight_arguments,
)
from graphkit.layers.input_spec import InputSpec
from graphkit.ops._windows import (
    channel_axis,
    check_output,
    image_shape,
    output_sizes,
    spatial_sizes,
)
from graphkit.ops.convolution import conv_with_bias, depthwise_with_bias

_HOME = "keras.layers"


_strictly_positive = must(
    is_positive_int,
    "Invalid value for argument `{name}` of layer {owner.name!r}. Expected a strictly positive value. "
    "Received {name}={value}.",
)


def one_of_paddings(layer: Any, name: str, value: Any) -> str:
    """Return the padding in lower case.

    Raises:
        InvalidArgumentError: the padding is not one of `layer.paddings`.
    """
    if str(value).lower() not in layer.paddings:
        raise InvalidArgumentError(
            f"The `padding` argument of layer {layer.name!r} must be one of {layer.paddings}. Received: padding={value}"
        )
    return str(value).lower()


class FiltersArgument(Declared, init=False):
    """The number of output channels."""

    filters: int = argument(check=_strictly_positive)


class WindowArguments(Declared, init=False):
    """The arguments of a window that slides over `rank` spatial axes."""

    paddings: ClassVar[tuple[str, ...]] = ("valid", "same")

    kernel_size: Any = argument(check=sizes)
    strides: Any = argument(default=1, check=sizes)
    padding: str = argument(default="valid", check=one_of_paddings)
    data_format: Any = argument(default=None, convert=standardize_data_format, kw_only=True)
    dilation_rate: Any = argument(default=1, check=sizes, kw_only=True)


class DepthwiseArguments(Declared, kw_only=True):
    """The arguments of the kernel that is applied to each channel separately."""

    depth_multiplier: int = argument(default=1, check=_strictly_positive)
    depthwise_initializer: Any = initializer("glorot_uniform")
    depthwise_regularizer: Any = regularizer()
    depthwise_constraint: Any = constraint()


class PointwiseArguments(Declared, kw_only=True):
    """The arguments of the kernel that mixes the channels."""

    pointwise_initializer: Any = initializer("glorot_uniform")
    pointwise_regularizer: Any = regularizer()
    pointwise_constraint: Any = constraint()


class _Convolution(ActivationArgument, BiasArguments, WindowArguments, SpatialLayer):
    """Base of all convolutional layers: the window, the bias, the activation."""

    activity_regularizer: Any = argument(default=None, hidden=True, for_base=True, kw_only=True)

    def _refuse_strided_dilation(self) -> None:
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise InvalidArgumentError(
                f"`strides > 1` not supported in conjunction with `dilation_rate > 1`. Received: strides={self.strides} and "
                f"dilation_rate={self.dilation_rate} (layer {self.name!r})."
            )

    def _channels(self, input_shape: Any) -> int:
        """Return the number of input channels and require it from now on. Raises ShapeError if it is unknown."""
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
        self.bias = self._add_weight_of("bias", (size,)) if self.use_bias else None

    def _biased(self, x: Any) -> Any:
        """Return `x` with the bias added to its channels."""
        if self.bias is None:
            return x
        shape = image_shape(1, (1,) * self.rank, self.bias.shape[0], self.data_format)
        return ops.add(x, ops.reshape(self._cast(self.bias), shape))

    def _cast(self, variable: Any) -> Any:
        """Return a weight in the compute dtype."""
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


class _Conv(KernelArguments, _Convolution, FiltersArgument, LowRank):
    """Convolution with a kernel (*kernel_size, channels / groups, filters), a bias and an activation."""

    weight_names: ClassVar[tuple[str, ...]] = ("_kernel", "bias")
    argument_order = (
        "filters kernel_size strides padding data_format dilation_rate groups activation use_bias "
        f"{weight_arguments('kernel', 'bias')}"
    )
    config_order = f"{argument_order} {ADAPTER}"

    groups: int = argument(default=1, check=_strictly_positive, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._refuse_strided_dilation()
        if self.filters % self.groups:
            raise InvalidArgumentError(
                f"The number of filters must be evenly divisible by the number of groups. Received: groups={self.groups}, "
                f"filters={self.filters} (layer {self.name!r})."
            )

    def build(self, input_shape: Any) -> None:
        """Create kernel (*kernel_size, channels / groups, filters) and bias (filters,).

        Raises:
            ShapeError: the number of channels is unknown or not a multiple of `groups`, or the window exceeds the input.
        """
        channels = self._channels(input_shape)
        if channels % self.groups:
            raise ShapeError(
                f"The number of input channels must be evenly divisible by the number of groups. Received groups={self.groups}, "
                f"but the input of layer {self.name!r} has {channels} channels (full input shape is {tuple(input_shape)})."
            )
        self._check_output(input_shape)
        self.build_main((*self.kernel_size, channels // self.groups, self.filters), self.kernel_initializer)
        self._add_bias(self.filters)
        self.build_adapter()

    @property
    def kernel(self) -> Any:
        """The kernel: a variable, or a tensor where LoRA changes it."""
        return self.adapted()

    @kernel.setter
    def kernel(self, value: Any) -> None:
        self._kernel = value

    def convolution_op(self, inputs: Any, kernel: Any) -> Any:
        """Return the convolution without bias and activation; subclasses may override it. Source: keras.layers.Conv2D."""
        return ops.conv(inputs, self._cast(kernel), **self._options())

    def call(self, inputs: Any) -> Any:
        """Return the activated convolution."""
        kernel, bias = self._cast(self.kernel), self._cast(self.bias)
        if type(self).convolution_op is _Conv.convolution_op:
            return self._activated(conv_with_bias(inputs, kernel, bias, **self._options()))
        return self._activated(self._biased(self.convolution_op(inputs, kernel)))


@keras_class(_HOME, "Convolution1D")
class Conv1D(_Conv, rank=1):
    """Convolution over time. Input (batch, steps, channels), output (batch, steps', filters). Source: keras.layers.Conv1D.

    Arguments as for `Conv2D`; `padding` may also be "causal", which pads at the start so that no output depends on later steps.
    """

    paddings = ("valid", "same", "causal")


@keras_class(_HOME, "Convolution2D")
class Conv2D(_Conv, rank=2):
    """Convolution over images. Input (batch, h, w, channels), output (batch, h', w', filters). Source: keras.layers.Conv2D.

    Args:
        filters: the number of output channels.
        kernel_size: the size of the window, an int or one for each spatial axis.
        strides: the step of the window, an int or one for each spatial axis.
        padding: "valid" (none) or "same" (the output has ceil(size / stride) elements).
        data_format: "channels_last" or "channels_first"; that of the Keras config by default.
        dilation_rate: the distance between the window's elements, an int or one for each spatial axis.
        groups: the channels are split into this many groups that are convolved separately.
        activation: a name or function applied to the output; linear by default.
        use_bias: whether a bias (filters,) is added.
        kernel_initializer, kernel_regularizer, kernel_constraint: of the kernel (*kernel_size, channels / groups, filters).
        bias_initializer, bias_regularizer, bias_constraint: of the bias.

    Raises:
        InvalidArgumentError: an argument is invalid, `strides` and `dilation_rate` both exceed 1, or `filters` is not a multiple of
            `groups`.
    """


@keras_class(_HOME, "Convolution3D")
class Conv3D(_Conv, rank=3):
    """Convolution over volumes. Input (batch, d, h, w, channels). Arguments as for `Conv2D`. Source: keras.layers.Conv3D."""


class _ConvTranspose(KernelArguments, _Convolution, FiltersArgument):
    """Transposed convolution with a kernel (*kernel_size, filters, channels)."""

    argument_order = (
        "filters kernel_size strides padding output_padding data_format dilation_rate activation use_bias "
        f"{weight_arguments('kernel', 'bias')}"
    )

    output_padding: Any = argument(default=None, check=or_none(sizes_or_zero), kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._refuse_strided_dilation()
        for axis, (more, stride) in enumerate(zip(self.output_padding or (), self.strides, strict=False)):
            if more >= stride:
                raise InvalidArgumentError(
                    f"`output_padding` must be strictly less than `strides` for all dimensions. At dimension {axis}, `output_padding` "
                    f"is {more} but `strides` is {stride}. Received: output_padding={self.output_padding}, strides={self.strides} "
                    f"(layer {self.name!r})."
                )

    def build(self, input_shape: Any) -> None:
        """Create kernel (*kernel_size, filters, channels) and bias (filters,).

        Raises:
            ShapeError: the number of channels is unknown.
        """
        channels = self._channels(input_shape)
        self.kernel = self._add_weight_of("kernel", (*self.kernel_size, self.filters, channels))
        self._add_bias(self.filters)

    def call(self, inputs: Any) -> Any:
        """Return the activated transposed convolution."""
        x = ops.conv_transpose(inputs, self._cast(self.kernel), output_padding=self.output_padding, **self._options())
        return self._activated(self._biased(x))


@keras_class(_HOME, "Convolution1DTranspose")
class Conv1DTranspose(_ConvTranspose, rank=1):
    """Transposed convolution over time. Arguments as for `Conv2DTranspose`. Source: keras.layers.Conv1DTranspose."""


@keras_class(_HOME, "Convolution2DTranspose")
class Conv2DTranspose(_ConvTranspose, rank=2):
    """Transposed convolution over images. Source: keras.layers.Conv2DTranspose.

    Args:
        output_padding: elements added at the end of each spatial axis of the output, fewer than `strides`; by default the output
            has size * stride elements with padding "same", (size - 1) * stride + max(kernel, stride) with "valid".
        The remaining arguments are those of `Conv2D`.

    Raises:
        InvalidArgumentError: as for `Conv2D`, or `output_padding` is not less than `strides`.
    """


@keras_class(_HOME, "Convolution3DTranspose")
class Conv3DTranspose(_ConvTranspose, rank=3):
    """Transposed convolution over volumes. Arguments as for `Conv2DTranspose`. Source: keras.layers.Conv3DTranspose."""

    config_order = _ConvTranspose.argument_order
    argument_order = config_order.replace("output_padding data_format", "data_format output_padding")  # as in Keras


class _DepthwiseConv(DepthwiseArguments, _Convolution):
    """Convolves each channel separately with `depth_multiplier` kernels."""

    argument_order = (
        "kernel_size strides padding depth_multiplier data_format dilation_rate activation use_bias "
        f"{weight_arguments('depthwise', 'bias')}"
    )
    config_order = (
        "depth_multiplier kernel_size strides padding data_format dilation_rate activation use_bias "
        f"{weight_arguments('depthwise', 'bias')}"
    )

    def build(self, input_shape: Any) -> None:
        """Create kernel (*kernel_size, channels, depth_multiplier) and bias (channels * depth_multiplier,).

        Raises:
            ShapeError: the number of channels is unknown, or the window exceeds the input.
        """
        channels = self._channels(input_shape)
        self._check_output(input_shape)
        self.kernel = self._add_weight_of(
            "depthwise", (*self.kernel_size, channels, self.depth_multiplier), name="kernel"
        )
        self._add_bias(channels * self.depth_multiplier)

    def call(self, inputs: Any) -> Any:
        """Return the activated depthwise convolution."""
        kernel, bias = self._cast(self.kernel), self._cast(self.bias)
        return self._activated(depthwise_with_bias(inputs, kernel, bias, **self._options()))


@keras_class(_HOME)
class DepthwiseConv1D(_DepthwiseConv, rank=1):
    """Depthwise convolution over time. Arguments as for `DepthwiseConv2D`. Source: keras.layers.DepthwiseConv1D."""


@keras_class(_HOME)
class DepthwiseConv2D(_DepthwiseConv, rank=2):
    """Depthwise convolution over images, which convolves each channel separately. Source: keras.layers.DepthwiseConv2D.

    Input (batch, h, w, channels), output (batch, h', w', channels * depth_multiplier).

    Args:
        depth_multiplier: the number of output channels for each input channel.
        depthwise_initializer, depthwise_regularizer, depthwise_constraint: of the kernel.
        The remaining arguments are those of `Conv2D`.
    """


class _SeparableConv(DepthwiseArguments, PointwiseArguments, _Convolution, FiltersArgument):
    """A depthwise convolution followed by a pointwise one, which mixes the channels."""

    argument_order = (
        "filters kernel_size strides padding data_format dilation_rate depth_multiplier activation use_bias "
        f"{weight_arguments('depthwise', 'pointwise', 'bias')}"
    )
    config_order = (
        "depth_multiplier filters kernel_size strides padding data_format dilation_rate activation use_bias "
        f"{weight_arguments('depthwise', 'pointwise', 'bias')}"
    )

    def build(self, input_shape: Any) -> None:
        """Create the kernels, (*kernel_size, channels, depth_multiplier) and (1, ..., channels * depth_multiplier, filters), and the bias.

        Raises:
            ShapeError: the number of channels is unknown, or the window exceeds the input.
        """
        channels = self._channels(input_shape)
        self._check_output(input_shape)
        self.depthwise_kernel = self._add_weight_of(
            "depthwise", (*self.kernel_size, channels, self.depth_multiplier), name="depthwise_kernel"
        )
        self.pointwise_kernel = self._add_weight_of(
            "pointwise", (*(1,) * self.rank, channels * self.depth_multiplier, self.filters), name="pointwise_kernel"
        )
        self._add_bias(self.filters)

    def call(self, inputs: Any) -> Any:
        """Return the activated separable convolution."""
        x = ops.depthwise_conv(inputs, self._cast(self.depthwise_kernel), **self._options())
        pointwise, bias = self._cast(self.pointwise_kernel), self._cast(self.bias)
        return self._activated(conv_with_bias(x, pointwise, bias, data_format=self.data_format))


@keras_class(_HOME, "SeparableConvolution1D")
class SeparableConv1D(_SeparableConv, rank=1):
    """Separable convolution over time. Arguments as for `SeparableConv2D`. Source: keras.layers.SeparableConv1D."""


@keras_class(_HOME, "SeparableConvolution2D")
class SeparableConv2D(_SeparableConv, rank=2):
    """Separable convolution over images: a depthwise and then a pointwise convolution. Source: keras.layers.SeparableConv2D.

    Args:
        depth_multiplier: the number of channels that the depthwise convolution makes of each input channel.
        depthwise_*, pointwise_*: initializers, regularizers and constraints of the two kernels.
        The remaining arguments are those of `Conv2D`.
    """
