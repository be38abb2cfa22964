"""Operators of com.microsoft that stand for several of ONNX: products, convolutions and normalizations with what follows them.

Source: onnxruntime, docs/ContribOperators.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from inspect import signature
from typing import Any

import numpy as np

from graphkit import ops
from graphkit.core.errors import UnsupportedError
from graphkit.ops._convert import dtype_name

from .convolution import conv, conv_transpose, max_pool
from .elementwise import scalar
from .known import array, ints, shape_of
from .linear import gemm
from .resizing import grid_sample, interpolated
from .selection import unique
from .shaping import gather_nd, pad, rank, trilu, unsqueeze
from .signals import dft_along
from .table import MICROSOFT, NodeCall, operator

# ----- activations -----

_ACTIVATIONS: dict[str, Callable[..., Any]] = {
    "Relu": ops.relu,
    "Sigmoid": ops.sigmoid,
    "Tanh": ops.tanh,
    "Softplus": ops.softplus,
    "Softsign": ops.softsign,
    "LeakyRelu": lambda x, a=0.01: ops.where(ops.less(x, 0), ops.multiply(x, scalar(a, x)), x),
    "Clip": lambda x, low=-np.inf, high=np.inf: ops.clip(x, low, high),
    "HardSigmoid": lambda x, a=0.2, b=0.5: ops.clip(ops.add(ops.multiply(x, scalar(a, x)), scalar(b, x)), 0.0, 1.0),
    "Elu": lambda x, a=1.0: ops.elu(x, a),
    "ThresholdedRelu": lambda x, a=1.0: ops.where(ops.greater(x, scalar(a, x)), x, ops.zeros_like(x)),
}


def activated(x: Any, name: str | None, parameters: Sequence[float | None] = ()) -> Any:
    """Apply an activation by its name; parameters of None are the activation's defaults.

    Raises:
        UnsupportedError: the activation is unknown.
    """
    if not name:
        return x
    if name not in _ACTIVATIONS:
        raise UnsupportedError(f"activation expects one of {sorted(_ACTIVATIONS)}, got {name!r}.")
    function = _ACTIVATIONS[name]
    taken = len(signature(function).parameters) - 1
    return function(x, *(p for p in parameters[:taken] if p is not None))


@operator("Gelu", domain=MICROSOFT)
def gelu(x: Any) -> Any:
    """Source: com.microsoft Gelu."""
    return ops.gelu(x, approximate=False)


@operator("BiasGelu", domain=MICROSOFT)
def bias_gelu(x: Any, bias: Any) -> Any:
    """Source: com.microsoft BiasGelu."""
    return ops.gelu(ops.add(x, bias), approximate=False)


@operator("FastGelu", domain=MICROSOFT)
def fast_gelu(x: Any, bias: Any = None) -> Any:
    """Source: com.microsoft FastGelu."""
    return ops.gelu(x if bias is None else ops.add(x, bias), approximate=True)


@operator("QuickGelu", domain=MICROSOFT)
def quick_gelu(x: Any, *, alpha: float = 1.702) -> Any:
    """Return x * sigmoid(alpha * x)."""
    return ops.multiply(x, ops.sigmoid(ops.multiply(x, scalar(alpha, x))))


@operator("BiasSplitGelu", domain=MICROSOFT)
def bias_split_gelu(x: Any, bias: Any) -> Any:
    """Add a bias, cut the last axis in two, and multiply the first half by the Gelu of the second."""
    value, gate = ops.split(ops.add(x, bias), 2, axis=-1)
    return ops.multiply(value, ops.gelu(gate, approximate=False))


@operator("ScaledSiLU", domain=MICROSOFT)
def scaled_silu(x: Any, scale: Any = None, *, alpha: float = 1.0) -> Any:
    """Source: com.microsoft ScaledSiLU."""
    made = ops.silu(ops.multiply(x, scalar(alpha, x)))
    return made if scale is None else ops.multiply(made, scale)


@operator("BiasAdd", domain=MICROSOFT)
def bias_add(x: Any, bias: Any, skip: Any) -> Any:
    """Return x + bias + skip."""
    return ops.add(ops.add(x, bias), skip)


@operator("BiasDropout", domain=MICROSOFT, takes_node=True)
def bias_dropout(
    node: NodeCall,
    x: Any,
    bias: Any,
    residual: Any = None,
    ratio: Any = None,
    training_mode: Any = None,
    *,
    seed: int | None = None,
) -> Any:
    """Add a bias, drop elements in training mode, and add a residual."""
    from .normalization import dropout

    total = ops.add(x, bias)
    made, kept = dropout(node._replace(outputs=2), total, ratio, training_mode, seed=seed)
    made = made if residual is None else ops.add(made, residual)
    return (made, kept) if node.outputs > 1 else made


@operator("BiasSoftmax", domain=MICROSOFT)
def bias_softmax(x: Any, bias: Any, *, axis: int = 1, is_inner_broadcast: int) -> Any:
    """Apply softmax over the axes from `axis` on to x + bias, which broadcasts."""
    flat = ops.reshape(ops.add(x, bias), (*shape_of(x)[: axis % rank(x)], -1))
    return ops.reshape(ops.softmax(flat, axis=-1), shape_of(x))


# ----- products -----


@operator("FusedMatMul", "TransposeMatMul", domain=MICROSOFT)
def fused_mat_mul(
    a: Any,
    b: Any,
    *,
    alpha: float = 1.0,
    transA: int = 0,  # noqa: N803 - ONNX' name
    transB: int = 0,  # noqa: N803 - ONNX' name
    transBatchA: int = 0,  # noqa: N803 - ONNX' name
    transBatchB: int = 0,  # noqa: N803 - ONNX' name
) -> Any:
    """Return alpha * A @ B, with the last axes transposed, or the first one moved behind the batch's."""
    made = ops.matmul(_arranged(a, transA, transBatchA), _arranged(b, transB, transBatchB))
    return ops.cast(made if alpha == 1.0 else ops.multiply(made, scalar(alpha, made)), dtype_name(a))


