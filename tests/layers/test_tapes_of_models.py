"""Gradient tapes over models with several outputs: an output by another that it is computed from."""

from __future__ import annotations

import numpy as np

import graphkit
from graphkit import Input, Model, layers, ops

X = np.random.default_rng(0).random((2, 8, 8, 3)).astype("float32")


def test_the_gradient_of_one_output_by_an_inner_one() -> None:
    """As for class activation maps: the score of a class by the feature maps of the last convolution."""
    inputs = Input((8, 8, 3))
    maps = layers.Conv2D(4, 3, activation="relu")(inputs)
    scores = layers.Dense(3)(layers.GlobalAveragePooling2D()(maps))
    model = Model(inputs, [maps, scores])

    with graphkit.GradientTape() as tape:
        found, made = model(X)
        score = ops.sum(made[:, 1])
    gradient = tape.gradient(score, found)

    kernel = model.layers[-1].kernel.numpy()
    assert gradient is not None
    np.testing.assert_allclose(
        np.asarray(gradient), np.broadcast_to(kernel[:, 1] / 36, found.shape), rtol=1e-5, atol=1e-7
    )


def test_weights_get_the_same_gradients_as_with_one_output() -> None:
    inputs = Input((3,))
    hidden = layers.Dense(4, activation="tanh")(inputs)
    outputs = layers.Dense(1)(hidden)
    one, two = Model(inputs, outputs), Model(inputs, [hidden, outputs])
    x = X[0, 0, :5]

    with graphkit.GradientTape(persistent=True) as tape:
        first = ops.sum(ops.square(one(x)))
        second = ops.sum(ops.square(two(x)[1]))

    for a, b in zip(tape.gradient(first, one.weights), tape.gradient(second, one.weights), strict=True):
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=1e-6)
