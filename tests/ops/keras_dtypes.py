"""Calls of ops, with result dtypes recorded from real Keras (fixtures/ops/dtypes.json, by tests/interop/sweep_ops.py).

Each call takes the `ops` namespace, Keras' or ours, and the tensors whose dtypes are varied. Nothing of graphkit is imported here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

DTYPES = (
    "bool", "uint8", "uint16", "uint32", "int8", "int16", "int32", "float16", "bfloat16", "float32", "complex64",
)  # fmt: skip
SCALARS: dict[str, Any] = {"int": 1, "float": 1.5, "flag": True}

Call = Callable[..., Any]


def _named(names: str, *args: Any, **options: Any) -> dict[str, Call]:
    return {name: (lambda ops, *xs, name=name: _find(ops, name)(*xs, *args, **options)) for name in names.split()}


def _find(ops: Any, name: str) -> Any:
    for part in name.split("."):
        ops = getattr(ops, part)
    return ops


# ----- one tensor (2, 2), all ones -----

ELEMENTWISE = _named(
    "abs absolute angle arccos arccosh arcsin arcsinh arctan arctanh cbrt ceil conj conjugate cos cosh deg2rad erf erfc erfinv exp"
    " exp2 expm1 fabs floor i0 imag isfinite isinf isnan isneginf isposinf isreal log log10 log1p log2 logical_not nan_to_num"
    " negative rad2deg real reciprocal round rsqrt sign signbit sin sinc sinh sqrt square stop_gradient tan tanh trunc"
    " bitwise_invert bitwise_not view_as_real copy array convert_to_tensor"
)
ACTIVATIONS = _named(
    "celu elu gelu glu hard_shrink hard_sigmoid hard_silu hard_swish hard_tanh leaky_relu log_sigmoid log_softmax relu relu6 selu"
    " sigmoid silu soft_shrink softmax softplus softsign sparse_plus sparse_sigmoid sparsemax squareplus swish tanh_shrink"
    " normalize rms_normalization layer_normalization"
)
REDUCTIONS = _named(
    "all amax amin any argmax argmin average count_nonzero cumprod cumsum logsumexp max mean median min nanargmax nanargmin"
    " nancumprod nancumsum nanmax nanmean nanmedian nanmin nanprod nanstd nansum nanvar prod ptp std sum var trapezoid norm",
    axis=0,
)
ARRANGING = _named(
    "argsort sort diag diagflat diagonal trace diff empty_like flip fliplr flipud ones_like zeros_like ravel rot90 squeeze transpose"
    " tril triu unstack corrcoef view_as_complex nonzero"
)
MATRICES = _named("cholesky_inverse det eig eigh inv logdet lu_factor matrix_rank pinv qr slogdet svd")
ONE: dict[str, Call] = {
    **ELEMENTWISE, **ACTIVATIONS, **REDUCTIONS, **ARRANGING, **MATRICES,
    "cholesky": lambda ops, x: ops.cholesky(ops.multiply(x, np.eye(2) > 0)),
    "sum of all": lambda ops, x: ops.sum(x),
    "cumsum flat": lambda ops, x: ops.cumsum(x),
    "cumsum as float16": lambda ops, x: ops.cumsum(x, axis=0, dtype="float16"),
    "cumprod as int8": lambda ops, x: ops.cumprod(x, axis=0, dtype="int8"),
    "prod as float32": lambda ops, x: ops.prod(x, dtype="float32"),
    "prod as int16": lambda ops, x: ops.prod(x, dtype="int16"),
    "max initial": lambda ops, x: ops.max(x, axis=0, initial=0),
    "norm 1": lambda ops, x: ops.norm(x, ord=1, axis=0),
    "norm 0": lambda ops, x: ops.norm(x, ord=0, axis=0),
    "norm inf": lambda ops, x: ops.norm(x, ord=float("inf"), axis=0),
    "norm nuc": lambda ops, x: ops.norm(x, ord="nuc"),
    "quantile": lambda ops, x: ops.quantile(x, 0.5, axis=0),
    "percentile": lambda ops, x: ops.percentile(x, 50, axis=0),
    "nanquantile": lambda ops, x: ops.nanquantile(x, 0.5, axis=0),
    "quantile nearest": lambda ops, x: ops.quantile(x, 0.5, axis=0, method="nearest"),
    "round decimals": lambda ops, x: ops.round(x, 1),
    "round negative": lambda ops, x: ops.round(x, -1),
    "clip ints": lambda ops, x: ops.clip(x, 0, 1),
    "clip floats": lambda ops, x: ops.clip(x, 0.5, 1.5),
    "bincount": lambda ops, x: ops.bincount(x[0], minlength=4),
    "top_k": lambda ops, x: ops.top_k(x, 1),
    "argpartition": lambda ops, x: ops.argpartition(x, 1),
    "unique": lambda ops, x: ops.unique(x),
    "histogram": lambda ops, x: ops.histogram(x[0], bins=2),
    "one_hot": lambda ops, x: ops.one_hot(x, 3),
    "multi_hot": lambda ops, x: ops.multi_hot(x, 3),
    "pad": lambda ops, x: ops.pad(x, 1),
    "tile": lambda ops, x: ops.tile(x, 2),
    "repeat": lambda ops, x: ops.repeat(x, 2),
    "roll": lambda ops, x: ops.roll(x, 1),
    "vander": lambda ops, x: ops.vander(x[0]),
    "full_like": lambda ops, x: ops.full_like(x, 1),
    "full_like float": lambda ops, x: ops.full_like(x, 1.5),
    "unravel_index": lambda ops, x: ops.unravel_index(x, (3, 4)),
    "fft": lambda ops, x: ops.fft((x, x)),
    "ifft2": lambda ops, x: ops.ifft2((x, x)),
    "rfft": lambda ops, x: ops.rfft(x),
    "irfft": lambda ops, x: ops.irfft((x, x)),
    "stft": lambda ops, x: ops.stft(ops.tile(x, (1, 8)), 4, 2, 4),
    "istft": lambda ops, x: ops.istft((ops.tile(x, (1, 2))[..., :3], ops.tile(x, (1, 2))[..., :3]), 4, 2, 4),
    "extract_sequences": lambda ops, x: ops.extract_sequences(x, 1, 1),
    "moments": lambda ops, x: ops.moments(x, axes=0),
    "threshold": lambda ops, x: ops.threshold(x, 1, 0),
    "logical_and with int": lambda ops, x: ops.logical_and(x, 2),
    "cast": lambda ops, x: ops.cast(x, "float16"),
    "saturate_cast": lambda ops, x: ops.saturate_cast(x, "int8"),
    "view": lambda ops, x: ops.view(x, "int8") if str(x.dtype) not in ("bool",) else x,
    "average_pool": lambda ops, x: ops.average_pool(ops.reshape(x, (1, 2, 2, 1)), 2),
    "max_pool": lambda ops, x: ops.max_pool(ops.reshape(x, (1, 2, 2, 1)), 2),
    "adaptive_average_pool": lambda ops, x: ops.adaptive_average_pool(ops.reshape(x, (1, 2, 2, 1)), 1),
    "adaptive_max_pool": lambda ops, x: ops.adaptive_max_pool(ops.reshape(x, (1, 2, 2, 1)), 1),
    "depth_to_space": lambda ops, x: ops.depth_to_space(ops.reshape(x, (1, 1, 1, 4)), 2),
    "space_to_depth": lambda ops, x: ops.space_to_depth(ops.reshape(x, (1, 2, 2, 1)), 2),
    "unfold": lambda ops, x: ops.unfold(ops.reshape(x, (1, 1, 2, 2)), 2),
    "fold": lambda ops, x: ops.fold(ops.reshape(x, (1, 4, 1)), 2, 2),
    "segment_sum": lambda ops, x: ops.segment_sum(x, np.array([0, 1], "int32"), num_segments=2),
    "segment_max": lambda ops, x: ops.segment_max(x, np.array([0, 1], "int32"), num_segments=3),
    "segment_min": lambda ops, x: ops.segment_min(x, np.array([0, 1], "int32"), num_segments=3),
    "segment_prod": lambda ops, x: ops.segment_prod(x, np.array([0, 1], "int32"), num_segments=3),
    "segment ids": lambda ops, x: ops.segment_sum(np.ones((2, 2), "float32"), x[0], num_segments=2),
    "take": lambda ops, x: ops.take(np.ones((2, 2), "float32"), x, axis=0),
    "take_along_axis": lambda ops, x: ops.take_along_axis(np.ones((2, 2), "float32"), x, axis=0),
    "in_top_k": lambda ops, x: ops.in_top_k(x[0], np.ones((2, 2), "float32"), 1),
    "in_top_k of": lambda ops, x: ops.in_top_k(np.zeros((2,), "int32"), x, 1),
    "scatter": lambda ops, x: ops.scatter(np.array([[0], [1]], "int32"), x, (3, 2)),
    "scatter at": lambda ops, x: ops.scatter(x[:, :1], np.ones((2, 2), "float32"), (3, 2)),
    "scatter_update": lambda ops, x: ops.scatter_update(x, np.array([[0, 1]], "int32"), np.ones(1, "float32")),
    "slice": lambda ops, x: ops.slice(x, (0, 0), (1, 1)),
    "slice_update": lambda ops, x: ops.slice_update(x, (0, 0), np.ones((1, 1), "float32")),
    "digitize": lambda ops, x: ops.digitize(x, np.array([0, 2], "int32")),
    "ctc_loss of": lambda ops, x: ops.ctc_loss(
        np.ones((1, 1), "int32"), ops.reshape(x, (1, 2, 2)), np.ones(1, "int32"), np.full(1, 2, "int32")
    ),
    "psnr": lambda ops, x: ops.psnr(x, x, 1.0),
    "binary_crossentropy": lambda ops, x: ops.binary_crossentropy(x, x),
    "categorical_crossentropy": lambda ops, x: ops.categorical_crossentropy(x, x),
    "sparse_categorical_crossentropy": lambda ops, x: ops.sparse_categorical_crossentropy(x[0], np.ones((2, 2), "float32")),
    "batch_normalization": lambda ops, x: ops.batch_normalization(x, x[0], x[0], -1),
    "dot_product_attention": lambda ops, x: ops.dot_product_attention(*[ops.reshape(x, (1, 2, 1, 2))] * 3),
    "resize": lambda ops, x: ops.image.resize(ops.reshape(x, (2, 2, 1)), (1, 1)),
    "resize nearest": lambda ops, x: ops.image.resize(ops.reshape(x, (2, 2, 1)), (1, 1), interpolation="nearest"),
    "resize bicubic": lambda ops, x: ops.image.resize(ops.reshape(x, (2, 2, 1)), (3, 3), interpolation="bicubic"),
    "resize cropped": lambda ops, x: ops.image.resize(
        ops.reshape(x, (2, 2, 1)), (1, 2), crop_to_aspect_ratio=True
    ),
    "resize padded": lambda ops, x: ops.image.resize(ops.reshape(x, (2, 2, 1)), (2, 4), pad_to_aspect_ratio=True),
    "pad_images": lambda ops, x: ops.image.pad_images(ops.reshape(x, (2, 2, 1)), 1, 1, 1, 1),
    "crop_images": lambda ops, x: ops.image.crop_images(ops.reshape(x, (2, 2, 1)), 1, 1, 0, 0),
    "extract_patches": lambda ops, x: ops.image.extract_patches(ops.reshape(x, (2, 2, 1)), 1),
    "gaussian_blur": lambda ops, x: ops.image.gaussian_blur(ops.reshape(x, (2, 2, 1))),
    "sobel_edges": lambda ops, x: ops.image.sobel_edges(ops.reshape(x, (1, 2, 2, 1))),
    "affine_transform": lambda ops, x: ops.image.affine_transform(
        ops.reshape(x, (2, 2, 1)), np.array([1, 0, 0, 0, 1, 0, 0, 0], "float32")
    ),
    "perspective_transform": lambda ops, x: ops.image.perspective_transform(
        ops.reshape(x, (2, 2, 1)), *[np.array([[0, 0], [1, 0], [0, 1], [1, 1]], "float32")] * 2
    ),
    "elastic_transform": lambda ops, x: ops.image.elastic_transform(ops.reshape(x, (2, 2, 1)), seed=1),
    "map_coordinates": lambda ops, x: ops.image.map_coordinates(x, np.zeros((2, 1), "float32"), 1),
    "map_coordinates nearest": lambda ops, x: ops.image.map_coordinates(x, np.zeros((2, 1), "float32"), 0),
    "map_coordinates at": lambda ops, x: ops.image.map_coordinates(np.ones((2, 2), "float32"), x, 1),
    "scale_and_translate": lambda ops, x: ops.image.scale_and_translate(
        ops.reshape(x, (2, 2, 1)), (2, 2, 1), np.ones(2, "float32"), np.zeros(2, "float32"), (0, 1), "linear"
    ),
    "rgb_to_grayscale": lambda ops, x: ops.image.rgb_to_grayscale(ops.tile(ops.reshape(x, (2, 2, 1)), (1, 1, 3))),
    "rgb_to_hsv": lambda ops, x: ops.image.rgb_to_hsv(ops.tile(ops.reshape(x, (2, 2, 1)), (1, 1, 3))),
    "hsv_to_rgb": lambda ops, x: ops.image.hsv_to_rgb(ops.tile(ops.reshape(x, (2, 2, 1)), (1, 1, 3))),
    "ssim": lambda ops, x: ops.image.ssim(*[ops.reshape(x, (2, 2, 1))] * 2, filter_size=1),
    "random.dropout": lambda ops, x: ops.random.dropout(x, 0.5, seed=1),
    "random.shuffle": lambda ops, x: ops.random.shuffle(x, seed=1),
    "random.categorical": lambda ops, x: ops.random.categorical(x, 1, seed=1),
    "random.gamma": lambda ops, x: ops.random.gamma((2, 2), x, seed=1),
    "random.beta": lambda ops, x: ops.random.beta((2, 2), x, x, seed=1),
    "random.binomial": lambda ops, x: ops.random.binomial((2, 2), x, 0.5, seed=1),
}  # fmt: skip

# ----- two tensors (2, 2), all ones -----

PAIRS = _named(
    "add arctan2 bitwise_and bitwise_left_shift bitwise_or bitwise_right_shift bitwise_xor left_shift right_shift divide"
    " divide_no_nan equal floor_divide fmax fmin fmod gcd greater greater_equal heaviside hypot isclose lcm ldexp less less_equal"
    " logaddexp logaddexp2 logical_and logical_or logical_xor maximum minimum mod multiply nextafter not_equal power subtract"
    " true_divide append cdist cross dot inner isin kron matmul outer polar solve tensordot vdot allclose"
)
TWO: dict[str, Call] = {
    **PAIRS,
    "where": lambda ops, a, b: ops.where(np.array([True, False]), a, b),
    "select": lambda ops, a, b: ops.select([np.array([True, False])], [a], b),
    "concatenate": lambda ops, a, b: ops.concatenate([a, b]),
    "stack": lambda ops, a, b: ops.stack([a, b]),
    "hstack": lambda ops, a, b: ops.hstack([a, b]),
    "vstack": lambda ops, a, b: ops.vstack([a, b]),
    "dstack": lambda ops, a, b: ops.dstack([a, b]),
    "einsum": lambda ops, a, b: ops.einsum("ij,jk->ik", a, b),
    "clip": lambda ops, a, b: ops.clip(a, b, b),
    "searchsorted": lambda ops, a, b: ops.searchsorted(a[0], b),
    "average weighted": lambda ops, a, b: ops.average(a, axis=0, weights=b),
    "bincount weighted": lambda ops, a, b: ops.bincount(a[0], weights=b[0], minlength=3),
    "linspace": lambda ops, a, b: ops.linspace(a, b, 3),
    "logspace": lambda ops, a, b: ops.logspace(a, b, 3),
    "geomspace": lambda ops, a, b: ops.geomspace(a, b, 3),
    "correlate": lambda ops, a, b: ops.correlate(a[0], b[0]),
    "trapezoid at": lambda ops, a, b: ops.trapezoid(a, b),
    "conv": lambda ops, a, b: ops.conv(ops.reshape(a, (1, 2, 2)), ops.reshape(b, (1, 2, 2))),
    "lstsq": lambda ops, a, b: ops.lstsq(a, b),
    "solve_triangular": lambda ops, a, b: ops.solve_triangular(a, b),
    "quantile of": lambda ops, a, b: ops.quantile(a, b[0], axis=0),
    "full_like of": lambda ops, a, b: ops.full_like(a, b[0]),
}  # fmt: skip

_SCALAR_NAMES = (
    "add subtract multiply divide true_divide floor_divide mod power maximum minimum equal not_equal less less_equal greater greater_equal"
    " arctan2 fmax fmin fmod heaviside hypot logaddexp logaddexp2 logical_and bitwise_and bitwise_left_shift right_shift divide_no_nan"
    " where isclose append outer gcd ldexp linspace concatenate isin full_like_of"
)  # fmt: skip
WITH_SCALARS = frozenset(_SCALAR_NAMES.split())


# ----- dtypes without tensors -----

NO_TENSORS: dict[str, Call] = {
    "arange ints": lambda ops: ops.arange(3),
    "arange floats": lambda ops: ops.arange(3.0),
    "arange mixed": lambda ops: ops.arange(0, 3, 0.5),
    "arange of an array": lambda ops: ops.arange(np.int16(3)),
    "arange as": lambda ops: ops.arange(3, dtype="uint8"),
    "eye": lambda ops: ops.eye(2),
    "tri": lambda ops: ops.tri(2),
    "identity": lambda ops: ops.identity(2),
    "full int": lambda ops: ops.full((2,), 1),
    "full float": lambda ops: ops.full((2,), 1.5),
    "full flag": lambda ops: ops.full((2,), True),
    "zeros": lambda ops: ops.zeros((2,)),
    "ones": lambda ops: ops.ones((2,)),
    "empty": lambda ops: ops.empty((2,)),
    "linspace ints": lambda ops: ops.linspace(0, 1, 3),
    "logspace ints": lambda ops: ops.logspace(0, 1, 3),
    "geomspace ints": lambda ops: ops.geomspace(1, 2, 3),
    "linspace as int": lambda ops: ops.linspace(0, 5, 3, dtype="int32"),
    "convert int": lambda ops: ops.convert_to_tensor(1),
    "convert float": lambda ops: ops.convert_to_tensor(1.5),
    "convert flag": lambda ops: ops.convert_to_tensor(True),
    "convert ints": lambda ops: ops.convert_to_tensor([1, 2]),
    "convert floats": lambda ops: ops.convert_to_tensor([1.0, 2.0]),
    "convert mixed": lambda ops: ops.convert_to_tensor([1, 2.5]),
    "convert flags": lambda ops: ops.convert_to_tensor([True, False]),
    "convert complex": lambda ops: ops.convert_to_tensor(1 + 2j),
    "convert nothing": lambda ops: ops.convert_to_tensor([]),
    "bartlett": lambda ops: ops.bartlett(3),
    "blackman": lambda ops: ops.blackman(3),
    "hamming": lambda ops: ops.hamming(3),
    "hanning": lambda ops: ops.hanning(3),
    "kaiser": lambda ops: ops.kaiser(3, 1.0),
    "meshgrid": lambda ops: ops.meshgrid([1, 2], [1.0, 2.0]),
    "add ints": lambda ops: ops.add(1, 2),
    "add int and float": lambda ops: ops.add(1, 2.5),
    "add lists": lambda ops: ops.add([1, 2], [1.5, 2.5]),
    "divide ints": lambda ops: ops.divide(1, 2),
    "mean of ints": lambda ops: ops.mean([1, 2]),
    "sum of flags": lambda ops: ops.sum([True, False]),
    **{
        f"{name} as {kind}": (lambda ops, name=name, kind=kind: getattr(ops.random, name)((2,), dtype=kind, seed=1))
        for name in ("uniform", "normal", "truncated_normal")
        for kind in (None, *DTYPES, "float64", "int64", "int", "float", "string")
    },
    **{
        f"randint as {kind}": (lambda ops, kind=kind: ops.random.randint((2,), 0, 3, dtype=kind, seed=1))
        for kind in (None, *DTYPES, "float64", "int64", "int", "float", "string")
    },
    **{
        f"{name} as {kind}": (
            lambda ops, name=name, args=args, kind=kind: getattr(ops.random, name)((2,), *args, dtype=kind, seed=1)
        )
        for name, args in (("gamma", (1.0,)), ("beta", (1.0, 1.0)), ("binomial", (2, 0.5)))
        for kind in (None, "float16", "bfloat16", "float32", "int32", "bool", "int", "complex64")
    },
    **{
        f"categorical as {kind}": (
            lambda ops, kind=kind: ops.random.categorical(np.ones((1, 2), "float32"), 1, dtype=kind, seed=1)
        )
        for kind in ("int8", "int64", "uint8", "float32", None)
    },
}  # fmt: skip
