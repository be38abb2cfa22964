"""The table of TensorFlow's public names, and what its functions share: tensors, shapes and axes as TensorFlow takes them."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from graphkit import ops
from graphkit.core.dims import Dim
from graphkit.core.errors import InvalidArgumentError, UnknownValueError
from graphkit.ir.eager_tensor import EagerTensor, eager
from graphkit.ir.operators import Symbolic
from graphkit.ir.tracing import Tracer
from graphkit.ir.variable import Variable
from graphkit.tensorflow.dtypes import dtype_name

NAMES: dict[str, Any] = {}
"""TensorFlow's names without `tf.`, and the objects that they name."""

_TENSORS = frozenset({
    "a", "b", "bias", "chol", "condition", "data", "diagonal", "diagonals", "elems", "features", "filter", "filters", "ids", "image",
    "images", "imag", "img1", "img2", "indices", "input", "input_", "input_tensor", "inputs_", "labels", "lengths", "logits", "mask",
    "matrix", "mean", "mean_", "offset", "params", "predictions", "real", "rhs", "scale", "scalar", "segment_ids", "signal",
    "signals", "sorted_sequence", "stfts", "t", "targets", "tensor", "updates", "value", "values", "variance", "x", "x1", "x2", "y",
})  # fmt: skip
"""Names of arguments that are tensors, so that lists and numbers become tensors of TensorFlow's default dtypes."""


def tensorflow(names: str, tensors: str | None = None) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a function under TensorFlow's names; it then also takes TensorFlow's argument `name`, which has no effect.

    Args:
        names: one or several names, separated by spaces, without `tf.`.
        tensors: the arguments that become tensors; by default all with a name that TensorFlow uses for tensors.
    """

    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        signature = inspect.signature(function)
        wanted = _TENSORS if tensors is None else frozenset(tensors.split())
        converted = [p for p in signature.parameters if p in wanted]

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            kwargs.pop("name", None)
            bound = signature.bind(*args, **kwargs)
            for key in converted:
                given = bound.arguments.get(key)
                if given is not None:
                    bound.arguments[key] = as_tensor(given)
            return eager(function(*bound.args, **bound.kwargs))

        for name in names.split():
            NAMES[name] = call
        call.__name__ = names.split()[0].split(".")[-1]
        return call

    return add


def add_rows(
    parameters: str, rows: dict[str, Callable[..., Any]], math: bool = False, tensors: str | None = None
) -> None:
    """Register functions with the same arguments.

    Args:
        parameters: TensorFlow's names of the arguments, in order; one written "name=" is None by default.
        rows: functions by TensorFlow's names, separated by spaces.
        math: whether a name is in `tf.math` and also in `tf`.
        tensors: the arguments that become tensors, as for `tensorflow`.
    """
    kinds = [(p.rstrip("="), None if p.endswith("=") else inspect.Parameter.empty) for p in parameters.split()]
    signature = inspect.Signature(
        [inspect.Parameter(n, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=d) for n, d in kinds]
    )
    for names, function in rows.items():

        def call(*args: Any, _function: Callable[..., Any] = function, **kwargs: Any) -> Any:
            return _function(*args, **kwargs)

        call.__signature__ = signature  # type: ignore[attr-defined]
        tensorflow(f"math.{names} {names}" if math else names, tensors)(_by_position(call, signature))


def _by_position(function: Callable[..., Any], signature: inspect.Signature) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return function(*bound.args)

    call.__signature__ = signature  # type: ignore[attr-defined]
    return call


def is_deferred(value: Any) -> bool:
    """Return whether a tensor has no numbers yet: it is traced or symbolic."""
    return isinstance(value, Symbolic) or (isinstance(value, Tracer) and not value._has_numbers())


def is_tensor(value: Any) -> bool:
    """Return whether a value is a tensor: a result of an op, traced, symbolic, or a variable."""
    return isinstance(value, (EagerTensor, Tracer, Symbolic, Variable))


def as_tensor(value: Any, dtype: Any = None) -> Any:
    """Convert a value as `tf.convert_to_tensor` does: floats become float32, ints int32; arrays keep their dtype.

    Args:
        value: a tensor, an array, a number, a string, or a nested list of them.
        dtype: the dtype to convert to.

    Raises:
        InvalidArgumentError: a list is ragged, or the value is nothing that a tensor can hold.
    """
    name = None if dtype is None else dtype_name(dtype)
    if isinstance(value, (Variable, Tracer, Symbolic, Dim)):
        made = ops.convert_to_tensor(value) if isinstance(value, (Variable, Dim)) else value
        return made if name in (None, _dtype(made)) else ops.cast(made, name)
    if isinstance(value, EagerTensor):
        return value if name in (None, _dtype(value)) else ops.cast(value, name)
    if isinstance(value, (list, tuple)) and any(_holds_graph(v) for v in value):
        return ops.stack([as_tensor(v, dtype) for v in value])
    if name == "string" or _holds_text(value):
        return eager(strings_of(value))
    if isinstance(value, (np.ndarray, np.generic)):
        made = eager(np.asarray(value))
        return made if name in (None, _dtype(made)) else ops.cast(made, name)
    return eager(_array(value, name))


def _array(value: Any, dtype: str | None) -> Any:
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise InvalidArgumentError(
            "A ragged list cannot become a tensor: its parts have different lengths. Pad them first, for example with "
            "keras.utils.pad_sequences."
        ) from error
    if array.dtype == object:
        raise InvalidArgumentError(f"A value of type {type(value).__name__} cannot become a tensor: {value!r:.80}")
    if dtype is None and not _holds_arrays(value):
        dtype = {"f": "float32", "i": "int32", "u": "int32", "c": "complex128"}.get(array.dtype.kind)
        if dtype == "int32" and array.size and (array.min() < -(2**31) or array.max() >= 2**31):
            dtype = "int64"
    return array if dtype is None else np.asarray(ops.cast(array, dtype))


def _holds_arrays(value: Any) -> bool:
    while isinstance(value, (list, tuple)) and value:
        value = value[0]
    return isinstance(value, (np.ndarray, np.generic))


def _holds_graph(value: Any) -> bool:
    """Return whether a value is, or a list holds, a tensor that is no array: NumPy must not convert it."""
    if isinstance(value, (list, tuple)):
        return any(_holds_graph(v) for v in value)
    return isinstance(value, (Tracer, Symbolic, Variable, Dim))


def _holds_text(value: Any) -> bool:
    if isinstance(value, (str, bytes)):
        return True
    if isinstance(value, np.ndarray):
        return value.dtype.kind in "USO" and (not value.size or isinstance(value.ravel()[0], (str, bytes)))
    return isinstance(value, (list, tuple)) and bool(value) and _holds_text(value[0])


def strings_of(value: Any) -> Any:
    """Return strings as TensorFlow holds them: an array of bytes objects."""
    array = np.asarray(value, object)
    made = np.empty(array.shape, object)
    for index in np.ndindex(array.shape):
        text = array[index]
        made[index] = text if isinstance(text, bytes) else str(text).encode()
    return made


def _dtype(tensor: Any) -> str:
    return dtype_name(tensor.dtype)


def dtype_of(tensor: Any) -> str:
    """Return the name of a tensor's dtype."""
    return _dtype(as_tensor(tensor))