def _arranged(x: Any, transposed: int, batch_last: int) -> Any:
    if rank(x) < 2:
        return x
    x = ops.moveaxis(x, 0, -2) if batch_last else x
    return ops.swapaxes(x, -1, -2) if transposed else x


@operator("FusedGemm", domain=MICROSOFT)
def fused_gemm(
    a: Any,
    b: Any,
    c: Any = None,
    *,
    activation: str | None = None,
    activation_alpha: float | None = None,
    activation_beta: float | None = None,
    activation_gamma: float | None = None,
    alpha: float = 1.0,
    beta: float = 1.0,
    transA: int = 0,  # noqa: N803 - ONNX' name
    transB: int = 0,  # noqa: N803 - ONNX' name
) -> Any:
    """Apply an activation to the result of Gemm."""
    made = gemm(a, b, c, alpha=alpha, beta=beta, transA=transA, transB=transB)
    return activated(made, activation, (activation_alpha, activation_beta, activation_gamma))


@operator("GemmFastGelu", domain=MICROSOFT)
def gemm_fast_gelu(x: Any, w: Any, bias: Any = None) -> Any:
    """Source: com.microsoft GemmFastGelu."""
    return fast_gelu(ops.matmul(x, w), bias)


@operator("ComplexMul", domain=MICROSOFT)
def complex_mul(a: Any, b: Any) -> Any:
    """Multiply complex numbers (..., 2)."""
    (ar, ai), (br, bi) = ((v[..., 0], v[..., 1]) for v in (a, b))
    real = ops.subtract(ops.multiply(ar, br), ops.multiply(ai, bi))
    return ops.stack([real, ops.add(ops.multiply(ar, bi), ops.multiply(ai, br))], axis=-1)


