"""Layers that older Keras had and Keras 3 has not, under their old names, so that their files and scripts go on working.

The others stand in `old_activations`, `old_convolution`, `old_local` and `old_normalization`.
"""

from __future__ import annotations

from typing import Any

from graphkit import activations, constraints, initializers, ops, regularizers
from graphkit.core.serialization import keras_class
from graphkit.layers.activation import ReLU
from graphkit.layers.core import check_positive
from graphkit.layers.layer import Layer

_HOME = "keras.layers"


@keras_class(_HOME)
class ThresholdedReLU(ReLU):
    """x where it is at least `theta`, else 0. Source: keras 2 ThresholdedReLU."""

    def __init__(self, theta: float = 1.0, **kwargs: Any) -> None:
        super().__init__(threshold=theta, **kwargs)
        self.theta = theta


class Weighted(Layer):
    """Layers with kernels `W` and biases `b`, each with initializer, regularizer and constraint."""

    def _set_weights_arguments(self, activation: Any, use_bias: bool, **given: Any) -> None:
        self.activation, self.use_bias = activations.get(activation), use_bias
        kinds = {"initializer": initializers.get, "regularizer": regularizers.get, "constraint": constraints.get}
        for name, value in given.items():
            setattr(self, name, kinds[name.rpartition("_")[2]](value))

    def _add(self, name: str, shape: tuple[int, ...], kind: str, initializer: Any = None) -> Any:
        return self.add_weight(
            name=name,
            shape=shape,
            initializer=initializer or getattr(self, f"{kind}_initializer"),
            regularizer=getattr(self, f"{kind}_regularizer"),
            constraint=getattr(self, f"{kind}_constraint"),
        )

    def _activated(self, x: Any) -> Any:
        return x if self.activation is None else self.activation(x)


@keras_class(_HOME)
class MaxoutDense(Weighted):
    """The largest of `nb_feature` dense layers, element by element. (batch, n) to (batch, units). Source: keras 1 MaxoutDense."""

    def __init__(
        self,
        units: int,
        nb_feature: int = 4,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_positive(self, "units", units)
        check_positive(self, "nb_feature", nb_feature)
        self.units, self.nb_feature = units, nb_feature
        self._set_weights_arguments(
            None,
            use_bias,
            kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint,
            bias_constraint=bias_constraint,
        )

    def build(self, input_shape: Any) -> None:
        """Make kernel (nb_feature, n, units) and bias (nb_feature, units)."""
        self.kernel = self._add("kernel", (self.nb_feature, input_shape[-1], self.units), "kernel")
        self.bias = self._add("bias", (self.nb_feature, self.units), "bias") if self.use_bias else None

    def call(self, inputs: Any) -> Any:
        """The output."""
        x = ops.einsum("bi,fio->bfo", inputs, self.kernel)
        return ops.max(x if self.bias is None else x + self.bias, axis=1)


@keras_class(_HOME)
class Highway(Weighted):
    """gate * activation(x @ kernel + bias) + (1 - gate) * x with a learned gate. (batch, n) to (batch, n). Source: keras 1 Highway."""

    def __init__(
        self,
        activation: Any = None,
        transform_bias: float = -2,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.transform_bias = transform_bias
        self._set_weights_arguments(
            activation,
            use_bias,
            kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint,
            bias_constraint=bias_constraint,
        )

    def build(self, input_shape: Any) -> None:
        """Make kernel and gate_kernel (n, n), bias and gate_bias (n,)."""
        size = input_shape[-1]
        self.kernel = self._add("kernel", (size, size), "kernel")
        self.gate_kernel = self._add("gate_kernel", (size, size), "kernel")
        self.bias = self.gate_bias = None
        if self.use_bias:
            self.bias = self._add("bias", (size,), "bias")
            self.gate_bias = self._add("gate_bias", (size,), "bias", initializers.Constant(self.transform_bias))

    def call(self, inputs: Any) -> Any:
        """The output."""
        gate, x = ops.matmul(inputs, self.gate_kernel), ops.matmul(inputs, self.kernel)
        if self.bias is not None and self.gate_bias is not None:
            gate, x = gate + self.gate_bias, x + self.bias
        gate = ops.sigmoid(gate)
        return gate * self._activated(x) + (1.0 - gate) * inputs
