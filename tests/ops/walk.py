"""What is checked of each row of the table of cases: kernel, shape rule, gradient, program, ONNX.

`CHECKS` is the walk; `test_registry.py` runs it over the table.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any, NamedTuple

import numpy as np
import pytest

import graphkit.ops
from graphkit.converters.onnx import program_to_onnx
from graphkit.converters.onnx.driver import load_lowerings
from graphkit.converters.onnx.registry import LOWERINGS
from graphkit.core import dtypes
from graphkit.core.dims import Dim, size_evaluate
from graphkit.core.errors import ExportError, NotDifferentiableError
from graphkit.ir.gradient import grad, vjp
from graphkit.ir.primitive import PRIMITIVES, Primitive
from graphkit.ir.program import Program
from graphkit.ir.simplify import simplify
from graphkit.ir.spec import TensorSpec
from graphkit.ir.tracing import replay, trace
from tests.converters.onnx.comparing import parity
from tests.ops.case import Case, Composed, Row

STEP = 1e-5  # of the central differences
SECOND_LIMIT = 64  # elements of the inputs of a row whose second derivatives are checked
# Random numbers differ in ONNX by design: tests/converters/onnx/test_random.py compares their distributions.
RANDOM = ("random_uniform", "random_normal", "random_truncated_normal", "dropout_mask")
Applies = Callable[[Case], bool]
load_lowerings()


class Check(NamedTuple):
    """A check of a row: which rows it applies to, and the function that raises AssertionError."""

    name: str
    applies: Applies
    run: Callable[[Case], None]


CHECKS: list[Check] = []


def check(applies: Applies = lambda made: True) -> Callable[[Callable[[Case], None]], Callable[[Case], None]]:
    """Add a function to the walk."""

    def add(run: Callable[[Case], None]) -> Callable[[Case], None]:
        CHECKS.append(Check(run.__name__, applies, run))
        return run

    return add


def walk(made: Case) -> list[str]:
    """Run all checks that apply to a row; return their names."""
    applied = [one for one in CHECKS if one.applies(made)]
    for one in applied:
        one.run(made)
    return [one.name for one in applied]


# ----- the parts of a row -----


def _primitive(made: Case) -> Primitive:
    return PRIMITIVES[made.primitive]


def _float_places(made: Case) -> list[int]:
    return [i for i, a in enumerate(made.arrays()) if a.dtype == np.float64 and i not in made.held]


def _outputs(result: Any) -> list[Any]:
    return list(result) if isinstance(result, (tuple, list)) else [result]


def _evaluate(made: Case, arrays: list[Any]) -> list[Any]:
    return _outputs(_primitive(made).evaluate(arrays, made.params))


def assert_close(found: Any, wanted: Any, rtol: float, atol: float) -> None:
    """Equal within the tolerances, NaN where NaN is wanted."""
    if np.asarray(wanted).dtype == object:  # strings
        assert np.asarray(found).tolist() == np.asarray(wanted).tolist()
        return
    np.testing.assert_allclose(np.asarray(found), np.asarray(wanted), rtol=rtol, atol=atol, equal_nan=True)


def _unknown(spec: TensorSpec) -> TensorSpec:
    """Every size but 1 by name; equal sizes are one name."""
    return TensorSpec(tuple(s if s == 1 else Dim.named(f"n{s}") for s in spec.shape), spec.dtype)


# ----- kernels and abstract rules -----


def _the_abstract_rule_gives_what_the_kernel_gives(made: Case, dtype: str) -> None:
    arrays = made.arrays(dtype)
    inferred = _primitive(made).infer([TensorSpec.of(a) for a in arrays], made.params)
    assert [TensorSpec.of(a) for a in _evaluate(made, arrays)] == list(inferred)


@check()
def the_abstract_rule_gives_what_the_kernel_gives(made: Case) -> None:
    """In float64."""
    _the_abstract_rule_gives_what_the_kernel_gives(made, "float64")


@check()
def the_abstract_rule_gives_what_the_kernel_gives_in_float32(made: Case) -> None:
    """In float32."""
    _the_abstract_rule_gives_what_the_kernel_gives(made, "float32")


@check(lambda made: made.free)
def the_abstract_rule_holds_with_unknown_sizes(made: Case) -> None:
    """Its unknown sizes, evaluated, are the known ones."""
    primitive, specs = _primitive(made), [TensorSpec.of(a) for a in made.arrays()]
    sizes: dict[str, Any] = {f"n{s}": s for spec in specs for s in spec.shape if s != 1}
    found = primitive.infer([_unknown(spec) for spec in specs], made.params)
    evaluated = [TensorSpec(tuple(size_evaluate(s, sizes) for s in spec.shape), spec.dtype) for spec in found]
    assert evaluated == list(primitive.infer(specs, made.params))


@check(lambda made: made.exact)
def float32_agrees_with_float64(made: Case) -> None:
    """The kernel in both."""
    for small, large in zip(_evaluate(made, made.arrays("float32")), _evaluate(made, made.arrays()), strict=True):
        assert_close(small, large, rtol=2e-4, atol=2e-5)


@check(lambda made: _primitive(made).is_composite and _primitive(made).has_kernel)
def the_kernel_of_a_composite_computes_its_decomposition(made: Case) -> None:
    """In float64."""
    decomposition = _primitive(made).decomposition
    assert decomposition is not None
    arrays = made.arrays()
    for kernel, expanded in zip(_evaluate(made, arrays), _outputs(decomposition(*arrays, **made.params)), strict=True):
        assert_close(kernel, expanded, rtol=1e-9, atol=1e-11)


def _strided(x: Any) -> Any:
    """The same numbers as a view with other strides."""
    if x.ndim == 0:
        return x
    padded = np.zeros(tuple(2 * s for s in x.shape), x.dtype)[tuple(slice(None, None, 2) for _ in x.shape)]
    padded[...] = x
    return padded


@check()
def the_kernel_takes_strided_inputs_and_leaves_them_alone(made: Case) -> None:
    """A kernel that wrote into an input would raise."""
    arrays = made.arrays()
    strided = [_strided(a) for a in arrays]
    for a in strided:
        a.flags.writeable = False
    for found, wanted in zip(_evaluate(made, strided), _evaluate(made, arrays), strict=True):
        assert_close(found, wanted, rtol=1e-12, atol=1e-12)


def _inplace_places(made: Case) -> list[int]:
    """The inputs that the kernel may write over, here: the result has the same shape and dtype."""
    specs = [TensorSpec.of(a) for a in made.arrays()]
    results = _primitive(made).infer(specs, made.params)
    return [index for index in _primitive(made).inplace if results == (specs[index],)]


@check(lambda made: bool(_inplace_places(made)))
def an_inplace_kernel_may_write_over_its_input(made: Case) -> None:
    """Over each that it names."""
    primitive = _primitive(made)
    for index in _inplace_places(made):
        arrays = made.arrays()
        (wanted,) = _evaluate(made, arrays)
        specs = [TensorSpec.of(a) for a in arrays]
        scratch = [np.empty(s.shape, dtypes.to_numpy(s.dtype)) for s in primitive.scratch(specs, made.params)]
        with np.errstate(all="ignore"):  # as plans run it
            primitive.thunk(arrays[index], arrays, made.params, scratch)()
        assert_close(arrays[index], wanted, rtol=1e-12, atol=1e-12)


# ----- programs -----


def has_gradient_rule(made: Case) -> bool:
    """Whether there is something to differentiate, and a rule."""
    return _primitive(made).nondiff is None and bool(_float_places(made))


def is_differentiable(made: Case) -> bool:
    """Whether the gradient is that of differences."""
    return made.gradient and has_gradient_rule(made)


def _projected(made: Case, weights: list[Any]) -> Callable[..., Any]:
    """A scalar function of the row's float inputs: the outputs weighed and summed."""
    primitive, arrays = _primitive(made), made.arrays()
    places = _float_places(made)

    def function(*floats: Any) -> Any:
        args: list[Any] = list(arrays)
        for place, x in zip(places, floats, strict=True):
            args[place] = x
        total: Any = np.zeros(())
        for out, weight in zip(_outputs(primitive.bind(*args, **made.params)), weights, strict=True):
            if weight is not None:
                total = graphkit.ops.add(
                    total, graphkit.ops.sum(graphkit.ops.multiply(graphkit.ops.cast(out, "float64"), weight))
                )
        return total

    return function


