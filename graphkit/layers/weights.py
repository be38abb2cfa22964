"""The part of a layer that holds weights: making them, listing them, reading and writing their values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import wraps
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from graphkit.core import dtypes, names
from graphkit.core.allocation import weight_budget
from graphkit.core.errors import InvalidArgumentError, InvalidTypeError, NotBuiltError, ShapeError
from graphkit.core.recording import our_class
from graphkit.core.registry import did_you_mean
from graphkit.core.stamps import tick
from graphkit.ir.variable import Variable
from graphkit.layers.policy import TypedOperation
from graphkit.layers.tracking import MetricLike, in_keras_order, tracked, unique_variables
from graphkit.ops.random import SeedGenerator

if TYPE_CHECKING:
    from graphkit.layers.layer import Layer

# Arguments of Keras' add_weight for distributed training and for TensorFlow; they have no effect here.
_IGNORED_WEIGHT_ARGUMENTS = (
    "aggregation", "collections", "experimental_autocast", "getter", "layout", "partitioner", "sparse", "synchronization",
    "use_resource",
)  # fmt: skip
_UNTRACKED = ("nodes", "input_spec", "_recorded_arguments")


def _with_named_name(add_weight: Callable[..., Variable]) -> Callable[..., Variable]:
    """Refuse a name as the first argument of `add_weight`, as in Keras; Keras 2's first argument was the name."""

    @wraps(add_weight)
    def checked(self: Any, *args: Any, **kwargs: Any) -> Variable:
        if args and isinstance(args[0], str):
            raise InvalidArgumentError(
                f"`name` must be passed as a keyword argument. Received: add_weight({args[0]!r}, ...) of layer {self.name!r}. "
                f"Use: add_weight(shape=..., name={args[0]!r})."
            )
        return add_weight(self, *args, **kwargs)

    return checked


