"""The result of `compile`: optimizer, losses and metrics for each output, and the state of losses and metrics in training."""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphkit import losses, metrics, ops, optimizers
from graphkit.core import nest
from graphkit.core.errors import GraphKitError, InvalidArgumentError, InvalidTypeError, ShapeError, UnknownClassError
from graphkit.core.registry import did_you_mean
from graphkit.core.serialization import serialize
from graphkit.core.stamps import Stamped, fingerprint, settings_changed
from graphkit.ir.variable import Variable
from graphkit.layers.stamp import is_foreign
from graphkit.losses.loss import FunctionLoss, Loss, LossFunctionWrapper, known_shape, same_rank
from graphkit.metrics.metric import Mean, MeanMetricWrapper, Metric
from graphkit.ops._convert import shape_of

ARGUMENTS = (
    "optimizer", "loss", "loss_weights", "metrics", "weighted_metrics", "run_eagerly", "steps_per_execution", "jit_compile",
)  # fmt: skip
_SPARSE = ("sparse_categorical_crossentropy",)
_OF_ONE_SHAPE = ("binary_crossentropy", "binary_focal_crossentropy", "categorical_crossentropy")  # the others broadcast
_ACCURACY = ("accuracy", "acc")
_CROSSENTROPY = ("crossentropy", "ce")


@dataclass
class OutputLoss:
    """One loss of one output.

    Attributes:
        output: The index of the output.
        name: The name in logs, without `_loss`.
        loss: The loss.
        weight: The factor from `loss_weights`, or None.
        mean: The mean over the epoch, tracked if there are several losses.
    """

    output: int
    name: str
    loss: Loss
    weight: float | None
    mean: Mean | None = None


@dataclass
class OutputMetric:
    """One metric of one output.

    Attributes:
        output: The index of the output.
        prefix: The output's name if there are several outputs, else None.
        metric: The metric.
        weighted: Whether it uses `sample_weight`.
    """

    output: int
    prefix: str | None
    metric: Metric
    weighted: bool


class CompileMetrics:
    """The metrics passed to `compile`, as the single entry that Keras' `model.metrics` shows for them."""

    name = "compile_metrics"

    def __init__(self, compiled: Compiled) -> None:
        self._compiled = compiled

    @property
    def metrics(self) -> list[Metric]:
        """The metrics themselves."""
        return [m.metric for m in self._compiled.output_metrics or ()]

    @property
    def variables(self) -> list[Any]:
        """The state of the metrics."""
        return [v for m in self.metrics for v in m.variables]

    def result(self) -> dict[str, Any]:
        """Return the results by their names in logs."""
        return {name: m.metric.result() for name, m in self._compiled.named_metrics()}

    def reset_state(self) -> None:
        """Reset all metrics."""
        for metric in self.metrics:
            metric.reset_state()


