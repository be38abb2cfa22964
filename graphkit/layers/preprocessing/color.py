"""Random image layers that change colors but do not move pixels. At inference images are unchanged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from graphkit import ops
from graphkit.core import dtypes
from graphkit.core.declared import argument, must
from graphkit.core.errors import InvalidArgumentError
from graphkit.core.serialization import keras_class
from graphkit.layers.preprocessing.augmentation import FactorLayer, RandomLayer, blurred, four, gaussian, signed
from graphkit.layers.preprocessing.images import Range, ValueRangeArgument, each_within, in_bounds, rescaled
from graphkit.ops import image

_HOME = "keras.layers"
_BYTE = (0, 255)


_LATE_SEED = "factor value_range data_format seed"


class _Color(ValueRangeArgument, FactorLayer):
    """Base of most color layers: a number is drawn from `factor` for each image, and results are clipped to `value_range`."""

    argument_order = "factor value_range seed"

    def draw(self, images: Any, seed: Any) -> Any:
        """Draw {"factor": a number from `factor` for each image, (batch,)}."""
        return {"factor": self.of_batch(images, seed, *self.factor)}

    def _factors(self, transformation: Any) -> Any:
        return four(self._cast(transformation["factor"]))

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

    def draw(self, images: Any, seed: Any) -> Any:
        """Draw {"rgb_delta": what to add to each image}."""
        low, high = self.value_range
        return {"rgb_delta": self.each(images, seed, *self.factor) * (high - low)}

    def change(self, images: Any, transformation: Any, *, masks: bool = False) -> Any:
        """Return the brighter or darker images."""
        return self._clipped(images + four(self._cast(transformation["rgb_delta"])))


@keras_class(_HOME)
class RandomContrast(_UnitFactorColor):
    """Scales the differences from each channel's mean by a random factor. Source: keras.layers.RandomContrast.

    Args:
        factor: a pair (a, b) within 0..1 for scales from 1 - a to 1 + b, or f for (0, f).
        value_range: of the pixels.
        seed: an int; drawn at random by default.
    """

    casts_unchanged = False

    def draw(self, images: Any, seed: Any) -> Any:
        """Draw {"contrast_factor": the scale of each image}."""
        scale = self.each(images, seed, 1.0 - self.factor[0], 1.0 + self.factor[1], self.compute_dtype)
        return {"contrast_factor": scale}

    def change(self, images: Any, transformation: Any, *, masks: bool = False) -> Any:
        """Return the images with more or less contrast."""
        mean = ops.mean(images, axis=self.spatial, keepdims=True)
        return self._clipped((images - mean) * four(self._cast(transformation["contrast_factor"])) + mean)


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

    def draw(self, images: Any, seed: Any) -> Any:
        """Draw {"factor": the weight of the grayscale version, (batch, 1, 1, 1)}."""
        return {"factor": four(super().draw(images, seed)["factor"])}

    def change(self, images: Any, transformation: Any, *, masks: bool = False) -> Any:
        """Return the degenerated images."""
        grey = image.rgb_to_grayscale(images, data_format=self.data_format)
        return self._clipped(images + self._factors(transformation) * (grey - images))


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

    def draw(self, images: Any, seed: Any) -> Any:
        """Draw {"factor": what multiplies each image's saturation, (batch,)}."""
        factor = super().draw(images, seed)["factor"]
        return {"factor": factor / (1.0 - factor + dtypes.epsilon())}

    def change(self, images: Any, transformation: Any, *, masks: bool = False) -> Any:
        """Return the more or less saturated images."""
        hue, saturation, value = self._hsv(images)
        return self._rgb([hue, self._clipped(saturation * self._factors(transformation)), value])


@keras_class(_HOME)
class RandomHue(_HsvColor):
    """Shifts the hue by up to `factor` times half a turn, in a random direction. Source: keras.layers.RandomHue.

    Args:
        factor: the range of the shift, within 0..1: a number or a pair.
        value_range: of the pixels.
        seed: an int; drawn at random by default.
    """

    casts_unchanged = False

    def draw(self, images: Any, seed: Any) -> Any:
        """Draw {"factor": the shift of each image, in turns, (batch,)}."""
        sign = signed(self.of_batch(images, seed, 0.0, 1.0))
        return {"factor": sign * super().draw(images, seed)["factor"] * 0.5}

    def change(self, images: Any, transformation: Any, *, masks: bool = False) -> Any:
        """Return the images with shifted hues."""
        hue, saturation, value = self._hsv(rescaled(images, self.value_range, (0, 1)))
        hue = hue + self._factors(transformation)
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

    def draw(self, images: Any, seed: Any) -> Any:
        """Draw {"apply_inversion": which images to invert, (batch,)}."""
        return {"apply_inversion": self.chosen(images, seed)}

    def change(self, images: Any, transformation: Any, *, masks: bool = False) -> Any:
        """Return the images, some of them inverted."""
        return ops.where(four(transformation["apply_inversion"]), self.value_range[1] - images, images)


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

    def _cast(self, images: Any) -> Any:
        """Return the images in their own dtype, which the outputs have as well."""
        return images

    def get_random_transformation(self, images: Any, training: bool = True, seed: Any = None) -> Any:
        """Draw which images to convert, bool (batch, 1, 1, 1); None in inference, which draws nothing."""
        if not training:
            return None
        images = ops.convert_to_tensor(images["images"] if isinstance(images, Mapping) else images)
        draw = self.of_batch(images, self.generator if seed is None else seed, 0.0, 1.0)
        return four(ops.less(draw, self.factor))

    def transform_images(self, images: Any, transformation: Any = None, training: bool = True) -> Any:
        """Return the images, some of them gray during training; without a transformation it is drawn here."""
        if training and transformation is None:
            transformation = self.get_random_transformation(images)
        return super().transform_images(images, transformation, training)

    def transform_labels(self, labels: Any, transformations: Any = None, **kwargs: Any) -> Any:  # type: ignore[override]
        """Return the labels."""
        return labels

    def transform_segmentation_masks(  # type: ignore[override]
        self, segmentation_masks: Any, transformations: Any = None, **kwargs: Any
    ) -> Any:
        """Return the masks."""
        return segmentation_masks

    def change(self, images: Any, transformation: Any, *, masks: bool = False) -> Any:
        """Return the images, some of them gray."""
        return ops.where(four(transformation), image.rgb_to_grayscale(images, data_format=self.data_format), images)


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

    def draw(self, images: Any, seed: Any) -> Any:
        """Draw {"shift_factor": the number of bits to clear, uint8 (batch,)}."""
        low, high = self.factor
        bits = ops.floor(self.of_batch(images, seed, float(low), float(max(high, low + 1))))
        return {"shift_factor": ops.cast(8.0 - bits, "uint8")}

    def change(self, images: Any, transformation: Any, *, masks: bool = False) -> Any:
        """Return the posterized images."""
        step = ops.power(2.0, four(self._cast(transformation["shift_factor"])))
        whole = ops.floor(rescaled(images, self.value_range, _BYTE))
        return rescaled(ops.floor(whole / step) * step, _BYTE, self.value_range)


@keras_class(_HOME)
class RandomSharpness(_UnitFactorColor):
    """Smooths or sharpens images. Source: keras.layers.RandomSharpness.

    Args:
        factor: the range of the strength: 0 smooths, 0.5 changes nothing, 1 sharpens.
        value_range: of the pixels.
        seed: an int; drawn at random by default.
    """

    argument_order = _LATE_SEED

    def change(self, images: Any, transformation: Any, *, masks: bool = False) -> Any:
        """Return the sharper or softer images."""
        x = self._with_channels_last(images)
        kernel = np.full((3, 3, 1, 1), 1.0 / 13.0)
        kernel[1, 1] = 5.0 / 13.0
        weights = ops.cast(np.tile(kernel, (1, 1, x.shape[-1], 1)), x.dtype)
        soft = ops.depthwise_conv(x, weights, strides=1, padding="same", data_format="channels_last")
        made = self._clipped(x + (1.0 - 2.0 * self._factors(transformation)) * (soft - x))
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

    def draw(self, images: Any, seed: Any) -> Any:
        """Draw {"should_apply_blur": which images, (batch,), "blur_factor": the deviations along width and height}."""
        chosen = self.chosen(images, seed)
        deviations = self.uniform(seed, (2,), self.sigma[0], self.sigma[1], self.compute_dtype) + 1e-6
        return {"should_apply_blur": chosen, "blur_factor": deviations}

    def change(self, images: Any, transformation: Any, *, masks: bool = False) -> Any:
        """Return the blurred images."""
        chosen = four(transformation["should_apply_blur"])
        deviations = ops.cast(transformation["blur_factor"], "float32")
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

    def draw(self, images: Any, seed: Any) -> Any:
        """Draw {"additions", "thresholds"}, in 0..255."""
        factors = {"additions": self.addition_factor, "thresholds": self.threshold_factor}
        dtype = self.compute_dtype
        return {n: self.each(images, seed, low, high * 255.0, dtype) for n, (low, high) in factors.items()}

    def change(self, images: Any, transformation: Any, *, masks: bool = False) -> Any:
        """Return the solarized images."""
        added, threshold = (four(self._cast(transformation[n])) for n in ("additions", "thresholds"))
        x = ops.clip(rescaled(images, self.value_range, _BYTE) + added, 0, 255)
        return rescaled(ops.where(ops.less(x, threshold), x, 255.0 - x), _BYTE, self.value_range)
