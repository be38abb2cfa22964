"""Learning rate schedules: learning rates as functions of the number of steps. Source: keras.optimizers.schedules (Keras 3)."""

from __future__ import annotations

import math
from typing import Any

from graphkit import ops
from graphkit.core.declared import Declared, argument
from graphkit.core.errors import InvalidArgumentError, UnsupportedError
from graphkit.core.serialization import Configurable, deserialize, keras_class
from graphkit.core.serialization import serialize as _serialize

_HOME = "keras.optimizers.schedules"

__all__ = [
    "CosineDecay", "CosineDecayRestarts", "ExponentialDecay", "InverseTimeDecay", "LearningRateSchedule", "PiecewiseConstantDecay",
    "PolynomialDecay", "deserialize", "serialize",
]  # fmt: skip


def serialize(learning_rate_schedule: Any) -> Any:
    """Return a schedule as JSON data. Source: keras.optimizers.schedules.serialize."""
    return _serialize(learning_rate_schedule)


class LearningRateSchedule(Configurable):
    """Base of schedules: a call with the step (an integer tensor) returns the learning rate, by ops, so that it can be traced."""

    def __call__(self, step: Any) -> Any:
        """Return the learning rate at this step; to be overridden."""
        raise UnsupportedError(f"{type(self).__name__} defines no __call__(step)")


def _float(step: Any) -> Any:
    return ops.cast(step, "float32")


def _positive(schedule: Any, name: str, value: Any) -> Any:
    if value <= 0:
        raise InvalidArgumentError(f"Argument `{name}` must be positive, got {name}={value}.")
    return value


class _Fading(Declared, LearningRateSchedule):
    """Base of rates that depend on step / decay_steps.

    Args:
        initial_learning_rate: The rate at step 0.
        decay_steps: The number of steps per unit of decay; must be positive.
        decay_rate: The factor or rate of the decay.
        staircase: Whether step / decay_steps is rounded down.
        name: The name.
    """

    initial_learning_rate: float = argument()
    decay_steps: float = argument(check=_positive)
    decay_rate: float = argument()
    staircase: bool = argument(default=False)
    name: str = argument(default="")

    def _passed(self, step: Any) -> Any:
        passed = ops.true_divide(_float(step), float(self.decay_steps))
        return ops.floor(passed) if self.staircase else passed


@keras_class(_HOME)
class ExponentialDecay(_Fading):
    """initial_learning_rate * decay_rate ^ (step / decay_steps); with `staircase` the exponent is rounded down."""

    name: str = argument(default="ExponentialDecay")

    def __call__(self, step: Any) -> Any:
        """Return the learning rate at this step."""
        return ops.multiply(ops.power(float(self.decay_rate), self._passed(step)), self.initial_learning_rate)


@keras_class(_HOME)
class InverseTimeDecay(_Fading):
    """initial_learning_rate / (1 + decay_rate * step / decay_steps); with `staircase` the quotient is rounded down."""

    name: str = argument(default="InverseTimeDecay")

    def __call__(self, step: Any) -> Any:
        """Return the learning rate at this step."""
        return ops.true_divide(
            self.initial_learning_rate, ops.add(ops.multiply(self._passed(step), float(self.decay_rate)), 1.0)
        )


@keras_class(_HOME)
class PiecewiseConstantDecay(Declared, LearningRateSchedule):
    """values[i] up to and including step boundaries[i], and the last value after all boundaries.

    Raises:
        InvalidArgumentError: There is not exactly one value more than boundaries.
    """

    boundaries: Any = argument(convert=list)
    values: Any = argument(convert=list)
    name: str = argument(default="PiecewiseConstant")

    def __post_init__(self) -> None:
        if len(self.boundaries) != len(self.values) - 1:
            raise InvalidArgumentError(
                "The length of boundaries should be 1 less than the length of values, got "
                f"boundaries={self.boundaries}, values={self.values}."
            )

    def __call__(self, step: Any) -> Any:
        """Return the learning rate at this step."""
        step, rate = _float(step), ops.cast(float(self.values[-1]), "float32")
        for limit, value in reversed(list(zip(self.boundaries, self.values, strict=False))):
            rate = ops.where(ops.less_equal(step, float(limit)), float(value), rate)
        return rate


