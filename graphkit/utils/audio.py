"""Read and resample audio."""

from __future__ import annotations

import wave
from typing import Any

import numpy as np

from graphkit.core.errors import InvalidArgumentError

Array = np.ndarray[Any, Any]


def read_wav(path: Any) -> tuple[Array, int]:
    """Read a .wav file.

    Returns:
        The samples, float32 from -1 to 1 of shape (steps, channels), and the sampling rate in Hz.

    Raises:
        InvalidArgumentError: the file is not PCM with 8, 16, 24 or 32 bits.
    """
    try:
        with wave.open(str(path), "rb") as file:
            width, channels, rate = file.getsampwidth(), file.getnchannels(), file.getframerate()
            raw = np.frombuffer(file.readframes(file.getnframes()), "uint8")
    except (wave.Error, EOFError) as error:
        raise InvalidArgumentError(f"{path} is not a .wav file of PCM samples: {error}.") from None
    whole = raw[: len(raw) // (width * channels) * width * channels].reshape(-1, width)
    if width == 1:  # the only unsigned format
        numbers = (whole[:, 0].astype("float32") - 128) / 128
    else:
        padded = np.zeros((len(whole), 4), "uint8")
        padded[:, 4 - width :] = whole
        numbers = padded.view("<i4")[:, 0].astype("float64") / 2.0**31
    return numbers.astype("float32").reshape(-1, channels), rate


def resample(sound: Array, rate: int, wanted: int) -> Array:
    """Resample by truncating or zero-padding the spectrum.

    Args:
        sound: samples of shape (steps, channels).
        rate: its sampling rate in Hz.
        wanted: the new sampling rate in Hz.
    """
    steps = len(sound)
    made = max(round(steps * wanted / rate), 1)
    spectrum = np.fft.rfft(sound.astype("float64"), axis=0)
    bins = made // 2 + 1
    spectrum = np.pad(spectrum[:bins], ((0, max(bins - len(spectrum), 0)), (0, 0)))
    return (np.fft.irfft(spectrum, made, axis=0) * (made / steps)).astype("float32")
