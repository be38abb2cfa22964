"""The default steps of a model, as Keras documents them, and the functions that run a model's steps on batches."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterable
from typing import Any

from graphkit import ops
from graphkit.core import nest
from graphkit.core.errors import InvalidArgumentError, NotCompiledError, place_of
from graphkit.ir.tape import GradientTape
from graphkit.ir.tracing import current_trace
from graphkit.layers.tracking import tracked
from graphkit.metrics.metric import Metric
from graphkit.models.trainer import Trainer
from graphkit.ops._convert import shape_of
from graphkit.training.compiled import Compiled
from graphkit.training.data import Batch, batch_of
from graphkit.training.overrides import overrides
from graphkit.training.results import plain_logs
from graphkit.training.step import EagerStep, Step, needs_values, step_for, unpack_data

_UNCOMPILED = "You must call `compile()` before using the model."

# ----- the default steps -----


def train_step(model: Any, data: Any) -> Any:
    """Run one training step: forward pass, loss, gradients, update, metrics. See `Trainer.train_step`."""
    x, y, sample_weight = unpack_data(data)
    state = compile_state(model)
    with GradientTape() as tape:
        y_pred = model(x, training=True)
        loss = loss_of(model, x, y, y_pred, sample_weight, True)
        state.loss_tracker.update_state(loss, sample_weight=_rows(x))
        target = loss if model.optimizer is None else model.optimizer.scale_loss(loss)
    results = None
    if not overrides(model, "compute_metrics"):
        results = model.compute_metrics(x, y, y_pred, sample_weight=sample_weight)  # first: it reads no weight
    variables = model.trainable_weights
    if variables:
        model.optimizer.apply_gradients(zip(tape.gradient(target, variables), variables, strict=True))
    else:
        warnings.warn("The model does not have any trainable weights.", stacklevel=2)
    if results is None:
        results = model.compute_metrics(x, y, y_pred, sample_weight=sample_weight)
    return results


def test_step(model: Any, data: Any) -> Any:
    """Evaluate one batch. See `Trainer.test_step`."""
    x, y, sample_weight = unpack_data(data)
    state = compile_state(model)
    y_pred = model(x, training=False)
    loss = loss_of(model, x, y, y_pred, sample_weight, False)
    state.loss_tracker.update_state(loss, sample_weight=_rows(x))
    return model.compute_metrics(x, y, y_pred, sample_weight=sample_weight)


def predict_step(model: Any, data: Any) -> Any:
    """Compute the outputs for one batch. See `Trainer.predict_step`."""
    return model(unpack_data(data)[0], training=False)


def _rows(x: Any) -> Any:
    first = next(leaf for leaf in nest.flatten(x) if leaf is not None)
    return ops.cast(shape_of(first)[0], "float32")


def loss_of(model: Any, x: Any, y: Any, y_pred: Any, sample_weight: Any, training: bool) -> Any:
    """Call `compute_loss`, whose override may lack the argument `training`, which older versions of Keras 3 did not have."""
    parameters = inspect.signature(model.compute_loss).parameters
    several = inspect.Parameter.VAR_KEYWORD
    takes = "training" in parameters or any(p.kind is several for p in parameters.values())
    more = {"training": training} if takes else {}
    return model.compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=sample_weight, **more)


def compute_loss(model: Any, y: Any, y_pred: Any, sample_weight: Any) -> Any:
    """Return the losses passed to `compile` plus those of layers and regularizers. See `Trainer.compute_loss`."""
    return compile_state(model).total_loss(model, y, y_pred, sample_weight, model.losses)


def compute_metrics(model: Any, y: Any, y_pred: Any, sample_weight: Any) -> dict[str, Any]:
    """Update the metrics passed to `compile`, and return all results by name. See `Trainer.compute_metrics`."""
    compile_state(model).update_metrics(model, y, y_pred, sample_weight)
    results: dict[str, Any] = model.get_metrics_result()
    return results


def compile_state(model: Any) -> Compiled:
    """Return the state that `compile` made; an own `compile` may have left it out, and set `compiled` only.

    Raises:
        NotCompiledError: `compile` was not called.
    """
    if model.compile_state is None:
        if not model.compiled:
            raise NotCompiledError(_UNCOMPILED)
        model.compile_state = Compiled(None, model.loss, None, None, None, None)
    state: Compiled = model.compile_state
    return state


# ----- metrics -----


def metrics_of(model: Any) -> list[Any]:
    """Return the metrics of `compile`, then those that the model and its layers hold. See `Trainer.metrics`."""
    found = list(model.compile_state.metrics) if model.compile_state is not None and model.compiled else []
    for part in model._walk_layers():
        if part is model or not isinstance(part, Trainer):  # a model inside is trained by itself
            found += tracked(part, (Metric,))
    return list({id(metric): metric for metric in found}.values())


def metrics_results(model: Any) -> dict[str, Any]:
    """Return the results of a model's metrics by name. See `Trainer.get_metrics_result`."""
    found: dict[str, Any] = {}
    for metric in model.metrics:
        result = metric.result()
        found.update(result if isinstance(result, dict) else {metric.name: result})
    return found if current_trace() is not None else plain_logs(found)


