"""What the finder finds: calls of Keras' layers, with their weights as functions of a program's variables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from graphkit.core.errors import GraphKitError
from graphkit.ir.matching import Match, Pattern, ProgramGraph
from graphkit.ir.program import Atom, Equation, Literal, Program, Value

Array: TypeAlias = "np.ndarray[Any, Any]"
# Primitives that only move the elements of a weight; those of one weight may be added (the two biases of a recurrence).
LAYOUT = frozenset({"transpose", "reshape", "slice", "concatenate", "identity", "broadcast_to"})


class NotExactError(ValueError):
    """No layer or op computes exactly the same; the message gives the reason. It ends up in a report, never with the user."""


LARGE = 4096  # elements of a constant that is kept as a weight which is not trained, rather than in the config of an op

# What building a layer may raise for arguments that Keras' layers and ops do not accept.
REFUSALS = (GraphKitError, ValueError, TypeError, LookupError, ArithmeticError)


@dataclass(frozen=True)
class WeightFunction:
    """One weight of a layer, computed from values of the program.

    Attributes:
        atoms: values that depend on variables and literals alone.
        function: computes the weight from their arrays; by default the only atom's array is the weight.
        only_moves: whether the function only moves elements.
    """

    atoms: tuple[Atom, ...]
    function: Callable[..., Array] = lambda array: array
    only_moves: bool = True


@dataclass(frozen=True)
class LayerSpec:
    """A Keras layer: its class and config.

    Attributes:
        class_name: the class, of `graphkit.layers`.
        config: the constructor's arguments, without the name.
    """

    class_name: str
    config: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class LiftedCall:
    """The call of a Keras layer that computes what some equations compute.

    Attributes:
        pattern: the name of the pattern.
        layer: the layer that has the weights, or does the work.
        weights: its weights, in the order of `layer.weights`.
        inputs: the values that it reads.
        outputs: the values that it computes.
        equations: the equations that it replaces.
        before: layers without weights that the first input passes first.
        after: layers without weights that the output passes last.
        views: values that are inputs of the call only: another value, and for each axis which one of it the axis is.
        arguments: calls the layer: `(layer, tensors) -> the outputs`; by default `layer(*tensors)`.
    """

    pattern: str
    layer: LayerSpec
    weights: tuple[WeightFunction, ...]
    inputs: tuple[Atom, ...]
    outputs: tuple[Value, ...]
    equations: tuple[Equation, ...]
    before: tuple[LayerSpec, ...] = ()
    after: tuple[LayerSpec, ...] = ()
    views: Mapping[Value, tuple[Atom, tuple[int | None, ...]]] = field(default_factory=dict)
    arguments: Callable[[Any, Sequence[Any]], Any] | None = None

    @property
    def scope(self) -> str:
        """The scope of the equation that the layer is named after: the first with weights of its own, or the last."""
        return main_scope(self.equations)


def main_scope(equations: Sequence[Equation]) -> str:
    """Return the scope of the heaviest equation: a product or convolution if there is one, else the last."""
    heavy = [e for e in equations if e.primitive.name in _HEAVY]
    return (heavy or equations)[-1].scope


_HEAVY = frozenset(
    {"conv", "conv_input_grad", "matmul", "einsum", "take", "lstm", "gru", "simple_rnn", "batch_normalization",
     "layer_normalization", "max_pool", "average_pool"}
)  # fmt: skip


@dataclass(frozen=True)
class Recipe:
    """A pattern, and what it is lifted to.

    Attributes:
        pattern: the pattern.
        make: returns the call for a match.
    """

    pattern: Pattern
    make: Callable[[Match], LiftedCall]


class LiftGraph(ProgramGraph):
    """A program for the matcher; variables of one element count as numbers too.

    Args:
        program: the program.
    """

    def __init__(self, program: Program) -> None:
        super().__init__(program)
        self.variables = {s.before: s.variable for s in program.state}
        self._arrays: dict[Any, Array] = {}

    def number(self, value: Any) -> Any | None:
        """Return the array of a literal, or of a variable of one element, or None."""
        if isinstance(value, Literal):
            return value.array
        variable = self.variables.get(value)
        return variable.array if variable is not None and variable.array.size == 1 else None

    def array(self, atom: Atom) -> Array:
        """Return the numbers of a weight: a value that depends on variables and literals alone."""
        if isinstance(atom, Literal):
            return atom.array
        if atom in self.variables:
            return self.variables[atom].array
        if atom not in self._arrays:
            for equation in self._cone([atom]):
                if any(v not in self._arrays for v in equation.outputs):
                    made = equation.primitive.evaluate([self.array(a) for a in equation.inputs], equation.params)
                    made = made if isinstance(made, tuple) else (made,)
                    self._arrays.update(zip(equation.outputs, made, strict=True))
        return self._arrays[atom]

    def forget_arrays(self) -> None:
        """Give up the weights that `array` computed."""
        self._arrays.clear()

    def _cone(self, atoms: Iterable[Atom]) -> list[Equation]:
        """Return the equations that compute these values, in order."""
        wanted, found = list(atoms), set()
        while wanted:
            equation = self.producer(wanted.pop())
            if equation is not None and equation not in found:
                found.add(equation)
                wanted += equation.inputs
        return [e for e in self.program.equations if e in found] if found else []

    def roots(self, atom: Atom) -> list[Any]:
        """Return the variables that a weight depends on."""
        if atom in self.variables:
            return [self.variables[atom]]
        read = [a for e in self._cone([atom]) for a in e.inputs if a in self.variables]
        return [self.variables[a] for a in dict.fromkeys(read)]

    def computed_by(self, atom: Atom) -> str | None:
        """Return the name of an operation that changes the numbers of a weight, or None if it is only laid out anew."""
        if not self.roots(atom):
            return None  # constants alone
        for equation in self._cone([atom]):
            name = equation.primitive.name
            if name == "cast" and equation.inputs[0].spec.dtype == equation.params["dtype"]:
                continue
            if name == "add" and len(equation.outputs[0].spec.shape) == 1:
                continue
            if name == "take" and isinstance(equation.inputs[1], Literal):
                continue
            if name not in LAYOUT:
                return name
        return None

    def places(self, weight: WeightFunction) -> list[Array] | None:
        """Return where the elements of a weight come from.

        Returns:
            Arrays of the numbers of elements, which are counted over all variables; -1 is a constant. Several arrays are added up.
            None if the elements are more than moved and added.
        """
        if not weight.only_moves or len(weight.atoms) != 1:
            return None
        found = self._moved(weight.atoms[0])
        return None if found is None else [np.asarray(weight.function(array)) for array in found]

    def numbers(self, variable: Any) -> range:
        """Return the numbers of a variable's elements."""
        start = 0
        for known in self.variables.values():
            if known is variable:
                return range(start, start + known.array.size)
            start += known.array.size
        raise KeyError(variable)

    def _moved(self, atom: Atom) -> list[Array] | None:
        made: dict[Any, list[Array]] = {}
        for equation in self._cone([atom]):
            given = [made[a] if a in made else [self._numbered(a)] for a in equation.inputs]
            name = equation.primitive.name
            if name == "add":
                made[equation.outputs[0]] = [array for arrays in given for array in arrays]
            elif name in ("cast", "take"):
                index = self.number(equation.inputs[1]) if name == "take" else None
                if name == "take" and index is None:
                    return None
                made[equation.outputs[0]] = [
                    a if index is None else np.take(a, index, axis=equation.params["axis"]) for a in given[0]
                ]
            elif name in LAYOUT and len({len(arrays) for arrays in given}) == 1:
                made[equation.outputs[0]] = [
                    equation.primitive.evaluate(arrays, equation.params) for arrays in zip(*given, strict=True)
                ]
            else:
                return None
        return made.get(atom, [self._numbered(atom)] if atom not in made else None)

    def _numbered(self, atom: Atom) -> Array:
        if atom in self.variables:
            numbers = self.numbers(self.variables[atom])
            kind = np.int32 if numbers.stop <= np.iinfo(np.int32).max else np.int64  # half the memory
            return np.arange(numbers.start, numbers.stop, dtype=kind).reshape(atom.spec.shape)
        return np.full(atom.spec.shape, -1, np.int64)

    def is_zero(self, atom: Atom) -> bool:
        """Return whether a value is all zeros, whatever its size."""
        while isinstance(atom, Value):
            equation = self.producer(atom)
            if equation is None or equation.primitive.name not in LAYOUT or len(equation.inputs) != 1:
                return False
            atom = equation.inputs[0]
        return not atom.array.any()
