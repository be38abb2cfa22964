"""The registry walk: every primitive has cases, and in each of them its parts agree with each other."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphkit.ops
from graphkit.core import dtypes
from graphkit.core.dims import Dim, size_evaluate
from graphkit.core.errors import NotDifferentiableError
from graphkit.ir.gradient import grad, vjp
from graphkit.ir.primitive import PRIMITIVES, Primitive
from graphkit.ir.program import Program
from graphkit.ir.simplify import simplify
from graphkit.ir.spec import TensorSpec
from graphkit.ir.tracing import replay, trace
from tests.ops.case import Case
from tests.ops.cases import CASES, case_id

STEP = 1e-5  # of the central differences
SECOND_LIMIT = 64  # elements of the inputs of a case whose second derivatives are checked

every = pytest.mark.parametrize("made", CASES, ids=case_id)


def _primitive(made: Case) -> Primitive:
    return PRIMITIVES[made.primitive]


def _is_differentiable(made: Case) -> bool:
    return made.gradient and _primitive(made).nondiff is None and bool(_float_places(made))


def _float_places(made: Case) -> list[int]:
    return [i for i, a in enumerate(made.arrays()) if a.dtype == np.float64 and i not in made.held]


DIFFERENTIABLE = [made for made in CASES if _is_differentiable(made)]
differentiable = pytest.mark.parametrize("made", DIFFERENTIABLE, ids=case_id)


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


# ----- completeness -----


def test_every_primitive_has_a_case() -> None:
    assert sorted(set(PRIMITIVES) - {made.primitive for made in CASES}) == []


def test_every_case_names_a_primitive() -> None:
    assert sorted({made.primitive for made in CASES} - set(PRIMITIVES)) == []


# ----- kernels and abstract rules -----


@every
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_abstract_rule_says_what_the_kernel_gives(made: Case, dtype: str) -> None:
    arrays = made.arrays(dtype)
    inferred = _primitive(made).infer([TensorSpec.of(a) for a in arrays], made.params)
    assert [TensorSpec.of(a) for a in _evaluate(made, arrays)] == list(inferred)


@pytest.mark.parametrize("made", [m for m in CASES if m.free], ids=case_id)
def test_the_abstract_rule_holds_with_unknown_sizes(made: Case) -> None:
    primitive, specs = _primitive(made), [TensorSpec.of(a) for a in made.arrays()]
    sizes: dict[str, Any] = {f"n{s}": s for spec in specs for s in spec.shape if s != 1}
    unknown = [TensorSpec(tuple(s if s == 1 else Dim.named(f"n{s}") for s in spec.shape), spec.dtype) for spec in specs]
    found = primitive.infer(unknown, made.params)
    evaluated = [TensorSpec(tuple(size_evaluate(s, sizes) for s in spec.shape), spec.dtype) for spec in found]
    assert evaluated == list(primitive.infer(specs, made.params))


@pytest.mark.parametrize("made", [m for m in CASES if m.exact], ids=case_id)
def test_float32_agrees_with_float64(made: Case) -> None:
    for small, large in zip(_evaluate(made, made.arrays("float32")), _evaluate(made, made.arrays()), strict=True):
        assert_close(small, large, rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize(
    "made", [m for m in CASES if _primitive(m).is_composite and _primitive(m).has_kernel], ids=case_id
)
def test_the_kernel_of_a_composite_computes_its_decomposition(made: Case) -> None:
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


@every
def test_the_kernel_takes_strided_inputs_and_leaves_them_alone(made: Case) -> None:
    arrays = made.arrays()
    strided = [_strided(a) for a in arrays]
    for a in strided:
        a.flags.writeable = False  # a kernel that wrote into an input would raise
    for found, wanted in zip(_evaluate(made, strided), _evaluate(made, arrays), strict=True):
        assert_close(found, wanted, rtol=1e-12, atol=1e-12)


def _inplace_cases() -> list[Any]:
    return [
        pytest.param(made, index, id=f"{case_id(made)}-input{index}")
        for made in CASES
        for index in _primitive(made).inplace
        if _primitive(made).infer([TensorSpec.of(a) for a in made.arrays()], made.params)
        == (TensorSpec.of(made.arrays()[index]),)
    ]


@pytest.mark.parametrize(("made", "index"), _inplace_cases())
def test_an_inplace_kernel_may_write_over_its_input(made: Case, index: int) -> None:
    primitive, arrays = _primitive(made), made.arrays()
    (wanted,) = _evaluate(made, arrays)
    specs = [TensorSpec.of(a) for a in arrays]
    scratch = [np.empty(s.shape, dtypes.to_numpy(s.dtype)) for s in primitive.scratch(specs, made.params)]
    primitive.thunk(arrays[index], arrays, made.params, scratch)()
    assert_close(arrays[index], wanted, rtol=1e-12, atol=1e-12)


# ----- programs -----


def _projected(made: Case, weights: list[Any]) -> Callable[..., Any]:
    """A scalar function of the case's float inputs: the outputs weighed and summed."""
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


