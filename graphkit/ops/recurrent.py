"""LSTM, GRU and SimpleRNN over whole sequences: composites over `scan` with their own kernels and VJPs.

With the param `reserve`, which the VJP sets, the forward pass also returns what the backward pass needs. The gradient of a
kernel is one matrix product over all time steps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from graphkit.core.dims import Shape
from graphkit.core.errors import InvalidArgumentError, ShapeError
from graphkit.ir.primitive import primitive
from graphkit.ir.spec import TensorSpec
from graphkit.ops import _recurrent_kernels as kernels
from graphkit.ops._convert import dtype_name, shape_of, tensor
from graphkit.ops._rules import show
from graphkit.ops._scan_gradient import widened
from graphkit.ops.control import scan
from graphkit.ops.elementwise import add, cast, clip, greater, multiply, sigmoid_p, square, subtract, tanh, where
from graphkit.ops.linear import matmul
from graphkit.ops.nn import hard_sigmoid, relu
from graphkit.ops.reduction import sum as reduce_sum
from graphkit.ops.shaping import broadcast_to, concatenate, expand_dims, flip, ones, reshape, split, swapaxes

__all__ = ["gru", "lstm", "simple_rnn"]

# ----- activations that the kernels know: the function, and its derivative in terms of its result -----

_CURVES: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "tanh": (tanh, lambda y: subtract(1, square(y))),
    "sigmoid": (sigmoid_p.bind, lambda y: subtract(y, square(y))),
    "relu": (relu, lambda y: cast(greater(y, 0), dtype_name(y))),
    "linear": (lambda x: x, lambda y: ones(shape_of(y), dtype_name(y))),
    "hard_sigmoid": (hard_sigmoid, lambda y: multiply(_inside(y), 1 / 6)),
    "hard_sigmoid_keras2": (lambda x: clip(add(multiply(x, 0.2), 0.5), 0.0, 1.0), lambda y: multiply(_inside(y), 0.2)),
}
KNOWN_ACTIVATIONS = tuple(_CURVES)


def _inside(y: Any) -> Any:
    """Return 1 where 0 < y < 1, else 0."""
    return cast(greater(multiply(y, subtract(1, y)), 0), dtype_name(y))


# ----- shared by the three -----


def _sizes(x: TensorSpec, recurrent: TensorSpec) -> tuple[Any, Any, Any]:
    """Return (batch, steps, units)."""
    return x.shape[0], x.shape[1], recurrent.shape[0]


def _results(x: TensorSpec, recurrent: TensorSpec, states: int, return_sequences: bool) -> tuple[TensorSpec, ...]:
    batch, steps, units = _sizes(x, recurrent)
    state = TensorSpec((batch, units), x.dtype)
    sequence = TensorSpec((batch, steps, units), x.dtype)
    return (sequence if return_sequences else state, *([state] * states))


def _reserve(x: TensorSpec, recurrent: TensorSpec, width: int) -> tuple[TensorSpec, TensorSpec]:
    """Return the specs of the buffers (time, width * units, batch) and the history (batch, time, units + 1)."""
    batch, steps, units = _sizes(x, recurrent)
    return TensorSpec((steps, width * units, batch), x.dtype), TensorSpec((batch, steps, units + 1), x.dtype)


def _step_shapes(x: TensorSpec, recurrent: TensorSpec, width: Any, inner: Any) -> list[Shape]:
    """Return the shapes of every forward kernel's scratch arrays.

    These are both kernels, the projected inputs, those of one step in both layouts, and the state.
    """
    batch, steps, units = _sizes(x, recurrent)
    return [
        (x.shape[-1], width),
        (inner, units + 1),
        (batch, steps, width),
        (batch, width),
        (width, batch),
        (units + 1, batch),
    ]


def _check(name: str, gates: int, x: Any, kernel: Any, recurrent: Any, states: Sequence[Any], mask: Any) -> None:
    units = shape_of(recurrent)[0]
    if x.ndim != 3:
        raise ShapeError(f"{name}: x must be (batch, time, features), got shape {show(shape_of(x))}.")
    if shape_of(kernel) != (shape_of(x)[-1], gates * units) or shape_of(recurrent) != (units, gates * units):
        raise ShapeError(
            f"{name}: for x of shape {show(shape_of(x))} and {units} units kernel must be ({shape_of(x)[-1]}, {gates * units}) and "
            f"recurrent_kernel ({units}, {gates * units}), got {show(shape_of(kernel))} and {show(shape_of(recurrent))}."
        )
    if any(s.ndim != 2 or shape_of(s)[1] != units for s in states):
        raise ShapeError(
            f"{name}: states must be (batch, {units}), got {', '.join(show(shape_of(s)) for s in states)}."
        )
    if mask is not None and mask.ndim != 2:
        raise ShapeError(f"{name}: mask must be (batch, time), got shape {show(shape_of(mask))}.")


def _check_activations(name: str, *names: str) -> None:
    for given in names:
        if given not in _CURVES:
            raise InvalidArgumentError(
                f"{name}: activation must be one of {', '.join(_CURVES)}, got {given!r}. Use layers.RNN for other activations."
            )


def _operands(
    name: str, gates: int, x: Any, kernel: Any, recurrent: Any, bias: Any, initial: Sequence[Any], mask: Any
) -> tuple[list[Any], list[Any], str]:
    """Convert the arguments to tensors of one dtype, float32 for half floats.

    Returns:
        [x, kernel, recurrent kernel, bias, *states], the mask in a list of at most one tensor, and the dtype of x.
    """
    given = tensor(0, dtype_name(tensor(kernel))) if bias is None else bias
    states = [_state(state, x, recurrent.shape[0]) for state in initial]
    tensors = [tensor(v) for v in (x, kernel, recurrent, given, *states)]
    dtype = dtype_name(tensors[0])
    inner = "float32" if dtype in ("float16", "bfloat16") else dtype
    made, masks = [tensor(t, inner) for t in tensors], [] if mask is None else [cast(mask, "bool")]
    _check(name, gates, made[0], made[1], made[2], made[4:], masks[0] if masks else None)
    return made, masks, dtype


def _state(given: Any, x: Any, units: Any) -> Any:
    """Broadcast an initial state to (batch, units); zeros if none is given."""
    shape = (shape_of(x)[0], units)
    return broadcast_to(tensor(0 if given is None else given, dtype_name(tensor(x))), shape)


def _time_first(x: Any) -> Any:
    return swapaxes(x, 0, 1)


def _kept(new: Any, old: Any, mask: Sequence[Any]) -> Any:
    """Return `new` where the mask (batch, 1) is True, else `old`; `new` without a mask."""
    return where(mask[0], new, old) if mask else new


def _mask_steps(mask: Sequence[Any]) -> list[Any]:
    return [expand_dims(_time_first(m), -1) for m in mask]


def _ending(ys: Any, last: Any, go_backwards: bool, return_sequences: bool) -> Any:
    """Return the layer's output, given the states of all time steps (time first)."""
    if not return_sequences:
        return last
    return _time_first(flip(ys, 0) if go_backwards else ys)


