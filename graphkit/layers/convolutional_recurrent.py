"""ConvLSTM1D, ConvLSTM2D, ConvLSTM3D: LSTMs with convolutions instead of matrix products (Shi et al., 2015)."""

from __future__ import annotations

from typing import Any

from graphkit import ops, random
from graphkit.core.declared import Declared, argument
from graphkit.core.errors import InvalidArgumentError, ShapeError
from graphkit.core.layout import CHANNELS_LAST
from graphkit.core.serialization import keras_class
from graphkit.layers.convolution import FiltersArgument, WindowArguments
from graphkit.layers.declared import (
    BiasArguments,
    BuiltInLayer,
    KernelArguments,
    RecurrentArguments,
    SpatialLayer,
    activation_argument,
)
from graphkit.layers.input_spec import InputSpec
from graphkit.layers.recurrent import LOOP, OwnCellRNN
from graphkit.layers.recurrent_cells import (
    DropoutArguments,
    DropoutRNNCell,
    ForgetBiasArgument,
    cell_order,
    forget_gate_open,
)
from graphkit.ops._windows import output_sizes

_HOME = "keras.layers"
_WINDOW = "filters kernel_size strides padding data_format dilation_rate"


class GateArguments(Declared, kw_only=True):
    """The activations of an LSTM step."""

    activation: Any = activation_argument("tanh")
    recurrent_activation: Any = activation_argument("sigmoid")


class ConvLSTMArguments(
    GateArguments,
    KernelArguments,
    RecurrentArguments,
    BiasArguments,
    ForgetBiasArgument,
    DropoutArguments,
    WindowArguments,
    FiltersArgument,
    init=False,
):
    """The arguments that the cell and the layers share."""


class ConvLSTMCell(ConvLSTMArguments, DropoutRNNCell, BuiltInLayer):
    """One time step. The gates i, f, c, o are concatenated along the last axis of the kernels.

    Raises:
        InvalidArgumentError: an argument is invalid, or `strides` and `dilation_rate` both exceed 1.
    """

    argument_order = (
        f"rank {_WINDOW} {cell_order('activation recurrent_activation', after_initializers='unit_forget_bias')} seed"
    )

    rank: int = argument(kw_only=True)

    def __post_init__(self) -> None:
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise InvalidArgumentError(
                f"Specifying `strides > 1` is not compatible with `dilation_rate > 1` (layer {self.name!r}). Received: "
                f"strides={self.strides} and dilation_rate={self.dilation_rate}"
            )
        self.seed_generator = random.SeedGenerator(self.seed)
        self.state_size = [-1, -1]  # two states, which are images

    def build(self, inputs_shape: Any, states_shape: Any = None) -> None:
        """Create kernel (*kernel_size, channels, 4 * filters), recurrent_kernel (..., filters, 4 * filters) and bias (4 * filters,).

        Raises:
            ShapeError: a spatial size or the number of channels is unknown.
        """
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
        self.kernel = self._add_weight_of("kernel", (*self.kernel_size, channels, 4 * self.filters))
        recurrent = (*self.kernel_size, self.filters, 4 * self.filters)
        self.recurrent_kernel = self._add_weight_of("recurrent", recurrent, "recurrent_kernel")
        self.bias = None
        if self.use_bias:
            first = self.bias_initializer
            own = forget_gate_open(first, self.filters) if self.unit_forget_bias else first
            self.bias = self._add_weight_of("bias", (4 * self.filters,), initializer=own)

    def call(self, inputs: Any, states: Any, training: bool = False) -> Any:
        """Return (output, [output, carry])."""
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
        """Return zeros: two states, each an image for each sample."""
        sizes = (
            (*self._state_sizes, self.filters)
            if self.data_format == CHANNELS_LAST
            else (self.filters, *self._state_sizes)
        )
        return [ops.zeros((batch_size, *sizes), dtype=self.compute_dtype) for _ in range(2)]


class _ConvLSTM(ConvLSTMArguments, OwnCellRNN, SpatialLayer):
    """Base of the layers; `rank` is the number of spatial axes."""

    cell_class, cell_name = ConvLSTMCell, "conv_lstm_cell"
    _cells = cell_order(
        "activation recurrent_activation",
        after_initializers="unit_forget_bias",
        after_regularizers="activity_regularizer",
    )
    argument_order = f"{_WINDOW} {_cells} seed return_sequences return_state go_backwards stateful"
    config_order = f"{LOOP} zero_output_for_mask {_WINDOW} {_cells} seed"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.input_spec = InputSpec(ndim=self.rank + 3)

    def _make_cell(self, arguments: dict[str, Any]) -> Any:
        return super()._make_cell({"rank": self.rank, **arguments})


@keras_class(_HOME)
class ConvLSTM1D(_ConvLSTM, rank=1):
    """ConvLSTM over rows. Input (batch, time, rows, channels). Arguments as for `ConvLSTM2D`. Source: keras.layers.ConvLSTM1D."""


@keras_class(_HOME)
class ConvLSTM2D(_ConvLSTM, rank=2):
    """ConvLSTM over images. Input (batch, time, rows, columns, channels). Source: keras.layers.ConvLSTM2D.

    Args:
        filters: the number of output channels.
        kernel_size, strides, padding, data_format, dilation_rate: of the convolution of the inputs, as for `Conv2D`.
        The remaining arguments are those of `LSTM`.
    """


@keras_class(_HOME)
class ConvLSTM3D(_ConvLSTM, rank=3):
    """ConvLSTM over volumes. Input (batch, time, depth, rows, columns, channels). Source: keras.layers.ConvLSTM3D.

    Arguments as for `ConvLSTM2D`.
    """
