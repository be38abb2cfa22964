"""Layers whose `call` needs numbers run with them: alone, in models, and in fit, evaluate and predict."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphkit
from graphkit import layers, models, ops
from graphkit.errors import UnknownValueError

X = np.random.default_rng(0).normal(size=(6, 4)).astype("float32")


class Sorted(layers.Layer):  # type: ignore[misc]
    """Sorts with NumPy."""

    def call(self, x: Any) -> Any:
        """Return the sorted rows."""
        return ops.convert_to_tensor(np.sort(np.asarray(x), axis=-1))


class DeclaredSorted(Sorted):
    """Declares its output shape."""

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the input shape."""
        return input_shape


class Signed(layers.Layer):  # type: ignore[misc]
    """Branches on a sum."""

    def build(self, input_shape: Any) -> None:
        """Create the weight."""
        self.scale = self.add_weight((), "ones", name="scale")

    def call(self, x: Any) -> Any:
        """Return the input, with its sign changed if its sum is negative."""
        return x * self.scale if float(ops.sum(x)) > 0 else -x * self.scale

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the input shape."""
        return input_shape


def _lambda() -> Any:
    return layers.Lambda(lambda x: np.sort(np.asarray(x), -1), output_shape=(4,))


def _functional(layer: Any) -> Any:
    given = graphkit.Input((4,))
    return models.Model(given, layers.Dense(1, kernel_initializer="ones")(layer(given)))


def _sequential(layer: Any) -> Any:
    return models.Sequential([layer, layers.Dense(1, kernel_initializer="ones")])


_LAYERS = [DeclaredSorted, Signed, _lambda]


@pytest.mark.parametrize("make", _LAYERS)
@pytest.mark.parametrize("build", [_functional, _sequential])
def test_models_run_with_numbers(build: Callable[[Any], Any], make: Callable[[], Any]) -> None:
    model = build(make())
    factor = -1.0 if make is Signed and X.sum() < 0 else 1.0
    np.testing.assert_allclose(model(X), factor * X.sum(1, keepdims=True), rtol=1e-5)


@pytest.mark.parametrize("make", _LAYERS)
def test_predict_warns_once_and_names_the_line(make: Callable[[], Any]) -> None:
    model = _functional(make())
    with pytest.warns(
        UserWarning, match=r"predict runs the model layer by layer.*line \d+ of test_numbers_in_call"
    ) as seen:
        made = model.predict(X, batch_size=2, verbose=0)
    assert len(seen) == 1
    wanted = np.concatenate([np.asarray(model(X[i : i + 2])) for i in range(0, 6, 2)])
    np.testing.assert_allclose(made, wanted, rtol=1e-5)


@pytest.mark.parametrize("make", _LAYERS)
def test_fit_and_evaluate_compute_the_same_eagerly_and_after_the_warning(make: Callable[[], Any]) -> None:
    histories = []
    for eagerly in (True, False):
        model = _functional(make())
        model.compile("sgd", "mse", run_eagerly=eagerly)
        with pytest.warns(UserWarning, match="runs eagerly") if not eagerly else _no_warning():
            history = model.fit(X, X[:, :1], epochs=2, batch_size=3, shuffle=False, verbose=0).history["loss"]
            histories.append([*history, model.evaluate(X, X[:, :1], verbose=0)])
    np.testing.assert_allclose(histories[0], histories[1], rtol=1e-5)
    assert histories[0][0] > histories[0][1]


def _no_warning() -> Any:
    from contextlib import nullcontext

    return nullcontext()


def test_layer_without_a_declared_shape_is_refused_in_a_model() -> None:
    with pytest.raises(UnknownValueError, match=r"compute_output_shape\(self, input_shape\)"):
        _functional(Sorted())
    np.testing.assert_allclose(Sorted()(X), np.sort(X, -1))


@pytest.mark.parametrize(
    "use",
    [
        bool,
        float,
        int,
        complex,
        np.asarray,
        np.linalg.norm,
        lambda t: [0, 1][t],
        lambda t: t.numpy(),
        lambda t: t.item(),
    ],
)
def test_everything_that_needs_numbers_raises_one_kind_of_error(use: Any) -> None:
    @graphkit.function  # type: ignore[untyped-decorator]
    def inner(x: Any) -> Any:
        with pytest.raises(UnknownValueError):
            use(ops.sum(x))
        assert not hasattr(x, "numpy")
        return x

    inner(X)
