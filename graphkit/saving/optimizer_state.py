"""The state of an optimizer out of files of any Keras: its slots by what they are, whatever order the file keeps them in.

Keras 3 and tf.keras from 2.11 keep the slots of a weight side by side; Keras 1, Keras 2 and the older optimizers of tf.keras keep one
slot for all weights, then the next. Before Keras 3 the learning rate stood in the config alone, and Nadam's product nowhere. Slots have
the layout of the file's weights: what is done to these (gates joined, kernels turned) is done to them. Source: files of Keras 1.0 to 3.15
and tf.keras 1.13 to 2.21.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from itertools import takewhile

import numpy as np

from graphkit.ir.variable import Variable
from graphkit.optimizers import SGD, Adam, Ftrl, Nadam, Optimizer
from graphkit.saving.stores import Entry

Pairs = list[tuple[Variable, Entry]]
SlotReader = Callable[
    [Optimizer, Sequence[Entry]], "Pairs | None"
]  # the slots, where a file keeps them in an order of its own
_MAX_COUNTERS = 2  # iterations, and what Nadam or Keras 3 keep behind it


def state_pairs(optimizer: Optimizer, entries: Sequence[Entry], slots: SlotReader | None = None) -> Pairs:
    """The variables of a built optimizer, each with the array that it takes; none, with a warning, where they do not fit.

    Args:
        entries: all arrays of the file, in its order.
        slots: reads the slots of a file of older Keras, which keeps one slot of all weights after the other.
    """
    found = _as_keras3(optimizer, entries) or _as_older(optimizer, entries, slots) or _never_used(optimizer, entries)
    if not found and entries:
        warnings.warn(
            f"The optimizer's state was not loaded: the {len(entries)} arrays of the file are not those of {type(optimizer).__name__} "
            f"for {len(optimizer.trained)} weights.",
            stacklevel=2,
        )
    return found


def _as_keras3(optimizer: Optimizer, entries: Sequence[Entry]) -> Pairs:
    return _in_order(optimizer.variables, entries) or []


def _never_used(optimizer: Optimizer, entries: Sequence[Entry]) -> Pairs:
    """A model that was compiled and not trained has the count of steps and the learning rate alone."""
    first = optimizer.variables[: len(entries)]
    return (_in_order(first, entries) or []) if len(entries) <= _MAX_COUNTERS else []


def _as_older(optimizer: Optimizer, entries: Sequence[Entry], slots: SlotReader | None) -> Pairs:
    """Some counters, then the slots. RMSprop, Adagrad and Adadelta count only from Keras 2.3 on."""
    scalars = len(list(takewhile(lambda e: e.shape == (), entries)))
    for start in range(min(scalars, _MAX_COUNTERS), -1, -1):
        found = _slots(optimizer, entries[start:], slots)
        if found is not None:
            return [*(_counters(optimizer, entries[0]) if start else []), *found]
    return []


def _counters(optimizer: Optimizer, iterations: Entry) -> Pairs:
    made = [(optimizer.counter, iterations)]
    if isinstance(optimizer, Nadam):
        product = Entry(iterations.path, (), 4, lambda: np.asarray(optimizer.product_after(int(iterations.read()))))
        made.append((optimizer.product, product))
    return made


def _slots(optimizer: Optimizer, entries: Sequence[Entry], slots: SlotReader | None) -> Pairs | None:
    groups = optimizer.slot_groups
    if slots is None or isinstance(optimizer, Ftrl):
        kept = {id(v) for group in groups for v in group if v.dtype != "int32"}  # Adafactor has slots that hold nothing
        return _in_order([v for v in optimizer.variables if id(v) in kept], entries, unused_slots(optimizer))
    found = slots(optimizer, entries)
    return (
        _in_order([v for group in groups for v in group], entries, unused_slots(optimizer)) if found is None else found
    )


def unused_slots(optimizer: Optimizer) -> int:
    """How many arrays may stand behind the slots that are never used: older Keras kept a momentum of 0, and hats without amsgrad."""
    idle = isinstance(optimizer, SGD) or (isinstance(optimizer, Adam) and not optimizer.amsgrad)
    return len(optimizer.trained) if idle else 0


def _in_order(variables: Sequence[Variable], entries: Sequence[Entry], unused: int = 0) -> Pairs | None:
    if len(entries) - len(variables) not in (0, unused):
        return None
    pairs = list(zip(variables, entries, strict=False))
    return pairs if all(v.shape == e.shape for v, e in pairs) else None
