"""Members of layers that Keras documents beside `call` and `build`, and behaviour that its protocol for layers expects."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphkit
from graphkit import layers, ops
from graphkit.errors import InvalidArgumentError, InvalidTypeError, UnsupportedError

X = np.linspace(-1, 1, 24).reshape(2, 4, 3).astype("float32")


@pytest.mark.parametrize("policy", ["mixed_float16", "bfloat16", "float64"])
def test_a_loop_runs_cells_of_another_policy(policy: str) -> None:
    loop = layers.RNN([layers.LSTMCell(3), layers.GRUCell(2)], return_state=True, return_sequences=True, dtype=policy)
    output, *states = loop(X)

    assert str(output.dtype) == loop.compute_dtype
    assert [str(s.dtype) for s in graphkit.tree.flatten(states)] == [loop.compute_dtype] * 3


def test_weights_of_a_frozen_layer_are_not_trainable() -> None:
    layer = layers.Dense(2, trainable=False)
    layer.build((None, 3))

    assert (layer.kernel.trainable, layer.trainable_weights) == (False, [])
    layer.trainable = True
    assert (layer.kernel.trainable, len(layer.trainable_weights)) == (True, 2)
    normalization = layers.BatchNormalization()
    normalization.build((None, 3))
    normalization.trainable = False
    normalization.trainable = True
    assert [w.name for w in normalization.trainable_weights] == [
        "gamma",
        "beta",
    ]  # the moving statistics stay as they were


def test_reshape_has_nothing_to_build() -> None:
    assert layers.Reshape((2, 3)).built


@pytest.mark.parametrize("size", ["a", None, (2,), (2, 3, 4), 2.5])
def test_sizes_of_adaptive_pooling_have_a_type(size: Any) -> None:
    with pytest.raises(TypeError, match="must be an integer or a tuple of 2 integers"):
        layers.AdaptiveMaxPooling2D(size)


def test_an_axis_of_another_type_is_a_type_error() -> None:
    with pytest.raises(InvalidTypeError, match="Expected an int or a list/tuple of ints for the argument 'axis'"):
        layers.LayerNormalization(axis="a")


class Counting(layers.LSTM):
    """Runs the sequence in its own way."""

    def inner_loop(self, sequences: Any, initial_state: Any, mask: Any, training: bool = False) -> Any:
        last, outputs, states = super().inner_loop(sequences, initial_state, mask, training)
        return last * 2, outputs * 2, states


@pytest.mark.parametrize("kwargs", [{}, {"return_sequences": True}, {"return_state": True}])
def test_inner_loop_is_a_hook(kwargs: dict[str, Any]) -> None:
    plain, own = layers.LSTM(3, **kwargs), Counting(3, **kwargs)
    for layer in (plain, own):
        layer.build(X.shape)
    own.set_weights(plain.get_weights())
    first, second = (graphkit.tree.flatten(layer(X)) for layer in (plain, own))

    np.testing.assert_allclose(second[0], np.asarray(first[0]) * 2, rtol=1e-6)
    for state, other in zip(first[1:], second[1:], strict=True):
        np.testing.assert_allclose(state, other, rtol=1e-6)


def test_inner_loop_returns_the_last_output_all_outputs_and_the_states() -> None:
    layer = layers.GRU(3, return_sequences=True)
    layer.build(X.shape)
    last, outputs, states = layer.inner_loop(X, [np.zeros((2, 3), "float32")], None)

    np.testing.assert_allclose(outputs, layer(X), rtol=1e-6)
    np.testing.assert_allclose(last, np.asarray(outputs)[:, -1])
    np.testing.assert_allclose(states[0], last)


def test_cells_may_be_told_to_forget_their_masks() -> None:
    cell = layers.LSTMCell(2, dropout=0.5)
    cell.reset_dropout_mask()
    cell.reset_recurrent_dropout_mask()


def test_members_of_every_layer() -> None:
    layer = layers.Dense(2, dtype="mixed_float16")

    assert (layer.input_dtype, layer.metrics_variables) == ("float16", [])
    with pytest.raises(NotImplementedError, match="add_metric"):
        layer.add_metric("accuracy")
    with pytest.raises(UnsupportedError, match="quantized_build"):
        layers.ReLU().quantized_build((2, 3), "int8")
    with pytest.raises(InvalidArgumentError, match="quantized_call"):
        layer.quantized_call(X)


class WithMetric(layers.Layer):
    """Holds a metric."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = graphkit.metrics.Mean()

    def call(self, inputs: Any) -> Any:
        return inputs


def test_variables_of_metrics() -> None:
    assert [v.name for v in WithMetric().metrics_variables] == ["total", "count"]


def test_a_quantized_layer_answers_quantized_call_and_names_its_weights() -> None:
    layer = layers.Dense(2)
    layer.build((None, 3))
    layer.quantize("int8")

    np.testing.assert_allclose(layer.quantized_call(X), layer(X))
    assert layer.variable_serialization_spec[None] == ["kernel", "bias"]
    assert layer.variable_serialization_spec["int8"] == ["kernel", "bias", "kernel_scale"]
    assert layers.Embedding(3, 2).variable_serialization_spec["int4"] == [
        "embeddings", "embeddings_scale", "embeddings_zero", "g_idx",
    ]  # fmt: skip


