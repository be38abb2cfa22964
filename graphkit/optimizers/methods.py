"""The optimizers: SGD, RMSprop, the Adam family, Adagrad, Adadelta, Ftrl, Lion, Lamb. Source: keras.optimizers (Keras 3)."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphkit import ops
from graphkit.core import dtypes
from graphkit.core.errors import InvalidArgumentError
from graphkit.core.serialization import keras_class
from graphkit.ir.variable import Variable
from graphkit.optimizers.optimizer import HOME, Optimizer


def _towards(slot: Variable, target: Any, part: float) -> Any:
    """slot + (target - slot) * part, assigned."""
    return slot.assign(ops.add(slot, ops.multiply(ops.subtract(target, slot), part)))


def _decayed(slot: Variable, target: Any, rho: float) -> Any:
    """rho * slot + (1 - rho) * target, assigned."""
    return slot.assign(ops.add(ops.multiply(slot, rho), ops.multiply(target, 1 - rho)))


@keras_class(HOME)
class SGD(Optimizer):
    """w - learning_rate * g, with momentum if there is one. Source: keras.optimizers.SGD."""

    def __init__(self, learning_rate: Any = 0.01, momentum: float = 0.0, nesterov: bool = False, **kwargs: Any) -> None:
        super().__init__(learning_rate, **kwargs)
        if not isinstance(momentum, (int, float)) or not 0 <= momentum <= 1:
            raise InvalidArgumentError(f"`momentum` must be a float between [0, 1], got {momentum!r}.")
        self.momentum, self.nesterov = float(momentum), nesterov

    def make_slots(self) -> None:
        """momentum, if there is one."""
        if self.momentum:
            self.add_slots("momentum")

    def update_step(self, gradient: Any, variable: Variable, learning_rate: Any) -> None:
        """The update."""
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
    """Divides by the root of a sum of squares."""

    epsilon: float
    epsilon_outside = False  # how Keras 1 and 2 kept off zero; set for their files, no part of the config

    def _root(self, power: Any) -> Any:
        if self.epsilon_outside:
            return ops.add(ops.sqrt(power), self.epsilon)
        return ops.sqrt(ops.add(power, self.epsilon))


@keras_class(HOME)
class RMSprop(_RootDivided):
    """Steps divided by a moving root mean square of the gradients. Source: keras.optimizers.RMSprop."""

    def __init__(
        self,
        learning_rate: Any = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-7,
        centered: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, **kwargs)
        self.rho, self.momentum, self.epsilon, self.centered = rho, momentum, _fuzz(epsilon), centered

    def make_slots(self) -> None:
        """velocity, momentum, average_gradient: one after the other, as Keras does."""
        for name, wanted in (("velocity", True), ("momentum", self.momentum > 0), ("average_gradient", self.centered)):
            if wanted:
                self.add_slots(name)

    def update_step(self, gradient: Any, variable: Variable, learning_rate: Any) -> None:
        """The update."""
        power = _decayed(self.slot("velocity", variable), ops.square(gradient), self.rho)
        if self.centered:
            average = _decayed(self.slot("average_gradient", variable), gradient, self.rho)
            power = ops.subtract(power, ops.square(average))
        step = ops.true_divide(ops.multiply(gradient, learning_rate), self._root(power))
        if self.momentum > 0:
            slot = self.slot("momentum", variable)
            step = slot.assign(ops.add(ops.multiply(slot, self.momentum), step))
        variable.assign(ops.subtract(variable, step))


def _fuzz(epsilon: float | None) -> float:
    """Older configs say None for the session's epsilon."""
    return dtypes.epsilon() if epsilon is None else epsilon


