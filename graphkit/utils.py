"""Small helpers around training, by Keras' names. Source: keras.utils (Keras 3)."""

from __future__ import annotations

import random as _random
import sys
from collections.abc import Iterable
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from graphkit.core import dtypes, nest
from graphkit.core.errors import InvalidArgumentError, ShapeError
from graphkit.core.seeds import set_session_seed
from graphkit.core.serialization import (
    CustomObjectScope,
    custom_object_scope,
    get_custom_objects,
    get_registered_name,
    get_registered_object,
    register_keras_serializable,
)  # fmt: skip
from graphkit.core.serialization import deserialize as deserialize_keras_object
from graphkit.core.serialization import serialize as serialize_keras_object

if TYPE_CHECKING:
    from graphkit.preprocessing.sequence import pad_sequences
    from graphkit.visualization import model_to_dot, plot_model

Array = np.ndarray[Any, Any]

__all__ = [
    "CustomObjectScope",
    "Progbar",
    "PyDataset",
    "Sequence",
    "clear_session",
    "custom_object_scope",
    "deserialize_keras_object",
    "get_custom_objects",
    "get_registered_name",
    "get_registered_object",
    "is_keras_tensor",
    "model_to_dot",
    "normalize",
    "pack_x_y_sample_weight",
    "pad_sequences",
    "plot_model",
    "register_keras_serializable",
    "serialize_keras_object",
    "set_random_seed",
    "split_dataset",
    "standardize_dtype",
    "to_categorical",
    "unpack_x_y_sample_weight",
]  # fmt: skip

