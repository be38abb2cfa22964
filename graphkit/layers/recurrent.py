"""Recurrent layers: RNN over any cell, and LSTM, GRU, SimpleRNN, which know faster ways through the sequence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphkit import activations, ops
from graphkit.core import dtypes, nest
from graphkit.core.errors import InvalidArgumentError, ShapeError
from graphkit.core.serialization import config_names, get_registered_name, keras_class, serialize
from graphkit.ir.spec import TensorSpec
from graphkit.ir.tracing import trace_body
from graphkit.ir.variable import Variable
from graphkit.layers.input_spec import InputSpec
from graphkit.layers.layer import Layer, inner_layer
from graphkit.layers.recurrent_cells import (
    GRUCell,
    LSTMCell,
    SimpleRNNCell,
    StackedRNNCells,
    call_cell,
    check_cell,
    states_of,
    steady_dropout,
)  # fmt: skip
from graphkit.ops.recurrent import KNOWN_ACTIVATIONS, gru, lstm, simple_rnn

_HOME = "keras.layers"
_LOOP = ("return_sequences", "return_state", "go_backwards", "stateful", "unroll", "zero_output_for_mask")
_OLD = ("implementation", "time_major", "use_cudnn", "ragged", "weights")


@keras_class(_HOME)
class RNN(Layer):
    """A cell run over the time axis. Input (batch, time, ...), output (batch, units) or (batch, time, units).

    Args:
        cell: an object with `call(inputs, states)` -> (output, new states) and `state_size`; or a list of such.
        return_sequences: the output of every step rather than of the last one.
        return_state: the last states as further outputs.
        go_backwards: from the last step to the first; the sequence is given in the order of processing.
        stateful: the last states are the next call's initial ones; the batch size must be known.
        unroll: write the steps out one by one; the number of steps must be known.
        zero_output_for_mask: masked steps give zeros, not the previous output.

    Source: keras.layers.RNN.
    """

    supports_masking = True

    def __init__(
        self,
        cell: Any,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        zero_output_for_mask: bool = False,
        **kwargs: Any,
    ) -> None:
        self.time_major = bool(kwargs.pop("time_major", False))
        initial_weights = kwargs.pop("weights", None)
        for name in _OLD:
            kwargs.pop(name, None)
        super().__init__(**kwargs)
        cell = StackedRNNCells(cell) if isinstance(cell, (list, tuple)) else cell
        check_cell(cell)
        self.cell = cell
        self.return_sequences, self.return_state, self.go_backwards = return_sequences, return_state, go_backwards
        self.stateful, self.unroll, self.zero_output_for_mask = stateful, unroll, zero_output_for_mask
        size = cell.state_size
        self.state_size = list(size) if isinstance(size, (list, tuple)) else [size]
        self.states: list[Any] | None = None
        self._initial_weights = initial_weights

    def tracked_attributes(self) -> dict[str, Any]:
        """Without the states: they are no weights, and are not saved."""
        return {k: v for k, v in super().tracked_attributes().items() if k != "states"}

    # ----- building, states -----

    def build(self, sequences_shape: Any, initial_state_shape: Any = None) -> None:
        """Build the cell; make the states' variables if stateful."""
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
        """Build for the shapes in a config."""
        if config.get("input_shape") is not None and not self.built:
            self.build(tuple(config["input_shape"]))
        else:
            super().build_from_config(config)

    def get_initial_state(self, batch_size: Any) -> list[Any]:
        """The states that a sequence starts with when none are given."""
        states = states_of(self.cell, batch_size, self.compute_dtype)
        return list(states) if nest.is_nested(states) else [states]

    def reset_state(self) -> None:
        """Set the states of a stateful layer to zero."""
        for variable in nest.flatten(self.states or []):
            variable.assign(ops.zeros(variable.shape, variable.dtype))

    def reset_states(self, states: Any = None) -> None:
        """Set the states of a stateful layer: to zero, or to these arrays."""
        if not self.stateful:
            raise InvalidArgumentError(f"Layer {self.name!r} must be stateful to reset its states.")
        if states is None:
            self.reset_state()
            return
        for variable, value in zip(nest.flatten(self.states or []), nest.flatten(states), strict=True):
            variable.assign(value)

    # ----- calling -----

    def __call__(self, sequences: Any, *args: Any, **kwargs: Any) -> Any:
        """The layer on a sequence, or on a list of a sequence and initial states."""
        if isinstance(sequences, (list, tuple)) and len(sequences) > 1 and all(hasattr(s, "shape") for s in sequences):
            if args or kwargs.get("initial_state") is not None:
                raise InvalidArgumentError(
                    f"Layer {self.name!r} was given initial states twice: in the list of inputs and as initial_state."
                )
            kwargs["initial_state"] = nest.pack(_like(self.state_size), sequences[1:])
            sequences = sequences[0]
        return super().__call__(sequences, *args, **kwargs)

    def call(self, sequences: Any, initial_state: Any = None, mask: Any = None, training: bool = False) -> Any:
        """The output, and the last states with return_state."""
        if self.time_major:
            sequences = ops.swapaxes(sequences, 0, 1)
        if self.unroll and not isinstance(sequences.shape[1], int):
            raise ShapeError(
                f"Cannot unroll a RNN if the time dimension is undefined (layer {self.name!r}). Give the number of steps in the Input's "
                "shape, or leave `unroll` out."
            )
        own_state = initial_state is None and not self.stateful
        states = self._starting_states(sequences, initial_state)
        mask = nest.flatten(mask)[0] if mask is not None else None
        output, states = self._run(sequences, states, mask, bool(training), own_state)
        if self.stateful:
            for variable, state in zip(nest.flatten(self.states), nest.flatten(states), strict=True):
                variable.assign(state)
        output = ops.cast(output, self.compute_dtype)
        if self.time_major and self.return_sequences:
            output = ops.swapaxes(output, 0, 1)
        return (output, *states) if self.return_state else output

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
            raise ShapeError(f"Layer {self.name!r} wants {len(self.state_size)} initial states, got {len(nested)}.")
        return [nest.map_structure(lambda s: ops.cast(s, self.compute_dtype), s) for s in nested]

    def _run(
        self, sequences: Any, states: list[Any], mask: Any, training: bool, own_state: bool
    ) -> tuple[Any, list[Any]]:
        """(output, last states)."""
        with steady_dropout(self.cell, sequences[:, 0], states) if training else steady_dropout(None, None, None):
            return self._scan(sequences, states, mask, training)

    def _scan(self, sequences: Any, states: list[Any], mask: Any, training: bool) -> tuple[Any, list[Any]]:
        steps = ops.swapaxes(sequences, 0, 1)
        flags = [] if mask is None else [_time_first_mask(mask)]
        shape, dtype = self._output_spec(steps, states, training)
        nothing = ops.zeros(shape, dtype)

        def step(carry: Any, slices: Any) -> Any:
            (before, last), (x, *off) = carry, slices
            output, after = call_cell(self.cell, x, before, training)
            if off:
                output = _where(off[0], output, ops.zeros_like(output) if self.zero_output_for_mask else last)
                after = nest.map_structure(lambda new, old: _where(off[0], new, old), after, before)
            return (after, output), output if self.return_sequences else None

        (states, last), ys = ops.scan(
            step, (states, nothing), [steps, *flags], reverse=self.go_backwards, unroll=self.unroll or 1
        )
        if not self.return_sequences:
            return last, states
        return ops.swapaxes(ops.flip(ys, 0) if self.go_backwards else ys, 0, 1), states

    def _output_spec(self, steps: Any, states: list[Any], training: bool) -> tuple[Any, str]:
        """Shape and dtype of a step's output."""
        flat = nest.flatten(states)

        def one(x: Any, *leaves: Any) -> Any:
            return call_cell(self.cell, x, nest.pack(states, leaves), training)[0]

        first = TensorSpec(tuple(steps.shape[1:]), steps.dtype)
        spec = trace_body(one, [first, *(TensorSpec.of(s) for s in flat)])[0].outputs[0].spec
        return spec.shape, spec.dtype

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        """The inputs' mask for a sequence, none for states."""
        mask = nest.flatten(previous_mask)[0] if self.return_sequences and previous_mask is not None else None
        return [mask, *(None for _ in nest.flatten(_like(self.state_size)))] if self.return_state else mask

    # ----- config -----

    def get_config(self) -> dict[str, Any]:
        """The config, in Keras' order."""
        return {**self._loop_config(), "cell": serialize(self.cell)}

    def _loop_config(self) -> dict[str, Any]:
        base: dict[str, Any] = {"name": self.name, "trainable": self.trainable, "dtype": serialize(self.dtype_policy)}
        if self.activity_regularizer is not None:
            base["activity_regularizer"] = serialize(self.activity_regularizer)
        base.update({n: getattr(self, n) for n in _LOOP})
        return {**base, "time_major": True} if self.time_major else base

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Any:
        """The layer with the cell of an envelope."""
        config = dict(config)
        return cls(inner_layer(config, config.pop("cell")), **config)


