"""The quantizers compared with real Keras; their errors and configs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphkit as gk
from graphkit import quantizers
from graphkit.core.serialization import deserialize, serialize
from graphkit.errors import InvalidArgumentError, InvalidTypeError
from tests.goldens import FOLDER

TABLE = dict(np.load(FOLDER / "table.quantizers.npz", allow_pickle=False))

CALLS: dict[str, Callable[..., Any]] = {
    "abs_max": lambda x: quantizers.abs_max_quantize(x, axis=0),
    "abs_max_range": quantizers.AbsMaxQuantizer(axis=-1, value_range=(-8, 7)),
    "grouped_True": lambda x: quantizers.abs_max_quantize_grouped_with_zero_point(x, block_size=2, to_numpy=True),
    "grouped_False": lambda x: quantizers.abs_max_quantize_grouped_with_zero_point(x, block_size=2),
    "pack": lambda x: quantizers.pack_int4(x)[:1],
    "pack_last": lambda x: quantizers.pack_int4(x, axis=-1)[:1],
    "pack_unsigned": lambda x: quantizers.pack_int4(x, dtype="uint8")[:1],
    "unpack": lambda x: quantizers.unpack_int4(x, 5),
    "unpack_unsigned": lambda x: quantizers.unpack_int4(x, 5, dtype="uint8"),
    "float8_e4m3fn": lambda x: quantizers.quantize_and_dequantize(x, np.float32(0.01), "float8_e4m3fn", "float32"),
    "float8_e5m2": lambda x: quantizers.quantize_and_dequantize(x, np.float32(0.01), "float8_e5m2", "float32"),
    "scale": lambda h: quantizers.compute_float8_scale(gk.ops.max(h), np.float32(0.5), 448.0),
    "scale_of_none": lambda h: quantizers.compute_float8_scale(np.float32(0), np.float32(0.5), 448.0),
    "history": quantizers.compute_float8_amax_history,
    "fake": quantizers.fake_quant_with_min_max_vars,
    "fake_narrow": lambda *a: quantizers.fake_quant_with_min_max_vars(*a, num_bits=4, narrow_range=True),
    "fake_axis": lambda *a: quantizers.fake_quant_with_min_max_vars(*a, axis=1),
}


def numbered(name: str, kind: str) -> list[Any]:
    return [TABLE[f"{name}/{kind}_{i}"] for i in range(len(TABLE)) if f"{name}/{kind}_{i}" in TABLE]


def test_every_row_of_the_table_is_checked() -> None:
    assert {key.split("/")[0] for key in TABLE} == set(CALLS)


@pytest.mark.parametrize("name", CALLS)
def test_results_are_those_of_keras(name: str) -> None:
    made = CALLS[name](*numbered(name, "in"))
    made = made if isinstance(made, tuple) else (made,)

    for mine, theirs in zip(made, numbered(name, "out"), strict=True):
        assert np.asarray(mine).dtype == theirs.dtype
        np.testing.assert_allclose(mine, theirs, rtol=2e-6, atol=1e-7)


def test_fake_quantisation_sends_gradients_to_inputs_and_limits() -> None:
    x, low, high = gk.Variable(np.array([-2.0, 0.3, 0.7, 5.0], "float32")), gk.Variable(-1.0), gk.Variable(1.0)

    _, found = gk.value_and_grad(
        lambda: gk.ops.sum(quantizers.fake_quant_with_min_max_vars(x, low, high) * np.arange(1, 5, dtype="float32")),
        [x, low, high],
    )()

    np.testing.assert_array_equal(found[0], [0, 2, 3, 0])
    assert [float(g) for g in found[1:]] == [1.0, 4.0]


CONFIGS = {
    "int8": quantizers.Int8QuantizationConfig(),
    "int8, weights only": quantizers.Int8QuantizationConfig(activation_quantizer=None),
    "int4": quantizers.Int4QuantizationConfig(quantizers.AbsMaxQuantizer(axis=0, value_range=(-8, 7)), block_size=None),
    "float8": quantizers.Float8QuantizationConfig(),
    "gptq": quantizers.GPTQConfig(None, None, weight_bits=8, group_size=-1),
    "awq": quantizers.AWQConfig(None, None, num_grid_points=5),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_a_config_comes_back_from_its_envelope(name: str) -> None:
    config = CONFIGS[name]
    again = deserialize(serialize(config))

    assert type(again) is type(config)
    assert serialize(again) == serialize(config)
    assert again.mode == config.mode


WRONG: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "range": (lambda: quantizers.AbsMaxQuantizer(value_range=(-200, 7)), InvalidArgumentError, "value_range"),
    "blocks and quantizers": (
        lambda: quantizers.Int4QuantizationConfig(quantizers.AbsMaxQuantizer(value_range=(-8, 7))),
        InvalidArgumentError,
        "block_size > 0",
    ),
    "no block": (lambda: quantizers.Int4QuantizationConfig(block_size=0), InvalidArgumentError, "block_size"),
    "bits": (lambda: quantizers.GPTQConfig(None, None, weight_bits=5), InvalidArgumentError, "weight_bits"),
    "awq bits": (lambda: quantizers.AWQConfig(None, None, weight_bits=8), InvalidArgumentError, "4-bit"),
    "pack floats": (lambda: quantizers.pack_int4(np.ones((2, 2), "float32")), InvalidTypeError, "int8 tensor"),
    "pack dtype": (lambda: quantizers.pack_int4(np.ones((2, 2), "int8"), dtype="int4"), InvalidArgumentError, "uint8"),
    "identifier": (lambda: quantizers.get(3), InvalidArgumentError, "Could not interpret"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_uses_are_named(name: str) -> None:
    use, kind, text = WRONG[name]
    with pytest.raises(kind, match=text):
        use()
