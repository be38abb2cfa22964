"""`K.`: the old backend names with their old meanings."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphkit.ops as ops
from graphkit import backend as K  # noqa: N812 (what everybody calls it)
from graphkit.errors import InvalidArgumentError, InvalidTypeError, ShapeError
from graphkit.ir.spec import spec
from graphkit.ir.tracing import replay, trace
from graphkit.ir.variable import Variable

R = np.random.Generator(np.random.Philox(2))
A, B = R.standard_normal((3, 4, 5)), R.standard_normal((3, 5, 2))


def test_batch_dot_multiplies_sample_by_sample() -> None:
    np.testing.assert_allclose(K.batch_dot(A, B), np.stack([a @ b for a, b in zip(A, B, strict=True)]))
    np.testing.assert_allclose(K.batch_dot(A, A, axes=(1, 1)), np.einsum("bij,bik->bjk", A, A))
    np.testing.assert_allclose(K.batch_dot(A, A, axes=2), np.einsum("bij,bkj->bik", A, A))


def test_batch_dot_of_vectors_keeps_an_axis() -> None:
    np.testing.assert_allclose(K.batch_dot(A[:, 0], A[:, 1]), np.sum(A[:, 0] * A[:, 1], axis=1, keepdims=True))


def test_batch_dot_over_the_batch_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="Cannot perform batch_dot over axis 0"):
        K.batch_dot(A, B, axes=(0, 1))
    with pytest.raises(ShapeError, match="rank < 2"):
        K.batch_dot(A[0, 0], B)


def test_hard_sigmoid_has_the_old_slope() -> None:
    np.testing.assert_allclose(K.hard_sigmoid(np.array([-3.0, 0.0, 1.0, 3.0])), [0, 0.5, 0.7, 1])


def test_switch_chooses_wholes_or_elements() -> None:
    x, y = np.ones((2, 3)), np.zeros((2, 3))
    np.testing.assert_array_equal(K.switch(np.array(True), x, lambda: y), x)
    np.testing.assert_array_equal(K.switch(np.array([True, False]), x, y), [[1, 1, 1], [0, 0, 0]])
    with pytest.raises(ShapeError, match="the condition has 2 axes, more than the 1"):
        K.switch(x > 0, x[0], y[0])


def test_clip_takes_missing_and_crossed_limits() -> None:
    x = np.array([-2.0, 0.0, 2.0])
    np.testing.assert_array_equal(K.clip(x, None, 1), [-2, 0, 1])
    np.testing.assert_array_equal(K.clip(x, 1, -1), [1, 1, 1])


def test_repeat_makes_a_time_axis() -> None:
    np.testing.assert_array_equal(K.repeat(np.array([[1, 2]]), 2), [[[1, 2], [1, 2]]])
    np.testing.assert_array_equal(K.repeat_elements(np.array([[1, 2]]), 2, axis=1), [[1, 1, 2, 2]])


def test_shapes_of_many_kinds() -> None:
    assert K.int_shape(np.zeros((2, 3))) == (2, 3)
    assert K.batch_flatten(A).shape == (3, 20)
    assert K.count_params(A) == 60
    assert K.ndim(A) == 3
    shapes: list[Any] = []
    trace(lambda x: shapes.append(K.int_shape(x)) or x, spec("batch", 3))
    assert shapes == [(None, 3)]


def test_variables_are_read_and_written() -> None:
    x = K.variable([1.0, 2.0])
    assert isinstance(x, Variable)
    assert K.dtype(x) == "float32"
    K.set_value(x, [3.0, 4.0])
    K.update_add(x, np.ones(2, np.float32))
    np.testing.assert_array_equal(K.get_value(x), [4, 5])
    K.moving_average_update(x, np.zeros(2, np.float32), 0.5)
    np.testing.assert_array_equal(K.eval(x), [2, 2.5])
    assert isinstance(K.zeros((2,)), Variable)


def test_the_phase_is_that_of_the_call_or_what_was_set() -> None:
    assert K.in_train_phase(1, 2) == 2
    assert K.in_train_phase(lambda: 1, 2, training=True) == 1
    K.set_learning_phase(1)
    try:
        assert K.in_train_phase(1, 2) == 1
        assert K.in_test_phase(1, 2) == 2
    finally:
        K.clear_session()
    assert not K.learning_phase()


def test_gradients_work_inside_a_traced_function() -> None:
    program = trace(lambda x: K.gradients(K.sum(K.square(x)), x), spec(2))
    np.testing.assert_allclose(replay(program, [np.array([1.0, 2.0], np.float32)])[0], [2, 4])
    with pytest.raises(InvalidTypeError, match="elsewhere use graphkit.value_and_grad"):
        K.gradients(np.zeros(()), [])


def test_normalisations_follow_the_old_argument_order() -> None:
    x = R.standard_normal((6, 3))
    made, mean, variance = K.normalize_batch_in_training(x, np.full(3, 2.0), np.ones(3), [0], epsilon=0.0)
    np.testing.assert_allclose([made.mean(0), made.std(0)], [np.ones(3), np.full(3, 2.0)])
    np.testing.assert_allclose(K.batch_normalization(x, mean, variance, np.ones(3), np.full(3, 2.0), epsilon=0.0), made)
    np.testing.assert_allclose(K.l2_normalize(np.array([[3.0, 4.0]]), axis=1), [[0.6, 0.8]])


def test_bias_is_added_along_the_channels() -> None:
    x = np.zeros((1, 2, 3, 3))
    np.testing.assert_array_equal(K.bias_add(x, np.array([1.0, 2.0]), "channels_first")[0, :, 0, 0], [1, 2])


def test_pooling_and_padding_of_images() -> None:
    x = np.arange(16.0).reshape(1, 4, 4, 1)
    np.testing.assert_array_equal(K.pool2d(x, (2, 2), strides=(2, 2))[0, :, :, 0], [[5, 7], [13, 15]])
    assert K.spatial_2d_padding(x).shape == (1, 6, 6, 1)
    assert K.temporal_padding(x[..., 0]).shape == (1, 6, 4)
    with pytest.raises(InvalidArgumentError, match="Invalid pooling mode: 'sum'"):
        K.pool2d(x, (2, 2), pool_mode="sum")


def test_folding_and_mapping_over_the_first_axis() -> None:
    x = np.arange(1.0, 5.0)
    np.testing.assert_allclose(K.foldl(lambda a, b: a * 2 + b, x), ((1 * 2 + 2) * 2 + 3) * 2 + 4)
    np.testing.assert_allclose(K.foldr(lambda a, b: a * 2 + b, x), ((4 * 2 + 3) * 2 + 2) * 2 + 1)
    np.testing.assert_allclose(K.map_fn(ops.square, x), x**2)


def test_data_formats_answer_to_keras_1_names() -> None:
    assert K.image_dim_ordering() == "tf"
    K.set_image_dim_ordering("th")
    try:
        assert K.image_data_format() == "channels_first"
    finally:
        K.set_image_data_format("channels_last")
    with pytest.raises(InvalidArgumentError, match="wants 'tf' or 'th'"):
        K.set_image_dim_ordering("caffe")
