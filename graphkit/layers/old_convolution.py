"""Convolutions with Keras 1 arguments that Keras 3 lacks."""

from __future__ import annotations

from typing import Any

from graphkit import ops
from graphkit.core.declared import argument
from graphkit.core.layout import CHANNELS_LAST
from graphkit.core.serialization import graphkit_class, keras_class
from graphkit.layers.convolution import Conv2D, Conv2DTranspose, one_of_paddings

__all__ = ["Deconvolution2D", "FullConv2D"]


@keras_class("keras.layers")
class Deconvolution2D(Conv2DTranspose):
    """A Conv2DTranspose with a given output shape; files store it as a Conv2DTranspose with `output_padding`.

    Args:
        target_shape: Keras 1's `output_shape`, in the order of `data_format`, with the batch axis, which is ignored.
        The remaining arguments are those of `Conv2DTranspose`.

    Source: keras 1 Deconvolution2D.
    """

    keras_class_name = stored_as = "Conv2DTranspose"
    config_order = Conv2DTranspose.argument_order
    argument_order = f"{config_order} target_shape"

    target_shape: Any = argument(
        default=None, convert=lambda value: None if value is None else list(value), kw_only=True
    )

    def build(self, input_shape: Any) -> None:
        """Create kernel and bias, and find the `output_padding` that gives `target_shape`.

        Raises:
            ShapeError: the number of channels is unknown.
        """
        super().build(input_shape)
        if self.target_shape is not None and self.output_padding is None:
            last = self.data_format == CHANNELS_LAST
            sizes, wanted = (s[1:3] if last else s[2:4] for s in (tuple(input_shape), self.target_shape))
            self.output_padding = self._padding_for(sizes, wanted)

    def _padding_for(self, sizes: Any, wanted: Any) -> tuple[int, ...] | None:
        """Return the padding, or None if sizes are unknown, no padding is needed, or none gives the shape."""
        if not all(isinstance(n, int) for n in (*sizes, *wanted)):
            return None
        windows = list(zip(sizes, wanted, self.kernel_size, self.strides, strict=True))
        same = self.padding == "same"
        if all(w == (n * s if same else (n - 1) * s + max(k, s)) for n, w, k, s in windows):
            return None
        extra = tuple(w - (n - 1) * s - k + (2 * (k // 2) if same else 0) for n, w, k, s in windows)
        return extra if all(0 <= e < s for e, s in zip(extra, self.strides, strict=True)) else None


@graphkit_class("layers")
class FullConv2D(Conv2D):
    """A Conv2D with `border_mode="full"`: all positions where window and image overlap. Source: keras 1 Convolution2D on Theano."""

    paddings = ("full",)

    padding: str = argument(default="full", check=one_of_paddings, kw_only=True)

    def _check_output(self, input_shape: Any) -> None:
        """Do nothing: with full padding every window fits."""

    def _options(self) -> dict[str, Any]:
        return {**super()._options(), "padding": "valid"}

    def call(self, inputs: Any) -> Any:
        """Return the activated convolution."""
        margins = [[d * (k - 1)] * 2 for k, d in zip(self.kernel_size, self.dilation_rate, strict=True)]
        none = [[0, 0]]
        last = self.data_format == CHANNELS_LAST
        return super().call(ops.pad(inputs, none + margins + none if last else none + none + margins))
