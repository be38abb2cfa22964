"""An entire training step, with gradients and optimizer, is a program like any other, which onnxruntime can run."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from graphkit import layers, ops
from graphkit.converters.onnx import model_to_onnx, program_to_onnx
from graphkit.converters.onnx.files import check_model
from graphkit.engine import run
from graphkit.ir.gradient import gradients
from graphkit.ir.spec import TensorSpec, spec
from graphkit.ir.tracing import Tracer, specialize, trace
from graphkit.models import Model
from tests.converters.onnx.comparing import differences, run_onnx

_rng = np.random.default_rng(0)


def network() -> Any:
    x = layers.Input((6, 6, 2), name="image")
    y = layers.Conv2D(4, 3, padding="same", activation="relu", name="conv")(x)
    y = layers.BatchNormalization(name="norm")(y)
    y = layers.MaxPooling2D(name="pool")(y)
    y = layers.Flatten(name="flatten")(y)
    return Model(x, layers.Dense(3, activation="softmax", name="dense")(y), name="net")


def step_of(model: Any) -> Any:
    """Return a step: forward pass, loss, backward pass, gradient descent."""

    def step(images: Tracer, labels: Tracer) -> Any:
        loss = -ops.mean(ops.sum(labels * ops.log(model(images, training=True) + 1e-7), axis=-1))
        weights = model.trainable_variables
        for weight, slope in zip(weights, gradients(loss, weights), strict=True):
            weight.assign(weight - 0.1 * slope)
        return loss

    return step


@pytest.mark.parametrize("batch", [4, "batch"])
def test_a_step_in_onnxruntime_changes_the_weights_as_the_engine_does(batch: Any) -> None:
    model = network()
    program = trace(step_of(model), spec(batch, 6, 6, 2), spec(batch, 3))
    message = program_to_onnx(program, ["images", "labels"], ["loss"])
    check_model(message)
    images, labels = _rng.normal(size=(4, 6, 6, 2)).astype(np.float32), np.eye(3, dtype=np.float32)[[0, 1, 2, 0]]
    changed = [s.variable for s in program.state if s.after is not None]
    state = [v.numpy() for v in changed]
    known = specialize(program, [TensorSpec.of(images), TensorSpec.of(labels)])
    losses = []
    for _ in range(3):
        made = run_onnx(message, [images, labels, *state])
        want = {"loss": run(known, images, labels)[0], **{f"{v.path}:updated": v.numpy() for v in changed}}
        assert differences(made, want, 1e-4) == []
        state = list(made.values())[1:]
        losses.append(float(made["loss"]))
    assert losses[2] < losses[0]


def test_a_model_can_be_exported_as_it_is_in_training() -> None:
    x = layers.Input((4,), name="x")
    model = Model(x, layers.Dropout(0.5, seed=1, name="dropout")(layers.BatchNormalization(name="norm")(x)))
    message = model_to_onnx(model, training=True)
    check_model(message)
    assert message.graph.output[0].name == "dropout"
    updated = {o.name.removesuffix(":updated") for o in message.graph.output[1:]}
    assert {"norm/moving_mean", "norm/moving_variance"} <= updated
    assert any("seed" in name for name in updated)
