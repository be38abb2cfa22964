"""NumPy kernels of LSTM, GRU and SimpleRNN, forward and backward.

One product projects the inputs of all steps. A step is then one product with the state (followed by a 1, for the bias) and
a few calls on buffers that fit the cache. Buffers are (gates * units, batch): the gates are contiguous in memory, and NumPy
processes several of them in one run, four times as fast as columns of a wider array. Everything a step touches is sliced
once, when the kernel is prepared. Gradients of weights are computed elsewhere, by one product over all steps.

Order of gates: Keras has i, f, c, o (LSTM) and z, r, h (GRU). The buffer of an LSTM step holds o, i, f, g, the previous cell
state and the activated new cell state, so that what one call processes is contiguous.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphkit.ops._blas import product

Array = np.ndarray[Any, Any]
Thunk = Callable[[], None]

# ----- activations: the function, in place, and its derivative from the activated value -----


def _sigmoid(x: Array) -> None:
    np.multiply(x, 0.5, out=x)
    np.tanh(x, out=x)
    np.multiply(x, 0.5, out=x)
    np.add(x, 0.5, out=x)


def _sigmoid_slope(y: Array, out: Array) -> None:
    np.multiply(y, y, out=out)
    np.subtract(y, out, out=out)


def _tanh_slope(y: Array, out: Array) -> None:
    np.multiply(y, y, out=out)
    np.subtract(1, out, out=out)


def _hard_sigmoid(slope: float) -> tuple[Callable[[Array], None], Callable[[Array, Array], None]]:
    def forward(x: Array) -> None:
        np.multiply(x, slope, out=x)
        np.add(x, 0.5, out=x)
        np.clip(x, 0, 1, out=x)

    def backward(y: Array, out: Array) -> None:
        np.multiply((y > 0) & (y < 1), out.dtype.type(slope), out=out)

    return forward, backward


def _fill_one(y: Array, out: Array) -> None:
    out.fill(1)


KNOWN: dict[str, tuple[Callable[[Array], Any], Callable[[Array, Array], Any]]] = {
    "tanh": (lambda x: np.tanh(x, out=x), _tanh_slope),
    "sigmoid": (_sigmoid, _sigmoid_slope),
    "relu": (lambda x: np.maximum(x, 0, out=x), lambda y, out: np.greater(y, 0, out=out)),
    "linear": (lambda x: None, _fill_one),
    "hard_sigmoid": _hard_sigmoid(1 / 6),
    "hard_sigmoid_keras2": _hard_sigmoid(0.2),
}

# ----- shared by all three -----


def order_of(steps: int, go_backwards: bool) -> list[int]:
    """Return the time steps in the order of processing."""
    return list(range(steps))[::-1] if go_backwards else list(range(steps))


class Mask:
    """The steps that have masked samples, determined at each run."""

    def __init__(self, mask: Sequence[Array]) -> None:
        self._mask = mask[0].T if mask else None
        self._off = np.empty((self._mask.shape[0], 1, self._mask.shape[1]), bool) if self._mask is not None else None

    def read(self) -> list[bool] | None:
        """Return for each time step whether any sample is masked; None without a mask."""
        if self._mask is None or self._off is None:
            return None
        np.logical_not(self._mask, out=self._off[:, 0])
        found: list[bool] = np.asarray(self._off.any(axis=(1, 2))).tolist()
        return found

    def at(self, time: int) -> Any:
        """Return which samples are masked in a step, bool (1, batch)."""
        return None if self._off is None else self._off[time]


class Flush:
    """Sets negligible values to zero, every few steps of a backward pass.

    Gradients fade over time; once they are subnormal, products are ten times slower. Adding and subtracting a number
    clears what is below its precision: 1e-25 in float32.
    """

    def __init__(self, *arrays: Array) -> None:
        limits = np.finfo(arrays[0].dtype)
        self._number = np.asarray(float(limits.tiny) / float(limits.eps) * 1e13, arrays[0].dtype)
        self._arrays = arrays

    def __call__(self) -> None:
        for array in self._arrays:
            np.add(array, self._number, out=array)
            np.subtract(array, self._number, out=array)

    @staticmethod
    def is_due(time: int) -> bool:
        """Whether to flush at this time step."""
        return time % 4 == 0


class States:
    """The state of each sample followed by a 1, and the arrays that receive the state after each step."""

    def __init__(
        self, column: Array, last: Array, order: Sequence[int], y: Array, return_sequences: bool, history: Array | None
    ) -> None:
        units = last.shape[-1]
        self.column, self.now = column, column[:units]
        self._history = history
        self._ends = [last] if return_sequences else [last, y]
        before = [[] if history is None else [history[:, t, :units].T] for t in order]
        outputs = [[y[:, n].T] if return_sequences else [] for n in range(len(order))]
        self.targets = [a + b for a, b in zip(outputs, [*before[1:], []], strict=True)] if order else []
        self._first = before[0] if before else []

    def start(self, h0: Array) -> None:
        """Set the state that the first step reads."""
        np.copyto(self.now, h0.T)
        self.column[-1] = 1
        for target in self._first:
            np.copyto(target, self.now)
        if self._history is not None:
            self._history[:, :, -1] = 1

    def finish(self) -> None:
        """Write the state after the last step to the outputs."""
        for end in self._ends:
            np.copyto(end, self.now.T)


def projection(x: Array, weights: Array, out: Array) -> Thunk:
    """Return the product of the inputs of all steps (batch, time, n) with the weights (n, m)."""
    rows = x.reshape(-1, x.shape[-1])
    if not np.shares_memory(rows, x):  # reshape made a copy: these strides allow no view
        return product(out, x, weights)
    return product(out.reshape(-1, out.shape[-1]), rows, weights)


# ----- LSTM -----


def _into_buffer_order(target: Array, part: Array, units: int, scale: float) -> None:
    """Write Keras' columns i, f, c, o as rows o, i, f, c, with the sigmoid gates scaled."""
    rows = part.T
    np.multiply(rows[3 * units :], scale, out=target[:units])
    np.multiply(rows[: 2 * units], scale, out=target[units : 3 * units])
    np.copyto(target[3 * units :], rows[2 * units : 3 * units])


