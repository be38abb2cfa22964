"""The builder: a functional model from a program and the calls of layers that were found in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

import graphkit
from graphkit import ops
from graphkit.core import dtypes
from graphkit.graph.symbolic import SymbolicTensor
from graphkit.ir.program import Atom, Equation, Literal, Program, Value
from graphkit.ir.simplify import eliminate_dead
from graphkit.ir.spec import TensorSpec
from graphkit.lifting.calls import LARGE, REFUSALS, LayerSpec, LiftedCall, LiftGraph, NotExactError
from graphkit.lifting.equations import OPS, Sizes
from graphkit.lifting.finder import Findings, find, layer_key
from graphkit.lifting.turning import Turned, first, last, turned_axis


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
    given: Sequence[LiftedCall] = (),
    holders: Mapping[Value, Callable[[], Any]] | None = None,
    turned: bool = False,
    consume: bool = False,
) -> Lifted:
    """Lift a program: make layers and ops that compute it from symbolic inputs.

    Args:
        program: the program, whose equations bear the name of their node as scope.
        inputs: a symbolic tensor for each input.
        blocks: by scope, what makes a layer of equations that cannot be lifted.
        kept: by scope, why its equations are not to be lifted.
        given: calls of layers that are known already.
        holders: what returns a learned constant as a tensor, by its value, where the model is not lifted as a whole.
        turned: whether channels-first images are kept channels-last; inputs may then be in that order.
        consume: whether the program's variables are given up as soon as the layers have their values, which halves the memory.

    Raises:
        NotExactError: an equation can neither be lifted nor be kept.
    """
    reasons = dict(kept or {})
    while True:
        live = _live(program, [blocks[scope]() for scope in reasons if blocks and scope in blocks])
        claimed = [e for e in live.equations if e.scope in reasons]
        findings = find(live, claimed, [c for c in given if set(c.equations) <= set(live.equations)])
        building = _Building(live, findings, inputs, blocks or {}, reasons, (holders or {}) if reasons else {}, turned)
        failed = building.run(program.outputs)
        if failed is None:
            building.fill(consume)
            return building.result
        scope, reason = failed
        if scope in reasons or scope not in (blocks or {}):
            raise NotExactError(f"{scope or 'an equation'}: {reason}")
        reasons[scope] = reason


def _live(program: Program, blocks: Sequence[Block]) -> Program:
    """Return what the outputs of a program and some blocks need; what blocks read are results too."""
    read = [a for block in blocks for a in block.inputs if isinstance(a, Value)]
    return eliminate_dead(Program(program.inputs, program.state, program.equations, [*program.outputs, *read]))


class _Building:
    """One attempt; it ends at the first equation that cannot be lifted."""

    def __init__(
        self,
        program: Program,
        findings: Findings,
        inputs: Sequence[Any],
        blocks: Mapping[str, Callable[[], Block]],
        kept: Mapping[str, str],
        holders: Mapping[Value, Callable[[], Any]],
        turned: bool,
    ) -> None:
        self.program = program
        self.graph: LiftGraph = findings.graph
        self.result = Lifted(list(inputs), [], kept=dict(kept), refused=dict(findings.refused))
        self.sizes = Sizes()
        self.tensors: dict[Any, Any] = {}
        self.names = _Names(call.scope for call in findings.calls)
        self._views: dict[Any, _View] = {}
        for equation in program.equations:
            view = _view_of(equation, self._views)
            if view is not None:
                self._views[equation.outputs[0]] = view
        self.turned = Turned(self._tensor, lambda value: self._base(value) if value in self._views else None)
        self._turns = turned
        for value, tensor in zip(program.inputs, inputs, strict=True):
            if turned and _is_turned(value.spec, tensor.spec):
                self._set_turned(value, tensor)
            else:
                self._set(value, tensor)
        self._steps: dict[Any, Any] = {}  # value -> the call, block or equation that computes it
        for equation in program.equations:
            self._steps.update(dict.fromkeys(equation.outputs, equation))
        for call in findings.calls:
            self._views.update({value: _View(*view) for value, view in call.views.items()})
            for equation in call.equations:
                for value in equation.outputs:
                    self._views.pop(value, None)
                self._steps.update(dict.fromkeys(equation.outputs, call))
        self._blocks: list[Block] = []
        for scope in kept:
            if scope in blocks:
                block = blocks[scope]()
                self._blocks.append(block)
                self._steps.update(dict.fromkeys(block.outputs, block))
                for value in block.outputs:
                    self._views.pop(value, None)
        self._fills: list[tuple[Any, LiftedCall]] = []  # layers whose weights are set once all is built
        self._shared: dict[Any, Any] = {}
        self._zero: Any = None
        self._holders = holders
        self._used = Counter(v for call in findings.calls for v in self._variables_of(call))

    def _variables_of(self, call: LiftedCall) -> set[Any]:
        return {v for w in call.weights for a in w.atoms for v in self.graph.roots(a)}

    def run(self, outputs: Sequence[Atom]) -> tuple[str, str] | None:
        """Build everything; return the scope that cannot be lifted and the reason, or None."""
        waiting: list[Any] = [a for a in reversed(outputs) if isinstance(a, Value)]
        while waiting:
            value = waiting[-1]
            if value in self.tensors or value in self.turned.tensors or not isinstance(value, Value):
                waiting.pop()
                continue
            step = self._steps.get(value)
            missing = [a for a in self._reads(step, value) if isinstance(a, Value) and not self._is_ready(a)]
            if missing:
                waiting += missing
                continue
            try:
                self._take(step, value)
            except REFUSALS as error:
                return self._scope(step), str(error)
            waiting.pop()
        self.result.outputs = [self._output(a) for a in outputs]
        return None

    def _output(self, atom: Atom) -> Any:
        tensor = self.turned.tensors[atom] if atom in self.turned.tensors else self._tensor(atom)
        if isinstance(tensor, SymbolicTensor) and tensor.history is not None:
            return tensor
        raise NotExactError("an output does not depend on the inputs.")

    def _reads(self, step: Any, value: Any) -> Sequence[Atom]:
        if step is None or (isinstance(step, Equation) and value in self._views):
            return (self._base(value)[0],) if value in self._views else ()
        return step.inputs  # type: ignore[no-any-return]

    def _base(self, value: Value) -> tuple[Atom, tuple[int | None, ...]]:
        """Return the value that a chain of moved axes begins with, and which of its axes each axis is; None is a new one."""
        source, axes = self._views[value]
        if source in self._views and source not in self.tensors and source not in self.turned.tensors:
            first, before = self._base(source)  # type: ignore[arg-type]
            return first, tuple(None if a is None else before[a] for a in axes)
        return source, axes

    def _is_ready(self, atom: Atom) -> bool:
        built = atom in self.tensors or atom in self.turned.tensors
        return built or atom in self.graph.variables or self._is_constant(atom)

    def _is_constant(self, atom: Atom) -> bool:
        return self.graph.is_weight(atom) and not self.graph.roots(atom)

    def _scope(self, step: Any) -> str:
        return "" if step is None else str(step.scope)

    def _take(self, step: Any, value: Value) -> None:
        if step is None and value in self._views:
            self._move("", value)
        elif step is None:
            self._set(value, self._tensor(value))
        elif isinstance(step, LiftedCall):
            self._call(step)
        elif isinstance(step, Block):
            made = step.make([self._tensor(a) for a in step.inputs])
            for output, tensor in zip(step.outputs, made, strict=True):
                self._set(output, tensor)
        elif value in self._views and self._is_moved(self._base(value)[0]):
            self._move(step.scope, value)
        else:
            self._equation(step)

    def _is_moved(self, source: Atom) -> bool:
        return source in self.turned.tensors or isinstance(self._tensor(source), SymbolicTensor)

    def _move(self, scope: str, value: Value) -> None:
        """Build a chain of transposes, and of reshapes that add or remove axes of size 1, from its beginning."""
        from graphkit import layers

        source, axes = self._base(value)
        rank = len(source.spec.shape)
        if source in self.turned.tensors:
            begin = self.turned.tensors[source]
            axes = tuple(None if a is None else turned_axis(a, rank) for a in axes)
        else:
            begin = self._tensor(source)
        made = begin
        kept = [a for a in axes if a is not None]
        gone = [a for a in range(rank) if a not in kept]
        order = tuple(sum(b not in gone for b in range(a)) for a in kept)
        added = tuple(i for i, a in enumerate(axes) if a is None)
        if gone:
            made = ops.squeeze(made, axis=tuple(gone))
        if (
            order
            and order[0] == 0
            and order != tuple(range(len(order)))
            and not gone
            and not added
            and _is_float32(source)
        ):
            made = layers.Permute(list(order[1:]), name=self.names.unique(scope or "permute"))(made)
        elif order != tuple(range(len(order))):
            made = ops.transpose(made, order)
        if added:
            made = ops.expand_dims(made, axis=added)
        self._name(made, scope, [begin])
        self._set(value, _checked(made, value.spec))
        if made is not begin:
            self.result.ops["transpose" if order != tuple(range(len(order))) else "reshape"] += 1

    def _name(self, tensor: Any, scope: str, known: Sequence[Any]) -> None:
        """Name the op that made a tensor, unless it is one of the known ones."""
        if isinstance(tensor, SymbolicTensor) and tensor.history is not None and not any(tensor is t for t in known):
            self.names.give(tensor.history.operation, scope)

    def _set(self, value: Atom, tensor: Any) -> None:
        self.tensors[value] = tensor
        self.sizes.tensors.append((value.spec, tensor))

    def _set_turned(self, value: Value, tensor: Any) -> None:
        self.turned.tensors[value] = tensor
        shape = tuple(value.spec.shape[a] for a in last(len(value.spec.shape)))
        self.sizes.tensors.append((TensorSpec(shape, value.spec.dtype), tensor))

    # ----- atoms -----

    def _tensor(self, atom: Atom) -> Any:
        """Return an atom as Keras' ops take it: a symbolic tensor, or numbers."""
        if atom in self.tensors:
            return self.tensors[atom]
        if atom in self.turned.tensors:
            self._set(atom, ops.transpose(self.turned.tensors[atom], first(len(atom.spec.shape))))
            return self.tensors[atom]
        if isinstance(atom, Literal) and not _is_large(atom.array):
            return _plain(atom.array)
        if atom in self.graph.variables:
            variable = self.graph.variables[atom]
            if variable.array.ndim == 0 or variable.array.dtype.kind not in "f":
                return _plain(variable.array)
            self._set(atom, self._held(atom, variable.array, str(variable.name), bool(variable.trainable)))
            return self.tensors[atom]
        if self._is_constant(atom):
            array = self.graph.array(atom)
            if not _is_large(array):
                return _plain(array)
            self._set(atom, self._held(atom, array, "constant", trainable=False))
            return self.tensors[atom]
        raise NotExactError(f"the value {atom!r} was not computed.")

    def _held(self, atom: Any, array: Any, name: str, trainable: bool) -> Any:
        """Return a learned or large constant: a table of one row, looked up at an index that is zero for all inputs."""
        from graphkit import layers

        if atom in self._holders:
            return self._holders[atom]()
        if self._zero is None:
            source = self.result.inputs[0]
            self._zero = ops.reshape(ops.sum(ops.zeros_like(source, dtype="int32")), (1,))
        name = self.names.unique(name)
        layer = layers.Embedding(1, int(array.size), name=name, dtype=atom.spec.dtype)
        row = layer(self._zero)
        layer.weights[0].adopt(np.require(array.reshape(1, -1), dtypes.to_numpy(atom.spec.dtype), ["C", "W"]))
        layer.trainable = trainable
        self.result.constants.append(name)
        return ops.reshape(row, array.shape)

    # ----- steps -----

    def _call(self, call: LiftedCall) -> None:
        turned = self.turned.of_call(call) if self._turns else None
        call = turned or call
        tensors = [self.turned.get(a) if turned else self._tensor(a) for a in call.inputs]
        if not any(isinstance(t, SymbolicTensor) for t in tensors):
            raise NotExactError("it does not depend on the inputs.")
        dtype = call.outputs[0].spec.dtype
        for spec in call.before:
            tensors[0] = self._made(spec, f"{call.scope}_{_kind(spec)}", dtype)(tensors[0])
        layer = self._layer(call)
        made = call.arguments(layer, tensors) if call.arguments else layer(*tensors)
        self._fill(layer, call)
        for spec in call.after:
            made = self._made(spec, f"{call.scope}_{_kind(spec)}", dtype)(made)
        made = list(made) if isinstance(made, (list, tuple)) else [made]
        for value, tensor in zip(call.outputs, made, strict=True):
            if turned and len(value.spec.shape) == len(call.inputs[0].spec.shape):
                self._set_turned(value, _checked(tensor, _turned_spec(value.spec)))
            else:
                self._set(value, _checked(tensor, value.spec))
        self.result.layers[call.pattern] += 1

    def _layer(self, call: LiftedCall) -> Any:
        """Return a layer; calls with the same weights share one."""
        if all(self._used[v] < 2 for v in self._variables_of(call)):
            return self._made(call.layer, call.scope, call.outputs[0].spec.dtype, main=True)
        key = layer_key(self.graph, call)
        if key not in self._shared:
            self._shared[key] = self._made(call.layer, call.scope, call.outputs[0].spec.dtype, main=True)
        return self._shared[key]

    def _made(self, spec: LayerSpec, scope: str, dtype: str, main: bool = False) -> Any:
        """Return a layer that computes in a dtype; `main` gives it the name of its scope."""
        from graphkit import layers

        if spec.class_name.startswith("ops."):
            function = getattr(ops, spec.class_name.removeprefix("ops."))
            return lambda *tensors: function(*tensors, **spec.config)
        name = self.names.unique(scope or spec.class_name.lower(), main)
        policy = {} if dtype == "float32" else {"dtype": dtype}
        return getattr(layers, spec.class_name)(**spec.config, **policy, name=name)

    def _fill(self, layer: Any, call: LiftedCall) -> None:
        """Check that a layer can take the weights of a call, and note it for `fill`."""
        if not call.weights:
            return
        shapes, given = [tuple(w.shape) for w in layer.weights], [a.shape for a in self._weights(call)]
        if shapes != given:
            raise NotExactError(f"{type(layer).__name__} has weights of shapes {shapes}, not {given}.")
        self._fills.append((layer, call))
        self._freeze(layer, call)

    def _weights(self, call: LiftedCall) -> list[Any]:
        return [np.asarray(w.function(*map(self.graph.array, w.atoms))) for w in call.weights]

    def fill(self, consume: bool) -> None:
        """Set the weights of all layers; with `consume`, release each variable after its last reader."""
        waiting = Counter(v for _, call in self._fills for v in self._variables_of(call))
        read = {a for e in self.program.equations if e.scope in self.result.kept for a in e.inputs}
        kept = {
            v for a, v in self.graph.variables.items() if a in read or a in self._holders or a in self.program.outputs
        }
        for layer, call in self._fills:
            sources = self._variables_of(call)
            waiting.subtract(sources)
            done = {v for v in sources if consume and waiting[v] == 0 and v not in kept}
            in_use = [v.array for v in sources - done]
            for variable, array in zip(layer.weights, self._weights(call), strict=True):
                made = np.require(array, dtypes.to_numpy(variable.dtype), ["C", "W"])
                variable.adopt(made.copy() if any(np.may_share_memory(made, other) for other in in_use) else made)
            self.graph.forget_arrays()
            for source in done:
                source.release()

    def _turned_equation(self, equation: Equation) -> bool:
        """Build an equation on channels-last tensors, if it can be; return whether it can."""
        found = self.turned.of_equation(equation)
        if found is None:
            return False
        tensors, params = found
        (value,) = equation.outputs
        self.sizes.inputs = [
            _turned_spec(a.spec) if len(a.spec.shape) == len(value.spec.shape) else a.spec for a in equation.inputs
        ]
        made = _checked(
            OPS[equation.primitive.name](tensors, params, _turned_spec(value.spec), self.sizes),
            _turned_spec(value.spec),
        )
        self._name(made, equation.scope, tensors)
        self._set_turned(value, made)
        self.result.ops[equation.primitive.name] += 1
        return True

    def _as_layer(self, equation: Equation, tensors: Sequence[Any]) -> bool:
        """Build an equation as a layer, if Keras has one for it; return whether it has."""
        spec = equation.outputs[0].spec
        if not dtypes.is_float(spec.dtype) or not all(isinstance(t, SymbolicTensor) for t in tensors):
            return False
        layer = _layer_of(equation)
        if layer is None:
            return False
        made = self._made(layer, equation.scope, spec.dtype)(tensors[0] if len(tensors) == 1 else list(tensors))
        self._set(equation.outputs[0], _checked(made, spec))
        self.result.layers[layer.class_name] += 1
        return True

    def _freeze(self, layer: Any, call: LiftedCall) -> None:
        """Make weights untrainable that come from variables which training does not change."""
        fixed = [all(not v.trainable for v in self._roots(w)) for w in call.weights]
        mine = [f for f, w in zip(fixed, layer.weights, strict=True) if w.trainable]
        if mine and all(mine):
            layer.trainable = False
        elif any(mine):
            for is_fixed, variable in zip(fixed, layer.weights, strict=True):
                if is_fixed:
                    variable.trainable = False

    def _roots(self, weight: Any) -> list[Any]:
        return [v for a in weight.atoms for v in self.graph.roots(a)]

    def _equation(self, equation: Equation) -> None:
        name = equation.primitive.name
        if name not in OPS:
            raise NotExactError(f"Keras has no op for {name!r}.")
        if self._turns and self._turned_equation(equation):
            return
        tensors = [self._tensor(a) for a in equation.inputs]
        if equation.inputs and not any(isinstance(t, SymbolicTensor) for t in tensors):
            tensors = [np.asarray(t) if isinstance(t, (int, float)) else t for t in tensors]
        if self._as_layer(equation, tensors):
            return
        self.sizes.inputs = [a.spec for a in equation.inputs]
        made = OPS[name](tensors, equation.params, equation.outputs[0].spec, self.sizes)
        made = list(made) if isinstance(made, (list, tuple)) else [made]
        for value, tensor in zip(equation.outputs, made, strict=True):
            checked = _checked(tensor, value.spec)
            self._name(checked, equation.scope, tensors)
            self._set(value, checked)
        self.result.ops[name] += 1


