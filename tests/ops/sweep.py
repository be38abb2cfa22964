"""Record which dtypes the ops of a package, Keras or ours, return, or which kind of error they raise."""

from __future__ import annotations

import importlib
from typing import Any

calls = importlib.import_module(f"{__package__}.keras_dtypes" if __package__ else "keras_dtypes")


def outcome(world: Any, call: Any, *args: Any) -> str:
    """Return the dtypes of the result, or which builtin exception was raised: ValueError, TypeError, or another."""
    try:
        return " ".join(world.dtype(leaf) for leaf in world.leaves(world.run(call, *args)))
    except ValueError:
        return "!ValueError"
    except TypeError:
        return "!TypeError"
    except Exception:
        return "!other"


def answers(world: Any) -> dict[str, Any]:
    """Rows by name: an outcome for each dtype, or for each pair of dtypes, of tensors and of symbolic tensors."""
    dtypes = calls.DTYPES
    tensors = {d: world.ones((2, 2), d) for d in dtypes}
    table: dict[str, Any] = {}
    for name, call in calls.NO_TENSORS.items():
        table[f"none: {name}"] = outcome(world, call)
    for name, call in calls.ONE.items():
        table[f"one: {name}"] = [outcome(world, call, tensors[d]) for d in dtypes]
        table[f"one symbolic: {name}"] = [outcome(world, call, world.symbolic((2, 2), d)) for d in dtypes]
    for name, call in calls.TWO.items():
        table[f"two: {name}"] = [[outcome(world, call, tensors[a], tensors[b]) for b in dtypes] for a in dtypes]
        table[f"two symbolic: {name}"] = [
            [outcome(world, call, world.symbolic((2, 2), a), world.symbolic((2, 2), b)) for b in dtypes] for a in dtypes
        ]
        if name in calls.WITH_SCALARS:
            for kind, scalar in calls.SCALARS.items():
                table[f"{kind} right: {name}"] = [outcome(world, call, tensors[d], scalar) for d in dtypes]
                table[f"{kind} left: {name}"] = [outcome(world, call, scalar, tensors[d]) for d in dtypes]
    every = (*dtypes, "uint64", "int64", "float64", "complex128")
    table["result_type"] = [[_joined(world, a, b) for b in (*every, int, float)] for a in (*every, int, float)]
    return table


def _joined(world: Any, a: Any, b: Any) -> str:
    try:
        return str(world.result_type(a, b))
    except Exception as error:
        return "!TypeError" if isinstance(error, TypeError) else "!ValueError"
