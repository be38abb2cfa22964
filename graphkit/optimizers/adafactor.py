"""Adafactor. Source: keras.optimizers.Adafactor (Keras 3)."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphkit import ops
from graphkit.core.declared import argument
from graphkit.core.serialization import keras_class
from graphkit.ir.variable import Variable
from graphkit.optimizers.optimizer import HOME, REST, Optimizer, checked_rate


@keras_class(HOME)
class Adafactor(Optimizer):
    """Adam-like steps that need little memory: the second moments of a matrix are stored per row and column.

    Args:
        beta_2_decay: The exponent of the decay rate of the second moments.
        epsilon_1: A constant added to squared gradients.
        epsilon_2: The smallest root mean square of a variable that scales its step.
        clip_threshold: The largest root mean square of an update.
        relative_step: Stored for the config only.
        learning_rate, weight_decay, clipnorm and further arguments: As for `Optimizer`.

    Source: keras.optimizers.Adafactor.
    """

    elementwise = False

    argument_order = f"learning_rate beta_2_decay epsilon_1 epsilon_2 clip_threshold relative_step weight_decay {REST}"
    _learning_rate: Any = argument(default=0.001, alias="learning_rate", check=checked_rate)
    beta_2_decay: float = argument(default=-0.8)
    epsilon_1: float = argument(default=1e-30)
    epsilon_2: float = argument(default=1e-3)
    clip_threshold: float = argument(default=1.0)
    relative_step: bool = argument(default=True)

    def make_slots(self) -> None:
        """Create for each variable the row and column means, for tensors of rank 2 and more, and the velocity."""
        self._slots = {"row": [], "column": [], "velocity": []}
        for variable in self._trainable:
            shape = variable.shape
            shapes = (
                {"row": shape[:-1], "column": (*shape[:-2], *shape[-1:])}
                if len(shape) > 1
                else {"row": (), "column": ()}
            )
            for name, size in shapes.items():
                dtype = variable.dtype if len(shape) > 1 else "int32"  # an unused slot, which Keras saves too
                self._slots[name].append(self._track(np.zeros(size), dtype, variable.name))
            self._slots["velocity"].append(self.add_variable_from_reference(variable, "velocity"))

    def update_step(self, gradient: Any, variable: Variable, learning_rate: Any) -> None:
        """Update the variable."""
        step = ops.cast(ops.add(self.iterations, 1), variable.dtype)
        rate = ops.multiply(
            ops.maximum(_root_mean(variable.value), self.epsilon_2), ops.minimum(learning_rate, ops.rsqrt(step))
        )
        keep = ops.subtract(1.0, ops.power(step, self.beta_2_decay))
        squares = ops.add(ops.square(gradient), self.epsilon_1)
        velocity = self.slot("velocity", variable)
        if len(variable.shape) < 2:
            power = velocity.assign(_blend(velocity, squares, keep))
        else:
            power = velocity.assign(self._factored(variable, squares, keep))
        change = ops.true_divide(gradient, ops.sqrt(power))
        change = ops.true_divide(change, ops.maximum(ops.true_divide(_root_mean(change), self.clip_threshold), 1.0))
        variable.assign(ops.subtract(variable, ops.multiply(change, rate)))

    def _factored(self, variable: Variable, squares: Any, keep: Any) -> Any:
        row, column = self.slot("row", variable), self.slot("column", variable)
        rows = row.assign(_blend(row, ops.mean(squares, axis=-1), keep))
        columns = column.assign(_blend(column, ops.mean(squares, axis=-2), keep))
        share = ops.true_divide(rows, ops.mean(rows, axis=-1, keepdims=True))
        return ops.multiply(ops.expand_dims(share, -1), ops.expand_dims(columns, -2))


def _root_mean(x: Any) -> Any:
    return ops.sqrt(ops.mean(ops.square(x)))


def _blend(slot: Variable, target: Any, keep: Any) -> Any:
    """Return keep * slot + (1 - keep) * target."""
    return ops.add(ops.multiply(slot, keep), ops.multiply(target, ops.subtract(1.0, keep)))
