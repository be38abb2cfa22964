"""Using a net of keras.applications: frozen, cut, called within another model, trained, exported."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphkit
from graphkit import Input, Model, applications, layers
from graphkit.converters.onnx import model_to_onnx
from tests.applications.builds import built, fill, pixels, scaled_for

IMAGES = np.random.default_rng(0).uniform(0, 255, (8, 32, 32, 3)).astype("float32")


def classifier() -> tuple[Any, Any]:
    """Return a frozen base, and a model with a classifier on top of it."""
    base = applications.MobileNetV2(include_top=False, weights=None, input_shape=(32, 32, 3), alpha=0.35)
    base.trainable = False
    images = Input((32, 32, 3))
    x = base(applications.mobilenet_v2.preprocess_input(images), training=False)
    x = layers.GlobalAveragePooling2D()(x)
    return base, Model(images, layers.Dense(3, activation="softmax")(x))


def test_a_frozen_base_stays_as_it_is() -> None:
    base, model = classifier()
    before = [w.copy() for w in base.get_weights()]
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(IMAGES, np.arange(8) % 3, epochs=1, verbose=0)

    assert len(model.trainable_weights) == 2
    assert all(np.array_equal(a, b) for a, b in zip(before, base.get_weights(), strict=True))


def test_the_last_layers_are_trained_after_unfreezing() -> None:
    base, model = classifier()
    base.trainable = True
    for layer in base.layers[:-3]:
        layer.trainable = False
    first, last = (base.get_layer(name).get_weights()[0] for name in ("Conv1", "Conv_1"))
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.fit(IMAGES, np.arange(8) % 3, epochs=1, verbose=0)

    assert len(model.trainable_weights) == 5
    np.testing.assert_array_equal(base.get_layer("Conv1").get_weights()[0], first)
    assert not np.array_equal(base.get_layer("Conv_1").get_weights()[0], last)


def test_a_net_is_cut_at_a_layer() -> None:
    net = applications.ResNet50(weights=None, include_top=False, input_shape=(32, 32, 3))
    names = ["conv2_block1_out", "conv3_block4_out"]
    cut = Model(net.input, [net.get_layer(name).output for name in names])

    first, second = cut(IMAGES[:1])
    assert first.shape == (1, 8, 8, 256)
    assert second.shape == (1, 4, 4, 512)
    assert cut.layers[-1].name == names[-1]


def test_a_net_survives_saving_cloning_and_its_config(tmp_path: Any) -> None:
    net = applications.MobileNetV3Small(weights=None, input_shape=(32, 32, 3), classes=4, alpha=0.75)
    expected = net(IMAGES[:2])

    net.save(tmp_path / "net.keras")
    for again in (graphkit.load(tmp_path / "net.keras"), graphkit.models.clone_model(net)):
        again.set_weights(net.get_weights())
        np.testing.assert_allclose(again(IMAGES[:2]), expected, rtol=1e-5, atol=1e-6)


EXPORTED = [
    "EfficientNetB0.first", "MobileNet.first", "MobileNetV2.first", "MobileNetV3Small.first",
    *(pytest.param(case, marks=pytest.mark.slow) for case in (
        "ConvNeXtTiny.gray", "DenseNet121.features", "EfficientNetV2B1.gray", "InceptionResNetV2.features", "InceptionV3.first",
        "NASNetMobile.features", "ResNet50.features", "ResNet50V2.first", "VGG16.features", "Xception.features",
    )),
]  # fmt: skip


@pytest.mark.parametrize("case", EXPORTED)
def test_exports_compute_what_the_engine_computes(case: str) -> None:
    model = built(graphkit, case, small=True)
    fill(model)
    images = scaled_for(case, pixels(model))
    expected = np.asarray(model(images))

    found = graphkit.runtime.Predictor(model_to_onnx(model))(images)

    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 * np.abs(expected).max())
