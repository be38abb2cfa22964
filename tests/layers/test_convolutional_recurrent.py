"""ConvLSTM layers: values compared with a plain NumPy loop, states, masks, config, errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from graphkit import layers, models, ops
from graphkit.errors import InvalidArgumentError, ShapeError

SIZES = {1: (6,), 2: (5, 6), 3: (4, 5, 3)}
ranks = pytest.mark.parametrize("rank", [1, 2, 3])


def _layer(rank: int, **config: Any) -> Any:
    return getattr(layers, f"ConvLSTM{rank}D")(2, 3, **config)


def _sequence(rank: int) -> Any:
    return np.random.default_rng(rank).normal(size=(2, 4, *SIZES[rank], 3)).astype(np.float32)


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def _loop(layer: Any, x: Any, padding: str, mask: Any = None) -> list[Any]:
    """Compute all outputs, step by step."""
    kernel, recurrent, bias = layer.get_weights()
    h = c = None
    outputs = []
    for t in range(x.shape[1]):
        gates = np.asarray(ops.conv(x[:, t], kernel, 1, padding)) + bias
        if h is None:
            h = c = np.zeros((*gates.shape[:-1], 2), np.float32)
        i, f, g, o = np.split(gates + np.asarray(ops.conv(h, recurrent, 1, "same")), 4, axis=-1)
        new_c = _sigmoid(f) * c + _sigmoid(i) * np.tanh(g)
        new_h = _sigmoid(o) * np.tanh(new_c)
        on = np.ones(len(x), bool) if mask is None else mask[:, t]
        on = on.reshape(-1, *[1] * (new_h.ndim - 1))
        h, c = np.where(on, new_h, h), np.where(on, new_c, c)
        outputs.append(h)
    return outputs


@ranks
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_the_sequence_is_that_of_a_loop(rank: int, padding: str) -> None:
    layer, x = _layer(rank, padding=padding, return_sequences=True), _sequence(rank)
    made = np.asarray(layer(x))
    np.testing.assert_allclose(made, np.stack(_loop(layer, x, padding), axis=1), rtol=1e-4, atol=1e-5)


@ranks
def test_last_states(rank: int) -> None:
    layer, x = _layer(rank, return_state=True), _sequence(rank)
    output, h, c = (np.asarray(v) for v in layer(x))
    np.testing.assert_array_equal(output, h)
    assert c.shape == h.shape == (2, *(s - 2 for s in SIZES[rank]), 2)


def test_masked_steps_leave_the_state() -> None:
    layer, x = _layer(2), _sequence(2)
    mask = np.array([[True, True, False, False], [False, True, True, True]])
    np.testing.assert_allclose(layer(x, mask=mask), _loop(layer, x, "valid", mask)[-1], rtol=1e-4, atol=1e-5)


@ranks
def test_channels_first_is_the_same_turned(rank: int) -> None:
    x = _sequence(rank)
    last, first = _layer(rank), _layer(rank, data_format="channels_first")
    last.build(x.shape)
    turned = np.moveaxis(x, -1, 2)
    first.build(turned.shape)
    first.set_weights(last.get_weights())
    np.testing.assert_allclose(np.moveaxis(np.asarray(first(turned)), 1, -1), last(x), rtol=1e-4, atol=1e-5)


@ranks
def test_config(rank: int) -> None:
    layer = _layer(rank, strides=2, dropout=0.1, return_sequences=True)
    config = layer.get_config()
    assert type(layer).from_config(config).get_config() == config
    assert config["kernel_size"] in ([3] * rank, (3,) * rank)
    assert "cell" not in config


def test_it_trains() -> None:
    model = models.Sequential(
        [layers.Input((4, 5, 6, 3)), _layer(2, dropout=0.2, recurrent_dropout=0.2), layers.Flatten(), layers.Dense(1)]
    )
    model.compile("adam", "mse")
    losses = model.fit(_sequence(2), np.ones((2, 1), np.float32), epochs=8, verbose=0).history["loss"]
    assert losses[-1] < losses[0]


def test_sizes_must_be_known() -> None:
    with pytest.raises(ShapeError, match="only support static input shapes"):
        _layer(2)(layers.Input((4, None, 6, 3)))


def test_strides_and_dilation_exclude_each_other() -> None:
    with pytest.raises(InvalidArgumentError, match="is not compatible with `dilation_rate > 1`"):
        _layer(1, strides=2, dilation_rate=2)