def ordered(model: Any, logs: dict[str, Any]) -> Any:
    """Return results as a list in the order of `metrics`, or the only result alone."""
    known: list[str] = []
    for metric in model.metrics:
        known += [m.name for m in metric.metrics] if hasattr(metric, "metrics") else [metric.name]
    values = [logs[n] for n in known if n in logs] + [logs[n] for n in sorted(logs) if n not in known]
    return values[0] if len(values) == 1 else values


class OlderMetrics:
    """The metrics passed to `compile`, as steps written for older versions of Keras update them."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def update_state(self, y: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Update the metrics with a batch."""
        warnings.warn(
            "`model.compiled_metrics()` is deprecated. Instead, use `for metric in self.metrics: metric.update_state(y, y_pred)`.",
            stacklevel=2,
        )
        compile_state(self._model).update_metrics(self._model, y, y_pred, sample_weight)


def older_loss(model: Any, y: Any, y_pred: Any, sample_weight: Any) -> Any:
    """Return the loss of a batch for steps written for older versions of Keras."""
    warnings.warn(
        "`model.compiled_loss()` is deprecated. Instead, use `model.compute_loss(x, y, y_pred, sample_weight, training)`.",
        stacklevel=4,
    )
    return loss_of(model, None, y, y_pred, sample_weight, True)


# ----- running steps -----


class StepFunction:
    """Runs a step of a model on batches; `Trainer.make_train_function` and the others create it.

    Called with an iterator of batches, it runs the step on the next one (with `steps_per_execution`, on as many) and returns what
    the last step returned.

    Args:
        model: The model.
        kind: "train", "test" or "predict".

    Attributes:
        steps: The steps compiled so far.
    """

    def __init__(self, model: Any, kind: str) -> None:
        self.model, self.kind = model, kind
        self.steps: dict[Any, Step] = {}
        self.is_eager = False  # whether a step could not be traced

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "steps": {}}  # compiled steps are built again

    def __call__(self, iterator: Iterable[Any]) -> Any:
        """Run the step on the next batches of an iterator, and return its results."""
        step: Step | None = None
        number = max(int(self.model.steps_per_execution), 1)
        for _, data in zip(range(number), iterator, strict=False):
            step = self.run(batch_of(data))
        if step is None:
            raise StopIteration
        return step.results()

    def run(self, batch: Batch) -> Step:
        """Run the step on a batch; the results are read from the step that is returned."""
        step = self.step(batch)
        step.run(batch)
        return step

    def step(self, batch: Batch) -> Step:
        """Return the step for batches like this one: compiled, or eager if it cannot be traced or `run_eagerly` is set."""
        method = getattr(self.model, f"{self.kind}_step")
        if self.model.run_eagerly or self.is_eager:
            return EagerStep(self.model, method)
        try:
            return step_for(self.model, self.kind, method, batch, self.steps)
        except needs_values() as error:
            self.is_eager = True
            warnings.warn(
                f"{type(self.model).__name__}.{self.kind}_step runs eagerly, line by line, which is several times slower than a "
                f"compiled step: {place_of(error)}it needs the numbers of a tensor while it is traced. {error} Use ops.cond, ops.where "
                "and other functions of graphkit.ops instead; compile(run_eagerly=True) avoids this warning.",
                stacklevel=4,
            )
            return EagerStep(self.model, method)


_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def _parameters(model: Any, name: str) -> list[inspect.Parameter]:
    """Return the parameters of a model's method without `self`; those of the function inside if it is decorated."""
    if name in model.__dict__:
        return list(inspect.signature(model.__dict__[name]).parameters.values())
    held = inspect.getattr_static(type(model), name)
    parameters = list(inspect.signature(inspect.unwrap(getattr(held, "__func__", held))).parameters.values())
    is_bound = not isinstance(held, staticmethod) and parameters and parameters[0].kind in _POSITIONAL
    return parameters[1:] if is_bound else parameters


def check_form(model: Any, kind: str) -> None:
    """Refuse a step in the form of Keras on JAX, `train_step(self, state, data)`.

    Raises:
        InvalidArgumentError: The method needs more than one argument.
    """
    name = f"{kind}_step"
    if not overrides(model, name):
        return
    needed = [p.name for p in _parameters(model, name) if p.kind in _POSITIONAL and p.default is p.empty]
    if len(needed) > 1:
        raise InvalidArgumentError(
            f"{type(model).__name__}.{name}({', '.join(needed)}) has the form of Keras on JAX; graphkit calls {name}(self, data), as "
            f"Keras does on TensorFlow and PyTorch. Define {name}(self, data), use graphkit.GradientTape (or "
            "graphkit.value_and_grad) for gradients, update the variables, and return the results."
        )
