"""Cells: one step of a recurrent layer. `call(inputs, states)` gives `(output, new_states)`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np

from graphkit import activations, constraints, initializers, ops, random, regularizers
from graphkit.core import nest
from graphkit.core.errors import InvalidArgumentError, ShapeError
from graphkit.core.serialization import keras_class, serialize
from graphkit.layers.layer import Layer, inner_layer

_HOME = "keras.layers"
_BASE = ("name", "trainable", "dtype", "activity_regularizer")


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
    """A cell's initial states: its own, or zeros of `state_size`."""
    own = getattr(cell, "get_initial_state", None)
    if own is not None:
        return own(batch_size=batch_size)
    sizes = cell.state_size
    if isinstance(sizes, (list, tuple)):
        return [ops.zeros((batch_size, size), dtype=dtype) for size in sizes]
    return ops.zeros((batch_size, sizes), dtype=dtype)


def output_size_of(cell: Any) -> Any:
    """The size of a cell's output: its `output_size`, or that of its first state."""
    own = getattr(cell, "output_size", None)
    if own is not None:
        return own
    return cell.state_size[0] if isinstance(cell.state_size, (list, tuple)) else cell.state_size


class DropoutRNNCell:
    """Mixin of cells with `dropout`, `recurrent_dropout` and a `seed_generator`: one mask serves all steps of a sequence.

    Source: keras.layers.DropoutRNNCell.
    """

    dropout: float
    recurrent_dropout: float
    seed_generator: Any
    _steady: tuple[Any, Any] | None = None

    def get_dropout_mask(self, step_input: Any) -> Any:
        """What the inputs are multiplied by while training, None for no dropout."""
        return self._steady[0] if self._steady is not None else self._draw(step_input, self.dropout)

    def get_recurrent_dropout_mask(self, step_input: Any) -> Any:
        """What the state is multiplied by while training, None for no dropout."""
        return self._steady[1] if self._steady is not None else self._draw(step_input, self.recurrent_dropout)

    def _draw(self, like: Any, rate: float) -> Any:
        return None if rate <= 0 else random.dropout(ops.ones_like(like), rate, seed=self.seed_generator)

    @contextmanager
    def steady_dropout(self, step_input: Any, state: Any) -> Iterator[None]:
        """Inside, each step gets the masks that are drawn now."""
        self._steady = (self._draw(step_input, self.dropout), self._draw(state, self.recurrent_dropout))
        try:
            yield
        finally:
            self._steady = None


@contextmanager
def steady_dropout(cell: Any, step_input: Any, states: Any) -> Iterator[None]:
    """Dropout masks of a cell, and of the cells in it, that serve all steps of the sequence under way."""
    with ExitStack() as stack:
        if isinstance(cell, StackedRNNCells):
            for inner, state in zip(cell.cells, states, strict=True):
                stack.enter_context(steady_dropout(inner, step_input, state))
                step_input = ops.ones((ops.shape(step_input)[0], output_size_of(inner)), step_input.dtype)
        elif isinstance(cell, DropoutRNNCell):
            stack.enter_context(cell.steady_dropout(step_input, nest.flatten(states)[0]))
        yield


