"""A step as one program: `train_step`, `test_step` or `predict_step` of a model, traced and compiled.

A step is traced for the shapes of a batch and cached. It is traced again for other shapes, and when the stamp of the model or
of what it is trained with changes.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from graphkit.core import nest
from graphkit.core.errors import InvalidTypeError, UnknownValueError
from graphkit.core.stamps import Stamped
from graphkit.engine import Plan, compile_program
from graphkit.ir.eager_tensor import eager
from graphkit.ir.program import Program
from graphkit.ir.spec import TensorSpec
from graphkit.ir.tracing import Tracer, trace
from graphkit.ir.variable import Variable
from graphkit.optimizers import Optimizer
from graphkit.training.overrides import overrides
from graphkit.training.results import split

_KEPT = 24  # compiled steps cached per function


@dataclass(frozen=True)
class Layout:
    """How the leaves of a batch form the data that a step receives.

    Attributes:
        x: A structure of indices into the leaves; None for an omitted input.
        y: Likewise, for the targets.
        weights: Likewise, for the sample weights.
        parts: The number of parts of the data: 1 for `(x,)`, 2 for `(x, y)`, 3 for `(x, y, sample_weight)`; 0 for `x` alone.
    """

    x: Any
    y: Any = None
    weights: Any = None
    parts: int = 3

    @property
    def key(self) -> Any:
        """A value that identifies the layout."""
        whole = (self.x, self.y, self.weights)
        return nest.describe(whole), tuple(nest.flatten(whole)), self.parts

    def inputs(self, leaves: Sequence[Any]) -> Any:
        """Return the inputs in their structure, with None for omitted ones."""
        return _filled(self.x, leaves)

    def data(self, leaves: Sequence[Any]) -> Any:
        """Return the data that a step receives."""
        parts = tuple(_filled(part, leaves) for part in (self.x, self.y, self.weights))
        return parts[: self.parts] if self.parts else parts[0]


def _filled(structure: Any, leaves: Sequence[Any]) -> Any:
    return nest.map_structure(lambda i: None if i is None else leaves[i], structure)


def unpack_data(data: Any) -> tuple[Any, Any, Any]:
    """Return (x, y, sample_weight) of the data of a step; parts that are missing are None."""
    if isinstance(data, list):
        data = tuple(data)
    if not isinstance(data, tuple):
        return data, None, None
    if not 1 <= len(data) <= 3:
        raise InvalidTypeError(
            f"A step expects data of the form x, (x,), (x, y) or (x, y, sample_weight), got {len(data)} parts."
        )
    x, y, sample_weight = [*data, None, None][:3]
    return x, y, sample_weight


class Step:
    """A compiled step.

    Args:
        program: The traced step.
        structure: What the step returned, with the indices of the program's outputs in place of tensors.
    """

    def __init__(self, program: Program, structure: Any) -> None:
        program, self._late, self._is_late = split(program)
        self._structure = structure
        self.plan: Plan = compile_program(program)
        self.written = [s.variable for s in program.state if s.after is not None]

    @property
    def is_current(self) -> bool:
        """Whether the variables still have the arrays that the step reads and writes."""
        return self.plan.is_current

    def run(self, batch: Any) -> None:
        """Run the step on a batch of the specs that it was compiled for."""
        batch.load(self.plan.inputs)
        self.plan.step()

    def results(self) -> Any:
        """Return what the step returned in its last run, as arrays."""
        late = iter(self._late())
        direct = iter(self.plan.outputs)
        leaves = [next(late) if one else next(direct).copy() for one in self._is_late]
        return nest.map_structure(
            lambda one: eager(leaves[one.index]) if isinstance(one, Place) else one, self._structure
        )


@dataclass(frozen=True)
class Place:
    """The place of an output among those of a program."""

    index: int


class EagerStep(Step):
    """A step that runs line by line.

    Args:
        model: The model.
        method: The model's method for the step.
    """

    def __init__(self, model: Any, method: Callable[[Any], Any]) -> None:
        self._model, self._method = model, method
        self._results: Any = None
        self.written: list[Variable] = []

    @property
    def is_current(self) -> bool:
        """Always True."""
        return True

    def run(self, batch: Any) -> None:
        """Run the step on a batch."""
        self._results = self._method(batch.layout.data([eager(a) for a in batch.arrays()]))

    def results(self) -> Any:
        """Return what the step returned in its last run."""
        return self._results


def needs_values() -> tuple[type[Exception], ...]:
    """Return the errors of a trace that needs the numbers of a tensor."""
    return (UnknownValueError,)


def step_for(model: Any, kind: str, method: Callable[[Any], Any], batch: Any, steps: dict[Any, Step]) -> Step:
    """Return the compiled step for batches like this one, from the cache if possible.

    Args:
        model: The model.
        kind: "train", "test" or "predict".
        method: The model's method for the step.
        batch: The batch.
        steps: The cache.

    Raises:
        InvalidArgumentError: There is no loss, or the step has another fault.
        ShapeError: A target does not fit its output.
    """
    specs = batch.specs()
    form = (batch.layout.key, specs)
    key = (*form, *_stamps(model))
    step = steps.get(key)
    if step is None or not step.is_current:
        step = _compiled(model, kind, method, batch.layout, specs)
        steps[(*form, *_stamps(model))] = step  # the first call builds layers, metrics and optimizers
        while len(steps) > _KEPT:
            steps.pop(next(iter(steps)))
    return step


def _compiled(model: Any, kind: str, method: Callable[[Any], Any], layout: Layout, specs: Sequence[TensorSpec]) -> Step:
    """Trace a step and compile it. In training, the small weights of an optimizer are updated together where that is possible."""
    if kind != "train":
        return Step(*traced_step(method, layout, specs))
    if model.built and model.optimizer is not None and not overrides(model, "train_step") and model.trainable_weights:
        model.optimizer.build(model.trainable_weights)
    program, structure, is_safe = _packed(model, method, layout, specs)
    if is_safe is None:  # optimizers were built by the first run
        program, structure, is_safe = _packed(model, method, layout, specs)
    if not is_safe:
        program, structure = traced_step(method, layout, specs)
    return Step(program, structure)


def _packed(
    model: Any, method: Callable[[Any], Any], layout: Layout, specs: Sequence[TensorSpec]
) -> tuple[Program, Any, bool | None]:
    """Trace a step with its small weights updated together; return also whether it may run, None to trace it again."""
    held = optimizers_of(model)
    built = [optimizer for optimizer in held if optimizer.built]
    with ExitStack() as stack:
        for optimizer in built:
            stack.enter_context(optimizer.packed())
        program, structure = traced_step(method, layout, specs)
    if any(optimizer.built for optimizer in held if not any(optimizer is one for one in built)):
        return program, structure, None
    return program, structure, all(optimizer.is_packed_safely(program) for optimizer in built)


def traced_step(method: Callable[[Any], Any], layout: Layout, specs: Sequence[TensorSpec]) -> tuple[Program, Any]:
    """Trace a step. Return its program, and what it returned with `Place`s instead of tensors."""
    structure: Any = None

    def run(*leaves: Any) -> list[Any]:
        nonlocal structure
        made = method(layout.data(leaves))
        tensors: list[Any] = []

        def placed(leaf: Any) -> Any:
            if isinstance(leaf, Variable):
                leaf = leaf.value
            if not isinstance(leaf, Tracer):
                return leaf
            tensors.append(leaf)
            return Place(len(tensors) - 1)

        structure = nest.map_structure(placed, made)
        return tensors

    return trace(run, *specs), structure


def optimizers_of(model: Any) -> list[Optimizer]:
    """Return the optimizers that a model holds in its attributes."""
    held = [v for value in vars(model).values() for v in (value if isinstance(value, (list, tuple)) else [value])]
    return list({id(o): o for o in held if isinstance(o, Optimizer)}.values())


def _stamps(model: Any) -> tuple[Hashable, ...]:
    """Return the stamps of the model, of its compile state, and of the losses, metrics and optimizers that it holds."""
    state = model.compile_state
    held = max((part.changed for part in _held(model)), default=0)
    return model.stamp(), None if state is None else state.stamp(model.optimizer), held


def _held(model: Any) -> Iterator[Stamped]:
    """Yield the losses, metrics and optimizers in the attributes of a model."""
    for value in vars(model).values():
        for one in value if isinstance(value, (list, tuple)) else [value]:
            if isinstance(one, Stamped) and one is not model:
                yield one
