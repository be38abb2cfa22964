"""Reshaping layers: values from real Keras (golden files), sizes, configs, errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from graphkit import layers, models
from graphkit.errors import GraphKitError, InvalidArgumentError, InvalidTypeError, ShapeError
from tests import goldens

_FAMILIES = ("ZeroPadding", "Cropping", "UpSampling", "Flatten", "Reshape", "Permute", "RepeatVector")
_CASES = [name for name in goldens.cases() if name.startswith(_FAMILIES)]


@pytest.mark.parametrize("case", _CASES)
def test_outputs_are_those_of_keras(case: str) -> None:
    model = models.load_model(goldens.model_file(case))
    goldens.assert_outputs(case, model(goldens.inputs_of(case)))


def test_there_are_golden_files() -> None:
    assert len(_CASES) > 20


def numbers(*shape: int) -> Any:
    return np.arange(np.prod(shape), dtype="float32").reshape(shape)


def test_flatten_puts_channels_last_whatever_the_layout() -> None:
    x = numbers(2, 3, 4, 5)
    wanted = layers.Flatten()(x)
    np.testing.assert_array_equal(wanted, x.reshape(2, 60))
    np.testing.assert_array_equal(layers.Flatten(data_format="channels_first")(np.moveaxis(x, -1, 1)), wanted)


def test_flatten_of_vectors_and_scalars() -> None:
    assert layers.Flatten()(numbers(4)).shape == (4, 1)
    assert layers.Flatten()(numbers(4, 3)).shape == (4, 3)
    assert layers.Flatten()(layers.Input((None, 3))).shape == (None, None)


def test_reshape_works_out_one_size() -> None:
    assert layers.Reshape((-1, 4))(numbers(2, 6, 2)).shape == (2, 3, 4)
    assert layers.Reshape((-1, 4))(layers.Input((6, 2))).shape == (None, 3, 4)
    assert layers.Reshape((2, -1))(layers.Input((None, 4))).shape == (None, 2, None)
    assert layers.Reshape((12,))(layers.Input((6, 2))).shape == (None, 12)


def test_permute_counts_from_one() -> None:
    x = numbers(2, 3, 4, 5)
    np.testing.assert_array_equal(layers.Permute((3, 1, 2))(x), x.transpose(0, 3, 1, 2))


def test_repeat_vector() -> None:
    np.testing.assert_array_equal(layers.RepeatVector(3)(numbers(2, 2)), numbers(2, 1, 2).repeat(3, axis=1))


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize(("rank", "pairs"), [(2, ((1, 2), (0, 1))), (3, ((1, 2), (0, 1), (2, 0)))])
def test_padding_and_cropping_undo_each_other(rank: int, pairs: Any, data_format: str) -> None:
    x = numbers(2, *range(3, 4 + rank))
    widths = [(0, 0), *pairs, (0, 0)] if data_format == "channels_last" else [(0, 0), (0, 0), *pairs]
    padded = getattr(layers, f"ZeroPadding{rank}D")(pairs, data_format=data_format)(x)
    np.testing.assert_array_equal(padded, np.pad(x, widths))
    np.testing.assert_array_equal(getattr(layers, f"Cropping{rank}D")(pairs, data_format=data_format)(padded), x)


def test_padding_and_cropping_of_time() -> None:
    x = numbers(1, 4, 2)
    np.testing.assert_array_equal(layers.ZeroPadding1D((2, 1))(x), np.pad(x, ((0, 0), (2, 1), (0, 0))))
    np.testing.assert_array_equal(
        layers.ZeroPadding1D(1, data_format="channels_first")(x), np.pad(x, ((0, 0), (0, 0), (1, 1)))
    )
    np.testing.assert_array_equal(layers.Cropping1D((2, 1))(x), x[:, 2:3])
    np.testing.assert_array_equal(layers.Cropping1D((1, 0))(x), x[:, 1:])


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_up_sampling_repeats(data_format: str) -> None:
    x = numbers(1, 2, 3, 4)
    first = 1 if data_format == "channels_last" else 2
    wanted = x.repeat(2, axis=first).repeat(3, axis=first + 1)
    np.testing.assert_array_equal(layers.UpSampling2D((2, 3), data_format=data_format)(x), wanted)
    np.testing.assert_array_equal(layers.UpSampling3D((1, 2, 1))(x[..., None]), x[..., None].repeat(2, axis=2))
    np.testing.assert_array_equal(layers.UpSampling1D(3)(x[0]), x[0].repeat(3, axis=1))


_CONFIGS: list[tuple[str, dict[str, Any], list[str]]] = [
    ("Flatten", {}, ["data_format"]),
    ("Reshape", {"target_shape": (2, -1)}, ["target_shape"]),
    ("Permute", {"dims": (2, 1)}, ["dims"]),
    ("RepeatVector", {"n": 3}, ["n"]),
    ("ZeroPadding1D", {"padding": 2}, ["padding", "data_format"]),
    ("ZeroPadding2D", {"padding": (1, 2)}, ["padding", "data_format"]),
    ("ZeroPadding3D", {"padding": ((1, 2), (0, 1), (3, 0))}, ["padding", "data_format"]),
    ("Cropping1D", {"cropping": (1, 0)}, ["cropping"]),
    ("Cropping2D", {"cropping": ((1, 0), (0, 2))}, ["cropping", "data_format"]),
    ("Cropping3D", {"cropping": 1}, ["cropping", "data_format"]),
    ("UpSampling1D", {"size": 3}, ["size"]),
    ("UpSampling2D", {"size": 3, "interpolation": "bilinear"}, ["size", "data_format", "interpolation"]),
    ("UpSampling3D", {"size": (1, 2, 3)}, ["size", "data_format"]),
]


@pytest.mark.parametrize(("name", "options", "keys"), _CONFIGS, ids=[c[0] for c in _CONFIGS])
def test_config(name: str, options: dict[str, Any], keys: list[str]) -> None:
    import json

    layer = getattr(layers, name)(**options)
    config = layer.get_config()
    assert list(config) == ["name", "trainable", "dtype", *keys]
    twin = type(layer).from_config(json.loads(json.dumps(config)))
    assert twin.get_config() == config
    assert all(getattr(twin, key) == getattr(layer, key) for key in keys)


@pytest.mark.parametrize(
    ("name", "options", "error", "message"),
    [
        ("RepeatVector", {"n": 2.0}, InvalidTypeError, "expected an integer value for `n`"),
        ("RepeatVector", {"n": 0}, InvalidArgumentError, "`n` should be a positive integer. Received: n=0"),
        ("UpSampling1D", {"size": -1}, InvalidArgumentError, "`size` should be a positive integer"),
        ("UpSampling2D", {"interpolation": "area"}, InvalidArgumentError, "interpolation=area"),
        (
            "Permute",
            {"dims": (0, 1)},
            InvalidArgumentError,
            "must be consecutive and start from 1. Received dims=\\(0, 1\\)",
        ),
        ("Reshape", {"target_shape": (-1, -1)}, InvalidArgumentError, "at most one of them -1"),
        ("Reshape", {"target_shape": (2.5,)}, InvalidArgumentError, "must hold integers"),
        ("ZeroPadding2D", {"padding": (1, 2, 3)}, InvalidArgumentError, "should be an int, or have 2 elements"),
        ("ZeroPadding1D", {"padding": -1}, InvalidArgumentError, "do not satisfy `value >= 0`"),
        ("Cropping2D", {"cropping": -1}, InvalidArgumentError, "cannot be negative. Received: cropping=-1"),
    ],
)
def test_wrong_arguments_are_refused(
    name: str, options: dict[str, Any], error: type[GraphKitError], message: str
) -> None:
    with pytest.raises(error, match=message):
        getattr(layers, name)(**options)


def test_inputs_that_do_not_fit_are_refused() -> None:
    with pytest.raises(
        ShapeError, match=r"total size of the tensor must be unchanged. Layer 'reshape'.*\(None, 6, 2\).*\(5,\)"
    ):
        layers.Reshape((5,))(layers.Input((6, 2)))
    with pytest.raises(ShapeError, match=r"total size of the tensor must be unchanged"):
        layers.Reshape((5, -1))(numbers(1, 6, 2))
    with pytest.raises(ShapeError, match=r"`cropping` argument should be smaller.*Layer 'cropping2d'"):
        layers.Cropping2D(2)(layers.Input((3, 9, 1)))
    with pytest.raises(ShapeError, match="expected ndim=2, found ndim=3"):
        layers.RepeatVector(2)(layers.Input((3, 9)))
    with pytest.raises(ShapeError, match="expected ndim=3, found ndim=4"):
        layers.Permute((2, 1))(layers.Input((3, 9, 1)))
