"""The base class of losses, and the reduction of values per sample to a single number."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from graphkit import ops
from graphkit.core import dtypes, names, nest
from graphkit.core.declared import Declared, argument
from graphkit.core.errors import InvalidArgumentError, ShapeError, UnsupportedError
from graphkit.core.serialization import Configurable, deserialize, keras_class, serialize
from graphkit.ir.tracing import Tracer
from graphkit.ops._convert import shape_of, tensor

HOME = "keras.losses"
REDUCTIONS = ("sum_over_batch_size", "sum", "mean", "mean_with_sample_weight", "none", None)


@keras_class(HOME)
class Loss(Configurable):
    """Base of losses. A call with `(y_true, y_pred, sample_weight=None)` returns a scalar, or with reduction "none" a value per sample.

    A subclass defines the value of each sample in `call(y_true, y_pred)`.

    Args:
        name: The name; the class name in snake case by default.
        reduction: "sum_over_batch_size" or "mean" (sum / number of values), "sum", "mean_with_sample_weight" (sum / sum of
            the weights), "none" or None.
        dtype: The dtype to compute in; `floatx()` by default.

    Raises:
        InvalidArgumentError: The reduction is unknown.

    Source: keras.losses.Loss.
    """

    def __init__(
        self, name: str | None = None, reduction: str | None = "sum_over_batch_size", dtype: Any = None
    ) -> None:
        self.name = name or names.auto_name(names.to_snake_case(type(self).__name__))
        self.reduction = check_reduction(reduction)
        self.dtype = dtypes.standardize(getattr(dtype, "compute_dtype", dtype))

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Compute the reduced loss.

        Args:
            y_true: The target, or a structure of targets.
            y_pred: The output. Samples that its mask excludes do not count.
            sample_weight: Factors for the values, of the same shape or with fewer trailing axes.

        Raises:
            ShapeError: `sample_weight` has more axes than the values.
        """
        mask = getattr(y_pred, "mask", None)
        y_pred = nest.map_structure(lambda t: tensor(t, self.dtype), y_pred)
        y_true = nest.map_structure(self._target, y_true)
        values = self.call(y_true, y_pred)
        own = self.own_mask(y_true, values)
        own = getattr(values, "mask", None) if own is None else own
        mask = own if mask is None else mask if own is None else ops.logical_and(mask, own)
        return reduce_weighted(values, sample_weight, mask, self.reduction, self.dtype)

    def _target(self, y_true: Any) -> Any:
        """Cast a target, except class indices, which float32 could not represent exactly."""
        made = tensor(y_true)
        return made if dtypes.is_int(dtype_of(made)) else tensor(made, self.dtype)

    def own_mask(self, y_true: Any, values: Any) -> Any:
        """Return the mask of the samples that count by the loss' own rule, or None for all."""
        return None

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return the value of each sample; to be overridden."""
        raise UnsupportedError(f"{type(self).__name__} defines no call(y_true, y_pred)")

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments without the dtype, as Keras does."""
        config = {"name": self.name, "reduction": self.reduction}
        own = {k: v for k, v in super().get_config().items() if k not in ("name", "reduction", "dtype")}
        return {**config, **own}


@keras_class("keras.src.losses.losses")
class LossFunctionWrapper(Loss):
    """Wraps a function `(y_true, y_pred, **kwargs)` that returns a value per sample. Source: keras.losses.

    Args:
        fn: The function.
        reduction, name, dtype: As for `Loss`.
        **kwargs: Further arguments of `fn`.
    """

    keras_registered_name = "LossFunctionWrapper"

    def __init__(
        self,
        fn: Callable[..., Any],
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name or getattr(fn, "__name__", None), reduction, dtype)
        self.fn, self.kwargs = fn, kwargs

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return the values of the function."""
        y_true, y_pred = same_rank_structures(y_true, y_pred)
        return self.fn(y_true, y_pred, **self.kwargs)

    def get_config(self) -> dict[str, Any]:
        """Return name, reduction, the function and its arguments."""
        return {"name": self.name, "reduction": self.reduction, "fn": serialize(self.fn), **serialize(self.kwargs)}

    @classmethod
    def from_config(cls, config: Any) -> Any:
        """Create a loss from its config."""
        return cls(**deserialize(dict(config)))


class FunctionLoss(Declared, Loss):
    """Base of the classes for built-in loss functions; a function's further arguments are arguments of the constructor."""

    function: ClassVar[Callable[..., Any]]
    default_name: ClassVar[str]
    reduction: Any = argument(default="sum_over_batch_size", for_base=True)
    name: Any = argument(default=None, for_base=True)
    dtype: Any = argument(default=None, for_base=True)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        if "default_name" in vars(cls):
            cls.name = argument(default=cls.default_name, for_base=True)
        super().__init_subclass__(**kwargs)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return the values of the function."""
        y_true, y_pred = same_rank_structures(y_true, y_pred)
        own = (n for n in self.declaration.arguments if n not in ("reduction", "name", "dtype"))
        return type(self).function(y_true, y_pred, **{n: getattr(self, n) for n in own})


def check_reduction(reduction: str | None) -> str | None:
    """Return the reduction.

    Raises:
        InvalidArgumentError: The reduction is unknown.
    """
    if reduction not in REDUCTIONS:
        raise InvalidArgumentError(
            f"Invalid value for argument `reduction`. Expected one of {REDUCTIONS}. Received: reduction={reduction}"
        )
    return reduction


def dtype_of(value: Any) -> str:
    """Return Keras' name of a tensor's dtype."""
    return value.dtype if isinstance(value.dtype, str) else dtypes.of_array(value)


def like(y_true: Any, y_pred: Any) -> tuple[Any, Any]:
    """Return both as tensors, the target in the output's (float) dtype."""
    y_pred = tensor(y_pred)
    if not dtypes.is_float(dtype_of(y_pred)):
        y_pred = tensor(y_pred, dtypes.floatx())
    return tensor(tensor(y_true), dtype_of(y_pred)), y_pred


