"""Nested structures under Keras' names. Source: keras.tree (Keras 3). Dict keys are taken in sorted order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from graphkit.core import nest
from graphkit.core.errors import InvalidArgumentError

__all__ = [
    "MAP_TO_NONE", "assert_same_paths", "assert_same_structure", "flatten", "flatten_with_path", "is_nested", "lists_to_tuples",
    "map_shape_structure", "map_structure", "map_structure_up_to", "pack_sequence_as", "traverse",
]  # fmt: skip

is_nested = nest.is_nested
flatten = nest.flatten


class MAP_TO_NONE:  # noqa: N801 (Keras' name)
    """What `traverse`'s function gives for a leaf that is to become None."""


def map_structure(func: Callable[..., Any], *structures: Any, none_is_leaf: bool = True) -> Any:
    """`func` on the leaves of structures of one form."""
    for other in structures[1:]:
        assert_same_structure(structures[0], other)
    if none_is_leaf:
        return nest.map_structure(func, *structures)
    return nest.map_structure(lambda first, *rest: None if first is None else func(first, *rest), *structures)


def map_structure_up_to(shallow_structure: Any, func: Callable[..., Any], *structures: Any) -> Any:
    """`func` on what stands in `structures` at the leaves of `shallow_structure`."""
    columns = [_up_to(shallow_structure, s) for s in structures]
    return nest.pack(shallow_structure, [func(*row) for row in zip(*columns, strict=True)])


def _up_to(shallow: Any, structure: Any) -> list[Any]:
    if isinstance(shallow, Mapping):
        if set(shallow) != set(structure):
            raise InvalidArgumentError(
                f"Structures differ: keys {sorted(map(str, shallow))} and {sorted(map(str, structure))}."
            )
        return [leaf for key in sorted(shallow) for leaf in _up_to(shallow[key], structure[key])]
    if isinstance(shallow, (list, tuple)):
        if not isinstance(structure, (list, tuple)) or len(shallow) != len(structure):
            raise InvalidArgumentError(f"Structures differ: {nest.describe(shallow)} and {nest.describe(structure)}.")
        return [leaf for s, item in zip(shallow, structure, strict=True) for leaf in _up_to(s, item)]
    return [structure]


def map_shape_structure(func: Callable[..., Any], structure: Any) -> Any:
    """`func` on the shapes (lists or tuples of ints and None) of a structure."""
    if isinstance(structure, (list, tuple)) and all(s is None or isinstance(s, int) for s in structure):
        return func(tuple(structure))
    if isinstance(structure, (list, tuple)):
        return type(structure)(map_shape_structure(func, s) for s in structure)
    if isinstance(structure, Mapping):
        return {key: map_shape_structure(func, value) for key, value in structure.items()}
    raise InvalidArgumentError(f"{structure!r} is no structure of shapes.")


def pack_sequence_as(structure: Any, flat_sequence: Any) -> Any:
    """The leaves of `flat_sequence` in the form of `structure`."""
    return nest.pack(structure, list(flat_sequence))


def flatten_with_path(structure: Any) -> list[tuple[tuple[Any, ...], Any]]:
    """The leaves with the keys and indices that lead to them."""
    if isinstance(structure, Mapping):
        items: list[tuple[Any, Any]] = [(key, structure[key]) for key in sorted(structure)]
    elif isinstance(structure, (list, tuple)):
        items = list(enumerate(structure))
    else:
        return [((), structure)]
    return [((key, *path), leaf) for key, value in items for path, leaf in flatten_with_path(value)]


def assert_same_structure(a: Any, b: Any, check_types: bool | None = None) -> None:
    """Raise InvalidArgumentError unless both are of one form; `check_types=False` takes a tuple for a list.

    Source: keras.tree.assert_same_structure.
    """
    if not _same(a, b, check_types is not False):
        raise InvalidArgumentError(
            f"`a` and `b` don't have the same structure: a={nest.describe(a)}, b={nest.describe(b)}."
        )


def _same(a: Any, b: Any, types: bool = True) -> bool:
    if isinstance(a, Mapping) or isinstance(b, Mapping):
        return (
            isinstance(a, Mapping)
            and isinstance(b, Mapping)
            and set(a) == set(b)
            and all(_same(a[k], b[k], types) for k in a)
        )
    if isinstance(a, (list, tuple)) or isinstance(b, (list, tuple)):
        if not (isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)) and len(a) == len(b)):
            return False
        return (type(a) is type(b) or not types) and all(_same(x, y, types) for x, y in zip(a, b, strict=True))
    return True


def assert_same_paths(a: Any, b: Any) -> None:
    """Raise InvalidArgumentError unless the same keys and indices lead to the leaves; list and tuple count as one."""
    paths = [{path for path, _ in flatten_with_path(s)} for s in (a, b)]
    if paths[0] != paths[1]:
        raise InvalidArgumentError(
            f"`a` and `b` don't have the same paths: a={nest.describe(a)}, b={nest.describe(b)}."
        )


def lists_to_tuples(structure: Any) -> Any:
    """All lists as tuples."""
    if isinstance(structure, (list, tuple)):
        return tuple(lists_to_tuples(s) for s in structure)
    return {k: lists_to_tuples(v) for k, v in structure.items()} if isinstance(structure, Mapping) else structure


def traverse(func: Callable[[Any], Any], structure: Any, top_down: bool = True) -> Any:
    """`func` on every sub-structure; what is not None takes its place (MAP_TO_NONE: None does)."""
    if top_down:
        found = func(structure)
        if found is not None:
            return None if found is MAP_TO_NONE else found
    made = structure
    if isinstance(structure, Mapping):
        made = {key: traverse(func, structure[key], top_down) for key in structure}
    elif isinstance(structure, (list, tuple)):
        items = [traverse(func, item, top_down) for item in structure]
        made = type(structure)(*items) if hasattr(structure, "_fields") else type(structure)(items)
    if not top_down:
        found = func(made)
        if found is not None:
            return None if found is MAP_TO_NONE else found
    return made