def prepare_lstm(
    out: Any, x: Array, kernel: Array, recurrent: Array, bias: Array, h0: Array, c0: Array, *mask: Array,
    activation: str, recurrent_activation: str, go_backwards: bool, return_sequences: bool, reserve: bool, workspace: list[Array],
) -> Thunk:  # fmt: skip
    """Prepare LSTM forward. Sigmoid and tanh gates share one tanh: sigmoid(2a) = tanh(a) / 2 + 1/2, with weights scaled first."""
    y, h_last, c_last = out[:3]
    weights, inner, projections, row, projected, column, pair, state = workspace[:8]
    buffers, history = (out[3], out[4]) if reserve else (workspace[8], None)
    units = h_last.shape[-1]
    joint = (activation, recurrent_activation) == ("tanh", "sigmoid")
    order, masks = order_of(x.shape[1], go_backwards), Mask(mask)
    states = States(column, h_last, order, y, return_sequences, history)
    activate, activate_gates = KNOWN[activation][0], KNOWN[recurrent_activation][0]
    last_cell = np.empty((units, h_last.shape[0]), x.dtype)
    owned = [buffers[t] if reserve else buffers[n % 2] for n, t in enumerate(order)]
    cells = [own[4 * units : 5 * units] for own in owned] + [last_cell]

    def slices(number: int) -> tuple[Any, ...]:
        own, time = owned[number], order[number]
        return (
            projections[:, time], own[: 4 * units], own[: 3 * units], own[3 * units : 4 * units], own[units : 3 * units],
            own[3 * units : 5 * units], own[:units], cells[number], cells[number + 1], own[5 * units :], states.targets[number],
            masks.at(time), time,
        )  # fmt: skip

    steps = [slices(n) for n in range(len(order))]
    first, second = pair[:units], pair[units:]
    h, project = states.now, projection(x, weights, projections)
    half = np.asarray(0.5, x.dtype)
    matmul, add, multiply, tanh, copyto = np.matmul, np.add, np.multiply, np.tanh, np.copyto

    def run() -> None:
        scale = 0.5 if joint else 1.0
        _into_buffer_order(weights.T, kernel, units, scale)
        project()
        _into_buffer_order(inner[:, :units], recurrent, units, scale)
        _into_buffer_order(inner[:, units:], bias[None], units, scale)
        states.start(h0)
        copyto(cells[0], c0.T)
        masked = masks.read()
        for given, gates, sigmoids, candidate, input_forget, operands, o, c, cell, tc, after, off, time in steps:
            copyto(row, given)
            copyto(projected, row.T)  # through the cache: a strided read of the whole array would wait for memory
            matmul(inner, column, out=gates)
            add(gates, projected, out=gates)
            if joint:
                tanh(gates, out=gates)
                multiply(sigmoids, half, out=sigmoids)
                add(sigmoids, half, out=sigmoids)
            else:
                activate_gates(sigmoids)
                activate(candidate)
            multiply(input_forget, operands, out=pair)
            add(first, second, out=cell)
            if joint:
                tanh(cell, out=tc)
            else:
                copyto(tc, cell)
                activate(tc)
            if masked is None or not masked[time]:
                multiply(o, tc, out=h)
            else:
                multiply(o, tc, out=state)
                copyto(state, h, where=off)
                copyto(cell, c, where=off)
                copyto(h, state)
            for target in after:
                copyto(target, h)
        states.finish()
        copyto(c_last, cells[-1].T)

    return run


