"""Fourier transforms. Complex tensors are pairs (real, imaginary) of real ones, as in Keras."""

# VJPs refer to ops that are defined further down, whose types mypy does not know yet.
# mypy: disable-error-code="has-type"

from __future__ import annotations

from typing import Any

import numpy as np

from graphkit.core import dtypes
from graphkit.core.dims import Size
from graphkit.core.errors import DTypeError, InvalidArgumentError, InvalidTypeError, ShapeError
from graphkit.ir.primitive import primitive
from graphkit.ir.spec import TensorSpec
from graphkit.ir.tracing import only_shapes
from graphkit.ops._convert import as_float, dtype_name, reals, shape_of, tensor
from graphkit.ops._dispatch import operation
from graphkit.ops._rules import same_sizes, show
from graphkit.ops.elementwise import add, equal, multiply, negative, true_divide, where
from graphkit.ops.indexing import scatter_add_p, take
from graphkit.ops.shaping import arange, broadcast_to, concatenate, expand_dims, flip, pad, swapaxes, zeros_like

__all__ = ["extract_sequences", "fft", "fft2", "ifft2", "irfft", "istft", "rfft", "stft"]

# ----- the transform along the last axis -----


def _fft_kernel(out: Any, re: Any, im: Any, inverse: bool) -> None:
    numbers = re.astype(np.result_type(re.dtype, np.complex64)) if re.dtype.itemsize > 2 else re.astype(np.complex64)
    numbers.imag = im
    made = np.fft.ifft(numbers) if inverse else np.fft.fft(numbers)
    np.copyto(out[0], made.real, casting="unsafe")
    np.copyto(out[1], made.imag, casting="unsafe")


def _fft_abstract(re: TensorSpec, im: TensorSpec, inverse: bool) -> tuple[TensorSpec, TensorSpec]:
    if not same_sizes(re.shape, im.shape) or re.dtype != im.dtype:
        raise ShapeError(f"fft: real and imaginary part must have the same shape and dtype, got {re} and {im}.")
    if re.rank < 1:
        raise ShapeError("fft expects at least one axis, got scalars.")
    return re, im


def _fft_vjp(g: Any, out: Any, re: Any, im: Any, inverse: bool) -> list[Any]:
    """The adjoint is the opposite transform up to a factor, since the DFT matrix is symmetric."""
    g_re, g_im = (zeros_like(re) if part is None else part for part in g)
    made = fft_p.bind(g_re, g_im, inverse=not inverse)
    size = tensor(shape_of(re)[-1], dtype_name(re))
    return [true_divide(part, size) if inverse else multiply(part, size) for part in made]


fft_p = primitive("fft", _fft_abstract, kernel=_fft_kernel, vjp=_fft_vjp)


def _pair(x: Any) -> tuple[Any, Any]:
    if not isinstance(x, (tuple, list)) or len(x) != 2:
        raise InvalidArgumentError(f"Input `x` should be a tuple of two tensors - real and imaginary. Received: x={x}")
    re, im = (tensor(part) for part in x)
    if not same_sizes(shape_of(re), shape_of(im)):
        raise ShapeError(
            "Input `x` should be a tuple of two tensors - real and imaginary. Both the real and imaginary parts should have the same "
            f"shape. Received: x[0].shape = {show(shape_of(re))}, x[1].shape = {show(shape_of(im))}"
        )
    if only_shapes(re, im):
        return as_float(re), as_float(im)
    if not all(dtypes.is_float(dtype_name(part)) for part in (re, im)):
        raise DTypeError(f"Real and imaginary part must have a float dtype, got {dtype_name(re)} and {dtype_name(im)}.")
    return re, im


