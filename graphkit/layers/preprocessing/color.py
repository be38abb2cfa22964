"""Random image layers that change colors but do not move pixels. At inference images are unchanged."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from graphkit import ops
from graphkit.core import dtypes
from graphkit.core.declared import argument, must
from graphkit.core.errors import InvalidArgumentError
from graphkit.core.serialization import keras_class
from graphkit.layers.preprocessing.augmentation import FactorLayer, RandomLayer, blurred, gaussian
from graphkit.layers.preprocessing.images import Range, ValueRangeArgument, each_within, in_bounds, rescaled
from graphkit.ops import image

_HOME = "keras.layers"
_BYTE = (0, 255)


_LATE_SEED = "factor value_range data_format seed"


class _Color(ValueRangeArgument, FactorLayer):
    """Base of most color layers: a number is drawn from `factor` for each image, and results are clipped to `value_range`."""

    argument_order = "factor value_range seed"

    def draw(self, images: Any) -> Any:
        """Draw a number from `factor` for each image."""
        return self.each(images, *self.factor)

    def _clipped(self, images: Any) -> Any:
        return ops.clip(images, *self.value_range)


class _UnitFactorColor(_Color):
    """A color layer with factors from 0 to 1."""

    bounds: ClassVar[Range] = (0.0, 1.0)


@keras_class(_HOME)
class RandomBrightness(_Color):
    """Adds a random share of the value range to each image. Source: keras.layers.RandomBrightness.

    Args:
        factor: the range of the share, within -1..1: a pair, or f for (-f, f).
        value_range: of the pixels.
        seed: an int; drawn at random by default.
    """

    casts_unchanged = False

    def change(self, images: Any, drawn: Any, *, masks: bool = False) -> Any:
        """Return the brighter or darker images."""
        low, high = self.value_range
        return self._clipped(images + drawn * (high - low))


@keras_class(_HOME)
class RandomContrast(_UnitFactorColor):
    """Scales the differences from each channel's mean by a random factor. Source: keras.layers.RandomContrast.

    Args:
        factor: a pair (a, b) within 0..1 for scales from 1 - a to 1 + b, or f for (0, f).
        value_range: of the pixels.
        seed: an int; drawn at random by default.
    """

    casts_unchanged = False

    def draw(self, images: Any) -> Any:
        """Draw the scale of each image."""
        return self.each(images, 1.0 - self.factor[0], 1.0 + self.factor[1])

    def change(self, images: Any, drawn: Any, *, masks: bool = False) -> Any:
        """Return the images with more or less contrast."""
        mean = ops.mean(images, axis=self.spatial, keepdims=True)
        return self._clipped((images - mean) * drawn + mean)


@keras_class(_HOME)
class RandomColorDegeneration(_Color):
    """Mixes each image with its grayscale version. Source: keras.layers.RandomColorDegeneration.

    Args:
        factor: the range of the weight of the grayscale version: 0 leaves the image as it is, 1 makes it gray.
        value_range: of the pixels.
        seed: an int; drawn at random by default.
    """

    casts_unchanged = False

    argument_order = _LATE_SEED

    def change(self, images: Any, drawn: Any, *, masks: bool = False) -> Any:
        """Return the degenerated images."""
        grey = image.rgb_to_grayscale(images, data_format=self.data_format)
        return self._clipped(images + drawn * (grey - images))


class _HsvColor(_UnitFactorColor):
    """Base of layers that change hue or saturation."""

    argument_order = _LATE_SEED

    def _hsv(self, images: Any) -> list[Any]:
        return ops.split(image.rgb_to_hsv(images, data_format=self.data_format), 3, axis=self.channels)

    def _rgb(self, parts: list[Any]) -> Any:
        return image.hsv_to_rgb(ops.concatenate(parts, axis=self.channels), data_format=self.data_format)


@keras_class(_HOME)
class RandomSaturation(_HsvColor):
    """Multiplies the saturation by f / (1 - f), with f drawn from `factor`. Source: keras.layers.RandomSaturation.

    Args:
        factor: the range of f; 0.5 changes nothing, 0 gives grayscale.
        value_range: of the pixels.
        seed: an int; drawn at random by default.
    """

    casts_unchanged = False

    bounds: ClassVar[Range] = (-1.0, 1.0)

    def draw(self, images: Any) -> Any:
        """Draw the factor of each image's saturation."""
        factor = super().draw(images)
        return factor / (1.0 - factor + dtypes.epsilon())

    def change(self, images: Any, drawn: Any, *, masks: bool = False) -> Any:
        """Return the more or less saturated images."""
        hue, saturation, value = self._hsv(images)
        return self._rgb([hue, self._clipped(saturation * drawn), value])