def prepare_lstm_grad(
    out: Any, dh_last: Array, dc_last: Array, recurrent: Array, buffers: Array, history: Array, *more: Array,
    activation: str, recurrent_activation: str, go_backwards: bool, sequence: bool, workspace: list[Array],
) -> Thunk:  # fmt: skip
    """Prepare LSTM backward: cotangents of the gates before activation, in Keras' order, and of the initial states."""
    dz, dh_first, dc_first = out
    slope, spread, k, dh, dc, kept_h, kept_c, reordered = workspace
    dy = more[0] if sequence else None
    units, batch = dh.shape
    order = order_of(dz.shape[1], go_backwards)
    masks = Mask(more[1:] if sequence else more)
    joint = (activation, recurrent_activation) == ("tanh", "sigmoid")
    derivative, gate_derivative = KNOWN[activation][1], KNOWN[recurrent_activation][1]

    def slices(number: int) -> tuple[Any, ...]:
        time = order[number]
        own, target = buffers[time], dz[:, time]
        parts = own.reshape(6, units, batch)
        return (
            None if dy is None else dy[:, number].T, parts[5], parts[0], own[: 4 * units], own[: 3 * units], parts[3], parts[3:5],
            parts[1], parts[2], target[:, : 3 * units].T, target[:, 3 * units :].T, masks.at(time), time,
        )  # fmt: skip

    steps = [slices(n) for n in range(len(order))][::-1]
    spread_parts = spread.reshape(4, units, batch)
    spread_o, spread_i_f, spread_g, spread_rest = spread_parts[0], spread_parts[1:3], spread_parts[3], spread[units:]
    slope_sigmoids, slope_g = slope[: 3 * units], slope[3 * units :]
    flush, one = Flush(dh, dc), np.asarray(1, dz.dtype)
    matmul, add, multiply, subtract, copyto = np.matmul, np.add, np.multiply, np.subtract, np.copyto

    def run() -> None:
        copyto(dh, dh_last.T)
        copyto(dc, dc_last.T)
        copyto(reordered[:, :units], recurrent[:, 3 * units :])
        copyto(reordered[:, units:], recurrent[:, : 3 * units])
        masked = masks.read()
        for given, tc, o, gates, sigmoids, g, operands, i, f, target_rest, target_o, off, time in steps:
            if given is not None:
                add(dh, given, out=dh)
            if flush.is_due(time):
                flush()
            any_masked = masked is not None and masked[time]
            if any_masked:
                copyto(kept_h, dh)
                copyto(kept_c, dc)
            if joint:
                multiply(gates, gates, out=slope)
                subtract(sigmoids, slope_sigmoids, out=slope_sigmoids)
                subtract(one, slope_g, out=slope_g)
                multiply(tc, tc, out=k)
                subtract(one, k, out=k)
            else:
                gate_derivative(sigmoids, slope_sigmoids)
                derivative(g, slope_g)
                derivative(tc, k)
            multiply(k, o, out=k)
            multiply(k, dh, out=k)
            add(dc, k, out=dc)
            multiply(dh, tc, out=spread_o)
            multiply(operands, dc, out=spread_i_f)
            multiply(i, dc, out=spread_g)
            multiply(spread, slope, out=spread)
            multiply(dc, f, out=dc)
            if any_masked:
                copyto(spread, 0, where=off)
                copyto(dc, kept_c, where=off)
            copyto(target_rest, spread_rest)
            copyto(target_o, spread_o)
            matmul(reordered, spread, out=dh)
            if any_masked:
                copyto(dh, kept_h, where=off)
        copyto(dh_first, dh.T)
        copyto(dc_first, dc.T)

    return run


