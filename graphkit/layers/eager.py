"""Layers and models called on arrays.

A built-in layer is traced and compiled once per signature, and the plan is reused while its stamp is unchanged. A layer that
runs user-defined code runs that code on the arrays, as in Keras: such code may print, read values, and depend on anything.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from graphkit.core import nest
from graphkit.core.dims import Dim
from graphkit.engine.call import CompiledProgram
from graphkit.ir.eager_tensor import EagerTensor, eager
from graphkit.ir.primitive import as_array
from graphkit.ir.recording import Recorded, resolved
from graphkit.ir.spec import TensorSpec
from graphkit.ir.tracing import Measure, current_trace, trace_on_samples
from graphkit.ir.variable import Variable
from graphkit.layers.context import current_context
from graphkit.layers.stamp import Parts, parts_of
from graphkit.ops._convert import tensor

if TYPE_CHECKING:
    from graphkit.layers.layer import Layer

_ARRAYS = (np.ndarray, Recorded)
_TENSORS = (EagerTensor, Recorded)
_KEPT = 8  # plans per layer
_KEYS = (bool, int, str, bytes, type(None), np.dtype, Dim)  # arguments that are part of a plan's key by value


class _CompiledCall(NamedTuple):
    """A compiled call. `structure` holds the indices of the outputs, their masks and the losses among the program's results."""

    call: CompiledProgram
    structure: Any
    masked: list[int]  # the outputs that have a mask
    owners: list[Layer]  # the layers that added the losses


