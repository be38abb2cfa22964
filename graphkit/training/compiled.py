"""The result of `compile`: optimizer, losses and metrics for each output, and the state of losses and metrics in training."""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graphkit import losses, metrics, ops, optimizers
from graphkit.core import nest
from graphkit.core.errors import (
    DTypeError,
    GraphKitError,
    InvalidArgumentError,
    InvalidTypeError,
    ShapeError,
    UnknownClassError,
    UnknownNameError,
    UnknownValueError,
)
from graphkit.core.registry import did_you_mean
from graphkit.core.serialization import serialize
from graphkit.core.stamps import Stamped, fingerprint, settings_changed
from graphkit.ir.variable import Variable
from graphkit.layers.stamp import is_foreign
from graphkit.losses.loss import FunctionLoss, Loss, LossFunctionWrapper, known_shape, same_rank
from graphkit.metrics.metric import Mean, MeanMetricWrapper, Metric
from graphkit.ops._convert import shape_of
from graphkit.training.outputs import by_output, graph_of, loss_names, output_names

ARGUMENTS = (
    "optimizer", "loss", "loss_weights", "metrics", "weighted_metrics", "run_eagerly", "steps_per_execution", "jit_compile",
)  # fmt: skip
_SPARSE = ("sparse_categorical_crossentropy",)
_OF_ONE_SHAPE = ("binary_crossentropy", "binary_focal_crossentropy", "categorical_crossentropy")  # the others broadcast
_ACCURACY = ("accuracy", "acc")
_CROSSENTROPY = ("crossentropy", "ce")


class UnknownOutputError(UnknownNameError, InvalidArgumentError):
    """`loss`, `loss_weights` or `metrics` names an output that does not exist (Keras raises KeyError or ValueError)."""


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


