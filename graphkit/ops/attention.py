"""Dot-product attention."""

from __future__ import annotations

import math
from typing import Any

from graphkit.core import dtypes
from graphkit.core.dims import Dim
from graphkit.core.errors import InvalidArgumentError, ShapeError
from graphkit.ops._convert import dtype_name, promote, shape_of, tensor
from graphkit.ops._dispatch import operation
from graphkit.ops._rules import show
from graphkit.ops.creation import tri
from graphkit.ops.elementwise import add, cast, logical_and, multiply, where
from graphkit.ops.linear import einsum
from graphkit.ops.probabilities import softmax

__all__ = ["dot_product_attention"]


@operation("DotProductAttention", "nn", tensors="query key value bias mask scale")
def dot_product_attention(
    query: Any,
    key: Any,
    value: Any,
    bias: Any = None,
    mask: Any = None,
    scale: Any = None,
    is_causal: bool = False,
    flash_attention: bool | None = None,
    attn_logits_soft_cap: float | None = None,
) -> Any:
    """softmax(query key / sqrt(head size)) value, over (batch, time, heads, head size).

    Args:
        bias: added to the scores, broadcast to (batch, heads, query time, key time).
        mask: bool, broadcast likewise; False takes a score out.
        scale: instead of 1 / sqrt(head size).
        is_causal: whether a query sees only keys up to its own place.

    Raises ShapeError unless the three have four axes. Source: keras.ops.dot_product_attention.
    """
    if attn_logits_soft_cap is not None or flash_attention:
        raise InvalidArgumentError("dot_product_attention: flash_attention and attn_logits_soft_cap are not available here.")
    query, key, value = promote(query, key, value, to_float=True)
    if not query.ndim == key.ndim == value.ndim == 4:
        shapes = ", ".join(show(shape_of(t)) for t in (query, key, value))
        raise ShapeError(f"dot_product_attention: query, key and value must be (batch, time, heads, size), got {shapes}.")
    kind = dtypes.result_type(dtype_name(query), "float32")
    size = shape_of(query)[-1]
    if scale is None and isinstance(size, Dim):
        raise ShapeError(f"dot_product_attention: the head size of query {show(shape_of(query))} must be known, or scale given.")
    factor = 1.0 / math.sqrt(float(size)) if scale is None else scale  # type: ignore[arg-type]
    scores = multiply(cast(einsum("btnh,bsnh->bnts", query, key), kind), tensor(factor, kind))
    if bias is not None:
        scores = cast(add(scores, bias), kind)
    allowed = None if mask is None else cast(mask, "bool")
    if is_causal:
        before = tri(shape_of(query)[1], shape_of(key)[1], dtype="bool")
        allowed = before if allowed is None else logical_and(allowed, before)
    if allowed is not None:
        scores = where(allowed, scores, tensor(-0.7 * 3.4028234663852886e38, kind))
    return einsum("bnts,bsnh->btnh", cast(softmax(scores, axis=-1), dtype_name(value)), value)
