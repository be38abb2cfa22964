"""Cells: one time step of a recurrent layer. `call(inputs, states)` returns `(output, new_states)`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np

from graphkit import ops, random
from graphkit.core import nest
from graphkit.core.declared import Declared, argument
from graphkit.core.errors import InvalidArgumentError, ShapeError
from graphkit.core.serialization import keras_class, serialize
from graphkit.layers.declared import (
    BiasArguments,
    BuiltInLayer,
    KernelArguments,
    RecurrentArguments,
    activation_argument,
    weight_arguments,
)
from graphkit.layers.layer import Layer, inner_layer

_HOME = "keras.layers"


def check_cell(cell: Any) -> None:
    """Raise InvalidArgumentError unless `cell` has `call` and `state_size`."""
    if not callable(getattr(cell, "call", None)):
        raise InvalidArgumentError(f"Argument `cell` should have a `call` method. Received: cell={cell}")
    if getattr(cell, "state_size", None) is None:
        raise InvalidArgumentError(
            "The RNN cell should have a `state_size` attribute (single integer or list of integers, one integer per RNN state). "
            f"Received: cell={cell}"
        )


def states_of(cell: Any, batch_size: Any, dtype: str) -> Any:
    """Return a cell's initial states: from its `get_initial_state`, or zeros of `state_size`."""
    own = getattr(cell, "get_initial_state", None)
    if own is not None:
        return own(batch_size=batch_size)
    sizes = cell.state_size
    if isinstance(sizes, (list, tuple)):
        return [ops.zeros((batch_size, size), dtype=dtype) for size in sizes]
    return ops.zeros((batch_size, sizes), dtype=dtype)


def output_size_of(cell: Any) -> Any:
    """Return the size of a cell's output: its `output_size`, or the size of its first state."""
    own = getattr(cell, "output_size", None)
    if own is not None:
        return own
    return cell.state_size[0] if isinstance(cell.state_size, (list, tuple)) else cell.state_size


class DropoutRNNCell:
    """Mixin of cells with `dropout`, `recurrent_dropout` and a `seed_generator`: one mask is used for all steps of a sequence.

    Source: keras.layers.DropoutRNNCell.
    """

    dropout: float
    recurrent_dropout: float
    seed_generator: Any
    _steady: tuple[Any, Any] | None = None

    def get_dropout_mask(self, step_input: Any) -> Any:
        """Return the mask that multiplies the inputs during training, None without dropout."""
        return self._steady[0] if self._steady is not None else self._draw(step_input, self.dropout)

    def get_recurrent_dropout_mask(self, step_input: Any) -> Any:
        """Return the mask that multiplies the state during training, None without dropout."""
        return self._steady[1] if self._steady is not None else self._draw(step_input, self.recurrent_dropout)

    def reset_dropout_mask(self) -> None:
        """Do nothing: masks are drawn anew for each sequence. Source: keras DropoutRNNCell."""

    def reset_recurrent_dropout_mask(self) -> None:
        """Do nothing: masks are drawn anew for each sequence. Source: keras DropoutRNNCell."""

    def _draw(self, like: Any, rate: float) -> Any:
        return None if rate <= 0 else random.dropout(ops.ones_like(like), rate, seed=self.seed_generator)

    @contextmanager
    def steady_dropout(self, step_input: Any, state: Any) -> Iterator[None]:
        """Draw masks now, and use them for every step inside the context."""
        self._steady = (self._draw(step_input, self.dropout), self._draw(state, self.recurrent_dropout))
        try:
            yield
        finally:
            self._steady = None


@contextmanager
def steady_dropout(cell: Any, step_input: Any, states: Any) -> Iterator[None]:
    """Use one dropout mask per cell, including cells inside a stack, for all steps of a sequence."""
    with ExitStack() as stack:
        if isinstance(cell, StackedRNNCells):
            for inner, state in zip(cell.cells, states, strict=True):
                stack.enter_context(steady_dropout(inner, step_input, state))
                step_input = ops.ones((ops.shape(step_input)[0], output_size_of(inner)), step_input.dtype)
        elif isinstance(cell, DropoutRNNCell):
            stack.enter_context(cell.steady_dropout(step_input, nest.flatten(states)[0]))
        yield


# ----- arguments that cells share with their layers -----


def _units(cell: Any, name: str, value: Any) -> int:
    if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value <= 0:
        raise InvalidArgumentError(
            f"Received an invalid value for argument `units`, expected a positive integer, got {value} (layer {cell.name!r})."
        )
    return int(value)


def _fraction(value: float) -> float:
    return min(1.0, max(0.0, value))


class DropoutArguments(Declared, kw_only=True):
    """The dropout of inputs and states."""

    dropout: float = argument(default=0.0, convert=_fraction)
    recurrent_dropout: float = argument(default=0.0, convert=_fraction)
    seed: int | None = argument(default=None)


