"""What older Keras did to shapes and pictures in another way."""

from __future__ import annotations

from typing import Any

from graphkit import ops
from graphkit.core.declared import argument
from graphkit.core.dims import Dim
from graphkit.core.errors import InvalidArgumentError
from graphkit.core.serialization import keras_class
from graphkit.layers.declared import BuiltInLayer, positive
from graphkit.layers.reshaping import UpSampling2D
from graphkit.ops._windows import spatial_axes

_HOME = "keras.layers"


@keras_class(_HOME)
class CornerUpSampling2D(UpSampling2D):
    """UpSampling2D with bilinear interpolation that lays the corners of pixels upon each other: place i is place i / size of the input.

    Source: keras 2.2 and 2.3 UpSampling2D on TensorFlow 1 (`tf.image.resize_bilinear`).
    """

    argument_order = config_order = UpSampling2D.argument_order or "size data_format interpolation"

    interpolation: str = argument(default="bilinear")

    def call(self, inputs: Any) -> Any:
        """The larger images."""
        for axis, factor in zip(spatial_axes(4, self.data_format), self.size, strict=True):
            inputs = _between(inputs, axis, factor)
        return inputs


def _between(x: Any, axis: int, factor: int) -> Any:
    """`factor` values for each along an axis, on the way to the next one; the last one has none."""
    if factor == 1:
        return x
    before: list[Any] = [slice(None)] * axis
    following = ops.concatenate([x[(*before, slice(1, None))], x[(*before, slice(-1, None))]], axis=axis)
    steps = [x + (following - x) * (i / factor) for i in range(factor)]
    sizes = list(ops.shape(x))
    sizes[axis] = sizes[axis] * factor
    return ops.reshape(ops.stack(steps, axis=axis + 1), sizes)


@keras_class(_HOME)
class BatchPart(BuiltInLayer):
    """The `i`-th of `parts` parts of a batch; the last one takes what is over. Source: keras 2 multi_gpu_model."""

    i: int = argument()
    parts: int = argument(check=positive)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.i < self.parts:
            raise InvalidArgumentError(
                f"`i` of layer {self.name!r} must be from 0 to parts - 1, got i={self.i}, parts={self.parts}."
            )

    def call(self, inputs: Any) -> Any:
        """The part."""
        batch: int | Dim = ops.shape(inputs)[0]
        step = batch // self.parts
        return inputs[step * self.i :] if self.i == self.parts - 1 else inputs[step * self.i : step * (self.i + 1)]
