"""Lifting of imported graphs: groups of nodes become Keras' layers and ops, the rest stays as it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from graphkit import lifting
from graphkit.core import names, nest
from graphkit.core.errors import InvalidArgumentError, UnsupportedError
from graphkit.graph.symbolic import SymbolicTensor
from graphkit.ir.primitive import PRIMITIVES
from graphkit.ir.program import Program, Value
from graphkit.ir.spec import TensorSpec
from graphkit.ir.tracing import Trace, tracing
from graphkit.layers.context import call_context
from graphkit.layers.input_layer import Input
from graphkit.lifting.calls import LayerSpec, LiftedCall
from graphkit.models.functional import Functional
from graphkit.visualization.scopes import scope_of

from .layers import OnnxInitializer, OnnxNode


@dataclass(frozen=True)
class ImportReport:
    """What the nodes of a file became.

    Attributes:
        nodes: the number of nodes with tensors of the graph as inputs.
        layers: by the name of the pattern, how many layers of Keras were made.
        ops: by name, how many of Keras' ops were made.
        constants: the initializers that no layer has as a weight; each is the table of an Embedding with one row.
        kept: by the name of the node, why it stays an `OnnxNode`.
        refused: by the name of the node, why a pattern that fits was not used; ops compute it instead.
    """

    nodes: int
    layers: Mapping[str, int] = field(default_factory=dict)
    ops: Mapping[str, int] = field(default_factory=dict)
    constants: Sequence[str] = ()
    kept: Mapping[str, str] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_whole(self) -> bool:
        """Whether all nodes became Keras' layers and ops, so that Keras opens the saved model."""
        return not self.kept

    def __str__(self) -> str:
        lines = [
            f"{self.nodes} nodes became {sum(self.layers.values())} layers and {sum(self.ops.values())} ops of Keras."
        ]
        lines += [f"  {count} x {name}" for name, count in sorted(self.layers.items(), key=lambda item: -item[1])]
        lines += [f"  {count} x op {name}" for name, count in sorted(self.ops.items(), key=lambda item: -item[1])]
        lines += [f"  learned constant: {name}" for name in self.constants]
        lines += [f"  written as ops: {name}: {reason}" for name, reason in self.refused.items()]
        lines += [f"  kept as a node: {name}: {reason}" for name, reason in self.kept.items()]
        return "\n".join(lines)


def lift(model: Functional, data_format: str = "channels_first", consume: bool = False) -> Functional:
    """Return an imported model with Keras' layers and ops in place of its nodes, where they compute exactly the same.

    The result has the attribute `import_report`. Nodes that cannot be lifted stay `OnnxNode` layers; if none can be lifted, the
    model itself is returned.

    Args:
        model: a model of `OnnxNode` layers.
        data_format: "channels_first", as ONNX has images, or "channels_last": images, also those that are inputs and outputs of the
            model, then have their channels last.
        consume: whether the model's weights may be given up, so that they are never in memory twice; it must not be used again.

    Raises:
        InvalidArgumentError: `data_format` is something else.
    """
    if data_format not in ("channels_first", "channels_last"):
        raise InvalidArgumentError(f"`data_format` expects 'channels_first' or 'channels_last', got {data_format!r}.")
    turned = data_format == "channels_last"
    calls = {operation: list(operation.nodes) for operation in model.operations}
    traced = _Traced(model)
    images = _images(traced.program) if turned else set()
    inputs = [
        _input(tensor, name, turned=value in images)
        for tensor, name, value in zip(model.inputs, model.input_names, traced.program.inputs, strict=True)
    ]
    try:
        made = lifting.build(
            traced.program, inputs, traced.blocks, traced.reasons, traced.given, traced.holders, turned, consume
        )
    except lifting.NotExactError as error:
        for operation, nodes in calls.items():  # attempts forget the calls of the layers that they keep
            operation.nodes[:] = nodes
        model.import_report = ImportReport(len(traced.blocks), kept=dict.fromkeys(traced.blocks, str(error)))
        return model
    result = Functional(_one(made.inputs), _one(made.outputs), name=model.name)
    _keep_scopes(model, result)
    result.import_report = ImportReport(
        len(traced.blocks),
        dict(made.layers),
        dict(made.ops),
        tuple(made.constants),
        dict(made.kept),
        dict(made.refused),
    )
    return result


def _keep_scopes(model: Functional, result: Functional) -> None:
    """Let drawings and summaries group the layers as the nodes were."""
    scopes = {operation.name: scope_of(operation) for operation in model.operations}
    for operation in result.operations:
        found = scopes.get(operation.name) or scopes.get(operation.name.rpartition("_")[0])
        if found:
            operation.name_scopes = found  # type: ignore[attr-defined]


