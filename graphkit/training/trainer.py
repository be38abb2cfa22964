"""compile, fit, evaluate, predict and related functions: the methods of Model are implemented here. Source: keras.Model (Keras 3)."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from functools import cache, partial
from typing import Any

import numpy as np

from graphkit import callbacks as callback_module
from graphkit.core import limits, nest
from graphkit.core.errors import ExportError, InvalidArgumentError, InvalidTypeError, NotCompiledError
from graphkit.core.registry import did_you_mean
from graphkit.core.seeds import draw_seed
from graphkit.core.serialization import deserialize
from graphkit.core.stamps import latest_tick
from graphkit.layers.stamp import has_foreign_parts
from graphkit.models.feeding import conform
from graphkit.training.compiled import ARGUMENTS, Compiled, warn_unused
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
from graphkit.training.passes import is_iterated, refuse_beside
from graphkit.training.step import graph_of, output_names, step_plan

_FIT = {
    "batch_size": None, "epochs": 1, "verbose": "auto", "callbacks": None, "validation_split": 0.0, "validation_data": None,
    "shuffle": True, "class_weight": None, "sample_weight": None, "initial_epoch": 0, "steps_per_epoch": None,
    "validation_steps": None, "validation_batch_size": None, "validation_freq": 1,
}  # fmt: skip
_OLD = ("max_queue_size", "workers", "use_multiprocessing")  # arguments of Keras 1 and 2 that have no effect here


# ----- compile -----


def compile_model(model: Any, **arguments: Any) -> None:
    """Store the arguments of `compile` as `model.compiled`.

    Args:
        model: The model.
        **arguments: Those of `Compiled`, and the settings `run_eagerly`, `steps_per_execution` and `jit_compile`.

    Raises:
        InvalidArgumentError: A loss or metric has an unknown name.
        InvalidTypeError: An argument is unknown or has the wrong type.
    """
    known = ("optimizer", "loss", "loss_weights", "metrics", "weighted_metrics")
    extra = {k: v for k, v in arguments.items() if k not in known}
    warn_unused(extra)
    settings = {
        "run_eagerly": bool(extra.get("run_eagerly", False)),
        "steps_per_execution": extra.get("steps_per_execution") or 1,
        "jit_compile": extra.get("jit_compile", "auto") if extra.get("jit_compile", "auto") is not None else False,
    }
    names = output_names(model) or None
    model.compiled = Compiled(**{k: arguments.get(k) for k in known}, output_names=names, **settings)
    model.stop_training = False


def compile_from_config(model: Any, config: Mapping[str, Any]) -> None:
    """Compile from a file's `compile_config`, and create the optimizer's variables so that their values can be loaded."""
    from graphkit import losses, metrics, optimizers

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


def _compiled(model: Any, method: str, training: bool = False) -> Compiled:
    compiled = model.compiled
    if compiled is None:
        raise NotCompiledError(f"You must call `compile()` before calling `{method}()` of model {model.name!r}.")
    for what, name in compiled.left_out.items():
        if what == "loss" or training:
            raise NotCompiledError(
                f"`{method}()` of model {model.name!r} needs the {what} {name!r} of the file it was loaded from, which is not "
                f"known here. Pass it in custom_objects when loading, or call compile() with another {what}."
            )
    if training and compiled.optimizer is None:
        raise NotCompiledError(
            f"Model {model.name!r} was compiled without an optimizer, so `{method}()` cannot train it."
        )
    return compiled  # type: ignore[no-any-return]


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
    compiled = _compiled(model, "fit", training=True)
    options = _options(given)
    source, validation = _sources(model, x, y, options)
    if options["validation_data"] is not None:
        validation = _validation_source(model, options)
    container = _callbacks(model, options, source.steps, validation is not None)
    model.stop_training = False
    container.on_train_begin()
    logs: dict[str, Any] = {}
    for epoch in range(_first_epoch(model, options), options["epochs"]):
        compiled.reset_metrics()
        container.on_epoch_begin(epoch)
        if not _run_epoch(model, source, container, training=True, first=not logs):
            break  # the data have run out; the earlier epochs stay in the history
        logs = compiled.results()
        if validation is not None and _due(epoch, options["validation_freq"]):
            logs.update({f"val_{k}": v for k, v in _evaluate(model, validation, container).items()})
        container.on_epoch_end(epoch, logs)
        if model.stop_training:
            break
    compiled.optimizer.finalize_variable_values(model.trainable_weights)
    container.on_train_end(logs)
    model.history = container.history
    return container.history


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
        ), None
    leaves = gather(model, x, y, options["sample_weight"], options["class_weight"])
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
    gone = {i for i in layout.weights if i is not None}
    kept = [a for i, a in enumerate(leaves.arrays) if i not in gone]
    return Leaves(kept, type(layout)(layout.x, layout.targets, (None,) * len(layout.weights)))


def _validation_source(model: Any, options: Mapping[str, Any]) -> Any:
    data = options["validation_data"]
    if is_iterated(data):
        return IteratedSource(model, data, options["validation_steps"])
    if not isinstance(data, (list, tuple)):
        raise InvalidTypeError(
            f"validation_data must be a tuple (x, y) or (x, y, sample_weight), got {type(data).__name__}."
        )
    leaves = gather(model, *unpack(tuple(data)))
    size = options["validation_batch_size"] or options["batch_size"]
    return ArraySource(leaves, size, steps=options["validation_steps"])


def _due(epoch: int, frequency: Any) -> bool:
    if isinstance(frequency, int):
        return (epoch + 1) % frequency == 0
    if isinstance(frequency, (list, tuple, set)):
        return epoch + 1 in frequency
    raise InvalidTypeError(f"Expected `validation_freq` to be a list or int. Received: validation_freq={frequency!r}.")


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


def _run_epoch(model: Any, source: Any, container: Any, training: bool, first: bool = True) -> int:
    """Run all batches of one epoch and return their number. If the data end early, so does the epoch, with a warning.

    Raises:
        InvalidArgumentError: There is no batch in the `first` epoch.
    """
    compiled = model.compiled
    begin, end = (container.on_train_batch_begin, container.on_train_batch_end) if training else (
        container.on_test_batch_begin, container.on_test_batch_end
    )  # fmt: skip
    watched = container.watches_batches(training)
    plans: dict[Any, Any] = {}
    number, time = -1, latest_tick()
    for number, batch in enumerate(source.epoch()):
        if time != latest_tick() or (watched and has_foreign_parts(model)):  # a callback may have changed something
            plans, time = {}, latest_tick()
        signature = source.signature(batch)
        plan = plans.get(signature)
        if plan is None:
            plan = plans[signature] = step_plan(model, batch.layout, batch.specs(), training)
        if watched:
            begin(number)
        batch.load(plan.inputs)
        plan.step()
        if watched:
            end(number, compiled.results() if container.needs_logs(training) else None)
            if model.stop_training and training:
                break
    if training:
        compiled.optimizer.touch()
    if number < 0 and first:
        raise InvalidArgumentError("The data contain no batch: the generator is exhausted, or the data set is empty.")
    promised = source.steps if isinstance(source, IteratedSource) and not model.stop_training else None
    if number + 1 < (promised or 1):
        warnings.warn(
            "Your input ran out of data; interrupting training. Make sure that your dataset or generator can generate at least "
            "`steps_per_epoch * epochs` batches.",
            stacklevel=4,
        )
    return number + 1


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
    compiled = _compiled(model, "evaluate")
    if is_iterated(x):
        refuse_beside(x, y=y, sample_weight=sample_weight)
        source: Any = IteratedSource(model, x, steps)
    else:
        source = ArraySource(gather(model, x, y, sample_weight), batch_size, steps=steps)
    if isinstance(callbacks, callback_module.CallbackList):
        container = callbacks
    else:
        container = callback_module.CallbackList(
            callbacks, add_progbar=verbose != 0, model=model, verbose=verbose, epochs=1, steps=source.steps
        )
    logs = _evaluate(model, source, container)
    return logs if return_dict else compiled.ordered(logs)


def _evaluate(model: Any, source: Any, container: Any) -> dict[str, Any]:
    model.compiled.reset_metrics()
    container.on_test_begin()
    _run_epoch(model, source, container, training=False)
    logs: dict[str, Any] = model.compiled.results()
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
    _compiled(model, "train_on_batch", training=True)
    return _on_batch(model, gather(model, x, y, sample_weight, class_weight), True, return_dict)


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
    _compiled(model, "test_on_batch")
    return _on_batch(model, gather(model, x, y, sample_weight), False, return_dict)


def _on_batch(model: Any, leaves: Leaves, training: bool, return_dict: bool) -> Any:
    batch = Batch(leaves, slice(None), leaves.rows)
    model.compiled.reset_metrics()
    plan = step_plan(model, batch.layout, batch.specs(), training)
    batch.load(plan.inputs)
    plan.step()
    if training:
        model.compiled.optimizer.touch()
    logs = model.compiled.results()
    return logs if return_dict else model.compiled.ordered(logs)


def reset_metrics(model: Any) -> None:
    """Reset the results that `train_on_batch` and `test_on_batch` accumulate."""
    _compiled(model, "reset_metrics").reset_metrics()


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
    batches = _predict_batches(model, x, batch_size, steps)
    parts: list[list[Any]] = []
    structure: Any = None
    container = callback_module.CallbackList(
        callbacks, add_progbar=verbose != 0, model=model, verbose=verbose, epochs=1, steps=batches[1]
    )
    container.on_predict_begin()
    # Only now, since callbacks may have changed the weights.
    run = inference_callable(model, rows=(batches[1] or 0) * check_batch_size(batch_size))
    for number, leaves in enumerate(batches[0]):
        container.on_predict_batch_begin(number)
        structure, outputs = run(leaves)
        parts.append(outputs)
        container.on_predict_batch_end(number, {"outputs": outputs} if container.needs_logs(None) else None)
    container.on_predict_end()
    if not parts:
        raise InvalidArgumentError("predict: the data contain no batch.")
    whole = parts[0] if len(parts) == 1 else [np.concatenate(column) for column in zip(*parts, strict=True)]
    return nest.pack(structure, whole)


def _predict_batches(model: Any, x: Any, batch_size: int | None, steps: int | None) -> tuple[Any, int | None]:
    if is_iterated(x):
        source = IteratedSource(model, x, steps, inputs_only=True)
        return (batch.leaves for batch in source.epoch()), source.steps
    leaves = gather(model, x, may_be_empty=True)
    size = check_batch_size(batch_size)
    whole = max(-(-leaves.rows // size), 1)  # data without rows are one empty batch
    count = min(whole, limits.at_most(steps, limits.max_steps_per_epoch) or whole)
    return (leaves.part(i * size, (i + 1) * size) for i in range(count)), count


def predict_on_batch(model: Any, x: Any) -> Any:
    """Compute the outputs for one batch. Source: keras.Model.predict_on_batch.

    Raises:
        InvalidArgumentError: The data do not match the model.
    """
    structure, outputs = inference_callable(model)(gather(model, x, may_be_empty=True))
    return nest.pack(structure, outputs)


def inference_callable(model: Any, rows: int = 0) -> Any:
    """Return a function from the leaves of a batch to (structure of the outputs, their leaves).

    It runs the model's onnxruntime session. Models that cannot be expressed in ONNX, and those without a graph, run on the
    NumPy engine. So do batches without elements, since onnxruntime aborts the process for some of them.

    Args:
        model: The model.
        rows: About how many rows are to come, which decides how the session is prepared; 0 if unknown.
    """
    graph = graph_of(model)
    if graph is None:
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


def _on_engine(model: Any, leaves: Leaves) -> tuple[Any, list[Any]]:
    outputs = model(leaves.layout.inputs(leaves.arrays))
    return nest.map_structure(lambda t: 0, outputs), [np.asarray(o) for o in nest.flatten(outputs)]


__all__: Sequence[str] = [
    "compile_from_config", "compile_model", "evaluate", "fit", "inference_callable", "predict", "predict_on_batch",
    "reset_metrics", "test_on_batch", "train_on_batch",
]  # fmt: skip
