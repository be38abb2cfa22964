"""Layers of Keras 1 and 2 that Keras 3 lacks, under their old names, so that old files and scripts keep working.

Further ones are in `old_activations`, `old_convolution`, `old_local`, `old_merging`, `old_normalization`, `old_preprocessing` and
`old_reshaping`.
"""

from __future__ import annotations

from typing import Any

from graphkit import initializers, ops
from graphkit.core.declared import argument
from graphkit.core.serialization import graphkit_class
from graphkit.layers.activation import ReLU, not_negative
from graphkit.layers.declared import (
    BiasArguments,
    BuiltInLayer,
    KernelArguments,
    activation_argument,
    positive,
    weight_arguments,
)

__all__ = ["Highway", "MaxoutDense", "ThresholdedReLU"]
_HOME = "layers"


@graphkit_class(_HOME)
class ThresholdedReLU(ReLU):
    """x where it is above `theta`, else 0; in files it is a ReLU with that threshold. Source: keras 2 ThresholdedReLU."""

    stored_as = "ReLU"

    max_value: Any = argument(init=False)
    negative_slope: Any = argument(init=False)
    threshold: Any = argument(init=False)
    theta: float = argument(default=1.0, check=lambda owner, _, value: not_negative(owner, "threshold", value))

    def __post_init__(self) -> None:
        self.max_value, self.negative_slope, self.threshold = None, 0.0, self.theta

    def as_saved(self) -> ReLU:
        """Return the ReLU that files hold."""
        return ReLU(threshold=self.theta, name=self.name, trainable=self.trainable, dtype=self.dtype_policy)


@graphkit_class(_HOME)
class MaxoutDense(KernelArguments, BiasArguments, BuiltInLayer):
    """Elementwise maximum of `nb_feature` dense layers. Input (batch, n), output (batch, units). Source: keras 1 MaxoutDense."""

    argument_order = f"units nb_feature use_bias {weight_arguments('kernel', 'bias', after_regularizers='')}"

    units: int = argument(check=positive)
    nb_feature: int = argument(default=4, check=positive)

    def build(self, input_shape: Any) -> None:
        """Create kernel (nb_feature, n, units) and bias (nb_feature, units)."""
        self.kernel = self._add_weight_of("kernel", (self.nb_feature, input_shape[-1], self.units))
        self.bias = self._add_weight_of("bias", (self.nb_feature, self.units)) if self.use_bias else None

    def call(self, inputs: Any) -> Any:
        """Return the output."""
        x = ops.einsum("bi,fio->bfo", inputs, self.kernel)
        return ops.max(x if self.bias is None else x + self.bias, axis=1)


@graphkit_class(_HOME)
class Highway(KernelArguments, BiasArguments, BuiltInLayer):
    """gate * activation(x @ kernel + bias) + (1 - gate) * x with a learned gate. Source: keras 1 Highway.

    Input and output (batch, n).

    Args:
        activation: a name or function; linear by default.
        transform_bias: the initial value of the gate's bias.
        use_bias: whether there are biases.
        kernel_*, bias_*: initializers, regularizers and constraints of both kernels and biases.
    """

    argument_order = f"activation transform_bias use_bias {weight_arguments('kernel', 'bias', after_regularizers='')}"

    activation: Any = activation_argument()
    transform_bias: float = argument(default=-2)

    def build(self, input_shape: Any) -> None:
        """Create kernel and gate_kernel (n, n), bias and gate_bias (n,)."""
        size = input_shape[-1]
        self.kernel = self._add_weight_of("kernel", (size, size))
        self.gate_kernel = self._add_weight_of("kernel", (size, size), "gate_kernel")
        self.bias = self.gate_bias = None
        if self.use_bias:
            self.bias = self._add_weight_of("bias", (size,))
            first = initializers.Constant(self.transform_bias)
            self.gate_bias = self._add_weight_of("bias", (size,), "gate_bias", initializer=first)

    def call(self, inputs: Any) -> Any:
        """Return the output."""
        gate, x = ops.matmul(inputs, self.gate_kernel), ops.matmul(inputs, self.kernel)
        if self.bias is not None and self.gate_bias is not None:
            gate, x = gate + self.gate_bias, x + self.bias
        gate = ops.sigmoid(gate)
        return gate * self.activation(x) + (1.0 - gate) * inputs