@keras_class(HOME)
class Adam(Optimizer):
    """Moving means of gradients and their squares, with bias correction. Source: keras.optimizers.Adam."""

    slots = ("momentum", "velocity")

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, **kwargs)
        self.beta_1, self.beta_2, self.epsilon, self.amsgrad = beta_1, beta_2, _fuzz(epsilon), amsgrad

    def make_slots(self) -> None:
        """momentum and velocity side by side, then velocity_hat."""
        super().make_slots()
        if self.amsgrad:
            self.add_slots("velocity_hat")

    def update_step(self, gradient: Any, variable: Variable, learning_rate: Any) -> None:
        """The update."""
        step = ops.cast(ops.add(self.iterations, 1), variable.dtype)
        rest_1, rest_2 = (
            ops.subtract(1.0, ops.power(ops.cast(b, variable.dtype), step)) for b in (self.beta_1, self.beta_2)
        )
        alpha = ops.true_divide(ops.multiply(learning_rate, ops.sqrt(rest_2)), rest_1)
        mean = _towards(self.slot("momentum", variable), gradient, 1 - self.beta_1)
        power = _towards(self.slot("velocity", variable), ops.square(gradient), 1 - self.beta_2)
        if self.amsgrad:
            top = self.slot("velocity_hat", variable)
            power = top.assign(ops.maximum(top, power))
        change = ops.true_divide(ops.multiply(mean, alpha), ops.add(ops.sqrt(power), self.epsilon))
        variable.assign(ops.subtract(variable, change))


@keras_class(HOME)
class AdamW(Adam):
    """Adam with weight decay. Source: keras.optimizers.AdamW."""

    def __init__(
        self,
        learning_rate: Any = 0.001,
        weight_decay: float = 0.004,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        **kwargs: Any,
    ) -> None:
        if weight_decay is None:
            raise InvalidArgumentError("Argument `weight_decay` of AdamW must be a float, got None.")
        super().__init__(learning_rate, beta_1, beta_2, epsilon, amsgrad, weight_decay=weight_decay, **kwargs)


@keras_class(HOME)
class Adamax(Optimizer):
    """Adam by the infinity norm. Source: keras.optimizers.Adamax."""

    slots = ("momentum", "norm")

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, **kwargs)
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, _fuzz(epsilon)

    def update_step(self, gradient: Any, variable: Variable, learning_rate: Any) -> None:
        """The update."""
        step = ops.cast(ops.add(self.iterations, 1), variable.dtype)
        rest = ops.subtract(1.0, ops.power(ops.cast(self.beta_1, variable.dtype), step))
        mean = _towards(self.slot("momentum", variable), gradient, 1 - self.beta_1)
        slot = self.slot("norm", variable)
        norm = slot.assign(ops.maximum(ops.multiply(slot, self.beta_2), ops.absolute(gradient)))
        change = ops.true_divide(ops.multiply(mean, learning_rate), ops.multiply(ops.add(norm, self.epsilon), rest))
        variable.assign(ops.subtract(variable, change))


@keras_class(HOME)
class Nadam(Optimizer):
    """Adam with Nesterov momentum. Source: keras.optimizers.Nadam."""

    slots = ("momentum", "velocity")
    schedule_decay = 1.0  # Keras 2's argument; set for its files, no part of the config

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, **kwargs)
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, _fuzz(epsilon)

    def make_slots(self) -> None:
        """momentum and velocity; then the product of the momentum schedule, which Keras leaves without a name."""
        super().make_slots()
        dtype = self._trainable[0].dtype if self._trainable else dtypes.floatx()
        self._product = self._track(1.0, dtype, "variable")

    @property
    def product(self) -> Variable:
        """The product of the momentum schedule so far."""
        return self._product

    def product_after(self, steps: int) -> float:
        """What `product` is after so many steps; for files that do not say it."""
        step = np.arange(1, min(steps, 10_000) + 1)  # it is 0 long before
        return float(np.prod(self.beta_1 * (1.0 - 0.5 * 0.96 ** (step * self.schedule_decay))))

    def _schedule(self, step: Any, dtype: str) -> Any:
        decay = ops.power(ops.cast(0.96, dtype), ops.multiply(ops.cast(step, dtype), self.schedule_decay))
        return ops.multiply(ops.subtract(1.0, ops.multiply(decay, 0.5)), self.beta_1)

    def _update(self, pairs: Any) -> None:
        now = self._schedule(ops.add(self.iterations, 1), self._product.dtype)
        self._product.assign(ops.multiply(self._product, now))
        super()._update(pairs)

    def update_step(self, gradient: Any, variable: Variable, learning_rate: Any) -> None:
        """The update."""
        dtype = variable.dtype
        now, then = (self._schedule(ops.add(self.iterations, k), dtype) for k in (1, 2))
        product = ops.cast(self._product, dtype)
        rest_2 = ops.subtract(
            1.0, ops.power(ops.cast(self.beta_2, dtype), ops.cast(ops.add(self.iterations, 1), dtype))
        )
        mean = _towards(self.slot("momentum", variable), gradient, 1 - self.beta_1)
        power = _towards(self.slot("velocity", variable), ops.square(gradient), 1 - self.beta_2)
        ahead = ops.true_divide(ops.multiply(mean, then), ops.subtract(1.0, ops.multiply(product, then)))
        here = ops.true_divide(ops.multiply(gradient, ops.subtract(1.0, now)), ops.subtract(1.0, product))
        root = ops.add(ops.sqrt(ops.true_divide(power, rest_2)), self.epsilon)
        variable.assign(
            ops.subtract(variable, ops.true_divide(ops.multiply(ops.add(ahead, here), learning_rate), root))
        )


