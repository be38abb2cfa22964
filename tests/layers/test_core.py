"""Dense, Activation, Dropout, Embedding, Masking, and what every layer inherits."""

from __future__ import annotations

import numpy as np
import pytest

import graphkit as gk
from graphkit import layers, models, ops
from graphkit.errors import InvalidArgumentError, InvalidTypeError, ShapeError


def test_dense_is_a_product_and_a_bias() -> None:
    layer = layers.Dense(3, activation="relu", bias_initializer="ones")
    x = np.random.default_rng(0).normal(size=(5, 4)).astype("float32")

    y = layer(x)

    kernel, bias = layer.get_weights()
    np.testing.assert_allclose(y, np.maximum(x @ kernel + bias, 0), rtol=1e-6)
    assert [w.path for w in layer.weights] == ["dense/kernel", "dense/bias"]


def test_dense_works_over_the_last_axis_of_any_rank() -> None:
    layer = layers.Dense(3, use_bias=False)
    x = np.random.default_rng(0).normal(size=(2, 5, 4)).astype("float32")

    np.testing.assert_allclose(layer(x), x @ layer.get_weights()[0], rtol=1e-5, atol=1e-6)


def test_dropout_does_nothing_at_inference_and_keeps_the_mean_in_training() -> None:
    layer = layers.Dropout(0.25, seed=3)
    x = np.ones((200, 100), "float32")

    np.testing.assert_array_equal(layer(x), x)
    y = layer(x, training=True)
    assert set(np.unique(y).round(5)) == {0.0, np.float32(4 / 3).round(5)}
    assert abs(float(y.mean()) - 1) < 0.02
    assert (layer(x, training=True) != y).any(), "two calls must not drop the same elements"


def test_embedding_gives_rows_and_masks_zero() -> None:
    layer = layers.Embedding(5, 2, mask_zero=True)
    indices = layers.Input((3,), dtype="int32")

    embedded = layer(indices)

    assert embedded.shape == (None, 3, 2)
    assert embedded.mask.shape == (None, 3)
    assert embedded.mask.history.operation.class_name == "NotEqual"
    np.testing.assert_array_equal(layer(np.array([[1, 0, 4]])), layer.get_weights()[0][[[1, 0, 4]]])


def test_masking_zeroes_masked_steps_and_sets_the_mask() -> None:
    source = layers.Input((3, 2))
    masked = layers.Masking(mask_value=9.0)(source)
    model = models.Model(source, [masked, ops.cast(masked.mask, "float32")])
    x = np.array([[[1, 2], [9, 9], [9, 1]]], "float32")

    values, mask = model(x)

    np.testing.assert_array_equal(values, [[[1, 2], [0, 0], [9, 1]]])
    np.testing.assert_array_equal(mask, [[1, 0, 1]])


def test_activity_regularizer_adds_to_the_losses_of_the_call_per_sample() -> None:
    layer = layers.ActivityRegularization(l2=0.5)

    def penalty(x: object) -> object:
        layer(x)
        return sum(layer.losses[1:], layer.losses[0])

    x = np.array([[1.0, 2.0], [0.0, 3.0]], "float32")
    value, _ = gk.value_and_grad(penalty, [])(x)
    np.testing.assert_allclose(value, 0.5 * (1 + 4 + 9) / 2)  # the mean over the batch


def test_config_is_read_off_the_constructor() -> None:
    layer = layers.Dense(3, activation="gelu", kernel_regularizer="l2", name="d", trainable=False)

    config = layer.get_config()

    assert config["units"] == 3
    assert config["activation"] == "gelu"
    assert config["trainable"] is False
    assert config["kernel_regularizer"]["class_name"] == "L2"
    again = layers.Dense.from_config(config)
    assert again.get_config() == config


def test_trainable_reaches_the_layers_inside() -> None:
    inner = models.Sequential([layers.Input((4,)), layers.Dense(2)])
    outer = models.Sequential([inner, layers.Dense(1)])

    inner.trainable = False

    assert [w.path for w in outer.trainable_weights] == ["sequential_1/dense_1/kernel", "sequential_1/dense_1/bias"]
    assert len(outer.weights) == 4


def test_set_weights_changes_nothing_unless_all_fit() -> None:
    layer = layers.Dense(2)
    layer.build((None, 3))
    before = layer.get_weights()

    with pytest.raises(ShapeError, match="dense/bias"):
        layer.set_weights([np.ones((3, 2)), np.ones(5)])

    np.testing.assert_array_equal(layer.get_weights()[0], before[0])


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: layers.Dense(0), InvalidArgumentError, "units"),
        (lambda: layers.Dense(2, activaton="relu"), InvalidTypeError, "Did you mean 'activation'"),
        (lambda: layers.Dropout(2), InvalidArgumentError, "between 0 and 1"),
        (lambda: layers.Dense(2)(layers.Input((None,))), ShapeError, "must be known"),
    ],
)
def test_wrong_arguments_are_named(make: object, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()  # type: ignore[operator]


def test_custom_layer_traces_like_our_own() -> None:
    class Scale(layers.Layer):
        def build(self, input_shape: object) -> None:
            self.factor = self.add_weight(shape=(), initializer="ones", name="factor")

        def call(self, inputs: object) -> object:
            return inputs * self.factor  # type: ignore[operator]

    source = layers.Input((3,))
    model = models.Model(source, Scale()(source))
    model.layers[1].factor.assign(2.5)

    np.testing.assert_allclose(model(np.ones((2, 3))), 2.5)
    _, (gradient,) = gk.value_and_grad(lambda: ops.sum(model(np.ones((2, 3), "float32"))), model.trainable_weights)()
    assert float(gradient) == 6.0


def test_layers_of_keras_applications_are_known_by_their_modules() -> None:
    config = {
        "module": "keras.src.applications.convnext",
        "class_name": "LayerScale",
        "config": {"name": "scale", "init_values": 0.5, "projection_dim": 3},
        "registered_name": "LayerScale",
    }
    from graphkit.core.serialization import deserialize, envelope

    scale = deserialize(config)
    np.testing.assert_array_equal(scale(np.ones((2, 3), "float32")), np.full((2, 3), 0.5))
    assert envelope(scale)["module"] == config["module"]
    assert envelope(scale)["registered_name"] == "LayerScale"
    joined = layers.CustomScaleLayer(scale=0.1)([np.ones((1, 2), "float32"), np.ones((1, 2), "float32")])
    np.testing.assert_allclose(joined, 1.1)


def test_a_misspelt_argument_of_add_weight_is_named() -> None:
    layer = layers.Layer(name="mine")

    with pytest.raises(InvalidTypeError, match=r"'mine' does not accept \['initialiser'\]. Did you mean 'initializer'"):
        layer.add_weight(shape=(2,), initialiser="zeros")
    assert layer.add_weight(shape=(2,), aggregation="mean", name="w").shape == (2,)