def _history(states: Any) -> Any:
    """Append 1 to the states before each step (time first): (batch, time, units + 1)."""
    rows = _time_first(states)
    return concatenate([rows, ones((*shape_of(rows)[:2], 1), dtype_name(rows))], axis=-1)


def _buffer(gates: Sequence[Any]) -> Any:
    """Concatenate gates (batch, units) into (gates * units, batch), the layout of the kernels."""
    return swapaxes(concatenate(list(gates), axis=-1), 0, 1)


def _gates(buffer: Any, count: int) -> list[Any]:
    """Split a buffer into gates (batch, units)."""
    return split(swapaxes(buffer, 0, 1), count, axis=-1)


def _rows(x: Any) -> Any:
    """Reshape (batch, time, n) to (batch * time, n)."""
    batch, steps, size = shape_of(x)
    return reshape(x, (batch * steps, size))


def _product(a: Any, b: Any) -> Any:
    """Sum the outer products over batch and time."""
    return matmul(swapaxes(_rows(a), 0, 1), _rows(b))


def _added(*parts: Any) -> Any:
    """Add the parts that are not None; None if all are."""
    there = [p for p in parts if p is not None]
    return None if not there else there[0] if len(there) == 1 else add(there[0], there[1])


def _cotangents(g: Sequence[Any], like: Any, return_sequences: bool) -> tuple[Any, list[Any]]:
    """Return the cotangent of the last state, and that of the sequence in a list of at most one tensor."""
    if return_sequences:
        return _or_zeros(g[1], like), [] if g[0] is None else [g[0]]
    return _or_zeros(_added(g[0], g[1]), like), []


