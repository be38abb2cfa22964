"""The inputs that a model accepts, and how they are cast and shaped: one set of rules for every method of running a model.

A `Signature` describes the inputs in order, with names, shapes and dtypes, and the structure they were given in. Calls on
arrays and on tensors, fit, evaluate, predict, their one-batch forms and the Predictor all use it. The rules are Keras 3's
(`Functional` flattens structures and adjusts ranks), with one addition: a value that the input's dtype cannot hold is refused.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from graphkit.core import dtypes, nest
from graphkit.core.errors import DTypeError, InvalidArgumentError, InvalidTypeError, ShapeError
from graphkit.core.registry import did_you_mean
from graphkit.graph.symbolic import SymbolicTensor
from graphkit.ir.eager_tensor import EagerTensor
from graphkit.ir.tracing import Tracer
from graphkit.ir.variable import Variable

Array = np.ndarray[Any, Any]


class InputInfo(NamedTuple):
    """One input: its name, its shape (None for a free size), its dtype by Keras' name, and whether it may be omitted."""

    name: str
    shape: tuple[int | None, ...]
    dtype: str
    optional: bool = False


@dataclass(frozen=True)
class Signature:
    """The inputs of a model.

    Attributes:
        where: The model as messages name it: "model 'm'".
        inputs: The inputs in order.
        structure: How the inputs are nested; each leaf is an index into `inputs`.
    """

    where: str
    inputs: tuple[InputInfo, ...]
    structure: Any

    @property
    def names(self) -> list[str]:
        """The names of the inputs in order."""
        return [info.name for info in self.inputs]

    def conformed(self, given: Any, cast: bool = True) -> list[Any]:
        """Return the inputs in order, each with the right rank and dtype: an array, a tensor, or None if it was omitted.

        Args:
            given: An array, a list, a dict by input name or by the keys of the model's own structure, or a nest of these.
            cast: If False, the dtypes of arrays are checked but not changed.

        Raises:
            InvalidArgumentError: The number, structure or names of the inputs do not fit.
            InvalidTypeError: An input holds neither numbers nor strings.
            ShapeError: An input has the wrong shape.
            DTypeError: An input's values do not fit its dtype.
        """
        return [
            conform(info, value, self.where, cast) for info, value in zip(self.inputs, self.leaves(given), strict=True)
        ]

    def leaves(self, given: Any) -> list[Any]:
        """Return the value of each input, in order, as it was given.

        Raises:
            InvalidArgumentError: The number, structure or names of the inputs do not fit.
        """
        if type(given) is np.ndarray and len(self.inputs) == 1:
            return [given]
        if isinstance(given, Mapping):
            return self._from_mapping(given)
        if given is None:
            return [None] * len(self.inputs)
        if len(self.inputs) == 1:
            return [self._only(given)]
        if isinstance(given, (list, tuple)):
            return self._from_sequence(given)
        raise self._wrong_number(1)

    # ----- dicts -----

    def _from_mapping(self, given: Mapping[Any, Any]) -> list[Any]:
        """Match by the keys of the model's own dict if they are present, else by the names of the inputs; ignore other keys."""
        if isinstance(self.structure, Mapping) and self._required_keys() <= set(given):
            extra = [key for key in given if key not in self.structure]
            if extra:
                warnings.warn(f"{self._title} has no input {extra[0]!r}; it was ignored.", stacklevel=2)
            found: list[Any] = [None] * len(self.inputs)
            if self._fill(found, self.structure, {key: given.get(key) for key in self.structure}):
                return found
        for info in self.inputs:
            if info.name not in given and not info.optional:
                raise InvalidArgumentError(
                    f"Input {info.name!r} of {self.where} is missing: the given dict has {list(map(str, given))}, the inputs are "
                    f"{self.names}.{did_you_mean(info.name, map(str, given))}"
                )
        return [given.get(info.name) for info in self.inputs]

    def _required_keys(self) -> set[Any]:
        """Return the keys of the model's own dict, without those whose inputs are all optional."""
        return {
            key for key, part in self.structure.items() if not all(self.inputs[i].optional for i in nest.flatten(part))
        }

    # ----- lists -----

    def _from_sequence(self, given: Sequence[Any]) -> list[Any]:
        """Match by the model's own structure, or else by position."""
        found: list[Any] = [None] * len(self.inputs)
        if isinstance(self.structure, (list, tuple)) and self._fill(found, self.structure, given):
            return found
        flat = list(given) if len(given) == len(self.inputs) else nest.flatten(given)
        if len(flat) != len(self.inputs):
            raise self._wrong_number(len(given) if len(given) == 1 or not _holds_arrays(flat) else len(flat))
        if isinstance(self.structure, Mapping) and list(self.structure) != sorted(self.structure, key=str):
            raise InvalidArgumentError(
                f"{self._title} expects a dict with the keys {list(self.structure)}; in a list it is ambiguous which input is which."
            )
        warnings.warn(
            f"{self._title} expects its inputs as {self._described()}; the list was interpreted in the order {self.names}.",
            stacklevel=2,
        )
        return flat

    def _fill(self, found: list[Any], structure: Any, given: Any) -> bool:
        """Store the parts of `given` at their indices in `found`; return whether `given` has this structure."""
        if isinstance(structure, int):
            arrays = [leaf for leaf in nest.flatten(given) if _is_array(leaf)] if nest.is_nested(given) else [given]
            found[structure] = arrays[0] if len(arrays) == 1 else given
            return not isinstance(given, Mapping) and len(arrays) <= 1
        if isinstance(structure, Mapping):
            return (
                isinstance(given, Mapping)
                and set(structure) == set(given)
                and all(self._fill(found, part, given[key]) for key, part in structure.items())
            )
        return (
            isinstance(given, (list, tuple))
            and len(given) == len(structure)
            and all(self._fill(found, part, one) for part, one in zip(structure, given, strict=True))
        )

    def _only(self, given: Any) -> Any:
        """Return the value of the only input: an array may be wrapped in a list, and a batch may be written as lists."""
        if not isinstance(given, (list, tuple)):
            return given
        leaves = nest.flatten(given)
        if _holds_arrays(leaves):
            if len(leaves) != 1:
                raise self._wrong_number(len(leaves))
            return leaves[0]
        if len(given) == 1 and (given[0] is None or _depth(given) > len(self.inputs[0].shape)):
            return given[0]
        return given

    # ----- messages -----

    @property
    def _title(self) -> str:
        return self.where[:1].upper() + self.where[1:]

    def _described(self) -> str:
        return str(nest.map_structure(lambda i: self.inputs[i].name, self.structure))

    def _wrong_number(self, given: int) -> InvalidArgumentError:
        wanted = len(self.inputs)
        hint = " Join the rows of one batch into one array with np.stack." if wanted == 1 else ""
        return InvalidArgumentError(
            f"{self._title} expects {wanted} input{'s' if wanted > 1 else ''} ({', '.join(self.names)}), but {given} "
            f"{'was' if given == 1 else 'were'} given.{hint}"
        )


