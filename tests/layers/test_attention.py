"""Attention layers: arguments, scores, masks, effects of training. For values compared with Keras see tests/interop."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphkit as gk
from graphkit import layers, ops
from graphkit.core.errors import InvalidArgumentError, ShapeError

RNG = np.random.default_rng(3)


def _drawn(*shape: int) -> Any:
    return RNG.normal(size=shape).astype("float32")


def _paths(layer: layers.Layer) -> list[str]:
    return [v.path.split("/", 1)[1] for v in layer.weights]


def test_the_weights_stand_in_keras_order() -> None:
    layer = layers.MultiHeadAttention(2, 3, use_gate=True)
    layer(_drawn(2, 4, 6), _drawn(2, 5, 6))

    parts = ["query", "key", "gate", "value", "attention_output"]
    assert _paths(layer) == [f"{part}/{name}" for part in parts for name in ("kernel", "bias")]
    assert [v.shape for v in layer.weights[:2]] == [(6, 2, 3), (2, 3)]


def test_the_config_has_keras_keys_in_keras_order() -> None:
    config = layers.MultiHeadAttention(2, 3, output_shape=5, seed=1).get_config()
    assert list(config)[3:12] == [
        "num_heads", "key_dim", "value_dim", "dropout", "use_bias", "use_gate", "output_shape", "attention_axes", "sliding_window",
    ]  # fmt: skip
    assert (config["value_dim"], config["output_shape"], config["attention_axes"]) == (3, (5,), None)
    assert layers.MultiHeadAttention.from_config(config).get_config() == config


def test_grouped_query_attention_bears_keras_public_name_in_files() -> None:
    x = gk.Input((4, 6))
    model = gk.Model(x, layers.GroupQueryAttention(3, 4, 2)(x, x))
    assert [entry["class_name"] for entry in model.get_config()["layers"]] == ["InputLayer", "GroupQueryAttention"]


def test_scores_are_probabilities_that_the_causal_mask_cuts() -> None:
    layer = layers.MultiHeadAttention(2, 3)
    x = _drawn(2, 4, 6)
    output, scores = layer(x, x, return_attention_scores=True, use_causal_mask=True)

    np.testing.assert_allclose(np.sum(scores, -1), 1, rtol=1e-5)
    assert not np.triu(np.asarray(scores), 1).any()
    np.testing.assert_allclose(output, layer(x, x, use_causal_mask=True), rtol=1e-4, atol=1e-5)


def test_an_attention_mask_is_broadcast_over_the_heads() -> None:
    layer = layers.MultiHeadAttention(2, 3)
    x, mask = _drawn(2, 4, 6), np.ones((2, 4, 4), "int32")
    mask[:, :, 2] = 0
    before = layer(x, x, attention_mask=mask)
    x[:, 2] += 1.0  # the mask hides it

    changed = np.abs(np.asarray(layer(x, x, attention_mask=mask)) - before).max((0, 2))
    assert changed[2] > 1e-3
    assert changed[[0, 1, 3]].max() < 1e-5


def test_dropout_acts_in_training_only() -> None:
    layer = layers.MultiHeadAttention(2, 3, dropout=0.5, seed=1)
    x = _drawn(2, 8, 6)
    still = layer(x, x)

    np.testing.assert_array_equal(layer(x, x), still)
    assert np.abs(np.asarray(layer(x, x, training=True)) - still).max() > 1e-3


def test_the_gradient_reaches_all_projections() -> None:
    layer = layers.MultiHeadAttention(2, 3)
    x = _drawn(2, 4, 6)
    layer(x, x)
    _, found = gk.value_and_grad(lambda: ops.sum(ops.square(layer(x, x))), layer.trainable_variables)()
    still = [path for path, g in zip(_paths(layer), found, strict=True) if np.abs(g).max() < 1e-6]
    assert still == ["key/bias"]  # it shifts all scores of a row equally


def test_value_and_key_of_unlike_lengths_are_refused() -> None:
    with pytest.raises(ShapeError, match="`value` and `key`"):
        layers.MultiHeadAttention(2, 3)(_drawn(2, 4, 6), _drawn(2, 5, 6), _drawn(2, 3, 6))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_heads": 0, "key_dim": 2}, "num_heads"),
        ({"num_heads": 2, "key_dim": 2, "sliding_window": 0}, "sliding_window"),
        ({"num_heads": 2, "key_dim": 2, "attention_axes": "x"}, "attention_axes"),
        ({"num_heads": 2, "key_dim": 2, "flash_attention": True, "dropout": 0.1}, "flash attention"),
    ],
)
def test_wrong_arguments_are_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        layers.MultiHeadAttention(**arguments)


def test_query_heads_must_be_a_multiple() -> None:
    with pytest.raises(InvalidArgumentError, match="divisible"):
        layers.GroupQueryAttention(3, 4, 3)


def test_attention_wants_a_list() -> None:
    with pytest.raises(InvalidArgumentError, match=r"must be called on a list"):
        layers.Attention()(_drawn(2, 3, 4))


def test_attention_leaves_out_masked_values_and_queries() -> None:
    query, value = _drawn(1, 2, 3), _drawn(1, 4, 3)
    masks = [np.array([[True, False]]), np.array([[True, True, False, False]])]
    found = layers.Attention()([query, value], mask=masks)

    np.testing.assert_allclose(found[:, :1], layers.Attention()([query[:, :1], value[:, :2]]), rtol=1e-5)
    np.testing.assert_array_equal(found[:, 1], 0)
