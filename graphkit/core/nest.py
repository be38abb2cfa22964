"""Nested structures of lists, tuples and dicts, flattened in Keras' order: keys sorted, those of an OrderedDict in its order."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from graphkit.core.errors import InvalidArgumentError


def is_nested(structure: Any) -> bool:
    """Return whether `structure` is a list, a tuple or a mapping."""
    return isinstance(structure, (list, tuple, Mapping))


def flatten(structure: Any) -> list[Any]:
    """Return the leaves of `structure`; keys are sorted, those of an OrderedDict keep their order."""
    leaves: list[Any] = []
    _collect(structure, leaves)
    return leaves


def _collect(structure: Any, leaves: list[Any]) -> None:
    if isinstance(structure, (list, tuple)):
        for item in structure:
            _collect(item, leaves)
    elif isinstance(structure, Mapping):
        for key in keys_in_order(structure):
            _collect(structure[key], leaves)
    else:
        leaves.append(structure)


def keys_in_order(mapping: Mapping[Any, Any]) -> list[Any]:
    """Return the keys in the order in which `flatten` visits them."""
    if isinstance(mapping, OrderedDict):
        return list(mapping)
    try:
        return sorted(mapping)
    except TypeError:  # keys of mixed types cannot be sorted
        return list(mapping)


def like(mapping: Mapping[Any, Any], values: Mapping[Any, Any]) -> Mapping[Any, Any]:
    """Return `values` in the order of the keys of `mapping`, as an OrderedDict, defaultdict or dict like it."""
    ordered = {key: values[key] for key in mapping}
    if isinstance(mapping, defaultdict):
        return defaultdict(mapping.default_factory, ordered)
    return OrderedDict(ordered) if isinstance(mapping, OrderedDict) else ordered


def pack(structure: Any, leaves: Iterable[Any]) -> Any:
    """Return a copy of `structure` with its leaves replaced, in the order of `flatten`.

    Raises:
        InvalidArgumentError: There are too few or too many leaves.
    """
    iterator = iter(leaves)
    try:
        packed = _rebuild(structure, iterator)
    except StopIteration:
        raise InvalidArgumentError(f"Too few leaves to fill the structure {describe(structure)}.") from None
    if next(iterator, _END) is not _END:
        raise InvalidArgumentError(f"Too many leaves for the structure {describe(structure)}.")
    return packed


_END = object()


def _rebuild(structure: Any, leaves: Iterator[Any]) -> Any:
    if isinstance(structure, Mapping):
        return like(structure, {key: _rebuild(structure[key], leaves) for key in keys_in_order(structure)})
    if isinstance(structure, tuple):
        items = [_rebuild(item, leaves) for item in list(structure)]
        return type(structure)(*items) if hasattr(structure, "_fields") else tuple(items)
    if isinstance(structure, list):
        items = []
        for item in structure:
            items.append(_rebuild(item, leaves))
        return items
    value = next(leaves, _END)
    if value is _END:
        raise StopIteration
    return value


def map_structure(function: Callable[..., Any], structure: Any, *others: Any) -> Any:
    """Apply `function` leaf by leaf.

    Args:
        function: Called with one leaf of each structure.
        structure: The structure whose containers the result has.
        *others: Structures with the same number of leaves.

    Raises:
        InvalidArgumentError: The structures differ in their number of leaves.
    """
    columns = [flatten(structure), *(flatten(other) for other in others)]
    if any(len(column) != len(columns[0]) for column in columns):
        shapes = ", ".join(describe(s) for s in (structure, *others))
        raise InvalidArgumentError(f"Structures differ in their number of leaves: {shapes}.")
    return pack(structure, [function(*row) for row in zip(*columns, strict=True)])


def same_structure(first: Any, second: Any) -> bool:
    """Return whether two structures have the same containers, with the same keys, and None in the same places."""
    if isinstance(first, Mapping):
        return (
            isinstance(second, Mapping)
            and set(first) == set(second)
            and all(same_structure(first[key], second[key]) for key in first)
        )
    for container in (list, tuple):
        if isinstance(first, container):
            return (
                isinstance(second, container)
                and len(first) == len(second)
                and all(same_structure(a, b) for a, b in zip(first, second, strict=True))
            )
    return not is_nested(second) and (first is None) == (second is None)


def describe(structure: Any) -> str:
    """Return a short sketch of a structure for messages: `[*, {'a': *}]`."""
    if isinstance(structure, Mapping):
        return "{" + ", ".join(f"{key!r}: {describe(structure[key])}" for key in structure) + "}"
    if isinstance(structure, (list, tuple)):
        inner = ", ".join(describe(item) for item in structure)
        return f"[{inner}]" if isinstance(structure, list) else f"({inner})"
    return "None" if structure is None else "*"