@keras_class(_HOME)
class PolynomialDecay(Declared, LearningRateSchedule):
    """Falls from the initial to the end rate within `decay_steps` steps, by (1 - step / decay_steps) ^ power.

    Args:
        initial_learning_rate: The rate at step 0.
        decay_steps: The number of steps of the decay; must be positive.
        end_learning_rate: The rate at the end.
        power: The exponent; 1.0 for a linear decay.
        cycle: Whether the decay is stretched to the next multiple of `decay_steps` instead of ending.
        name: The name.
    """

    initial_learning_rate: float = argument()
    decay_steps: float = argument(check=_positive)
    end_learning_rate: float = argument(default=0.0001)
    power: float = argument(default=1.0)
    cycle: bool = argument(default=False)
    name: str = argument(default="PolynomialDecay")

    def __call__(self, step: Any) -> Any:
        """Return the learning rate at this step."""
        step, whole = _float(step), ops.cast(float(self.decay_steps), "float32")
        if self.cycle:
            rounds = ops.where(ops.equal(step, 0.0), 1.0, ops.ceil(ops.true_divide(step, whole)))
            whole = ops.multiply(whole, rounds)
        else:
            step = ops.minimum(step, whole)
        left = ops.power(ops.subtract(1.0, ops.true_divide(step, whole)), float(self.power))
        return ops.add(ops.multiply(left, self.initial_learning_rate - self.end_learning_rate), self.end_learning_rate)


@keras_class(_HOME)
class CosineDecay(Declared, LearningRateSchedule):
    """Falls along half a cosine from the initial rate to `alpha` times that, optionally after a linear warm-up.

    Args:
        initial_learning_rate: The rate at step 0.
        decay_steps: The number of steps of the decay; must be positive.
        alpha: The final rate, as a fraction of the rate at the start of the decay.
        name: The name.
        warmup_target: The rate at the end of the warm-up, where the decay starts; None for no warm-up.
        warmup_steps: The number of steps of the warm-up.
    """

    initial_learning_rate: float = argument()
    decay_steps: float = argument(check=_positive)
    alpha: float = argument(default=0.0)
    name: str = argument(default="CosineDecay")
    warmup_target: Any = argument(default=None)
    warmup_steps: float = argument(default=0)

    def _decay(self, step: Any, start: float) -> Any:
        passed = ops.true_divide(step, float(self.decay_steps))
        cosine = ops.multiply(ops.add(ops.cos(ops.multiply(passed, math.pi)), 1.0), 0.5)
        return ops.multiply(ops.add(ops.multiply(cosine, 1.0 - self.alpha), self.alpha), start)

    def __call__(self, step: Any) -> Any:
        """Return the learning rate at this step."""
        step, whole = _float(step), float(self.decay_steps)
        if self.warmup_target is None:
            return self._decay(ops.minimum(step, whole), self.initial_learning_rate)
        warm = float(self.warmup_steps)
        step = ops.minimum(step, whole + warm)
        rise = (self.warmup_target - self.initial_learning_rate) / warm if warm else 0.0
        rising = ops.add(ops.multiply(step, rise), self.initial_learning_rate)
        return ops.where(ops.less(step, warm), rising, self._decay(ops.subtract(step, warm), self.warmup_target))


@keras_class(_HOME)
class CosineDecayRestarts(Declared, LearningRateSchedule):
    """Cosine decay with restarts.

    Args:
        initial_learning_rate: The rate at step 0.
        first_decay_steps: The number of steps of the first period; must be positive.
        t_mul: The length of each period, as a multiple of the previous one.
        m_mul: The initial rate of each period, as a multiple of the previous one.
        alpha: The final rate of a period, as a fraction of its initial rate.
        name: The name.
    """

    initial_learning_rate: float = argument()
    first_decay_steps: float = argument(check=_positive)
    t_mul: float = argument(default=2.0)
    m_mul: float = argument(default=1.0)
    alpha: float = argument(default=0.0)
    name: str = argument(default="SGDRDecay")

    def __call__(self, step: Any) -> Any:
        """Return the learning rate at this step."""
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
