"""The base class of optimizers: variables, learning rate, clipping, decay, averages, constraints.

An update is written with ops and `assign`, so it is traced into the training program; called on arrays it computes immediately.
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
from graphkit.core.errors import (
    InvalidArgumentError,
    InvalidTypeError,
    NotBuiltError,
    ShapeError,
    UnknownArgumentError,
    UnsupportedError,
)
from graphkit.core.recording import our_class, recorded_config
from graphkit.core.registry import did_you_mean
from graphkit.core.serialization import Configurable, config_names, deserialize, serialize
from graphkit.ir.program import Program
from graphkit.ir.stateless import StatelessScope, values_after, with_values
from graphkit.ir.variable import Variable
from graphkit.optimizers.arena import LARGEST, Arena
from graphkit.optimizers.schedules import LearningRateSchedule
from graphkit.optimizers.updates import CompiledUpdates

HOME = "keras.optimizers"
_IGNORED = ("decay", "is_legacy_optimizer", "jit_compile")
# The last arguments of every optimizer's constructor; those in every config follow below.
REST = (
    "clipnorm clipvalue global_clipnorm use_ema ema_momentum ema_overwrite_frequency loss_scale_factor "
    "gradient_accumulation_steps name"
)
_SHARED = (
    "weight_decay", "clipnorm", "global_clipnorm", "clipvalue", "use_ema", "ema_momentum", "ema_overwrite_frequency",
    "loss_scale_factor", "gradient_accumulation_steps",
)  # fmt: skip


def checked_rate(optimizer: Any, name: str, value: Any) -> Any:
    """Return a learning rate.

    Args:
        optimizer: The optimizer, unused.
        name: The name of the argument, unused.
        value: The learning rate.

    Raises:
        InvalidArgumentError: `value` is neither a number nor callable.
    """
    if not callable(value) and not isinstance(value, (int, float, np.number, np.ndarray)):
        raise InvalidArgumentError(
            "Argument `learning_rate` should be float, or an instance of LearningRateSchedule, or a function without "
            f"arguments. Received instead: learning_rate={value!r}"
        )
    return value


def only_if(condition: Any, variables: Iterable[Variable], change: Callable[[], None]) -> None:
    """Let `change` assign to the variables, and undo it where the condition is False; both results are computed.

    Args:
        condition: A boolean scalar.
        variables: All variables that `change` may assign to.
        change: A function without arguments.
    """
    before = {v: v.numpy() if isinstance(v.value, np.ndarray) else v.value for v in variables}
    change()
    for variable, old in before.items():
        variable.assign(ops.where(condition, variable.value, old))


def _filled(shape: tuple[int, ...], initializer: Any, dtype: str) -> Any:
    """Create an array with an initializer: a number, or anything that `graphkit.initializers.get` accepts."""
    if isinstance(initializer, (int, float)):
        return np.full(shape, initializer, dtypes.to_numpy(dtype))
    return np.asarray(initializers.get(initializer)(shape, dtype))


class _Excluded:
    """Selects the variables that are excluded from weight decay."""

    def __init__(self, variables: Iterable[Variable] = (), pattern: re.Pattern[str] | None = None) -> None:
        self.variables, self.pattern = list(variables), pattern

    def __call__(self, variable: Variable) -> bool:
        named = self.pattern is not None and self.pattern.search(variable.name) is not None
        return named or any(variable is one for one in self.variables)


class Optimizer(Declared, Configurable):
    """Updates variables with their gradients. A subclass creates its slots in `make_slots` and its update in `update_step`.

    Args:
        learning_rate: A float, a `LearningRateSchedule`, or a function without arguments.
        weight_decay: At each step variables shrink by this fraction times the learning rate.
        clipnorm: The maximum norm of each gradient. At most one of the three clipping arguments may be given.
        clipvalue: The maximum absolute value of the elements of gradients.
        global_clipnorm: The maximum norm of all gradients together.
        use_ema: Whether to keep exponential moving averages of the variables.
        ema_momentum: The decay rate of the averages.
        ema_overwrite_frequency: The number of steps after which the averages replace the variables; None for the end of training.
        loss_scale_factor: A factor for the loss; the gradients are divided by it.
        gradient_accumulation_steps: The number of steps over which gradients are averaged before they are used; at least 2.
        name: The name; the class name in snake case by default.

    Attributes:
        variables: In Keras' order: iteration, learning rate, averages, then slots.

    Raises:
        InvalidArgumentError: An argument has an invalid value.
        UnknownArgumentError: An argument is unknown.

    Source: keras.optimizers.Optimizer.
    """

    slots: ClassVar[tuple[str, ...]] = ()
    elementwise: ClassVar[bool] = True  # whether the update of an element depends only on its own gradient and slots

    passes_on = True  # for older names; see `__pre_init__`
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
        """Accept older names of arguments. Raises UnknownArgumentError for unknown ones."""
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
            raise UnknownArgumentError(
                f"Argument(s) not recognized by {type(self).__name__}: {more}.{hints} Valid arguments are {', '.join(known)}."
            )

    def __post_init__(self) -> None:
        """Check the arguments together, and create the first variables."""
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
        self._updates = CompiledUpdates(self, self._apply_pairs)
        self._undecayed = _Excluded()
        self._iterations = self._track(0, "int32", "iteration")
        if not callable(self._learning_rate):
            rate = float(np.asarray(self._learning_rate))
            self._learning_rate = self._track(rate, dtypes.floatx(), "learning_rate")

    def __getstate__(self) -> dict[str, Any]:
        held = {k: v for k, v in self.__dict__.items() if k != "_updates"}
        return {**held, "_arena": None}  # its variables are views of one array, unlike their copies

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._updates = CompiledUpdates(self, self._apply_pairs)

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

    def save_own_variables(self, store: Any) -> None:
        """Write the variables to `store`, keyed "0", "1", ... Source: keras Optimizer.save_own_variables."""
        for index, variable in enumerate(self.variables):
            store[str(index)] = np.asarray(variable.array)

    def load_own_variables(self, store: Any) -> None:
        """Read the variables from `store`; where they do not fit they stay, with a warning. Source: keras Optimizer.load_own_variables."""
        variables, count = self.variables, len(store.keys())
        if count != len(variables):
            warnings.warn(
                f"Skipping variable loading for optimizer '{self.name}', because it has {len(variables)} variables whereas the saved "
                f"optimizer has {count} variables.",
                stacklevel=2,
            )
            return
        for index, variable in enumerate(variables):
            variable.assign(store[str(index)])

    @property
    def trained(self) -> list[Variable]:
        """The variables that the optimizer was built for, in their order."""
        return list(self._trainable)

    @property
    def slot_groups(self) -> list[list[Variable]]:
        """The state kept for the variables in `trained`: averages, sums of gradients, and slots, as one list each."""
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
        """The learning rate: a variable, or the current value of the schedule or function.

        Setting a number raises InvalidTypeError if the optimizer was created with a schedule or function.
        """
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
                "Create the optimizer with a float learning_rate to change it later."
            )

    @property
    def lr(self) -> Any:
        """Older name of `learning_rate`."""
        return self.learning_rate

    @lr.setter
    def lr(self, value: Any) -> None:
        self.learning_rate = value

    def build(self, variables: Sequence[Variable]) -> None:
        """Create the slots for these variables, in this order; a second call does nothing."""
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
        """Create the slots; by default those in `slots`, together for each variable."""
        self.add_slots(*self.slots)

    def add_slots(self, *slots: str, initial: Mapping[str, float] | None = None) -> None:
        """Create slots for each variable.

        Args:
            *slots: The names of the slots.
            initial: Initial values by name; 0 by default.
        """
        for name in slots:
            self._slots[name] = []
        for variable in self._trainable:
            for name in slots:
                self._slots[name].append(self._new_slot(variable, name, (initial or {}).get(name, 0.0)))

    def _new_slot(self, variable: Variable, name: str, initial: float) -> Any:
        """Create a slot, or return None for a variable whose "gradient" replaces its value."""
        return None if variable.overwrite_with_gradient else self.add_variable_from_reference(variable, name, initial)

    def add_variable_from_reference(
        self, reference_variable: Variable, name: str | None = None, initializer: Any = "zeros"
    ) -> Variable:
        """Create a variable with the shape and dtype of another one.

        Args:
            reference_variable: The other variable.
            name: A suffix: the variable is named `<path of the other>_<name>`.
            initializer: A number, or anything that `graphkit.initializers.get` accepts.
        """
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
        """Create a variable of the optimizer.

        Args:
            shape: The shape.
            initializer: A number, or anything that `graphkit.initializers.get` accepts.
            dtype: The dtype; `floatx()` by default.
            aggregation, layout: Ignored; accepted for Keras' signature.
            name: The variable's name.
        """
        kind = dtypes.standardize(dtype)
        return self._track(_filled(tuple(shape), initializer, kind), kind, name or "variable")

    def add_optimizer_variables(
        self, trainable_variables: Sequence[Variable], name: Any, initializer: Any = "zeros"
    ) -> Any:
        """Create variables like these.

        Args:
            trainable_variables: The variables whose shapes and dtypes to use.
            name: A name, or several.
            initializer: An initializer, or one for each name.

        Returns:
            A list of variables, or for several names one list for each. They are created together for each variable, as in Keras.
        """
        wanted = [name] if isinstance(name, str) else list(name)
        starts = initializer if isinstance(initializer, (list, tuple)) else [initializer] * len(wanted)
        rows = [
            [self.add_variable_from_reference(v, n, i) for n, i in zip(wanted, starts, strict=True)]
            for v in trainable_variables
        ]
        columns = [list(column) for column in zip(*rows, strict=True)] or [[] for _ in wanted]
        return columns[0] if isinstance(name, str) else columns

    def assign(self, variable: Variable, value: Any) -> Any:
        """Assign `value` to the variable. Source: keras Optimizer.assign."""
        return variable.assign(value)

    def assign_add(self, variable: Variable, value: Any) -> Any:
        """Add `value` to the variable. Source: keras Optimizer.assign_add."""
        return variable.assign(ops.add(variable, value))

    def assign_sub(self, variable: Variable, value: Any) -> Any:
        """Subtract `value` from the variable. Source: keras Optimizer.assign_sub."""
        return variable.assign(ops.subtract(variable, value))

    def scale_loss(self, loss: Any) -> Any:
        """Return the loss to differentiate: multiplied by the loss scale factor, if there is one."""
        return loss if self.loss_scale_factor is None else ops.multiply(loss, self.loss_scale_factor)

    def slot(self, name: str, variable: Variable) -> Variable:
        """Return a slot of a variable by the slot's name."""
        if self._arena is not None and variable is self._arena.flat:
            made: Variable = self._arena.slots[name]
            return made
        kept: Variable = self._slots[name][self._indexes[variable]]
        return kept

    def packed(self) -> AbstractContextManager[None]:
        """Let traced updates inside the block change small variables together; see `graphkit.optimizers.arena`."""
        if self._arena is None or not self._arena.is_current:
            members = [v for v in self._trainable if self._may_pack(v)]
            self._arena = None
            if len(members) > 1:
                slots = {n: [self.slot(n, m) for m in members] for n in self._slots}
                self._arena = Arena(members, slots)
        return self._arena.used() if self._arena is not None else nullcontext()

    def is_packed_safely(self, program: Program) -> bool:
        """Return whether a step that was traced with `packed` may run; see `graphkit.optimizers.arena`."""
        return self._arena is None or self._arena.is_safe(program)

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
        """Mark the variables as changed by a compiled step."""
        if self._arena is not None:
            self._arena.touch()

    # ----- updating -----

    def update_step(self, gradient: Any, variable: Variable, learning_rate: Any) -> None:
        """Assign new values to `variable` and its slots; to be overridden.

        Args:
            gradient: The gradient, in the variable's dtype.
            variable: The variable.
            learning_rate: The learning rate, in the variable's dtype.
        """
        raise UnsupportedError(f"{type(self).__name__} defines no update_step(gradient, variable, learning_rate)")

    def apply_gradients(self, grads_and_vars: Iterable[tuple[Any, Variable]]) -> Any:
        """Update variables with (gradient, variable) pairs, and return the number of updates.

        Raises:
            InvalidArgumentError: There are no gradients, or the optimizer was built for other variables.

        Source: keras Optimizer.apply_gradients.
        """
        pairs = list(grads_and_vars)
        self.apply([g for g, _ in pairs], [v for _, v in pairs])
        return self._iterations

    def apply(self, grads: Sequence[Any], trainable_variables: Sequence[Variable] | None = None) -> None:
        """Update the variables with their gradients.

        Args:
            grads: A gradient per variable; None leaves the variable unchanged, with a warning.
            trainable_variables: The variables; by default those that the optimizer was built for.

        Raises:
            NotBuiltError: There are no variables, and the optimizer was not built.
            ShapeError: The number of gradients differs from that of the variables.
            InvalidArgumentError: There are no gradients, or the optimizer was built for other variables.

        Source: keras Optimizer.apply.
        """
        if not len(grads):
            return
        self._updates(self._pairs(list(grads), trainable_variables))

    def stateless_apply(
        self, optimizer_variables: Sequence[Any], grads: Sequence[Any], trainable_variables: Sequence[Any]
    ) -> tuple[list[Any], list[Any]]:
        """Return the values of the variables and of the optimizer's own after an update, which changes neither.

        Args:
            optimizer_variables: A value for each of `variables`.
            grads: A gradient for each variable that the optimizer was built for.
            trainable_variables: A value for each of these variables.

        Raises:
            InvalidArgumentError: The optimizer is not built, or the values do not fit.

        Source: keras Optimizer.stateless_apply.
        """
        if not self.built:
            raise InvalidArgumentError(
                f"To call `stateless_apply`, {type(self).__name__} must be built (i.e. its variables must have been created). You can "
                "build it via `optimizer.build(trainable_variables)`."
            )
        kind = type(self).__name__
        mapping = with_values(self._trainable, trainable_variables, "trainable_variables", kind)
        mapping += with_values(self.variables, optimizer_variables, "optimizer_variables", kind)
        with StatelessScope(mapping) as scope:
            self.apply(grads)
        return values_after(scope, self._trainable), values_after(scope, self.variables)

    def _apply_pairs(self, pairs: list[tuple[Any, Variable]]) -> None:
        """Update the variables of these (gradient, variable) pairs."""
        pairs = self._without_overwritten(pairs)
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
                    "apply(grads) without variables requires a built optimizer: call optimizer.build(variables) first."
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
                "working with a new set of variables, create a new optimizer, or compile the model again."
            )
        missing = [v.path for g, v in zip(grads, variables, strict=True) if g is None]
        if len(missing) == len(grads):
            raise InvalidArgumentError("No gradients provided for any variable: the loss depends on none of them.")
        if missing:
            warnings.warn(f"Gradients do not exist for variables {missing} when minimizing the loss.", stacklevel=3)
        return [(g, v) for g, v in zip(grads, variables, strict=True) if g is not None]

    def _without_overwritten(self, pairs: list[tuple[Any, Variable]]) -> list[tuple[Any, Variable]]:
        """Return the pairs to update by gradient descent; variables marked so are overwritten with their "gradient" here."""
        steps = self.gradient_accumulation_steps
        for gradient, variable in [p for p in pairs if p[1].overwrite_with_gradient]:
            if steps:  # the maximum over all steps since the last update
                total = self._accumulators[self._indexes[variable]]
                due = ops.equal(ops.mod(ops.add(self._iterations, 1), steps), 0)
                largest = ops.maximum(gradient, total)
                gradient = ops.where(due, largest, variable.value)
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
        """Return the weight decay of a variable, or None."""
        decay: float | None = self.weight_decay
        return decay

    def _accumulate(self, pairs: Sequence[tuple[Any, Variable]]) -> None:
        """Add up the gradients, and use their mean when due. Both results are computed and the right one is selected."""
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
        """Exclude variables from weight decay; to be called before `build`.

        Args:
            var_list: The variables.
            var_names: Regular expressions; variables whose names contain a match are also excluded.

        Raises:
            InvalidArgumentError: The optimizer is built already.
        """
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
        """Return pairs of a variable and its moving average; empty without `use_ema`."""
        return list(zip(self._trainable, self._averages, strict=True)) if self.use_ema else []

    def finalize_variable_values(self, var_list: Sequence[Variable]) -> None:
        """Finish training: replace the variables by their moving averages, if there are any."""
        for variable, average in self.averaged():
            variable.assign(average.array)

    # ----- state and config -----

    def get_weights(self) -> list[np.ndarray[Any, Any]]:
        """Return copies of all variables of the optimizer."""
        return [v.numpy() for v in self.variables]

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Assign arrays to the variables of the optimizer.

        Args:
            weights: An array for each of `variables`, in that order.

        Raises:
            NotBuiltError: The optimizer is not built.
            ShapeError: The number of arrays or a shape does not fit.
        """
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
                    f"Optimizer variable {variable.path!r} has shape {variable.shape}, but the given array has shape {np.shape(weight)}."
                )
        for variable, weight in zip(self.variables, weights, strict=True):
            variable.assign(weight)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments as JSON data, in Keras' order."""
        rate = self._learning_rate
        shown = float(rate.array) if isinstance(rate, Variable) else serialize(rate)
        config = {"name": self.name, "learning_rate": shown, **{n: getattr(self, n) for n in _SHARED}}
        own = [n for n in config_names(our_class(type(self))) if n not in config]
        config.update({n: serialize(getattr(self, n)) for n in own})
        return {**config, **recorded_config(self, config)}

    @classmethod
    def from_config(cls, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Any:
        """Create an optimizer from its config; its variables have their initial values."""
        known = {**config}
        if isinstance(known.get("learning_rate"), Mapping):
            known["learning_rate"] = deserialize(known["learning_rate"], custom_objects)
        return cls(**known)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}, built={self.built}>"