class CellArguments(KernelArguments, RecurrentArguments, BiasArguments, DropoutArguments, init=False):
    """The arguments of every built-in cell."""

    units: int = argument(check=_units)
    activation: Any = activation_argument("tanh")


class GatedCellArguments(CellArguments, init=False):
    """The arguments of cells with gates."""

    recurrent_activation: Any = activation_argument("sigmoid")
    implementation: Any = argument(default=None, hidden=True, kw_only=True)  # no effect on the result


class GRUArguments(GatedCellArguments, init=False):
    """The arguments of GRUCell and GRU."""

    reset_after: bool = argument(default=True, kw_only=True)


class ForgetBiasArgument(Declared, kw_only=True):
    """Whether the bias of the forget gate starts at 1."""

    unit_forget_bias: bool = argument(default=True)


class LSTMArguments(ForgetBiasArgument, GatedCellArguments, init=False):
    """The arguments of LSTMCell and LSTM."""


def cell_order(activations: str, **after: str) -> str:
    """Return the argument names of a cell in Keras' order, for `argument_order`.

    Args:
        activations: the names of the activation arguments.
        after: `after_initializers` and `after_regularizers` of `weight_arguments`.
    """
    weights = weight_arguments("kernel", "recurrent", "bias", **{"after_regularizers": "", **after})
    return f"{activations} use_bias {weights} dropout recurrent_dropout"


def forget_gate_open(first: Any, units: int) -> Any:
    """Return the initializer of a bias (4 * units,) of the gates i, f, c, o: ones for f, `first` for the others."""

    def initializer(shape: Any, dtype: Any = None) -> Any:
        parts = [first((units,), dtype=dtype), ops.ones((units,), dtype), first((2 * units,), dtype=dtype)]
        return ops.concatenate(parts, axis=0)

    return initializer


# ----- cells -----


class _BuiltInCell(CellArguments, DropoutRNNCell, BuiltInLayer):
    """Base of the three built-in cells: weights kernel, recurrent_kernel and bias, activations, dropout."""

    gates = 1

    def __post_init__(self) -> None:
        self.seed_generator = random.SeedGenerator(self.seed)
        self.output_size = self.units
        self.state_size: Any = self.units

    def build(self, input_shape: Any) -> None:
        """Create kernel (n, gates * units), recurrent_kernel (units, gates * units) and bias.

        Raises:
            ShapeError: the last axis of the inputs is unknown.
        """
        size = input_shape[-1]
        if size is None:
            raise ShapeError(
                f"The last axis of the inputs to layer {self.name!r} must be known, got shape {tuple(input_shape)}."
            )
        width = self.gates * self.units
        self.kernel = self._add_weight_of("kernel", (size, width))
        self.recurrent_kernel = self._add_weight_of("recurrent", (self.units, width), "recurrent_kernel")
        self.bias = self._add_bias() if self.use_bias else None

    def _add_bias(self) -> Any:
        return self._add_weight_of("bias", (self.gates * self.units,))

    def _dropped(self, inputs: Any, state: Any, training: bool) -> tuple[Any, Any]:
        if not training:
            return inputs, state
        masks = self.get_dropout_mask(inputs), self.get_recurrent_dropout_mask(state)
        return tuple(x if m is None else x * m for x, m in zip((inputs, state), masks, strict=True))

    def get_initial_state(self, batch_size: Any = None) -> list[Any]:
        """Return zeros (batch_size, size) for each state."""
        sizes = self.state_size if isinstance(self.state_size, list) else [self.state_size]
        return [ops.zeros((batch_size, size), dtype=self.compute_dtype) for size in sizes]


@keras_class(_HOME)
class SimpleRNNCell(_BuiltInCell):
    """One time step of `SimpleRNN`: activation(x @ kernel + h @ recurrent_kernel + bias). Source: keras.layers.SimpleRNNCell.

    Arguments as for `SimpleRNN`.
    """

    argument_order = f"units {cell_order('activation')} seed"

    def call(self, sequence: Any, states: Any, training: bool = False) -> Any:
        """Return (output, new states)."""
        nested = nest.is_nested(states)
        x, h = self._dropped(sequence, states[0] if nested else states, training)
        made = ops.matmul(x, self.kernel)
        made = made if self.bias is None else made + self.bias
        output = self.activation(made + ops.matmul(h, self.recurrent_kernel))
        return output, [output] if nested else output


