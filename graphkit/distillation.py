"""Knowledge distillation: a student model learns from the outputs or features of a trained teacher. Source: keras.distillation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from graphkit import losses, metrics, ops, tree
from graphkit.core.errors import GraphError, InvalidArgumentError, InvalidTypeError, UnknownNameError, UnsupportedError
from graphkit.core.serialization import deserialize, keras_class, serialize
from graphkit.losses import KLDivergence
from graphkit.models import Model

__all__ = ["DistillationLoss", "Distiller", "FeatureDistillation", "LogitsDistillation"]

_HOME = "keras.distillation"
_FINAL = "final_output"


def _loss_functions(given: Any) -> Any:
    """Return the losses of a structure of names, losses and None."""
    return tree.map_structure(lambda loss: losses.get(loss) if isinstance(loss, str) else loss, given)


def _loss_from_config(config: Any) -> Any:
    """Return the losses of a structure of configs."""
    if isinstance(config, list):
        return [_loss_from_config(one) for one in config]
    if isinstance(config, Mapping) and "class_name" not in config:
        return {key: _loss_from_config(one) for key, one in config.items()}
    return None if config is None else losses.get(config)


def _total(functions: Any, teacher: Any, student: Any, apply: Any) -> Any:
    """Return the sum of the losses of all outputs; an output whose loss is None counts 0."""
    values = tree.map_structure(
        lambda loss, t, s: 0.0 if loss is None else apply(loss, t, s), functions, teacher, student
    )
    return ops.sum(ops.stack([ops.cast(value, "float32") for value in tree.flatten(values)]))


@keras_class(_HOME)
class DistillationLoss:
    """Base of distillation losses; a subclass implements `compute_loss`. Source: keras.distillation.DistillationLoss."""

    def compute_loss(self, teacher_outputs: Any, student_outputs: Any, **kwargs: Any) -> Any:
        """Return the loss, a scalar.

        Args:
            teacher_outputs: The outputs of the teacher, or of one of its layers.
            student_outputs: Those of the student.
            **kwargs: Further arguments of a subclass.
        """
        raise UnsupportedError("Subclasses must implement compute_loss")

    def validate_outputs(self, teacher_outputs: Any, student_outputs: Any) -> None:
        """Raise InvalidArgumentError if the outputs have different structures."""
        tree.assert_same_structure(teacher_outputs, student_outputs)

    def validate_model_compatibility(self, teacher: Any, student: Any) -> None:
        """Raise InvalidArgumentError if the loss cannot be computed for these models; by default it can."""


@keras_class(_HOME)
class LogitsDistillation(DistillationLoss):
    """Compares the outputs of both models, divided by a temperature.

    Args:
        temperature: Higher values give softer targets.
        loss: A name, a loss, or a structure of them for several outputs, with None for outputs that do not count. For
            `KLDivergence`, the outputs are taken as logits, and the loss is multiplied by the square of the temperature.

    Raises:
        InvalidArgumentError: The temperature is not positive, or there is no loss.

    Source: keras.distillation.LogitsDistillation; Hinton et al. 2015, https://arxiv.org/abs/1503.02531.
    """

    def __init__(self, temperature: float = 3.0, loss: Any = "kl_divergence") -> None:
        self.temperature = temperature
        self.loss = _loss_functions(loss)
        if all(one is None for one in tree.flatten(self.loss)):
            raise InvalidArgumentError("At least one loss must be non-`None`.")
        if not isinstance(temperature, (int, float)):
            raise InvalidTypeError(f"temperature must be a number, got {type(temperature)}")
        if temperature <= 0.0:
            raise InvalidArgumentError("temperature must be positive.")

    def compute_loss(self, teacher_outputs: Any, student_outputs: Any, **kwargs: Any) -> Any:
        """Return the sum of the losses of all outputs."""
        teacher, student = (
            tree.map_structure(lambda x: ops.divide(x, self.temperature), outputs)
            for outputs in (teacher_outputs, student_outputs)
        )
        return _total(self.loss, teacher, student, self._of_one)

    def _of_one(self, loss: Any, teacher: Any, student: Any) -> Any:
        if not isinstance(loss, KLDivergence):
            return ops.mean(loss(teacher, student))
        return ops.multiply(ops.mean(loss(ops.softmax(teacher), ops.softmax(student))), self.temperature**2)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments as JSON data."""
        return {"temperature": self.temperature, "loss": serialize(self.loss)}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Any:
        """Return a loss with this config."""
        return cls(**{**config, "loss": _loss_from_config(config["loss"])})


