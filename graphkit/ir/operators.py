"""Python's operators on tensors: `x + y` is `ops.add(x, y)` for variables, tracers and symbolic tensors."""

from __future__ import annotations

from typing import Any

import numpy as np


def _ops() -> Any:
    from graphkit import ops  # imported here because ops import this module

    return ops


class TensorArithmetic:
    """Mixin that maps Python's arithmetic to `graphkit.ops`. `x += y` creates a new tensor."""

    __slots__ = ()
    __array_priority__ = 1000  # `array + tensor` is left to the tensor

    def __add__(self, other: Any) -> Any:
        return _ops().add(self, other)

    def __radd__(self, other: Any) -> Any:
        return _ops().add(other, self)

    def __sub__(self, other: Any) -> Any:
        return _ops().subtract(self, other)

    def __rsub__(self, other: Any) -> Any:
        return _ops().subtract(other, self)

    def __mul__(self, other: Any) -> Any:
        return _ops().multiply(self, other)

    def __rmul__(self, other: Any) -> Any:
        return _ops().multiply(other, self)

    def __truediv__(self, other: Any) -> Any:
        return _ops().true_divide(self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return _ops().true_divide(other, self)

    def __floordiv__(self, other: Any) -> Any:
        return _ops().floor_divide(self, other)

    def __rfloordiv__(self, other: Any) -> Any:
        return _ops().floor_divide(other, self)

    def __mod__(self, other: Any) -> Any:
        return _ops().mod(self, other)

    def __rmod__(self, other: Any) -> Any:
        return _ops().mod(other, self)

    def __pow__(self, other: Any) -> Any:
        return _ops().power(self, other)

    def __rpow__(self, other: Any) -> Any:
        return _ops().power(other, self)

    def __matmul__(self, other: Any) -> Any:
        return _ops().matmul(self, other)

    def __rmatmul__(self, other: Any) -> Any:
        return _ops().matmul(other, self)

    def __neg__(self) -> Any:
        return _ops().negative(self)

    def __pos__(self) -> Any:
        return self

    def __abs__(self) -> Any:
        return _ops().absolute(self)

    def __round__(self, ndigits: int | None = None) -> Any:
        return _ops().round(self, decimals=ndigits or 0)

    def _logic(self, name: str, other: Any = True) -> Any:
        """Return the op for `&`, `|`, `^` or `~`: logical for bools, else bitwise."""
        are_bools = all(isinstance(x, bool) or str(getattr(x, "dtype", "")) == "bool" for x in (self, other))
        return getattr(_ops(), f"{'logical' if are_bools else 'bitwise'}_{name}")

    def __invert__(self) -> Any:
        return self._logic("not")(self)

    def __and__(self, other: Any) -> Any:
        return self._logic("and", other)(self, other)

    def __rand__(self, other: Any) -> Any:
        return self._logic("and", other)(other, self)

    def __or__(self, other: Any) -> Any:
        return self._logic("or", other)(self, other)

    def __ror__(self, other: Any) -> Any:
        return self._logic("or", other)(other, self)

    def __xor__(self, other: Any) -> Any:
        return self._logic("xor", other)(self, other)

    def __rxor__(self, other: Any) -> Any:
        return self._logic("xor", other)(other, self)

    def __lshift__(self, other: Any) -> Any:
        return _ops().left_shift(self, other)

    def __rshift__(self, other: Any) -> Any:
        return _ops().right_shift(self, other)

    def __divmod__(self, other: Any) -> tuple[Any, Any]:
        return self // other, self % other

    def __lt__(self, other: Any) -> Any:
        return _ops().less(self, other)

    def __le__(self, other: Any) -> Any:
        return _ops().less_equal(self, other)

    def __gt__(self, other: Any) -> Any:
        return _ops().greater(self, other)

    def __ge__(self, other: Any) -> Any:
        return _ops().greater_equal(self, other)

    __iadd__ = __add__
    __isub__ = __sub__
    __imul__ = __mul__
    __itruediv__ = __truediv__
    __ifloordiv__ = __floordiv__
    __imod__ = __mod__
    __ipow__ = __pow__
    __imatmul__ = __matmul__
    __iand__ = __and__
    __ior__ = __or__
    __ixor__ = __xor__


class CarriesMask:
    """Mixin for tensors that carry a mask in their attribute `mask`, also readable by Keras' name `_keras_mask`."""

    __slots__ = ()
    mask: Any

    @property
    def _keras_mask(self) -> Any:
        return self.mask

    @_keras_mask.setter
    def _keras_mask(self, mask: Any) -> None:
        self.mask = mask


class TensorOperators(TensorArithmetic):
    """All of Python's operators, for tensors that are not arrays: variables, tracers and symbolic tensors.

    Tensors hash by identity, so they can be dict keys. `==` of variables and tracers is elementwise; a symbolic tensor's
    `==` is identity and its `!=` elementwise, as in Keras.
    """

    __slots__ = ()

    def _logic(self, name: str, other: Any = True) -> Any:
        """Return the logical op, as Keras' tensor classes do for every dtype."""
        return getattr(_ops(), f"logical_{name}")

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        """Map `numpy.exp(tensor)`, `numpy.sum(tensor)` and `array + tensor` to the op of that name, if there is one."""
        if method == "__call__" and not kwargs:
            function = getattr(_ops(), _UFUNC_NAMES.get(ufunc.__name__, ufunc.__name__), None)
            if function is not None:
                return function(*inputs)
        if method == "reduce" and ufunc.__name__ in _REDUCTION_NAMES and not self._has_numbers():
            given = {k: v for k, v in kwargs.items() if v is not None}
            if len(inputs) == 1 and given.keys() <= {"axis", "keepdims"}:
                return getattr(_ops(), _REDUCTION_NAMES[ufunc.__name__])(
                    inputs[0], **{"axis": kwargs.get("axis", 0), **given}
                )
        arrays = [np.asarray(x) if isinstance(x, TensorOperators) else x for x in inputs]
        return getattr(ufunc, method)(*arrays, **kwargs)

    def _has_numbers(self) -> bool:
        """Return whether the tensor can be read as an array now."""
        return False

    def __ne__(self, other: object) -> Any:
        return NotImplemented if _is_no_tensor(other) else _ops().not_equal(self, other)

    __eq__ = object.__eq__
    __hash__ = object.__hash__

    def __getitem__(self, key: Any) -> Any:
        return _ops().get_item(self, key)


def _is_no_tensor(value: Any) -> bool:
    """Whether a value cannot be compared with a tensor: None, a string, a dict or set, a class, a function."""
    return value is None or isinstance(value, (str, bytes, dict, set, type)) or callable(value)


class Comparable:
    """Mixin with an elementwise `==`, for variables and traced tensors."""

    __slots__ = ()

    def __eq__(self, other: object) -> Any:
        return NotImplemented if _is_no_tensor(other) else _ops().equal(self, other)

    def __hash__(self) -> int:
        return id(self)


_UFUNC_NAMES = {
    "divide": "true_divide", "remainder": "mod", "conjugate": "conj", "invert": "bitwise_not", "rint": "round",
    "degrees": "rad2deg", "radians": "deg2rad",
}  # fmt: skip
_REDUCTION_NAMES = {
    "add": "sum", "multiply": "prod", "maximum": "max", "minimum": "min", "logical_and": "all", "logical_or": "any",
}  # fmt: skip


class Symbolic(TensorOperators):
    """Base class of the layer graph's tensors; an op that is called on one is recorded as a node by `record`."""

    __slots__ = ()

    @staticmethod
    def record(operation: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Create a node of the layer graph for this call of an op; subclasses implement it."""
        raise NotImplementedError("SymbolicTensor implements `record`")
