"""Symbolic tensors: the edges of the layer graph."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from operator import index
from typing import TYPE_CHECKING, Any

from graphkit.core import dtypes, names
from graphkit.core.dims import Dim, public_shape
from graphkit.core.errors import InvalidArgumentError, InvalidTypeError, ShapeError, SymbolicValueError
from graphkit.core.serialization import reads_literal
from graphkit.core.tensor_shape import TensorShape
from graphkit.ir.operators import CarriesMask, Symbolic
from graphkit.ir.spec import TensorSpec

if TYPE_CHECKING:
    from graphkit.graph.node import KerasHistory


class SymbolicTensor(CarriesMask, Symbolic):
    """A tensor of the layer graph: shape, dtype, and the call that produced it. Keras calls it KerasTensor.

    Args:
        shape: The size of each axis: an int, or `None` or a `Dim` if unknown.
        dtype: The dtype by Keras' name.
        sparse, ragged: Must be False: all tensors are dense.
        record_history: Ignored; accepted for Keras' signature.
        name: A name for display; automatic by default.

    Attributes:
        history: (operation, node_index, tensor_index) of the call that produced it; None if it was created directly.
        mask: The boolean tensor of its mask, or None.

    Raises:
        InvalidArgumentError: `sparse` or `ragged` is True.
        ShapeError: `shape` is no sequence of sizes.
        DTypeError: graphkit has no such dtype.
    """

    __slots__ = ("__weakref__", "history", "mask", "name", "spec")

    def __init__(
        self,
        shape: Any,
        dtype: Any = "float32",
        sparse: bool = False,
        ragged: bool = False,
        record_history: bool = True,
        name: str | None = None,
    ) -> None:
        if sparse or ragged:
            raise InvalidArgumentError("Sparse and ragged tensors are not supported; use dense ones.")
        self.name = name or names.auto_name("keras_tensor")
        sizes = tuple(Dim.named(f"{self.name}_{i}") if s is None else s for i, s in enumerate(_checked(shape)))
        self.spec = TensorSpec(sizes, dtypes.standardize(dtype))
        self.history: KerasHistory | None = None
        self.mask: Any = None

    def as_literal(self) -> dict[str, Any]:
        """Return shape and dtype as Keras' config of a KerasTensor; inside a graph, `models/config.py` adds its history."""
        config = {"shape": list(self.shape), "dtype": self.dtype, "keras_history": None}
        return {"class_name": "__keras_tensor__", "config": config}

    def __getstate__(self) -> tuple[Any, ...]:
        return self.name, self.spec, self.mask  # the history is restored by the models that the tensor is part of

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.name, self.spec, self.mask = state
        self.history = None

    @property
    def shape(self) -> tuple[int | None, ...]:
        """The shape as Keras shows it, with None for unknown sizes."""
        return public_shape(self.spec.shape)

    @property
    def dtype(self) -> str:
        """The dtype by Keras' name."""
        return self.spec.dtype

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.spec.shape)

    @property
    def sparse(self) -> bool:
        """False: all tensors are dense."""
        return False

    ragged = sparse

    @property
    def _keras_history(self) -> KerasHistory | None:
        return self.history

    @property
    def _keras_shape(self) -> tuple[int | None, ...]:
        return self.shape

    def get_shape(self) -> TensorShape:
        """Return the shape, as TensorFlow's tensors did."""
        return TensorShape(self.shape)

    def reshape(self, newshape: Any) -> Any:
        """Return a tensor with the same elements in another shape, as `ops.reshape`."""
        from graphkit import ops

        return ops.reshape(self, newshape)

    def squeeze(self, axis: Any = None) -> Any:
        """Return a tensor without the axes of size 1, or without the given ones, as `ops.squeeze`."""
        from graphkit import ops

        return ops.squeeze(self, axis)

    @staticmethod
    def record(operation: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Record the call of an op as a node, and return its symbolic outputs."""
        from graphkit.graph.operation import OpNode

        return OpNode.from_call(operation, args, kwargs)

    def __len__(self) -> int:
        raise InvalidTypeError(f"len() of a symbolic tensor is not known: {self!r}. Its shape is {self.shape}.")

    def __iter__(self) -> Iterator[Any]:
        size = self.shape[0] if self.shape else None
        if size is None:
            raise InvalidTypeError(f"A symbolic tensor of unknown first size cannot be iterated over: {self!r}.")
        return iter([self[i] for i in range(size)])

    def __bool__(self) -> bool:
        raise InvalidTypeError(
            f"A symbolic tensor has no truth value: {self!r}. Use ops.where or ops.cond instead of `if`."
        )

    def __float__(self) -> float:
        raise SymbolicValueError(f"A symbolic tensor has no values yet: {self!r}.")

    __int__ = __index__ = __float__

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        raise SymbolicValueError(
            f"A symbolic tensor was given to NumPy: {self!r}. Use graphkit.ops (or K.) functions, or a layer, instead of numpy's."
        )

    def __repr__(self) -> str:
        return f"<KerasTensor shape={self.shape}, dtype={self.dtype}, name={self.name}>"


def _checked(shape: Any) -> list[Any]:
    """Return the sizes of a shape: ints, None, or Dims.

    Raises:
        ShapeError: It is no sequence, or a size is negative or no integer.
    """
    if isinstance(shape, Iterable) and not isinstance(shape, str):
        sizes = [size if size is None or isinstance(size, Dim) else _size(size) for size in shape]
        if all(size is None or isinstance(size, Dim) or size >= 0 for size in sizes):
            return sizes
    raise ShapeError(f"A shape is a sequence of sizes: None or integers that are not negative. Received: shape={shape!r}")


def _size(size: Any) -> int:
    try:
        return index(size)
    except TypeError:
        return -1


@reads_literal("__keras_tensor__")
def _from_literal(config: Any) -> SymbolicTensor:
    return SymbolicTensor(config["shape"], config["dtype"])
