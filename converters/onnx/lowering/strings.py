"""Strings: LabelEncoder for tables, StringNormalizer and StringSplit for texts (opset 20). Hashes cannot be said."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import helper

from graphkit.core.errors import ExportError
from graphkit.ir.program import Equation
from graphkit.ops.strings import NO_VOCABULARY, PUNCTUATION

from ..builder import GraphBuilder, Operand
from ..dims import shape_vector
from ..registry import limitation, lowering

limitation("ONNX cannot look at the characters of a string; hash the strings before they reach the model", "string_hash")

_KINDS = {str: "strings", int: "int64s"}


def _encoded(b: GraphBuilder, x: Any, keys: tuple[Any, ...], values: tuple[Any, ...], default: Any) -> str:
    """LabelEncoder (ai.onnx.ml): values by key."""
    if not keys:
        raise ExportError(NO_VOCABULARY)
    key, value = _KINDS[type(keys[0])], _KINDS[type(default)]
    named = {f"keys_{key}": list(keys), f"values_{value}": list(values), f"default_{value.removesuffix('s')}": default}
    made: str = b.op("LabelEncoder", x, domain="ai.onnx.ml", **named)
    b.root.dtypes[made] = "string" if value == "strings" else "int64"
    return made


@lowering("table_lookup")
def _table_lookup(b: GraphBuilder, x: Operand, *, keys: tuple[Any, ...], values: tuple[Any, ...], default: Any) -> Any:
    return _encoded(b, x, keys, values, default)


@lowering("as_string")
def _as_string(b: GraphBuilder, x: Operand) -> Any:
    return b.cast(x, "string")


# ----- texts -----


def _is_plain(equation: Equation) -> bool:
    """Words between spaces, or whole strings: what StringSplit can do."""
    return equation.params["split"] in (None, "whitespace") and equation.params["ngrams"] is None


def _standardized(b: GraphBuilder, x: Operand, lower: bool, strip: bool, split: str | None) -> str:
    """The strings (batch,), or (batch, n) where nothing is split, changed as the layer says."""
    name = b.op("Reshape", x, b.ints([-1]))
    if lower:
        name = b.op("StringNormalizer", name, case_change_action="LOWER", is_case_sensitive=1, locale="C")  # ASCII, as TensorFlow
        b.root.dtypes[name] = "string"
    if strip:
        for sign in PUNCTUATION:
            name = _without(b, name, sign)
    if split is None:
        name = b.op("Reshape", name, shape_vector(b, x.shape))
    b.root.dtypes[name] = "string"
    return str(name)


def _without(b: GraphBuilder, name: str, sign: str) -> str:
    """The strings without a sign: split at it, and a loop puts the parts together again."""
    parts, _ = b.op("StringSplit", name, delimiter=sign, outputs=2)
    count = b.op("Gather", b.op("Shape", parts), b.constant(np.asarray(1, np.int64)), axis=0)
    empty = b.op("Expand", b.constant(np.asarray([""], object)), b.op("Shape", name))
    child, names = b.child(), b.root.names
    step, going, whole = (names.unique(f"{b.scope}/{n}") for n in ("step", "going", "joined"))
    part = child.op("Gather", parts, step, axis=1)
    joined = child.op("StringConcat", whole, part)
    still = child.op("Identity", going)
    info = helper.make_tensor_value_info
    body = helper.make_graph(
        child.nodes,
        names.unique(f"{b.scope}/join"),
        [info(step, onnx.TensorProto.INT64, []), info(going, onnx.TensorProto.BOOL, []), info(whole, onnx.TensorProto.STRING, [None])],
        [info(still, onnx.TensorProto.BOOL, []), info(joined, onnx.TensorProto.STRING, [None])],
    )
    return str(b.op("Loop", count, None, empty, body=body))


def _tokens(b: GraphBuilder, x: Operand, lower: bool, strip: bool, split: str | None) -> str:
    """(batch, words), the shorter ones filled up with empty strings."""
    name = _standardized(b, x, lower, strip, split)
    if split is None:
        return name if x.rank == 2 else str(b.unsqueeze(name, 1))
    words, _ = b.op("StringSplit", name, outputs=2)
    return str(words)


@lowering("text_indices", since=20, when=_is_plain)
def _text_indices(
    b: GraphBuilder, x: Operand, *, keys: Any, values: Any, default: int, length: int, lower: bool, strip: bool, split: Any, ngrams: Any
) -> Any:
    tokens = _tokens(b, x, lower, strip, split)
    table = (keys, values) if "" in keys or not keys else (("", *keys), (0, *values))
    found = _encoded(b, tokens, *table, default)
    filling = b.op("ConstantOfShape", shape_vector(b, b.result.shape), value=helper.make_tensor("value", onnx.TensorProto.INT64, [1], [0]))
    whole = b.op("Concat", found, filling, axis=1)
    return b.op("Slice", whole, b.ints([0]), b.ints([length]), b.ints([1]))


@lowering("text_counts", since=20, when=_is_plain)
def _text_counts(
    b: GraphBuilder, x: Operand, *, keys: Any, values: Any, default: int, depth: int, lower: bool, strip: bool, split: Any, ngrams: Any
) -> Any:
    """Words outside of 0..depth-1 count in one more column, which is cut off; so are the empty ones that fill up."""
    tokens = _tokens(b, x, lower, strip, split)
    pairs = [(k, v if 0 <= v < depth else depth) for k, v in zip(keys, values, strict=True) if k != ""]
    table = [*pairs, ("", depth)] if keys else []
    found = _encoded(b, tokens, tuple(k for k, _ in table), tuple(v for _, v in table), default if 0 <= default < depth else depth)
    hot = b.op("OneHot", found, b.constant(np.asarray(depth + 1, np.int64)), b.constant(np.asarray([0, 1], np.int64)), axis=-1)
    counts = b.op("ReduceSum", hot, b.ints([1]), keepdims=0)
    return b.op("Slice", counts, b.ints([0]), b.ints([depth]), b.ints([1]))
