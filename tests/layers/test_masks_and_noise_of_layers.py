"""Masks through merging layers, dropout within recurrent layers and attention, clipped corrections of renormalization."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphkit
from graphkit import layers

A = np.array([[1, 2, 0, 0], [3, 0, 0, 0]])
B = np.array([[1, 0, 0, 4], [3, 5, 0, 0]])


def masks_of(layer: Any, masked: tuple[bool, bool] = (True, True)) -> Any:
    """Return the mask of a merging layer's output for two embedded inputs."""
    seen: list[Any] = []

    class Look(layers.Layer):
        supports_masking = True

        def call(self, inputs: Any, mask: Any = None) -> Any:
            seen.append(mask)
            return (
                inputs if mask is None else inputs * graphkit.ops.cast(graphkit.ops.expand_dims(mask, -1), inputs.dtype)
            )

    x, y = graphkit.Input((4,), dtype="int32"), graphkit.Input((4,), dtype="int32")
    embedded = [
        layers.Embedding(9, 2, mask_zero=flag, embeddings_initializer="ones")(t)
        for flag, t in zip(masked, (x, y), strict=True)
    ]
    made: Any = graphkit.Model([x, y], Look()(layer(embedded)))
    out = np.asarray(made([A, B]))
    return None if seen[0] is None else (out != 0).any(-1)


@pytest.mark.parametrize("kind", ["Add", "Average", "Multiply", "Maximum", "Minimum"])
def test_a_merged_step_counts_if_it_does_in_any_input(kind: str) -> None:
    found = masks_of(getattr(layers, kind)())
    wanted = (A != 0) | (B != 0)
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("kind", ["Add", "Average"])
def test_an_input_without_a_mask_lets_all_steps_count(kind: str) -> None:
    assert masks_of(getattr(layers, kind)(), (True, False)) is None


def test_features_joined_of_two_inputs_count_where_one_does() -> None:
    np.testing.assert_array_equal(masks_of(layers.Concatenate(axis=-1)), (A != 0) | (B != 0))  # as in Keras 3.15


def test_steps_joined_of_two_inputs_keep_their_masks() -> None:
    found = masks_of(layers.Concatenate(axis=1))
    np.testing.assert_array_equal(found, np.concatenate([A != 0, B != 0], axis=1))


@pytest.mark.parametrize("kind", ["SimpleRNN", "GRU", "LSTM"])
def test_one_dropout_of_the_inputs_serves_all_steps(kind: str) -> None:
    """A cell without state returns the same output at each time step if the same features are dropped."""
    layer = getattr(layers, kind)(6, dropout=0.5, recurrent_initializer="zeros", return_sequences=True, seed=1)
    x = np.ones((40, 5, 8), "float32")
    layer(x)
    state_free = layers.SimpleRNN(6, dropout=0.5, recurrent_initializer="zeros", return_sequences=True, seed=1)
    made = np.asarray(state_free(x, training=True))

    np.testing.assert_allclose(made, np.broadcast_to(made[:, :1], made.shape), rtol=1e-5)
    assert not np.allclose(made[0, 0], made[1, 0])
    sequence = np.asarray(layer(x, training=True))
    assert not np.allclose(sequence, layer(x))


@pytest.mark.parametrize("kind", ["GRU", "LSTM"])
def test_gated_layers_drop_the_same_inputs_at_each_step(kind: str) -> None:
    """With the identity as input, the outputs show which features were kept; with all weights but one gate 0, the sum grows evenly."""
    layer = getattr(layers, kind)(
        1, dropout=0.5, recurrent_initializer="zeros", use_bias=False, return_sequences=True, seed=2
    )
    x = np.ones((60, 6, 4), "float32")
    layer(x)
    longer = np.asarray(layer(x, training=True))
    shorter = np.asarray(layer(x, training=False))
    groups = {tuple(np.round(row, 5)) for row in longer[:, :, 0]}
    assert 2 <= len(groups) <= 2**4  # one trajectory for each set of kept features, not for each sample
    assert len({tuple(np.round(row, 5)) for row in shorter[:, :, 0]}) == 1


def test_attention_returns_its_scores_before_dropout() -> None:
    layer = layers.MultiHeadAttention(2, 4, dropout=0.9, seed=1)
    x = np.random.default_rng(0).normal(size=(2, 5, 8)).astype("float32")
    layer(x, x)
    output, scores = layer(x, x, return_attention_scores=True, training=True)
    plain, wanted = layer(x, x, return_attention_scores=True)

    np.testing.assert_allclose(scores, wanted, rtol=1e-5)
    np.testing.assert_allclose(np.asarray(scores).sum(-1), 1, rtol=1e-5)
    assert not np.allclose(output, plain)


@pytest.mark.parametrize("limits", [{"rmin": 0.8, "rmax": 1.25, "dmax": 0.1}, {"rmax": 1.1, "dmax": 0.3}, {}])
def test_renormalization_clips_its_corrections(limits: dict[str, float]) -> None:
    x = np.array([[1.0, -9.0], [5.0, -7.0], [3.0, -2.0]], "float32")
    layer = layers.BatchNormalization(renorm=True, renorm_clipping=limits or None, epsilon=1e-3)
    layer.build((None, 2))
    names = [w.path.split("/")[-1] for w in layer.weights]
    values = dict(zip(names, layer.get_weights(), strict=True))
    values["renorm_mean"], values["renorm_stddev"] = np.array([1.0, 1.0]), np.array([0.5, 9.0])
    layer.set_weights([values[n] for n in names])

    made = np.asarray(layer(x, training=True))

    mean, deviation = x.mean(0), np.sqrt(x.var(0) + 1e-3)
    r = np.clip(deviation / [0.5, 9.0], limits.get("rmin", 0.0), limits.get("rmax", np.inf))
    d = np.clip((mean - 1.0) / [0.5, 9.0], -limits.get("dmax", np.inf), limits.get("dmax", np.inf))
    np.testing.assert_allclose(made, (x - mean) / deviation * r + d, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("wrapper", [layers.TimeDistributed, lambda inner: inner], ids=["each step", "at once"])
def test_a_wrapped_layer_is_told_whether_it_trains(wrapper: Any) -> None:
    layer = wrapper(layers.Dropout(0.5, seed=1))
    x = np.ones((4, 5, 6), "float32")
    assert (np.asarray(layer(x, training=True)) == 0).any()
    np.testing.assert_array_equal(layer(x, training=False), x)
    np.testing.assert_array_equal(layer(x), x)


@pytest.mark.parametrize("kind", ["SimpleRNN", "GRU", "LSTM"])
def test_states_of_both_directions_are_kept_and_reset(kind: str) -> None:
    layer = layers.Bidirectional(getattr(layers, kind)(3, stateful=True))
    x = np.random.default_rng(0).normal(size=(2, 4, 5)).astype("float32")
    first = np.asarray(layer(x))
    second = np.asarray(layer(x))
    layer.reset_state()

    assert not np.allclose(second[:, :3], first[:, :3])
    assert not np.allclose(second[:, 3:], first[:, 3:])
    np.testing.assert_allclose(layer(x), first, rtol=1e-6)