class _GatedCell(DropoutRNNCell, Layer):
    """What the three built-in cells share: weights kernel, recurrent_kernel and bias, activations, dropout."""

    gates = 1

    def _configure(self, arguments: dict[str, Any]) -> None:
        """Keep the constructor's arguments under their names. Raises InvalidArgumentError for a wrong size."""
        units = arguments["units"]
        if not isinstance(units, (int, np.integer)) or isinstance(units, bool) or units <= 0:
            raise InvalidArgumentError(
                f"Received an invalid value for argument `units`, expected a positive integer, got {units}."
            )
        for name, value in arguments.items():
            kind = next((k for k in _KINDS if name.endswith(k)), None)
            setattr(self, name, value if kind is None else _KINDS[kind].get(value))
        self.units = int(units)
        self.dropout = min(1.0, max(0.0, self.dropout))
        self.recurrent_dropout = min(1.0, max(0.0, self.recurrent_dropout))
        if self.dropout or self.recurrent_dropout:
            self.seed_generator = random.SeedGenerator(self.seed)
        self.output_size = self.units

    def build(self, input_shape: Any) -> None:
        """Make kernel (n, gates * units), recurrent_kernel (units, gates * units) and bias."""
        size = input_shape[-1]
        if size is None:
            raise ShapeError(
                f"The last axis of the inputs to layer {self.name!r} must be known, got shape {tuple(input_shape)}."
            )
        width = self.gates * self.units
        self.kernel = self._weight("kernel", (size, width))
        self.recurrent_kernel = self._weight("recurrent_kernel", (self.units, width), "recurrent")
        self.bias = self._weight("bias", self._bias_shape()) if self.use_bias else None

    def _bias_shape(self) -> tuple[int, ...]:
        return (self.gates * self.units,)

    def _weight(self, name: str, shape: tuple[int, ...], prefix: str | None = None) -> Any:
        prefix = prefix or name
        return self.add_weight(
            name=name,
            shape=shape,
            initializer=self._initializer(prefix),
            regularizer=getattr(self, f"{prefix}_regularizer"),
            constraint=getattr(self, f"{prefix}_constraint"),
        )

    def _initializer(self, prefix: str) -> Any:
        return getattr(self, f"{prefix}_initializer")

    def _dropped(self, inputs: Any, state: Any, training: bool) -> tuple[Any, Any]:
        if not training:
            return inputs, state
        masks = self.get_dropout_mask(inputs), self.get_recurrent_dropout_mask(state)
        return tuple(x if m is None else x * m for x, m in zip((inputs, state), masks, strict=True))

    def get_initial_state(self, batch_size: Any = None) -> list[Any]:
        """Zeros, one for each state."""
        sizes = self.state_size if isinstance(self.state_size, list) else [self.state_size]
        return [ops.zeros((batch_size, size), dtype=self.compute_dtype) for size in sizes]

    units: int
    use_bias: bool
    seed: int | None
    activation: Any
    state_size: Any


_KINDS: dict[str, Any] = {
    "activation": activations,
    "_initializer": initializers,
    "_regularizer": regularizers,
    "_constraint": constraints,
}


def _arguments(scope: dict[str, Any]) -> dict[str, Any]:
    """The constructor's own arguments among its local names."""
    return {k: v for k, v in scope.items() if k not in ("self", "kwargs", "__class__", "implementation")}


@keras_class(_HOME)
class SimpleRNNCell(_GatedCell):
    """One step of `SimpleRNN`: activation(x @ kernel + h @ recurrent_kernel + bias). Source: keras.layers.SimpleRNNCell."""

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
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        arguments = _arguments(locals())
        super().__init__(**kwargs)
        self._configure(arguments)
        self.state_size = self.units

    def call(self, sequence: Any, states: Any, training: bool = False) -> Any:
        """(output, new states)."""
        nested = nest.is_nested(states)
        x, h = self._dropped(sequence, states[0] if nested else states, training)
        made = ops.matmul(x, self.kernel)
        made = made if self.bias is None else made + self.bias
        output = self.activation(made + ops.matmul(h, self.recurrent_kernel))
        return output, [output] if nested else output


@keras_class(_HOME)
class GRUCell(_GatedCell):
    """One step of `GRU`; gates z, r, h. Source: keras.layers.GRUCell."""

    gates = 3

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
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        reset_after: bool = True,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        arguments = _arguments(locals())
        kwargs.pop("implementation", None)  # ways of computing the same
        super().__init__(**kwargs)
        self._configure(arguments)
        self.state_size = self.units

    reset_after: bool

    def _bias_shape(self) -> tuple[int, ...]:
        return (2, 3 * self.units) if self.reset_after else (3 * self.units,)

    def call(self, inputs: Any, states: Any, training: bool = False) -> Any:
        """(output, new states)."""
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

    recurrent_activation: Any