class Compiled:
    """The state that `compile` sets up, stored as `model.compiled`.

    Losses and metrics are resolved at the first batch, since the meaning of "accuracy" depends on the shapes of target and output.

    Args:
        optimizer: A name, an optimizer or None.
        loss: A loss (a name, a Loss, a function), or a list or dict of losses by output; None for penalties only.
        loss_weights: A factor for each loss, as a number, list or dict.
        metrics: A list or dict of metrics, or nested lists by output.
        weighted_metrics: Likewise, for metrics that use `sample_weight`.
        output_names: The names of the outputs; None if they are not known yet.
        **settings: `run_eagerly`, `steps_per_execution` and `jit_compile`, kept for the config.

    Raises:
        InvalidArgumentError: A loss or metric has an unknown name.
        InvalidTypeError: An argument has the wrong type.
    """

    def __init__(
        self,
        optimizer: Any,
        loss: Any,
        loss_weights: Any,
        metrics: Any,
        weighted_metrics: Any,
        output_names: Sequence[str] | None,
        **settings: Any,
    ) -> None:
        self.optimizer = optimizers.get(optimizer)
        self.loss, self.loss_weights, self.user_metrics, self.weighted_metrics = (
            loss,
            loss_weights,
            metrics,
            weighted_metrics,
        )
        self.settings = settings
        self.left_out: dict[
            str, str
        ] = {}  # "loss" or "optimizer" -> its name in the loaded file, if it is unknown here
        self.output_names = list(output_names) if output_names is not None else None
        self.loss_tracker = Mean(name="loss")
        self.output_losses: list[OutputLoss] | None = None
        self.output_metrics: list[OutputMetric] | None = None
        self.plans: dict[Any, Any] = {}  # steps compiled by `training.step`
        self._check_names()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "plans": {}}  # compiled steps are built again

    def _check_names(self) -> None:
        if self.optimizer is not None and not isinstance(self.optimizer, optimizers.Optimizer):
            raise InvalidTypeError(
                f"compile: optimizer must be a name or an Optimizer, got {type(self.optimizer).__name__}."
            )
        for given, argument in ((self.user_metrics, "metrics"), (self.weighted_metrics, "weighted_metrics")):
            if given is not None and not isinstance(given, (list, tuple, Mapping)):
                raise InvalidTypeError(
                    f"Expected `{argument}` argument to be a list, tuple, or dict. Received instead: {argument}={given!r}"
                )
            for leaf in nest.flatten(given) if given else ():
                if isinstance(leaf, str) and leaf.lower() not in (*_ACCURACY, *_CROSSENTROPY):
                    _named(metrics, leaf, argument)
        for leaf in nest.flatten(self.loss):
            if isinstance(leaf, str) and leaf.lower() not in _CROSSENTROPY:
                _named(losses, leaf, "loss")

    def stamp(self) -> Hashable:
        """Return a value that changes when the optimizer, a loss or a metric computes something else."""
        losses = [entry.loss for entry in self.output_losses or ()]
        metrics = [entry.metric for entry in self.output_metrics or ()]
        parts = [*_optimizer_parts(self.optimizer), *losses, *metrics]
        changed = max(settings_changed(), *(part.changed for part in parts))
        weights = tuple(entry.weight for entry in self.output_losses or ())
        return changed, weights, tuple(fingerprint(vars(p), (Stamped, Variable)) for p in parts if is_foreign(p))

    # ----- resolving -----

    def build(self, targets: Sequence[Any], outputs: Sequence[Any], names: Sequence[str]) -> None:
        """Resolve losses and metrics at the first batch.

        Args:
            targets: The targets by output; None for outputs without one.
            outputs: The outputs.
            names: The names of the outputs.

        Raises:
            InvalidArgumentError: Losses, weights or metrics do not match the outputs, or a target is missing.
            InvalidTypeError: A loss or metric has the wrong type.
        """
        if self.output_losses is not None:
            return
        self.output_names = list(names)
        chosen = self._losses(targets, outputs)
        if len(chosen) > 1:
            for entry in chosen:
                entry.mean = Mean(name=f"{entry.name}_loss")
        self.output_metrics = [
            *self._metrics(self.user_metrics, "metrics", targets, outputs),
            *self._metrics(self.weighted_metrics, "weighted_metrics", targets, outputs),
        ]
        self.output_losses = chosen

    def _losses(self, targets: Sequence[Any], outputs: Sequence[Any]) -> list[OutputLoss]:
        assert self.output_names is not None
        if self.loss is None:
            return []
        several = len(outputs) > 1
        given = self._by_output(self.loss, "loss", len(outputs), repeat=True)
        weights = self._weights(given)
        made: list[OutputLoss] = []
        for index, (entries, own) in enumerate(zip(given, weights, strict=True)):
            entries = entries if isinstance(entries, (list, tuple)) else [entries]
            own = own if isinstance(own, (list, tuple)) else [own] * len(entries)
            if len(own) != len(entries):
                raise InvalidArgumentError(
                    f"`loss_weights` must match the number of losses, got {len(entries)} losses and {len(own)} weights."
                )
            for identifier, weight in zip(entries, own, strict=True):
                if identifier is None:
                    continue
                if targets[index] is None:
                    raise InvalidArgumentError(
                        f"Output {self.output_names[index]!r} has a loss, but no target (y) was given for it."
                    )
                loss = _resolve_loss(identifier, targets[index], outputs[index])
                made.append(
                    OutputLoss(
                        index, self.output_names[index] if several or len(entries) == 1 else loss.name, loss, weight
                    )
                )
        return made

    def _weights(self, given: Sequence[Any]) -> list[Any]:
        weights = self.loss_weights
        if weights is None:
            return [None] * len(given)
        if isinstance(weights, (int, float)):
            weights = [float(weights)] * len(given)
        if len(given) == 1 and isinstance(weights, (list, tuple)):
            return [list(weights) if isinstance(given[0], (list, tuple)) else weights[0]] if len(weights) else [None]
        return self._by_output(weights, "loss_weights", len(given))

    def _by_output(self, given: Any, argument: str, count: int, repeat: bool = False) -> list[Any]:
        """Return one entry per output from a single value, list or dict."""
        names = self.output_names or []
        if given is None:
            return [None] * count
        if isinstance(given, Mapping):
            unknown = [k for k in given if k not in names]
            if unknown:
                raise InvalidArgumentError(
                    f"compile: {argument} names {unknown[0]!r}, but the model's outputs are {names}.{did_you_mean(str(unknown[0]), names)}"
                )
            return [given.get(n) for n in names]
        if isinstance(given, (list, tuple)):
            if count == 1 and repeat:
                return [list(given)] if len(given) != 1 else [given[0]]
            if len(given) == count:
                return list(given)
            flat = nest.flatten(given)
            if len(flat) == count:
                return flat
            raise InvalidArgumentError(
                f"compile: {argument} has {len(given)} entries for the {count} outputs {names}; pass one entry per output, "
                "or a dict by output name."
            )
        return [given] * count

    def _metrics(self, given: Any, argument: str, targets: Sequence[Any], outputs: Sequence[Any]) -> list[OutputMetric]:
        assert self.output_names is not None
        if not given:
            return []
        several = len(outputs) > 1
        by_output = self._by_output(given, argument, len(outputs)) if several else [nest.flatten(given)]
        made = []
        for index, entries in enumerate(by_output):
            for identifier in entries if isinstance(entries, (list, tuple)) else [entries]:
                if identifier is None:
                    continue
                if targets[index] is None:
                    raise InvalidArgumentError(
                        f"Output {self.output_names[index]!r} has metrics, but no target (y) was given for it."
                    )
                metric = _resolve_metric(identifier, targets[index], outputs[index])
                made.append(
                    OutputMetric(index, self.output_names[index] if several else None, metric, argument != "metrics")
                )
        return made

    # ----- in a step -----

    def total_loss(
        self, targets: Sequence[Any], outputs: Sequence[Any], weights: Sequence[Any], added: Sequence[Any], rows: Any
    ) -> Any:
        """Compute the loss to minimize, traced: the weighted losses of the outputs plus penalties. Also updates the epoch's means.

        Args:
            targets: The targets by output.
            outputs: The outputs.
            weights: The sample weights by output, or None.
            added: Losses added by layers.
            rows: The number of rows of the batch.

        Returns:
            A scalar.

        Raises:
            InvalidArgumentError: There is no loss.
            ShapeError: A target does not fit its output, or a loss is not reduced to a scalar.
        """
        assert self.output_losses is not None
        parts: list[Any] = []
        for entry in self.output_losses:
            value = self._one_loss(entry, targets[entry.output], outputs[entry.output], weights[entry.output])
            if entry.mean is not None:
                entry.mean.update_state(value, sample_weight=ops.cast(shape_of(outputs[entry.output])[0], "float32"))
            parts.append(value if entry.weight is None else ops.multiply(value, float(entry.weight)))
        parts += [ops.sum(a) for a in added]
        if not parts:
            raise InvalidArgumentError(
                "No loss to compute. Provide a `loss` argument in `compile()`, or add losses in layers."
            )
        total = parts[0]
        for part in parts[1:]:
            total = ops.add(total, part)
        if shape_of(total) != ():
            raise ShapeError(
                f"The loss must be a scalar, got shape {shape_of(total)}; training requires a reduction other than 'none'."
            )
        self.loss_tracker.update_state(total, sample_weight=ops.cast(rows, "float32"))
        return total

    def _one_loss(self, entry: OutputLoss, target: Any, output: Any, weight: Any) -> Any:
        self._check_shapes(entry, target, output)
        try:
            return entry.loss(target, output, weight)
        except (GraphKitError, ValueError) as error:
            raise ShapeError(f"{self._where(entry, target, output)}: {error}") from error

    def _where(self, entry: OutputLoss, target: Any, output: Any) -> str:
        name = (self.output_names or [""])[entry.output]
        return f"Loss {entry.loss.name!r} of output {name!r}, target of shape {_show(target)}, output of shape {_show(output)}"

    def _check_shapes(self, entry: OutputLoss, target: Any, output: Any) -> None:
        """Raise ShapeError unless target and output fit: built-in losses expect one shape (class indices: without the last axis)."""
        function = _own_function(entry.loss)
        if function is None:
            return
        wanted = shape_of(output)
        if function in _SPARSE:
            axis = getattr(entry.loss, "axis", -1) % len(wanted)
            wanted = (*wanted[:axis], *wanted[axis + 1 :])
            given = shape_of(target)
            fits = given == wanted or given == (*wanted, 1)
            hint = " It expects class indices; for one-hot targets use categorical_crossentropy."
        else:
            shapes = [shape_of(t) for t in same_rank(target, output)]
            fits = shapes[0] == shapes[1] or (function not in _OF_ONE_SHAPE and _broadcast(shapes))
            hint = (
                " For class indices use sparse_categorical_crossentropy."
                if function == "categorical_crossentropy"
                else ""
            )
        if not fits:
            raise ShapeError(
                f"{self._where(entry, target, output)}: the shapes do not match; expected a target of shape {wanted}.{hint}"
            )

    def update_metrics(self, targets: Sequence[Any], outputs: Sequence[Any], weights: Sequence[Any]) -> None:
        """Update the metrics with a batch, traced."""
        for entry in self.output_metrics or ():
            weight = weights[entry.output] if entry.weighted else None
            entry.metric.update_state(targets[entry.output], outputs[entry.output], sample_weight=weight)

    # ----- results -----

    @property
    def metrics(self) -> list[Any]:
        """The tracker of the loss, the metrics of `compile` as one entry, and the trackers of several losses."""
        found: list[Any] = [self.loss_tracker]
        if self.user_metrics is not None or self.weighted_metrics is not None:
            found.append(CompileMetrics(self))
        return [*found, *(e.mean for e in self.output_losses or () if e.mean is not None)]

    @property
    def metrics_names(self) -> list[str]:
        """The names of `metrics`."""
        return [m.name for m in self.metrics]

    def named_metrics(self) -> list[tuple[str, OutputMetric]]:
        """Return the metrics with their names in logs; a repeated name gets a number, or the prefix `weighted_`."""
        counts: dict[str, int] = {}
        found = []
        for entry in self.output_metrics or ():
            name = _joined(entry.prefix, entry.metric.name)
            if name in counts and entry.weighted:
                name = _joined(entry.prefix, f"weighted_{entry.metric.name}")
            number = counts.get(name, 0)
            counts[name] = number + 1
            found.append((f"{name}_{number}" if number else name, entry))
        return found

    def results(self) -> dict[str, Any]:
        """Return all results as floats, by name, sorted as in Keras."""
        found = {"loss": self.loss_tracker.result()}
        found.update({name: entry.metric.result() for name, entry in self.named_metrics()})
        found.update({e.mean.name: e.mean.result() for e in self.output_losses or () if e.mean is not None})
        flat: dict[str, Any] = {}
        for name, value in found.items():  # a metric may have several results, each with its own name
            flat.update(value if isinstance(value, Mapping) else {name: value})
        return {name: _plain(flat[name]) for name in sorted(flat)}

    def ordered(self, logs: Mapping[str, Any]) -> Any:
        """Return results as a list in the order of `evaluate`, or the only result alone."""
        known = ["loss", *(m.metric.name for m in self.output_metrics or ())]
        known += [e.mean.name for e in self.output_losses or () if e.mean is not None]
        values = [logs[n] for n in known if n in logs] + [logs[n] for n in sorted(logs) if n not in known]
        return values[0] if len(values) == 1 else values

    def reset_metrics(self) -> None:
        """Reset the state of all losses and metrics."""
        for metric in self.metrics:
            metric.reset_state()

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of `compile` as JSON data, in Keras' form."""
        parts = {
            "optimizer": self.optimizer, "loss": self.loss, "loss_weights": self.loss_weights, "metrics": self.user_metrics,
            "weighted_metrics": self.weighted_metrics,
        }  # fmt: skip
        return {**{k: serialize(v) for k, v in parts.items()}, **self.settings}


