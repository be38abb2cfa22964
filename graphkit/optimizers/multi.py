"""Different optimizers for the parts of one model. Source: keras.optimizers.MultiOptimizer, OptimizerMap (Keras 3)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import Any

from graphkit import ops
from graphkit.core.errors import InvalidArgumentError, InvalidTypeError, NodeAccessError, ShapeError
from graphkit.core.serialization import deserialize, keras_class, serialize
from graphkit.ir.variable import Variable
from graphkit.optimizers.loss_scale import LossScaleOptimizer
from graphkit.optimizers.optimizer import HOME, Optimizer


@keras_class(HOME)
class OptimizerMap(MutableMapping[str, Optimizer]):
    """Maps paths of variables to optimizers.

    Args:
        default_optimizer: The optimizer of all paths that no key matches.
        optimizer_map: Optimizers by the whole path of a variable, or by a regular expression that matches whole paths.

    Raises:
        InvalidTypeError: A value is not an optimizer, or a key is not a string.
        InvalidArgumentError: A key exists already; on lookup, several patterns match a path.

    Source: keras.optimizers.OptimizerMap.
    """

    def __init__(self, default_optimizer: Optimizer, optimizer_map: Mapping[str, Optimizer] | None = None) -> None:
        if not isinstance(default_optimizer, Optimizer):
            raise InvalidTypeError(f"default_optimizer must be an Optimizer. Received: {default_optimizer!r}")
        if optimizer_map is not None and not isinstance(optimizer_map, Mapping):
            raise InvalidTypeError(f"optimizer_map must be a dictionary. Received: {optimizer_map!r}")
        self._default_optimizer = default_optimizer
        self._optimizer_map: dict[str, Optimizer] = {}
        for key, optimizer in (optimizer_map or {}).items():
            self[key] = optimizer

    @property
    def default_optimizer(self) -> Optimizer:
        """The optimizer of paths that no key matches."""
        return self._default_optimizer

    def __getitem__(self, key: str) -> Optimizer:
        if key in self._optimizer_map:
            return self._optimizer_map[key]
        fitting = [pattern for pattern in self._optimizer_map if re.fullmatch(pattern, key)]
        if len(fitting) > 1:
            raise InvalidArgumentError(
                f"Multiple optimizers assigned to variable {key}: the patterns {fitting} match it."
            )
        return self._optimizer_map[fitting[0]] if fitting else self._default_optimizer

    def __setitem__(self, key: str, optimizer: Optimizer) -> None:
        if not isinstance(key, str):
            raise InvalidTypeError(f"key must be a string. Received: {key!r}")
        if key in self._optimizer_map:
            raise InvalidArgumentError(
                f"'{key}' already exists in the OptimizerMap with value {self._optimizer_map[key]}."
            )
        self._optimizer_map[key] = _single(optimizer, f"of {key!r}")

    def __delitem__(self, key: str) -> None:
        del self._optimizer_map[key]

    def __len__(self) -> int:
        return len(self._optimizer_map)

    def __iter__(self) -> Iterator[str]:
        return iter(self._optimizer_map)

    def __call__(self, variable: Variable) -> Optimizer:
        """Return the optimizer of a variable."""
        return self[variable.path]

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments as JSON data."""
        return {
            "default_optimizer": serialize(self._default_optimizer),
            "optimizer_map": {key: serialize(optimizer) for key, optimizer in self._optimizer_map.items()},
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None) -> OptimizerMap:
        """Create the map from its config."""
        return cls(**deserialize(dict(config), custom_objects))


def _single(optimizer: Any, where: str) -> Optimizer:
    """Return `optimizer` unless it wraps others; else raise InvalidTypeError."""
    if not isinstance(optimizer, Optimizer) or isinstance(optimizer, (LossScaleOptimizer, MultiOptimizer)):
        raise InvalidTypeError(
            f"The optimizer {where} must be an Optimizer, but not a LossScaleOptimizer or MultiOptimizer. Received: {optimizer!r}"
        )
    return optimizer


