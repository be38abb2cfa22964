"""Cases of attention.

The gradient's two last inputs are what `attention` gave: its own gradient is checked as the second one of `attention`.
"""

from __future__ import annotations

from typing import Any

from graphkit.ir.primitive import PRIMITIVES
from graphkit.ops import attention
from tests.ops.case import Case, Row, case, composed, made_by, real, same_draw, value

_QUERY, _KEY, _VALUE, _COTANGENT = (
    real(2, 3, 2, 4),
    real(2, 5, 2, 4, low=-1.5),
    real(2, 5, 2, 3, low=-1),
    real(2, 3, 2, 3, high=1),
)
_SEEN = value([[True, False, True, True, False]] * 3, bool)
_BLIND = value([[True, False, True, True, False]] * 2 + [[False] * 5], bool)  # the last query sees nothing
_ALL = (_QUERY, _KEY, _VALUE)


def _part(index: int, *mask: Any) -> Any:
    """What `attention` gives for these inputs."""
    return made_by(lambda *inputs: PRIMITIVES["attention"].evaluate(list(inputs), {"scale": 0.7})[index], *_ALL, *mask)


def _gradient(*mask: Any) -> Case:
    drawn = [same_draw(d) for d in (_COTANGENT, *_ALL)]
    return case(
        "attention_grad", *drawn, _part(0, *mask), _part(1, *mask), *mask, scale=0.7, gradient=False, free=not mask
    )


CASES: list[Row] = [
    case("attention", *_ALL, scale=0.7),
    case("attention", *_ALL, _SEEN, scale=0.7, free=False),
    case("attention", *_ALL, _BLIND, scale=0.7, free=False, gradient=False),
    _gradient(),
    _gradient(_SEEN),
    _gradient(_BLIND),
    composed(
        "causal attention",
        lambda q, v: attention.dot_product_attention(q, q, v, is_causal=True),
        "b t 2 4, b t 2 3",
    ),
]
