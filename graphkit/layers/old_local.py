"""Convolutions with a separate kernel at each position, which Keras 3 no longer has."""

from __future__ import annotations

from typing import Any

from graphkit import ops
from graphkit.core.declared import argument
from graphkit.core.errors import InvalidArgumentError
from graphkit.core.serialization import graphkit_class
from graphkit.layers.declared import (
    BiasArguments,
    KernelArguments,
    SpatialLayer,
    activation_argument,
    positive,
    sizes,
    weight_arguments,
)

__all__ = ["LocallyConnected1D", "LocallyConnected2D"]
_HOME = "layers"


class _LocallyConnected(KernelArguments, BiasArguments, SpatialLayer):
    """A convolution with a separate kernel at each position. Source: keras 2 LocallyConnected1D, LocallyConnected2D (implementation 1)."""

    argument_order = (
        f"filters kernel_size strides padding data_format activation use_bias {weight_arguments('kernel', 'bias')}"
    )

    filters: int = argument(check=positive)
    kernel_size: Any = argument(check=sizes)
    strides: Any = argument(default=1, check=sizes)
    padding: str = argument(default="valid")
    data_format: Any = argument(default=None, convert=lambda value: value or "channels_last")
    activation: Any = activation_argument()
    implementation: int = argument(default=1, hidden=True, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.padding != "valid" or self.implementation != 1:
            raise InvalidArgumentError(
                f"Layer {self.name!r} ({type(self).__name__}) supports only padding='valid' and implementation=1, "
                f"got padding={self.padding!r}, implementation={self.implementation}."
            )

    def build(self, input_shape: Any) -> None:
        """Create kernel (positions, size of a patch, filters) and bias (*positions by axis, filters).

        Raises:
            InvalidArgumentError: a size of the input is unknown.
        """
        shape = (
            input_shape if self.data_format == "channels_last" else (input_shape[0], *input_shape[2:], input_shape[1])
        )
        if any(size is None for size in shape[1:]):
            raise InvalidArgumentError(
                f"Layer {self.name!r} ({type(self).__name__}) requires all sizes of its input to be known, got {input_shape}."
            )
        self._places = tuple(
            (n - k) // s + 1 for n, k, s in zip(shape[1:-1], self.kernel_size, self.strides, strict=True)
        )
        count, patch = 1, shape[-1]
        for places, size in zip(self._places, self.kernel_size, strict=True):
            count, patch = count * places, patch * size
        self.kernel = self._add_weight_of("kernel", (count, patch, self.filters))
        self.bias = self._add_weight_of("bias", (*self._places, self.filters)) if self.use_bias else None

    def call(self, inputs: Any) -> Any:
        """Return the output."""
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
        return self.activation(x if self.bias is None else x + self._bias_in_order(first))

    def _bias_in_order(self, first: bool) -> Any:
        """Return the bias in the layout of the outputs: with channels_first Keras reshapes it and does not transpose it."""
        return ops.reshape(self.bias, (1, self.filters, *self._places)) if first else self.bias

    def _windows(self) -> list[tuple[slice, ...]]:
        """Return, for each position within a patch, the strided slice of the input at that position."""
        windows: list[tuple[slice, ...]] = [()]
        for size, stride, places in zip(self.kernel_size, self.strides, self._places, strict=True):
            steps = [slice(i, i + stride * (places - 1) + 1, stride) for i in range(size)]
            windows = [(*w, s) for w in windows for s in steps]
        return windows


@graphkit_class(_HOME)
class LocallyConnected1D(_LocallyConnected, rank=1):
    """A Conv1D with a separate kernel at each step. Source: keras 2 LocallyConnected1D.

    Raises:
        InvalidArgumentError: `padding` is not "valid", or `implementation` is not 1.
    """


@graphkit_class(_HOME)
class LocallyConnected2D(_LocallyConnected, rank=2):
    """A Conv2D with a separate kernel at each position. Source: keras 2 LocallyConnected2D.

    Raises:
        InvalidArgumentError: `padding` is not "valid", or `implementation` is not 1.
    """
