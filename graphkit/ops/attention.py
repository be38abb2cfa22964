"""Dot-product attention."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

from graphkit.core import dtypes
from graphkit.core.dims import Dim
from graphkit.core.errors import InvalidArgumentError, ShapeError
from graphkit.ir.primitive import primitive
from graphkit.ir.spec import TensorSpec
from graphkit.ir.tracing import only_shapes
from graphkit.ops._attention_kernels import FLOOR, prepare_attention, prepare_attention_grad, scratch
from graphkit.ops._convert import dtype_name, promote, shape_of, tensor
from graphkit.ops._dispatch import operation
from graphkit.ops._rules import broadcast_shapes, show
from graphkit.ops.creation import tri
from graphkit.ops.elementwise import add, cast, exp, log, logical_and, multiply, stop_gradient, subtract, where
from graphkit.ops.linear import einsum
from graphkit.ops.probabilities import softmax
from graphkit.ops.reduction import reduce_max_p, reduce_sum_p
from graphkit.ops.shaping import expand_dims, squeeze

__all__ = ["dot_product_attention"]

# ----- the composite of query (batch, queries, heads, size), key (batch, keys, heads, size), value (batch, keys, heads, width) -----


def _attention_abstract(
    query: TensorSpec, key: TensorSpec, value: TensorSpec, *mask: TensorSpec, scale: float
) -> tuple[TensorSpec, ...]:
    batch, queries, heads, _ = query.shape
    if mask:
        broadcast_shapes(mask[0].shape, (batch, heads, queries, key.shape[1]))
    return TensorSpec((batch, queries, heads, value.shape[3]), query.dtype), TensorSpec(
        (batch, heads, queries), query.dtype
    )


def _scores(query: Any, key: Any, mask: tuple[Any, ...], scale: float) -> Any:
    """Compute the masked scores, (batch, heads, queries, keys)."""
    made = einsum("btnh,bsnh->bnts", multiply(query, scale), key)
    return where(mask[0], made, tensor(FLOOR, dtype_name(made))) if mask else made


def _attention(query: Any, key: Any, value: Any, *mask: Any, scale: float) -> tuple[Any, Any]:
    scores = _scores(query, key, mask, scale)
    top = stop_gradient(reduce_max_p.bind(scores, axes=(3,), keepdims=True))
    total = reduce_sum_p.bind(exp(subtract(scores, top)), axes=(3,), keepdims=True)
    output = einsum("bnts,bsnh->btnh", softmax(scores, axis=-1), value)
    return output, squeeze(add(top, log(total)), 3)


def _attention_vjp(g: Any, out: Any, query: Any, key: Any, value: Any, *mask: Any, scale: float) -> list[Any]:
    none = [None] * len(mask)
    if g[0] is None:
        return [*_logarithm_grad(g[1], query, key, mask, scale), None, *none]
    cotangents = list(attention_grad_p.bind(g[0], query, key, value, *out, *mask, scale=scale))
    if g[1] is not None:
        cotangents[:2] = (
            add(a, b) for a, b in zip(cotangents[:2], _logarithm_grad(g[1], query, key, mask, scale), strict=True)
        )
    return [*cotangents, *none]


def _onto_scores(slope: Any, query: Any, key: Any, mask: tuple[Any, ...], scale: float) -> tuple[Any, Any]:
    """Compute the cotangents of query and key from that of the scores."""
    if mask:
        slope = where(mask[0], slope, 0.0)
    d_query = multiply(einsum("bnts,bsnh->btnh", slope, key), scale)
    return d_query, multiply(einsum("bnts,btnh->bsnh", slope, query), scale)


def _logarithm_grad(g: Any, query: Any, key: Any, mask: tuple[Any, ...], scale: float) -> tuple[Any, Any]:
    weights = softmax(_scores(query, key, mask, scale), axis=-1)
    return _onto_scores(multiply(weights, expand_dims(g, 3)), query, key, mask, scale)


def _attention_grad(
    g: Any, query: Any, key: Any, value: Any, output: Any, logarithms: Any, *mask: Any, scale: float
) -> tuple[Any, Any, Any]:
    weights = softmax(_scores(query, key, mask, scale), axis=-1)
    onto = einsum("btnh,bsnh->bnts", g, value)
    slope = multiply(weights, subtract(onto, reduce_sum_p.bind(multiply(weights, onto), axes=(3,), keepdims=True)))
    d_query, d_key = _onto_scores(slope, query, key, mask, scale)
    return d_query, d_key, einsum("bnts,btnh->bsnh", weights, g)


attention_grad_p = primitive(
    "attention_grad",  # the cotangents of query, key and value, from that of the output, the inputs and the outputs
    lambda g, query, key, value, output, statistics, *mask, scale: (query, key, value),
    prepare=prepare_attention_grad,
    workspace=lambda specs, params: scratch(2, specs[1:], params),
    decomposition=_attention_grad,
)
attention_p = primitive(
    "attention",  # the output (batch, queries, heads, width) and, for the gradient, the log-sum-exp of each row of scores
    _attention_abstract,
    prepare=prepare_attention,
    workspace=partial(scratch, 1),
    decomposition=_attention,
    vjp=_attention_vjp,
)


def _is_plain(query: Any, key: Any, value: Any, mask: Any) -> bool:
    """Whether only the mask is broadcast, and it adds no axis of the scores."""
    (batch, queries, heads, size), (b, keys, n, h) = shape_of(query), shape_of(key)
    if (b, n, h) != (batch, heads, size) or shape_of(value)[:3] != (b, keys, n):
        return False
    if mask is None:
        return True
    whole = (batch, heads, queries, keys)
    return mask.ndim <= 4 and broadcast_shapes(shape_of(mask), whole) == whole


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
    """Compute softmax(query key^T * scale) value over (batch, time, heads, head size).

    Args:
        query: (batch, query time, heads, head size).
        key: (batch, key time, heads, head size).
        value: (batch, key time, heads, width).
        bias: added to the scores, broadcast to (batch, heads, query time, key time).
        mask: bool, broadcast in the same way; False masks a score.
        scale: a factor of the scores; None means 1 / sqrt(head size).
        is_causal: whether a query sees only keys up to its own time step.
        flash_attention: not supported; must be None or False.
        attn_logits_soft_cap: not supported; must be None.

    Raises:
        ShapeError: query, key or value does not have four axes, or `scale` is None and the head size is unknown.
        InvalidArgumentError: an unsupported argument is given.

    Source: keras.ops.dot_product_attention.
    """
    if attn_logits_soft_cap is not None or flash_attention:
        raise InvalidArgumentError(
            "dot_product_attention: flash_attention and attn_logits_soft_cap are not supported. Leave them at None."
        )
    query, key, value = promote(query, key, value, to_float=True)
    if not query.ndim == key.ndim == value.ndim == 4:
        shapes = ", ".join(show(shape_of(t)) for t in (query, key, value))
        raise ShapeError(
            f"dot_product_attention: query, key and value must be (batch, time, heads, size), got {shapes}."
        )
    kind = dtypes.result_type(dtype_name(query), "float32")
    size = shape_of(query)[-1]
    if scale is None and isinstance(size, Dim):
        if only_shapes(query):
            scale = 1.0
        else:
            raise ShapeError(
                f"dot_product_attention: the head size of query {show(shape_of(query))} must be known, or scale given."
            )
    factor = 1.0 / math.sqrt(float(size)) if scale is None else scale  # type: ignore[arg-type]
    allowed = None if mask is None else cast(mask, "bool")
    if is_causal:
        causal = tri(shape_of(query)[1], shape_of(key)[1], dtype="bool")
        allowed = causal if allowed is None else logical_and(allowed, causal)
    if (
        bias is None
        and isinstance(factor, (int, float))
        and kind == dtype_name(query)
        and _is_plain(query, key, value, allowed)
    ):
        masks = () if allowed is None else (allowed,)
        return attention_p.bind(query, key, value, *masks, scale=float(factor))[0]
    scores = multiply(einsum("btnh,bsnh->bnts", cast(query, kind), cast(key, kind)), tensor(factor, kind))
    if bias is not None:
        scores = cast(add(scores, bias), kind)
    if allowed is not None:
        scores = where(allowed, scores, tensor(FLOOR, kind))
    return einsum("bnts,bsnh->btnh", cast(softmax(scores, axis=-1), dtype_name(value)), value)