@keras_class(_HOME)
class GRUCell(GRUArguments, _BuiltInCell):
    """One time step of `GRU`; kernels hold the gates z, r, h. Arguments as for `GRU`. Source: keras.layers.GRUCell."""

    gates = 3
    argument_order = f"units {cell_order('activation recurrent_activation')} reset_after seed"

    def _add_bias(self) -> Any:
        return self._add_weight_of("bias", (2, 3 * self.units) if self.reset_after else (3 * self.units,))

    def call(self, inputs: Any, states: Any, training: bool = False) -> Any:
        """Return (output, new states)."""
        nested = nest.is_nested(states)
        before = states[0] if nested else states
        x, h = self._dropped(inputs, before, training)
        given, of_state = (
            (self.bias[0], self.bias[1]) if self.bias is not None and self.reset_after else (self.bias, None)
        )
        projected = ops.matmul(x, self.kernel)
        projected = projected if given is None else projected + given
        z, r, candidate = ops.split(projected, 3, axis=-1)
        two = 2 * self.units
        if self.reset_after:
            inner = ops.matmul(h, self.recurrent_kernel)
            inner = inner if of_state is None else inner + of_state
        else:
            inner = ops.matmul(h, self.recurrent_kernel[:, :two])
        z = self.recurrent_activation(z + inner[:, : self.units])
        r = self.recurrent_activation(r + inner[:, self.units : two])
        late = r * inner[:, two:] if self.reset_after else ops.matmul(r * h, self.recurrent_kernel[:, two:])
        candidate = self.activation(candidate + late)
        state = z * before + (1 - z) * candidate
        return state, [state] if nested else state


@keras_class(_HOME)
class LSTMCell(LSTMArguments, _BuiltInCell):
    """One time step of `LSTM`; gates i, f, c, o; states h and c. Arguments as for `LSTM`. Source: keras.layers.LSTMCell."""

    gates = 4
    argument_order = (
        f"units {cell_order('activation recurrent_activation', after_initializers='unit_forget_bias')} seed"
    )
    config_order = f"units {cell_order('activation recurrent_activation')} seed".replace(
        "use_bias", "use_bias unit_forget_bias"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        self.state_size = [self.units, self.units]

    def _add_bias(self) -> Any:
        first = self.bias_initializer
        own = forget_gate_open(first, self.units) if self.unit_forget_bias else first
        return self._add_weight_of("bias", (4 * self.units,), initializer=own)

    def call(self, inputs: Any, states: Any, training: bool = False) -> Any:
        """Return (output, [h, c])."""
        x, h = self._dropped(inputs, states[0], training)
        z = ops.matmul(x, self.kernel) + ops.matmul(h, self.recurrent_kernel)
        i, f, g, o = ops.split(z if self.bias is None else z + self.bias, 4, axis=-1)
        gate = self.recurrent_activation
        cell = gate(f) * states[1] + gate(i) * self.activation(g)
        output = gate(o) * self.activation(cell)
        return output, [output, cell]


def _cells(layer: Any, name: str, value: Any) -> list[Any]:
    for cell in value:
        check_cell(cell)
    return list(value)


@keras_class(_HOME)
class StackedRNNCells(BuiltInLayer):
    """A stack of cells as one cell, whose states are a list of the states of each. Source: keras.layers.StackedRNNCells."""

    cells: Sequence[Any] = argument(check=_cells, save=lambda cells: [serialize(c) for c in cells])

    @property
    def state_size(self) -> list[Any]:
        """The sizes of each cell's states."""
        return [c.state_size for c in self.cells]

    @property
    def output_size(self) -> Any:
        """The size of the last cell's output."""
        return output_size_of(self.cells[-1])

    def get_initial_state(self, batch_size: Any = None) -> list[Any]:
        """Return the initial states of each cell."""
        return [states_of(cell, batch_size, self.compute_dtype) for cell in self.cells]

    def build(self, input_shape: Any) -> None:
        """Build each cell for the outputs of the previous one."""
        shape = tuple(input_shape)
        for cell in self.cells:
            if isinstance(cell, Layer) and not cell.built:
                cell.build(shape)
            shape = (shape[0], output_size_of(cell))

    def call(self, inputs: Any, states: Any, training: bool = False, **kwargs: Any) -> Any:
        """Return (output of the last cell, new states)."""
        after = []
        for cell, given in zip(self.cells, states, strict=True):
            nested = nest.is_nested(given)
            inputs, new = call_cell(cell, inputs, list(given) if nested else [given], training)
            after.append(new if nested or len(new) > 1 else new[0])
        return inputs, after

    @classmethod
    def from_config(cls, config: Any, custom_objects: Any = None) -> Any:
        """Return the stack with its cells deserialized."""
        config = dict(config)
        return cls([inner_layer(config, c, custom_objects) for c in config.pop("cells")], **config)


def call_cell(cell: Any, inputs: Any, states: list[Any], training: bool) -> tuple[Any, list[Any]]:
    """Run one time step of any cell; return (output, list of new states)."""
    import inspect

    takes_training = "training" in inspect.signature(cell.call).parameters
    run = cell if isinstance(cell, Layer) else cell.call
    output, after = run(inputs, states, training=training) if takes_training else run(inputs, states)
    return output, list(after) if nest.is_nested(after) else [after]
