"""NumPy kernels of LSTM, GRU and SimpleRNN, forward and backward.

The inputs of all steps are projected by one product; a step is then one product with the state and a few calls on buffers
that fit the cache. Everything a step touches is sliced once, when the kernel is prepared. The state's history has a column
of ones behind it, so that the product adds the bias, and the same product backward gives the bias' gradient.

Orders of gates: Keras' are i, f, c, o (LSTM) and z, r, h (GRU). Buffers of an LSTM step hold o, i, f, g, the cell state before
and the activated cell state after: neighbours are what one call can treat together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Thunk = Callable[[], None]

# ----- activations: in place, and the slope from the activated value -----


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

# ----- the order of steps -----


def order_of(steps: int, go_backwards: bool) -> list[int]:
    """Positions in time in the order of processing."""
    return list(range(steps))[::-1] if go_backwards else list(range(steps))


def write_sequence(y: Array, history: Array, last: Array, go_backwards: bool) -> None:
    """The states after each step, in the order of processing, from the states before each step and the last one."""
    units = last.shape[-1]
    y[:, :-1] = history[:, -2::-1, :units] if go_backwards else history[:, 1:, :units]
    y[:, -1] = last


class Mask:
    """Which steps have masked samples, found out anew at each run."""

    def __init__(self, mask: Sequence[Array]) -> None:
        self._mask = mask[0] if mask else None
        self.off = np.empty((*mask[0].shape, 1), bool) if mask else None

    def read(self) -> list[bool] | None:
        """For each position in time whether any sample is masked; None without a mask."""
        if self._mask is None or self.off is None:
            return None
        np.logical_not(self._mask, out=self.off[:, :, 0])
        return self.off.any(axis=(0, 2)).tolist()  # type: ignore[no-any-return]

    def at(self, time: int) -> Any:
        """The masked samples of a step, (batch, 1)."""
        return None if self.off is None else self.off[:, time]


class Flush:
    """Sets what is too small to matter to zero, every few steps of a backward pass.

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
        """Whether it is time to flush."""
        return time % 4 == 0


def _constants(dtype: Any) -> tuple[Array, Array]:
    return np.asarray(0.5, dtype), np.asarray(1, dtype)


# ----- LSTM -----


def _into_buffer_order(target: Array, source: Array, units: int, scale: float) -> None:
    """Keras' i, f, c, o as o, i, f, c; the sigmoid gates scaled."""
    np.multiply(source[..., 3 * units :], scale, out=target[..., :units])
    np.multiply(source[..., : 2 * units], scale, out=target[..., units : 3 * units])
    np.copyto(target[..., 3 * units :], source[..., 2 * units : 3 * units])


