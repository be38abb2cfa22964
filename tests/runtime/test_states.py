"""States of recurrent layers across calls of `predict`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphkit
from graphkit import layers

X = np.random.default_rng(0).normal(size=(2, 6, 3)).astype("float32")
KINDS = ["SimpleRNN", "GRU", "LSTM"]


def stateful(kind: str, **more: Any) -> Any:
    x = graphkit.Input(batch_shape=(2, None, 3))
    return graphkit.Model(x, getattr(layers, kind)(4, stateful=True, **more)(x))


@pytest.mark.parametrize("kind", KINDS)
def test_predict_goes_on_from_the_states_that_it_left(kind: str) -> None:
    model = stateful(kind)
    whole = model.predict(X, batch_size=2, verbose=0)
    model.reset_states() if hasattr(model, "reset_states") else model.layers[1].reset_state()

    first = model.predict(X[:, :2], batch_size=2, verbose=0)
    rest = model.predict(X[:, 2:], batch_size=2, verbose=0)

    np.testing.assert_allclose(rest, whole, rtol=1e-5, atol=1e-6)
    assert not np.allclose(first, whole)


@pytest.mark.parametrize("kind", KINDS)
def test_predict_and_calls_share_their_states(kind: str) -> None:
    model = stateful(kind, return_sequences=True)
    whole = model.predict(X, batch_size=2, verbose=0)
    model.layers[1].reset_state()

    np.testing.assert_allclose(model.predict(X[:, :3], batch_size=2, verbose=0), whole[:, :3], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(model(X[:, 3:]), whole[:, 3:], rtol=1e-5, atol=1e-6)
    model.layers[1].reset_state()
    np.testing.assert_allclose(model(X[:, :3]), whole[:, :3], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(model.predict(X[:, 3:], batch_size=2, verbose=0), whole[:, 3:], rtol=1e-5, atol=1e-6)


def test_states_pass_from_batch_to_batch_of_one_predict() -> None:
    model = stateful("LSTM")
    both = np.concatenate([X[:, :3], X[:, 3:]])  # two batches of two
    found = model.predict(both, batch_size=2, verbose=0)
    model.layers[1].reset_state()

    np.testing.assert_allclose(found[2:], model.predict(X, batch_size=2, verbose=0), rtol=1e-5, atol=1e-6)
