"""The state of an optimizer from files of any Keras, in whatever order the file has the slots.

Keras 3 and tf.keras from 2.11 store the slots weight by weight; Keras 1, Keras 2 and the older optimizers of tf.keras store the first
slot of all weights, then the next. Before Keras 3 the learning rate was only in the config, and Nadam's product nowhere. Slots have
the layout of the file's weights, so they are converted in the same way (gates joined, kernels transposed). Source: files of Keras 1.0
to 3.15 and tf.keras 1.13 to 2.21.
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
]  # the slots of a file that does not have them in Keras 3's order
_MAX_COUNTERS = 2  # iterations, then Nadam's product or Keras 3's learning rate


def state_pairs(optimizer: Optimizer, entries: Sequence[Entry], slots: SlotReader | None = None) -> Pairs:
    """Pair the variables of a built optimizer with the arrays of a file; return none, with a warning, if they do not fit.

    Args:
        optimizer: the optimizer.
        entries: all arrays of the file, in its order.
        slots: reads the slots of a file of older Keras, which has one slot of all weights after the other.
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
    """Pair the state of a model that was compiled and not trained: only the step count and the learning rate."""
    first = optimizer.variables[: len(entries)]
    return (_in_order(first, entries) or []) if len(entries) <= _MAX_COUNTERS else []


def _as_older(optimizer: Optimizer, entries: Sequence[Entry], slots: SlotReader | None) -> Pairs:
    """Pair counters, if any, then slots. RMSprop, Adagrad and Adadelta have a step count only from Keras 2.3 on."""
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
        kept = {id(v) for group in groups for v in group if v.dtype != "int32"}  # Adafactor has empty slots
        return _in_order([v for v in optimizer.variables if id(v) in kept], entries, unused_slots(optimizer))
    found = slots(optimizer, entries)
    return (
        _in_order([v for group in groups for v in group], entries, unused_slots(optimizer)) if found is None else found
    )


def unused_slots(optimizer: Optimizer) -> int:
    """Return how many unused arrays may follow the slots in older files: SGD's momentums of 0, Adam's maxima without amsgrad."""
    idle = isinstance(optimizer, SGD) or (isinstance(optimizer, Adam) and not optimizer.amsgrad)
    return len(optimizer.trained) if idle else 0


def _in_order(variables: Sequence[Variable], entries: Sequence[Entry], unused: int = 0) -> Pairs | None:
    if len(entries) - len(variables) not in (0, unused):
        return None
    pairs = list(zip(variables, entries, strict=False))
    return pairs if all(v.shape == e.shape for v, e in pairs) else None