def prepare_lstm(
    out: Any, x: Array, kernel: Array, recurrent: Array, bias: Array, h0: Array, c0: Array, *mask: Array,
    activation: str, recurrent_activation: str, go_backwards: bool, return_sequences: bool, reserve: bool, workspace: list[Array],
) -> Thunk:  # fmt: skip
    """LSTM forward. Sigmoid and tanh gates become one tanh: sigmoid(2a) = tanh(a) / 2 + 1/2, the weights are scaled before."""
    y, h_last, c_last = out[:3]
    projected, weights, inner, total, pair = workspace[:5]
    buffers, history = (out[3], out[4]) if reserve else workspace[5:]
    units = h_last.shape[-1]
    joint = (activation, recurrent_activation) == ("tanh", "sigmoid")
    scale = 0.5 if joint else 1.0
    order = order_of(x.shape[1], go_backwards)
    masks = Mask(mask)
    half, _ = _constants(x.dtype)
    curve, gate_curve = KNOWN[activation][0], KNOWN[recurrent_activation][0]

    def slices(number: int) -> tuple[Any, ...]:
        time = order[number]
        own = buffers[time] if reserve else buffers[number % 2]
        last = number == len(order) - 1
        after = buffers[order[number + 1]] if reserve and not last else buffers[(number + 1) % 2]
        cell = c_last if last else after[:, 4 * units : 5 * units]
        state = h_last if last else history[:, order[number + 1], :units]
        gates, sigmoids, candidate = own[:, : 4 * units], own[:, : 3 * units], own[:, 3 * units : 4 * units]
        doors, filled = own[:, units : 3 * units], own[:, 3 * units : 5 * units]
        return (
            history[:, time], projected[:, time], gates, sigmoids, candidate, doors, filled, own[:, :units],
            own[:, 4 * units : 5 * units], cell, own[:, 5 * units :], state, history[:, time, :units], masks.at(time), time,
        )  # fmt: skip

    steps = [slices(n) for n in range(len(order))]
    first, second = pair[:, :units], pair[:, units:]
    rows, flat = x.reshape(-1, x.shape[-1]), projected.reshape(-1, 4 * units)
    matmul, add, multiply, tanh, copyto = np.matmul, np.add, np.multiply, np.tanh, np.copyto

    def run() -> None:
        _into_buffer_order(weights, kernel, units, scale)
        _into_buffer_order(inner[:units], recurrent, units, scale)
        _into_buffer_order(inner[units], bias, units, scale)
        matmul(rows, weights, out=flat)
        masked = masks.read()
        if not steps:
            copyto(h_last, h0)
            copyto(c_last, c0)
        else:
            history[:, :, units] = 1
            copyto(steps[0][12], h0)
            copyto(steps[0][8], c0)
        for before, given, gates, sigmoids, candidate, doors, filled, o, c, cell, tc, state, h, off, time in steps:
            matmul(before, inner, out=total)
            add(total, given, out=gates)
            if joint:
                tanh(gates, out=gates)
                multiply(sigmoids, half, out=sigmoids)
                add(sigmoids, half, out=sigmoids)
            else:
                gate_curve(sigmoids)
                curve(candidate)
            multiply(doors, filled, out=pair)
            add(first, second, out=cell)
            if joint:
                tanh(cell, out=tc)
            else:
                copyto(tc, cell)
                curve(tc)
            multiply(o, tc, out=state)
            if masked is not None and masked[time]:
                copyto(cell, c, where=off)
                copyto(state, h, where=off)
        if not return_sequences:
            copyto(y, h_last)
        elif steps:
            write_sequence(y, history, h_last, go_backwards)

    return run


