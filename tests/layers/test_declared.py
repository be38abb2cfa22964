"""Constructors of layers match Keras' in names, order and defaults, and user-defined subclasses may define their own."""

from __future__ import annotations

import inspect
import json
from typing import Any

import pytest

from graphkit import layers
from graphkit.core.declared import Declared, declaration_of
from graphkit.core.serialization import classes_of
from tests.docs.keras_coverage import REASONS, SNAPSHOT, _same

KERAS = json.loads(SNAPSHOT.read_text(encoding="utf-8"))["modules"]["layers"]
CLASSES = [n for n, wanted in KERAS.items() if wanted is not None and inspect.isclass(getattr(layers, n, None))]
REFUSED = {key.removeprefix("layers.") for key in REASONS if key.startswith("layers.") and key.count(".") == 1}
# (class, argument): the difference, and the reason.
DIFFERENT = {
    ("AdditiveAttention", "seed"): "Keras takes it among its **kwargs",
}

# Layers whose constructor does not take a list of hyperparameters.
WRITTEN = ("InputLayer", "Lambda")


def parameters(name: str) -> dict[str, str]:
    """Return the named arguments and their defaults, in the format of the snapshot."""
    given = inspect.signature(getattr(layers, name)).parameters.values()
    return {p.name: "" if p.default is p.empty else repr(p.default) for p in given if p.kind is p.POSITIONAL_OR_KEYWORD}


@pytest.mark.parametrize("name", sorted({*CLASSES} - REFUSED))
def test_arguments_stand_in_keras_order_with_keras_defaults(name: str) -> None:
    mine = {n: default for n, default in parameters(name).items() if (name, n) not in DIFFERENT}
    theirs = {n: default for n, default in KERAS[name] if (name, n) not in DIFFERENT}

    assert list(mine) == list(theirs)[: len(mine)]
    assert [n for n, default in mine.items() if not _same(default, theirs[n])] == []


def test_no_difference_is_stale() -> None:
    def differs(name: str, argument: str) -> bool:
        theirs = dict(KERAS[name])
        return argument not in theirs or not _same(parameters(name)[argument], theirs[argument])

    assert [key for key in DIFFERENT if not differs(*key)] == []


def test_only_these_layers_write_their_constructor() -> None:
    written = {
        cls.__name__
        for cls in classes_of("keras.layers").values()
        if cls.__module__.startswith("graphkit.layers.")
        and cls.__init__ is not layers.Layer.__init__
        and declaration_of(cls) is None
    }

    assert written == {*WRITTEN, *REFUSED}


@pytest.mark.parametrize("cls", sorted(set(classes_of("keras.layers").values()), key=lambda cls: str(cls.__name__)))
def test_type_checkers_and_python_agree_on_positions(cls: Any) -> None:
    """By PEP 681 fields follow the order of the base classes, without the keyword-only ones."""
    if not issubclass(cls, Declared) or (declaration := declaration_of(cls)) is None:
        return
    bases = [base for base in reversed(cls.__mro__) if issubclass(base, Declared)]
    fields = {name: known for base in bases for name, known in base._own_arguments.items()}
    positional = [name for name, known in fields.items() if known.init and not known.kw_only]

    assert positional == list(declaration.order[: len(positional)])


# ----- subclasses of users -----


class Scaled(layers.Conv2D):
    """A subclass that fixes some arguments and adds one."""

    def __init__(self, filters: int, factor: float = 2.0, **kwargs: Any) -> None:
        super().__init__(filters, 3, padding="same", **kwargs)
        self.factor = factor


def test_a_subclass_with_a_constructor_has_the_config_of_its_base_and_its_own_arguments() -> None:
    class Blurred(layers.Conv2D):
        def __init__(self, filters: int, factor: float = 2.0, **kwargs: Any) -> None:
            super().__init__(filters, **kwargs)
            self.factor = factor

    layer = Blurred(4, 3.0, kernel_size=3, padding="same", name="blurred")

    assert list(layer.get_config()) == [*layers.Conv2D(4, 3).get_config(), "factor"]
    copy = Blurred.from_config(layer.get_config())
    assert (copy.filters, copy.kernel_size, copy.padding, copy.factor) == (4, (3, 3), "same", 3.0)


def test_a_constructor_that_fixes_an_argument_of_the_config_is_named() -> None:
    layer = Scaled(4, 3.0, name="scaled", activation="relu")

    assert (layer.kernel_size, layer.padding, layer.activation.__name__) == ((3, 3), "same", "relu")
    with pytest.raises(
        TypeError, match=r"passes Conv2D an argument that the config also holds: define get_config\(\) in Scaled"
    ):
        Scaled.from_config(layer.get_config())


def test_a_subclass_without_a_constructor_has_that_of_its_base() -> None:
    class Plain(layers.LSTM):
        extra: int = 3

    layer = Plain(4, return_sequences=True, name="plain")

    assert inspect.signature(Plain) == inspect.signature(layers.LSTM)
    assert Plain.from_config(layer.get_config()).get_config() == layer.get_config()


def test_arguments_of_a_recurrent_layer_are_those_of_its_cell() -> None:
    class Short(layers.GRU):
        def __init__(self, units: int, **kwargs: Any) -> None:
            super().__init__(units, dropout=0.25, **kwargs)

    layer = Short(3, reset_after=False)
    layer.cell.dropout = 0.5

    assert (layer.dropout, layer.reset_after, layer.units) == (0.5, False, 3)
    config = layer.get_config()
    assert (config["dropout"], config["reset_after"], config["units"]) == (0.5, False, 3)


def test_unknown_arguments_are_named_with_the_nearest_known_one() -> None:
    with pytest.raises(TypeError, match=r"passed to MaxPooling2D: .* Did you mean 'pool_size'"):
        layers.MaxPooling2D(pool_sizes=2)
