"""`tf.nn`: activations, convolutions, pooling, normalization, losses, dropout."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphkit import ops
from graphkit import random as keras_random
from graphkit.core.errors import InvalidArgumentError, ShapeError, UnsupportedError
from graphkit.tensorflow.randoms import generator_of
from graphkit.tensorflow.table import (
    add_rows,
    as_tensor,
    axes_of,
    data_format_of,
    dtype_of,
    number,
    shape_of,
    sizes_of,
    spatial,
    tensorflow,
)

# ----- activations -----

add_rows("features", {
    "nn.relu": ops.relu, "nn.relu6": ops.relu6, "nn.elu": ops.elu, "nn.selu": ops.selu,
})  # fmt: skip


@tensorflow("nn.leaky_relu")
def _leaky_relu(features: Any, alpha: float = 0.2) -> Any:
    return (
        ops.maximum(features, features * alpha)
        if not isinstance(alpha, float) or alpha > 1
        else ops.leaky_relu(features, alpha)
    )


@tensorflow("nn.gelu")
def _gelu(features: Any, approximate: bool = False) -> Any:
    return ops.gelu(features, approximate=bool(approximate))


@tensorflow("nn.crelu")
def _crelu(features: Any, axis: int = -1) -> Any:
    return ops.concatenate([ops.relu(features), ops.relu(-features)], axis=axis)


@tensorflow("nn.silu nn.swish")
def _silu(features: Any, beta: float = 1.0) -> Any:
    return ops.silu(features) if isinstance(beta, float) and beta == 1.0 else features * ops.sigmoid(features * beta)


@tensorflow("nn.softmax math.softmax")
def _softmax(logits: Any, axis: Any = None) -> Any:
    return ops.softmax(logits, axis=-1 if axis is None else axes_of(axis))


@tensorflow("nn.log_softmax math.log_softmax")
def _log_softmax(logits: Any, axis: Any = None) -> Any:
    return ops.log_softmax(logits, axis=-1 if axis is None else axes_of(axis))


@tensorflow("nn.dropout")
def _dropout(x: Any, rate: Any, noise_shape: Any = None, seed: Any = None) -> Any:
    """Set a share of the elements to zero and scale the others up, also outside of training. Source: tf.nn.dropout."""
    if not 0 <= float(rate) < 1:
        raise InvalidArgumentError(f"tf.nn.dropout: rate must be in [0, 1), got {rate}.")
    shape = None if noise_shape is None else sizes_of(noise_shape, "noise_shape")
    return (
        keras_random.dropout(x, float(rate), noise_shape=shape, seed=generator_of(seed)) if float(rate) else ops.copy(x)
    )


@tensorflow("nn.experimental.stateless_dropout")
def _stateless_dropout(x: Any, rate: Any, seed: Any, rng_alg: Any = "auto_select", noise_shape: Any = None) -> Any:
    from graphkit.tensorflow.randoms import stateless_seed

    shape = None if noise_shape is None else sizes_of(noise_shape, "noise_shape")
    return keras_random.dropout(x, float(rate), noise_shape=shape, seed=stateless_seed(seed))


# ----- convolutions -----


def _padding(padding: Any, what: str) -> str:
    if not isinstance(padding, str) or padding.upper() not in ("SAME", "VALID"):
        raise UnsupportedError(f"{what}: padding must be 'SAME' or 'VALID', got {padding!r}; pad with tf.pad first.")
    return padding.lower()


def _window(value: Any, rank: int, data_format: Any, what: str) -> tuple[int, ...]:
    made = spatial(1 if value is None else value, rank, data_format)
    if len(made) != rank:
        raise ShapeError(f"{what} expects 1, {rank} or {rank + 2} numbers, got {value}.")
    return made


def _convolved(
    input: Any,
    filters: Any,
    strides: Any,
    padding: Any,
    data_format: Any,
    dilations: Any,
    what: str,
    rank: int | None = None,
) -> Any:
    rank = len(shape_of(filters)) - 2 if rank is None else rank
    batch = len(shape_of(input)) - rank - 1
    lead = shape_of(input)[: max(batch, 0)]
    images = input if batch == 1 else ops.reshape(input, (-1, *shape_of(input)[batch:]))
    made = ops.conv(
        images, filters, strides=_window(strides, rank, data_format, f"{what}: strides"), padding=_padding(padding, what),
        data_format=data_format_of(data_format), dilation_rate=_window(dilations, rank, data_format, f"{what}: dilations"),
    )  # fmt: skip
    return made if batch == 1 else ops.reshape(made, (*lead, *shape_of(made)[1:]))


@tensorflow("nn.conv1d", tensors="input filters")
def _conv1d(
    input: Any, filters: Any, stride: Any, padding: Any, data_format: str = "NWC", dilations: Any = None
) -> Any:
    return _convolved(input, filters, stride, padding, data_format, dilations, "tf.nn.conv1d", 1)


@tensorflow("nn.conv2d", tensors="input filters")
def _conv2d(
    input: Any, filters: Any, strides: Any, padding: Any, data_format: str = "NHWC", dilations: Any = None
) -> Any:
    if not isinstance(padding, str):
        widths = [tuple(int(w) for w in p) for p in padding]
        input, padding = ops.pad(input, widths), "VALID"
    return _convolved(input, filters, strides, padding, data_format, dilations, "tf.nn.conv2d", 2)


@tensorflow("nn.conv3d", tensors="input filters")
def _conv3d(
    input: Any, filters: Any, strides: Any, padding: Any, data_format: str = "NDHWC", dilations: Any = None
) -> Any:
    return _convolved(input, filters, strides, padding, data_format, dilations, "tf.nn.conv3d", 3)


@tensorflow("nn.convolution", tensors="input filters")
def _convolution(
    input: Any,
    filters: Any,
    strides: Any = None,
    padding: Any = "VALID",
    data_format: Any = None,
    dilations: Any = None,
) -> Any:
    return _convolved(input, filters, strides, padding, data_format, dilations, "tf.nn.convolution")


@tensorflow("nn.atrous_conv2d", tensors="value filters")
def _atrous_conv2d(value: Any, filters: Any, rate: Any, padding: Any) -> Any:
    return _convolved(value, filters, 1, padding, "NHWC", rate, "tf.nn.atrous_conv2d", 2)


@tensorflow("nn.depthwise_conv2d", tensors="input filter")
def _depthwise(
    input: Any, filter: Any, strides: Any, padding: Any, data_format: Any = None, dilations: Any = None
) -> Any:
    what = "tf.nn.depthwise_conv2d"
    return ops.depthwise_conv(
        input, filter, strides=_window(strides, 2, data_format, what), padding=_padding(padding, what),
        data_format=data_format_of(data_format), dilation_rate=_window(dilations, 2, data_format, what),
    )  # fmt: skip


@tensorflow("nn.separable_conv2d", tensors="input depthwise_filter pointwise_filter")
def _separable(
    input: Any,
    depthwise_filter: Any,
    pointwise_filter: Any,
    strides: Any,
    padding: Any,
    data_format: Any = None,
    dilations: Any = None,
) -> Any:
    made = _depthwise(input, depthwise_filter, strides, padding, data_format, dilations)
    return _convolved(made, pointwise_filter, 1, "VALID", data_format, 1, "tf.nn.separable_conv2d", 2)


def _transposed(
    input: Any,
    filters: Any,
    output_shape: Any,
    strides: Any,
    padding: Any,
    data_format: Any,
    dilations: Any,
    rank: int,
    what: str,
) -> Any:
    """The transpose of a convolution: the whole result of the windows, cut or filled up to `output_shape`."""
    steps, rates = (_window(v, rank, data_format, what) for v in (strides, dilations))
    kind = _padding(padding, what)
    first = 2 if data_format_of(data_format) == "channels_first" else 1
    wanted = sizes_of(output_shape, "output_shape")
    wanted = wanted[first : first + rank] if len(wanted) == rank + 2 else wanted
    whole = ops.conv_transpose(
        input, filters, strides=steps, padding="valid", data_format=data_format_of(data_format), dilation_rate=rates
    )
    shape, key, widths = shape_of(whole), [slice(None)] * (rank + 2), [(0, 0)] * (rank + 2)
    for axis in range(rank):
        size, kernel, step, rate = shape_of(input)[first + axis], shape_of(filters)[axis], steps[axis], rates[axis]
        spread = (kernel - 1) * rate + 1
        target = wanted[axis]
        if isinstance(size, int) and isinstance(target, int):
            expected = -(-target // step) if kind == "same" else -(-(target - spread + 1) // step)
            if expected != size:
                raise ShapeError(
                    f"{what}: an input of size {size} does not come from an output of size {target} with stride {step}."
                )
        before = (max((size - 1) * step + spread - target, 0) // 2) if kind == "same" else 0
        key[first + axis] = slice(before, before + target)
        missing = before + target - shape[first + axis]
        widths[first + axis] = (0, missing if isinstance(missing, int) and missing > 0 else 0)
    made = ops.pad(whole, widths) if any(after for _, after in widths) else whole
    return made[tuple(key)]


def _add_transposed(name: str, rank: int, default: Any) -> None:
    @tensorflow(f"nn.{name}", tensors="input filters")
    def call(
        input: Any,
        filters: Any,
        output_shape: Any,
        strides: Any,
        padding: Any = "SAME",
        data_format: Any = default,
        dilations: Any = None,
    ) -> Any:
        spatial_rank = rank or len(shape_of(filters)) - 2
        return _transposed(
            input, filters, output_shape, strides, padding, data_format, dilations, spatial_rank, f"tf.nn.{name}"
        )


for _name, _rank, _default in (("conv1d_transpose", 1, "NWC"), ("conv2d_transpose", 2, "NHWC"), ("conv3d_transpose", 3, "NDHWC"),
                               ("conv_transpose", 0, None)):  # fmt: skip
    _add_transposed(_name, _rank, _default)

# ----- pooling -----

_POOLS = {"max": ops.max_pool, "avg": ops.average_pool}


def _pooled(kind: str, input: Any, ksize: Any, strides: Any, padding: Any, data_format: Any, what: str) -> Any:
    rank = len(shape_of(input)) - 2
    window, steps = (_window(v, rank, data_format, what) for v in (ksize, strides))
    return _POOLS[kind](
        input, window, strides=steps, padding=_padding(padding, what), data_format=data_format_of(data_format)
    )


def _add_pool(kind: str, suffix: str, default: Any) -> None:
    name = f"nn.{kind}_pool{suffix}"

    @tensorflow(name, tensors="input")
    def call(input: Any, ksize: Any, strides: Any, padding: Any, data_format: Any = default) -> Any:
        return _pooled(kind, input, ksize, strides, padding, data_format, f"tf.{name}")


for _kind in _POOLS:
    for _suffix, _form in (("", None), ("1d", "NWC"), ("2d", "NHWC"), ("3d", "NDHWC")):
        _add_pool(_kind, _suffix, _form)


@tensorflow("nn.pool", tensors="input")
def _pool(
    input: Any, window_shape: Any, pooling_type: str, strides: Any = None, padding: Any = "VALID", data_format: Any = None,
    dilations: Any = None,
) -> Any:  # fmt: skip
    if dilations is not None and set(np.ravel(dilations).tolist()) != {1}:
        raise UnsupportedError("tf.nn.pool with dilations is not supported.")
    return _pooled(
        pooling_type.lower(), input, window_shape, 1 if strides is None else strides, padding, data_format, "tf.nn.pool"
    )


# ----- shapes of images -----


@tensorflow("nn.depth_to_space")
def _depth_to_space(input: Any, block_size: int, data_format: str = "NHWC") -> Any:
    return ops.depth_to_space(input, block_size, data_format_of(data_format))


@tensorflow("nn.space_to_depth")
def _space_to_depth(input: Any, block_size: int, data_format: str = "NHWC") -> Any:
    return ops.space_to_depth(input, block_size, data_format_of(data_format))


@tensorflow("nn.bias_add")
def _bias_add(value: Any, bias: Any, data_format: Any = None) -> Any:
    if data_format_of(data_format) == "channels_first":
        bias = ops.reshape(bias, (-1, *[1] * (len(shape_of(value)) - 2)))
    return value + bias


@tensorflow("nn.embedding_lookup", tensors="ids")
def _embedding_lookup(params: Any, ids: Any, max_norm: Any = None) -> Any:
    if isinstance(params, (list, tuple)):
        params = ops.concatenate([as_tensor(p) for p in params], axis=0)
    rows = ops.take(as_tensor(params), ids, axis=0)
    if max_norm is None:
        return rows
    axes = tuple(range(len(shape_of(ids)), len(shape_of(rows))))
    length = ops.sqrt(ops.sum(ops.square(rows), axis=axes, keepdims=True))
    return rows * max_norm / ops.maximum(length, max_norm)


# ----- normalization -----


@tensorflow("nn.batch_normalization")
def _batch_normalization(x: Any, mean: Any, variance: Any, offset: Any, scale: Any, variance_epsilon: float) -> Any:
    factor = ops.rsqrt(variance + variance_epsilon)
    factor = factor if scale is None else factor * scale
    made = x * factor
    return made + ((offset - mean * factor) if offset is not None else -mean * factor)


@tensorflow("nn.moments")
def _moments(x: Any, axes: Any, shift: Any = None, keepdims: bool = False) -> Any:
    return tuple(ops.moments(x, axes_of(axes), keepdims=bool(keepdims)))


@tensorflow("nn.weighted_moments", tensors="x frequency_weights")
def _weighted_moments(x: Any, axes: Any, frequency_weights: Any, keepdims: bool = False) -> Any:
    axes = axes_of(axes)
    weights = frequency_weights + ops.zeros_like(x)
    total = ops.sum(weights, axis=axes, keepdims=True)
    mean = ops.sum(weights * x, axis=axes, keepdims=True) / total
    variance = ops.sum(weights * ops.square(x - mean), axis=axes, keepdims=True) / total
    return (mean, variance) if keepdims else (ops.squeeze(mean, axes), ops.squeeze(variance, axes))


@tensorflow("nn.sufficient_statistics")
def _sufficient_statistics(x: Any, axes: Any, shift: Any = None, keepdims: bool = False) -> Any:
    axes = axes_of(axes)
    count = math.prod(shape_of(x)[a] for a in ((axes,) if isinstance(axes, int) else axes))
    moved = x if shift is None else x - shift
    sums = [ops.sum(v, axis=axes, keepdims=keepdims) for v in (moved, ops.square(moved))]
    return as_tensor(float(count), dtype_of(x)), *sums, shift


@tensorflow("nn.normalize_moments", tensors="counts mean_ss variance_ss")
def _normalize_moments(counts: Any, mean_ss: Any, variance_ss: Any, shift: Any) -> Any:
    mean = mean_ss / counts
    variance = variance_ss / counts - ops.square(mean)
    return (mean if shift is None else mean + shift), variance


@tensorflow("nn.local_response_normalization nn.lrn")
def _lrn(input: Any, depth_radius: int = 5, bias: float = 1, alpha: float = 1, beta: float = 0.5) -> Any:
    rank, channels = len(shape_of(input)), shape_of(input)[-1]
    padded = ops.pad(ops.square(input), [(0, 0)] * (rank - 1) + [(depth_radius, depth_radius)])
    total = padded[..., 0:channels]
    for shift in range(1, 2 * depth_radius + 1):
        total = total + padded[..., shift : shift + channels]
    return input / ops.power(bias + alpha * total, beta)


# ----- losses -----


def _log1p_exp(x: Any) -> Any:
    return ops.log1p(ops.exp(-ops.absolute(x)))


@tensorflow("nn.sigmoid_cross_entropy_with_logits")
def _sigmoid_cross_entropy(labels: Any = None, logits: Any = None) -> Any:
    _same_shape("tf.nn.sigmoid_cross_entropy_with_logits", labels, logits)
    return ops.relu(logits) - logits * labels + _log1p_exp(logits)


@tensorflow("nn.weighted_cross_entropy_with_logits")
def _weighted_cross_entropy(labels: Any, logits: Any, pos_weight: Any) -> Any:
    _same_shape("tf.nn.weighted_cross_entropy_with_logits", labels, logits)
    factor = 1 + (pos_weight - 1) * labels
    return (1 - labels) * logits + factor * (_log1p_exp(logits) + ops.relu(-logits))


def _same_shape(what: str, labels: Any, logits: Any) -> None:
    if labels is None or logits is None:
        raise InvalidArgumentError(f"{what} expects labels= and logits=.")
    if len(shape_of(labels)) != len(shape_of(logits)) or any(
        a != b
        for a, b in zip(shape_of(labels), shape_of(logits), strict=True)
        if isinstance(a, int) and isinstance(b, int)
    ):
        raise ShapeError(
            f"{what}: logits and labels must have the same shape, got {shape_of(logits)} and {shape_of(labels)}."
        )


@tensorflow("nn.softmax_cross_entropy_with_logits")
def _softmax_cross_entropy(labels: Any, logits: Any, axis: int = -1) -> Any:
    return -ops.sum(ops.cast(labels, dtype_of(logits)) * ops.log_softmax(logits, axis=axis), axis=axis)


@tensorflow("nn.sparse_softmax_cross_entropy_with_logits")
def _sparse_softmax_cross_entropy(labels: Any, logits: Any) -> Any:
    hot = ops.one_hot(ops.cast(labels, "int32"), shape_of(logits)[-1], dtype=dtype_of(logits))
    return -ops.sum(hot * ops.log_softmax(logits, axis=-1), axis=-1)


@tensorflow("nn.log_poisson_loss")
def _log_poisson_loss(targets: Any, log_input: Any, compute_full_loss: bool = False) -> Any:
    log_input = as_tensor(log_input)
    loss = ops.exp(log_input) - log_input * targets
    if not compute_full_loss:
        return loss
    safe = ops.where(ops.greater(targets, 1), targets, ops.ones_like(targets))
    stirling = safe * ops.log(safe) - safe + 0.5 * ops.log(2 * math.pi * safe)
    return loss + ops.where(ops.greater(targets, 1), stirling, ops.zeros_like(stirling))


@tensorflow("nn.l2_loss")
def _l2_loss(t: Any) -> Any:
    return ops.sum(ops.square(t)) / 2


@tensorflow("nn.compute_average_loss", tensors="per_example_loss sample_weight")
def _compute_average_loss(per_example_loss: Any, sample_weight: Any = None, global_batch_size: Any = None) -> Any:
    loss = per_example_loss if sample_weight is None else per_example_loss * sample_weight
    count = shape_of(loss)[0] if global_batch_size is None else global_batch_size
    return ops.sum(loss) / ops.cast(count, dtype_of(loss))


@tensorflow("nn.scale_regularization_loss", tensors="regularization_loss")
def _scale_regularization_loss(regularization_loss: Any) -> Any:
    return ops.sum(regularization_loss)


@tensorflow("nn.ctc_loss")
def _ctc_loss(
    labels: Any, logits: Any, label_length: Any, logit_length: Any, logits_time_major: bool = True, unique: Any = None,
    blank_index: Any = None,
) -> Any:  # fmt: skip
    if label_length is None:
        raise UnsupportedError("tf.nn.ctc_loss of sparse labels is not supported; pass dense labels and label_length.")
    rows = ops.swapaxes(logits, 0, 1) if logits_time_major else logits
    blank = 0 if blank_index is None else number(blank_index, "blank_index") % number(shape_of(logits)[-1], "classes")
    label_count, row_count = (ops.cast(as_tensor(v), "int32") for v in (label_length, logit_length))
    return ops.ctc_loss(ops.cast(labels, "int32"), rows, label_count, row_count, mask_index=blank)


@tensorflow("nn.collapse_repeated", tensors="")
def _collapse_repeated(labels: Any, seq_length: Any) -> Any:
    raise UnsupportedError("tf.nn.collapse_repeated is not provided; keras.ops.ctc_decode merges repeated labels.")
