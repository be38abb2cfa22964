"""AdamW without a schedule. Source: keras.optimizers.ScheduleFreeAdamW (Keras 3), Defazio et al. 2024."""

from __future__ import annotations

from typing import Any

from graphkit import ops
from graphkit.core.declared import argument
from graphkit.core.serialization import keras_class
from graphkit.ir.variable import Variable
from graphkit.optimizers.adam import Moments
from graphkit.optimizers.methods import towards
from graphkit.optimizers.optimizer import HOME, REST, checked_rate


@keras_class(HOME)
class ScheduleFreeAdamW(Moments):
    """AdamW that needs no learning rate schedule.

    Adam's steps update a hidden sequence, stored in the slot `momentum`. The variables lie between this sequence and its mean.

    Args:
        warmup_steps: The number of steps in which the learning rate rises from 0.
        learning_rate, beta_1, beta_2, epsilon and further arguments: As for `Moments` and `Optimizer`.

    Source: keras.optimizers.ScheduleFreeAdamW.
    """

    argument_order = f"learning_rate beta_1 beta_2 epsilon warmup_steps weight_decay {REST}"
    _learning_rate: Any = argument(default=0.0025, alias="learning_rate", check=checked_rate)
    epsilon: float = argument(default=1e-8)
    warmup_steps: int = argument(default=0)

    def make_slots(self) -> None:
        """Create momentum, which starts as a copy of the variable, and velocity."""
        super().make_slots()
        for variable in self._trainable:
            self.slot("momentum", variable).assign(variable.value)

    def update_step(self, gradient: Any, variable: Variable, learning_rate: Any) -> None:
        """Update the variable."""
        step = ops.cast(ops.add(self.iterations, 1), variable.dtype)
        if self.warmup_steps > 0:
            risen = ops.minimum(ops.true_divide(step, float(self.warmup_steps)), 1.0)
            learning_rate = ops.multiply(learning_rate, risen)
        _, rest = self.corrections(variable.dtype)
        hidden = self.slot("momentum", variable)
        # The mean of the hidden sequence, recovered from the variable and the previous element of the sequence.
        mean = ops.true_divide(ops.subtract(variable, ops.multiply(hidden, 1 - self.beta_1)), self.beta_1)
        power = towards(self.slot("velocity", variable), ops.square(gradient), 1 - self.beta_2)
        root = ops.add(ops.sqrt(ops.true_divide(power, rest)), self.epsilon)
        moved = hidden.assign(ops.subtract(hidden, ops.true_divide(ops.multiply(gradient, learning_rate), root)))
        part = ops.true_divide(1.0, step)
        mean = ops.add(ops.multiply(mean, ops.subtract(1.0, part)), ops.multiply(moved, part))
        variable.assign(ops.add(ops.multiply(moved, 1 - self.beta_1), ops.multiply(mean, self.beta_1)))