def prepare_lstm_grad(
    out: Any, dh_last: Array, dc_last: Array, recurrent: Array, buffers: Array, history: Array, *more: Array,
    activation: str, recurrent_activation: str, go_backwards: bool, sequence: bool, workspace: list[Array],
) -> Thunk:  # fmt: skip
    """LSTM backward: cotangents of the gates before activation, in Keras' order, and of the initial states."""
    dz, dh, dc = out
    slope, spread, k, kept_h, kept_c, rotated = workspace
    dy = more[0] if sequence else None
    units = dh.shape[-1]
    order = order_of(dz.shape[1], go_backwards)
    masks = Mask(more[1:] if sequence else more)
    _, one = _constants(dz.dtype)
    joint = (activation, recurrent_activation) == ("tanh", "sigmoid")
    curve, gate_curve = KNOWN[activation][1], KNOWN[recurrent_activation][1]
    batch = dh.shape[0]

    def slices(number: int) -> tuple[Any, ...]:
        time = order[number]
        own, target = buffers[time], dz[:, time]
        filled = own.reshape(batch, 6, units)[:, 3:5]
        return (
            None if dy is None else dy[:, number], own[:, 5 * units :], own[:, :units], own[:, : 4 * units],
            own[:, : 3 * units], own[:, 3 * units : 4 * units], filled, own[:, units : 2 * units], own[:, 2 * units : 3 * units],
            target, target[:, : 3 * units], target[:, 3 * units :], masks.at(time), time,
        )  # fmt: skip

    steps = [slices(n) for n in range(len(order))][::-1]
    spread_o, spread_doors = spread[:, :units], spread.reshape(batch, 4, units)[:, 1:3]
    spread_g, spread_rest = spread[:, 3 * units :], spread[:, units:]
    slope_sigmoids, slope_g = slope[:, : 3 * units], slope[:, 3 * units :]
    slope_o, slope_rest = slope[:, :units], slope[:, units:]
    dc_wide = dc[:, None, :]
    flush = Flush(dh, dc)
    matmul, add, multiply, subtract, copyto = np.matmul, np.add, np.multiply, np.subtract, np.copyto

    def run() -> None:
        copyto(dh, dh_last)
        copyto(dc, dc_last)
        copyto(rotated, recurrent.T)
        masked = masks.read()
        for given, tc, o, gates, sigmoids, g, filled, i, f, target, target_rest, target_o, off, time in steps:
            if given is not None:
                add(dh, given, out=dh)
            if flush.is_due(time):
                flush()
            hidden = masked is not None and masked[time]
            if hidden:
                copyto(kept_h, dh)
                copyto(kept_c, dc)
            if joint:
                multiply(gates, gates, out=slope)
                subtract(sigmoids, slope_sigmoids, out=slope_sigmoids)
                subtract(one, slope_g, out=slope_g)
                multiply(tc, tc, out=k)
                subtract(one, k, out=k)
            else:
                gate_curve(sigmoids, slope_sigmoids)
                curve(g, slope_g)
                curve(tc, k)
            multiply(k, o, out=k)
            multiply(k, dh, out=k)
            add(dc, k, out=dc)
            multiply(dh, tc, out=spread_o)
            multiply(filled, dc_wide, out=spread_doors)
            multiply(i, dc, out=spread_g)
            multiply(spread_rest, slope_rest, out=target_rest)
            multiply(spread_o, slope_o, out=target_o)
            multiply(dc, f, out=dc)
            if hidden:
                copyto(target, 0, where=off)
                copyto(dc, kept_c, where=off)
            matmul(target, rotated, out=dh)
            if hidden:
                copyto(dh, kept_h, where=off)

    return run


# ----- GRU: buffers of a step hold z, r, the candidate, and the state's part of the candidate -----


def prepare_gru(
    out: Any, x: Array, kernel: Array, recurrent: Array, bias: Array, h0: Array, *mask: Array, activation: str,
    recurrent_activation: str, go_backwards: bool, reset_after: bool, return_sequences: bool, reserve: bool, workspace: list[Array],
) -> Thunk:  # fmt: skip
    """GRU forward; with reset_after the bias is (2, 3 units): of the inputs, of the state."""
    y, h_last = out[:2]
    projected, weights, inner, total, work, late = workspace[:6]
    buffers, history = (out[2], out[3]) if reserve else workspace[6:]
    units = h_last.shape[-1]
    joint = recurrent_activation == "sigmoid"
    scale = 0.5 if joint else 1.0
    order = order_of(x.shape[1], go_backwards)
    masks = Mask(mask)
    half, _ = _constants(x.dtype)
    curve, gate_curve = KNOWN[activation][0], KNOWN[recurrent_activation][0]
    wide = 3 * units if reset_after else 2 * units  # what the state is projected to at once
    two = 2 * units

    def slices(number: int) -> tuple[Any, ...]:
        time = order[number]
        own = buffers[time] if reserve else buffers[0]
        last = number == len(order) - 1
        state = h_last if last else history[:, order[number + 1], :units]
        return (
            history[:, time], history[:, time, :units], projected[:, time, :two], projected[:, time, two:], own[:, :two],
            own[:, :units], own[:, units:two], own[:, two : 3 * units], own[:, 3 * units :], state, masks.at(time), time,
        )  # fmt: skip

    steps = [slices(n) for n in range(len(order))]
    rows, flat = x.reshape(-1, x.shape[-1]), projected.reshape(-1, 3 * units)
    total_gates, total_state = total[:, :two], total[:, two:]
    matmul, add, multiply, subtract, tanh, copyto = np.matmul, np.add, np.multiply, np.subtract, np.tanh, np.copyto

    def load() -> None:
        multiply(kernel[:, :two], scale, out=weights[:, :two])
        copyto(weights[:, two:], kernel[:, two:])
        multiply(recurrent[:, :two], scale, out=inner[:units, :two])
        copyto(inner[:units, two:], recurrent[:, two:wide])
        given = bias[0] if reset_after else bias
        of_gates = bias[0, :two] + bias[1, :two] if reset_after else bias[:two]
        multiply(of_gates, scale, out=inner[units, :two])
        if reset_after:
            copyto(inner[units, two:], bias[1, two:])
        else:
            copyto(late, recurrent[:, two:])
        matmul(rows, weights, out=flat)
        add(projected[:, :, two:], given[two:], out=projected[:, :, two:])

    def run() -> None:
        load()
        masked = masks.read()
        if not steps:
            copyto(h_last, h0)
        else:
            history[:, :, units] = 1
            copyto(steps[0][1], h0)
        for before, h, given, given_late, gates, z, r, candidate, part, state, off, time in steps:
            matmul(before, inner, out=total)
            add(total_gates, given, out=gates)
            if joint:
                tanh(gates, out=gates)
                multiply(gates, half, out=gates)
                add(gates, half, out=gates)
            else:
                gate_curve(gates)
            if reset_after:
                copyto(part, total_state)
                multiply(r, part, out=work)
            else:
                multiply(r, h, out=part)
                matmul(part, late, out=work)
            add(work, given_late, out=candidate)
            curve(candidate)
            subtract(h, candidate, out=work)
            multiply(work, z, out=work)
            add(work, candidate, out=state)
            if masked is not None and masked[time]:
                copyto(state, h, where=off)
        if not return_sequences:
            copyto(y, h_last)
        elif steps:
            write_sequence(y, history, h_last, go_backwards)

    return run


