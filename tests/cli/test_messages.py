"""What a user reads after a mistake: typed errors that name what was wrong and what to do, in a few lines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphkit
from graphkit import callbacks, layers, losses, metrics, ops, utils
from graphkit.core.errors import GraphKitError

X, Y = np.ones((8, 2), "float32"), np.ones((8, 1), "float32")


def net(**settings: Any) -> Any:
    model = graphkit.Sequential([graphkit.Input((2,), name="point"), layers.Dense(1, name="answer")])
    model.compile(**{"optimizer": "sgd", "loss": "mse", **settings})
    return model


class OwnCallback(callbacks.Callback):
    """A callback that is given as a class by mistake."""


class NoCall(layers.Layer):
    """A layer without call()."""


class NoResult(graphkit.Model):
    """A model whose call() forgets to return."""

    def call(self, x: Any) -> None:
        """Return nothing."""


def fit_without_result() -> None:
    model = NoResult()
    model.compile("sgd", "mse")
    model.fit(X, Y, verbose=0)


MISTAKES: dict[str, tuple[Callable[[], Any], str]] = {
    "no loss": (lambda: net(loss=None).fit(X, Y, verbose=0), r"No loss to compute\. Provide a `loss` argument in `compile\(\)`"),
    "no compile": (lambda: graphkit.Sequential([layers.Dense(1)]).fit(X, Y), r"You must call `compile\(\)`"),
    "unknown loss": (lambda: net(loss="mean_square_error"), r"Did you mean 'mean_squared_error'"),
    "unknown optimizer": (lambda: net(optimizer="adm"), r"Unknown optimizer: 'adm'\. Did you mean 'adam'"),
    "unknown metric": (lambda: net(metrics=["acuracy"]).fit(X, Y, verbose=0), r"Did you mean 'accuracy'"),
    "two loss weights": (lambda: net(loss_weights=[1.0, 2.0]).fit(X, Y, verbose=0), r"`loss_weights` must match the number of losses"),
    "metric without result": (
        lambda: net(metrics=[lambda y, p: None]).fit(X, Y, verbose=0), r"Metric '<lambda>': its function returned None",
    ),
    "model without result": (fit_without_result, r"The call\(\) of NoResult '.*' returned None; return the outputs"),
    "callback class": (
        lambda: net().fit(X, Y, verbose=0, callbacks=[OwnCallback]), r"got the class OwnCallback; pass OwnCallback\(\.\.\.\)",
    ),
    "wrong width": (lambda: net().fit(np.ones((8, 3)), Y, verbose=0), r"Input 'point' .* expects shape \(None, 2\), got \(8, 3\)"),
    "ragged inputs": (lambda: net().fit([[1, 2], [3]], Y[:2], verbose=0), r"Input 'point' .* is ragged: .* keras\.utils\.pad_sequences"),
    "ragged targets": (lambda: net().fit(X[:2], [[1], [2, 3]], verbose=0), r"y is ragged: its parts have different lengths\. Pad"),
    "ragged tensor": (lambda: ops.convert_to_tensor([[1], [2, 3]]), r"got a ragged list: its parts have different lengths\. Pad"),
    "targets are strings": (lambda: net().fit(X, np.array(["a"] * 8), verbose=0), r"the targets are strings; .*StringLookup"),
    "validation data without targets": (
        lambda: net().fit(X, Y, validation_data=(X,), verbose=0), r"Output 'answer' has a loss, but no target \(y\)",
    ),
    "a number for a tensor": (lambda: layers.Dense(2)(3), r"Only input tensors may be passed as positional arguments\..* was called on 3"),
    "layer without call": (lambda: NoCall()(X), r"NoCall defines no call\(\)"),
    "loss without call": (lambda: losses.Loss()(Y, Y), r"Loss defines no call\(y_true, y_pred\)"),
    "metric without update": (lambda: metrics.Metric().update_state(), r"Metric defines no update_state"),
    "data set without length": (lambda: len(utils.PyDataset()), r"PyDataset defines no __len__"),
    "unknown argument": (lambda: layers.Dense(2, unit=3), r"keyword arguments passed to Dense: \{'unit': 3\}\. Did you mean 'units'"),
    "config without an argument": (lambda: layers.Dense.from_config({"unit": 2}), r"Error when deserializing class 'Dense' using config"),
    "unbuilt weights": (
        lambda: graphkit.Sequential([layers.Dense(1)]).save_weights("a.weights.h5"), r"You are saving a model that has not yet been built",
    ),
    "nothing to stack": (lambda: ops.stack([]), r"stack expects at least one tensor, got none"),
    "negative size": (lambda: ops.zeros((2, -3)), r"cannot have a negative size, got shape \(2, -3\)"),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_named_with_what_to_do(name: str) -> None:
    mistake, message = MISTAKES[name]

    with pytest.raises(GraphKitError, match=f"(?s){message}") as caught:
        mistake()
    assert len(str(caught.value)) < 700


def test_a_long_config_is_shortened() -> None:
    config = {f"unknown_{i}": list(range(500)) for i in range(60)}

    with pytest.raises(GraphKitError, match=r"'unknown_0': .*\.\.\..* 54 more") as caught:
        layers.Dense(2, **config)
    assert len(str(caught.value)) < 1200
