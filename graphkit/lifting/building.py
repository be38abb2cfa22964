"""The builder: a functional model from a program and the calls of layers that were found in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import graphkit
from graphkit import ops
from graphkit.core.errors import GraphKitError
from graphkit.graph.symbolic import SymbolicTensor
from graphkit.ir.program import Atom, Equation, Literal, Program, Value
from graphkit.ir.spec import TensorSpec
from graphkit.lifting.calls import LayerSpec, LiftedCall, LiftGraph, NotExact
from graphkit.lifting.equations import OPS, Sizes
from graphkit.lifting.finder import Findings, find


@dataclass(frozen=True)
class Block:
    """Equations that stay together as one layer, which the reader of the format makes: a node of the file.

    Attributes:
        scope: the scope of its equations, which no other equation has.
        inputs: the values that it reads.
        outputs: the values that it computes.
        make: returns the outputs for the symbolic tensors of the inputs.
    """

    scope: str
    inputs: tuple[Atom, ...]
    outputs: tuple[Value, ...]
    make: Callable[[Sequence[Any]], Sequence[Any]]


@dataclass
class Lifted:
    """What a program was lifted to.

    Attributes:
        inputs: the symbolic inputs.
        outputs: the symbolic outputs.
        layers: by the name of the pattern, how many layers were made.
        ops: by the name of the primitive, how many of Keras' ops were made.
        constants: the names of the learned constants that a layer of their own holds.
        kept: by scope, why its equations stay a layer of the file's own format.
        refused: by scope, why a pattern that fits was not used.
    """

    inputs: list[Any]
    outputs: list[Any]
    layers: Counter[str] = field(default_factory=Counter)
    ops: Counter[str] = field(default_factory=Counter)
    constants: list[str] = field(default_factory=list)
    kept: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)

    @property
    def is_whole(self) -> bool:
        """Whether all of it is Keras' layers and ops."""
        return not self.kept


def build(
    program: Program,
    inputs: Sequence[Any],
    blocks: Mapping[str, Callable[[], Block]] | None = None,
    kept: Mapping[str, str] | None = None,
) -> Lifted:
    """Lift a program: make layers and ops that compute it from symbolic inputs.

    Args:
        program: the program, whose equations bear the name of their node as scope.
        inputs: a symbolic tensor for each input.
        blocks: by scope, what makes a layer of equations that cannot be lifted.
        kept: by scope, why its equations are not to be lifted.

    Raises:
        NotExact: an equation can neither be lifted nor be kept.
    """
    reasons = dict(kept or {})
    while True:
        claimed = [e for e in program.equations if e.scope in reasons]
        findings = find(program, claimed)
        building = _Building(program, findings, inputs, blocks or {}, reasons)
        failed = building.run()
        if failed is None:
            return building.result
        scope, reason = failed
        if scope in reasons or scope not in (blocks or {}):
            raise NotExact(f"{scope or 'an equation'}: {reason}")
        reasons[scope] = reason