def alike(x: Any, y: Any) -> tuple[Any, Any]:
    """Convert the two arguments of a function such as `tf.add`: a number or list takes the dtype of the tensor beside it."""
    typed = (np.ndarray, np.generic)
    x_typed, y_typed = (is_tensor(v) or isinstance(v, typed) for v in (x, y))
    if x_typed and not y_typed:
        x = as_tensor(x)
        return x, _weak(y, x)
    if y_typed and not x_typed:
        y = as_tensor(y)
        return _weak(x, y), y
    return as_tensor(x), as_tensor(y)


def _weak(value: Any, other: Any) -> Any:
    if value is None:
        return value
    dtype = _dtype(other)
    if isinstance(value, (bool, int)) or (isinstance(value, float) and "int" not in dtype) or _holds_graph(value):
        return value if _holds_graph(value) or not isinstance(value, bool) else as_tensor(value)
    made = as_tensor(value)
    return (
        made
        if _dtype(made) in ("bool", "string") or (_dtype(made)[0] == "f" and "int" in dtype)
        else ops.cast(made, dtype)
    )


def axes_of(axis: Any) -> Any:
    """Return an axis argument as an int, a tuple of ints, or None."""
    if axis is None or isinstance(axis, int):
        return axis
    numbers = np.asarray(axis).ravel().tolist()
    return int(numbers[0]) if np.ndim(axis) == 0 else tuple(int(n) for n in numbers)


def number(value: Any, what: str) -> int:
    """Return an argument that must be known, such as a depth or an axis, as an int.

    Raises:
        InvalidArgumentError: it is a traced or symbolic tensor; `what` names it.
    """
    if isinstance(value, Dim):
        return value  # type: ignore[return-value]  # ops take an unknown size in the place of an int
    if is_deferred(value):
        raise UnknownValueError(f"{what} must be a known number here, got a tensor whose value is not known yet.")
    return int(np.asarray(value).reshape(()))


def sizes_of(shape: Any, what: str = "shape") -> tuple[Any, ...]:
    """Return a shape argument as a tuple of ints and unknown sizes.

    Args:
        shape: an int, a list of sizes, an integer tensor, or what `tf.shape` returned; None counts as -1.
        what: the argument, for errors.

    Raises:
        InvalidArgumentError: a size is a tensor whose value is not known.
    """
    if isinstance(shape, (int, np.integer, Dim)):
        return (shape,)
    if is_deferred(shape):
        raise UnknownValueError(
            f"{what} must be known here, got a tensor whose value is not known yet; use tf.shape(x) of a tensor."
        )
    if isinstance(shape, np.ndarray):
        return tuple(int(size) for size in shape.ravel())
    return tuple(size if isinstance(size, Dim) else -1 if size is None else number(size, what) for size in shape)


def shape_of(tensor: Any) -> tuple[Any, ...]:
    """Return the shape, with unknown sizes as `Dim`s."""
    if isinstance(tensor, (Tracer, Symbolic)):
        spec: Any = getattr(tensor, "spec", None)
        return tuple(spec.shape)
    return tuple(np.shape(tensor))


def data_format_of(data_format: Any) -> str:
    """Return Keras' name of a data format such as "NHWC"; None is channels last."""
    return "channels_first" if str(data_format or "NHWC").startswith("NC") else "channels_last"


def spatial(value: Any, rank: int, data_format: Any) -> tuple[int, ...]:
    """Return one int for each spatial axis; TensorFlow's lists may include the batch and channel axes."""
    numbers = [int(n) for n in np.asarray(value).ravel()]
    if len(numbers) == rank + 2:
        numbers = numbers[2:] if data_format_of(data_format) == "channels_first" else numbers[1:-1]
    return tuple(numbers * rank if len(numbers) == 1 else numbers)