def _or_zeros(g: Any, like: Any) -> Any:
    return broadcast_to(tensor(0, dtype_name(like)), shape_of(like)) if g is None else g


def _sequence_steps(sequence: Sequence[Any], go_backwards: bool) -> list[Any]:
    """Bring cotangents of the outputs into time order, time first."""
    return [flip(_time_first(s), 0) if go_backwards else _time_first(s) for s in sequence]


def _rule(states: int, reserved: int) -> Callable[..., tuple[TensorSpec, ...]]:
    """Make the abstract rule of a layer with this many states, which reserves `reserved` * units values per time step."""

    def abstract(
        x: TensorSpec, kernel: TensorSpec, recurrent: TensorSpec, *others: TensorSpec, return_sequences: bool, reserve: bool, **_: Any
    ) -> tuple[TensorSpec, ...]:  # fmt: skip
        kept = _reserve(x, recurrent, reserved) if reserve else ()
        return _results(x, recurrent, states, return_sequences) + kept

    return abstract


# ----- LSTM -----


_lstm_abstract = _rule(states=2, reserved=6)


def _scratch(x: TensorSpec, shapes: Sequence[Any], params: dict[str, Any], buffers: Any) -> list[TensorSpec]:
    """Return the specs of these shapes, and of the buffers unless they are outputs."""
    return [TensorSpec(shape, x.dtype) for shape in (shapes if params["reserve"] else [*shapes, buffers])]


def _lstm_workspace(specs: Sequence[TensorSpec], params: dict[str, Any]) -> list[TensorSpec]:
    x, _, recurrent = specs[:3]
    batch, _, units = _sizes(x, recurrent)
    shapes = [*_step_shapes(x, recurrent, 4 * units, 4 * units), (2 * units, batch), (units, batch)]
    return _scratch(x, shapes, params, (2, 6 * units, batch))


def _lstm_over_scan(
    x: Any, kernel: Any, recurrent: Any, bias: Any, h0: Any, c0: Any, *mask: Any,
    activation: str, recurrent_activation: str, go_backwards: bool, return_sequences: bool, reserve: bool,
) -> tuple[Any, ...]:  # fmt: skip
    curve, gate = _CURVES[activation][0], _CURVES[recurrent_activation][0]
    given = _time_first(add(matmul(x, kernel), bias))

    def step(carry: Any, slices: Any) -> Any:
        (h, c), (projected, *off) = carry, slices
        i, f, g, o = split(add(projected, matmul(h, recurrent)), 4, axis=-1)
        i, f, g, o = gate(i), gate(f), curve(g), gate(o)
        cell = add(multiply(f, c), multiply(i, g))
        shown = curve(cell)
        state = multiply(o, shown)
        kept = [_buffer([o, i, f, g, c, shown]), h] if reserve else []
        state, cell = _kept(state, h, off), _kept(cell, c, off)
        return (state, cell), [state, *kept]

    (h, c), (ys, *kept) = scan(step, (h0, c0), [given, *_mask_steps(mask)], reverse=go_backwards)
    more = [kept[0], _history(kept[1])] if reserve else []
    return (_ending(ys, h, go_backwards, return_sequences), h, c, *more)


