"""What layers and ops give on arrays: a NumPy array with Keras' arithmetic."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphkit.ir.operators import CarriesMask, TensorArithmetic, TensorOperators


class EagerTensor(CarriesMask, TensorArithmetic, np.ndarray):  # type: ignore[misc]
    """A NumPy array whose arithmetic is that of the ops, so that code gives the same numbers eagerly and traced.

    Attributes:
        mask: the boolean array that travels with it, or None; a view or copy of it has none.
    """

    def __array_finalize__(self, source: Any) -> None:
        self.mask = None

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        """NumPy's functions compute on plain arrays and give plain arrays."""
        if "out" in kwargs:
            kwargs["out"] = tuple(_plain(o) for o in kwargs["out"])
        return getattr(ufunc, method)(*map(_plain, inputs), **kwargs)

    def __getitem__(self, key: Any) -> Any:
        """NumPy's indexing; by a tensor that is traced or symbolic it is that of the ops."""
        if any(isinstance(part, TensorOperators) for part in (key if type(key) is tuple else (key,))):
            from graphkit import ops  # they stand above; by the time that an array is indexed they are there

            return ops.get_item(self, key)
        return super().__getitem__(key)

    def numpy(self) -> np.ndarray[Any, Any]:
        """The same numbers as a plain array."""
        return self.view(np.ndarray)

    def __eq__(self, other: object) -> Any:
        return eager(self.view(np.ndarray) == _plain(other))

    def __ne__(self, other: object) -> Any:
        return eager(self.view(np.ndarray) != _plain(other))

    __hash__ = None

    def __reduce__(self) -> Any:
        return self.view(np.ndarray).__reduce__()

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.view(np.ndarray).__reduce_ex__(protocol)


def _plain(value: Any) -> Any:
    return value.view(np.ndarray) if isinstance(value, EagerTensor) else value


def eager(value: Any) -> Any:
    """Arrays, also in a tuple or list, as eager tensors; anything else as it is."""
    if type(value) is np.ndarray:
        return value.view(EagerTensor)
    if type(value) in (tuple, list):
        return type(value)(eager(v) for v in value)
    return value
