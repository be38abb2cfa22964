"""Data sets of windows over a time series."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphkit.core.errors import InvalidArgumentError
from graphkit.utils.batches import Batches
from graphkit.utils.dataset import Dataset


def timeseries_dataset_from_array(
    data: Any,
    targets: Any,
    sequence_length: int,
    sequence_stride: int = 1,
    sampling_rate: int = 1,
    batch_size: int | None = 128,
    shuffle: bool = False,
    seed: int | None = None,
    start_index: int | None = None,
    end_index: int | None = None,
    format: str = "tf",
) -> Dataset:
    """Return a data set of sliding windows over a time series.

    Args:
        data: an array whose first axis is time.
        targets: the target of the window that starts at the same step; None for windows without targets.
        sequence_length: time steps per window.
        sequence_stride: time steps between the starts of consecutive windows.
        sampling_rate: time steps between consecutive steps of a window.
        batch_size: windows per batch; None for single windows.
        shuffle: whether each iteration has a new order.
        seed: of the shuffling.
        start_index: the first time step to use.
        end_index: the end of the time steps to use, exclusive.
        format: "tf" or "grain", accepted for compatibility; the data set consists of NumPy arrays.

    Raises:
        InvalidArgumentError: an index or stride exceeds the data, or an unknown `format`.

    Source: keras.utils.timeseries_dataset_from_array.
    """
    steps = len(data)
    _check(steps, start_index, end_index, {"sampling_rate": sampling_rate, "sequence_stride": sequence_stride})
    if format not in ("tf", "grain"):
        raise InvalidArgumentError(f'`format` should be either "tf" or "grain". Received: format={format}')
    start, end = start_index or 0, end_index or steps
    windows = end - start - (sequence_length - 1) * sampling_rate
    windows = windows if targets is None else min(windows, len(targets))
    starts = np.arange(0, windows, sequence_stride)
    if shuffle:
        np.random.RandomState(seed).shuffle(starts)
    within = np.arange(0, sequence_length * sampling_rate, sampling_rate)
    # Targets are sliced as in Keras, so that windows and targets share their indices.
    series, aims = np.asarray(data)[start:end], None if targets is None else np.asarray(targets)[start:end]

    def load(index: Any) -> Any:
        first = starts[index]
        found = series[first[:, None] + within]
        return found if aims is None else (found, aims[first])

    buffer = 8 * batch_size if batch_size else 1024  # as in Keras, so that the order is the same
    return Batches(len(starts), load, batch_size, shuffle, seed, buffer_size=buffer)


def _check(steps: int, start: int | None, end: int | None, strides: dict[str, int]) -> None:
    if start and not 0 <= start < steps:
        raise InvalidArgumentError(
            f"`start_index` must be 0 or greater and lower than the length of the data, {steps}. Received: start_index={start}"
        )
    if end and not (start or 0) < end < steps:
        raise InvalidArgumentError(
            f"`end_index` must be higher than `start_index` ({start or 0}) and lower than the length of the data, {steps}. "
            f"Received: end_index={end}"
        )
    for name, stride in strides.items():
        if not 0 < stride < steps:
            raise InvalidArgumentError(
                f"`{name}` must be higher than 0 and lower than the length of the data, {steps}. Received: {name}={stride}"
            )
