"""The CTC loss: values of real Keras 3.15, gradients, shapes."""

from __future__ import annotations

import numpy as np
import pytest

from graphkit import losses, value_and_grad
from graphkit.errors import ShapeError
from graphkit.ir.variable import Variable

RANDOM = np.random.default_rng(0)
OUTPUT = RANDOM.normal(size=(3, 7, 5)).astype("float32")
TARGET = np.array([[1, 2, 0], [3, 3, 1], [4, 0, 0]])
KERAS = [7.524479389190674, 8.61624813079834, 7.182484149932861]  # keras.losses.ctc(TARGET, OUTPUT)


def test_values_are_those_of_keras() -> None:
    np.testing.assert_allclose(np.asarray(losses.ctc(TARGET, OUTPUT)), KERAS, rtol=1e-5)
    np.testing.assert_allclose(np.asarray(losses.CTC()(TARGET, OUTPUT)), 7.774404048919678, rtol=1e-5)
    weighted = losses.CTC(reduction="sum")(TARGET, OUTPUT, sample_weight=np.array([1.0, 2.0, 3.0]))
    np.testing.assert_allclose(np.asarray(weighted), 46.30442810058594, rtol=1e-5)


def test_config_is_that_of_keras() -> None:
    assert losses.serialize(losses.CTC()) == {
        "module": "keras.losses",
        "class_name": "CTC",
        "config": {"name": "ctc", "reduction": "sum_over_batch_size"},
        "registered_name": None,
    }


def test_gradient_points_down() -> None:
    logits = Variable(OUTPUT)
    step = value_and_grad(lambda: losses.CTC()(TARGET, logits), [logits])
    first, (gradient,) = step()
    logits.assign(logits.numpy() - 0.5 * np.asarray(gradient))

    assert float(step()[0]) < float(first)


def test_shapes_are_checked() -> None:
    with pytest.raises(ShapeError, match=r"\(batch_size, max_length\)"):
        losses.ctc(TARGET[0], OUTPUT)
    with pytest.raises(ShapeError, match="num_classes"):
        losses.ctc(TARGET, OUTPUT[0])
