"""Recurrent layers: values compared with real Keras, and further guarantees."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphkit as gk
from graphkit import layers, ops
from graphkit.core import nest
from graphkit.core.errors import InvalidArgumentError, ShapeError
from graphkit.core.serialization import deserialize, serialize
from graphkit.models import load_model
from tests import goldens

RNG = np.random.default_rng(3)
KINDS = ("LSTM", "GRU", "SimpleRNN", "RNN", "StackedRNNCells", "LSTMCell", "GRUCell", "SimpleRNNCell")
CASES = sorted(c for c in goldens.cases() if c.split(".")[0] in KINDS)
STATELESS = [c for c in CASES if "stateful" not in c]


@pytest.mark.parametrize("case", CASES)
def test_outputs_are_those_of_keras(case: str) -> None:
    model = load_model(str(goldens.model_file(case)))

    goldens.assert_outputs(case, model(goldens.inputs_of(case)))


def _cosine_loss(outputs: Any) -> Any:
    """Return the loss whose gradients the golden files hold."""
    terms = [
        ops.sum(
            ops.cast(y, "float32") * ops.cos(ops.reshape(ops.arange(int(np.prod(y.shape)), dtype="float32"), y.shape))
        )
        for y in nest.flatten(outputs)
    ]
    return sum(terms[1:], start=terms[0])


@pytest.mark.parametrize("case", [c for c in STATELESS if "gw" in goldens.cases()[c]["records"]])
def test_gradients_are_those_of_keras(case: str) -> None:
    model = load_model(str(goldens.model_file(case)))
    variables = list(model.trainable_variables)

    _, found = gk.value_and_grad(lambda: _cosine_loss(model(goldens.inputs_of(case))), variables)()

    for mine, theirs in zip(found, goldens.numbered(case, "gw_"), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=2e-3, atol=2e-4)


def _sequences(*shape: int) -> np.ndarray[Any, Any]:
    return RNG.normal(size=shape).astype("float32")


@pytest.mark.parametrize("name", ["LSTM", "GRU", "SimpleRNN"])
def test_the_layer_computes_what_a_loop_over_its_cell_does(name: str) -> None:
    x = _sequences(2, 4, 3)
    layer = getattr(layers, name)(5, return_sequences=True)
    whole = layer(x)

    states = [np.zeros((2, 5), "float32")] * len(layer.state_size)
    for step in range(4):
        output, states = layer.cell(x[:, step], states)
        np.testing.assert_allclose(whole[:, step], output, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["LSTM", "GRU", "SimpleRNN"])
@pytest.mark.parametrize(
    "options", [{}, {"go_backwards": True}, {"return_sequences": True}, {"zero_output_for_mask": True}]
)
def test_the_fast_way_and_the_loop_over_the_cell_agree_under_masks(name: str, options: dict[str, Any]) -> None:
    x, mask = _sequences(3, 6, 2), RNG.uniform(size=(3, 6)) > 0.4
    fast = getattr(layers, name)(4, **options)
    y = fast(x, mask=mask)
    loop = layers.RNN(fast.cell, **options)

    np.testing.assert_allclose(y, loop(x, mask=mask), rtol=1e-5, atol=1e-6)


def test_masked_steps_before_the_first_that_counts_give_zeros() -> None:
    layer = layers.GRU(3, return_sequences=True)
    mask = np.array([[False, False, True, True]])

    y = layer(_sequences(1, 4, 2), initial_state=np.ones((1, 3), "float32"), mask=mask)

    np.testing.assert_array_equal(y[0, :2], np.zeros((2, 3)))


def test_the_number_of_steps_may_be_unknown() -> None:
    inputs = gk.Input((None, 3))
    model = gk.Model(inputs, layers.LSTM(4, return_sequences=True)(inputs))

    assert model.output_shape == (None, None, 4)
    assert model(_sequences(2, 7, 3)).shape == (2, 7, 4)
    assert model(_sequences(5, 1, 3)).shape == (5, 1, 4)


def test_initial_states_may_stand_in_the_list_of_inputs() -> None:
    x, h, c = _sequences(2, 4, 3), _sequences(2, 5), _sequences(2, 5)
    layer = layers.LSTM(5)

    np.testing.assert_array_equal(layer([x, h, c]), layer(x, initial_state=[h, c]))


def test_a_stateful_layer_goes_on_where_it_stopped() -> None:
    x = _sequences(2, 6, 3)
    layer = layers.LSTM(4, stateful=True)
    whole = layer(x)
    layer.reset_state()
    layer(x[:, :2])

    np.testing.assert_allclose(layer(x[:, 2:]), whole, rtol=1e-5, atol=1e-6)


def test_a_stateful_layer_refuses_an_unknown_batch() -> None:
    with pytest.raises(ShapeError, match="batch size must be static"):
        layers.LSTM(4, stateful=True)(gk.Input((5, 3)))


def test_unrolling_wants_a_known_number_of_steps() -> None:
    with pytest.raises(ShapeError, match="Cannot unroll"):
        layers.GRU(4, unroll=True)(gk.Input((None, 3)))


@pytest.mark.parametrize("name", ["LSTM", "GRU", "SimpleRNN"])
def test_dropout_acts_in_training_only_and_alike_on_all_steps(name: str) -> None:
    layer = getattr(layers, name)(4, dropout=0.5, recurrent_dropout=0.3, seed=1)
    x = np.ones((8, 5, 6), "float32")

    quiet = layer(x)
    assert np.array_equal(quiet, layer(x, training=False))
    assert not np.allclose(quiet, layer(x, training=True))


def test_a_cell_of_ones_own_runs_in_rnn_and_gets_gradients() -> None:
    class Leaky(layers.Layer):
        state_size = 3

        def build(self, input_shape: Any) -> None:
            self.kernel = self.add_weight(name="kernel", shape=(input_shape[-1], 3))

        def call(self, inputs: Any, states: Any) -> Any:
            state = 0.5 * states[0] + ops.matmul(inputs, self.kernel)
            return state, [state]

    layer = layers.RNN(Leaky(), return_sequences=True)
    x = _sequences(2, 4, 2)
    y = layer(x)
    wanted = np.zeros((2, 3), "float32")
    for step in range(4):
        wanted = 0.5 * wanted + x[:, step] @ layer.cell.kernel.numpy()
        np.testing.assert_allclose(y[:, step], wanted, rtol=1e-5, atol=1e-6)
    _, (gradient,) = gk.value_and_grad(lambda: ops.sum(layer(x)), layer.trainable_variables)()
    weights = 2 - 0.5 ** np.arange(3, -1, -1)
    np.testing.assert_allclose(gradient, np.repeat(np.einsum("t,btn->n", weights, x)[:, None], 3, 1), rtol=1e-4)


def test_stacked_cells_give_their_states_cell_by_cell() -> None:
    layer = layers.RNN([layers.LSTMCell(3), layers.GRUCell(4)], return_state=True)
    output, first, second = layer(_sequences(2, 5, 2))

    assert output.shape == (2, 4)
    assert [s.shape for s in nest.flatten([first, second])] == [(2, 3), (2, 3), (2, 4)]
    assert layer.weights[0].path == "rnn/stacked_rnn_cells/lstm_cell/kernel"


@pytest.mark.parametrize("layer", [
    lambda: layers.LSTM(3, activation="relu", unit_forget_bias=False, zero_output_for_mask=True),
    lambda: layers.GRU(3, reset_after=False, recurrent_dropout=0.1, kernel_regularizer="l2"),
    lambda: layers.SimpleRNN(3, stateful=False, return_state=True),
    lambda: layers.RNN([layers.SimpleRNNCell(2), layers.LSTMCell(3)], go_backwards=True),
])  # fmt: skip
def test_a_config_makes_an_equal_layer(layer: Any) -> None:
    config = serialize(layer())

    assert serialize(deserialize(config)) == config


def test_keras_2_arguments_are_accepted() -> None:
    layer = layers.LSTM(3, implementation=1, time_major=True, input_shape=(5, 2), return_sequences=True)

    assert layer(_sequences(5, 4, 2)).shape == (5, 4, 3)


def test_a_number_of_units_must_be_positive() -> None:
    with pytest.raises(InvalidArgumentError, match="expected a positive integer, got 0"):
        layers.LSTM(0)


def test_a_cell_must_say_its_state_size() -> None:
    with pytest.raises(InvalidArgumentError, match="state_size"):
        layers.RNN(layers.Dense(3))
