"""Calls of ops, with results recorded from real Keras (fixtures/ops/answers.npz, by fixtures/make_op_answers.py).

Each takes the `ops` namespace, Keras' or ours, and returns arrays, or lists and tuples of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

_draw = np.random.Generator(np.random.Philox(3))


def _real(*shape: int, low: float = -2.0, high: float = 2.0) -> Any:
    return _draw.uniform(low, high, shape).astype(np.float32)


def _whole(*shape: int, low: int = -9, high: int = 9) -> Any:
    return _draw.integers(low, high, shape, dtype=np.int32)


A, B = _whole(3, 4), _whole(4)
SHIFT = _whole(4, low=0, high=6)
FLAGS, MORE_FLAGS = A > 0, B > 0
BYTES = _draw.integers(0, 255, (3, 8), dtype=np.uint8)
X, Y = _real(3, 4), _real(3, 4)
HOLES = np.where(_real(4, 5) > 0.8, np.float32(np.nan), _real(4, 5)).astype(np.float32)
HOLES[2] = np.nan
SHARES = np.array([0.2, 0.7], np.float32)
SQUARE = _real(2, 3, 3) + 2 * np.eye(3, dtype=np.float32)
DEFINITE = (SQUARE @ SQUARE.transpose(0, 2, 1) + np.eye(3, dtype=np.float32)).astype(np.float32)
TALL, WIDE, VECTORS = _real(4, 3), _real(3, 5), _real(2, 3)
SIGNAL = _real(2, 40)
SPECTRUM = _real(2, 5, 6), _real(2, 5, 6)
IMAGES = _real(2, 7, 6, 3, low=0, high=1)
PLANES = np.ascontiguousarray(IMAGES.transpose(0, 3, 1, 2))
PIXELS = _draw.integers(0, 255, (5, 6, 3), dtype=np.uint8)
VOLUMES = _real(1, 5, 6, 4, 2)
TURN = np.array([[0.9, -0.3, 1.2, 0.3, 0.8, -0.7, 0, 0], [1.1, 0.2, -2.0, -0.1, 0.9, 1.5, 0, 0]], np.float32)
COORDINATES = _real(2, 3, 5, low=-4, high=9)
CORNERS = np.array([[0, 0], [5, 0], [0, 6], [5, 6]], np.float32)
MOVED = CORNERS + np.array([[0.5, 0.3], [-1, 0.4], [0.7, -1.2], [-0.3, -0.8]], np.float32)
LABELS = np.array([[1, 2, 2, 3], [3, 1, 0, 0]], np.int32)
LOGITS = _real(2, 9, 5)

Call = Callable[[Any], Any]


def _each(names: str, *arrays: Any, **options: Any) -> dict[str, Call]:
    return {name: (lambda ops, name=name: getattr(ops, name)(*arrays, **options)) for name in names.split()}


BITS: dict[str, Call] = {
    **_each("bitwise_and bitwise_or bitwise_xor gcd lcm", A, B),
    **_each("bitwise_left_shift bitwise_right_shift left_shift right_shift", A, SHIFT),
    **_each("bitwise_not bitwise_invert", A),
    "bitwise_and of flags": lambda ops: ops.bitwise_and(FLAGS, MORE_FLAGS),
    "bitwise_not of flags": lambda ops: ops.bitwise_not(FLAGS),
    "view wider": lambda ops: ops.view(BYTES, "int32"),
    "view narrower": lambda ops: ops.view(A, "uint8"),
    "view same": lambda ops: ops.view(X, "int32"),
}

NUMERIC: dict[str, Call] = {
    **_each("i0 angle real imag conj conjugate", X),
    "ldexp": lambda ops: ops.ldexp(X, A),
    "nextafter": lambda ops: ops.nextafter(X, Y),
    "polar": lambda ops: ops.polar(X, Y),
    "angle of complex": lambda ops: ops.angle(ops.polar(X, Y)),
    "view_as_real": lambda ops: ops.view_as_real(ops.polar(X, Y)),
    "view_as_complex": lambda ops: ops.view_as_complex(_real_pairs()),
    "cdist": lambda ops: ops.cdist(X, Y),
    **{
        f"correlate {n} {m} {mode}": (
            lambda ops, n=n, m=m, mode=mode: ops.correlate(SIGNAL[0, :n], SIGNAL[1, :m], mode)
        )
        for n, m in ((9, 4), (4, 9))
        for mode in ("valid", "same", "full")
    },
    **_each("bartlett blackman hamming hanning", 7),
    "kaiser": lambda ops: ops.kaiser(8, 5.0),
    "psnr": lambda ops: ops.psnr(X, Y, 2.0),
    "vectorize": lambda ops: ops.vectorize(lambda a, b: a + 2 * b)(X, Y),
}


def _real_pairs() -> Any:
    return np.stack([X, Y], axis=-1)


MISSING: dict[str, Call] = {
    **_each("nancumsum nancumprod nanargmax nanargmin", HOLES, axis=1),
    **_each("nanmedian", HOLES, axis=1, keepdims=True),
    "nanmedian of all": lambda ops: ops.nanmedian(HOLES),
    "nancumsum flat": lambda ops: ops.nancumsum(HOLES),
    **{
        f"nanquantile {method}": (lambda ops, method=method: ops.nanquantile(HOLES, SHARES, axis=1, method=method))
        for method in ("linear", "lower", "higher", "midpoint", "nearest")
    },
    "nanquantile keepdims": lambda ops: ops.nanquantile(HOLES, 0.3, axis=0, keepdims=True),
    "nanpercentile": lambda ops: ops.nanpercentile(HOLES, 30.0, axis=1),
}

COUNTING: dict[str, Call] = {
    "nonzero": lambda ops: ops.nonzero(A > 2),
    "where": lambda ops: ops.where(A > 2),
    "unique": lambda ops: ops.unique(A, return_index=True, return_inverse=True, return_counts=True),
    "unique alone": lambda ops: ops.unique(A),
    "unique rows": lambda ops: ops.unique(np.array([[1, 2], [0, 1], [1, 2]], np.int32), axis=0, return_counts=True),
    "unique sized": lambda ops: ops.unique(np.array([3, 1, 3], np.int32), size=4, fill_value=-1),
    "unique filled": lambda ops: ops.unique(np.array([3, 1, 3], np.int32), size=4, return_counts=True),
    "histogram": lambda ops: ops.histogram(SIGNAL[0], bins=5),
    "histogram in a range": lambda ops: ops.histogram(SIGNAL[0], bins=4, range=(-1.0, 1.0)),
    "histogram of ints": lambda ops: ops.histogram(A[0]),
    "unravel_index": lambda ops: ops.unravel_index(np.array([0, 7, 11, -1], np.int32), (3, 4)),
}

LINALG: dict[str, Call] = {
    **_each("det inv slogdet logdet lu_factor", SQUARE),
    **_each("cholesky", DEFINITE),
    "cholesky upper": lambda ops: ops.cholesky(DEFINITE, upper=True),
    "cholesky_inverse": lambda ops: ops.cholesky_inverse(np.linalg.cholesky(DEFINITE[0])),
    "cholesky_inverse upper": lambda ops: ops.cholesky_inverse(np.linalg.cholesky(DEFINITE[0]).T, upper=True),
    "lu_factor tall": lambda ops: ops.lu_factor(TALL),
    "eigh values": lambda ops: ops.eigh(DEFINITE)[0],
    "eig values": lambda ops: ops.sort(ops.abs(ops.eig(DEFINITE)[0])),
    "qr": lambda ops: ops.qr(TALL),
    "qr complete": lambda ops: ops.qr(TALL, mode="complete"),
    "qr wide": lambda ops: ops.qr(WIDE),
    "svd values": lambda ops: ops.svd(TALL, compute_uv=False),
    "svd shapes": lambda ops: [ops.abs(part) for part in ops.svd(TALL, full_matrices=False)],
    "solve": lambda ops: ops.solve(SQUARE, DEFINITE),
    "solve vectors": lambda ops: ops.solve(SQUARE[0], VECTORS[0]),
    "solve_triangular": lambda ops: ops.solve_triangular(SQUARE, DEFINITE, lower=True),
    "solve_triangular upper": lambda ops: ops.solve_triangular(SQUARE[0], VECTORS[0]),
    "lstsq": lambda ops: ops.lstsq(TALL, X.T[:, :2]),
    "lstsq wide": lambda ops: ops.lstsq(WIDE, X[:, 0]),
    "matrix_rank": lambda ops: ops.matrix_rank(np.stack([SQUARE[0], np.outer(VECTORS[0], VECTORS[1])])),
    "pinv": lambda ops: ops.pinv(TALL),
    **{
        f"norm {order}": (lambda ops, order=order: ops.norm(SQUARE, ord=order, axis=(1, 2)))
        for order in (2, -2, "nuc", "fro", 1, -1)
    },
    "jvp": lambda ops: ops.jvp(lambda x, y: ops.sin(x) * y, (X, Y), (Y, X)),
    "jvp aux": lambda ops: ops.jvp(lambda x: (ops.exp(x), x), (X,), (Y,), has_aux=True),
}

FOURIER: dict[str, Call] = {
    **_each("fft fft2 ifft2", SPECTRUM),
    "rfft": lambda ops: ops.rfft(SIGNAL),
    "rfft longer": lambda ops: ops.rfft(SIGNAL, fft_length=45),
    "rfft shorter": lambda ops: ops.rfft(SIGNAL, fft_length=16),
    "irfft": lambda ops: ops.irfft(SPECTRUM),
    "irfft odd": lambda ops: ops.irfft(SPECTRUM, fft_length=9),
    "irfft longer": lambda ops: ops.irfft(SPECTRUM, fft_length=16),
    "stft": lambda ops: ops.stft(SIGNAL, 12, 4, 16),
    "stft hamming": lambda ops: ops.stft(SIGNAL, 12, 4, 12, window="hamming", center=False),
    "stft plain": lambda ops: ops.stft(SIGNAL, 12, 4, 16, window=None),
    "istft": lambda ops: ops.istft(ops.stft(SIGNAL, 12, 4, 16), 12, 4, 16),
    "istft length": lambda ops: ops.istft(ops.stft(SIGNAL, 12, 4, 16), 12, 4, 16, length=30),
    "istft beginning": lambda ops: ops.istft(ops.stft(SIGNAL, 12, 4, 12, center=False), 12, 4, 12, center=False),
    "extract_sequences": lambda ops: ops.extract_sequences(SIGNAL, 7, 3),
}

PATCHES: dict[str, Call] = {
    "depth_to_space": lambda ops: ops.depth_to_space(np.arange(96, dtype=np.float32).reshape(2, 2, 3, 8), 2),
    "depth_to_space first": lambda ops: ops.depth_to_space(
        np.arange(96, dtype=np.float32).reshape(2, 8, 2, 3), 2, "channels_first"
    ),
    "space_to_depth": lambda ops: ops.space_to_depth(np.arange(96, dtype=np.float32).reshape(2, 4, 6, 2), 2),
    "space_to_depth first": lambda ops: ops.space_to_depth(
        np.arange(96, dtype=np.float32).reshape(2, 2, 4, 6), 2, "channels_first"
    ),
    "unfold": lambda ops: ops.unfold(PLANES, (3, 2), dilation=(2, 1), padding=(1, 0), stride=(2, 1)),
    "fold": lambda ops: ops.fold(ops.unfold(PLANES, (3, 2), padding=1, stride=2), (7, 6), (3, 2), padding=1, stride=2),
    "fold dilated": lambda ops: ops.fold(ops.unfold(PLANES, 2, dilation=2), (7, 6), 2, dilation=2),
    "rearrange": lambda ops: ops.rearrange(IMAGES, "b h (w p) c -> (b p) c h w", p=2),
    "rearrange joined": lambda ops: ops.rearrange(IMAGES, "b h w c -> b (c h) w"),
    **{
        f"{name} {rank}": (
            lambda ops, name=name, x=x, size=size: getattr(ops, name)(x, size, data_format="channels_last")
        )
        for name in ("adaptive_average_pool", "adaptive_max_pool")
        for rank, x, size in (("1d", IMAGES[0], 4), ("2d", IMAGES, (3, 4)), ("3d", VOLUMES, (2, 3, 3)))
    },
    "adaptive_average_pool first": lambda ops: ops.adaptive_average_pool(PLANES, 2, data_format="channels_first"),
}

IMAGE: dict[str, Call] = {
    "rgb_to_grayscale": lambda ops: ops.image.rgb_to_grayscale(IMAGES),
    "rgb_to_grayscale of bytes": lambda ops: ops.image.rgb_to_grayscale(PIXELS),
    "rgb_to_grayscale first": lambda ops: ops.image.rgb_to_grayscale(PLANES, data_format="channels_first"),
    "rgb_to_hsv": lambda ops: ops.image.rgb_to_hsv(IMAGES),
    "rgb_to_hsv first": lambda ops: ops.image.rgb_to_hsv(PLANES, data_format="channels_first"),
    "hsv_to_rgb": lambda ops: ops.image.hsv_to_rgb(IMAGES),
    "pad_images": lambda ops: ops.image.pad_images(IMAGES, 1, 2, target_height=10, target_width=11),
    "pad_images first": lambda ops: ops.image.pad_images(PLANES, 1, 2, 3, 0, data_format="channels_first"),
    "crop_images": lambda ops: ops.image.crop_images(IMAGES, 1, 2, target_height=4, target_width=3),
    "crop_images single": lambda ops: ops.image.crop_images(IMAGES[0], 1, 2, 1, 1),
    "extract_patches": lambda ops: ops.image.extract_patches(IMAGES, (3, 2)),
    "extract_patches same": lambda ops: ops.image.extract_patches(IMAGES, 3, strides=2, padding="same"),
    "extract_patches dilated": lambda ops: ops.image.extract_patches(IMAGES, 2, strides=1, dilation_rate=2),
    "extract_patches first": lambda ops: ops.image.extract_patches(
        PLANES, (3, 2), strides=(1, 2), data_format="channels_first"
    ),
    "extract_patches single": lambda ops: ops.image.extract_patches(IMAGES[0], 3),
    "extract_patches_3d": lambda ops: ops.image.extract_patches_3d(VOLUMES, 2, strides=(1, 2, 2)),
    "gaussian_blur": lambda ops: ops.image.gaussian_blur(IMAGES, (3, 5), (1.0, 0.7), data_format="channels_last"),
    "gaussian_blur first": lambda ops: ops.image.gaussian_blur(
        PLANES[0], (3, 3), (1.0, 1.0), data_format="channels_first"
    ),
    "sobel_edges": lambda ops: ops.image.sobel_edges(IMAGES),
    "ssim": lambda ops: ops.image.ssim(IMAGES, IMAGES * 0.8 + 0.1, filter_size=5),
    **{
        f"affine_transform {interpolation} {mode}": (
            lambda ops, interpolation=interpolation, mode=mode: ops.image.affine_transform(
                IMAGES, TURN, interpolation=interpolation, fill_mode=mode, fill_value=0.3
            )
        )
        for interpolation in ("bilinear", "nearest")
        for mode in ("constant", "nearest", "wrap", "mirror", "reflect")
    },
    "affine_transform single first": lambda ops: ops.image.affine_transform(
        PLANES[0], TURN[0], data_format="channels_first"
    ),
    **{
        f"map_coordinates {order} {mode}": (
            lambda ops, order=order, mode=mode: ops.image.map_coordinates(
                IMAGES[0, :, :, 0], COORDINATES, order, mode, 0.5
            )
        )
        for order in (0, 1)
        for mode in ("constant", "nearest", "wrap", "mirror", "reflect")
    },
    "map_coordinates of bytes": lambda ops: ops.image.map_coordinates(PIXELS[:, :, 0], COORDINATES, 1, "nearest"),
    "perspective_transform": lambda ops: ops.image.perspective_transform(
        IMAGES, np.stack([CORNERS] * 2), np.stack([MOVED, CORNERS])
    ),
    "perspective_transform nearest": lambda ops: ops.image.perspective_transform(
        IMAGES[0], CORNERS, MOVED, interpolation="nearest"
    ),
    **{
        f"scale_and_translate {method}": (
            lambda ops, method=method: ops.image.scale_and_translate(
                IMAGES,
                (2, 9, 5, 3),
                np.array([1.3, 0.7], np.float32),
                np.array([0.4, -0.6], np.float32),
                (1, 2),
                method,
            )
        )
        for method in ("linear", "cubic", "lanczos3", "lanczos5")
    },
}

CTC: dict[str, Call] = {
    "ctc_loss": lambda ops: ops.ctc_loss(LABELS, LOGITS, np.array([4, 2], np.int32), np.array([9, 6], np.int32)),
    "ctc_loss last": lambda ops: ops.ctc_loss(
        LABELS + 0, LOGITS, np.array([3, 2], np.int32), np.array([9, 7], np.int32), mask_index=4
    ),
    "ctc_decode": lambda ops: ops.ctc_decode(LOGITS, np.array([9, 6], np.int32)),
    "ctc_decode unmerged": lambda ops: ops.ctc_decode(
        LOGITS, np.array([9, 6], np.int32), merge_repeated=False, mask_index=2
    ),
    "ctc_decode beams": lambda ops: ops.ctc_decode(
        LOGITS, np.array([9, 6], np.int32), strategy="beam_search", beam_width=20, top_paths=3
    ),
}

CALLS: dict[str, Call] = {**BITS, **NUMERIC, **MISSING, **COUNTING, **LINALG, **FOURIER, **PATCHES, **IMAGE, **CTC}
