"""The finder: which equations of a program are calls of Keras' layers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from importlib import import_module
from typing import Any

import numpy as np

from graphkit.ir.matching import Matcher
from graphkit.ir.program import Equation, Program
from graphkit.lifting.calls import REFUSALS, LiftedCall, LiftGraph, NotExactError, main_scope
from graphkit.lifting.recipes import RECIPES, Recipe

# The modules that register recipes, the preferred ones first: large patterns before their parts.
_FAMILIES = ("attention", "recurrence", "normalizations", "activations", "convolutions", "products", "tables")


@dataclass(frozen=True)
class Findings:
    """What was found in a program.

    Attributes:
        calls: the calls of layers.
        graph: the program as the matcher saw it.
        refused: by scope, why a pattern that fits was not used.
    """

    calls: list[LiftedCall]
    graph: LiftGraph
    refused: dict[str, str]


def find(program: Program, claimed: Iterable[Equation] = (), given: Sequence[LiftedCall] = ()) -> Findings:
    """Find the calls of Keras' layers in a program.

    A variable that several layers would need stays outside of them, so that it remains one variable.

    Args:
        program: the program, whose equations bear the name of their node as scope.
        claimed: equations that stay as they are.
        given: calls that are known already.
    """
    graph = LiftGraph(program)
    matcher = Matcher(graph)
    claimed = set(claimed)
    tied: set[Any] = set()
    while True:
        findings = _found(graph, matcher, claimed, given, tied)
        more = _tied(findings, claimed) - tied
        if not more:
            return findings
        tied |= more


@cache
def _recipes() -> tuple[Recipe, ...]:
    """Return all recipes in the order of preference."""
    for family in _FAMILIES:
        import_module(f"graphkit.lifting.{family}")
    return tuple(sorted(RECIPES, key=lambda r: _FAMILIES.index(r.make.__module__.rpartition(".")[2])))


def _found(
    graph: LiftGraph, matcher: Matcher, claimed: set[Equation], given: Sequence[LiftedCall], tied: set[Any]
) -> Findings:
    program = graph.program
    weights: set[Any] = {e for e in program.equations if all(graph.is_weight(v) for v in e.outputs)}
    calls = [c for c in given if not claimed.intersection(c.equations)]
    taken = claimed | weights | {e for c in calls for e in c.equations}
    refused: dict[str, str] = {}
    for recipe in _recipes():
        for match in matcher.each(recipe.pattern, taken):
            try:
                call = recipe.make(match)
                shared = sorted({v.name for w in call.weights for a in w.atoms for v in graph.roots(a) if v in tied})
                if shared:
                    raise NotExactError(f"the weight {shared[0]!r} is used elsewhere as well.")
            except REFUSALS as error:
                refused[main_scope(match.nodes)] = f"{recipe.pattern.name}: {error}"
                continue
            if taken.intersection(call.equations):
                continue
            calls.append(call)
            taken.update(call.equations)
            refused.pop(call.scope, None)
    return Findings(calls, graph, refused)


def _tied(findings: Findings, claimed: set[Equation]) -> set[Any]:
    """Return the variables of which layers would have copies: several layers, or one and other equations, read the same elements."""
    graph = findings.graph
    users: dict[Any, list[Any]] = {}  # variable -> (key of the layer, the weight function)
    for call in findings.calls:
        for weight in call.weights:
            for variable in {v for a in weight.atoms for v in graph.roots(a)}:
                users.setdefault(variable, []).append((call, weight))
    covered = {e for call in findings.calls for e in call.equations}
    tied: set[Any] = set()
    for equation in graph.program.equations:
        if equation not in covered and not all(graph.is_weight(v) for v in equation.outputs):
            tied.update(v for a in equation.inputs if graph.is_weight(a) for v in graph.roots(a))
    keys: dict[int, Any] = {}  # by id of the call
    for variable, read in users.items():
        if variable not in tied and len(read) > 1 and not _is_apart(graph, variable, read, keys):
            tied.add(variable)
    return tied & set(users)


def _is_apart(graph: LiftGraph, variable: Any, read: Sequence[tuple[LiftedCall, Any]], keys: dict[int, Any]) -> bool:
    """Return whether layers that read a variable read different elements, or are one layer that is called several times."""
    own = graph.numbers(variable)
    counts = np.zeros(len(own), np.int64)
    seen: dict[Any, Any] = {}
    for call, weight in read:
        key = keys.get(id(call)) or keys.setdefault(id(call), layer_key(graph, call))
        if seen.setdefault(key, call) is not call:
            continue  # another call of the same layer
        places = graph.places(weight)
        if places is None:
            return False
        for numbers in places:
            mine = numbers[(numbers >= own.start) & (numbers < own.stop)]
            np.add.at(counts, mine - own.start, 1)
    return bool((counts <= 1).all())


def layer_key(graph: LiftGraph, call: LiftedCall) -> Any:
    """Return a key that calls of one layer share: the same class, config and elements of variables."""
    parts: list[Any] = [call.layer.class_name, repr(sorted(call.layer.config.items()))]
    for weight in call.weights:
        places = graph.places(weight)
        if not places or any((numbers < 0).any() for numbers in places):
            return (*parts, id(call))  # constants, or computed: never shared
        parts += [(numbers.shape, _digest(numbers)) for numbers in places]
    return tuple(parts)


def _digest(numbers: Any) -> bytes:
    """Return a digest of the numbers of elements: keys with the numbers themselves would need the memory of the weights again."""
    return blake2b(np.ascontiguousarray(numbers).data, digest_size=16).digest()