def _float_inputs(made: Case) -> list[Any]:
    arrays = made.arrays()
    return [arrays[i] for i in _float_places(made)]


def _weights(made: Case) -> list[Any]:
    generator = np.random.Generator(np.random.Philox(11))
    return [
        generator.uniform(0.5, 1.5, o.shape) if dtypes.is_float(dtypes.of_array(o)) else None
        for o in _evaluate(made, made.arrays())
    ]


def _program(made: Case) -> Program:
    return trace(_projected(made, _weights(made)), *(TensorSpec.of(a) for a in _float_inputs(made)))


@check(is_differentiable)
def the_programs_of_value_and_gradient_are_well_formed_and_simplify(made: Case) -> None:
    """And give the same numbers simplified."""
    inputs = _float_inputs(made)
    program = grad(_program(made))
    program.check()
    small = simplify(program)
    small.check()
    for found, wanted in zip(replay(small, inputs), replay(program, inputs), strict=True):
        assert_close(found, wanted, rtol=1e-10, atol=1e-12)


@check(has_gradient_rule)
def the_gradient_of_the_simplified_program_is_that_of_the_program(made: Case) -> None:
    """Or both refuse these params in the same words."""
    inputs, program = _float_inputs(made), _program(made)
    try:
        plain = replay(grad(program), inputs)
    except NotDifferentiableError as error:  # for these params, as the rule says
        with pytest.raises(NotDifferentiableError, match=re.escape(str(error))):
            grad(simplify(program))
        return
    simplified = replay(grad(simplify(program)), inputs)
    for found, wanted in zip(simplified, plain, strict=True):
        assert_close(found, wanted, rtol=1e-10, atol=1e-12)


