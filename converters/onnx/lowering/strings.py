"""Strings: LabelEncoder for tables, StringNormalizer and StringSplit for texts (opset 20). Hashes cannot be said."""

from __future__ import annotations

from typing import Any, TypedDict, Unpack

import numpy as np
import onnx
from onnx import helper

from graphkit.core.errors import ExportError
from graphkit.ops.strings import NO_VOCABULARY, PUNCTUATION

from ..builder import GraphBuilder, Operand
from ..dims import shape_vector
from ..registry import limitation, lowering

limitation(
    "ONNX cannot look at the characters of a string; hash the strings before they reach the model", "string_hash"
)

_OTHER_SPACES = "\t\n\v\f\r"  # onnxruntime's StringSplit cuts at blanks only
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


def _check_sayable(b: GraphBuilder, split: str | None, ngrams: Any) -> None:
    """Words between spaces, or whole strings: what StringSplit can do. Raises ExportError for the rest."""
    if ngrams is not None or split == "character":
        what = "sequences of words (ngrams)" if ngrams is not None else "the characters of a text"
        raise ExportError(
            f"Layer {b.scope!r}: ONNX has no operator that makes {what}; cut the texts before they reach the model."
        )
    if b.opset < 20:
        raise ExportError(
            f"Layer {b.scope!r}: texts are cut by StringSplit, which ONNX has since opset 20; export with opset=20 or more."
        )


def _standardized(b: GraphBuilder, x: Operand, lower: bool, strip: bool, split: str | None) -> str:
    """The strings (batch,), or (batch, n) where nothing is split, changed as the layer says."""
    name = b.op("Reshape", x, b.ints([-1]))
    if lower:
        name = b.op(
            "StringNormalizer", name, case_change_action="LOWER", is_case_sensitive=1, locale="C"
        )  # ASCII, as TensorFlow
        b.root.dtypes[name] = "string"
    if strip:
        for sign in PUNCTUATION:
            name = _replaced(b, name, sign, "")
    if split is not None:
        for sign in _OTHER_SPACES:
            name = _replaced(b, name, sign, " ")
    if split is None:
        name = b.op("Reshape", name, shape_vector(b, x.shape))
    b.root.dtypes[name] = "string"
    return str(name)


def _replaced(b: GraphBuilder, name: str, sign: str, by: str) -> str:
    """The strings (n,) without a sign, or with a blank for it (and one more at the end): split there, and joined in a loop."""
    parts, _ = b.op("StringSplit", name, delimiter=sign, outputs=2)
    count = b.op("Gather", b.op("Shape", parts), b.constant(np.asarray(1, np.int64)), axis=0)
    empty = b.op("Expand", b.constant(np.asarray([""], object)), b.op("Shape", name))
    child, names = b.child(), b.root.names
    step, going, whole = (names.unique(f"{b.scope}/{n}") for n in ("step", "going", "joined"))
    part = child.op("Gather", parts, step, axis=1)
    joined = child.op("StringConcat", whole, part)
    if by:
        joined = child.op("StringConcat", joined, b.constant(np.asarray(by, object)))
    still = child.op("Identity", going)
    info = helper.make_tensor_value_info
    body = helper.make_graph(
        child.nodes,
        names.unique(f"{b.scope}/join"),
        [
            info(step, onnx.TensorProto.INT64, []),
            info(going, onnx.TensorProto.BOOL, []),
            info(whole, onnx.TensorProto.STRING, [None]),
        ],
        [info(still, onnx.TensorProto.BOOL, []), info(joined, onnx.TensorProto.STRING, [None])],
    )
    return str(b.op("Loop", count, None, empty, body=body))


class Cutting(TypedDict):
    """How texts become tokens."""

    lower: bool
    strip: bool
    split: str | None
    ngrams: Any


def _tokens(b: GraphBuilder, x: Operand, how: Cutting) -> str:
    """(batch, words), the shorter ones filled up with empty strings."""
    split = how["split"]
    _check_sayable(b, split, how["ngrams"])
    name = _standardized(b, x, how["lower"], how["strip"], split)
    if split is None:
        return name if x.rank == 2 else str(b.unsqueeze(name, 1))
    words, _ = b.op("StringSplit", name, outputs=2)
    return str(words)


@lowering("text_indices")
def _text_indices(
    b: GraphBuilder, x: Operand, *, keys: Any, values: Any, default: int, length: int, **how: Unpack[Cutting]
) -> Any:
    tokens = _tokens(b, x, how)
    table = (keys, values) if "" in keys or not keys else (("", *keys), (0, *values))
    found = _encoded(b, tokens, table[0], table[1], default)
    filling = b.op(
        "ConstantOfShape",
        shape_vector(b, b.result.shape),
        value=helper.make_tensor("value", onnx.TensorProto.INT64, [1], [0]),
    )
    whole = b.op("Concat", found, filling, axis=1)
    return b.op("Slice", whole, b.ints([0]), b.ints([length]), b.ints([1]))


@lowering("text_counts")
def _text_counts(
    b: GraphBuilder, x: Operand, *, keys: Any, values: Any, default: int, depth: int, **how: Unpack[Cutting]
) -> Any:
    """Words outside of 0..depth-1 count in one more column, which is cut off; so are the empty ones that fill up."""
    tokens = _tokens(b, x, how)
    pairs = [(k, v if 0 <= v < depth else depth) for k, v in zip(keys, values, strict=True) if k != ""]
    table = [*pairs, ("", depth)] if keys else []
    found = _encoded(
        b, tokens, tuple(k for k, _ in table), tuple(v for _, v in table), default if 0 <= default < depth else depth
    )
    hot = b.op(
        "OneHot", found, b.constant(np.asarray(depth + 1, np.int64)), b.constant(np.asarray([0, 1], np.int64)), axis=-1
    )
    counts = b.op("ReduceSum", hot, b.ints([1]), keepdims=0)
    return b.op("Slice", counts, b.ints([0]), b.ints([depth]), b.ints([1]))
