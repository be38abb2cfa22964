"""Placeholders for layers of unknown classes: they keep their position, name and config, so that the model can be inspected.

Inside `placeholders(...)` a layer that cannot be deserialized becomes a placeholder; elsewhere the error is raised.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from graphkit.core import nest
from graphkit.core.dims import Dim
from graphkit.core.errors import SerializationError, UnknownClassError
from graphkit.graph.symbolic import SymbolicTensor
from graphkit.ir.spec import TensorSpec
from graphkit.layers.layer import Layer

Shapes = Mapping[tuple[str, int], tuple[Any, ...]]
_shapes: ContextVar[Shapes | None] = ContextVar("graphkit_placeholder_shapes", default=None)


class Placeholder(Layer):
    """A layer of a class that graphkit does not have. It has no weights, and calling it on arrays raises UnknownClassError.

    Its output has the shape given in the file, or else that of its first input.

    Attributes:
        original_config: the config as stored in the file.
        reason: why the layer could not be deserialized, and what to do.
        output_shapes: the shapes of its outputs, with the batch axis, as far as the file gives them.
    """

    original_config: Mapping[str, Any]
    reason: str
    output_shapes: tuple[tuple[Any, ...], ...]

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """Raise UnknownClassError with the reason."""
        raise UnknownClassError(
            f"Layer {self.name!r} ({type(self).__name__}) is a placeholder and computes nothing. {self.reason}"
        )

    def _infer_output(self, args: Any, kwargs: Any) -> Any:
        tensors = [t for t in nest.flatten([list(args), kwargs]) if isinstance(t, SymbolicTensor)]
        if not self.output_shapes:
            return tensors[0].spec
        batch = tensors[0].spec.shape[:1]
        specs = [TensorSpec((*batch, *self._sizes(shape[1:])), tensors[0].dtype) for shape in self.output_shapes]
        return specs[0] if len(specs) == 1 else specs

    def _sizes(self, shape: tuple[Any, ...]) -> list[Any]:
        return [Dim.named(f"{self.name}_axis{axis}") if size is None else size for axis, size in enumerate(shape, 1)]

    def get_config(self) -> dict[str, Any]:
        """Return the config as stored in the file."""
        return dict(self.original_config)


@contextmanager
def placeholders(shapes: Shapes) -> Iterator[None]:
    """Turn layers that cannot be deserialized into placeholders.

    Args:
        shapes: the known output shapes, with the batch axis, by (layer name, tensor index).
    """
    token = _shapes.set(shapes)
    try:
        yield
    finally:
        _shapes.reset(token)


def placeholder_for(entry: Mapping[str, Any], error: SerializationError) -> Placeholder | None:
    """Return a placeholder for a layer that could not be deserialized, or None if `error` is to be raised."""
    shapes = _shapes.get()
    config = entry.get("config")
    if shapes is None or not isinstance(config, Mapping):
        return None
    name = str(entry.get("name") or config.get("name") or entry["class_name"])
    home = {"keras_module": entry.get("module"), "keras_registered_name": entry.get("registered_name")}
    cls: Any = type(str(entry["class_name"]), (Placeholder,), home)
    made: Placeholder = cls(name=name)
    made.original_config, made.reason = config, str(error)
    made.output_shapes = tuple(shapes[name, i] for i in range(sum(n == name for n, _ in shapes)) if (name, i) in shapes)
    shape = config.get("batch_input_shape")
    made._input_shape_argument = tuple(shape) if shape else None
    made.built = True
    return made


def placeholders_in(model: Layer) -> list[Placeholder]:
    """Return the placeholders of a model, including those in nested models."""
    return [layer for layer in model._walk_layers() if isinstance(layer, Placeholder)]