def same_rank(x1: Any, x2: Any, expand_rank_1: bool = True) -> tuple[Any, Any]:
    """If the ranks differ by one and the last axis is 1, squeeze it, or expand the other tensor, as Keras does."""
    a, b = shape_of(x1), shape_of(x2)
    if len(a) == len(b) + 1 and a[-1] == 1:
        return (x1, ops.expand_dims(x2, -1)) if len(b) == 1 and expand_rank_1 else (ops.squeeze(x1, -1), x2)
    if len(b) == len(a) + 1 and b[-1] == 1:
        return (ops.expand_dims(x1, -1), x2) if len(a) == 1 and expand_rank_1 else (x1, ops.squeeze(x2, -1))
    return x1, x2


def same_rank_structures(y_true: Any, y_pred: Any) -> tuple[Any, Any]:
    """Apply `same_rank` to two tensors, or leaf by leaf to two structures."""
    if not nest.is_nested(y_true) and not nest.is_nested(y_pred):
        return same_rank(y_true, y_pred)
    pairs = [same_rank(t, p) for t, p in zip(nest.flatten(y_true), nest.flatten(y_pred), strict=True)]
    return nest.pack(y_true, [t for t, _ in pairs]), nest.pack(y_pred, [p for _, p in pairs])


def count(x: Any, dtype: str) -> Any:
    """Return the number of elements as a tensor of this dtype."""
    total: Any = 1
    for size in shape_of(x):
        total = total * size
    return tensor(total, dtype)


def known_shape(x: Any) -> tuple[int, ...]:
    """Return a shape of ints.

    Raises:
        ShapeError: A size is unknown.
    """
    shape = shape_of(x)
    if any(not isinstance(s, int) for s in shape):
        raise ShapeError(f"A tensor of shape {shape} was given where all sizes must be known.")
    return shape  # type: ignore[return-value]


def ratio(a: Any, b: Any) -> Any:
    """Return a / b, and 0 where b is 0."""
    zero = ops.equal(b, 0)
    return ops.where(zero, 0.0, ops.true_divide(a, ops.where(zero, 1.0, b)))


def mask_weights(sample_weight: Any, mask: Any, dtype: str, reduction: str | None) -> Any:
    """Return sample weights that are 0 for masked samples, scaled so that a mean is taken over the other samples."""
    if mask is None:
        return sample_weight
    weights = tensor(tensor(mask), dtype)
    if reduction in ("mean", "sum_over_batch_size"):
        weights = ops.multiply(weights, ratio(count(mask, dtype), ops.sum(weights)))
    if sample_weight is None:
        return weights
    weights, sample_weight = same_rank(weights, tensor(tensor(sample_weight), dtype))
    return ops.multiply(sample_weight, weights)


def reduce_weighted(values: Any, sample_weight: Any, mask: Any, reduction: str | None, dtype: str) -> Any:
    """Weight the values of samples and reduce them to a single number, or leave them unreduced.

    Args:
        values: A value per sample.
        sample_weight: Factors for the values, or None.
        mask: The samples that count, or None for all.
        reduction: One of `REDUCTIONS`.
        dtype: The dtype to compute in.

    Raises:
        ShapeError: `sample_weight` has more axes than the values.
    """
    values = tensor(values, dtype)
    weights = None if sample_weight is None else tensor(tensor(sample_weight), dtype)
    weights = mask_weights(weights, mask, dtype, reduction)
    if weights is not None:
        values, weights = same_rank(values, weights)
        if len(shape_of(weights)) > len(shape_of(values)) > 0:
            raise ShapeError(
                f"sample_weight has shape {shape_of(weights)}, more axes than the loss values, which have shape {shape_of(values)}."
            )
        values = ops.multiply(values, _trailing(weights, len(shape_of(values))) if shape_of(values) else weights)
    if reduction in (None, "none") or shape_of(values) == ():
        return values
    total = ops.sum(values)
    if reduction == "sum":
        return total
    if reduction == "mean_with_sample_weight" and weights is not None:
        return ratio(total, ops.sum(weights))
    return ops.true_divide(total, count(values, dtype)) if shape_of(values) != (0,) else total


def _trailing(weights: Any, rank: int) -> Any:
    """Append axes of size 1 to weights that have fewer axes than the values."""
    shape = shape_of(weights)
    if 0 < len(shape) < rank:
        return ops.reshape(weights, (*shape, *([1] * (rank - len(shape)))))
    return weights


def set_mask(x: Any, mask: Any) -> Any:
    """Attach a mask to a traced tensor, and return the tensor."""
    if isinstance(x, Tracer):
        x.mask = mask
    return x
