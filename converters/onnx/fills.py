"""Tensors with one value everywhere, and whole numbers in order: computed at export, or written by one node.

Graphs for Keras cannot name an unknown size. They contain sums over tensors of zeros and ones in its place, such as a range as the
cumulative sum of ones. Here these become constants, sizes and ranges again.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy as np

from graphkit.core import dtypes
from graphkit.core.dims import Dim, Shape, Size, is_static, product
from graphkit.ir.primitive import PRIMITIVES
from graphkit.ir.program import Atom, Equation, Literal, Program, State, Value
from graphkit.ir.simplify import simplify
from graphkit.ir.tracing import params_unknown

from .layout import is_pointwise

Scalar: TypeAlias = "np.ndarray[Any, Any]"  # without axes
_MOVES = frozenset(["reshape", "transpose", "slice", "broadcast_to"])
LIMIT = 1 << 16  # bytes: larger constants are written by a node


def without_fills(program: Program) -> Program:
    """Return the program with filled tensors as constants, and ranges as such."""
    if not any(e.primitive.name in ("broadcast_to", "cumsum", "arange") for e in program.equations):
        return program
    run = _Fills()
    equations = [e for equation in program.equations for e in run.rewritten(equation)]
    state = [State(s.variable, s.before, None if s.after is None else run.settled(s.after)) for s in program.state]
    outputs = [run.settled(o) for o in program.outputs]
    return simplify(Program(program.inputs, state, equations, outputs), last=True) if run.changed else program


class Places(NamedTuple):
    """Whole numbers that grow evenly along the axes of a tensor: first + sum(step * index)."""

    first: Size
    steps: tuple[int, ...]

    def times(self, factor: int) -> Places:
        """Return the numbers times a factor."""
        return Places(self.first * factor, tuple(step * factor for step in self.steps))

    def plus(self, other: Places) -> Places:
        """Return the sum with numbers of the same rank."""
        return Places(self.first + other.first, tuple(a + b for a, b in zip(self.steps, other.steps, strict=True)))

    def broadcast(self, shape: Shape, rank: int) -> Places:
        """Return the numbers with leading axes added; along axes of size 1 they do not grow."""
        steps = tuple(0 if size == 1 else step for size, step in zip(shape, self.steps, strict=True))
        return Places(self.first, ((0,) * (rank - len(steps))) + steps)


def _reshaped(places: Places | None, old: Shape, new: Shape) -> Places | None:
    """Return places after a reshape that only adds or removes axes of size 1."""
    if places is None or [s for s in old if s != 1] != [s for s in new if s != 1]:
        return None
    steps = iter(step for size, step in zip(old, places.steps, strict=True) if size != 1)
    return Places(places.first, tuple(0 if size == 1 else next(steps) for size in new))


class _Fills:
    """What is known of the values so far."""

    def __init__(self) -> None:
        self.fills: dict[Value, Scalar] = {}
        self.places: dict[Value, Places] = {}
        self.replaced: dict[Value, Atom] = {}
        self.changed = False

    def settled(self, atom: Atom) -> Atom:
        """Return what replaces an atom."""
        return self.replaced.get(atom, atom) if isinstance(atom, Value) else atom

    def fill(self, atom: Atom) -> Scalar | None:
        """Return the value that every element has, or None."""
        if isinstance(atom, Value):
            return self.fills.get(atom)
        array = atom.array
        if array.dtype.hasobject or not array.size or (array.size > 1 and (array != array.flat[0]).any()):
            return None
        return np.asarray(array.flat[0])

    def rewritten(self, original: Equation) -> list[Equation]:
        """Return the equations in place of one."""
        inputs = tuple(self.settled(a) for a in original.inputs)
        equation = Equation(original.primitive, inputs, original.params, original.outputs, original.scope)
        if len(equation.outputs) != 1:
            return [equation]
        out = equation.outputs[0]
        same = self._same(equation)
        if same is not None:
            self.replaced[out] = same
            self.changed = True
            return []
        if equation.primitive.name == "take":
            moved = self._in_order(equation)
            self.changed |= moved is not None
            return [moved or equation]
        value = self._filled(equation)
        if value is not None:
            return self._written(equation, value)
        places = self._places(equation) if out.spec.dtype in ("int32", "int64") else None
        if places is None:
            return [equation]
        self.places[out] = places
        if out.spec.rank != 1 or places.steps != (1,) or equation.primitive.name == "arange":
            return [equation]
        self.changed = True
        return [_range(equation, places.first)]

    def _written(self, equation: Equation, value: Scalar) -> list[Equation]:
        """Return the equations for a filled tensor: none for a constant, else one that broadcasts the value."""
        out = equation.outputs[0]
        self.fills[out] = value
        literal = Literal(np.asarray(value, dtypes.to_numpy(out.spec.dtype)))
        if is_static(out.spec.shape):
            shape = [int(s) for s in out.spec.shape if isinstance(s, int)]
            if int(np.prod(shape, dtype=np.int64)) * literal.array.itemsize <= LIMIT:
                self.replaced[out] = Literal(np.full(shape, literal.array))
                self.changed = True
                return []
        if equation.primitive.name == "broadcast_to" and isinstance(equation.inputs[0], Literal):
            return [equation]
        self.changed = True
        params = {"shape": out.spec.shape}
        return [Equation(PRIMITIVES["broadcast_to"], (literal,), params, (out,), equation.scope)]

    def _filled(self, equation: Equation) -> Scalar | None:
        """Return the value that the result has everywhere, if it does."""
        name, fills = equation.primitive.name, [self.fill(a) for a in equation.inputs]
        if not fills:
            return None
        if name in _MOVES:
            return fills[0]
        if name == "concatenate":
            return fills[0] if all(f is not None and f == fills[0] for f in fills) else None
        if name == "reduce_sum":
            return fills[0] if fills[0] is not None and fills[0] == 0 else None
        if is_pointwise(equation) and all(f is not None for f in fills) and not params_unknown(equation.params):
            made = equation.primitive.evaluate(
                [_as(f, a) for f, a in zip(fills, equation.inputs, strict=True)], equation.params
            )
            return np.asarray(made)
        return self._known_sign(equation)

    def _known_sign(self, equation: Equation) -> Scalar | None:
        """Return False for places that are compared with a number that none of them is below."""
        if equation.primitive.name != "less" or len(equation.inputs) != 2:
            return None
        places, limit = self.places_of(equation.inputs[0]), self.fill(equation.inputs[1])
        if places is None or limit is None or not all(isinstance(n, int) and n >= 0 for n in places.steps):
            return None
        return np.asarray(False) if isinstance(places.first, int) and places.first >= limit else None

    def places_of(self, atom: Atom) -> Places | None:
        """Return how the whole numbers of an atom grow along its axes, or None."""
        if isinstance(atom, Value):
            return self.places.get(atom)
        array = atom.array
        if array.dtype not in (np.int32, np.int64) or not array.size or array.size * array.itemsize > LIMIT:
            return None
        corner = (0,) * array.ndim
        first = int(array[corner])
        steps = [
            int(array[tuple(int(a == axis) for a in range(array.ndim))]) - first if size > 1 else 0
            for axis, size in enumerate(array.shape)
        ]
        grid = first + sum((s * i for s, i in zip(steps, np.indices(array.shape), strict=True)), np.zeros((), np.int64))
        return Places(first, tuple(steps)) if np.array_equal(array, grid) else None

    def _places(self, equation: Equation) -> Places | None:
        """Return how the result grows along its axes, if it does so evenly."""
        name, out = equation.primitive.name, equation.outputs[0].spec
        if name == "arange":
            start, step = equation.params["start"], equation.params["step"]
            return Places(start, (step,)) if isinstance(start, (int, Dim)) and isinstance(step, int) else None
        if name == "cumsum":
            one = self.fill(equation.inputs[0])
            plain = out.rank == 1 and not equation.params["exclusive"] and not equation.params["reverse"]
            return Places(1, (1,)) if plain and one is not None and one == 1 else None
        known = [self.places_of(a) for a in equation.inputs]
        if name in ("cast", "identity"):
            return known[0]
        if name == "reshape":
            return _reshaped(known[0], equation.inputs[0].spec.shape, out.shape)
        if name in ("add", "subtract", "multiply"):
            return self._combined(equation, known)
        return None

    def _combined(self, equation: Equation, known: list[Places | None]) -> Places | None:
        """Return the places of a sum, a difference, or a product with a number."""
        rank = equation.outputs[0].spec.rank
        numbers = [self.fill(a) for a in equation.inputs]
        parts = [
            Places(int(n), (0,) * rank) if n is not None else None if p is None else p.broadcast(a.spec.shape, rank)
            for n, p, a in zip(numbers, known, equation.inputs, strict=True)
        ]
        x, y = parts
        if x is None or y is None:
            return None
        if equation.primitive.name == "multiply":
            x, factor = (x, numbers[1]) if numbers[1] is not None else (y, numbers[0])
            return None if factor is None else x.times(int(factor))
        return x.plus(y if equation.primitive.name == "add" else y.times(-1))

    def _same(self, equation: Equation) -> Atom | None:
        """Return the input that is the result, if there is one."""
        name, out = equation.primitive.name, equation.outputs[0].spec
        if name == "select":
            condition = self.fill(equation.inputs[0])
            chosen = None if condition is None else equation.inputs[1 if bool(condition) else 2]
            return chosen if chosen is not None and chosen.spec == out else None
        if name == "add" and dtypes.is_int(out.dtype):
            for x, zero in (equation.inputs, equation.inputs[::-1]):
                number = self.fill(zero)
                if number is not None and number == 0 and x.spec == out:
                    return x
        if name == "take" and equation.inputs[0].spec == out:
            x, places = equation.inputs
            return x if self._is_whole(x, places, equation.params["axis"]) else None
        return None

    def _is_whole(self, x: Atom, places: Atom, axis: int) -> bool:
        """Return whether places are all of an axis, in order."""
        found, size = self.places_of(places), x.spec.shape[axis]
        if found is None or found.first != 0 or places.spec.shape != (size,):
            return False
        return size == 1 or found.steps == (1,)

    def _in_order(self, equation: Equation) -> Equation | None:
        """Return a reshape in place of a lookup that takes all elements of a vector in order."""
        x, places = equation.inputs[0].spec, equation.inputs[1].spec
        found = self.places_of(equation.inputs[1])
        if x.rank != 1 or found is None or found.first != 0 or product(places.shape) != x.shape[0]:
            return None
        wanted = [product(places.shape[axis + 1 :]) for axis in range(places.rank)]
        if any(size != 1 and step != want for size, step, want in zip(places.shape, found.steps, wanted, strict=True)):
            return None
        params = {"shape": places.shape}
        return Equation(PRIMITIVES["reshape"], equation.inputs[:1], params, equation.outputs, equation.scope)


def _as(value: Scalar | None, atom: Atom) -> Any:
    return np.asarray(value, dtypes.to_numpy(atom.spec.dtype))


def _range(equation: Equation, first: Size) -> Equation:
    out = equation.outputs[0]
    (count,) = out.spec.shape
    params = {"start": first, "stop": first + count, "step": 1, "dtype": out.spec.dtype}
    return Equation(PRIMITIVES["arange"], (), params, (out,), equation.scope)
