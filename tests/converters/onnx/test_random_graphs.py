"""Random graphs of image operations compute the engine's values after the layout pass, in onnxruntime."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graphkit import ops
from graphkit.ir.spec import spec
from graphkit.ir.tracing import trace
from graphkit.ir.variable import Variable
from graphkit.ops.convolution import conv, conv_transpose, depthwise_conv
from graphkit.ops.pooling import average_pool, max_pool
from graphkit.ops.probabilities import softmax
from tests.converters.onnx.comparing import parity

_rng = np.random.default_rng(0)


def weight(*shape: int) -> Variable:
    return Variable((_rng.normal(size=shape) * 0.3).astype(np.float32), name="w")


CHANNELS = 4
_SQUARE, _DEPTH, _BIAS, _PLANE = (
    weight(3, 3, CHANNELS, CHANNELS),
    weight(3, 3, CHANNELS, 1),
    weight(CHANNELS),
    weight(6, CHANNELS),
)

# from images (b, 6, 6, 4) to images of the same shape
ONE: list[Callable[[Any], Any]] = [
    lambda x: conv(x, _SQUARE, padding="same"),
    lambda x: depthwise_conv(x, _DEPTH, padding="same"),
    lambda x: conv_transpose(max_pool(x, 2), _SQUARE, 2, "same"),
    lambda x: average_pool(x, 3, 1, "same"),
    lambda x: ops.repeat(ops.repeat(max_pool(x, 2), 2, axis=1), 2, axis=2),
    lambda x: ops.relu(x) + _BIAS,
    lambda x: x * _PLANE,
    lambda x: x - ops.mean(x, axis=(1, 2), keepdims=True),
    lambda x: x * ops.reshape(ops.max(x, axis=(1, 2)), (-1, 1, 1, CHANNELS)),
    lambda x: ops.pad(x, ((0, 0), (1, 0), (0, 1), (0, 0)))[:, 1:, :-1],
    lambda x: x[:, ::-1, :, ::-1],
    lambda x: ops.transpose(x, (0, 2, 1, 3)),
    lambda x: softmax(x, axis=-1),
    lambda x: ops.cumsum(x, axis=1),
    lambda x: ops.reshape(ops.reshape(x, (-1, 36, CHANNELS)) * 0.5, (-1, 6, 6, CHANNELS)),
    lambda x: ops.reshape(ops.reshape(x, (-1, 2, 3, 6, 2, 2))[:, ::-1], (-1, 6, 6, CHANNELS)),
    lambda x: ops.reshape(
        ops.matmul(ops.reshape(x, (-1, CHANNELS)), np.eye(CHANNELS, dtype=np.float32)), (-1, 6, 6, CHANNELS)
    ),
    lambda x: ops.where(ops.greater(x, 0.1), x, ops.argmax(x, axis=3, keepdims=True)),
]
TWO: list[Callable[[Any, Any], Any]] = [
    ops.add,
    ops.maximum,
    lambda x, y: x * ops.sigmoid(y),
    lambda x, y: ops.concatenate([x, y], axis=-1)[..., 1 : CHANNELS + 1],
    lambda x, y: ops.concatenate([x[:, :2], y[:, 2:]], axis=1),
    lambda x, y: ops.where(ops.less(x, y), x, ops.mean(y, axis=3, keepdims=True)),
]
ENDS: list[Callable[[Any], Any]] = [
    lambda x: x,
    lambda x: ops.reshape(x, (-1, 36 * CHANNELS)),
    lambda x: ops.mean(x, axis=(1, 2)),
    lambda x: ops.sum(x, axis=(2, 3)),
    lambda x: ops.transpose(x, (3, 0, 2, 1)),
]
STEPS = st.lists(
    st.tuples(st.integers(0, len(ONE) + len(TWO) - 1), st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=8
)


@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(steps=STEPS, ends=st.lists(st.integers(0, len(ENDS) - 1), min_size=1, max_size=3))
def test_random_graphs_of_images(steps: list[tuple[int, int, int]], ends: list[int]) -> None:
    def function(image: Any) -> list[Any]:
        made = [image]
        for kind, first, second in steps:
            x, y = made[-1 - first % len(made)], made[-1 - second % len(made)]
            made.append(ONE[kind](x) if kind < len(ONE) else TWO[kind - len(ONE)](x, y))
        return [ENDS[end](made[-1 - i % len(made)]) for i, end in enumerate(ends)]

    images = np.random.default_rng(len(steps)).normal(size=(2, 6, 6, CHANNELS)).astype(np.float32)
    assert parity(trace(function, spec("batch", 6, 6, CHANNELS)), [images], tolerance=2e-3) == []