@keras_class(HOME)
class MultiOptimizer(Optimizer):
    """Updates each variable with the optimizer that `optimizer_map` chooses for it.

    It has no learning rate; each of `optimizers` has one.

    Args:
        optimizer_map: An OptimizerMap, or a function from a variable to its optimizer.
        loss_scale_factor: Replaces the loss scale factors of the optimizers.
        name: The name.

    Source: keras.optimizers.MultiOptimizer.
    """

    def __init__(
        self,
        optimizer_map: OptimizerMap | Callable[[Variable], Optimizer],
        loss_scale_factor: float | None = None,
        name: str | None = None,
    ) -> None:
        self._inner: list[Optimizer] = []
        super().__init__(learning_rate=0.0, loss_scale_factor=loss_scale_factor, name=name)
        self._optimizer_map = optimizer_map
        if isinstance(optimizer_map, OptimizerMap):
            for optimizer in (*optimizer_map.values(), optimizer_map.default_optimizer):
                self._take(optimizer)

    def _take(self, optimizer: Optimizer) -> int:
        """Return the index of an inner optimizer, adding it if necessary."""
        if not any(known is optimizer for known in self._inner):
            optimizer.loss_scale_factor = self.loss_scale_factor
            self._inner.append(optimizer)
        return next(i for i, known in enumerate(self._inner) if known is optimizer)

    @property
    def optimizers(self) -> list[Optimizer]:
        """The optimizers, in the order of the map, then the default one."""
        return self._inner

    @property
    def variables(self) -> list[Variable]:
        """The optimizer's own variables, then those of all inner optimizers."""
        return [*self._variables, *(v for optimizer in self._inner for v in optimizer.variables)]

    @property
    def learning_rate(self) -> Any:
        """Not available: raises NodeAccessError, since each optimizer has its own learning rate."""
        raise NodeAccessError(
            "Learning rate cannot be accessed on a MultiOptimizer. Access the learning rate on the individual sub-optimizers instead."
        )

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        raise NodeAccessError(
            "Learning rate cannot be set on a MultiOptimizer. Set the learning rate on the individual sub-optimizers instead."
        )

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name == "loss_scale_factor":
            for optimizer in self._inner:
                optimizer.loss_scale_factor = value

    def build(self, variables: Sequence[Variable]) -> None:
        """Let each optimizer create the slots of its variables.

        Raises:
            InvalidTypeError: The optimizer of a variable is not a single Optimizer.
        """
        if self.built:
            return
        self._owner = {v: self._take(_single(self._optimizer_map(v), f"of {v.path!r}")) for v in variables}
        for number, optimizer in enumerate(self._inner):
            own = [v for v in variables if self._owner[v] == number]
            if own:
                optimizer.build(own)
        super().build(variables)

    def apply(self, grads: Sequence[Any], trainable_variables: Sequence[Variable] | None = None) -> None:
        """Let each optimizer update its variables.

        Raises:
            ShapeError: The number of gradients differs from that of the variables.
        """
        if not len(grads):
            return
        variables = self._trainable if trainable_variables is None else list(trainable_variables)
        if len(variables) != len(grads):
            raise ShapeError(f"apply() got {len(grads)} gradients for {len(variables)} variables.")
        self.build(variables)
        for number, optimizer in enumerate(self._inner):
            own = [(g, v) for g, v in zip(grads, variables, strict=True) if self._owner[v] == number]
            if any(g is not None for g, _ in own):
                optimizer.apply([g for g, _ in own], [v for _, v in own])
        self._iterations.assign(ops.add(self._iterations, 1))

    def finalize_variable_values(self, var_list: Sequence[Variable]) -> None:
        """Finish training: let each optimizer set the final values of its variables."""
        for number, optimizer in enumerate(self._inner):
            optimizer.finalize_variable_values([v for v in var_list if self._owner[v] == number])

    def packed(self) -> AbstractContextManager[None]:
        """Let each optimizer update its small variables together inside the block."""
        stack = ExitStack()
        for optimizer in self._inner:
            stack.enter_context(optimizer.packed())
        return stack  # type: ignore[return-value]

    def touch(self) -> None:
        """Mark the variables as changed by a compiled step."""
        for optimizer in self._inner:
            optimizer.touch()

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments as JSON data."""
        return {
            "optimizer_map": serialize(self._optimizer_map),
            "loss_scale_factor": self.loss_scale_factor,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Any:
        """Create the optimizer from its config."""
        return cls(**deserialize(dict(config), custom_objects))