@keras_class(_HOME)
class RandomHue(_HsvColor):
    """Shifts the hue by up to `factor` times half a turn, in a random direction. Source: keras.layers.RandomHue.

    Args:
        factor: the range of the shift, within 0..1: a number or a pair.
        value_range: of the pixels.
        seed: an int; drawn at random by default.
    """

    casts_unchanged = False

    def draw(self, images: Any) -> Any:
        """Draw the shift of each image, in turns."""
        return self.sign(images) * super().draw(images) * 0.5

    def change(self, images: Any, drawn: Any, *, masks: bool = False) -> Any:
        """Return the images with shifted hues."""
        hue, saturation, value = self._hsv(rescaled(images, self.value_range, (0, 1)))
        hue = hue + drawn
        made = self._rgb([hue - ops.floor(hue), saturation, value])
        return rescaled(ops.clip(made, 0.0, 1.0), (0, 1), self.value_range)


@keras_class(_HOME)
class RandomInvert(_UnitFactorColor):
    """Inverts the colors of some images. Source: keras.layers.RandomInvert.

    Args:
        factor: the range from which the probability that an image is inverted is drawn: a pair, or f for (0, f).
        value_range: of the pixels.
        seed: an int; drawn at random by default.
    """

    casts_unchanged = False

    argument_order = "factor value_range seed data_format"

    factor: Any = argument(default=1.0, check=in_bounds)

    def draw(self, images: Any) -> Any:
        """Draw which images to invert."""
        return self.chosen(images)

    def change(self, images: Any, drawn: Any, *, masks: bool = False) -> Any:
        """Return the images, some of them inverted."""
        return ops.where(drawn, self.value_range[1] - images, images)


_chance = must(
    lambda value: 0 <= value <= 1,
    "`factor` of layer {owner.name!r} should be between 0 and 1. Received: factor={value}",
)


@keras_class(_HOME)
class RandomGrayscale(RandomLayer):
    """Converts each image to grayscale with probability `factor`. Source: keras.layers.RandomGrayscale."""

    casts_unchanged = False

    argument_order = "factor data_format seed"
    config_order = "data_format factor"

    factor: float = argument(default=0.5, check=_chance)

    def draw(self, images: Any) -> Any:
        """Draw which images to convert."""
        return ops.less(self.each(images, 0.0, 1.0), self.factor)

    def change(self, images: Any, drawn: Any, *, masks: bool = False) -> Any:
        """Return the images, some of them gray."""
        return ops.where(drawn, image.rgb_to_grayscale(images, data_format=self.data_format), images)


@keras_class(_HOME)
class RandomPosterization(_Color):
    """Reduces the number of bits for each value. Source: keras.layers.RandomPosterization.

    Args:
        factor: the range of the number of bits, within 1..8: an int or a pair.
        value_range: of the pixels.
        seed: an int; drawn at random by default.
    """

    casts_unchanged = False

    bounds: ClassVar[Range] = (1, 8)

    argument_order = _LATE_SEED

    def draw(self, images: Any) -> Any:
        """Draw the step between the remaining values."""
        low, high = self.factor
        bits = ops.floor(self.each(images, float(low), float(max(high, low + 1))))
        return ops.power(2.0, 8.0 - bits)

    def change(self, images: Any, drawn: Any, *, masks: bool = False) -> Any:
        """Return the posterized images."""
        whole = ops.floor(rescaled(images, self.value_range, _BYTE))
        return rescaled(ops.floor(whole / drawn) * drawn, _BYTE, self.value_range)