def _holds_arrays(leaves: Sequence[Any]) -> bool:
    """Return whether there are tensors among the leaves, and not only the numbers of nested lists."""
    return any(_is_array(leaf) for leaf in leaves)


def _is_array(leaf: Any) -> bool:
    """Return whether a leaf is a tensor with axes, which a NumPy scalar is not."""
    return getattr(leaf, "shape", ()) != () or hasattr(leaf, "to_numpy")


def _depth(given: Any) -> int:
    """Return the number of lists around the first number."""
    depth = 0
    while isinstance(given, (list, tuple)):
        depth += 1
        if not given:
            break
        given = given[0]
    return depth


# ----- one input -----


def conform(info: InputInfo, value: Any, where: str, cast: bool = True) -> Any:
    """Return `value` with the rank and dtype of an input: an array for anything array-like, a tensor for a tensor.

    A last axis of size 1 is added or removed where needed, as in Keras.

    Args:
        info: The input.
        value: An array, tensor, table or nested list; None for an optional input.
        where: The model, for messages.
        cast: If False, the dtype of an array is checked but not changed.

    Raises:
        InvalidArgumentError: The value is None but the input is required.
        InvalidTypeError: The value holds neither numbers nor strings.
        ShapeError: The shape does not fit.
        DTypeError: The values do not fit the dtype.
    """
    if type(value) is np.ndarray and _is_as_wanted(info, value):
        return value
    if value is None:
        if info.optional:
            return None
        raise InvalidArgumentError(f"Input {info.name!r} of {where} is not optional, but None was passed.")
    label = f"Input {info.name!r} of {where}"
    if isinstance(value, Variable):
        value = value.value
    symbolic = isinstance(value, (Tracer, SymbolicTensor))
    made = value if symbolic else to_array(value, label)
    _check_kind(info, made, label)
    made = _ranked(info, made, label)
    wanted = dtypes.to_numpy(info.dtype)
    if symbolic:
        made = _cast_tensor(made, info.dtype)
    elif made.dtype != wanted:
        _check_values(info, made, label)
        made = made.astype(wanted) if cast else made
    return _masked_as(value, made)


