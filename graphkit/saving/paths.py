"""The paths of objects in a weights file, in Keras 3's layout.

The children of models come first, under `layers/`, in the order of `model.layers`; then every attribute that holds a layer, in
sorted order, private ones last. In a list or dict an object is named by its class in snake_case with a running number. Each
object is stored once, at the first path that leads to it. Source: files of Keras 3.15.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from graphkit.core.names import NameCounter, to_snake_case
from graphkit.core.serialization import saved_form
from graphkit.ir.variable import Variable
from graphkit.layers.layer import Layer
from graphkit.models.functional import Functional
from graphkit.models.model import Model
from graphkit.models.sequential import Sequential

# Attributes that are not part of the layout: those of the base classes (Keras skips its own too), and references to other objects.
_BASES = (Layer, Model, Functional, Sequential)
_SKIPPED = frozenset(
    {
        "nodes",
        "inputs",
        "outputs",
        "operations",
        "layer_graph",
        "compiled",
        "compile_state",
        "train_function",
        "test_function",
        "predict_function",
        "graph",
        "name",
        "built",
        "input_spec",
        "autocast",
        "dtype_policy",
        "_dtype_policy",
    }
    | {
        "activity_regularizer",
        "_weights",
        "_eager",
        "_build_shapes",
        "_inputs_struct",
        "_outputs_struct",
        "_graph_layers",
    }
    | {"_trainable", "_input_shape_argument", "_stack", "_functional", "_source", "_calls", "_call_specs"}
)


class Stored(NamedTuple):
    """An object with state, and the path of the group that holds it ("" is the model itself)."""

    path: str
    obj: Any


def stored_objects(model: Layer) -> list[Stored]:
    """Return all objects of a model that have a group in a weights file, in the order of the file."""
    found: list[Stored] = []
    seen: set[int] = set()
    stack: list[Stored] = [Stored("", model)]
    while stack:
        path, obj = stack.pop()
        if id(obj) in seen:
            continue
        seen.add(id(obj))
        found.append(Stored(path, obj))
        stack.extend(reversed(list(_children(path, obj))))
    optimizer = getattr(model, "optimizer", None) if isinstance(model, Model) else None
    if optimizer is not None:
        found.append(Stored("optimizer", optimizer))
    return found


def own_variables(obj: Any) -> list[Variable]:
    """Return the variables in an object's own group: trainable ones, then the others, or those of `stored_variables()`."""
    if hasattr(obj, "stored_variables"):
        stored: list[Variable] = obj.stored_variables()
        return stored
    return list(obj.variables)


def _children(path: str, obj: Any) -> Iterator[Stored]:
    if isinstance(obj, (Functional, Sequential)):
        yield from _in_container(_join(path, "layers"), obj.layers)
    for name in _attribute_names(obj):
        value = _attribute(obj, name)
        if isinstance(value, Layer):
            yield Stored(_join(path, name), value)
        elif isinstance(value, (list, tuple, dict)):
            yield from _in_container(_join(path, name), value)


def _in_container(path: str, container: Any, depth: int = 0) -> Iterator[Stored]:
    counter = NameCounter()
    for item in container.values() if isinstance(container, dict) else container:
        if isinstance(item, Layer):
            yield Stored(_join(path, counter.next(_kind(item))), item)
        elif isinstance(item, (list, tuple, dict)) and depth < 8:
            yield from _in_container(_join(path, counter.next("container")), item, depth + 1)


def _kind(layer: Layer) -> str:
    """Return a layer's class in snake_case, as in a file; a Lambda saved as a graph is a functional model there."""
    if getattr(layer, "saves_graph", False):
        return "functional"
    return to_snake_case(getattr(layer, "stored_as", type(layer).__name__))


def _class_name(layer: Layer) -> str:
    """Return the class that a file has for a layer: for a Lambda saved as a graph it is Functional."""
    return type(saved_form(layer)).__name__


def _attribute_names(obj: Any) -> list[str]:
    names = set(vars(obj)) | {
        n for cls in type(obj).__mro__ if _is_own(cls) for n, v in vars(cls).items() if isinstance(v, property)
    }
    wanted = names - _SKIPPED - getattr(obj, "computed_names", frozenset())
    shown = (name for name in wanted if not name.startswith("__"))
    return sorted(shown, key=lambda n: f"~{n}" if n.startswith("_") else n)


def _is_own(cls: type) -> bool:
    return issubclass(cls, Layer) and cls not in _BASES


def _attribute(obj: Any, name: str) -> Any:
    try:
        return getattr(obj, name)
    except Exception:  # a property may raise anything before its layer is built
        return None


def _join(path: str, name: str) -> str:
    return f"{path}/{name}" if path else name
