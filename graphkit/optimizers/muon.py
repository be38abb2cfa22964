"""Muon: orthogonalized momentum for matrices, Adam for other variables. Source: keras.optimizers.Muon (Keras 3)."""

from __future__ import annotations

import re
from typing import Any

from graphkit import ops
from graphkit.core.declared import argument
from graphkit.core.errors import ShapeError
from graphkit.core.serialization import keras_class
from graphkit.ir.variable import Variable
from graphkit.optimizers.adam import adam_change
from graphkit.optimizers.methods import fuzz
from graphkit.optimizers.optimizer import HOME, REST, Optimizer, checked_rate


@keras_class(HOME)
class Muon(Optimizer):
    """Moves matrices along their momentum with all singular values brought close to 1 (Newton-Schulz); uses Adam for other variables.

    Args:
        adam_beta_1, adam_beta_2, epsilon: As for `Adam`, for the variables that Adam updates.
        adam_weight_decay: The weight decay of these variables.
        adam_lr_ratio: Their learning rate, as a multiple of `learning_rate`.
        exclude_layers: Regular expressions for the paths of matrices that Adam updates.
        exclude_embeddings: Whether Adam updates embeddings.
        muon_a, muon_b, muon_c: The coefficients of the Newton-Schulz iteration.
        ns_steps: The number of iterations.
        momentum: The decay rate of the momentum of matrices.
        nesterov: Whether matrices use Nesterov momentum.
        rms_rate: Scales the step of a matrix by this times the root of its longer side; None for no scaling.
        learning_rate, weight_decay, clipnorm and further arguments: As for `Optimizer`.

    Source: keras.optimizers.Muon.
    """

    elementwise = False
    argument_order = (
        f"learning_rate adam_beta_1 adam_beta_2 adam_weight_decay epsilon weight_decay {REST} exclude_layers exclude_embeddings "
        "muon_a muon_b muon_c adam_lr_ratio momentum ns_steps nesterov rms_rate"
    )
    _learning_rate: Any = argument(default=0.001, alias="learning_rate", check=checked_rate)
    adam_beta_1: float = argument(default=0.9)
    adam_beta_2: float = argument(default=0.999)
    adam_weight_decay: Any = argument(default=0.004)
    epsilon: float = argument(default=1e-7, convert=fuzz)
    weight_decay: Any = argument(default=0.004)
    exclude_layers: Any = argument(default=None, convert=lambda given: list(given or ()))
    exclude_embeddings: bool = argument(default=True)
    muon_a: float = argument(default=3.4445)
    muon_b: float = argument(default=-4.7750)
    muon_c: float = argument(default=2.0315)
    adam_lr_ratio: float = argument(default=1)
    momentum: float = argument(default=0.95)
    ns_steps: int = argument(default=5)
    nesterov: bool = argument(default=True)
    rms_rate: Any = argument(default=0.2)

    def make_slots(self) -> None:
        """Create momentum for all variables, and velocity for those that Adam updates."""
        self._slots = {"momentum": [], "velocity": []}
        for variable in self._trainable:
            self._slots["momentum"].append(self.add_variable_from_reference(variable, "momentum"))
            if self._is_adams(variable):
                self._slots["velocity"].append(self.add_variable_from_reference(variable, "velocity"))
            else:
                self._slots["velocity"].append(self._slots["momentum"][-1])  # a placeholder, never read

    def _is_adams(self, variable: Variable) -> bool:
        embedding = self.exclude_embeddings and "embedding" in variable.path.lower()
        return len(variable.shape) != 2 or embedding or any(re.search(p, variable.path) for p in self.exclude_layers)

    def decay_of(self, variable: Variable) -> float | None:
        """Return the weight decay of a variable, which differs for Adam's variables."""
        decay: float | None = self.adam_weight_decay if self._is_adams(variable) else self.weight_decay
        return decay

    def update_step(self, gradient: Any, variable: Variable, learning_rate: Any) -> None:
        """Update the variable."""
        slot = self.slot("momentum", variable)
        if self._is_adams(variable):
            rate = ops.multiply(learning_rate, self.adam_lr_ratio)
            betas = (self.adam_beta_1, self.adam_beta_2)
            slots = (slot, self.slot("velocity", variable))
            change = adam_change(gradient, slots, betas, self.epsilon, ops.add(self.iterations, 1), rate)
        else:
            moved = slot.assign(ops.add(ops.multiply(slot, self.momentum), gradient))
            ahead = ops.add(gradient, ops.multiply(moved, self.momentum)) if self.nesterov else moved
            step = ops.multiply(learning_rate, self.zeropower_via_newtonschulz5(ahead, self.ns_steps))
            change = self.lr_adjust(step)
        variable.assign(ops.subtract(variable, change))

    def transpose_last_axis(self, X: Any) -> Any:  # noqa: N803 - Keras' name
        """Exchange the last two axes. Source: keras.optimizers.Muon.transpose_last_axis."""
        return ops.swapaxes(X, -1, -2)

    def lr_adjust(self, x: Any) -> Any:
        """Scale the step of a matrix with `rms_rate` and the root of its longer side.

        Source: keras.optimizers.Muon.lr_adjust; Liu et al. 2025, https://arxiv.org/abs/2502.16982.
        """
        return x if self.rms_rate is None else ops.multiply(x, max(x.shape[:2]) ** 0.5 * self.rms_rate)

    def zeropower_via_newtonschulz5(self, x: Any, steps: int) -> Any:
        """Return matrices with the same singular vectors and singular values close to 1.

        Args:
            x: (..., rows, columns).
            steps: The number of Newton-Schulz iterations.

        Raises:
            ShapeError: `x` has fewer than 2 axes.

        Source: keras.optimizers.Muon.zeropower_via_newtonschulz5.
        """
        if len(x.shape) < 2:
            raise ShapeError(
                f"Expected gradient or momentum to have at least 2 dimensions. Received: shape={tuple(x.shape)}"
            )
        tall = x.shape[-2] > x.shape[-1]
        x = self.transpose_last_axis(x) if tall else x
        x = ops.true_divide(x, ops.add(ops.norm(x, axis=(-2, -1), keepdims=True), 1e-7))
        for _ in range(steps):
            square = ops.matmul(x, self.transpose_last_axis(x))
            fourth = ops.matmul(ops.multiply(square, self.muon_c), square)
            inner = ops.add(ops.multiply(square, self.muon_b), fourth)
            x = ops.add(ops.multiply(x, self.muon_a), ops.matmul(inner, x))
        return self.transpose_last_axis(x) if tall else x
