"""A loss scale that follows the gradients. Source: keras.optimizers.LossScaleOptimizer (Keras 3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from graphkit import ops
from graphkit.core.errors import InvalidArgumentError
from graphkit.core.serialization import deserialize, keras_class, serialize
from graphkit.ir.variable import Variable
from graphkit.optimizers.optimizer import HOME, Optimizer, only_if

# What older configs say besides; only what is the default has a meaning here.
_OLD = {
    "weight_decay": None, "clipnorm": None, "global_clipnorm": None, "clipvalue": None, "use_ema": False, "ema_momentum": 0.99,
    "ema_overwrite_frequency": None, "loss_scale_factor": None, "gradient_accumulation_steps": None, "dynamic": True,
}  # fmt: skip


@keras_class(HOME)
class LossScaleOptimizer(Optimizer):
    """Multiplies the loss by a large number, so that float16 gradients do not vanish, and divides the gradients by it.

    A step with a gradient that is not finite is left out and halves the scale; `dynamic_growth_steps` steps without one double it.

    Args:
        inner_optimizer: what updates the variables.
        initial_scale: the scale to begin with.
        dynamic_growth_steps: steps until the scale is tried larger.
        name: the name.

    Raises InvalidArgumentError for settings that belong to the inner optimizer. Source: keras.optimizers.LossScaleOptimizer.
    """

    def __init__(
        self,
        inner_optimizer: Optimizer,
        initial_scale: float = 2.0**15,
        dynamic_growth_steps: int = 2000,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        wrong = [k for k, v in kwargs.items() if k not in _OLD or v != _OLD[k]]
        if wrong:
            raise InvalidArgumentError(
                f"LossScaleOptimizer does not support `{wrong[0]}`. Instead, set `{wrong[0]}` on the `inner_optimizer`."
            )
        self.inner_optimizer = inner_optimizer
        super().__init__(learning_rate=0.0, name=name)
        self.initial_scale, self.dynamic_growth_steps = initial_scale, dynamic_growth_steps
        self.step_counter: Variable | None = None
        self.dynamic_scale: Variable | None = None
        inner_optimizer.loss_scale_factor = None

    def build(self, variables: Sequence[Variable]) -> None:
        """Make the scale and its counter, and the inner optimizer's slots."""
        if self.built:
            return
        self.step_counter = self.add_variable((), dtype="int32", name="step_counter")
        self.dynamic_scale = self.add_variable((), self.initial_scale, "float32", name="dynamic_scale")
        self.inner_optimizer.build(variables)
        super().build(variables)

    @property
    def variables(self) -> list[Variable]:
        """Its own variables, then those of the inner optimizer."""
        return [*self._variables, *self.inner_optimizer.variables]

    @property
    def learning_rate(self) -> Any:
        """The inner optimizer's."""
        return self.inner_optimizer.learning_rate

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        self.inner_optimizer.learning_rate = value

    @property
    def iterations(self) -> Any:
        """The inner optimizer's: steps that were taken."""
        return self.inner_optimizer.iterations

    def scale_loss(self, loss: Any) -> Any:
        """The loss times the scale."""
        return ops.multiply(loss, self.initial_scale if self.dynamic_scale is None else self.dynamic_scale)

    def apply(self, grads: Sequence[Any], trainable_variables: Sequence[Variable] | None = None) -> None:
        """Update by the unscaled gradients, if all are finite; move the scale."""
        if not len(grads):
            return
        variables = self._trainable if trainable_variables is None else list(trainable_variables)
        self.build(variables)
        scale, counter = self.dynamic_scale, self.step_counter
        assert scale is not None
        assert counter is not None
        given = [g for g in grads if g is not None]
        pairs = zip(grads, variables, strict=True)
        finite = ops.all(ops.stack([ops.all(ops.isfinite(g)) for g in given]))
        unscaled = [  # what overwrites a variable is its value, which the scale of the loss is no part of
            g if g is None or v.overwrite_with_gradient else ops.true_divide(g, ops.cast(scale, g.dtype)) for g, v in pairs
        ]
        rate = self.inner_optimizer._learning_rate
        kept = [v for v in (*variables, *self.inner_optimizer.variables) if v is not rate]
        only_if(finite, kept, lambda: self.inner_optimizer.apply(unscaled, variables))
        grown = ops.logical_and(finite, ops.equal(counter, self.dynamic_growth_steps - 1))
        scale.assign(ops.multiply(scale, ops.where(finite, ops.where(grown, 2.0, 1.0), 0.5)))
        again = ops.logical_or(ops.logical_not(finite), grown)
        counter.assign(ops.cast(ops.where(again, ops.zeros_like(counter), ops.add(counter, 1)), "int32"))

    def finalize_variable_values(self, var_list: Sequence[Variable]) -> None:
        """At the end of training."""
        self.inner_optimizer.finalize_variable_values(var_list)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments as JSON data."""
        return {
            "name": self.name,
            "inner_optimizer": serialize(self.inner_optimizer),
            "initial_scale": self.initial_scale,
            "dynamic_growth_steps": self.dynamic_growth_steps,
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Any:
        """The optimizer with this config."""
        return cls(**deserialize(dict(config), custom_objects))
