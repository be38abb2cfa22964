"""Ops whose result's shape depends on the numbers; ops that refuse what cannot be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphkit
from graphkit import ops
from graphkit.core.dims import Dim
from graphkit.core.errors import DTypeError, InvalidArgumentError, InvalidTypeError, ShapeError
from graphkit.ir.spec import spec
from graphkit.ir.tracing import replay, trace, trace_on_samples

FLOATS, INTS = np.ones((2, 3), np.float32), np.ones((2, 3), np.int32)
IMAGE = np.ones((4, 5, 3), np.float32)


@pytest.mark.parametrize("size", [None, 2, 6])
def test_unique_traces(size: int | None) -> None:
    x = np.array([[3, 1, 3], [2, 1, 1]], np.int32)
    options: dict[str, Any] = {"return_index": True, "return_inverse": True, "return_counts": True, "size": size}
    program = trace_on_samples(lambda v: list(ops.unique(v, **options)), [spec(2, 3, dtype="int32")], [x])[0]
    made = replay(program, [x])
    for mine, wanted in zip(made, ops.unique(x, **options), strict=True):
        np.testing.assert_array_equal(mine, wanted)


def test_unique_of_slices_is_refused_while_tracing() -> None:
    with pytest.raises(InvalidTypeError, match="whose shape depends on the values"):
        trace(lambda v: ops.unique(v, axis=0), spec(3))


def test_a_graph_of_unique_runs() -> None:
    inputs = graphkit.Input(batch_shape=(6,), dtype="int32")
    model = graphkit.Model(inputs, ops.unique(inputs))
    np.testing.assert_array_equal(model(np.array([5, 1, 5, 2, 1, 1], np.int32)), [1, 2, 5])


def test_a_histogram_traces_and_counts_every_element_once() -> None:
    x = np.linspace(0, 1, 11, dtype=np.float32)
    counts, edges = replay(trace(lambda v: list(ops.histogram(v, bins=4)), spec(Dim.named("n"))), [x])
    wanted, borders = np.histogram(x, bins=4)
    np.testing.assert_array_equal(counts, wanted)
    np.testing.assert_allclose(edges, borders, rtol=1e-6)


REFUSED: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "bits of floats": (
        lambda: ops.bitwise_and(FLOATS, INTS),
        DTypeError,
        "bitwise_and expects integers or bools, got float32",
    ),
    "ldexp": (lambda: ops.ldexp(FLOATS, FLOATS), DTypeError, "exponent must be an integer type"),
    "view": (lambda: ops.view(INTS, "float64"), ShapeError, "cannot be divided into elements of 64 bits"),
    "unravel": (lambda: ops.unravel_index(FLOATS, (2, 3)), DTypeError, "expects integer indices, got float32"),
    "partition": (lambda: ops.argpartition(FLOATS, 9), InvalidArgumentError, "kth=9 is out of range"),
    "square": (lambda: ops.inv(FLOATS), ShapeError, r"expected square matrices .* shape \(2, 3\)"),
    "definite": (
        lambda: ops.cholesky(-np.eye(2)),
        InvalidArgumentError,
        "might not be a valid positive definite matrix",
    ),
    "right side": (lambda: ops.solve(np.eye(3), np.ones((2, 1))), ShapeError, "do not fit right-hand sides"),
    "qr": (lambda: ops.qr(FLOATS, mode="raw"), InvalidArgumentError, "`mode` argument value not supported"),
    "pair": (lambda: ops.fft(FLOATS), InvalidArgumentError, "tuple of two tensors - real and imaginary"),
    "window": (lambda: ops.stft(FLOATS, 2, 1, 2, window="kaiser"), InvalidArgumentError, "it must be one of"),
    "depth": (lambda: ops.depth_to_space(IMAGE[None], 2), ShapeError, "3 of shape .* is not a multiple of 4"),
    "rearrange": (lambda: ops.rearrange(FLOATS, "a b -> a c"), InvalidArgumentError, "must name the same axes"),
    "rearrange sizes": (lambda: ops.rearrange(FLOATS, "a (b c) -> a b c", b=2), ShapeError, "does not fit the size 3"),
    "crop": (lambda: ops.image.crop_images(IMAGE, 1), InvalidArgumentError, "Must specify exactly two of top_cropping"),
    "rank": (lambda: ops.image.rgb_to_hsv(FLOATS), ShapeError, "Invalid images rank"),
    "hsv of ints": (lambda: ops.image.rgb_to_hsv(IMAGE.astype(int)), DTypeError, "expected float dtype"),
    "fill": (
        lambda: ops.image.affine_transform(IMAGE, np.ones(8), fill_mode="edge"),
        InvalidArgumentError,
        "argument `fill_mode`",
    ),
    "decode": (
        lambda: ops.ctc_decode(FLOATS[None], [2], strategy="best"),
        InvalidArgumentError,
        "Invalid strategy best",
    ),
}


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_what_cannot_be_is_refused(name: str) -> None:
    call, error, words = REFUSED[name]
    with pytest.raises(error, match=words):
        call()


def test_a_singular_matrix_of_a_batch_leaves_the_others_alone() -> None:
    made = ops.inv(np.stack([np.eye(2), np.ones((2, 2))]))
    np.testing.assert_array_equal(made[0], np.eye(2))
    assert np.isnan(made[1]).all()
