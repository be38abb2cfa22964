"""SGD, RMSprop, Adagrad, Adadelta, Ftrl and Lion. Source: keras.optimizers (Keras 3)."""

from __future__ import annotations

from typing import Any

from graphkit import ops
from graphkit.core import dtypes
from graphkit.core.declared import argument
from graphkit.core.errors import InvalidArgumentError
from graphkit.core.serialization import keras_class
from graphkit.ir.variable import Variable
from graphkit.optimizers.optimizer import HOME, REST, Optimizer, checked_rate


def towards(slot: Variable, target: Any, part: float) -> Any:
    """Assign slot + (target - slot) * part, and return it."""
    return slot.assign(ops.add(slot, ops.multiply(ops.subtract(target, slot), part)))


def decayed(slot: Variable, target: Any, rho: float) -> Any:
    """Assign rho * slot + (1 - rho) * target, and return it."""
    return slot.assign(ops.add(ops.multiply(slot, rho), ops.multiply(target, 1 - rho)))


def fuzz(epsilon: float | None) -> float:
    """Return the epsilon of an optimizer; None, from older configs, means the global `epsilon()`."""
    return dtypes.epsilon() if epsilon is None else epsilon


def _checked(optimizer: Any, name: str, value: Any, fits: bool, wanted: str) -> Any:
    if not fits:
        raise InvalidArgumentError(f"`{name}` of {type(optimizer).__name__} must be {wanted}, got {value!r}.")
    return value


def _fraction(optimizer: Any, name: str, value: Any) -> Any:
    return _checked(
        optimizer, name, value, isinstance(value, (int, float)) and 0 <= value <= 1, "a float between [0, 1]"
    )


def _above_zero(optimizer: Any, name: str, value: Any) -> Any:
    return _checked(optimizer, name, value, 0 < value <= 1, "in the ]0, 1] range")


def _not_negative(optimizer: Any, name: str, value: Any) -> Any:
    return _checked(optimizer, name, value, value >= 0, "positive or zero")


def _not_positive(optimizer: Any, name: str, value: Any) -> Any:
    return _checked(optimizer, name, value, value <= 0, "negative or zero")


@keras_class(HOME)
class SGD(Optimizer):
    """Gradient descent: w - learning_rate * g, optionally with momentum.

    Args:
        momentum: The decay rate of the velocity; 0 for none.
        nesterov: Whether to use Nesterov momentum.
        learning_rate, weight_decay, clipnorm and further arguments: As for `Optimizer`.

    Raises:
        InvalidArgumentError: `momentum` is not between 0 and 1.

    Source: keras.optimizers.SGD.
    """

    argument_order = f"learning_rate momentum nesterov weight_decay {REST}"
    _learning_rate: Any = argument(default=0.01, alias="learning_rate", check=checked_rate)
    momentum: float = argument(default=0.0, check=_fraction, convert=float)
    nesterov: bool = argument(default=False)

    def make_slots(self) -> None:
        """Create the momentum, if it is used."""
        if self.momentum:
            self.add_slots("momentum")

    def update_step(self, gradient: Any, variable: Variable, learning_rate: Any) -> None:
        """Update the variable."""
        step = ops.multiply(gradient, learning_rate)
        if not self.momentum:
            variable.assign(ops.subtract(variable, step))
            return
        slot = self.slot("momentum", variable)
        speed = slot.assign(ops.subtract(ops.multiply(slot, self.momentum), step))
        variable.assign(
            ops.add(variable, ops.subtract(ops.multiply(speed, self.momentum), step) if self.nesterov else speed)
        )


class _RootDivided(Optimizer):
    """Base of optimizers that divide by the root of a sum of squares."""

    epsilon_outside = False  # as in Keras 1 and 2; set when their files are read, not part of the config

    def _root(self, power: Any, epsilon: float) -> Any:
        return ops.add(ops.sqrt(power), epsilon) if self.epsilon_outside else ops.sqrt(ops.add(power, epsilon))


