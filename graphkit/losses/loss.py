"""The base of all losses, and how values for samples become one number."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from graphkit import ops
from graphkit.core import dtypes, names, nest
from graphkit.core.declared import Declared, argument
from graphkit.core.errors import InvalidArgumentError, ShapeError
from graphkit.core.serialization import Configurable, deserialize, keras_class, serialize
from graphkit.ir.tracing import Tracer
from graphkit.ops._convert import shape_of, tensor

HOME = "keras.losses"
REDUCTIONS = ("sum_over_batch_size", "sum", "mean", "mean_with_sample_weight", "none", None)


@keras_class(HOME)
class Loss(Configurable):
    """Called with `(y_true, y_pred, sample_weight=None)`, gives a scalar, or a value for each sample with reduction "none".

    A subclass says in `call(y_true, y_pred)` the value of each sample.

    Args:
        name: the name; the class' own in snake case by default.
        reduction: "sum_over_batch_size" or "mean" (sum / number of values), "sum", "mean_with_sample_weight" (sum / sum of
            the weights), "none" or None.
        dtype: what is computed in; `floatx()` by default.

    Raises InvalidArgumentError for another reduction. Source: keras.losses.Loss.
    """

    def __init__(
        self, name: str | None = None, reduction: str | None = "sum_over_batch_size", dtype: Any = None
    ) -> None:
        self.name = name or names.auto_name(names.to_snake_case(type(self).__name__))
        self.reduction = check_reduction(reduction)
        self.dtype = dtypes.standardize(getattr(dtype, "compute_dtype", dtype))

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """The reduced loss. A mask of `y_pred` leaves its samples out."""
        mask = getattr(y_pred, "mask", None)
        y_pred = nest.map_structure(lambda t: tensor(t, self.dtype), y_pred)
        y_true = nest.map_structure(self._target, y_true)
        values = self.call(y_true, y_pred)
        own = self.own_mask(y_true, values)
        own = getattr(values, "mask", None) if own is None else own
        mask = own if mask is None else mask if own is None else ops.logical_and(mask, own)
        return reduce_weighted(values, sample_weight, mask, self.reduction, self.dtype)

    def _target(self, y_true: Any) -> Any:
        """Class numbers stay integers: a float32 does not hold them all."""
        made = tensor(y_true)
        return made if dtypes.is_int(dtype_of(made)) else tensor(made, self.dtype)

    def own_mask(self, y_true: Any, values: Any) -> Any:
        """Which samples count by the loss' own rule; None for all."""
        return None

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The value of each sample."""
        raise NotImplementedError(f"{type(self).__name__} defines no call(y_true, y_pred)")

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, without the dtype, as Keras writes them."""
        config = {"name": self.name, "reduction": self.reduction}
        own = {k: v for k, v in super().get_config().items() if k not in ("name", "reduction", "dtype")}
        return {**config, **own}


@keras_class("keras.src.losses.losses")
class LossFunctionWrapper(Loss):
    """A function `(y_true, y_pred, **kwargs)` that gives a value for each sample, as a loss. Source: keras.losses."""

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
        """The function's values."""
        y_true, y_pred = same_rank_structures(y_true, y_pred)
        return self.fn(y_true, y_pred, **self.kwargs)

    def get_config(self) -> dict[str, Any]:
        """Name, reduction, the function and its arguments."""
        return {"name": self.name, "reduction": self.reduction, "fn": serialize(self.fn), **serialize(self.kwargs)}

    @classmethod
    def from_config(cls, config: Any) -> Any:
        """A loss with this config."""
        return cls(**deserialize(dict(config)))


class FunctionLoss(Declared, Loss):
    """A loss class that is one function of this package; its further constructor arguments are the function's."""

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
        """The function's values."""
        y_true, y_pred = same_rank_structures(y_true, y_pred)
        own = (n for n in self.declaration.arguments if n not in ("reduction", "name", "dtype"))
        return type(self).function(y_true, y_pred, **{n: getattr(self, n) for n in own})


