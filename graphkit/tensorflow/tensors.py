"""Tensors, variables, shapes and their descriptions: `tf.Tensor`, `tf.Variable`, `tf.TensorShape`, `tf.TensorSpec`, `tf.constant`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np

from graphkit import Variable as KerasVariable
from graphkit import ops
from graphkit.core import nest
from graphkit.core.dims import Dim
from graphkit.core.errors import InvalidArgumentError, ShapeError, UnknownValueError, UnsupportedError
from graphkit.core.tensor_shape import TensorShape as TensorShape
from graphkit.ir.eager_tensor import EagerTensor, eager
from graphkit.ir.tracing import Tracer
from graphkit.tensorflow.dtypes import as_dtype, dtype_name
from graphkit.tensorflow.table import NAMES, as_tensor, dtype_of, is_deferred, is_tensor, shape_of, sizes_of, tensorflow


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

    def prod(self) -> Any:
        """Return the product of the sizes."""
        total: Any = 1
        for size in self:
            total = size * total
        return total

    def _each(self, other: Any, operation: Any) -> Sizes:
        others = other if isinstance(other, (list, tuple)) else np.asarray(other).ravel().tolist()
        others = others * len(self) if len(others) == 1 else others
        return Sizes(operation(a, b) for a, b in zip(self, others, strict=True))

    def __add__(self, other: Any) -> Sizes:
        return self._each(other, lambda a, b: a + b)

    def __sub__(self, other: Any) -> Sizes:
        return self._each(other, lambda a, b: a - b)

    def __mul__(self, other: Any) -> Sizes:
        return self._each(other, lambda a, b: a * b)

    def __floordiv__(self, other: Any) -> Sizes:
        return self._each(other, lambda a, b: a // b)

    __radd__, __rmul__ = __add__, __mul__


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
    if isinstance(x, (Dim, Sizes)) and "int" in dtype_name(dtype):
        return x  # sizes stay sizes, so that they can be part of a shape
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
            raise UnknownValueError(
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


class Module:
    """A base class that finds the variables in its attributes. Source: tf.Module."""

    def __init__(self, name: str | None = None) -> None:
        self._name = name or type(self).__name__.lower()

    @property
    def name(self) -> str:
        """The module's name."""
        return self._name

    @property
    def name_scope(self) -> Any:
        """A scope without effect."""
        return nullcontext(self._name)

    @classmethod
    def with_name_scope(cls, method: Any) -> Any:
        """Return the method."""
        return method

    @property
    def variables(self) -> tuple[Any, ...]:
        """The variables in the attributes, and in those of modules and layers inside, sorted by the attributes' names."""
        found: dict[int, Any] = {}
        for part in self._parts():
            inner = [part] if isinstance(part, KerasVariable) else getattr(part, "variables", ())
            found.update((id(v), v) for v in inner)
        return tuple(found.values())

    @property
    def trainable_variables(self) -> tuple[Any, ...]:
        """The variables that gradient tapes watch."""
        return tuple(v for v in self.variables if v.trainable)

    @property
    def non_trainable_variables(self) -> tuple[Any, ...]:
        """The variables that gradient tapes do not watch."""
        return tuple(v for v in self.variables if not v.trainable)

    @property
    def submodules(self) -> tuple[Any, ...]:
        """The modules and layers in the attributes, and in theirs."""
        own = [part for part in self._parts() if not isinstance(part, KerasVariable)]
        return tuple(own + [inner for part in own for inner in getattr(part, "submodules", ())])

    def _parts(self) -> list[Any]:
        leaves = nest.flatten([value for _, value in sorted(vars(self).items())])
        return [
            part for part in leaves if isinstance(part, (KerasVariable, Module)) or hasattr(part, "trainable_variables")
        ]


class VariableSynchronization:
    """When replicas synchronize a variable: accepted, without effect. Source: tf.VariableSynchronization."""

    AUTO, NONE, ON_WRITE, ON_READ = "auto", "none", "on_write", "on_read"


class VariableAggregation:
    """How replicas join a variable's updates: accepted, without effect. Source: tf.VariableAggregation."""

    NONE, SUM, MEAN, ONLY_FIRST_REPLICA = "none", "sum", "mean", "only_first_replica"


def _initializer(name: str, **defaults: Any) -> Any:
    """Return a constructor of a Keras initializer, with TensorFlow's defaults."""

    def make(*args: Any, **kwargs: Any) -> Any:
        from graphkit import initializers

        given = dict(zip(defaults, args, strict=False))
        return getattr(initializers, name)(**{**defaults, **given, **kwargs})

    return make


NAMES.update({
    "Module": Module, "VariableAggregation": VariableAggregation, "VariableSynchronization": VariableSynchronization,
    "zeros_initializer": _initializer("Zeros"), "ones_initializer": _initializer("Ones"),
    "constant_initializer": _initializer("Constant", value=0),
    "random_normal_initializer": _initializer("RandomNormal", mean=0.0, stddev=0.05, seed=None),
    "random_uniform_initializer": _initializer("RandomUniform", minval=-0.05, maxval=0.05, seed=None),
})  # fmt: skip
