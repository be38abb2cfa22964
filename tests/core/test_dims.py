"""Unknown sizes: integer polynomials of names, equal if they are mathematically equal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphkit.core.dims import Dim, Size, is_static, largest, product, public_shape, size_evaluate

N, M = Dim.named("n"), Dim.named("m")


def test_equal_expressions_are_equal_and_hash_alike() -> None:
    assert (N + 1) * 2 == 2 * N + 2
    assert hash((N + 1) * 2) == hash(2 * N + 2)
    assert N * M == M * N
    assert N + M != N - M


def test_what_cancels_out_is_an_int_again() -> None:
    assert N - N == 0
    assert isinstance((N + 3) - N, int)
    assert N * 0 == 0


def test_division_takes_out_what_divides_evenly() -> None:
    assert (4 * N) // 4 == N
    assert (4 * N + 3) // 4 == N
    assert (4 * N + M + 1) // 4 == N + (M + 1) // 4
    assert N // 1 == N


def test_an_unknown_size_divides_by_one_that_is_a_factor() -> None:
    assert (N * M * 6) // (N * 2) == 3 * M
    assert (N * M + N) // N == M + 1
    assert N // N == 1


def test_division_by_what_is_no_factor_is_refused() -> None:
    with pytest.raises(TypeError, match="Cannot divide the unknown size m by the unknown size n"):
        M // N


def test_a_size_is_evaluated_as_far_as_names_are_given() -> None:
    size = (N - 1) // 2 * M + 3
    assert size_evaluate(size, {"n": 7, "m": 4}) == 15
    assert size_evaluate(size, {"n": 7}) == 3 * M + 3
    assert size_evaluate(5, {"n": 7}) == 5


def test_a_size_knows_its_names_and_prints() -> None:
    size = 2 * N * M - (N + 1) // 2 + 4
    assert isinstance(size, Dim)
    assert size.names() == {"n", "m"}
    assert str(2 * N - 1) == "2*n - 1"
    assert N.is_name()
    assert not size.is_name()


def test_shapes() -> None:
    assert product((N, 2, M)) == 2 * N * M
    assert product(()) == 1
    assert is_static((1, 2))
    assert not is_static((1, N))
    assert public_shape((N, 3)) == (None, 3)


_SIZES = st.recursive(
    st.one_of(st.integers(-5, 5), st.sampled_from([N, M])),
    lambda inner: st.one_of(
        st.tuples(st.just("+"), inner, inner), st.tuples(st.just("-"), inner, inner), st.tuples(st.just("*"), inner, inner),
        st.tuples(st.just("//"), inner, st.integers(1, 4)),
    ),
    max_leaves=8,
)  # fmt: skip


def _compute(tree: object, sizes: dict[str, int] | None) -> Size:
    """Evaluate an expression tree with unknown sizes, or with numbers in their place."""
    if isinstance(tree, Dim):
        return tree if sizes is None else tree.evaluate(dict(sizes))
    if isinstance(tree, int):
        return tree
    assert isinstance(tree, tuple)
    operator, left, right = tree
    a, b = _compute(left, sizes), _compute(right, sizes)
    return {"+": lambda: a + b, "-": lambda: a - b, "*": lambda: a * b, "//": lambda: a // b}[operator]()


@given(_SIZES, st.integers(0, 20), st.integers(0, 20))
def test_computing_and_then_evaluating_is_evaluating_and_then_computing(tree: object, n: int, m: int) -> None:
    sizes = {"n": n, "m": m}
    assert size_evaluate(_compute(tree, None), dict(sizes)) == _compute(tree, sizes)


def test_the_larger_of_two_sizes() -> None:
    n, m = Dim.named("n"), Dim.named("m")
    assert largest(3, 5) == 5
    assert largest(n, n + 2) == n + 2
    assert largest(n + m, n) == n + m
    assert largest(n, m) == largest(m, n)
    assert str(largest(n, m)) == "max(m, n)"
    assert largest(n, m).evaluate({"n": 4}) == largest(4, m)
    assert [largest(n, m).evaluate({"n": a, "m": b}) for a, b in ((4, 7), (9, 7))] == [7, 9]
    assert (largest(n, 8) - 1).evaluate({"n": 3}) == 7
    assert largest(n, m).names() == {"n", "m"}
