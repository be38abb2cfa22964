"""The state of an optimizer out of files of any Keras: its slots by what they are, whatever order the file keeps them in.

Keras 3 and tf.keras from 2.11 keep the slots of a weight side by side; Keras 1, Keras 2 and the older optimizers of tf.keras keep one
slot for all weights, then the next. Before Keras 3 the learning rate stood in the config alone, and Nadam's product nowhere. Slots have
the layout of the file's weights: what is done to these (gates joined, kernels turned) is done to them. Source: files of Keras 1.0 to 3.15
and tf.keras 1.13 to 2.21.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from itertools import takewhile
from typing import NamedTuple

import numpy as np

from graphkit.converters.keras_legacy.weights import Dialect, count_trainable, paired
from graphkit.core.versions import version_numbers
from graphkit.ir.variable import Variable
from graphkit.layers.layer import Layer
from graphkit.optimizers import SGD, Adam, Ftrl, Nadam, Optimizer
from graphkit.saving.stores import Entry

Pairs = list[tuple[Variable, Entry]]
_MAX_COUNTERS = 2  # iterations, and what Nadam or Keras 3 keep behind it


class FileLayer(NamedTuple):
    """A layer and the file's arrays for it, in the file's order."""

    layer: Layer
    weight_names: Sequence[str]
    entries: Sequence[Entry]


class OlderFile(NamedTuple):
    """What there is to know about a file in which one slot stands behind the other."""

    layers: Sequence[FileLayer]
    dialect: Dialect


def state_pairs(optimizer: Optimizer, entries: Sequence[Entry], older: OlderFile | None = None) -> Pairs:
    """The variables of a built optimizer, each with the array that it takes; none, with a warning, where they do not fit.

    Args:
        entries: all arrays of the file, in its order.
        older: given where slots stand one behind the other, and for how weights are laid out.
    """
    found = _as_keras3(optimizer, entries) or _as_older(optimizer, entries, older) or _never_used(optimizer, entries)
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


def _as_older(optimizer: Optimizer, entries: Sequence[Entry], older: OlderFile | None) -> Pairs:
    """Some counters, then the slots. RMSprop, Adagrad and Adadelta count only from Keras 2.3 on."""
    scalars = len(list(takewhile(lambda e: e.shape == (), entries)))
    for start in range(min(scalars, _MAX_COUNTERS), -1, -1):
        slots = _slots(optimizer, entries[start:], older)
        if slots is not None:
            return [*(_counters(optimizer, entries[0]) if start else []), *slots]
    return []


def _counters(optimizer: Optimizer, iterations: Entry) -> Pairs:
    made = [(optimizer.counter, iterations)]
    if isinstance(optimizer, Nadam):
        product = Entry(iterations.path, (), 4, lambda: np.asarray(optimizer.product_after(int(iterations.read()))))
        made.append((optimizer.product, product))
    return made


def _slots(optimizer: Optimizer, entries: Sequence[Entry], older: OlderFile | None) -> Pairs | None:
    groups = optimizer.slot_groups
    if older is None or isinstance(optimizer, Ftrl):
        kept = {id(v) for group in groups for v in group if v.dtype != "int32"}  # Adafactor has slots that hold nothing
        return _in_order([v for v in optimizer.variables if id(v) in kept], entries, _unused(optimizer))
    by_layer = _slot_by_slot(optimizer, groups, entries, older)
    return (
        _in_order([v for group in groups for v in group], entries, _unused(optimizer)) if by_layer is None else by_layer
    )


def _unused(optimizer: Optimizer) -> int:
    """How many arrays may stand behind the slots that are never used: older Keras kept a momentum of 0, and hats without amsgrad."""
    idle = isinstance(optimizer, SGD) or (isinstance(optimizer, Adam) and not optimizer.amsgrad)
    return len(optimizer.trained) if idle else 0


def _in_order(variables: Sequence[Variable], entries: Sequence[Entry], unused: int = 0) -> Pairs | None:
    if len(entries) - len(variables) not in (0, unused):
        return None
    pairs = list(zip(variables, entries, strict=False))
    return pairs if all(v.shape == e.shape for v, e in pairs) else None


def _slot_by_slot(
    optimizer: Optimizer, groups: Sequence[Sequence[Variable]], entries: Sequence[Entry], older: OlderFile
) -> Pairs | None:
    """The slots as the file's layers have weights; None where they do not fit."""
    places = _trained_places(older)
    made: Pairs = []
    for group in groups:
        taken, entries = entries[: len(places)], entries[len(places) :]
        if [e.shape for e in taken] != [older.layers[layer].entries[at].shape for layer, at in places]:
            return None
        slots = dict(zip(optimizer.trained, group, strict=True))
        at_place = dict(zip(places, taken, strict=True))
        for index, file_layer in enumerate(older.layers):
            own = [at_place.get((index, at), entry) for at, entry in enumerate(file_layer.entries)]
            found = paired(file_layer.layer, file_layer.weight_names, own, older.dialect)
            if isinstance(found, str):
                return None
            made += [(slots[v], e) for v, e, _ in found if v in slots]
    fits = len(made) == sum(map(len, groups)) and all(v.shape == e.shape for v, e in made)
    return made if fits and len(entries) in (0, len(places) if _unused(optimizer) else 0) else None


def _trained_places(older: OlderFile) -> list[tuple[int, int]]:
    """Which arrays of which layers were trained, in the order in which the optimizer had them: Keras 1 sorted them by name."""
    places = []
    for index, layer in enumerate(older.layers):
        count = count_trainable(layer.layer, layer.weight_names, layer.entries, older.dialect)
        places += [(index, at) for at in range(count)]
    if older.dialect.keras1:
        places.sort(key=lambda place: older.layers[place[0]].weight_names[place[1]])
    return places


def is_side_by_side(names: Sequence[str], version: str) -> bool:
    """Whether the slots of a weight stand side by side, by the names of the optimizer's arrays and the file's version of Keras."""
    return version_numbers(version) >= (3,) or any(name.removesuffix(":0") == "iteration" for name in names[:1])
