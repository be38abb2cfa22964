"""Knowledge distillation. Numbers are compared with real Keras by the example script 38_distiller."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphkit
from graphkit import distillation, layers, ops
from graphkit.errors import InvalidArgumentError, InvalidTypeError, UnsupportedError


def _net(units: int = 4, inputs: int = 5, outputs: int = 3) -> Any:
    return graphkit.Sequential(
        [graphkit.Input((inputs,)), layers.Dense(units, name="hidden"), layers.Dense(outputs, name="logits")]
    )


class Own(graphkit.Model):
    """A model without known inputs."""

    def call(self, x: Any) -> Any:
        return x


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"teacher": 1}, "Teacher must be a keras.Model"),
        ({"student": _net(inputs=6)}, "input shapes are incompatible"),
        ({"student": _net(outputs=4)}, "output shapes are incompatible"),
        ({"distillation_losses": None}, "cannot be `None`"),
        ({"student_loss_weight": 2}, "between 0.0 and 1.0"),
        ({"student_loss_weight": "all"}, "must be a number"),
        (
            {"distillation_losses": [distillation.LogitsDistillation()], "distillation_loss_weights": [1, 2]},
            "must match",
        ),
    ],
)
def test_models_that_do_not_fit_are_refused(arguments: dict[str, Any], message: str) -> None:
    given = {
        "teacher": _net(),
        "student": _net(),
        "distillation_losses": distillation.LogitsDistillation(),
        **arguments,
    }
    with pytest.raises((InvalidArgumentError, InvalidTypeError), match=message):
        distillation.Distiller(**given)


def test_losses_check_their_arguments() -> None:
    with pytest.raises(InvalidArgumentError, match="positive"):
        distillation.LogitsDistillation(temperature=0)
    with pytest.raises(InvalidArgumentError, match="at least one"):
        distillation.FeatureDistillation(loss=[None, None])
    with pytest.raises(InvalidArgumentError, match="In teacher model: No such layer"):
        distillation.FeatureDistillation("mse", "none").validate_model_compatibility(_net(), _net())
    with pytest.raises(InvalidArgumentError, match="student defines its own call"):
        distillation.FeatureDistillation("mse", "hidden", "hidden").validate_model_compatibility(_net(), Own())
    with pytest.raises(UnsupportedError, match="compute_loss"):
        distillation.DistillationLoss().compute_loss(1.0, 2.0)


def test_the_teacher_is_frozen_and_the_student_learns() -> None:
    teacher, student = _net(), _net(2)
    x = np.random.default_rng(0).normal(size=(32, 5)).astype("float32")
    before = [w.copy() for w in teacher.get_weights()]
    model = distillation.Distiller(
        teacher, student, distillation.LogitsDistillation(loss="mse"), student_loss_weight=0.0
    )
    model.compile("adam", "mse")
    history = model.fit(x, np.zeros((32, 3)), epochs=15, verbose=0).history

    assert history["distillation_loss"][-1] < history["distillation_loss"][0]
    assert set(history["student_loss"]) == {0.0}
    for old, new in zip(before, teacher.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_an_own_loss_must_be_a_scalar() -> None:
    class Rows(distillation.DistillationLoss):
        def compute_loss(self, teacher_outputs: Any, student_outputs: Any, **kwargs: Any) -> Any:
            return ops.sum(ops.square(teacher_outputs - student_outputs), axis=-1)

    model = distillation.Distiller(_net(), _net(), Rows())
    model.compile("sgd", "mse")
    with pytest.raises(InvalidArgumentError, match="non-scalar loss with shape"):
        model.fit(np.ones((4, 5), "float32"), np.ones((4, 3)), verbose=0)
