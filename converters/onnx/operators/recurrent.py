"""LSTM, GRU and RNN, in both directions, over a scan. Source: onnx.ai/onnx/operators."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from graphkit import ops
from graphkit.core.errors import UnsupportedError
from graphkit.ops import recurrent
from graphkit.ops._convert import dtype_name

from .elementwise import scalar
from .known import shape_of
from .table import operator

Function = Callable[[Any], Any]

# Activations by their names in lower case: a function of (x, alpha, beta), and the defaults of alpha and beta.
_ACTIVATIONS: dict[str, tuple[Callable[[Any, float, float], Any], float, float]] = {
    "relu": (lambda x, a, b: ops.relu(x), 0.0, 0.0),
    "tanh": (lambda x, a, b: ops.tanh(x), 0.0, 0.0),
    "sigmoid": (lambda x, a, b: ops.sigmoid(x), 0.0, 0.0),
    "affine": (lambda x, a, b: ops.add(ops.multiply(x, scalar(a, x)), scalar(b, x)), 1.0, 0.0),
    "leakyrelu": (lambda x, a, b: ops.where(ops.less(x, 0), ops.multiply(x, scalar(a, x)), x), 0.01, 0.0),
    "thresholdedrelu": (lambda x, a, b: ops.where(ops.greater(x, scalar(a, x)), x, ops.zeros_like(x)), 1.0, 0.0),
    "scaledtanh": (lambda x, a, b: ops.multiply(ops.tanh(ops.multiply(x, scalar(b, x))), scalar(a, x)), 1.0, 1.0),
    "hardsigmoid": (lambda x, a, b: ops.clip(ops.add(ops.multiply(x, scalar(a, x)), scalar(b, x)), 0.0, 1.0), 0.2, 0.5),
    "elu": (lambda x, a, b: ops.elu(x, a), 1.0, 0.0),
    "softsign": (lambda x, a, b: ops.softsign(x), 0.0, 0.0),
    "softplus": (lambda x, a, b: ops.softplus(x), 0.0, 0.0),
}

_WITHOUT_DEFAULTS = ("affine", "scaledtanh")


def _functions(names: Sequence[str], alphas: Sequence[float] | None, betas: Sequence[float] | None) -> list[Function]:
    """Return the activations by name; alphas and betas are consumed in order by those that have one."""
    waiting = [list(alphas or ()), list(betas or ())]
    made: list[Function] = []
    for name in names:
        if name.lower() not in _ACTIVATIONS:
            raise UnsupportedError(f"the activation {name!r} is not one of {sorted(_ACTIVATIONS)}.")
        _, alpha, beta = _ACTIVATIONS[name.lower()]
        takes_alpha, takes_beta = alpha != 0.0, beta != 0.0 or name.lower() == "affine"
        a = waiting[0].pop(0) if takes_alpha and waiting[0] else alpha
        b = waiting[1].pop(0) if takes_beta and waiting[1] else beta
        if name.lower() in _WITHOUT_DEFAULTS and not (len(alphas or ()) and len(betas or ())):
            raise UnsupportedError(
                f"the activation {name!r} has no defaults; it requires activation_alpha and activation_beta."
            )
        made.append(partial(_applied, name.lower(), a, b))
    return made


def _applied(name: str, a: float, b: float, x: Any) -> Any:
    return _ACTIVATIONS[name][0](x, a, b)


def _over_time(
    step: Callable[..., tuple[Any, ...]], x: Any, states: Sequence[Any], lengths: Any, reverse: bool
) -> tuple[Any, list[Any]]:
    """Scan over time-first `x`; return all first states and the final states. Steps after a row's end keep its states."""
    steps = shape_of(x)[0]
    time = ops.arange(steps, dtype="int32")
    if lengths is not None and reverse:
        x = _reversed(x, lengths)
    elif reverse:
        x = ops.flip(x, axis=0)

    def one(carry: Any, given: Any) -> Any:
        value, now = given
        new = step(value, *carry)
        if lengths is None:
            return new, new[0]
        runs = ops.expand_dims(ops.less(now, ops.cast(lengths, "int32")), -1)
        kept = tuple(ops.where(runs, n, o) for n, o in zip(new, carry, strict=True))
        return kept, ops.where(runs, new[0], ops.zeros_like(new[0]))

    last, outputs = ops.scan(one, tuple(states), (x, time))
    if reverse:
        outputs = _reversed(outputs, lengths) if lengths is not None else ops.flip(outputs, axis=0)
    return outputs, list(last)


