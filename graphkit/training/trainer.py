"""compile, fit, evaluate, predict and related functions: the methods of Model are implemented here. Source: keras.Model (Keras 3)."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from functools import cache, partial
from typing import Any

import numpy as np

from graphkit import callbacks as callback_module
from graphkit.core import limits, nest
from graphkit.core.errors import (
    ExportError,
    InvalidArgumentError,
    InvalidTypeError,
    NotCompiledError,
    UnknownValueError,
    place_of,
)
from graphkit.core.registry import did_you_mean
from graphkit.core.seeds import draw_seed
from graphkit.core.serialization import deserialize
from graphkit.core.stamps import latest_tick
from graphkit.ir.eager_tensor import eager
from graphkit.layers.stamp import has_foreign_parts, parts_of
from graphkit.models.feeding import conform
from graphkit.optimizers import LossScaleOptimizer
from graphkit.training.compiled import ARGUMENTS, Compiled
from graphkit.training.data import (
    ArraySource,
    Batch,
    IteratedSource,
    Leaves,
    check_batch_size,
    gather,
    split_tail,
    unpack,
)  # fmt: skip
from graphkit.training.outputs import graph_of, output_names
from graphkit.training.overrides import overrides, takes_data_as_given
from graphkit.training.passes import is_iterated, refuse_beside
from graphkit.training.results import plain_logs
from graphkit.training.step import Layout, Step, optimizers_of
from graphkit.training.steps import StepFunction, check_form, compile_state, ordered

_FIT = {
    "batch_size": None, "epochs": 1, "verbose": "auto", "callbacks": None, "validation_split": 0.0, "validation_data": None,
    "shuffle": True, "class_weight": None, "sample_weight": None, "initial_epoch": 0, "steps_per_epoch": None,
    "validation_steps": None, "validation_batch_size": None, "validation_freq": 1,
}  # fmt: skip
_OLD = ("max_queue_size", "workers", "use_multiprocessing")  # arguments of Keras 1 and 2 that have no effect here


# ----- compile -----


def compile_model(model: Any, **arguments: Any) -> None:
    """Store the arguments of `compile` in the model: as `optimizer`, `loss` and `compile_state`.

    Args:
        model: The model.
        **arguments: Those of `Compiled`, and the settings `run_eagerly`, `steps_per_execution`, `jit_compile` and
            `auto_scale_loss`.

    Raises:
        InvalidArgumentError: A loss or metric has an unknown name.
        InvalidTypeError: An argument is unknown or has the wrong type.
    """
    unknown = [k for k in arguments if k not in (*ARGUMENTS, "auto_scale_loss")]
    if unknown:
        hints = "".join(did_you_mean(k, ARGUMENTS) for k in unknown)
        raise InvalidTypeError(f"compile() got unexpected arguments {unknown}.{hints}")
    eager = bool(arguments.get("run_eagerly", False))
    jit = arguments.get("jit_compile", "auto")
    if jit is True and eager:
        warnings.warn(
            "If `run_eagerly` is True, then `jit_compile` cannot also be True. Disabling `jit_compile`.", stacklevel=4
        )
    settings = {
        "run_eagerly": eager,
        "steps_per_execution": arguments.get("steps_per_execution") or 1,
        "jit_compile": not eager and bool(jit),
    }
    known = ("optimizer", "loss", "loss_weights", "metrics", "weighted_metrics")
    state = Compiled(**{k: arguments.get(k) for k in known}, output_names=output_names(model) or None, **settings)
    state.compile_metrics.model = model
    model.compile_state, model.loss, model.compiled = state, state.loss, True
    model.optimizer = _scaled(model, state.optimizer) if arguments.get("auto_scale_loss", True) else state.optimizer
    model.run_eagerly, model.jit_compile = eager, settings["jit_compile"]
    model.steps_per_execution = settings["steps_per_execution"]
    model.stop_training = False
    model.train_function = model.test_function = model.predict_function = None


def _scaled(model: Any, optimizer: Any) -> Any:
    """Return the optimizer, inside a LossScaleOptimizer for a model that computes in float16."""
    if optimizer is None or isinstance(optimizer, LossScaleOptimizer) or model.dtype_policy.name != "mixed_float16":
        return optimizer
    return LossScaleOptimizer(optimizer, name="loss_scale_optimizer")


def compile_from_config(model: Any, config: Mapping[str, Any]) -> None:
    """Compile from a file's `compile_config`, and create the optimizer's variables so that their values can be loaded.

    A model with its own `compile` is not compiled, with a warning, since its arguments are not known.
    """
    from graphkit import losses, metrics, optimizers

    if overrides(model, "compile"):
        warnings.warn(
            "`compile()` was not called as part of model loading because the model's `compile()` method is custom. All "
            "subclassed Models that have `compile()` overridden should also override `get_compile_config()` and "
            "`compile_from_config(config)`. Alternatively, you can call `compile()` manually after loading.",
            stacklevel=3,
        )
        return
    made = dict(config)
    made["optimizer"] = optimizers.get(config.get("optimizer"))
    made["loss"] = _each(config.get("loss"), losses.get)
    for name in ("metrics", "weighted_metrics"):
        made[name] = _each(config.get(name), metrics.get)
    compile_model(model, **{k: v for k, v in made.items() if k in ARGUMENTS})
    if model.built and model.optimizer is not None:
        model.optimizer.build(model.trainable_weights)


def _each(config: Any, get: Any) -> Any:
    """Build the objects in a structure of configs; names are left unchanged."""
    if isinstance(config, Mapping) and "class_name" in config and "config" in config:
        return get(dict(config))
    if isinstance(config, Mapping):
        return {k: _each(v, get) for k, v in config.items()}
    if isinstance(config, (list, tuple)):
        return [_each(v, get) for v in config]
    return deserialize(config)


def _check_compiled(model: Any, method: str, training: bool = False) -> None:
    if not model.compiled:
        raise NotCompiledError(
            f"You must call `compile()` before using the model. `{method}()` of model {model.name!r} was called before it."
        )
    kind = "train" if training else "test"
    check_form(model, kind)
    if overrides(model, f"{kind}_step"):
        return
    for what, name in compile_state(model).left_out.items():
        if what == "loss" or training:
            raise NotCompiledError(
                f"`{method}()` of model {model.name!r} needs the {what} {name!r} of the file it was loaded from, which is not "
                f"known here. Pass it in custom_objects when loading, or call compile() with another {what}."
            )
    if training and model.optimizer is None and model.trainable_weights:
        raise NotCompiledError(
            f"Model {model.name!r} was compiled without an optimizer, so `{method}()` cannot train it."
        )


# ----- fit -----


def fit(model: Any, x: Any = None, y: Any = None, **given: Any) -> Any:
    """Train for a number of epochs and return the History.

    Args:
        model: A compiled model.
        x: Arrays in the structure of the inputs; or a generator, iterable or PyDataset of batches `(x, y[, sample_weight])`.
        y: The targets: an array, or a list or dict of arrays by output.
        **given: Further arguments, as in Keras:
            batch_size: The number of rows per batch, 32 by default.
            epochs: The epoch to stop at, 1 by default.
            initial_epoch: The epoch to start at, 0 by default.
            verbose: "auto", 0 (silent), 1 (progress), 2 (a line per epoch).
            callbacks: A list of `graphkit.callbacks.Callback`.
            validation_split: The fraction of the arrays, taken from their end before shuffling, to validate on.
            validation_data: `(x, y)` or `(x, y, sample_weight)`, or a source of batches.
            shuffle: Whether samples are shuffled each epoch; "batch" shuffles whole batches.
            class_weight: Class index -> weight.
            sample_weight: An array of one weight per sample, or a list or dict of such arrays by output.
            steps_per_epoch: The number of batches per epoch; all by default.
            validation_steps: The number of batches to validate on; all by default.
            validation_batch_size: `batch_size` by default.
            validation_freq: The number of epochs between two validations, or the epochs (from 1) to validate after.

    Raises:
        NotCompiledError: `compile` was not called, or the model has no optimizer.
        InvalidArgumentError: The data do not match the model, or an argument has an invalid value.
        InvalidTypeError: An argument is unknown or has the wrong type.
        ShapeError: The shape of an array does not fit.

    Source: keras.Model.fit.
    """
    _check_compiled(model, "fit", training=True)
    options = _options(given)
    source, validation = _sources(model, x, y, options)
    if options["validation_data"] is not None:
        validation = _validation_source(model, options)
    container = _callbacks(model, options, source.steps, validation is not None)
    model.stop_training = False
    model.make_train_function()
    container.on_train_begin()
    logs: dict[str, Any] = {}
    for epoch in range(_first_epoch(model, options), options["epochs"]):
        model.reset_metrics()
        container.on_epoch_begin(epoch)
        ran, results = _run_epoch(model, source, container, training=True, first=not logs)
        if not ran:
            break  # the data have run out; the earlier epochs stay in the history
        logs = _epoch_logs(model, results)
        if validation is not None and _due(epoch, options["validation_freq"]):
            logs.update({f"val_{k}": v for k, v in _evaluate(model, validation, container).items()})
        logs = plain_logs(logs)
        container.on_epoch_end(epoch, logs)
        if model.stop_training:
            break
    if model.optimizer is not None and model.trainable_weights:
        model.optimizer.finalize_variable_values(model.trainable_weights)
    container.on_train_end(logs)
    model.history = container.history
    return container.history


def _epoch_logs(model: Any, results: Any) -> dict[str, Any]:
    """Return the logs of an epoch: the results of the metrics if the last step returned those, else what it returned.

    Raises:
        InvalidTypeError: The step returned something else than a dict.
    """
    if results is not None and not isinstance(results, Mapping):
        raise InvalidTypeError(
            f"A train_step or test_step must return a dict of results by name, got {type(results).__name__}: {results!r:.80}"
        )
    of_metrics = model.get_metrics_result()
    return dict(of_metrics if results is None or set(results) == set(of_metrics) else results)


def _first_epoch(model: Any, options: Mapping[str, Any]) -> int:
    """Return the first epoch, which a callback may have set to resume an earlier training."""
    first = model.__dict__.pop("_initial_epoch", None)
    return int(options["initial_epoch"] if first is None else first)


def _options(given: Mapping[str, Any]) -> dict[str, Any]:
    unknown = [k for k in given if k not in _FIT and k not in _OLD]
    if unknown:
        raise InvalidTypeError(
            f"fit() got an unexpected keyword argument {unknown[0]!r}.{did_you_mean(unknown[0], _FIT)}"
        )
    options = {**_FIT, **{k: v for k, v in given.items() if k in _FIT}}
    for name in ("epochs", "initial_epoch"):
        if not isinstance(options[name], (int, np.integer)) or options[name] < 0:
            raise InvalidArgumentError(f"{name} must be a non-negative integer, got {options[name]!r}.")
    check_batch_size(options["batch_size"])
    options["epochs"] = limits.at_most(options["epochs"], limits.max_epochs)
    return options


def _sources(model: Any, x: Any, y: Any, options: Mapping[str, Any]) -> tuple[Any, Any]:
    """Return the training data and the part split off for validation."""
    if is_iterated(x):
        refuse_beside(x, y=y, sample_weight=options["sample_weight"])
        if options["validation_split"]:
            raise InvalidArgumentError(
                "`validation_split` is only supported for arrays, not for batches from a generator or dataset."
            )
        return IteratedSource(
            model,
            x,
            options["steps_per_epoch"],
            bool(options["shuffle"]),
            options["class_weight"],
            draw_seed(),
            resumes=True,
            as_given=takes_data_as_given(model, "train"),
        ), None
    as_given = takes_data_as_given(model, "train")
    leaves = gather(model, x, y, options["sample_weight"], options["class_weight"], as_given=as_given)
    tail = None
    if options["validation_split"] and options["validation_data"] is None:
        leaves, kept = split_tail(leaves, options["validation_split"])
        tail = ArraySource(
            _without_class_weight(kept, options), options["validation_batch_size"] or options["batch_size"]
        )
    steps = options["steps_per_epoch"]
    return ArraySource(leaves, options["batch_size"], options["shuffle"], draw_seed(), steps, resumes=True), tail


def _without_class_weight(leaves: Leaves, options: Mapping[str, Any]) -> Leaves:
    """Drop class weights, which apply to training only."""
    if options["class_weight"] is None:
        return leaves
    layout = leaves.layout
    gone = {i for i in nest.flatten(layout.weights) if i is not None}
    kept = [a for i, a in enumerate(leaves.arrays) if i not in gone]
    return Leaves(kept, Layout(layout.x, layout.y, parts=min(layout.parts, 2)))


def _validation_source(model: Any, options: Mapping[str, Any]) -> Any:
    data = options["validation_data"]
    if is_iterated(data):
        return IteratedSource(model, data, options["validation_steps"], as_given=takes_data_as_given(model, "test"))
    if not isinstance(data, (list, tuple)):
        raise InvalidTypeError(
            f"validation_data must be a tuple (x, y) or (x, y, sample_weight), got {type(data).__name__}."
        )
    leaves = gather(model, *unpack(tuple(data)), as_given=takes_data_as_given(model, "test"))
    size = options["validation_batch_size"] or options["batch_size"]
    return ArraySource(leaves, size, steps=options["validation_steps"])


def _due(epoch: int, frequency: Any) -> bool:
    if isinstance(frequency, int):
        return (epoch + 1) % frequency == 0
    if isinstance(frequency, (list, tuple, set)):
        return epoch + 1 in frequency
    raise InvalidArgumentError(
        f"Expected `validation_freq` to be a list or int. Received: validation_freq={frequency!r} of the type {type(frequency)}."
    )


def _callbacks(model: Any, options: Mapping[str, Any], steps: int | None, validated: bool) -> Any:
    given = options["callbacks"]
    if isinstance(given, callback_module.CallbackList):
        return given
    return callback_module.CallbackList(
        given,
        add_history=True,
        add_progbar=options["verbose"] != 0,
        model=model,
        verbose=options["verbose"],
        epochs=options["epochs"],
        steps=steps,
    )


def _run_epoch(model: Any, source: Any, container: Any, training: bool, first: bool = True) -> tuple[int, Any]:
    """Run all batches of one epoch; return their number and what the last step returned.

    If the data end early, so does the epoch, with a warning.

    Raises:
        InvalidArgumentError: There is no batch in the `first` epoch.
    """
    kind, stopped = ("train", "stop_training") if training else ("test", "stop_evaluating")
    begin, end = (container.on_train_batch_begin, container.on_train_batch_end) if training else (
        container.on_test_batch_begin, container.on_test_batch_end
    )  # fmt: skip
    watched = container.watches_batches(training)
    runner = Runner(model, kind, source, container.runs_own_code(training))
    per_call = max(int(model.steps_per_execution), 1)
    number = 0
    for number, batch in enumerate(source.epoch(), 1):
        is_first = (number - 1) % per_call == 0
        if watched and is_first:
            begin(number - 1)
        runner.run(batch)
        if watched and number % per_call == 0:
            end(number - 1, plain_logs(runner.results()) if container.needs_logs(training) else None)
        if number % per_call == 0 and getattr(model, stopped):
            break
    if watched and number % per_call:  # as in Keras, the last call is numbered as if it were complete
        end(
            number - 1 + per_call - number % per_call,
            plain_logs(runner.results()) if container.needs_logs(training) else None,
        )
    runner.finish()
    if not number and first:
        raise InvalidArgumentError("The data contain no batch: the generator is exhausted, or the data set is empty.")
    return number, runner.results() if number else None


class Runner:
    """Runs the batches of one epoch with the train or test function of a model.

    Args:
        model: The model.
        kind: "train" or "test".
        source: The source of the batches.
        watched: Whether callbacks run between steps, which may change something that no stamp covers.
    """

    def __init__(self, model: Any, kind: str, source: Any, watched: bool) -> None:
        self._model, self._source, self._watched = model, source, watched
        self._function = getattr(model, f"{kind}_function")
        self._is_own = not isinstance(self._function, StepFunction)
        self._steps: dict[Any, Step] = {}
        self._time = latest_tick()
        self._last: Any = None
        self._trains = kind == "train"

    def run(self, batch: Batch) -> None:
        """Run one step."""
        if self._is_own:
            self._last = self._function(iter([batch.layout.data([eager(a) for a in batch.arrays()])]))
            return
        if self._time != latest_tick() or (self._watched and has_foreign_parts(self._model)):
            self._steps, self._time = {}, latest_tick()
        signature = self._source.signature(batch)
        step = self._steps.get(signature)
        if step is None:
            step = self._steps[signature] = self._function.step(batch)
            self._time = latest_tick()
        step.run(batch)
        self._last = step

    def results(self) -> Any:
        """Return what the last step returned."""
        return self._last.results() if isinstance(self._last, Step) else self._last

    def finish(self) -> None:
        """Mark the weights as changed."""
        if self._trains:
            touch(self._model)


def touch(model: Any) -> None:
    """Mark the variables of a model's optimizers as changed by compiled steps."""
    for optimizer in optimizers_of(model):
        optimizer.touch()