def _like(state_size: Any) -> Any:
    """The structure of states of these sizes."""
    return [list(s) if isinstance(s, (list, tuple)) else s for s in state_size]


def _time_first_mask(mask: Any) -> Any:
    """(batch, time[, 1]) as (time, batch)."""
    mask = ops.cast(mask, "bool")
    return ops.swapaxes(ops.all(mask, axis=tuple(range(2, mask.ndim))) if mask.ndim > 2 else mask, 0, 1)


def _where(flag: Any, new: Any, old: Any) -> Any:
    """`new` for the samples whose flag holds."""
    return ops.where(ops.reshape(flag, (ops.shape(flag)[0], *([1] * (new.ndim - 1)))), new, old)


class _BuiltInRNN(RNN):
    """A layer with a cell of its own: the cell's hyper-parameters are the layer's, and the sequence runs as one op."""

    cell_class: type[Any]
    unsaved: tuple[str, ...] = ("use_cudnn",)

    def _init_cell(self, scope: dict[str, Any], kwargs: dict[str, Any]) -> None:
        """`scope` holds the constructor's local names."""
        own = [n for n in config_names(self.cell_class) if n in scope]
        cell = self.cell_class(
            **{n: scope[n] for n in own},
            dtype=kwargs.get("dtype"),
            trainable=kwargs.get("trainable", True),
            name=self.cell_name,
        )
        loop = {n: scope[n] for n in _LOOP if n in scope}
        RNN.__init__(self, cell, **loop, activity_regularizer=scope["activity_regularizer"], **kwargs)
        self.input_spec = InputSpec(ndim=3)

    cell_name: str

    def __getattr__(self, name: str) -> Any:
        cell = self.__dict__.get("cell")
        if (
            cell is not None
            and not name.startswith("_")
            and (name in config_names(type(cell)) or name in ("kernel", "recurrent_kernel", "bias"))
        ):
            return getattr(cell, name)
        if hasattr(type(self), name):  # a property that raised: say again what it said
            return object.__getattribute__(self, name)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def _run(
        self, sequences: Any, states: list[Any], mask: Any, training: bool, own_state: bool
    ) -> tuple[Any, list[Any]]:
        cell = self.cell
        names = {n: _known_name(getattr(cell, n)) for n in ("activation", "recurrent_activation") if hasattr(cell, n)}
        usual = type(cell) is self.cell_class and None not in names.values() and sequences.ndim == 3
        usual = (
            usual and sequences.dtype not in dtypes.HALF
        )  # half floats are rounded at each step of the cell, as in Keras
        if not usual or (training and cell.recurrent_dropout) or (mask is not None and mask.ndim != 2):
            return super()._run(sequences, states, mask, training, own_state)
        if training and cell.dropout:
            sequences = sequences * ops.expand_dims(cell.get_dropout_mask(sequences[:, 0]), 1)
        output, *last = self._whole(sequences, states, mask, names)
        return self._masked_output(output, mask, own_state), last

    def _whole(self, sequences: Any, states: list[Any], mask: Any, names: dict[str, Any]) -> tuple[Any, ...]:
        """The whole sequence as one op."""
        raise NotImplementedError(f"{type(self).__name__} defines no _whole()")

    def _masked_output(self, output: Any, mask: Any, own_state: bool) -> Any:
        """Zeros at masked steps (zero_output_for_mask) or at those before the first that counts; else the output stays."""
        if mask is None or (own_state and not self.zero_output_for_mask):
            return output  # a state that starts at zero is zero until a step counts
        flags = ops.cast(mask, "bool")
        flags = ops.flip(flags, 1) if self.go_backwards else flags
        if not self.zero_output_for_mask:
            flags = ops.greater(ops.cumsum(ops.cast(flags, "int32"), axis=1), 0)
        if not self.return_sequences:
            flags = flags[:, -1]
        return ops.where(ops.expand_dims(flags, -1), output, ops.zeros_like(output))

    def get_config(self) -> dict[str, Any]:
        """The config, in Keras' order."""
        config = self._loop_config()
        config.pop("activity_regularizer", None)
        names = [n for n in config_names(type(self)) if n not in _LOOP and n not in self.unsaved]
        return {**config, **{n: self._serialize_argument(n) for n in names}}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Any:
        """A layer with this config."""
        made: Any = Layer.from_config.__func__(cls, config)  # type: ignore[attr-defined]
        return made


