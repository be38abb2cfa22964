"""Ops over axes of unknown size, or whose result's size depends on numbers: shapes in the graph, numbers when it runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from graphkit import Input, KerasTensor, Model, ops
from graphkit.core import nest
from graphkit.layers import Dense, Layer

SQUARE = np.array([[0.0, 1.0, 4.0], [2.0, 0.0, 3.0]], np.float32)
VECTOR = np.array([1.0, 2.0, 3.0], np.float32)

SHAPES: dict[str, tuple[Callable[[], Any], list[Any]]] = {  # as real Keras 3.15.1 says them
    "median": (lambda: ops.median(KerasTensor((None, 3)), axis=0), [(3,)]),
    "median of the rest": (lambda: ops.median(KerasTensor((None, 3)), axis=1), [(None,)]),
    "quantile": (lambda: ops.quantile(KerasTensor((None, 3)), [0.1, 0.2], axis=0), [(2, 3)]),
    "trace": (lambda: ops.trace(KerasTensor((None, 4, 3))), [(3,)]),
    "diagonal": (lambda: ops.diagonal(KerasTensor((None, 4, 3))), [(3, None)]),
    "diag": (lambda: ops.diag(KerasTensor((None,))), [(None, None)]),
    "diag of a matrix": (lambda: ops.diag(KerasTensor((None, 3))), [(None,)]),
    "diagflat": (lambda: ops.diagflat(KerasTensor((None, 3))), [(None, None)]),
    "vander": (lambda: ops.vander(KerasTensor((None,))), [(None, None)]),
    "vander of N": (lambda: ops.vander(KerasTensor((None,)), N=4), [(None, 4)]),
    "nonzero": (lambda: ops.nonzero(KerasTensor((None, 3))), [(None,), (None,)]),
    "bincount": (lambda: ops.bincount(KerasTensor((None,), "int32"), minlength=4), [(None,)]),
    "segment_sum": (lambda: ops.segment_sum(KerasTensor((4, 3)), KerasTensor((4,), "int32")), [(None, 3)]),
    "segment_max of 5": (lambda: ops.segment_max(KerasTensor((4, 3)), KerasTensor((4,), "int32"), 5), [(5, 3)]),
    "pad_images": (
        lambda: ops.image.pad_images(KerasTensor((2, None, None, 3)), 1, 2, target_height=9, target_width=8),
        [(2, 9, 8, 3)],
    ),
}


@pytest.mark.parametrize("name", SHAPES)
def test_a_symbolic_tensor_of_unknown_size_has_the_shape_that_keras_says(name: str) -> None:
    call, wanted = SHAPES[name]
    assert [tuple(t.shape) for t in nest.flatten(call())] == wanted


RUN: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "median": (lambda x: ops.median(x, axis=0), SQUARE),
    "median of all": (ops.median, SQUARE),
    "percentile": (lambda x: ops.percentile(x, [10.0, 50.0], axis=1), SQUARE),
    "trace": (ops.trace, SQUARE),
    "trace aside": (lambda x: ops.trace(x, offset=-1), SQUARE),
    "diagonal": (ops.diagonal, SQUARE),
    "diagonal aside": (lambda x: ops.diagonal(x, offset=1), SQUARE),
    "diag": (ops.diag, VECTOR),
    "diag above": (lambda x: ops.diag(x, k=2), VECTOR),
    "diag below": (lambda x: ops.diag(x, k=-1), VECTOR),
    "vander": (ops.vander, VECTOR),
    "vander rising": (lambda x: ops.vander(x, increasing=True), VECTOR),
    "nonzero": (lambda x: list(ops.nonzero(x)), SQUARE),
    "bincount": (lambda x: ops.bincount(ops.cast(x, "int32"), minlength=2), VECTOR),
    "segment_sum": (lambda x: ops.segment_sum(x, ops.cast(x, "int32")), VECTOR),
}
NUMPY: dict[str, Any] = {
    "median": np.median(SQUARE, axis=0),
    "median of all": np.median(SQUARE),
    "percentile": np.percentile(SQUARE, [10, 50], axis=1),
    "trace": np.trace(SQUARE),
    "trace aside": np.trace(SQUARE, offset=-1),
    "diagonal": np.diagonal(SQUARE),
    "diagonal aside": np.diagonal(SQUARE, offset=1),
    "diag": np.diag(VECTOR),
    "diag above": np.diag(VECTOR, k=2),
    "diag below": np.diag(VECTOR, k=-1),
    "vander": np.vander(VECTOR),
    "vander rising": np.vander(VECTOR, increasing=True),
    "nonzero": np.nonzero(SQUARE),
    "bincount": np.bincount([1, 2, 3], minlength=2),
    "segment_sum": np.array([0.0, 1.0, 2.0, 3.0]),
}


@pytest.mark.filterwarnings("ignore:predict runs on the NumPy engine")
@pytest.mark.parametrize("name", RUN)
def test_a_model_with_unknown_sizes_gives_what_numpy_gives(name: str) -> None:
    function, numbers = RUN[name]
    x = Input(batch_shape=(None,) * numbers.ndim)
    model = Model(x, function(x))
    wanted = [np.asarray(part) for part in nest.flatten(NUMPY[name])]
    for made in (function(numbers), model(numbers), model.predict(numbers, verbose=0)):
        for mine, theirs in zip(nest.flatten(made), wanted, strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=1e-6, atol=1e-7)


def test_images_of_unknown_size_are_padded_to_a_target_size() -> None:
    images = Input((None, None, 1))
    model = Model(images, ops.image.pad_images(images, 1, 2, target_height=4, target_width=6))
    wanted = np.pad(np.ones((1, 2, 3, 1), np.float32), [(0, 0), (1, 1), (2, 1), (0, 0)])
    for made in (model(np.ones((1, 2, 3, 1))), model.predict(np.ones((1, 2, 3, 1)), verbose=0)):
        np.testing.assert_array_equal(made, wanted)


class _Positions(Layer):
    def call(self, x: Any) -> Any:
        return ops.cast(ops.sum(ops.nonzero(x)[0]), "float32") * ops.sum(x, axis=1)


def test_a_training_step_with_a_size_that_only_numbers_tell_runs_eagerly() -> None:
    x = Input((3,))
    model = Model(x, _Positions()(Dense(3)(x)))
    model.compile("sgd", "mse")
    with pytest.warns(UserWarning, match="depends on values that are not known"):
        history = model.fit(SQUARE, np.ones(2), verbose=0)
    assert np.isfinite(history.history["loss"]).all()