@keras_class(HOME)
class Adagrad(_RootDivided):
    """Steps divided by the root of the sum of all squares so far. Source: keras.optimizers.Adagrad."""

    def __init__(
        self, learning_rate: Any = 0.001, initial_accumulator_value: float = 0.1, epsilon: float = 1e-7, **kwargs: Any
    ) -> None:
        super().__init__(learning_rate, **kwargs)
        self.initial_accumulator_value, self.epsilon = initial_accumulator_value, _fuzz(epsilon)

    def make_slots(self) -> None:
        """accumulator."""
        self.add_slots("accumulator", initial={"accumulator": self.initial_accumulator_value})

    def update_step(self, gradient: Any, variable: Variable, learning_rate: Any) -> None:
        """The update."""
        slot = self.slot("accumulator", variable)
        total = slot.assign(ops.add(slot, ops.square(gradient)))
        change = ops.true_divide(ops.multiply(gradient, learning_rate), self._root(total))
        variable.assign(ops.subtract(variable, change))


@keras_class(HOME)
class Adadelta(Optimizer):
    """Steps scaled by the moving mean square of earlier steps over that of gradients. Source: keras.optimizers.Adadelta."""

    slots = ("accumulated_grad", "accumulated_delta_var")

    def __init__(self, learning_rate: Any = 0.001, rho: float = 0.95, epsilon: float = 1e-7, **kwargs: Any) -> None:
        super().__init__(learning_rate, **kwargs)
        self.rho, self.epsilon = rho, _fuzz(epsilon)

    def update_step(self, gradient: Any, variable: Variable, learning_rate: Any) -> None:
        """The update."""
        deltas = self.slot("accumulated_delta_var", variable)
        power = _decayed(self.slot("accumulated_grad", variable), ops.square(gradient), self.rho)
        root = ops.sqrt(ops.add(deltas, self.epsilon))
        change = ops.true_divide(ops.multiply(root, gradient), ops.sqrt(ops.add(power, self.epsilon)))
        _decayed(deltas, ops.square(change), self.rho)
        variable.assign(ops.subtract(variable, ops.multiply(change, learning_rate)))


@keras_class(HOME)
class Ftrl(Optimizer):
    """Follow the regularised leader. Source: keras.optimizers.Ftrl."""

    def __init__(
        self,
        learning_rate: Any = 0.001,
        learning_rate_power: float = -0.5,
        initial_accumulator_value: float = 0.1,
        l1_regularization_strength: float = 0.0,
        l2_regularization_strength: float = 0.0,
        l2_shrinkage_regularization_strength: float = 0.0,
        beta: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, **kwargs)
        self.learning_rate_power, self.initial_accumulator_value = learning_rate_power, initial_accumulator_value
        self.l1_regularization_strength, self.l2_regularization_strength = (
            l1_regularization_strength,
            l2_regularization_strength,
        )
        self.l2_shrinkage_regularization_strength, self.beta = l2_shrinkage_regularization_strength, beta
        self._check_signs()

    def _check_signs(self) -> None:
        for name in (
            "initial_accumulator_value", "l1_regularization_strength", "l2_regularization_strength",
            "l2_shrinkage_regularization_strength",
        ):  # fmt: skip
            if getattr(self, name) < 0:
                raise InvalidArgumentError(f"`{name}` needs to be positive or zero, got {getattr(self, name)}.")
        if self.learning_rate_power > 0:
            raise InvalidArgumentError(
                f"`learning_rate_power` needs to be negative or zero, got {self.learning_rate_power}."
            )

    def make_slots(self) -> None:
        """accumulator and linear, side by side."""
        self.add_slots("accumulator", "linear", initial={"accumulator": self.initial_accumulator_value})

    def update_step(self, gradient: Any, variable: Variable, learning_rate: Any) -> None:
        """The update."""
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
    """Steps by the sign of a momentum. Source: keras.optimizers.Lion."""

    slots = ("momentum",)

    def __init__(self, learning_rate: Any = 0.001, beta_1: float = 0.9, beta_2: float = 0.99, **kwargs: Any) -> None:
        super().__init__(learning_rate, **kwargs)
        if not 0 < beta_1 <= 1:
            raise InvalidArgumentError(f"Argument `beta_1` must be in the ]0, 1] range. Received: beta_1={beta_1}.")
        self.beta_1, self.beta_2 = beta_1, beta_2

    def update_step(self, gradient: Any, variable: Variable, learning_rate: Any) -> None:
        """The update."""
        slot = self.slot("momentum", variable)
        blend = ops.add(ops.multiply(slot, self.beta_1), ops.multiply(gradient, 1.0 - self.beta_1))
        variable.assign(ops.subtract(variable, ops.multiply(ops.sign(blend), learning_rate)))
        _decayed(slot, gradient, self.beta_2)


