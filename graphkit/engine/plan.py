"""Compile a program for its shapes: assign buffers, create views and bind kernels once, so that a step is a list of calls."""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import perf_counter
from typing import Any

import numpy as np

from graphkit.core.errors import ShapeError, ShapeOfValuesError
from graphkit.core.threads import single_blas
from graphkit.engine.memory import Array, Pool, last_readers, may_overwrite, values_of
from graphkit.ir.primitive import empty
from graphkit.ir.program import Atom, Equation, Literal, Program, Value
from graphkit.ir.simplify import expand_composites, simplify

Thunk = Callable[[], Any]


class Plan:
    """A compiled program. Call it with arrays of the program's input specs; it returns new arrays.

    Variables are read and written in their own arrays. The buffers are shared, so calls from several threads are serialized.

    Attributes:
        inputs: the input buffers, which `step()` reads.
        outputs: the output buffers, valid until the next call.
        workspace_bytes: the memory for the plan's intermediate values.
    """

    def __init__(
        self,
        program: Program,
        thunks: list[Thunk],
        labels: list[str],
        inputs: list[Array],
        outputs: list[Array],
        workspace_bytes: int,
    ) -> None:
        self.program = program
        self._labels = labels
        self.inputs = inputs
        self.outputs = outputs
        self.workspace_bytes = workspace_bytes
        self._thunks = thunks
        self._variables = [s.variable for s in program.state if s.after is not None]
        self._bound = [(s.variable, s.variable.array) for s in program.state]
        self._lock = threading.Lock()

    def step(self) -> None:
        """Compute once from the input buffers into the output buffers and the variables."""
        with np.errstate(all="ignore"), single_blas():
            for thunk in self._thunks:
                thunk()
        for variable in self._variables:
            variable.version += 1

    def profile(self, steps: int = 10) -> list[tuple[str, int, float]]:
        """Run `steps` steps and return rows of (primitive, calls per step, milliseconds per step), slowest first."""
        spent: dict[str, list[float]] = {}
        with np.errstate(all="ignore"), single_blas():
            for _ in range(steps):
                for label, thunk in zip(self._labels, self._thunks, strict=True):
                    start = perf_counter()
                    thunk()
                    spent.setdefault(label, []).append(perf_counter() - start)
        rows = [(label, len(times) // steps, 1e3 * sum(times) / steps) for label, times in spent.items()]
        return sorted(rows, key=lambda row: -row[2])

    def __call__(self, *arrays: Any) -> list[Array]:
        """Compute the outputs for these inputs, as new arrays."""
        with self._lock:
            self.load(arrays)
            self.step()
            return [out.copy() for out in self.outputs]

    def load(self, arrays: Any) -> None:
        """Copy arrays into the input buffers, cast to their dtypes.

        Raises:
            ShapeError: If an array does not have the shape of its buffer.
            ValueError: If there are more or fewer arrays than inputs.
        """
        for number, (buffer, array) in enumerate(zip(self.inputs, arrays, strict=True)):
            if np.shape(array) != buffer.shape:
                raise ShapeError(
                    f"Input {number} of the compiled program has shape {buffer.shape}, got {np.shape(array)}."
                )
            np.copyto(buffer, array, casting="unsafe")

    @property
    def is_current(self) -> bool:
        """Whether the variables still have the arrays that they had when the plan was compiled."""
        return all(variable.array is array for variable, array in self._bound)


def compile_program(program: Program) -> Plan:
    """Compile a program whose sizes are all known.

    Raises:
        ShapeError: If the size of an input or of an intermediate value is unknown.
    """
    expanded = expand_composites(simplify(program, last=True), keep=lambda p: p.has_kernel)
    return _Compiler(simplify(expanded, last=True)).plan()


def run(program: Program, *arrays: Any) -> list[Array]:
    """Compile a program, run it once on `arrays` and return its outputs."""
    return compile_program(program)(*arrays)


class _Compiler:
    """Walks the equations once: creates views, takes and frees buffers, binds kernels."""

    def __init__(self, program: Program) -> None:
        for value in program.inputs:
            if not value.spec.is_static:
                raise ShapeError(
                    f"The engine compiles for known sizes; an input has spec {value.spec}. Call `specialize` first."
                )
        for equation in program.equations:
            if not all(v.spec.is_static for v in equation.outputs):
                raise ShapeOfValuesError(
                    f"The output shape {equation.outputs[0].spec} of {equation.primitive.name!r} in layer {equation.scope!r} depends "
                    "on values that are not known when the program is compiled. Give the layer a fixed size (such as "
                    "TextVectorization's `output_sequence_length`), or apply it to the data before they reach the model."
                )
        self.program = program
        self.pool = Pool()
        self.arrays: dict[Value, Array] = {}
        self.blocks: dict[Value, Array] = {}  # root value -> the block it owns
        self.roots: dict[Value, Value] = {}  # view -> the value whose memory it aliases
        self.thunks: list[Thunk] = []
        self.labels: list[str] = []
        self.targets = self._update_targets()

    def _update_targets(self) -> dict[Value, tuple[Array, Value]]:
        """Map the new value of each variable to (the variable's own array, its old value)."""
        targets: dict[Value, tuple[Array, Value]] = {}
        for entry in self.program.state:
            after = entry.after
            if isinstance(after, Value) and after not in targets and after is not entry.before:
                targets[after] = (entry.variable.array, entry.before)
        return targets

    def plan(self) -> Plan:
        """Compile all equations and return the plan."""
        for value in self.program.inputs:
            self.arrays[value] = empty(value.spec)
        for entry in self.program.state:
            self.arrays[entry.before] = entry.variable.array
        self._find_views()
        self.last = last_readers(self.program, self.roots)
        for index, equation in enumerate(self.program.equations):
            self._compile(index, equation)
        outputs = [self._at(o) for o in self.program.outputs]
        self._finish_updates(outputs)
        inputs = [self.arrays[v] for v in self.program.inputs]
        self.labels += ["copy"] * (len(self.thunks) - len(self.labels))
        return Plan(self.program, self.thunks, self.labels, inputs, outputs, self.pool.allocated)

    def _at(self, atom: Atom) -> Array:
        return atom.array if isinstance(atom, Literal) else self.arrays[atom]

    def _find_views(self) -> None:
        """Record which outputs may alias their input (whether they do depends on strides, which are known later)."""
        for equation in self.program.equations:
            source = equation.inputs[0] if equation.inputs else None
            if equation.primitive.view is not None and isinstance(source, Value):
                self.roots[equation.outputs[0]] = self.roots.get(source, source)

    def _compile(self, index: int, equation: Equation) -> None:
        if not self._compile_view(equation):
            self._compile_kernel(index, equation)
        for value in {self.roots.get(v, v) for v in (*values_of(equation.inputs), *equation.outputs)}:
            if self.last.get(value) == index and value in self.blocks:
                self.pool.give(self.blocks.pop(value))

    def _compile_view(self, equation: Equation) -> bool:
        if equation.primitive.view is None:
            return False
        seen = equation.primitive.view(self._at(equation.inputs[0]), **equation.params)
        if seen is not None:
            self.arrays[equation.outputs[0]] = seen
        return seen is not None

    def _compile_kernel(self, index: int, equation: Equation) -> None:
        arrays = [self._at(a) for a in equation.inputs]
        specs = [a.spec for a in equation.inputs]
        scratch = [self.pool.take(s) for s in equation.primitive.scratch(specs, equation.params)]
        outs = self._in_place(index, equation) or [self._allocate(v) for v in equation.outputs]
        out = outs[0] if len(outs) == 1 and not self._is_tuple(equation) else tuple(outs)
        self.thunks.append(equation.primitive.thunk(out, arrays, equation.params, [a for a, _ in scratch]))
        self.labels.append(equation.primitive.name)
        for _, block in scratch:
            self.pool.give(block)

    def _is_tuple(self, equation: Equation) -> bool:
        if len(equation.outputs) > 1:
            return True
        raw = equation.primitive.infer_raw([a.spec for a in equation.inputs], equation.params)
        return isinstance(raw, tuple)

    def _allocate(self, value: Value) -> Array:
        """Take a buffer for the output of a kernel; a presumed view that turns out to be a copy gets its own lifetime."""
        root = self.roots.pop(value, None)
        if root is not None:
            self._renew_lifetimes()
        array, block = self.pool.take(value.spec)
        self.arrays[value] = array
        self.blocks[value] = block
        return array

    def _renew_lifetimes(self) -> None:
        """Recompute roots and lifetimes after a presumed view turned out to be a copy: its views alias the copy."""
        roots: dict[Value, Value] = {}
        for equation in self.program.equations:
            made = equation.outputs[0]
            source = equation.inputs[0] if equation.inputs else None
            if made in self.roots and isinstance(source, Value):
                roots[made] = roots.get(source, source)
        self.roots = roots
        self.last = last_readers(self.program, roots)

    def _in_place(self, index: int, equation: Equation) -> list[Array] | None:
        """Reuse for the output the variable that it updates, or an input that is read here for the last time."""
        if len(equation.outputs) != 1:
            return None
        value = equation.outputs[0]
        if value in self.roots:
            return None
        return self._into_variable(index, equation, value) or self._over_input(index, equation, value)

    def _into_variable(self, index: int, equation: Equation, value: Value) -> list[Array] | None:
        if value not in self.targets:
            return None
        array, before = self.targets[value]
        reads_before = [
            i for i, a in enumerate(equation.inputs) if isinstance(a, Value) and self.roots.get(a, a) is before
        ]
        alone = all(equation.inputs[i] is before and i in equation.primitive.inplace for i in reads_before)
        if not alone or self.last.get(before, -1) > index or self._shown_elsewhere(before):
            return None
        del self.targets[value]
        self.arrays[value] = array
        return [array]

    def _shown_elsewhere(self, before: Value) -> bool:
        return any(self.roots.get(v, v) is before for v in values_of(self.program.results()))

    def _over_input(self, index: int, equation: Equation, value: Value) -> list[Array] | None:
        for position in equation.primitive.inplace:
            source = equation.inputs[position] if position < len(equation.inputs) else None
            if not isinstance(source, Value) or not may_overwrite(equation, position):
                continue
            others = [a for i, a in enumerate(equation.inputs) if i != position]
            if any(isinstance(a, Value) and self.roots.get(a, a) is source for a in others):
                continue
            if self.last.get(source) == index and source in self.blocks:
                self.arrays[value] = self.arrays[source]
                self.blocks[value] = self.blocks.pop(source)
                return [self.arrays[value]]
        return None

    def _finish_updates(self, outputs: list[Array]) -> None:
        """Append the copies into variables whose new value could not be written in place, after all reads."""
        late: list[tuple[Array, Array]] = []
        for entry in self.program.state:
            if entry.after is None:
                continue
            made = self._at(entry.after)
            if made is not entry.variable.array:
                late.append((entry.variable.array, made))
        own = [array for array, _ in late]
        for position, out in enumerate(outputs):
            if any(np.may_share_memory(out, array) for array in own):  # an output that aliases a variable's old value
                kept = np.empty_like(out)
                self.thunks.append(_copier(kept, out))
                outputs[position] = kept
        sources = [self._safe_source(made, own) for _, made in late]
        self.thunks.extend(_copier(array, made) for (array, _), made in zip(late, sources, strict=True))

    def _safe_source(self, made: Array, own: list[Array]) -> Array:
        if not any(np.may_share_memory(made, array) for array in own):
            return made
        kept = np.empty_like(made)
        self.thunks.append(_copier(kept, made))
        return kept


def _copier(target: Array, source: Array) -> Thunk:
    def copy() -> None:
        np.copyto(target, source)

    return copy
