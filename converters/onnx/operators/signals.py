"""Fourier transforms and mel weights. Source: onnx.ai/onnx/operators."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphkit import ops
from graphkit.core.dtypes import to_numpy
from graphkit.ops._convert import dtype_name

from ..element_types import NAMES_OF_TYPES
from .known import ints, shape_of
from .table import operator


@operator("DFT")
def dft_attribute(x: Any, dft_length: Any = None, *, axis: int = 1, inverse: int = 0, onesided: int = 0) -> Any:
    """Compute the discrete Fourier transform; the axis is an attribute."""
    return dft_along(x, dft_length, axis, inverse, onesided)


@operator("DFT", since=20)
def dft(x: Any, dft_length: Any = None, axis: Any = None, *, inverse: int = 0, onesided: int = 0) -> Any:
    """Compute the discrete Fourier transform along an axis of (..., 1) real or (..., 2) complex signals."""
    return dft_along(x, dft_length, -2 if axis is None else ints(axis, "axis")[0], inverse, onesided)


def dft_along(x: Any, dft_length: Any, axis: int, inverse: int, onesided: int) -> Any:
    """Multiply by the matrix of the transform, which has a gradient and any length."""
    rank = len(shape_of(x))
    axis %= rank
    given = shape_of(x)[axis]
    signal = ops.moveaxis(x, axis, -2)
    is_complex = shape_of(x)[-1] == 2
    if inverse and onesided:  # the given half is completed with its mirror image
        length = int(ints(dft_length, "dft_length")[0]) if dft_length is not None else 2 * (given - 1)
        return ops.moveaxis(_real_inverse(signal, length), -2, axis)
    length = int(ints(dft_length, "dft_length")[0]) if dft_length is not None else given
    signal = _resized(signal, length)
    count = length // 2 + 1 if onesided else length
    angle = (2 if inverse else -2) * np.pi * np.outer(np.arange(length), np.arange(count)) / length
    scale = 1.0 / length if inverse else 1.0
    re, im = _products(signal, np.cos(angle) * scale, np.sin(angle) * scale, is_complex)
    return ops.moveaxis(ops.stack([re, im], axis=-1), -2, axis)


def _products(signal: Any, cosine: Any, sine: Any, is_complex: bool) -> tuple[Any, Any]:
    kind = to_numpy(dtype_name(signal))
    cosine, sine = cosine.astype(kind), sine.astype(kind)
    real = signal[..., 0]
    if not is_complex:
        return ops.matmul(real, cosine), ops.matmul(real, sine)
    imaginary = signal[..., 1]
    return (
        ops.subtract(ops.matmul(real, cosine), ops.matmul(imaginary, sine)),
        ops.add(ops.matmul(real, sine), ops.matmul(imaginary, cosine)),
    )


def _real_inverse(signal: Any, length: int) -> Any:
    half = length // 2 + 1
    signal = _resized(signal, half)
    weight = np.full(half, 2.0)
    weight[0] = 1.0
    if length % 2 == 0:
        weight[-1] = 1.0
    angle = 2 * np.pi * np.outer(np.arange(half), np.arange(length)) / length
    kind = to_numpy(dtype_name(signal))
    cosine = (np.cos(angle) * weight[:, None] / length).astype(kind)
    sine = (np.sin(angle) * weight[:, None] / length).astype(kind)
    return ops.expand_dims(ops.subtract(ops.matmul(signal[..., 0], cosine), ops.matmul(signal[..., 1], sine)), -1)


def _resized(signal: Any, length: int) -> Any:
    """Cut or pad the last axis but one with zeros."""
    given = shape_of(signal)[-2]
    if given >= length:
        return signal[..., :length, :]
    return ops.pad(signal, [(0, 0)] * (len(shape_of(signal)) - 2) + [(0, length - given), (0, 0)])


@operator("STFT")
def stft(signal: Any, frame_step: Any, window: Any = None, frame_length: Any = None, *, onesided: int = 1) -> Any:
    """Compute the transforms of overlapping frames of (batch, time, 1 or 2) signals."""
    step = int(ints(frame_step, "frame_step")[0])
    length = shape_of(window)[0] if frame_length is None else int(ints(frame_length, "frame_length")[0])
    count = (shape_of(signal)[1] - length) // step + 1
    places = np.arange(count)[:, None] * step + np.arange(length)
    frames = ops.take(signal, places, axis=1)
    if window is not None:
        frames = ops.multiply(frames, ops.reshape(window, (1, 1, -1, 1)))
    return dft_along(frames, None, 2, 0, onesided)


@operator("MelWeightMatrix")
def mel_weight_matrix(
    num_mel_bins: Any, dft_length: Any, sample_rate: Any, lower: Any, upper: Any, *, output_datatype: int = 1
) -> Any:
    """Return the weights that turn a spectrogram into mel bins."""
    bins, length, rate, low, high = (
        float(np.asarray(v)) for v in (num_mel_bins, dft_length, sample_rate, lower, upper)
    )
    mels = 2595 * np.log10(1 + np.array([low, high]) / 700)
    step = (mels[1] - mels[0]) / (bins + 2)
    hertz = 700 * (10 ** ((np.arange(int(bins) + 2) * step + mels[0]) / 2595) - 1)
    places = ((length + 1) * hertz // rate).astype(int)
    made = np.zeros((int(length) // 2 + 1, int(bins)))
    for i in range(int(bins)):
        start, center, stop = places[i : i + 3]
        if center == start:
            made[center, i] = 1
        else:
            made[start : center + 1, i] = (np.arange(start, center + 1) - start) / (center - start)
        if stop > center:
            made[center:stop, i] = (stop - np.arange(center, stop)) / (stop - center)
    return made.astype(to_numpy(NAMES_OF_TYPES[output_datatype]))