# ----- gradients -----


def check_gradient(
    function: Callable[..., float], gradients: list[Any], inputs: list[Any], tolerance: float = 2e-6
) -> None:
    """Each gradient against central differences of `function` along a random direction."""
    generator = np.random.Generator(np.random.Philox(5))
    for place, (x, gradient) in enumerate(zip(inputs, gradients, strict=True)):
        direction = generator.uniform(0.5, 1.5, x.shape) * generator.choice([-1.0, 1.0], x.shape)
        above, below = list(inputs), list(inputs)
        above[place], below[place] = x + STEP * direction, x - STEP * direction
        numeric = (function(*above) - function(*below)) / (2 * STEP)
        analytic = float(np.sum(np.asarray(gradient) * direction))
        scale = max(1.0, float(np.sum(np.abs(np.asarray(gradient) * direction))))
        assert abs(analytic - numeric) <= tolerance * scale, (
            f"gradient with respect to float input {place}: {analytic} along a direction, differences say {numeric}"
        )


@check(is_differentiable)
def the_gradient_is_that_of_central_differences(made: Case) -> None:
    """In float64."""
    inputs, weights = _float_inputs(made), _weights(made)
    function = _projected(made, weights)
    _, *gradients = replay(grad(_program(made)), inputs)
    check_gradient(lambda *xs: float(function(*xs)), gradients, inputs)


def _second_program(made: Case) -> Program:
    """The gradient along fixed directions, as a scalar function of the inputs."""
    program = _program(made)

    def function(*xs: Any) -> Any:
        (value,) = replay(program, xs)
        return _along_directions(vjp([value], [np.ones(())], list(xs)), xs)

    return trace(function, *(TensorSpec.of(x) for x in _float_inputs(made)))


def _along_directions(gradients: Sequence[Any], inputs: Sequence[Any]) -> Any:
    generator = np.random.Generator(np.random.Philox(13))
    total: Any = graphkit.ops.multiply(graphkit.ops.sum(inputs[0]), 0.0)
    for gradient, x in zip(gradients, inputs, strict=True):
        direction = generator.uniform(0.5, 1.5, x.shape)
        if gradient is not None:
            total = graphkit.ops.add(total, graphkit.ops.sum(graphkit.ops.multiply(gradient, direction)))
    return total


def _has_second_derivative(made: Case) -> bool:
    is_small = sum(a.size for a in _float_inputs(made)) <= SECOND_LIMIT
    return made.second and is_differentiable(made) and is_small


@check(_has_second_derivative)
def the_second_derivative_is_that_of_central_differences(made: Case) -> None:
    """Of the gradient along a direction."""
    inputs = _float_inputs(made)
    first = _second_program(made)
    _, *gradients = replay(grad(first), inputs)
    check_gradient(lambda *xs: float(replay(first, xs)[0]), gradients, inputs, tolerance=1e-5)


@check(is_differentiable)
def a_gradient_tape_gives_the_gradient_of_the_program(made: Case) -> None:
    """Recorded with numbers, outside of a traced function; and that of the gradient along a direction, with nested tapes."""
    inputs, function = [graphkit.ops.convert_to_tensor(x) for x in _float_inputs(made)], _projected(made, _weights(made))
    _, *wanted = replay(grad(_program(made)), inputs)
    with graphkit.GradientTape() as outer:
        outer.watch(inputs)
        with graphkit.GradientTape() as inner:
            inner.watch(inputs)
            value = function(*(x * 1.0 for x in inputs))
        found = inner.gradient(value, inputs, unconnected_gradients="zero")
        along = _along_directions(found, inputs)
    for one, other in zip(found, wanted, strict=True):
        assert_close(one, other, rtol=1e-9, atol=1e-11)
    if _has_second_derivative(made):
        _, *wanted = replay(grad(_second_program(made)), inputs)
        for one, other in zip(outer.gradient(along, inputs, unconnected_gradients="zero"), wanted, strict=True):
            assert_close(one, other, rtol=1e-9, atol=1e-11)