def prepare_gru_grad(
    out: Any, dh_last: Array, recurrent: Array, buffers: Array, history: Array, *more: Array, activation: str,
    recurrent_activation: str, go_backwards: bool, reset_after: bool, sequence: bool, workspace: list[Array],
) -> Thunk:  # fmt: skip
    """GRU backward: cotangents of the gates before activation, of the state's part of the candidate, of the initial state.

    Without reset_after the second output is not a cotangent but the reset state, which the recurrent kernel's gradient wants.
    """
    dz, part, dh = out
    slope, work, through, kept, rotated, late = workspace
    dy = more[0] if sequence else None
    units = dh.shape[-1]
    two = 2 * units
    order = order_of(dz.shape[1], go_backwards)
    masks = Mask(more[1:] if sequence else more)
    curve, gate_curve = KNOWN[activation][1], KNOWN[recurrent_activation][1]

    def slices(number: int) -> tuple[Any, ...]:
        time = order[number]
        own, target = buffers[time], dz[:, time]
        return (
            None if dy is None else dy[:, number], history[:, time, :units], own[:, :two], own[:, :units], own[:, units:two],
            own[:, two : 3 * units], own[:, 3 * units :], target, target[:, :two], target[:, :units], target[:, units:two],
            target[:, two:], part[:, time], masks.at(time), time,
        )  # fmt: skip

    steps = [slices(n) for n in range(len(order))][::-1]
    slope_gates, slope_late = slope[:, :two], slope[:, two:]
    flush = Flush(dh)
    matmul, add, multiply, subtract, copyto = np.matmul, np.add, np.multiply, np.subtract, np.copyto

    def run() -> None:
        copyto(dh, dh_last)
        copyto(rotated, recurrent[:, :two].T)
        copyto(late, recurrent[:, two:].T)
        masked = masks.read()
        for given, h, gates, z, r, candidate, own_part, target, t_gates, t_z, t_r, t_late, t_part, off, time in steps:
            if given is not None:
                add(dh, given, out=dh)
            if flush.is_due(time):
                flush()
            hidden = masked is not None and masked[time]
            if hidden:
                copyto(kept, dh)
                copyto(dh, 0, where=off)
            gate_curve(gates, slope_gates)
            curve(candidate, slope_late)
            subtract(h, candidate, out=work)
            multiply(work, dh, out=t_z)
            multiply(dh, z, out=work)  # what reaches the state before directly
            subtract(dh, work, out=through)
            multiply(through, slope_late, out=t_late)
            if reset_after:
                multiply(t_late, own_part, out=t_r)
                multiply(t_late, r, out=t_part)
                matmul(t_part, late, out=through)
                add(work, through, out=work)
            else:
                matmul(t_late, late, out=through)
                multiply(through, h, out=t_r)
                multiply(through, r, out=through)
                add(work, through, out=work)
                copyto(t_part, own_part)
            multiply(t_gates, slope_gates, out=t_gates)
            matmul(t_gates, rotated, out=dh)
            add(dh, work, out=dh)
            if hidden:
                copyto(dh, kept, where=off)

    return run


