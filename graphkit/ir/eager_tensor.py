"""The results of layers and ops on arrays: NumPy arrays with Keras' arithmetic."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from graphkit.core.errors import InvalidTypeError
from graphkit.core.tensor_shape import Shape
from graphkit.ir.operators import CarriesMask, TensorArithmetic, TensorOperators

_SHAPE: Any = np.ndarray.shape


class EagerTensor(CarriesMask, TensorArithmetic, np.ndarray):  # type: ignore[misc]
    """A NumPy array whose arithmetic is that of the ops, so that code computes the same values eagerly and traced.

    Attributes:
        mask: the Keras mask (a boolean array) or None; views and copies do not inherit it.
        variable: the variable whose value it is, by which gradient tapes know it, or None; not inherited either.
    """

    def __array_finalize__(self, source: Any) -> None:
        self.mask = None
        self.variable = None

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        """Apply NumPy's function to plain arrays; the result is a plain array."""
        if "out" in kwargs:
            kwargs["out"] = tuple(_plain(o) for o in kwargs["out"])
        return getattr(ufunc, method)(*map(_plain, inputs), **kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        """Apply NumPy's function to plain arrays, also those in lists, tuples and dicts; results are plain arrays."""
        return function(*map(_all_plain, args), **{name: _all_plain(value) for name, value in kwargs.items()})

    def as_literal(self) -> dict[str, Any]:
        """Return the tensor as Keras' config of a tensor."""
        return {"class_name": "__tensor__", "config": {"value": self.tolist(), "dtype": self.dtype.name}}

    def __getitem__(self, key: Any) -> Any:
        """Index as NumPy does, or with `ops.get_item` if a gradient tape watches the tensor or the key holds a traced tensor."""
        from graphkit.ir.tracing import current_trace

        trace = current_trace()
        is_watched = trace is not None and id(self) in trace.watched_arrays
        if is_watched or any(isinstance(part, TensorOperators) for part in (key if type(key) is tuple else (key,))):
            from graphkit import ops  # imported here because ops import this module

            return ops.get_item(self, key)
        return _whole(super().__getitem__(key))

    def __iter__(self) -> Iterator[Any]:
        return iter([_whole(element) for element in self.view(np.ndarray)])

    @property
    def shape(self) -> Shape:
        """The shape: a tuple, which also has the methods of TensorFlow's shapes."""
        return Shape(_SHAPE.__get__(self))

    @shape.setter
    def shape(self, sizes: Any) -> None:
        _SHAPE.__set__(self, sizes)

    def get_shape(self) -> Shape:
        """Return the shape, as TensorFlow's tensors do."""
        return self.shape

    def __setitem__(self, key: Any, value: Any) -> None:
        raise InvalidTypeError(
            "An eager tensor does not support item assignment. Use ops.slice_update or ops.scatter_update, which return a new tensor, or "
            "change a copy: np.array(tensor)."
        )

    def numpy(self) -> Any:
        """Return a plain array over the same memory; strings become bytes in a new array, a single one bytes, as in TensorFlow."""
        plain = self.view(np.ndarray)
        return _as_bytes(plain) if plain.dtype == object else plain

    def __eq__(self, other: object) -> Any:
        mine, theirs = _comparable(self.view(np.ndarray), _plain(other))
        return eager(mine == theirs)

    def __ne__(self, other: object) -> Any:
        mine, theirs = _comparable(self.view(np.ndarray), _plain(other))
        return eager(mine != theirs)

    __hash__ = None

    def __reduce__(self) -> Any:
        return self.view(np.ndarray).__reduce__()

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.view(np.ndarray).__reduce_ex__(protocol)


def _whole(element: Any) -> Any:
    """Return an element as a tensor, so that it has the methods of one; arrays become eager tensors."""
    if type(element) is np.ndarray:
        return element.view(EagerTensor)
    if isinstance(element, np.generic):
        return np.asarray(element).view(EagerTensor)
    return np.array(element, object).view(EagerTensor) if isinstance(element, (str, bytes)) else element


def _comparable(mine: Any, theirs: Any) -> tuple[Any, Any]:
    """Return both sides of a comparison; texts are compared as bytes, whichever of str and bytes they are."""
    if mine.dtype != object:
        return mine, theirs
    other = theirs.encode() if isinstance(theirs, str) else theirs
    kind = getattr(getattr(theirs, "dtype", None), "kind", "")
    return _bytes_of(mine), _bytes_of(theirs.astype(object)) if kind in "OSU" and kind else other


def _bytes_of(texts: Any) -> Any:
    made = np.empty(texts.shape, object)
    for index in np.ndindex(texts.shape):
        made[index] = texts[index].encode() if isinstance(texts[index], str) else texts[index]
    return made


def _as_bytes(texts: Any) -> Any:
    return _bytes_of(texts)[()]


def _plain(value: Any) -> Any:
    return value.view(np.ndarray) if isinstance(value, EagerTensor) else value


def _all_plain(value: Any) -> Any:
    """Return a value with the eager tensors in it as plain arrays."""
    if type(value) in (list, tuple):
        return type(value)(map(_all_plain, value))
    return {key: _all_plain(held) for key, held in value.items()} if type(value) is dict else _plain(value)


def eager(value: Any) -> Any:
    """Turn arrays, also those in a tuple or list, into eager tensors; return anything else unchanged."""
    if type(value) is np.ndarray:
        return value.view(EagerTensor)
    if type(value) in (tuple, list):
        return type(value)(eager(v) for v in value)
    return value
