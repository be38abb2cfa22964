"""Merge layers, as classes and as functions: add, subtract, multiply, average, maximum, minimum, concatenate, dot."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any, ClassVar

from graphkit import ops
from graphkit.core.declared import argument
from graphkit.core.errors import InvalidArgumentError, InvalidTypeError, ShapeError
from graphkit.core.serialization import keras_class
from graphkit.layers.context import are_masks_of_keras2
from graphkit.layers.declared import BuiltInLayer
from graphkit.layers.layer import Layer
from graphkit.ops._convert import canonical_axis

_HOME = "keras.layers"


class Merge(BuiltInLayer):
    """Base of layers that merge a list of tensors elementwise. Shapes broadcast after the batch axis.

    `class Add(Merge, pairwise="add")` applies that op to two tensors at a time.
    """

    supports_masking = True
    has_keras2_masks = False  # whether masks follow the rules of Keras 1 and 2, where they do not affect values
    exact_count: ClassVar[int | None] = None
    pairwise: ClassVar[str] = ""

    def __init_subclass__(cls, *, pairwise: str = "", **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.pairwise = pairwise or cls.pairwise

    def build(self, input_shape: Any) -> None:
        """Check the list of input shapes.

        Raises:
            InvalidArgumentError: it is not a list of shapes, or has the wrong length.
            ShapeError: the shapes do not fit together.
        """
        self.has_keras2_masks = are_masks_of_keras2()
        shapes = input_shape if isinstance(input_shape, list) else None
        if not shapes or not all(isinstance(s, tuple) for s in shapes):
            raise InvalidArgumentError(
                f"A merge layer ({self.name!r}) should be called on a list of inputs. "
                f"Received: input_shape={input_shape} (not a list of shapes)"
            )
        if self.exact_count is not None and len(shapes) != self.exact_count:
            raise InvalidArgumentError(
                f"A `{type(self).__name__}` layer ({self.name!r}) should be called on exactly {self.exact_count} inputs. "
                f"Received: {len(shapes)} inputs."
            )
        self._check_shapes(shapes)

    def _check_shapes(self, shapes: list[tuple[int | None, ...]]) -> None:
        batches = {s[0] for s in shapes if s and s[0] is not None}
        if len(batches) > 1:
            raise ShapeError(
                f"Cannot merge tensors with different batch sizes in layer {self.name!r}. Received tensors with shapes {shapes}"
            )
        try:
            reduce(_joined_shape, [s[1:] for s in shapes])
        except ShapeError:
            raise ShapeError(
                f"Inputs of layer {self.name!r} have incompatible shapes. Received shapes {shapes}"
            ) from None

    def call(self, inputs: Any) -> Any:
        """Return the merged tensor.

        Raises:
            InvalidTypeError: `inputs` is not a list.
        """
        if not isinstance(inputs, (list, tuple)):
            raise InvalidTypeError(
                f"A merge layer should be called on a list of inputs. Layer {self.name!r} received: {inputs!r}"
            )
        return self.merge(_same_rank(list(inputs)))

    def merge(self, inputs: list[Any]) -> Any:
        """Return the merged tensor; all inputs have the same rank."""
        return reduce(getattr(ops, self.pairwise), inputs)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """Return the logical OR of the masks, None if an input has none. For Keras 2's rule see `masks_of_keras2`.

        Raises:
            InvalidArgumentError: `inputs` and `mask` are not lists of the same length.
        """
        if mask is None:
            return None
        self._check_masks(inputs, mask)
        given = [m for m in mask if m is not None]
        if self.has_keras2_masks:
            return reduce(ops.logical_and, given) if given else None
        return reduce(ops.logical_or, given) if len(given) == len(mask) else None

    def _check_masks(self, inputs: Any, masks: Any) -> None:
        for name, value in (("mask", masks), ("inputs", inputs)):
            if not isinstance(value, (list, tuple)):
                raise InvalidArgumentError(
                    f"`{name}` of layer {self.name!r} should be a list. Received: {name}={value!r}"
                )
        if len(masks) != len(inputs):
            raise InvalidArgumentError(
                f"The lists `inputs` and `mask` of layer {self.name!r} should have the same length. Received: {len(inputs)} inputs and "
                f"{len(masks)} masks."
            )

    def _masks_of_elements(self, inputs: list[Any]) -> list[Any]:
        """Return the masks of the inputs, expanded to the rank of the inputs; None for an input without a mask."""
        if self.has_keras2_masks:
            return [None] * len(inputs)
        return [_spread(getattr(x, "mask", None), x) for x in inputs]


def _spread(mask: Any, x: Any) -> Any:
    """Return a mask expanded to the rank of `x`."""
    missing = 0 if mask is None else len(x.shape) - len(mask.shape)
    return ops.expand_dims(mask, [-1 - i for i in range(missing)]) if missing > 0 else mask


def _joined_shape(a: Sequence[Any], b: Sequence[Any]) -> tuple[Any, ...]:
    """Broadcast two shapes without the batch axis; None is an unknown size."""
    long, short = (list(a), list(b)) if len(a) >= len(b) else (list(b), list(a))
    lead = len(long) - len(short)
    return (*long[:lead], *(_joined_size(x, y) for x, y in zip(long[lead:], short, strict=True)))


def _joined_size(x: int | None, y: int | None) -> int | None:
    if x == 1 or y == 1:
        return y if x == 1 else x
    if x is None or y is None:
        return None
    if x != y:
        raise ShapeError(f"sizes {x} and {y} cannot be merged")
    return x


def _same_rank(inputs: list[Any]) -> list[Any]:
    """Expand inputs of lower rank by axes of size 1 after the batch axis."""
    rank = max(len(x.shape) for x in inputs)

    def raised(x: Any) -> Any:
        missing = rank - len(x.shape)
        return ops.expand_dims(x, list(range(1, missing + 1))) if missing else x

    return [raised(x) for x in inputs]


@keras_class(_HOME)
class Add(Merge, pairwise="add"):
    """Adds a list of tensors. Source: keras.layers.Add."""


@keras_class(_HOME)
class Subtract(Merge, pairwise="subtract"):
    """Subtracts the second of two tensors from the first. Source: keras.layers.Subtract."""

    exact_count = 2


@keras_class(_HOME)
class Multiply(Merge, pairwise="multiply"):
    """Multiplies a list of tensors. Masked steps count as 1; steps masked in all inputs give 0. Source: keras.layers.Multiply."""

    def merge(self, inputs: list[Any]) -> Any:
        """Return the product."""
        masks = self._masks_of_elements(inputs)
        factors = [x if m is None else ops.where(m, x, ops.ones_like(x)) for x, m in zip(inputs, masks, strict=True)]
        product = super().merge(factors)
        if any(m is None for m in masks):
            return product
        return ops.where(reduce(ops.logical_or, masks), product, ops.zeros_like(product))


@keras_class(_HOME)
class Average(Merge, pairwise="add"):
    """Averages a list of tensors. Source: keras.layers.Average."""

    def merge(self, inputs: list[Any]) -> Any:
        """Return the mean."""
        return super().merge(inputs) / len(inputs)


class _Extreme(Merge):
    """Elementwise maximum or minimum; where one of two tensors is masked, the result is the other one."""

    def merge(self, inputs: list[Any]) -> Any:
        """Return the maximum or minimum of the elements that are not masked."""
        masks = self._masks_of_elements(inputs)
        found, seen = inputs[0], masks[0]
        for x, mask in zip(inputs[1:], masks[1:], strict=True):
            x = x if mask is None else ops.where(mask, x, found)
            found = found if seen is None else ops.where(seen, found, x)
            seen = None if mask is None or seen is None else ops.logical_or(seen, mask)
            found = super().merge([found, x])
        return found


@keras_class(_HOME)
class Maximum(_Extreme, pairwise="maximum"):
    """Elementwise maximum of a list of tensors, ignoring masked steps. Source: keras.layers.Maximum."""


@keras_class(_HOME)
class Minimum(_Extreme, pairwise="minimum"):
    """Elementwise minimum of a list of tensors, ignoring masked steps. Source: keras.layers.Minimum."""


@keras_class(_HOME)
class Concatenate(Merge):
    """Concatenates a list of tensors along `axis`. Source: keras.layers.Concatenate."""

    axis: int = argument(default=-1)

    def _check_shapes(self, shapes: list[tuple[int | None, ...]]) -> None:
        ranks = {len(s) for s in shapes}
        problem = len(ranks) > 1
        if not problem:
            axis = canonical_axis(self.axis, ranks.pop(), f"axis of layer {self.name!r}")
            rest = [{s[a] for s in shapes if s[a] is not None} for a in range(len(shapes[0])) if a != axis]
            problem = any(len(sizes) > 1 for sizes in rest)
        if problem:
            raise ShapeError(
                f"A `Concatenate` layer ({self.name!r}) requires inputs with matching shapes "
                f"except for the concatenation axis {self.axis}. "
                f"Received: input_shape={shapes}"
            )

    def call(self, inputs: Any) -> Any:
        """Return the concatenated tensor."""
        return ops.concatenate(inputs, axis=self.axis)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """Concatenate the masks like the inputs and reduce the last axis: with any(), or with all() by Keras 2's rule.

        Raises:
            InvalidArgumentError: `inputs` and `mask` are not lists of the same length.
        """
        if mask is None:
            return None
        self._check_masks(inputs, mask)
        if all(m is None for m in mask):
            return None
        joined = ops.concatenate([_mask_like(x, m) for x, m in zip(inputs, mask, strict=True)], axis=self.axis)
        return ops.all(joined, axis=-1) if self.has_keras2_masks else ops.any(joined, axis=-1)


def _mask_like(x: Any, mask: Any) -> Any:
    """Return a mask in the shape of `x`, all True if there is no mask."""
    everywhere = ops.cast(ops.ones_like(x), "bool")
    return everywhere if mask is None else ops.logical_and(everywhere, _spread(mask, x))


def _axes(layer: Any, name: str, value: Any) -> Any:
    several = isinstance(value, (list, tuple))
    if not isinstance(value, int) and not several:
        raise InvalidTypeError(
            f"Invalid type for argument `axes` of layer {layer.name!r}: it should be a list or an int. Received: axes={value}"
        )
    if several and (len(value) != 2 or not all(isinstance(axis, int) for axis in value)):
        raise InvalidArgumentError(
            f"Invalid format for argument `axes` of layer {layer.name!r}: it should contain two integers. Received: axes={value}"
        )
    return value


@keras_class(_HOME)
class Dot(Merge):
    """Contracts two tensors along `axes`, sample by sample. Source: keras.layers.Dot.

    Args:
        axes: an axis of both tensors, or a list of one for each; the batch axis is 0.
        normalize: whether to scale both to unit length along these axes first, which gives the cosine.
    """

    exact_count = 2

    axes: Any = argument(check=_axes)
    normalize: bool = argument(default=False)

    def _axes_for(self, x1: Any, x2: Any) -> tuple[int, int]:
        ranks = len(x1), len(x2)
        axes = (self.axes, self.axes) if isinstance(self.axes, int) else self.axes
        a1, a2 = (canonical_axis(a, r, f"axes of layer {self.name!r}") for a, r in zip(axes, ranks, strict=True))
        return a1, a2

    def _check_shapes(self, shapes: list[tuple[int | None, ...]]) -> None:
        a1, a2 = self._axes_for(*shapes)
        sizes = shapes[0][a1], shapes[1][a2]
        if None not in sizes and sizes[0] != sizes[1]:
            raise ShapeError(
                f"Incompatible input shapes: axis values {sizes[0]} (at axis {a1}) != {sizes[1]} (at axis {a2}) in layer {self.name!r}. "
                f"Full input shapes: {shapes[0]}, {shapes[1]}"
            )

    def call(self, inputs: Any) -> Any:
        """Return the dot product."""
        x1, x2 = inputs
        a1, a2 = self._axes_for(x1.shape, x2.shape)
        if self.normalize:
            x1, x2 = _unit(x1, a1), _unit(x2, a2)
        return batch_dot(x1, x2, (a1, a2))

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """Return None: the output has no time axis to mask."""
        return None


def _unit(x: Any, axis: int) -> Any:
    return x / ops.sqrt(ops.maximum(ops.sum(ops.square(x), axis=axis, keepdims=True), 1e-12))


def batch_dot(x: Any, y: Any, axes: tuple[int, int]) -> Any:
    """Contract an axis of `x` with one of `y`, sample by sample; a result (batch,) becomes (batch, 1)."""
    ax, ay = axes
    x = ops.moveaxis(x, ax, -1)  # (batch, rest of x..., k)
    y = ops.moveaxis(y, ay, 1)  # (batch, k, rest of y...)
    rest_x, rest_y = tuple(ops.shape(x)[1:-1]), tuple(ops.shape(y)[2:])
    batch, size = ops.shape(x)[0], ops.shape(x)[-1]
    flat = ops.matmul(ops.reshape(x, (batch, _count(rest_x), size)), ops.reshape(y, (batch, size, _count(rest_y))))
    shape = (batch, *rest_x, *rest_y)
    return ops.reshape(flat, shape if len(shape) > 1 else (batch, 1))


def _count(sizes: tuple[Any, ...]) -> Any:
    total: Any = 1
    for size in sizes:
        total = total * size
    return total


def _function(cls: type[Layer]) -> Callable[..., Any]:
    """Return a layer class as a function, such as `add([x, y])`."""

    def function(inputs: Any, **kwargs: Any) -> Any:
        return cls(**kwargs)(inputs)

    function.__name__ = function.__qualname__ = cls.__name__.lower()
    function.__doc__ = f"Return {cls.__name__}(**kwargs)(inputs). Source: keras.layers.{cls.__name__.lower()}."
    return function


add, subtract, multiply = _function(Add), _function(Subtract), _function(Multiply)
average, maximum, minimum = _function(Average), _function(Maximum), _function(Minimum)


def concatenate(inputs: Any, axis: int = -1, **kwargs: Any) -> Any:
    """Return Concatenate(axis, **kwargs)(inputs). Source: keras.layers.concatenate."""
    return Concatenate(axis=axis, **kwargs)(inputs)


def dot(inputs: Any, axes: Any = -1, **kwargs: Any) -> Any:
    """Return Dot(axes, **kwargs)(inputs). Source: keras.layers.dot."""
    return Dot(axes=axes, **kwargs)(inputs)
