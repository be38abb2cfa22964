"""Image layers with chance in them that change colours and leave every pixel in its place. All are identities at inference."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from graphkit import ops
from graphkit.core import dtypes
from graphkit.core.errors import InvalidArgumentError
from graphkit.core.serialization import keras_class
from graphkit.layers.preprocessing.augmentation import RandomLayer, blurred, gaussian
from graphkit.layers.preprocessing.images import Range, factor_range, rescaled, value_range_of
from graphkit.ops import image

_HOME = "keras.layers"
_BYTE = (0, 255)


class _Color(RandomLayer):
    """The common constructor: factor, range of the values, seed."""

    def __init__(self, factor: Any, value_range: Any = _BYTE, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.factor = factor_range(self, "factor", factor, self.bounds)
        self.value_range = value_range_of(self, value_range)
        self._set_seed(seed)

    def draw(self, images: Any) -> Any:
        """A number from `factor` for each image."""
        return self.each(images, *self.factor)

    def _clipped(self, images: Any) -> Any:
        return ops.clip(images, *self.value_range)


class _Unit(_Color):
    """Factors from 0 to 1."""

    bounds: ClassVar[Range] = (0.0, 1.0)


@keras_class(_HOME)
class RandomBrightness(_Color):
    """A share (from `factor`) of the value range is added to each image. Source: keras.layers.RandomBrightness."""

    def change(self, images: Any, drawn: Any, *, masks: bool = False) -> Any:
        """The brighter or darker images."""
        low, high = self.value_range
        return self._clipped(images + drawn * (high - low))


@keras_class(_HOME)
class RandomContrast(_Unit):
    """Distances from each channel's mean are scaled by 1 - factor[0] to 1 + factor[1]. Source: keras.layers.RandomContrast."""

    def draw(self, images: Any) -> Any:
        """The scales."""
        return self.each(images, 1.0 - self.factor[0], 1.0 + self.factor[1])

    def change(self, images: Any, drawn: Any, *, masks: bool = False) -> Any:
        """The images with more or less contrast."""
        mean = ops.mean(images, axis=self.spatial, keepdims=True)
        return self._clipped((images - mean) * drawn + mean)


