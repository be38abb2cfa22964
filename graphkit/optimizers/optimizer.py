"""The base of all optimizers: variables, learning rate, clipping, decay, averages, constraints.

An update is written with ops and `assign`, so it is traced into the training program; called on arrays it computes at once.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, ClassVar

import numpy as np

from graphkit import initializers, ops
from graphkit.core import dtypes, names
from graphkit.core.declared import Declared, argument
from graphkit.core.errors import InvalidArgumentError, InvalidTypeError, NotBuiltError, ShapeError
from graphkit.core.registry import did_you_mean
from graphkit.core.serialization import Configurable, config_names, deserialize, serialize
from graphkit.ir.variable import Variable
from graphkit.optimizers.arena import LARGEST, Arena
from graphkit.optimizers.schedules import LearningRateSchedule

HOME = "keras.optimizers"
_IGNORED = ("decay", "is_legacy_optimizer", "jit_compile")
# What every optimizer's constructor ends with, and what stands in every config.
REST = (
    "clipnorm clipvalue global_clipnorm use_ema ema_momentum ema_overwrite_frequency loss_scale_factor "
    "gradient_accumulation_steps name"
)
_SHARED = (
    "weight_decay", "clipnorm", "global_clipnorm", "clipvalue", "use_ema", "ema_momentum", "ema_overwrite_frequency",
    "loss_scale_factor", "gradient_accumulation_steps",
)  # fmt: skip


def checked_rate(optimizer: Any, name: str, value: Any) -> Any:
    """Raise InvalidArgumentError for what is no learning rate."""
    if not callable(value) and not isinstance(value, (int, float, np.number, np.ndarray)):
        raise InvalidArgumentError(
            "Argument `learning_rate` should be float, or an instance of LearningRateSchedule, or a function without "
            f"arguments. Received instead: learning_rate={value!r}"
        )
    return value


def only_if(condition: Any, variables: Iterable[Variable], change: Callable[[], None]) -> None:
    """Let `change` assign to the variables, and undo that where the condition does not hold: both ways are computed."""
    before = {v: v.numpy() if isinstance(v.value, np.ndarray) else v.value for v in variables}
    change()
    for variable, old in before.items():
        variable.assign(ops.where(condition, variable.value, old))


def _filled(shape: tuple[int, ...], initializer: Any, dtype: str) -> Any:
    """An array by an initializer: a number, or what `graphkit.initializers.get` understands."""
    if isinstance(initializer, (int, float)):
        return np.full(shape, initializer, dtypes.to_numpy(dtype))
    return np.asarray(initializers.get(initializer)(shape, dtype))


class _Excluded:
    """Tells the variables that weight decay leaves out."""

    def __init__(self, variables: Iterable[Variable] = (), pattern: re.Pattern[str] | None = None) -> None:
        self.variables, self.pattern = list(variables), pattern

    def __call__(self, variable: Variable) -> bool:
        named = self.pattern is not None and self.pattern.search(variable.name) is not None
        return named or any(variable is one for one in self.variables)


class Optimizer(Declared, Configurable):
    """Changes variables by their gradients. A subclass makes its slots in `build` and says the change in `update_step`.

    Args:
        learning_rate: a float, a `LearningRateSchedule`, or a function without arguments.
        weight_decay: variables lose this part, times the learning rate, at each step.
        clipnorm, clipvalue, global_clipnorm: at most one of them: limits of each gradient's norm, of its elements, or of
            the norm of all gradients together.
        use_ema, ema_momentum, ema_overwrite_frequency: keep moving averages of the variables; every so many steps (None: at
            the end of training) they replace the variables.
        loss_scale_factor: the loss is multiplied by it, the gradients divided.
        gradient_accumulation_steps: gradients are averaged over so many steps before they are used.
        name: the name; the class' own in snake case by default.

    `variables` are in Keras' order: iteration, learning rate, averages, then slots. Source: keras.optimizers.Optimizer.
    """

    slots: ClassVar[tuple[str, ...]] = ()
    elementwise: ClassVar[bool] = True  # an element's update depends on that element's gradient and slots alone

    passes_on = True  # older names, see `__pre_init__`
    argument_order = f"learning_rate weight_decay {REST}"
    _learning_rate: Any = argument(alias="learning_rate", check=checked_rate)
    weight_decay: Any = argument(default=None)
    clipnorm: Any = argument(default=None)
    clipvalue: Any = argument(default=None)
    global_clipnorm: Any = argument(default=None)
    use_ema: bool = argument(default=False)
    ema_momentum: float = argument(default=0.99)
    ema_overwrite_frequency: Any = argument(default=None)
    loss_scale_factor: Any = argument(default=None)
    gradient_accumulation_steps: Any = argument(default=None)
    name: Any = argument(default=None)

    def __pre_init__(self, given: dict[str, Any], more: dict[str, Any]) -> None:
        """Understand older names. Raises InvalidTypeError for arguments that nobody knows."""
        if more.pop("decay", None):
            warnings.warn(
                "Argument `decay` is no longer supported and will be ignored; use a learning rate schedule.",
                stacklevel=4,
            )
        for name in _IGNORED:
            more.pop(name, None)
        if "lr" in more:
            given["learning_rate"] = more.pop("lr")
        if more:
            known = config_names(type(self))
            hints = "".join(did_you_mean(k, known) for k in more)
            raise InvalidTypeError(
                f"Argument(s) not recognized by {type(self).__name__}: {more}.{hints} Known are {', '.join(known)}."
            )

    def __post_init__(self) -> None:
        """Check what belongs together; make the first variables."""
        self.name = self.name or names.auto_name(names.to_snake_case(type(self).__name__))
        self._check()
        self.built = False
        self._variables: list[Variable] = []
        self._indexes: dict[Variable, int] = {}
        self._trainable: list[Variable] = []
        self._averages: list[Variable] = []
        self._accumulators: list[Variable] = []
        self._slots: dict[str, list[Any]] = {}  # None for a variable that its gradient overwrites
        self._arena: Arena | None = None
        self._undecayed = _Excluded()
        self._iterations = self._track(0, "int32", "iteration")
        if not callable(self._learning_rate):
            rate = float(np.asarray(self._learning_rate))
            self._learning_rate = self._track(rate, dtypes.floatx(), "learning_rate")

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_arena": None}  # its variables are views of one array, which copies of them are not

    def _check(self) -> None:
        clips = {k: getattr(self, k) for k in ("clipnorm", "clipvalue", "global_clipnorm")}
        if sum(v is not None for v in clips.values()) > 1:
            raise InvalidArgumentError(
                f"Only one of `clipnorm`, `clipvalue` and `global_clipnorm` can be set. Received: {clips}"
            )
        if self.use_ema and not 0 <= self.ema_momentum <= 1:
            raise InvalidArgumentError(
                f"`ema_momentum` must be in the range [0, 1]. Received: ema_momentum={self.ema_momentum}"
            )
        steps = self.gradient_accumulation_steps
        if steps and steps < 2:
            raise InvalidArgumentError(f"`gradient_accumulation_steps` must be an integer >= 2. Received: {steps}")

    # ----- variables -----

    def _track(self, value: Any, dtype: str, name: str) -> Variable:
        with names.scope_is(self.name):
            variable = Variable(np.asarray(value, dtypes.to_numpy(dtype)), dtype=dtype, trainable=False, name=name)
        self._variables.append(variable)
        return variable

    @property
    def variables(self) -> list[Variable]:
        """All variables of the optimizer, in Keras' order."""
        return list(self._variables)

    @property
    def trained(self) -> list[Variable]:
        """The variables that the optimizer was built for, in their order."""
        return list(self._trainable)

    @property
    def slot_groups(self) -> list[list[Variable]]:
        """What is kept for each of `trained`: averages, sums of gradients, then the slots, a list of each."""
        return [group for group in (self._averages, self._accumulators, *self._slots.values()) if group]

    @property
    def counter(self) -> Variable:
        """The variable that counts the calls of `apply`."""
        return self._iterations

    @property
    def iterations(self) -> Any:
        """The number of updates so far."""
        if self.gradient_accumulation_steps:
            return ops.floor_divide(self._iterations, self.gradient_accumulation_steps)
        return self._iterations

    @property
    def learning_rate(self) -> Any:
        """The learning rate: the variable that holds it, or what the schedule says now."""
        if isinstance(self._learning_rate, LearningRateSchedule):
            return self._learning_rate(self._iterations)
        return self._learning_rate() if not isinstance(self._learning_rate, Variable) else self._learning_rate

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        if isinstance(self._learning_rate, Variable) and not callable(value):
            self._learning_rate.assign(value)
        elif callable(value):
            self._variables = [v for v in self._variables if v is not self._learning_rate]
            self._learning_rate = value
        else:
            raise InvalidTypeError(
                f"{type(self).__name__} was created with a schedule as its learning rate, so it cannot be set to {value!r}. "
                "Give the optimizer a float learning_rate if it is to be changed."
            )

    @property
    def lr(self) -> Any:
        """The older name of `learning_rate`."""
        return self.learning_rate

    @lr.setter
    def lr(self, value: Any) -> None:
        self.learning_rate = value

    def build(self, variables: Sequence[Variable]) -> None:
        """Make the slots for these variables, in this order; a second call does nothing."""
        if self.built:
            return
        self._trainable = list(variables)
        self._indexes = {v: i for i, v in enumerate(self._trainable)}
        if self.use_ema:
            self._averages = [self.add_variable_from_reference(v, "average") for v in self._trainable]
        if self.gradient_accumulation_steps:
            self._accumulators = [self.add_variable_from_reference(v, "gradient_accumulator") for v in self._trainable]
        self.make_slots()
        self.built = True

    def make_slots(self) -> None:
        """Make the slots; by default those named in the class, side by side for each variable."""
        self.add_slots(*self.slots)

    def add_slots(self, *slots: str, initial: Mapping[str, float] | None = None) -> None:
        """Make slots of these names for each variable, zeros unless `initial` says otherwise."""
        for name in slots:
            self._slots[name] = []
        for variable in self._trainable:
            for name in slots:
                self._slots[name].append(self._new_slot(variable, name, (initial or {}).get(name, 0.0)))

    def _new_slot(self, variable: Variable, name: str, initial: float) -> Any:
        """A slot; None for a variable that takes its "gradient" as its value."""
        return None if variable.overwrite_with_gradient else self.add_variable_from_reference(variable, name, initial)

    def add_variable_from_reference(
        self, reference_variable: Variable, name: str | None = None, initializer: Any = "zeros"
    ) -> Variable:
        """A variable like another one; its name is `<path of the other>_<name>`. `initializer` may be a number."""
        like = reference_variable
        value = _filled(like.shape, initializer, like.dtype)
        return self._track(value, like.dtype, f"{like.path.replace('/', '_')}_{name or 'var'}")

    def add_variable(
        self,
        shape: Sequence[int],
        initializer: Any = "zeros",
        dtype: Any = None,
        aggregation: str = "none",
        layout: Any = None,
        name: str | None = None,
    ) -> Variable:
        """A variable of the optimizer's own. `aggregation` and `layout` are taken for Keras' sake."""
        kind = dtypes.standardize(dtype)
        return self._track(_filled(tuple(shape), initializer, kind), kind, name or "variable")

    def add_optimizer_variables(
        self, trainable_variables: Sequence[Variable], name: Any, initializer: Any = "zeros"
    ) -> Any:
        """A list of variables like these, or one list for each of several names; made side by side as Keras does."""
        wanted = [name] if isinstance(name, str) else list(name)
        starts = initializer if isinstance(initializer, (list, tuple)) else [initializer] * len(wanted)
        rows = [
            [self.add_variable_from_reference(v, n, i) for n, i in zip(wanted, starts, strict=True)]
            for v in trainable_variables
        ]
        columns = [list(column) for column in zip(*rows, strict=True)] or [[] for _ in wanted]
        return columns[0] if isinstance(name, str) else columns

    def assign(self, variable: Variable, value: Any) -> Any:
        """variable = value. Source: keras Optimizer.assign, as the two below."""
        return variable.assign(value)

    def assign_add(self, variable: Variable, value: Any) -> Any:
        """variable = variable + value."""
        return variable.assign(ops.add(variable, value))

    def assign_sub(self, variable: Variable, value: Any) -> Any:
        """variable = variable - value."""
        return variable.assign(ops.subtract(variable, value))

    def scale_loss(self, loss: Any) -> Any:
        """The loss as it is to be differentiated: times the loss scale, if there is one."""
        return loss if self.loss_scale_factor is None else ops.multiply(loss, self.loss_scale_factor)

    def slot(self, name: str, variable: Variable) -> Variable:
        """The slot of this name of a variable."""
        if self._arena is not None and variable is self._arena.flat:
            made: Variable = self._arena.slots[name]
            return made
        kept: Variable = self._slots[name][self._indexes[variable]]
        return kept

    def packed(self) -> AbstractContextManager[None]:
        """Inside, traced updates change small variables together; see `graphkit.optimizers.arena`."""
        if self._arena is None or not self._arena.is_current:
            members = [v for v in self._trainable if self._may_pack(v)]
            self._arena = None
            if len(members) > 1:
                slots = {n: [self.slot(n, m) for m in members] for n in self._slots}
                self._arena = Arena(members, slots)
        return self._arena.used() if self._arena is not None else nullcontext()

    def _may_pack(self, variable: Variable) -> bool:
        plain = (
            not variable.overwrite_with_gradient
            and self.elementwise
            and not self.use_ema
            and not self.gradient_accumulation_steps
        )
        small = variable.array.size <= LARGEST and variable.dtype == dtypes.floatx()
        return (
            plain
            and small
            and variable.constraint is None
            and not (self.weight_decay is not None and self._undecayed(variable))
        )

    def touch(self) -> None:
        """Say that a compiled step has changed the variables."""
        if self._arena is not None:
            self._arena.touch()

    # ----- updating -----

    def update_step(self, gradient: Any, variable: Variable, learning_rate: Any) -> None:
        """Assign new values to `variable` and its slots; both arguments are in its dtype."""
        raise NotImplementedError(f"{type(self).__name__} defines no update_step(gradient, variable, learning_rate)")

    def apply_gradients(self, grads_and_vars: Iterable[tuple[Any, Variable]]) -> Any:
        """Update by pairs of gradient and variable; gives the number of updates. Source: keras Optimizer.apply_gradients."""
        pairs = list(grads_and_vars)
        self.apply([g for g, _ in pairs], [v for _, v in pairs])
        return self._iterations

    def apply(self, grads: Sequence[Any], trainable_variables: Sequence[Variable] | None = None) -> None:
        """Update the variables by their gradients; a gradient of None leaves its variable out.

        Raises NotBuiltError if the variables were never said, ShapeError for another number of gradients,
        InvalidArgumentError for variables that the optimizer was not built for. Source: keras Optimizer.apply.
        """
        if not len(grads):
            return
        pairs = self._without_overwritten(self._pairs(list(grads), trainable_variables))
        if self.loss_scale_factor is not None:
            pairs = [(ops.true_divide(g, self.loss_scale_factor), v) for g, v in pairs]
        if self.gradient_accumulation_steps:
            self._accumulate(pairs)
        else:
            self._update(pairs)
        if self.use_ema:
            self._update_averages()
        for _, variable in pairs:
            if variable.constraint is not None:
                variable.assign(variable.constraint(variable.value))
        self._iterations.assign(ops.add(self._iterations, 1))

    def _pairs(self, grads: list[Any], variables: Sequence[Variable] | None) -> list[tuple[Any, Variable]]:
        if variables is None:
            if not self.built:
                raise NotBuiltError(
                    "apply(grads) without variables needs an optimizer that was built: call optimizer.build(variables) first."
                )
            variables = self._trainable
        variables = list(variables)
        if len(variables) != len(grads):
            raise ShapeError(f"apply() got {len(grads)} gradients for {len(variables)} variables.")
        self.build(variables)
        unknown = [v.path for v in variables if v not in self._indexes]
        if unknown:
            raise InvalidArgumentError(
                f"Unknown variable: {unknown[0]!r}. Optimizer {self.name!r} was built for {len(self._indexes)} other variables. When "
                "working with a new set of variables, make a new optimizer, or compile the model again."
            )
        missing = [v.path for g, v in zip(grads, variables, strict=True) if g is None]
        if len(missing) == len(grads):
            raise InvalidArgumentError("No gradients provided for any variable: the loss depends on none of them.")
        if missing:
            warnings.warn(f"Gradients do not exist for variables {missing} when minimizing the loss.", stacklevel=3)
        return [(g, v) for g, v in zip(grads, variables, strict=True) if g is not None]

    def _without_overwritten(self, pairs: list[tuple[Any, Variable]]) -> list[tuple[Any, Variable]]:
        """The pairs that are to be descended; a variable that says so takes its "gradient" as its new value here."""
        steps = self.gradient_accumulation_steps
        for gradient, variable in [p for p in pairs if p[1].overwrite_with_gradient]:
            if steps:  # the largest of all steps since the last update
                total = self._accumulators[self._indexes[variable]]
                due = ops.equal(ops.mod(ops.add(self._iterations, 1), steps), 0)
                largest = ops.maximum(gradient, total)
                gradient = ops.where(due, largest, gradient)
                total.assign(ops.where(due, 0.0, largest))
            variable.assign(gradient)
        return [p for p in pairs if not p[1].overwrite_with_gradient]

    def _update(self, pairs: Sequence[tuple[Any, Variable]]) -> None:
        rate = self.learning_rate
        grads = self._clipped([g for g, _ in pairs])
        pairs = [(gradient, variable) for gradient, (_, variable) in zip(grads, pairs, strict=True)]
        for gradient, variable in self._arena.gather(pairs) if self._arena is not None else pairs:
            own_rate = ops.cast(rate, variable.dtype)
            decay = self.decay_of(variable)
            if decay is not None and not self._undecayed(variable):
                variable.assign(ops.subtract(variable, ops.multiply(ops.multiply(variable, decay), own_rate)))
            self.update_step(ops.cast(gradient, variable.dtype), variable, own_rate)

    def decay_of(self, variable: Variable) -> float | None:
        """The weight decay of a variable, if it has any."""
        decay: float | None = self.weight_decay
        return decay

    def _accumulate(self, pairs: Sequence[tuple[Any, Variable]]) -> None:
        """Add the gradients up; every so many steps, use their mean. Both ways are computed and the right one chosen."""
        steps = self.gradient_accumulation_steps
        due = ops.equal(ops.mod(ops.add(self._iterations, 1), steps), 0)
        sums = [ops.add(g, self._accumulators[self._indexes[v]]) for g, v in pairs]
        fixed = (self._iterations, self._learning_rate)
        kept = [v for v in (*self._trainable, *self._variables) if not any(v is f for f in fixed)]
        means = [(ops.true_divide(s, steps), v) for s, (_, v) in zip(sums, pairs, strict=True)]
        only_if(due, kept, lambda: self._update(means))
        for total, (_, variable) in zip(sums, pairs, strict=True):
            self._accumulators[self._indexes[variable]].assign(ops.where(due, 0.0, total))

    def _clipped(self, grads: list[Any]) -> list[Any]:
        if self.clipvalue:
            return [ops.clip(g, -self.clipvalue, self.clipvalue) for g in grads]
        if self.clipnorm:
            return [self._clip_by_norm(g, self.clipnorm) for g in grads]
        if self.global_clipnorm:
            squares = [ops.sum(ops.square(g)) for g in grads]
            norm = ops.sqrt(ops.sum(ops.stack(squares)))
            limit = self.global_clipnorm
            scale = ops.multiply(ops.minimum(ops.true_divide(1.0, norm), 1.0 / limit), limit)
            scale = ops.add(scale, ops.subtract(norm, norm))  # NaN where the norm is not finite
            return [ops.multiply(g, scale) for g in grads]
        return grads

    @staticmethod
    def _clip_by_norm(gradient: Any, limit: float) -> Any:
        norm = ops.sqrt(ops.sum(ops.square(gradient)))
        return ops.true_divide(ops.multiply(gradient, limit), ops.maximum(norm, limit))

    def exclude_from_weight_decay(
        self, var_list: Sequence[Variable] | None = None, var_names: Sequence[str] | None = None
    ) -> None:
        """Leave these variables, and those whose name contains one of `var_names`, out of the weight decay."""
        if self.built:
            raise InvalidArgumentError(
                "`exclude_from_weight_decay()` can only be configured before the optimizer is built."
            )
        self._undecayed = _Excluded(var_list or (), re.compile("|".join(var_names)) if var_names else None)

    # ----- moving averages -----

    def _update_averages(self) -> None:
        later = ops.cast(ops.not_equal(self.iterations, 0), "float32")
        for variable, average in zip(self._trainable, self._averages, strict=True):
            momentum = ops.cast(ops.multiply(later, self.ema_momentum), variable.dtype)
            average.assign(
                ops.add(ops.multiply(momentum, average), ops.multiply(ops.subtract(1.0, momentum), variable))
            )
        if self.ema_overwrite_frequency:
            due = ops.equal(ops.mod(ops.add(self.iterations, 1), self.ema_overwrite_frequency), 0)
            for variable, average in zip(self._trainable, self._averages, strict=True):
                variable.assign(ops.where(due, average.value, variable.value))

    def averaged(self) -> list[tuple[Variable, Variable]]:
        """Pairs of a variable and its moving average, if any are kept."""
        return list(zip(self._trainable, self._averages, strict=True)) if self.use_ema else []

    def finalize_variable_values(self, var_list: Sequence[Variable]) -> None:
        """At the end of training: the moving averages, if any are kept, replace the variables."""
        for variable, average in self.averaged():
            variable.assign(average.array)

    # ----- state and config -----

    def get_weights(self) -> list[np.ndarray[Any, Any]]:
        """Copies of all variables of the optimizer."""
        return [v.numpy() for v in self.variables]

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Take these arrays, in the order of `variables`. Raises NotBuiltError before `build`, ShapeError if they do not fit."""
        if not self.built:
            raise NotBuiltError(
                "set_weights() on an optimizer that has not been built: call optimizer.build(trainable_variables) first."
            )
        if len(weights) != len(self.variables):
            raise ShapeError(
                f"Optimizer {self.name!r} has {len(self.variables)} variables, but {len(weights)} arrays were given."
            )
        for variable, weight in zip(self.variables, weights, strict=True):
            if np.shape(weight) != variable.shape:
                raise ShapeError(
                    f"Optimizer variable {variable.path!r} has shape {variable.shape}, the given array {np.shape(weight)}."
                )
        for variable, weight in zip(self.variables, weights, strict=True):
            variable.assign(weight)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments as JSON data, in Keras' order."""
        rate = self._learning_rate
        shown = float(rate.array) if isinstance(rate, Variable) else serialize(rate)
        config = {"name": self.name, "learning_rate": shown, **{n: getattr(self, n) for n in _SHARED}}
        own = [n for n in config_names(type(self)) if n not in config]
        return {**config, **{n: serialize(getattr(self, n)) for n in own}}

    @classmethod
    def from_config(cls, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Any:
        """An optimizer with this config; its variables start anew."""
        known = {**config}
        if isinstance(known.get("learning_rate"), Mapping):
            known["learning_rate"] = deserialize(known["learning_rate"], custom_objects)
        return cls(**known)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}, built={self.built}>"
