"""A channels-last network gets the transposes that the layout needs, and no more."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from graphkit import ops
from graphkit.converters.onnx import program_to_onnx
from graphkit.converters.onnx.driver import prepared
from graphkit.converters.onnx.layout import segments, to_channels_first
from graphkit.converters.onnx.registry import Target
from graphkit.core.dims import Dim
from graphkit.ir.spec import spec
from graphkit.ir.tracing import trace
from graphkit.ir.variable import Variable
from graphkit.ops import batch_normalization
from graphkit.ops.convolution import conv, conv_with_bias
from graphkit.ops.pooling import max_pool
from tests.converters.onnx.comparing import parity

_rng = np.random.default_rng(0)


def weight(*shape: int) -> Variable:
    return Variable((_rng.normal(size=shape) * 0.3).astype(np.float32), name="w")


def kinds(function: Any, *specs: Any) -> list[str]:
    program = trace(function, *specs)
    arrays = [_rng.normal(size=[s if isinstance(s, int) else 2 for s in v.shape]).astype(np.float32) for v in specs]
    assert parity(program, arrays) == []
    return [n.op_type for n in program_to_onnx(program).graph.node]


IMAGE = spec("b", 8, 8, 3)
K1, K2, B, S = weight(3, 3, 3, 4), weight(3, 3, 4, 4), weight(4), weight(4)


def same(x: Any, kernel: Variable, bias: Variable | None = None) -> Any:
    return conv_with_bias(x, kernel, bias, padding="same")


def block(x: Any) -> Any:
    """Return a net with convolutions, batch normalization, a shortcut, squeeze and excitation, pooling."""
    first = ops.relu(same(x, K1, B))
    y = batch_normalization(same(first, K2), B, ops.square(S), -1, S, B)
    y = ops.add(ops.multiply(y, S), first)
    y = ops.multiply(y, ops.sigmoid(ops.mean(y, (1, 2), keepdims=True)))
    y = ops.concatenate([ops.pad(y, ((0, 0), (1, 1), (1, 1), (0, 0)))[:, 1:-1, 1:-1], first], axis=-1)
    return max_pool(y[..., :4], 2)


def test_a_network_keeps_one_transpose_at_the_input_and_one_before_flatten() -> None:
    found = kinds(lambda x: ops.reshape(block(x), (-1, 64)), IMAGE)
    assert found.count("Transpose") == 2
    assert found[0] == "Transpose"
    assert found[-2:] == ["Transpose", "Reshape"]


def test_global_pooling_needs_no_transpose_behind_it() -> None:
    assert kinds(lambda x: ops.mean(block(x), (1, 2)), IMAGE).count("Transpose") == 1


def test_a_channels_first_network_has_none() -> None:
    found = kinds(
        lambda x: max_pool(conv(x, K1, data_format="channels_first"), 2, data_format="channels_first"),
        spec("b", 3, 8, 8),
    )
    assert found == ["Conv", "MaxPool"]


def test_one_channel_is_reshaped_not_transposed() -> None:
    assert kinds(lambda x: ops.mean(same(x, weight(3, 3, 1, 4)), (1, 2)), spec("b", 8, 8, 1)) == [
        "Reshape",
        "Conv",
        "GlobalAveragePool",
        "Squeeze",
    ]


def test_images_in_and_out_keep_one_each() -> None:
    assert kinds(lambda x: ops.relu(same(same(x, K1), K2)), IMAGE) == ["Transpose", "Conv", "Conv", "Relu", "Transpose"]


def test_the_users_own_transposes_are_joined_with_it() -> None:
    assert kinds(lambda x: ops.transpose(same(x, K1), (0, 3, 1, 2)), IMAGE) == ["Transpose", "Conv"]


def test_upsampling_by_repeating_stays_channels_first() -> None:
    found = kinds(lambda x: same(ops.repeat(ops.repeat(same(x, K1), 2, axis=1), 2, axis=2), K2), IMAGE)
    assert found.count("Transpose") == 2


def test_unknown_image_sizes_stay_free() -> None:
    program = trace(lambda x: ops.mean(block(x), (1, 2)), spec("b", "h", "w", 3))
    assert parity(program, [np.ones((2, 9, 7, 3), np.float32)]) == []
    assert "Shape" not in [n.op_type for n in program_to_onnx(program).graph.node]


def test_an_operand_from_elsewhere_is_turned_to_meet_the_image() -> None:
    found = kinds(lambda x, y: ops.mean(ops.add(same(x, K1), y), (1, 2)), IMAGE, spec("b", 8, 8, 4))
    assert found.count("Transpose") == 2


def test_a_program_without_images_is_left_alone() -> None:
    program = trace(lambda x: ops.transpose(ops.exp(x)), spec("b", 3))
    assert to_channels_first(program) is program


def test_gradients_keep_few_transposes_too() -> None:
    from graphkit.ir.gradient import grad

    program = grad(
        trace(lambda x, k: ops.sum(ops.square(max_pool(ops.relu(conv(x, k)), 2))), spec(2, 8, 8, 3), spec(3, 3, 3, 4))
    )
    images = [
        e
        for e in prepared(program, Target(21)).equations
        if e.primitive.name == "transpose" and e.inputs[0].spec.rank == 4
    ]
    assert len(images) <= 3


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ((2, 3, 4), (2, 12), [([0], [0]), ([1, 2], [1])]),
        ((2, 3), (2, 3, 1), [([0], [0]), ([1], [1, 2])]),
        ((6, 4), (2, 3, 4), [([0], [0, 1]), ([1], [2])]),
        ((2, 3), (3, 2), [([0, 1], [0, 1])]),
        ((Dim.named("b"), 3, 2), (Dim.named("b"), 6), [([0], [0]), ([1, 2], [1])]),
        ((Dim.named("b"), Dim.named("t"), 2), (Dim.named("b") * Dim.named("t"), 2), [([0, 1], [0]), ([2], [1])]),
    ],
)
def test_runs_of_axes_that_a_reshape_keeps_apart(old: Any, new: Any, found: Any) -> None:
    assert segments(old, new) == found
