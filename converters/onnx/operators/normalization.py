"""Normalizations, dropout and losses. Source: onnx.ai/onnx/operators."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphkit import ops, random
from graphkit.core.errors import InvalidArgumentError, UnsupportedError
from graphkit.ops._convert import dtype_name

from ..element_types import NAMES_OF_TYPES
from .elementwise import scalar
from .known import shape_of
from .shaping import rank
from .table import NodeCall, operator


def per_channel(vector: Any, like: Any) -> Any:
    """Reshape a vector so that it broadcasts along axis 1."""
    return ops.reshape(vector, (-1, *[1] * (rank(like) - 2)))


@operator("BatchNormalization", takes_node=True)
def batch_normalization_old(
    node: NodeCall, x: Any, scale: Any, bias: Any, mean: Any, variance: Any, *, epsilon: float = 1e-5, momentum: float = 0.9,
    spatial: int = 1, is_test: int = 0, consumed_inputs: Any = None,
) -> Any:  # fmt: skip
    """Normalize with the given statistics (before version 14, whose form for training has five outputs)."""
    if any(node.used[1:]):
        raise UnsupportedError(
            "BatchNormalization in training mode is supported from version 14 on; convert the file with onnx.version_converter."
        )
    if not spatial:
        return ops.add(
            ops.multiply(
                ops.multiply(ops.subtract(x, mean), ops.rsqrt(ops.add(variance, scalar(epsilon, variance)))), scale
            ),
            bias,
        )
    return _normalized(x, scale, bias, mean, variance, epsilon)


@operator("BatchNormalization", since=14, takes_node=True)
def batch_normalization(
    node: NodeCall,
    x: Any,
    scale: Any,
    bias: Any,
    mean: Any,
    variance: Any,
    *,
    epsilon: float = 1e-5,
    momentum: float = 0.9,
    training_mode: int = 0,
) -> Any:
    """Normalize with the given statistics, or with those of the batch, which then move the running ones."""
    if not training_mode:
        return _normalized(x, scale, bias, mean, variance, epsilon)
    axes = tuple(i for i in range(rank(x)) if i != 1)
    batch_mean, batch_variance = ops.mean(x, axis=axes), ops.var(x, axis=axes)
    moved = [
        ops.add(
            ops.multiply(old, scalar(momentum, old)),
            ops.multiply(ops.cast(new, dtype_name(old)), scalar(1.0 - momentum, old)),
        )
        for old, new in ((mean, batch_mean), (variance, batch_variance))
    ]
    return _normalized(x, scale, bias, batch_mean, batch_variance, epsilon), *moved


def _normalized(x: Any, scale: Any, bias: Any, mean: Any, variance: Any, epsilon: float) -> Any:
    dtype = dtype_name(x)
    scale, bias, mean, variance = (
        ops.cast(v, "float32" if dtype in ("float16", "bfloat16") else dtype) for v in (scale, bias, mean, variance)
    )
    return ops.cast(ops.batch_normalization(x, mean, variance, 1, offset=bias, scale=scale, epsilon=epsilon), dtype)


@operator("InstanceNormalization")
def instance_normalization(x: Any, scale: Any, bias: Any, *, epsilon: float = 1e-5, consumed_inputs: Any = None) -> Any:
    """Normalize each channel of each sample."""
    return group_normalization(x, scale, bias, epsilon=epsilon, num_groups=int(shape_of(x)[1]), stash_type=1)


@operator("GroupNormalization", since=18)
def group_normalization_by_group(
    x: Any, scale: Any, bias: Any, *, epsilon: float = 1e-5, num_groups: int, stash_type: int = 1
) -> Any:
    """Normalize groups of channels; scale and bias are per group (version 18)."""
    each = shape_of(x)[1] // num_groups
    return group_normalization(
        x, ops.repeat(scale, each), ops.repeat(bias, each), epsilon=epsilon, num_groups=num_groups
    )


@operator("GroupNormalization", since=21)
def group_normalization(
    x: Any, scale: Any, bias: Any, *, epsilon: float = 1e-5, num_groups: int, stash_type: int = 1
) -> Any:
    """Normalize groups of channels of each sample."""
    shape = shape_of(x)
    grouped = ops.reshape(
        ops.cast(x, "float32") if dtype_name(x) in ("float16", "bfloat16") else x, (shape[0], num_groups, -1)
    )
    centered = ops.subtract(grouped, ops.mean(grouped, axis=-1, keepdims=True))
    unit = ops.multiply(
        centered, ops.rsqrt(ops.add(ops.mean(ops.square(centered), axis=-1, keepdims=True), scalar(epsilon, grouped)))
    )
    unit = ops.cast(ops.reshape(unit, shape), dtype_name(x))
    return ops.add(ops.multiply(unit, per_channel(scale, x)), per_channel(bias, x))


@operator("LayerNormalization", takes_node=True)
def layer_normalization(
    node: NodeCall, x: Any, scale: Any, bias: Any = None, *, axis: int = -1, epsilon: float = 1e-5, stash_type: int = 1
) -> Any:
    """Normalize over the last axes, from `axis` on; also return mean and inverse deviation."""
    axes = tuple(range(axis % rank(x), rank(x)))
    dtype = dtype_name(x)
    if (
        node.outputs == 1
        and len(axes) == 1
        and bias is not None
        and rank(scale) == 1
        and dtype in ("float32", "float64")
    ):
        return ops.layer_normalization(x, scale, bias, axis=-1, epsilon=epsilon)
    wide = ops.cast(x, NAMES_OF_TYPES[stash_type])
    mean = ops.mean(wide, axis=axes, keepdims=True)
    centered = ops.subtract(wide, mean)
    inverse = ops.rsqrt(ops.add(ops.mean(ops.square(centered), axis=axes, keepdims=True), scalar(epsilon, wide)))
    made = ops.multiply(ops.cast(ops.multiply(centered, inverse), dtype), scale)
    return (made if bias is None else ops.add(made, bias)), mean, inverse


@operator("RMSNormalization")
def rms_normalization(x: Any, scale: Any, *, axis: int = -1, epsilon: float = 1e-5, stash_type: int = 1) -> Any:
    """Divide by the root mean square over the last axes, from `axis` on."""
    axes = tuple(range(axis % rank(x), rank(x)))
    wide = ops.cast(x, NAMES_OF_TYPES[stash_type])
    inverse = ops.rsqrt(ops.add(ops.mean(ops.square(wide), axis=axes, keepdims=True), scalar(epsilon, wide)))
    return ops.multiply(ops.cast(ops.multiply(wide, inverse), dtype_name(x)), scale)


@operator("LRN")
def lrn(x: Any, *, alpha: float = 0.0001, beta: float = 0.75, bias: float = 1.0, size: int) -> Any:
    """Divide by a power of the sum of squares of neighboring channels."""
    if size < 1:
        raise InvalidArgumentError(f"LRN expects a size of at least 1, got {size}.")
    count = shape_of(x)[1]
    reach = [(size - 1) // 2, size - 1 - (size - 1) // 2]
    before, after = (min(n, count) for n in reach) if isinstance(count, int) else reach
    squares = ops.pad(ops.square(x), [(0, 0), (before, after), *[(0, 0)] * (rank(x) - 2)])
    total = squares[:, :count]
    for i in range(1, before + after + 1):
        total = ops.add(total, squares[:, i : i + count])
    return ops.true_divide(x, ops.power(ops.add(scalar(bias, x), ops.multiply(total, scalar(alpha / size, x))), beta))


# ----- dropout -----


@operator("Dropout", takes_node=True)
def dropout_attribute(
    node: NodeCall, x: Any, *, ratio: float = 0.5, is_test: int = 0, consumed_inputs: Any = None
) -> Any:
    """Return the input, as in inference (before version 12); the mask, which is open there, is 0 as in onnxruntime."""
    return (x, ops.zeros_like(x, dtype=dtype_name(x) if node.opset < 10 else "bool")) if node.outputs > 1 else x


@operator("Dropout", since=12, takes_node=True)
def dropout(node: NodeCall, x: Any, ratio: Any = None, training_mode: Any = None, *, seed: int | None = None) -> Any:
    """Drop elements in training mode."""
    training = training_mode is not None and bool(np.asarray(training_mode).reshape(-1)[0])
    rate = 0.5 if ratio is None else float(np.asarray(ratio).reshape(-1)[0])
    if not training or rate == 0.0:
        return (x, ops.ones_like(x, dtype="bool")) if node.outputs > 1 else x
    generator = None if seed is None else random.SeedGenerator(seed)
    kept = ops.greater_equal(random.uniform(shape_of(x), seed=generator), rate)
    made = ops.multiply(ops.multiply(x, ops.cast(kept, dtype_name(x))), scalar(1.0 / (1.0 - rate), x))
    return (made, kept) if node.outputs > 1 else made


# ----- losses -----


@operator("NegativeLogLikelihoodLoss")
def negative_log_likelihood(
    scores: Any, target: Any, weight: Any = None, *, ignore_index: int | None = None, reduction: str = "mean"
) -> Any:
    """Return minus the scores of the target classes, weighted."""
    classes = shape_of(scores)[1]
    counted = None if ignore_index is None else ops.not_equal(target, ignore_index)
    safe = target if counted is None else ops.where(counted, target, ops.zeros_like(target))
    marked = ops.one_hot(safe, classes, axis=1, dtype=dtype_name(scores))
    loss = ops.negative(ops.sum(ops.multiply(scores, marked), axis=1))
    weights = ops.ones_like(loss) if weight is None else ops.take(weight, safe, axis=0)
    if counted is not None:
        weights = ops.multiply(weights, ops.cast(counted, dtype_name(scores)))
    loss = ops.multiply(loss, weights)
    if reduction == "none":
        return loss
    total = ops.sum(loss)
    return total if reduction == "sum" else ops.true_divide(total, ops.sum(weights))


@operator("SoftmaxCrossEntropyLoss", takes_node=True)
def softmax_cross_entropy(
    node: NodeCall,
    scores: Any,
    labels: Any,
    weight: Any = None,
    *,
    ignore_index: int | None = None,
    reduction: str = "mean",
) -> Any:
    """Return the cross-entropy of scores and class indices, and the log probabilities."""
    logs = ops.log_softmax(scores, axis=1)
    loss = negative_log_likelihood(logs, labels, weight, ignore_index=ignore_index, reduction=reduction)
    return (loss, logs) if node.outputs > 1 else loss
