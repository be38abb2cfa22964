"""Activation layers with arguments. For values compared with Keras see tests/interop."""

from __future__ import annotations

import numpy as np
import pytest

from graphkit import layers
from graphkit.core.errors import InvalidArgumentError, ShapeError

X = np.array([[-10.0, -5.0, 0.0, 5.0, 10.0]], "float32")


def test_relu_with_all_its_arguments() -> None:
    found = layers.ReLU(max_value=8.0, negative_slope=0.5, threshold=1.0)(X)
    np.testing.assert_allclose(found, [[-5.5, -3.0, -0.5, 5.0, 8.0]])


def test_leaky_relu_knows_the_old_name_of_its_slope() -> None:
    np.testing.assert_allclose(layers.LeakyReLU(alpha=0.5)(X), [[-5, -2.5, 0, 5, 10]])


def test_prelu_shares_its_slopes_along_axes() -> None:
    layer = layers.PReLU(shared_axes=1)
    x = -np.ones((2, 3, 4), "float32")
    layer(x)
    layer.set_weights([np.arange(4, dtype="float32").reshape(1, 4)])

    np.testing.assert_allclose(layer(x), np.broadcast_to(-np.arange(4.0), (2, 3, 4)))
    assert layer.get_config()["shared_axes"] == [1]


def test_prelu_wants_known_sizes() -> None:
    with pytest.raises(ShapeError, match="shared_axes"):
        layers.PReLU().build((None, None, 3))


def test_softmax_gives_nothing_to_masked_places() -> None:
    found = layers.Softmax()(X, mask=np.array([[True, True, False, False, True]]))
    assert found[0, 2] == found[0, 3] == 0
    np.testing.assert_allclose(np.sum(found), 1, rtol=1e-6)


def test_softmax_of_a_row_that_is_all_masked_is_zero() -> None:
    np.testing.assert_array_equal(layers.Softmax()(X, mask=np.zeros((1, 5), bool)), np.zeros((1, 5)))


def test_a_mask_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ShapeError, match="broadcastable"):
        layers.Softmax()(X, mask=np.ones((1, 4), bool))


@pytest.mark.parametrize("make", [lambda: layers.ReLU(max_value=-1.0), lambda: layers.LeakyReLU(negative_slope=-1.0)])
def test_negative_arguments_are_refused(make: object) -> None:
    with pytest.raises(InvalidArgumentError, match="negative value"):
        make()  # type: ignore[operator]