_MERGES = {"add": "Add", "subtract": "Subtract", "multiply": "Multiply", "maximum": "Maximum", "minimum": "Minimum"}


def _reshaping(old: Sequence[Any], new: Sequence[Any]) -> LayerSpec | None:
    """Return the layer that makes a reshape that keeps the batch, or None."""
    free = [n for n in new[1:] if not isinstance(n, int)]
    if len(old) < 2 or not new or old[0] != new[0] or isinstance(new[0], int) or len(free) > 1:
        return None
    if len(new) == 2:
        return LayerSpec("Flatten", {"data_format": "channels_last"})
    return LayerSpec("Reshape", {"target_shape": [n if isinstance(n, int) else -1 for n in new[1:]]})


def _is_alike(a: TensorSpec, b: TensorSpec) -> bool:
    """Return whether two tensors have the same sizes; free ones in the same place are equal in every call."""
    pairs = list(zip(a.shape, b.shape, strict=False))
    return (
        a.dtype == b.dtype
        and len(a.shape) == len(b.shape)
        and all(m == n or (not isinstance(m, int) and not isinstance(n, int)) for m, n in pairs)
    )


def _layer_of(equation: Equation) -> LayerSpec | None:
    """Return the layer that Keras has for an equation whose inputs are all tensors, or None."""
    name, specs = equation.primitive.name, [a.spec for a in equation.inputs]
    rank = len(specs[0].shape) if specs else 0
    if name == "reshape":
        return _reshaping(specs[0].shape, equation.outputs[0].spec.shape)
    if rank < 2 or isinstance(specs[0].shape[0], int):
        return None
    if name in _MERGES and _is_alike(*specs):
        return LayerSpec(_MERGES[name])
    if name == "concatenate" and len(specs) > 1 and equation.params["axis"] % rank != 0:
        return LayerSpec("Concatenate", {"axis": equation.params["axis"]})
    return None


