"""Layers and models called on arrays: traced once for each signature, compiled, and the plan kept."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import numpy as np

from graphkit.core import nest
from graphkit.ir.spec import TensorSpec
from graphkit.ir.tracing import Measure, trace_on_samples
from graphkit.ir.variable import Variable
from graphkit.layers.context import current_context
from graphkit.ops._convert import tensor

if TYPE_CHECKING:
    from graphkit.layers.layer import Layer

_KEPT = 8  # plans of one layer


class EagerCalls:
    """The compiled plans of one layer, by specs, sizes that depend on numbers, and other arguments; the oldest goes first."""

    def __init__(self, layer: Layer) -> None:
        self._layer = layer
        self._plans: OrderedDict[Any, tuple[Any, Any]] = OrderedDict()
        self._measures: dict[Any, list[Measure]] = {}  # of calls whose shapes depend on numbers

    def __call__(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The layer's result on arrays."""
        leaves = [_leaf(v) for v in nest.flatten([list(args), kwargs])]
        arrays = [leaf for leaf in leaves if isinstance(leaf, np.ndarray)]
        specs = [TensorSpec.of(leaf) if isinstance(leaf, np.ndarray) else leaf for leaf in leaves]
        plan, structure = self._plan(args, kwargs, specs, arrays)
        results = plan(*arrays)
        return nest.pack(structure, [r if r.ndim else r[()] for r in results]) if structure is not None else None

    def _plan(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], specs: list[Any], arrays: list[Any]
    ) -> tuple[Any, Any]:
        context = current_context()
        call = (
            nest.describe([list(args), kwargs]),
            tuple(_hashable(s) for s in specs),
            context and context.training,
            self._switches(),
        )
        key = (call, tuple(measure(arrays) for measure in self._measures.get(call, ())))
        known = self._plans.get(key)
        if known is not None and known[0].is_current:
            self._plans.move_to_end(key)
            return known
        from graphkit.engine import compile_program

        packed_args, packed_kwargs = nest.pack([list(args), kwargs], specs)
        program, structure, measures = trace_on_samples(
            lambda a, k: self._layer(*a, **k), (packed_args, packed_kwargs), arrays
        )
        made = (compile_program(program), structure)
        if measures:
            self._measures[call] = measures
        self._plans[call, tuple(measure(arrays) for measure in measures)] = made
        while len(self._plans) > _KEPT:
            self._plans.popitem(last=False)
        return made

    def _switches(self) -> tuple[bool, ...]:
        """What may change between calls and changes the program: which layers are trainable (BatchNormalization asks)."""
        return tuple(layer.trainable for layer in self._layer._walk_layers())

    def clear(self) -> None:
        """Forget the plans."""
        self._plans.clear()
        self._measures.clear()

    def __deepcopy__(self, memo: dict[int, Any]) -> EagerCalls:
        return EagerCalls(memo.get(id(self._layer), self._layer))

    def __reduce__(self) -> Any:
        return EagerCalls, (self._layer,)


def _leaf(value: Any) -> Any:
    if isinstance(value, Variable):
        return value.array
    if isinstance(value, (np.ndarray, np.generic, list)) or (isinstance(value, float) and not isinstance(value, bool)):
        return tensor(value) if not isinstance(value, np.generic) else np.asarray(value)
    return value


def _hashable(value: Any) -> Any:
    try:
        hash(value)
    except TypeError:
        return id(value)
    return value