def _is_as_wanted(info: InputInfo, array: Array) -> bool:
    """Return whether an array can be used as it is: the common case, checked cheaply."""
    return (
        info.dtype != "string"
        and array.dtype == dtypes.to_numpy(info.dtype)
        and len(info.shape) == array.ndim
        and all(w is None or w == g for w, g in zip(info.shape, array.shape, strict=True))
    )


def to_array(value: Any, label: str) -> Array:
    """Convert anything array-like to an array: tables, tensors of other libraries, lists. Strings become an array of objects.

    Args:
        value: The value.
        label: What the value is, for messages.

    Raises:
        ShapeError: A list is ragged.
        InvalidTypeError: The value holds neither numbers nor strings.
    """
    if hasattr(value, "to_numpy"):  # tables, such as pandas.DataFrame
        value = value.to_numpy()
    elif hasattr(value, "detach"):  # PyTorch
        value = value.detach().cpu().numpy()
    try:
        array = value if isinstance(value, np.ndarray) else np.asarray(value)
    except ValueError as error:
        raise ShapeError(
            f"{label} is ragged: its parts have different lengths. Pad them to one length, for example with "
            "keras.utils.pad_sequences."
        ) from error
    if array.dtype.kind == "S":
        return np.char.decode(array, "utf-8", "replace").astype(object)
    if array.dtype.kind == "U":
        return array.astype(object)
    if array.dtype == object and not all(isinstance(v, (str, bytes)) for v in array.flat):
        raise InvalidTypeError(f"{label} must be an array of numbers or strings, got objects: {value!r:.60}.")
    return _decoded(array) if array.dtype == object else array


def _decoded(texts: Any) -> Any:
    """Return texts with bytes as UTF-8: onnxruntime would read the notation b'...' of bytes as the text."""
    texts = texts.view(np.ndarray)
    if not any(isinstance(v, bytes) for v in texts.flat):
        return texts
    made = np.empty(texts.shape, object)
    made.reshape(-1)[:] = [v.decode("utf-8", "replace") if isinstance(v, bytes) else v for v in texts.flat]
    return made


def _check_kind(info: InputInfo, value: Any, label: str) -> None:
    """Raise DTypeError for strings given for numbers or the reverse, and for complex values given for real ones."""
    given = _dtype_name(value)
    fits = (
        given in dtypes.KNOWN
        and (given == "string") == (info.dtype == "string")
        and (given not in dtypes.COMPLEX or info.dtype in dtypes.COMPLEX)
    )
    if not fits and getattr(value, "size", 1) != 0:
        raise DTypeError(f"{label} expects {_PLURAL.get(info.dtype, info.dtype)}, got {_PLURAL.get(given, given)}.")


def _dtype_name(value: Any) -> str:
    """Return Keras' name of a dtype, or NumPy's if Keras has none."""
    if not isinstance(value, np.ndarray):
        return str(value.dtype)
    return "string" if value.dtype.kind == "O" else str(value.dtype.name)


_PLURAL = {"string": "strings"}


