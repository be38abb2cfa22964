"""Ops that take a size from `ops.shape(x)[i]`: of arrays, of traced tensors with free axes, of symbolic tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphkit
from graphkit import layers, ops, random
from graphkit.core.errors import GraphKitError, UnknownSizeError
from graphkit.engine import run
from graphkit.ir.spec import TensorSpec, spec
from graphkit.ir.tracing import specialize, trace
from tests.converters.onnx.comparing import parity


def _n(x: Any) -> Any:
    return ops.shape(x)[1]


def _row(x: Any) -> Any:
    return ops.cast(x[:, :, 0], "int32") * 0


# of x (batch, n, 3), n free
FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "arange": lambda x: ops.arange(_n(x)),
    "arange from 0": lambda x: ops.arange(0, _n(x), 2),
    "arange from n": lambda x: ops.arange(_n(x), 2 * _n(x)),
    "zeros": lambda x: ops.zeros((ops.shape(x)[0], _n(x))),
    "ones": lambda x: ops.ones((_n(x),)),
    "full": lambda x: ops.full((_n(x), 3), 2.0),
    "empty": lambda x: ops.empty(ops.shape(x)),
    "broadcast_to": lambda x: ops.broadcast_to(np.ones((1, 1, 3), "float32"), ops.shape(x)),
    "repeat": lambda x: ops.repeat(x[:, :1], _n(x), axis=1),
    "tile": lambda x: ops.tile(x[:, :1], (1, _n(x), 1)),
    "linspace": lambda x: ops.linspace(0.0, 1.0, _n(x)),
    "linspace without its end": lambda x: ops.linspace(1.0, 3.0, _n(x), endpoint=False),
    "logspace": lambda x: ops.logspace(0.0, 1.0, _n(x)),
    "eye": lambda x: ops.eye(_n(x)),
    "identity": lambda x: ops.identity(_n(x)),
    "tri": lambda x: ops.tri(_n(x), 5, k=1),
    "one_hot": lambda x: ops.one_hot(_row(x), _n(x)),
    "pad": lambda x: ops.pad(x, ((0, 0), (0, _n(x)), (0, 0))),
    "slice": lambda x: ops.slice(x, (0, 0, 0), (ops.shape(x)[0], _n(x), 2)),
    "slice of half": lambda x: x[:, _n(x) // 2 :],
    "all but the last": lambda x: x[:, : _n(x) - 1],
    "the last": lambda x: x[:, _n(x) - 1],
    "roll": lambda x: ops.roll(x, _n(x) - 1, axis=1),
    "segment_sum": lambda x: ops.segment_sum(x[0], _row(x)[0], num_segments=_n(x)),
    "segment_max": lambda x: ops.segment_max(x[0], _row(x)[0], num_segments=_n(x)),
    "unravel_index": lambda x: ops.unravel_index(_row(x)[0], (_n(x), 3))[0],
    "reshape": lambda x: ops.reshape(x, (ops.shape(x)[0], _n(x) * 3)),
    "random": lambda x: random.uniform(ops.shape(x), seed=1) * 0.0,
    "meshgrid": lambda x: ops.meshgrid(ops.arange(_n(x)), ops.arange(3))[0],
    "fori_loop": lambda x: ops.fori_loop(0, _n(x), lambda i, a: a + 1, x[:, 0]),
    "scan": lambda x: ops.scan(lambda c, _: (c + 1, None), x[:, 0], length=_n(x))[0],
    "size": lambda x: x / ops.cast(ops.size(x), "float32"),
    "number": lambda x: x * ops.cast(_n(x), "float32"),
}


def _data(n: int) -> Any:
    return np.arange(2 * n * 3, dtype="float32").reshape(2, n, 3)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_traced_size_is_the_size_of_the_data(name: str) -> None:
    program = trace(FUNCTIONS[name], spec("batch", "n", 3))

    for n in (2, 5):
        made = run(specialize(program, [TensorSpec.of(_data(n))]), _data(n))[0]
        np.testing.assert_allclose(made, FUNCTIONS[name](_data(n)), rtol=1e-6)


@pytest.mark.parametrize("name", [name for name in FUNCTIONS if name != "random"])
def test_onnx_computes_the_size_from_the_data(name: str) -> None:
    program = trace(FUNCTIONS[name], spec("batch", "n", 3))

    for n in (2, 5):
        assert parity(program, [_data(n)]) == []


NONE = [
    "arange", "arange from 0", "zeros", "ones", "full", "empty", "broadcast_to", "repeat", "tile", "linspace", "logspace", "eye",
    "identity", "tri", "one_hot", "slice", "unravel_index", "random", "meshgrid",
]  # fmt: skip


@pytest.mark.parametrize("name", NONE)
def test_a_size_that_a_symbolic_tensor_does_not_know_is_refused(name: str) -> None:
    with pytest.raises(UnknownSizeError, match="must be a known number, got None") as caught:
        FUNCTIONS[name](layers.Input((None, 3)))

    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, TypeError)  # Keras raises one or the other


OTHERS = set(FUNCTIONS) - {
    *NONE,
    "size",
    "segment_sum",
    "segment_max",
}  # segments: None means the number follows from the ids


@pytest.mark.parametrize("name", sorted(OTHERS))
def test_no_function_of_an_unknown_size_gives_another_tensor(name: str) -> None:
    with pytest.raises(
        (GraphKitError, TypeError), match=r"None|know the number"
    ):  # Python's own arithmetic refuses None too
        FUNCTIONS[name](layers.Input((None, 3)))


def test_the_number_of_elements_of_a_symbolic_tensor_is_symbolic() -> None:
    x = layers.Input((None, 3))
    model = graphkit.Model(x, x / ops.cast(ops.size(x), "float32"))

    for n in (1, 4):
        np.testing.assert_allclose(model(_data(n)), _data(n) / (6 * n), rtol=1e-6)
        np.testing.assert_allclose(model.predict(_data(n), verbose=0), _data(n) / (6 * n), rtol=1e-6)


@pytest.mark.parametrize("name", ["arange", "eye", "linspace", "tile", "the last", "roll"])
def test_a_lambda_has_the_sizes_of_its_data(name: str) -> None:
    x = layers.Input((None, 3))
    function = FUNCTIONS[name]
    model = graphkit.Model(x, layers.Lambda(lambda x: ops.sum(ops.cast(function(x), "float32")) + 0 * x)(x))

    for n in (2, 5):
        wanted = np.sum(np.asarray(function(_data(n)), "float32")) + 0 * _data(n)
        np.testing.assert_allclose(model(_data(n)), wanted, rtol=1e-6)
        np.testing.assert_allclose(model.predict(_data(n), verbose=0), wanted, rtol=1e-6)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: ops.top_k(x[:, :, 0], _n(x)),
        lambda x: ops.diag(x[0, 0], k=_n(x)),
        lambda x: ops.hamming(_n(x)),
        lambda x: ops.bincount(_row(x), minlength=_n(x)),
        lambda x: ops.split(x, _n(x), axis=1),
        lambda x: x[:, :: _n(x)],
        lambda x: [x[:, i] for i in range(_n(x))],
        lambda x: x[:, : min(_n(x), 2)],
    ],
)
def test_a_free_size_where_a_number_is_needed_is_refused(function: Callable[[Any], Any]) -> None:
    with pytest.raises(UnknownSizeError, match="free axis"):
        trace(function, spec("batch", "n", 3))


def test_sizes_that_are_no_integers_are_refused() -> None:
    with pytest.raises(GraphKitError, match="must be an integer"):
        ops.zeros((2, 1.5))
    with pytest.raises(GraphKitError, match="must be an integer"):
        ops.eye("3")
