"""Input and InputLayer: the inputs of a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphkit.core import dtypes
from graphkit.core.dims import Dim
from graphkit.core.errors import InvalidArgumentError, InvalidTypeError
from graphkit.core.serialization import keras_class
from graphkit.graph.symbolic import SymbolicTensor
from graphkit.ir.spec import TensorSpec
from graphkit.layers.layer import Layer


@keras_class("keras.layers")
class InputLayer(Layer):
    """The layer whose output an `Input` is; for its arguments see `Input`. Source: keras.layers.InputLayer.

    Raises:
        InvalidArgumentError: the shape is missing or invalid, or `sparse` or `ragged` is set.
    """

    def __init__(
        self,
        shape: Sequence[int | None] | None = None,
        batch_size: int | None = None,
        dtype: Any = None,
        sparse: bool | None = None,
        ragged: bool | None = None,
        batch_shape: Sequence[int | None] | None = None,
        input_tensor: Any = None,
        optional: bool = False,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        batch_shape = kwargs.pop("batch_input_shape", batch_shape)
        kwargs.pop("input_dtype", None)
        if "input_shape" in kwargs:
            shape = kwargs.pop("input_shape")
        super().__init__(name=name, **kwargs)
        if sparse or ragged:
            raise InvalidArgumentError(
                f"Input {self.name!r}: sparse and ragged tensors are not supported; pass dense arrays."
            )
        if input_tensor is not None:
            _check_symbolic(input_tensor, self.name)
            batch_shape, dtype = input_tensor.shape, dtype or input_tensor.dtype
        self.batch_shape = _full_shape(shape, batch_size, batch_shape, self.name)
        self._dtype = dtypes.standardize(dtype)
        self.sparse, self.ragged, self.optional = bool(sparse), bool(ragged), optional
        self.built = True
        spec = TensorSpec(_named_sizes(self.batch_shape, self.name), self._dtype)
        if input_tensor is not None and input_tensor.history is None:
            self.add_existing(input_tensor)
        else:
            self.add_node((), {}, spec)
            self.nodes[0].output_tensors[0].name = self.name

    def add_existing(self, tensor: SymbolicTensor) -> None:
        """Make `tensor`, which no operation has produced, the output of this layer."""
        self.add_node((), {}, tensor.spec)
        node = self.nodes[0]
        tensor.history = node.output_tensors[0].history
        node.output_tensors[0] = node.outputs = tensor

    @property
    def dtype(self) -> str:
        """The dtype of the tensor."""
        return self._dtype

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """Raise InvalidTypeError: inputs are fed, not computed."""
        raise InvalidTypeError(f"Input {self.name!r} is not called; the model feeds it.")

    def get_config(self) -> dict[str, Any]:
        """Return Keras' config of an input: the shape with the batch axis, and the dtype as a string."""
        return {
            "batch_shape": self.batch_shape,
            "dtype": self._dtype,
            "sparse": self.sparse,
            "ragged": self.ragged,
            "name": self.name,
            "optional": self.optional,
        }


def Input(  # noqa: N802 (Keras' name)
    shape: Sequence[int | None] | None = None,
    batch_size: int | None = None,
    dtype: Any = None,
    sparse: bool | None = None,
    batch_shape: Sequence[int | None] | None = None,
    name: str | None = None,
    tensor: Any = None,
    optional: bool = False,
    **kwargs: Any,
) -> Any:
    """Return a symbolic tensor that is an input of a model. Source: keras.Input.

    Args:
        shape: the shape without the batch axis; None for a free size.
        batch_size: the size of the batch axis; free by default.
        dtype: `floatx()` by default.
        sparse: must be False or None; only dense tensors are supported.
        batch_shape: the shape with the batch axis, instead of `shape` and `batch_size`.
        name: the input's name; `input_layer`, `input_layer_1`, ... by default.
        tensor: a symbolic tensor to use as the input.
        optional: whether the input may be None.

    Raises:
        InvalidArgumentError: the shape is missing or invalid, `sparse` or `ragged` is set, or `tensor` is not symbolic.
    """
    if tensor is not None and getattr(tensor, "history", None) is not None:
        _check_symbolic(tensor, name or "input")
        return tensor
    layer = InputLayer(shape, batch_size, dtype, sparse, False, batch_shape, tensor, optional, name, **kwargs)
    return layer.nodes[0].output_tensors[0]


def _check_symbolic(tensor: Any, name: str) -> None:
    if not isinstance(tensor, SymbolicTensor):
        raise InvalidArgumentError(f"Input {name!r}: `tensor` must be a symbolic tensor, got {type(tensor).__name__}.")


def _full_shape(shape: Any, batch_size: int | None, batch_shape: Any, name: str) -> tuple[int | None, ...]:
    if batch_shape is None:
        if shape is None:
            raise InvalidArgumentError(f"You must pass a `shape` argument to Input {name!r}, without the batch axis.")
        if not isinstance(shape, (list, tuple)):
            raise InvalidArgumentError(
                f"Cannot convert '{shape}' to a shape. Input {name!r} expects a tuple or list of ints and None: shape=({shape},)."
            )
        batch_shape = (batch_size, *shape)
    elif shape is not None or batch_size is not None:
        other = "shape" if shape is not None else "batch_size"
        raise InvalidArgumentError(
            f"Input {name!r}: you cannot pass both `{other}` and `batch_shape` at the same time."
        )
    for size in batch_shape:
        known = isinstance(size, (int, np.integer)) and not isinstance(size, bool) and size >= 0
        if size is not None and not known:
            raise InvalidArgumentError(
                f"Cannot convert '{tuple(batch_shape)}' to a shape. Input {name!r}: found invalid entry {size!r} of type {type(size)}."
            )
    return tuple(None if size is None else int(size) for size in batch_shape)


def _named_sizes(shape: tuple[int | None, ...], name: str) -> tuple[Any, ...]:
    """Name the free axes: "batch" for the batch axis of every input, the input's name and the axis number for others."""
    return tuple(Dim.named("batch" if a == 0 else f"{name}_axis{a}") if s is None else s for a, s in enumerate(shape))