class CompileMetrics(Metric):
    """The metrics passed to `compile`, as the single entry that Keras' `model.metrics` shows for them."""

    def __init__(self, compiled: Compiled) -> None:
        super().__init__(name="compile_metrics")
        self._compiled = compiled
        self.model: Any = None

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

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Update all metrics with a batch; those of `metrics` without its weights."""
        self._compiled.update_metrics(self.model, y_true, y_pred, sample_weight)

    def reset_state(self) -> None:
        """Reset all metrics."""
        for metric in self.metrics:
            metric.reset_state()


class Compiled:
    """The state that `compile` sets up, stored as `model.compile_state`.

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
        self.loss_names: list[str] = []
        self.has_names = True  # whether the outputs have names of their own, which precede those of their metrics
        self.outputs: Any = None  # the structure of the outputs, with None as leaves
        self.loss_tracker = Mean(name="loss")
        self.compile_metrics = CompileMetrics(self)
        self.output_losses: list[OutputLoss] | None = None
        self.output_metrics: list[OutputMetric] | None = None
        self._check_names()

    def _check_names(self) -> None:
        if self.optimizer is not None and not isinstance(self.optimizer, optimizers.Optimizer):
            raise InvalidTypeError(
                f"compile: optimizer must be a name or an Optimizer, got {type(self.optimizer).__name__}."
            )
        for given, argument in ((self.user_metrics, "metrics"), (self.weighted_metrics, "weighted_metrics")):
            if given is not None and not isinstance(given, (list, tuple, Mapping)):
                raise InvalidArgumentError(
                    f"Expected `{argument}` argument to be a list, tuple, or dict. Received instead: {argument}={given!r} of type "
                    f"{type(given)}"
                )
            for leaf in nest.flatten(given) if given else ():
                if isinstance(leaf, str) and leaf.lower() not in (*_ACCURACY, *_CROSSENTROPY):
                    _named(metrics, leaf, argument)
        for leaf in nest.flatten(self.loss):
            if isinstance(leaf, str) and leaf.lower() not in _CROSSENTROPY:
                _named(losses, leaf, "loss")

    def stamp(self, optimizer: Any) -> Hashable:
        """Return a value that changes when the optimizer, a loss or a metric computes something else."""
        losses = [entry.loss for entry in self.output_losses or ()]
        metrics = [entry.metric for entry in self.output_metrics or ()]
        parts = [*_optimizer_parts(optimizer), *losses, *metrics]
        changed = max(settings_changed(), *(part.changed for part in parts))
        weights = tuple(entry.weight for entry in self.output_losses or ())
        return changed, weights, tuple(fingerprint(vars(p), (Stamped, Variable)) for p in parts if is_foreign(p))

    # ----- resolving -----

    def _build_losses(self, model: Any, y: Any, y_pred: Any) -> None:
        """Resolve the losses at the first batch.

        Raises:
            InvalidArgumentError: Losses or their weights do not match the outputs, or a target is missing.
            InvalidTypeError: A loss has the wrong type.
        """
        if self.output_losses is not None:
            return
        self._name_outputs(model, y_pred)
        outputs = nest.flatten(y_pred)
        chosen = self._losses(self._targets(y, y_pred), outputs)
        if len(chosen) > len(outputs) == 1:
            warnings.warn(
                f"compile: loss has {len(chosen)} entries for one output. As in Keras, only the first is trained on; pass a function "
                "(y_true, y_pred) that adds them up.",
                stacklevel=2,
            )
        if len(chosen) > 1:
            for entry in chosen:
                entry.mean = Mean(name=f"{entry.name}_loss")
        self.output_losses = chosen

    def _build_metrics(self, model: Any, y: Any, y_pred: Any) -> None:
        """Resolve the metrics at the first batch. Errors: as for the losses."""
        if self.output_metrics is not None:
            return
        self._name_outputs(model, y_pred)
        outputs, targets = nest.flatten(y_pred), self._targets(y, y_pred)
        self.output_metrics = [
            *self._metrics(self.user_metrics, "metrics", targets, outputs),
            *self._metrics(self.weighted_metrics, "weighted_metrics", targets, outputs),
        ]

    def _name_outputs(self, model: Any, y_pred: Any) -> None:
        if y_pred is None:
            raise InvalidTypeError(
                f"The call() of {type(model).__name__} {model.name!r} returned None; return the outputs."
            )
        names = output_names(model, y_pred)
        self.output_names, self.loss_names = names, loss_names(y_pred, names)
        self.has_names = graph_of(model) is not None or isinstance(y_pred, Mapping)
        self.outputs = nest.map_structure(lambda _: None, y_pred)

    def _targets(self, y: Any, y_pred: Any) -> list[Any]:
        """Return one target or None for each output."""
        assert self.output_names is not None
        return by_output(y, self.output_names, y_pred, "y", self._with_loss())

    def _with_loss(self) -> list[int]:
        """Return the indices of the outputs that have a loss."""
        given = self._by_output(self.loss, "loss", len(self.output_names or ()), repeat=True)
        return [i for i, one in enumerate(given) if one is not None]

    def _sample_weights(self, sample_weight: Any, y_pred: Any, targets: Sequence[Any]) -> list[Any]:
        """Return one array of weights or None for each output."""
        if sample_weight is None or not nest.is_nested(sample_weight):
            return [None if t is None else sample_weight for t in targets]
        assert self.output_names is not None
        found = by_output(sample_weight, self.output_names, y_pred, "sample_weight", range(len(targets)))
        return [None if t is None else w for t, w in zip(targets, found, strict=True)]

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
                        index, self.loss_names[index] if several or len(entries) == 1 else loss.name, loss, weight
                    )
                )
        return made

    def _weights(self, given: Sequence[Any]) -> list[Any]:
        weights = self.loss_weights
        if weights is None:
            return [None] * len(given)
        if isinstance(weights, (int, float)):
            weights = [float(weights)] * len(given)
        if (
            len(given) == 1
            and isinstance(weights, (list, tuple))
            and not isinstance(given[0], (list, tuple))
            and len(weights) > 1
        ):
            raise InvalidArgumentError(
                f"`loss_weights` must match the number of losses, got 1 losses and {len(weights)} weights."
            )
        if len(given) == 1 and isinstance(weights, (list, tuple)):
            return [list(weights) if isinstance(given[0], (list, tuple)) else weights[0]] if len(weights) else [None]
        return self._by_output(weights, "loss_weights", len(given))

    def _by_output(self, given: Any, argument: str, count: int, repeat: bool = False) -> list[Any]:
        """Return one entry per output from a single value, a list, a dict or the structure of the outputs."""
        names = self.output_names or []
        if given is None:
            return [None] * count
        if count > 1 and nest.is_nested(given):
            nested = _up_to(given, self.outputs)
            if nested is not None:
                return nested
        if isinstance(given, Mapping):
            unknown = [k for k in given if k not in names]
            if unknown:
                hint = did_you_mean(str(unknown[0]), names)
                raise UnknownOutputError(
                    f"compile: {argument} names {unknown[0]!r}, but the model's outputs are {names}.{hint}"
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
                prefix = self.output_names[index] if several and self.has_names else None
                made.append(OutputMetric(index, prefix, metric, argument != "metrics"))
        return made

    # ----- in a step -----

    def total_loss(self, model: Any, y: Any, y_pred: Any, sample_weight: Any, added: Sequence[Any]) -> Any:
        """Compute the loss to minimize: the weighted losses of the outputs plus penalties. Also updates the means of several losses.

        Args:
            model: The model.
            y: The targets.
            y_pred: The outputs.
            sample_weight: The sample weights, or None.
            added: Losses added by layers.

        Returns:
            A scalar.

        Raises:
            InvalidArgumentError: There is no loss.
            ShapeError: A target does not fit its output, or a loss is not reduced to a scalar.
        """
        self._build_losses(model, y, y_pred)
        outputs, targets = nest.flatten(y_pred), self._targets(y, y_pred)
        weights = self._sample_weights(sample_weight, y_pred, targets)
        assert self.output_losses is not None
        parts: list[Any] = []
        used = self.output_losses[:1] if len(outputs) == 1 else self.output_losses
        for entry in used:
            value = self._one_loss(entry, targets[entry.output], outputs[entry.output], weights[entry.output])
            if entry.mean is not None:
                entry.mean.update_state(value, sample_weight=ops.cast(shape_of(outputs[entry.output])[0], "float32"))
            parts.append(value if entry.weight is None else ops.multiply(value, float(entry.weight)))
        parts += [ops.sum(a) for a in added]
        if not parts:
            raise InvalidArgumentError(
                "No loss to compute. Provide a `loss` argument in `compile()`, override `compute_loss` or `train_step`, or add losses "
                "in layers."
            )
        total = parts[0]
        for part in parts[1:]:
            total = ops.add(total, part)
        if shape_of(total) != ():
            raise ShapeError(
                f"The loss must be a scalar, got shape {shape_of(total)}; training requires a reduction other than 'none'."
            )
        return total

    def _one_loss(self, entry: OutputLoss, target: Any, output: Any, weight: Any) -> Any:
        self._check_shapes(entry, target, output)
        try:
            return entry.loss(target, output, weight)
        except UnknownValueError:  # the loss needs numbers: the step runs eagerly
            raise
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
        if target is None:
            name = (self.output_names or [""])[entry.output]
            raise InvalidArgumentError(f"Output {name!r} has a loss, but no target (y) was given for it.")
        if str(getattr(target, "dtype", "")) == "string":
            raise DTypeError(
                f"{self._where(entry, target, output)}: the targets are strings; make them numbers first, for example with "
                "keras.layers.StringLookup."
            )
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

    def update_metrics(self, model: Any, y: Any, y_pred: Any, sample_weight: Any) -> None:
        """Update the metrics with a batch."""
        if not self.user_metrics and not self.weighted_metrics:
            return
        self._build_metrics(model, y, y_pred)
        outputs, targets = nest.flatten(y_pred), self._targets(y, y_pred)
        weights = self._sample_weights(sample_weight, y_pred, targets)
        for entry in self.output_metrics or ():
            weight = weights[entry.output] if entry.weighted else None
            entry.metric.update_state(targets[entry.output], outputs[entry.output], sample_weight=weight)

    # ----- results -----

    @property
    def metrics(self) -> list[Any]:
        """The tracker of the loss, the metrics of `compile` as one entry, and the trackers of several losses."""
        found: list[Any] = [self.loss_tracker]
        if self.user_metrics is not None or self.weighted_metrics is not None:
            found.append(self.compile_metrics)
        return [*found, *(e.mean for e in self.output_losses or () if e.mean is not None)]

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

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of `compile` as JSON data, in Keras' form."""
        parts = {
            "optimizer": self.optimizer, "loss": self.loss, "loss_weights": self.loss_weights, "metrics": self.user_metrics,
            "weighted_metrics": self.weighted_metrics,
        }  # fmt: skip
        return {**{k: serialize(v) for k, v in parts.items()}, **self.settings}


def _joined(prefix: str | None, name: str) -> str:
    return f"{prefix}_{name}" if prefix else name


def _up_to(given: Any, outputs: Any) -> list[Any] | None:
    """Return the entry of each output from a structure that has the containers of the outputs; None if it has others."""
    if isinstance(outputs, Mapping):
        if not isinstance(given, Mapping) or not set(given) <= set(outputs):
            return None
        parts = [_up_to(given.get(key), outputs[key]) for key in sorted(outputs)]
    elif isinstance(outputs, (list, tuple)):
        if given is None:
            parts = [_up_to(None, one) for one in outputs]
        elif not isinstance(given, (list, tuple)) or len(given) != len(outputs):
            return None
        else:
            parts = [_up_to(one, output) for one, output in zip(given, outputs, strict=True)]
    else:
        return [given]
    if any(part is None for part in parts):
        return None
    return [entry for part in parts if part is not None for entry in part]


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
    own = (
        function is not None
        and losses.FUNCTIONS.get(name) is function
        and name
        not in (
            "circle",
            "categorical_generalized_cross_entropy",
            "ctc",
        )
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
