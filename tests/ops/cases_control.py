"""Cases of loops and branches, whose params hold programs."""

from __future__ import annotations

from typing import Any

from graphkit import ops
from graphkit.ir.spec import spec
from graphkit.ir.tracing import trace
from graphkit.ops import control
from tests.ops.case import Row, case, composed, fixed, real, value


def _spec(*shape: int) -> Any:
    return spec(*shape, dtype="float64")


def _cell(state: Any, x: Any, weights: Any) -> list[Any]:
    new = ops.tanh(ops.add(ops.matmul(state, weights), x))
    return [new, ops.square(new)]


def _accumulate(total: Any, x: Any) -> list[Any]:
    return [ops.multiply(total, x)]


_CELL = trace(_cell, _spec(2, 3), _spec(2, 3), _spec(3, 3))
_PRODUCT = trace(_accumulate, _spec(2), _spec(2))
_TEST = trace(lambda x: ops.less(ops.sum(ops.square(x)), ops.sum(x)), _spec(2))
_GROW = trace(lambda x: [ops.add(x, x)], _spec(2))
_YES = trace(lambda x, y: [ops.sin(x)], _spec(3), _spec(3))
_NO = trace(lambda x, y: [ops.multiply(x, y)], _spec(3), _spec(3))

_LOOP: dict[str, Any] = {"carries": 1, "sequences": 1, "length": 4, "free": False}

CASES: list[Row] = [
    case("scan", real(2, 3), real(4, 2, 3), real(3, 3), body=_CELL, reverse=False, **_LOOP),
    case("scan", real(2, 3), real(4, 2, 3), real(3, 3), body=_CELL, reverse=True, second=False, **_LOOP),
    case("scan", real(2), real(4, 2, low=0.5), body=_PRODUCT, reverse=False, **_LOOP),
    case("while_loop", fixed(0.1, 0.35), test=_TEST, body=_GROW, carries=1, test_constants=0, free=False),
    case("cond", value(True, bool), real(3), real(3), true=_YES, false=_NO, free=False),
    case("cond", value(False, bool), real(3), real(3), true=_YES, false=_NO, free=False),
]


def _steps(x: Any, h: Any, reverse: bool = False) -> Any:
    def step(carry: Any, slice_: Any) -> Any:
        made = ops.tanh(ops.add(carry, slice_))
        return made, ops.multiply(made, 2.0)

    last, stacked = control.scan(step, h, ops.transpose(x, (1, 0, 2)), reverse=reverse)
    return ops.concatenate([ops.reshape(last, (1, -1, 3)), stacked], axis=0)


CASES += [
    composed("scan", _steps, "b t 3, b 3"),
    composed("scan backwards", lambda x, h: _steps(x, h, True), "b t 3, b 3"),
    composed("scan gradient", _steps, "b t 3, b 3", gradient=True, tolerance=1e-3),
    composed("scan that only counts", lambda x: control.scan(lambda c, _: (ops.add(c, 1.0), c), x, None, length=3)[1], "b 3"),
    composed("while_loop", lambda x: control.while_loop(lambda v: ops.less(ops.sum(v), 50.0), lambda v: ops.add(v, v), x), "b 3",
         positive=True),
    composed("cond, first", lambda x: control.cond(ops.greater(ops.sum(x), 0.0), lambda: ops.add(x, x), lambda: ops.square(x)), "b 3",
         positive=True),
    composed("cond, second", lambda x: control.cond(ops.less(ops.sum(x), 0.0), lambda: ops.add(x, x), lambda: x), "b 3", positive=True),
]  # fmt: skip