def _joined(prefix: str | None, name: str) -> str:
    return f"{prefix}_{name}" if prefix else name


def _plain(value: Any) -> Any:
    array = np.asarray(value)
    return float(array) if array.ndim == 0 else array


def _broadcast(shapes: Sequence[Any]) -> bool:
    """Return whether the shapes have the same rank and broadcast against each other."""
    first, second = shapes
    return len(first) == len(second) and all(a == b or 1 in (a, b) for a, b in zip(first, second, strict=True))


def _show(value: Any) -> tuple[Any, ...]:
    return tuple(shape_of(value))


def _named(module: Any, name: str, argument: str) -> Any:
    try:
        return module.get(name)
    except UnknownClassError as error:
        raise InvalidArgumentError(f"compile: {argument}={name!r}: {error}") from None


def _own_function(loss: Loss) -> str | None:
    """Return the name of the built-in function behind a loss, if its target and output must match; else None."""
    function = type(loss).function if isinstance(loss, FunctionLoss) else getattr(loss, "fn", None)
    name = getattr(function, "__name__", "")
    own = losses.FUNCTIONS.get(name) is function and name not in (
        "circle",
        "categorical_generalized_cross_entropy",
        "ctc",
    )
    return name if own else None


def _kind(target: Any, output: Any) -> str:
    """Return the kind of classification: "binary", "sparse" or "categorical"."""
    t, p = known_shape(target), known_shape(output)
    if p[-1:] == (1,):
        return "binary"
    return "sparse" if len(t) < len(p) or (t[-1:] == (1,) and p[-1] > 1) else "categorical"


