"""The recurrent ops: kernels against the loops that they stand for, forward and backward."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

from graphkit import ops
from graphkit.core.errors import InvalidArgumentError, ShapeError
from graphkit.engine import run
from graphkit.ir.gradient import grad
from graphkit.ir.simplify import expand_composites, simplify
from graphkit.ir.spec import TensorSpec, spec
from graphkit.ir.tracing import specialize, trace
from graphkit.ops.recurrent import KNOWN_ACTIVATIONS

RNG = np.random.default_rng(6)
BATCH, STEPS, FEATURES, UNITS = 3, 5, 4, 2
FORWARD = ("lstm", "gru", "simple_rnn")
GATES = {"lstm": 4, "gru": 3, "simple_rnn": 1}


def _arrays(kind: str, reset_after: bool = True) -> list[Any]:
    wide = GATES[kind] * UNITS
    bias = (2, wide) if kind == "gru" and reset_after else (wide,)
    shapes = [(BATCH, STEPS, FEATURES), (FEATURES, wide), (UNITS, wide), bias, (BATCH, UNITS)]
    return [RNG.normal(size=s) * 0.7 for s in (shapes if kind != "lstm" else [*shapes, (BATCH, UNITS)])]


def _apply(kind: str, arrays: Any, **options: Any) -> list[Any]:
    x, kernel, recurrent, bias, *states = arrays
    if kind == "lstm":
        return list(ops.lstm(x, kernel, recurrent, bias, states, **options))
    if kind == "simple_rnn":
        options.pop("recurrent_activation", None)
    return list(getattr(ops, kind)(x, kernel, recurrent, bias, states[0], **options))


def _score(kind: str, **options: Any) -> Any:
    def function(*arrays: Any) -> Any:
        made = _apply(kind, arrays, **options)
        terms = [ops.sum(ops.sin(m * (1 + np.arange(np.prod(m.shape)).reshape(m.shape)))) for m in made]
        return sum(terms[1:], start=terms[0])

    return function


VARIANTS = [
    (kind, {"go_backwards": back, "return_sequences": whole}, masked, reset)
    for kind, back, whole, masked in product(FORWARD, (False, True), (False, True), (False, True))
    for reset in ((False, True) if kind == "gru" else (True,))
]


@pytest.mark.parametrize(("kind", "options", "masked", "reset"), VARIANTS)
@pytest.mark.parametrize(("activation", "gate"), [("tanh", "sigmoid"), ("relu", "hard_sigmoid"), ("linear", "sigmoid")])
def test_kernels_and_loops_agree_forward_and_backward(
    kind: str, options: Any, masked: bool, reset: bool, activation: str, gate: str
) -> None:
    options = {
        **options,
        "activation": activation,
        "recurrent_activation": gate,
        "mask": RNG.uniform(size=(BATCH, STEPS)) > 0.4 if masked else None,
    }
    if kind == "gru":
        options["reset_after"] = reset
    arrays = _arrays(kind, reset)
    program = trace(_score(kind, **options), *map(TensorSpec.of, arrays))
    expanded = expand_composites(program, keep=lambda p: p.name not in FORWARD)

    for mine, wanted in zip(run(grad(program), *arrays), run(grad(expanded), *arrays), strict=True):
        np.testing.assert_allclose(mine, wanted, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("kind", FORWARD)
def test_the_backward_kernels_compute_their_loops(kind: str) -> None:
    arrays = _arrays(kind)
    program = grad(trace(_score(kind, return_sequences=True), *map(TensorSpec.of, arrays)))
    loops = expand_composites(program, keep=lambda p: p.name not in {*FORWARD, *(f"{k}_grad" for k in FORWARD)})

    assert f"{kind}_grad" in {e.primitive.name for e in program.equations}
    for mine, wanted in zip(run(program, *arrays), run(loops, *arrays), strict=True):
        np.testing.assert_allclose(mine, wanted, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("kind", FORWARD)
@pytest.mark.parametrize("activation", KNOWN_ACTIVATIONS)
def test_every_known_activation_has_a_kernel_like_its_formula(kind: str, activation: str) -> None:
    arrays = [0.3 * a for a in _arrays(kind)]  # linear gates let a state grow without bound
    options = {"activation": activation, "recurrent_activation": activation}
    program = trace(_score(kind, **options), *map(TensorSpec.of, arrays))
    expanded = expand_composites(program, keep=lambda p: p.name not in FORWARD)

    np.testing.assert_allclose(run(program, *arrays), run(expanded, *arrays), rtol=1e-9)


@pytest.mark.parametrize("kind", FORWARD)
def test_a_masked_step_keeps_the_state(kind: str) -> None:
    arrays = _arrays(kind)
    mask = np.ones((BATCH, STEPS), bool)
    mask[:, 3:] = False
    shorter = [arrays[0][:, :3], *arrays[1:]]

    for mine, wanted in zip(_apply(kind, arrays, mask=mask), _apply(kind, shorter), strict=True):
        np.testing.assert_allclose(mine, wanted)


@pytest.mark.parametrize("kind", FORWARD)
def test_batch_and_time_may_be_unknown(kind: str) -> None:
    arrays = _arrays(kind)
    specs = [TensorSpec.of(a) for a in arrays]
    specs[0] = spec("batch", "time", FEATURES, dtype="float64")
    specs[4:] = [spec("batch", UNITS, dtype="float64") for _ in specs[4:]]
    program = trace(lambda *a: _apply(kind, a, return_sequences=True), *specs)
    program.check()

    for mine, wanted in zip(
        run(specialize(program, [TensorSpec.of(a) for a in arrays]), *arrays),
        _apply(kind, arrays, return_sequences=True),
        strict=True,
    ):
        np.testing.assert_allclose(mine, wanted)


def test_no_reserve_is_kept_without_a_gradient() -> None:
    arrays = _arrays("lstm")
    program = trace(_score("lstm"), *map(TensorSpec.of, arrays))

    assert [e.params["reserve"] for e in program.equations if e.primitive.name == "lstm"] == [False]
    assert [e.params["reserve"] for e in grad(program).equations if e.primitive.name == "lstm"] == [True]


def test_the_inputs_get_a_gradient_only_where_it_is_wanted() -> None:
    arrays = _arrays("lstm")
    program = trace(_score("lstm"), *map(TensorSpec.of, arrays))
    matmuls = [
        sum(e.primitive.name == "matmul" for e in simplify(grad(program, wrt)).equations) for wrt in ([1], [0, 1])
    ]

    assert matmuls[1] == matmuls[0] + 1


def test_gradients_that_fade_over_time_do_not_become_subnormal() -> None:
    x = RNG.normal(size=(2, 400, 3)).astype("float32")
    kernel, recurrent = (RNG.normal(size=s).astype("float32") * 0.1 for s in ((3, 16), (4, 16)))
    program = grad(
        trace(lambda *a: ops.sum(ops.lstm(*a, np.zeros(16, "float32"))[0]), *map(TensorSpec.of, (x, kernel, recurrent)))
    )

    dx = np.abs(run(program, x, kernel, recurrent)[1])
    assert np.count_nonzero((dx > 0) & (dx < np.finfo("float32").tiny)) < dx.size // 100


def test_half_precision_is_computed_in_single_and_given_back() -> None:
    arrays = _arrays("gru")
    halves = [a.astype("float16") for a in arrays]
    y, h = _apply("gru", halves)

    assert y.dtype == h.dtype == np.float16
    np.testing.assert_allclose(y.astype("float64"), _apply("gru", arrays)[0], atol=5e-3)


def test_an_unknown_activation_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="must be one of tanh, sigmoid"):
        _apply("lstm", _arrays("lstm"), activation="gelu")


def test_a_kernel_of_the_wrong_shape_is_refused() -> None:
    x, kernel, *rest = _arrays("lstm")
    with pytest.raises(ShapeError, match=r"kernel must be \(4, 8\)"):
        _apply("lstm", [x, kernel[:, :6], *rest])
