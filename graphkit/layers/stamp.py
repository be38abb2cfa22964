"""The stamp of a layer or model: the value that every cache of plans, steps and sessions compares."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from graphkit.core.stamps import Stamped, catch_up, fingerprint, latest_tick, settings_changed
from graphkit.ir.variable import Variable
from graphkit.layers.tracking import tracked

if TYPE_CHECKING:
    from graphkit.layers.layer import Layer

_OWN = "graphkit"
_DATA = (bool, int, float, complex, str, bytes, type(None), np.ndarray, np.generic, np.dtype, slice, type)
_WEIGHT_SETTINGS = ("_initializer", "_regularizer", "_constraint")  # they concern weights, not the computation
_BOOKKEEPING = ("_eager", "_losses", "_weights", "compile_state", "history", "nodes", "optimizer")


class ModelStamp(NamedTuple):
    """A value that stays equal as long as a model computes the same.

    Attributes:
        changed: the time of the last change of any part.
        trainable: which layers and variables are trained; by value, since GANs switch it back and forth.
        foreign: the contents of user-defined layers and functions; by value, since they may change without an assignment.
    """

    changed: int
    trainable: bytes
    foreign: tuple[Hashable, ...]


class Parts:
    """The parts of a layer at one time of the clock: the layer and its inner layers, their variables, regularizers and constraints."""

    def __init__(self, layer: Layer, time: int) -> None:
        self.time = time
        self.layers: list[Layer] = list(layer._walk_layers())
        variables = list(dict.fromkeys(v for part in self.layers for v in tracked(part, (Variable,))))
        self.foreign = [part for part in self.layers if is_foreign(part)]
        held = [part.activity_regularizer for part in self.layers]
        held += [h for v in variables for h in (v.regularizer, v.constraint)]
        stamped = [*self.layers, *variables, *(h for h in held if isinstance(h, Stamped))]
        self.changed = max(settings_changed(), *(part.changed for part in stamped))
        catch_up(self.changed)
        self.trainable = bytes([*(part._trainable for part in self.layers), *(v.trainable for v in variables)])


def parts_of(layer: Layer) -> Parts:
    """Return the parts of a layer, listed again if anything has changed since the last call."""
    known = layer._eager.parts
    if known is None or known.time != latest_tick():
        known = layer._eager.parts = Parts(layer, latest_tick())
    return known


def has_foreign_parts(layer: Layer) -> bool:
    """Return whether a layer or one of its inner layers runs user-defined code."""
    return bool(parts_of(layer).foreign)


def stamp_of(layer: Layer) -> ModelStamp:
    """Return the current stamp of a layer."""
    parts = parts_of(layer)
    return ModelStamp(parts.changed, parts.trainable, tuple(_contents(part) for part in parts.foreign))


def _contents(layer: Layer) -> Hashable:
    from graphkit.layers.layer import Layer as Whole

    held = {k: v for k, v in vars(layer).items() if k not in _BOOKKEEPING and k not in layer.unstamped}
    return fingerprint(held, whole=(Stamped, Whole, Variable))


def is_foreign(thing: Any) -> bool:
    """Return whether an object runs user-defined code, which may read state that no stamp covers."""
    if not is_own(type(thing)):
        return True
    if type(thing).__module__.startswith(f"{_OWN}.models"):
        return False  # a graph: its layers are checked one by one
    values = (v for k, v in vars(thing).items() if k not in _BOOKKEEPING and not k.endswith(_WEIGHT_SETTINGS))
    return any(_holds_foreign(value) for value in values)


def is_own(thing: Any) -> bool:
    """Return whether a class or function is part of graphkit."""
    return str(getattr(thing, "__module__", "")).partition(".")[0] == _OWN


def _holds_foreign(value: Any) -> bool:
    if isinstance(value, _DATA):
        return False
    if isinstance(value, (list, tuple, set, frozenset)):
        return any(_holds_foreign(v) for v in value)
    if isinstance(value, Mapping):
        return any(_holds_foreign(v) for v in value.values())
    if isinstance(value, partial):
        return _holds_foreign(value.func) or _holds_foreign(value.args) or _holds_foreign(value.keywords)
    return not (is_own(value) or is_own(type(value)))