@keras_class(_HOME)
class FeatureDistillation(DistillationLoss):
    """Compares the outputs of two layers, or of the models.

    Args:
        loss: A name, a loss, or a structure of them like that of the outputs, with None for outputs that do not count.
        teacher_layer_name: The layer of the teacher; None for its output.
        student_layer_name: The layer of the student; None for its output.

    Raises:
        InvalidArgumentError: There is no loss.

    Source: keras.distillation.FeatureDistillation.
    """

    def __init__(
        self, loss: Any = "mse", teacher_layer_name: str | None = None, student_layer_name: str | None = None
    ) -> None:
        self.teacher_layer_name = teacher_layer_name
        self.student_layer_name = student_layer_name
        self.loss = _loss_functions(loss)
        if all(one is None for one in tree.flatten(self.loss)):
            raise InvalidArgumentError(
                "The `loss` argument in `FeatureDistillation` must contain at least one non-`None` value."
            )

    def validate_model_compatibility(self, teacher: Any, student: Any) -> None:
        """Raise InvalidArgumentError if a layer is missing, or a model with its own `call` has no known layer outputs."""
        for role, model, name in (
            ("teacher", teacher, self.teacher_layer_name),
            ("student", student, self.student_layer_name),
        ):
            if name is None:
                continue
            if _symbolic(model, "inputs") is None:
                raise InvalidArgumentError(
                    f"FeatureDistillation with specific layer names requires Functional or Sequential models; the {role} defines its "
                    "own call(). Leave the layer names out, or use LogitsDistillation."
                )
            try:
                model.get_layer(name=name)
            except (UnknownNameError, ValueError) as error:
                raise InvalidArgumentError(f"In {role} model: {error}") from None

    def validate_outputs(self, teacher_outputs: Any, student_outputs: Any) -> None:
        """Raise InvalidArgumentError if the outputs or the losses have different structures."""
        super().validate_outputs(teacher_outputs, student_outputs)
        try:
            tree.assert_same_structure(self.loss, teacher_outputs)
        except ValueError as error:
            raise InvalidArgumentError(
                f"Loss structure mismatch: `loss` must have the structure of the outputs. {error}"
            ) from None

    def compute_loss(self, teacher_outputs: Any, student_outputs: Any, **kwargs: Any) -> Any:
        """Return the sum of the losses of all outputs."""
        return _total(self.loss, teacher_outputs, student_outputs, lambda loss, t, s: ops.mean(loss(t, s)))

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments as JSON data."""
        return {
            "loss": serialize(self.loss),
            "teacher_layer_name": self.teacher_layer_name,
            "student_layer_name": self.student_layer_name,
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Any:
        """Return a loss with this config."""
        return cls(**{**config, "loss": _loss_from_config(config["loss"])})


@keras_class(_HOME)
class Distiller(Model):
    """Trains a student with its own loss and with what a teacher computes for the same inputs.

    Args:
        teacher: A trained model; it is frozen.
        student: The model to train, which `call` runs.
        distillation_losses: A `DistillationLoss`, or a list of them.
        distillation_loss_weights: A factor for each of them; 1 by default.
        student_loss_weight: The part of the student's own loss in the whole, from 0 to 1.
        name: The name.
        **kwargs: Arguments of Model.

    Raises:
        InvalidArgumentError: The models do not fit each other or a loss, or a weight is invalid.

    Source: keras.distillation.Distiller.
    """

    def __init__(
        self,
        teacher: Any,
        student: Any,
        distillation_losses: Any,
        distillation_loss_weights: Sequence[float] | None = None,
        student_loss_weight: float = 0.5,
        name: str = "distiller",
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        _check_models(teacher, student)
        self.teacher, self.student = teacher, student
        self.student_loss_weight = _checked_part(student_loss_weight)
        if distillation_losses is None:
            raise InvalidArgumentError(
                "'distillation_losses' cannot be `None`. Provide a distillation loss (e.g., LogitsDistillation or "
                "FeatureDistillation) or a list of distillation losses."
            )
        several = isinstance(distillation_losses, (list, tuple))
        self.distillation_losses = list(distillation_losses) if several else [distillation_losses]
        weights = distillation_loss_weights if several else None
        self.distillation_loss_weights = [1.0] * len(self.distillation_losses) if weights is None else list(weights)
        if len(self.distillation_loss_weights) != len(self.distillation_losses):
            raise InvalidArgumentError(
                f"Number of distillation_loss_weights ({len(self.distillation_loss_weights)}) must match number of "
                f"distillation_losses ({len(self.distillation_losses)})"
            )
        for loss in self.distillation_losses:
            loss.validate_model_compatibility(teacher, student)
        self._teacher_features = self._features(teacher, "teacher_layer_name")
        self._student_features = self._features(student, "student_layer_name")
        self.teacher.trainable = False
        self.student_loss_tracker = metrics.Mean(name="student_loss")
        self.distillation_loss_tracker = metrics.Mean(name="distillation_loss")
        self.total_loss_tracker = metrics.Mean(name="total_loss")

    def _features(self, model: Any, attribute: str) -> Any:
        """Return a model of the output and of the layers that the losses name; None if they name none."""
        names = [getattr(loss, attribute, None) for loss in self.distillation_losses]
        named = {name: model.get_layer(name=name).output for name in names if name}
        return Model(model.inputs, {_FINAL: model.output, **named}) if named else None

    def compile(  # type: ignore[override]
        self, optimizer: Any = "adam", loss: Any = None, metrics: Any = None, **kwargs: Any
    ) -> None:
        """Configure the training of the student.

        Args:
            optimizer: The optimizer.
            loss: The student's own loss, or a structure of losses.
            metrics: A list of metrics.
            **kwargs: Further arguments of `Model.compile`.

        Raises:
            InvalidArgumentError: There is no loss, or the metrics are not a list.
        """
        if loss is None:
            raise InvalidArgumentError("'loss' cannot be `None`.")
        if metrics is not None and not isinstance(metrics, (list, tuple)):
            raise InvalidTypeError(f"metrics must be a list or tuple, got {type(metrics)}")
        self._student_loss = _loss_functions(loss)
        super().compile(optimizer=optimizer, loss=None, metrics=metrics, **kwargs)

    def call(self, inputs: Any, training: Any = None, **kwargs: Any) -> Any:
        """Return the outputs of the student."""
        return self.student(inputs, training=training, **kwargs)

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """Return the weighted sum of the student's own loss and the distillation losses. Sample weights are not used."""
        if y_pred is None:
            y_pred = self(x, training=training)
        part = self.student_loss_weight
        own = self._own_loss(y, y_pred) if part > 0.0 and y is not None else ops.convert_to_tensor(0.0)
        distilled = self._distillation_loss(x, y_pred) if part < 1.0 else ops.convert_to_tensor(0.0)
        total = ops.add(ops.multiply(part, own), ops.multiply(1.0 - part, distilled))
        self.student_loss_tracker.update_state(own)
        self.distillation_loss_tracker.update_state(distilled)
        self.total_loss_tracker.update_state(total)
        return total

    def _own_loss(self, y: Any, y_pred: Any) -> Any:
        values = tree.map_structure(lambda loss, o, p: loss(o, p), self._student_loss, y, y_pred)
        flat = tree.flatten(values)
        return ops.mean(ops.sum(ops.stack(flat), axis=0) if len(flat) > 1 else flat[0])

    def _distillation_loss(self, x: Any, y_pred: Any) -> Any:
        teacher = self._teacher_features or (lambda x, training: {_FINAL: self.teacher(x, training=training)})
        given = teacher(x, training=False)
        learned = {_FINAL: y_pred} if self._student_features is None else self._student_features(x, training=True)
        total = ops.convert_to_tensor(0.0)
        for loss, weight in zip(self.distillation_losses, self.distillation_loss_weights, strict=True):
            name = getattr(loss, "teacher_layer_name", None)
            seen = y_pred if name is None else learned[getattr(loss, "student_layer_name", None) or _FINAL]
            pair = given[name or _FINAL], seen
            loss.validate_outputs(*pair)
            value = loss.compute_loss(*pair)
            if len(ops.shape(value)) > 0:
                raise InvalidArgumentError(
                    f"Distillation loss {type(loss).__name__} returned a non-scalar loss with shape {ops.shape(value)}. The "
                    "compute_loss method must return a scalar tensor."
                )
            total = ops.add(total, ops.multiply(weight, value))
        return total

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments as JSON data."""
        return {
            **super().get_config(),
            "teacher": serialize(self.teacher),
            "student": serialize(self.student),
            "distillation_losses": [serialize(loss) for loss in self.distillation_losses],
            "distillation_loss_weights": self.distillation_loss_weights,
            "student_loss_weight": self.student_loss_weight,
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any], custom_objects: Any = None) -> Any:
        """Return a distiller with this config."""
        parts = ("teacher", "student", "distillation_losses")
        return cls(**{k: deserialize(v, custom_objects) if k in parts else v for k, v in config.items()})


def _checked_part(part: Any) -> float:
    if not isinstance(part, (int, float)):
        raise InvalidTypeError(f"student_loss_weight must be a number, got {type(part)}")
    if not 0.0 <= part <= 1.0:
        raise InvalidArgumentError(f"student_loss_weight must be between 0.0 and 1.0, got {part}")
    return part


def _symbolic(model: Any, what: str) -> Any:
    """Return the symbolic inputs or outputs of a model, or None if it has its own `call`."""
    try:
        return getattr(model, what)
    except (AttributeError, GraphError):
        return None


def _check_models(teacher: Any, student: Any) -> None:
    """Raise InvalidArgumentError unless both are models whose inputs and outputs have the same shapes and dtypes."""
    for role, model in (("Teacher", teacher), ("Student", student)):
        if not isinstance(model, Model):
            raise InvalidTypeError(f"{role} must be a keras.Model, got {type(model)}")
    for what in ("inputs", "outputs"):
        pair = _symbolic(teacher, what), _symbolic(student, what)
        if None not in pair:
            tree.map_structure(lambda t, s, what=what: _check_same(t, s, what[:-1]), *pair)


def _check_same(teacher: Any, student: Any, what: str) -> None:
    if len(teacher.shape) != len(student.shape):
        raise InvalidArgumentError(
            f"Teacher and student {what} shapes have different dimensions. Teacher: {teacher.shape}, Student: {student.shape}."
        )
    if any(None not in (a, b) and a != b for a, b in zip(teacher.shape, student.shape, strict=True)):
        raise InvalidArgumentError(
            f"Teacher and student {what} shapes are incompatible. Teacher: {teacher.shape}, Student: {student.shape}. All dimensions "
            "must match."
        )
    if teacher.dtype != student.dtype:
        raise InvalidArgumentError(
            f"Teacher and student {what} dtypes must match. Teacher: {teacher.dtype}, Student: {student.dtype}."
        )