def _is_large(array: Any) -> bool:
    """Whether a constant is kept as a weight that is not trained, rather than in the config of an op."""
    return bool(array.dtype.kind == "f" and array.size > LARGE)


def _plain(array: Any) -> Any:
    """Return numbers as arguments of ops: a Python number for one number, else the array.

    Raises:
        NotExactError: these are strings, which the config of an op cannot hold.
    """
    if array.dtype.kind in "OSUT":
        raise NotExactError("Keras' ops take no constant strings.")
    if array.ndim == 0 and array.dtype.kind in "fib" and array.dtype.itemsize >= 4:
        return array.item()
    return np.asarray(array)


def _checked(tensor: Any, spec: TensorSpec) -> Any:
    """Return a result, cast to the integer dtype that it has in the program.

    Raises:
        NotExactError: it has another shape, or another dtype that is not an integer's.
    """
    if not isinstance(tensor, SymbolicTensor):
        return tensor
    known = [
        (a, b) for a, b in zip(tensor.shape, spec.shape, strict=False) if isinstance(a, int) and isinstance(b, int)
    ]
    if len(tensor.shape) != len(spec.shape) or any(a != b for a, b in known):
        raise NotExactError(f"Keras gives the shape {tensor.shape}; {spec} is expected.")
    if tensor.dtype == spec.dtype:
        return tensor
    if not (dtypes.is_int(tensor.dtype) and dtypes.is_int(spec.dtype)):
        raise NotExactError(f"Keras computes it as {tensor.dtype}; {spec} is expected.")
    return ops.cast(tensor, spec.dtype)


