"""Convolutions with a kernel of their own at each place, which Keras 3 has no more."""

from __future__ import annotations

from typing import Any

from graphkit import ops
from graphkit.core.errors import InvalidArgumentError
from graphkit.core.serialization import keras_class
from graphkit.layers.core import check_positive
from graphkit.layers.old import Weighted

_HOME = "keras.layers"


class _LocallyConnected(Weighted):
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
        implementation = kwargs.pop("implementation", 1)
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        if padding != "valid" or implementation != 1:
            raise InvalidArgumentError(
                f"Layer {self.name!r} ({type(self).__name__}) knows padding='valid' and implementation=1 only, "
                f"got padding={padding!r}, implementation={implementation}."
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
        patches = ops.stack([x[(slice(None), *window)] for window in self._windows()], axis=-1 if first else -2)
        patches = ops.reshape(
            patches, (-1, self.kernel.shape[0], self.kernel.shape[1])
        )  # in the order of the data format
        x = ops.reshape(ops.einsum("bpi,pio->bpo", patches, self.kernel), (-1, *self._places, self.filters))
        if first:
            x = ops.transpose(x, [0, self.rank + 1, *axes])
        return self._activated(x if self.bias is None else x + self._bias_in_order(first))

    def _bias_in_order(self, first: bool) -> Any:
        """The bias; with channels_first Keras laid its numbers out anew, and did not transpose them."""
        return ops.reshape(self.bias, (1, self.filters, *self._places)) if first else self.bias

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