# ----- evaluate -----


def evaluate(
    model: Any,
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
    """Compute loss and metrics over data.

    Args:
        model: A compiled model.
        x: The inputs, as for `fit`.
        y: The targets, as for `fit`.
        batch_size: The number of rows per batch, 32 by default.
        verbose: "auto", 0 (silent), 1 (progress), 2 (a line).
        sample_weight: As for `fit`.
        steps: The number of batches; all by default.
        callbacks: Callbacks to run.
        return_dict: Whether to return the results by name.
        **old: Arguments of Keras 1 and 2 that have no effect.

    Returns:
        The results in the order of Keras' `evaluate`, or a single float if there is only the loss; a dict with `return_dict`.

    Raises:
        NotCompiledError: `compile` was not called.
        InvalidArgumentError: The data do not match the model, or contain no batch.
        InvalidTypeError: An argument is unknown.

    Source: keras.Model.evaluate.
    """
    unknown = [k for k in old if k not in _OLD]
    if unknown:
        raise InvalidTypeError(f"evaluate() got an unexpected keyword argument {unknown[0]!r}.")
    _check_compiled(model, "evaluate")
    as_given = takes_data_as_given(model, "test")
    if is_iterated(x):
        refuse_beside(x, y=y, sample_weight=sample_weight)
        source: Any = IteratedSource(model, x, steps, as_given=as_given)
    else:
        source = ArraySource(gather(model, x, y, sample_weight, as_given=as_given), batch_size, steps=steps)
    if isinstance(callbacks, callback_module.CallbackList):
        container = callbacks
    else:
        container = callback_module.CallbackList(
            callbacks, add_progbar=verbose != 0, model=model, verbose=verbose, epochs=1, steps=source.steps
        )
    logs = _evaluate(model, source, container)
    return logs if return_dict else ordered(model, logs)


def _evaluate(model: Any, source: Any, container: Any) -> dict[str, Any]:
    model.make_test_function()
    model.stop_evaluating = False
    model.reset_metrics()
    container.on_test_begin()
    logs = plain_logs(_epoch_logs(model, _run_epoch(model, source, container, training=False)[1]))
    container.on_test_end(logs)
    return logs


# ----- one batch -----


def train_on_batch(
    model: Any,
    x: Any,
    y: Any = None,
    sample_weight: Any = None,
    class_weight: Any = None,
    return_dict: bool = False,
    **old: Any,
) -> Any:
    """Run one training step on one batch and return its loss and metrics, as `evaluate` does. Source: keras.Model.train_on_batch.

    Raises:
        NotCompiledError: `compile` was not called, or the model has no optimizer.
        InvalidArgumentError: The data do not match the model.
    """
    _check_compiled(model, "train_on_batch", training=True)
    leaves = gather(model, x, y, sample_weight, class_weight, as_given=takes_data_as_given(model, "train"))
    return _on_batch(model, leaves, "train", return_dict)


def test_on_batch(
    model: Any,
    x: Any,
    y: Any = None,  # noqa: PT028
    sample_weight: Any = None,  # noqa: PT028
    return_dict: bool = False,  # noqa: PT028
    **old: Any,
) -> Any:
    """Return loss and metrics on one batch, as `evaluate` does. Source: keras.Model.test_on_batch.

    Raises:
        NotCompiledError: `compile` was not called.
        InvalidArgumentError: The data do not match the model.
    """
    _check_compiled(model, "test_on_batch")
    leaves = gather(model, x, y, sample_weight, as_given=takes_data_as_given(model, "test"))
    return _on_batch(model, leaves, "test", return_dict)


def _on_batch(model: Any, leaves: Leaves, kind: str, return_dict: bool) -> Any:
    layout = leaves.layout
    batch = Batch(Leaves(leaves.arrays, Layout(layout.x, layout.y, layout.weights)), slice(None), leaves.rows)
    function = model.make_train_function() if kind == "train" else model.make_test_function()
    function = getattr(model, f"{kind}_function") if function is None else function
    model.reset_metrics()
    if isinstance(function, StepFunction):
        results = function.run(batch).results()
    else:
        results = function(iter([batch.layout.data([eager(a) for a in batch.arrays()])]))
    if kind == "train":
        touch(model)
    logs = plain_logs(results)
    return logs if return_dict else ordered(model, logs)


# ----- predict -----


def predict(
    model: Any,
    x: Any,
    batch_size: int | None = None,
    verbose: Any = "auto",
    steps: int | None = None,
    callbacks: Any = None,
) -> Any:
    """Compute the outputs for `x`, batch by batch.

    Args:
        model: The model.
        x: Arrays in the structure of the inputs, or a source of batches.
        batch_size: The number of rows per batch, 32 by default.
        verbose: "auto", 0 (silent), 1 (progress), 2 (a line).
        steps: The number of batches; all by default.
        callbacks: Callbacks to run.

    Returns:
        Arrays in the structure of the model's outputs.

    Raises:
        InvalidArgumentError: The data do not match the model, or contain no batch.

    Source: keras.Model.predict.
    """
    check_form(model, "predict")
    batches, count = _predict_batches(model, x, batch_size, steps)
    per_call = max(int(model.steps_per_execution), 1)
    parts: list[list[Any]] = []
    structure: Any = None
    container = callback_module.CallbackList(
        callbacks, add_progbar=verbose != 0, model=model, verbose=verbose, epochs=1, steps=count
    )
    model.stop_predicting = False
    container.on_predict_begin()
    # Only now, since callbacks may have changed the weights.
    run = _predictor(model, rows=(count or 0) * check_batch_size(batch_size))
    number = 0
    for number, batch in enumerate(batches, 1):
        if (number - 1) % per_call == 0:
            container.on_predict_batch_begin(number - 1)
        structure, outputs = run(batch)
        parts.append(outputs)
        if number % per_call == 0:
            container.on_predict_batch_end(number - 1, _predict_logs(container, structure, parts[-per_call:]))
            if model.stop_predicting:
                break
    if number % per_call:
        left = number % per_call
        container.on_predict_batch_end(number - 1 + per_call - left, _predict_logs(container, structure, parts[-left:]))
    container.on_predict_end()
    if not parts:
        raise InvalidArgumentError("predict: the data contain no batch.")
    return nest.pack(structure, _joined(parts))


def _joined(parts: Sequence[Sequence[Any]]) -> list[Any]:
    """Return the outputs of several batches as one; scalars are stacked."""
    if len(parts) == 1:
        return list(parts[0])
    columns = zip(*parts, strict=True)
    return [np.concatenate(column) if np.ndim(column[0]) else np.stack(column) for column in columns]


def _predict_logs(container: Any, structure: Any, parts: Sequence[Sequence[Any]]) -> Any:
    return {"outputs": nest.pack(structure, _joined(parts))} if container.needs_logs(None) else None


def _predict_batches(model: Any, x: Any, batch_size: int | None, steps: int | None) -> tuple[Any, int | None]:
    as_given = takes_data_as_given(model, "predict")
    if is_iterated(x):
        source = IteratedSource(model, x, steps, inputs_only=not as_given, as_given=as_given)
        return source.epoch(), source.steps
    leaves = gather(model, x, may_be_empty=True, as_given=as_given)
    size = check_batch_size(batch_size)
    whole = max(-(-leaves.rows // size), 1)  # data without rows are one empty batch
    count = min(whole, limits.at_most(steps, limits.max_steps_per_epoch) or whole)
    parts = (slice(i * size, min((i + 1) * size, leaves.rows)) for i in range(count))
    return (Batch(leaves, part, part.stop - part.start) for part in parts), count


def predict_on_batch(model: Any, x: Any) -> Any:
    """Compute the outputs for one batch. Source: keras.Model.predict_on_batch.

    Raises:
        InvalidArgumentError: The data do not match the model.
    """
    check_form(model, "predict")
    leaves = gather(model, x, may_be_empty=True, as_given=takes_data_as_given(model, "predict"))
    layout = Layout(leaves.layout.x, parts=1)
    structure, outputs = _predictor(model)(Batch(Leaves(leaves.arrays, layout), slice(None), leaves.rows))
    return nest.pack(structure, outputs)


def _predictor(model: Any, rows: int = 0) -> Any:
    """Return a function from a batch to (structure of the outputs, their leaves): the model's own step, or its session."""
    if not (takes_data_as_given(model, "predict") or model.run_eagerly):
        run = inference_callable(model, rows)
        return lambda batch: run(Leaves(batch.arrays(), batch.layout))
    model.make_predict_function()
    function = model.predict_function

    def own(batch: Batch) -> tuple[Any, list[Any]]:
        if isinstance(function, StepFunction):
            made = function.run(batch).results()
        else:
            made = function([batch.layout.data([eager(a) for a in batch.arrays()])])
        return nest.map_structure(lambda _: 0, made), [np.asarray(leaf) for leaf in nest.flatten(made)]

    return own


def inference_callable(model: Any, rows: int = 0) -> Any:
    """Return a function from the leaves of a batch to (structure of the outputs, their leaves).

    It runs the model's onnxruntime session. Models that cannot be expressed in ONNX, and those without a graph, run on the
    NumPy engine. So do lookups that refuse unknown tokens, which ONNX cannot, and batches without elements, since
    onnxruntime aborts the process for some of them.

    Args:
        model: The model.
        rows: About how many rows are to come, which decides how the session is prepared; 0 if unknown.
    """
    graph = graph_of(model)
    if graph is None or any(getattr(layer, "refuses_unknown", False) for layer in parts_of(model).layers):
        return lambda leaves: _on_engine(model, leaves)
    structure = nest.map_structure(lambda t: 0, graph.output)
    signature = graph.signature
    session = cache(partial(_session, model, rows=rows))

    def run(leaves: Leaves) -> tuple[Any, list[Any]]:
        given = [None if i is None else leaves.arrays[i] for i in nest.flatten(leaves.layout.x)]
        if any(a is not None and not a.size for a in given):
            return _on_engine(model, leaves)
        kept = session(left_out=frozenset(i for i, a in enumerate(given) if a is None))
        if kept is None or not kept.takes_rows(leaves.rows):
            return _on_engine(model, leaves)
        kept.prepare(0)  # a callback may have changed weights between two batches
        pairs = zip(signature.inputs, given, strict=True)
        return structure, kept.run([conform(i, a, signature.where) for i, a in pairs if a is not None])

    return run


def _session(model: Any, left_out: frozenset[int], rows: int) -> Any:
    from graphkit.runtime.session import session_for

    try:
        return session_for(model, left_out=left_out, rows=rows)
    except ExportError as error:
        warnings.warn(
            f"predict runs on the NumPy engine, since the model cannot be expressed in ONNX: {error}", stacklevel=5
        )
        return None
    except UnknownValueError as error:
        warnings.warn(
            f"predict runs the model layer by layer on the NumPy engine, which is slower than onnxruntime: {place_of(error)}numbers of a "
            f"tensor are needed. {error}",
            stacklevel=5,
        )
        return None


def _on_engine(model: Any, leaves: Leaves) -> tuple[Any, list[Any]]:
    outputs = model(leaves.layout.inputs(leaves.arrays))
    return nest.map_structure(lambda t: 0, outputs), [np.asarray(o) for o in nest.flatten(outputs)]


__all__: Sequence[str] = [
    "compile_from_config", "compile_model", "evaluate", "fit", "inference_callable", "predict", "predict_on_batch",
    "test_on_batch", "train_on_batch",
]  # fmt: skip
