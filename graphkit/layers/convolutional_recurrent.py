"""ConvLSTM1D, ConvLSTM2D, ConvLSTM3D: an LSTM whose products with the kernels are convolutions (Shi et al., 2015)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from graphkit import activations, constraints, initializers, ops, random, regularizers
from graphkit.core import nest
from graphkit.core.errors import InvalidArgumentError, ShapeError
from graphkit.core.layout import CHANNELS_LAST, standardize_data_format
from graphkit.core.serialization import config_names, keras_class
from graphkit.layers.input_spec import InputSpec
from graphkit.layers.layer import Layer
from graphkit.layers.recurrent import RNN
from graphkit.layers.recurrent_cells import DropoutRNNCell
from graphkit.ops._windows import output_sizes, per_axis

_HOME = "keras.layers"
_KINDS: dict[str, Any] = {
    "activation": activations,
    "_initializer": initializers,
    "_regularizer": regularizers,
    "_constraint": constraints,
}


class ConvLSTMCell(DropoutRNNCell, Layer):
    """One step: the gates i, f, c, o stand side by side on the kernels' last axis."""

    def __init__(
        self,
        rank: int,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        unit_forget_bias: bool = True,
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        arguments = {k: v for k, v in locals().items() if k not in ("self", "kwargs", "__class__")}
        super().__init__(**kwargs)
        for name, value in arguments.items():
            kind = next((k for k in _KINDS if name.endswith(k)), None)
            setattr(self, name, value if kind is None else _KINDS[kind].get(value))
        if not isinstance(filters, int) or filters <= 0:
            raise InvalidArgumentError(
                f"`filters` of layer {self.name!r} must be a positive integer. Received: filters={filters}"
            )
        self.kernel_size, self.strides, self.dilation_rate = (
            per_axis(v, rank, n)
            for n, v in (("kernel_size", kernel_size), ("strides", strides), ("dilation_rate", dilation_rate))
        )
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise InvalidArgumentError(
                f"Specifying `strides > 1` is not compatible with `dilation_rate > 1` (layer {self.name!r}). Received: "
                f"strides={self.strides} and dilation_rate={self.dilation_rate}"
            )
        self.padding = str(padding).lower()
        self.data_format = standardize_data_format(data_format)
        self.dropout, self.recurrent_dropout = (min(1.0, max(0.0, d)) for d in (dropout, recurrent_dropout))
        if self.dropout or self.recurrent_dropout:
            self.seed_generator = random.SeedGenerator(seed)
        self.state_size = [-1, -1]  # an image each

    rank: int
    filters: int
    use_bias: bool
    activation: Any
    recurrent_activation: Any
    bias_initializer: Any
    unit_forget_bias: bool

    def build(self, inputs_shape: Any, states_shape: Any = None) -> None:
        """Make kernel (..., channels, 4 filters), recurrent_kernel (..., filters, 4 filters) and bias (4 filters,)."""
        last = self.data_format == CHANNELS_LAST
        spatial, channels = (inputs_shape[1:-1], inputs_shape[-1]) if last else (inputs_shape[2:], inputs_shape[1])
        if channels is None or None in spatial:
            raise ShapeError(
                "ConvLSTM layers only support static input shapes for the spatial dimensions and channels. Received invalid input shape "
                f"of a step: {tuple(inputs_shape)} (layer {self.name!r})."
            )
        self._state_sizes = output_sizes(
            tuple(spatial), self.kernel_size, self.strides, self.dilation_rate, self.padding
        )
        self.kernel = self._weight("kernel", (*self.kernel_size, channels, 4 * self.filters))
        self.recurrent_kernel = self._weight("recurrent_kernel", (*self.kernel_size, self.filters, 4 * self.filters))
        self.bias = self._weight("bias", (4 * self.filters,)) if self.use_bias else None

    def _weight(self, name: str, shape: tuple[int, ...]) -> Any:
        kind = name.removesuffix("_kernel")
        return self.add_weight(
            name=name,
            shape=shape,
            initializer=self._first_bias
            if name == "bias" and self.unit_forget_bias
            else getattr(self, f"{kind}_initializer"),
            regularizer=getattr(self, f"{kind}_regularizer"),
            constraint=getattr(self, f"{kind}_constraint"),
        )

    def _first_bias(self, shape: Any, dtype: Any = None) -> Any:
        """The initializer's, with ones for the forget gate."""
        size, first = self.filters, self.bias_initializer
        return ops.concatenate([first((size,), dtype=dtype), ops.ones((size,), dtype), first((2 * size,), dtype=dtype)])

    def call(self, inputs: Any, states: Any, training: bool = False) -> Any:
        """(output, [output, carry])."""
        before, carry = states
        if training:
            masks = self.get_dropout_mask(inputs), self.get_recurrent_dropout_mask(before)
            inputs, before = (x if m is None else x * m for x, m in zip((inputs, before), masks, strict=True))
        gates = ops.conv(inputs, self.kernel, self.strides, self.padding, self.data_format, self.dilation_rate)
        gates = gates + ops.conv(before, self.recurrent_kernel, 1, "same", self.data_format)
        channels = -1 if self.data_format == CHANNELS_LAST else 1
        if self.bias is not None:
            gates = gates + (self.bias if channels == -1 else ops.reshape(self.bias, (1, -1, *[1] * self.rank)))
        i, f, c, o = ops.split(gates, 4, axis=channels)
        carry = self.recurrent_activation(f) * carry + self.recurrent_activation(i) * self.activation(c)
        output = self.recurrent_activation(o) * self.activation(carry)
        return output, [output, carry]

    def get_initial_state(self, batch_size: Any = None) -> list[Any]:
        """Zeros, two images for each sample."""
        sizes = (
            (*self._state_sizes, self.filters)
            if self.data_format == CHANNELS_LAST
            else (self.filters, *self._state_sizes)
        )
        return [ops.zeros((batch_size, *sizes), dtype=self.compute_dtype) for _ in range(2)]


class _ConvLSTM(RNN):
    """The layers' common part; `rank` is the number of spatial axes."""

    rank: ClassVar[int] = 0

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        unit_forget_bias: bool = True,
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        **kwargs: Any,
    ) -> None:
        scope = dict(locals())
        own = {n: scope[n] for n in config_names(ConvLSTMCell) if n in scope}
        cell = ConvLSTMCell(
            self.rank, **own, name="conv_lstm_cell", dtype=kwargs.get("dtype"), trainable=kwargs.get("trainable", True)
        )
        super().__init__(
            cell,
            return_sequences,
            return_state,
            go_backwards,
            stateful,
            activity_regularizer=activity_regularizer,
            **kwargs,
        )
        self.input_spec = InputSpec(ndim=self.rank + 3)

    def __getattr__(self, name: str) -> Any:
        cell = self.__dict__.get("cell")
        if cell is not None and name in config_names(ConvLSTMCell):
            return getattr(cell, name)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        """The inputs' mask for a sequence, none for states."""
        mask = nest.flatten(previous_mask)[0] if self.return_sequences and previous_mask is not None else None
        return [mask, None, None] if self.return_state else mask

    def get_config(self) -> dict[str, Any]:
        """The config: the cell's, and how the sequence is run."""
        base = self._loop_config()
        names = [n for n in config_names(type(self)) if n not in base]
        return {**base, **{n: self._serialize_argument(n) for n in names}}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Any:
        """The layer of a config."""
        made: Any = Layer.from_config.__func__(cls, config)  # type: ignore[attr-defined]
        return made


@keras_class(_HOME)
class ConvLSTM1D(_ConvLSTM):
    """ConvLSTM over rows. Input (batch, time, rows, channels). Source: keras.layers.ConvLSTM1D."""

    rank = 1


@keras_class(_HOME)
class ConvLSTM2D(_ConvLSTM):
    """ConvLSTM over images. Input (batch, time, rows, columns, channels). Source: keras.layers.ConvLSTM2D."""

    rank = 2


@keras_class(_HOME)
class ConvLSTM3D(_ConvLSTM):
    """ConvLSTM over volumes. Input (batch, time, depth, rows, columns, channels). Source: keras.layers.ConvLSTM3D."""

    rank = 3