class _Traced:
    """A model as a program whose equations bear the names of the nodes as scopes.

    Attributes:
        program: the program.
        blocks: by the name of a node, what makes its layer again.
        reasons: by the name of a node, why it cannot be traced.
        given: the calls of layers that the program does not show: Dropout.
        holders: for the value of each shared initializer, what returns it as a tensor.
    """

    def __init__(self, model: Functional) -> None:
        self.blocks: dict[str, Callable[[], lifting.Block]] = {}
        self.reasons: dict[str, str] = {}
        self.given: list[LiftedCall] = []
        self.holders: dict[Value, Callable[[], Any]] = {}
        self._trace = Trace()
        inputs = [self._trace.input(t.spec, name) for t, name in zip(model.inputs, model.input_names, strict=True)]
        tensors: dict[SymbolicTensor, Any] = dict(zip(model.inputs, inputs, strict=True))
        with tracing(self._trace), call_context(False):
            for node in model.layer_graph.nodes:
                if not all(t in tensors for t in node.output_tensors):
                    self._run(node, tensors)
            outputs = [self._trace.lift(tensors[t]) for t in model.outputs]
        self.program = self._trace.program(inputs, [self._trace.wrap(o) for o in outputs])

    def _run(self, node: Any, tensors: dict[SymbolicTensor, Any]) -> None:
        layer = node.operation
        given = [tensors[t] for t in node.input_tensors]
        if isinstance(layer, OnnxInitializer):
            (variable,) = layer.initializers
            value = self._trace.read(variable)
            self.holders[value.value] = partial(_held, layer)
            made: Any = [value]
        elif isinstance(layer, OnnxNode):
            made = self._node(layer, given, list(node.output_tensors))
        else:
            raise UnsupportedError(f"Layer {layer.name!r} ({type(layer).__name__}) is no node of an ONNX graph.")
        tensors.update(zip(node.output_tensors, made, strict=True))

    def _node(self, layer: OnnxNode, given: list[Any], outputs: list[SymbolicTensor]) -> list[Any]:
        """Emit the equations of a node; return its outputs."""
        before = len(self._trace.equations)
        with names.scope_is(layer.name):
            made = nest.flatten(layer.computation(*given, *layer.initializers))
            if layer.op_type == "Dropout" and len(made) == 1 and made[0] is given[0]:
                made = [self._trace.emit(PRIMITIVES["identity"], given[:1], {})]
                self._add_dropout(layer, given[0], self._trace.equations[-1])
            values = [self._trace.lift(v) for v in made]
        own = {v for e in self._trace.equations[before:] for v in e.outputs}
        block = lifting.Block(
            layer.name,
            tuple(self._trace.lift(v) for v in given),
            tuple(v if v in own else Value(v.spec) for v in values),
            partial(_called, layer),
        )
        self.blocks[layer.name] = lambda: block
        return [self._trace.wrap(v) for v in values]

    def _add_dropout(self, layer: OnnxNode, x: Any, equation: Any) -> None:
        values, _ = layer.computation.values([x], [])
        ratio = next((a.f for a in layer.node.attribute if a.name == "ratio"), 0.5)
        if len(values) > 1 and values[1] is not None:
            ratio = float(np.asarray(values[1]).reshape(-1)[0])
        if 0.0 <= ratio < 1.0:
            spec = LayerSpec("Dropout", {"rate": ratio})
            self.given.append(LiftedCall("dropout", spec, (), equation.inputs, equation.outputs, (equation,)))


def _called(layer: OnnxNode, tensors: Sequence[Any]) -> Sequence[Any]:
    """Return the outputs of a new call of a layer, which forgets its calls in the model that was lifted."""
    layer.nodes.clear()
    return list(nest.flatten(layer(list(tensors)) if len(tensors) > 1 else layer(*tensors)))


def _held(layer: OnnxInitializer) -> Any:
    layer.nodes.clear()
    return layer()


def _images(program: Program) -> set[Value]:
    """Return the inputs that are channels-first images: convolutions and pooling read them, directly or after elementwise ops."""
    found: set[Value] = set()
    shapes = {e.outputs[0]: e for e in program.equations if len(e.outputs) == 1}
    for equation in program.equations:
        if equation.params.get("data_format") == "channels_first":
            value: Any = equation.inputs[0]
            while value in shapes and shapes[value].primitive.name in _SAME_ORDER:
                value = next((a for a in shapes[value].inputs if isinstance(a, Value) and len(a.spec.shape) > 2), None)
            if value in program.inputs:
                found.add(value)
    return found


_SAME_ORDER = {
    "add",
    "subtract",
    "multiply",
    "divide",
    "pad",
    "cast",
    "identity",
    "batch_normalization",
    "relu",
    "clip",
}


def _input(tensor: SymbolicTensor, name: str, turned: bool = False) -> Any:
    """Return an input like that of another model, or channels-last; unknown sizes keep their names."""
    order = (0, *range(2, tensor.ndim), 1) if turned else range(tensor.ndim)
    made: SymbolicTensor = Input(batch_shape=tuple(tensor.shape[a] for a in order), dtype=tensor.dtype, name=name)
    made.spec = TensorSpec(tuple(tensor.spec.shape[a] for a in order), tensor.dtype)
    assert made.history is not None
    made.history.operation.fixes_sizes = True
    return made


def _one(tensors: Sequence[Any]) -> Any:
    return tensors[0] if len(tensors) == 1 else list(tensors)