@operation("FFT", "math")
def fft(x: Any) -> tuple[Any, Any]:
    """Compute the discrete Fourier transform along the last axis.

    Args:
        x: a pair (real, imaginary) of float tensors (..., n).

    Raises:
        InvalidArgumentError: If `x` is not a pair.
        ShapeError: If the shapes differ, or the tensors are scalars.
        DTypeError: If a dtype is not a float.

    Source: keras.ops.fft.
    """
    re, im = fft_p.bind(*_pair(x), inverse=False)
    return re, im


def _in_two_axes(x: Any, inverse: bool) -> tuple[Any, Any]:
    pair = _pair(x)
    if pair[0].ndim < 2:
        raise ShapeError(
            f"A two-dimensional Fourier transform expects at least two axes, got shape {show(shape_of(pair[0]))}."
        )
    rows = fft_p.bind(*pair, inverse=inverse)
    re, im = fft_p.bind(*(swapaxes(part, -1, -2) for part in rows), inverse=inverse)
    return swapaxes(re, -1, -2), swapaxes(im, -1, -2)


@operation("FFT2", "math")
def fft2(x: Any) -> tuple[Any, Any]:
    """Compute the two-dimensional discrete Fourier transform over the last two axes.

    Args:
        x: a pair (real, imaginary) of float tensors (..., m, n).

    Raises:
        InvalidArgumentError: If `x` is not a pair.
        ShapeError: If the shapes differ, or there are fewer than two axes.
        DTypeError: If a dtype is not a float.

    Source: keras.ops.fft2.
    """
    return _in_two_axes(x, inverse=False)


@operation("IFFT2", "math")
def ifft2(x: Any) -> tuple[Any, Any]:
    """Compute the inverse of `fft2`; arguments and errors are the same. Source: keras.ops.ifft2."""
    return _in_two_axes(x, inverse=True)


def _resized(x: Any, size: Size) -> Any:
    """Crop or zero-pad the last axis of `x` to `size`."""
    old = shape_of(x)[-1]
    if old == size:
        return x
    if isinstance(old, int) and isinstance(size, int):
        return x[..., :size] if size < old else pad(x, [(0, 0)] * (x.ndim - 1) + [(0, size - old)])
    return pad(x, [(0, 0)] * (x.ndim - 1) + [(0, size)])[..., :size]


@operation("RFFT", "math")
def rfft(x: Any, fft_length: int | None = None) -> tuple[Any, Any]:
    """Compute the Fourier transform of a real tensor along the last axis.

    Args:
        x: (..., n), real.
        fft_length: `x` is cropped or zero-padded to this length; n by default.

    Returns:
        (real, imaginary), each (..., fft_length // 2 + 1): the other terms are their conjugates.

    Raises:
        DTypeError: If `x` is complex.
        ShapeError: If `x` is a scalar.
        InvalidArgumentError: If `fft_length` is not positive.

    Source: keras.ops.rfft.
    """
    (x,) = reals("rfft", x, to_float=True)
    if x.ndim < 1:
        raise ShapeError("rfft: the input must have at least one axis, got a scalar.")
    if fft_length is not None and int(fft_length) < 1:
        raise InvalidArgumentError(f"rfft: `fft_length` must be positive, got {fft_length}.")
    x = x if fft_length is None else _resized(x, int(fft_length))
    kept = shape_of(x)[-1] // 2 + 1
    re, im = fft_p.bind(x, zeros_like(x), inverse=False)
    return re[..., :kept], im[..., :kept]


