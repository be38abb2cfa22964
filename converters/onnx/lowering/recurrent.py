"""LSTM, GRU and SimpleRNN as ONNX operators, with a free time axis. With a mask they are expanded to Scan.

ONNX expects time first, kernels of shape (1, gates * units, inputs), the biases of input and state concatenated, and an LSTM's
gates in the order i, o, f, c (Keras: i, f, c, o). In the reverse direction ONNX returns outputs in time order, Keras in the
order of processing.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphkit.core.dims import Shape
from graphkit.ir.program import Equation

from ..builder import GraphBuilder, Operand
from ..registry import lowering

# activation -> ONNX name, alpha, beta
_ACTIVATIONS: dict[str, tuple[str, float | None, float | None]] = {
    "tanh": ("Tanh", None, None),
    "sigmoid": ("Sigmoid", None, None),
    "relu": ("Relu", None, None),
    "linear": ("Affine", 1.0, 0.0),
    "hard_sigmoid": ("HardSigmoid", 1 / 6, 0.5),
    "hard_sigmoid_keras2": ("HardSigmoid", 0.2, 0.5),
}
_LSTM_ORDER = (0, 3, 1, 2)


def _plain(inputs: int) -> Any:
    """Return the condition for equations without a mask or saved values for a backward pass, with activations that ONNX has."""

    def covers(equation: Equation) -> bool:
        params = equation.params
        known = all(params[k] in _ACTIVATIONS for k in ("activation", "recurrent_activation") if k in params)
        return len(equation.inputs) == inputs and not params["reserve"] and known

    return covers


def _activations(*names: str) -> dict[str, Any]:
    chosen = [_ACTIVATIONS[n] for n in names]
    alphas = [alpha for _, alpha, _ in chosen if alpha is not None]
    betas = [beta for _, _, beta in chosen if beta is not None]
    more = {"activation_alpha": alphas, "activation_beta": betas} if alphas else {}
    return {"activations": [name for name, _, _ in chosen], **more}


def _size(shape: Shape, axis: int) -> int:
    size = shape[axis]
    assert isinstance(size, int)
    return size


def _kernel(b: GraphBuilder, kernel: Operand, gates: int, order: tuple[int, ...] | None = None) -> Any:
    """Rearrange a kernel from (inputs, gates * units) to (1, gates * units, inputs)."""
    inputs, width = _size(kernel.shape, 0), _size(kernel.shape, 1)
    moves: list[tuple[Any, ...]] = [("transpose", (1, 0))]
    if order is not None:
        moves += [("reshape", (gates, width // gates, inputs)), ("take", 0, order)]
    return b.relayout(kernel, *moves, ("reshape", (1, width, inputs)))


def _bias(b: GraphBuilder, bias: Operand, gates: int, order: tuple[int, ...] | None = None) -> Any:
    """Rearrange a bias from (gates * units,) to (1, 2 * gates * units), zero for the state; (2, gates * units) has both."""
    width = _size(bias.shape, -1)
    if bias.rank == 2:
        return b.relayout(bias, ("reshape", (1, 2 * width)))
    moves: list[tuple[Any, ...]] = []
    if order is not None:
        moves = [("reshape", (gates, width // gates)), ("take", 0, order), ("reshape", (width,))]
    return b.relayout(bias, *moves, ("pad", 0, 0, width), ("reshape", (1, 2 * width)))


def _lengths(b: GraphBuilder, x: Operand) -> Any:
    """Return the number of steps of each sample where the batch or the time axis may be empty, else None.

    It adds no information, but without it onnxruntime ends the process on no steps (GRU) or an empty batch (LSTM and GRU). For
    an empty batch it has one entry too many, which onnxruntime rejects with an error. It costs about a microsecond.
    """
    batch, steps = x.shape[:2]
    if all(isinstance(size, int) and size > 0 for size in (batch, steps)):
        return None
    samples = b.op("Max", b.shape([batch]), b.ints([1])) if not isinstance(batch, int) else b.ints([max(batch, 1)])
    return b.op("Expand", b.cast(b.shape([steps]), "int32"), samples)


def _initial(b: GraphBuilder, state: Operand) -> Any:
    """Return a state (batch, units) as (1, batch, units); None for zeros, which are ONNX' default."""
    return None if state.is_zero else b.unsqueeze(state, 0)


