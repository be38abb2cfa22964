"""Pooling layers: values from real Keras (golden files), configs, masks, errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from graphkit import layers, models
from graphkit.errors import InvalidArgumentError, ShapeError
from tests import goldens

_CASES = [name for name in goldens.cases() if "Pool" in name.split(".")[0]]


@pytest.mark.parametrize("case", _CASES)
def test_outputs_are_those_of_keras(case: str) -> None:
    model = models.load_model(goldens.model_file(case))
    goldens.assert_outputs(case, model(goldens.inputs_of(case)))


def test_there_are_golden_files() -> None:
    assert len(_CASES) > 30


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("kind", ["Max", "Average"])
def test_config(kind: str, rank: int) -> None:
    layer = getattr(layers, f"{kind}Pooling{rank}D")(3, strides=2, padding="same")
    config = layer.get_config()
    assert list(config) == ["name", "trainable", "dtype", "pool_size", "padding", "strides", "data_format"]
    assert (tuple(config["pool_size"]), tuple(config["strides"])) == ((3,) * rank, (2,) * rank)
    assert type(layer).from_config(config).get_config() == config


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize(("kind", "function"), [("Max", np.max), ("Average", np.mean)])
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_global_pooling(kind: str, function: Any, rank: int, keepdims: bool, data_format: str) -> None:
    layer = getattr(layers, f"Global{kind}Pooling{rank}D")(data_format=data_format, keepdims=keepdims)
    x = np.random.default_rng(0).normal(size=(2, *range(3, 4 + rank))).astype("float32")
    axes = tuple(range(1, 1 + rank)) if data_format == "channels_last" else tuple(range(2, 2 + rank))
    np.testing.assert_allclose(layer(x), function(x, axis=axes, keepdims=keepdims), rtol=1e-5)
    assert list(layer.get_config())[3:] == ["data_format", "keepdims"]


def test_the_mean_over_time_leaves_masked_steps_out() -> None:
    source = layers.Input((4, 2))
    pooled = layers.GlobalAveragePooling1D()(layers.Masking()(source))
    x = np.array([[[1, 2], [0, 0], [3, 6], [0, 0]]], "float32")
    np.testing.assert_allclose(models.Model(source, pooled)(x), [[2, 4]])
    assert pooled.mask is None


def test_pool_size_is_two_by_default_and_strides_follow() -> None:
    assert layers.MaxPooling2D()(np.zeros((1, 6, 5, 1), "float32")).shape == (1, 3, 2, 1)
    assert layers.MaxPooling2D((3, 1)).strides == (3, 1)


def test_free_sizes_stay_free() -> None:
    assert layers.AveragePooling2D(2)(layers.Input((None, 8, 3))).shape == (None, None, 4, 3)


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(
        InvalidArgumentError, match=r"layer 'max_pooling2d' must be 'valid' or 'same'\. Received: padding=causal"
    ):
        layers.MaxPooling2D(padding="causal")
    with pytest.raises(InvalidArgumentError, match="`pool_size` argument must be a tuple of 2 integers"):
        layers.MaxPooling2D((2, 2, 2))
    with pytest.raises(ShapeError, match="expected ndim=4, found ndim=3"):
        layers.GlobalMaxPooling2D()(layers.Input((4, 4)))
    with pytest.raises(
        ShapeError, match=r"layer 'max_pooling2d.*' \(MaxPooling2D\): Computed output size would be zero or negative"
    ):
        layers.MaxPooling2D(5)(layers.Input((4, 4, 3)))