# ----- GRU: the buffer of a step holds the candidate, z, r, and the state's part of the candidate -----


def _load_gru(
    weights: Array,
    inner: Array,
    kernel: Array,
    recurrent: Array,
    bias: Array,
    units: int,
    scale: float,
    reset_after: bool,
) -> None:
    """Load the weights of the inputs (for the candidate, z, r) and of the state (z, r, and the candidate with reset_after)."""
    two = 2 * units
    of_gates = bias[0, :two] + bias[1, :two] if reset_after else bias[:two]
    np.copyto(weights[:, :units], kernel[:, two:])
    np.multiply(kernel[:, :two], scale, out=weights[:, units:])
    np.multiply(recurrent[:, :two].T, scale, out=inner[:two, :units])
    np.multiply(of_gates, scale, out=inner[:two, units])
    if reset_after:
        inner[two:, :units] = recurrent[:, two:].T
        inner[two:, units] = bias[1, two:]


def prepare_gru(
    out: Any, x: Array, kernel: Array, recurrent: Array, bias: Array, h0: Array, *mask: Array, activation: str,
    recurrent_activation: str, go_backwards: bool, reset_after: bool, return_sequences: bool, reserve: bool, workspace: list[Array],
) -> Thunk:  # fmt: skip
    """Prepare GRU forward; with reset_after the bias is (2, 3 * units): of the inputs, of the state."""
    y, h_last = out[:2]
    weights, inner, projections, row, projected, column, work, late = workspace[:8]
    buffers, history = (out[2], out[3]) if reserve else (workspace[8], None)
    units = h_last.shape[-1]
    two = 2 * units
    joint = recurrent_activation == "sigmoid"
    order, masks = order_of(x.shape[1], go_backwards), Mask(mask)
    states = States(column, h_last, order, y, return_sequences, history)
    activate, activate_gates = KNOWN[activation][0], KNOWN[recurrent_activation][0]

    def slices(number: int) -> tuple[Any, ...]:
        time = order[number]
        own = buffers[time] if reserve else buffers[0]
        return (
            projections[:, time], own[units : units + len(inner)], own[units : 3 * units], own[units:two], own[two : 3 * units],
            own[:units], own[3 * units :],
            states.targets[number], masks.at(time), time,
        )  # fmt: skip

    steps = [slices(n) for n in range(len(order))]
    h, project = states.now, projection(x, weights, projections)
    half, offset = np.asarray(0.5, x.dtype), np.empty((units, 1), x.dtype)
    projected_late, projected_gates = projected[:units], projected[units:]
    matmul, add, multiply, subtract, tanh, copyto = np.matmul, np.add, np.multiply, np.subtract, np.tanh, np.copyto

    def run() -> None:
        _load_gru(weights, inner, kernel, recurrent, bias, units, 0.5 if joint else 1.0, reset_after)
        project()
        copyto(offset, (bias[0] if reset_after else bias)[two:, None])
        if not reset_after:
            copyto(late, recurrent[:, two:].T)
        states.start(h0)
        masked = masks.read()
        for given, of_state, gates, z, r, candidate, part, after, off, time in steps:
            copyto(row, given)
            copyto(projected, row.T)
            matmul(inner, column, out=of_state)
            add(gates, projected_gates, out=gates)
            if joint:
                tanh(gates, out=gates)
                multiply(gates, half, out=gates)
                add(gates, half, out=gates)
            else:
                activate_gates(gates)
            if reset_after:
                multiply(r, part, out=work)
            else:
                multiply(r, h, out=part)
                matmul(late, part, out=work)
            add(work, offset, out=work)
            add(projected_late, work, out=candidate)
            activate(candidate)
            subtract(h, candidate, out=work)
            multiply(work, z, out=work)
            add(work, candidate, out=work)
            if masked is not None and masked[time]:
                copyto(work, h, where=off)
            copyto(h, work)
            for target in after:
                copyto(target, h)
        states.finish()

    return run


