"""The training step as one program: the model, its losses, their gradients, the optimizer and the metrics, traced and compiled.

A step is traced for the shapes of a batch and cached. It is traced again for other shapes, and when the stamp of the model or
of its compile state changes. To run a step, fill `plan.inputs` and call `plan.step()`.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from graphkit.core import nest
from graphkit.core.errors import InvalidArgumentError
from graphkit.engine import Plan, compile_program
from graphkit.ir.gradient import gradients
from graphkit.ir.program import Program
from graphkit.ir.spec import TensorSpec
from graphkit.ir.tracing import Tracer, trace
from graphkit.training.compiled import Compiled

_KEPT = 24  # compiled steps cached per model


@dataclass(frozen=True)
class Layout:
    """How the leaves of a batch map to inputs, targets and weights.

    Attributes:
        x: A structure of indices into the leaves; None for an omitted input.
        targets: An index for each output, or None.
        weights: An index for each output, or None.
    """

    x: Any
    targets: tuple[int | None, ...]
    weights: tuple[int | None, ...]

    @property
    def key(self) -> Any:
        """A value that identifies the layout."""
        return nest.describe(self.x), tuple(nest.flatten(self.x)), self.targets, self.weights

    def inputs(self, leaves: Sequence[Any]) -> Any:
        """Return the inputs in their structure, with None for omitted ones."""
        return nest.map_structure(lambda i: None if i is None else leaves[i], self.x)


def step_plan(model: Any, layout: Layout, specs: Sequence[TensorSpec], training: bool) -> Plan:
    """Return the compiled step for batches of these specs, from the cache if possible.

    Args:
        model: A compiled model.
        layout: How the leaves map to inputs, targets and weights.
        specs: The shapes and dtypes of the leaves, with the batch size.
        training: Whether to update the weights, or to evaluate only.

    Raises:
        InvalidArgumentError: There is no loss, or there are no trainable weights.
        ShapeError: A target does not fit its output.
    """
    compiled: Compiled = model.compiled
    key = (training, layout.key, tuple(specs), model.stamp(), compiled.stamp())
    plan = compiled.plans.get(key)
    if plan is None or not plan.is_current:
        if training and model.built:
            compiled.optimizer.build(model.trainable_weights)
        with compiled.optimizer.packed() if training else nullcontext():
            plan = compile_program(step_program(model, layout, specs, training))
        key = (*key[:3], model.stamp(), compiled.stamp())  # the first call builds layers and metrics
        compiled.plans[key] = plan
        while len(compiled.plans) > _KEPT:
            compiled.plans.pop(next(iter(compiled.plans)))
    return plan


def step_program(model: Any, layout: Layout, specs: Sequence[TensorSpec], training: bool) -> Program:
    """Trace one step. Its state is that of the model, the optimizer and the metrics; its output is the loss."""
    return trace(lambda *leaves: _step(model, layout, leaves, training), *specs)


def _step(model: Any, layout: Layout, leaves: Sequence[Any], training: bool) -> Any:
    compiled: Compiled = model.compiled
    x = layout.inputs(leaves)
    outputs = nest.flatten(model(x, training=training))
    added = model.losses
    targets, weights = ([None if i is None else leaves[i] for i in where] for where in (layout.targets, layout.weights))
    compiled.build(targets, outputs, output_names(model, len(outputs)))
    total = compiled.total_loss(targets, outputs, weights, added, leaves[0].shape[0])
    compiled.update_metrics(targets, outputs, weights)
    if training:
        _update(model, compiled, total)  # last: nothing reads a weight after its update
    return total


def _update(model: Any, compiled: Compiled, total: Any) -> None:
    variables = model.trainable_weights
    if not variables:
        raise InvalidArgumentError(
            f"Model {model.name!r} has no trainable weights, so there is nothing to fit. Set `trainable = True` on a layer, then "
            "compile again."
        )
    target = compiled.optimizer.scale_loss(total)
    found = gradients(target, variables) if isinstance(target, Tracer) else [None] * len(variables)
    compiled.optimizer.apply(found, variables)


def graph_of(model: Any) -> Any:
    """Return the functional graph of a model; None for a Sequential before its first data, or a class with its own `call`."""
    graph = model.__dict__.get("_functional") if "_functional" in model.__dict__ else model
    return graph if hasattr(type(graph), "signature") else None


def output_names(model: Any, count: int | None = None) -> list[str]:
    """Return the names of the outputs in the order of `nest.flatten`: dict keys, or the names of the layers that produce them."""
    graph = graph_of(model)
    if graph is None:
        return [f"output_{i + 1}" for i in range(count or 0)]
    if isinstance(graph.output, dict) and len(graph.output) == len(graph.outputs):
        return sorted(graph.output)
    return list(graph.output_names)
