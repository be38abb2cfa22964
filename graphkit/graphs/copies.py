"""Copies of layers for a new graph: with the same variables, or with variables of their own."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

from graphkit.core import nest
from graphkit.core.errors import GraphKitError, UnsupportedError
from graphkit.graph.operation import OpNode
from graphkit.ir.variable import Variable


class Copier:
    """Makes one copy of each operation, without its calls. What several layers share, their copies share.

    Args:
        copy_weights: Whether the copies get variables of their own, with the same values.
    """

    def __init__(self, copy_weights: bool) -> None:
        self.copy_weights = copy_weights
        self._memo: dict[int, Any] = {}
        self._kept: list[Any] = []  # the memo knows objects by id, so they must stay alive

    def __call__(self, operation: Any) -> Any:
        """Return the copy of a layer, a model or an op; it has no calls yet, except that an input layer has its tensor.

        Raises:
            UnsupportedError: A user-defined layer holds something that cannot be copied.
        """
        if id(operation) not in self._memo:
            self._keep(operation)
            self._memo[id(operation)] = self._op(operation) if isinstance(operation, OpNode) else self._layer(operation)
        return self._memo[id(operation)]

    def leaf(self, value: Any) -> Any:
        """Return an argument of a call for the new graph: variables are copied where weights are."""
        return copy.deepcopy(value, self._memo) if isinstance(value, Variable) and self.copy_weights else value

    def named(self, operation: Any, name: str) -> Any:
        """Give the copy of an operation a name, and return it. Weights of its own are named after it."""
        made = self(operation)
        for variable in getattr(made, "variables", ()) if self.copy_weights else ():
            first, slash, rest = variable.path.partition("/")
            if first == operation.name and slash:
                variable.path = f"{name}/{rest}"
        made.name = name
        return made

    def fresh(self, operation: Any) -> Any:
        """Return a further copy of an operation, with weights of its own."""
        return copy.deepcopy(operation, {})

    def put(self, operation: Any, made: Any) -> None:
        """Use `made` as the copy of an operation, also where other layers refer to it."""
        self._kept.append(operation)
        self._memo[id(operation)] = made

    def has(self, operation: Any) -> bool:
        """Return whether there is a copy of an operation."""
        return id(operation) in self._memo

    def _keep(self, operation: Any) -> None:
        self._kept.append(operation)
        if not self.copy_weights:
            self._share(operation.config.values() if isinstance(operation, OpNode) else operation.variables)

    def _share(self, values: Iterable[Any]) -> None:
        for value in nest.flatten(list(values)):
            if isinstance(value, Variable):
                self._memo[id(value)] = value

    def _layer(self, operation: Any) -> Any:
        try:
            return copy.deepcopy(operation, self._memo)
        except (TypeError, AttributeError, NotImplementedError) as error:
            if isinstance(error, GraphKitError):
                raise
            raise UnsupportedError(
                f"Layer {operation.name!r} ({type(operation).__name__}) cannot be copied for another model: {error}. It holds something "
                "that copy.deepcopy refuses; define __getstate__ and __setstate__ in its class, without that."
            ) from error

    def _op(self, operation: OpNode) -> OpNode:
        return OpNode(operation.record, copy.deepcopy(operation.config, self._memo), operation.name)