@keras_class(HOME)
class Lamb(Optimizer):
    """Adam with a step as long as the weights are. Source: keras.optimizers.Lamb."""

    slots = ("momentum", "velocity")
    elementwise = False

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, **kwargs)
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, _fuzz(epsilon)

    def update_step(self, gradient: Any, variable: Variable, learning_rate: Any) -> None:
        """The update."""
        step = ops.cast(ops.add(self.iterations, 1), variable.dtype)
        rest_1, rest_2 = (
            ops.subtract(1.0, ops.power(ops.cast(b, variable.dtype), step)) for b in (self.beta_1, self.beta_2)
        )
        mean = _towards(self.slot("momentum", variable), gradient, 1 - self.beta_1)
        power = _towards(self.slot("velocity", variable), ops.square(gradient), 1 - self.beta_2)
        root = ops.add(ops.sqrt(ops.true_divide(power, rest_2)), self.epsilon)
        change = ops.true_divide(ops.true_divide(mean, rest_1), root)
        length, own = (ops.sqrt(ops.sum(ops.square(t))) for t in (variable.value, change))
        usable = ops.logical_and(ops.greater(length, 0), ops.greater(own, 0))
        trust = ops.where(usable, ops.true_divide(length, ops.where(usable, own, 1.0)), 1.0)
        variable.assign(ops.subtract(variable, ops.multiply(change, ops.multiply(trust, learning_rate))))


@keras_class(HOME)
class Adafactor(Optimizer):
    """Second moments of matrices kept as those of rows and columns. Source: keras.optimizers.Adafactor."""

    elementwise = False

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_2_decay: float = -0.8,
        epsilon_1: float = 1e-30,
        epsilon_2: float = 1e-3,
        clip_threshold: float = 1.0,
        relative_step: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, **kwargs)
        self.beta_2_decay, self.epsilon_1, self.epsilon_2 = beta_2_decay, epsilon_1, epsilon_2
        self.clip_threshold, self.relative_step = clip_threshold, relative_step

    def make_slots(self) -> None:
        """Means of rows and of columns for tensors of two axes and more, then velocity, for each variable."""
        self._slots = {"row": [], "column": [], "velocity": []}
        for variable in self._trainable:
            shape = variable.shape
            shapes = (
                {"row": shape[:-1], "column": (*shape[:-2], *shape[-1:])}
                if len(shape) > 1
                else {"row": (), "column": ()}
            )
            for name, size in shapes.items():
                dtype = variable.dtype if len(shape) > 1 else "int32"  # nothing is kept there, but Keras saves it
                self._slots[name].append(self._track(np.zeros(size), dtype, variable.name))
            self._slots["velocity"].append(self.add_variable_from_reference(variable, "velocity"))

    def update_step(self, gradient: Any, variable: Variable, learning_rate: Any) -> None:
        """The update."""
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
    """keep * slot + (1 - keep) * target."""
    return ops.add(ops.multiply(slot, keep), ops.multiply(target, ops.subtract(1.0, keep)))
