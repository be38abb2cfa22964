"""keras.Function: the operations between inputs and outputs as one operation."""

from __future__ import annotations

from typing import Any

from graphkit.graph.operation import Operation
from graphkit.models.functional import Functional


class Function(Operation):
    """The layers and ops between symbolic inputs and outputs, as one operation; a functional model adds training and files to it.

    Args:
        inputs: Symbolic tensors, or a structure of them.
        outputs: Symbolic tensors that are computed from the inputs, or a structure of them.
        name: The name; automatic by default.

    Raises:
        DisconnectedGraphError: The outputs need an input that is not among `inputs`.

    Source: keras.Function.
    """

    def __init__(self, inputs: Any, outputs: Any, name: str | None = None) -> None:
        super().__init__(name=name)
        self._functional = Functional(inputs, outputs, name=f"{self.name}_graph")

    @property
    def inputs(self) -> list[Any]:
        """The symbolic inputs, in one list."""
        return self._functional.inputs

    @property
    def outputs(self) -> list[Any]:
        """The symbolic outputs, in one list."""
        return self._functional.outputs

    @property
    def operations(self) -> list[Any]:
        """The layers and ops, in an order in which they can be computed."""
        return list(self._functional.operations)

    def call(self, inputs: Any) -> Any:
        """Compute the outputs from tensors in the structure of the inputs."""
        return self._functional(inputs)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the shapes of the outputs for inputs of these shapes."""
        return self._functional.compute_output_shape(input_shape)
