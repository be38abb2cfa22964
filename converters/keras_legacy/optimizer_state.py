"""The state of an optimizer in files of Keras 1, Keras 2 and the older optimizers of tf.keras: one slot of all weights after the other.

Slots have the layout of the file's weights, so they are converted in the same way (gates joined, kernels transposed).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from graphkit.core.versions import version_numbers
from graphkit.layers.layer import Layer
from graphkit.optimizers import Optimizer
from graphkit.saving.optimizer_state import Pairs, unused_slots
from graphkit.saving.stores import Entry

from .weights import Dialect, count_trainable, paired


class FileLayer(NamedTuple):
    """A layer and the file's arrays for it, in the file's order."""

    layer: Layer
    weight_names: Sequence[str]
    entries: Sequence[Entry]


class OlderFile(NamedTuple):
    """A file whose optimizer state has one slot of all weights after the other."""

    layers: Sequence[FileLayer]
    dialect: Dialect

    def slots(self, optimizer: Optimizer, entries: Sequence[Entry]) -> Pairs | None:
        """Pair the slots of an optimizer with arrays, in the order of the file's layers; return None if they do not fit."""
        places = _trained_places(self)
        made: Pairs = []
        for group in optimizer.slot_groups:
            taken, entries = entries[: len(places)], entries[len(places) :]
            if [e.shape for e in taken] != [self.layers[layer].entries[at].shape for layer, at in places]:
                return None
            slots = dict(zip(optimizer.trained, group, strict=True))
            at_place = dict(zip(places, taken, strict=True))
            for index, file_layer in enumerate(self.layers):
                own = [at_place.get((index, at), entry) for at, entry in enumerate(file_layer.entries)]
                found = paired(file_layer.layer, file_layer.weight_names, own, self.dialect)
                if isinstance(found, str):
                    return None
                made += [(slots[v], e) for v, e, _ in found if v in slots]
        fits = len(made) == sum(map(len, optimizer.slot_groups)) and all(v.shape == e.shape for v, e in made)
        return made if fits and len(entries) in (0, len(places) if unused_slots(optimizer) else 0) else None


def _trained_places(older: OlderFile) -> list[tuple[int, int]]:
    """Return (layer, array) indices of the trained arrays in the optimizer's order; Keras 1 sorted them by name."""
    places = []
    for index, layer in enumerate(older.layers):
        count = count_trainable(layer.layer, layer.weight_names, layer.entries, older.dialect)
        places += [(index, at) for at in range(count)]
    if older.dialect.keras1:
        places.sort(key=lambda place: older.layers[place[0]].weight_names[place[1]])
    return places


def is_side_by_side(names: Sequence[str], version: str) -> bool:
    """Whether slots are stored weight by weight, by the names of the optimizer's arrays and the file's version of Keras."""
    return version_numbers(version) >= (3,) or any(name.removesuffix(":0") == "iteration" for name in names[:1])
