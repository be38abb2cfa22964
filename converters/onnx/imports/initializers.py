"""Which initializers of a file are weights: what training may change, and what is a constant of the computation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import onnx

from graphkit.core import dtypes
from graphkit.core.errors import InvalidArgumentError, UnsupportedError
from graphkit.ops._convert import dtype_name

from ..in_place import tensor_array

Trainable: TypeAlias = "bool | str | Sequence[str] | None"

# Float inputs of operators that training does not change: running statistics, and the scales of quantized numbers.
NOT_TRAINED: Mapping[tuple[str, str], Sequence[int]] = {
    ("", "BatchNormalization"): (3, 4),
    ("", "QuantizeLinear"): (1,),
    ("", "DequantizeLinear"): (1,),
    ("", "QLinearConv"): (1, 4, 6),
    ("", "QLinearMatMul"): (1, 4, 6),
    ("com.microsoft", "MatMulNBits"): (2,),
}
_SMALL = 1024  # elements of a constant that is kept in the layer's config; larger ones are weights that are not trained
_LOOKED_AT = 1 << 16  # elements of a tensor that are searched for infinities: reading all would read the whole file


class Initializer:
    """An initializer of a graph that is not a mere constant.

    Attributes:
        name: its name in the file.
        array: the values.
        trainable: whether training updates it.
    """

    def __init__(self, name: str, array: Any, trainable: bool) -> None:
        self.name = name
        self.array = array
        self.trainable = trainable

    def config(self, trainable: bool | None = None) -> dict[str, Any]:
        """Return name, shape, dtype and trainable, as `OnnxNode` expects them."""
        return {
            "name": self.name,
            "shape": list(self.array.shape),
            "dtype": dtype_name(self.array),
            "trainable": self.trainable if trainable is None else trainable,
        }


def initializer(tensor: onnx.TensorProto, trainable: Trainable, path: Path | None = None) -> Any:
    """Return an initializer of a file: an array if it is a constant of the computation, else an `Initializer`.

    Float tensors are trained, except for single numbers (which exporters write for the constants of formulas) and tensors with
    infinities (masks).

    Args:
        tensor: the message.
        trainable: True or False for all float tensors, or patterns of the names of those to train ("*.weight"); None follows the
            rule above.
        path: the model file, for tensors with external data.

    Raises:
        SerializationError: the message is damaged.
    """
    array = array_of(tensor, path)
    if dtypes.is_float(dtype_name(array)) and _is_trained(str(tensor.name), array, trainable):
        return Initializer(str(tensor.name), array, True)
    return constant(array, str(tensor.name))


def constant(array: Any, name: str) -> Any:
    """Return an array as it is if it is small, else as an `Initializer` that is not trained."""
    return array if array.size <= _SMALL or array.dtype.kind in "OSU" else Initializer(name, array, False)


def _is_trained(name: str, array: Any, trainable: Trainable) -> bool:
    if isinstance(trainable, bool):
        return trainable
    if trainable is not None:
        return any(fnmatchcase(name, pattern) for pattern in ([trainable] if isinstance(trainable, str) else trainable))
    start = array.reshape(-1)[:_LOOKED_AT].astype(np.float32)  # masks have infinities near their beginning
    return array.ndim > 0 and array.size > 0 and bool(np.isfinite(start).all())


def check_trainable(trainable: Trainable, names: Sequence[str]) -> None:
    """Raise InvalidArgumentError for a pattern that fits no initializer."""
    if trainable is None or isinstance(trainable, bool):
        return
    for pattern in [trainable] if isinstance(trainable, str) else trainable:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise InvalidArgumentError(
                f"trainable={pattern!r} fits none of the {len(names)} initializers, such as {', '.join(map(repr, names[:5]))}."
            )


def array_of(tensor: onnx.TensorProto, path: Path | None = None) -> Any:
    """Return the values of a tensor, mapped if they are external and large.

    Raises:
        SerializationError: the message is damaged.
        UnsupportedError: graphkit has no dtype for it.
    """
    array = tensor_array(tensor, path)
    try:
        dtype_name(array)
    except Exception:
        raise UnsupportedError(
            f"The tensor {tensor.name!r} has the element type {onnx.TensorProto.DataType.Name(tensor.data_type)}, "
            "for which graphkit has no dtype."
        ) from None
    return array