def _reversed(x: Any, lengths: Any) -> Any:
    from .shaping import reverse_sequence

    return reverse_sequence(x, lengths, batch_axis=1, time_axis=0)


def _known(name: str, alpha: float, beta: float) -> str | None:
    """Return Keras' name of an activation, or None."""
    if name == "hardsigmoid":
        return "hard_sigmoid_keras2" if np.allclose((alpha, beta), (0.2, 0.5)) else None
    return {"tanh": "tanh", "sigmoid": "sigmoid", "relu": "relu"}.get(name)


Whole = Callable[..., Sequence[Any]]


def _lstm_whole(x: Any, w: Any, r: Any, b: Any, states: Any, names: Sequence[str], **settings: Any) -> Sequence[Any]:
    """Run ops.lstm with ONNX' weights, whose gates are i, o, f, c."""

    def ordered(v: Any) -> Any:
        i, o, f, c = ops.split(v, 4, axis=-1)
        return ops.concatenate([i, f, c, o], axis=-1)

    bias = None if b is None else ordered(ops.add(*ops.split(b, 2)))
    return recurrent.lstm(
        x, ordered(ops.transpose(w)), ordered(ops.transpose(r)), bias, states, None, names[1], names[0],
        return_sequences=True, **settings,
    )  # fmt: skip


