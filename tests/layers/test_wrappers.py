"""Bidirectional and TimeDistributed: values compared with real Keras, and further guarantees."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphkit as gk
from graphkit import layers
from graphkit.core.errors import InvalidArgumentError, ShapeError
from graphkit.core.serialization import deserialize, serialize
from graphkit.models import load_model
from tests import goldens

RNG = np.random.default_rng(4)
CASES = sorted(c for c in goldens.cases() if c.split(".")[0] in ("Bidirectional", "TimeDistributed"))


def _sequences(*shape: int) -> np.ndarray[Any, Any]:
    return RNG.normal(size=shape).astype("float32")


@pytest.mark.parametrize("case", CASES)
def test_outputs_are_those_of_keras(case: str) -> None:
    model = load_model(str(goldens.model_file(case)))

    goldens.assert_outputs(case, model(goldens.inputs_of(case)))


@pytest.mark.parametrize(("mode", "width"), [("concat", 6), ("sum", 3), ("mul", 3), ("ave", 3)])
def test_bidirectional_joins_both_directions_in_time_order(mode: str, width: int) -> None:
    x = _sequences(2, 5, 4)
    layer = layers.Bidirectional(layers.GRU(3, return_sequences=True), merge_mode=mode)
    y = layer(x)
    forward, backward = layer.forward_layer(x), layer.backward_layer(x)[:, ::-1]
    joined = {"concat": np.concatenate([forward, backward], -1), "sum": forward + backward, "mul": forward * backward}
    joined["ave"] = joined["sum"] / 2

    assert y.shape == (2, 5, width)
    np.testing.assert_allclose(y, joined[mode], rtol=1e-5, atol=1e-6)


def test_bidirectional_names_its_layers_and_orders_its_weights() -> None:
    layer = layers.Bidirectional(layers.LSTM(2, name="reader"))
    layer.build((None, 4, 3))

    assert [w.path for w in layer.weights] == [
        f"bidirectional/{side}_reader/lstm_cell/{name}"
        for side in ("forward", "backward")
        for name in ("kernel", "recurrent_kernel", "bias")
    ]


def test_bidirectional_gives_the_states_forward_first() -> None:
    layer = layers.Bidirectional(layers.LSTM(2, return_state=True), merge_mode=None)
    x = _sequences(2, 4, 3)
    results = layer(x)
    wanted = [*layer.forward_layer(x), *layer.backward_layer(x)]

    assert len(results) == 6
    for index, mine in zip((0, 3, 1, 2, 4, 5), results, strict=True):
        np.testing.assert_array_equal(mine, wanted[index])


def test_bidirectional_refuses_two_layers_that_go_the_same_way() -> None:
    with pytest.raises(InvalidArgumentError, match="different `go_backwards`"):
        layers.Bidirectional(layers.GRU(2), backward_layer=layers.GRU(2))


def test_bidirectional_refuses_an_unknown_merge_mode() -> None:
    with pytest.raises(InvalidArgumentError, match="Invalid merge mode"):
        layers.Bidirectional(layers.GRU(2), merge_mode="max")


def test_bidirectional_refuses_a_layer_without_direction() -> None:
    with pytest.raises(InvalidArgumentError, match="recurrent layer"):
        layers.Bidirectional(layers.Dense(2))


def test_time_distributed_applies_the_layer_to_each_step() -> None:
    x = _sequences(2, 4, 6, 6, 3)
    layer = layers.TimeDistributed(layers.Conv2D(2, 3))
    y = layer(x)

    assert y.shape == (2, 4, 4, 4, 2)
    for step in range(4):
        np.testing.assert_allclose(y[:, step], layer.layer(x[:, step]), rtol=1e-5, atol=1e-5)


def test_time_distributed_takes_a_model_and_unknown_sizes() -> None:
    inner_input = gk.Input((3,))
    inner = gk.Model(inner_input, layers.Dense(2)(layers.Dense(4, activation="relu")(inner_input)))
    inputs = gk.Input((None, 3))
    model = gk.Model(inputs, layers.TimeDistributed(inner)(inputs))
    x = _sequences(2, 5, 3)

    assert model.output_shape == (None, None, 2)
    np.testing.assert_allclose(model(x), inner(x.reshape(10, 3)).reshape(2, 5, 2), rtol=1e-5, atol=1e-6)


def test_time_distributed_wants_a_time_axis() -> None:
    with pytest.raises(ShapeError, match="at least 3 dimensions"):
        layers.TimeDistributed(layers.Dense(2))(gk.Input((3,)))


def test_time_distributed_refuses_a_mask_of_other_steps() -> None:
    with pytest.raises(ShapeError, match="incompatible with the input shape"):
        layers.TimeDistributed(layers.Dense(2))(_sequences(2, 4, 3), mask=np.ones((2, 5), bool))


def test_a_wrapper_wants_a_layer() -> None:
    with pytest.raises(InvalidArgumentError, match="layer instance"):
        layers.TimeDistributed("dense")


@pytest.mark.parametrize("layer", [
    lambda: layers.Bidirectional(layers.LSTM(2), backward_layer=layers.GRU(2, go_backwards=True), merge_mode="sum"),
    lambda: layers.TimeDistributed(layers.Bidirectional(layers.SimpleRNN(2))),
])  # fmt: skip
def test_a_config_makes_an_equal_layer(layer: Any) -> None:
    config = serialize(layer())

    assert serialize(deserialize(config)) == config
