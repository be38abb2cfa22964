"""Quantisation and LoRA: their effect on weights, programs, gradients and files; misuse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphkit as gk
from graphkit import layers, quantizers
from graphkit.errors import InvalidArgumentError, UnsupportedError

X = np.random.default_rng(0).normal(size=(3, 6)).astype("float32")


def small_model(**arguments: Any) -> Any:
    inputs = gk.Input((6,))
    return gk.Model(inputs, layers.Dense(4, name="head", **arguments)(inputs))


@pytest.mark.parametrize(("mode", "error"), [("int8", 0.03), ("int4", 0.3), ("float8", 0.2)])
def test_a_quantised_layer_is_near_the_float_one_in_engine_and_onnxruntime(mode: str, error: float) -> None:
    model = small_model()
    exact = model(X)
    model.predict(X, verbose=0)  # keeps a session

    model.get_layer("head").quantize(mode)

    rounded = model(X)
    assert 0 < np.abs(rounded - exact).max() < error
    np.testing.assert_allclose(model.predict(X, verbose=0), rounded, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(small_model_again(model)(X), rounded, rtol=1e-6, atol=1e-6)


def small_model_again(model: Any) -> Any:
    again = gk.models.model_from_json(model.to_json())
    for mine, theirs in zip(again.weights, sorted_like(model.weights, again.weights), strict=True):
        mine.assign(theirs)
    return again


def sorted_like(weights: Any, order: Any) -> list[Any]:
    """After loading, float8 has its weights in another order, as in Keras."""
    named = {w.path: w.numpy() for w in weights}
    return [named[w.path] for w in order]


def test_the_gradient_of_the_inputs_is_that_of_the_kernel_as_floats() -> None:
    model = small_model()
    model.quantize("int8", filters="head")
    layer, x = model.get_layer("head"), gk.Variable(X)

    _, (gradient,) = gk.value_and_grad(lambda: gk.ops.sum(model(x)), [x])()

    kernel = layer.kernel.numpy() / layer.kernel_scale.numpy()
    np.testing.assert_allclose(gradient, np.tile(kernel.sum(axis=1), (3, 1)), rtol=1e-5)


def test_the_bias_alone_is_trained_beside_an_int8_kernel() -> None:
    model = small_model()
    model.quantize("int8", filters="head")
    kernel, bias = (w.numpy() for w in (model.get_layer("head").kernel, model.get_layer("head").bias))
    model.compile("sgd", "mse")

    model.fit(X, np.ones((3, 4)), verbose=0)

    assert [w.path for w in model.trainable_weights] == ["head/bias"]
    np.testing.assert_array_equal(model.get_layer("head").kernel.numpy(), kernel)
    assert np.all(model.get_layer("head").bias.numpy() != bias)


def test_lora_trains_the_update_and_leaves_the_kernel(tmp_path: Path) -> None:
    model = small_model()
    layer = model.get_layer("head")
    kernel, before = layer.kernel.numpy(), model(X)
    layer.enable_lora(2, lora_alpha=4)
    np.testing.assert_array_equal(model(X), before)
    model.compile("sgd", "mse")

    model.fit(X, np.ones((3, 4)), verbose=0, epochs=3)

    a, b = (w.numpy() for w in layer.lora_weights)
    np.testing.assert_array_equal(layer._kernel.numpy(), kernel)
    np.testing.assert_allclose(model(X), X @ (kernel + 2 * a @ b) + layer.bias.numpy(), rtol=1e-5, atol=1e-6)
    model.save(tmp_path / "adapted.keras")
    np.testing.assert_allclose(gk.load(tmp_path / "adapted.keras")(X), model(X), rtol=1e-5, atol=1e-6)


def test_float8_training_moves_scales_and_histories_not_by_gradient_descent() -> None:
    model = small_model()
    layer = model.get_layer("head")
    layer.quantize("float8")
    model.compile("sgd", "mse")

    model.fit(X, np.ones((3, 4)), verbose=0, batch_size=3)

    assert layer.inputs_amax_history.numpy()[0] == np.abs(X).max()
    assert layer.inputs_scale.numpy() == 1.0  # the history was empty when the step began
    model.fit(X, np.ones((3, 4)), verbose=0, batch_size=3)
    np.testing.assert_allclose(layer.inputs_scale.numpy(), np.abs(X).max() / 448, rtol=1e-6)


def test_model_quantize_warns_of_layers_that_cannot() -> None:
    inputs = gk.Input((6,))
    model = gk.Model(inputs, layers.BatchNormalization()(layers.Dense(4)(inputs)))

    with pytest.warns(UserWarning, match="Layer BatchNormalization does not have a `quantize` method"):
        model.quantize("int8", filters=lambda layer: not isinstance(layer, layers.InputLayer))

    assert model.layers[1].dtype_policy.name == "int8_from_float32"


def test_quantised_attention_comes_back_from_its_file(tmp_path: Path) -> None:
    """Its config holds the policies of the inner layers by path."""
    inputs = gk.Input((3, 4))
    model = gk.Model(inputs, layers.MultiHeadAttention(2, 3)(inputs, inputs))
    x = np.random.default_rng(1).normal(size=(2, 3, 4)).astype("float32")
    model.quantize("int8", filters="query|key|value|output")

    model.save(tmp_path / "attention.keras")

    np.testing.assert_allclose(gk.load(tmp_path / "attention.keras")(x), model(x), rtol=1e-6, atol=1e-6)


WRONG: dict[str, tuple[Any, type[Exception], str]] = {
    "no such mode": (lambda m: m.quantize("int7"), InvalidArgumentError, "Invalid quantization mode"),
    "no mode": (lambda m: m.quantize(), InvalidArgumentError, "either `mode` or `config`"),
    "two modes": (
        lambda m: m.quantize("int4", quantizers.Int8QuantizationConfig()), InvalidArgumentError, "Contradictory arguments"
    ),
    "filters": (lambda m: m.quantize("int8", filters=3), InvalidArgumentError, "`filters` argument"),
    "calibration": (
        lambda m: m.quantize(config=quantizers.GPTQConfig(None, None)), UnsupportedError, "does not calibrate"
    ),
    "gptq without settings": (lambda m: m.quantize("gptq"), InvalidArgumentError, "GPTQConfig"),
    "twice": (
        lambda m: [m.get_layer("head").quantize("int8") for _ in range(2)], InvalidArgumentError, "already quantized"
    ),
    "not built": (lambda m: layers.Dense(3).quantize("int8"), InvalidArgumentError, "isn't yet built"),
    "lora, not built": (lambda m: layers.Dense(3).enable_lora(2), InvalidArgumentError, "isn't yet built"),
    "lora twice": (
        lambda m: [m.get_layer("head").enable_lora(2) for _ in range(2)], InvalidArgumentError, "already enabled"
    ),
    "lora, constrained": (
        lambda m: small_model(kernel_constraint="non_neg").get_layer("head").enable_lora(2), InvalidArgumentError, "constraint"
    ),
    "float16": (
        lambda m: small_model(dtype="float16").get_layer("head").quantize("int8"), InvalidArgumentError, "float16"
    ),
    "float8 table": (
        lambda m: layers.Embedding(3, 4, dtype="float8_from_float32").build(), UnsupportedError, r"\('int8', 'int4'\)"
    ),
    "derived": (lambda m: built(Derived(3)).quantize("int8"), UnsupportedError, "Layer Derived does not have"),
}  # fmt: skip


class Derived(layers.Dense):
    pass


def built(layer: Any) -> Any:
    layer.build((None, 4))
    return layer


@pytest.mark.parametrize("name", WRONG)
def test_wrong_uses_are_named(name: str) -> None:
    use, kind, text = WRONG[name]
    with pytest.raises(kind, match=text):
        use(small_model())
