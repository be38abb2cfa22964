"""The Adam family: Adam, AdamW, Adamax, Nadam, Lamb. Source: keras.optimizers (Keras 3)."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphkit import ops
from graphkit.core import dtypes
from graphkit.core.declared import argument
from graphkit.core.errors import InvalidArgumentError
from graphkit.core.serialization import keras_class
from graphkit.ir.variable import Variable
from graphkit.optimizers.methods import fuzz, towards
from graphkit.optimizers.optimizer import HOME, REST, Optimizer, checked_rate


def _given(optimizer: Any, name: str, value: Any) -> Any:
    if value is None:
        raise InvalidArgumentError("Argument `weight_decay` of AdamW must be a float, got None.")
    return value


class Moments(Optimizer):
    """Base of the Adam family: its arguments and its two moving means.

    Args:
        beta_1: The decay rate of the mean of gradients.
        beta_2: The decay rate of the mean of squared gradients.
        epsilon: A constant that avoids division by zero.
        learning_rate, weight_decay, clipnorm and further arguments: As for `Optimizer`.
    """

    slots = ("momentum", "velocity")
    argument_order = f"learning_rate beta_1 beta_2 epsilon weight_decay {REST}"
    _learning_rate: Any = argument(default=0.001, alias="learning_rate", check=checked_rate)
    beta_1: float = argument(default=0.9)
    beta_2: float = argument(default=0.999)
    epsilon: float = argument(default=1e-7, convert=fuzz)

    def means(self, gradient: Any, variable: Variable) -> tuple[Any, Any]:
        """Update the moving means of gradients and of their squares, and return them."""
        mean = towards(self.slot("momentum", variable), gradient, 1 - self.beta_1)
        return mean, towards(self.slot("velocity", variable), ops.square(gradient), 1 - self.beta_2)

    def corrections(self, dtype: str) -> tuple[Any, Any]:
        """Return 1 - beta^step for both means: the correction for their start at zero."""
        return corrections((self.beta_1, self.beta_2), ops.add(self.iterations, 1), dtype)


def corrections(betas: tuple[float, float], step: Any, dtype: str) -> tuple[Any, Any]:
    """Return 1 - beta^step for both."""
    count = ops.cast(step, dtype)
    first, second = (ops.subtract(1.0, ops.power(ops.cast(b, dtype), count)) for b in betas)
    return first, second


def adam_change(
    gradient: Any,
    slots: tuple[Variable, Variable],
    betas: tuple[float, float],
    epsilon: float,
    step: Any,
    learning_rate: Any,
    top: Variable | None = None,
) -> Any:
    """Return what Adam subtracts from a variable, and update its moving means.

    Args:
        gradient: The gradient of the variable.
        slots: The moving means of gradients and of their squares.
        betas: Their decay rates.
        epsilon: A constant that avoids division by zero.
        step: The number of this update, from 1.
        learning_rate: The learning rate.
        top: The slot with the largest mean square so far (AMSGrad), or None.
    """
    mean, power = slots
    rest_1, rest_2 = corrections(betas, step, mean.dtype)
    alpha = ops.true_divide(ops.multiply(learning_rate, ops.sqrt(rest_2)), rest_1)
    mean = towards(mean, gradient, 1 - betas[0])
    power = towards(power, ops.square(gradient), 1 - betas[1])
    if top is not None:
        power = top.assign(ops.maximum(top, power))
    return ops.true_divide(ops.multiply(mean, alpha), ops.add(ops.sqrt(power), epsilon))


@keras_class(HOME)
class Adam(Moments):
    """Steps along the mean gradient, divided by its root mean square, with bias correction. Source: keras.optimizers.Adam.

    Args:
        amsgrad: Whether to divide by the largest root mean square so far.
        learning_rate, beta_1, beta_2, epsilon and further arguments: As for `Moments` and `Optimizer`.
    """

    argument_order = f"learning_rate beta_1 beta_2 epsilon amsgrad weight_decay {REST}"
    amsgrad: bool = argument(default=False)

    def make_slots(self) -> None:
        """Create momentum and velocity together for each variable, then velocity_hat."""
        super().make_slots()
        if self.amsgrad:
            self.add_slots("velocity_hat")

    def update_step(self, gradient: Any, variable: Variable, learning_rate: Any) -> None:
        """Update the variable."""
        slots = (self.slot("momentum", variable), self.slot("velocity", variable))
        top = self.slot("velocity_hat", variable) if self.amsgrad else None
        betas, step = (self.beta_1, self.beta_2), ops.add(self.iterations, 1)
        change = adam_change(gradient, slots, betas, self.epsilon, step, learning_rate, top)
        variable.assign(ops.subtract(variable, change))


@keras_class(HOME)
class AdamW(Adam):
    """Adam with decoupled weight decay.

    Raises:
        InvalidArgumentError: `weight_decay` is None.

    Source: keras.optimizers.AdamW.
    """

    argument_order = f"learning_rate weight_decay beta_1 beta_2 epsilon amsgrad {REST}"
    weight_decay: Any = argument(default=0.004, check=_given)


@keras_class(HOME)
class Adamax(Moments):
    """Adam with the infinity norm instead of the root mean square. Source: keras.optimizers.Adamax."""

    slots = ("momentum", "norm")

    def update_step(self, gradient: Any, variable: Variable, learning_rate: Any) -> None:
        """Update the variable."""
        rest, _ = self.corrections(variable.dtype)
        mean = towards(self.slot("momentum", variable), gradient, 1 - self.beta_1)
        slot = self.slot("norm", variable)
        norm = slot.assign(ops.maximum(ops.multiply(slot, self.beta_2), ops.absolute(gradient)))
        change = ops.true_divide(ops.multiply(mean, learning_rate), ops.multiply(ops.add(norm, self.epsilon), rest))
        variable.assign(ops.subtract(variable, change))


@keras_class(HOME)
class Nadam(Moments):
    """Adam with Nesterov momentum. Source: keras.optimizers.Nadam."""

    schedule_decay = 1.0  # Keras 2's argument; set when its files are read, not part of the config

    def make_slots(self) -> None:
        """Create momentum and velocity, then the product of the momentum schedule, which has no name in Keras."""
        super().make_slots()
        dtype = self._trainable[0].dtype if self._trainable else dtypes.floatx()
        self._product = self._track(1.0, dtype, "variable")

    @property
    def product(self) -> Variable:
        """The product of the momentum schedule so far."""
        return self._product

    def product_after(self, steps: int) -> float:
        """Return the value of `product` after this number of steps, for files that do not store it."""
        step = np.arange(1, min(steps, 10_000) + 1)  # by then the product is 0
        return float(np.prod(self.beta_1 * (1.0 - 0.5 * 0.96 ** (step * self.schedule_decay))))

    def _schedule(self, step: Any, dtype: str) -> Any:
        decay = ops.power(ops.cast(0.96, dtype), ops.multiply(ops.cast(step, dtype), self.schedule_decay))
        return ops.multiply(ops.subtract(1.0, ops.multiply(decay, 0.5)), self.beta_1)

    def _update(self, pairs: Any) -> None:
        now = self._schedule(ops.add(self.iterations, 1), self._product.dtype)
        self._product.assign(ops.multiply(self._product, now))
        super()._update(pairs)

    def update_step(self, gradient: Any, variable: Variable, learning_rate: Any) -> None:
        """Update the variable."""
        dtype = variable.dtype
        now, then = (self._schedule(ops.add(self.iterations, k), dtype) for k in (1, 2))
        product = ops.cast(self._product, dtype)
        _, rest_2 = self.corrections(dtype)
        mean, power = self.means(gradient, variable)
        ahead = ops.true_divide(ops.multiply(mean, then), ops.subtract(1.0, ops.multiply(product, then)))
        here = ops.true_divide(ops.multiply(gradient, ops.subtract(1.0, now)), ops.subtract(1.0, product))
        root = ops.add(ops.sqrt(ops.true_divide(power, rest_2)), self.epsilon)
        variable.assign(
            ops.subtract(variable, ops.true_divide(ops.multiply(ops.add(ahead, here), learning_rate), root))
        )


@keras_class(HOME)
class Lamb(Moments):
    """Adam with each step scaled by the norm of the variable. Source: keras.optimizers.Lamb."""

    elementwise = False

    def update_step(self, gradient: Any, variable: Variable, learning_rate: Any) -> None:
        """Update the variable."""
        rest_1, rest_2 = self.corrections(variable.dtype)
        mean, power = self.means(gradient, variable)
        root = ops.add(ops.sqrt(ops.true_divide(power, rest_2)), self.epsilon)
        change = ops.true_divide(ops.true_divide(mean, rest_1), root)
        length, own = (ops.sqrt(ops.sum(ops.square(t))) for t in (variable.value, change))
        usable = ops.logical_and(ops.greater(length, 0), ops.greater(own, 0))
        trust = ops.where(usable, ops.true_divide(length, ops.where(usable, own, 1.0)), 1.0)
        variable.assign(ops.subtract(variable, ops.multiply(change, ops.multiply(trust, learning_rate))))