def _ranked(info: InputInfo, value: Any, label: str) -> Any:
    """Return `value` with a last axis of size 1 added or removed if that makes the ranks equal."""
    wanted, given = info.shape, tuple(value.shape)
    if len(given) == len(wanted) + 1 and given[-1] == 1:
        value = _without_last_axis(value)
    elif len(given) == len(wanted) - 1 and wanted[-1] == 1:
        value = _with_last_axis(value)
    shape = tuple(value.shape)
    if len(shape) == len(wanted) and all(_fits(w, g) for w, g in zip(wanted, shape, strict=True)):
        return value
    shown = tuple(s if isinstance(s, int) else None for s in given)
    raise ShapeError(f"{label} expects shape {wanted}, got {shown}.{_shape_hint(wanted, given)}")


def _fits(wanted: int | None, given: Any) -> bool:
    """Return whether the sizes are equal, or one of them is unknown."""
    return wanted is None or not isinstance(given, int) or wanted == given


def _shape_hint(wanted: Sequence[int | None], given: Sequence[Any]) -> str:
    row = wanted[1:]
    if wanted and len(given) == len(row) and all(_fits(w, g) for w, g in zip(row, given, strict=True)):
        return " One row without a batch axis? Pass x[None]."
    return ""


def _without_last_axis(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value[..., 0]
    from graphkit.ops import squeeze

    return squeeze(value, -1)


def _with_last_axis(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value[..., None]
    from graphkit.ops import expand_dims

    return expand_dims(value, -1)


def _cast_tensor(value: Any, dtype: str) -> Any:
    if value.dtype == dtype:
        return value
    from graphkit.ops import cast

    return cast(value, dtype)


def _check_values(info: InputInfo, array: Array, label: str) -> None:
    """Raise DTypeError for a number that an integer dtype cannot hold, since a cast would silently change it."""
    if not dtypes.is_int(info.dtype) or array.dtype.kind not in "iuf" or not array.size:
        return
    limits = np.iinfo(info.dtype)
    if array.dtype.kind != "f" and np.can_cast(array.dtype, info.dtype, "safe"):
        return
    low, high = array.min(), array.max()
    if not (low > limits.min - 1 and high < limits.max + 1):  # NaN too
        outside = next(v for v in (low, high) if not limits.min - 1 < v < limits.max + 1)
        raise DTypeError(f"{label} expects {info.dtype}, which cannot hold {outside}.")


def _masked_as(value: Any, made: Any) -> Any:
    """Copy the mask of a tensor to its cast or reshaped form."""
    mask = getattr(value, "mask", None)
    if made is not value and mask is not None and isinstance(made, (Tracer, EagerTensor)):
        made.mask = mask
    return made


# ----- structures as JSON -----


def to_listed(structure: Any) -> Any:
    """Convert a nest of lists, tuples and dicts to JSON data that distinguishes them; leaves are ints."""
    if isinstance(structure, Mapping):
        return {"dict": [[key, to_listed(part)] for key, part in structure.items()]}
    if isinstance(structure, tuple):
        return {"tuple": [to_listed(part) for part in structure]}
    return [to_listed(part) for part in structure] if isinstance(structure, list) else structure


def from_listed(listed: Any, count: int) -> Any:
    """Rebuild the nest that `to_listed` wrote.

    Args:
        listed: JSON data.
        count: The number of leaves.

    Raises:
        ValueError: The leaves are not the numbers below `count`, each once.
    """
    structure = _rebuilt(listed)
    if sorted(nest.flatten(structure)) != list(range(count)):
        raise ValueError(f"the leaves of {listed!r:.200} are not the numbers below {count}")
    return structure


def _rebuilt(listed: Any) -> Any:
    if isinstance(listed, int) and not isinstance(listed, bool):
        return listed
    if isinstance(listed, list):
        return [_rebuilt(part) for part in listed]
    if isinstance(listed, dict) and list(listed) == ["tuple"]:
        return tuple(_rebuilt(part) for part in listed["tuple"])
    if isinstance(listed, dict) and list(listed) == ["dict"]:
        return {key: _rebuilt(part) for key, part in listed["dict"]}
    raise ValueError(f"{listed!r:.200} is not a structure")


def numbered(structure: Any) -> Any:
    """Replace each leaf of a structure by its index, in the order of `nest.flatten`."""
    count: Iterator[int] = iter(range(len(nest.flatten(structure))))
    return nest.map_structure(lambda _: next(count), structure)
