"""Strings: LabelEncoder for lookup tables, StringNormalizer and StringSplit for texts (opset 20).

Standard ONNX has no access to the characters of a string, so what needs them uses onnxruntime's own operator `Tokenizer`
(com.microsoft).
"""

from __future__ import annotations

from typing import Any, Unpack

import numpy as np
import onnx
from onnx import helper

from graphkit.core.dims import Dim, Size
from graphkit.core.errors import ExportError, OpsetError
from graphkit.ops._hashing import BLOCK
from graphkit.ops.strings import NO_VOCABULARY, PUNCTUATION, Split, Steps

from ..builder import GraphBuilder, Operand
from ..dims import INT64_MAX, shape_vector
from ..registry import lowering

_OTHER_SPACES = "\t\n\v\f\r"  # onnxruntime's StringSplit splits at spaces only
_KINDS = {str: "strings", int: "int64s"}


def _encoded(b: GraphBuilder, x: Any, keys: tuple[Any, ...], values: tuple[Any, ...], default: Any) -> str:
    """Write a LabelEncoder (ai.onnx.ml), which maps keys to values."""
    if not keys:
        raise ExportError(NO_VOCABULARY)
    key, value = _KINDS[type(keys[0])], _KINDS[type(default)]
    named = {f"keys_{key}": list(keys), f"values_{value}": list(values), f"default_{value.removesuffix('s')}": default}
    made: str = b.op("LabelEncoder", x, domain="ai.onnx.ml", **named)
    b.root.dtypes[made] = "string" if value == "strings" else "int64"
    return made


@lowering("table_lookup")
def _table_lookup(b: GraphBuilder, x: Operand, *, keys: tuple[Any, ...], values: tuple[Any, ...], default: Any) -> Any:
    """Look up keys; without a default, one that is missing stops the run (a Gather out of bounds) rather than give a number."""
    if default is not None:
        return _encoded(b, x, keys, values, default)
    places = _encoded(b, x, keys, tuple(range(len(keys))), len(keys))
    numbers = b.constant(np.asarray(values, object if isinstance(values[0], str) else np.int64))
    return b.op("Gather", numbers, places)


@lowering("as_string")
def _as_string(b: GraphBuilder, x: Operand) -> Any:
    return b.cast(x, "string")


# ----- characters -----

_CODED = [*range(0xD800), *range(0xE000, 0x10000), *range(0x1F000, 0x20000)]
"""The code points whose UTF-8 bytes are in the graph: the basic multilingual plane, and the emoji."""


def _characters(b: GraphBuilder, strings: str) -> str:
    """Split strings (n,) into characters (n, length of the longest), padded with empty strings."""
    made = b.op("Tokenizer", strings, domain="com.microsoft", mark=0, mincharnum=1, pad_value="", separators=[""])
    # The Cast gives shape inference, which does not know onnxruntime's operators, a type.
    typed = b.op("Cast", made, to=onnx.TensorProto.STRING)
    b.root.dtypes[typed] = "string"
    return str(typed)


def _packed_characters() -> tuple[list[str], list[int]]:
    """Return the characters, and for each an integer: its UTF-8 bytes in little-endian order, their number in bits 32 and up."""
    keys, values = [""], [0]
    for code in _CODED:
        data = chr(code).encode()
        keys.append(chr(code))
        values.append(int.from_bytes(data, "little") | len(data) << 32)
    return keys, values


@lowering("string_bytes", since=13)
def _string_bytes(b: GraphBuilder, x: Operand, *, blocks: Size) -> Any:
    """Look up characters in a table. One that is missing stops the run (a Gather out of bounds) rather than give a wrong result."""

    def numbers(*values: int) -> str:
        return b.constant(np.asarray(values, np.int64))

    keys, values = _packed_characters()
    packed = _encoded(b, _characters(b, x.name), tuple(keys), tuple(values), 5 << 32)
    size = b.op("Gather", numbers(0, 1, 2, 3, 4), b.op("Div", packed, numbers(1 << 32)))
    octets = b.op("Mod", b.op("Div", b.unsqueeze(packed, 2), numbers(1, 1 << 8, 1 << 16, 1 << 24)), numbers(256))
    flat = b.ints([0, -1])
    there = b.op("Reshape", b.cast(b.op("Less", numbers(0, 1, 2, 3), b.unsqueeze(size, 2)), "int64"), flat)
    sizes = b.op("ReduceSum", size, b.ints([1]), keepdims=0)
    width = b.op("Mul", _block_count(b, sizes, blocks), b.ints([BLOCK]))
    place = b.op("Sub", b.op("CumSum", there, b.constant(np.asarray(1, np.int64))), numbers(1))
    target = b.op("Where", b.cast(there, "bool"), place, width)  # the others go to a column that is sliced off
    rows = b.size_of(x.name, 0)
    shape = b.op("Concat", rows, b.op("Add", width, b.ints([1])), axis=0)
    zeros = b.op("ConstantOfShape", shape, value=helper.make_tensor("value", onnx.TensorProto.INT64, [1], [0]))
    filled = b.op("ScatterElements", zeros, target, b.op("Reshape", octets, flat), axis=1)
    return b.cast(b.op("Slice", filled, b.ints([0]), width, b.ints([1])), "uint8"), sizes


def _block_count(b: GraphBuilder, sizes: str, blocks: Size) -> str:
    """Return the number of blocks that hold the longest string and a zero byte; a named size gets its value here."""
    if not isinstance(blocks, Dim):
        return b.ints([blocks])
    longest = b.op("ReduceMax", b.op("Concat", sizes, b.ints([0]), axis=0), keepdims=1)
    made = b.op("Add", b.op("Div", longest, b.ints([BLOCK])), b.ints([1]))
    b.root.sizes[blocks] = made
    return str(made)