_LAZY = {
    "model_to_dot": "graphkit.visualization",
    "pad_sequences": "graphkit.preprocessing.sequence",
    "plot_model": "graphkit.visualization",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'graphkit.utils' has no attribute {name!r}")


def to_categorical(x: Any, num_classes: int | None = None) -> Array:
    """Class numbers as one-hot rows of `floatx()`; a last axis of size 1 is dropped. Raises InvalidArgumentError for a class beyond."""
    classes = np.asarray(x, dtype="int64")
    shape = classes.shape[:-1] if classes.ndim > 1 and classes.shape[-1] == 1 else classes.shape
    flat = classes.reshape(-1)
    count = int(num_classes) if num_classes else int(flat.max(initial=-1)) + 1
    if flat.size and (flat.min() < -count or flat.max() >= count):
        raise InvalidArgumentError(f"to_categorical: class {flat.max()} does not fit num_classes={count}.")
    made = np.zeros((flat.size, count), dtypes.floatx())
    made[np.arange(flat.size), flat] = 1
    return made.reshape((*shape, count))


def normalize(x: Any, axis: int = -1, order: int = 2) -> Array:
    """Vectors along `axis` divided by their norm; zero vectors stay. Source: keras.utils.normalize."""
    array = np.asarray(x)
    norm = np.atleast_1d(np.linalg.norm(array, order, axis))
    made: Array = array / np.expand_dims(np.where(norm == 0, 1, norm), axis)
    return made


def set_random_seed(seed: int) -> None:
    """Make everything random follow from `seed`: Python, NumPy, weights, dropout, shuffling. Source: keras.utils.set_random_seed."""
    if not isinstance(seed, int):
        raise InvalidArgumentError(
            f"Expected `seed` argument to be an integer. Received: seed={seed} (of type {type(seed)})"
        )
    _random.seed(seed)
    np.random.seed(seed)
    set_session_seed(seed)


def clear_session() -> None:
    """Start automatic names anew. Source: keras.utils.clear_session."""
    from graphkit.core.names import reset_names

    reset_names()


def split_dataset(
    dataset: Any,
    left_size: float | int | None = None,
    right_size: float | int | None = None,
    shuffle: bool = False,
    seed: int | None = None,
) -> tuple[Any, Any]:
    """Arrays (or a structure of them, or a list of samples) in two parts, sizes as fractions or counts. Source: keras.utils."""
    leaves = [np.asarray(a) for a in nest.flatten(dataset)] if not isinstance(dataset, np.ndarray) else [dataset]
    rows = {len(a) for a in leaves if a.ndim}
    if len(rows) != 1:
        raise ShapeError(f"split_dataset: the arrays must have equally many samples, got {sorted(rows)}.")
    total = rows.pop()
    left = (
        _part(left_size, total)
        if left_size is not None
        else total - _part(right_size, total)
        if right_size is not None
        else None
    )
    if left is None:
        raise InvalidArgumentError("split_dataset needs `left_size` or `right_size`.")
    right = _part(right_size, total) if right_size is not None else total - left
    if left < 0 or right < 0 or left + right > total:
        raise InvalidArgumentError(
            f"split_dataset: left_size={left_size} and right_size={right_size} do not fit {total} samples."
        )
    order = np.random.default_rng(seed).permutation(total) if shuffle else np.arange(total)
    first, second = order[:left], order[left : left + right]
    return tuple(nest.pack(dataset, [a[part] for a in leaves]) for part in (first, second))


def _part(size: Any, total: int) -> int:
    if isinstance(size, float):
        if not 0 < size < 1:
            raise InvalidArgumentError(f"A size given as a float must lie between 0 and 1, got {size}.")
        return round(size * total)
    return int(size)


class PyDataset:
    """Batches by number: a subclass says `__len__` and `__getitem__(index)`, and `on_epoch_end` if it likes.

    Source: keras.utils.PyDataset.
    """

    def __init__(self, workers: int = 1, use_multiprocessing: bool = False, max_queue_size: int = 10) -> None:
        self.workers, self.use_multiprocessing, self.max_queue_size = workers, use_multiprocessing, max_queue_size

    def __len__(self) -> int:
        raise NotImplementedError(f"{type(self).__name__} defines no __len__()")

    def __getitem__(self, index: int) -> Any:
        raise NotImplementedError(f"{type(self).__name__} defines no __getitem__(index)")

    @property
    def num_batches(self) -> int:
        """The number of batches."""
        return len(self)

    def on_epoch_end(self) -> None:
        """Called after each epoch."""


Sequence = PyDataset  # Keras 2's name


class Progbar:
    """A line of progress: `update(current, values)`, `add(n, values)`. Source: keras.utils.Progbar."""

    def __init__(
        self,
        target: int | None,
        width: int = 20,
        verbose: int = 1,
        interval: float = 0.05,
        stateful_metrics: Iterable[str] | None = None,
        unit_name: str = "step",
    ) -> None:
        self.target, self.width, self.verbose, self.interval, self.unit_name = (
            target,
            width,
            verbose,
            interval,
            unit_name,
        )
        self.stateful_metrics = set(stateful_metrics or ())
        self._sums: dict[str, list[float]] = {}
        self._seen = 0

    def update(
        self, current: int, values: Iterable[tuple[str, float]] | None = None, finalize: bool | None = None
    ) -> None:
        """Show that `current` steps are done; values are averaged over steps, unless stateful."""
        for name, value in values or ():
            if name in self.stateful_metrics:
                self._sums[name] = [float(value), 1.0]
            else:
                total, count = self._sums.get(name, [0.0, 0.0])
                weight = max(current - self._seen, 1)
                self._sums[name] = [total + float(value) * weight, count + weight]
        self._seen = current
        done = finalize if finalize is not None else self.target is not None and current >= self.target
        if self.verbose and (done or self.verbose == 1):
            shown = "".join(f" - {n}: {t / max(c, 1.0):.4f}" for n, (t, c) in self._sums.items())
            end = "\n" if done else "\r"
            sys.stdout.write(f"{current}/{self.target or '?'}{shown}{end}")
            sys.stdout.flush()

    def add(self, n: int, values: Iterable[tuple[str, float]] | None = None) -> None:
        """Show that `n` more steps are done."""
        self.update(self._seen + n, values)


# ----- tensors and arguments -----


def is_keras_tensor(x: Any) -> bool:
    """Whether `x` is a symbolic tensor of the layer graph. Source: keras.utils.is_keras_tensor."""
    from graphkit.graph.symbolic import SymbolicTensor

    return isinstance(x, SymbolicTensor)


def standardize_dtype(dtype: Any) -> str:
    """Keras' name of a dtype. Source: keras.utils.standardize_dtype."""
    return dtypes.standardize(dtype)


def pack_x_y_sample_weight(x: Any, y: Any = None, sample_weight: Any = None) -> Any:
    """The parts as fit takes them: x, (x, y) or (x, y, sample_weight). Source: keras.utils.pack_x_y_sample_weight."""
    if y is None:
        return (x,) if nest.is_nested(x) else x
    return (x, y) if sample_weight is None else (x, y, sample_weight)


def unpack_x_y_sample_weight(data: Any) -> tuple[Any, Any, Any]:
    """(x, y, sample_weight) of what `pack_x_y_sample_weight` gave. Source: keras.utils.unpack_x_y_sample_weight."""
    if not isinstance(data, tuple):
        return data, None, None
    if not 1 <= len(data) <= 3:
        raise InvalidArgumentError(
            f"Data is expected as x, (x,), (x, y) or (x, y, sample_weight); got {len(data)} parts."
        )
    x, y, weight = (*data, None, None)[:3]
    return x, y, weight
