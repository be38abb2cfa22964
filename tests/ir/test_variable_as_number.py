"""A variable can be used like a number or an array: comparisons, Python's number types, NumPy's functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from graphkit import KerasTensor, Variable, ops
from graphkit.core.errors import InvalidTypeError
from graphkit.engine import run
from graphkit.ir.spec import spec
from graphkit.ir.tracing import trace


def _variable(*numbers: float) -> Variable:
    return Variable(np.array(numbers, np.float32))


# ----- comparisons -----


def test_a_variable_is_compared_element_by_element() -> None:
    v = _variable(1.0, 2.0)
    assert (v == 1).tolist() == [True, False]
    assert (v != 1).tolist() == [False, True]
    assert v.__eq__(1).tolist() == [True, False]
    assert (np.array([1.0, 3.0]) == v).tolist() == [True, False]
    assert bool(Variable(3, dtype="int32") == 3)


@pytest.mark.parametrize("other", [None, "zeros", int, {}], ids=str)
def test_a_variable_equals_nothing_that_is_no_tensor(other: Any) -> None:
    v = _variable(1.0, 2.0)
    assert (v == other) is False
    assert (v != other) is True


def test_variables_are_keys_by_identity() -> None:
    a, b = _variable(1.0), _variable(1.0)
    held = {a: "a", b: "b"}
    assert (held[a], held[b], len({a, b, a})) == ("a", "b", 2)


def test_a_traced_tensor_is_compared_element_by_element_too() -> None:
    x = np.array([0.0, 2.0, 0.0], np.float32)
    for function in (lambda t: ops.where(t == 0, 7.0, t), lambda t: ops.where(t != 0, t, 7.0)):
        assert run(trace(function, spec(3)), x)[0].tolist() == [7, 2, 7]


def test_a_symbolic_tensor_is_equal_to_itself_alone_as_in_keras() -> None:
    x = KerasTensor((2,))
    assert ((x == x), (x == 1)) == (True, False)
    assert tuple((x != 1).shape) == (2,)


# ----- bitwise operators: a traced tensor does what the array does -----

BITS: dict[str, Callable[[Any], Any]] = {
    "and": lambda x: x & 6,
    "or": lambda x: x | 1,
    "xor": lambda x: x ^ 3,
    "not": lambda x: ~x,
    "left": lambda x: x << 2,
    "right": lambda x: x >> 1,
    "divmod": lambda x: divmod(x, 3)[1],
    "reversed and": lambda x: 6 & x,
}


@pytest.mark.parametrize("name", BITS)
def test_bit_operators_trace_to_what_they_compute_on_arrays(name: str) -> None:
    x = np.array([-5, 0, 3, 6], np.int32)
    assert run(trace(BITS[name], spec(4, dtype="int32")), x)[0].tolist() == BITS[name](x).tolist()


def test_bit_operators_on_flags_are_logical() -> None:
    x = np.array([True, False])
    assert run(trace(lambda t: (t & True) | ~t, spec(2, dtype="bool")), x)[0].tolist() == [True, True]


def test_the_complement_of_an_integer_variable_is_that_of_its_bits() -> None:
    assert (~Variable(3, dtype="int32")) == -4
    assert (~Variable([True, False], dtype="bool")).tolist() == [False, True]


# ----- numbers -----


def test_a_variable_without_axes_is_a_number() -> None:
    v = Variable(3, dtype="int32")
    assert (int(v), float(v), complex(v)) == (3, 3.0, 3 + 0j)
    assert round(_variable(1.26, 2.5), 1).tolist() == [np.float32(1.3), 2.5]


@pytest.mark.parametrize("kind", [int, float, complex])
def test_a_variable_with_axes_is_no_number(kind: Callable[[Any], Any]) -> None:
    with pytest.raises(
        InvalidTypeError, match=r"Only a variable without axes is a number; variable '.*' has shape \(1,\)"
    ):
        kind(_variable(2.5))


def test_a_variable_has_no_truth_value() -> None:
    with pytest.raises(InvalidTypeError, match="has no truth value"):
        bool(Variable(3, dtype="int32"))


def test_the_number_of_a_variable_is_not_known_while_tracing() -> None:
    v = Variable(2.0)
    with pytest.raises(InvalidTypeError, match="are not known while the graph is made"):
        trace(lambda x: x * float(v), spec(2))


# ----- NumPy -----

FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    **{n: (lambda v, n=n: getattr(np, n)(v)) for n in ("min", "max", "sum", "prod", "mean", "std", "any", "all", "ptp")},
    **{n: (lambda v, n=n: getattr(np, n)(v)) for n in ("argmax", "median", "cumsum", "sort", "exp", "isnan", "rint", "degrees")},
    "sum over an axis": lambda v: np.sum(v, axis=0, keepdims=True),
    "add.reduce": np.add.reduce,
    "add.accumulate": np.add.accumulate,
    "outer": lambda v: np.multiply.outer(v, v),
    "out": lambda v: np.add(v, 1, out=np.zeros(2)),
    "dtype": lambda v: np.add(v, 1, dtype="float64"),
    "concatenate": lambda v: np.concatenate([v, v]),
    "where": lambda v: np.where(v > 1, v, 0),
    "invert": lambda v: np.invert(v > 1),
}  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
def test_numpy_computes_with_a_variable_as_with_its_array(name: str) -> None:
    v = _variable(1.0, 2.0)
    np.testing.assert_allclose(FUNCTIONS[name](v), FUNCTIONS[name](v.numpy()), rtol=1e-6)


@pytest.mark.parametrize("name", ["min", "max", "sum", "prod"])
def test_numpys_reductions_trace(name: str) -> None:
    v = _variable(1.0, 2.0)
    program = trace(lambda x: getattr(np, name)(v) + getattr(np, name)(x, axis=1), spec(1, 2))
    v.assign([3.0, 4.0])
    wanted = getattr(np, name)([3.0, 4.0]) + getattr(np, name)([5.0, 6.0])
    assert run(program, np.array([[5.0, 6.0]], np.float32))[0].tolist() == [wanted]


def test_numpy_refuses_a_traced_tensor_where_there_is_no_op() -> None:
    with pytest.raises(InvalidTypeError, match="was given to NumPy"):
        trace(lambda x: np.add.accumulate(x), spec(2))