@keras_class(_HOME)
class LSTMCell(_GatedCell):
    """One step of `LSTM`; gates i, f, c, o; states h and c. Source: keras.layers.LSTMCell."""

    gates = 4

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
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        arguments = _arguments(locals())
        kwargs.pop("implementation", None)
        super().__init__(**kwargs)
        self._configure(arguments)
        self.state_size = [self.units, self.units]

    unit_forget_bias: bool
    recurrent_activation: Any

    def _initializer(self, prefix: str) -> Any:
        own = super()._initializer(prefix)
        if prefix != "bias" or not self.unit_forget_bias:
            return own

        def with_open_forget_gate(shape: Any, dtype: Any = None) -> Any:
            one = initializers.get("ones")
            parts = [
                own((self.units,), dtype=dtype),
                one((self.units,), dtype=dtype),
                own((2 * self.units,), dtype=dtype),
            ]
            return ops.concatenate(parts, axis=0)

        return with_open_forget_gate

    def call(self, inputs: Any, states: Any, training: bool = False) -> Any:
        """(output, [h, c])."""
        x, h = self._dropped(inputs, states[0], training)
        z = ops.matmul(x, self.kernel) + ops.matmul(h, self.recurrent_kernel)
        i, f, g, o = ops.split(z if self.bias is None else z + self.bias, 4, axis=-1)
        gate = self.recurrent_activation
        cell = gate(f) * states[1] + gate(i) * self.activation(g)
        output = gate(o) * self.activation(cell)
        return output, [output, cell]

    def get_config(self) -> dict[str, Any]:
        """The config, in Keras' order."""
        config = super().get_config()
        order = [
            *(k for k in _BASE if k in config),
            "units",
            "activation",
            "recurrent_activation",
            "use_bias",
            "unit_forget_bias",
        ]
        return {k: config[k] for k in [*order, *(k for k in config if k not in order)]}


@keras_class(_HOME)
class StackedRNNCells(Layer):
    """Cells on top of each other, as one cell. Its states are a list with the states of each. Source: keras.layers.StackedRNNCells."""

    def __init__(self, cells: Sequence[Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        for cell in cells:
            check_cell(cell)
        self.cells = list(cells)

    @property
    def state_size(self) -> list[Any]:
        """The sizes of each cell's states."""
        return [c.state_size for c in self.cells]

    @property
    def output_size(self) -> Any:
        """The size of the last cell's output."""
        return output_size_of(self.cells[-1])

    def get_initial_state(self, batch_size: Any = None) -> list[Any]:
        """The initial states of each cell."""
        return [states_of(cell, batch_size, self.compute_dtype) for cell in self.cells]

    def build(self, input_shape: Any) -> None:
        """Build the cells for each other's outputs."""
        shape = tuple(input_shape)
        for cell in self.cells:
            if isinstance(cell, Layer) and not cell.built:
                cell.build(shape)
            shape = (shape[0], output_size_of(cell))

    def call(self, inputs: Any, states: Any, training: bool = False, **kwargs: Any) -> Any:
        """(output of the last cell, new states)."""
        after = []
        for cell, given in zip(self.cells, states, strict=True):
            nested = nest.is_nested(given)
            inputs, new = call_cell(cell, inputs, list(given) if nested else [given], training)
            after.append(new if nested or len(new) > 1 else new[0])
        return inputs, after

    def get_config(self) -> dict[str, Any]:
        """The config with the cells' envelopes."""
        base = {k: v for k, v in super().get_config().items() if k != "cells"}
        return {**base, "cells": [serialize(c) for c in self.cells]}

    def _serialize_argument(self, name: str) -> Any:
        return None

    @classmethod
    def from_config(cls, config: Any) -> Any:
        """Cells made of their envelopes."""
        config = dict(config)
        return cls([inner_layer(config, c) for c in config.pop("cells")], **config)


def call_cell(cell: Any, inputs: Any, states: list[Any], training: bool) -> tuple[Any, list[Any]]:
    """One step of any cell; the new states as a list."""
    import inspect

    takes_training = "training" in inspect.signature(cell.call).parameters
    run = cell if isinstance(cell, Layer) else cell.call
    output, after = run(inputs, states, training=training) if takes_training else run(inputs, states)
    return output, list(after) if nest.is_nested(after) else [after]
