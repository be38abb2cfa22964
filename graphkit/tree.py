"""Nested structures, under Keras' names. Source: keras.tree (Keras 3).

Dicts are traversed in sorted order of their keys, an OrderedDict in its own order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from graphkit.core import nest
from graphkit.core.errors import InvalidArgumentError, InvalidTypeError

__all__ = [
    "MAP_TO_NONE", "assert_same_paths", "assert_same_structure", "flatten", "flatten_with_path", "is_nested", "lists_to_tuples",
    "map_shape_structure", "map_structure", "map_structure_up_to", "pack_sequence_as", "traverse",
]  # fmt: skip

is_nested = nest.is_nested
flatten = nest.flatten


class MAP_TO_NONE:  # noqa: N801 (Keras' name)
    """Returned by a function for `traverse` to replace a sub-structure by None."""


def map_structure(func: Callable[..., Any], *structures: Any, none_is_leaf: bool = True) -> Any:
    """Apply `func` leaf by leaf to structures of the same form.

    Args:
        func: Called with one leaf of each structure.
        *structures: Structures of the same form.
        none_is_leaf: Whether `func` is called for None; otherwise None stays None.

    Raises:
        InvalidTypeError: `func` is not callable.
        InvalidArgumentError: There is no structure, or they differ.
    """
    _check_callable(func)
    if not structures:
        raise InvalidArgumentError("Must provide at least one structure")
    for other in structures[1:]:
        assert_same_structure(structures[0], other)
    if none_is_leaf:
        return nest.map_structure(func, *structures)
    leaves = [nest.flatten(s) for s in structures]
    if any((leaf is None) != (first is None) for column in leaves[1:] for first, leaf in zip(leaves[0], column)):  # noqa: B905
        raise InvalidArgumentError("The structures do not have None in the same places.")
    return nest.map_structure(lambda first, *rest: None if first is None else func(first, *rest), *structures)


def _check_callable(func: Any) -> None:
    if not callable(func):
        raise InvalidTypeError(f"`func` must be callable, got {func!r}.")


def map_structure_up_to(shallow_structure: Any, func: Callable[..., Any], *structures: Any) -> Any:
    """Apply `func` to the parts of `structures` at the leaves of `shallow_structure`.

    Raises:
        InvalidTypeError: `func` is not callable.
        InvalidArgumentError: There is no structure, or one does not have the form of `shallow_structure`.
    """
    _check_callable(func)
    if not structures:
        raise InvalidArgumentError("Must provide at least one structure")
    columns = [_up_to(shallow_structure, s) for s in structures]
    return nest.pack(shallow_structure, [func(*row) for row in zip(*columns, strict=True)])


def _up_to(shallow: Any, structure: Any) -> list[Any]:
    if isinstance(shallow, Mapping):
        if not isinstance(structure, Mapping) or set(shallow) != set(structure):
            raise InvalidArgumentError(f"Structures differ: {nest.describe(shallow)} and {nest.describe(structure)}.")
        return [leaf for key in nest.keys_in_order(shallow) for leaf in _up_to(shallow[key], structure[key])]
    if isinstance(shallow, (list, tuple)):
        if type(structure) is not type(shallow) or len(shallow) != len(structure):
            raise InvalidArgumentError(f"Structures differ: {nest.describe(shallow)} and {nest.describe(structure)}.")
        return [leaf for s, item in zip(shallow, structure, strict=True) for leaf in _up_to(s, item)]
    return [structure]


def map_shape_structure(func: Callable[..., Any], structure: Any) -> Any:
    """Apply `func` to the shapes (lists or tuples of ints and None) in a structure.

    Raises:
        InvalidTypeError: `func` is not callable.
        InvalidArgumentError: The structure contains something else.
    """
    _check_callable(func)
    if isinstance(structure, (list, tuple)) and all(s is None or isinstance(s, int) for s in structure):
        return func(tuple(structure))
    if isinstance(structure, (list, tuple)):
        return type(structure)(map_shape_structure(func, s) for s in structure)
    if isinstance(structure, Mapping):
        return nest.like(structure, {key: map_shape_structure(func, value) for key, value in structure.items()})
    raise InvalidArgumentError(f"{structure!r} is not a structure of shapes.")


def pack_sequence_as(structure: Any, flat_sequence: Any) -> Any:
    """Arrange the leaves of `flat_sequence` in the form of `structure`.

    Raises:
        InvalidTypeError: `flat_sequence` is not a sequence.
        InvalidArgumentError: The number of leaves differs.
    """
    if not isinstance(flat_sequence, Iterable):
        raise InvalidTypeError(f"flat_sequence must be a sequence of leaves, got {flat_sequence!r}.")
    return nest.pack(structure, list(flat_sequence))


def flatten_with_path(structure: Any) -> list[tuple[tuple[Any, ...], Any]]:
    """Return the leaves, each with its path of keys and indices."""
    if isinstance(structure, Mapping):
        items: list[tuple[Any, Any]] = [(key, structure[key]) for key in nest.keys_in_order(structure)]
    elif isinstance(structure, (list, tuple)):
        items = list(enumerate(structure))
    else:
        return [((), structure)]
    return [((key, *path), leaf) for key, value in items for path, leaf in flatten_with_path(value)]


def assert_same_structure(a: Any, b: Any, check_types: bool | None = None) -> None:
    """Check that two structures have the same form. Source: keras.tree.assert_same_structure.

    Args:
        a, b: The structures.
        check_types: If False, a tuple may take the place of a list.

    Raises:
        InvalidArgumentError: They differ.
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
    """Check that the leaves of two structures have the same paths; lists and tuples count as equal.

    Raises:
        InvalidArgumentError: They differ.
    """
    paths = [{path for path, _ in flatten_with_path(s)} for s in (a, b)]
    if paths[0] != paths[1]:
        raise InvalidArgumentError(
            f"`a` and `b` don't have the same paths: a={nest.describe(a)}, b={nest.describe(b)}."
        )


def lists_to_tuples(structure: Any) -> Any:
    """Replace all lists by tuples."""
    if isinstance(structure, (list, tuple)):
        return tuple(lists_to_tuples(s) for s in structure)
    if isinstance(structure, Mapping):
        return nest.like(structure, {key: lists_to_tuples(value) for key, value in structure.items()})
    return structure


def traverse(func: Callable[[Any], Any], structure: Any, top_down: bool = True) -> Any:
    """Apply `func` to every sub-structure.

    Args:
        func: Returns the replacement of a sub-structure; None to keep it, MAP_TO_NONE to replace it by None.
        structure: The structure.
        top_down: Whether to visit a structure before its parts; parts of a replaced structure are not visited then.

    Raises:
        InvalidTypeError: `func` is not callable.
    """
    _check_callable(func)
    if top_down:
        found = func(structure)
        if found is not None:
            return None if found is MAP_TO_NONE else found
    made = structure
    if isinstance(structure, Mapping):
        keys = nest.keys_in_order(structure)
        made = nest.like(structure, {key: traverse(func, structure[key], top_down) for key in keys})
    elif isinstance(structure, (list, tuple)):
        items = [traverse(func, item, top_down) for item in structure]
        made = type(structure)(*items) if hasattr(structure, "_fields") else type(structure)(items)
    if not top_down:
        found = func(made)
        if found is not None:
            return None if found is MAP_TO_NONE else found
    return made