def _lstm_vjp(
    g: Any, out: Any, x: Any, kernel: Any, recurrent: Any, bias: Any, h0: Any, c0: Any, *mask: Any,
    activation: str, recurrent_activation: str, go_backwards: bool, return_sequences: bool, reserve: bool,
) -> list[Any]:  # fmt: skip
    buffers, history = out[3:] if reserve else widened(out, {"reserve": True}, _reserve(_spec(x), _spec(recurrent), 6))
    dh, sequence = _cotangents(g, h0, return_sequences)
    dz, dh0, dc0 = lstm_grad_p.bind(
        dh, _or_zeros(g[2], c0), recurrent, buffers, history, *sequence, *mask,
        activation=activation, recurrent_activation=recurrent_activation, go_backwards=go_backwards, sequence=bool(sequence),
    )  # fmt: skip
    units = shape_of(recurrent)[0]
    inner = cache(lambda: _product(history, dz))  # the recurrent kernel's gradient, and the bias' in the last row
    return [
        lambda: matmul(dz, swapaxes(kernel, 0, 1)), lambda: _product(x, dz), lambda: inner()[:units], lambda: inner()[units],
        dh0, dc0, *(None for _ in mask),
    ]  # fmt: skip


def _spec(x: Any) -> TensorSpec:
    return TensorSpec.of(x)


lstm_p = primitive(
    # inputs: x, kernel, recurrent kernel, bias (gates i, f, c, o), h0, c0, and a mask (batch, time) if there is one;
    # outputs: the sequence (in the order of processing) or the last output, h, c
    "lstm",
    _lstm_abstract,
    prepare=kernels.prepare_lstm,
    workspace=_lstm_workspace,
    decomposition=_lstm_over_scan,
    vjp=_lstm_vjp,
)


def _lstm_grad_abstract(
    dh: TensorSpec,
    dc: TensorSpec,
    recurrent: TensorSpec,
    buffers: TensorSpec,
    history: TensorSpec,
    *others: TensorSpec,
    **_: Any,
) -> tuple[TensorSpec, ...]:
    return TensorSpec((*history.shape[:2], recurrent.shape[1]), dh.dtype), dh, dc


def _lstm_grad_workspace(specs: Sequence[TensorSpec], params: dict[str, Any]) -> list[TensorSpec]:
    dh, _, recurrent = specs[:3]
    batch, units = dh.shape
    state = (units, batch)
    shapes = [(4 * units, batch), (4 * units, batch), state, state, state, state, state, recurrent.shape]
    return [TensorSpec(s, dh.dtype) for s in shapes]


def _lstm_grad_over_scan(
    dh: Any, dc: Any, recurrent: Any, buffers: Any, history: Any, *more: Any,
    activation: str, recurrent_activation: str, go_backwards: bool, sequence: bool,
) -> tuple[Any, ...]:  # fmt: skip
    curve, gate = _CURVES[activation][1], _CURVES[recurrent_activation][1]
    slices = [buffers, *_sequence_steps(more[:1] if sequence else (), go_backwards), *_mask_steps(more[sequence:])]

    def step(carry: Any, given: Any) -> Any:
        (dh, dc), (buffer, *rest) = carry, given
        dh = add(dh, rest.pop(0)) if sequence else dh
        o, i, f, g, c, shown = _gates(buffer, 6)
        cell = add(dc, multiply(multiply(dh, o), curve(shown)))
        parts = [
            multiply(multiply(cell, g), gate(i)), multiply(multiply(cell, c), gate(f)),
            multiply(multiply(cell, i), curve(g)), multiply(multiply(dh, shown), gate(o)),
        ]  # fmt: skip
        dz = concatenate(parts, axis=-1)
        dz = _kept(dz, 0, rest)
        before = matmul(dz, swapaxes(recurrent, 0, 1))
        return (_kept(before, dh, rest), _kept(multiply(cell, f), dc, rest)), dz

    (dh, dc), dz = scan(step, (dh, dc), slices, reverse=not go_backwards)
    return _time_first(dz), dh, dc


lstm_grad_p = primitive(
    "lstm_grad",
    _lstm_grad_abstract,
    prepare=kernels.prepare_lstm_grad,
    workspace=_lstm_grad_workspace,
    decomposition=_lstm_grad_over_scan,
)


