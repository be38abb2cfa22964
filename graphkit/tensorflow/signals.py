"""`tf.signal`: Fourier transforms, frames, windows, spectrograms."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from graphkit import ops
from graphkit.core.errors import InvalidArgumentError, UnsupportedError
from graphkit.tensorflow.dtypes import dtype_name
from graphkit.tensorflow.table import NAMES, add_rows, dtype_of, number, shape_of, tensorflow


def _pair(x: Any) -> tuple[Any, Any]:
    """Return the real and the imaginary part."""
    return (ops.real(x), ops.imag(x)) if dtype_of(x).startswith("complex") else (x, ops.zeros_like(x))


def _complex(pair: tuple[Any, Any]) -> Any:
    return ops.view_as_complex(ops.stack(list(pair), axis=-1))


def _ifft(x: Any) -> Any:
    real, imag = _pair(x)
    size = shape_of(x)[-1]
    back_real, back_imag = ops.fft((real, -imag))
    return _complex((back_real / size, -back_imag / size))


add_rows("input", {
    "signal.fft": lambda input: _complex(ops.fft(_pair(input))),
    "signal.ifft": _ifft,
    "signal.fft2d": lambda input: _complex(ops.fft2(_pair(input))),
    "signal.ifft2d": lambda input: _complex(ops.ifft2(_pair(input))),
})  # fmt: skip


@tensorflow("signal.rfft")
def _rfft(input_tensor: Any, fft_length: Any = None) -> Any:
    length = None if fft_length is None else number(np.ravel(fft_length)[0], "fft_length")
    return _complex(ops.rfft(input_tensor, fft_length=length))


@tensorflow("signal.irfft")
def _irfft(input_tensor: Any, fft_length: Any = None) -> Any:
    length = None if fft_length is None else number(np.ravel(fft_length)[0], "fft_length")
    return ops.irfft(_pair(input_tensor), fft_length=length)


def _shifted(x: Any, axes: Any, back: bool) -> Any:
    axes = range(len(shape_of(x))) if axes is None else np.ravel(axes).tolist()
    for axis in axes:
        half = shape_of(x)[axis] // 2
        x = ops.roll(x, -half if back else half, axis=axis)
    return x


@tensorflow("signal.fftshift")
def _fftshift(x: Any, axes: Any = None) -> Any:
    return _shifted(x, axes, back=False)


@tensorflow("signal.ifftshift")
def _ifftshift(x: Any, axes: Any = None) -> Any:
    return _shifted(x, axes, back=True)


# ----- windows -----


def _cosine_window(a: float) -> Callable[..., Any]:
    def call(window_length: Any, periodic: Any = True, dtype: Any = "float32") -> Any:
        size = number(window_length, "window_length")
        if size == 1:
            return np.ones(1, dtype_name(dtype))
        steps = size if periodic and size % 2 == 0 else size + bool(periodic) - 1
        places = np.arange(size) * (2 * math.pi / steps)
        return (a - (1 - a) * np.cos(places)).astype(dtype_name(dtype))

    return call


tensorflow("signal.hann_window", tensors="")(_cosine_window(0.5))
tensorflow("signal.hamming_window", tensors="")(_cosine_window(0.54))
hann_window: Callable[..., Any] = NAMES["signal.hann_window"]


@tensorflow("signal.kaiser_window", tensors="")
def _kaiser_window(window_length: Any, beta: float = 12.0, dtype: Any = "float32") -> Any:
    return np.kaiser(number(window_length, "window_length"), float(beta)).astype(dtype_name(dtype))


@tensorflow("signal.vorbis_window", tensors="")
def _vorbis_window(window_length: Any, dtype: Any = "float32") -> Any:
    size = number(window_length, "window_length")
    return np.sin(np.pi / 2 * np.sin(np.pi / size * (np.arange(size) + 0.5)) ** 2).astype(dtype_name(dtype))


# ----- frames -----


@tensorflow("signal.frame")
def frame(
    signal: Any, frame_length: Any, frame_step: Any, pad_end: bool = False, pad_value: Any = 0, axis: int = -1
) -> Any:
    """Cut a signal into overlapping frames, along new axes (frames, frame_length). Source: tf.signal.frame."""
    length, step = number(frame_length, "frame_length"), number(frame_step, "frame_step")
    rank = len(shape_of(signal))
    axis = axis % rank
    if pad_end:
        size = shape_of(signal)[axis]
        frames = -(-size // step)
        missing = max((frames - 1) * step + length - size, 0)
        signal = ops.pad(
            signal, [(0, missing) if a == axis else (0, 0) for a in range(rank)], constant_values=pad_value
        )
    size = shape_of(signal)[axis]
    if isinstance(size, int):
        count = max((size - length) // step + 1, 0)
        places = np.arange(count)[:, None] * step + np.arange(length)
        return ops.take(signal, places.astype("int32"), axis=axis)
    moved = ops.moveaxis(signal, axis, -1)
    return ops.moveaxis(ops.extract_sequences(moved, length, step), (-2, -1), (axis, axis + 1))


@tensorflow("signal.overlap_and_add")
def overlap_and_add(signal: Any, frame_step: Any) -> Any:
    """Add up overlapping frames. Source: tf.signal.overlap_and_add."""
    *lead, frames, length = shape_of(signal)
    step = number(frame_step, "frame_step")
    size = (frames - 1) * step + length
    places = (np.arange(frames)[:, None] * step + np.arange(length)).ravel().astype("int32")
    rows = ops.transpose(ops.reshape(signal, (-1, frames * length)))
    return ops.reshape(ops.transpose(ops.segment_sum(rows, places, size)), (*lead, size))


@tensorflow("signal.stft")
def stft(
    signals: Any,
    frame_length: Any,
    frame_step: Any,
    fft_length: Any = None,
    window_fn: Any = hann_window,
    pad_end: bool = False,
) -> Any:
    """The Fourier transforms of windowed frames. Source: tf.signal.stft."""
    length = number(frame_length, "frame_length")
    size = 2 ** math.ceil(math.log2(length)) if fft_length is None else number(fft_length, "fft_length")
    frames = frame(signals, length, frame_step, pad_end=pad_end)
    if window_fn is not None:
        frames = frames * window_fn(length, dtype=dtype_of(signals))
    return _complex(ops.rfft(frames, fft_length=size))


@tensorflow("signal.inverse_stft")
def inverse_stft(
    stfts: Any, frame_length: Any, frame_step: Any, fft_length: Any = None, window_fn: Any = hann_window
) -> Any:
    """The signal whose frames have these transforms. Source: tf.signal.inverse_stft."""
    length = number(frame_length, "frame_length")
    size = 2 ** math.ceil(math.log2(length)) if fft_length is None else number(fft_length, "fft_length")
    frames = ops.irfft(_pair(stfts), fft_length=size)[..., :length]
    if size < length:
        frames = ops.pad(frames, [*[(0, 0)] * (len(shape_of(frames)) - 1), (0, length - size)])
    if window_fn is not None:
        frames = frames * window_fn(length, dtype=dtype_of(frames))
    return overlap_and_add(frames, frame_step)


@tensorflow("signal.inverse_stft_window_fn", tensors="")
def _inverse_window(frame_step: Any, forward_window_fn: Any = hann_window) -> Any:
    step = number(frame_step, "frame_step")

    def window(frame_length: Any, dtype: Any = "float32") -> Any:
        length = number(frame_length, "frame_length")
        forward = np.asarray(forward_window_fn(length, dtype=dtype))
        squares = np.pad(forward**2, (0, -length % step)).reshape(-1, step).sum(axis=0)
        return forward / np.tile(squares, -(-length // step))[:length]

    return window


@tensorflow("signal.linear_to_mel_weight_matrix", tensors="")
def _mel_weights(
    num_mel_bins: Any = 20, num_spectrogram_bins: Any = 129, sample_rate: Any = 8000, lower_edge_hertz: Any = 125.0,
    upper_edge_hertz: Any = 3800.0, dtype: Any = "float32",
) -> Any:  # fmt: skip
    """Triangular bands, equally wide on the mel scale. Source: tf.signal.linear_to_mel_weight_matrix."""

    def mel(hertz: Any) -> Any:
        return 1127.0 * np.log(1.0 + np.asarray(hertz, float) / 700.0)

    bins = number(num_spectrogram_bins, "num_spectrogram_bins")
    places = mel(np.linspace(0.0, float(sample_rate) / 2, bins)[1:])[:, None]
    edges = np.linspace(mel(lower_edge_hertz), mel(upper_edge_hertz), number(num_mel_bins, "num_mel_bins") + 2)
    low, center, high = edges[:-2], edges[1:-1], edges[2:]
    weights = np.maximum(0.0, np.minimum((places - low) / (center - low), (high - places) / (high - center)))
    return np.pad(weights, [(1, 0), (0, 0)]).astype(dtype_name(dtype))


# ----- cosine transforms -----


def _dct_matrix(kind: int, size: int, ortho: bool) -> Any:
    n, k = np.arange(size)[:, None], np.arange(size)
    if kind == 1:
        if ortho:
            raise InvalidArgumentError("tf.signal.dct of type 1 has no norm='ortho'.")
        ends = np.where((n == 0) | (n == size - 1), 1.0, 2.0)
        return ends * np.cos(np.pi * n * k / (size - 1))
    if kind == 2:
        made = 2 * np.cos(np.pi * (2 * n + 1) * k / (2 * size))
        return made * np.where(k == 0, math.sqrt(1 / (4 * size)), math.sqrt(1 / (2 * size))) if ortho else made
    if kind == 3:
        made = np.where(n == 0, 1.0, 2.0) * np.cos(np.pi * n * (2 * k + 1) / (2 * size))
        if ortho:
            made = np.where(n == 0, math.sqrt(1 / size), math.sqrt(2 / size)) * np.cos(
                np.pi * n * (2 * k + 1) / (2 * size)
            )
        return made
    if kind == 4:
        made = 2 * np.cos(np.pi * (2 * n + 1) * (2 * k + 1) / (4 * size))
        return made * math.sqrt(1 / (2 * size)) if ortho else made
    raise InvalidArgumentError(f"tf.signal.dct: type must be 1, 2, 3 or 4, got {kind}.")


@tensorflow("signal.dct")
def _dct(input: Any, type: int = 2, n: Any = None, axis: int = -1, norm: Any = None) -> Any:
    if axis != -1:
        raise UnsupportedError(f"tf.signal.dct along axis {axis} is not supported; only along the last axis (-1).")
    if n is not None:
        size = number(n, "n")
        missing = size - shape_of(input)[-1]
        input = (
            input[..., :size] if missing < 0 else ops.pad(input, [*[(0, 0)] * (len(shape_of(input)) - 1), (0, missing)])
        )
    matrix = _dct_matrix(type, shape_of(input)[-1], norm == "ortho").astype(dtype_of(input))
    return ops.matmul(input, matrix)


@tensorflow("signal.idct")
def _idct(input: Any, type: int = 2, n: Any = None, axis: int = -1, norm: Any = None) -> Any:
    return _dct(input, {1: 1, 2: 3, 3: 2, 4: 4}.get(type, type), n, axis, norm)


@tensorflow("signal.mfccs_from_log_mel_spectrograms", tensors="log_mel_spectrograms")
def _mfccs(log_mel_spectrograms: Any) -> Any:
    return _dct(log_mel_spectrograms) / math.sqrt(2.0 * shape_of(log_mel_spectrograms)[-1])


@tensorflow("signal.rfft2d", tensors="input_tensor")
def _rfft2d(input_tensor: Any, fft_length: Any = None) -> Any:
    if fft_length is not None:
        raise UnsupportedError("tf.signal.rfft2d with fft_length is not supported; pad the input.")
    return _complex(ops.fft2(_pair(input_tensor)))[..., : shape_of(input_tensor)[-1] // 2 + 1]
