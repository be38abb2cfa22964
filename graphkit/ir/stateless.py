"""StatelessScope: code that reads and assigns variables as a function of their values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from graphkit.core.errors import InvalidArgumentError, InvalidTypeError
from graphkit.ir.eager_tensor import eager
from graphkit.ir.recording import Recording
from graphkit.ir.spec import TensorSpec
from graphkit.ir.tracing import Trace, current_trace, make_current
from graphkit.ir.variable import Variable


class StatelessScope:
    """A scope in which variables have other values, and assignments to them are kept in the scope.

    Args:
        state_mapping: pairs of a variable and its value in the scope.
        collect_losses: whether `add_loss` of layers appends to `losses`; layers keep theirs in any case.
        initialize_variables: accepted for compatibility with Keras, ignored: variables get their values at once.

    Attributes:
        state_mapping: the current values by variable.
        losses: what `add_loss` of this scope was given.

    Raises:
        InvalidTypeError: If a key is not a Variable.
        InvalidArgumentError: If a value does not have its variable's shape.

    Source: keras.StatelessScope.
    """

    def __init__(
        self,
        state_mapping: Iterable[tuple[Variable, Any]] | None = None,
        collect_losses: bool = False,
        initialize_variables: bool = True,
    ) -> None:
        from graphkit import ops

        self.collect_losses = collect_losses
        self.initialize_variables = initialize_variables
        self.losses: list[Any] = []
        self.state_mapping: dict[Variable, Any] = {}
        self._trace: Trace | None = None
        self._is_own = False
        for variable, value in state_mapping or ():
            if not isinstance(variable, Variable):
                raise InvalidTypeError(
                    "Invalid variable in StatelessScope: all keys in argument `mapping` must be Variable instances. Received instead: "
                    f"{variable!r}"
                )
            made = ops.cast(value, variable.dtype)
            if TensorSpec.of(made).shape != variable.shape:
                raise InvalidArgumentError(
                    "Invalid variable value in StatelessScope: all values in argument `mapping` must be tensors with a shape that "
                    f"matches the corresponding variable shape. For variable {variable.path!r}, received a value of shape "
                    f"{TensorSpec.of(made).shape}."
                )
            self.state_mapping[variable] = made

    def add_loss(self, loss: Any) -> None:
        """Append a loss."""
        self.losses.append(loss)

    def add_update(self, update: tuple[Variable, Any]) -> None:
        """Set the value of a variable in the scope, given as a pair."""
        variable, value = update
        self.state_mapping[variable] = value

    def get_current_value(self, variable: Variable) -> Any:
        """Return the value of a variable in the scope; None if it has none of its own there."""
        return self.state_mapping.get(variable)

    def __enter__(self) -> StatelessScope:
        trace = current_trace()
        self._is_own = trace is None
        self._trace = Recording() if trace is None else trace
        if self._is_own:
            make_current(self._trace)
        self._trace.scopes.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._trace is not None
        self._trace.scopes.remove(self)
        if self._is_own:
            make_current(None)
        self._trace = None


def with_values(
    variables: Sequence[Variable], values: Sequence[Any], what: str, owner: str
) -> list[tuple[Variable, Any]]:
    """Return pairs of variables and values for a scope.

    Args:
        variables: the variables.
        values: one value for each.
        what: the name of the argument that the values come from.
        owner: the name of the class whose variables they are.

    Raises:
        InvalidArgumentError: If their numbers differ.
    """
    if len(variables) != len(values):
        raise InvalidArgumentError(
            f"Argument `{what}` must be a list of tensors corresponding 1:1 to {owner}().{what}. Received list with length {len(values)}, "
            f"but expected {len(variables)} variables."
        )
    return list(zip(variables, values, strict=True))


def values_after(scope: StatelessScope, variables: Sequence[Variable]) -> list[Any]:
    """Return the values of variables at the end of a scope, as tensors."""
    found = (scope.get_current_value(v) for v in variables)
    return [eager(v.value if made is None else made) for v, made in zip(variables, found, strict=True)]


__all__ = ["StatelessScope", "values_after", "with_values"]