def lstm(
    x: Any, kernel: Any, recurrent_kernel: Any, bias: Any = None, initial_state: Any = (None, None), mask: Any = None,
    activation: str = "tanh", recurrent_activation: str = "sigmoid", go_backwards: bool = False, return_sequences: bool = False,
) -> tuple[Any, Any, Any]:  # fmt: skip
    """Run an LSTM over a sequence.

    Args:
        x: (batch, time, features).
        kernel: (features, 4 * units); the gates are i, f, c, o.
        recurrent_kernel: (units, 4 * units).
        bias: (4 * units,), or None for zeros.
        initial_state: h and c, each (batch, units), or None for zeros.
        mask: (batch, time), False for steps that are skipped: they keep the state.
        activation: the activation of the candidate and the output, a name in KNOWN_ACTIVATIONS.
        recurrent_activation: the activation of the gates, a name in KNOWN_ACTIVATIONS.
        go_backwards: whether to run from the last step to the first; a sequence is returned in that order.
        return_sequences: whether to return the outputs of all steps, or of the last one.

    Returns:
        (output, h, c); the output is (batch, time, units) with `return_sequences`, else (batch, units).

    Raises:
        ShapeError: If a shape does not fit.
        InvalidArgumentError: If an activation is unknown.

    Source: keras.layers.LSTM, ONNX LSTM.
    """
    _check_activations("lstm", activation, recurrent_activation)
    units = recurrent_kernel.shape[0]
    (x, kernel, recurrent, bias, h, c), masks, dtype = _operands(
        "lstm", 4, x, kernel, recurrent_kernel, bias, initial_state, mask
    )
    made = lstm_p.bind(
        x, kernel, recurrent, broadcast_to(bias, (4 * units,)), h, c, *masks, activation=activation,
        recurrent_activation=recurrent_activation, go_backwards=bool(go_backwards), return_sequences=bool(return_sequences), reserve=False,
    )  # fmt: skip
    y, h, c = (cast(m, dtype) for m in made)
    return y, h, c


# ----- GRU -----


_gru_abstract = _rule(states=1, reserved=4)


def _gru_workspace(specs: Sequence[TensorSpec], params: dict[str, Any]) -> list[TensorSpec]:
    x, _, recurrent = specs[:3]
    batch, _, units = _sizes(x, recurrent)
    inner = 3 * units if params["reset_after"] else 2 * units
    shapes = [*_step_shapes(x, recurrent, 3 * units, inner), (units, batch), (units, units)]
    return _scratch(x, shapes, params, (1, 4 * units, batch))


def _gru_over_scan(
    x: Any, kernel: Any, recurrent: Any, bias: Any, h0: Any, *mask: Any, activation: str, recurrent_activation: str,
    go_backwards: bool, reset_after: bool, return_sequences: bool, reserve: bool,
) -> tuple[Any, ...]:  # fmt: skip
    curve, gate = _CURVES[activation][0], _CURVES[recurrent_activation][0]
    units = shape_of(recurrent)[0]
    given = _time_first(add(matmul(x, kernel), bias[0] if reset_after else bias))

    def step(carry: Any, slices: Any) -> Any:
        projected, *off = slices
        xz, xr, xh = split(projected, 3, axis=-1)
        if reset_after:
            hz, hr, part = split(add(matmul(carry, recurrent), bias[1]), 3, axis=-1)
        else:
            hz, hr = split(matmul(carry, recurrent[:, : 2 * units]), 2, axis=-1)
        z, r = gate(add(xz, hz)), gate(add(xr, hr))
        if reset_after:
            late = multiply(r, part)
        else:
            part = multiply(r, carry)
            late = matmul(part, recurrent[:, 2 * units :])
        candidate = curve(add(xh, late))
        state = add(candidate, multiply(z, subtract(carry, candidate)))
        kept = [_buffer([candidate, z, r, part]), carry] if reserve else []
        state = _kept(state, carry, off)
        return state, [state, *kept]

    h, (ys, *kept) = scan(step, h0, [given, *_mask_steps(mask)], reverse=go_backwards)
    more = [kept[0], _history(kept[1])] if reserve else []
    return (_ending(ys, h, go_backwards, return_sequences), h, *more)


