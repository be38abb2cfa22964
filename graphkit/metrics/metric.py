"""The base class of metrics: variables that accumulate batches, and a result computed from them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from graphkit import ops
from graphkit.core import dtypes, names
from graphkit.core.declared import Declared, argument
from graphkit.core.errors import InvalidTypeError, UnsupportedError
from graphkit.core.serialization import Configurable, deserialize, keras_class, serialize, takes_any
from graphkit.ir.stateless import StatelessScope, values_after, with_values
from graphkit.ir.variable import Variable
from graphkit.losses.loss import mask_weights, ratio, same_rank
from graphkit.ops._convert import shape_of, tensor

HOME = "keras.metrics"


@keras_class(HOME)
class Metric(Configurable):
    """Base of metrics, which accumulate a result over batches. A subclass defines `update_state` and `result`.

    Both use ops and `Variable.assign`, so that an update can be traced into the program of a training step.

    Args:
        name: The name; the class name in snake case by default.
        dtype: The dtype to compute in; `floatx()` by default.

    Source: keras.metrics.Metric.
    """

    _direction: str | None = None  # "up" if higher results are better, "down" if lower ones; read by callbacks

    def __init__(self, dtype: Any = None, name: str | None = None) -> None:
        self.name = name or names.auto_name(names.to_snake_case(type(self).__name__))
        self._dtype = dtypes.standardize(getattr(dtype, "compute_dtype", dtype))
        self._variables: list[Variable] = []
        self._initial: list[np.ndarray[Any, Any]] = []

    @property
    def dtype(self) -> str:
        """The dtype to compute in."""
        return self._dtype

    @property
    def variables(self) -> list[Variable]:
        """The state variables."""
        return list(self._variables)

    def add_variable(
        self,
        shape: Sequence[int],
        initializer: Any = "zeros",
        dtype: Any = None,
        aggregation: str = "sum",
        name: str | None = None,
    ) -> Variable:
        """Create a state variable.

        Args:
            shape: The shape.
            initializer: A name, config or function; `reset_state` restores the initial value.
            dtype: The dtype; the metric's by default.
            aggregation: Ignored; accepted for Keras' signature.
            name: The variable's name.
        """
        from graphkit.ir.tracing import tracing

        with names.scope_is(self.name), tracing(None):
            start = (
                np.zeros(tuple(shape))
                if initializer in (None, "zeros")
                else np.asarray(_start(initializer, tuple(shape)))
            )
            variable = Variable(start, dtype=dtype or self._dtype, trainable=False, name=name)
        self._variables.append(variable)
        self._initial.append(variable.numpy())
        return variable

    def add_weight(
        self, shape: Sequence[int] = (), initializer: Any = None, dtype: Any = None, name: str | None = None
    ) -> Variable:
        """Create a state variable, a scalar by default; see `add_variable`."""
        return self.add_variable(shape, initializer, dtype, name=name)

    def reset_state(self) -> None:
        """Restore the initial values of all state variables."""
        for variable, start in zip(self._variables, self._initial, strict=True):
            variable.assign(start)

    def update_state(self, *args: Any, **kwargs: Any) -> None:
        """Update the state with a batch; to be overridden."""
        raise UnsupportedError(f"{type(self).__name__} defines no update_state(...)")

    def result(self) -> Any:
        """Return the result so far; to be overridden."""
        raise UnsupportedError(f"{type(self).__name__} defines no result()")

    def stateless_update_state(self, metric_variables: Sequence[Any], *args: Any, **kwargs: Any) -> list[Any]:
        """Return the values of the state after an update from other values, which changes nothing. Source: keras Metric.

        Args:
            metric_variables: A value for each of `variables`.
            *args, **kwargs: The arguments of `update_state`.

        Raises:
            InvalidArgumentError: The values do not fit the variables.
        """
        with StatelessScope(self._mapping(metric_variables)) as scope:
            self.update_state(*args, **kwargs)
        return values_after(scope, self.variables)

    def stateless_result(self, metric_variables: Sequence[Any]) -> Any:
        """Return the result for other values of the state. Source: keras Metric.stateless_result.

        Raises:
            InvalidArgumentError: The values do not fit the variables.
        """
        with StatelessScope(self._mapping(metric_variables)):
            return self.result()

    def stateless_reset_state(self) -> list[Any]:
        """Return the initial values of the state, which stays as it is. Source: keras Metric.stateless_reset_state."""
        with StatelessScope() as scope:
            self.reset_state()
        return values_after(scope, self.variables)

    def _mapping(self, values: Sequence[Any]) -> list[tuple[Variable, Any]]:
        return with_values(self.variables, values, "metric_variables", type(self).__name__)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Update the state with a batch, and return the result so far."""
        self.update_state(*args, **kwargs)
        return self.result()

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments as JSON data."""
        config = super().get_config()
        shared = {"name": self.name, "dtype": self.dtype}
        taken = shared if takes_any(type(self)) else {k: v for k, v in shared.items() if k in config}
        return {**taken, **{k: v for k, v in config.items() if k not in taken}}

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}>"


def _start(initializer: Any, shape: tuple[int, ...]) -> Any:
    from graphkit import initializers

    return initializers.get(initializer)(shape)


def samplewise(values: Any, sample_weight: Any, reduce: Callable[..., Any], dtype: str) -> tuple[Any, Any]:
    """Reduce values and weights to one per sample, as Keras does: the weights are applied first, then further axes are reduced.

    Args:
        values: A value per sample, with any further axes.
        sample_weight: Factors for the values, or None.
        reduce: `ops.sum` or `ops.mean`, for the further axes.
        dtype: The dtype to compute in.
    """
    mask = getattr(values, "mask", None)
    values = tensor(tensor(values), dtype)
    if sample_weight is not None:
        sample_weight = mask_weights(tensor(tensor(sample_weight), dtype), mask, dtype, "sum")
        values, sample_weight = same_rank(values, sample_weight)
        rank = len(shape_of(sample_weight))
        values = _reduce_axes(values, rank, reduce)
        sample_weight = ops.broadcast_to(sample_weight, shape_of(values))
        values = ops.multiply(values, sample_weight)
        sample_weight = _reduce_axes(sample_weight, 1, reduce) if rank > 1 else sample_weight
    return _reduce_axes(values, 1, reduce), sample_weight


def _reduce_axes(values: Any, first: int, reduce: Callable[..., Any]) -> Any:
    axes = tuple(range(first, len(shape_of(values))))
    return reduce(values, axis=axes) if axes else values


@keras_class(HOME)
class Sum(Metric):
    """The weighted sum of all values. Source: keras.metrics.Sum."""

    def __init__(self, name: str | None = "sum", dtype: Any = None) -> None:
        super().__init__(dtype, name)
        self.total = self.add_variable((), name="total")

    def update_state(self, values: Any, sample_weight: Any = None) -> None:
        """Add the weighted values."""
        values, _ = samplewise(values, sample_weight, ops.sum, self._dtype)
        self.total.assign(ops.add(self.total, ops.sum(values)))

    def result(self) -> Any:
        """Return the sum."""
        return ops.cast(self.total, self._dtype)


@keras_class(HOME)
class Mean(Metric):
    """The weighted mean of all values. Source: keras.metrics.Mean."""

    def __init__(self, name: str | None = "mean", dtype: Any = None) -> None:
        super().__init__(dtype, name)
        self.total = self.add_variable((), name="total")
        self.count = self.add_variable((), name="count")

    def update_state(self, values: Any, sample_weight: Any = None) -> None:
        """Add the weighted values."""
        values, weights = samplewise(values, sample_weight, ops.mean, self._dtype)
        rows = shape_of(values)[0] if shape_of(values) else 1
        number = tensor(rows, self._dtype) if weights is None else ops.sum(weights)
        self.total.assign(ops.add(self.total, ops.sum(values)))
        self.count.assign(ops.add(self.count, number))

    def result(self) -> Any:
        """Return the mean, or 0 before the first value."""
        return ratio(self.total.value, self.count.value)


@keras_class(HOME)
class MeanMetricWrapper(Mean):
    """The weighted mean of a function's values. Source: keras.metrics.MeanMetricWrapper.

    Args:
        fn: A function `(y_true, y_pred, **kwargs)` that returns a value per sample.
        name, dtype: As for `Metric`.
        **kwargs: Further arguments of `fn`.
    """

    def __init__(self, fn: Callable[..., Any], name: str | None = None, dtype: Any = None, **kwargs: Any) -> None:
        super().__init__(name or getattr(fn, "__name__", None), dtype)
        self.fn, self.kwargs = fn, kwargs
        if self._direction is None and _is_loss(fn):
            self._direction = "down"

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:  # type: ignore[override]
        """Update the mean with a batch; samples that the mask of `y_pred` excludes do not count."""
        mask = getattr(y_pred, "mask", None)
        values = self.fn(y_true, y_pred, **self.kwargs)
        if values is None:
            raise InvalidTypeError(f"Metric {self.name!r}: its function returned None; return a tensor of values.")
        weight = mask_weights(sample_weight, mask, self._dtype, "sum")
        if weight is not None:  # without weights the mask of the values has no effect, as in Keras
            weight = mask_weights(weight, self.own_mask(y_true, values), self._dtype, "sum")
        super().update_state(values, weight)

    def own_mask(self, y_true: Any, values: Any) -> Any:
        """Return the mask of the samples that count by the metric's own rule, or None for all."""
        return None

    def get_config(self) -> dict[str, Any]:
        """Return name, dtype, the function and its arguments."""
        return {"name": self.name, "dtype": self.dtype, "fn": serialize(self.fn), **serialize(self.kwargs)}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Any:
        """Create a metric from its config."""
        return cls(**deserialize(dict(config)))


