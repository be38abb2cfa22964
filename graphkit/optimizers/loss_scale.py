"""A loss scale that adapts to the gradients. Source: keras.optimizers.LossScaleOptimizer (Keras 3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from graphkit import ops
from graphkit.core.errors import InvalidArgumentError
from graphkit.core.serialization import deserialize, keras_class, serialize
from graphkit.ir.variable import Variable
from graphkit.optimizers.optimizer import HOME, Optimizer, only_if

# Further keys of older configs; only these default values are accepted.
_OLD = {
    "weight_decay": None, "clipnorm": None, "global_clipnorm": None, "clipvalue": None, "use_ema": False, "ema_momentum": 0.99,
    "ema_overwrite_frequency": None, "loss_scale_factor": None, "gradient_accumulation_steps": None, "dynamic": True,
}  # fmt: skip


@keras_class(HOME)
class LossScaleOptimizer(Optimizer):
    """Multiplies the loss by a large factor, so that float16 gradients do not underflow, and divides the gradients by it.

    A step with a non-finite gradient is skipped and halves the scale. After `dynamic_growth_steps` finite steps it doubles.

    Args:
        inner_optimizer: The optimizer that updates the variables.
        initial_scale: The initial scale.
        dynamic_growth_steps: The number of finite steps after which the scale doubles.
        name: The name.
        **kwargs: Settings of older configs; only their defaults are accepted.

    Raises:
        InvalidArgumentError: A setting belongs to the inner optimizer.

    Source: keras.optimizers.LossScaleOptimizer.
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
        """Create the scale, the counter, and the slots of the inner optimizer."""
        if self.built:
            return
        self.step_counter = self.add_variable((), dtype="int32", name="step_counter")
        self.dynamic_scale = self.add_variable((), self.initial_scale, "float32", name="dynamic_scale")
        self.inner_optimizer.build(variables)
        super().build(variables)

    @property
    def variables(self) -> list[Variable]:
        """The optimizer's own variables, then those of the inner optimizer."""
        return [*self._variables, *self.inner_optimizer.variables]

    @property
    def learning_rate(self) -> Any:
        """The learning rate of the inner optimizer."""
        return self.inner_optimizer.learning_rate

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        self.inner_optimizer.learning_rate = value

    @property
    def iterations(self) -> Any:
        """The number of updates of the inner optimizer, which excludes skipped steps."""
        return self.inner_optimizer.iterations

    def scale_loss(self, loss: Any) -> Any:
        """Return the loss times the scale."""
        return ops.multiply(loss, self.initial_scale if self.dynamic_scale is None else self.dynamic_scale)

    def apply(self, grads: Sequence[Any], trainable_variables: Sequence[Variable] | None = None) -> None:
        """Update the variables with the unscaled gradients if all are finite, and adapt the scale."""
        if not len(grads):
            return
        variables = self._trainable if trainable_variables is None else list(trainable_variables)
        self.build(variables)
        scale, counter = self.dynamic_scale, self.step_counter
        assert scale is not None
        assert counter is not None
        pairs = zip(grads, variables, strict=True)
        finite = self.check_finite(grads)
        unscaled = [  # a value that overwrites a variable is not scaled with the loss
            g if g is None or v.overwrite_with_gradient else ops.true_divide(g, ops.cast(scale, g.dtype))
            for g, v in pairs
        ]
        rate = self.inner_optimizer._learning_rate
        kept = [v for v in (*variables, *self.inner_optimizer.variables) if v is not rate]
        only_if(finite, kept, lambda: self.inner_optimizer.apply(unscaled, variables))
        grown = ops.logical_and(finite, ops.equal(counter, self.dynamic_growth_steps - 1))
        scale.assign(ops.multiply(scale, ops.where(finite, ops.where(grown, 2.0, 1.0), 0.5)))
        again = ops.logical_or(ops.logical_not(finite), grown)
        counter.assign(ops.cast(ops.where(again, ops.zeros_like(counter), ops.add(counter, 1)), "int32"))

    def check_finite(self, grads: Sequence[Any]) -> Any:
        """Return whether all gradients are finite; None is skipped. Source: keras.optimizers.LossScaleOptimizer.check_finite."""
        return ops.all(ops.stack([ops.all(ops.isfinite(g)) for g in grads if g is not None]))

    def finalize_variable_values(self, var_list: Sequence[Variable]) -> None:
        """Finish training, as the inner optimizer does."""
        self.inner_optimizer.finalize_variable_values(var_list)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments as JSON data."""
        return {
            "name": self.name,
            "inner_optimizer": serialize(self.inner_optimizer),
            "initial_scale": self.initial_scale,
            "dynamic_growth_steps": self.dynamic_growth_steps,
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Any:
        """Create the optimizer from its config."""
        return cls(**deserialize(dict(config), custom_objects))