def _turned_spec(spec: TensorSpec) -> TensorSpec:
    return TensorSpec(tuple(spec.shape[a] for a in last(len(spec.shape))), spec.dtype)


def _is_turned(spec: TensorSpec, given: TensorSpec) -> bool:
    """Return whether an input is given channels-last."""
    return 3 <= len(spec.shape) <= 5 and given.shape == _turned_spec(spec).shape and given.shape != spec.shape


def _is_float32(atom: Atom) -> bool:
    return atom.spec.dtype == "float32"


class _View(NamedTuple):
    """A value whose elements are those of another one in the same order or with axes moved.

    Attributes:
        source: the other value.
        axes: for each axis which one of the source it is, or None for a new one of size 1.
    """

    source: Atom
    axes: tuple[int | None, ...]


def _view_of(equation: Equation, views: Mapping[Any, _View]) -> _View | None:
    """Return the view that an equation computes: a transpose, or a reshape that adds or removes axes of size 1; else None."""
    if equation.primitive.name == "transpose":
        return _View(equation.inputs[0], tuple(equation.params["axes"]))
    if equation.primitive.name != "reshape":
        return None
    old, new = equation.inputs[0].spec.shape, equation.outputs[0].spec.shape
    places = [i for i, n in enumerate(old) if n != 1]
    if [old[i] for i in places] != [n for n in new if n != 1]:
        return None
    rest = iter(places)
    return _View(equation.inputs[0], tuple(None if n == 1 else next(rest) for n in new))


def _kind(spec: LayerSpec) -> str:
    return graphkit.core.names.to_snake_case(spec.class_name.rstrip("123D"))


class _Names:
    """Names of layers, made from scopes; each is given once.

    Args:
        scopes: the scopes whose names are kept for their main layers.
    """

    def __init__(self, scopes: Iterable[str]) -> None:
        self._kept = {self._base(scope) for scope in scopes}
        self._given: set[str] = set()

    def _base(self, scope: str) -> str:
        return scope.strip("/").replace("/", ".") or "op"

    def unique(self, scope: str, main: bool = False) -> str:
        """Return a name of a layer for a scope."""
        base = self._base(scope)
        name, number = base, 1
        while name in self._given or (name in self._kept and not main):
            name, number = f"{base}_{number}", number + 1
        self._given.add(name)
        return name

    def give(self, operation: Any, scope: str) -> None:
        """Name the op after its scope."""
        if scope and type(operation).__name__ == "OpNode":
            operation.name = self.unique(scope)
