"""Activations that have arguments or weights, as layers."""

from __future__ import annotations

from typing import Any

from graphkit import constraints, initializers, ops, regularizers
from graphkit.core.errors import InvalidArgumentError, ShapeError
from graphkit.core.serialization import keras_class
from graphkit.layers.input_spec import InputSpec
from graphkit.layers.layer import Layer
from graphkit.ops.nn import capped_relu

_HOME = "keras.layers"
_FAR_BELOW = {"float16": -3e4}  # what a masked logit becomes; -1e9 where the dtype can hold it


def _not_negative(layer: Layer, **given: Any) -> None:
    for argument, value in given.items():
        if value is None or value < 0:
            raise InvalidArgumentError(
                f"{argument} of a {type(layer).__name__} layer cannot be None or a negative value. "
                f"Received: {argument}={value} (layer {layer.name!r})"
            )


@keras_class(_HOME)
class ReLU(Layer):
    """max(x, 0); `max_value` caps it, and below `threshold` it is negative_slope * (x - threshold). Source: keras.layers.ReLU."""

    supports_masking = True

    def __init__(
        self, max_value: float | None = None, negative_slope: float = 0.0, threshold: float = 0.0, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        _not_negative(self, negative_slope=negative_slope, threshold=threshold)
        if max_value is not None:
            _not_negative(self, max_value=max_value)
        self.max_value, self.negative_slope, self.threshold = max_value, negative_slope, threshold

    def call(self, inputs: Any) -> Any:
        """The activated inputs."""
        return capped_relu(
            inputs, negative_slope=self.negative_slope, max_value=self.max_value, threshold=self.threshold
        )


@keras_class(_HOME)
class LeakyReLU(Layer):
    """x where positive, else negative_slope * x. Source: keras.layers.LeakyReLU; `alpha` is Keras 2's name of the slope."""

    supports_masking = True

    def __init__(self, negative_slope: float = 0.3, **kwargs: Any) -> None:
        negative_slope = kwargs.pop("alpha", negative_slope)
        super().__init__(**kwargs)
        _not_negative(self, negative_slope=negative_slope)
        self.negative_slope = negative_slope

    def call(self, inputs: Any) -> Any:
        """The activated inputs."""
        return ops.leaky_relu(inputs, negative_slope=self.negative_slope)


@keras_class(_HOME)
class PReLU(Layer):
    """x where positive, else alpha * x, alpha learned for each feature; it is the same along `shared_axes`.

    Source: keras.layers.PReLU.
    """

    supports_masking = True

    def __init__(
        self,
        alpha_initializer: Any = "Zeros",
        alpha_regularizer: Any = None,
        alpha_constraint: Any = None,
        shared_axes: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.alpha_initializer = initializers.get(alpha_initializer)
        self.alpha_regularizer = regularizers.get(alpha_regularizer)
        self.alpha_constraint = constraints.get(alpha_constraint)
        given = shared_axes if shared_axes is None or isinstance(shared_axes, (list, tuple)) else [shared_axes]
        self.shared_axes = None if given is None else list(given)

    def build(self, input_shape: Any) -> None:
        """Make alpha, of the inputs' shape without the batch axis and with 1 for shared axes."""
        rank = len(input_shape)
        shared = {axis % rank for axis in self.shared_axes or ()}
        shape = tuple(1 if axis in shared else input_shape[axis] for axis in range(1, rank))
        if None in shape:
            raise ShapeError(
                f"All axes of the inputs to layer {self.name!r} that are not in `shared_axes` must be known, got shape "
                f"{tuple(input_shape)}, shared_axes={self.shared_axes}."
            )
        self.alpha = self.add_weight(
            name="alpha",
            shape=shape,
            initializer=self.alpha_initializer,
            regularizer=self.alpha_regularizer,
            constraint=self.alpha_constraint,
        )
        self.input_spec = InputSpec(
            ndim=rank, axes={a: input_shape[a] for a in range(1, rank) if shared and a not in shared}
        )

    def call(self, inputs: Any) -> Any:
        """The activated inputs."""
        return ops.relu(inputs) - self.alpha * ops.relu(-inputs)


@keras_class(_HOME)
class ELU(Layer):
    """x where positive, else alpha * (exp(x) - 1). Source: keras.layers.ELU."""

    supports_masking = True

    def __init__(self, alpha: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.alpha = alpha

    def call(self, inputs: Any) -> Any:
        """The activated inputs."""
        return ops.elu(inputs, alpha=self.alpha)


@keras_class(_HOME)
class Softmax(Layer):
    """exp(x) divided by its sum over `axis` (an int or several); where `mask` is False the result is 0. Source: keras.layers.Softmax."""

    supports_masking = True

    def __init__(self, axis: Any = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = axis

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """The probabilities."""
        axis = tuple(self.axis) if isinstance(self.axis, (list, tuple)) else self.axis
        if mask is None:
            return ops.softmax(inputs, axis=axis)
        self._check_mask(tuple(inputs.shape), tuple(mask.shape))
        kept = mask if mask.dtype == "bool" else ops.greater(mask, 0.5)
        logits = ops.where(kept, inputs, _FAR_BELOW.get(str(inputs.dtype), -1e9))
        return ops.where(kept, ops.softmax(logits, axis=axis), 0.0)

    def _check_mask(self, shape: tuple[Any, ...], mask: tuple[Any, ...]) -> None:
        fits = len(mask) <= len(shape) and all(
            not isinstance(m, int) or not isinstance(s, int) or m in (1, s)
            for m, s in zip(mask[::-1], shape[::-1], strict=False)
        )
        if not fits:
            raise ShapeError(
                f"The `mask` must be broadcastable to `inputs` of layer {self.name!r}. Each mask dimension must be 1 or match the "
                f"corresponding input dimension. Received: inputs.shape={shape}, mask.shape={mask}"
            )
