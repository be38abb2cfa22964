"""`K.`: the names of the old backend, with their old meanings."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphkit.ops as ops
from graphkit import Input
from graphkit import backend as K
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
    with pytest.raises(InvalidTypeError, match=r"elsewhere use graphkit\.value_and_grad"):
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
    with pytest.raises(InvalidArgumentError, match="expects 'tf' or 'th'"):
        K.set_image_dim_ordering("caffe")


def _leaky(x: Any, states: Any) -> Any:
    h = x + states[0] * 0.5
    return h, [h]


@pytest.mark.parametrize("backwards", [False, True])
def test_rnn_iterates_a_step_over_time(backwards: bool) -> None:
    x = R.standard_normal((2, 4, 3))
    last, outputs, (state,) = K.rnn(_leaky, x, [np.zeros((2, 3))], go_backwards=backwards)
    h, wanted = np.zeros((2, 3)), []
    for t in reversed(range(4)) if backwards else range(4):
        h = x[:, t] + 0.5 * h
        wanted.append(h)
    np.testing.assert_allclose(outputs, np.stack(wanted, axis=1))
    np.testing.assert_allclose(last, h)
    np.testing.assert_allclose(state, h)


def test_rnn_keeps_states_and_outputs_where_a_step_is_masked() -> None:
    x, mask = np.ones((1, 3, 1)), np.array([[True, False, True]])
    _, outputs, (state,) = K.rnn(_leaky, x, [np.zeros((1, 1))], mask=mask)
    np.testing.assert_allclose(outputs[0, :, 0], [1, 1, 1.5])
    _, outputs, _ = K.rnn(_leaky, x, [np.zeros((1, 1))], mask=mask, zero_output_for_mask=True)
    np.testing.assert_allclose(outputs[0, :, 0], [1, 0, 1.5])
    np.testing.assert_allclose(state, [[1.5]])


def test_rnn_traces() -> None:
    x = R.standard_normal((2, 4, 3))
    program = trace(lambda a: K.rnn(_leaky, a, [ops.zeros_like(a[:, 0])])[1], spec(2, 4, 3, dtype="float64"))
    program.check()
    np.testing.assert_allclose(replay(program, [x])[0], K.rnn(_leaky, x, [np.zeros((2, 3))])[1])


def test_symbolic_tensors_and_variables_are_tensors() -> None:
    assert K.is_tensor(K.variable([1.0]))
    assert K.is_tensor(Input((3,)))
    assert not K.is_tensor([1.0])