# ----- SimpleRNN -----


def prepare_simple_rnn(
    out: Any, x: Array, kernel: Array, recurrent: Array, bias: Array, h0: Array, *mask: Array,
    activation: str, go_backwards: bool, return_sequences: bool, reserve: bool, workspace: list[Array],
) -> Thunk:  # fmt: skip
    """SimpleRNN forward; reserves the outputs of the steps before masking, and the states before them."""
    y, h_last = out[:2]
    projected, inner, total = workspace[:3]
    made, history = (out[2], out[3]) if reserve else workspace[3:]
    units = h_last.shape[-1]
    order = order_of(x.shape[1], go_backwards)
    masks = Mask(mask)
    curve = KNOWN[activation][0]

    def slices(number: int) -> tuple[Any, ...]:
        time = order[number]
        state = h_last if number == len(order) - 1 else history[:, order[number + 1], :units]
        own = made[time] if reserve else made[0]
        return history[:, time], history[:, time, :units], projected[:, time], own, state, masks.at(time), time

    steps = [slices(n) for n in range(len(order))]
    rows, flat = x.reshape(-1, x.shape[-1]), projected.reshape(-1, units)

    def run() -> None:
        np.copyto(inner[:units], recurrent)
        np.copyto(inner[units], bias)
        np.matmul(rows, kernel, out=flat)
        masked = masks.read()
        if not steps:
            np.copyto(h_last, h0)
        else:
            history[:, :, units] = 1
            np.copyto(steps[0][1], h0)
        for before, h, given, own, state, off, time in steps:
            np.matmul(before, inner, out=total)
            np.add(total, given, out=own)
            curve(own)
            np.copyto(state, own)
            if masked is not None and masked[time]:
                np.copyto(state, h, where=off)
        if not return_sequences:
            np.copyto(y, h_last)
        elif steps:
            write_sequence(y, history, h_last, go_backwards)

    return run


def prepare_simple_rnn_grad(
    out: Any, dh_last: Array, recurrent: Array, made: Array, *more: Array,
    activation: str, go_backwards: bool, sequence: bool, workspace: list[Array],
) -> Thunk:  # fmt: skip
    """SimpleRNN backward: cotangents before activation, and of the initial state."""
    dz, dh = out
    slope, kept, rotated = workspace
    dy = more[0] if sequence else None
    order = order_of(dz.shape[1], go_backwards)
    masks = Mask(more[1:] if sequence else more)
    curve = KNOWN[activation][1]
    steps = [
        (None if dy is None else dy[:, n], made[order[n]], dz[:, order[n]], masks.at(order[n]), order[n]) for n in range(len(order))
    ][::-1]
    flush = Flush(dh)

    def run() -> None:
        np.copyto(dh, dh_last)
        np.copyto(rotated, recurrent.T)
        masked = masks.read()
        for given, own, target, off, time in steps:
            if given is not None:
                np.add(dh, given, out=dh)
            if flush.is_due(time):
                flush()
            hidden = masked is not None and masked[time]
            if hidden:
                np.copyto(kept, dh)
            curve(own, slope)
            np.multiply(dh, slope, out=target)
            if hidden:
                np.copyto(target, 0, where=off)
            np.matmul(target, rotated, out=dh)
            if hidden:
                np.copyto(dh, kept, where=off)

    return run
