"""Trainer: the training methods of Model. They are implemented in `graphkit.training`, which is imported when one is called."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphkit.core.deferred import deferred
from graphkit.ir.stateless import StatelessScope, values_after, with_values


class Trainer:
    """The part of Model that trains. A subclass may override each of its methods, as in Keras. Source: keras.Model.

    Attributes:
        compiled: Whether `compile` was called.
        compile_state: The losses, metrics and compiled steps that belong to the arguments of `compile`; None before it.
        optimizer: The optimizer passed to `compile`, or set; None before.
        loss: The loss passed to `compile`, or set; None before.
        stop_training, stop_evaluating, stop_predicting: Set by callbacks to end `fit`, `evaluate` or `predict` after the current step.
        steps_per_execution: The number of steps between two calls of the methods of callbacks for batches.
        train_function, test_function, predict_function: What `make_train_function` and the others made; None before.
    """

    compiled: bool
    compile_state: Any
    optimizer: Any
    loss: Any
    stop_training: bool
    stop_evaluating: bool
    stop_predicting: bool
    steps_per_execution: int
    train_function: Any
    test_function: Any
    predict_function: Any
    _run_eagerly: bool
    _jit_compile: Any

    def _init_training(self) -> None:
        """Set the attributes of a model that is not compiled."""
        self.compiled = False
        self.compile_state = None
        self.optimizer = None
        self.loss = None
        self.stop_training = self.stop_evaluating = self.stop_predicting = False
        self.steps_per_execution = 1
        self.train_function = self.test_function = self.predict_function = None
        self._run_eagerly = False
        self._jit_compile = True

    # ----- compile -----

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        run_eagerly: bool = False,
        steps_per_execution: int = 1,
        jit_compile: Any = "auto",
        auto_scale_loss: bool = True,
        **kwargs: Any,
    ) -> None:
        """Configure the model for training.

        Losses and metrics are given by name or as objects; with several outputs, in the structure of the outputs or in a dict by name.

        Args:
            optimizer: A name, an optimizer or None.
            loss: The loss or losses.
            loss_weights: A factor for each loss.
            metrics: The metrics.
            weighted_metrics: Metrics that are weighted with `sample_weight`.
            run_eagerly: Whether steps run eagerly, line by line, instead of as compiled programs.
            steps_per_execution: The number of steps between two calls of the methods of callbacks for batches.
            jit_compile: Accepted for Keras' signature; every traced step is compiled.
            auto_scale_loss: Whether the optimizer of a model of the dtype policy "mixed_float16" is wrapped in a `LossScaleOptimizer`.
            **kwargs: None are accepted.

        Raises:
            InvalidArgumentError: A loss or metric has an unknown name.
            InvalidTypeError: An argument is unknown or has the wrong type.

        Source: keras.Model.compile.
        """
        deferred("training").compile_model(
            self,
            optimizer=optimizer,
            loss=loss,
            loss_weights=loss_weights,
            metrics=metrics,
            weighted_metrics=weighted_metrics,
            run_eagerly=run_eagerly,
            steps_per_execution=steps_per_execution,
            jit_compile=jit_compile,
            auto_scale_loss=auto_scale_loss,
            **kwargs,
        )

    @property
    def run_eagerly(self) -> bool:
        """Whether steps run eagerly, line by line, instead of as compiled programs. Source: keras.Model.run_eagerly."""
        return self._run_eagerly

    @run_eagerly.setter
    def run_eagerly(self, value: bool) -> None:
        self._run_eagerly = bool(value)

    @property
    def jit_compile(self) -> Any:
        """The value passed to `compile`; every traced step is compiled. Source: keras.Model.jit_compile."""
        return self._jit_compile

    @jit_compile.setter
    def jit_compile(self, value: Any) -> None:
        self._jit_compile = value

    def get_compile_config(self) -> dict[str, Any]:
        """Return the arguments of `compile` as JSON data; empty before `compile`. Source: keras.Model.get_compile_config."""
        config: dict[str, Any] = (
            {} if self.compile_state is None or not self.compiled else self.compile_state.get_config()
        )
        return config

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compile with the arguments that `get_compile_config` returned. Source: keras.Model.compile_from_config."""
        deferred("training").compile_from_config(self, config)

    # ----- fit, evaluate, predict -----

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: Any = "auto",
        callbacks: Any = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: Any = True,
        class_weight: Any = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: Any = 1,
        **old: Any,
    ) -> Any:
        """Train the model and return a History. Arguments and errors: see `graphkit.training.trainer.fit`. Source: keras.Model.fit."""
        if "nb_epoch" in old:  # Keras 1's spelling
            epochs = old.pop("nb_epoch")
        return deferred("training").fit(
            self,
            x,
            y,
            batch_size=batch_size,
            epochs=epochs,
            verbose=verbose,
            callbacks=callbacks,
            validation_split=validation_split,
            validation_data=validation_data,
            shuffle=shuffle,
            class_weight=class_weight,
            sample_weight=sample_weight,
            initial_epoch=initial_epoch,
            steps_per_epoch=steps_per_epoch,
            validation_steps=validation_steps,
            validation_batch_size=validation_batch_size,
            validation_freq=validation_freq,
            **old,
        )

    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: Any = "auto",
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Any = None,
        return_dict: bool = False,
        **old: Any,
    ) -> Any:
        """Compute loss and metrics on data; see `graphkit.training.trainer.evaluate`. Source: keras.Model.evaluate."""
        return deferred("training").evaluate(
            self, x, y, batch_size, verbose, sample_weight, steps, callbacks, return_dict, **old
        )

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: Any = "auto",
        steps: int | None = None,
        callbacks: Any = None,
    ) -> Any:
        """Compute the outputs for `x`, batch by batch: with onnxruntime, unless `predict_step` is overridden.

        Args:
            x: Arrays in the structure of the model's inputs, or a data set that yields batches.
            batch_size: The number of rows per batch, 32 by default; for arrays only.
            verbose: "auto", 0 for silent, 1 for a progress bar, 2 for a line.
            steps: The number of batches; all by default.
            callbacks: Callbacks to run.

        Returns:
            Arrays in the structure of the model's outputs.

        Raises:
            InvalidArgumentError: The data do not match the model, or contain no batch.

        Source: keras.Model.predict.
        """
        return deferred("training").predict(
            self, x, batch_size=batch_size, verbose=verbose, steps=steps, callbacks=callbacks
        )

    def train_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: Any = None,
        return_dict: bool = False,
        **old: Any,
    ) -> Any:
        """Run one training step and return its results; see `graphkit.training.trainer.train_on_batch`. Source: keras.Model."""
        return deferred("training").train_on_batch(self, x, y, sample_weight, class_weight, return_dict, **old)

    def test_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        return_dict: bool = False,
        **old: Any,
    ) -> Any:
        """Compute loss and metrics on one batch; see `graphkit.training.trainer.test_on_batch`. Source: keras.Model.test_on_batch."""
        return deferred("training").test_on_batch(self, x, y, sample_weight, return_dict, **old)

    def predict_on_batch(self, x: Any) -> Any:
        """Compute the outputs for one batch. Source: keras.Model.predict_on_batch."""
        return deferred("training").predict_on_batch(self, x)

    # ----- steps -----

    def train_step(self, data: Any) -> Any:
        """Run one training step; to be overridden, or called from an override.

        `fit` and `train_on_batch` trace this method for each form of batch and compile it. An override may use
        `graphkit.GradientTape`, ops, layers, metrics and optimizers.

        Args:
            data: A batch: `x`, `(x, y)` or `(x, y, sample_weight)`.

        Returns:
            A dict of results by name, as they appear in the logs.

        Source: keras.Model.train_step (TensorFlow and PyTorch backends).
        """
        return deferred("steps").train_step(self, data)

    def test_step(self, data: Any) -> Any:
        """Evaluate one batch; to be overridden, or called from an override.

        Args:
            data: A batch: `x`, `(x, y)` or `(x, y, sample_weight)`.

        Returns:
            A dict of results by name, as they appear in the logs.

        Source: keras.Model.test_step (TensorFlow and PyTorch backends).
        """
        return deferred("steps").test_step(self, data)

    def predict_step(self, data: Any) -> Any:
        """Compute the outputs for one batch; to be overridden, or called from an override.

        Args:
            data: A batch; targets and weights are dropped.

        Source: keras.Model.predict_step (TensorFlow and PyTorch backends).
        """
        return deferred("steps").predict_step(self, data)

    def stateless_compute_loss(
        self,
        trainable_variables: Sequence[Any],
        non_trainable_variables: Sequence[Any],
        metrics_variables: Sequence[Any],
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> tuple[Any, tuple[Any, list[Any], list[Any]]]:
        """Compute the loss with other values of the variables, which stay as they are. Source: keras.Model.stateless_compute_loss.

        Args:
            trainable_variables, non_trainable_variables, metrics_variables: A value for each of these variables.
            x, y, y_pred, sample_weight, training: As for `compute_loss`.

        Returns:
            The loss, and the three lists with their values after it.

        Raises:
            InvalidArgumentError: The values do not fit the variables.
        """
        model: Any = self
        kind = type(self).__name__
        mapping = with_values(model.trainable_variables, trainable_variables, "trainable_variables", kind)
        mapping += with_values(model.non_trainable_variables, non_trainable_variables, "non_trainable_variables", kind)
        mapping += with_values(model.metrics_variables, metrics_variables, "metrics_variables", kind)
        with StatelessScope(mapping) as scope:
            loss = self.compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=sample_weight, training=training)
        after = [values_after(scope, v) for v in (model.non_trainable_variables, model.metrics_variables)]
        return loss, (trainable_variables, after[0], after[1])

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """Return the loss of a batch: the losses passed to `compile`, plus those of `add_loss` and regularizers; to be overridden.

        Args:
            x: The inputs; not used.
            y: The targets.
            y_pred: The model's outputs.
            sample_weight: The weights of the samples.
            training: Whether the step is one of training; not used.

        Returns:
            A scalar.

        Raises:
            InvalidArgumentError: There is no loss.
            ShapeError: A target does not fit its output, or a loss is not reduced to a scalar.

        Source: keras.Model.compute_loss.
        """
        return deferred("steps").compute_loss(self, y, y_pred, sample_weight)

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> dict[str, Any]:
        """Update the metrics passed to `compile`, and return the results of all metrics by name; to be overridden.

        Args:
            x: The inputs; not used.
            y: The targets.
            y_pred: The model's outputs.
            sample_weight: The weights of the samples.

        Source: keras.Model.compute_metrics.
        """
        results: dict[str, Any] = deferred("steps").compute_metrics(self, y, y_pred, sample_weight)
        return results

    def get_metrics_result(self) -> dict[str, Any]:
        """Return the results of `metrics` by name. Source: keras.Model.get_metrics_result."""
        results: dict[str, Any] = deferred("steps").metrics_results(self)
        return results

    def reset_metrics(self) -> None:
        """Reset the state of all metrics. Source: keras.Model.reset_metrics."""
        for metric in self.metrics:
            metric.reset_state()

    @property
    def metrics(self) -> list[Any]:
        """All metrics: of the loss, of `compile`, and those that the model and its layers hold. Source: keras.Model.metrics."""
        found: list[Any] = deferred("steps").metrics_of(self)
        return found

    @property
    def metrics_names(self) -> list[str]:
        """The names of `metrics`. Source: keras.Model.metrics_names."""
        return [metric.name for metric in self.metrics]

    @property
    def compiled_metrics(self) -> Any:
        """Older form of the metrics passed to `compile`: `compiled_metrics.update_state(y, y_pred, sample_weight)`."""
        return deferred("steps").OlderMetrics(self)

    def compiled_loss(self, y: Any, y_pred: Any, sample_weight: Any = None, regularization_losses: Any = None) -> Any:
        """Older form of `compute_loss`; the losses of layers and regularizers are always added."""
        return deferred("steps").older_loss(self, y, y_pred, sample_weight)

    def make_train_function(self, force: bool = False) -> Any:
        """Set `train_function`, which takes an iterator of batches, runs `train_step` on the next and returns its results.

        Args:
            force: Whether to make it again if there is one.

        Source: keras.Model.make_train_function.
        """
        return self._make_function("train", force)

    def make_test_function(self, force: bool = False) -> Any:
        """Set `test_function`; like `make_train_function`, for `test_step`. Source: keras.Model.make_test_function."""
        return self._make_function("test", force)

    def make_predict_function(self, force: bool = False) -> Any:
        """Set `predict_function`; like `make_train_function`, for `predict_step`. Source: keras.Model.make_predict_function."""
        return self._make_function("predict", force)

    def _make_function(self, kind: str, force: bool) -> Any:
        name = f"{kind}_function"
        if getattr(self, name) is None or force:
            setattr(self, name, deferred("steps").StepFunction(self, kind))
        return getattr(self, name)