class WeightedOperation(TypedOperation):
    """An operation with weights, its own and those of the layers in its attributes."""

    built: bool
    _trainable: bool
    _building: bool
    _locked: bool

    # ----- making and listing weights -----

    @_with_named_name
    def add_weight(
        self,
        shape: Sequence[int] | None = None,
        initializer: Any = None,
        dtype: Any = None,
        trainable: bool = True,
        autocast: bool = True,
        regularizer: Any = None,
        constraint: Any = None,
        name: str | None = None,
        overwrite_with_gradient: bool = False,
        **others: Any,
    ) -> Variable:
        """Create a weight. Source: keras Layer.add_weight.

        Args:
            shape: a tuple of ints; a scalar by default.
            initializer: a name, config or function `(shape, dtype)`; by default glorot_uniform for floats, zeros otherwise.
            dtype: the layer's `variable_dtype` by default.
            trainable: whether training updates it.
            autocast: whether ops see it in the compute dtype of the layer.
            regularizer: a penalty on it, added to the training loss.
            constraint: a function applied to it after each update.
            name: its name within the layer.
            overwrite_with_gradient: the optimizer assigns the "gradient" as the new value.

        Raises:
            InvalidTypeError: a keyword argument is not known.
            InvalidArgumentError: `shape` is not a list or tuple.
        """
        from graphkit import constraints, initializers, regularizers

        unknown = [k for k in others if k not in _IGNORED_WEIGHT_ARGUMENTS]
        if unknown:
            known = ("shape", "initializer", "dtype", "trainable", "autocast", "regularizer", "constraint", "name")
            raise InvalidTypeError(
                f"add_weight() of layer {self.name!r} does not accept {unknown}.{did_you_mean(unknown[0], known)} "
                f"It accepts {', '.join(known)}."
            )
        if shape is not None and not isinstance(shape, (list, tuple)):
            raise InvalidArgumentError(f"Cannot convert {shape!r} to a shape (add_weight of layer {self.name!r}).")
        self._refuse_if_locked(None, name or "a weight")
        wanted = dtypes.standardize(dtype) if dtype is not None else self.variable_dtype
        default = "glorot_uniform" if dtypes.is_float(wanted) else "zeros"
        first = initializers.get(initializer if initializer is not None else default)
        budget = weight_budget()
        if budget is not None:
            first = budget.first_values(first, tuple(shape or ()), dtypes.to_numpy(wanted), f"{self.name}/{name}")
        is_inside = self._building or names.current_scope().split("/")[-1] == self.name
        with nullcontext() if is_inside else names.name_scope(self.name):
            variable = Variable(first, shape=tuple(shape or ()), dtype=wanted, trainable=trainable, name=name)
        variable.autocast, variable.overwrite_with_gradient = autocast, overwrite_with_gradient
        variable.regularizer = regularizers.get(regularizer)
        variable.constraint = constraints.get(constraint)
        if trainable and not self.trainable:
            variable.trainable = False  # as in Keras; it counts as trainable once the layer is
        self.__dict__.setdefault("_weights", []).append(variable)
        self.mark_changed()
        return variable

    def add_variable(
        self,
        shape: Sequence[int],
        initializer: Any,
        dtype: Any = None,
        trainable: bool = True,
        autocast: bool = True,
        regularizer: Any = None,
        constraint: Any = None,
        name: str | None = None,
    ) -> Variable:
        """Create a weight: an alias of `add_weight`. Source: keras Layer.add_variable."""
        return self.add_weight(shape, initializer, dtype, trainable, autocast, regularizer, constraint, name)

    def tracked_attributes(self) -> dict[str, Any]:
        """Return the attributes that may hold variables and layers."""
        return {k: v for k, v in self.__dict__.items() if k not in _UNTRACKED}

    @property
    def _own_variables(self) -> list[Variable]:
        return list(tracked(self, (Variable,)))

    @property
    def _layers(self) -> list[Layer]:
        return list(tracked(self, (WeightedOperation,)))

    @_layers.setter
    def _layers(self, layers: Any) -> None:
        self.__dict__["_given_layers"] = layers  # found there like those in any other attribute
        self.mark_changed()

    def _flatten_layers(self, include_self: bool = True, recursive: bool = True) -> list[Layer]:
        """Return the inner layers, and this layer first. Source: keras.Layer._flatten_layers, which scripts call."""
        found = list(self._walk_layers()) if recursive else [cast("Layer", self), *self._layers]
        return found if include_self else found[1:]

    def _walk_layers(self) -> Iterator[Layer]:
        """Yield this layer and all inner layers, each once, parents first."""
        seen: set[int] = set()
        stack: list[Layer] = [cast("Layer", self)]
        while stack:
            layer = stack.pop()
            if id(layer) in seen:
                continue
            seen.add(id(layer))
            yield layer
            stack.extend(reversed(layer._layers))

    @property
    def variables(self) -> list[Variable]:
        """All variables: the weights and the states of seed generators."""
        return unique_variables(v for layer in self._walk_layers() for v in layer._kept_variables())

    def _kept_variables(self) -> Iterator[Variable]:
        """Yield the variables of this layer, without those of inner layers."""
        yield from in_keras_order(self._own_variables)
        yield from (generator.state for generator in tracked(self, (SeedGenerator,)))

    @property
    def weights(self) -> list[Variable]:
        """All weights in Keras' order: for each layer the trainable ones, the other ones, then those of its inner layers."""
        found = []
        for layer in self._walk_layers():
            found += in_keras_order(layer._own_variables)
        return list(dict.fromkeys(found))

    @property
    def trainable_weights(self) -> list[Variable]:
        """The weights that training updates: none if this layer is frozen, and none of inner layers that are frozen."""
        return [] if not self.trainable else [v for v in unique_variables(self._walk_trainable()) if v.trainable]

    def _walk_trainable(self) -> Iterator[Variable]:
        stack: list[Layer] = [cast("Layer", self)]
        seen: set[int] = set()
        while stack:
            layer = stack.pop()
            if id(layer) in seen:
                continue
            seen.add(id(layer))
            if layer.trainable:
                yield from layer._own_variables
            stack.extend(reversed(layer._layers))

    @property
    def non_trainable_weights(self) -> list[Variable]:
        """The weights that the optimizer does not update: moving statistics and the weights of frozen layers."""
        trainable = set(self.trainable_weights)
        return [v for v in self.weights if v not in trainable]

    trainable_variables = trainable_weights

    @property
    def non_trainable_variables(self) -> list[Variable]:
        """The variables that the optimizer does not update."""
        trainable = set(self.trainable_weights)
        return [v for v in self.variables if v not in trainable]

    @property
    def trainable(self) -> bool:
        """Whether training updates the weights; setting it also sets it on all inner layers."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        for layer in self._walk_layers():
            layer._trainable = bool(value)
            layer._freeze_own(not value)
        tick()

    def _freeze_own(self, frozen: bool) -> None:
        """Set `trainable` of the layer's own weights, except those that were created as not trainable."""
        for variable in self._own_variables:
            if variable.made_trainable:
                variable.trainable = not frozen

    def _lock_state(self) -> None:
        """Refuse new weights and inner layers from now on: they would be missing from files and from the optimizer."""
        self._locked = True

    @contextmanager
    def _unlocked(self) -> Iterator[None]:
        """Allow new weights and inner layers inside the block."""
        before, self._locked = self._locked, False
        try:
            yield
        finally:
            self._locked = before

    def _refuse_if_locked(self, value: Any, name: str) -> None:
        """Raise InvalidArgumentError for new state of a user-defined layer that is built."""
        if not self.__dict__.get("_locked") or self._building or our_class(type(self)) is type(self):
            return
        known = self._own_variables if isinstance(value, Variable) else self._layers
        if not any(held is value for held in known):
            raise InvalidArgumentError(
                "You cannot add new elements of state (variables or sub-layers) to a layer that is already built. All state must be "
                f"created in the `__init__()` method or in the `build()` method. New in layer {self.name!r}: {name!r}."
            )

    def count_params(self) -> int:
        """Return the number of elements of all weights.

        Raises:
            NotBuiltError: the layer is not built.
        """
        if not self.built:
            raise NotBuiltError(
                f"Layer {self.name!r} has no weights yet: call it on a tensor, or build(input_shape), before count_params()."
            )
        return sum(int(np.prod(v.shape, dtype=np.int64)) for v in self.weights)

    def get_weights(self) -> list[np.ndarray[Any, Any]]:
        """Return copies of all weights, in the order of `weights`."""
        return [v.numpy() for v in self.weights]

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Assign these arrays to the weights, in the order of `weights`: all of them or none.

        Raises:
            ShapeError: the number of arrays or a shape does not match.
        """
        own = self.weights
        arrays = [np.asarray(w) for w in weights]
        if len(arrays) != len(own):
            raise ShapeError(
                f"Layer {self.name!r} has {len(own)} weights {[v.path for v in own]}, but {len(arrays)} arrays were given."
            )
        for variable, array in zip(own, arrays, strict=True):
            if array.shape != variable.shape:
                raise ShapeError(
                    f"Weight {variable.path!r} of layer {self.name!r} has shape {variable.shape}, the given array {array.shape}."
                )
        for variable, array in zip(own, arrays, strict=True):
            variable.assign(array)

    @property
    def metrics(self) -> list[Any]:
        """The metrics of this layer and its inner layers. Source: keras.Layer.metrics."""
        return list(dict.fromkeys(m for layer in self._walk_layers() for m in tracked(layer, (MetricLike,))))

    @property
    def metrics_variables(self) -> list[Variable]:
        """The variables of the metrics of this layer and its inner layers. Source: keras.Layer.metrics_variables."""
        return [variable for metric in self.metrics for variable in metric.variables]

    # ----- weights in files -----

    def stored_variables(self) -> list[Variable]:
        """Return the variables stored in the layer's own part of a weights file: the trainable ones, then the others."""
        return in_keras_order([v for v in self._own_variables if not getattr(v, "is_state", False)])

    def stored_values(self) -> dict[Variable, Any]:
        """Return the values to store instead of the current ones, by variable; none by default."""
        return {}

    def save_own_variables(self, store: Any) -> None:
        """Write the layer's own weights to `store`, keyed "0", "1", ... Source: keras Layer.save_own_variables."""
        instead = self.stored_values()
        for index, variable in enumerate(self.stored_variables()):
            store[str(index)] = np.asarray(instead.get(variable, variable.array))

    def load_own_variables(self, store: Any) -> None:
        """Read the layer's own weights from `store`. Source: keras Layer.load_own_variables.

        Raises:
            ShapeError: the number of weights or a shape does not match.
        """
        variables = self.stored_variables()
        if len(store.keys()) != len(variables):
            raise ShapeError(
                f"Layer {self.name!r} has {len(variables)} weights {[v.name for v in variables]}, the file has {len(store.keys())}: "
                f"{sorted(store.keys())}."
            )
        for index, variable in enumerate(variables):
            variable.assign(store[str(index)])

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, (Variable, WeightedOperation)) and self.__dict__.get("_locked"):
            self._refuse_if_locked(value, name)
        if isinstance(value, Variable) and name != "_weights":
            weights = self.__dict__.get("_weights")
            if weights and any(w is value for w in weights):
                weights[:] = [w for w in weights if w is not value]  # the attribute holds it now
        super().__setattr__(name, value)