def _is_loss(function: Any) -> bool:
    """Return whether a function is a built-in loss function, or a Loss."""
    from graphkit import losses

    return isinstance(function, losses.Loss) or function in losses.FUNCTIONS.values()


class BuiltInMetric(Declared, Metric, kw_only=True):
    """Base of built-in metrics, whose arguments are declared. User-defined metrics subclass `Metric` and define `__init__`."""

    name: Any = argument(default=None, for_base=True)
    dtype_argument: Any = argument(default=None, for_base=True, alias="dtype")  # `dtype` is a property


class FunctionMetric(Declared, MeanMetricWrapper):
    """Base of metrics that are the mean of one function; the function's further arguments are arguments of the constructor."""

    function: ClassVar[Callable[..., Any]]
    default_name: ClassVar[str]
    name: Any = argument(default=None, for_base=True)
    dtype_argument: Any = argument(default=None, for_base=True, alias="dtype")  # `dtype` is a property

    def __init_subclass__(cls, **kwargs: Any) -> None:
        if "default_name" in vars(cls):
            cls.name = argument(default=cls.default_name, for_base=True)
        super().__init_subclass__(**kwargs)

    def __pre_init__(self, given: dict[str, Any], more: dict[str, Any]) -> None:
        """Pass the function to the base."""
        more["fn"] = type(self).function

    def __post_init__(self) -> None:
        """Collect the function's further arguments."""
        self.kwargs = {n: getattr(self, n) for n in self.declaration.arguments if n not in ("name", "dtype")}

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments as JSON data."""
        return Metric.get_config(self)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Any:
        """Create a metric from its config."""
        return cls(**config)