@differentiable
def test_the_programs_of_value_and_gradient_are_well_formed_and_simplify(made: Case) -> None:
    inputs = _float_inputs(made)
    program = grad(_program(made))
    program.check()
    small = simplify(program)
    small.check()
    for found, wanted in zip(replay(small, inputs), replay(program, inputs), strict=True):
        assert_close(found, wanted, rtol=1e-10, atol=1e-12)


def _has_gradient_rule(made: Case) -> bool:
    return _primitive(made).nondiff is None and bool(_float_places(made))


@pytest.mark.parametrize("made", [m for m in CASES if _has_gradient_rule(m)], ids=case_id)
def test_the_gradient_of_the_simplified_program_is_that_of_the_program(made: Case) -> None:
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


@differentiable
def test_the_gradient_is_that_of_central_differences(made: Case) -> None:
    inputs, weights = _float_inputs(made), _weights(made)
    function = _projected(made, weights)
    _, *gradients = replay(grad(_program(made)), inputs)
    check_gradient(lambda *xs: float(function(*xs)), gradients, inputs)


def _second_program(made: Case) -> Program:
    """The gradient along fixed directions, as a scalar function of the inputs."""
    program = _program(made)
    generator = np.random.Generator(np.random.Philox(13))
    inputs = _float_inputs(made)
    directions = [generator.uniform(0.5, 1.5, x.shape) for x in inputs]

    def function(*xs: Any) -> Any:
        (value,) = replay(program, xs)
        found = vjp([value], [np.ones(())], list(xs))
        total: Any = graphkit.ops.multiply(graphkit.ops.sum(xs[0]), 0.0)
        for gradient, direction in zip(found, directions, strict=True):
            if gradient is not None:
                total = graphkit.ops.add(total, graphkit.ops.sum(graphkit.ops.multiply(gradient, direction)))
        return total

    return trace(function, *(TensorSpec.of(x) for x in inputs))


SECOND = [made for made in DIFFERENTIABLE if made.second and sum(a.size for a in _float_inputs(made)) <= SECOND_LIMIT]


@pytest.mark.parametrize("made", SECOND, ids=case_id)
def test_the_second_derivative_is_that_of_central_differences(made: Case) -> None:
    inputs = _float_inputs(made)
    first = _second_program(made)
    _, *gradients = replay(grad(first), inputs)
    check_gradient(lambda *xs: float(replay(first, xs)[0]), gradients, inputs, tolerance=1e-5)


def test_a_gradient_that_is_off_by_a_twentieth_of_a_percent_is_found() -> None:
    x = np.linspace(-2, 2, 12)

    def function(y: Any) -> float:
        return float(np.sum(np.tanh(y)))

    exact = 1 - np.tanh(x) ** 2
    check_gradient(function, [exact], [x])
    with pytest.raises(AssertionError, match="differences say"):
        check_gradient(function, [exact * 1.0005], [x])