class EagerCalls:
    """Calls of one layer on arrays, and a cache of their plans from which the least recently used is dropped first.

    Attributes:
        parts: the layer's parts when they were last listed; see `layers/stamp.py`.
    """

    def __init__(self, layer: Layer) -> None:
        self._layer = layer
        self._plans: OrderedDict[Any, _CompiledCall] = OrderedDict()
        self._measures: dict[Any, list[Measure]] = {}  # for calls whose shapes depend on values
        self.parts: Parts | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {"_layer": self._layer}  # plans are compiled again

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["_layer"])  # type: ignore[misc]

    def __call__(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Return the layer's outputs for arrays."""
        args, kwargs = resolved([args, kwargs])
        leaves = nest.flatten([list(args), kwargs])
        trace = current_trace()
        in_scope = trace is not None and trace.scopes  # plans read and write the variables themselves
        if in_scope or parts_of(self._layer).foreign or not all(_is_compilable(leaf) for leaf in leaves):
            return self._call_directly(args, kwargs, [_for_user(leaf) for leaf in leaves])
        given = leaves
        masks = [getattr(leaf, "mask", None) if isinstance(leaf, _TENSORS) else None for leaf in leaves]
        leaves = [_leaf(v) for v in leaves]
        arrays = [leaf for leaf in leaves if isinstance(leaf, _ARRAYS)]
        arrays += [np.asarray(mask) for mask in masks if mask is not None]
        kept = self._compiled_call(args, kwargs, leaves, masks, arrays)
        if self._gives_inner_results(kept):
            return self._call_directly(args, kwargs, [_for_user(leaf) for leaf in given])
        return self._results(kept, kept.call(arrays))

    def _gives_inner_results(self, kept: _CompiledCall) -> bool:
        """Return whether a gradient tape records a model with several outputs, one of which others may depend on.

        Gradients of one output by another exist only if the layers between them are recorded one by one.
        """
        trace = current_trace()
        recorded = trace is not None and trace.is_eager
        return recorded and len(nest.flatten(kept.structure[0])) > 1 and len(parts_of(self._layer).layers) > 1

    def _call_directly(self, args: tuple[Any, ...], kwargs: dict[str, Any], leaves: list[Any]) -> Any:
        """Run `call` itself. The outermost call copies outputs that share memory with the arguments."""
        is_outermost = current_context() is None
        packed_args, packed_kwargs = nest.pack([list(args), kwargs], leaves)
        made = self._layer.compute(tuple(packed_args), packed_kwargs)
        return nest.map_structure(lambda result: _apart(result, leaves), made) if is_outermost else made

    def _compiled_call(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], leaves: list[Any], masks: list[Any], arrays: list[Any]
    ) -> _CompiledCall:
        call = self._key(args, kwargs, leaves, masks)
        numbers = [as_array(a) for a in arrays]
        key = (call, tuple(measure(numbers) for measure in self._measures.get(call, ())))
        known = self._plans.get(key)
        if known is not None:
            self._plans.move_to_end(key)
            return known
        made, measures = self._compile(args, kwargs, leaves, masks, arrays)
        call = self._key(args, kwargs, leaves, masks)  # the first call builds the layer
        if measures:
            self._measures[call] = measures
        self._plans[call, tuple(measure(numbers) for measure in measures)] = made
        while len(self._plans) > _KEPT:
            self._plans.popitem(last=False)
        return made

    def _key(self, args: tuple[Any, ...], kwargs: dict[str, Any], leaves: list[Any], masks: list[Any]) -> Any:
        context = current_context()
        return (
            nest.describe([list(args), kwargs]),
            tuple(_plan_key(leaf) for leaf in leaves),
            tuple(None if mask is None else TensorSpec.of(mask) for mask in masks),
            context and (context.training, context.is_assumed),
            self._layer.stamp(),
        )

    def _compile(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], leaves: list[Any], masks: list[Any], arrays: list[Any]
    ) -> tuple[_CompiledCall, list[Measure]]:
        specs = [TensorSpec.of(leaf) if isinstance(leaf, _ARRAYS) else leaf for leaf in leaves]
        mask_specs = [None if mask is None else TensorSpec.of(mask) for mask in masks]
        masked: list[int] = []
        owners: list[Layer] = []

        def run(given: Any, given_masks: Sequence[Any]) -> Any:
            for leaf, mask in zip(nest.flatten(given), given_masks, strict=True):
                if mask is not None:
                    leaf.mask = mask
            outputs = self._layer(*given[0], **given[1])
            made = [getattr(leaf, "mask", None) for leaf in nest.flatten(outputs)]
            masked.extend(i for i, mask in enumerate(made) if mask is not None)
            trace = current_trace()
            assert trace is not None
            added = [
                (part, loss) for part in parts_of(self._layer).layers for loss in trace.notes.get((part, "losses"), ())
            ]
            owners.extend(part for part, _ in added)
            return outputs, [mask for mask in made if mask is not None], [loss for _, loss in added]

        packed = nest.pack([list(args), kwargs], specs)
        program, structure, measures = trace_on_samples(run, (packed, mask_specs), [as_array(a) for a in arrays])
        return _CompiledCall(CompiledProgram(program), structure, masked, owners), measures

    def _results(self, kept: _CompiledCall, results: Sequence[Any]) -> Any:
        """Return the outputs with their masks, and append the losses to the layers that added them."""
        structure, masks, losses = kept.structure
        context = current_context()
        if context is None or context.entry is None:
            self._layer._clear_losses()
        for owner, place in zip(kept.owners, losses, strict=True):
            owner._losses.append(eager(results[place]))
        outputs = nest.map_structure(lambda place: eager(results[place]), structure)
        if kept.masked:
            leaves = nest.flatten(outputs)
            for number, place in zip(kept.masked, masks, strict=True):
                leaves[number].mask = results[place]
        return outputs

    def clear(self) -> None:
        """Drop all plans."""
        self._plans.clear()
        self._measures.clear()

    def __deepcopy__(self, memo: dict[int, Any]) -> EagerCalls:
        return EagerCalls(memo.get(id(self._layer), self._layer))

    def __reduce__(self) -> Any:
        return EagerCalls, (self._layer,)


def _leaf(value: Any) -> Any:
    if isinstance(value, Variable):
        return value.value if current_trace() is not None else value.array
    if isinstance(value, (np.ndarray, np.generic, list, float)):
        return tensor(value) if not isinstance(value, np.generic) else np.asarray(value)
    return value


def _for_user(value: Any) -> Any:
    """Return an argument as user-defined code sees it: a read-only array with Keras' type promotion."""
    if isinstance(value, Variable):
        value = value.value
    if not isinstance(value, (np.ndarray, np.generic)):
        return value
    shown = tensor(value).view(EagerTensor)
    shown.mask = getattr(value, "mask", None) if isinstance(value, EagerTensor) else None
    shown.flags.writeable = False
    return shown


def _apart(result: Any, leaves: list[Any]) -> Any:
    """Return a result, copied if it shares memory with an argument."""
    if not isinstance(result, EagerTensor) or not any(
        isinstance(leaf, np.ndarray) and np.may_share_memory(result, leaf) for leaf in leaves
    ):
        return result
    copied = result.copy()
    copied.mask = result.mask
    return copied


def _is_compilable(value: Any) -> bool:
    return isinstance(value, (np.ndarray, np.generic, list, float, Variable, Recorded, *_KEYS))


def _plan_key(value: Any) -> Any:
    return TensorSpec.of(value) if isinstance(value, _ARRAYS) else (type(value), value)
