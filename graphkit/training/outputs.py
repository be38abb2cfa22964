"""The outputs of a model: their names, and targets and weights arranged by them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from graphkit.core import nest
from graphkit.core.errors import InvalidArgumentError
from graphkit.core.registry import did_you_mean
from graphkit.layers.stamp import is_own


def graph_of(model: Any) -> Any:
    """Return the functional graph of a model; None for a Sequential before its first data, or a class with its own `call`."""
    if not is_own(type(model).call):
        return None
    graph = model.__dict__.get("_functional") if "_functional" in model.__dict__ else model
    return graph if hasattr(type(graph), "signature") and "_outputs_struct" in graph.__dict__ else None


def output_names(model: Any, outputs: Any = None) -> list[str]:
    """Return the names of the outputs in the order of `nest.flatten`: dict keys, or the names of the layers that produce them.

    Args:
        model: The model.
        outputs: What a call of the model returned; without it, a model without a graph has no names.
    """
    graph = graph_of(model)
    known = graph.output if graph is not None else outputs
    leaves = nest.flatten(known) if known is not None else []
    if isinstance(known, Mapping) and not any(nest.is_nested(value) for value in known.values()):
        return sorted(known)
    return list(graph.output_names) if graph is not None else [f"output_{i + 1}" for i in range(len(leaves))]


def loss_names(outputs: Any, names: Sequence[str]) -> list[str]:
    """Return the names of the outputs in the names of their losses: the paths of keys, as Keras writes them."""
    made = []
    for path, name in zip(_paths(outputs), names, strict=True):
        parts = (*path[:-1], name) if path and isinstance(path[-1], int) else path or (name,)
        made.append("/".join(str(part) for part in parts))
    return made


def _paths(structure: Any) -> list[tuple[Any, ...]]:
    """Return the keys and indices that lead to each leaf, in the order of `nest.flatten`."""
    if isinstance(structure, Mapping):
        return [(key, *rest) for key in sorted(structure) for rest in _paths(structure[key])]
    if isinstance(structure, (list, tuple)):
        return [(index, *rest) for index, item in enumerate(structure) for rest in _paths(item)]
    return [()]


def alike(first: Any, second: Any) -> bool:
    """Return whether two structures are the same up to lists and tuples."""
    if isinstance(first, Mapping):
        keys = isinstance(second, Mapping) and set(first) == set(second)
        return keys and all(alike(first[key], second[key]) for key in first)
    if isinstance(first, (list, tuple)):
        fits = isinstance(second, (list, tuple)) and len(first) == len(second)
        return fits and all(alike(a, b) for a, b in zip(first, second, strict=True))
    return not nest.is_nested(second)


def by_output(
    given: Any,
    names: Sequence[str],
    outputs: Any,
    what: str,
    partial: Sequence[int],
    convert: Callable[[Any, str], Any] = lambda value, what: value,
) -> list[Any]:
    """Return one value or None for each output.

    Args:
        given: A value, or a list, dict or other structure of them.
        names: The names of the outputs; empty if they are not known yet.
        outputs: The structure of the outputs; None if it is not known yet.
        what: What is given, for messages.
        partial: The indices of the outputs for which values may be given if there are fewer values than outputs.
        convert: Called with each value and what it is.

    Raises:
        InvalidArgumentError: The values do not match the outputs.
    """
    if given is None:
        return [None] * max(len(names), 1)
    if nest.is_nested(outputs) and nest.is_nested(given) and alike(given, outputs):
        return [
            None if v is None else convert(v, f"{what} of output {n!r}")
            for n, v in zip(names, nest.flatten(given), strict=True)
        ]
    if isinstance(given, Mapping):
        unknown = [k for k in given if k not in names]
        if unknown and names and not (len(names) == 1 and len(given) == 1):
            hint = did_you_mean(str(unknown[0]), names)
            raise InvalidArgumentError(f"{what} names {unknown[0]!r}, but the model's outputs are {list(names)}.{hint}")
        chosen = sorted(given) if unknown else names
        return [convert(given[n], f"{what}[{n!r}]") if given.get(n) is not None else None for n in chosen]
    if len(names) <= 1:
        return _for_one_output(given, names, what, convert)
    leaves = [given] if len(partial) == 1 and not nest.is_nested(given) else _leaves(given, names, what)
    if len(leaves) == len(names):
        return [
            None if v is None else convert(v, f"{what} of output {n!r}") for n, v in zip(names, leaves, strict=True)
        ]
    if len(leaves) == len(partial):
        made: list[Any] = [None] * len(names)
        for index, leaf in zip(partial, leaves, strict=True):
            made[index] = convert(leaf, f"{what} of output {names[index]!r}")
        return made
    raise InvalidArgumentError(
        f"The model has {len(names)} outputs {list(names)}, but {what} has {len(leaves)} arrays."
    )


def _for_one_output(given: Any, names: Sequence[str], what: str, convert: Callable[[Any, str], Any]) -> list[Any]:
    if isinstance(given, (list, tuple)):
        arrays = [v for v in given if hasattr(v, "shape") and len(v.shape)]
        if len(given) == 1 and arrays:
            given = given[0]
        elif not names and any(hasattr(v, "shape") for v in given):
            return [convert(v, what) for v in given]
        elif len(given) > 1 and len(arrays) == len(given) and all(isinstance(v, np.ndarray) for v in given):
            raise InvalidArgumentError(f"The model has one output, but {what} is a list of {len(given)} arrays.")
    return [convert(given, what)]


def _leaves(given: Any, names: Sequence[str], what: str) -> list[Any]:
    if isinstance(given, (list, tuple)):
        return list(given) if not any(nest.is_nested(g) for g in given) else nest.flatten(given)
    raise InvalidArgumentError(
        f"The model has {len(names)} outputs {list(names)}; {what} must be a list or dict of that many arrays, got one array."
    )