# ----- texts -----


def _check_opset(b: GraphBuilder) -> None:
    if b.opset < 20:
        raise OpsetError(
            f"Layer {b.scope!r}: texts are split by StringSplit, which ONNX has since opset 20. Export with opset=20 or later.",
            20,
        )


def _standardized(b: GraphBuilder, x: Operand, lower: bool, strip: bool, split: Split) -> str:
    """Standardize strings as the layer is configured. Returns (batch,), or (batch, n) if nothing is split."""
    name = b.op("Reshape", x, b.ints([-1]))
    if lower:  # ASCII only, as in TensorFlow
        name = b.op("StringNormalizer", name, case_change_action="LOWER", is_case_sensitive=1, locale="C")
        b.root.dtypes[name] = "string"
    if strip:
        for sign in PUNCTUATION:
            name = _replaced(b, name, sign, "")
    if split == "whitespace":
        for sign in _OTHER_SPACES:
            name = _replaced(b, name, sign, " ")
    if split is None:
        name = b.op("Reshape", name, shape_vector(b, x.shape))
    b.root.dtypes[name] = "string"
    return str(name)


def _replaced(b: GraphBuilder, name: str, sign: str, by: str) -> str:
    """Replace a character of strings (n,) by "" or " " (which also adds one at the end): split at it, and join in a loop."""
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


def _tokens(b: GraphBuilder, x: Operand, how: Steps) -> str:
    """Return tokens (batch, tokens), padded with empty strings; n-grams of several sizes are padded and joined size by size."""
    split, ngrams = how["split"], how["ngrams"]
    _check_opset(b)
    own = how["change"] or (split if callable(split) else None)
    if own is not None:
        raise ExportError(
            f"ONNX has no operator for the Python function {own!r} over strings. Use one of the named modes of "
            "`standardize` and `split`, or leave the layer out of the exported model."
        )
    name = _standardized(b, x, how["lower"], how["strip"], split)
    if split is None:
        words = name if x.rank == 2 else str(b.unsqueeze(name, 1))
    else:
        words = _characters(b, name) if split == "character" else str(b.op("StringSplit", name, outputs=2)[0])
    if ngrams is None:
        return words
    parts = [_joined_runs(b, words, size, filled=split is not None) for size in ngrams]
    return parts[0] if len(parts) == 1 else str(b.op("Concat", *parts, axis=1))


def _joined_runs(b: GraphBuilder, words: str, size: int, filled: bool) -> str:
    """Join each run of `size` words by spaces; runs that reach into the padding become empty strings."""
    whole = part = ""
    for place in range(size):
        end = INT64_MAX if place == size - 1 else place + 1 - size
        part = b.op("Slice", words, b.ints([place]), b.ints([end]), b.ints([1]))
        blank = b.constant(np.asarray(" ", object))
        whole = b.op("StringConcat", b.op("StringConcat", whole, blank), part) if whole else part
    if filled and size > 1:
        empty = b.constant(np.asarray("", object))
        whole = b.op("Where", b.op("Equal", part, empty), empty, whole)
    b.root.dtypes[whole] = "string"
    return whole


def _closed_up(b: GraphBuilder, tokens: str, found: str) -> str:
    """Move the indices of each row to the left, over those of empty tokens."""
    there = b.op("Not", b.op("Equal", tokens, b.constant(np.asarray("", object))))
    place = b.op("Sub", b.op("CumSum", b.cast(there, "int64"), b.constant(np.asarray(1, np.int64))), b.ints([1]))
    rows, width = (b.op("Shape", tokens, start=axis, end=axis + 1) for axis in (0, 1))
    shape = b.op("Concat", rows, b.op("Add", width, b.ints([1])), axis=0)
    zeros = b.op("ConstantOfShape", shape, value=helper.make_tensor("value", onnx.TensorProto.INT64, [1], [0]))
    filled = b.op("ScatterElements", zeros, b.op("Where", there, place, width), found, axis=1)
    longest = b.op("ReduceMax", b.op("Concat", b.op("Reshape", place, b.ints([-1])), b.ints([-1]), axis=0), keepdims=1)
    return str(b.op("Slice", filled, b.ints([0]), b.op("Add", longest, b.ints([1])), b.ints([1])))


@lowering("text_indices")
def _text_indices(
    b: GraphBuilder, x: Operand, *, keys: Any, values: Any, default: int, length: Size, **how: Unpack[Steps]
) -> Any:
    tokens = _tokens(b, x, how)
    table = (keys, values) if "" in keys or not keys else (("", *keys), (0, *values))
    found = _encoded(b, tokens, table[0], table[1], default)
    if how["ngrams"] is not None and len(how["ngrams"]) > 1 and how["split"] is not None:
        found = _closed_up(b, tokens, found)
    if isinstance(length, Dim):  # the length of the longest text
        b.root.dim_sources[str(length)] = (found, 1)
        return found
    filling = b.op(
        "ConstantOfShape",
        shape_vector(b, b.result.shape),
        value=helper.make_tensor("value", onnx.TensorProto.INT64, [1], [0]),
    )
    whole = b.op("Concat", found, filling, axis=1)
    return b.op("Slice", whole, b.ints([0]), b.ints([length]), b.ints([1]))


@lowering("text_counts")
def _text_counts(
    b: GraphBuilder, x: Operand, *, keys: Any, values: Any, default: int, depth: int, **how: Unpack[Steps]
) -> Any:
    """Count each index. Those outside of 0..depth-1, and the padding, go to an extra column, which is sliced off."""
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