@keras_class(HOME)
class RMSprop(_RootDivided):
    """Steps divided by the moving root mean square of the gradients.

    Args:
        rho: The decay rate of the mean.
        momentum: The decay rate of the velocity; 0 for none.
        epsilon: A constant that avoids division by zero.
        centered: Whether to divide by the standard deviation instead of the root mean square.
        learning_rate, weight_decay, clipnorm and further arguments: As for `Optimizer`.

    Source: keras.optimizers.RMSprop.
    """

    argument_order = f"learning_rate rho momentum epsilon centered weight_decay {REST}"
    _learning_rate: Any = argument(default=0.001, alias="learning_rate", check=checked_rate)
    rho: float = argument(default=0.9)
    momentum: float = argument(default=0.0)
    epsilon: float = argument(default=1e-7, convert=fuzz)
    centered: bool = argument(default=False)

    def make_slots(self) -> None:
        """Create velocity, momentum and average_gradient, one slot after another as in Keras."""
        for name, wanted in (("velocity", True), ("momentum", self.momentum > 0), ("average_gradient", self.centered)):
            if wanted:
                self.add_slots(name)

    def update_step(self, gradient: Any, variable: Variable, learning_rate: Any) -> None:
        """Update the variable."""
        power = decayed(self.slot("velocity", variable), ops.square(gradient), self.rho)
        if self.centered:
            average = decayed(self.slot("average_gradient", variable), gradient, self.rho)
            power = ops.subtract(power, ops.square(average))
        step = ops.true_divide(ops.multiply(gradient, learning_rate), self._root(power, self.epsilon))
        if self.momentum > 0:
            slot = self.slot("momentum", variable)
            step = slot.assign(ops.add(ops.multiply(slot, self.momentum), step))
        variable.assign(ops.subtract(variable, step))


@keras_class(HOME)
class Adagrad(_RootDivided):
    """Steps divided by the root of the sum of all squared gradients so far.

    Args:
        initial_accumulator_value: The start value of the sums.
        epsilon: A constant that avoids division by zero.
        learning_rate, weight_decay, clipnorm and further arguments: As for `Optimizer`.

    Source: keras.optimizers.Adagrad.
    """

    argument_order = f"learning_rate initial_accumulator_value epsilon weight_decay {REST}"
    _learning_rate: Any = argument(default=0.001, alias="learning_rate", check=checked_rate)
    initial_accumulator_value: float = argument(default=0.1)
    epsilon: float = argument(default=1e-7, convert=fuzz)

    def make_slots(self) -> None:
        """Create the accumulator."""
        self.add_slots("accumulator", initial={"accumulator": self.initial_accumulator_value})

    def update_step(self, gradient: Any, variable: Variable, learning_rate: Any) -> None:
        """Update the variable."""
        slot = self.slot("accumulator", variable)
        total = slot.assign(ops.add(slot, ops.square(gradient)))
        change = ops.true_divide(ops.multiply(gradient, learning_rate), self._root(total, self.epsilon))
        variable.assign(ops.subtract(variable, change))


@keras_class(HOME)
class Adadelta(Optimizer):
    """Steps scaled by the ratio of the root mean squares of earlier steps and of gradients.

    Args:
        rho: The decay rate of both means.
        epsilon: A constant that avoids division by zero.
        learning_rate, weight_decay, clipnorm and further arguments: As for `Optimizer`.

    Source: keras.optimizers.Adadelta.
    """

    slots = ("accumulated_grad", "accumulated_delta_var")

    argument_order = f"learning_rate rho epsilon weight_decay {REST}"
    _learning_rate: Any = argument(default=0.001, alias="learning_rate", check=checked_rate)
    rho: float = argument(default=0.95)
    epsilon: float = argument(default=1e-7, convert=fuzz)

    def update_step(self, gradient: Any, variable: Variable, learning_rate: Any) -> None:
        """Update the variable."""
        deltas = self.slot("accumulated_delta_var", variable)
        power = decayed(self.slot("accumulated_grad", variable), ops.square(gradient), self.rho)
        root = ops.sqrt(ops.add(deltas, self.epsilon))
        change = ops.true_divide(ops.multiply(root, gradient), ops.sqrt(ops.add(power, self.epsilon)))
        decayed(deltas, ops.square(change), self.rho)
        variable.assign(ops.subtract(variable, ops.multiply(change, learning_rate)))