@keras_class(_HOME)
class RandomSharpness(_UnitFactorColor):
    """Smooths or sharpens images. Source: keras.layers.RandomSharpness.

    Args:
        factor: the range of the strength: 0 smooths, 0.5 changes nothing, 1 sharpens.
        value_range: of the pixels.
        seed: an int; drawn at random by default.
    """

    argument_order = _LATE_SEED

    def change(self, images: Any, drawn: Any, *, masks: bool = False) -> Any:
        """Return the sharper or softer images."""
        x = self._with_channels_last(images)
        kernel = np.full((3, 3, 1, 1), 1.0 / 13.0)
        kernel[1, 1] = 5.0 / 13.0
        weights = ops.cast(np.tile(kernel, (1, 1, x.shape[-1], 1)), x.dtype)
        soft = ops.depthwise_conv(x, weights, strides=1, padding="same", data_format="channels_last")
        made = self._clipped(x + (1.0 - 2.0 * drawn) * (soft - x))
        return self._with_own_channels(made)


def _odd_sizes(layer: Any, name: str, value: Any) -> tuple[int, ...]:
    sizes = tuple(value) if isinstance(value, (list, tuple)) else (value, value)
    if len(sizes) != 2 or any(not isinstance(s, int) or s % 2 == 0 for s in sizes):
        raise InvalidArgumentError(
            f"`kernel_size` of layer {layer.name!r} must be an odd integer or a pair of them. Received: kernel_size={value}"
        )
    return sizes


@keras_class(_HOME)
class RandomGaussianBlur(_UnitFactorColor):
    """Blurs images with a Gaussian of random deviation. Source: keras.layers.RandomGaussianBlur.

    Args:
        factor: the range from which the probability that an image is blurred is drawn: a pair, or f for (0, f).
        kernel_size: the size (width, height) of the window, odd, in pixels.
        sigma: the range of the standard deviation, within 0..1, in pixels: a pair, or f for (0, f).
        value_range: of the pixels.
        seed: an int; drawn at random by default.
    """

    argument_order = "factor kernel_size sigma value_range data_format seed"

    factor: Any = argument(default=1.0, check=in_bounds)
    kernel_size: Any = argument(default=3, check=_odd_sizes)
    sigma: Any = argument(default=1.0, check=in_bounds)

    def draw(self, images: Any) -> Any:
        """Draw (which images to blur, the deviations along width and height)."""
        return self.chosen(images), self.uniform((2,), self.sigma[0], self.sigma[1], "float32") + 1e-6

    def change(self, images: Any, drawn: Any, *, masks: bool = False) -> Any:
        """Return the blurred images."""
        chosen, deviations = drawn
        x = self._with_channels_last(images)
        along, down = (gaussian(size, deviations[i]) for i, size in enumerate(self.kernel_size))
        soft = blurred(x, down, along)
        made = self._clipped(ops.where(chosen, soft, x))
        return self._with_own_channels(made)


@keras_class(_HOME)
class Solarization(ValueRangeArgument, RandomLayer):
    """Adds a random amount to images, then inverts values at or above a random threshold. Source: keras.layers.Solarization.

    Args:
        addition_factor: the range of the amount, within 0..1 of the value range: a pair, or f for (0, f).
        threshold_factor: the range of the threshold, in the same form.
        value_range: of the pixels.
        seed: an int; drawn at random by default.
    """

    argument_order = "addition_factor threshold_factor value_range seed"

    bounds: ClassVar[Range] = (0.0, 1.0)

    addition_factor: Any = argument(default=0.0, check=each_within(0.0, 1.0, least=0.0))
    threshold_factor: Any = argument(default=0.0, check=each_within(0.0, 1.0, least=0.0))

    def draw(self, images: Any) -> Any:
        """Draw (the amount, the threshold), in 0..255."""
        return tuple(
            self.each(images, low, high * 255.0) for low, high in (self.addition_factor, self.threshold_factor)
        )

    def change(self, images: Any, drawn: Any, *, masks: bool = False) -> Any:
        """Return the solarized images."""
        added, threshold = drawn
        x = ops.clip(rescaled(images, self.value_range, _BYTE) + added, 0, 255)
        return rescaled(ops.where(ops.less(x, threshold), x, 255.0 - x), _BYTE, self.value_range)
