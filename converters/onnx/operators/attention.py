"""Attention of com.microsoft: as BERT, GPT and Llama are written by onnxruntime's optimizer and exporters.

Source: onnxruntime, docs/ContribOperators.md.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphkit import ops
from graphkit.core.errors import UnsupportedError
from graphkit.ops._convert import dtype_name

from .elementwise import scalar
from .known import ints, shape_of
from .shaping import rank
from .table import MICROSOFT, NodeCall, operator

# ----- what they share -----


def split_heads(x: Any, heads: int) -> Any:
    """Return (batch, steps, heads * size) as (batch, heads, steps, size)."""
    batch, steps, width = shape_of(x)
    return ops.transpose(ops.reshape(x, (batch, steps, heads, width // heads)), (0, 2, 1, 3))


def joined_heads(x: Any) -> Any:
    """Return (batch, heads, steps, size) as (batch, steps, heads * size)."""
    batch, heads, steps, size = shape_of(x)
    return ops.reshape(ops.transpose(x, (0, 2, 1, 3)), (batch, steps, heads * size))


def attended(
    query: Any,
    key: Any,
    value: Any,
    biases: list[Any],
    scale: float,
    softcap: float = 0.0,
    sink: Any = None,
) -> tuple[Any, Any]:
    """Return the attention (batch, heads, steps, size), and the scores before softmax.

    Args:
        query: (batch, heads, steps, size).
        key: (batch, heads, keys, size).
        value: (batch, heads, keys, size).
        biases: what is added to the scores; None for nothing.
        scale: the factor of the scores; 0 for 1 / sqrt(size).
        softcap: the limit of the scores; 0 for none.
        sink: (heads, 1, 1): a further score that takes a share of the attention.
    """
    factor = scale or 1.0 / float(shape_of(query)[-1]) ** 0.5
    scores = ops.multiply(ops.matmul(query, ops.swapaxes(key, -1, -2)), scalar(factor, query))
    if softcap:
        scores = ops.multiply(ops.tanh(ops.true_divide(scores, scalar(softcap, scores))), scalar(softcap, scores))
    for bias in biases:
        scores = scores if bias is None else ops.add(scores, bias)
    if sink is None:
        shares = ops.softmax(scores, axis=-1)
    else:
        column = ops.broadcast_to(ops.cast(sink, dtype_name(scores)), (*shape_of(scores)[:-1], 1))
        shares = ops.softmax(ops.concatenate([scores, column], axis=-1), axis=-1)[..., :-1]
    return ops.matmul(shares, value), scores


def _hidden(visible: Any, dtype: str, value: float) -> Any:
    """Return 0 where a mask is true, `value` elsewhere."""
    zero, low = scalar_of(0.0, dtype), scalar_of(value, dtype)
    return ops.where(visible, zero, low)


def scalar_of(value: float, dtype: str) -> Any:
    """Return a number as an array of a dtype."""
    return ops.cast(np.asarray(max(value, float(np.finfo(np.float32).min)), np.float32), dtype)


def _lowest(dtype: str) -> float:
    return -65504.0 if dtype == "float16" else float(np.finfo(np.float32).min)


def causal(queries: Any, keys: Any, dtype: str) -> Any:
    """Return (1, 1, queries, keys): the lowest number where a key comes after its query; the last ones coincide."""
    at = ops.add(ops.expand_dims(ops.arange(queries, dtype="int32"), -1), keys - queries)
    return ops.reshape(
        _hidden(ops.less_equal(ops.arange(keys, dtype="int32"), at), dtype, _lowest(dtype)), (1, 1, queries, keys)
    )


def mask_bias(mask: Any, queries: Any, keys: Any, dtype: str, value: float) -> Any:
    """Return what a mask adds to scores, so that it broadcasts to (batch, heads, queries, keys).

    The mask is the number of keys of each sample (batch,), their ends and starts (2 * batch,), or 1 for each key that counts:
    (batch, keys), (batch, queries, keys) or (batch, 1, longest, longest).
    """
    if mask is None:
        return None
    if rank(mask) == 1:
        raise UnsupportedError("a mask of one axis requires the size of the batch.")
    if rank(mask) == 4:
        past = keys - queries
        mask = mask[:, :, past : past + queries, :keys]
        return _hidden(ops.not_equal(mask, 0), dtype, value)
    visible = ops.not_equal(mask, 0)
    return _hidden(ops.expand_dims(visible, 1) if rank(mask) == 3 else ops.expand_dims(visible, (1, 2)), dtype, value)


def _by_lengths(mask: Any, batch: Any, keys: Any) -> Any:
    """Return the mask (batch, keys) of the form with ends, or ends and starts; other forms as they are."""
    if mask is None or rank(mask) != 1:
        return mask
    count = shape_of(mask)[0]
    places = ops.arange(keys, dtype="int32")
    ends = ops.expand_dims(ops.cast(mask[:batch], "int32"), -1)
    visible = ops.less(places, ends)
    if count == 2 * batch:
        starts = ops.expand_dims(ops.cast(mask[batch:], "int32"), -1)
        visible = ops.logical_and(visible, ops.greater_equal(places, starts))
    elif count != batch:
        raise UnsupportedError(f"a mask of shape ({count},) for {batch} samples is not supported; use (batch, keys).")
    return ops.cast(visible, "int32")


def _appended(past: Any, new: Any) -> Any:
    return new if past is None else ops.concatenate([past, new], axis=2)


# ----- Attention -----


@operator("Attention", domain=MICROSOFT, takes_node=True)
def attention(
    node: NodeCall,
    x: Any,
    weights: Any,
    bias: Any = None,
    mask: Any = None,
    past: Any = None,
    attention_bias: Any = None,
    past_length: Any = None,
    *,
    do_rotary: int = 0,
    mask_filter_value: float = -10000.0,
    num_heads: int,
    past_present_share_buffer: int = 0,
    qkv_hidden_sizes: Any = None,
    rotary_embedding_dim: int = 0,
    scale: float = 0.0,
    unidirectional: int = 0,
) -> Any:
    """Project the input to queries, keys and values, and attend; also return keys and values with the past ones."""
    projected = ops.matmul(x, weights)
    projected = projected if bias is None else ops.add(projected, bias)
    return attention_of(
        node, projected, mask, past, attention_bias, do_rotary=do_rotary, mask_filter_value=mask_filter_value, num_heads=num_heads,
        past_present_share_buffer=past_present_share_buffer, qkv_hidden_sizes=qkv_hidden_sizes, scale=scale,
        unidirectional=unidirectional,
    )  # fmt: skip


def attention_of(
    node: NodeCall,
    projected: Any,
    mask: Any,
    past: Any,
    attention_bias: Any,
    *,
    do_rotary: int,
    mask_filter_value: float,
    num_heads: int,
    past_present_share_buffer: int,
    qkv_hidden_sizes: Any,
    scale: float,
    unidirectional: int,
) -> Any:
    """Attend with queries, keys and values that stand side by side in the last axis."""
    if do_rotary or past_present_share_buffer:
        raise UnsupportedError("Attention is supported without do_rotary and past_present_share_buffer.")
    width = shape_of(projected)[-1] // 3
    cuts = [width, 2 * width] if not qkv_hidden_sizes else [qkv_hidden_sizes[0], sum(qkv_hidden_sizes[:2])]
    query, key, value = (split_heads(part, num_heads) for part in ops.split(projected, cuts, axis=-1))
    if past is not None:
        key, value = _appended(past[0], key), _appended(past[1], value)
    batch, queries, keys, dtype = shape_of(query)[0], shape_of(query)[2], shape_of(key)[2], dtype_name(query)
    biases = [
        mask_bias(_by_lengths(mask, batch, keys), queries, keys, dtype, mask_filter_value),
        causal(queries, keys, dtype) if unidirectional else None,
        attention_bias,
    ]
    made = joined_heads(attended(query, key, value, biases, scale)[0])
    return (made, ops.stack([key, value])) if node.outputs > 1 else made


@operator("MultiHeadAttention", domain=MICROSOFT)
def multi_head_attention(
    query: Any,
    key: Any = None,
    value: Any = None,
    bias: Any = None,
    key_padding_mask: Any = None,
    attention_bias: Any = None,
    past_key: Any = None,
    past_value: Any = None,
    past_length: Any = None,
    cache_indirection: Any = None,
    *,
    mask_filter_value: float = -10000.0,
    num_heads: int,
    scale: float = 0.0,
    unidirectional: int = 0,
) -> Any:
    """Attend with projected queries, keys and values; also return keys and values with the past ones, and the scores."""
    if past_length is not None or cache_indirection is not None:
        raise UnsupportedError("MultiHeadAttention is supported without past_sequence_length and cache_indirection.")
    query, key, value = _three(query, key, value, bias, num_heads)
    key, value = _appended(past_key, key), _appended(past_value, value)
    batch, queries, keys, dtype = shape_of(query)[0], shape_of(query)[2], shape_of(key)[2], dtype_name(query)
    biases = [
        mask_bias(_by_lengths(key_padding_mask, batch, keys), queries, keys, dtype, mask_filter_value),
        causal(queries, keys, dtype) if unidirectional else None,
        attention_bias,
    ]
    made, scores = attended(query, key, value, biases, scale)
    return joined_heads(made), key, value, scores


def _three(query: Any, key: Any, value: Any, bias: Any, heads: int) -> tuple[Any, Any, Any]:
    """Return queries, keys and values (batch, heads, steps, size) with their bias, from the forms that the operator takes."""
    if rank(query) == 5:  # (batch, steps, heads, 3, size)
        parts = [ops.transpose(query[:, :, :, i], (0, 2, 1, 3)) for i in range(3)]
    elif key is not None and rank(key) == 5:  # (batch, steps, heads, 2, size)
        parts = [split_heads(query, heads), *(ops.transpose(key[:, :, :, i], (0, 2, 1, 3)) for i in range(2))]
    else:
        parts = [v if rank(v) == 4 else split_heads(v, heads) for v in (query, key, value)]
    if bias is None:
        return parts[0], parts[1], parts[2]
    widths = [shape_of(p)[1] * shape_of(p)[3] for p in parts]
    pieces = ops.split(bias, [widths[0], widths[0] + widths[1]], axis=0)
    added = [
        ops.add(p, ops.reshape(b, (1, shape_of(p)[1], 1, shape_of(p)[3]))) for p, b in zip(parts, pieces, strict=True)
    ]
    return added[0], added[1], added[2]


# ----- rotary embeddings -----


def rotated(x: Any, positions: Any, cosines: Any, sines: Any, interleaved: int) -> Any:
    """Rotate pairs of elements of (batch, heads, steps, size) by angles that grow with the position.

    Args:
        x: the elements; those beyond twice the width of the tables stay.
        positions: (batch, steps).
        cosines: (positions, pairs).
        sines: (positions, pairs).
        interleaved: whether a pair is two neighbors; otherwise its elements are half the width apart.
    """
    pairs = shape_of(cosines)[1]
    turning, rest = x[..., : 2 * pairs], x[..., 2 * pairs :]
    cosine, sine = (ops.expand_dims(ops.take(table, positions, axis=0), 1) for table in (cosines, sines))
    a, b = (turning[..., 0::2], turning[..., 1::2]) if interleaved else (turning[..., :pairs], turning[..., pairs:])
    turned = [
        ops.subtract(ops.multiply(a, cosine), ops.multiply(b, sine)),
        ops.add(ops.multiply(a, sine), ops.multiply(b, cosine)),
    ]
    shape = shape_of(turning)
    made = ops.reshape(ops.stack(turned, axis=-1), shape) if interleaved else ops.concatenate(turned, axis=-1)
    return made if shape_of(rest)[-1] == 0 else ops.concatenate([made, rest], axis=-1)


@operator("RotaryEmbedding", domain=MICROSOFT)
def rotary_embedding(
    x: Any,
    position_ids: Any,
    cosines: Any,
    sines: Any,
    *,
    interleaved: int = 0,
    is_packed_batching: int = 0,
    num_heads: int = 0,
    rotary_embedding_dim: int = 0,
    scale: float = 1.0,
) -> Any:
    """Rotate pairs of elements of each head by the position; one position is that of the first step."""
    heads_first = rank(x) == 4
    if heads_first:
        parts = x
    else:
        size = shape_of(x)[-1] // num_heads if num_heads else 2 * shape_of(cosines)[1]
        parts = split_heads(x, shape_of(x)[-1] // size)
    batch, steps = shape_of(parts)[0], shape_of(parts)[2]
    positions = position_ids
    if rank(position_ids) == 1:
        positions = ops.add(ops.arange(steps, dtype="int64"), ops.reshape(position_ids, (1, 1)))
        positions = ops.broadcast_to(positions, (batch, steps))
    made = rotated(parts, positions, cosines, sines, interleaved)
    return made if heads_first else joined_heads(made)


# ----- GroupQueryAttention -----


@operator("GroupQueryAttention", domain=MICROSOFT)
def group_query_attention(
    query: Any,
    key: Any = None,
    value: Any = None,
    past_key: Any = None,
    past_value: Any = None,
    seqlens_k: Any = None,
    total_length: Any = None,
    cosines: Any = None,
    sines: Any = None,
    position_ids: Any = None,
    attention_bias: Any = None,
    head_sink: Any = None,
    *refused_inputs: Any,
    causal: int = 1,
    do_rotary: int = 0,
    k_norm_epsilon: float = 1e-6,
    k_quant_type: str = "NONE",
    kv_cache_bit_width: int = 0,
    kv_num_heads: int,
    local_window_size: int = -1,
    num_heads: int,
    q_norm_epsilon: float = 1e-6,
    qk_norm_epsilon: float = 1e-6,
    qk_output: int = 0,
    rotary_interleaved: int = 0,
    scale: float = 0.0,
    sliding_window_cache: int = 0,
    smooth_softmax: int = 0,
    softcap: float = 0.0,
    v_quant_type: str = "NONE",
) -> Any:
    """Attend causally with keys and values that groups of heads share; also return them with the past ones.

    A prompt starts at position 0; other steps follow the `seqlens_k + 1 - steps` past ones of each sample.
    """
    if (
        any(v is not None for v in refused_inputs)
        or kv_cache_bit_width
        or sliding_window_cache
        or qk_output
        or not causal
    ):
        raise UnsupportedError(
            "GroupQueryAttention is supported with a causal mask, and without quantized or sliding caches, normalized queries, and scores."
        )
    if key is None:  # queries, keys and values in one tensor
        size = shape_of(query)[-1] // (num_heads + 2 * kv_num_heads)
        query, key, value = ops.split(query, [num_heads * size, (num_heads + kv_num_heads) * size], axis=-1)
    query, key, value = split_heads(query, num_heads), split_heads(key, kv_num_heads), split_heads(value, kv_num_heads)
    steps = shape_of(query)[2]
    total = ints(total_length, "total_sequence_length")[0]
    lengths = ops.add(ops.reshape(ops.cast(seqlens_k, "int64"), (-1, 1)), 1)
    is_prompt = steps == total
    before = ops.zeros_like(lengths) if is_prompt else ops.subtract(lengths, steps)
    positions = ops.add(ops.arange(steps, dtype="int64"), before)  # (batch, steps)
    if do_rotary:
        places = positions if position_ids is None else position_ids
        query, key = (rotated(v, places, cosines, sines, rotary_interleaved) for v in (query, key))
    key, value = _in_cache(past_key, key, before, total), _in_cache(past_value, value, before, total)
    keys = ops.arange(shape_of(key)[2], dtype="int64")
    visible = ops.less_equal(keys, ops.expand_dims(positions, -1))
    if local_window_size > 0:
        visible = ops.logical_and(
            visible, ops.greater(keys, ops.subtract(ops.expand_dims(positions, -1), local_window_size))
        )
    dtype = dtype_name(query)
    biases = [ops.expand_dims(_hidden(visible, dtype, _lowest(dtype)), 1), _padded(attention_bias, shape_of(key)[2])]
    sink = None
    if head_sink is not None or smooth_softmax:
        sink = ops.zeros((1, 1, 1), dtype=dtype) if head_sink is None else ops.reshape(head_sink, (-1, 1, 1))
    repeats = num_heads // kv_num_heads
    wide = [v if repeats == 1 else ops.repeat(v, repeats, axis=1) for v in (key, value)]
    made, _ = attended(query, wide[0], wide[1], biases, scale, softcap, sink)
    return joined_heads(made), key, value


def _padded(bias: Any, keys: Any) -> Any:
    if bias is None or shape_of(bias)[-1] == keys:
        return bias
    return ops.pad(bias, [(0, 0), (0, 0), (0, 0), (0, keys - shape_of(bias)[-1])])


def _in_cache(past: Any, new: Any, before: Any, total: Any) -> Any:
    """Return (batch, heads, keys, size): the first `before` steps of the past, then the new ones, then zeros."""
    if past is None:
        return new if total == shape_of(new)[2] else _placed(new, before, total)
    size = max(total, shape_of(past)[2])
    kept = ops.pad(past, [(0, 0), (0, 0), (0, size - shape_of(past)[2]), (0, 0)])
    moved = _placed(new, before, size)
    is_past = ops.expand_dims(ops.less(ops.arange(size, dtype="int64"), before), (1, 3))
    return ops.where(is_past, kept, moved)


def _placed(new: Any, before: Any, size: Any) -> Any:
    steps = shape_of(new)[2]
    places = ops.subtract(ops.arange(size, dtype="int64"), before)  # (batch, size)
    inside = ops.logical_and(ops.greater_equal(places, 0), ops.less(places, steps))
    index = ops.expand_dims(ops.clip(places, 0, steps - 1), (1, 3))
    taken = ops.take_along_axis(
        new, ops.broadcast_to(index, (shape_of(new)[0], shape_of(new)[1], size, shape_of(new)[3])), axis=2
    )
    return ops.where(ops.expand_dims(inside, (1, 3)), taken, ops.zeros_like(taken))