def prepare_gru_grad(
    out: Any, dh_last: Array, recurrent: Array, buffers: Array, history: Array, *more: Array, activation: str,
    recurrent_activation: str, go_backwards: bool, reset_after: bool, sequence: bool, workspace: list[Array],
) -> Thunk:  # fmt: skip
    """Prepare GRU backward: cotangents of the gates before activation, the state's part of the candidate, the initial state.

    Without reset_after the second output is not a cotangent but the reset state, which the recurrent kernel's gradient needs.
    """
    dz, part, dh_first = out
    slope, spread, work, through, dh, kept, h = workspace
    dy = more[0] if sequence else None
    units = dh.shape[0]
    two = 2 * units
    order = order_of(dz.shape[1], go_backwards)
    masks = Mask(more[1:] if sequence else more)
    derivative, gate_derivative = KNOWN[activation][1], KNOWN[recurrent_activation][1]
    of_gates, of_late = recurrent[:, :two], recurrent[:, two:]

    def slices(number: int) -> tuple[Any, ...]:
        time = order[number]
        own = buffers[time]
        return (
            None if dy is None else dy[:, number].T, history[:, time, :units].T, own[units : 3 * units], own[units:two],
            own[two : 3 * units], own[:units], own[3 * units :], dz[:, time].T, part[:, time].T, masks.at(time), time,
        )  # fmt: skip

    steps = [slices(n) for n in range(len(order))][::-1]
    slope_gates, slope_late = slope[:two], slope[two:]
    d_gates, d_z, d_r, d_late = spread[:two], spread[:units], spread[units:two], spread[two:]
    flush = Flush(dh)
    matmul, add, multiply, subtract, copyto = np.matmul, np.add, np.multiply, np.subtract, np.copyto

    def run() -> None:
        copyto(dh, dh_last.T)
        masked = masks.read()
        for given, before, gates, z, r, candidate, own_part, target, target_part, off, time in steps:
            if given is not None:
                add(dh, given, out=dh)
            if flush.is_due(time):
                flush()
            any_masked = masked is not None and masked[time]
            if any_masked:
                copyto(kept, dh)
                copyto(dh, 0, where=off)
            copyto(h, before)
            gate_derivative(gates, slope_gates)
            derivative(candidate, slope_late)
            subtract(h, candidate, out=work)
            multiply(work, dh, out=d_z)
            multiply(dh, z, out=work)  # what reaches the previous state directly
            subtract(dh, work, out=through)
            multiply(through, slope_late, out=d_late)
            if reset_after:
                multiply(d_late, own_part, out=d_r)
                multiply(d_late, r, out=h)
                matmul(of_late, h, out=through)
                copyto(target_part, h)
            else:
                matmul(of_late, d_late, out=through)
                multiply(through, h, out=d_r)
                multiply(through, r, out=through)
                copyto(target_part, own_part)
            add(work, through, out=work)
            multiply(d_gates, slope_gates, out=d_gates)
            copyto(target, spread)
            matmul(of_gates, d_gates, out=dh)
            add(dh, work, out=dh)
            if any_masked:
                copyto(dh, kept, where=off)
        copyto(dh_first, dh.T)

    return run