def test_quantized_build_creates_the_weights() -> None:
    layer = layers.Dense(2)
    layer.built = True
    layer.quantized_build((3, 2), "int8")

    assert sorted(w.name for w in layer.weights) == ["kernel", "kernel_scale"]


def test_the_weights_that_spectral_normalization_computes() -> None:
    layer = layers.SpectralNormalization(layers.Dense(2), power_iterations=20)
    layer.build((None, 3))
    vector, kernel = layer.normalized_weights()

    assert vector.shape == (1, 2)
    np.testing.assert_allclose(np.linalg.svd(np.asarray(kernel))[1][0], 1.0, rtol=1e-3)


def test_members_of_preprocessing_layers() -> None:
    mel = layers.MelSpectrogram().linear_to_mel_weight_matrix(4, 9)

    assert (mel.shape, mel.dtype) == ((9, 4), np.float32)
    assert layers.Discretization([0.0]).output_dtype == "int32"
    assert layers.Discretization([0.0], output_mode="one_hot").output_dtype == "float32"
    np.testing.assert_array_equal(layers.Rescaling(2.0).convert_weight([1.0, 2.0]), [1.0, 2.0])
    normalization = layers.Normalization()
    normalization.adapt(X)
    normalization.finalize_state()
    np.testing.assert_allclose(np.ravel(normalization.mean), X.mean(axis=(0, 1)), rtol=1e-5, atol=1e-6)


class Cell(layers.Layer):
    """A cell that is not registered."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.state_size = 3

    def call(self, inputs: Any, states: Any) -> Any:
        return states[0] + 1.0, [states[0] + 1.0]


@pytest.mark.parametrize(
    "layer",
    [
        lambda: layers.RNN(Cell()),
        lambda: layers.Bidirectional(layers.RNN(Cell())),
        lambda: layers.StackedRNNCells([Cell()]),
        lambda: layers.TimeDistributed(Cell()),
        lambda: layers.Wrapper(Cell()),
    ],
)
def test_custom_objects_are_given_to_from_config(layer: Any) -> None:
    made = layer()
    again = type(made).from_config(made.get_config(), custom_objects={"Cell": Cell})

    assert again.get_config() == made.get_config()


def double(x: Any) -> Any:
    """Return twice the input."""
    return ops.multiply(x, 2.0)


def test_a_lambda_gets_its_function_from_custom_objects() -> None:
    config = layers.Lambda(double, name="twice").get_config()
    again = layers.Lambda.from_config(config, custom_objects={"double": double}, safe_mode=True)

    np.testing.assert_allclose(again(X), X * 2)


@pytest.mark.parametrize(
    "layer",
    [
        lambda: layers.Reshape((4, 3)),
        lambda: layers.Permute((1, 2)),
        lambda: layers.ZeroPadding1D(0),
        lambda: layers.Cropping1D(0),
        lambda: layers.UpSampling1D(1),
    ],
)
def test_a_layer_without_masks_drops_them_where_it_changes_nothing(layer: Any) -> None:
    changes_nothing = layer()
    x = np.where(np.arange(24).reshape(2, 4, 3) < 18, X, 0).astype("float32")

    np.testing.assert_array_equal(changes_nothing(x), x)
    inputs = layers.Input((4, 3))
    outputs = layers.LSTM(2)(changes_nothing(layers.Masking()(inputs)))
    model = graphkit.Model(inputs, outputs)
    without = graphkit.Model(inputs, model.layers[-1](inputs))
    np.testing.assert_allclose(model(x), without(x), rtol=1e-6)
    np.testing.assert_allclose(model.predict(x, verbose=0), without(x), rtol=1e-5)


def test_a_reshape_that_may_not_fit() -> None:
    inputs = layers.Input((None, 2))
    model = graphkit.Model(inputs, layers.Reshape((3, -1))(inputs))

    assert model.output_shape == (None, 3, None)
    assert model(np.zeros((4, 6, 2))).shape == (4, 3, 4)
    with pytest.raises(ValueError, match="reshape"):
        model(np.zeros((4, 5, 2)))


@pytest.mark.parametrize(
    "layer",
    [lambda: layers.Dense(3), lambda: layers.Conv1D(3, 2), lambda: layers.Embedding(5, 3)],
    ids=["dense", "conv", "embedding"],
)
def test_weights_of_lora_are_named_under_the_layer(layer: Any) -> None:
    made = layer()
    made.build((2, 4, 3))
    made.enable_lora(2)

    assert all(w.path.count("/") == 1 for w in made.weights)
    assert [w.path.split("/")[1] for w in made.weights][-2:] == [f"lora_{made.main}_a", f"lora_{made.main}_b"]


@pytest.mark.parametrize("given", [[1, 2], [[1.0, 2.0]], 3.0])
def test_layers_are_called_on_tensors(given: Any) -> None:
    with pytest.raises(ValueError, match="Only input tensors may be passed as positional arguments"):
        layers.Dense(2)(given)
    np.testing.assert_array_equal(layers.Rescaling(2.0)(given), np.multiply(given, 2.0))