def _gru_vjp(
    g: Any, out: Any, x: Any, kernel: Any, recurrent: Any, bias: Any, h0: Any, *mask: Any, activation: str, recurrent_activation: str,
    go_backwards: bool, reset_after: bool, return_sequences: bool, reserve: bool,
) -> list[Any]:  # fmt: skip
    buffers, history = out[2:] if reserve else widened(out, {"reserve": True}, _reserve(_spec(x), _spec(recurrent), 4))
    dh, sequence = _cotangents(g, h0, return_sequences)
    dz, part, dh0 = gru_grad_p.bind(
        dh, recurrent, buffers, history, *sequence, *mask, activation=activation, recurrent_activation=recurrent_activation,
        go_backwards=go_backwards, reset_after=reset_after, sequence=bool(sequence),
    )  # fmt: skip
    units = shape_of(recurrent)[0]
    gates, late = dz[:, :, : 2 * units], dz[:, :, 2 * units :]
    inner = cache(lambda: _product(history, gates))
    last = cache(lambda: _product(history, part))

    def recurrent_gradient() -> Any:
        return concatenate([inner()[:units], last()[:units] if reset_after else _product(part, late)], axis=-1)

    def bias_gradient() -> Any:
        given = concatenate([inner()[units], reduce_sum(late, axis=(0, 1))], axis=0)
        if not reset_after:
            return given
        return concatenate(
            [expand_dims(given, 0), expand_dims(concatenate([inner()[units], last()[units]], axis=0), 0)], axis=0
        )

    return [
        lambda: matmul(dz, swapaxes(kernel, 0, 1)), lambda: _product(x, dz), recurrent_gradient, bias_gradient, dh0, *(None for _ in mask),
    ]  # fmt: skip


gru_p = primitive(
    # inputs: x, kernel, recurrent kernel, bias (gates z, r, h; (2, 3 units) with reset_after), h0, and a mask if there is one;
    # outputs: the sequence (in the order of processing) or the last output, h
    "gru",
    _gru_abstract,
    prepare=kernels.prepare_gru,
    workspace=_gru_workspace,
    decomposition=_gru_over_scan,
    vjp=_gru_vjp,
)


def _gru_grad_abstract(
    dh: TensorSpec, recurrent: TensorSpec, buffers: TensorSpec, history: TensorSpec, *others: TensorSpec, **_: Any
) -> tuple[TensorSpec, ...]:
    lead = history.shape[:2]
    return TensorSpec((*lead, recurrent.shape[1]), dh.dtype), TensorSpec((*lead, recurrent.shape[0]), dh.dtype), dh


def _gru_grad_workspace(specs: Sequence[TensorSpec], params: dict[str, Any]) -> list[TensorSpec]:
    dh = specs[0]
    batch, units = dh.shape
    state = (units, batch)
    shapes = [(3 * units, batch), (3 * units, batch), state, state, state, state, state]
    return [TensorSpec(s, dh.dtype) for s in shapes]


def _gru_grad_over_scan(
    dh: Any, recurrent: Any, buffers: Any, history: Any, *more: Any,
    activation: str, recurrent_activation: str, go_backwards: bool, reset_after: bool, sequence: bool,
) -> tuple[Any, ...]:  # fmt: skip
    curve, gate = _CURVES[activation][1], _CURVES[recurrent_activation][1]
    units = shape_of(recurrent)[0]
    turned = swapaxes(recurrent, 0, 1)
    states = _time_first(history[:, :, :units])
    slices = [
        buffers,
        states,
        *_sequence_steps(more[:1] if sequence else (), go_backwards),
        *_mask_steps(more[sequence:]),
    ]

    def step(carry: Any, given: Any) -> Any:
        buffer, h, *rest = given
        dh = add(carry, rest.pop(0)) if sequence else carry
        candidate, z, r, part = _gates(buffer, 4)
        counted = _kept(dh, 0, rest)
        dz = multiply(multiply(counted, subtract(h, candidate)), gate(z))
        da = multiply(multiply(counted, subtract(1, z)), curve(candidate))
        if reset_after:
            dr, kept = multiply(multiply(da, part), gate(r)), multiply(da, r)
            late = matmul(kept, turned[2 * units :])
        else:
            through = matmul(da, turned[2 * units :])
            dr, kept = multiply(multiply(through, h), gate(r)), part
            late = multiply(through, r)
        gates = concatenate([dz, dr], axis=-1)
        before = add(add(multiply(counted, z), late), matmul(gates, turned[: 2 * units]))
        return _kept(before, dh, rest), [concatenate([gates, da], axis=-1), kept]

    dh, (dz, kept) = scan(step, dh, slices, reverse=not go_backwards)
    return _time_first(dz), _time_first(kept), dh


