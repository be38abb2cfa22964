"""Dtype policies: by name, config and object; by path; errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphkit as gk
from graphkit import dtype_policies, layers
from graphkit.errors import InvalidArgumentError

NAMES = {
    "float32": ("float32", "float32", None),
    "mixed_float16": ("float16", "float32", None),
    "mixed_bfloat16": ("bfloat16", "float32", None),
    "int8_from_mixed_bfloat16": ("bfloat16", "float32", "int8"),
    "int4_from_float32": ("float32", "float32", "int4"),
    "int4/64_from_float32": ("float32", "float32", "int4"),
    "float8_from_float32": ("float32", "float32", "float8"),
    "gptq/4/128_from_float32": ("float32", "float32", "gptq"),
    "awq/4/-1_from_float16": ("float16", "float16", "awq"),
}


@pytest.mark.parametrize("name", NAMES)
def test_a_policy_comes_back_from_name_and_config(name: str) -> None:
    policy = dtype_policies.get(name)

    assert (policy.compute_dtype, policy.variable_dtype, policy.quantization_mode) == NAMES[name]
    assert policy.name == name
    assert dtype_policies.deserialize(dtype_policies.serialize(policy)) == policy
    assert dtype_policies.get(dtype_policies.serialize(policy)) == policy


REFUSED = {
    "foo": "Cannot convert 'foo'",
    "int8_from_float16": "doesn't work well",
    "int4/0_from_float32": "Supported values are -1",
    "int4/x_from_float32": "int4/<block_size>",
    "gptq/5/1_from_float32": "2, 3, 4, 8",
    "gptq_from_float32": "gptq/<weight_bits>/<group_size>",
    "awq/8/1_from_float32": "weight_bits",
    "int8_from_a_from_b": "valid pair",
    "int8_from_foo": "Cannot convert 'foo'",
}


@pytest.mark.parametrize("name", REFUSED)
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(InvalidArgumentError, match=REFUSED[name]):
        dtype_policies.get(name)


def test_a_map_finds_by_path_by_pattern_and_by_default() -> None:
    rules = dtype_policies.DTypePolicyMap("float32", {"a/b": "float16", "a/c.*": "mixed_bfloat16"})

    assert [rules[p].name for p in ("a/b", "a/cd", "other")] == ["float16", "mixed_bfloat16", "float32"]
    rules[".*d"] = "float64"
    with pytest.raises(InvalidArgumentError, match="matches multiple"):
        rules["a/cd"]
    with pytest.raises(InvalidArgumentError, match="already exist"):
        rules["a/b"] = "float32"


@pytest.mark.parametrize(
    "dtype",
    [
        "mixed_float16",
        dtype_policies.DTypePolicy("mixed_float16"),
        {"module": "keras", "class_name": "DTypePolicy", "config": {"name": "mixed_float16"}, "registered_name": None},
        {"class_name": "Policy", "config": {"name": "mixed_float16"}},
        dtype_policies.DTypePolicyMap("float32", {"hidden": "mixed_float16"}),
    ],
    ids=["name", "object", "envelope", "old envelope", "map"],
)
def test_a_layer_takes_its_dtype_in_every_form_and_gives_it_back(dtype: Any) -> None:
    x = gk.Input((3,))
    y = layers.Dense(2, name="hidden", dtype=dtype)(x)
    again = gk.models.model_from_json(gk.Model(x, y).to_json()).get_layer("hidden")

    assert y.dtype == "float16"
    assert (again.compute_dtype, again.kernel.dtype) == ("float16", "float32")


def test_the_policy_of_the_session_may_be_quantised() -> None:
    gk.config.set_dtype_policy("int8_from_float32")
    try:
        layer = layers.Dense(2)
    finally:
        gk.config.set_dtype_policy("float32")
    layer.build((None, 3))

    assert (layer.quantization_mode, layer.kernel.dtype) == ("int8", "int8")


def test_a_policy_casts_floats_alone() -> None:
    policy = gk.DTypePolicy("mixed_float16")
    assert policy.convert_input(np.ones(2, np.float32), True, "float16").dtype == "float16"
    assert policy.convert_input(np.ones(2, np.float32), False, "float16").dtype == "float32"
    assert policy.convert_input(np.ones(2, np.int32), True, "float16").dtype == "int32"
    assert policy.convert_input(gk.KerasTensor((2,)), True, "float16").dtype == "float16"
    assert policy.convert_input([1.0], True, "float16") == [1.0]


def test_a_map_of_policies_is_a_policy() -> None:
    assert isinstance(dtype_policies.DTypePolicyMap(), gk.DTypePolicy)
