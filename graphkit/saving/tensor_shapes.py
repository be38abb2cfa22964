"""Shapes of tensors that a config mentions: the outputs of layers whose class is unknown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import pairwise
from typing import Any

from graphkit.core.serialization import is_envelope
from graphkit.layers.placeholder import placeholders

Shapes = dict[tuple[str, int], tuple[Any, ...]]
_noted: ContextVar[Shapes | None] = ContextVar("graphkit_noted_shapes", default=None)


@contextmanager
def allowing_placeholders() -> Iterator[None]:
    """Replace layers that cannot be constructed by placeholders, with output shapes from `note_shapes`."""
    shapes: Shapes = {}
    token = _noted.set(shapes)
    try:
        with placeholders(shapes):
            yield
    finally:
        _noted.reset(token)


def note_shapes(config: Any) -> None:
    """Collect the output shapes that a config mentions, inside `allowing_placeholders`."""
    shapes = _noted.get()
    if shapes is None:
        return
    stack = [config]
    while stack:
        value = stack.pop()
        if isinstance(value, Mapping):
            _note(value, shapes)
            stack.extend(value.values())
        elif isinstance(value, list):
            _note_neighbours(value, shapes)
            stack.extend(value)


def _note(value: Mapping[str, Any], shapes: Shapes) -> None:
    inner = value.get("config")
    if (
        value.get("class_name") == "__keras_tensor__"
        and isinstance(inner, Mapping)
        and isinstance(inner.get("shape"), list)
    ):
        name, _, tensor_index = inner["keras_history"]
        shapes[name, tensor_index] = tuple(inner["shape"])


def _note_neighbours(entries: list[Any], shapes: Shapes) -> None:
    """In a Sequential, take the shape that a layer was built for as the output shape of the layer before it."""
    for before, after in pairwise(entries):
        if (
            is_envelope(before)
            and is_envelope(after)
            and isinstance(before["config"], Mapping)
            and "inbound_nodes" not in after
        ):
            shape = (after.get("build_config") or {}).get("input_shape")
            name = before["config"].get("name")
            if isinstance(shape, list) and shape and not isinstance(shape[0], list) and name:
                shapes[name, 0] = tuple(shape)