@operator("ComplexMulConj", domain=MICROSOFT)
def complex_mul_conj(a: Any, b: Any) -> Any:
    """Multiply complex numbers (..., 2) by the conjugates of others."""
    return complex_mul(a, ops.stack([b[..., 0], ops.negative(b[..., 1])], axis=-1))


@operator("CDist", domain=MICROSOFT)
def cdist(a: Any, b: Any, *, metric: str = "sqeuclidean") -> Any:
    """Return the distances between the rows of two matrices."""
    if metric not in ("sqeuclidean", "euclidean"):
        raise UnsupportedError(f"metric expects 'euclidean' or 'sqeuclidean', got {metric!r}.")
    squares = ops.sum(ops.square(ops.subtract(ops.expand_dims(a, -2), ops.expand_dims(b, -3))), axis=-1)
    return squares if metric == "sqeuclidean" else ops.sqrt(squares)


@operator("Inverse", domain=MICROSOFT)
def inverse(x: Any) -> Any:
    """Source: com.microsoft Inverse."""
    return ops.inv(x)


# ----- convolutions and pooling -----


@operator("FusedConv", domain=MICROSOFT)
def fused_conv(
    x: Any,
    weights: Any,
    bias: Any = None,
    added: Any = None,
    *,
    activation: str | None = None,
    activation_params: Any = None,
    **settings: Any,
) -> Any:
    """Add a tensor to the result of Conv, and apply an activation."""
    made = conv(x, weights, bias, **settings)
    return activated(made if added is None else ops.add(made, added), activation, activation_params or ())


def channels_first(x: Any) -> Any:
    """Return channels-last images channels-first."""
    return ops.moveaxis(x, -1, 1)


def channels_last(x: Any) -> Any:
    """Return channels-first images channels-last."""
    return ops.moveaxis(x, 1, -1)


@operator("NhwcConv", domain=MICROSOFT)
def nhwc_conv(
    x: Any, weights: Any, bias: Any = None, *, group: int = 1, kernel_shape: Any = None, **settings: Any
) -> Any:
    """Convolve channels-last images.

    Files hold the weights as (filters, *window, channels), and the operator's description says (filters, channels, *window):
    the sizes decide.
    """
    sizes, channels = shape_of(weights), shape_of(x)[-1] // group
    fits = [
        size == channels and kernel_shape in (None, tuple(window))
        for size, window in ((sizes[-1], sizes[1:-1]), (sizes[1], sizes[2:]))
    ]
    if all(fits):
        raise UnsupportedError(f"the weights of shape {sizes} may be channels-first or channels-last.")
    kernel = channels_first(weights) if fits[0] else weights
    return channels_last(conv(channels_first(x), kernel, bias, group=group, **settings))


@operator("NhwcFusedConv", domain=MICROSOFT)
def nhwc_fused_conv(x: Any, weights: Any, bias: Any = None, added: Any = None, **settings: Any) -> Any:
    """Convolve channels-last images with weights (filters, channels, *window), add a tensor, and apply an activation."""
    return channels_last(
        fused_conv(channels_first(x), weights, bias, None if added is None else channels_first(added), **settings)
    )


@operator("NhwcMaxPool", domain=MICROSOFT, takes_node=True)
def nhwc_max_pool(node: NodeCall, x: Any, **settings: Any) -> Any:
    """Return the largest element of each window of channels-last images."""
    return channels_last(max_pool(node, channels_first(x), **settings))


@operator("ConvTransposeWithDynamicPads", domain=MICROSOFT)
def conv_transpose_with_dynamic_pads(x: Any, weights: Any, pads: Any = None, bias: Any = None, **settings: Any) -> Any:
    """Compute a transposed convolution whose pads are an input."""
    return conv_transpose(x, weights, bias, pads=None if pads is None else ints(pads, "Pads"), **settings)


