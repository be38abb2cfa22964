"""Python's operators on tensors: `x + y` is `ops.add(x, y)` for variables, tracers and symbolic tensors alike."""

from __future__ import annotations

from typing import Any


def _ops() -> Any:
    from graphkit import ops  # ops stand above; by the time that an operator is used they are there

    return ops


class TensorOperators:
    """Mixin that maps Python's operators to `graphkit.ops`.

    `==` is identity, so that tensors can be dict keys; `!=` is elementwise, as in Keras.
    """

    __slots__ = ()
    __array_priority__ = 1000  # NumPy arrays on the left leave the operation to us

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        """`numpy.exp(tensor)` and `array + tensor` go to the op of that name."""
        function = getattr(_ops(), _UFUNC_NAMES.get(ufunc.__name__, ufunc.__name__), None)
        if method != "__call__" or kwargs or function is None:
            return NotImplemented
        return function(*inputs)

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

    def __invert__(self) -> Any:
        return _ops().logical_not(self)

    def __and__(self, other: Any) -> Any:
        return _ops().logical_and(self, other)

    def __rand__(self, other: Any) -> Any:
        return _ops().logical_and(other, self)

    def __or__(self, other: Any) -> Any:
        return _ops().logical_or(self, other)

    def __ror__(self, other: Any) -> Any:
        return _ops().logical_or(other, self)

    def __xor__(self, other: Any) -> Any:
        return _ops().logical_xor(self, other)

    def __rxor__(self, other: Any) -> Any:
        return _ops().logical_xor(other, self)

    def __lt__(self, other: Any) -> Any:
        return _ops().less(self, other)

    def __le__(self, other: Any) -> Any:
        return _ops().less_equal(self, other)

    def __gt__(self, other: Any) -> Any:
        return _ops().greater(self, other)

    def __ge__(self, other: Any) -> Any:
        return _ops().greater_equal(self, other)

    def __ne__(self, other: object) -> Any:
        return _ops().not_equal(self, other)

    __eq__ = object.__eq__
    __hash__ = object.__hash__

    def __getitem__(self, key: Any) -> Any:
        return _ops().get_item(self, key)


_UFUNC_NAMES = {"divide": "true_divide", "remainder": "mod", "conjugate": "conj", "invert": "logical_not"}


class Symbolic(TensorOperators):
    """Marks the tensors of the layer graph; an op called on one is recorded as a node by `record`."""

    __slots__ = ()

    @staticmethod
    def record(operation: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Make a node of the layer graph for this call of an op."""
        raise NotImplementedError("the graph's SymbolicTensor records operations")
