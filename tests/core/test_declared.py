"""Declared arguments: one typed field each defines constructor, signature, checks, attributes and config."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from graphkit.core.declared import Declared, argument, declaration_of
from graphkit.core.errors import InvalidArgumentError


def at_least_one(owner: Any, name: str, value: Any) -> int:
    if value < 1:
        raise InvalidArgumentError(f"{name} of {owner.label} is {value}")
    return int(value)


class Base:
    """An undeclared base class that takes `label`."""

    def __init__(self, label: str = "unnamed", **others: Any) -> None:
        if others:
            raise TypeError(f"unknown: {sorted(others)}")
        self.label = label


class Flags(Declared, kw_only=True):
    reverse: bool = argument(default=False)
    seed: Any = argument(default=None)


class Thing(Flags, Declared, Base):
    argument_order = "size reverse shape seed"
    config_order = "seed size shape"
    passes_on = True

    size: int = argument(check=at_least_one)
    _shape: Any = argument(default=(1, 2), convert=list, save=lambda value: {"shape": value}, alias="shape")
    old: Any = argument(default=0, hidden=True)

    def __post_init__(self) -> None:
        self.finished = (self.size, self.reverse)


def test_the_signature_is_the_declared_order_with_defaults_and_types() -> None:
    assert str(inspect.signature(Thing)) == (
        "(size: 'int', reverse: 'bool' = False, shape: 'Any' = (1, 2), seed: 'Any' = None, **kwargs: 'Any') -> 'None'"
    )


def test_arguments_go_by_position_and_by_name() -> None:
    thing = Thing(3, True, (4,), seed=7)

    assert (thing.size, thing.reverse, thing._shape, thing.seed, thing.old) == (3, True, [4], 7, 0)
    assert not hasattr(thing, "shape")
    assert thing.finished == (3, True)


def test_python_complains_about_wrong_calls_as_about_any_constructor() -> None:
    with pytest.raises(TypeError, match=r"Thing\.__init__\(\) missing 1 required positional argument: 'size'"):
        Thing()  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="takes from 2 to 5 positional arguments but 6 were given"):
        Thing(1, 2, 3, 4, 5)  # type: ignore[misc]
    with pytest.raises(TypeError, match="multiple values for argument 'size'"):
        Thing(1, size=2)  # type: ignore[misc]


def test_a_check_knows_the_object_and_its_base_is_made_by_then() -> None:
    with pytest.raises(InvalidArgumentError, match="size of mine is 0"):
        Thing(0, label="mine")  # type: ignore[call-arg]


def test_what_is_not_declared_goes_to_the_base() -> None:
    assert Thing(1, label="mine").label == "mine"  # type: ignore[call-arg]
    with pytest.raises(TypeError, match=r"unknown: \['colour'\]"):
        Thing(1, colour=2)  # type: ignore[call-arg]


def test_a_hidden_argument_is_taken_by_name_only() -> None:
    assert Thing(1, old=5).old == 5
    assert "old" not in inspect.signature(Thing).parameters


def test_the_config_has_its_own_order_and_forms() -> None:
    declaration = declaration_of(Thing)
    thing = Thing(1, seed=2)

    assert declaration is not None
    assert {name: thing.saved_argument(name) for name in declaration.saved} == {
        "seed": 2,
        "size": 1,
        "shape": {"shape": [1, 2]},
    }


def test_declarations_leave_no_class_attributes_behind() -> None:
    assert not hasattr(Thing, "size")
    assert not hasattr(Flags, "reverse")


def test_a_subclass_adds_arguments_behind_and_may_declare_one_anew() -> None:
    class Larger(Thing):
        size: int = argument(default=10, check=at_least_one)
        more: str = argument(default="x")

    assert list(inspect.signature(Larger).parameters) == ["size", "reverse", "shape", "seed", "more", "kwargs"]
    assert (Larger().size, Larger().more, Larger().finished) == (10, "x", (10, False))


def test_inherited_arguments_that_an_order_leaves_out_are_hidden() -> None:
    class Smaller(Thing):
        argument_order = "size"

    assert list(inspect.signature(Smaller).parameters) == ["size", "kwargs"]
    assert Smaller(1, seed=4).seed == 4


def test_arguments_for_the_base_are_shown_and_handed_on() -> None:
    class Named(Declared, Base):
        size: int = argument(default=1)
        label: str = argument(default="a name", for_base=True, saved=False)

    assert str(inspect.signature(Named)) == "(size: 'int' = 1, label: 'str' = 'a name') -> 'None'"
    assert Named(2, "other").label == "other"
    with pytest.raises(TypeError, match="unexpected keyword argument 'colour'"):
        Named(colour=1)  # type: ignore[call-arg]


def test_a_written_constructor_stays_and_may_call_the_declared_one() -> None:
    class Written(Thing):
        def __init__(self, size: int, extra: str, **kwargs: Any) -> None:
            super().__init__(size * 2, **kwargs)
            self.extra = extra

    class Further(Written):
        """With annotated attributes, too: an annotation without `argument` is not an argument."""

        size_of_all: int = 3

    assert declaration_of(Written) is None
    assert list(inspect.signature(Further).parameters) == ["size", "extra", "kwargs"]
    assert Further(2, "y", seed=1).finished == (4, False)


def test_a_plain_subclass_keeps_the_constructor() -> None:
    class Plain(Thing):
        size_of_all: int = 3

    assert Plain.__init__ is Thing.__init__
    assert declaration_of(Plain) is declaration_of(Thing)


def test_what_comes_first_may_change_the_arguments() -> None:
    class Renamed(Thing):
        argument_order = "size"

        def __pre_init__(self, given: dict[str, Any], more: dict[str, Any]) -> None:
            given["seed"] = more.pop("random_state", given["seed"])

    assert Renamed(1, random_state=8).seed == 8  # type: ignore[call-arg]


def test_an_argument_of_a_group_declared_anew_is_the_class_own() -> None:
    class Reversed(Thing):
        reverse: bool = argument(default=True, kw_only=True)

    assert Reversed(1).finished == (1, True)


def test_an_inherited_argument_may_be_none_of_the_class() -> None:
    class Sized(Thing):
        _shape: Any = argument(init=False, alias="shape")

        def __post_init__(self) -> None:
            self._shape = [self.size]

    assert list(inspect.signature(Sized).parameters) == ["size", "reverse", "seed", "kwargs"]
    assert Sized(3)._shape == [3]
    with pytest.raises(TypeError, match=r"unknown: \['shape'\]"):
        Sized(3, shape=(1,))  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"argument_order": "size color"}, r"Wrong: \['color'\] are listed in an order"),
        ({"config_order": "size color"}, r"Wrong: \['color'\] are listed in an order"),
        ({"argument_order": "reverse size"}, r"Wrong: \['size'\] have no default, so they must come first"),
        ({"argument_order": "reverse"}, r"Wrong: \['size'\] have no default"),
    ],
)
def test_an_order_that_does_not_fit_is_refused_when_the_class_is_made(body: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        type("Wrong", (Thing,), body)


def test_a_hidden_argument_declared_anew_is_shown() -> None:
    class Shown(Thing):
        old: Any = argument(default=1)

    assert list(inspect.signature(Shown).parameters) == ["size", "reverse", "shape", "seed", "old", "kwargs"]