def check_reduction(reduction: str | None) -> str | None:
    """The reduction. Raises InvalidArgumentError if there is none of this name."""
    if reduction not in REDUCTIONS:
        raise InvalidArgumentError(
            f"Invalid value for argument `reduction`. Expected one of {REDUCTIONS}. Received: reduction={reduction}"
        )
    return reduction


def dtype_of(value: Any) -> str:
    """Keras' name of a tensor's dtype."""
    return value.dtype if isinstance(value.dtype, str) else dtypes.of_array(value)


def like(y_true: Any, y_pred: Any) -> tuple[Any, Any]:
    """Both as tensors; the target in the output's (float) dtype."""
    y_pred = tensor(y_pred)
    if not dtypes.is_float(dtype_of(y_pred)):
        y_pred = tensor(y_pred, dtypes.floatx())
    return tensor(tensor(y_true), dtype_of(y_pred)), y_pred


def same_rank(x1: Any, x2: Any, expand_rank_1: bool = True) -> tuple[Any, Any]:
    """Where ranks differ by one and the last axis is 1: squeezed, or the tensor of one axis expanded, as Keras does."""
    a, b = shape_of(x1), shape_of(x2)
    if len(a) == len(b) + 1 and a[-1] == 1:
        return (x1, ops.expand_dims(x2, -1)) if len(b) == 1 and expand_rank_1 else (ops.squeeze(x1, -1), x2)
    if len(b) == len(a) + 1 and b[-1] == 1:
        return (ops.expand_dims(x1, -1), x2) if len(a) == 1 and expand_rank_1 else (x1, ops.squeeze(x2, -1))
    return x1, x2


def same_rank_structures(y_true: Any, y_pred: Any) -> tuple[Any, Any]:
    """`same_rank` for two tensors, or leaf by leaf for two structures."""
    if not nest.is_nested(y_true) and not nest.is_nested(y_pred):
        return same_rank(y_true, y_pred)
    pairs = [same_rank(t, p) for t, p in zip(nest.flatten(y_true), nest.flatten(y_pred), strict=True)]
    return nest.pack(y_true, [t for t, _ in pairs]), nest.pack(y_pred, [p for _, p in pairs])


def count(x: Any, dtype: str) -> Any:
    """The number of elements, in this dtype."""
    total: Any = 1
    for size in shape_of(x):
        total = total * size
    return tensor(total, dtype)


def known_shape(x: Any) -> tuple[int, ...]:
    """The shape, its sizes ints. Raises ShapeError where one is not known."""
    shape = shape_of(x)
    if any(not isinstance(s, int) for s in shape):
        raise ShapeError(f"A tensor of shape {shape} was given where all sizes must be known.")
    return shape  # type: ignore[return-value]


def ratio(a: Any, b: Any) -> Any:
    """a / b, and 0 where b is 0."""
    zero = ops.equal(b, 0)
    return ops.where(zero, 0.0, ops.true_divide(a, ops.where(zero, 1.0, b)))


def mask_weights(sample_weight: Any, mask: Any, dtype: str, reduction: str | None) -> Any:
    """Sample weights that leave out what the mask does; scaled so that a mean is one over the samples left."""
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
    """The values of samples, weighted, as one number (or as they are). Raises ShapeError for weights that do not fit."""
    values = tensor(values, dtype)
    weights = None if sample_weight is None else tensor(tensor(sample_weight), dtype)
    weights = mask_weights(weights, mask, dtype, reduction)
    if weights is not None:
        values, weights = same_rank(values, weights)
        if len(shape_of(weights)) > len(shape_of(values)) > 0:
            raise ShapeError(
                f"sample_weight has shape {shape_of(weights)}, more axes than the loss values of shape {shape_of(values)} that it weights."
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
    """Weights of fewer axes stand for the leading ones."""
    shape = shape_of(weights)
    if 0 < len(shape) < rank:
        return ops.reshape(weights, (*shape, *([1] * (rank - len(shape)))))
    return weights


def set_mask(x: Any, mask: Any) -> Any:
    """Let `mask` travel with a traced tensor."""
    if isinstance(x, Tracer):
        x.mask = mask
    return x