_CROSSENTROPIES = {
    "binary": losses.binary_crossentropy,
    "sparse": losses.sparse_categorical_crossentropy,
    "categorical": losses.categorical_crossentropy,
}
_ACCURACIES: dict[str, type[Metric]] = {
    "binary": metrics.BinaryAccuracy,
    "sparse": metrics.SparseCategoricalAccuracy,
    "categorical": metrics.CategoricalAccuracy,
}


def _resolve_loss(identifier: Any, target: Any, output: Any) -> Loss:
    if isinstance(identifier, str) and identifier.lower() in _CROSSENTROPY:
        found: Any = _CROSSENTROPIES[_kind(target, output)]
    else:
        found = losses.get(identifier)
    if isinstance(found, Loss):
        return found
    if not callable(found):
        raise InvalidTypeError(
            f"compile: a loss must be a name, a Loss or a function (y_true, y_pred), got {identifier!r}."
        )
    return LossFunctionWrapper(
        found, name=identifier if isinstance(identifier, str) else getattr(found, "__name__", None)
    )


def _resolve_metric(identifier: Any, target: Any, output: Any) -> Metric:
    if isinstance(identifier, str) and identifier.lower() in _ACCURACY:
        return _ACCURACIES[_kind(target, output)](name=identifier)
    if isinstance(identifier, str) and identifier.lower() in _CROSSENTROPY:
        found: Any = MeanMetricWrapper(_CROSSENTROPIES[_kind(target, output)], name=identifier)
    else:
        found = metrics.get(identifier)
    if not isinstance(found, Metric):
        if not callable(found):
            raise InvalidTypeError(
                f"compile: a metric must be a name, a Metric or a function (y_true, y_pred), got {identifier!r}."
            )
        found = MeanMetricWrapper(found.call if isinstance(found, Loss) else found, name=getattr(found, "name", None))
    if isinstance(identifier, str):
        found.name = identifier
    metric: Metric = found
    return metric


