"""The list of recipes, in the order of preference, and what they share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphkit.core.dims import Dim
from graphkit.ir.matching import Match, Pattern, Term
from graphkit.ir.program import Atom
from graphkit.lifting.calls import Array, LayerSpec, LiftedCall, NotExactError, Recipe, WeightFunction

__all__ = ["RECIPES", "Recipe", "along", "call", "flat", "known", "recipe", "same_shape", "scalar", "weight"]

RECIPES: list[Recipe] = []
Make = Callable[[Match], LiftedCall]


def recipe(name: str, *roots: Term, where: Callable[[Match], bool] | None = None) -> Callable[[Make], Make]:
    """Register what a pattern is lifted to; earlier recipes are preferred.

    Args:
        name: the pattern's name, for reports.
        roots: the terms of its outputs.
        where: a predicate on the match.
    """

    def add(make: Make) -> Make:
        RECIPES.append(Recipe(Pattern(name, *roots, where=where), make))
        return make

    return add


def call(match: Match, class_name: str, config: dict[str, Any], *weights: WeightFunction, **parts: Any) -> LiftedCall:
    """Return the call of a layer for a match, which reads `x` unless `inputs` are given.

    Raises:
        NotExactError: a weight is computed in the graph, so that training would change other numbers.
    """
    for weight in weights:
        for atom in weight.atoms:
            changed = match.graph.computed_by(atom)
            if changed is not None:
                raise NotExactError(f"a weight of {class_name} is computed by {changed!r} in the graph.")
    inputs = parts.pop("inputs", None) or (match["x"],)
    return LiftedCall(
        match.pattern.name, LayerSpec(class_name, config), weights, inputs, match.outputs, match.nodes, **parts
    )


def weight(atom: Atom, function: Callable[..., Array] | None = None) -> WeightFunction:
    """Return a weight of a layer that is a function of one value."""
    return WeightFunction((atom,)) if function is None else WeightFunction((atom,), function)


def flat(atom: Atom) -> WeightFunction:
    """Return a weight as a vector."""
    return weight(atom, lambda array: array.reshape(-1))


def along(spec: Any, rank: int, axis: int, size: Any) -> bool:
    """Return whether a value broadcasts against a tensor of this rank along one axis only, and has its size there."""
    shape = (*(1,) * (rank - len(spec.shape)), *spec.shape)
    return len(shape) == rank and all(n == (size if i == axis % rank else 1) for i, n in enumerate(shape))


def scalar(match: Match, name: str) -> float:
    """Return a named number."""
    return float(np.asarray(match.graph.number(match[name])).reshape(-1)[0])


def same_shape(a: Any, b: Any) -> bool:
    """Return whether two specs have the same shape."""
    return bool(a.shape == b.shape)


def known(size: Any) -> bool:
    """Return whether a size is an int."""
    return not isinstance(size, Dim)