gru_grad_p = primitive(
    "gru_grad",
    _gru_grad_abstract,
    prepare=kernels.prepare_gru_grad,
    workspace=_gru_grad_workspace,
    decomposition=_gru_grad_over_scan,
)


def gru(
    x: Any, kernel: Any, recurrent_kernel: Any, bias: Any = None, initial_state: Any = None, mask: Any = None, activation: str = "tanh",
    recurrent_activation: str = "sigmoid", go_backwards: bool = False, return_sequences: bool = False, reset_after: bool = True,
) -> tuple[Any, Any]:  # fmt: skip
    """Run a GRU over a sequence.

    Args:
        x: (batch, time, features).
        kernel: (features, 3 * units); the gates are z, r, h.
        recurrent_kernel: (units, 3 * units).
        bias: (2, 3 * units) with `reset_after`, else (3 * units,), or None for zeros.
        initial_state: (batch, units), or None for zeros.
        mask: as in `lstm`.
        activation: the activation of the candidate, a name in KNOWN_ACTIVATIONS.
        recurrent_activation: as in `lstm`.
        go_backwards: as in `lstm`.
        return_sequences: as in `lstm`.
        reset_after: whether the reset gate is applied after the product with the recurrent kernel, or before it.

    Returns:
        (output, h).

    Raises:
        ShapeError: If a shape does not fit.
        InvalidArgumentError: If an activation is unknown.

    Source: keras.layers.GRU, ONNX GRU.
    """
    _check_activations("gru", activation, recurrent_activation)
    units = recurrent_kernel.shape[0]
    (x, kernel, recurrent, bias, h), masks, dtype = _operands(
        "gru", 3, x, kernel, recurrent_kernel, bias, [initial_state], mask
    )
    bias = broadcast_to(bias, (2, 3 * units) if reset_after else (3 * units,))
    made = gru_p.bind(
        x, kernel, recurrent, bias, h, *masks, activation=activation, recurrent_activation=recurrent_activation,
        go_backwards=bool(go_backwards), reset_after=bool(reset_after), return_sequences=bool(return_sequences), reserve=False,
    )  # fmt: skip
    return cast(made[0], dtype), cast(made[1], dtype)


# ----- SimpleRNN -----


_simple_abstract = _rule(states=1, reserved=1)


def _simple_workspace(specs: Sequence[TensorSpec], params: dict[str, Any]) -> list[TensorSpec]:
    x, _, recurrent = specs[:3]
    batch, _, units = _sizes(x, recurrent)
    return _scratch(x, _step_shapes(x, recurrent, units, units), params, (1, units, batch))


def _simple_over_scan(
    x: Any, kernel: Any, recurrent: Any, bias: Any, h0: Any, *mask: Any,
    activation: str, go_backwards: bool, return_sequences: bool, reserve: bool,
) -> tuple[Any, ...]:  # fmt: skip
    curve = _CURVES[activation][0]
    given = _time_first(add(matmul(x, kernel), bias))

    def step(h: Any, slices: Any) -> Any:
        projected, *off = slices
        made = curve(add(projected, matmul(h, recurrent)))
        state = _kept(made, h, off)
        return state, [state, *([_buffer([made]), h] if reserve else [])]

    h, (ys, *kept) = scan(step, h0, [given, *_mask_steps(mask)], reverse=go_backwards)
    more = [kept[0], _history(kept[1])] if reserve else []
    return (_ending(ys, h, go_backwards, return_sequences), h, *more)