def _known_name(activation: Any) -> str | None:
    """The name by which the recurrent ops know an activation, or None."""
    name = str(getattr(activation, "__name__", ""))
    if activations.BY_NAME.get(name) is not activation and get_registered_name(activation) != f"graphkit>{name}":
        return None
    return name if name in KNOWN_ACTIVATIONS else None


@keras_class(_HOME)
class SimpleRNN(_BuiltInRNN):
    """h = activation(x @ kernel + h @ recurrent_kernel + bias) over the time axis. Source: keras.layers.SimpleRNN."""

    cell_class, cell_name, unsaved = SimpleRNNCell, "simple_rnn_cell", ("use_cudnn", "seed")

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        self._init_cell(dict(locals()), kwargs)

    def _whole(self, sequences: Any, states: list[Any], mask: Any, names: dict[str, Any]) -> tuple[Any, ...]:
        cell = self.cell
        return simple_rnn(
            sequences, cell.kernel, cell.recurrent_kernel, cell.bias, states[0], mask,
            go_backwards=self.go_backwards, return_sequences=self.return_sequences, **names,
        )  # fmt: skip


@keras_class(_HOME)
class GRU(_BuiltInRNN):
    """A gated recurrent unit (Cho et al., 2014) over the time axis. Source: keras.layers.GRU."""

    cell_class, cell_name = GRUCell, "gru_cell"

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
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
        unroll: bool = False,
        reset_after: bool = True,
        use_cudnn: Any = "auto",
        **kwargs: Any,
    ) -> None:
        self._init_cell(dict(locals()), kwargs)

    def _whole(self, sequences: Any, states: list[Any], mask: Any, names: dict[str, Any]) -> tuple[Any, ...]:
        cell = self.cell
        return gru(
            sequences, cell.kernel, cell.recurrent_kernel, cell.bias, states[0], mask, reset_after=cell.reset_after,
            go_backwards=self.go_backwards, return_sequences=self.return_sequences, **names,
        )  # fmt: skip

    def get_config(self) -> dict[str, Any]:
        """The config, in Keras' order: reset_after before seed."""
        config = super().get_config()
        return {**{k: v for k, v in config.items() if k != "seed"}, "seed": config["seed"]}


@keras_class(_HOME)
class LSTM(_BuiltInRNN):
    """Long short-term memory (Hochreiter and Schmidhuber, 1997) over the time axis. Source: keras.layers.LSTM."""

    cell_class, cell_name = LSTMCell, "lstm_cell"

    def __init__(
        self,
        units: int,
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
        unroll: bool = False,
        use_cudnn: Any = "auto",
        **kwargs: Any,
    ) -> None:
        self._init_cell(dict(locals()), kwargs)

    def _whole(self, sequences: Any, states: list[Any], mask: Any, names: dict[str, Any]) -> tuple[Any, ...]:
        cell = self.cell
        return lstm(
            sequences, cell.kernel, cell.recurrent_kernel, cell.bias, states, mask,
            go_backwards=self.go_backwards, return_sequences=self.return_sequences, **names,
        )  # fmt: skip
