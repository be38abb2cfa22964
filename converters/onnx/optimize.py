"""What `optimize=` does to a program before it is written: normalizations and constants are folded into weights.

Both change weights, so a file that they changed is written without the layers' config.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from math import prod
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from graphkit.core import dtypes
from graphkit.core.errors import InvalidArgumentError
from graphkit.core.registry import did_you_mean
from graphkit.ir.primitive import PRIMITIVES
from graphkit.ir.program import Atom, Equation, Literal, Program, State, Value
from graphkit.ir.simplify import simplify
from graphkit.ir.spec import TensorSpec
from graphkit.ir.tracing import params_unknown
from graphkit.ir.variable import Variable

Array: TypeAlias = "np.ndarray[Any, Any]"
CONSTANT_LIMIT = (
    1 << 20
)  # bytes: larger constants are folded only if they are no larger than what they are computed from


def chosen(optimize: bool | str | Iterable[str] | None) -> tuple[str, ...]:
    """Return the names of the optimizations that an argument `optimize` selects.

    Args:
        optimize: True for all, False or None for none, or names of `OPTIMIZATIONS`.

    Raises:
        InvalidArgumentError: an unknown name.
    """
    if optimize is None or isinstance(optimize, bool):
        return tuple(OPTIMIZATIONS) if optimize else ()
    names = (optimize,) if isinstance(optimize, str) else tuple(optimize)
    for name in names:
        if name not in OPTIMIZATIONS:
            raise InvalidArgumentError(
                f"optimize expects True, False, or names among {', '.join(OPTIMIZATIONS)}, got {name!r}."
                f"{did_you_mean(str(name), OPTIMIZATIONS)}"
            )
    return tuple(name for name in OPTIMIZATIONS if name in names)


def optimized(program: Program, names: Iterable[str]) -> tuple[Program, bool]:
    """Apply optimizations; return the program, and whether its weights are still those of the layers.

    Args:
        program: what is exported.
        names: of `OPTIMIZATIONS`.
    """
    before = program = simplify(program, last=True)
    for name in names:
        program = OPTIMIZATIONS[name](program)
    return program, program is before


class _Rewrite:
    """A program under construction, and what is known of its values."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.state = list(program.state)
        self.equations: list[Equation] = []
        self.known: dict[Value, Variable] = {s.before: s.variable for s in program.state if s.after is None}
        self.makers: dict[Value, Equation] = {}
        self.reads = Counter(a for e in program.equations for a in e.inputs if isinstance(a, Value))
        self.reads.update(a for a in program.results() if isinstance(a, Value))
        self.replaced: dict[Value, Atom] = {}

    def settled(self, equation: Equation) -> Equation:
        """Return the equation with replaced inputs."""
        inputs = tuple(self.replaced.get(a, a) if isinstance(a, Value) else a for a in equation.inputs)
        return Equation(equation.primitive, inputs, equation.params, equation.outputs, equation.scope)

    def add(self, equation: Equation) -> None:
        """Add an equation."""
        self.equations.append(equation)
        self.makers.update(dict.fromkeys(equation.outputs, equation))

    def array(self, atom: Atom) -> Array | None:
        """Return the numbers of a literal, or of a weight that the program does not change, also in another shape; else None."""
        if isinstance(atom, Literal):
            return atom.array
        maker = self.makers.get(atom)
        if maker is not None and maker.primitive.name in _FREE:
            array = self.array(maker.inputs[0])
            return None if array is None else np.asarray(maker.primitive.evaluate([array], maker.params))
        variable = self.known.get(atom)
        return None if variable is None else variable.array

    def path(self, atom: Atom | None, otherwise: str) -> str:
        """Return the path of the weight that an atom is, possibly in another shape, or another name."""
        maker = self.makers.get(atom) if isinstance(atom, Value) else None
        if maker is not None and maker.primitive.name in _FREE:
            return self.path(maker.inputs[0], otherwise)
        variable = self.known.get(atom) if isinstance(atom, Value) else None
        return otherwise if variable is None else variable.path

    def weight(self, array: Array, path: str) -> Value:
        """Add a weight of these numbers."""
        variable = Variable(array, dtype=dtypes.of_array(array), trainable=False, name=path.rsplit("/", 1)[-1])
        variable.path = path
        value = Value(TensorSpec.of(array), path)
        self.state.append(State(variable, value, None))
        self.known[value] = variable
        return value

    def only_maker(self, atom: Atom) -> Equation | None:
        """Return the equation that computes a value which nothing else reads."""
        maker = self.makers.get(atom) if isinstance(atom, Value) else None
        return maker if maker is not None and len(maker.outputs) == 1 and self.reads[maker.outputs[0]] == 1 else None

    def result(self) -> Program:
        """Return the new program."""
        settle = self.replaced
        state = [
            s if not isinstance(s.after, Value) else State(s.variable, s.before, settle.get(s.after, s.after))
            for s in self.state
        ]
        outputs = [settle.get(o, o) if isinstance(o, Value) else o for o in self.program.outputs]
        return simplify(Program(self.program.inputs, state, self.equations, outputs), last=True)


