"""Tables of weights that indices select from: Embedding."""

from __future__ import annotations

from typing import Any

from graphkit.ir.matching import Match, Number, OneOf, P, Weight
from graphkit.lifting.calls import LiftedCall, NotExactError
from graphkit.lifting.recipes import call, recipe, scalar, weight


def _is_table(spec: Any) -> bool:
    return len(spec.shape) == 2 and spec.dtype.startswith("float")


# Negative indices count from the end, in ONNX as in Keras.
_WRAPPED = P("select", P("less", "x", Number(0.0)), P("add", "x", Number("size")), "x")


@recipe("embedding", P("take", Weight("table", _is_table), OneOf(_WRAPPED, "x"), params={"axis": 0}))
def _embedding(match: Match) -> LiftedCall:
    rows, columns = match.spec("table").shape
    if "size" in match and scalar(match, "size") != rows:
        raise NotExactError("indices are shifted by another number than the size of the table.")
    if not match.graph.roots(match["table"]):
        raise NotExactError("the table is a constant.")
    return call(match, "Embedding", {"input_dim": rows, "output_dim": columns}, weight(match["table"]))
