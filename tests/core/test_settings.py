"""keras.config's names."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from graphkit import config, layers
from graphkit.errors import DTypeError, InvalidArgumentError


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    yield
    config.set_floatx("float32")
    config.set_epsilon(1e-7)
    config.set_image_data_format("channels_last")
    config.set_dtype_policy("float32")


def test_floatx_is_the_dtype_of_new_inputs() -> None:
    config.set_floatx("float64")

    assert layers.Input((3,)).dtype == "float64"
    with pytest.raises(DTypeError, match=r"float dtype|one of"):
        config.set_floatx("int32")


def test_the_dtype_policy_is_that_of_new_layers() -> None:
    config.set_dtype_policy("mixed_float16")

    layer = layers.Dense(2)
    assert (layer.compute_dtype, layer.variable_dtype) == ("float16", "float32")
    assert config.dtype_policy().name == "mixed_float16"


def test_other_settings_are_kept() -> None:
    config.set_epsilon(1e-3)
    config.set_image_data_format("channels_first")

    assert (config.epsilon(), config.image_data_format(), config.backend()) == (1e-3, "channels_first", "numpy")
    with pytest.raises(InvalidArgumentError, match="channels_first"):
        config.set_image_data_format("sideways")


def test_code_in_files_cannot_be_enabled() -> None:
    with pytest.raises(InvalidArgumentError, match="never runs code"):
        config.enable_unsafe_deserialization()
