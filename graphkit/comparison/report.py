"""What a comparison found, as data and as text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

_MOST, _FEW = 20, 5  # lines of one kind in the text


class WeightDifference(NamedTuple):
    """Weights of two layers that differ.

    Attributes:
        layer: the layer of the first model.
        weight: the name of the weight in it.
        what: "values", or how shape or presence differ.
        largest: the largest difference of two elements; None if the shapes differ.
    """

    layer: str
    weight: str
    what: str
    largest: float | None = None


class LayerNumbers(NamedTuple):
    """What two layers compute for the same inputs of the models.

    Attributes:
        a: the layer of the first model.
        b: the layer of the second model.
        shape: of the output of `a`.
        largest: the largest difference of two elements; infinite where one is not finite, or the shapes differ.
        relative: that difference divided by the largest magnitude in `a`'s output.
        note: how the shapes differ, or that the axis of the channels was moved; else "".
        agree: whether the difference is within the tolerance.
    """

    a: str
    b: str
    shape: tuple[int, ...]
    largest: float
    relative: float
    note: str
    agree: bool


@dataclass
class Difference:
    """The differences of two models. It is true if there are any.

    Attributes:
        a: what the first model is called.
        b: what the second model is called.
        only_a: layers (path, class) without a counterpart in `b`.
        only_b: layers without a counterpart in `a`.
        renamed: pairs of layers that correspond under different names.
        changed_configs: (layer, argument, value in a, value in b).
        changed_shapes: (layer, shapes in a, shapes in b).
        equal_weights: the number of weights that are equal.
        different_weights: those that are not.
        numbers: layer by layer, in the order of computation of `a`; empty if the numbers were not compared.
        outputs: the same for the outputs of the models.
        parts_at: the layers at which the numbers part: they differ, but nothing before them does.
        parts_after: where no layer with a counterpart differs but an output does, the last layers before it that agree.
        not_compared: why the numbers were not compared; else "".
        tolerance: the largest relative difference that counts as equal.
    """

    a: str
    b: str
    only_a: list[tuple[str, str]] = field(default_factory=list)
    only_b: list[tuple[str, str]] = field(default_factory=list)
    renamed: list[tuple[str, str]] = field(default_factory=list)
    changed_configs: list[tuple[str, str, Any, Any]] = field(default_factory=list)
    changed_shapes: list[tuple[str, Any, Any]] = field(default_factory=list)
    equal_weights: int = 0
    different_weights: list[WeightDifference] = field(default_factory=list)
    numbers: list[LayerNumbers] = field(default_factory=list)
    outputs: list[LayerNumbers] = field(default_factory=list)
    parts_at: list[LayerNumbers] = field(default_factory=list)
    parts_after: list[LayerNumbers] = field(default_factory=list)
    not_compared: str = ""
    tolerance: float = 0.0

    def __bool__(self) -> bool:
        return bool(self.aspects)

    @property
    def aspects(self) -> list[str]:
        """What differs: some of "structure", "weights", "numbers"."""
        found = {"structure": self.structure_differs, "weights": self.different_weights, "numbers": self.numbers_differ}
        return [name for name, differs in found.items() if differs]

    @property
    def structure_differs(self) -> bool:
        """Whether layers, configs or shapes differ; names alone do not count."""
        return bool(self.only_a or self.only_b or self.changed_configs or self.changed_shapes)

    @property
    def numbers_differ(self) -> bool:
        """Whether an output, or what a layer computes, differs by more than the tolerance."""
        return any(not found.agree for found in (*self.numbers, *self.outputs))

    def as_dict(self) -> dict[str, Any]:
        """Return the report as plain data."""
        made = dict(vars(self))
        for name in ("different_weights", "numbers", "outputs", "parts_at", "parts_after"):
            made[name] = [found._asdict() for found in made[name]]
        return {**made, "differs": self.aspects}

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        yield f"--- {self.a}"
        yield f"+++ {self.b}"
        yield from _first([f"- {name} ({kind})" for name, kind in self.only_a])
        yield from _first([f"+ {name} ({kind})" for name, kind in self.only_b])
        yield from _first([f"  {a} is called {b}" for a, b in self.renamed], _FEW)
        yield from _first(self._config_lines())
        yield from _first([f"! {name}: shape {a} -> {b}" for name, a, b in self.changed_shapes])
        yield f"weights: {self.equal_weights} equal, {len(self.different_weights)} different"
        worst = sorted(self.different_weights, key=lambda w: -(float("inf") if w.largest is None else w.largest))
        yield from _first([f"! {w.layer}, {w.weight}: {_of_weight(w)}" for w in worst])
        yield from self._number_lines()
        yield f"the models differ in {' and '.join(self.aspects)}" if self else "the models agree"

    def _config_lines(self) -> list[str]:
        """Return a line for each change of an argument, with the layers that share it."""
        same: dict[tuple[str, str, str], list[str]] = {}
        for name, key, a, b in self.changed_configs:
            same.setdefault((key, _short(a), _short(b)), []).append(name)
        return [f"! {_names(layers)}: {key} {a} -> {b}" for (key, a, b), layers in same.items()]

    def _number_lines(self) -> Iterator[str]:
        if self.not_compared:
            yield f"numbers: not compared, {self.not_compared}"
            return
        agree = sum(found.agree for found in self.numbers)
        by_values = sum("found by its values" in found.note for found in self.numbers)
        more = f" ({by_values} of them found by their values)" if by_values else ""
        yield f"numbers: {agree} of {len(self.numbers)} layers agree within {self.tolerance:g} of the largest value{more}"
        for found in self.outputs:
            yield f"{' ' if found.agree else '!'} output {_pair(found)}: {_of_numbers(found)}"
        if self.parts_at:
            yield "they part at"
            yield from _first([f"! {_pair(found)}: {_of_numbers(found)}" for found in self.parts_at])
        if self.parts_after:
            yield "they part after"
            yield from _first([f"  {_pair(found)}: {_of_numbers(found)}" for found in self.parts_after])


def _first(lines: list[str], most: int = _MOST) -> Iterator[str]:
    yield from lines[:most]
    if len(lines) > most:
        yield f"  ... {len(lines) - most} more"


def _names(layers: list[str]) -> str:
    return ", ".join(layers) if len(layers) <= 3 else f"{layers[0]} and {len(layers) - 1} more"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _pair(found: LayerNumbers) -> str:
    return found.a if found.a == found.b else f"{found.a} = {found.b}"


def _of_weight(found: WeightDifference) -> str:
    return found.what if found.largest is None else f"values differ by up to {found.largest:.3g}"


def _of_numbers(found: LayerNumbers) -> str:
    note = f" ({found.note})" if found.note else ""
    return f"{found.shape} differs by up to {found.largest:.3g}, {found.relative:.3g} of the largest value{note}"