@operator("CropAndResize", domain=MICROSOFT)
def crop_and_resize(
    x: Any,
    rois: Any,
    batch_indices: Any,
    crop_size: Any,
    *,
    extrapolation_value: float = 0.0,
    mode: str = "bilinear",
) -> Any:
    """Sample regions (top, left, bottom, right, in parts of the image) at points in equal distances, corners included."""
    if mode not in ("bilinear", "nearest"):
        raise UnsupportedError(f"mode expects 'bilinear' or 'nearest', got {mode!r}.")
    images = ops.take(x, batch_indices, axis=0)
    coordinates = []
    for axis, count in enumerate(ints(crop_size, "crop_size")):
        size, start, stop = shape_of(x)[axis + 2], rois[:, axis], rois[:, axis + 2]
        if count > 1:
            steps = ops.true_divide(ops.arange(count, dtype="float32"), scalar(float(count - 1), rois))
            shares = ops.add(
                ops.expand_dims(start, -1), ops.multiply(ops.expand_dims(ops.subtract(stop, start), -1), steps)
            )
        else:
            shares = ops.expand_dims(ops.multiply(ops.add(start, stop), scalar(0.5, rois)), -1)
        coordinates.append(ops.multiply(shares, scalar(float(size - 1), rois)))
    shape = (shape_of(rois)[0], shape_of(coordinates[0])[1], shape_of(coordinates[1])[1])
    places = [ops.broadcast_to(ops.expand_dims(c, 2 - axis), shape) for axis, c in enumerate(coordinates)]
    inside: Any = None
    for place, size in zip(places, shape_of(x)[2:], strict=True):
        one = ops.logical_and(ops.greater_equal(place, 0), ops.less_equal(place, size - 1))
        inside = one if inside is None else ops.logical_and(inside, one)
    if mode == "nearest":
        places = [ops.floor(ops.add(p, scalar(0.5, p))) for p in places]
    made = interpolated(images, places, "linear", "border")
    return ops.where(ops.expand_dims(inside, 1), made, scalar(extrapolation_value, made))


@operator("GridSample", domain=MICROSOFT)
def grid_sample_bilinear(
    x: Any, grid: Any, *, align_corners: int = 0, mode: str = "bilinear", padding_mode: str = "zeros"
) -> Any:
    """Source: com.microsoft GridSample."""
    return grid_sample(x, grid, align_corners=align_corners, mode=mode, padding_mode=padding_mode)


# ----- normalizations -----


@operator("SimplifiedLayerNormalization", takes_node=True)
@operator("SimplifiedLayerNormalization", domain=MICROSOFT, takes_node=True)
def simplified_layer_normalization(
    node: NodeCall, x: Any, scale: Any, *, axis: int = -1, epsilon: float = 1e-5, stash_type: int = 1
) -> Any:
    """Divide by the root mean square over the last axes, from `axis` on."""
    axes = tuple(range(axis % rank(x), rank(x)))
    made, inverse_size = _divided(x, scale, None, epsilon, axes)
    return (made, inverse_size) if node.outputs > 1 else made


def _wide(x: Any) -> Any:
    return ops.cast(x, "float32") if dtype_name(x) in ("float16", "bfloat16") else x


def _divided(x: Any, scale: Any, bias: Any, epsilon: float, axes: Any) -> tuple[Any, Any]:
    wide = _wide(x)
    unit = ops.rsqrt(ops.add(ops.mean(ops.square(wide), axis=axes, keepdims=True), scalar(epsilon, wide)))
    made = ops.multiply(ops.multiply(wide, unit), _wide(scale))
    made = made if bias is None else ops.add(made, _wide(bias))
    return ops.cast(made, dtype_name(x)), unit


def normalized(x: Any, scale: Any, bias: Any, epsilon: float) -> tuple[Any, Any, Any]:
    """Return the layer normalization over the last axis, the mean, and the inverse deviation."""
    wide = _wide(x)
    mean = ops.mean(wide, axis=-1, keepdims=True)
    made, unit = _divided(ops.subtract(wide, mean), scale, bias, epsilon, (-1,))
    return ops.cast(made, dtype_name(x)), mean, unit


