"""Layers that disturb their inputs while training: noise and dropout of other kinds."""

from __future__ import annotations

import math
from typing import Any

from graphkit import ops, random
from graphkit.core.errors import InvalidArgumentError
from graphkit.core.layout import CHANNELS_FIRST, standardize_data_format
from graphkit.core.serialization import keras_class
from graphkit.layers.core import Dropout
from graphkit.layers.input_spec import InputSpec
from graphkit.layers.layer import Layer

_HOME = "keras.layers"
_SELU_FLOOR = -1.6732632423543772 * 1.0507009873554805  # what selu goes to far below 0: the value of a dropped unit


def _check_fraction(layer: Layer, argument: str, value: Any) -> None:
    if not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise InvalidArgumentError(
            f"Invalid value received for argument `{argument}` of layer {layer.name!r}. Expected a float value between 0 and 1. "
            f"Received: {argument}={value}"
        )


@keras_class(_HOME)
class GaussianNoise(Layer):
    """While training, normal noise of deviation `stddev` is added. Source: keras.layers.GaussianNoise."""

    supports_masking = True

    def __init__(self, stddev: float, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        _check_fraction(self, "stddev", stddev)
        self.stddev, self.seed = stddev, seed
        if stddev > 0:
            self.seed_generator = random.SeedGenerator(seed)

    def call(self, inputs: Any, training: bool = False) -> Any:
        """The inputs, with noise while training."""
        if not training or self.stddev == 0:
            return inputs
        return inputs + random.normal(
            ops.shape(inputs), stddev=self.stddev, dtype=self.compute_dtype, seed=self.seed_generator
        )


@keras_class(_HOME)
class GaussianDropout(Layer):
    """While training, inputs are multiplied by normal noise of mean 1 and deviation sqrt(rate / (1 - rate)).

    Source: keras.layers.GaussianDropout.
    """

    supports_masking = True

    def __init__(self, rate: float, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        _check_fraction(self, "rate", rate)
        self.rate, self.seed = rate, seed
        if rate > 0:
            self.seed_generator = random.SeedGenerator(seed)

    def call(self, inputs: Any, training: bool = False) -> Any:
        """The inputs, times noise while training."""
        if not training or self.rate == 0:
            return inputs
        deviation = math.sqrt(self.rate / (1.0 - self.rate)) if self.rate < 1 else math.inf
        return inputs * random.normal(
            ops.shape(inputs), 1.0, deviation, dtype=self.compute_dtype, seed=self.seed_generator
        )


@keras_class(_HOME)
class AlphaDropout(Layer):
    """Dropout that keeps mean and variance of selu's outputs: dropped units go to selu's lower limit. Source: keras.layers.AlphaDropout."""

    supports_masking = True

    def __init__(self, rate: float, noise_shape: Any = None, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        _check_fraction(self, "rate", rate)
        self.rate, self.seed, self.noise_shape = rate, seed, noise_shape
        if rate > 0:
            self.seed_generator = random.SeedGenerator(seed)

    def call(self, inputs: Any, training: bool = False) -> Any:
        """The inputs, some of them dropped while training."""
        if not training or self.rate == 0:
            return inputs
        whole = ops.shape(inputs)
        noise = (
            whole
            if self.noise_shape is None
            else tuple(whole[i] if n is None else n for i, n in enumerate(self.noise_shape))
        )
        kept = ops.greater_equal(random.uniform(noise, seed=self.seed_generator), self.rate)
        spread = (1 - self.rate) * (1 + self.rate * _SELU_FLOOR**2)
        scale = spread**-0.5 if spread > 0 else math.inf
        return ops.where(kept, inputs, _SELU_FLOOR) * scale - scale * _SELU_FLOOR * self.rate

    def get_config(self) -> dict[str, Any]:
        """The config, in Keras' order."""
        config = super().get_config()
        config["noise_shape"] = config.pop("noise_shape")
        return config


class _SpatialDropout(Dropout):
    """Dropout of whole feature maps: the mask is the same along all spatial axes."""

    _spatial = 0

    def __init__(self, rate: float, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(rate, seed=seed, **kwargs)
        self.data_format = "channels_last"
        self.input_spec = InputSpec(ndim=self._spatial + 2)

    def call(self, inputs: Any, training: bool = False) -> Any:
        """The inputs, some feature maps zeroed while training."""
        if not training or self.rate == 0:
            return inputs
        ones = [1] * self._spatial
        noise = (None, None, *ones) if self.data_format == CHANNELS_FIRST else (None, *ones, None)
        return random.dropout(inputs, self.rate, noise_shape=noise, seed=self.seed_generator)

    def get_config(self) -> dict[str, Any]:
        """Keras' short config: rate, seed, name and dtype."""
        return {"rate": self.rate, "seed": self.seed, "name": self.name, "dtype": self.dtype}

    @classmethod
    def from_config(cls, config: Any) -> Any:
        """A layer with this config; `trainable` is of no use to it."""
        return super().from_config({k: v for k, v in config.items() if k not in ("trainable", "noise_shape")})


class _SpatialDropoutOfImages(_SpatialDropout):
    """One that takes a data format."""

    def __init__(
        self,
        rate: float,
        data_format: str | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(rate, seed=seed, **kwargs)
        self.data_format = standardize_data_format(data_format)

    def get_config(self) -> dict[str, Any]:
        """Keras' short config, with the data format."""
        return {**super().get_config(), "data_format": self.data_format}


@keras_class(_HOME)
class SpatialDropout1D(_SpatialDropout):
    """Dropout of whole channels of (batch, time, channels). Source: keras.layers.SpatialDropout1D."""

    _spatial = 1


@keras_class(_HOME)
class SpatialDropout2D(_SpatialDropoutOfImages):
    """Dropout of whole channels of images (batch, rows, columns, channels). Source: keras.layers.SpatialDropout2D."""

    _spatial = 2


@keras_class(_HOME)
class SpatialDropout3D(_SpatialDropoutOfImages):
    """Dropout of whole channels of volumes (batch, ..., channels). Source: keras.layers.SpatialDropout3D."""

    _spatial = 3