@keras_class(_HOME)
class RandomColorDegeneration(_Color):
    """Images mixed with their grey version. Source: keras.layers.RandomColorDegeneration."""

    def __init__(
        self,
        factor: Any,
        value_range: Any = _BYTE,
        data_format: str | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(factor, value_range, seed, data_format=data_format, **kwargs)

    def change(self, images: Any, drawn: Any, *, masks: bool = False) -> Any:
        """The greyer images."""
        grey = image.rgb_to_grayscale(images, data_format=self.data_format)
        return self._clipped(images + drawn * (grey - images))


class _Hsv(_Unit):
    """Images changed in hue or saturation."""

    def __init__(
        self,
        factor: Any,
        value_range: Any = _BYTE,
        data_format: str | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(factor, value_range, seed, data_format=data_format, **kwargs)

    def _hsv(self, images: Any) -> list[Any]:
        return ops.split(image.rgb_to_hsv(images, data_format=self.data_format), 3, axis=self.channels)

    def _rgb(self, parts: list[Any]) -> Any:
        return image.hsv_to_rgb(ops.concatenate(parts, axis=self.channels), data_format=self.data_format)


@keras_class(_HOME)
class RandomSaturation(_Hsv):
    """The saturation times f / (1 - f); f = 0.5 changes nothing. Source: keras.layers.RandomSaturation."""

    bounds: ClassVar[Range] = (-1.0, 1.0)

    def draw(self, images: Any) -> Any:
        """What the saturations are multiplied by."""
        factor = super().draw(images)
        return factor / (1.0 - factor + dtypes.epsilon())

    def change(self, images: Any, drawn: Any, *, masks: bool = False) -> Any:
        """The more or less saturated images."""
        hue, saturation, value = self._hsv(images)
        return self._rgb([hue, self._clipped(saturation * drawn), value])


@keras_class(_HOME)
class RandomHue(_Hsv):
    """The hue turned by up to half a turn times `factor`, one way or the other. Source: keras.layers.RandomHue."""

    def draw(self, images: Any) -> Any:
        """The turns."""
        return self.sign(images) * super().draw(images) * 0.5

    def change(self, images: Any, drawn: Any, *, masks: bool = False) -> Any:
        """The images with other hues."""
        hue, saturation, value = self._hsv(rescaled(images, self.value_range, (0, 1)))
        hue = hue + drawn
        made = self._rgb([hue - ops.floor(hue), saturation, value])
        return rescaled(ops.clip(made, 0.0, 1.0), (0, 1), self.value_range)


@keras_class(_HOME)
class RandomInvert(_Unit):
    """Each image turned into its negative, with a chance drawn from `factor`. Source: keras.layers.RandomInvert."""

    def __init__(
        self,
        factor: Any = 1.0,
        value_range: Any = _BYTE,
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(factor, value_range, seed, data_format=data_format, **kwargs)

    def draw(self, images: Any) -> Any:
        """Which images."""
        return self.chosen(images)

    def change(self, images: Any, drawn: Any, *, masks: bool = False) -> Any:
        """The images, some of them negatives."""
        return ops.where(drawn, self.value_range[1] - images, images)


@keras_class(_HOME)
class RandomGrayscale(RandomLayer):
    """Each image made grey with chance `factor`. Source: keras.layers.RandomGrayscale."""

    unsaved = ("seed",)

    def __init__(
        self, factor: float = 0.5, data_format: str | None = None, seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        if not 0 <= factor <= 1:
            raise InvalidArgumentError(
                f"`factor` of layer {self.name!r} should be between 0 and 1. Received: factor={factor}"
            )
        self.factor = factor
        self._set_seed(seed)

    def draw(self, images: Any) -> Any:
        """Which images."""
        return ops.less(self.each(images, 0.0, 1.0), self.factor)

    def change(self, images: Any, drawn: Any, *, masks: bool = False) -> Any:
        """The images, some of them grey."""
        return ops.where(drawn, image.rgb_to_grayscale(images, data_format=self.data_format), images)


@keras_class(_HOME)
class RandomPosterization(RandomLayer):
    """Images with fewer bits (`factor`, 1 to 8) for each value. Source: keras.layers.RandomPosterization."""

    bounds: ClassVar[Range] = (1, 8)

    def __init__(
        self,
        factor: Any,
        value_range: Any = _BYTE,
        data_format: str | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self.factor = factor_range(self, "factor", factor, self.bounds)
        self.value_range = value_range_of(self, value_range)
        self._set_seed(seed)

    def draw(self, images: Any) -> Any:
        """The width of a step between the values that remain."""
        low, high = self.factor
        bits = ops.floor(self.each(images, float(low), float(max(high, low + 1))))
        return ops.power(2.0, 8.0 - bits)

    def change(self, images: Any, drawn: Any, *, masks: bool = False) -> Any:
        """The coarser images."""
        whole = ops.floor(rescaled(images, self.value_range, _BYTE))
        return rescaled(ops.floor(whole / drawn) * drawn, _BYTE, self.value_range)


@keras_class(_HOME)
class RandomSharpness(_Unit):
    """Images between smoothed (0), as they are (0.5) and sharpened (1). Source: keras.layers.RandomSharpness."""

    def __init__(
        self,
        factor: Any,
        value_range: Any = _BYTE,
        data_format: str | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(factor, value_range, seed, data_format=data_format, **kwargs)

    def change(self, images: Any, drawn: Any, *, masks: bool = False) -> Any:
        """The sharper or softer images."""
        x = images if self._last else ops.transpose(images, (0, 2, 3, 1))
        kernel = np.full((3, 3, 1, 1), 1.0 / 13.0)
        kernel[1, 1] = 5.0 / 13.0
        weights = ops.cast(np.tile(kernel, (1, 1, x.shape[-1], 1)), x.dtype)
        soft = ops.depthwise_conv(x, weights, strides=1, padding="same", data_format="channels_last")
        made = self._clipped(x + (1.0 - 2.0 * drawn) * (soft - x))
        return made if self._last else ops.transpose(made, (0, 3, 1, 2))


@keras_class(_HOME)
class RandomGaussianBlur(_Unit):
    """Images smoothed with a Gaussian of a random deviation. Source: keras.layers.RandomGaussianBlur.

    Args:
        factor: the chance that an image is smoothed.
        kernel_size: (width, height) of the window, odd.
        sigma: the range of the deviation, within [0, 1].
    """

    def __init__(
        self,
        factor: Any = 1.0,
        kernel_size: Any = 3,
        sigma: Any = 1.0,
        value_range: Any = _BYTE,
        data_format: str | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(factor, value_range, seed, data_format=data_format, **kwargs)
        sizes = tuple(kernel_size) if isinstance(kernel_size, (list, tuple)) else (kernel_size, kernel_size)
        if len(sizes) != 2 or any(not isinstance(s, int) or s % 2 == 0 for s in sizes):
            raise InvalidArgumentError(
                f"kernel_size of layer {self.name!r} must be an odd number, or two. Received: kernel_size={kernel_size}"
            )
        self.kernel_size = sizes
        self.sigma = factor_range(self, "sigma", sigma, self.bounds)

    def draw(self, images: Any) -> Any:
        """(which images, deviations along width and height)."""
        return self.chosen(images), self.uniform((2,), *self.sigma, "float32") + 1e-6

    def change(self, images: Any, drawn: Any, *, masks: bool = False) -> Any:
        """The smoothed images."""
        chosen, deviations = drawn
        x = images if self._last else ops.transpose(images, (0, 2, 3, 1))
        along, down = (gaussian(size, deviations[i]) for i, size in enumerate(self.kernel_size))
        soft = blurred(x, down, along)
        made = self._clipped(ops.where(chosen, soft, x))
        return made if self._last else ops.transpose(made, (0, 3, 1, 2))


@keras_class(_HOME)
class Solarization(RandomLayer):
    """Values from a threshold on turned into their negative, after something was added. Source: keras.layers.Solarization.

    Args:
        addition_factor: the range of what is added, as a share of the value range.
        threshold_factor: the range of the threshold, likewise.
    """

    def __init__(
        self,
        addition_factor: Any = 0.0,
        threshold_factor: Any = 0.0,
        value_range: Any = _BYTE,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._set_seed(seed)
        named = (("addition_factor", addition_factor), ("threshold_factor", threshold_factor))
        self.addition_factor, self.threshold_factor = (factor_range(self, n, v, (0.0, 1.0), 0.0) for n, v in named)
        self.value_range = value_range_of(self, value_range)

    def draw(self, images: Any) -> Any:
        """(what is added, the threshold), in 0..255."""
        return tuple(
            self.each(images, low, high * 255.0) for low, high in (self.addition_factor, self.threshold_factor)
        )

    def change(self, images: Any, drawn: Any, *, masks: bool = False) -> Any:
        """The solarized images."""
        added, threshold = drawn
        x = ops.clip(rescaled(images, self.value_range, _BYTE) + added, 0, 255)
        return rescaled(ops.where(ops.less(x, threshold), x, 255.0 - x), _BYTE, self.value_range)