def _simple_vjp(
    g: Any, out: Any, x: Any, kernel: Any, recurrent: Any, bias: Any, h0: Any, *mask: Any,
    activation: str, go_backwards: bool, return_sequences: bool, reserve: bool,
) -> list[Any]:  # fmt: skip
    made, history = out[2:] if reserve else widened(out, {"reserve": True}, _reserve(_spec(x), _spec(recurrent), 1))
    dh, sequence = _cotangents(g, h0, return_sequences)
    dz, dh0 = simple_rnn_grad_p.bind(
        dh, recurrent, made, *sequence, *mask, activation=activation, go_backwards=go_backwards, sequence=bool(sequence)
    )
    units = shape_of(recurrent)[0]
    inner = cache(lambda: _product(history, dz))
    return [
        lambda: matmul(dz, swapaxes(kernel, 0, 1)), lambda: _product(x, dz), lambda: inner()[:units], lambda: inner()[units],
        dh0, *(None for _ in mask),
    ]  # fmt: skip


simple_rnn_p = primitive(
    # inputs: x, kernel, recurrent kernel, bias, h0, and a mask if there is one; outputs: the sequence or last output, h
    "simple_rnn",
    _simple_abstract,
    prepare=kernels.prepare_simple_rnn,
    workspace=_simple_workspace,
    decomposition=_simple_over_scan,
    vjp=_simple_vjp,
)


def _simple_grad_abstract(
    dh: TensorSpec, recurrent: TensorSpec, made: TensorSpec, *others: TensorSpec, **_: Any
) -> tuple[TensorSpec, ...]:
    steps, units, batch = made.shape
    return TensorSpec((batch, steps, units), dh.dtype), dh


def _simple_grad_over_scan(
    dh: Any, recurrent: Any, made: Any, *more: Any, activation: str, go_backwards: bool, sequence: bool
) -> tuple[Any, ...]:
    slices = [made, *_sequence_steps(more[:1] if sequence else (), go_backwards), *_mask_steps(more[sequence:])]

    def step(carry: Any, given: Any) -> Any:
        own, *rest = given
        dh = add(carry, rest.pop(0)) if sequence else carry
        dz = _kept(multiply(dh, _CURVES[activation][1](swapaxes(own, 0, 1))), 0, rest)
        return _kept(matmul(dz, swapaxes(recurrent, 0, 1)), dh, rest), dz

    dh, dz = scan(step, dh, slices, reverse=not go_backwards)
    return _time_first(dz), dh


simple_rnn_grad_p = primitive(
    "simple_rnn_grad",
    _simple_grad_abstract,
    prepare=kernels.prepare_simple_rnn_grad,
    workspace=lambda specs, params: [TensorSpec(specs[0].shape[::-1], specs[0].dtype)] * 3,
    decomposition=_simple_grad_over_scan,
)


def simple_rnn(
    x: Any, kernel: Any, recurrent_kernel: Any, bias: Any = None, initial_state: Any = None, mask: Any = None,
    activation: str = "tanh", go_backwards: bool = False, return_sequences: bool = False,
) -> tuple[Any, Any]:  # fmt: skip
    """Run a SimpleRNN over a sequence: `h = activation(x @ kernel + bias + h @ recurrent_kernel)`.

    Args:
        x: (batch, time, features).
        kernel: (features, units).
        recurrent_kernel: (units, units).
        bias: (units,), or None for zeros.
        initial_state: (batch, units), or None for zeros.
        mask: as in `lstm`.
        activation: a name in KNOWN_ACTIVATIONS.
        go_backwards: as in `lstm`.
        return_sequences: as in `lstm`.

    Returns:
        (output, h).

    Raises:
        ShapeError: If a shape does not fit.
        InvalidArgumentError: If the activation is unknown.

    Source: keras.layers.SimpleRNN, ONNX RNN.
    """
    _check_activations("simple_rnn", activation)
    units = recurrent_kernel.shape[0]
    (x, kernel, recurrent, bias, h), masks, dtype = _operands(
        "simple_rnn", 1, x, kernel, recurrent_kernel, bias, [initial_state], mask
    )
    made = simple_rnn_p.bind(
        x, kernel, recurrent, broadcast_to(bias, (units,)), h, *masks,
        activation=activation, go_backwards=bool(go_backwards), return_sequences=bool(return_sequences), reserve=False,
    )  # fmt: skip
    return cast(made[0], dtype), cast(made[1], dtype)