class _Building:
    """One attempt; it ends at the first equation that cannot be lifted."""

    def __init__(
        self,
        program: Program,
        findings: Findings,
        inputs: Sequence[Any],
        blocks: Mapping[str, Callable[[], Block]],
        kept: Mapping[str, str],
    ) -> None:
        self.program = program
        self.graph: LiftGraph = findings.graph
        self.result = Lifted(list(inputs), [], kept=dict(kept), refused=dict(findings.refused))
        self.sizes = Sizes()
        self.tensors: dict[Any, Any] = {}
        self.names = _Names()
        for value, tensor in zip(program.inputs, inputs, strict=True):
            self._set(value, tensor)
        self._steps: dict[Any, Any] = {}  # value -> the call, block or equation that computes it
        for equation in program.equations:
            self._steps.update(dict.fromkeys(equation.outputs, equation))
        for call in findings.calls:
            for equation in call.equations:
                self._steps.update(dict.fromkeys(equation.outputs, call))
        self._blocks: list[Block] = []
        for scope in kept:
            if scope in blocks:
                block = blocks[scope]()
                self._blocks.append(block)
                self._steps.update(dict.fromkeys(block.outputs, block))
        self._shared: dict[Any, Any] = {}
        self._zero: Any = None

    def run(self) -> tuple[str, str] | None:
        """Build everything; return the scope that cannot be lifted and the reason, or None."""
        waiting: list[Any] = [a for a in reversed(self.program.outputs) if isinstance(a, Value)]
        while waiting:
            value = waiting[-1]
            if value in self.tensors or not isinstance(value, Value):
                waiting.pop()
                continue
            step = self._steps.get(value)
            missing = [a for a in self._reads(step) if isinstance(a, Value) and not self._is_ready(a)]
            if missing:
                waiting += missing
                continue
            try:
                self._take(step, value)
            except (GraphKitError, ValueError, TypeError) as error:
                return self._scope(step), str(error)
            waiting.pop()
        self.result.outputs = [self._output(a) for a in self.program.outputs]
        return None

    def _output(self, atom: Atom) -> Any:
        tensor = self._tensor(atom)
        if isinstance(tensor, SymbolicTensor) and tensor.history is not None:
            return tensor
        raise NotExact("an output does not depend on the inputs.")

    def _reads(self, step: Any) -> Sequence[Atom]:
        return () if step is None else step.inputs

    def _is_ready(self, atom: Atom) -> bool:
        return atom in self.tensors or atom in self.graph.variables or self._is_constant(atom)

    def _is_constant(self, atom: Atom) -> bool:
        return self.graph.is_weight(atom) and not self.graph.roots(atom)

    def _scope(self, step: Any) -> str:
        return "" if step is None else step.scope  # type: ignore[no-any-return]

    def _take(self, step: Any, value: Value) -> None:
        if step is None:
            self._set(value, self._tensor(value))
        elif isinstance(step, LiftedCall):
            self._call(step)
        elif isinstance(step, Block):
            made = step.make([self._tensor(a) for a in step.inputs])
            for output, tensor in zip(step.outputs, made, strict=True):
                self._set(output, tensor)
        else:
            self._equation(step)

    def _set(self, value: Value, tensor: Any) -> None:
        self.tensors[value] = tensor
        self.sizes.tensors.append((value.spec, tensor))

    # ----- atoms -----

    def _tensor(self, atom: Atom) -> Any:
        """Return an atom as Keras' ops take it: a symbolic tensor, or numbers."""
        if atom in self.tensors:
            return self.tensors[atom]
        if isinstance(atom, Literal):
            return _plain(atom.array)
        if atom in self.graph.variables:
            variable = self.graph.variables[atom]
            if variable.array.ndim == 0 or variable.array.dtype.kind not in "f":
                return _plain(variable.array)
            self._set(atom, self._held(atom, variable))
            return self.tensors[atom]
        if self._is_constant(atom):
            return _plain(self.graph.array(atom))
        raise NotExact(f"the value {atom!r} was not computed.")

    def _held(self, atom: Any, variable: Any) -> Any:
        """Return a learned constant: a table of one row, looked up at an index that is zero for all inputs."""
        from graphkit import layers

        if self._zero is None:
            source = self.result.inputs[0]
            self._zero = ops.reshape(ops.sum(ops.zeros_like(source, dtype="int32")), (1,))
        array = variable.array
        name = self.names.unique(str(variable.name))
        layer = layers.Embedding(1, int(array.size), name=name, dtype=atom.spec.dtype)
        row = layer(self._zero)
        layer.set_weights([array.reshape(1, -1)])
        layer.trainable = bool(variable.trainable)
        self.result.constants.append(name)
        return ops.reshape(row, array.shape)

    # ----- steps -----

    def _call(self, call: LiftedCall) -> None:
        tensors = [self._tensor(a) for a in call.inputs]
        if not any(isinstance(t, SymbolicTensor) for t in tensors):
            raise NotExact("it does not depend on the inputs.")
        for spec in call.before:
            tensors[0] = self._made(spec, f"{call.scope}_{_kind(spec)}")(tensors[0])
        layer = self._layer(call)
        made = call.arguments(layer, tensors) if call.arguments else layer(*tensors)
        self._fill(layer, call)
        for spec in call.after:
            made = self._made(spec, f"{call.scope}_{_kind(spec)}")(made)
        made = list(made) if isinstance(made, (list, tuple)) else [made]
        for value, tensor in zip(call.outputs, made, strict=True):
            self._set(value, _checked(tensor, value.spec))
        self.result.layers[call.pattern] += 1

    def _layer(self, call: LiftedCall) -> Any:
        """Return a layer; calls with the same weights share one."""
        key = (call.layer.class_name, repr(sorted(call.layer.config.items())), *(w.atoms for w in call.weights))
        if call.weights and key in self._shared:
            return self._shared[key]
        layer = self._made(call.layer, call.scope)
        if call.weights:
            self._shared[key] = layer
        return layer

    def _made(self, spec: LayerSpec, scope: str) -> Any:
        from graphkit import layers

        if spec.class_name.startswith("ops."):
            function = getattr(ops, spec.class_name.removeprefix("ops."))
            return lambda *tensors: function(*tensors, **spec.config)
        return getattr(layers, spec.class_name)(**spec.config, name=self.names.unique(scope or spec.class_name.lower()))

    def _fill(self, layer: Any, call: LiftedCall) -> None:
        if not call.weights:
            return
        arrays = [np.asarray(w.function(*map(self.graph.array, w.atoms))) for w in call.weights]
        shapes = [tuple(w.shape) for w in layer.weights]
        if shapes != [a.shape for a in arrays]:
            raise NotExact(f"{type(layer).__name__} has weights of shapes {shapes}, not {[a.shape for a in arrays]}.")
        layer.set_weights(arrays)

    def _equation(self, equation: Equation) -> None:
        name = equation.primitive.name
        if name not in OPS:
            raise NotExact(f"Keras has no op for {name!r}.")
        tensors = [self._tensor(a) for a in equation.inputs]
        if equation.inputs and not any(isinstance(t, SymbolicTensor) for t in tensors):
            tensors = [np.asarray(t) if isinstance(t, (int, float)) else t for t in tensors]
        self.sizes.inputs = [a.spec for a in equation.inputs]
        made = OPS[name](tensors, equation.params, equation.outputs[0].spec, self.sizes)
        made = list(made) if isinstance(made, (list, tuple)) else [made]
        for value, tensor in zip(equation.outputs, made, strict=True):
            checked = _checked(tensor, value.spec)
            if isinstance(checked, SymbolicTensor) and checked.history is not None and not any(checked is t for t in tensors):
                self.names.rename(checked.history.operation, equation.scope)
            self._set(value, checked)
        self.result.ops[name] += 1


