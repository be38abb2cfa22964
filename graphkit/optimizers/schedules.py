"""Learning rates that follow from the number of steps taken. Source: keras.optimizers.schedules (Keras 3)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from graphkit import ops
from graphkit.core.errors import InvalidArgumentError
from graphkit.core.serialization import Configurable, deserialize, keras_class, serialize

_HOME = "keras.optimizers.schedules"

__all__ = [
    "CosineDecay", "CosineDecayRestarts", "ExponentialDecay", "InverseTimeDecay", "LearningRateSchedule", "PiecewiseConstantDecay",
    "PolynomialDecay", "deserialize", "serialize",
]  # fmt: skip


class LearningRateSchedule(Configurable):
    """Called with the step (an integer tensor), gives the learning rate; written with ops, so it is part of the training program."""

    def __call__(self, step: Any) -> Any:
        """The learning rate at this step."""
        raise NotImplementedError(f"{type(self).__name__} defines no __call__(step)")


def _float(step: Any) -> Any:
    return ops.cast(step, "float32")


def _positive(name: str, value: Any) -> None:
    if value <= 0:
        raise InvalidArgumentError(f"Argument `{name}` must be positive, got {name}={value}.")


@keras_class(_HOME)
class ExponentialDecay(LearningRateSchedule):
    """initial * decay_rate ^ (step / decay_steps); with `staircase` the exponent is rounded down."""

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        decay_rate: float,
        staircase: bool = False,
        name: str = "ExponentialDecay",
    ) -> None:
        _positive("decay_steps", decay_steps)
        self.initial_learning_rate, self.decay_steps, self.decay_rate = initial_learning_rate, decay_steps, decay_rate
        self.staircase, self.name = staircase, name

    def __call__(self, step: Any) -> Any:
        """The learning rate at this step."""
        passed = ops.true_divide(_float(step), float(self.decay_steps))
        passed = ops.floor(passed) if self.staircase else passed
        return ops.multiply(ops.power(float(self.decay_rate), passed), self.initial_learning_rate)


@keras_class(_HOME)
class InverseTimeDecay(LearningRateSchedule):
    """initial / (1 + decay_rate * step / decay_steps); with `staircase` the quotient is rounded down."""

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        decay_rate: float,
        staircase: bool = False,
        name: str = "InverseTimeDecay",
    ) -> None:
        _positive("decay_steps", decay_steps)
        self.initial_learning_rate, self.decay_steps, self.decay_rate = initial_learning_rate, decay_steps, decay_rate
        self.staircase, self.name = staircase, name

    def __call__(self, step: Any) -> Any:
        """The learning rate at this step."""
        passed = ops.true_divide(_float(step), float(self.decay_steps))
        passed = ops.floor(passed) if self.staircase else passed
        return ops.true_divide(self.initial_learning_rate, ops.add(ops.multiply(passed, float(self.decay_rate)), 1.0))


@keras_class(_HOME)
class PiecewiseConstantDecay(LearningRateSchedule):
    """values[i] up to and with step boundaries[i], the last value after them."""

    def __init__(self, boundaries: Sequence[float], values: Sequence[float], name: str = "PiecewiseConstant") -> None:
        if len(boundaries) != len(values) - 1:
            raise InvalidArgumentError(
                f"The length of boundaries should be 1 less than the length of values, got boundaries={boundaries}, values={values}."
            )
        self.boundaries, self.values, self.name = list(boundaries), list(values), name

    def __call__(self, step: Any) -> Any:
        """The learning rate at this step."""
        step, rate = _float(step), ops.cast(float(self.values[-1]), "float32")
        for limit, value in reversed(list(zip(self.boundaries, self.values, strict=False))):
            rate = ops.where(ops.less_equal(step, float(limit)), float(value), rate)
        return rate


@keras_class(_HOME)
class PolynomialDecay(LearningRateSchedule):
    """From initial to end in `decay_steps`, by (1 - step / decay_steps) ^ power; with `cycle` it starts anew."""

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        end_learning_rate: float = 0.0001,
        power: float = 1.0,
        cycle: bool = False,
        name: str = "PolynomialDecay",
    ) -> None:
        _positive("decay_steps", decay_steps)
        self.initial_learning_rate, self.decay_steps, self.end_learning_rate = (
            initial_learning_rate,
            decay_steps,
            end_learning_rate,
        )
        self.power, self.cycle, self.name = power, cycle, name

    def __call__(self, step: Any) -> Any:
        """The learning rate at this step."""
        step, whole = _float(step), ops.cast(float(self.decay_steps), "float32")
        if self.cycle:
            rounds = ops.where(ops.equal(step, 0.0), 1.0, ops.ceil(ops.true_divide(step, whole)))
            whole = ops.multiply(whole, rounds)
        else:
            step = ops.minimum(step, whole)
        left = ops.power(ops.subtract(1.0, ops.true_divide(step, whole)), float(self.power))
        return ops.add(ops.multiply(left, self.initial_learning_rate - self.end_learning_rate), self.end_learning_rate)


@keras_class(_HOME)
class CosineDecay(LearningRateSchedule):
    """Half a cosine from initial to alpha * initial in `decay_steps`, after a linear warm-up to `warmup_target` if there is one."""

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        alpha: float = 0.0,
        name: str = "CosineDecay",
        warmup_target: float | None = None,
        warmup_steps: float = 0,
    ) -> None:
        _positive("decay_steps", decay_steps)
        self.initial_learning_rate, self.decay_steps, self.alpha, self.name = (
            initial_learning_rate,
            decay_steps,
            alpha,
            name,
        )
        self.warmup_target, self.warmup_steps = warmup_target, warmup_steps

    def _decay(self, step: Any, start: float) -> Any:
        passed = ops.true_divide(step, float(self.decay_steps))
        cosine = ops.multiply(ops.add(ops.cos(ops.multiply(passed, math.pi)), 1.0), 0.5)
        return ops.multiply(ops.add(ops.multiply(cosine, 1.0 - self.alpha), self.alpha), start)

    def __call__(self, step: Any) -> Any:
        """The learning rate at this step."""
        step, whole = _float(step), float(self.decay_steps)
        if self.warmup_target is None:
            return self._decay(ops.minimum(step, whole), self.initial_learning_rate)
        warm = float(self.warmup_steps)
        step = ops.minimum(step, whole + warm)
        rise = (self.warmup_target - self.initial_learning_rate) / warm if warm else 0.0
        rising = ops.add(ops.multiply(step, rise), self.initial_learning_rate)
        return ops.where(ops.less(step, warm), rising, self._decay(ops.subtract(step, warm), self.warmup_target))


@keras_class(_HOME)
class CosineDecayRestarts(LearningRateSchedule):
    """Cosine decay that starts anew, each time `t_mul` times as long and `m_mul` times as high."""

    def __init__(
        self,
        initial_learning_rate: float,
        first_decay_steps: float,
        t_mul: float = 2.0,
        m_mul: float = 1.0,
        alpha: float = 0.0,
        name: str = "SGDRDecay",
    ) -> None:
        _positive("first_decay_steps", first_decay_steps)
        self.initial_learning_rate, self.first_decay_steps = initial_learning_rate, first_decay_steps
        self.t_mul, self.m_mul, self.alpha, self.name = t_mul, m_mul, alpha, name

    def __call__(self, step: Any) -> Any:
        """The learning rate at this step."""
        passed = ops.true_divide(_float(step), float(self.first_decay_steps))
        if self.t_mul == 1.0:
            rounds = ops.floor(passed)
            passed = ops.subtract(passed, rounds)
        else:
            growth = ops.subtract(1.0, ops.multiply(passed, 1.0 - self.t_mul))
            rounds = ops.floor(ops.true_divide(ops.log(growth), math.log(self.t_mul)))
            gone = ops.true_divide(ops.subtract(1.0, ops.power(float(self.t_mul), rounds)), 1.0 - self.t_mul)
            passed = ops.true_divide(ops.subtract(passed, gone), ops.power(float(self.t_mul), rounds))
        height = ops.power(float(self.m_mul), rounds)
        cosine = ops.multiply(ops.add(ops.cos(ops.multiply(passed, math.pi)), 1.0), ops.multiply(height, 0.5))
        return ops.multiply(ops.add(ops.multiply(cosine, 1.0 - self.alpha), self.alpha), self.initial_learning_rate)
