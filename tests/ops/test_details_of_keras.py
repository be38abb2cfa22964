"""Details in which ops follow Keras: values at the edge of a dtype, lists of arguments, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphkit
from graphkit import KerasTensor, ops
from graphkit.errors import InvalidArgumentError, InvalidTypeError, ShapeError, UnknownValueError
from graphkit.ir.spec import spec
from graphkit.ir.tracing import trace

CUBE = np.arange(24, dtype=np.float32).reshape(2, 3, 4)


def test_roll_combines_shifts_and_axes() -> None:
    np.testing.assert_array_equal(ops.roll(CUBE, (1, 2)), np.roll(CUBE, (1, 2)))
    np.testing.assert_array_equal(ops.roll(CUBE, (1,), axis=(0, 1)), np.roll(CUBE, (1,), axis=(0, 1)))
    np.testing.assert_array_equal(ops.roll(CUBE, 2, axis=(0, 2)), np.roll(CUBE, 2, axis=(0, 2)))


def test_linspace_of_integers_rounds_down() -> None:
    np.testing.assert_array_equal(ops.linspace(-1.5, 1, 4, dtype="int32"), [-2, -1, 0, 1])


def test_complex_numbers_are_rounded_by_parts() -> None:
    np.testing.assert_array_equal(ops.round(np.array([1.4 - 2.6j], np.complex64)), [1 - 3j])


def test_saturating_to_bool_clamps_first() -> None:
    assert ops.saturate_cast(np.array([-0.5, 0.0, 0.3], np.float32), "bool").tolist() == [False, False, True]
    assert ops.saturate_cast(np.array([-1, 0, 2], np.int32), "bool").tolist() == [False, False, True]


def test_positions_out_of_range_are_unraveled_as_the_last_one() -> None:
    assert [int(p) for p in ops.unravel_index(50, (3, 4))] == [2, 3]
    assert [int(p) for p in ops.unravel_index(-50, (3, 4))] == [0, 0]


def test_weights_may_have_the_sizes_of_several_axes() -> None:
    weights = np.array([[1, 2, 3], [4, 5, 6]], np.float32)
    wanted = np.average(CUBE, axis=(0, 1), weights=np.broadcast_to(weights[..., None], CUBE.shape))
    np.testing.assert_allclose(ops.average(CUBE, axis=(0, 1), weights=weights), wanted, rtol=1e-6)


def test_a_scale_of_normalization_may_be_a_number() -> None:
    np.testing.assert_allclose(
        ops.rms_normalization(CUBE, scale=2.0), 2 * np.asarray(ops.rms_normalization(CUBE)), rtol=1e-6
    )


REFUSED: dict[str, tuple[Callable[[], Any], type[Exception]]] = {
    "repeats of another number": (lambda: ops.repeat(CUBE, [1, 2], axis=1), ShapeError),
    "repeats of another number, symbolic": (lambda: ops.repeat(KerasTensor((2, 3)), [1, 2], axis=1), ShapeError),
    "rows of a vector": (lambda: ops.vsplit(CUBE[0, 0], 2), ShapeError),
    "no parts": (lambda: ops.split(CUBE, 0), InvalidArgumentError),
    "parts of given sizes": (lambda: ops.array_split(CUBE, [1, 2]), InvalidTypeError),
    "nothing to stack": (lambda: ops.stack([]), InvalidArgumentError),
    "nothing to stack horizontally": (lambda: ops.hstack([]), InvalidArgumentError),
    "no axis to concatenate": (lambda: ops.concatenate([CUBE, CUBE], axis=None), InvalidArgumentError),  # type: ignore[arg-type]
    "one of two choices": (lambda: ops.where(CUBE > 3, CUBE, None), InvalidArgumentError),
    "one axis to rotate": (lambda: ops.rot90(CUBE, axes=(0,)), InvalidArgumentError),  # type: ignore[arg-type]
    "a fraction of bins": (lambda: ops.histogram(CUBE[0, 0], bins=2.5), InvalidTypeError),  # type: ignore[arg-type]
    "indices of several axes": (lambda: ops.take_along_axis(CUBE, np.zeros((2, 3, 4), np.int32)), ShapeError),
    "shifts that do not fit": (lambda: ops.roll(CUBE, (1, 2), axis=(0, 1, 2)), ShapeError),
    "columns that do not fit": (lambda: ops.fold(np.zeros((1, 7, 20), np.float32), (6, 5), 2), ShapeError),
    "crops outside": (
        lambda: ops.image.crop_images(CUBE, top_cropping=1, left_cropping=0, target_height=2, target_width=1),
        InvalidArgumentError,
    ),
    "patches of size 0": (lambda: ops.image.extract_patches(CUBE, (0, 1)), InvalidArgumentError),
    "pools of size 0": (lambda: ops.adaptive_max_pool(CUBE, 0), InvalidArgumentError),
    "a scale too few": (
        lambda: ops.image.scale_and_translate(CUBE, (2, 3, 4), [1.0], [0.0, 0.0], (0, 1), "linear"),
        ShapeError,
    ),
    "a transform of length 0": (lambda: ops.rfft(CUBE, 0), InvalidArgumentError),
    "labels of one axis": (
        lambda: ops.ctc_loss(np.ones(3, np.int32), CUBE, np.ones(2, np.int32), np.ones(2, np.int32)),
        ShapeError,
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused(name: str) -> None:
    call, kind = REFUSED[name]
    with pytest.raises(kind):
        call()


def test_a_variable_may_be_a_size() -> None:
    two = graphkit.Variable(2, dtype="int32", trainable=False)
    np.testing.assert_array_equal(ops.repeat(CUBE, two, axis=1), np.repeat(CUBE, 2, axis=1))
    np.testing.assert_array_equal(ops.roll(CUBE, two, axis=2), np.roll(CUBE, 2, axis=2))


def test_a_traced_size_is_an_unknown_value() -> None:
    for call in (
        lambda n: ops.repeat(CUBE, n, axis=0),
        lambda n: ops.reshape(CUBE, (n, -1)),
        lambda n: ops.split(CUBE, n, axis=1),
        lambda n: ops.hamming(n),
    ):
        with pytest.raises(UnknownValueError):
            trace(call, spec(dtype="int32"))
