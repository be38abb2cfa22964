"""Dot-product attention: the blocked kernel, and the cases that use the general formula."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from graphkit import ops
from graphkit.core.errors import ShapeError
from graphkit.ir.primitive import PRIMITIVES
from graphkit.ops import _attention_kernels as kernels

RNG = np.random.default_rng(5)


def _drawn(*shape: int, scale: float = 1.0) -> Any:
    return (RNG.normal(size=shape) * scale).astype("float32")


def _reference(query: Any, key: Any, value: Any, mask: Any = None) -> Any:
    """Attention by its definition, in float64."""
    scores = np.einsum("btnh,bsnh->bnts", query, key, dtype="float64") / np.sqrt(query.shape[-1])
    scores = scores if mask is None else np.where(mask, scores, -np.inf)
    powers = np.exp(scores - scores.max(-1, keepdims=True))
    return np.einsum("bnts,bsnh->btnh", powers / powers.sum(-1, keepdims=True), value)


@pytest.mark.parametrize("block", [1, 16, 40, 1 << 17])
@pytest.mark.parametrize("masked", [False, True])
def test_blocks_of_any_size_give_the_same_numbers(monkeypatch: pytest.MonkeyPatch, block: int, masked: bool) -> None:
    monkeypatch.setattr(kernels, "BLOCK", block)
    inputs = [RNG.normal(size=s) for s in ((2, 5, 3, 4), (2, 7, 3, 4), (2, 7, 3, 6))]
    mask = [RNG.random((2, 1, 5, 7)) > 0.4] if masked else []
    attention, gradient = PRIMITIVES["attention"], PRIMITIVES["attention_grad"]

    made = attention.evaluate([*inputs, *mask], {"scale": 0.5})
    slopes = gradient.evaluate([RNG.normal(size=(2, 5, 3, 6)), *inputs, *made, *mask], {"scale": 0.5})

    monkeypatch.setattr(kernels, "BLOCK", 1 << 17)
    assert attention.decomposition is not None
    for mine, plain in zip(made, attention.decomposition(*inputs, *mask, scale=0.5), strict=True):
        np.testing.assert_allclose(mine, plain, rtol=1e-9, atol=1e-12)
    assert [s.shape for s in slopes] == [x.shape for x in inputs]


@pytest.mark.parametrize("scale", [1.0, 40.0])
def test_scores_far_from_zero_do_not_overflow(scale: float) -> None:
    query, key, value = _drawn(2, 4, 2, 8, scale=scale), _drawn(2, 6, 2, 8, scale=scale), _drawn(2, 6, 2, 3)
    np.testing.assert_allclose(
        ops.dot_product_attention(query, key, value), _reference(query, key, value), rtol=2e-3, atol=2e-4
    )


def test_a_causal_query_sees_only_what_came_before() -> None:
    query, value = _drawn(1, 4, 1, 2), _drawn(1, 4, 1, 2)
    found = ops.dot_product_attention(query, query, value, is_causal=True)

    np.testing.assert_allclose(found[:, 0], value[:, 0], rtol=1e-5)
    np.testing.assert_allclose(found, _reference(query, query, value, np.tri(4, dtype=bool)), rtol=1e-4, atol=1e-5)


def test_a_query_that_sees_nothing_takes_the_mean() -> None:
    value = _drawn(1, 3, 1, 2)
    found = ops.dot_product_attention(_drawn(1, 2, 1, 2), _drawn(1, 3, 1, 2), value, mask=np.zeros((2, 3), bool))

    np.testing.assert_allclose(found[0, 0, 0], value[0, :, 0].mean(0), rtol=1e-5)


def test_a_bias_is_added_to_the_scores() -> None:
    query, key, value = _drawn(1, 2, 1, 2), _drawn(1, 3, 1, 2), _drawn(1, 3, 1, 2)
    bias = np.where(np.tri(2, 3, dtype=bool), 0, -1e9).astype("float32")

    masked = ops.dot_product_attention(query, key, value, mask=np.tri(2, 3, dtype=bool))
    np.testing.assert_allclose(ops.dot_product_attention(query, key, value, bias=bias), masked, rtol=1e-5)


def test_tensors_without_heads_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"must be \(batch, time, heads, size\)"):
        ops.dot_product_attention(_drawn(2, 3, 4), _drawn(2, 3, 4), _drawn(2, 3, 4))
