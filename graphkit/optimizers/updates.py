"""Updates outside of traced functions: compiled once for each set of variables, as in a training step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from graphkit.core.stamps import Stamped, settings_changed
from graphkit.engine import Plan, compile_program
from graphkit.ir.primitive import as_array
from graphkit.ir.spec import TensorSpec
from graphkit.ir.tracing import current_trace, trace
from graphkit.ir.variable import Variable
from graphkit.layers.stamp import is_foreign, is_own

_KEPT = 8
Pairs = list[tuple[Any, Variable]]


class CompiledUpdates:
    """The compiled updates of one optimizer.

    Args:
        optimizer: The optimizer.
        update: A function of (gradient, variable) pairs that assigns the new values, written with ops.
    """

    def __init__(self, optimizer: Any, update: Callable[[Pairs], None]) -> None:
        self._optimizer = optimizer
        self._update = update
        self._plans: dict[Any, Plan] = {}
        self._foreign: tuple[int, bool] | None = None  # the optimizer's stamp, and whether it runs user-defined code

    def __call__(self, pairs: Pairs) -> None:
        """Update the variables: in a trace and with user-defined code directly, otherwise by a compiled program."""
        outer = current_trace()
        if (outer is not None and (outer.scopes or not outer.is_eager)) or not pairs or self._runs_foreign_code(pairs):
            self._update(pairs)
            return
        arrays = [as_array(g) for g, _ in pairs]
        variables = [v for _, v in pairs]
        key = (tuple(map(id, variables)), tuple(TensorSpec.of(a) for a in arrays), self._stamp(variables))
        plan = self._plans.get(key)
        if plan is None or not plan.is_current:
            program = trace(lambda *grads: self._traced(grads, variables), *key[1])
            plan = self._plans[key] = compile_program(program)
            while len(self._plans) > _KEPT:
                self._plans.pop(next(iter(self._plans)))
        plan(*arrays)

    def _traced(self, grads: Sequence[Any], variables: Sequence[Variable]) -> list[Any]:
        self._update(list(zip(grads, variables, strict=True)))
        return []

    def _stamp(self, variables: Sequence[Variable]) -> Any:
        rate = self._optimizer._learning_rate
        schedule = rate.changed if isinstance(rate, Stamped) else 0
        return max(settings_changed(), self._optimizer.changed, schedule, *(v.changed for v in variables))

    def _runs_foreign_code(self, pairs: Pairs) -> bool:
        changed = self._optimizer.changed
        if self._foreign is None or self._foreign[0] != changed:
            self._foreign = (changed, is_foreign(self._optimizer))
        constraints = [v.constraint for _, v in pairs if v.constraint is not None]
        return self._foreign[1] or any(not is_own(type(c)) for c in constraints)


__all__ = ["CompiledUpdates"]