@operation("IRFFT", "math")
def irfft(x: Any, fft_length: int | None = None) -> Any:
    """Compute the inverse of `rfft`.

    Args:
        x: a pair (real, imaginary) of float tensors (..., n).
        fft_length: the length of the result; 2 * (n - 1) by default.

    Returns:
        A real tensor (..., fft_length).

    Raises:
        InvalidArgumentError: If `x` is not a pair.
        ShapeError: If the shapes differ.
        DTypeError: If a dtype is not a float.

    Source: keras.ops.irfft.
    """
    re, im = _pair(x)
    size = 2 * (shape_of(re)[-1] - 1) if fft_length is None else int(fft_length)
    kept = size // 2 + 1
    re, im = (_resized(part, kept) for part in (re, im))
    inner = slice(1, size - kept + 1)  # the terms whose conjugates follow in reverse order
    whole_re = concatenate([re, flip(re[..., inner], axis=-1)], axis=-1)
    whole_im = concatenate([im, negative(flip(im[..., inner], axis=-1))], axis=-1)
    if isinstance(size, int):  # the first term, and the middle one of an even size, are taken as real
        real_terms = np.zeros(size, bool)
        real_terms[[0, size // 2] if size % 2 == 0 else [0]] = True
        whole_im = where(real_terms, 0.0, whole_im)
    return fft_p.bind(whole_re, whole_im, inverse=True)[0]


# ----- frames of a signal -----


@operation("ExtractSequences", "math")
def extract_sequences(x: Any, sequence_length: int, sequence_stride: int) -> Any:
    """Slice the last axis into overlapping frames.

    Args:
        x: (..., time).
        sequence_length: the length of a frame.
        sequence_stride: the distance between the starts of two frames.

    Returns:
        (..., frames, sequence_length).

    Raises:
        ShapeError: If `x` is a scalar.
        InvalidArgumentError: If the length or stride is not a positive integer.

    Source: keras.ops.extract_sequences.
    """
    x = tensor(x)
    if x.ndim < 1:
        raise ShapeError("extract_sequences expects at least one axis, got a scalar.")
    _positive("extract_sequences", sequence_length=sequence_length, sequence_stride=sequence_stride)
    count = (shape_of(x)[-1] - sequence_length) // sequence_stride + 1
    places = add(multiply(expand_dims(arange(count), 1), sequence_stride), arange(sequence_length))
    return take(x, places, axis=-1)


def _positive(what: str, **sizes: Any) -> None:
    """Raise InvalidArgumentError unless all sizes are positive ints."""
    for name, size in sizes.items():
        if not isinstance(size, (int, np.integer)) or isinstance(size, bool) or size <= 0:
            raise InvalidArgumentError(f"{what}: `{name}` must be a positive integer. Received: {name}={size!r}")


_WINDOWS = {"hann": 0.5, "hamming": 0.54}  # a - (1 - a) * cos(2 pi n / N)


def _window(window: Any, length: int, fft_length: int, dtype: str) -> Any:
    """Return the window, zero-padded to `fft_length` on both sides; ones for None."""
    if fft_length < length:
        raise InvalidArgumentError(
            f"`fft_length` must equal or larger than `sequence_length`. Received: sequence_length={length}, fft_length={fft_length}"
        )
    if window is None:
        return np.ones(fft_length, dtypes.to_numpy(dtype))
    if isinstance(window, str):
        if window not in _WINDOWS:
            raise InvalidArgumentError(
                f'If a string is passed to `window`, it must be one of `"hann"`, `"hamming"`. Received: window={window}'
            )
        level = _WINDOWS[window]
        window = level - (1 - level) * np.cos(2 * np.pi * np.arange(length) / length)
    made = tensor(window, dtype)
    if shape_of(made) != (length,):
        raise ShapeError(
            f"The shape of `window` must be equal to [sequence_length]. Received: window shape={show(shape_of(made))}"
        )
    before = (fft_length - length) // 2
    return pad(made, [(before, fft_length - length - before)])


@operation("STFT", "math")
def stft(
    x: Any, sequence_length: int, sequence_stride: int, fft_length: int, window: Any = "hann", center: bool = True
) -> tuple[Any, Any]:
    """Compute the short-time Fourier transform along the last axis.

    Args:
        x: (..., time), float32 or float64.
        sequence_length: the length of the window.
        sequence_stride: the distance between the starts of two frames.
        fft_length: the length of a frame, at least `sequence_length`; the window is zero-padded to it.
        window: "hann", "hamming", a tensor (sequence_length,), or None for no window.
        center: whether `x` is padded by reflection, fft_length // 2 elements at each end.

    Returns:
        (real, imaginary), each (..., frames, fft_length // 2 + 1).

    Raises:
        InvalidTypeError: If `x` is neither float32 nor float64.
        InvalidArgumentError: If a length or stride is not a positive integer, `fft_length` is less than `sequence_length`, or
            the window is unknown.
        ShapeError: If `x` is a scalar or the window does not have `sequence_length` elements.

    Source: keras.ops.stft.
    """
    x = tensor(x)
    if dtype_name(x) not in ("float32", "float64"):
        raise InvalidTypeError(
            f"Invalid input type. Expected `float32` or `float64`. Received: input type={dtype_name(x)}"
        )
    _positive("stft", sequence_length=sequence_length, sequence_stride=sequence_stride, fft_length=fft_length)
    if x.ndim < 1:
        raise ShapeError("stft expects at least one axis, got a scalar.")
    weights = _window(window, int(sequence_length), int(fft_length), dtype_name(x))
    if center:
        x = pad(x, [(0, 0)] * (x.ndim - 1) + [(fft_length // 2, fft_length // 2)], mode="reflect")
    pieces = multiply(extract_sequences(x, int(fft_length), int(sequence_stride)), weights)
    made: tuple[Any, Any] = rfft(pieces)
    return made


@operation("ISTFT", "math")
def istft(
    x: Any,
    sequence_length: int,
    sequence_stride: int,
    fft_length: int,
    length: int | None = None,
    window: Any = "hann",
    center: bool = True,
) -> Any:
    """Compute the inverse of `stft`: add overlapping frames and divide by the sum of the squared windows.

    Without a window the result is `fft_length / sequence_stride` times the signal, as in Keras.

    Args:
        x: a pair (real, imaginary) of float tensors (..., frames, fft_length // 2 + 1).
        sequence_length: as in `stft`.
        sequence_stride: as in `stft`.
        fft_length: as in `stft`.
        length: the length of the signal, if known.
        window: as in `stft`.
        center: as in `stft`.

    Returns:
        A real tensor (..., time).

    Raises:
        InvalidArgumentError: If a length or stride is not a positive integer, `fft_length` is less than `sequence_length`, `x`
            is not a pair, or the window is unknown.
        ShapeError: If `x` has fewer than two axes, its parts differ in shape, or the window does not have
            `sequence_length` elements.
        DTypeError: If a dtype is not a float.

    Source: keras.ops.istft.
    """
    _positive("istft", sequence_length=sequence_length, sequence_stride=sequence_stride, fft_length=fft_length)
    re, im = _pair(x)
    if re.ndim < 2:
        raise ShapeError(f"Input `x` must have at least 2 dimensions. Received shape: {show(shape_of(re))}")
    weights = _window(window, int(sequence_length), int(fft_length), dtype_name(re))
    pieces = multiply(irfft((re, im), fft_length), weights)
    signal = _overlapped(pieces, sequence_stride)
    total = _overlapped(broadcast_to(multiply(weights, weights), shape_of(pieces)), sequence_stride)
    signal = where(total <= 1e-10, signal, true_divide(signal, where(equal(total, 0), 1.0, total)))
    if window is None:
        signal = multiply(signal, fft_length / sequence_stride)
    start = fft_length // 2 if center else 0
    if length is not None:
        return signal[..., start : start + length]
    return signal[..., start : -(fft_length // 2)] if center else signal


def _overlapped(pieces: Any, stride: int) -> Any:
    """Overlap-add: place the frames (..., frames, length) at every `stride` and sum them."""
    count, length = shape_of(pieces)[-2:]
    places = add(multiply(expand_dims(arange(count), 1), stride), arange(length))
    return scatter_add_p.bind(pieces, places, axis=pieces.ndim - 2, size=(count - 1) * stride + length)
