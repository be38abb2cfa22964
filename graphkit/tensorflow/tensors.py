"""Tensors, variables, shapes and their descriptions: `tf.Tensor`, `tf.Variable`, `tf.TensorShape`, `tf.TensorSpec`, `tf.constant`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from graphkit import Variable as KerasVariable
from graphkit import ops
from graphkit.core.dims import Dim
from graphkit.core.errors import InvalidArgumentError, ShapeError, UnsupportedError
from graphkit.ir.eager_tensor import EagerTensor, eager
from graphkit.ir.tracing import Tracer
from graphkit.tensorflow.dtypes import as_dtype, dtype_name
from graphkit.tensorflow.table import NAMES, as_tensor, dtype_of, is_deferred, is_tensor, shape_of, sizes_of, tensorflow


class TensorShape(tuple[Any, ...]):
    """A shape: a tuple of ints and None with TensorFlow's methods.

    Args:
        dims: the sizes; an int for one axis, None for an unknown rank, which is refused.

    Source: tf.TensorShape.
    """

    __slots__ = ()

    def __new__(cls, dims: Any) -> TensorShape:  # noqa: D102  # the class says it
        if dims is None:
            raise UnsupportedError(
                "A shape of unknown rank is not supported; give one size for each axis, None if it is unknown."
            )
        dims = (dims,) if isinstance(dims, (int, np.integer)) else dims
        return super().__new__(cls, (None if d is None or isinstance(d, Dim) or d == -1 else int(d) for d in dims))

    @property
    def rank(self) -> int:
        """The number of axes."""
        return len(self)

    ndims = rank
    dims = property(lambda self: list(self))

    def as_list(self) -> list[int | None]:
        """Return the sizes as a list."""
        return list(self)

    def num_elements(self) -> int | None:
        """Return the number of elements; None if a size is unknown."""
        return int(np.prod(self, dtype=int)) if self.is_fully_defined() else None

    def is_fully_defined(self) -> bool:
        """Return whether all sizes are known."""
        return None not in self

    def is_compatible_with(self, other: Any) -> bool:
        """Return whether a tensor can have both shapes."""
        other = TensorShape(other)
        return len(self) == len(other) and all(a == b or None in (a, b) for a, b in zip(self, other, strict=True))

    def assert_is_compatible_with(self, other: Any) -> None:
        """Raise ShapeError if no tensor can have both shapes."""
        if not self.is_compatible_with(other):
            raise ShapeError(f"Shapes {self} and {TensorShape(other)} are incompatible.")

    def assert_has_rank(self, rank: int) -> None:
        """Raise ShapeError for another number of axes."""
        if len(self) != rank:
            raise ShapeError(f"Shape {self} must have rank {rank}.")

    def concatenate(self, other: Any) -> TensorShape:
        """Return this shape followed by another."""
        return TensorShape((*self, *TensorShape(other)))

    def merge_with(self, other: Any) -> TensorShape:
        """Return the shape with unknown sizes taken from another."""
        self.assert_is_compatible_with(other)
        return TensorShape(a if a is not None else b for a, b in zip(self, TensorShape(other), strict=True))

    def __getitem__(self, key: Any) -> Any:
        made = tuple.__getitem__(self, key)
        return TensorShape(made) if isinstance(key, slice) else made

    def __add__(self, other: Any) -> TensorShape:
        return self.concatenate(other)

    def __repr__(self) -> str:
        return f"TensorShape({list(self)})"

    def __str__(self) -> str:
        return f"({', '.join(map(str, self))}{',' if len(self) == 1 else ''})"


class TensorSpec:
    """Shape and dtype of a tensor, for `tf.function(input_signature=)` and `tf.data.Dataset.from_generator`.

    Args:
        shape: the sizes, None where any size fits.
        dtype: the dtype.
        name: a name.

    Source: tf.TensorSpec.
    """

    def __init__(self, shape: Any, dtype: Any = "float32", name: str | None = None) -> None:
        self.shape = TensorShape(shape)
        self.dtype = as_dtype(dtype)
        self.name = name

    @classmethod
    def from_tensor(cls, tensor: Any, name: str | None = None) -> TensorSpec:
        """Return the description of a tensor."""
        return cls(shape_of(tensor), dtype_of(tensor), name)

    @classmethod
    def from_spec(cls, spec: Any, name: str | None = None) -> TensorSpec:
        """Return a copy with another name."""
        return cls(spec.shape, spec.dtype, name or spec.name)

    def is_compatible_with(self, other: Any) -> bool:
        """Return whether a tensor fits."""
        return self.shape.is_compatible_with(shape_of(other)) and self.dtype == dtype_of(other)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TensorSpec) and (self.shape, self.dtype) == (other.shape, other.dtype)

    def __hash__(self) -> int:
        return hash((self.shape, self.dtype))

    def __repr__(self) -> str:
        return f"TensorSpec(shape={self.shape}, dtype={self.dtype!r}, name={self.name!r})"


class _IsTensor(type):
    def __instancecheck__(cls, value: Any) -> bool:
        return isinstance(value, (EagerTensor, Tracer))


class Tensor(metaclass=_IsTensor):
    """The type of tensors, for `isinstance(x, tf.Tensor)`: results of ops, and traced tensors. Source: tf.Tensor."""


class _IsVariable(type(KerasVariable)):  # type: ignore[misc]
    def __instancecheck__(cls, value: Any) -> bool:
        return isinstance(value, KerasVariable)


class Variable(KerasVariable, metaclass=_IsVariable):
    """A variable with TensorFlow's constructor.

    Args:
        initial_value: an array, a number, a nested list, or a function without arguments that returns one.
        trainable: whether gradient tapes watch it.
        validate_shape, caching_device, variable_def, import_scope, synchronization, aggregation: accepted, without effect.
        name: the variable's name.
        dtype: the dtype; by default the value's, as `tf.constant` determines it.
        constraint: a function that is applied to the value after each step of an optimizer.
        shape: the shape that the value must have.

    Source: tf.Variable.
    """

    def __init__(
        self,
        initial_value: Any = None,
        trainable: bool | None = None,
        validate_shape: bool = True,
        caching_device: Any = None,
        name: str | None = None,
        variable_def: Any = None,
        dtype: Any = None,
        import_scope: Any = None,
        constraint: Any = None,
        synchronization: Any = None,
        aggregation: Any = None,
        shape: Any = None,
        experimental_enable_variable_lifting: bool = True,
    ) -> None:
        if initial_value is None:
            raise InvalidArgumentError(
                "tf.Variable expects `initial_value`: an array, a number, or a function that returns one."
            )
        value = as_tensor(initial_value() if callable(initial_value) else initial_value, dtype)
        if shape is not None:
            TensorShape(shape).assert_is_compatible_with(shape_of(value))
        super().__init__(np.asarray(value), dtype=dtype_name(value.dtype), trainable=trainable is not False, name=name)
        self.constraint = constraint

    def assign(self, value: Any, use_locking: bool = False, name: str | None = None, read_value: bool = True) -> Any:
        """Assign a value; return the variable."""
        super().assign(as_tensor(value))
        return self

    def assign_add(
        self, delta: Any, use_locking: bool = False, name: str | None = None, read_value: bool = True
    ) -> Any:
        """Add `delta`; return the variable."""
        return self.assign(self + delta)

    def assign_sub(
        self, delta: Any, use_locking: bool = False, name: str | None = None, read_value: bool = True
    ) -> Any:
        """Subtract `delta`; return the variable."""
        return self.assign(self - delta)

    def read_value(self) -> Any:
        """Return the current value as a tensor."""
        return self.value

    def get_shape(self) -> TensorShape:
        """Return the shape."""
        return TensorShape(self.shape)

    def scatter_nd_update(self, indices: Any, updates: Any, name: str | None = None) -> Any:
        """Replace the elements at `indices`."""
        return self.assign(ops.scatter_update(self.value, as_tensor(indices), as_tensor(updates)))


class Sizes(tuple[Any, ...]):
    """The result of `tf.shape` where some sizes are unknown: ints and `Dim`s, with elementwise arithmetic as a tensor has."""

    __slots__ = ()

    def __getitem__(self, key: Any) -> Any:
        made = tuple.__getitem__(self, key)
        return Sizes(made) if isinstance(key, slice) else made

    @property
    def shape(self) -> tuple[int]:
        """The shape of the vector of sizes."""
        return (len(self),)

    @property
    def dtype(self) -> str:
        """The dtype of the vector of sizes."""
        return "int32"

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        raise InvalidArgumentError(f"The shape {tuple(self)} has unknown sizes, so it cannot be passed to NumPy.")

    def _each(self, other: Any, operation: Any) -> Sizes:
        others = other if isinstance(other, (list, tuple)) else np.asarray(other).ravel().tolist()
        others = others * len(self) if len(others) == 1 else others
        return Sizes(operation(a, b) for a, b in zip(self, others, strict=True))

    def __add__(self, other: Any) -> Sizes:  # type: ignore[override]
        return self._each(other, lambda a, b: a + b)

    def __sub__(self, other: Any) -> Sizes:
        return self._each(other, lambda a, b: a - b)

    def __mul__(self, other: Any) -> Sizes:  # type: ignore[override]
        return self._each(other, lambda a, b: a * b)

    def __floordiv__(self, other: Any) -> Sizes:
        return self._each(other, lambda a, b: a // b)

    __radd__, __rmul__ = __add__, __mul__  # type: ignore[assignment]


@tensorflow("shape", tensors="")
def _shape(input: Any, out_type: Any = None) -> Any:
    """The shape as a tensor: an array if it is known, else `Sizes`. Source: tf.shape."""
    sizes = shape_of(input if is_tensor(input) else as_tensor(input))
    if any(isinstance(size, Dim) for size in sizes):
        return Sizes(sizes)
    return np.array(sizes, dtype_name(out_type or "int32"))


@tensorflow("shape_n", tensors="")
def _shape_n(input: Any, out_type: Any = "int32") -> Any:
    return [_shape(part, out_type) for part in input]


@tensorflow("rank", tensors="")
def _rank(input: Any) -> Any:
    return np.array(1 if isinstance(input, Sizes) else len(shape_of(as_tensor(input))), "int32")


@tensorflow("size", tensors="")
def _size(input: Any, out_type: Any = None) -> Any:
    total: Any = 1
    for size in shape_of(as_tensor(input)):
        total = size * total
    return total if isinstance(total, Dim) else np.array(total, dtype_name(out_type or "int32"))


@tensorflow("constant", tensors="")
def _constant(value: Any, dtype: Any = None, shape: Any = None) -> Any:
    """Return a tensor with these values, repeated if `shape` is larger. Source: tf.constant."""
    made = as_tensor(value, dtype)
    if shape is None:
        return made
    sizes = sizes_of(shape)
    if tuple(np.shape(made)) == sizes:
        return made
    if np.size(made) == 1:
        return eager(np.full(sizes, np.asarray(made).reshape(()), np.asarray(made).dtype))
    if np.size(made) != int(np.prod(sizes)):
        raise ShapeError(f"tf.constant: {np.size(made)} values do not fill the shape {sizes}.")
    return ops.reshape(made, sizes)


@tensorflow("convert_to_tensor", tensors="")
def _convert_to_tensor(value: Any, dtype: Any = None, dtype_hint: Any = None) -> Any:
    return as_tensor(value, dtype)


@tensorflow("cast dtypes.cast", tensors="")
def _cast(x: Any, dtype: Any) -> Any:
    x = as_tensor(x)
    if (
        dtype_of(x) != "string"
        and dtype_name(dtype) not in ("complex64", "complex128")
        and dtype_of(x).startswith("complex")
    ):
        x = ops.real(x)
    return as_tensor(x, dtype)


@tensorflow("saturate_cast dtypes.saturate_cast")
def _saturate_cast(value: Any, dtype: Any) -> Any:
    return ops.saturate_cast(value, dtype_name(dtype))


@tensorflow("is_tensor", tensors="")
def _is_tensor(x: Any) -> bool:
    return is_tensor(x)


@tensorflow("is_symbolic_tensor", tensors="")
def _is_symbolic_tensor(tensor: Any) -> bool:
    return is_deferred(tensor)


@tensorflow("get_static_value", tensors="")
def _get_static_value(tensor: Any, partial: bool = False) -> Any:
    return None if is_deferred(tensor) else np.asarray(tensor)


@tensorflow("make_ndarray", tensors="")
def _make_ndarray(tensor: Any) -> Any:
    raise UnsupportedError("tf.make_ndarray reads protocol buffers, which graphkit does not make; use tensor.numpy().")


class TensorArray:
    """A list of tensors that is written element by element; each method returns what TensorFlow's returns.

    Args:
        dtype: the dtype of the elements.
        size: the number of elements.
        dynamic_size: whether writing beyond the end makes it longer.
        clear_after_read, tensor_array_name, handle, flow, infer_shape, element_shape, colocate_with_first_write_call: accepted,
            without effect.
        name: accepted, without effect.

    Source: tf.TensorArray.
    """

    def __init__(
        self,
        dtype: Any,
        size: Any = None,
        dynamic_size: bool | None = None,
        clear_after_read: Any = None,
        tensor_array_name: str | None = None,
        handle: Any = None,
        flow: Any = None,
        infer_shape: bool = True,
        element_shape: Any = None,
        colocate_with_first_write_call: bool = True,
        name: str | None = None,
    ) -> None:
        self.dtype = as_dtype(dtype)
        self.dynamic_size = bool(dynamic_size)
        self._parts: list[Any] = [None] * int(size or 0)

    def write(self, index: Any, value: Any, name: str | None = None) -> TensorArray:
        """Write one element; return the array.

        Raises:
            InvalidArgumentError: the index is not known while a graph is built, or out of range.
        """
        place = self._place(index)
        if place >= len(self._parts):
            if not self.dynamic_size:
                raise InvalidArgumentError(
                    f"TensorArray of size {len(self._parts)}: index {place} is out of range; use dynamic_size=True."
                )
            self._parts += [None] * (place + 1 - len(self._parts))
        self._parts[place] = as_tensor(value, self.dtype)
        return self

    def _place(self, index: Any) -> int:
        if is_deferred(index):
            raise InvalidArgumentError(
                "TensorArray: the index is a tensor whose value is not known while a graph is built. Loop over a Python range, or "
                "use ops.scan."
            )
        return int(index)

    def read(self, index: Any, name: str | None = None) -> Any:
        """Return one element."""
        return self._parts[self._place(index)]

    def stack(self, name: str | None = None) -> Any:
        """Return the elements, stacked along a new first axis."""
        return ops.stack(self._written())

    def concat(self, name: str | None = None) -> Any:
        """Return the elements, joined along the first axis."""
        return ops.concatenate(self._written(), axis=0)

    def gather(self, indices: Any, name: str | None = None) -> Any:
        """Return some of the elements, stacked."""
        return ops.stack([self._written()[int(i)] for i in np.asarray(indices)])

    def unstack(self, value: Any, name: str | None = None) -> TensorArray:
        """Take the slices of a tensor as elements; return the array."""
        self._parts = list(ops.unstack(as_tensor(value, self.dtype)))
        return self

    def size(self, name: str | None = None) -> Any:
        """Return the number of elements."""
        return eager(np.array(len(self._parts), "int32"))

    def _written(self) -> list[Any]:
        first = next((p for p in self._parts if p is not None), None)
        if first is None:
            raise InvalidArgumentError("TensorArray: no element has been written.")
        return [ops.zeros_like(first) if p is None else p for p in self._parts]


def _boundaries(shapes: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
    longest = max(len(s) for s in shapes)
    for axis in range(longest):
        yield tuple(s[axis - longest + len(s)] if axis - longest + len(s) >= 0 else 1 for s in shapes)


@tensorflow("broadcast_static_shape", tensors="")
def _broadcast_static_shape(shape_x: Any, shape_y: Any) -> Any:
    return TensorShape(_broadcast(shape_x, shape_y))


@tensorflow("broadcast_dynamic_shape", tensors="")
def _broadcast_dynamic_shape(shape_x: Any, shape_y: Any) -> Any:
    return np.array(_broadcast(sizes_of(shape_x), sizes_of(shape_y)), "int32")


def _broadcast(*shapes: Any) -> list[Any]:
    made = []
    for sizes in _boundaries(shapes):
        others = {s for s in sizes if s != 1}
        if len(others) > 1:
            raise ShapeError(f"Shapes {' and '.join(str(tuple(s)) for s in shapes)} do not broadcast.")
        made.append(others.pop() if others else 1)
    return made


NAMES.update({
    "Tensor": Tensor, "TensorArray": TensorArray, "TensorShape": TensorShape, "TensorSpec": TensorSpec, "Variable": Variable,
    "newaxis": None,
})  # fmt: skip