def _gru_whole(
    reset_after: bool, x: Any, w: Any, r: Any, b: Any, states: Any, names: Sequence[str], **settings: Any
) -> Sequence[Any]:
    """Run ops.gru with ONNX' weights, whose gates are z, r, h as in Keras."""
    bias = b
    if b is not None:
        bias = ops.reshape(b, (2, shape_of(b)[0] // 2)) if reset_after else ops.add(*ops.split(b, 2))
    return recurrent.gru(
        x, ops.transpose(w), ops.transpose(r), bias, states[0], None, names[1], names[0],
        return_sequences=True, reset_after=reset_after, **settings,
    )  # fmt: skip


def _simple_whole(x: Any, w: Any, r: Any, b: Any, states: Any, names: Sequence[str], **settings: Any) -> Sequence[Any]:
    bias = None if b is None else ops.add(*ops.split(b, 2))
    return recurrent.simple_rnn(
        x, ops.transpose(w), ops.transpose(r), bias, states[0], None, names[0], return_sequences=True, **settings
    )


def _run(
    cell: Callable[..., Callable[..., tuple[Any, ...]]],
    count: int,
    gates: int,
    defaults: Sequence[str],
    x: Any,
    w: Any,
    r: Any,
    b: Any,
    lengths: Any,
    states: Sequence[Any],
    *,
    activations: Sequence[str] | None,
    activation_alpha: Any,
    activation_beta: Any,
    clip: float | None,
    direction: str,
    hidden_size: int | None,
    layout: int,
    extra: Sequence[Any] = (),
    whole: Whole | None = None,
) -> Any:
    """Run a cell in each direction; return the sequence of outputs and the final states, in ONNX' layout.

    `whole` runs all steps at once, by one of graphkit's composites; it is used where the composite computes the same.
    """
    if layout:
        x = ops.transpose(x, (1, 0, 2))
        states = [None if s is None else ops.transpose(s, (1, 0, 2)) for s in states]
    directions = 2 if direction == "bidirectional" else 1
    units = hidden_size or shape_of(r)[-1]
    names = list(activations or list(defaults) * directions)
    functions = _functions(names, activation_alpha, activation_beta)
    each = len(functions) // directions
    limit: Function = (lambda v: v) if clip is None else (lambda v: ops.clip(v, -clip, clip))
    plain = lengths is None and clip is None and all(e is None for e in extra)
    keras_names = [_known(f.args[0], f.args[1], f.args[2]) for f in functions]  # type: ignore[attr-defined]
    outputs, finals = [], []
    for d in range(directions):
        chosen = keras_names[d * each : (d + 1) * each]
        if whole is not None and plain and None not in chosen and len(set(chosen[1:])) <= 1:
            backwards = direction == "reverse" or d == 1
            first = [None if s is None else s[d] for s in states[:count]]
            bias = None if b is None else b[d]
            y, *last = whole(ops.transpose(x, (1, 0, 2)), w[d], r[d], bias, first, chosen, go_backwards=backwards)
            y = ops.transpose(y, (1, 0, 2))
            outputs.append(ops.flip(y, axis=0) if backwards else y)
            finals.append(last)
            continue
        bias = ops.zeros((2 * gates * units,), dtype=dtype_name(x)) if b is None else b[d]
        given = [ops.zeros((shape_of(x)[1], units), dtype=dtype_name(x)) if s is None else s[d] for s in states[:count]]
        step = cell(
            ops.transpose(w[d]), ops.transpose(r[d]), bias[: gates * units], bias[gates * units :], units,
            functions[d * each : (d + 1) * each], limit, *(None if e is None else e[d] for e in extra),
        )  # fmt: skip
        made, last = _over_time(step, x, given, lengths, direction == "reverse" or d == 1)
        outputs.append(made)
        finals.append(last)
    y = ops.stack(outputs, axis=1)  # (time, directions, batch, units)
    ends = [ops.stack([f[k] for f in finals]) for k in range(count)]
    if layout:
        y, ends = ops.transpose(y, (2, 0, 1, 3)), [ops.transpose(e, (1, 0, 2)) for e in ends]
    return (y, *ends)


def _cut(x: Any, count: int) -> list[Any]:
    return list(ops.split(x, count, axis=-1))


def _simple_cell(w: Any, r: Any, wb: Any, rb: Any, units: int, functions: Sequence[Function], limit: Function) -> Any:
    def step(x: Any, h: Any) -> tuple[Any, ...]:
        total = ops.add(ops.add(ops.matmul(x, w), ops.matmul(h, r)), ops.add(wb, rb))
        return (functions[0](limit(total)),)

    return step


@operator("RNN")
def rnn(
    x: Any, w: Any, r: Any, b: Any = None, sequence_lens: Any = None, initial_h: Any = None, *, activation_alpha: Any = None,
    activation_beta: Any = None, activations: Any = None, clip: float | None = None, direction: str = "forward",
    hidden_size: int | None = None, layout: int = 0, output_sequence: int = 0,
) -> Any:  # fmt: skip
    """Source: ONNX RNN."""
    return _run(
        _simple_cell, 1, 1, ["Tanh"], x, w, r, b, sequence_lens, [initial_h], activations=activations, activation_alpha=activation_alpha,
        activation_beta=activation_beta, clip=clip, direction=direction, hidden_size=hidden_size, layout=layout,
        whole=_simple_whole,
    )  # fmt: skip


def _gru_cell(
    linear_before_reset: int,
) -> Callable[..., Any]:
    def cell(w: Any, r: Any, wb: Any, rb: Any, units: int, functions: Sequence[Function], limit: Function) -> Any:
        f, g = functions
        rz, rr, rh = _cut(r, 3)
        rbz, rbr, rbh = _cut(rb, 3)

        def step(x: Any, h: Any) -> tuple[Any, ...]:
            xz, xr, xh = _cut(ops.add(ops.matmul(x, w), wb), 3)
            z = f(limit(ops.add(ops.add(xz, ops.matmul(h, rz)), rbz)))
            reset = f(limit(ops.add(ops.add(xr, ops.matmul(h, rr)), rbr)))
            if linear_before_reset:
                inner = ops.multiply(reset, ops.add(ops.matmul(h, rh), rbh))
            else:
                inner = ops.add(ops.matmul(ops.multiply(reset, h), rh), rbh)
            new = g(limit(ops.add(xh, inner)))
            return (ops.add(ops.multiply(ops.subtract(scalar(1.0, z), z), new), ops.multiply(z, h)),)

        return step

    return cell


@operator("GRU")
def gru(
    x: Any, w: Any, r: Any, b: Any = None, sequence_lens: Any = None, initial_h: Any = None, *, activation_alpha: Any = None,
    activation_beta: Any = None, activations: Any = None, clip: float | None = None, direction: str = "forward",
    hidden_size: int | None = None, layout: int = 0, linear_before_reset: int = 0, output_sequence: int = 0,
) -> Any:  # fmt: skip
    """Source: ONNX GRU."""
    return _run(
        _gru_cell(linear_before_reset), 1, 3, ["Sigmoid", "Tanh"], x, w, r, b, sequence_lens, [initial_h], activations=activations,
        activation_alpha=activation_alpha, activation_beta=activation_beta, clip=clip, direction=direction, hidden_size=hidden_size,
        layout=layout, whole=partial(_gru_whole, bool(linear_before_reset)),
    )  # fmt: skip


def _lstm_step(
    into: Function,
    through: Function,
    bias: Any,
    functions: Sequence[Function],
    limit: Function,
    peepholes: Any,
    input_forget: int,
) -> Callable[..., tuple[Any, ...]]:
    """Return the step of an LSTM.

    Args:
        into: from an input to its part of the gates.
        through: from a state to its part of the gates.
        bias: the sum of both biases.
        functions: the activations of gates, candidates and outputs.
        limit: what is applied before the activations.
        peepholes: the weights of the memory in the gates (input, output, forget), or None.
        input_forget: whether the forget gate is 1 - the input gate.
    """
    f, g, h_ = functions
    pi, po, pf = (None, None, None) if peepholes is None else _cut(peepholes, 3)

    def seen(gate: Any, weight: Any, c: Any) -> Any:
        return gate if weight is None else ops.add(gate, ops.multiply(weight, c))

    def step(x: Any, h: Any, c: Any) -> tuple[Any, ...]:
        i, o, forget, new = _cut(ops.add(ops.add(into(x), through(h)), bias), 4)
        i = f(limit(seen(i, pi, c)))
        keep = ops.subtract(scalar(1.0, i), i) if input_forget else f(limit(seen(forget, pf, c)))
        c = ops.add(ops.multiply(keep, c), ops.multiply(i, g(limit(new))))
        return ops.multiply(f(limit(seen(o, po, c))), h_(c)), c

    return step


def _lstm_cell(input_forget: int) -> Callable[..., Any]:
    def cell(
        w: Any, r: Any, wb: Any, rb: Any, units: int, functions: Sequence[Function], limit: Function, peepholes: Any
    ) -> Any:
        return _lstm_step(
            lambda x: ops.matmul(x, w),
            lambda h: ops.matmul(h, r),
            ops.add(wb, rb),
            functions,
            limit,
            peepholes,
            input_forget,
        )

    return cell


@operator("LSTM")
def lstm(
    x: Any, w: Any, r: Any, b: Any = None, sequence_lens: Any = None, initial_h: Any = None, initial_c: Any = None, p: Any = None, *,
    activation_alpha: Any = None, activation_beta: Any = None, activations: Any = None, clip: float | None = None,
    direction: str = "forward", hidden_size: int | None = None, input_forget: int = 0, layout: int = 0, output_sequence: int = 0,
) -> Any:  # fmt: skip
    """Source: ONNX LSTM."""
    return _run(
        _lstm_cell(input_forget), 2, 4, ["Sigmoid", "Tanh", "Tanh"], x, w, r, b, sequence_lens, [initial_h, initial_c],
        activations=activations, activation_alpha=activation_alpha, activation_beta=activation_beta, clip=clip, direction=direction,
        hidden_size=hidden_size, layout=layout, extra=[p], whole=None if input_forget else _lstm_whole,
    )  # fmt: skip


def lstm_with(
    products: Callable[[int], tuple[Function, Function]], x: Any, r: Any, b: Any, sequence_lens: Any, initial_h: Any, initial_c: Any,
    p: Any, *, input_forget: int, **settings: Any,
) -> Any:  # fmt: skip
    """Compute an LSTM whose matrices are multiplied in another way.

    Args:
        products: from the direction to the products with all inputs (time, batch, features), and with a state.
        x: the inputs (time, batch, features).
        r: any array whose last axis has as many elements as the gates: 4 * units.
        b: the biases, as in LSTM.
        sequence_lens: the number of steps of each sample, or None.
        initial_h: the first states, or None.
        initial_c: the first memories, or None.
        p: the peepholes, or None.
        input_forget: whether the forget gate is 1 - the input gate.
        **settings: the other attributes of LSTM.
    """
    outputs = []
    directions = 2 if settings["direction"] == "bidirectional" else 1
    units = settings["hidden_size"] or shape_of(r)[-1] // 4
    names = settings.pop("activations") or ["Sigmoid", "Tanh", "Tanh"] * directions
    functions = _functions(names, settings["activation_alpha"], settings["activation_beta"])
    clip = settings["clip"]
    limit: Function = (lambda v: v) if clip is None else (lambda v: ops.clip(v, -clip, clip))
    for d in range(directions):
        into, through = products(d)
        bias = (
            ops.zeros((4 * units,), dtype=dtype_name(x)) if b is None else ops.add(b[d][: 4 * units], b[d][4 * units :])
        )
        given = [
            ops.zeros((shape_of(x)[1], units), dtype=dtype_name(x)) if s is None else s[d]
            for s in (initial_h, initial_c)
        ]
        step = _lstm_step(
            lambda v: v, through, bias, functions[3 * d : 3 * d + 3], limit, None if p is None else p[d], input_forget
        )
        outputs.append(_over_time(step, into(x), given, sequence_lens, settings["direction"] == "reverse" or d == 1))
    y = ops.stack([made for made, _ in outputs], axis=1)
    return (y, *(ops.stack([last[k] for _, last in outputs]) for k in range(2)))