@operator("SkipLayerNormalization", domain=MICROSOFT, takes_node=True)
def skip_layer_normalization(
    node: NodeCall, x: Any, skip: Any, gamma: Any, beta: Any = None, bias: Any = None, *, epsilon: float = 1e-12
) -> Any:
    """Normalize x + skip + bias over the last axis; also return mean, inverse deviation and the sum."""
    total = _summed(x, skip, bias)
    if node.outputs == 1 and beta is not None and dtype_name(x) in ("float32", "float64"):
        return ops.layer_normalization(total, gamma, beta, axis=-1, epsilon=epsilon)
    return (*normalized(total, gamma, beta, epsilon), total)


def _summed(x: Any, skip: Any, bias: Any) -> Any:
    total = ops.add(x, skip)
    return total if bias is None else ops.add(total, bias)


@operator("SkipSimplifiedLayerNormalization", domain=MICROSOFT)
def skip_simplified_layer_normalization(
    x: Any, skip: Any, gamma: Any, bias: Any = None, *, epsilon: float = 1e-12
) -> Any:
    """Divide x + skip + bias by its root mean square over the last axis; also return inverse deviation and the sum."""
    total = _summed(x, skip, bias)
    made, unit = _divided(total, gamma, None, epsilon, (-1,))
    return made, ops.zeros_like(unit), unit, total


@operator("EmbedLayerNormalization", domain=MICROSOFT)
def embed_layer_normalization(
    ids: Any,
    segment_ids: Any,
    words: Any,
    positions: Any,
    segments: Any,
    gamma: Any,
    beta: Any,
    mask: Any = None,
    position_ids: Any = None,
    *,
    epsilon: float = 1e-12,
    mask_index_type: int = 0,
) -> Any:
    """Add embeddings of words, positions and segments, and normalize; also return the number of words, and the sum."""
    places = ops.arange(shape_of(ids)[1], dtype="int32") if position_ids is None else position_ids
    total = ops.add(ops.take(words, ids, axis=0), ops.take(positions, places, axis=0))
    if segments is not None:
        total = ops.add(total, ops.take(segments, segment_ids, axis=0))
    counted = (
        ops.zeros((shape_of(ids)[0],), dtype="int32")
        if mask is None
        else ops.cast(ops.sum(ops.cast(ops.equal(mask, 1), "int32"), axis=1), "int32")
    )
    return normalized(total, gamma, beta, epsilon)[0], counted, total


@operator("GroupNorm", domain=MICROSOFT)
def group_norm(
    x: Any, gamma: Any, beta: Any, *, activation: int, channels_last: int = 1, epsilon: float = 1e-5, groups: int
) -> Any:
    """Normalize groups of channels; `activation` 1 is SiLU."""
    from .normalization import group_normalization

    first = channels_first(x) if channels_last else x
    made = _wide(first)
    made = group_normalization(made, _wide(gamma), _wide(beta), epsilon=epsilon, num_groups=groups)
    made = ops.cast(ops.silu(made) if activation == 1 else made, dtype_name(x))
    return ops.moveaxis(made, 1, -1) if channels_last else made


@operator("SkipGroupNorm", domain=MICROSOFT, takes_node=True)
def skip_group_norm(
    node: NodeCall,
    x: Any,
    gamma: Any,
    beta: Any,
    skip: Any,
    bias: Any = None,
    *,
    activation: int,
    channels_last: int = 1,
    epsilon: float = 1e-5,
    groups: int,
) -> Any:
    """Normalize groups of channels of x + skip + bias; also return the sum."""
    if rank(skip) == 2:  # one vector for each sample
        skip = ops.reshape(skip, (shape_of(skip)[0], *[1] * (rank(x) - 2), -1))
    total = _summed(x, skip, bias)
    made = group_norm(
        total, gamma, beta, activation=activation, channels_last=channels_last, epsilon=epsilon, groups=groups
    )
    return (made, total) if node.outputs > 1 else made


