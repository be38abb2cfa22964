"""Activation layers that have arguments or weights."""

from __future__ import annotations

from typing import Any

from graphkit import ops
from graphkit.core.declared import argument, must, or_none
from graphkit.core.errors import ShapeError
from graphkit.core.serialization import keras_class
from graphkit.layers.declared import BuiltInLayer, constraint, initializer, regularizer
from graphkit.layers.input_spec import InputSpec
from graphkit.ops.nn import capped_relu

_HOME = "keras.layers"
_MASKED_LOGIT = {"float16": -3e4}  # the value of masked logits; -1e9 for dtypes that can hold it


not_negative = must(
    lambda value: value is not None and value >= 0,
    "{name} of a {owner.__class__.__name__} layer cannot be None or a negative value. "
    "Received: {name}={value} (layer {owner.name!r})",
)


@keras_class(_HOME)
class ReLU(BuiltInLayer):
    """max(x, 0) by default. Source: keras.layers.ReLU.

    Args:
        max_value: the largest output, None for no limit.
        negative_slope: the slope below the threshold: negative_slope * (x - threshold).
        threshold: inputs below it count as negative.
    """

    supports_masking = True
    built_at_once = True

    max_value: float | None = argument(default=None, check=or_none(not_negative))
    negative_slope: float = argument(default=0.0, check=not_negative)
    threshold: float = argument(default=0.0, check=not_negative)

    def call(self, inputs: Any) -> Any:
        """Return the activated inputs."""
        return capped_relu(
            inputs, negative_slope=self.negative_slope, max_value=self.max_value, threshold=self.threshold
        )


@keras_class(_HOME)
class LeakyReLU(BuiltInLayer):
    """x where positive, else negative_slope * x. Source: keras.layers.LeakyReLU; Keras 2 calls the slope `alpha`."""

    supports_masking = True
    built_at_once = True

    negative_slope: float = argument(default=0.3, check=not_negative)

    def __pre_init__(self, given: dict[str, Any], more: dict[str, Any]) -> None:
        given["negative_slope"] = more.pop("alpha", given["negative_slope"])

    def call(self, inputs: Any) -> Any:
        """Return the activated inputs."""
        return ops.leaky_relu(inputs, negative_slope=self.negative_slope)


def _listed(axes: Any) -> list[int] | None:
    return None if axes is None else list(axes) if isinstance(axes, (list, tuple)) else [axes]


@keras_class(_HOME)
class PReLU(BuiltInLayer):
    """x where positive, else alpha * x with a learned alpha per feature. Source: keras.layers.PReLU.

    Args:
        alpha_initializer, alpha_regularizer, alpha_constraint: of the weight alpha.
        shared_axes: an axis, or a list of axes, along which alpha is shared; the batch axis is 0.
    """

    supports_masking = True

    alpha_initializer: Any = initializer("Zeros")
    alpha_regularizer: Any = regularizer()
    alpha_constraint: Any = constraint()
    shared_axes: Any = argument(default=None, convert=_listed)

    def build(self, input_shape: Any) -> None:
        """Create alpha, with the inputs' shape without the batch axis and size 1 along shared axes.

        Raises:
            ShapeError: the size of an axis that is not shared is unknown.
        """
        rank = len(input_shape)
        shared = {axis % rank for axis in self.shared_axes or ()}
        shape = tuple(1 if axis in shared else input_shape[axis] for axis in range(1, rank))
        if None in shape:
            raise ShapeError(
                f"All axes of the inputs to layer {self.name!r} that are not in `shared_axes` must be known, got shape "
                f"{tuple(input_shape)}, shared_axes={self.shared_axes}."
            )
        self.alpha = self._add_weight_of("alpha", shape)
        self.input_spec = InputSpec(
            ndim=rank, axes={a: input_shape[a] for a in range(1, rank) if shared and a not in shared}
        )

    def call(self, inputs: Any) -> Any:
        """Return the activated inputs."""
        return ops.relu(inputs) - self.alpha * ops.relu(-inputs)


@keras_class(_HOME)
class ELU(BuiltInLayer):
    """x where positive, else alpha * (exp(x) - 1). Source: keras.layers.ELU."""

    supports_masking = True
    built_at_once = True

    alpha: float = argument(default=1.0)

    def call(self, inputs: Any) -> Any:
        """Return the activated inputs."""
        return ops.elu(inputs, alpha=self.alpha)


@keras_class(_HOME)
class Softmax(BuiltInLayer):
    """exp(x) divided by its sum over `axis`. Source: keras.layers.Softmax.

    Args:
        axis: an int, or a list of ints that are normalized together.
    """

    supports_masking = True
    built_at_once = True

    axis: Any = argument(default=-1)

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """Return the probabilities, 0 where the mask is False.

        Args:
            inputs: the logits.
            mask: bool, or floats of which more than 0.5 counts as True; broadcasts to the inputs.

        Raises:
            ShapeError: the mask does not broadcast to the inputs.
        """
        axis = tuple(self.axis) if isinstance(self.axis, (list, tuple)) else self.axis
        if mask is None:
            return ops.softmax(inputs, axis=axis)
        self._check_mask(tuple(inputs.shape), tuple(mask.shape))
        kept = mask if mask.dtype == "bool" else ops.greater(mask, 0.5)
        logits = ops.where(kept, inputs, _MASKED_LOGIT.get(str(inputs.dtype), -1e9))
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
