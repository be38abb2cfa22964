"""Window functions for signals, by the names of scipy.signal.get_window."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphkit.core.errors import InvalidArgumentError

Array = np.ndarray[Any, Any]

# window -> the coefficients of 1, cos t, cos 2t, ... (t from 0 to 2 pi), with alternating signs
_COSINE_WINDOWS = {
    "boxcar": (1.0,),
    "hann": (0.5, 0.5),
    "hamming": (0.54, 0.46),
    "blackman": (0.42, 0.5, 0.08),
    "nuttall": (0.3635819, 0.4891775, 0.1365995, 0.0106411),
    "blackmanharris": (0.35875, 0.48829, 0.14128, 0.01168),
    "flattop": (0.21557895, 0.41663158, 0.277263158, 0.083578947, 0.006947368),
}


def window_of(window: Any, length: int, periodic: bool, where: str) -> Array | None:
    """Return the window (length,) by its name, or the given array.

    Args:
        window: A name, an array of shape (length,), or None.
        length: The number of samples.
        periodic: Whether the window is one period of a periodic function (as in scipy) instead of symmetric.
        where: The op or layer, for messages.

    Raises:
        InvalidArgumentError: The name is unknown, or the array has another length.
    """
    if window is None:
        return None
    if not isinstance(window, str):
        given = np.asarray(window, np.float64)
        if given.shape != (length,):
            raise InvalidArgumentError(
                f"The shape of `window` of {where} must be [{length}]. Received: window shape={given.shape}"
            )
        return given
    steps = length if periodic else length - 1
    turns = np.arange(length) * (2 * np.pi / max(steps, 1))
    if window not in (*_COSINE_WINDOWS, "bartlett", "triang"):
        raise InvalidArgumentError(
            f"`window`={window!r} of {where} is unknown; known windows are {', '.join(_COSINE_WINDOWS)}, bartlett, triang. Pass the "
            "window as an array."
        )
    if length == 1:
        return np.ones(1)
    if window == "bartlett":
        return np.bartlett(length + periodic)[:length]
    if window == "triang":  # like bartlett, without the zeros at the ends
        return 1 - np.abs(np.arange(steps + 1) * 2 - steps)[:length] / (steps + 1 + (steps + 1) % 2)
    terms = [(-1) ** k * a * np.cos(k * turns) for k, a in enumerate(_COSINE_WINDOWS[window])]
    return np.asarray(np.sum(terms, axis=0))
