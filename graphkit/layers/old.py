"""Layers that older Keras had and Keras 3 has not, under their old names, so that their files and scripts go on working."""

from __future__ import annotations

from typing import Any

from graphkit import activations, constraints, initializers, ops, regularizers
from graphkit.core.errors import InvalidArgumentError
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


class _Weighted(Layer):
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
class MaxoutDense(_Weighted):
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
class Highway(_Weighted):
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


class _LocallyConnected(_Weighted):
    """A convolution with a kernel of its own at each place. Source: keras 2 LocallyConnected1D, LocallyConnected2D (implementation 1)."""

    rank = 0

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        kwargs.pop("implementation", None)  # a matter of speed
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        if padding != "valid":
            raise InvalidArgumentError(
                f"Layer {self.name!r} ({type(self).__name__}) knows padding='valid' only, got padding={padding!r}."
            )
        check_positive(self, "filters", filters)
        self.filters, self.padding, self.data_format = filters, padding, data_format or "channels_last"
        self.kernel_size, self.strides = (_per_axis(v, self.rank) for v in (kernel_size, strides))
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
        """Make kernel (places, size of a patch, filters) and bias (*places, filters). Raises InvalidArgumentError for unknown sizes."""
        shape = (
            input_shape if self.data_format == "channels_last" else (input_shape[0], *input_shape[2:], input_shape[1])
        )
        if any(size is None for size in shape[1:]):
            raise InvalidArgumentError(
                f"Layer {self.name!r} ({type(self).__name__}) must know all sizes of its input, got {input_shape}."
            )
        self._places = tuple(
            (n - k) // s + 1 for n, k, s in zip(shape[1:-1], self.kernel_size, self.strides, strict=True)
        )
        count, patch = 1, shape[-1]
        for places, size in zip(self._places, self.kernel_size, strict=True):
            count, patch = count * places, patch * size
        self.kernel = self._add("kernel", (count, patch, self.filters), "kernel")
        self.bias = self._add("bias", (*self._places, self.filters), "bias") if self.use_bias else None

    def call(self, inputs: Any) -> Any:
        """The output."""
        first = self.data_format == "channels_first"
        axes = list(range(1, self.rank + 1))
        x = ops.transpose(inputs, [0, *(a + 1 for a in axes), 1]) if first else inputs
        patches = ops.concatenate([x[(slice(None), *window)] for window in self._windows()], axis=-1)
        patches = ops.reshape(patches, (-1, self.kernel.shape[0], self.kernel.shape[1]))
        x = ops.reshape(ops.einsum("bpi,pio->bpo", patches, self.kernel), (-1, *self._places, self.filters))
        x = self._activated(x if self.bias is None else x + self.bias)
        return ops.transpose(x, [0, self.rank + 1, *axes]) if first else x

    def _windows(self) -> list[tuple[slice, ...]]:
        """For each place within a patch, in order, the slice of the input that it meets."""
        windows: list[tuple[slice, ...]] = [()]
        for size, stride, places in zip(self.kernel_size, self.strides, self._places, strict=True):
            steps = [slice(i, i + stride * (places - 1) + 1, stride) for i in range(size)]
            windows = [(*w, s) for w in windows for s in steps]
        return windows


def _per_axis(value: Any, rank: int) -> tuple[int, ...]:
    return (value,) * rank if isinstance(value, int) else tuple(value)


@keras_class(_HOME)
class LocallyConnected1D(_LocallyConnected):
    """A Conv1D with a kernel of its own at each step. Source: keras 2 LocallyConnected1D."""

    rank = 1


@keras_class(_HOME)
class LocallyConnected2D(_LocallyConnected):
    """A Conv2D with a kernel of its own at each place. Source: keras 2 LocallyConnected2D."""

    rank = 2