def _plain(array: Any) -> Any:
    """Return numbers as arguments of ops: a Python number for one number, else the array."""
    if array.ndim == 0 and array.dtype.kind in "fib" and array.dtype.itemsize >= 4:
        return array.item()
    return np.asarray(array)


def _checked(tensor: Any, spec: TensorSpec) -> Any:
    """Return a result, cast to the dtype that it has in the program.

    Raises:
        NotExact: it has another shape.
    """
    if not isinstance(tensor, SymbolicTensor):
        return tensor
    known = [(a, b) for a, b in zip(tensor.shape, spec.shape, strict=False) if isinstance(a, int) and isinstance(b, int)]
    if len(tensor.shape) != len(spec.shape) or any(a != b for a, b in known):
        raise NotExact(f"Keras gives the shape {tensor.shape}; {spec} is expected.")
    return tensor if tensor.dtype == spec.dtype else ops.cast(tensor, spec.dtype)


def _kind(spec: LayerSpec) -> str:
    return graphkit.core.names.to_snake_case(spec.class_name.rstrip("123D"))


class _Names:
    """Names of layers, made from scopes; each is given once."""

    def __init__(self) -> None:
        self._given: set[str] = set()

    def unique(self, scope: str) -> str:
        """Return a name of a layer for a scope."""
        base = scope.strip("/").replace("/", ".") or "op"
        name, number = base, 1
        while name in self._given:
            name, number = f"{base}_{number}", number + 1
        self._given.add(name)
        return name

    def rename(self, operation: Any, scope: str) -> None:
        """Name the op after its scope."""
        if scope and type(operation).__name__ == "OpNode":
            operation.name = self.unique(scope)