# ----- normalizations -----


class _Product(NamedTuple):
    """A product with weights: the equation, where its channels are, and how a factor for each channel scales its weights."""

    equation: Equation
    axis: int
    scaled: Callable[[Array, Array], Array]


def _convolution(equation: Equation, kernel: Array) -> _Product:
    axis = 1 if equation.params["data_format"] == "channels_first" else equation.outputs[0].spec.rank - 1
    return _Product(equation, axis, lambda k, factor: k * factor)


def _transposed_convolution(equation: Equation, kernel: Array) -> _Product:
    """A kernel (*window, channels / groups, filters), whose filters are those of the input, in groups."""
    axis = 1 if equation.params["data_format"] == "channels_first" else equation.outputs[0].spec.rank - 1
    groups = equation.params["groups"]

    def scaled(k: Array, factor: Array) -> Array:
        made: Array = k * np.repeat(factor.reshape(groups, -1).T, k.shape[-1] // groups, axis=1)
        return made

    return _Product(equation, axis, scaled)


def _matrix_product(equation: Equation, kernel: Array) -> _Product | None:
    if kernel.ndim != 2:
        return None
    return _Product(equation, equation.outputs[0].spec.rank - 1, lambda k, factor: k * factor)


_PRODUCTS: dict[str, Callable[[Equation, Array], _Product | None]] = {
    "conv": _convolution,
    "conv_input_grad": _transposed_convolution,
    "matmul": _matrix_product,
}


def fold_batch_normalization(program: Program) -> Program:
    """Fold each BatchNormalization of inference into the weights of the product before it: Conv, ConvTranspose, Dense.

    Source: Jacob et al. 2017 (arXiv:1712.05877), section 3.2.
    """
    run = _Rewrite(program)
    changed = False
    for original in program.equations:
        equation = run.settled(original)
        made = _folded_normalization(run, equation) if equation.primitive.name == "batch_normalization" else None
        changed |= made is not None
        if made is None:
            run.add(equation)
        else:
            run.replaced[equation.outputs[0]] = made
    return run.result() if changed else program


def _folded_normalization(run: _Rewrite, equation: Equation) -> Value | None:
    """Return the value of the product with the normalization's factor and offset in its weights, or None."""
    x = equation.inputs[0]
    vectors = [run.array(a) for a in equation.inputs[1:]]
    if any(v is None for v in vectors):
        return None
    mean, variance, scale, offset = (np.asarray(v, np.float64) for v in vectors)
    product, bias = _product_and_bias(run, x, equation.params["axis"])
    if product is None:
        return None
    kernel = product.equation.inputs[1]
    numbers = run.array(kernel)
    assert numbers is not None
    shift = np.zeros_like(mean) if bias is None else np.asarray(run.array(bias), np.float64).reshape(-1)
    factor = scale / np.sqrt(variance + equation.params["epsilon"])
    folded = product.scaled(numbers.astype(np.float64), factor).astype(numbers.dtype)
    moved = ((shift - mean) * factor + offset).astype(numbers.dtype)
    if not (np.isfinite(folded).all() and np.isfinite(moved).all()):
        return None
    scope = product.equation.scope
    new_kernel = run.weight(folded, run.path(kernel, f"{scope}/kernel"))
    new_bias = run.weight(moved, run.path(bias, f"{scope}/bias"))
    return _written(run, product, new_kernel, new_bias)


def _product_and_bias(run: _Rewrite, x: Atom, axis: int) -> tuple[_Product | None, Atom | None]:
    """Return the product that computes `x`, up to a bias over the channels, and the bias."""
    maker = run.only_maker(x)
    bias: Atom | None = None
    if maker is not None and maker.primitive.name == "add":
        maker, bias = _without_bias(run, maker, axis)
    rule = _PRODUCTS.get(maker.primitive.name) if maker is not None else None
    if maker is None or rule is None:
        return None, None
    kernel = run.array(maker.inputs[1])
    product = None if kernel is None else rule(maker, kernel)
    if product is None or product.axis != axis:
        return None, None
    if maker.primitive.name == "conv" and len(maker.inputs) == 3:
        if bias is not None or run.array(maker.inputs[2]) is None:
            return None, None
        bias = maker.inputs[2]
    return product, bias


def _without_bias(run: _Rewrite, addition: Equation, axis: int) -> tuple[Equation | None, Atom | None]:
    """Return what computes the sum without the vector over the channels, and the vector."""
    shape = addition.outputs[0].spec.shape
    for x, bias in (addition.inputs, addition.inputs[::-1]):
        sizes = (1,) * (len(shape) - bias.spec.rank) + bias.spec.shape
        if run.array(bias) is not None and sizes == tuple(s if a == axis else 1 for a, s in enumerate(shape)):
            return run.only_maker(x), bias
    return None, None


def _written(run: _Rewrite, product: _Product, kernel: Value, bias: Value) -> Value:
    old = product.equation
    spec = old.outputs[0].spec
    made = Value(spec, old.outputs[0].name)
    if old.primitive.name == "conv":
        run.add(Equation(old.primitive, (old.inputs[0], kernel, bias), old.params, (made,), old.scope))
    else:
        plain = Value(spec)
        run.add(Equation(old.primitive, (old.inputs[0], kernel, *old.inputs[2:]), old.params, (plain,), old.scope))
        vector: Atom = bias
        after = spec.rank - 1 - product.axis
        if after:
            shape = (*bias.spec.shape, *[1] * after)
            vector = Value(TensorSpec(shape, spec.dtype))
            run.add(Equation(PRIMITIVES["reshape"], (bias,), {"shape": shape}, (vector,), old.scope))
        run.add(Equation(PRIMITIVES["add"], (plain, vector), {}, (made,), old.scope))
    run.reads[made] += 1
    return made


# ----- constants -----

# These are computed at export without `optimize`, as a layout of the weight, or cost nothing.
_FREE = frozenset(["reshape", "transpose", "identity", "stop_gradient"])


def fold_constants(program: Program) -> Program:
    """Compute what depends on constants and weights alone, if the result is small or no larger than what it is made of."""
    run = _Rewrite(program)
    changed = False
    for original in program.equations:
        equation = run.settled(original)
        arrays = [run.array(a) for a in equation.inputs]
        if not arrays or any(a is None for a in arrays) or not _may_fold(equation, arrays):
            run.add(equation)
            continue
        result = equation.primitive.evaluate(arrays, equation.params)
        results = result if isinstance(result, (tuple, list)) else [result]
        path = _path_of_constant(run, equation)
        for value, array in zip(equation.outputs, results, strict=True):
            run.replaced[value] = run.weight(np.ascontiguousarray(array).reshape(np.shape(array)), path)
        changed = True
    return run.result() if changed else program


def _may_fold(equation: Equation, arrays: list[Any]) -> bool:
    specs = [v.spec for v in equation.outputs]
    if equation.primitive.name in _FREE or params_unknown(equation.params) or not all(s.is_static for s in specs):
        return False
    if any(isinstance(p, Program) for p in equation.params.values()) or any(s.dtype == "string" for s in specs):
        return False
    if "random" in equation.primitive.name or equation.primitive.name == "dropout_mask":
        return False
    sizes = [prod(n for n in s.shape if isinstance(n, int)) * dtypes.to_numpy(s.dtype).itemsize for s in specs]
    limit: int = max(CONSTANT_LIMIT, sum(a.nbytes for a in arrays))
    return sum(sizes) <= limit


def _path_of_constant(run: _Rewrite, equation: Equation) -> str:
    """Return the path of the only weight that a constant is made of, or a name in the layer."""
    paths = {run.path(a, "") for a in equation.inputs} - {""}
    return paths.pop() if len(paths) == 1 else f"{equation.scope}/{equation.primitive.name}".lstrip("/")


OPTIMIZATIONS: Mapping[str, Callable[[Program], Program]] = {
    "batch_normalization": fold_batch_normalization,
    "constants": fold_constants,
}
"""The optimizations by name, in the order in which they are applied."""
