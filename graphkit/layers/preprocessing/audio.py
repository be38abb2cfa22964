"""Audio layers: STFTSpectrogram (trainable, computed by convolutions) and MelSpectrogram."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from graphkit import ops
from graphkit.core import dtypes
from graphkit.core.declared import argument
from graphkit.core.errors import DTypeError, InvalidArgumentError
from graphkit.core.layout import CHANNELS_LAST, standardize_data_format
from graphkit.core.serialization import keras_class
from graphkit.core.windows import window_of
from graphkit.initializers import STFT
from graphkit.layers.declared import BuiltInLayer
from graphkit.layers.input_spec import InputSpec
from graphkit.layers.preprocessing.numerical import DataLayer

_HOME = "keras.layers"
Array = np.ndarray[Any, Any]


@keras_class(_HOME)
class STFTSpectrogram(BuiltInLayer):
    """Short-time Fourier transform of signals (batch, time, channels) with two trainable kernels.

    Output (batch, frames, channels * frequencies), or (batch, frames, frequencies, channels) with `expand_dims`.

    Args:
        mode: "log", "magnitude", "psd", "real", "imag", "angle" or "stft" (real and imaginary parts).
        frame_length: the length of a frame, in samples.
        frame_step: the distance between frames, in samples; frame_length // 2 by default.
        fft_length: the length to which frames are padded; the next power of two by default.
        window: a name, an array (frame_length,) or None.
        periodic: whether a named window is periodic, not symmetric.
        scaling: the scale of the window: "density", "spectrum" or None.
        padding: "valid" or "same".
        expand_dims: whether frequencies and channels are separate axes.
        data_format: "channels_last" or "channels_first"; that of the Keras config by default.

    Raises:
        InvalidArgumentError: an argument is out of range or unknown.

    Source: keras.layers.STFTSpectrogram.
    """

    mode: str = argument(default="log")
    frame_length: int = argument(default=256)
    frame_step: int | None = argument(default=None)
    fft_length: int | None = argument(default=None)
    window: Any = argument(default="hann")
    periodic: bool = argument(default=False)
    scaling: str | None = argument(default="density")
    padding: str = argument(default="valid")
    expand_dims: bool = argument(default=False)
    data_format: Any = argument(default=None, convert=standardize_data_format)

    def __post_init__(self) -> None:
        length, step, fft = self.frame_length, self.frame_step, self.fft_length
        wrong = {
            "frame_step": step is not None and not 1 <= step <= length,
            "fft_length": fft is not None and fft < length,
            "mode": self.mode not in ("log", "magnitude", "psd", "real", "imag", "angle", "stft"),
            "scaling": self.scaling not in (None, "density", "spectrum"),
            "padding": self.padding not in ("valid", "same"),
        }
        name = next((n for n, bad in wrong.items() if bad), None)
        if name is not None:
            raise InvalidArgumentError(
                f"Layer {self.name!r} (STFTSpectrogram): invalid value for `{name}` with frame_length={length}. Received: "
                f"{name}={getattr(self, name)!r}"
            )
        if fft is not None and fft & -fft != fft:
            warnings.warn(f"`fft_length` is recommended to be a power of two. Received fft_length={fft}", stacklevel=4)
        self._step = step or length // 2
        self._bins = (fft or 2 ** math.ceil(math.log2(length))) // 2 + 1
        window_of(self.window, length, self.periodic, f"layer {self.name!r}")
        self.input_spec = InputSpec(ndim=3)

    def build(self, input_shape: Any) -> None:
        """Create real_kernel and imag_kernel (frame_length, 1, frequencies), as far as the mode needs them."""
        shape = (self.frame_length, 1, self._bins)
        if self.mode != "imag":
            self.real_kernel = self.add_weight(name="real_kernel", shape=shape, initializer=self._fourier("real"))
        if self.mode != "real":
            self.imag_kernel = self.add_weight(name="imag_kernel", shape=shape, initializer=self._fourier("imag"))

    def _fourier(self, side: str) -> STFT:
        """Return the initializer of a kernel: windowed sinusoids."""
        return STFT(side, self.window, self.scaling, self.periodic)

    def call(self, inputs: Any) -> Any:
        """Return the spectrogram.

        Raises:
            DTypeError: the inputs are not floats.
        """
        if not dtypes.is_float(dtypes.standardize(inputs.dtype)):
            raise DTypeError(
                f"Layer {self.name!r}: invalid input type. Expected a float dtype. Received: input type={inputs.dtype}"
            )
        real = self._transformed(inputs, self.real_kernel) if self.mode != "imag" else None
        imag = self._transformed(inputs, self.imag_kernel) if self.mode != "real" else None
        if self.mode in ("real", "imag"):
            return self._arranged(real if imag is None else imag)
        if self.mode == "angle":
            return self._arranged(ops.arctan2(imag, real))
        if self.mode == "stft":
            return self._arranged(ops.concatenate([real, imag], axis=2))
        power = ops.square(real) + ops.square(imag)
        if self.mode == "psd":
            return self._arranged(power + ops.pad(power[:, :, 1:-1, :], [(0, 0), (0, 0), (1, 1), (0, 0)]))
        least = dtypes.epsilon()
        magnitude = self._arranged(ops.sqrt(ops.maximum(power, least)))
        return magnitude if self.mode == "magnitude" else ops.log(ops.maximum(magnitude, least))

    def _transformed(self, inputs: Any, kernel: Any) -> Any:
        """Transform every channel separately; return (batch, channels, frequencies, frames)."""
        x = ops.transpose(inputs, (0, 2, 1)) if self.data_format == CHANNELS_LAST else inputs
        batch, channels, time = ops.shape(x)
        frames = ops.conv(
            ops.reshape(x, (batch * channels, time, 1)),
            ops.cast(kernel, inputs.dtype),
            self._step,
            self.padding,
            CHANNELS_LAST,
        )
        return ops.transpose(ops.reshape(frames, (batch, channels, ops.shape(frames)[1], self._bins)), (0, 1, 3, 2))

    def _arranged(self, x: Any) -> Any:
        last = self.data_format == CHANNELS_LAST
        if self.expand_dims:
            return ops.transpose(x, (0, 3, 2, 1) if last else (0, 1, 3, 2))
        batch, channels, bins, frames = ops.shape(x)
        flat = ops.reshape(x, (batch, channels * bins, frames))
        return ops.transpose(flat, (0, 2, 1)) if last else flat


@keras_class(_HOME)
class MelSpectrogram(DataLayer, BuiltInLayer):
    """Mel spectrogram of signals: (time,) or (batch, time) to (..., num_mel_bins, frames).

    Args:
        fft_length: the length to which frames are padded, in samples.
        sequence_stride: the distance between frames, in samples.
        sequence_length: the length of a frame, in samples; `fft_length` by default.
        window: "hann", "hamming", an array or None.
        sampling_rate: the sampling rate of the signal, in Hz.
        num_mel_bins: the number of bands.
        min_freq: the lower end of the lowest band, in Hz.
        max_freq: the upper end of the highest band, in Hz; half the sampling rate by default.
        power_to_db: whether to return decibels relative to `ref_power`.
        top_db: decibels are limited to this much below the maximum.
        mag_exp: the exponent of the magnitudes: 1 for magnitude, 2 for power.
        min_power: a lower limit of the powers, applied before decibels are computed.
        ref_power: the power of 0 dB.

    Raises:
        InvalidArgumentError: `fft_length` is smaller than `sequence_length`.

    Source: keras.layers.MelSpectrogram.
    """

    fft_length: int = argument(default=2048)
    sequence_stride: int = argument(default=512)
    sequence_length: Any = argument(default=None)
    window: Any = argument(default="hann")
    sampling_rate: int = argument(default=16000)
    num_mel_bins: int = argument(default=128)
    min_freq: float = argument(default=20.0)
    max_freq: Any = argument(default=None)
    power_to_db: bool = argument(default=True)
    top_db: float = argument(default=80.0)
    mag_exp: float = argument(default=2.0)
    min_power: float = argument(default=1e-10)
    ref_power: float = argument(default=1.0)

    def __post_init__(self) -> None:
        self.sequence_length = self.sequence_length or self.fft_length
        self.max_freq = self.max_freq or int(self.sampling_rate / 2)
        if self.fft_length < self.sequence_length:
            raise InvalidArgumentError(
                f"`fft_length` of layer {self.name!r} must be greater than or equal to `sequence_length`. Received: "
                f"`sequence_length`={self.sequence_length}, `fft_length`={self.fft_length}."
            )

    def call(self, inputs: Any) -> Any:
        """Return the spectrogram, in the compute dtype."""
        dtype = self.compute_dtype if self.compute_dtype in ("float32", "float64") else "float32"
        real, imag = ops.stft(
            ops.cast(inputs, dtype),
            self.sequence_length,
            self.sequence_stride,
            self.fft_length,
            self.window,
            center=True,
        )
        energy = ops.square(real) + ops.square(imag)
        magnitude = energy if self.mag_exp == 2 else ops.power(ops.sqrt(energy), self.mag_exp)
        bands = ops.matmul(magnitude, ops.cast(self._bands(), dtype))
        if self.power_to_db:
            bands = self._decibels(bands)
        return ops.cast(ops.swapaxes(bands, -1, -2), self.compute_dtype)

    def _decibels(self, power: Any) -> Any:
        reference = 10.0 * math.log10(max(abs(self.ref_power), self.min_power))
        level = 10.0 * ops.log10(ops.maximum(power, self.min_power)) - reference
        return ops.maximum(level, ops.max(level) - self.top_db)

    def _bands(self) -> Array:
        """Return the bands of this layer, (fft_length // 2 + 1, num_mel_bins)."""
        sizes = self.num_mel_bins, self.fft_length // 2 + 1
        return self.linear_to_mel_weight_matrix(*sizes, self.sampling_rate, self.min_freq, self.max_freq, "float64")

    def linear_to_mel_weight_matrix(
        self,
        num_mel_bins: int = 20,
        num_spectrogram_bins: int = 129,
        sampling_rate: float = 8000,
        lower_edge_hertz: float = 125.0,
        upper_edge_hertz: float = 3800.0,
        dtype: str = "float32",
    ) -> Array:
        """Return triangular filters, evenly spaced on the mel scale: a matrix that a spectrogram is multiplied by.

        Args:
            num_mel_bins: the number of bands.
            num_spectrogram_bins: the number of frequencies of the spectrogram.
            sampling_rate: of the signal, in Hz.
            lower_edge_hertz: the lower end of the lowest band.
            upper_edge_hertz: the upper end of the highest band.
            dtype: of the result.

        Returns:
            (num_spectrogram_bins, num_mel_bins).

        Source: keras.layers.MelSpectrogram.linear_to_mel_weight_matrix.
        """

        def mel(hertz: Any) -> Any:
            return 1127.0 * np.log1p(np.asarray(hertz, np.float64) / 700.0)

        at = mel(np.linspace(0.0, sampling_rate / 2.0, num_spectrogram_bins))[:, None]
        edges = np.linspace(mel(lower_edge_hertz), mel(upper_edge_hertz), num_mel_bins + 2)
        low, middle, high = edges[:-2], edges[1:-1], edges[2:]
        bands = np.maximum(0.0, np.minimum((at - low) / (middle - low), (high - at) / (high - middle)))
        bands[0] = 0.0  # the constant component
        return np.asarray(bands, dtypes.to_numpy(dtype))
