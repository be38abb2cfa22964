"""Sounds from .wav files."""

from __future__ import annotations

import wave
from typing import Any

import numpy as np

from graphkit.core.errors import InvalidArgumentError

Array = np.ndarray[Any, Any]


def read_wav(path: Any) -> tuple[Array, int]:
    """The sound, float32 from -1 to 1 of shape (steps, channels), and its samples a second.

    Raises InvalidArgumentError for what is not PCM of 8, 16, 24 or 32 bits.
    """
    try:
        with wave.open(str(path), "rb") as file:
            width, channels, rate = file.getsampwidth(), file.getnchannels(), file.getframerate()
            raw = np.frombuffer(file.readframes(file.getnframes()), "uint8")
    except (wave.Error, EOFError) as error:
        raise InvalidArgumentError(f"{path} is no .wav file of PCM samples: {error}.") from None
    whole = raw[: len(raw) // (width * channels) * width * channels].reshape(-1, width)
    if width == 1:  # the only one without a sign
        numbers = (whole[:, 0].astype("float32") - 128) / 128
    else:
        padded = np.zeros((len(whole), 4), "uint8")
        padded[:, 4 - width :] = whole
        numbers = padded.view("<i4")[:, 0].astype("float64") / 2.0**31
    return numbers.astype("float32").reshape(-1, channels), rate


def resample(sound: Array, rate: int, wanted: int) -> Array:
    """The sound at another number of samples a second, by cutting or extending its spectrum."""
    steps = len(sound)
    made = max(round(steps * wanted / rate), 1)
    spectrum = np.fft.rfft(sound.astype("float64"), axis=0)
    bins = made // 2 + 1
    spectrum = np.pad(spectrum[:bins], ((0, max(bins - len(spectrum), 0)), (0, 0)))
    return (np.fft.irfft(spectrum, made, axis=0) * (made / steps)).astype("float32")
