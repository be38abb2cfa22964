"""Layers that perturb their inputs during training: noise and variants of dropout."""

from __future__ import annotations

import math
from typing import Any

from graphkit import ops, random
from graphkit.core.declared import argument
from graphkit.core.layout import CHANNELS_FIRST, standardize_data_format
from graphkit.core.serialization import keras_class
from graphkit.layers.core import Dropout, NoisyLayer
from graphkit.layers.declared import SpatialLayer, fraction

_HOME = "keras.layers"
_SELU_FLOOR = -1.6732632423543772 * 1.0507009873554805  # the lower limit of selu: the value of a dropped unit


@keras_class(_HOME)
class GaussianNoise(NoisyLayer):
    """Adds normal noise with standard deviation `stddev` during training. Source: keras.layers.GaussianNoise."""

    stddev: float = argument(check=fraction)

    def _perturbed(self, inputs: Any) -> Any:
        return inputs + random.normal(
            ops.shape(inputs), stddev=self.stddev, dtype=self.compute_dtype, seed=self.seed_generator
        )


@keras_class(_HOME)
class GaussianDropout(NoisyLayer):
    """Multiplies inputs by normal noise with mean 1 and deviation sqrt(rate / (1 - rate)) during training.

    Source: keras.layers.GaussianDropout.
    """

    rate: float = argument(check=fraction)

    def _perturbed(self, inputs: Any) -> Any:
        deviation = math.sqrt(self.rate / (1.0 - self.rate)) if self.rate < 1 else math.inf
        return inputs * random.normal(
            ops.shape(inputs), 1.0, deviation, dtype=self.compute_dtype, seed=self.seed_generator
        )


@keras_class(_HOME)
class AlphaDropout(NoisyLayer):
    """Dropout that keeps mean and variance of selu's outputs: dropped units get selu's lower limit. Source: keras.layers.AlphaDropout.

    Arguments as for `Dropout`.
    """

    config_order = "rate seed noise_shape"

    rate: float = argument(check=fraction)
    noise_shape: Any = argument(default=None)

    def _perturbed(self, inputs: Any) -> Any:
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


class _SpatialDropout(SpatialLayer, Dropout):
    """Dropout of whole feature maps: the mask is the same along all spatial axes."""

    argument_order = config_order = "rate seed name dtype"

    noise_shape: Any = argument(init=False)
    data_format: Any = argument(default="channels_last", convert=standardize_data_format, kw_only=True)

    def _perturbed(self, inputs: Any) -> Any:
        ones = [1] * self.rank
        noise = (None, None, *ones) if self.data_format == CHANNELS_FIRST else (None, *ones, None)
        return random.dropout(inputs, self.rate, noise_shape=noise, seed=self.seed_generator)

    @classmethod
    def from_config(cls, config: Any) -> Any:
        """Return a new layer with this config, ignoring `trainable` and `noise_shape`, which it does not accept."""
        return super().from_config({k: v for k, v in config.items() if k not in ("trainable", "noise_shape")})


class _SpatialDropoutOfImages(_SpatialDropout):
    """Spatial dropout with a data format."""

    argument_order = "rate data_format seed name dtype"
    config_order = "rate seed name dtype data_format"

    data_format: Any = argument(default=None, convert=standardize_data_format, kw_only=True)


@keras_class(_HOME)
class SpatialDropout1D(_SpatialDropout, rank=1):
    """Drops whole channels of (batch, time, channels). Source: keras.layers.SpatialDropout1D."""


@keras_class(_HOME)
class SpatialDropout2D(_SpatialDropoutOfImages, rank=2):
    """Drops whole channels of images (batch, rows, columns, channels). Source: keras.layers.SpatialDropout2D."""


@keras_class(_HOME)
class SpatialDropout3D(_SpatialDropoutOfImages, rank=3):
    """Drops whole channels of volumes (batch, depth, rows, columns, channels). Source: keras.layers.SpatialDropout3D."""
