"""Cases of the recurrent nets and of their gradients."""

from __future__ import annotations

from typing import Any

from graphkit import ops
from graphkit.ops import recurrent
from tests.ops.case import Case, Composed, Draw, Row, boolean, case, composed, real

_BATCH, _STEPS, _FEATURES, _UNITS = 2, 4, 3, 2
_TRAITS: dict[str, Any] = {"free": False, "second": False}


def _weights(gates: int, *bias: int) -> tuple[Draw, ...]:
    wide = gates * _UNITS
    return real(_FEATURES, wide), real(_UNITS, wide), real(*(bias or (wide,)))


_X, _H, _MASK = real(_BATCH, _STEPS, _FEATURES), real(_BATCH, _UNITS), boolean(_BATCH, _STEPS)
_MODES: tuple[dict[str, Any], ...] = (
    {"go_backwards": False, "return_sequences": False},
    {"go_backwards": True, "return_sequences": True},
)
_GATED: dict[str, Any] = {"activation": "tanh", "recurrent_activation": "sigmoid"}
_OTHER: dict[str, Any] = {"activation": "sigmoid", "recurrent_activation": "tanh"}


def _forward() -> list[Case]:
    made = []
    for mode in _MODES:
        for mask in ((), (_MASK,)):
            options = {**mode, "reserve": False, **_TRAITS}
            made += [
                case("lstm", _X, *_weights(4), _H, _H, *mask, **_GATED, **options),
                case("gru", _X, *_weights(3, 2, 3 * _UNITS), _H, *mask, reset_after=True, **_GATED, **options),
                case("gru", _X, *_weights(3), _H, *mask, reset_after=False, **_OTHER, **options),
                case("simple_rnn", _X, *_weights(1), _H, *mask, activation="tanh", **options),
            ]
    return made


def _kept(width: int) -> tuple[Draw, Draw]:
    return real(_STEPS, width * _UNITS, _BATCH, low=0.1, high=0.9), real(_BATCH, _STEPS, _UNITS + 1)


def _backward() -> list[Case]:
    made = []
    for backwards, more in ((False, ()), (True, (real(_BATCH, _STEPS, _UNITS), _MASK))):
        options = {"go_backwards": backwards, "sequence": bool(more), **_TRAITS}
        recurrent = [real(_UNITS, gates * _UNITS) for gates in (4, 3, 1)]
        made += [
            case("lstm_grad", _H, _H, recurrent[0], *_kept(6), *more, **_GATED, **options),
            case("gru_grad", _H, recurrent[1], *_kept(4), *more, reset_after=True, **_GATED, **options),
            case("gru_grad", _H, recurrent[1], *_kept(4), *more, reset_after=False, **_GATED, **options),
            case("simple_rnn_grad", _H, recurrent[2], _kept(1)[0], *more, activation="tanh", **options),
        ]
    return made


CASES: list[Row] = [*_forward(), *_backward()]


def _recurrent(name: str, gates: int, states: int, bias: str) -> list[Composed]:
    """One recurrent op: each activation, direction and kind of output; with states, with a mask; its gradient."""
    function: Any = getattr(recurrent, name)
    text = f"b t 3, 3 {gates * 4}, 4 {gates * 4}, {bias}"
    pairs = ("tanh", "sigmoid"), ("relu", "hard_sigmoid"), ("linear", "hard_sigmoid_keras2")
    inner = [{"activation": a, "recurrent_activation": r} if gates > 1 else {"activation": a} for a, r in pairs]

    def run(*xs: Any, **options: Any) -> list[Any]:
        return list(function(*xs, **options))

    def with_states(*xs: Any) -> list[Any]:
        return run(*xs[:4], xs[4:] if states > 1 else xs[4])

    def small(*xs: Any) -> Any:
        return function(xs[0], *(ops.multiply(w, 0.3) for w in xs[1:]), return_sequences=True)[0]

    return [
        *(composed(f"{name} {o['activation']} backwards={back} sequences={seq}",
               lambda *xs, o=o, b=back, s=seq: run(*xs, go_backwards=b, return_sequences=s, **o), text, tolerance=1e-3)
          for o in inner for back in (False, True) for seq in (False, True)),
        composed(f"{name} with states", with_states, text + ", b 4" * states, tolerance=1e-3),
        composed(f"{name} masked", lambda x, k, r, b, m: run(x, k, r, b, mask=m, return_sequences=True), text + ", b t:bool",
                 tolerance=1e-3),
        composed(f"{name} gradient", small, text, gradient=True, tolerance=2e-3),
    ]  # fmt: skip


CASES += [
    *_recurrent("lstm", 4, 2, "16"),
    *_recurrent("gru", 3, 1, "2 12"),
    *_recurrent("simple_rnn", 1, 1, "4"),
    composed(
        "gru, reset before",
        lambda x, k, r, b: list(recurrent.gru(x, k, r, b, reset_after=False)),
        "b t 3, 3 12, 4 12, 12",
    ),
]