# ----- SimpleRNN -----


def prepare_simple_rnn(
    out: Any, x: Array, kernel: Array, recurrent: Array, bias: Array, h0: Array, *mask: Array,
    activation: str, go_backwards: bool, return_sequences: bool, reserve: bool, workspace: list[Array],
) -> Thunk:  # fmt: skip
    """Prepare SimpleRNN forward; keeps the output of each step before masking, and the state before each step."""
    y, h_last = out[:2]
    weights, inner, projections, row, projected, column = workspace[:6]
    outputs, history = (out[2], out[3]) if reserve else (workspace[6], None)
    units = h_last.shape[-1]
    order, masks = order_of(x.shape[1], go_backwards), Mask(mask)
    states = States(column, h_last, order, y, return_sequences, history)
    activate = KNOWN[activation][0]
    steps = [
        (projections[:, t], outputs[t] if reserve else outputs[0], states.targets[n], masks.at(t), t)
        for n, t in enumerate(order)
    ]
    h, project = states.now, projection(x, weights, projections)

    def run() -> None:
        np.copyto(weights, kernel)
        project()
        np.copyto(inner[:, :units], recurrent.T)
        np.copyto(inner[:, units], bias)
        states.start(h0)
        masked = masks.read()
        for given, own, after, off, time in steps:
            np.copyto(row, given)
            np.copyto(projected, row.T)
            np.matmul(inner, column, out=own)
            np.add(own, projected, out=own)
            activate(own)
            if masked is not None and masked[time]:
                np.copyto(h, own, where=np.logical_not(off))
            else:
                np.copyto(h, own)
            for target in after:
                np.copyto(target, h)
        states.finish()

    return run


def prepare_simple_rnn_grad(
    out: Any, dh_last: Array, recurrent: Array, outputs: Array, *more: Array,
    activation: str, go_backwards: bool, sequence: bool, workspace: list[Array],
) -> Thunk:  # fmt: skip
    """Prepare SimpleRNN backward: cotangents before activation, and of the initial state."""
    dz, dh_first = out
    slope, dh, kept = workspace
    dy = more[0] if sequence else None
    order = order_of(dz.shape[1], go_backwards)
    masks = Mask(more[1:] if sequence else more)
    derivative = KNOWN[activation][1]
    steps = [(None if dy is None else dy[:, n].T, outputs[t], dz[:, t].T, masks.at(t), t) for n, t in enumerate(order)][
        ::-1
    ]
    flush = Flush(dh)

    def run() -> None:
        np.copyto(dh, dh_last.T)
        masked = masks.read()
        for given, own, target, off, time in steps:
            if given is not None:
                np.add(dh, given, out=dh)
            if flush.is_due(time):
                flush()
            any_masked = masked is not None and masked[time]
            if any_masked:
                np.copyto(kept, dh)
            derivative(own, slope)
            np.multiply(dh, slope, out=slope)
            if any_masked:
                np.copyto(slope, 0, where=off)
            np.copyto(target, slope)
            np.matmul(recurrent, slope, out=dh)
            if any_masked:
                np.copyto(dh, kept, where=off)
        np.copyto(dh_first, dh.T)

    return run