# ----- transforms -----


def _axes(x: Any, signal_ndim: int) -> list[int]:
    return [rank(x) - 1 - signal_ndim + i for i in range(signal_ndim)]


@operator("Rfft", domain=MICROSOFT)
def rfft(x: Any, *, normalized: int = 0, onesided: int = 1, signal_ndim: int) -> Any:
    """Transform the last `signal_ndim` axes; the result has real and imaginary parts in a last axis of its own."""
    if normalized or not onesided:
        raise UnsupportedError("Rfft is supported with onesided=1 and normalized=0.")
    made = ops.expand_dims(x, -1)
    axes = _axes(made, signal_ndim)
    made = dft_along(made, None, axes[-1], 0, 1)
    for axis in reversed(axes[:-1]):
        made = dft_along(made, None, axis, 0, 0)
    return made


@operator("Irfft", domain=MICROSOFT)
def irfft(x: Any, *, normalized: int = 0, onesided: int = 1, signal_ndim: int) -> Any:
    """Invert Rfft, for an even number of elements."""
    if normalized or not onesided:
        raise UnsupportedError("Irfft is supported with onesided=1 and normalized=0.")
    axes = _axes(x, signal_ndim)
    for axis in axes[:-1]:
        x = dft_along(x, None, axis, 1, 0)
    return dft_along(x, None, axes[-1], 1, 1)[..., 0]


# ----- others -----


@operator("ExpandDims", domain=MICROSOFT)
def expand_dims(x: Any, axis: Any) -> Any:
    """Add an axis of size 1."""
    return unsqueeze(x, [ints(axis, "axis")[0]])


operator("GatherND", domain=MICROSOFT)(lambda x, indices: gather_nd(x, indices))
operator("Trilu", domain=MICROSOFT)(trilu)
operator("Pad", domain=MICROSOFT)(lambda x, pads, value=None, *, mode="constant": pad(x, pads, value, mode=mode))


@operator("Range", domain=MICROSOFT)
def range_(start: Any, limit: Any, delta: Any = None) -> Any:
    """Return numbers from `start` up to `limit`, in steps of 1 by default."""
    from .creation import range_ as standard

    return standard(start, limit, np.ones((), dtype_name(start)) if delta is None else delta)


@operator("Unique", domain=MICROSOFT)
def unique_of_vector(x: Any) -> Any:
    """Return the different values in the order of their first places, where to find each input, and their counts."""
    found, _, inverse_places, counts = unique(x, sorted=0)
    return found, inverse_places, counts


@operator("UnfoldTensor", domain=MICROSOFT)
def unfold_tensor(x: Any, *, dim: int = -1, size: int, step: int = 1) -> Any:
    """Return overlapping windows along an axis; the window's elements are the last axis."""
    axis = dim % rank(x)
    count = (shape_of(x)[axis] - size) // step + 1
    places = np.arange(count)[:, None] * step + np.arange(size)
    return ops.moveaxis(ops.take(x, places, axis=axis), axis + 1, -1)


@operator("IsAllFinite", domain=MICROSOFT)
def is_all_finite(*inputs: Any, isinf_only: int = 0, isnan_only: int = 0) -> Any:
    """Return whether no element is infinite or NaN."""
    if isinf_only and isnan_only:
        raise UnsupportedError("isinf_only and isnan_only exclude each other.")
    found = ops.isinf if isinf_only else ops.isnan if isnan_only else lambda x: ops.logical_not(ops.isfinite(x))
    total: Any = None
    for x in inputs:
        one = ops.any(found(x))
        total = one if total is None else ops.logical_or(total, one)
    return ops.reshape(ops.logical_not(total), (1,))


