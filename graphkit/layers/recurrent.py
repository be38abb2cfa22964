"""Recurrent layers: RNN over any cell, and LSTM, GRU and SimpleRNN, which run a whole sequence as one op."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from graphkit import activations, ops
from graphkit.core import dtypes, nest
from graphkit.core.declared import Argument, Declared, argument
from graphkit.core.errors import InvalidArgumentError, ShapeError
from graphkit.core.serialization import get_registered_name, keras_class
from graphkit.ir.spec import TensorSpec
from graphkit.ir.tracing import trace_body
from graphkit.ir.variable import Variable
from graphkit.layers.declared import BuiltInLayer
from graphkit.layers.input_spec import InputSpec
from graphkit.layers.layer import Layer, inner_layer
from graphkit.layers.recurrent_cells import (
    CellArguments,
    GRUArguments,
    GRUCell,
    LSTMArguments,
    LSTMCell,
    SimpleRNNCell,
    StackedRNNCells,
    call_cell,
    cell_order,
    check_cell,
    states_of,
    steady_dropout,
)  # fmt: skip
from graphkit.ops.recurrent import KNOWN_ACTIVATIONS, gru, lstm, simple_rnn

_HOME = "keras.layers"
LOOP = "return_sequences return_state go_backwards stateful unroll"
_LOOP_CONFIG = f"{LOOP} zero_output_for_mask"


class LoopArguments(Declared, kw_only=True):
    """The arguments of the loop over a sequence."""

    return_sequences: bool = argument(default=False)
    return_state: bool = argument(default=False)
    go_backwards: bool = argument(default=False)
    stateful: bool = argument(default=False)
    unroll: bool = argument(default=False)
    zero_output_for_mask: bool = argument(default=False)
    # Arguments of older Keras versions: two that have an effect, then those that only select an implementation.
    time_major: bool = argument(default=False, convert=bool, hidden=True)
    _initial_weights: Any = argument(default=None, hidden=True, alias="weights")
    implementation: Any = argument(default=None, hidden=True)
    use_cudnn: Any = argument(default="auto", hidden=True, saved=False)
    ragged: Any = argument(default=None, hidden=True)


def _cell(layer: Any, name: str, value: Any) -> Any:
    cell = StackedRNNCells(value) if isinstance(value, (list, tuple)) else value
    check_cell(cell)
    return cell


@keras_class(_HOME)
class RNN(LoopArguments, BuiltInLayer):
    """Runs a cell over the time axis. Input (batch, time, ...), output (batch, units) or (batch, time, units).

    Args:
        cell: an object with `call(inputs, states)` -> (output, new states) and `state_size`, or a list of them.
        return_sequences: whether to return the output of every time step, not just the last one.
        return_state: whether to return the final states as further outputs.
        go_backwards: whether to run from the last time step to the first; sequences are returned in that order.
        stateful: whether the final states are the initial states of the next call; the batch size must be known.
        unroll: whether to unroll the loop; the number of time steps must be known.
        zero_output_for_mask: whether masked time steps return zeros instead of the previous output.

    Raises:
        InvalidArgumentError: the cell lacks `call` or `state_size`.

    Source: keras.layers.RNN.
    """

    supports_masking = True
    config_order = f"{_LOOP_CONFIG} cell"

    cell: Any = argument(check=_cell)

    def __post_init__(self) -> None:
        size = self.cell.state_size
        self.state_size = list(size) if isinstance(size, (list, tuple)) else [size]
        self.states: list[Any] | None = None

    def tracked_attributes(self) -> dict[str, Any]:
        """Return the attributes without the states, which are not weights and are not saved."""
        return {k: v for k, v in super().tracked_attributes().items() if k != "states"}

    # ----- building, states -----

    def build(self, sequences_shape: Any, initial_state_shape: Any = None) -> None:
        """Build the cell, and create variables for the states if the layer is stateful.

        Raises:
            ShapeError: the layer is stateful and the batch size is unknown.
        """
        sequences_shape = tuple(sequences_shape)
        if self.time_major:
            sequences_shape = (sequences_shape[1], sequences_shape[0], *sequences_shape[2:])
        if isinstance(self.cell, Layer) and not self.cell.built:
            self.cell.build((sequences_shape[0], *sequences_shape[2:]))
        if self._initial_weights is not None:
            self.set_weights(self._initial_weights)
        if self.stateful and self.states is None:
            self._make_states(sequences_shape)

    def _make_states(self, shape: Any) -> None:
        if shape[0] is None:
            raise ShapeError(
                f"When using `stateful=True` in a RNN, the batch size must be static. Found dynamic batch size: sequence.shape={shape} "
                f"(layer {self.name!r}). Give Input(batch_shape=...)."
            )
        self.states = nest.map_structure(
            lambda v: Variable(v, dtype=self.variable_dtype, trainable=False, name="rnn_state"),
            self.get_initial_state(shape[0]),
        )

    def build_from_config(self, config: Mapping[str, Any]) -> None:
        """Build for the shapes of a `get_build_config` result."""
        if config.get("input_shape") is not None and not self.built:
            self.build(tuple(config["input_shape"]))
        else:
            super().build_from_config(config)

    def get_initial_state(self, batch_size: Any) -> list[Any]:
        """Return the initial states for a batch size, used where a call is given none."""
        states = states_of(self.cell, batch_size, self.compute_dtype)
        return list(states) if nest.is_nested(states) else [states]

    def reset_state(self) -> None:
        """Set the states of a stateful layer to zero."""
        for variable in nest.flatten(self.states or []):
            variable.assign(ops.zeros(variable.shape, variable.dtype))

    def reset_states(self, states: Any = None) -> None:
        """Set the states of a stateful layer to zero, or to the given arrays.

        Raises:
            InvalidArgumentError: the layer is not stateful.
        """
        if not self.stateful:
            raise InvalidArgumentError(f"Layer {self.name!r} must be stateful to reset its states.")
        if states is None:
            self.reset_state()
            return
        for variable, value in zip(nest.flatten(self.states or []), nest.flatten(states), strict=True):
            variable.assign(value)

    # ----- calling -----

    def __call__(self, sequences: Any, *args: Any, **kwargs: Any) -> Any:
        """Call the layer on a sequence, or on a list of a sequence and its initial states.

        Raises:
            InvalidArgumentError: initial states are given both in the list and as `initial_state`.
        """
        if isinstance(sequences, (list, tuple)) and len(sequences) > 1 and all(hasattr(s, "shape") for s in sequences):
            if args or kwargs.get("initial_state") is not None:
                raise InvalidArgumentError(
                    f"Layer {self.name!r} was given initial states twice: in the list of inputs and as initial_state."
                )
            kwargs["initial_state"] = nest.pack(_like(self.state_size), sequences[1:])
            sequences = sequences[0]
        return super().__call__(sequences, *args, **kwargs)

    def call(self, sequences: Any, initial_state: Any = None, mask: Any = None, training: bool = False) -> Any:
        """Return the output, followed by the final states with `return_state`.

        Args:
            sequences: (batch, time, ...), or (time, batch, ...) with `time_major`.
            initial_state: the states before the first time step; those of `get_initial_state` by default.
            mask: bool (batch, time); masked time steps leave the states unchanged.
            training: whether dropout is active.

        Raises:
            ShapeError: `unroll` without a known number of time steps, or states, mask or batch size of the wrong shape.
        """
        if not dtypes.is_float(TensorSpec.of(sequences).dtype):
            sequences = ops.cast(sequences, self.compute_dtype)
        if self.time_major:
            sequences = ops.swapaxes(sequences, 0, 1)
        if self.unroll and not isinstance(sequences.shape[1], int):
            raise ShapeError(
                f"Cannot unroll a RNN if the time dimension is undefined (layer {self.name!r}). Give the number of time steps in the "
                "shape of the Input, or do not set `unroll`."
            )
        starts_at_zero = initial_state is None and not self.stateful
        states = self._starting_states(sequences, initial_state)
        mask = self._checked_mask(mask)
        if self.time_major and mask is not None:
            mask = ops.swapaxes(mask, 0, 1)
        if type(self).inner_loop is RNN.inner_loop:
            output, states = self._run(sequences, states, mask, bool(training), starts_at_zero)
        else:  # a subclass runs the sequence in its own way
            last, outputs, states = self.inner_loop(
                sequences=sequences, initial_state=states, mask=mask, training=training
            )
            output, states = outputs if self.return_sequences else last, list(states)
        if self.stateful:
            for variable, state in zip(nest.flatten(self.states), nest.flatten(states), strict=True):
                variable.assign(state)
        output = ops.cast(output, self.compute_dtype)
        if self.time_major and self.return_sequences:
            output = ops.swapaxes(output, 0, 1)
        return (output, *states) if self.return_state else output

    def inner_loop(self, sequences: Any, initial_state: Any, mask: Any, training: bool = False) -> Any:
        """Run the cell over a sequence. A subclass may override it. Source: keras RNN.inner_loop.

        Args:
            sequences: (batch, time, ...).
            initial_state: the states before the first time step.
            mask: bool (batch, time), or None.
            training: whether dropout is active.

        Returns:
            The last output, the outputs of all time steps (just the last one without `return_sequences`), and the final states.
        """
        states = list(initial_state) if nest.is_nested(initial_state) else [initial_state]
        output, states = self._run(sequences, states, self._checked_mask(mask), bool(training), starts_at_zero=False)
        if self.return_sequences:
            return output[:, -1], output, states
        return output, ops.expand_dims(output, 1), states

    def _checked_mask(self, mask: Any) -> Any:
        """Return the mask of the sequence, which is the first one of a list."""
        mask = None if mask is None else nest.flatten(mask)[0]
        if mask is not None and len(mask.shape) < 2:
            raise ShapeError(
                f"The mask of layer {self.name!r} must have the axes (batch, time). Received: mask.shape={tuple(mask.shape)}"
            )
        return mask

    def _starting_states(self, sequences: Any, initial_state: Any) -> list[Any]:
        if initial_state is None:
            initial_state = self.states if self.stateful else self.get_initial_state(ops.shape(sequences)[0])
        if self.stateful and isinstance(sequences.shape[0], int) and self.states:
            expected = nest.flatten(self.states)[0].shape[0]
            if sequences.shape[0] != expected:
                raise ShapeError(
                    "If an RNN is stateful, the batch size of the input sequences must be the same as the batch size of the initial state. "
                    f"\n- Expected batch size: {expected}\n- Received batch size: {sequences.shape[0]}"
                )
        nested = list(initial_state) if nest.is_nested(initial_state) else [initial_state]
        if len(nested) != len(self.state_size):
            raise ShapeError(f"Layer {self.name!r} expects {len(self.state_size)} initial states, got {len(nested)}.")
        return [nest.map_structure(lambda s: ops.cast(s, self.compute_dtype), s) for s in nested]

    def _run(
        self, sequences: Any, states: list[Any], mask: Any, training: bool, starts_at_zero: bool
    ) -> tuple[Any, list[Any]]:
        """Return (output, final states)."""
        with steady_dropout(self.cell, sequences[:, 0], states) if training else steady_dropout(None, None, None):
            return self._scan(sequences, states, mask, training)

    @property
    def _zeroes_masked_outputs(self) -> bool:
        """Whether masked time steps return zeros: Keras ignores `zero_output_for_mask` where it unrolls."""
        return bool(self.zero_output_for_mask and not self.unroll)

    def _scan(self, sequences: Any, states: list[Any], mask: Any, training: bool) -> tuple[Any, list[Any]]:
        steps = ops.swapaxes(sequences, 0, 1)
        flags = [] if mask is None else [_time_first_mask(mask)]
        shape, dtype = self._output_spec(steps, states, training)
        nothing = ops.zeros(shape, dtype)

        def step(carry: Any, slices: Any) -> Any:
            (before, last), (x, *off) = carry, slices
            output, after = call_cell(self.cell, x, before, training)
            after = nest.map_structure(lambda new, old: ops.cast(new, old.dtype), after, before)  # a cell with its own policy
            if off:
                output = _where(off[0], output, ops.zeros_like(output) if self._zeroes_masked_outputs else last)
                after = nest.map_structure(lambda new, old: _where(off[0], new, old), after, before)
            return (after, output), output if self.return_sequences else None

        (states, last), ys = ops.scan(
            step, (states, nothing), [steps, *flags], reverse=self.go_backwards, unroll=self.unroll or 1
        )
        if not self.return_sequences:
            return last, states
        return ops.swapaxes(ops.flip(ys, 0) if self.go_backwards else ys, 0, 1), states

    def _output_spec(self, steps: Any, states: list[Any], training: bool) -> tuple[Any, str]:
        """Return shape and dtype of the output of a time step."""
        flat = nest.flatten(states)

        def one(x: Any, *leaves: Any) -> Any:
            return call_cell(self.cell, x, nest.pack(states, leaves), training)[0]

        first = TensorSpec(tuple(steps.shape[1:]), steps.dtype)
        body = trace_body(one, [first, *(TensorSpec.of(s) for s in flat)], may_write=True)
        spec = body.program.outputs[0].spec
        return spec.shape, spec.dtype

    def compute_mask(self, _: Any, mask: Any = None) -> Any:
        """Return the mask of the inputs for sequences, None for other outputs and for states."""
        mask = nest.flatten(mask)[0] if self.return_sequences and mask is not None else None
        return [mask, *(None for _ in nest.flatten(_like(self.state_size)))] if self.return_state else mask

    # ----- config -----

    def get_config(self) -> dict[str, Any]:
        """Return the config, with `time_major` of older Keras only where it is set."""
        return {**super().get_config(), **({"time_major": True} if self.time_major else {})}

    @classmethod
    def from_config(cls, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Any:
        """Return the layer with its cell deserialized."""
        config = dict(config)
        return cls(inner_layer(config, config.pop("cell"), custom_objects), **config)


def _like(state_size: Any) -> Any:
    """Return the structure of the states for these sizes."""
    return [list(s) if isinstance(s, (list, tuple)) else s for s in state_size]


def _time_first_mask(mask: Any) -> Any:
    """Return a mask (batch, time, ...) as bool (time, batch): True where all further axes are."""
    mask = ops.cast(mask, "bool")
    return ops.swapaxes(ops.all(mask, axis=tuple(range(2, mask.ndim))) if mask.ndim > 2 else mask, 0, 1)


def _where(flag: Any, new: Any, old: Any) -> Any:
    """Return `new` for samples where `flag` is True, else `old`."""
    return ops.where(ops.reshape(flag, (ops.shape(flag)[0], *([1] * (new.ndim - 1)))), new, old)


class OwnCellRNN(RNN):
    """A layer that creates its cell. It takes the arguments that the cell's class declares and passes them to the cell."""

    cell_class: ClassVar[type[Any]]
    cell_name: ClassVar[str]
    cell: Any = argument(init=False)

    def _keep_arguments(self, arguments: Mapping[str, Argument], given: Mapping[str, Any]) -> None:
        of_cell = {name: value for name, value in given.items() if name in self.cell_class.declaration.order}
        self.cell = self._make_cell(
            {**of_cell, "dtype": self.dtype_policy, "trainable": self.trainable, "name": self.cell_name}
        )
        super()._keep_arguments(arguments, {name: value for name, value in given.items() if name not in of_cell})

    def _make_cell(self, arguments: dict[str, Any]) -> Any:
        return self.cell_class(**arguments)

    def __getattr__(self, name: str) -> Any:
        cell = self.__dict__.get("cell")
        if cell is not None and name in (*type(cell).declaration.order, "kernel", "recurrent_kernel", "bias"):
            return getattr(cell, name)
        if hasattr(type(self), name):  # a property that raised: raise its error again
            return object.__getattribute__(self, name)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    @classmethod
    def from_config(cls, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Any:
        """Return a new layer with this config."""
        made: Any = Layer.from_config.__func__(cls, config)  # type: ignore[attr-defined]
        return made


class _BuiltInRNN(OwnCellRNN):
    """A layer that can run a whole sequence as one op, `sequence_op`."""

    sequence_op: ClassVar[Callable[..., tuple[Any, ...]]]

    def __post_init__(self) -> None:
        super().__post_init__()
        self.input_spec = InputSpec(ndim=3)

    def _run(
        self, sequences: Any, states: list[Any], mask: Any, training: bool, starts_at_zero: bool
    ) -> tuple[Any, list[Any]]:
        cell = self.cell
        names = {n: _known_name(getattr(cell, n)) for n in ("activation", "recurrent_activation") if hasattr(cell, n)}
        usual = type(cell) is self.cell_class and None not in names.values() and sequences.ndim == 3
        usual = (
            usual and sequences.dtype not in dtypes.HALF
        )  # half floats are rounded at each step of the cell, as in Keras
        if not usual or (training and cell.recurrent_dropout) or (mask is not None and mask.ndim != 2):
            return super()._run(sequences, states, mask, training, starts_at_zero)
        if training and cell.dropout:
            sequences = sequences * ops.expand_dims(cell.get_dropout_mask(sequences[:, 0]), 1)
        variant = {"reset_after": cell.reset_after} if hasattr(cell, "reset_after") else {}
        output, *last = self._whole(sequences, states, mask, {**names, **variant})
        return self._masked_output(output, mask, starts_at_zero), last

    def _whole(self, sequences: Any, states: list[Any], mask: Any, options: dict[str, Any]) -> tuple[Any, ...]:
        """Run the whole sequence as one op."""
        cell = self.cell
        first = states[0] if len(states) == 1 else states
        return self.sequence_op(
            sequences, cell.kernel, cell.recurrent_kernel, cell.bias, first, mask,
            go_backwards=self.go_backwards, return_sequences=self.return_sequences, **options,
        )  # fmt: skip

    def _masked_output(self, output: Any, mask: Any, starts_at_zero: bool) -> Any:
        """Set outputs to zero at masked time steps (`zero_output_for_mask`), or at those before the first that is not masked."""
        if mask is None or (starts_at_zero and not self._zeroes_masked_outputs):
            return output  # a state that starts at zero stays zero until the first step that is not masked
        flags = ops.cast(mask, "bool")
        flags = ops.flip(flags, 1) if self.go_backwards else flags
        if not self._zeroes_masked_outputs:
            flags = ops.greater(ops.cumsum(ops.cast(flags, "int32"), axis=1), 0)
        if not self.return_sequences:
            flags = flags[:, -1]
        return ops.where(ops.expand_dims(flags, -1), output, ops.zeros_like(output))


def _known_name(activation: Any) -> str | None:
    """Return the name of an activation that the recurrent ops support, else None."""
    name = str(getattr(activation, "__name__", ""))
    if activations.BY_NAME.get(name) is not activation and get_registered_name(activation) != f"graphkit>{name}":
        return None
    return name if name in KNOWN_ACTIVATIONS else None


_GATES = "activation recurrent_activation"
_PENALTY = {"after_regularizers": "activity_regularizer"}
_PLAIN = f"units {cell_order('activation', **_PENALTY)}"
_GATED = f"units {cell_order(_GATES, **_PENALTY)}"
_WITH_FORGET_BIAS = f"units {cell_order(_GATES, after_initializers='unit_forget_bias', **_PENALTY)}"


@keras_class(_HOME)
class SimpleRNN(CellArguments, _BuiltInRNN):
    """h = activation(x @ kernel + h @ recurrent_kernel + bias) over the time axis. Source: keras.layers.SimpleRNN.

    Input (batch, time, n), output (batch, units), or (batch, time, units) with `return_sequences`. Arguments as for `LSTM`, without
    `recurrent_activation` and `unit_forget_bias`.
    """

    cell_class, cell_name, sequence_op = SimpleRNNCell, "simple_rnn_cell", staticmethod(simple_rnn)
    argument_order = f"{_PLAIN} {LOOP} seed"
    config_order = f"{_LOOP_CONFIG} {_PLAIN}"


@keras_class(_HOME)
class GRU(GRUArguments, _BuiltInRNN):
    """Gated recurrent unit (Cho et al., 2014) over the time axis. Source: keras.layers.GRU.

    Input (batch, time, n), output (batch, units), or (batch, time, units) with `return_sequences`. Kernels hold the gates z, r, h.

    Args:
        reset_after: whether the reset gate is applied after the product with the recurrent kernel (as in cuDNN) or before it.
        The remaining arguments are those of `LSTM`, without `unit_forget_bias`.
    """

    cell_class, cell_name, sequence_op = GRUCell, "gru_cell", staticmethod(gru)
    argument_order = f"{_GATED} seed {LOOP} reset_after use_cudnn"
    config_order = f"{_LOOP_CONFIG} {_GATED} reset_after seed"


@keras_class(_HOME)
class LSTM(LSTMArguments, _BuiltInRNN):
    """Long short-term memory (Hochreiter and Schmidhuber, 1997) over the time axis. Source: keras.layers.LSTM.

    Input (batch, time, n), output (batch, units), or (batch, time, units) with `return_sequences`. Kernels hold the gates i, f, c, o.

    Args:
        units: the size of the states and of the output.
        activation: of the candidate and the output; tanh by default.
        recurrent_activation: of the gates; sigmoid by default.
        use_bias: whether there is a bias (4 * units,).
        kernel_*, recurrent_*, bias_*: initializers, regularizers and constraints of kernel (n, 4 * units), recurrent_kernel
            (units, 4 * units) and bias.
        unit_forget_bias: whether the bias of the forget gate starts at 1.
        dropout: the dropout rate of the inputs during training, with one mask for all time steps.
        recurrent_dropout: the same for the state h.
        seed: of the dropout.
        return_sequences, return_state, go_backwards, stateful, unroll, zero_output_for_mask: as for `RNN`.
        use_cudnn: accepted, without effect.
    """

    cell_class, cell_name, sequence_op = LSTMCell, "lstm_cell", staticmethod(lstm)
    argument_order = f"{_WITH_FORGET_BIAS} seed {LOOP} use_cudnn"
    config_order = f"{_LOOP_CONFIG} {_WITH_FORGET_BIAS} seed"
