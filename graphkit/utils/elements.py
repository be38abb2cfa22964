"""The elements of data sets: nested structures of arrays, and how they are converted, described, joined and padded.

Containers are tuples and dicts, as in TensorFlow's data sets; a list is converted to one array.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from graphkit.core import dtypes, nest
from graphkit.core.errors import InvalidArgumentError, InvalidTypeError, ShapeError
from graphkit.ir.eager_tensor import EagerTensor, eager
from graphkit.ir.variable import Variable

Array = np.ndarray[Any, Any]
_PYTHON = {int: "int32", float: "float32", complex: "complex128"}


class Shape(tuple[Any, ...]):
    """A shape: ints, and None for sizes that are not known."""

    @property
    def rank(self) -> int:
        """The number of axes."""
        return len(self)

    ndims = rank

    def as_list(self) -> list[int | None]:
        """Return the sizes as a list."""
        return list(self)

    def is_fully_defined(self) -> bool:
        """Return whether all sizes are known."""
        return None not in self


class TensorSpec:
    """The shape and dtype of a component of a data set. Source: tf.TensorSpec.

    Args:
        shape: ints, None for sizes that are not known; None if the number of axes is not known either.
        dtype: the dtype, "float32" by default.
        name: accepted for compatibility.
    """

    def __init__(self, shape: Any, dtype: Any = "float32", name: str | None = None) -> None:
        self.shape = None if shape is None else Shape(None if s is None else int(s) for s in shape)
        self.dtype, self.name = dtypes.standardize(getattr(dtype, "name", dtype)), name

    @classmethod
    def from_tensor(cls, tensor: Any, name: str | None = None) -> TensorSpec:
        """Return the spec of an array."""
        array = component(tensor)
        return cls(array.shape, dtypes.of_array(array), name)

    def is_compatible_with(self, other: Any) -> bool:
        """Return whether an array, or each array of a spec, fits."""
        spec = other if isinstance(other, TensorSpec) else TensorSpec.from_tensor(other)
        if spec.dtype != self.dtype:
            return False
        if self.shape is None or spec.shape is None:
            return True
        return len(self.shape) == len(spec.shape) and all(
            a is None or b is None or a == b for a, b in zip(self.shape, spec.shape, strict=True)
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TensorSpec) and (self.shape, self.dtype) == (other.shape, other.dtype)

    def __hash__(self) -> int:
        return hash((self.shape, self.dtype))

    def __repr__(self) -> str:
        return f"TensorSpec(shape={self.shape}, dtype=tf.{self.dtype}, name={self.name!r})"


# ----- structures -----


def map_components(function: Callable[..., Any], first: Any, *others: Any) -> Any:
    """Apply a function to the components of structures of tuples and dicts.

    Raises:
        InvalidTypeError: the structures differ.
    """
    if isinstance(first, Mapping):
        if any(not isinstance(o, Mapping) or set(o) != set(first) for o in others):
            raise _different(first, others)
        return nest.like(first, {k: map_components(function, first[k], *(o[k] for o in others)) for k in first})
    if isinstance(first, tuple):
        if any(not isinstance(o, (tuple, list)) or len(o) != len(first) for o in others):
            raise _different(first, others)
        made = [map_components(function, *parts) for parts in zip(first, *others, strict=True)]
        return type(first)(*made) if hasattr(first, "_fields") else tuple(made)
    return function(first, *others)


def _different(first: Any, others: Sequence[Any]) -> InvalidTypeError:
    return InvalidTypeError(
        f"The elements of a data set must have the same structure: {sketch(first)} and {', '.join(map(sketch, others))} differ."
    )


def sketch(structure: Any) -> str:
    """Return a short description of a structure for messages."""
    if isinstance(structure, Mapping):
        return "{" + ", ".join(f"{k!r}: {sketch(v)}" for k, v in structure.items()) + "}"
    if isinstance(structure, tuple):
        return "(" + ", ".join(map(sketch, structure)) + ("," if len(structure) == 1 else "") + ")"
    return "*"


# ----- conversion -----


def component(value: Any) -> Any:
    """Convert a component to an array, as TensorFlow does: Python ints become int32, floats float32; arrays keep their dtype.

    None and data sets are returned unchanged.

    Raises:
        ShapeError: a list is ragged.
        InvalidTypeError: the value is neither numbers nor strings.
    """
    if type(value) is np.ndarray and value.dtype.kind not in "USO":
        return value
    if value is None or hasattr(value, "as_numpy_iterator"):
        return value
    if isinstance(value, EagerTensor):
        return value.view(np.ndarray)
    if isinstance(value, Variable):
        return np.array(value.array)
    if hasattr(value, "to_numpy"):
        value = value.to_numpy()
    elif hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ShapeError(
            f"A component of a data set is ragged: {error}. Pad it to one length, e.g. with keras.utils.pad_sequences, or use "
            "Dataset.from_generator and padded_batch."
        ) from None
    if array.dtype.kind in "US":
        return array.astype(object)
    if array.dtype.kind == "O":
        return _texts(array, value)
    if not isinstance(value, (np.ndarray, np.generic)):
        wanted = _PYTHON.get(type(_first(value)))
        if wanted is not None and array.dtype.kind in "iufc" and (wanted != "int32" or _is_small(array)):
            return array.astype(wanted)
    return array


def _is_small(array: Array) -> bool:
    return not array.size or (array.min() >= -(2**31) and array.max() < 2**31)


def _first(value: Any) -> Any:
    while isinstance(value, (list, tuple, range)) and len(value):
        value = value[0]
    return value


def _texts(array: Array, value: Any) -> Array:
    kinds = {type(v) for v in array.flat}
    if all(issubclass(kind, (str, bytes)) for kind in kinds):
        return array
    if all(issubclass(kind, (bool, int, float, np.generic, np.ndarray, EagerTensor)) for kind in kinds):
        if any(getattr(v, "shape", ()) for v in array.flat):
            raise ShapeError(
                "A component of a data set is ragged: its rows have shapes "
                f"{sorted({np.shape(v) for v in array.flat})[:4]}. Pad them to one length, or use Dataset.from_generator and padded_batch."
            )
        return np.array(array.tolist())
    raise InvalidTypeError(
        f"A component of a data set must be an array of numbers or strings, got {type(value).__name__}: {value!r:.80}."
    )


def element_of(value: Any) -> Any:
    """Convert a structure of tuples and dicts to one of arrays."""
    return map_components(component, value)


def shown(element: Any) -> Any:
    """Return an element as user-defined code sees it: eager tensors."""
    return map_components(eager, element)


def as_numpy(value: Any) -> Any:
    """Return a component as NumPy has it: scalars of NumPy, and strings as bytes."""
    if not isinstance(value, np.ndarray):
        return value.as_numpy_iterator() if hasattr(value, "as_numpy_iterator") else value
    plain: Any = value.view(np.ndarray)
    if plain.dtype == object:
        made = np.empty(plain.shape, object)
        for index in np.ndindex(plain.shape):
            made[index] = plain[index].encode() if isinstance(plain[index], str) else plain[index]
        plain = made
    return plain[()] if plain.ndim == 0 else plain


# ----- specs -----


def spec_of(value: Any) -> Any:
    """Return the spec of a component."""
    if value is None:
        return None
    return DatasetSpec(value.element_spec) if hasattr(value, "element_spec") else TensorSpec.from_tensor(value)


class DatasetSpec:
    """The spec of a component that is a data set, as `window` makes it.

    Args:
        element_spec: of the elements of the inner data set.
    """

    def __init__(self, element_spec: Any) -> None:
        self.element_spec = element_spec

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DatasetSpec) and self.element_spec == other.element_spec

    def __hash__(self) -> int:
        return hash(str(self.element_spec))

    def __repr__(self) -> str:
        return f"DatasetSpec({self.element_spec!r}, TensorShape([]))"


def common(first: Any, second: Any) -> Any:
    """Return the most specific spec that both specs of a component fit.

    Raises:
        InvalidTypeError: the dtypes differ.
    """
    if not isinstance(first, TensorSpec) or not isinstance(second, TensorSpec):
        return first
    if first.dtype != second.dtype:
        raise InvalidTypeError(f"The data sets have components of different dtypes: {first.dtype} and {second.dtype}.")
    if first.shape is None or second.shape is None or len(first.shape) != len(second.shape):
        return TensorSpec(None, first.dtype)
    sizes = [a if a == b else None for a, b in zip(first.shape, second.shape, strict=True)]
    return TensorSpec(sizes, first.dtype)


# ----- batches -----


def stacked(elements: Sequence[Any]) -> Any:
    """Stack elements of equal shapes along a new first axis.

    Raises:
        ShapeError: the shapes differ.
    """
    places = iter(range(len(nest.flatten(elements[0]))))

    def stack(*parts: Any) -> Any:
        place = next(places)
        if parts[0] is None:
            return None
        if hasattr(parts[0], "as_numpy_iterator"):
            raise InvalidTypeError("A data set of data sets has no batches; use flat_map or batch the inner ones.")
        for number, part in enumerate(parts):
            if part.shape != parts[0].shape:
                raise ShapeError(
                    f"Cannot batch tensors with different shapes in component {place}. First element had shape "
                    f"{list(parts[0].shape)} and element {number} had shape {list(part.shape)}. Use padded_batch, or make the "
                    "shapes equal in map."
                )
        return np.stack(parts)

    return map_components(stack, *elements)


def rows_of(batch: Any) -> Iterator[Any]:
    """Yield the elements of a batch.

    Raises:
        InvalidArgumentError: a component has no axis, or their numbers of rows differ.
    """
    for index in range(number_of_rows(batch)):
        yield map_components(lambda a, i=index: None if a is None else a[i, ...], batch)


def number_of_rows(batch: Any) -> int:
    """Return the size of the first axis, which all components share.

    Raises:
        InvalidArgumentError: a component has no axis, or their sizes differ.
    """
    arrays = [a for a in nest.flatten(batch) if a is not None]
    if any(np.ndim(a) == 0 for a in arrays):
        raise InvalidArgumentError("Unbatching a tensor is only supported for rank >= 1.")
    sizes = [len(a) for a in arrays]
    if len(set(sizes)) > 1:
        wrong = next(s for s in sizes if s != sizes[0])
        raise InvalidArgumentError(
            f"Dimensions {wrong} and {sizes[0]} are not compatible: all components must have the same number of rows, got {sizes}."
        )
    return sizes[0] if sizes else 0


def padded(elements: Sequence[Any], shapes: Any, values: Any) -> Any:
    """Stack elements, padded to common shapes.

    Args:
        elements: the elements.
        shapes: of the components of an element; None for a size pads to the largest one; None pads all axes.
        values: to pad the components with; None for 0 or "".

    Raises:
        ShapeError: an element is larger than its padded shape.
    """
    first = elements[0]
    columns = zip(*map(nest.flatten, elements), strict=True)
    targets = _spread(shapes, first, is_shape), _spread(values, first, _is_value)
    return nest.pack(first, [_padded_component(list(c), s, v) for c, s, v in zip(columns, *targets, strict=True)])


def _padded_component(parts: list[Array], shape: Any, value: Any) -> Array:
    rank = parts[0].ndim
    wanted = [None] * rank if shape is None else [None if s in (None, -1) else int(s) for s in shape]
    if len(wanted) != rank:
        raise ShapeError(f"padded_batch: the padded shape {wanted} does not have the rank of the component, {rank}.")
    sizes = [max(p.shape[a] for p in parts) if s is None else s for a, s in enumerate(wanted)]
    for part in parts:
        if any(n > s for n, s in zip(part.shape, sizes, strict=True)):
            raise ShapeError(
                f"padded_batch: attempted to pad to a smaller size than the input element: shape {part.shape}, padded {tuple(sizes)}."
            )
    blank: Any = ("" if parts[0].dtype == object else 0) if value is None else component(value)[()]
    made = np.full((len(parts), *sizes), blank, parts[0].dtype)
    for row, part in enumerate(parts):
        corner: Any = (row, *(slice(n) for n in part.shape))
        made[corner] = part
    return made


def is_shape(value: Any) -> bool:
    """Return whether a value is a shape rather than a structure of shapes."""
    return value is None or isinstance(value, (list, Shape)) or (
        isinstance(value, tuple) and all(s is None or isinstance(s, (int, np.integer)) for s in value)
    )  # fmt: skip


def _is_value(value: Any) -> bool:
    return not isinstance(value, (tuple, Mapping))


def _spread(given: Any, first: Any, is_leaf: Callable[[Any], bool]) -> list[Any]:
    """Return shapes or values for the components of an element; a single one holds for all of them."""
    if given is None or not isinstance(first, (tuple, Mapping)):
        return [given] * len(nest.flatten(first))
    if isinstance(first, Mapping) and isinstance(given, Mapping) and set(first) == set(given):
        return [leaf for key in nest.keys_in_order(first) for leaf in _spread(given[key], first[key], is_leaf)]
    if isinstance(first, tuple) and isinstance(given, (tuple, list)) and len(given) == len(first):
        return [leaf for g, f in zip(given, first, strict=True) for leaf in _spread(g, f, is_leaf)]
    if not is_leaf(given):
        raise _different(first, [given])
    return [given] * len(nest.flatten(first))
