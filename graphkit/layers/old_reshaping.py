"""Reshaping and resizing layers that older Keras versions compute differently."""

from __future__ import annotations

from typing import Any

from graphkit import ops
from graphkit.core.declared import argument
from graphkit.core.dims import Dim
from graphkit.core.errors import InvalidArgumentError
from graphkit.core.serialization import graphkit_class
from graphkit.graph.size_expressions import checked, evaluated
from graphkit.layers.declared import BuiltInLayer, positive
from graphkit.layers.graph_form import SavedAsGraph
from graphkit.layers.reshaping import UpSampling2D
from graphkit.ops._windows import spatial_axes
from graphkit.ops.resizing import resize

__all__ = ["BatchPart", "CornerUpSampling2D", "ResizingToSizes"]
_HOME = "layers"


@graphkit_class(_HOME)
class CornerUpSampling2D(SavedAsGraph, UpSampling2D):
    """UpSampling2D with bilinear interpolation without half-pixel centers: output position i is input position i / size.

    Source: keras 2.2 and 2.3 UpSampling2D on TensorFlow 1 (`tf.image.resize_bilinear`).
    """

    argument_order = config_order = UpSampling2D.argument_order or "size data_format interpolation"

    interpolation: str = argument(default="bilinear")

    def call(self, inputs: Any) -> Any:
        """Return the upsampled images."""
        for axis, factor in zip(spatial_axes(4, self.data_format), self.size, strict=True):
            inputs = _between(inputs, axis, factor)
        return inputs


def _between(x: Any, axis: int, factor: int) -> Any:
    """Replace each element along an axis by `factor` values interpolated towards the next element; the last one is repeated."""
    if factor == 1:
        return x
    before: list[Any] = [slice(None)] * axis
    following = ops.concatenate([x[(*before, slice(1, None))], x[(*before, slice(-1, None))]], axis=axis)
    sizes = list(ops.shape(x))
    if None in sizes[1:]:  # a symbolic tensor of unknown sizes, which `reshape` cannot express
        return _between_unknown(x, following, axis, factor)
    steps = [x + (following - x) * (i / factor) for i in range(factor)]
    sizes[axis] = sizes[axis] * factor
    return ops.reshape(ops.stack(steps, axis=axis + 1), sizes)


def _between_unknown(x: Any, following: Any, axis: int, factor: int) -> Any:
    """Compute what `_between` does from the positions along the axis, for unknown sizes."""
    x, following = (ops.repeat(part, factor, axis=axis) for part in (x, following))
    place = ops.cumsum(ops.ones_like(x), axis=axis) - 1.0
    return x + (following - x) * (ops.mod(place, factor) / factor)


def _two_expressions(layer: Any, name: str, value: Any) -> Any:
    where = f"Each of the two sizes in `{name}` of layer {layer.name!r}"
    if not isinstance(value, (list, tuple)) or len(value) != 2:
        raise InvalidArgumentError(f"`{name}` of layer {layer.name!r} must be two sizes, got {value!r}.")
    return [checked(v, where) for v in value]


@graphkit_class(_HOME)
class ResizingToSizes(SavedAsGraph, BuiltInLayer):
    """Images resized to a height and a width that are computed from the sizes of tensors.

    Args:
        size: expressions for height and width: an int, ["size", index of an input, axis], ["+", ...], ["*", ...], ["//", a, b].
        interpolation, antialias: as for `ops.image.resize`.
    """

    size: Any = argument(check=_two_expressions)
    interpolation: str = argument(default="bilinear")
    antialias: bool = argument(default=False)

    def call(self, inputs: Any) -> Any:
        """Return the resized images.

        Raises:
            ShapeError: `size` refers to an input or axis that does not exist.
        """
        tensors = inputs if isinstance(inputs, (list, tuple)) else [inputs]
        shapes = [ops.shape(tensor) for tensor in tensors]
        height, width = (evaluated(one, shapes, f"The size of layer {self.name!r}") for one in self.size)
        return resize(
            tensors[0],
            (height, width),
            interpolation=self.interpolation,
            antialias=self.antialias,
            data_format="channels_last",
        )


@graphkit_class(_HOME)
class BatchPart(SavedAsGraph, BuiltInLayer):
    """The `i`-th of `parts` parts of a batch; the last one gets the remaining rows. Source: keras 2 multi_gpu_model."""

    i: int = argument()
    parts: int = argument(check=positive)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.i < self.parts:
            raise InvalidArgumentError(
                f"`i` of layer {self.name!r} must be from 0 to parts - 1, got i={self.i}, parts={self.parts}."
            )

    def call(self, inputs: Any) -> Any:
        """Return the part of the batch."""
        batch: int | Dim = ops.shape(inputs)[0]
        step = batch // self.parts
        return inputs[step * self.i :] if self.i == self.parts - 1 else inputs[step * self.i : step * (self.i + 1)]