def _optimizer_parts(optimizer: Any) -> list[Any]:
    """Return the optimizer, the optimizers inside it, and the schedules of their learning rates."""
    if optimizer is None:
        return []
    held = [v for value in vars(optimizer).values() for v in (value if isinstance(value, (list, tuple)) else [value])]
    inner = [v for v in held if isinstance(v, optimizers.Optimizer) and v is not optimizer]
    schedule = getattr(optimizer, "_learning_rate", None)
    own = [optimizer, *([schedule] if isinstance(schedule, Stamped) else [])]
    return [*own, *(part for other in inner for part in _optimizer_parts(other))]


def warn_unused(settings: Mapping[str, Any]) -> None:
    """Warn of arguments of `compile` that have no effect, and reject unknown ones.

    Args:
        settings: The arguments of `compile` without optimizer, losses and metrics.

    Raises:
        InvalidTypeError: An argument is unknown.
    """
    unknown = [k for k in settings if k not in ("run_eagerly", "steps_per_execution", "jit_compile", "auto_scale_loss")]
    if unknown:
        hints = "".join(did_you_mean(k, ARGUMENTS) for k in unknown)
        raise InvalidTypeError(f"compile() got unexpected arguments {unknown}.{hints}")
    if settings.get("run_eagerly"):
        warnings.warn("run_eagerly=True has no effect: every step is one compiled program.", stacklevel=4)
