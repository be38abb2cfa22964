"""Cases of the recurrent nets and of their gradients."""

from __future__ import annotations

from typing import Any

import graphkit.ops.recurrent  # registers its primitives  # noqa: F401
from tests.ops.case import Case, Draw, boolean, case, real

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


CASES: list[Case] = [*_forward(), *_backward()]