def _last(b: GraphBuilder, x: Operand, made: str, first: Operand) -> str:
    """Return the last state (batch, units). After no steps it is the initial one, where onnxruntime returns zeros."""
    last = b.squeeze(made, 0)
    steps = x.shape[1]
    if first.is_zero or (isinstance(steps, int) and steps > 0):
        return last
    result: str = b.op("Where", b.op("Equal", b.shape([steps]), b.ints([0])), first, last)
    return result


def _outputs(b: GraphBuilder, sequence: str, state: Any, go_backwards: bool, return_sequences: bool) -> Any:
    """Return the layer's output, from the sequence (time, 1, batch, units) or the last state (batch, units)."""
    if not return_sequences:
        return state
    made = b.transpose(b.squeeze(sequence, 1), (1, 0, 2))
    if go_backwards:
        made = b.op("Slice", made, b.ints([-1]), b.ints([np.iinfo(np.int64).min]), b.ints([1]), b.ints([-1]))
    return made


def _direction(go_backwards: bool) -> dict[str, str]:
    return {"direction": "reverse"} if go_backwards else {}


@lowering("lstm", when=_plain(6))
def _lstm(
    b: GraphBuilder, x: Operand, kernel: Operand, recurrent: Operand, bias: Operand, h0: Operand, c0: Operand, *,
    activation: str, recurrent_activation: str, go_backwards: bool, return_sequences: bool, reserve: bool,
) -> Any:  # fmt: skip
    sequence, h, c = b.op(
        "LSTM", b.transpose(x, (1, 0, 2)), _kernel(b, kernel, 4, _LSTM_ORDER), _kernel(b, recurrent, 4, _LSTM_ORDER),
        _bias(b, bias, 4, _LSTM_ORDER), _lengths(b, x), _initial(b, h0), _initial(b, c0), outputs=3, hidden_size=_size(recurrent.shape, 0),
        **_activations(recurrent_activation, activation, activation), **_direction(go_backwards),
    )  # fmt: skip
    h, c = _last(b, x, h, h0), _last(b, x, c, c0)
    return _outputs(b, sequence, h, go_backwards, return_sequences), h, c


@lowering("gru", when=_plain(5))
def _gru(
    b: GraphBuilder, x: Operand, kernel: Operand, recurrent: Operand, bias: Operand, h0: Operand, *, activation: str,
    recurrent_activation: str, go_backwards: bool, reset_after: bool, return_sequences: bool, reserve: bool,
) -> Any:  # fmt: skip
    sequence, h = b.op(
        "GRU", b.transpose(x, (1, 0, 2)), _kernel(b, kernel, 3), _kernel(b, recurrent, 3), _bias(b, bias, 3), _lengths(b, x),
        _initial(b, h0), outputs=2, hidden_size=_size(recurrent.shape, 0), linear_before_reset=int(reset_after),
        **_activations(recurrent_activation, activation), **_direction(go_backwards),
    )  # fmt: skip
    h = _last(b, x, h, h0)
    return _outputs(b, sequence, h, go_backwards, return_sequences), h


@lowering("simple_rnn", when=_plain(5))
def _simple_rnn(
    b: GraphBuilder, x: Operand, kernel: Operand, recurrent: Operand, bias: Operand, h0: Operand, *,
    activation: str, go_backwards: bool, return_sequences: bool, reserve: bool,
) -> Any:  # fmt: skip
    sequence, h = b.op(
        "RNN", b.transpose(x, (1, 0, 2)), _kernel(b, kernel, 1), _kernel(b, recurrent, 1), _bias(b, bias, 1), None, _initial(b, h0),
        outputs=2, hidden_size=_size(recurrent.shape, 0), **_activations(activation), **_direction(go_backwards),
    )  # fmt: skip
    h = _last(b, x, h, h0)
    return _outputs(b, sequence, h, go_backwards, return_sequences), h
