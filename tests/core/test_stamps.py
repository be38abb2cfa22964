"""Fingerprints: what an object holds, by value, in linear time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from graphkit.core.stamps import Stamped, fingerprint, latest_tick

RATE = 1.0


def reads_a_global(x: float) -> float:
    return x * RATE


def calls_itself(x: float) -> float:
    return x if x < 1 else calls_itself(x - RATE)


def closing_over(value: Any) -> Callable[[], Any]:
    return lambda: value


class Holder:
    def __init__(self, **values: Any) -> None:
        self.__dict__.update(values)


def _appended(items: list[Any]) -> None:
    items.append(1)


CHANGES: dict[str, tuple[Any, Callable[[Any], Any]]] = {
    "list": ([1, 2], lambda v: v.append(3)),
    "list in a dict": ({"a": [1]}, lambda v: v["a"].append(2)),
    "dict": ({"a": 1}, lambda v: v.update(a=2)),
    "set": ({1}, lambda v: v.add(2)),
    "array": (np.zeros(3), lambda v: v.__setitem__(1, 5.0)),
    "array of texts": (np.array(["a", "b"], object), lambda v: v.__setitem__(0, "c")),
    "object": (Holder(k=1), lambda v: setattr(v, "k", 2)),
    "object in an object": (Holder(inner=Holder(k=1)), lambda v: setattr(v.inner, "k", 2)),
    "closure": (closing_over([1]), lambda v: _appended(v.__closure__[0].cell_contents)),
}


@pytest.mark.parametrize("kind", CHANGES)
def test_a_change_in_place_is_seen(kind: str) -> None:
    value, change = CHANGES[kind]
    before = fingerprint(value)
    assert fingerprint(value) == before
    assert hash(fingerprint(value)) == hash(before)

    change(value)

    assert fingerprint(value) != before


def test_a_global_that_a_function_reads_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    for function in (reads_a_global, calls_itself):
        before = fingerprint(function)
        with monkeypatch.context() as patch:
            patch.setitem(globals(), "RATE", 2.0)
            assert fingerprint(function) != before


def test_what_holds_itself_ends() -> None:
    items: list[Any] = [1]
    items.append(items)
    before = fingerprint(items)

    assert fingerprint(items) == before
    items[0] = 2
    assert fingerprint(items) != before


def test_functions_that_call_each_other_are_looked_at_once() -> None:
    """Return thirty functions that all refer to each other: following every path would take billions of visits."""
    scope: dict[str, Any] = {"seen": 0}
    names = [f"f{i}" for i in range(30)]
    for name in names:
        exec(f"def {name}(x): return ({', '.join(names)}, seen)[0]", scope)
    before = fingerprint(scope["f0"])

    scope["seen"] = 1

    assert fingerprint(scope["f0"]) != before


def test_equal_numbers_move_no_mark() -> None:
    class Thing(Stamped):
        unstamped = frozenset({"note"})

    thing = Thing()
    thing.rate = 0.5  # type: ignore[attr-defined]
    before = (thing.changed, latest_tick())
    thing.rate = 0.5  # type: ignore[attr-defined]
    thing.note = "x"  # type: ignore[attr-defined]
    assert (thing.changed, latest_tick()) == before

    thing.rate = 0.75  # type: ignore[attr-defined]
    assert thing.changed > before[0]
    marked = thing.changed
    del thing.rate  # type: ignore[attr-defined]
    assert thing.changed > marked
