"""The finder: which equations of a program are calls of Keras' layers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from graphkit.ir.matching import Matcher
from graphkit.ir.program import Equation, Program
from graphkit.lifting.calls import LiftedCall, LiftGraph, NotExact, main_scope
from graphkit.lifting.recipes import RECIPES


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


def find(program: Program, claimed: Iterable[Equation] = ()) -> Findings:
    """Find the calls of Keras' layers in a program.

    Args:
        program: the program, whose equations bear the name of their node as scope.
        claimed: equations that stay as they are.
    """
    graph = LiftGraph(program)
    matcher = Matcher(graph)
    weightless: set[Any] = {e for e in program.equations if all(graph.is_weight(v) for v in e.outputs)}
    taken = set(claimed) | weightless
    calls: list[LiftedCall] = []
    refused: dict[str, str] = {}
    for recipe in RECIPES:
        for match in matcher.each(recipe.pattern, taken):
            try:
                call = recipe.make(match)
            except NotExact as error:
                refused[main_scope(match.nodes)] = f"{recipe.pattern.name}: {error}"
                continue
            calls.append(call)
            taken.update(match.nodes)
            refused.pop(call.scope, None)
    return Findings(calls, graph, refused)