# ----- ONNX -----


def is_limited(name: str) -> bool:
    """Whether a primitive's lowering is a stated limitation."""
    return name in LOWERINGS and LOWERINGS[name].limitation is not None


def is_compared(made: Case) -> bool:
    """Whether onnxruntime is to give the engine's numbers."""
    return made.primitive not in RANDOM and not is_limited(made.primitive)


def onnx_differences(made: Case, unknown: bool = False, opset: int = 21) -> list[str]:
    """What onnxruntime computes otherwise than the engine; with `unknown`, every size but 1 is unknown while exporting."""
    arrays = made.arrays("float32")
    specs = [_unknown(TensorSpec.of(a)) if unknown else TensorSpec.of(a) for a in arrays]
    return parity(_bound(made, specs), arrays, opset, made.tolerance)


def _bound(made: Case, specs: list[TensorSpec]) -> Program:
    return trace(lambda *xs: _primitive(made).bind(*xs, **made.params), *specs)


@check(is_compared)
def onnxruntime_gives_the_engine_s_numbers(made: Case) -> None:
    """With known sizes."""
    assert onnx_differences(made) == []


@check(lambda made: is_compared(made) and made.free)
def onnxruntime_gives_the_engine_s_numbers_with_unknown_sizes(made: Case) -> None:
    """Which the sizes at hand replace at run time."""
    assert onnx_differences(made, unknown=True) == []


def _squared(made: Case, arrays: list[Any]) -> Callable[..., Any]:
    """The sum of the squared outputs as a function of the row's float inputs."""
    places = _float_places(made)

    def function(*floats: Any) -> Any:
        args: list[Any] = list(arrays)
        for place, x in zip(places, floats, strict=True):
            args[place] = x
        outputs = _outputs(_primitive(made).bind(*args, **made.params))
        squares = [graphkit.ops.sum(graphkit.ops.square(out)) for out in outputs if dtypes.is_float(str(out.dtype))]
        return reduce(graphkit.ops.add, squares)

    return function


@check(lambda made: is_compared(made) and is_differentiable(made))
def onnxruntime_gives_the_engine_s_gradient(made: Case) -> None:
    """In float32, with unknown sizes where the row allows them; ops whose gradient ONNX cannot hold are left out."""
    arrays = made.arrays("float32")
    given = [arrays[place] for place in _float_places(made)]
    specs = [TensorSpec.of(a) for a in given]
    program = grad(trace(_squared(made, arrays), *([_unknown(s) for s in specs] if made.free else specs)))
    if not any(is_limited(name) for name in primitives_of(program)):
        assert parity(program, given, tolerance=made.tolerance) == []


@check(lambda made: is_limited(made.primitive))
def a_stated_limitation_is_raised(made: Case) -> None:
    """Naming the primitive."""
    program = _bound(made, [TensorSpec.of(a) for a in made.arrays("float32")])
    with pytest.raises(ExportError, match=f"{made.primitive!r} cannot be written as ONNX: "):
        program_to_onnx(program)


def composed_in_onnxruntime(row: Composed) -> None:
    """The check of a composed row."""
    assert parity(row.program(), row.inputs(), tolerance=row.tolerance) == []


# ----- what the table covers -----


def primitives_of(program: Program) -> set[str]:
    """The names of the primitives of a program, bodies of loops included."""
    found = {e.primitive.name for e in program.equations}
    for equation in program.equations:
        for param in equation.params.values():
            if isinstance(param, Program):
                found |= primitives_of(param)
    return found


def missing_parts(name: str, rows: list[Row]) -> list[str]:
    """What a primitive lacks: its lowering, its row."""
    parts = []
    if name not in LOWERINGS and not PRIMITIVES[name].is_composite:
        parts.append(f"{name} has no lowering in converters/onnx/lowering, no decomposition, and no stated limitation")
    if not any(isinstance(row, Case) and row.primitive == name for row in rows):
        parts.append(f"{name} has no row in tests/ops/cases_*.py")
    return parts
