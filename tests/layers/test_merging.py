"""Merge layers, their functions, and the old Merge."""

from __future__ import annotations

import numpy as np
import pytest

from graphkit import layers, models
from graphkit.errors import InvalidArgumentError, ShapeError

RNG = np.random.default_rng(1)
A, B = RNG.normal(size=(2, 3, 4)).astype("float32"), RNG.normal(size=(2, 3, 4)).astype("float32")


@pytest.mark.parametrize(
    ("layer", "want"),
    [
        (layers.Add(), A + B),
        (layers.Subtract(), A - B),
        (layers.Multiply(), A * B),
        (layers.Average(), (A + B) / 2),
        (layers.Maximum(), np.maximum(A, B)),
        (layers.Minimum(), np.minimum(A, B)),
        (layers.Concatenate(axis=1), np.concatenate([A, B], 1)),
        (layers.Dot(axes=2), np.einsum("bij,bkj->bik", A, B)),
        (layers.Dot(axes=(1, 1)), np.einsum("bji,bjk->bik", A, B)),
    ],
    ids=lambda v: type(v).__name__ if isinstance(v, layers.Layer) else "",
)
def test_merges_are_what_numpy_says(layer: layers.Layer, want: np.ndarray) -> None:
    np.testing.assert_allclose(layer([A, B]), want, rtol=1e-5, atol=1e-6)


def test_lower_ranks_are_raised_after_the_batch_axis() -> None:
    v = RNG.normal(size=(2, 4)).astype("float32")

    np.testing.assert_allclose(layers.Add()([A, v]), A + v[:, None, :], rtol=1e-6)


def test_dot_of_vectors_keeps_an_axis_of_one_and_normalizes() -> None:
    u, v = A[:, 0], B[:, 0]
    cosine = (u * v).sum(1) / np.linalg.norm(u, axis=1) / np.linalg.norm(v, axis=1)

    np.testing.assert_allclose(layers.Dot(axes=1, normalize=True)([u, v]), cosine[:, None], rtol=1e-5)


def test_functions_make_layers() -> None:
    a, b = layers.Input((4,)), layers.Input((4,))

    assert layers.concatenate([a, b]).shape == (None, 8)
    assert layers.add([a, b]).history.operation.name == "add"


def test_old_merge_warns_and_works() -> None:
    a, b = layers.Input((4,)), layers.Input((4,))

    with pytest.warns(UserWarning, match="The `Merge` layer is deprecated and will be removed after 08/2017"):
        merged = layers.Merge(mode=lambda x: x[0] * x[1], output_shape=lambda s: s[0])([a, b])

    np.testing.assert_allclose(models.Model([a, b], merged)([A[:, 0], B[:, 0]]), A[:, 0] * B[:, 0], rtol=1e-6)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: layers.Add()([layers.Input((4,)), layers.Input((5,))]), ShapeError, "incompatible shapes"),
        (lambda: layers.Add()(layers.Input((4,))), InvalidArgumentError, "list of inputs"),
        (lambda: layers.Subtract()([layers.Input((4,))] * 3), InvalidArgumentError, "exactly 2 inputs"),
        (lambda: layers.Concatenate()([layers.Input((4, 2)), layers.Input((5, 2))]), ShapeError, "matching shapes"),
        (lambda: layers.Dot(1)([layers.Input((4,)), layers.Input((5,))]), ShapeError, "axis values 4"),
    ],
)
def test_inputs_that_do_not_fit_are_named(make: object, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()  # type: ignore[operator]