@keras_class(HOME)
class Ftrl(Optimizer):
    """Follow the regularized leader.

    Args:
        learning_rate_power: The exponent of the accumulated squares in the learning rate; at most 0.
        initial_accumulator_value: The start value of the accumulated squares.
        l1_regularization_strength, l2_regularization_strength: The strength of the L1 and L2 penalties.
        l2_shrinkage_regularization_strength: The strength of an L2 penalty on the magnitude of the loss.
        beta: A further L2 term, divided by the learning rate.
        learning_rate, weight_decay, clipnorm and further arguments: As for `Optimizer`.

    Raises:
        InvalidArgumentError: An argument has the wrong sign.

    Source: keras.optimizers.Ftrl.
    """

    argument_order = (
        "learning_rate learning_rate_power initial_accumulator_value l1_regularization_strength l2_regularization_strength "
        f"l2_shrinkage_regularization_strength beta weight_decay {REST}"
    )
    _learning_rate: Any = argument(default=0.001, alias="learning_rate", check=checked_rate)
    learning_rate_power: float = argument(default=-0.5, check=_not_positive)
    initial_accumulator_value: float = argument(default=0.1, check=_not_negative)
    l1_regularization_strength: float = argument(default=0.0, check=_not_negative)
    l2_regularization_strength: float = argument(default=0.0, check=_not_negative)
    l2_shrinkage_regularization_strength: float = argument(default=0.0, check=_not_negative)
    beta: float = argument(default=0.0)

    def make_slots(self) -> None:
        """Create accumulator and linear together for each variable."""
        self.add_slots("accumulator", "linear", initial={"accumulator": self.initial_accumulator_value})

    def update_step(self, gradient: Any, variable: Variable, learning_rate: Any) -> None:
        """Update the variable."""
        accumulator, slot = self.slot("accumulator", variable), self.slot("linear", variable)
        shrunk = ops.add(gradient, ops.multiply(variable, 2 * self.l2_shrinkage_regularization_strength))
        total = ops.add(accumulator, ops.square(gradient))
        power, before = (ops.power(t, -self.learning_rate_power) for t in (total, accumulator))
        pull = ops.multiply(ops.true_divide(ops.subtract(power, before), learning_rate), variable)
        linear = slot.assign(ops.add(slot, ops.subtract(shrunk, pull)))
        l2 = ops.add(ops.true_divide(self.beta / 2.0, learning_rate), self.l2_regularization_strength)
        quadratic = ops.add(ops.true_divide(power, learning_rate), ops.multiply(l2, 2.0))
        limit = self.l1_regularization_strength
        variable.assign(ops.true_divide(ops.subtract(ops.clip(linear, -limit, limit), linear), quadratic))
        accumulator.assign(total)


@keras_class(HOME)
class Lion(Optimizer):
    """Steps along the sign of a moving mean of the gradients.

    Args:
        beta_1: The weight of the mean against the gradient in a step.
        beta_2: The decay rate of the mean.
        learning_rate, weight_decay, clipnorm and further arguments: As for `Optimizer`.

    Raises:
        InvalidArgumentError: `beta_1` is not in ]0, 1].

    Source: keras.optimizers.Lion.
    """

    slots = ("momentum",)

    argument_order = f"learning_rate beta_1 beta_2 weight_decay {REST}"
    _learning_rate: Any = argument(default=0.001, alias="learning_rate", check=checked_rate)
    beta_1: float = argument(default=0.9, check=_above_zero)
    beta_2: float = argument(default=0.99)

    def update_step(self, gradient: Any, variable: Variable, learning_rate: Any) -> None:
        """Update the variable."""
        slot = self.slot("momentum", variable)
        blend = ops.add(ops.multiply(slot, self.beta_1), ops.multiply(gradient, 1.0 - self.beta_1))
        variable.assign(ops.subtract(variable, ops.multiply(ops.sign(blend), learning_rate)))
        decayed(slot, gradient, self.beta_2)