@operator("NGramRepeatBlock", domain=MICROSOFT)
def ngram_repeat_block(ids: Any, scores: Any, *, ngram_size: int) -> Any:
    """Set the scores of words to -inf that would repeat an n-gram."""
    words = array(ids, "input_ids")
    blocked = np.zeros(shape_of(scores), bool)
    for row, sentence in enumerate(words):
        ending = sentence[len(sentence) - ngram_size + 1 :]
        for start in range(len(sentence) - ngram_size + 1):
            if (sentence[start : start + ngram_size - 1] == ending).all():
                blocked[row, sentence[start + ngram_size - 1]] = True
    return ops.where(blocked, scalar(-np.inf, scores), scores)


@operator("RelativePositionBias", domain=MICROSOFT)
def relative_position_bias(
    table: Any, query_length: Any, key_length: Any, *, is_bidirectional: int = 0, max_distance: int
) -> Any:
    """Return (1, heads, queries, keys): the entries of a table (buckets, heads) by the logarithm of the distance, as in T5."""
    queries, keys = ints(query_length, "query_length")[0], ints(key_length, "key_length")[0]
    buckets = shape_of(table)[0]
    distance = np.arange(keys)[None, :] - np.arange(queries)[:, None]
    offset: Any = 0
    if is_bidirectional:
        buckets //= 2
        offset = np.where(distance > 0, buckets, 0)
        away = np.abs(distance)
    else:
        away = np.maximum(-distance, 0)
    exact = buckets // 2
    with np.errstate(divide="ignore"):
        share = np.log(away.astype(np.float32) / exact) / np.log(max_distance / exact)
    far = np.minimum(exact + np.where(away < exact, 0, share * (buckets - exact)).astype(np.int64), buckets - 1)
    places = offset + np.where(away < exact, away, far)
    return ops.expand_dims(ops.transpose(ops.take(table, places, axis=0), (2, 0, 1)), 0)


@operator("SwiGLU", domain=MICROSOFT)
def swiglu(
    gate: Any,
    up: Any = None,
    *,
    activation_alpha: float = 1.0,
    activation_beta: float = 0.0,
    limit: float = 0.0,
    round_activation: int = 0,
) -> Any:
    """Return gate * sigmoid(alpha * gate) * (up + beta), computed in float32; `limit` bounds both inputs."""
    dtype = dtype_name(gate)
    if up is None:
        gate, up = ops.split(gate, 2, axis=-1)
    gate, up = _wide(gate), _wide(up)
    if limit > 0:
        gate, up = ops.minimum(gate, scalar(limit, gate)), ops.clip(up, -limit, limit)
    made = quick_gelu(gate, alpha=activation_alpha)
    made = _wide(ops.cast(made, dtype)) if round_activation else made
    return ops.cast(ops.multiply(made, ops.add(up, scalar(activation_beta, up))), dtype)


@operator("GatedAdd", domain=MICROSOFT)
def gated_add(x: Any, y: Any, gate: Any, gate_weight: Any = None) -> Any:
    """Return x + gate * y."""
    if gate_weight is not None:
        raise UnsupportedError("GatedAdd is supported without gate_weight.")
    return ops.add(x, ops.multiply(gate, y))


@operator("GatedRMSNorm", domain=MICROSOFT)
def gated_rms_norm(x: Any, scale: Any, gate: Any, *, activation: str = "silu", epsilon: float = 1e-5) -> Any:
    """Divide groups of the last axis by their root mean square, and multiply by an activation of the gate."""
    rules: dict[str, Callable[[Any], Any]] = {"silu": ops.silu, "swish": ops.silu, "sigmoid": ops.sigmoid}
    if activation not in rules:
        raise UnsupportedError(f"activation expects one of {sorted(rules)}, got {activation!r}.")
    groups = ops.reshape(_wide(x), (*shape_of(x)[:-1], -1, shape_of(scale)[0]))
    made = ops.reshape(_divided(groups, scale, None, epsilon, (-1,))[0], shape_of(x))
    return ops.cast(ops.multiply(made, rules[activation](_wide(gate))), dtype_name(x))
