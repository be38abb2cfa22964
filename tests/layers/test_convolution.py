"""Convolutional layers: weights, configs, values from real Keras (golden files), errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from graphkit import layers, models, ops
from graphkit.errors import InvalidArgumentError, ShapeError
from tests import goldens

_FAMILIES = ("Conv1D", "Conv2D", "Conv3D", "Conv1DTranspose", "Conv2DTranspose", "DepthwiseConv2D", "SeparableConv2D")
_CASES = [name for name in goldens.cases() if name.split(".")[0] in _FAMILIES]


@pytest.mark.parametrize("case", _CASES)
def test_outputs_are_those_of_keras(case: str) -> None:
    model = models.load_model(goldens.model_file(case))
    goldens.assert_outputs(case, model(goldens.inputs_of(case)))


def test_there_are_golden_files() -> None:
    assert len(_CASES) > 30


# The keys that real Keras 3.15 writes, in its order.
_CONV = (
    "filters kernel_size strides padding data_format dilation_rate groups activation use_bias kernel_initializer bias_initializer "
    "kernel_regularizer bias_regularizer activity_regularizer kernel_constraint bias_constraint"
)
_KEYS = {
    "Conv1D": _CONV,
    "Conv2D": _CONV,
    "Conv3D": _CONV,
    "Conv2DTranspose": _CONV.replace(" groups", "").replace("padding data", "padding output_padding data"),
    "DepthwiseConv2D": (
        "depth_multiplier kernel_size strides padding data_format dilation_rate activation use_bias depthwise_initializer "
        "bias_initializer depthwise_regularizer bias_regularizer activity_regularizer depthwise_constraint bias_constraint"
    ),
    "SeparableConv2D": (
        "depth_multiplier filters kernel_size strides padding data_format dilation_rate activation use_bias depthwise_initializer "
        "pointwise_initializer bias_initializer depthwise_regularizer pointwise_regularizer bias_regularizer activity_regularizer "
        "depthwise_constraint pointwise_constraint bias_constraint"
    ),
}


def make(name: str, **options: Any) -> Any:
    arguments = {"kernel_size": 3, **({} if name.startswith("Depthwise") else {"filters": 4}), **options}
    return getattr(layers, name)(**arguments)


@pytest.mark.parametrize("name", _KEYS)
def test_config_has_keras_keys_in_order(name: str) -> None:
    assert list(make(name).get_config()) == ["name", "trainable", "dtype", *_KEYS[name].split()]


@pytest.mark.parametrize("name", [*_KEYS, "Conv1DTranspose", "Conv3DTranspose", "DepthwiseConv1D", "SeparableConv1D"])
def test_a_layer_from_its_config_computes_the_same(name: str) -> None:
    rank = int(name.replace("Transpose", "")[-2])
    layer = make(name, padding="same", activation="relu", kernel_size=2, strides=2, bias_initializer="ones")
    x = np.random.default_rng(0).normal(size=(2, *(5,) * rank, 3)).astype("float32")
    y = layer(x)
    twin = type(layer).from_config(layer.get_config())
    twin.build((None, *(None,) * rank, 3))
    twin.set_weights(layer.get_weights())
    np.testing.assert_array_equal(twin(x), y)
    assert twin.get_config() == layer.get_config()


def test_weights_have_keras_names_and_shapes() -> None:
    layer = layers.Conv2D(8, (3, 2), groups=2, name="c")
    layer.build((None, 6, 6, 4))
    assert [(w.path, w.shape) for w in layer.weights] == [("c/kernel", (3, 2, 2, 8)), ("c/bias", (8,))]
    transposed = layers.Conv2DTranspose(8, 3)
    transposed.build((None, 6, 6, 4))
    assert transposed.kernel.shape == (3, 3, 8, 4)
    separable = layers.SeparableConv1D(5, 3, depth_multiplier=2)
    separable.build((None, 6, 4))
    assert [w.shape for w in separable.weights] == [(3, 4, 2), (1, 8, 5), (5,)]


def test_numbers_are_those_of_the_op() -> None:
    layer = layers.Conv2D(4, 3, strides=2, padding="same", activation="tanh", bias_initializer="ones")
    x = np.random.default_rng(0).normal(size=(2, 7, 6, 3)).astype("float32")
    kernel = layer(x[:1]) is not None and layer.get_weights()[0]
    np.testing.assert_allclose(layer(x), np.tanh(ops.conv(x, kernel, 2, "same") + 1), rtol=1e-5, atol=1e-6)


def test_layouts_agree() -> None:
    x = np.random.default_rng(0).normal(size=(2, 7, 6, 3)).astype("float32")
    last, first = layers.Conv2D(4, 3, padding="same"), layers.Conv2D(4, 3, padding="same", data_format="channels_first")
    wanted = last(x)
    planes = np.moveaxis(x, -1, 1)
    first(planes)
    first.set_weights(last.get_weights())
    np.testing.assert_allclose(np.moveaxis(first(planes), 1, -1), wanted, rtol=1e-4, atol=1e-5)


def test_free_sizes_stay_free() -> None:
    source = layers.Input((None, None, 3))
    assert layers.Conv2D(4, 3, strides=2, padding="same")(source).shape == (None, None, None, 4)
    assert layers.Conv2DTranspose(4, 3, strides=2, padding="same")(source).shape == (None, None, None, 4)


def test_mixed_precision_computes_in_half() -> None:
    layer = layers.Conv2D(4, 3, dtype="mixed_float16")
    y = layer(np.zeros((1, 5, 5, 2), "float32"))
    assert (y.dtype, layer.kernel.dtype) == ("float16", "float32")


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        (
            "Conv2D",
            {"filters": 0},
            r"Invalid value for argument `filters` of layer 'conv2d'.*strictly positive.*filters=0",
        ),
        ("Conv2D", {"filters": 2.5}, "argument `filters`"),
        ("Conv2D", {"groups": 0}, "argument `groups`"),
        ("Conv2D", {"groups": 3}, "number of filters must be evenly divisible by the number of groups"),
        ("Conv2D", {"kernel_size": (3,)}, "`kernel_size` argument must be a tuple of 2 integers"),
        ("Conv2D", {"kernel_size": (3, 0)}, r"do not satisfy `value > 0`"),
        (
            "Conv2D",
            {"strides": 2, "dilation_rate": 2},
            "`strides > 1` not supported in conjunction with `dilation_rate > 1`",
        ),
        ("Conv2D", {"padding": "causal"}, "padding=causal"),
        ("Conv2D", {"data_format": "NHWC"}, "data_format=NHWC"),
        (
            "Conv2DTranspose",
            {"strides": 2, "output_padding": 2},
            "`output_padding` must be strictly less than `strides`",
        ),
        ("DepthwiseConv2D", {"depth_multiplier": 0}, "argument `depth_multiplier`"),
    ],
)
def test_wrong_arguments_are_refused(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        make(name, **options)


@pytest.mark.parametrize(
    ("options", "shape", "message"),
    [
        ({}, (8, 3), r'layer "conv2d" is incompatible with the layer: expected ndim=4, found ndim=3'),
        ({"kernel_size": 5}, (4, 4, 3), r"layer 'conv2d' \(Conv2D\): Computed output size would be zero or negative"),
        (
            {"groups": 2},
            (8, 8, 3),
            "number of input channels must be evenly divisible by the number of groups.*'conv2d' has 3",
        ),
        ({}, (8, 8, None), "channel axis .* of the inputs to layer 'conv2d' must be known"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(options: dict[str, Any], shape: Any, message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        make("Conv2D", **options)(layers.Input(shape))


def test_other_channels_than_built_for_are_refused() -> None:
    layer = layers.Conv1D(2, 2)
    layer(np.zeros((1, 4, 3), "float32"))
    with pytest.raises(ShapeError, match="expected axis 2 of input shape to have value 3, but received 4"):
        layer(np.zeros((1, 4, 4), "float32"))
